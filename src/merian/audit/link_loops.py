"""The loop of single linkage: groups that hang together by their pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from merian.compiling import compiled, readable

__all__ = ["link"]


@compiled(types.int64[::1](readable(types.int32), readable(types.int32), types.int64))
def link(
    one: npt.NDArray[np.int32], other: npt.NDArray[np.int32], count: int
) -> npt.NDArray[np.int64]:
    """Return the group of each thing; groups are numbered by their first members.

    Args:
        one: Of each pair.
        other: Of each pair.
        count: How many things there are.
    """
    above = np.arange(count)
    for pair in range(len(one)):
        mine, yours = np.int64(one[pair]), np.int64(other[pair])
        while above[mine] != mine:
            above[mine] = above[above[mine]]
            mine = above[mine]
        while above[yours] != yours:
            above[yours] = above[above[yours]]
            yours = above[yours]
        # The smaller number stands above, so that a group is known by its first member.
        above[max(mine, yours)] = min(mine, yours)
    group, groups = np.empty(count, np.int64), 0
    for thing in range(count):
        if above[thing] == thing:
            group[thing] = groups
            groups += 1
        else:
            group[thing] = group[above[thing]]
    return group
