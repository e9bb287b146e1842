"""``merian query``: ask a catalogue in SQL."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from merian.cli import screen

if TYPE_CHECKING:
    from merian.catalogue import Result

Row = tuple[object, ...]
Format = Literal["table", "tsv", "csv", "json"]

_SHOWN = 100  # rows of a table for the eye


def query(
    catalogue: Path,
    sql: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    format: Format | None = None,
    split: str | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Ask a catalogue in SQL.

    Args:
        catalogue: The folder of the catalogue.
        sql: The question: "SELECT family, count(*) FROM determination GROUP BY family".
        out: Write the answer into this file: .tsv, .csv, .json, .jsonl or .parquet.
        format: How to print: table, tsv, csv or json. On a screen a table, else tsv.
        split: Ask of some parts of a split alone, as if nothing else were there: NAME:PART+PART,
            or NAME for all that is not set aside. The column `split` of an occurrence is its part.
        quiet: Print the answer and nothing else.
    """
    from merian.catalogue import Catalogue

    with Catalogue.open(catalogue, read_only=True, part=split) as opened:
        if out is not None:
            with screen.working(f"Writing {out}", quiet):
                rows = opened.write_table(sql, out)
            print(f"{rows:,} rows in {out}")
            return
        chosen = format or ("table" if sys.stdout.isatty() else "tsv")
        _PRINTERS[chosen](opened.query(sql))


def _print_table(result: Result) -> None:
    """Print the first rows for the eye."""
    rows = result.fetch(_SHOWN + 1)
    screen.print_table(result.columns, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        screen.say(f"the first {_SHOWN} rows; --out FILE writes them all")


def _print_tsv(result: Result) -> None:
    """Print a line a row; a tab or a line break inside a field becomes a blank."""
    for row in _with_head(result):
        print("\t".join(" ".join(_text(value).split()) for value in row))


def _print_csv(result: Result) -> None:
    """Print CSV, quoted where it must be."""
    csv.writer(sys.stdout, lineterminator="\n").writerows(
        [_text(value) for value in row] for row in _with_head(result)
    )


def _print_json(result: Result) -> None:
    """Print one array of objects, a row a line."""
    print("[", end="")
    for number, row in enumerate(result):
        record = dict(zip(result.columns, row, strict=True))
        print(",\n" if number else "\n", end="")
        print(json.dumps(record, ensure_ascii=False, default=str), end="")
    print("\n]")


def _with_head(result: Result) -> Iterable[Row]:
    """Return the names of the columns and then the rows."""
    yield result.columns
    yield from result


def _text(value: object) -> str:
    """Return a value as it stands in a text file."""
    return "" if value is None else str(value)


_PRINTERS: dict[Format, Callable[[Result], None]] = {
    "table": _print_table,
    "tsv": _print_tsv,
    "csv": _print_csv,
    "json": _print_json,
}
