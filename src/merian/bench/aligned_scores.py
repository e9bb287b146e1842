"""What vectors of pictures, barcodes and names find of each other: figures of the bench image-dna.

The keys are those of seen and unseen species together; the queries have both a picture and a
barcode, so that all ways of asking are asked of the same records. Species are drawn again for the
intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.paired_world import PairedWorld
from merian.learn.bootstrap import Interval
from merian.learn.record_splits import RecordSplit, leaks, split_records
from merian.learn.retrieval import Asked, less, mean_of, right_among, scores, side_by_side
from merian.world.biota import RANKS as WORLD_RANKS

__all__ = ["KS", "RANKS", "WAYS", "Case", "Figures", "case_of", "claims", "table"]

RANKS = ("order", "family", "genus", "species")
KS = (1, 3, 5)
WAYS: dict[str, tuple[str, str]] = {
    "image-image": ("image", "image"),
    "DNA-DNA": ("barcode", "barcode"),
    "image-DNA": ("image", "barcode"),
    "image-text": ("image", "text"),
    "both-both": ("both", "both"),
}
_WEIGHTS = tuple(step / 10 for step in range(11))

Vectors = NDArray[np.float32]
Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A world with its split.

    Attributes:
        world: Its records.
        split: What is learned from, what is searched, what is asked.
    """

    world: PairedWorld
    split: RecordSplit

    @cached_property
    def names(self) -> list[dict[str, str]]:
        """The names of each record, by rank."""
        columns = [WORLD_RANKS.index(rank) for rank in RANKS]
        rows = self.world.names[:, columns].tolist()
        return [dict(zip(RANKS, row, strict=True)) for row in rows]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """int64[n, ranks]; the names as numbers."""
        columns = [WORLD_RANKS.index(rank) for rank in RANKS]
        codes = [np.unique(self.world.names[:, c], return_inverse=True)[1] for c in columns]
        return np.stack(codes, 1).astype(np.int64)

    @cached_property
    def both(self) -> NDArray[np.bool_]:
        """Which records have a barcode beside their picture."""
        return np.array([bool(text) for text in self.world.sequences])

    @property
    def learned(self) -> NDArray[np.int64]:
        """What may be learned from."""
        return self.split.rows("train")

    @property
    def keys(self) -> NDArray[np.int64]:
        """What is searched: of seen and unseen species."""
        rows = self.split.rows("seen keys", "unseen keys")
        return rows[self.both[rows]]

    def queries(self, part: str) -> NDArray[np.int64]:
        """Return what is asked while choosing (val), or in the end (test)."""
        rows = self.split.rows(f"seen {part}", f"unseen {part}")
        return rows[self.both[rows]]

    def asked(self, part: str, rank: str) -> Asked:
        """Return what is known of the queries at a rank."""
        rows = self.queries(part)
        seen = np.isin(rows, self.split.rows(f"seen {part}"))
        labels = self.labels[rows]
        return Asked(labels[:, RANKS.index(rank)], seen, labels[:, -1])

    def right(self, queries: Vectors, keys: Vectors, part: str = "test") -> NDArray[np.float64]:
        """Return float[queries, ranks, ks]: what is right of vectors of all records."""
        rows = self.queries(part)
        return right_among(
            queries[rows], keys[self.keys], self.labels[rows], self.labels[self.keys], KS
        )

    def ways(
        self, vectors: Mapping[str, Vectors], part: str = "test", aligned: bool = True
    ) -> dict[str, NDArray[np.float64]]:
        """Return what is right by each way of asking that the vectors allow.

        Args:
            vectors: Of all records, by modality.
            part: val or test.
            aligned: Whether they are in one space; if not, modalities are only asked of themselves,
                and both stand side by side.
        """
        given = dict(vectors)
        if {"image", "barcode"} <= set(given):
            join = mean_of if aligned else side_by_side
            given["both"] = join(given["image"], given["barcode"])
        return {
            way: self.right(given[one], given[other], part)
            for way, (one, other) in WAYS.items()
            if one in given and other in given and (aligned or one == other)
        }

    def best_weight(self, vectors: Mapping[str, Vectors]) -> float:
        """Return the weight of the barcode in a mean that answers best while choosing."""
        found = {}
        for weight in _WEIGHTS:
            both = mean_of(vectors["image"], vectors["barcode"], weights=(1 - weight, weight))
            found[weight] = self.value(self.right(both, both, "val"), "val")
        return max(found, key=found.__getitem__)

    def value(self, right: NDArray[np.float64], part: str, rank: str = "species") -> float:
        """Return the harmonic mean of seen and unseen, macro."""
        told = scores(right[:, RANKS.index(rank), 0], self.asked(part, rank), macro=True, rounds=2)
        return told.harmonic.value


