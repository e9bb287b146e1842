"""The evidence of a barcode: what its nearest references say about each thing that it may be.

The outcomes of a query are the species (and unnamed groups) of its nearest references, "something
that the library lacks, under here" for every taxon above one of these, and for the root. Each is
described by a few numbers: how near its nearest reference is, on a scale of logarithms and on that
of its own clade; how much nearer than the nearest reference outside of it; how many references it
has and how its children lie. Where the library has an encoder, its vectors add a few more: how near
the nearest is by them, and how far ahead. `fitting` weighs them on simulated novelty.

No number hangs on where the reads were cut off, but for how much of the barcode is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify.described import Described, in_order
from merian.identify.distances import Distances, log_distance, two_least
from merian.identify.ladder import Ladder
from merian.identify.lengths import lengths_of
from merian.library.neighbours import Neighbours

__all__ = ["OF_KIN", "OF_ROOT_KIN", "Clades", "Simulated", "describe"]

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

_KNOTS = log_distance(np.array([0.01, 0.03, 0.07, 0.14]))  # where the slope may change
_NOTHING_OUTSIDE = 0.6  # the distance of a reference that was not met
_SURE = 8.0  # standard errors; what is surer is not told apart
_STEEP = 8.0  # of the cosine by which a taxon is ahead: by an eighth is most of the way
OF_KIN, OF_ROOT_KIN = 4, 1
"""How many numbers of an outcome, and of the root, stand last and are told by vectors."""


@dataclass(frozen=True)
class Clades:
    """What holds of the taxa of a library, whatever is asked.

    Attributes:
        ladder: Their rungs.
        records: int64[rungs]; how many records are of each rung of the lowest rank, else 0.
        scale: float64[rungs]; the average log distance among the children of each; of a rung of
            the lowest rank, among its entries.
        length: int64[entries]; how long each entry is.
    """

    ladder: Ladder
    records: NDArray[np.int64]
    scale: Floats
    length: NDArray[np.int64]

    @cached_property
    def usual_length(self) -> float:
        """The median length of entries."""
        return float(np.median(self.length)) if len(self.length) else 1.0


@dataclass(frozen=True)
class Simulated:
    """Queries that are entries of the library themselves, with a part of it taken as not there.

    Attributes:
        own: int64[queries]; the entry that each is.
        level: int8[queries]; the rank under which the taxon of the query is left out: of a
            species' last rung the entry itself, one more than that for nothing.
        inner: The distances among the children of rungs.
        lowest: The distances among the entries of the rungs of the lowest rank.
    """

    own: NDArray[np.int64]
    level: NDArray[np.int8]
    inner: Distances
    lowest: Distances


@dataclass(frozen=True)
class _Near:
    """The rungs of one rank among the neighbours of queries, in the order of query and rung.

    ``other`` and ``other_shared`` are of the nearest reference outside of the rung, ``second`` of
    the nearest outside of the nearest child, NaN where there is none. ``kin`` and ``other_kin`` are
    cosines, None without an encoder.
    """

    query: NDArray[np.int64]
    rung: NDArray[np.int64]
    distance: Floats
    shared: Floats
    other: Floats
    other_shared: Floats
    second: Floats
    kin: Floats | None
    other_kin: Floats | None


def describe(
    neighbours: Neighbours,
    count: int,
    clades: Clades,
    simulated: Simulated | None = None,
) -> Described:
    """Describe the outcomes of queries.

    Args:
        neighbours: Of all queries; those without any can only be the root.
        count: How many queries there are.
        clades: Of the library.
        simulated: What simulated queries must not see of themselves.
    """
    ladder = clades.ladder
    last = len(ladder.ranks) - 1
    query = neighbours.query.astype(np.int64)
    distance = neighbours.mismatches / np.maximum(neighbours.overlap, 1)
    shared = neighbours.shared.astype(np.float64)
    longest = np.zeros(count)
    np.maximum.at(longest, query, neighbours.overlap.astype(np.float64))
    # What is missing of a barcode, as a logarithm; more than one says no more.
    missing = np.minimum(np.log(np.maximum(longest, 1) / clades.usual_length), 0)
    path = ladder.path[neighbours.entry]
    found: list[_Near] = []
    for rank in range(last, -1, -1):
        below = found[-1] if found else None
        found.append(_near(neighbours, path[:, rank], distance, count, ladder, below))
    found.reverse()
    out = _left_out(ladder, found, simulated)
    scales = [clades.scale[near.rung] for near in found]
    if simulated is not None:
        sources = [simulated.inner] * last + [simulated.lowest]
        scales = [
            source.average(near.rung, child)
            for source, near, child in zip(sources, found, out, strict=True)
        ]
    best = np.ones(count)
    np.minimum.at(best, query, distance)
    most = np.zeros(count)
    np.maximum.at(most, query, shared)
    features = []
    for rank, near in enumerate(found):
        common = _common(
            near, scales[rank], np.maximum(longest[near.query], 1), missing[near.query]
        )
        absent = (out[rank] >= 0).astype(np.int64)
        if rank == last:
            above = found[rank - 1] if rank else None
            local = scales[rank]
            if above is not None:
                key = above.query * len(ladder) + above.rung
                at = np.searchsorted(key, near.query * len(ladder) + ladder.parent[near.rung])
                local = scales[rank - 1][at]
            if simulated is not None:
                whole = simulated.level[near.query] > last
                absent += whole & (ladder.path[simulated.own[near.query], last] == near.rung)
            many = np.maximum(clades.records[near.rung] - absent, 1)
            unnamed = ladder.group[near.rung] >= 0
            features.append(_with_kin(_of_species(common, near, local, many, unnamed), near))
        else:
            children = np.maximum(ladder.children[near.rung] - absent, 1)
            nearest = log_distance(best[near.query])
            features.append(_with_kin(_of_clades(common, near, children, nearest), near))
    features.append(_of_root(log_distance(best), most, missing, _most_kin(neighbours, count)))
    asked = [(near.query, near.rung) for near in found]
    return in_order(asked, features, _lengths(neighbours, count, clades.length))


def _lengths(neighbours: Neighbours, count: int, reference: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return how much of a barcode each query is; one that is like nothing passes for all."""
    longest = np.lexsort((neighbours.entry, -neighbours.overlap, neighbours.query))
    query = neighbours.query[longest]
    first = longest[np.append(True, query[1:] != query[:-1])[: len(query)]]
    found = np.zeros(count, np.int8)
    found[neighbours.query[first]] = lengths_of(
        neighbours.overlap[first], reference[neighbours.entry[first]]
    )
    return found


