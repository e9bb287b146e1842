"""The index of a library's barcodes: one for each segment, beside its sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from merian.barcode import WordIndex, build_index
from merian.errors import FormatError
from merian.library.reading import Progress
from merian.library.store import Library
from merian.tensors import map_tensors, write_tensors

__all__ = ["INDEX", "open_index", "open_indexes", "write_index"]

INDEX = "words.safetensors"


def write_index(library: Library, segment: Path, _edition: Path, progress: Progress) -> None:
    """Index the last segment of a library that is being built."""
    own = library.segments[-1]
    progress("indexing", own.entries)
    index = build_index(own.text, own.start)
    write_tensors(
        segment / INDEX,
        {
            "offset": index.offset,
            "posting": index.posting,
            "count": np.array([index.count]),
            "sampling": np.array([index.sampling]),
        },
        "merian-words 1.0",
    )


def open_indexes(library: Library) -> list[WordIndex]:
    """Return the indexes of a library's segments, mapped from their files."""
    return [open_index(folder) for folder in library.segment_folders]


def open_index(segment: Path) -> WordIndex:
    """Return the index of one segment, mapped from its file."""
    if not (segment / INDEX).exists():
        raise FormatError(
            "has no index, as an earlier version made it; build it anew",
            path=segment.parent.parent,
        )
    arrays = map_tensors(segment / INDEX)
    count, sampling = (int(arrays[name][0]) for name in ("count", "sampling"))
    return WordIndex(arrays["offset"], arrays["posting"], count, sampling)
