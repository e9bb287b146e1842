"""What identify has said of records, in columns: a million of them stay small.

It comes from an answer table of `merian identify`, which has the best guess at every rank with its
probability, or from the identifications of a catalogue, which say the taxon stood by and what is
above. There a person's word stands above a machine's, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify.answers import read_answers
from merian.taxonomy import MAIN_RANKS

__all__ = ["RANKS", "Standing", "nothing_said", "of_answers", "of_rows"]

RANKS = tuple(MAIN_RANKS)
_SPECIES = RANKS.index("species")


@dataclass(frozen=True, eq=False)
class Standing:
    """What is said of each record.

    Attributes:
        name: int32[n, ranks]; the best guess at each rank, a number in ``names``; -1 where none.
        probability: float32[n, ranks]; of it.
        depth: int8[n]; the place in `RANKS` of the rank stood by; -1 for none.
        by_hand: bool[n]; whether a person has said so.
        names: The names, each once.
        nearest: The id of the nearest reference of each, or "".
        identity: float32[n]; how alike that is; NaN where not known.
    """

    name: NDArray[np.int32]
    probability: NDArray[np.float32]
    depth: NDArray[np.int8]
    by_hand: NDArray[np.bool_]
    names: Sequence[str]
    nearest: Sequence[str]
    identity: NDArray[np.float32]

    @property
    def unnamed(self) -> NDArray[np.bool_]:
        """Which records stand by no species."""
        return np.asarray(self.depth < _SPECIES)

    def stood_by(self, rank: str) -> list[str | None]:
        """Return the name that each record stands by at a rank; None for those that do not."""
        place = RANKS.index(rank)
        there = (self.depth >= place) & (self.name[:, place] >= 0)
        return [
            self.names[number] if told else None
            for number, told in zip(self.name[:, place].tolist(), there.tolist(), strict=True)
        ]

    def only(self, chosen: NDArray[np.bool_]) -> Standing:
        """Return what is said of some of the records."""
        at = np.flatnonzero(chosen)
        return Standing(
            self.name[at], self.probability[at], self.depth[at], self.by_hand[at], self.names,
            [self.nearest[n] for n in at.tolist()], self.identity[at],
        )  # fmt: skip


def nothing_said(count: int) -> Standing:
    """Return what is said of records that nobody has identified."""
    return of_rows(["" for _ in range(count)], ())


def of_answers(path: Path, records: Sequence[str], called: Mapping[str, str]) -> Standing:
    """Read an answer table.

    Args:
        path: It.
        records: The records that are asked about, each once.
        called: Other ids that the table may call records by; the record of each.
    """
    return of_rows(records, read_answers(path), called)


def of_rows(
    records: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    called: Mapping[str, str] | None = None,
) -> Standing:
    """Put rows with the columns of an answer table beside the records that they are about.

    The first row of a record counts. Rows may say ``by_hand``.
    """
    place = {record: number for number, record in enumerate(records)}
    others = called or {}
    name = np.full((len(records), len(RANKS)), -1, np.int32)
    probability = np.zeros((len(records), len(RANKS)), np.float32)
    depth = np.full(len(records), -1, np.int8)
    by_hand, seen = np.zeros(len(records), bool), np.zeros(len(records), bool)
    identity = np.full(len(records), np.nan, np.float32)
    nearest = [""] * len(records)
    known: dict[str, int] = {}
    for row in rows:
        at = place.get(others.get(row["id"], row["id"]), -1)
        if at < 0 or seen[at]:
            continue
        seen[at] = True
        for rank, column in enumerate(RANKS):
            if text := row.get(column):
                name[at, rank] = known.setdefault(str(text), len(known))
                probability[at, rank] = row.get(f"p_{column}") or 0.0
        rank_of = row.get("rank") or ""
        depth[at] = RANKS.index(rank_of) if rank_of in RANKS else -1
        by_hand[at] = bool(row.get("by_hand"))
        nearest[at] = str(row.get("nearest") or "").partition(";")[0]
        if row.get("identity") is not None:
            identity[at] = row["identity"]
    return Standing(name, probability, depth, by_hand, [*known], nearest, identity)
