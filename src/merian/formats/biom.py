"""BIOM, QIIME 2's artifacts, and FASTA with counts: feature tables that are no text with columns.

BIOM 1.0 is JSON (vsearch's ``--biomout``): ``rows`` are features, ``columns`` samples, ``data``
holds [row, column, count] where ``matrix_type`` is sparse, else rows of counts. BIOM 2.1 is HDF5
(QIIME 2's feature-table.biom), which needs the extra ``biom``. An artifact of QIIME 2 (.qza) is a
zip with ``UUID/data/feature-table.biom``, or ``UUID/data/dna-sequences.fasta``, in it. In vsearch's
FASTA ``>OTU1;size=12;`` is a feature with 12 reads, and ``sample=A`` (or ``barcodelabel=A``) is its
sample. Written as BIOM 1.0 with the lineages as ``taxonomy``.

Reference: http://biom-format.org/documentation/biom_format.html
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from merian.catalogue.sources import Reject
from merian.errors import FormatError, MissingExtraError
from merian.files import new_file, open_text
from merian.formats.fasta import records
from merian.formats.feature_table import MOST_READS, FeatureTable, Gathered, bare_id
from merian.unpacking import UNREADABLE_ZIP, Scratch, unzip

__all__ = ["artifact_sequences", "read_other", "write_biom"]

_TABLE, _SEQUENCES = "/data/feature-table.biom", "/data/dna-sequences.fasta"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NOTE = re.compile(r";\s*(size|sample|barcodelabel)=([^;]*)")


def read_other(path: Path, head: bytes) -> FeatureTable | None:
    """Return the feature table of a file that is no text with columns; None for all others.

    Args:
        path: The file.
        head: Its first bytes, unpacked.
    """
    if head.startswith(b"PK\x03\x04"):
        return _read_artifact(path)
    if head.startswith(_HDF5):
        return _read_hdf5(path, path)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        return _read_json(path)
    return _read_fasta(path) if start.startswith(b">") else None


# -- QIIME 2 ------------------------------------------------------------------------------------


def _read_artifact(path: Path) -> FeatureTable:
    inside = _inside(path)
    if any(name.endswith(_SEQUENCES) for name in inside):
        raise FormatError("holds sequences and no table; give it as the file of queries", path=path)
    if "[Content_Types].xml" in inside:
        raise FormatError("is a workbook; save the sheet as 'CSV UTF-8'", path=path)
    scratch = Scratch("artifact")
    try:
        return _read_hdf5(_taken_out(path, _TABLE, scratch), path)
    finally:
        scratch.close()


def artifact_sequences(path: Path) -> tuple[Path, Scratch] | None:
    """Unpack the FASTA of an artifact of QIIME 2, into a folder that goes when it is closed.

    Returns:
        The FASTA and its folder; None for a file that is no zip.
    """
    if not zipfile.is_zipfile(path):
        return None
    scratch = Scratch("artifact")
    return _taken_out(path, _SEQUENCES, scratch), scratch


def _inside(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as packed:
            return packed.namelist()
    except UNREADABLE_ZIP as error:
        raise FormatError(
            f"is damaged or cut short ({error}); get a fresh copy", path=path
        ) from None


def _taken_out(path: Path, ending: str, scratch: Scratch) -> Path:
    found = [name for name in _inside(path) if name.endswith(ending)]
    if len(found) != 1:
        raise FormatError(
            f"is a zip without {ending[1:]}; an artifact of QIIME 2 (.qza) of the kind "
            "FeatureTable[Frequency] or FeatureData[Sequence] is expected",
            path=path,
        )
    unzip(path, scratch.folder, lambda name: name == found[0])
    return scratch.folder / found[0]


# -- BIOM ---------------------------------------------------------------------------------------


def _read_hdf5(file: Path, path: Path) -> FeatureTable:
    """Read BIOM 2.1; ``path`` is what the user calls the file."""
    try:
        import h5py  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError(
            f"{path}: a table of BIOM 2.1 (HDF5; biom convert --to-tsv writes it as text)",
            "biom",
        ) from None
    made = Gathered(path)
    try:
        with h5py.File(file, "r") as stream:
            ids = [_text(key) for key in stream["observation/ids"][:]]
            made.samples = [_text(key) for key in stream["sample/ids"][:]]
            matrix = stream["observation/matrix"]
            values, columns = matrix["data"][:].tolist(), matrix["indices"][:].tolist()
            bounds = matrix["indptr"][:].tolist()
        if len(bounds) != len(ids) + 1 or bounds[-1] != len(values) or len(columns) != len(values):
            raise ValueError("the matrix is not of as many rows as are named")
        if columns and not 0 <= min(columns) <= max(columns) < len(made.samples):
            raise ValueError("a column that is not there")
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"is no whole BIOM 2.1 table ({error})", path=path) from None
    for place, key in enumerate(ids):
        span = slice(bounds[place], bounds[place + 1])
        _add(made, key, [*zip(columns[span], values[span], strict=True)])
    return made.table()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _add(made: Gathered, key: str, counts: Sequence[tuple[int, float]]) -> None:
    """Add a feature with all of its counts, or set it aside with what is wrong with one of them."""
    for _, value in counts:
        if not 0 <= value < MOST_READS or value != value // 1:
            reason = f"A cell is no count of reads: {value!r}."
            made.rejects.append(Reject(made.path, None, reason, key))
            return
    number = made.feature(bare_id(key), "", 0)
    for sample, value in counts if number is not None else ():
        if value:
            made.add(number or 0, sample, int(value))


def _read_json(path: Path) -> FeatureTable:
    """Read BIOM 1.0."""
    made = Gathered(path)
    try:
        with open_text(path, "utf-8-sig") as stream:
            content = json.load(stream)
        made.samples = [str(column["id"]) for column in content["columns"]]
        ids = [str(row["id"]) for row in content["rows"]]
        found: list[list[tuple[int, float]]] = [[] for _ in ids]
        if content["matrix_type"] == "sparse":
            for row, column, value in content["data"]:
                if not (0 <= row < len(ids) and 0 <= column < len(made.samples)):
                    raise IndexError(f"data in row {row} and column {column}, which is not there")
                found[int(row)].append((int(column), float(value)))
        else:
            found = [[(s, float(v)) for s, v in enumerate(row)] for row in content["data"]]
            if len(found) != len(ids) or any(len(row) != len(made.samples) for row in found):
                raise IndexError("data is not of as many rows and columns as are named")
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise FormatError(
            f"is JSON and no whole BIOM 1.0 table ({type(error).__name__}: {error})", path=path
        ) from None
    for key, counts in zip(ids, found, strict=True):
        _add(made, key, counts)
    return made.table()


def write_biom(
    path: Path,
    taxa: Sequence[tuple[str, Sequence[str]]],
    samples: Sequence[str],
    data: Iterable[tuple[int, int, int]],
    made_by: str,
) -> None:
    """Write BIOM 1.0, complete or not at all.

    The date that the format asks for is not one of writing, so that the same input gives the same
    bytes.

    Args:
        path: The file.
        taxa: Id and lineage of each row.
        samples: The ids of the columns.
        data: Row, column and reads of what is not zero.
        made_by: What wrote it.
    """
    head = {
        "id": None, "format": "Biological Observation Matrix 1.0.0",
        "format_url": "http://biom-format.org", "type": "Taxon table", "generated_by": made_by,
        "date": "1970-01-01T00:00:00", "matrix_type": "sparse", "matrix_element_type": "int",
        "shape": [len(taxa), len(samples)],
        "rows": [{"id": key, "metadata": {"taxonomy": [*line]}} for key, line in taxa],
        "columns": [{"id": key, "metadata": None} for key in samples],
    }  # fmt: skip
    with new_file(path, text=True) as stream:
        stream.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "data": [')
        before = "\n"
        for row, column, reads in data:
            stream.write(f"{before}[{row}, {column}, {reads}]")
            before = ",\n"
        stream.write("]}\n")


# -- FASTA --------------------------------------------------------------------------------------


def _read_fasta(path: Path) -> FeatureTable:
    """Read a FASTA whose headers have the counts."""
    made = Gathered(path)
    samples: dict[str, int] = {}
    for record in records(path):
        if isinstance(record, Reject):
            made.rejects.append(record)
            continue
        notes = dict(_NOTE.findall(f";{record.header}"))
        size = notes.get("size", "").strip()
        if not size.isdecimal() or int(size[:20]) >= MOST_READS:
            reason = "The header has no size=, so it is not known how many reads there are."
            made.rejects.append(Reject(path, record.line, reason, record.header[:80]))
            continue
        name = notes.get("sample") or notes.get("barcodelabel") or path.name.split(".")[0]
        sample = samples.setdefault(name.strip(), len(samples))
        key = bare_id((record.header.split() or [""])[0])
        # The same feature comes once in every sample that has it.
        number = made.features.get(key)
        if number is None or made.sequences[number] != record.sequence:
            number = made.feature(key, record.sequence, record.line)
        if number is not None and int(size):
            made.add(number, sample, int(size))
    made.samples = [*samples]
    if not made.features:
        raise FormatError(
            "is a FASTA without size= in its headers; give the table of counts with --table and "
            "this as the file of queries",
            path=path,
        )
    return made.table()
