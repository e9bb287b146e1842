"""Reading a table of names as it comes: ragged, quoted, in an old encoding, or no table at all.

What can be read is read: short rows are filled up, stray quotes and quoted line breaks are kept,
Windows-1252 and UTF-16 become UTF-8. What cannot is refused in words. The columns stay text.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from merian.errors import FormatError, InputError
from merian.files import find_encoding, open_binary, open_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_name_table"]

_DELIMITERS = (",", ";", "\t", "|")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NO_DELIMITER = "\x1f"


def read_name_table(con: duckdb.DuckDBPyConnection, path: Path, work: Path) -> list[str]:
    """Make the table ``asked`` from a CSV, TSV or Parquet file and return its columns.

    Args:
        con: Where to make it.
        path: The file.
        work: A folder for a copy in UTF-8, if one is needed.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the file with the names")
    try:
        if path.suffix.lower() == ".parquet":
            query = f"CREATE VIEW asked AS SELECT * FROM read_parquet({_quote(str(path))})"
            con.execute(query).fetchall()
        else:
            _read_text(con, _as_utf_8(path, work), path)
        return [row[0] for row in con.execute("DESCRIBE asked").fetchall()]
    except duckdb.Error as error:
        said = next((line for line in str(error).splitlines() if line.strip()), "")
        raise FormatError(f"cannot be read as a table ({said.strip()})", path=path) from None


def _as_utf_8(path: Path, work: Path) -> Path:
    """Return the file, or a copy of it in UTF-8; refuse what is no text."""
    with open_binary(path) as stream:
        start = stream.read(4096)
    if not start:
        raise FormatError("is empty; expected a row with the columns' names", path=path)
    encoding = "utf-16" if start[:2] in _UTF_16 else None
    control = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in start)
    if encoding is None and control > 2 + len(start) // 100:
        raise FormatError(
            "is no text; expected a table as .csv, .tsv or .parquet (save a spreadsheet as CSV)",
            path=path,
        )
    if encoding is None and find_encoding(path).startswith("utf"):
        return path
    copy = work / "names.txt"
    with open_text(path, encoding) as source, copy.open("w", encoding="utf-8", newline="") as out:
        shutil.copyfileobj(source, out)
    return copy


def _read_text(con: duckdb.DuckDBPyConnection, file: Path, path: Path) -> None:
    """Read a table of text. Its first row has the names, and so shows the delimiter."""
    with open_text(file, "utf-8-sig") as stream:
        header = stream.readline(1 << 20).strip("\r\n")
    name = path.name.lower().removesuffix(".gz")
    tab = name.endswith((".tsv", ".tab")) or (name.endswith(".txt") and "\t" in header)
    counted = max(_DELIMITERS, key=header.count)
    delimiter = "\t" if tab else counted if counted in header else _NO_DELIMITER
    plain = {"all_varchar": "true", "header": "true", "null_padding": "true"}
    options = {
        **plain, "strict_mode": "false", "skip": "0", "comment": "''", "delim": _quote(delimiter),
        "quote": "''" if tab else "'\"'", "escape": "''" if tab else "'\"'",
    }  # fmt: skip
    # Line breaks within quotes cannot be read from several places at once; rows longer than the
    # header and quotes that do not end are for DuckDB to make sense of.
    one_reader = {"parallel": "false"}
    ways = [options, options | one_reader, plain, plain | one_reader]
    if header.count('"') % 2 and not tab:
        ways = ways[2:]  # the header has line breaks in it
    for way in ways[:-1]:
        try:
            return _create(con, file, way)
        except duckdb.Error:
            continue
    return _create(con, file, ways[-1])


def _create(con: duckdb.DuckDBPyConnection, file: Path, options: Mapping[str, str]) -> None:
    said = ", ".join(f"{name}={value}" for name, value in options.items())
    # A file may be called a*b.csv, and DuckDB would read all that fit.
    text = _quote("".join(f"[{c}]" if c in "*?[" else c for c in str(file)))
    query = f"CREATE OR REPLACE TABLE asked AS SELECT * FROM read_csv({text}, {said})"
    con.execute(query).fetchall()


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