def _near(
    neighbours: Neighbours,
    rung: NDArray[np.int32],
    distance: Floats,
    count: int,
    ladder: Ladder,
    below: _Near | None,
) -> _Near:
    """Bring the neighbours of one rank together."""
    query = neighbours.query.astype(np.int64)
    keys, number = np.unique(query * len(ladder) + rung, return_inverse=True)
    nearest, most = np.full(len(keys), np.inf), np.zeros(len(keys))
    np.minimum.at(nearest, number, distance)
    np.maximum.at(most, number, neighbours.shared.astype(np.float64))
    owner, rungs = keys // len(ladder), keys % len(ladder)
    second = np.full(len(keys), np.nan)
    if below is not None:
        above = np.searchsorted(
            keys, below.query * len(ladder) + ladder.parent[below.rung].astype(np.int64)
        )
        second = two_least(above, below.distance, len(keys))[1]
    kin = other_kin = None
    if neighbours.kin is not None:
        kin = np.full(len(keys), -1.0)
        np.maximum.at(kin, number, neighbours.kin.astype(np.float64))
        other_kin = -_of_others(owner, -kin, count, 0.0)  # unrelated ones are about 0
    return _Near(
        owner,
        rungs,
        nearest,
        most,
        _of_others(owner, nearest, count, _NOTHING_OUTSIDE),
        -_of_others(owner, -most, count, 0.0),
        second,
        kin,
        other_kin,
    )


