"""A segment: what one build or one addition has brought. It is written once and never changed.

    sequences.safetensors  text, start, digest: the sequences of the entries that it brought
    records.safetensors    one row a record: its entry, its names, and where it comes from
    rejects.tsv            what was set aside: file, line, id, reason

Nothing here hangs on the taxonomy, which may be another one after the next addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.formats.delimited import write_delimited
from merian.library.reading import Reject
from merian.taxonomy.strings import Strings
from merian.tensors import map_tensors, write_tensors

__all__ = [
    "RECORDS",
    "REJECTS",
    "SEQUENCES",
    "Segment",
    "open_segment",
    "write_records",
    "write_rejects",
    "write_segment",
]

SEQUENCES, RECORDS, REJECTS = "sequences.safetensors", "records.safetensors", "rejects.tsv"
_FORMAT = "merian-library-segment 1.0"
_STRINGS = ("id", "accession", "namings", "concepts", "labels", "markers", "files")
_IN_SEQUENCES = ("text", "start", "digest")
_IN_RECORDS = ("record_entry", "naming", "concept", "label", "marker", "file", "line")


@dataclass(frozen=True, eq=False)
class Segment:
    """The arrays of a segment, mapped or in memory.

    Attributes:
        text: uint8; the sequences of its entries as ASCII, one after the other.
        start: int64[entries + 1]; where each begins.
        digest: uint64[entries, 2]; the hash of each.
        record_entry: int32[records]; the entry behind which each record stands, counted over the
            whole library: it may be one that an earlier segment brought.
        naming: int32[records]; what it is named to, in ``namings``.
        concept: int32[records]; its BIN or species hypothesis, in ``concepts``.
        label: int32[records]; its name as it came, in ``labels``.
        marker: int32[records]; its gene, in ``markers``.
        file: int32[records]; in ``files``.
        line: int64[records]; its line in that file.
        id: By record.
        accession: By record.
        namings: Distinct (see `merian.library.naming`).
        concepts: Distinct.
        labels: Distinct.
        markers: Distinct.
        files: Distinct.
    """

    text: NDArray[np.uint8]
    start: NDArray[np.int64]
    digest: NDArray[np.uint64]
    record_entry: NDArray[np.int32]
    naming: NDArray[np.int32]
    concept: NDArray[np.int32]
    label: NDArray[np.int32]
    marker: NDArray[np.int32]
    file: NDArray[np.int32]
    line: NDArray[np.int64]
    id: Strings
    accession: Strings
    namings: Strings
    concepts: Strings
    labels: Strings
    markers: Strings
    files: Strings

    @property
    def entries(self) -> int:
        """How many entries it brought."""
        return len(self.start) - 1

    @property
    def records(self) -> int:
        """How many records it brought."""
        return len(self.record_entry)

    def letters(self, entry: int) -> str:
        """Return the sequence of an entry, counted from the first that it brought."""
        first, stop = int(self.start[entry]), int(self.start[entry + 1])
        return bytes(self.text[first:stop]).decode("ascii")


def write_segment(folder: Path, segment: Segment) -> None:
    """Write a segment into a folder that is not in its place yet."""
    own = {name: getattr(segment, name) for name in _IN_SEQUENCES}
    write_tensors(folder / SEQUENCES, own, _FORMAT)
    write_records(folder, segment)


def write_records(folder: Path, segment: Segment) -> None:
    """Write the records of a segment alone, beside the sequences that are there."""
    arrays: dict[str, NDArray[Any]] = {name: getattr(segment, name) for name in _IN_RECORDS}
    for name in _STRINGS:
        arrays |= getattr(segment, name).arrays(name)
    write_tensors(folder / RECORDS, arrays, _FORMAT)


def open_segment(folder: Path) -> Segment:
    """Map a segment."""
    arrays = map_tensors(folder / SEQUENCES) | map_tensors(folder / RECORDS)
    found: dict[str, Any] = {name: arrays[name] for name in (*_IN_SEQUENCES, *_IN_RECORDS)}
    for name in _STRINGS:
        found[name] = Strings.among(arrays, name)
    return Segment(**found)


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write down what was set aside."""
    columns = ("file", "line", "id", "reason")
    rows = ((reject.file, reject.line, reject.id, reject.reason) for reject in rejects)
    write_delimited(
        path, columns, rows, "\t", lambda cell: "" if cell is None else " ".join(str(cell).split())
    )
