"""What the records are worth before anything is learnt from them: an audit, and a split held up.

The world plants wrong labels and swapped tubes, so the audit can be held against the truth. The
split is the one that the records came with; beside it a record-by-record draw, as is often done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.audit import audit_reference
from merian.audit.held import joined
from merian.audit.near_barcodes import near_barcodes
from merian.catalogue import Catalogue
from merian.catalogue.splits import PARTS, Plan, Stored
from merian.demo.tables import rows_of
from merian.report import Figures, Section, Table, Text

__all__ = ["Checked", "check_records", "tell_checked"]

_SHOWN = 6


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes:
        found: Kinds of faults of the references: how many, of what, and what they are.
        doubted: Records that are probably mislabelled: id, label, what lies there, score.
        planted: Records of the references whose label or tube is wrong in truth.
        splits: The split that the records came with, and one that was drawn by record.
    """

    found: Sequence[tuple[int, str, str]]
    doubted: Sequence[Mapping[str, object]]
    planted: frozenset[str]
    splits: tuple[Stored, Stored]


def check_records(folder: Path, truth: Mapping[str, Mapping[str, str]]) -> Checked:
    """Audit the references, and look at what leaks in two splits.

    Args:
        folder: Of the demonstration.
        truth: What is true of each record, by column.
    """
    references = folder / "references.tsv"
    audit = audit_reference([references])
    mislabels = next(f for f in audit.findings if f.name == "mislabels")
    doubted: dict[str, Mapping[str, object]] = {}
    for row in mislabels.rows:
        told = dict(zip(mislabels.columns, row, strict=True))
        doubted.setdefault(str(told["record"]), told)
    ids = [row["occurrenceID"] for row in rows_of(references)]
    planted = frozenset(
        key for key in ids if truth[key]["mislabelled"] == "1" or truth[key]["tube_of"]
    )
    with Catalogue.open(folder / "catalogue") as catalogue:
        came = catalogue.split(Plan("published", preset="published"),
                               contained=joined, near=near_barcodes)  # fmt: skip
        drawn = catalogue.split(Plan("random-by-record", preset="random", parts=PARTS),
                                contained=joined, near=near_barcodes)  # fmt: skip
    found = [(f.count, f.noun, f.title) for f in audit.findings if f.fault and f.count]
    return Checked(found, list(doubted.values()), planted, (came, drawn))


def tell_checked(checked: Checked) -> Section:
    """Return the section."""
    doubted = {str(row["record"]) for row in checked.doubted}
    right = len(doubted & checked.planted)
    came, drawn = checked.splits
    leaks = {leak.kind: leak for leak in drawn.leaks}
    return Section(
        "What the references are worth",
        [
            Text(
                "Each reference is taken out in turn and judged by all others. Wrong labels and "
                "swapped tubes were planted, so it is known which doubts are right. Two records "
                "of a pair that was swapped are both planted; a species with one record has "
                "nothing to be held against."
            ),
            Figures(
                [
                    (len(doubted), "references are doubted"),
                    (right, "of them are wrong in truth"),
                    (len(checked.planted), "wrong ones were planted"),
                ]
            ),
            Table(["found", "of", "what"], list(checked.found), "Faults of the references"),
            Text(
                "A test says what is true only if nothing of it was learnt from. The records came "
                "with parts of their own; beside them stands what leaks if records are drawn one "
                "by one."
            ),
            Table(
                ["in several parts", "as it came", "drawn by record"],
                [
                    [leak.kind, _share(leak.share), _share(leaks[leak.kind].share)]
                    for leak in came.leaks
                    if leak.kind in leaks and (leak.tested or leaks[leak.kind].tested)
                ],
                "The share of what is tested that hangs together with what is learnt from",
            ),
        ],
    )


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"
