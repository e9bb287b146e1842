"""The page and the tables of a split: what leaks, the taxa of each part, and the reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from merian.files import check_replaceable, new_folder, write_json
from merian.formats.delimited import write_delimited
from merian.report.page import Figures, Name, Note, Part, Section, Table, Text, page
from merian.stamp import run_id, stamp

if TYPE_CHECKING:
    from merian.catalogue.splits import Report

__all__ = ["PAGE", "divided_page", "write_divided"]

PAGE = "split.html"
_HEADER, _FORMAT, _VERSION = "split.json", "merian-split", "1.0"
_SHOWN = 40
_ADVICE = """
A barcode, a specimen or a picture that is learned from and tested with was learned by heart: none
should stand in several parts. A BIN, a sample or an instrument may be meant to, as in a test of
known species; then the score holds for the same BINs, samples and instruments, and for no others.
"""
_RANDOM = (
    "This split is drawn record by record and leaks: what hangs together stands in several parts. "
    "A score on it says more than is true."
)


def write_divided(found: Report, out: Path) -> None:
    """Write the tables and the page of a split into a folder.

    Args:
        found: The split, looked at closely.
        out: The folder: a new one, an empty one, or one that was written so before.
    """
    check_replaceable(out, _HEADER, "a split")
    split = found.split
    tables: dict[str, tuple[Sequence[str], Sequence[Sequence[object]]]] = {
        "leaks": (
            ("kind", "groups", "in_several_parts", "records_that_leak", "records_tested",
             "looked_at"),
            [(k.kind, k.groups, k.shared, k.records, k.tested, k.note) for k in split.leaks],
        ),
        "pairs": (
            ("kind", "part", "other_part", "groups", "records", "other_records"), found.pairs,
        ),
        "taxa": (("taxon", *split.parts), _by_part(found)),
        "reasons": (("part", "reason", "records"), found.reasons),
    }  # fmt: skip
    with new_folder(out) as folder:
        for name, (columns, rows) in tables.items():
            write_delimited(folder / f"{name}.tsv", columns, rows, "\t", str)
        write_json(folder / _HEADER, {
            "merian": _stamp(found), "name": split.name, "method": split.method,
            "settings": split.settings, "parts": split.parts, "digest": split.digest,
        })  # fmt: skip
        (folder / PAGE).write_text(divided_page(found), encoding="utf-8")


def divided_page(found: Report) -> str:
    """Return the page of a split."""
    split = found.split
    parts: list[Part] = [
        Figures([(f"{told['records']:,}", f"{part} ({told['role']})")
                 for part, told in split.parts.items() if told["records"]]),
    ]  # fmt: skip
    if split.settings.get("preset") == "random":
        parts.append(Note(_RANDOM))
    leaks = [
        (k.kind, k.records, k.tested, round(100 * k.share, 1), k.shared, k.groups, k.note)
        for k in split.leaks
    ]
    pairs: list[Part] = [
        Text("Two parts, the groups that stand in both, and the records of these in each:"),
        Table(("kind", "part", "other", "groups", "records", "of the other"), found.pairs),
    ]
    taxa = _by_part(found)
    cells = [(Name(row[0]) if " " in str(row[0]) else row[0], *row[1:]) for row in taxa[:_SHOWN]]
    return page(
        f"The split {split.name}",
        [
            Section("What there is", parts),
            Section("What stands in several parts", [
                Text(_ADVICE),
                Table(("kind", "records leak", "of tested", "%", "groups in several parts",
                       "of groups", "looked at"), leaks),
                *(pairs if found.pairs else []),
            ]),
            Section("Taxa", [Table(("taxon", *split.parts), cells,
                                   more=max(0, len(taxa) - _SHOWN))]),
            Section("Reasons", [Table(("part", "reason", "records"), found.reasons[:_SHOWN],
                                      more=max(0, len(found.reasons) - _SHOWN))]),
        ],
        subtitle=f"{split.records:,} records, {split.method}, seed {split.seed}",
        stamp=_stamp(found),
    )  # fmt: skip


def _by_part(found: Report) -> list[tuple[object, ...]]:
    """Return the taxa with their records in each part, those with the most records first."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for taxon, part, records in found.taxa:
        counts[taxon][part] = records
    order = sorted(counts, key=lambda taxon: (-sum(counts[taxon].values()), taxon))
    return [
        (taxon or "(no name)", *(counts[taxon].get(part, 0) for part in found.split.parts))
        for taxon in order
    ]


def _stamp(found: Report) -> dict[str, object]:
    split = found.split
    asked = {"name": split.name, "settings": split.settings, "digest": split.digest}
    return stamp(_FORMAT, _VERSION, run_id("split-report", asked))
