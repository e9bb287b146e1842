"""The nearest training sequence of each test sequence, if it is near enough to be the same.

The index of words gives those that share the most with it; the first few are aligned.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from merian.audit.contain import Sequences
from merian.barcode import WordIndex, align, best, build_index, query_words, score
from merian.tensors import map_tensors, write_tensors

__all__ = ["nearest_in", "open_nearest", "write_searched"]

_ARRAYS, _TEXT = "searched.safetensors", "searched.text"
_CANDIDATES = 8
_COVERED = 0.5  # of the shorter sequence: less may be what all species of a genus have in common


def write_searched(sequences: Sequences, text: Path, folder: Path) -> None:
    """Write the index of what is searched.

    Args:
        sequences: What is searched.
        text: The file that holds their letters.
        folder: Where the index is to lie.
    """
    index = build_index(sequences.text, sequences.start)
    write_tensors(
        folder / _ARRAYS,
        {
            "start": sequences.start,
            "offset": index.offset,
            "posting": index.posting,
            "sampling": np.array([index.sampling]),
        },
        "merian-leak 1.0",
    )
    (folder / _TEXT).hardlink_to(text)


def open_nearest(folder: str, distance: str) -> Callable[[list[str]], list[list[int] | None]]:
    """Return what finds the nearest sequence: its number, mismatches, columns, and strand.

    Args:
        folder: Where the index lies.
        distance: At most so large a share of the columns may differ.
    """
    arrays = map_tensors(Path(folder) / _ARRAYS)
    start = arrays["start"]
    text = np.memmap(Path(folder) / _TEXT, dtype=np.uint8, mode="r")
    sequences = Sequences(text, start)
    sampling = int(arrays["sampling"][0])
    index = WordIndex(arrays["offset"], arrays["posting"], len(sequences), sampling)
    one = nearest_in(sequences, index, float(distance))
    return lambda queries: [one(query) for query in queries]


def nearest_in(
    sequences: Sequences, index: WordIndex, limit: float
) -> Callable[[str], list[int] | None]:
    """Return what finds the nearest sequence to one: its number, mismatches, columns, and strand.

    Args:
        sequences: What is searched.
        index: Of their words.
        limit: At most so large a share of the columns may differ.
    """
    own = np.arange(len(sequences), dtype=np.int32)
    start = sequences.start

    def one(query: str) -> list[int] | None:
        found = best(score(query_words(query), [index]).summed, own, _CANDIDATES, 1)
        aligned = align(query, [sequences.letters(number) for number in found.tolist()])
        shorter = np.minimum(len(query), start[found + 1] - start[found])
        apart = aligned.mismatches / np.maximum(aligned.overlap, 1)
        good = np.flatnonzero(
            (aligned.overlap > 0) & (apart <= limit) & (aligned.overlap >= _COVERED * shorter)
        )
        if not len(good):
            return None
        row = good[np.lexsort((found[good], -aligned.overlap[good], apart[good]))[0]]
        columns = (found, aligned.mismatches, aligned.overlap, aligned.reverse)
        return [int(column[row]) for column in columns]

    return one