def case_of(world: PairedWorld, seed: int) -> Case:
    """Split a world, and make sure that no barcode is on two sides."""
    split = split_records(world.names[:, -1].tolist(), world.kinds.tolist(), seed=seed)
    assert not leaks(split.sides, world.kinds.tolist())
    return Case(world, split)


def table(case: Case, name: str, found: Mapping[str, NDArray[np.float64]], draws: int) -> Figures:
    """Return the figures of an arm: each way, rank and mean, seen, unseen and both."""
    rows: Figures = {}
    for way, right in found.items():
        for place, rank in enumerate(RANKS):
            asked = case.asked("test", rank)
            for macro in (True, False):
                told = scores(right[:, place, 0], asked, macro=macro, rounds=draws)
                key = f"{name}: {way}, {rank}, {'macro' if macro else 'micro'}"
                for side, one in (("seen", told.seen), ("unseen", told.unseen),
                                  ("both", told.harmonic)):  # fmt: skip
                    rows[f"{key}, {side}"] = _row(one, "%")
        for k in range(1, len(KS)):
            told = scores(right[:, -1, k], case.asked("test", "species"), macro=True, rounds=draws)
            rows[f"{name}: {way}, species, macro, both, first {KS[k]}"] = _row(told.harmonic, "%")
    return {key: row for key, row in rows.items() if np.isfinite(row["value"])}


def claims(
    case: Case,
    name: str,
    answers: Mapping[str, Mapping[str, NDArray[np.float64]]],
    chosen: Mapping[str, str],
    draws: int,
) -> Figures:
    """Return the differences that the claims are about, each on the same queries and draws.

    Args:
        case: The world.
        name: What the figures' names begin with.
        answers: What is right, by arm and way.
        chosen: Of each arm with both modalities, the better single way while choosing.
        draws: For the intervals.
    """
    rows: Figures = {}

    def tell(
        claim: str, one: tuple[str, str], other: tuple[str, str], ranks: Sequence[str]
    ) -> None:
        (arm, way), (base, its) = one, other
        if way not in answers.get(arm, {}) or its not in answers.get(base, {}):
            return
        for rank in ranks:
            place = RANKS.index(rank)
            told = less(
                answers[arm][way][:, place, 0], answers[base][its][:, place, 0],
                case.asked("test", rank), macro=True, rounds=draws,
            )  # fmt: skip
            for side, difference in (("unseen", told.unseen), ("both", told.harmonic)):
                rows[f"{name}: {claim}, {rank}, macro, {side}"] = _row(difference, "points")

    for arm in ("I+T", "I+D", "I+D+T"):
        for base in ("none", "I"):
            tell(
                f"image-image, {arm} less {base}", (arm, "image-image"), (base, "image-image"),
                ("species",),
            )  # fmt: skip
    tell("image-image, I+D+T less I+T", ("I+D+T", "image-image"), ("I+T", "image-image"), RANKS)
    tell("image-DNA, I+D+T less I+D", ("I+D+T", "image-DNA"), ("I+D", "image-DNA"), RANKS)
    for arm, better in chosen.items():
        for way in ("both-both", "both-both, weighed"):
            tell(f"{arm}, {way} less {better}", (arm, way), (arm, better), ("genus", "species"))
    return rows


def _row(one: Interval, unit: str) -> dict[str, Any]:
    low, high = (None if np.isnan(end) else round(100 * end, 2) for end in (one.low, one.high))
    value = round(100 * one.value, 2)
    return {"value": value, "low": low, "high": high, "n": one.n, "unit": unit}
