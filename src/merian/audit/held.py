"""Barcodes that lie within others, joined to groups: for splits that keep a barcode whole.

A barcode that was cut at its ends is the same barcode, so what lies within a longer one, letter by
letter on either strand, is of its group. Each round finds for every barcode one of another group
that holds it; rounds follow until none is found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from merian.audit.contain import Sequences, within

__all__ = ["joined"]


def joined(barcodes: Sequence[str], group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return groups of barcodes, joined where one barcode lies within another.

    Args:
        barcodes: Distinct ones.
        group: Of each, as it is before.
    """
    from merian.audit.link_loops import link  # noqa: PLC0415 - loads numba

    start = np.cumsum([0, *map(len, barcodes)], dtype=np.int64)
    text = np.frombuffer("".join(barcodes).encode("ascii"), np.uint8)
    sequences = Sequences(text, start)
    _, found = np.unique(group, return_inverse=True)
    found = found.reshape(-1).astype(np.int64)
    own = np.arange(len(barcodes), dtype=np.int64)
    while True:
        now = found.astype(np.int32)
        held = within(sequences, sequences, now, now)
        pattern, text_of = np.flatnonzero(held.of_pattern >= 0), np.flatnonzero(held.of_text >= 0)
        if not len(pattern) and not len(text_of):
            return found
        one = np.concatenate([now[own[pattern]], now[own[text_of]]])
        other = np.concatenate([now[held.of_pattern[pattern]], now[held.of_text[text_of]]])
        found = link(one, other, int(found.max()) + 1)[found]
