"""The loops of Ward's tree: the nearest of a block of products, and one round of joins.

`merian.discover.exact_ward` says what they are for. Squared distances between clusters are those of
Ward: 2 a b / (a + b) times the square of the distance of their means, where a and b are what they
weigh, so that between two items of weight 1 it is the square of their distance. All that decides a
join is reckoned in float64 in one order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from merian.compiling import compiled

__all__ = ["compact", "found_exactly", "join", "nearest_of_block", "refresh", "settle"]

Array = npt.NDArray[Any]


@compiled()
def apart(mean: Array, weight: Array, one: int, other: int) -> float:
    """Return Ward's squared distance of two clusters."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0  # four sums, so that a processor adds four at a time
    width = mean.shape[1]
    whole = width - width % 4
    for place in range(0, whole, 4):
        gap = np.float64(mean[one, place]) - np.float64(mean[other, place])
        a += gap * gap
        gap = np.float64(mean[one, place + 1]) - np.float64(mean[other, place + 1])
        b += gap * gap
        gap = np.float64(mean[one, place + 2]) - np.float64(mean[other, place + 2])
        c += gap * gap
        gap = np.float64(mean[one, place + 3]) - np.float64(mean[other, place + 3])
        d += gap * gap
    for place in range(whole, width):
        gap = np.float64(mean[one, place]) - np.float64(mean[other, place])
        a += gap * gap
    both = weight[one] * weight[other] / (weight[one] + weight[other])
    found: float = 2.0 * both * ((a + b) + (c + d))
    return found


@compiled()
def put(near: Array, far: Array, row: int, filled: int, item: int, distance: float) -> int:
    """Put an item into a list of a row, nearest first and of equals the lower; return its length.

    The last is dropped where the list is full.
    """
    most = near.shape[1]
    place = filled
    while place > 0 and (
        far[row, place - 1] > distance
        or (far[row, place - 1] == distance and near[row, place - 1] > item)
    ):
        place -= 1
    if place == most:
        return filled
    stop = filled if filled < most else most - 1
    for later in range(stop, place, -1):
        near[row, later] = near[row, later - 1]
        far[row, later] = far[row, later - 1]
    near[row, place], far[row, place] = item, distance
    return stop + 1


@compiled()
def nearest_of_block(
    product: Array, rows: Array, first: int, square: Array, weight: Array, near: Array, far: Array
) -> None:
    """Put the nearest of a block of columns into the lists of some rows.

    Args:
        product: float32[rows, columns]; of the means of the rows with those of the columns.
        rows: Which clusters the rows are.
        first: Which cluster the first column is.
        square: float32; of all clusters, the squared length of the mean, made a little less so that
            what comes out is never more than the distance; infinite where there is no cluster.
        weight: float32; of all clusters.
        near: int32[rows, k]; the lists, filled up with -1 at infinity.
        far: float64[rows, k].
    """
    last = near.shape[1] - 1
    for row in range(len(rows)):
        own = rows[row]
        length, heavy = square[own], weight[own]
        worst = np.float32(far[row, last])
        for column in range(product.shape[1]):
            other = first + column
            gap = length + square[other] - np.float32(2.0) * product[row, column]
            both = np.float32(2.0) * heavy * weight[other]
            if both * gap < worst * (heavy + weight[other]) and other != own:
                distance = np.float64(both) * np.float64(gap) / np.float64(heavy + weight[other])
                put(near, far, row, near.shape[1], other, distance)
                worst = np.float32(far[row, last])


@compiled()
def settle(
    rows: Array, mean: Array, weight: Array, near: Array, far: Array, radius: Array,
    nearest: Array, height: Array,
) -> int:  # fmt: skip
    """Make the distances of lists exact, and say which rows' nearest is thereby known.

    Rows come with lists of lower bounds; what is not in a list is no nearer than its last bound.
    Rows whose nearest is not known are moved to the front of `rows`; their number is returned.
    """
    most, open_rows = near.shape[1], 0
    items, gaps = np.empty((1, most), near.dtype), np.empty((1, most), far.dtype)
    for number in range(len(rows)):
        row = rows[number]
        bound = far[row, most - 1]  # infinite where all others are in the list
        filled = 0
        for place in range(most):
            other = near[row, place]
            if other < 0:
                break
            filled = put(items, gaps, 0, filled, other, apart(mean, weight, row, other))
        for place in range(most):
            near[row, place] = items[0, place] if place < filled else -1
            far[row, place] = gaps[0, place] if place < filled else np.inf
        radius[row] = bound
        nearest[row], height[row] = near[row, 0], far[row, 0]
        if far[row, 0] > bound:
            rows[open_rows] = row
            open_rows += 1
    return open_rows


@compiled()
def found_exactly(
    row: int, alive: Array, mean: Array, weight: Array, near: Array, far: Array, radius: Array,
    nearest: Array, height: Array,
) -> None:  # fmt: skip
    """Find the nearest of one cluster among all, one by one: where rounding leaves it open."""
    near[row] = -1
    far[row] = np.inf
    filled = 0
    for other in range(len(alive)):
        if alive[other] and other != row:
            filled = put(near, far, row, filled, other, apart(mean, weight, row, other))
    radius[row] = far[row, near.shape[1] - 1]
    nearest[row], height[row] = near[row, 0], far[row, 0]


@compiled()
def home_of(home: Array, item: int) -> int:
    """Return the cluster that a former cluster is in now."""
    while home[item] != item:
        home[item] = home[home[item]]
        item = home[item]
    return item


