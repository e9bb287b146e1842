r"""Delimited files of any dialect, loaded by DuckDB with the line that each row came from.

DuckDB reads physical lines and splits them in SQL, in parallel and without a loop over rows.
Thus every row knows its line, one unclosed quote costs one line and not the rest of the file,
and a row with too many fields is told from one whose empty end was dropped. Quoted fields may
hold line breaks: the few lines with an odd number of quotes are paired first.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from merian.errors import FormatError
from merian.files import open_text
from merian.unpacking import Scratch, text_encoding

__all__ = ["Table", "check", "count", "describe", "load", "load_lines", "text"]

_LONGEST_HEADER = 1 << 20
_LONGEST_RECORD = 200  # lines; a quote that closes later than that was never closed
_UTF8 = {"utf-8", "utf-8-sig"}


@dataclass(frozen=True)
class Table:
    """A delimited file: where it is, how it is written, what its columns are called."""

    path: Path
    delimiter: str
    quote: str
    encoding: str
    header_lines: int
    columns: tuple[str, ...]


def text(value: str | Path) -> str:
    """Return a text as an SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"


def describe(path: Path) -> Table:
    """Find out how a file with a header is written. Only tabs stand without quotes."""
    encoding = text_encoding(path)
    with open_text(path, encoding) as stream:
        line = stream.readline(_LONGEST_HEADER).rstrip("\r\n")
    if not line.strip():
        raise FormatError("is empty, or its first line is; a header is expected", path=path, line=1)
    delimiter = max("\t,;|", key=line.count)
    quote = "" if delimiter == "\t" else '"'
    names = next(csv.reader([line], delimiter=delimiter)) if quote else line.split(delimiter)
    return Table(path, delimiter, quote, encoding, 1, tuple(name.strip() for name in names))


def check(table: Table, needed: Sequence[str], found: Iterable[str]) -> None:
    """Make sure that a file has the columns without which it means nothing."""
    missing = [name for name in needed if name not in set(found)]
    if missing:
        header = ", ".join(table.columns)[:200]
        raise FormatError(
            f"has no column {' or '.join(missing)}; its header is {header!r}",
            path=table.path,
            line=1,
        )


def load_lines(con: duckdb.DuckDBPyConnection, table: Table, view: str, scratch: Scratch) -> None:
    """Make a view of the physical lines of a file: ``n``, counted from 1, and ``l``."""
    path = table.path
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    if table.encoding not in _UTF8:
        path = _to_utf8(table, scratch)
        packed = False
    # Code 1 stands in no text, so that a line is one field.
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW {view} AS "
        f"SELECT row_number() OVER () + {table.header_lines} AS n, l FROM read_csv("
        f"{text(path)}, delim=chr(1), quote='', escape='', header=false, "
        f"skip={table.header_lines}, columns={{'l': 'VARCHAR'}}, auto_detect=false, "
        f"strict_mode=false, ignore_errors=true, "
        f"compression='{'gzip' if packed else 'none'}')"
    ).fetchall()


def _to_utf8(table: Table, scratch: Scratch) -> Path:
    """Copy a file of another encoding, since DuckDB reads UTF-8."""
    target = scratch.folder / f"{table.path.name}.utf8"
    with (
        open_text(table.path, table.encoding) as source,
        target.open("w", encoding="utf-8", newline="") as sink,
    ):
        while block := source.read(1 << 20):
            sink.write(block)
    return target


def load(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    name: str,
    columns: Mapping[str, int],
    *,
    needed: Sequence[str] = (),
    append: bool = False,
) -> None:
    r"""Load columns of a file into a temporary table, with ``file`` and ``line``.

    Cells are trimmed; empty ones, ``NULL`` and ``\N`` become NULL. Rows with more fields than the
    header, or too few to reach the needed columns, go to the table ``problem``.

    Args:
        con: The connection.
        table: The file.
        name: The temporary table.
        columns: What to call the column at each position, counted from 0.
        needed: Those of the columns that every row must reach.
        append: Whether to add to a table that is there.
    """
    width = len(table.columns)
    reach = max((columns[c] + 1 for c in needed), default=1)
    scratch = Scratch("table")
    try:
        load_lines(con, table, "physical_line", scratch)
        rows = _records(con, table)
        cells = ", ".join(f'{_cell(table, place)} AS "{c}"' for c, place in columns.items())
        wrong = (
            f"len(p) < {reach} OR (len(p) > {width} AND "
            f"trim(array_to_string(p[{width + 1}:], '')) != '')"
        )
        create = f"INSERT INTO {name}" if append else f"CREATE OR REPLACE TEMP TABLE {name} AS"
        con.execute(
            f"{create} SELECT {text(table.path.name)} AS file, n AS line, {cells}, "
            f"CASE WHEN {wrong} THEN len(p) END AS fields, "
            f"CASE WHEN {wrong} THEN l END AS content FROM ({rows})"
        ).fetchall()
    finally:
        scratch.close()
    con.execute(
        f"INSERT INTO problem SELECT file, line, NULL, 'has ' || fields || ' fields where the "
        f"header has {width}; is a delimiter, a quote or a line break inside a field?', "
        f"left(content, 1000) FROM {name} WHERE fields IS NOT NULL ORDER BY line"
    ).fetchall()
    con.execute(f"DELETE FROM {name} WHERE fields IS NOT NULL").fetchall()


