"""Feature tables: how many reads of each sequence variant (ASV, OTU) each sample has.

They come as text (`merian.formats.feature_text`), as BIOM, QIIME 2's artifacts and FASTA with
``size=`` (`merian.formats.biom`). `read_feature_table` finds out which.

Only what is not zero is kept, so that a table takes the memory of what it holds.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.catalogue.sources import Reject
from merian.errors import FormatError
from merian.files import existing
from merian.formats.delimited import head_bytes, is_binary
from merian.unpacking import UNREADABLE

__all__ = [
    "MOST_READS",
    "FeatureTable",
    "Gathered",
    "bare_id",
    "read_feature_table",
    "sequence_id",
]

MOST_READS = 1 << 53  # in a cell; what is no number, or infinite, is not below it


@dataclass(frozen=True)
class FeatureTable:
    """Reads of features in samples; one entry for each that is not zero.

    Attributes:
        path: The file.
        features: Their ids, in the order of the file.
        sequences: Of each, as written; "" where the table does not hold it.
        lines: Of each, its line, or 0.
        samples: In the order of the file.
        feature: int32[entries]; ordered by sample, then by feature.
        sample: int32[entries].
        reads: int64[entries].
        rejects: Rows that were set aside.
        notes: What the user should know.
    """

    path: Path
    features: Sequence[str]
    sequences: Sequence[str]
    lines: Sequence[int]
    samples: Sequence[str]
    feature: NDArray[np.int32]
    sample: NDArray[np.int32]
    reads: NDArray[np.int64]
    rejects: Sequence[Reject]
    notes: Sequence[str]


@dataclass
class Gathered:
    """A feature table under way."""

    path: Path
    samples: list[str] = field(default_factory=list)
    features: dict[str, int] = field(default_factory=dict)
    sequences: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _entries: tuple[array[int], array[int], array[int]] = field(
        default_factory=lambda: (array("i"), array("i"), array("q"))
    )

    def feature(self, key: str, sequence: str, line: int) -> int | None:
        """Return the number of a new feature; None, and a reject, where its id was seen before."""
        if not key or key in self.features:
            why = "has no id" if not key else f"is the second one called {key!r}"
            self.rejects.append(Reject(self.path, line or None, f"The feature {why}.", key))
            return None
        self.features[key] = len(self.features)
        self.sequences.append(sequence)
        self.lines.append(line)
        return self.features[key]

    def add(self, feature: int, sample: int, reads: int) -> None:
        """Note reads of a feature in a sample."""
        for column, value in zip(self._entries, (feature, sample, reads), strict=True):
            column.append(value)

    def table(self) -> FeatureTable:
        """Return the whole table."""
        twice = [name for name, count in Counter(self.samples).items() if count > 1]
        if twice:
            raise FormatError(
                f"has two samples called {twice[0]!r}; give each a name of its own", path=self.path
            )
        feature = np.array(self._entries[0], np.int32)
        sample = np.array(self._entries[1], np.int32)
        reads = np.array(self._entries[2], np.int64)
        if not len(reads):
            raise FormatError(
                "holds no reads; counts of features in samples are expected", path=self.path
            )
        order = np.lexsort((feature, sample))
        feature, sample, reads = feature[order], sample[order], reads[order]
        new = np.ones(len(reads), bool)
        new[1:] = (np.diff(feature) != 0) | (np.diff(sample) != 0)
        return FeatureTable(
            self.path, [*self.features], self.sequences, self.lines, self.samples,
            feature[new], sample[new], np.add.reduceat(reads, np.flatnonzero(new)),
            self.rejects, self.notes,
        )  # fmt: skip


def bare_id(key: str) -> str:
    """Return an id without the annotations of vsearch behind it (``;size=12;``)."""
    return key.strip().split(";", 1)[0]


def sequence_id(sequence: str) -> str:
    """Return what a sequence without an id is called: its MD5, as QIIME 2 does."""
    return hashlib.md5(sequence.upper().encode(), usedforsecurity=False).hexdigest()


def read_feature_table(
    path: Path | str,
    mapping: Mapping[str, str] | None = None,
    *,
    rows: str | None = None,
    features: Collection[str] = (),
    samples: Collection[str] = (),
) -> FeatureTable:
    """Read a feature table in any of its shapes.

    Args:
        path: The file.
        mapping: Column -> "id", "sequence", "sample" or "ignore", where its name does not tell.
        rows: Whether its rows are "features" or "samples"; found if not given.
        features: Ids that are known to be of features (of a FASTA).
        samples: Ids that are known to be of samples (of a sheet).
    """
    path = existing(path, "feature table")
    if path.is_dir():
        raise FormatError("is a folder; a feature table is expected", path=path)
    head = head_bytes(path)
    if not head and path.stat().st_size:
        raise FormatError("is packed and damaged or cut short; get a fresh copy", path=path)
    if not head:
        raise FormatError("is empty; a feature table is expected", path=path)
    if head[:4] in (b"RDX2", b"RDX3", b"RDA2", b"RDA3") or head[:2] in (b"X\n", b"A\n", b"B\n"):
        raise FormatError(
            "is an object of R (saveRDS or save), which only R reads; in R write it as text: "
            "write.table(seqtab, 'table.tsv', sep = '\\t', quote = FALSE, col.names = NA)",
            path=path,
        )
    from merian.formats.biom import read_other  # noqa: PLC0415 - it makes what stands here

    other = read_other(path, head)
    if other is not None:
        return other
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or is_binary(head):
        raise FormatError("is no text; save the table as 'CSV UTF-8'", path=path)
    from merian.formats.feature_text import read_text  # noqa: PLC0415 - it makes what stands here

    try:
        return read_text(path, mapping or {}, rows, features, samples)
    except UNREADABLE as error:
        raise FormatError(
            f"is damaged or cut short ({error}); get a fresh copy", path=path
        ) from None
