"""BenthicNet's split: transects thinned, and parts of the seabed with a distance between them.

The rules, with their numbers (Lowe et al. 2025, Scientific Data, doi 10.1038/s41597-025-04491-1,
and the code published with it).

Thinning. A transect is walked in the order of time, and a picture is kept if no kept one lies
within 2.5 m; where more than 1,000 are left, within 5, 7.5 or 10 m. Transects of fewer than 50
pictures are kept whole. What is not kept is in the part **thinned**.

Parting. Each label wants min(35 % of the median label, 15 % of the largest) pictures in **test**,
but at least 15 % and at most half of its own. Labels take turns, the rarest first: a picture is
drawn, near the test that is there if it can be, and all within 50 m of it go to test with it. If
that would take more than half of any label, 10 m are tried and then the picture alone. All within
10 m of the test that are not in it are in the part **buffer**: neither learned from nor tested.
The rest is **train**; what is buffered but has no train within 10 m goes back to test.

Right where the published code is not: each transect is thinned against itself (there all but the
last are held against a tree of the wrong one, and neighbours of 1 m were kept), then against all
others at half the distance; labels that are urgent are not lost; the draw is seeded; nothing is
looked for by walking through all rows. No picture of test is within 10 m of one of train, ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.near import chord_of, on_the_globe, places
from merian.catalogue.splits.placing import Placing, Reasons
from merian.catalogue.splits.plan import Part, Plan
from merian.catalogue.splits.records import column
from merian.errors import InputError

__all__ = ["BENTHIC_PARTS", "METRES", "benthicnet", "parted", "thinned"]

BENTHIC_PARTS = (
    Part("train", 0, "learn"), Part("test", 0, "test"),
    Part("buffer", 0, "aside"), Part("thinned", 0, "aside"), Part("no_place", 0, "aside"),
)  # fmt: skip
TRAIN, TEST, BUFFER, THINNED, NO_PLACE = range(5)
METRES = {"thin": 2.5, "together": 50.0, "apart": 10.0}
"""What may be set: the step of thinning, what goes to test together, what is kept apart."""

_WHOLE, _ENOUGH, _STEPS = 50, 1000, 4
_FREE = -1
Places = npt.NDArray[np.float64]
Long = npt.NDArray[np.int64]


class Near:
    """Points on the globe, and which of them lie within some metres of one of them."""

    def __init__(self, place: Places) -> None:
        """Sort the points.

        Args:
            place: float64[n, 2]; latitude and longitude.
        """
        self.point = on_the_globe(place[:, 0], place[:, 1])
        self._grids: dict[float, tuple[Any, ...]] = {}

    def within(self, point: int, metres: float) -> Long:
        """Return the points within so many metres of one, that one too, in order."""
        from merian.catalogue.splits.ball_loops import ball  # noqa: PLC0415 - loads numba

        if metres not in self._grids:
            self._grids[metres] = self._grid(metres)
        chord, order, cells, start, cell = self._grids[metres]
        return np.sort(ball(self.point, order, cells, start, cell[point], point, chord))

    def _grid(self, metres: float) -> tuple[Any, ...]:
        chord = chord_of(metres / 1000)
        cell = np.floor(self.point / chord).astype(np.int64)
        order = np.lexsort((cell[:, 2], cell[:, 1], cell[:, 0]))
        placed = cell[order]
        new = np.concatenate([[True], (np.diff(placed, axis=0) != 0).any(axis=1)])
        start = np.append(np.flatnonzero(new), len(order)).astype(np.int64)
        return chord, order.astype(np.int64), np.ascontiguousarray(placed[new]), start, cell


def benthicnet(con: duckdb.DuckDBPyConnection, plan: Plan, count: int) -> Placing:
    """Thin and divide the pictures of a catalogue.

    Args:
        con: The catalogue, with its records numbered.
        plan: The seed, and distances other than the published ones.
        count: How many records there are.
    """
    metres = {**METRES, **plan.metres}
    found = places(con)
    if not len(found["n"]):
        raise InputError("--preset benthicnet: no record has a place, and it parts by distances")
    n = np.asarray(found["n"], np.int64)
    picture, first = _pictures(con, n, count)
    place = np.stack([found["latitude"], found["longitude"]], axis=1).astype(np.float64)[first]
    transect, order = _walks(con, n[first], count)
    near = Near(place)
    kept = thinned(near, transect, order, metres["thin"])
    label = column(con, "label", count)[0][n]
    pairs = np.unique(np.stack([picture, label], axis=1)[label >= 0], axis=0)
    part = parted(near, kept, pairs, metres, np.random.default_rng(plan.seed))
    return _placed(n, picture, part, count, metres)


def _pictures(con: duckdb.DuckDBPyConnection, n: Long, count: int) -> tuple[Long, Long]:
    """Return the picture of each record with a place, and the first such record of each."""
    found = con.execute(
        "SELECT n, CAST(dense_rank() OVER (ORDER BY key) AS INTEGER) AS k FROM (SELECT n, "
        "min(coalesce(derivedFromMediaID, mediaID)) AS key FROM own_media GROUP BY n)"
    ).fetchnumpy()
    of = np.arange(count, dtype=np.int64) + count  # a record without a picture stands for itself
    of[found["n"]] = found["k"]
    _, first, picture = np.unique(of[n], return_index=True, return_inverse=True)
    return picture.reshape(-1), first


def _walks(con: duckdb.DuckDBPyConnection, n: Long, count: int) -> tuple[Long, Long]:
    """Return the transect of each picture, and its place in the order of time."""
    found = con.execute(
        "SELECT r.n, dense_rank() OVER (ORDER BY coalesce(e.parentEventID, o.datasetName, "
        "e.locality, '')) AS transect, row_number() OVER (ORDER BY e.eventDate, e.eventTime, "
        "r.recordID) AS place FROM rec r JOIN occurrence o ON o.occurrenceID = r.recordID "
        "JOIN event e ON e.eventID = o.eventID"
    ).fetchnumpy()
    transect, order = np.zeros(count, np.int64), np.zeros(count, np.int64)
    transect[found["n"]], order[found["n"]] = found["transect"], found["place"]
    return transect[n], order[n]


def thinned(near: Near, transect: Long, order: Long, metres: float) -> npt.NDArray[np.bool_]:
    """Return which pictures are kept.

    Args:
        near: The pictures.
        transect: Of each.
        order: Of each, in time.
        metres: The step.
    """
    kept = np.zeros(len(transect), bool)
    kinds, which = np.unique(transect, return_inverse=True)
    walk = np.lexsort((order, which.reshape(-1)))
    walks = np.split(walk, np.searchsorted(which.reshape(-1)[walk], np.arange(1, len(kinds))))
    for members in walks:
        if len(members) < _WHOLE:
            kept[members] = True
            continue
        for step in range(1, _STEPS + 1):
            chosen = _walked(near, members, transect, metres * step)
            if len(chosen) <= _ENOUGH:
                break
        kept[chosen] = True
    # Transects that cross: the earlier keeps its picture. Short ones are kept whole.
    gone = np.zeros(len(kept), bool)
    for members in walks:
        if len(members) < _WHOLE:
            continue
        for one in members[kept[members]].tolist():
            others = near.within(one, metres / 2)
            others = others[kept[others] & ~gone[others] & (transect[others] != transect[one])]
            gone[one] = bool(len(others)) and bool((others < one).any() or _short(
                others, transect, walks, kinds))  # fmt: skip
    return kept & ~gone


def _short(others: Long, transect: Long, walks: Sequence[Long], kinds: Long) -> bool:
    """Return whether any of some pictures is of a transect that is kept whole."""
    of = np.searchsorted(kinds, transect[others])
    return any(len(walks[at]) < _WHOLE for at in of.tolist())


def _walked(near: Near, members: Long, transect: Long, metres: float) -> Long:
    """Return the pictures of a transect that are kept when it is walked."""
    passed = np.zeros(len(near.point), bool)
    chosen = []
    for one in members.tolist():
        if passed[one]:
            continue
        chosen.append(one)
        around = near.within(one, metres)
        passed[around[transect[around] == transect[one]]] = True
    return np.array(chosen, np.int64)


def parted(
    near: Near,
    kept: npt.NDArray[np.bool_],
    pairs: npt.NDArray[Any],
    metres: dict[str, float],
    rng: np.random.Generator,
) -> npt.NDArray[np.int8]:
    """Return the part of each picture.

    Args:
        near: The pictures.
        kept: Which of them are not thinned out.
        pairs: int64[m, 2]; a picture and a label that is on it.
        metres: What goes together, and what is kept apart.
        rng: What draws.
    """
    pairs = pairs[kept[pairs[:, 0]]]
    labels = int(pairs[:, 1].max()) + 1 if len(pairs) else 0
    by_picture = _lists(pairs[:, 0], pairs[:, 1], len(kept))
    total = np.bincount(pairs[:, 1], minlength=labels)
    there = total[total > 0]
    part = np.where(kept, _FREE, THINNED).astype(np.int8)
    if len(there):
        wish = min(0.35 * float(np.median(there)), 0.15 * float(there.max()))
        wanted = np.minimum(np.maximum(wish, 0.15 * total), 0.5 * total)
        grow = _Growing(near, part, by_picture, total, metres)
        turns = np.lexsort((np.arange(labels), total))
        own = _lists(pairs[:, 1], pairs[:, 0], labels)
        for label in turns[total[turns] > 0].tolist():
            grow.until(label, rng.permutation(own[label]), float(wanted[label]))
    part[part == _FREE] = TRAIN
    for one in np.flatnonzero(part == BUFFER).tolist():
        if not (part[near.within(one, metres["apart"])] == TRAIN).any():
            part[one] = TEST
    return part


def _lists(key: npt.NDArray[Any], value: npt.NDArray[Any], count: int) -> list[Long]:
    """Return the values of each key."""
    order = np.argsort(key, kind="stable")
    return np.split(
        np.asarray(value[order], np.int64), np.searchsorted(key[order], np.arange(1, count))
    )


class _Growing:
    """The test as it grows."""

    def __init__(
        self,
        near: Near,
        part: npt.NDArray[np.int8],
        labels: list[Long],
        total: Long,
        metres: dict[str, float],
    ) -> None:
        self._near, self._part, self._labels, self._metres = near, part, labels, metres
        self._half = 0.5 * total
        self._gone = np.zeros(len(total))  # of each label: in test, or beside it
        self._test = np.zeros(len(total))
        self._close = np.zeros(len(part), bool)  # to what is tested

    def until(self, label: int, drawn: Long, wanted: float) -> None:
        """Draw pictures until enough of a label are tested, or no more can be."""
        for close in (True, False, True):
            for one in drawn.tolist():
                if self._test[label] >= wanted:
                    return
                if self._part[one] == _FREE and bool(self._close[one]) == close:
                    self._take(one)

    def _take(self, one: int) -> None:
        """Put a picture and what is around it into the test, as much as may be."""
        for metres in (self._metres["together"], self._metres["apart"], 0.0):
            ball = self._near.within(one, metres) if metres else np.array([one])
            ball = ball[np.isin(self._part[ball], (_FREE, BUFFER))]
            edge = [self._near.within(member, self._metres["apart"]) for member in ball.tolist()]
            around = np.setdiff1d(np.concatenate(edge), ball)
            around = around[self._part[around] == _FREE]
            fresh = ball[self._part[ball] == _FREE]
            gone = self._counted(np.concatenate([fresh, around]))
            if (self._gone + gone <= self._half).all():
                self._gone += gone
                self._test += self._counted(ball)
                self._part[ball], self._part[around] = TEST, BUFFER
                for member in ball.tolist():
                    self._close[self._near.within(member, self._metres["together"])] = True
                return

    def _counted(self, pictures: Long) -> Long:
        """Return how many of some pictures each label is on."""
        found = [self._labels[one] for one in pictures.tolist()]
        listed = np.concatenate([np.empty(0, np.int64), *found])
        return np.bincount(listed, minlength=len(self._half))


def _placed(
    n: Long, picture: Long, part: npt.NDArray[np.int8], count: int, metres: dict[str, float]
) -> Placing:
    """Return where the records go."""
    reasons = Reasons()
    texts = {
        TRAIN: f"more than {metres['apart']:g} m from all that is tested",
        TEST: f"drawn with all within {metres['together']:g} m, or near what was",
        BUFFER: f"within {metres['apart']:g} m of what is tested: neither learned from nor tested",
        THINNED: f"a kept picture lies within {metres['thin']:g} m or a multiple of it",
        NO_PLACE: "it has no place",
    }
    for text in texts.values():
        reasons.number(text)
    where = np.full(count, NO_PLACE, np.int8)
    where[n] = part[picture]
    piece = np.arange(count, dtype=np.int32) + int(picture.max()) + 1
    piece[n] = picture
    return Placing(BENTHIC_PARTS, where, piece, where.astype(np.int32), list(reasons.texts))
