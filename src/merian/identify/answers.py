"""Answer tables: one row a query, the same in TSV, Parquet and JSON.

On its way a row is a line of JSON, which is what the parts of a long job are kept as; the table is
written from these at its end, complete or not at all. Probabilities and identities have six
decimals. What is not there (a rank without a best guess) is empty in a TSV, null elsewhere.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from merian.catalogue.checks import literal
from merian.catalogue.schema import quoted
from merian.database import connect
from merian.errors import FormatError, InputError
from merian.files import existing, new_file, open_text
from merian.identify.determination import Determination
from merian.taxonomy import MAIN_RANKS

__all__ = [
    "COLUMNS", "FORMAT", "RECORDS", "SEVERAL", "VERSION", "answer_line", "check_suffix", "lines_of",
    "read_answers", "write_answers",
]  # fmt: skip

FORMAT, VERSION = "merian-answers", "1.0"

COLUMNS: Mapping[str, str] = {
    "id": "VARCHAR",
    **dict.fromkeys(MAIN_RANKS, "VARCHAR"),
    **{f"p_{rank}": "DOUBLE" for rank in MAIN_RANKS},
    "rank": "VARCHAR",
    "name": "VARCHAR",
    "p": "DOUBLE",
    "runner_up": "VARCHAR",
    "p_runner_up": "DOUBLE",
    "identity": "DOUBLE",
    "overlap": "BIGINT",
    "nearest": "VARCHAR",
    "group": "VARCHAR",
    "verdict": "VARCHAR",
    "flags": "VARCHAR",
    "explanation": "VARCHAR",
}
"""The columns, and their types in Parquet."""

SEVERAL: Mapping[str, str] = {**COLUMNS, "library": "VARCHAR"}
"""Those of the answers of several libraries: which one each is of."""

RECORDS: Mapping[str, str] = {
    **SEVERAL, "evidence": "VARCHAR", "item": "VARCHAR", "picture": "VARCHAR"
}  # fmt: skip
"""Those of answers about records: of what evidence each is, of which picture or sequence, and where
that picture is; of a consensus, the first of its pictures."""

_DECIMALS = 6
_NEAREST = 5  # references whose ids are listed
_BATCH = 5_000
_TABBED = (".tsv", ".txt")
_SUFFIXES = (*_TABBED, ".parquet", ".jsonl", ".json")
_READ: dict[str, Callable[[str], object]] = {"VARCHAR": str, "DOUBLE": float, "BIGINT": int}


def check_suffix(path: Path) -> None:
    """Say so if the name of a table does not tell how to write it."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"{path}: the suffix says how to write, and {path.suffix or 'none'!r} is not known; "
            f"use one of {', '.join(_SUFFIXES)}"
        )


# -- rows ---------------------------------------------------------------------------------------


def answer_line(found: Determination, more: Mapping[str, object] | None = None) -> str:
    """Return an answer as JSON, without the id and the brackets around it.

    Args:
        found: The answer.
        more: What else stands in the row, behind all columns.
    """
    nearest = found.matches[0] if found.matches else None
    row: dict[str, object] = {rank: _text(found.names.get(rank)) for rank in MAIN_RANKS}
    row |= {f"p_{rank}": _share(found.probabilities.get(rank)) for rank in MAIN_RANKS}
    row |= {
        "rank": _text(found.rank),
        "name": _text(found.name),
        "p": _share(found.probability),
        "runner_up": _text(found.runner_up),
        "p_runner_up": _share(found.runner_up_probability) if found.runner_up else None,
        "identity": _share(nearest.identity) if nearest and nearest.overlap else None,
        "overlap": int(nearest.overlap) if nearest and nearest.overlap else None,
        "nearest": _text(";".join(match.id for match in found.matches[:_NEAREST])),
        "group": _text(found.group),
        "verdict": _text(found.verdict),
        "flags": _text(";".join(found.flags)),
        "explanation": _text(found.explanation),
        **(more or {}),
    }
    return json.dumps(row, ensure_ascii=False)[1:-1]


def lines_of(keys: Iterable[str], answers: Iterable[str]) -> Iterator[str]:
    """Return rows as lines of JSON, of ids and of what `answer_line` made."""
    for key, answer in zip(keys, answers, strict=True):
        yield f'{{"id": {json.dumps(" ".join(key.split()), ensure_ascii=False)}, {answer}}}\n'


def _text(value: str | None) -> str | None:
    """Return a text in one line, or None for an empty one."""
    return " ".join(value.split()) or None if value else None


def _share(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DECIMALS)


# -- writing ------------------------------------------------------------------------------------