def _cell(table: Table, place: int) -> str:
    """Return the SQL of one cell, without quotes and white space, NULL if nothing is left."""
    cell = f"p[{place + 1}]"
    if table.quote:
        mark, twice = text(table.quote), text(table.quote * 2)
        inner = f"replace(substr({cell}, 2, length({cell}) - 2), {twice}, {mark})"
        quoted = f"length({cell}) > 1 AND starts_with({cell}, {mark}) AND ends_with({cell}, {mark})"
        cell = f"CASE WHEN {quoted} THEN {inner} ELSE {cell} END"
        cell = f"trim({cell}, ' ' || chr(9) || chr(10) || chr(13) || chr(160))"
    else:
        cell = f"trim({cell})"
    return f"CASE WHEN {cell} NOT IN ('', 'NULL', '\\N') THEN {cell} END"


def _records(con: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Return the SQL of the records of a file: first line, its text, its fields."""
    delimiter, quote = table.delimiter, table.quote
    split = f"string_split(l, {text(delimiter)})"
    # Spreadsheets end in rows of delimiters; only a short line can be one.
    filled = f"(length(l) > 99 OR trim(l, ' ' || chr(9) || {text(delimiter + quote)}) <> '')"
    if not quote:
        return f"SELECT n, l, {split} AS p FROM physical_line WHERE {filled}"
    field, mark = re.escape(delimiter), re.escape(quote)
    not_field, not_mark = f"[^{field}]", f"[^{mark}]"
    pattern = f"(?s){field}({mark}(?:{not_mark}|{mark}{mark})*{mark}{not_field}*|{not_field}*)"
    parts = (
        f"CASE WHEN contains(l, {text(quote)}) THEN "
        f"regexp_extract_all({text(delimiter)} || l, {text(pattern)}, 1) ELSE {split} END"
    )
    odd = con.execute(
        "SELECT n, l FROM physical_line "
        f"WHERE (length(l) - length(replace(l, {text(quote)}, ''))) % 2 = 1 ORDER BY n"
    ).fetchall()
    spans = _pair(odd, delimiter, quote)
    if not spans:
        return f"SELECT n, l, {parts} AS p FROM physical_line WHERE {filled}"
    con.execute("CREATE OR REPLACE TEMP TABLE span(first BIGINT, n BIGINT)").fetchall()
    firsts = [first for first, last in spans for _ in range(first, last + 1)]
    lines = [line for first, last in spans for line in range(first, last + 1)]
    con.execute("INSERT INTO span SELECT unnest(?), unnest(?)", [firsts, lines]).fetchall()
    joined = (
        f"SELECT n, l FROM physical_line ANTI JOIN span USING (n) WHERE {filled} UNION ALL "
        "SELECT s.first, string_agg(coalesce(l, ''), chr(10) ORDER BY s.n) "
        "FROM physical_line p JOIN span s USING (n) GROUP BY s.first"
    )
    return f"SELECT n, l, {parts} AS p FROM ({joined}) ORDER BY n"


def _pair(odd: Sequence[tuple[int, str]], delimiter: str, quote: str) -> list[tuple[int, int]]:
    """Pair the lines on which a quoted field opens and closes; a lone one stands for itself."""
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(odd):
        line, content = odd[at]
        close = odd[at + 1][0] if at + 1 < len(odd) else line + _LONGEST_RECORD
        if close - line < _LONGEST_RECORD and _opens(content, delimiter, quote):
            spans.append((line, close))
            at += 1
        at += 1
    return spans


def _opens(line: str, delimiter: str, quote: str) -> bool:
    """Return whether a line ends inside a quoted field. Quotes open only where a field starts."""
    at = 0
    while True:
        if line.startswith(quote, at):
            at += 1
            while (at := line.find(quote, at)) >= 0 and line.startswith(quote, at + 1):
                at += 2
            if at < 0:
                return True
        at = line.find(delimiter, at) + 1
        if at == 0:
            return False


def count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return the number of rows of a table."""
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
