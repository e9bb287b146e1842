"""A table of answers as the page of a run reads it, and what stands beside it about the run.

The table is a view of a database, whatever its format and however long it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from merian.errors import FormatError
from merian.report.page import Name

__all__ = ["named", "open_answers", "rows_of", "scale_of", "source_of", "told_beside"]

_READERS = {
    ".tsv": "read_csv({}, delim='\t', quote='', header=true, all_varchar=true)",
    ".txt": "read_csv({}, delim='\t', quote='', header=true, all_varchar=true)",
    ".parquet": "read_parquet({})",
    ".jsonl": "read_json({}, format='newline_delimited')",
    ".ndjson": "read_json({}, format='newline_delimited')",
    ".json": "read_json({})",
}
_TEXTS = ("id", "rank", "name", "runner_up", "group", "verdict", "explanation", "species",
          "evidence", "picture")  # fmt: skip
_NUMBERS = ("p", "p_species", "identity", "overlap")
_ITALIC = {"genus", "species"}


def told_beside(answers: Path) -> dict[str, Any]:
    """Return what stands beside the table about its run; nothing if nothing does."""
    beside = Path(f"{answers}.merian.json")
    if not beside.is_file():
        return {}
    try:
        told = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"not a JSON file ({error})", path=beside) from None
    return told if isinstance(told, dict) else {}


def source_of(answers: Path) -> str:
    """Return what FROM takes to read a table of answers."""
    suffixes = [suffix for suffix in answers.suffixes if suffix in _READERS]
    if not suffixes:
        raise FormatError(
            f"expected a table of answers that ends with {', '.join(_READERS)}", path=answers
        )
    place = "'" + str(answers).replace("'", "''") + "'"
    return _READERS[suffixes[-1]].format(place)


def open_answers(con: duckdb.DuckDBPyConnection, answers: Path) -> None:
    """Make the view ``answer``: the columns that the page needs, as texts and numbers."""
    source = source_of(answers)
    try:
        types = {str(n): str(t) for n, t, *_ in con.sql(f"DESCRIBE FROM {source}").fetchall()}
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise FormatError(f"cannot be read as a table ({reason})", path=answers) from None
    missing = [name for name in ("id", "rank", "name", "p") if name not in types]
    if missing:
        raise FormatError(
            f"has no column {missing[0]}; expected a table that `merian identify` wrote",
            path=answers,
        )
    columns = [f"{_text(name, types)} AS {_quoted(name)}" for name in (*_TEXTS, "flags")]
    columns += [
        f"TRY_CAST({_quoted(name)} AS DOUBLE) AS {_quoted(name)}" if name in types
        else f"NULL::DOUBLE AS {_quoted(name)}"
        for name in _NUMBERS
    ]  # fmt: skip
    con.execute(f"CREATE VIEW answer AS SELECT {', '.join(columns)} FROM {source}")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _text(name: str, types: Mapping[str, str]) -> str:
    """Return a column as a text that is never null; several words have ";" between them."""
    if name not in types:
        return "''"
    listed = types[name].endswith("[]")
    column = f"array_to_string({_quoted(name)}, ';')" if listed else _quoted(name)
    return f"coalesce(CAST({column} AS VARCHAR), '')"


def rows_of(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    return con.execute(sql).fetchall()


def named(name: str, rank: str) -> str:
    """Return a name, slanted where names of its rank are."""
    return Name(name) if rank in _ITALIC else name


def scale_of(con: duckdb.DuckDBPyConnection) -> float:
    """Return what makes an identity a percentage."""
    ((largest,),) = rows_of(con, "SELECT max(identity) FROM answer")
    return 100.0 if largest is None or largest <= 1 else 1.0