def write_answers(
    parts: Sequence[Path],
    path: Path,
    mark: Mapping[str, object],
    see: Callable[[Mapping[str, Any]], None] = lambda _row: None,
    columns: Mapping[str, str] = COLUMNS,
) -> int:
    """Write a table as its suffix says, and return how many rows it has.

    Args:
        parts: Files with a row a line, in order.
        path: The table.
        mark: The stamp, for what has a place for it.
        see: Is shown every row.
        columns: Of the table.
    """
    check_suffix(path)
    count = 0

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        nonlocal count
        for part in parts:
            with part.open(encoding="utf-8") as stream:
                for line in stream:
                    row = json.loads(line)
                    see(row)
                    count += 1
                    yield line, row

    suffix = path.suffix.lower()
    if suffix in _TABBED:
        _write_tabbed(path, (row for _, row in rows()), columns)
    elif suffix == ".parquet":
        for _ in rows():  # they are seen; DuckDB reads the parts by itself
            pass
        _write_parquet(parts, path, mark, columns)
    else:
        _write_json(path, (line for line, _ in rows()), array=suffix == ".json")
    return count


def _write_tabbed(
    path: Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    """Write a table without quotes: no text in it has a tab or a line end."""
    with new_file(path, text=True) as stream:
        stream.write("\t".join(columns) + "\n")
        for row in rows:
            cells = ("" if row[name] is None else str(row[name]) for name in columns)
            stream.write("\t".join(cells) + "\n")


def _write_json(path: Path, lines: Iterable[str], *, array: bool) -> None:
    with new_file(path, text=True) as stream:
        if not array:
            stream.writelines(lines)
            return
        before = "[\n"
        for line in lines:
            stream.write(before + line.rstrip("\n"))
            before = ",\n"
        stream.write("[]\n" if before == "[\n" else "\n]\n")


def _write_parquet(
    parts: Sequence[Path], path: Path, mark: Mapping[str, object], kinds: Mapping[str, str]
) -> None:
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    files = ", ".join(literal(part) for part in parts if part.stat().st_size)
    source = f"read_json([{files}], format='newline_delimited', columns={{{columns}}})"
    nothing = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in kinds.items())
    select = f"SELECT * FROM {source}" if files else f"SELECT {nothing} WHERE false"
    options = (
        "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, "
        f"KV_METADATA {{merian: {literal(json.dumps(dict(mark)))}}}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        made = Path(folder) / "answers.parquet"
        # One thread writes; otherwise the pieces of a file depend on who was first.
        with connect(threads=1, memory="1GB", spill=Path(folder) / "spill") as con:
            con.execute(f"COPY ({select}) TO {literal(made)} ({options})").fetchall()
        with made.open("rb") as source_stream, new_file(path) as stream:
            while block := source_stream.read(1 << 20):
                stream.write(block)


# -- reading ------------------------------------------------------------------------------------


def read_answers(path: Path | str) -> Iterator[dict[str, Any]]:
    """Return the rows of an answer table, whatever it is written as.

    The columns need not all be there, and others may be; those that are ours have their types.
    """
    path = existing(path, "answer table")
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _read_parquet(path)
    elif suffix in (".json", ".jsonl"):
        yield from _read_json(path)
    else:
        yield from _read_tabbed(path)


def _read_tabbed(path: Path) -> Iterator[dict[str, Any]]:
    with open_text(path) as stream:
        reader = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        columns = next(reader, [])
        if "id" not in columns:
            raise FormatError("expected an answer table, with a column id", path=path, line=1)
        for number, fields in enumerate(reader, start=2):
            if len(fields) != len(columns):
                raise FormatError(
                    f"found {len(fields)} fields, expected {len(columns)}", path=path, line=number
                )
            row: dict[str, Any] = {}
            for name, text in zip(columns, fields, strict=True):
                try:
                    row[name] = _READ[COLUMNS.get(name, "VARCHAR")](text) if text else None
                except ValueError:
                    raise FormatError(
                        f"expected a number, found {text!r}", path=path, line=number, column=name
                    ) from None
            yield row


def _read_json(path: Path) -> Iterator[dict[str, Any]]:
    """Read lines of JSON; an array of ours has a row a line too."""
    with open_text(path, "utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            text = line.strip().removesuffix(",")
            if text in ("", "[", "]", "[]"):
                continue
            try:
                row = json.loads(text)
            except json.JSONDecodeError as error:
                raise FormatError(f"is no row of JSON ({error})", path=path, line=number) from None
            if not isinstance(row, dict) or "id" not in row:
                raise FormatError("expected a row with an id", path=path, line=number)
            yield row


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    with connect(threads=1) as con:
        result = con.execute(f"SELECT * FROM read_parquet({literal(path)})")
        columns = [str(column[0]) for column in result.description or []]
        if "id" not in columns:
            raise FormatError("expected an answer table, with a column id", path=path)
        while batch := result.fetchmany(_BATCH):
            for row in batch:
                yield dict(zip(columns, row, strict=True))