def _most_kin(neighbours: Neighbours, count: int) -> Floats | None:
    """Return the highest cosine of each query; None without an encoder."""
    if neighbours.kin is None:
        return None
    found = np.zeros(count)
    np.maximum.at(found, neighbours.query, neighbours.kin.astype(np.float64))
    return found


def _of_others(group: Integers, value: Floats, count: int, none: float) -> Floats:
    """Return of each row the least value of the other rows of its group."""
    least, second, whose = two_least(group, value, count)
    other = np.where(whose[group] == np.arange(len(group)), second[group], least[group])
    found: Floats = np.where(np.isnan(other), none, other)
    return found


def _left_out(
    ladder: Ladder, found: list[_Near], simulated: Simulated | None
) -> list[NDArray[np.int64]]:
    """Return, by rank, which child of each rung a simulated query takes as not there; else -1.

    Of a rung of the lowest rank the children are entries.
    """
    out = [np.full(len(near.rung), -1, np.int64) for near in found]
    if simulated is None:
        return out
    last = len(found) - 1
    for rank, near in enumerate(found):
        entry = simulated.own[near.query]
        mine = (simulated.level[near.query] == rank) & (ladder.path[entry, rank] == near.rung)
        child = entry if rank == last else ladder.path[entry, min(rank + 1, last)]
        out[rank][mine] = child[mine]
    return out


def _common(near: _Near, scale: Floats, length: Floats, missing: Floats) -> list[Floats]:
    """Return what describes any taxon."""
    x, other = log_distance(near.distance), log_distance(near.other)
    spread = near.other * (1 - near.other) + near.distance * (1 - near.distance) + 1 / length
    surer = (near.other - near.distance) / np.sqrt(spread / length)
    words = near.shared - near.other_shared
    return [
        np.ones(len(x)),
        x,
        *(np.maximum(0, x - knot) for knot in _KNOTS),
        x - other,
        np.maximum(0, x - other),
        np.clip(surer, -_SURE, _SURE) / 4,
        np.tanh(surer / 2),
        words,
        np.maximum(0, words),
        near.shared,
        x - scale,
        np.maximum(0, x - scale),
        missing,
        missing * x,
    ]


def _of_species(
    common: list[Floats],
    near: _Near,
    local: Floats,
    records: Integers,
    unnamed: NDArray[np.bool_],
) -> Floats:
    """Return the numbers that describe species; ``local`` is the scale of their genera."""
    x, exact = common[1], (near.distance == 0).astype(np.float64)
    many = np.log(records)
    own = [many, exact, exact * (near.other == 0), exact * many, x - local]
    group = unnamed.astype(np.float64)
    own += [np.maximum(0, x - local), group, group * exact]
    return np.stack([*common, *own], axis=1)


def _of_clades(common: list[Floats], near: _Near, children: Integers, nearest: Floats) -> Floats:
    """Return the numbers that describe "something new under" a taxon."""
    x, has = common[1], ~np.isnan(near.second)
    second = np.where(has, log_distance(np.where(has, near.second, 1.0)), x)
    own = [
        np.log(children),
        (children <= 1).astype(np.float64),
        (near.distance == 0).astype(np.float64),
        nearest,
        has.astype(np.float64),
        second - x,
        np.where(has, second - log_distance(near.other), 0.0),
    ]
    return np.stack([*common, *own], axis=1)


def _with_kin(rows: Floats, near: _Near) -> Floats:
    """Return numbers with those behind them that an encoder's vectors tell, if there is one."""
    if near.kin is None or near.other_kin is None:
        return rows
    ahead = near.kin - near.other_kin
    told = [near.kin, ahead, np.maximum(0, ahead), np.tanh(_STEEP * ahead)]
    return np.concatenate([rows, np.stack(told, axis=1)], axis=1)


def _of_root(nearest: Floats, shared: Floats, missing: Floats, kin: Floats | None) -> Floats:
    """Return the numbers that describe "nothing that is near to anything here"."""
    bends = [np.maximum(0, nearest - knot) for knot in _KNOTS]
    own = [nearest, *bends, shared, missing, missing * nearest]
    own += [] if kin is None else [kin]
    return np.stack([np.ones(len(nearest)), *own], axis=1)
