"""The nearest references of a barcode: their identity over what both have.

The index finds those that share the most words; these are aligned. Much faster than to align all,
and rarely another answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merian.barcode.align import align
from merian.barcode.index import best, build_index, score
from merian.barcode.words import as_text, clean, query_words

__all__ = ["Neighbours", "nearest"]


@dataclass(frozen=True)
class Neighbours:
    """The nearest references of each query, best first.

    Attributes:
        index: int32[n, count]; the number of the reference, -1 where there is none.
        identity: float32[n, count]; matches by columns of the alignment; 0 where there is none.
        overlap: int32[n, count]; columns of the alignment.
        mismatches: int32[n, count]; columns that do not match, gaps among them.
        reverse: bool[n, count]; whether the reference has the other strand.
    """

    index: npt.NDArray[np.int32]
    identity: npt.NDArray[np.float32]
    overlap: npt.NDArray[np.int32]
    mismatches: npt.NDArray[np.int32]
    reverse: npt.NDArray[np.bool_]


def nearest(
    queries: Sequence[str], references: Sequence[str], count: int = 8, candidates: int = 16
) -> Neighbours:
    """Return the nearest references of each query.

    An overlap of 100 bases is needed, or of the whole query if it is shorter.

    Args:
        queries: Nucleotides; gaps are dropped, letters that mean nothing are read as N.
        references: The same.
        count: How many neighbours to return.
        candidates: How many references, those that share the most words, are looked at.
    """
    asked, known = [clean(q) for q in queries], [clean(r) for r in references]
    start = np.cumsum([0, *(len(reference) for reference in known)], dtype=np.int64)
    index = build_index(as_text("".join(known)), start)
    shape = (len(asked), count)
    found = Neighbours(
        np.full(shape, -1, np.int32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int32),
        np.zeros(shape, np.int32),
        np.zeros(shape, bool),
    )
    own = np.arange(len(known), dtype=np.int32)
    for number, query in enumerate(asked):
        scores = score(query_words(query), [index])
        which = best(scores.summed, own, max(count, candidates), 1)
        pairs = align(query, [known[i] for i in which])
        order = np.lexsort((which, -pairs.overlap, -pairs.identity))
        order = order[pairs.overlap[order] > 0][:count]
        row = (number, slice(len(order)))
        found.index[row] = which[order]
        found.identity[row] = pairs.identity[order]
        found.overlap[row] = pairs.overlap[order]
        found.mismatches[row] = pairs.mismatches[order]
        found.reverse[row] = pairs.reverse[order]
    return found