@compiled()
def join(
    turn: int, alive: Array, mean: Array, weight: Array, home: Array, changed: Array,
    radius: Array, nearest: Array, height: Array, joined: Array, at: Array,
) -> int:  # fmt: skip
    """Join all that are nearest to each other; return how many pairs.

    The two nearest of all join where ties leave none that are nearest to each other. The first of
    a pair goes on as both, and the least that anything outside both lists can be away from it
    follows from their bounds by the formula of Lance and Williams.
    """
    pairs, best, light = 0, -1, np.inf
    for one in range(len(alive)):
        if not alive[one]:
            continue
        light = min(light, weight[one])
        if best < 0 or height[one] < height[best]:
            best = one
        other = nearest[one]
        if one < other and nearest[other] == one:
            joined[pairs, 0], joined[pairs, 1] = one, other
            pairs += 1
    if not pairs:
        joined[0, 0], joined[0, 1] = min(best, nearest[best]), max(best, nearest[best])
        height[joined[0, 0]] = height[best]
        pairs = 1
    for pair in range(pairs):
        one, other = joined[pair]
        at[pair] = height[one]
        a, b = weight[one], weight[other]
        for place in range(mean.shape[1]):
            mean[one, place] = (a * mean[one, place] + b * mean[other, place]) / (a + b)
        farther = light * max(radius[one] + radius[other] - at[pair], 0.0)
        bound = (a * radius[one] + b * radius[other] + farther) / (a + b + light)
        radius[one] = max(bound * (1 - 1e-12), min(radius[one], radius[other]) * (1 - 1e-12))
        weight[one] = a + b
        alive[other] = False
        home[other] = one
        changed[one], changed[other] = turn, turn
    return pairs


@compiled()
def followed(
    row: int, source: int, filled: int, bound: float, mean: Array, weight: Array, home: Array,
    changed: Array, known: Array, near: Array, far: Array, seen: Array, items: Array, gaps: Array,
) -> tuple[int, float]:  # fmt: skip
    """Add what the list of a cluster, or of a part of it, has become to a new list.

    Returns the length of the new list, and the bound below which nothing outside it can be.
    """
    most = near.shape[1]
    for place in range(most):
        entry = near[source, place]
        if entry < 0:
            break
        other = home_of(home, entry)
        if seen[other] == row:
            continue
        seen[other] = row
        same = source == row and other == entry
        if same and changed[other] <= known[row] and changed[row] <= known[row]:
            distance = far[row, place]
        else:
            distance = apart(mean, weight, row, other)
        if filled == most:  # one is left out, and may be as near as that
            bound = min(bound, max(distance, gaps[0, most - 1]))
        filled = put(items, gaps, 0, filled, other, distance)
    return filled, bound


@compiled()
def refresh(
    turn: int, joined: Array, alive: Array, mean: Array, weight: Array, home: Array,
    changed: Array, known: Array, near: Array, far: Array, radius: Array,
    nearest: Array, height: Array, rows: Array,
) -> int:  # fmt: skip
    """Find the nearest again, from the lists, where it may have changed.

    No cluster comes nearer to another by joining a third, so what is outside a list stays at least
    as far as its bound, and a nearest that did not join stays the nearest. Rows whose list does not
    tell the nearest are put into `rows`; their number is returned.
    """
    most, open_rows = near.shape[1], 0
    items, gaps = np.empty((1, most), near.dtype), np.empty((1, most), far.dtype)
    partner = np.full(len(alive), -1, np.int32)
    for pair in range(len(joined)):
        partner[joined[pair, 0]] = joined[pair, 1]
    seen = np.full(len(alive), -1, np.int32)  # so that none is looked at twice
    for row in range(len(alive)):
        if not alive[row] or (changed[row] != turn and changed[nearest[row]] != turn):
            continue
        seen[row] = row
        filled, bound = followed(
            row, row, 0, radius[row], mean, weight, home, changed, known, near, far, seen,
            items, gaps,
        )  # fmt: skip
        if partner[row] >= 0:
            filled, bound = followed(
                row, partner[row], filled, bound, mean, weight, home, changed, known, near, far,
                seen, items, gaps,
            )  # fmt: skip
        items[0, filled:], gaps[0, filled:] = -1, np.inf
        near[row], far[row] = items[0], gaps[0]
        known[row], radius[row] = turn, bound
        nearest[row], height[row] = near[row, 0], far[row, 0]
        if filled == 0 or far[row, 0] > bound:
            rows[open_rows] = row
            open_rows += 1
    return open_rows


@compiled()
def compact(
    alive: Array, mean: Array, weight: Array, home: Array, changed: Array, known: Array,
    near: Array, far: Array, radius: Array, nearest: Array, height: Array, member: Array,
) -> int:  # fmt: skip
    """Move what is left together, in its order; return how many are left."""
    place = np.full(len(alive), -1, np.int32)
    left = 0
    for row in range(len(alive)):
        if alive[row]:
            place[row] = left
            left += 1
    for row in range(len(alive)):
        if alive[row]:
            for entry in range(near.shape[1]):
                if near[row, entry] >= 0:
                    near[row, entry] = place[home_of(home, near[row, entry])]
            nearest[row] = place[home_of(home, nearest[row])]
    for row in range(len(alive)):
        to = place[row]
        if to < 0 or to == row:
            continue
        mean[to], weight[to] = mean[row], weight[row]
        changed[to], known[to] = changed[row], known[row]
        near[to], far[to], radius[to] = near[row], far[row], radius[row]
        nearest[to], height[to], member[to] = nearest[row], height[row], member[row]
    for row in range(left):
        alive[row], home[row] = True, row
    return left
