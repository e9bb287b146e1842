"""Records of which the truth is known: written, asked about, judged and counted.

An answer is wrong if it is neither the true taxon nor one above it. Errors are means over groups
(genera, or classes), with 95 % intervals of these drawn again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.formats import Options
from merian.formats.delimited import write_delimited
from merian.identify import Choice
from merian.identify.answers import read_answers
from merian.identify.record_job import beside, identify_records
from merian.identify.records import Records

__all__ = [
    "RANKS",
    "Figures",
    "Judged",
    "Row",
    "asked_about",
    "depths",
    "drawn",
    "errors",
    "figures",
    "specimens",
    "write_rows",
]

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
_DRAWS = 2000

Row = dict[str, str]
Figures = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, what is true, and what its library lacks of that."""

    row: Mapping[str, object]
    truth: Row
    stratum: str

    @property
    def wrong(self) -> bool:
        """Whether it is neither the true taxon nor one above it."""
        rank = str(self.row["rank"] or "")
        name = str(self.row["name"]).casefold()
        return bool(rank) and name != self.truth.get(rank, "").casefold()


def specimens(world: Path) -> Iterator[Row]:
    """Return specimens under their true names; no copies, and no barcode of another one."""
    with (world / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        told = {row["processid"]: row for row in csv.DictReader(stream)}
    images = {path.stem: path for path in (world / "images").rglob("*") if path.is_file()}
    with (world / "truth" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = row["processid"]
            if row["copy_of"] or row["tube_of"]:
                continue
            image = images.get(key)
            yield {
                "id": key,
                "image": str(image.relative_to(world / "images")) if image else "",
                "sequence": told[key]["dna_barcode"],
                **{rank: row.get(rank) or "Animalia" for rank in RANKS},
            }


def drawn(random: np.random.Generator, names: Iterable[str], share: float) -> set[str]:
    """Return a share of some names, by chance."""
    order = random.permutation(sorted(names)).tolist()
    return set(order[: round(share * len(order))])


def asked_about(
    out: Path, rows: Sequence[Row], images: Path, libraries: Sequence[Path], alpha: float,
    processes: int, without: Sequence[str] = (),
) -> list[dict[str, object]]:  # fmt: skip
    """Return the answers about rows, of which no name is told."""
    table = out.with_suffix(".csv")
    write_rows(table, rows, without=("label", *RANKS, *without))
    mapping = {"id": "occurrenceID", "image": "accessURI"}
    records = Records([table], Options(mapping, images))
    identify_records(records, tuple(libraries), out, choice=Choice(alpha), processes=processes)
    return [*read_answers(out), *read_answers(beside(out)[0])]


def write_rows(path: Path, rows: Sequence[Row], without: Sequence[str]) -> None:
    """Write rows as a table, without some columns."""
    columns = [name for name in rows[0] if name not in without]
    write_delimited(path, columns, ([row[name] for name in columns] for row in rows), ",")


def figures(name: str, judged: Sequence[Judged], group: str) -> Figures:
    """Return the error in each stratum and in all, and how deep answers go."""
    found: Figures = {}
    wrong = np.array([one.wrong for one in judged], np.float64)
    of = np.array([one.truth[group] for one in judged])
    kinds = np.array([one.stratum for one in judged])
    for kind in ("all", *sorted(set(kinds.tolist()))):
        here = np.ones(len(kinds), bool) if kind == "all" else kinds == kind
        found[f"{name}: wrong, {kind}"] = errors(wrong[here], of[here])
    for kind in sorted(set(kinds.tolist())):
        found |= depths(f"{name}, {kind}", [one for one in judged if one.stratum == kind])
    return found


def errors(wrong: NDArray[np.float64], group: NDArray[np.str_]) -> dict[str, object]:
    """Return the mean over groups of the share of wrong answers, with its interval."""
    groups, number = np.unique(group, return_inverse=True)
    share = np.bincount(number, wrong) / np.bincount(number)
    random = np.random.default_rng(0)
    drawn = share[random.integers(len(share), size=(_DRAWS, len(share)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {
        "value": round(100 * float(share.mean()), 2), "low": round(100 * float(low), 2),
        "high": round(100 * float(high), 2), "n": len(wrong),
        "unit": f"% wrong, mean over {len(groups)} groups",
    }  # fmt: skip


def depths(name: str, judged: Sequence[Judged]) -> Figures:
    """Return which share of answers names a rank or lower, rightly."""
    found: Figures = {}
    for rank in ("order", "family", "genus", "species") if judged else ():
        below = RANKS[RANKS.index(rank) :]
        right = [one.row["rank"] in below and not one.wrong for one in judged]
        found[f"{name}: named rightly to {rank}"] = {
            "value": round(100 * float(np.mean(right)), 1), "n": len(right), "unit": "%",
        }  # fmt: skip
    return found
