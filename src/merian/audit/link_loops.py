"""Single linkage: groups that hang together by their pairs, as splits find what does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.loops import join, numbered

__all__ = ["link"]


def link(
    one: npt.NDArray[np.int32], other: npt.NDArray[np.int32], count: int
) -> npt.NDArray[np.int64]:
    """Return the group of each thing; groups are numbered by their first members.

    Args:
        one: Of each pair.
        other: Of each pair.
        count: How many things there are.
    """
    above = np.arange(count, dtype=np.int32)
    join(above, one, other)
    return numbered(above).astype(np.int64)
