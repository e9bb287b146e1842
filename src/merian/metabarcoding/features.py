"""The features of a table as queries: their sequences from the table itself, or from a FASTA.

A FASTA beside the table tells each feature's sequence by its id; what vsearch writes behind an id
(``;size=12``) is not part of it. Features that have no sequence, and sequences that are no
barcodes, are set aside with their reads. A FASTA in an artifact of QIIME 2 is read as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from merian.barcode import read_query
from merian.errors import InputError
from merian.files import content_hash, existing
from merian.formats import Options
from merian.formats.biom import artifact_sequences
from merian.formats.feature_table import FeatureTable, bare_id, read_feature_table
from merian.identify.queries import Queries, Query
from merian.library.reading import Reject
from merian.metabarcoding.samples import sheet_ids

__all__ = ["Features", "open_features"]


class Features:
    """The features of a table, and where their sequences stand.

    Attributes:
        table: The table.
        numbers: Of the features, by id.
        fingerprint: Names and hashes of everything that is read.
        said: What was said about the table that decides how it is read.
        notes: What the user should know.
    """

    def __init__(
        self,
        table: FeatureTable,
        queries: Queries | None,
        stack: ExitStack,
        said: Mapping[str, object] | None = None,
    ) -> None:
        """Bring a table and the file of its sequences together.

        Args:
            table: The table.
            queries: The file; None where the table holds the sequences.
            stack: Holds what has to live as long as these are read.
            said: What was said about the table that decides how it is read.
        """
        self.said = dict(said or {})
        self.table, self._queries, self._stack = table, queries, stack
        self.numbers = {key: number for number, key in enumerate(table.features)}
        self.fingerprint = [(table.path.name, content_hash(table.path))]
        self.notes = [f"{table.path}: {note}" for note in table.notes]
        self.surplus = self.repeated = 0
        if queries is not None:
            self.fingerprint += queries.fingerprint
            self.notes += queries.notes

    def read(self, work: Path) -> Iterator[Query | Reject]:
        """Return all features, and in their places what was set aside."""
        table = self.table
        for bad in table.rejects:
            yield Reject(str(bad.path), bad.line, " ".join(bad.content.split()[:1]), bad.reason)
        if self._queries is None:
            for key, line, text in zip(table.features, table.lines, table.sequences, strict=True):
                sequence, reason = read_query(text)
                place = (str(table.path), line or None)
                yield Reject(*place, key, reason) if reason else Query(key, sequence, "", *place)
            return
        met: set[str] = set()
        self.surplus = self.repeated = 0
        for found in self._queries.read(work):
            key = bare_id(found.id)
            if key not in self.numbers or key in met:
                self.surplus += key not in met
                self.repeated += key in met
                continue
            met.add(key)
            if isinstance(found, Query):
                yield Query(key, found.sequence, found.marker, found.file, found.line)
            else:
                yield Reject(found.file, found.line, key, found.reason)
        file = self._queries.paths[0].name
        for key, line in zip(table.features, table.lines, strict=True):
            if key not in met:
                reason = f"There is no sequence for this feature: it is not in {file}."
                yield Reject(str(table.path), line or None, key, reason)

    def close(self) -> None:
        """Delete what was unpacked."""
        self._stack.close()


def open_features(
    table: Path | str,
    fasta: Sequence[Path | str] = (),
    sheet: Path | str | None = None,
    *,
    mapping: Mapping[str, str] | None = None,
    rows: str | None = None,
) -> Features:
    """Open a feature table and the file of its sequences.

    Args:
        table: The table.
        fasta: The file of sequences, if the table does not hold them.
        sheet: The sheet of samples, which helps to tell samples from features.
        mapping: What a column of the table is, where its name and content do not tell.
        rows: Whether rows are "features" or "samples", where that is not clear.
    """
    if rows not in (None, "features", "samples"):
        raise InputError(f"--set rows={rows}: expected features or samples")
    path = existing(table, "feature table")
    stack = ExitStack()
    queries, ids = None, set[str]()
    if fasta:
        paths = []
        for file in fasta:
            unpacked = artifact_sequences(existing(file, "file of sequences"))
            if unpacked:
                stack.callback(unpacked[1].close)
            paths.append(unpacked[0] if unpacked else Path(file))
        queries = Queries(paths, Options(extra={"header": "bare"}) if _plain(paths) else None)
        with TemporaryDirectory(prefix="merian-") as scratch:
            ids = {bare_id(found.id) for found in queries.read(Path(scratch))}
    known = sheet_ids(sheet) if sheet is not None else set()
    read = read_feature_table(path, mapping, rows=rows, features=ids, samples=known)
    if queries is None and not any(read.sequences):
        raise InputError(
            f"{path}: holds ids of features and no sequences; give the file of their sequences "
            "too: merian identify SEQUENCES.fasta --table TABLE ..."
        )
    if queries is not None and not ids & set(read.features):
        first = ", ".join([*read.features][:2])
        raise InputError(
            f"{path}: none of its features is in {queries.paths[0].name}; the table has {first}, "
            f"the file has {', '.join(sorted(ids)[:2])}. Are they of the same run?"
        )
    return Features(read, queries, stack, {"map": dict(mapping or {}), "rows": rows})


def _plain(paths: Sequence[Path]) -> bool:
    """Return whether all are FASTA: their ids are the first words of their headers."""
    return all(path.suffix.lower() not in (".csv", ".tsv", ".txt", ".xlsx") for path in paths)
