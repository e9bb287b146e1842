"""The compiled loops of splits: what hangs together, what is near, and which part is wanting."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from merian.compiling import compiled, readable

__all__ = ["fill_parts", "join", "near", "numbered"]

Int = npt.NDArray[np.int32]
Long = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]


@compiled(types.void(types.int32[::1], readable(types.int32), readable(types.int32)))
def join(above: Int, one: Int, other: Int) -> None:
    """Put both of each pair into one tree; the smaller number stands above.

    Args:
        above: Of each thing, one that stands above it in its tree, or itself; is changed.
        one: Of each pair.
        other: Of each pair.
    """
    for pair in range(len(one)):
        mine, yours = one[pair], other[pair]
        while above[mine] != mine:
            above[mine] = above[above[mine]]
            mine = above[mine]
        while above[yours] != yours:
            above[yours] = above[above[yours]]
            yours = above[yours]
        if mine < yours:
            above[yours] = mine
        else:
            above[mine] = yours


@compiled(types.int32[::1](readable(types.int32)))
def numbered(above: Int) -> Int:
    """Return the number of each thing's tree; trees are numbered by their first members."""
    tree, trees = np.empty(len(above), np.int32), 0
    for thing in range(len(above)):
        if above[thing] == thing:
            tree[thing] = trees
            trees += 1
        else:
            tree[thing] = tree[above[thing]]
    return tree


@compiled(
    types.int32[::1](
        readable(types.float64), readable(types.float64), readable(types.float64),
        readable(types.int64), readable(types.int64), readable(types.int64),
        readable(types.int64), types.float64,
    )
)  # fmt: skip
def near(  # noqa: PLR0912 - a loop that is called by none can call none
    x: Real, y: Real, z: Real, i: Long, j: Long, k: Long, start: Long, chord: float
) -> Int:
    """Return trees (see `join`) of points with gaps of at most a chord between them.

    The points are in the order of their cells, whose diagonal is no longer than the chord: those
    of one cell are near each other. Of two cells one pair that is near is enough.

    Args:
        x: Of each point.
        y: Of each point.
        z: Of each point.
        i: Of each cell.
        j: Of each cell.
        k: Of each cell.
        start: Where the points of each cell begin, and their end.
        chord: How far apart two points may be.
    """
    above = np.arange(len(x)).astype(np.int32)
    cells = len(i)
    limit = chord * chord
    for cell in range(cells):
        for point in range(start[cell] + 1, start[cell + 1]):
            above[point] = start[cell]
    for cell in range(cells):
        for di in range(3):
            for dj in range(-2, 3):
                for dk in range(-2, 3):
                    if di == 0 and (dj < 0 or (dj == 0 and dk <= 0)):
                        continue
                    wi, wj, wk = i[cell] + di, j[cell] + dj, k[cell] + dk
                    low, high = 0, cells
                    while low < high:
                        mid = (low + high) // 2
                        if i[mid] < wi or (i[mid] == wi and (
                            j[mid] < wj or (j[mid] == wj and k[mid] < wk)
                        )):  # fmt: skip
                            low = mid + 1
                        else:
                            high = mid
                    if low == cells or i[low] != wi or j[low] != wj or k[low] != wk:
                        continue
                    mine, yours = np.int32(start[cell]), np.int32(start[low])
                    while above[mine] != mine:
                        above[mine] = above[above[mine]]
                        mine = above[mine]
                    while above[yours] != yours:
                        above[yours] = above[above[yours]]
                        yours = above[yours]
                    if mine == yours:
                        continue
                    found = False
                    for p in range(start[cell], start[cell + 1]):
                        for q in range(start[low], start[low + 1]):
                            far = (x[p] - x[q]) ** 2 + (y[p] - y[q]) ** 2 + (z[p] - z[q]) ** 2
                            if far <= limit:
                                found = True
                                break
                        if found:
                            break
                    if found:
                        above[max(mine, yours)] = min(mine, yours)
    return above


@compiled(
    types.void(
        readable(types.int32), readable(types.int32), readable(types.int32),
        readable(types.int64), readable(types.int32), readable(types.int32),
        readable(types.float64), readable(types.float64), types.float64[:, ::1],
        types.float64[::1], types.int8[::1],
    )
)  # fmt: skip
def fill_parts(
    order: Int, leading: Int, size: Int, first: Long, taxon: Int, records: Int,
    total: Real, share: Real, have: npt.NDArray[np.float64], placed: Real,
    part: npt.NDArray[np.int8],
) -> None:  # fmt: skip
    """Give each piece to the part that its rarest taxon wants most.

    Args:
        order: The pieces, in the order in which they are given.
        leading: The rarest taxon of each piece.
        size: The records of each piece.
        first: Where the taxa of each piece begin, and their end.
        taxon: Of each entry of a piece.
        records: Of the taxon in the piece.
        total: The records of each taxon.
        share: Of each part.
        have: By taxon and part, what is there; is changed.
        placed: By part, what is there; is changed.
        part: Of each piece; is changed.
    """
    parts = len(share)
    for piece in order:
        t = leading[piece]
        whole = 0.0
        for p in range(parts):
            whole += placed[p]
        best, most = 0, -1e300
        for p in range(parts):
            # What the whole lacks decides where a taxon has too few records to be cut by shares.
            lacking = min(max(share[p] * (whole + size[piece]) - placed[p], -0.5), 0.5)
            want = share[p] * total[t] - have[t, p] + lacking
            if want > most + 1e-9:
                best, most = p, want
        part[piece] = best
        placed[best] += size[piece]
        for at in range(first[piece], first[piece + 1]):
            have[taxon[at], best] += records[at]
