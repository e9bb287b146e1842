"""The report of a run of ``merian measure``: sizes, how sure they are, and what is doubtful."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import duckdb

from merian.catalogue.checks import literal
from merian.database import connect
from merian.errors import FormatError
from merian.measure.codes import CODES
from merian.measure.run import FORMAT, HEADER
from merian.measure.written import IMAGES, MEASUREMENTS, SET_ASIDE
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.parts import Absent, Report
from merian.report.overview.records import rows_of
from merian.report.overview.sizes import sizes
from merian.report.page import Figures, Part, Plot, Section, Table, Text
from merian.stamp import check_stamp

__all__ = ["doubts", "how_sure", "of_measured", "open_tables", "set_aside"]

_SHOWN = 20


def of_measured(folder: Path, tell: Callable[[str], None]) -> Report:
    """Gather the report of the folder of a run."""
    told = check_stamp(folder / HEADER, FORMAT, 1)
    tell("reading measurements")
    with connect(memory="1GB") as con:
        _open(con, folder)
        found: list[Section | Absent] = [
            _short(told), sizes(con), how_sure(con),
            doubts(told.get("codes")), set_aside(con, "image"),
        ]  # fmt: skip
    return Report(
        "measurements", "What was measured", f"{folder.absolute().name}: "
        f"{told['specimens']:,} specimens in {told['pictures']:,} pictures", found, told["merian"],
    )  # fmt: skip


def open_tables(
    con: duckdb.DuckDBPyConnection, folder: Path, files: Mapping[str, str], verb: str
) -> None:
    """Make tables of what a run has written.

    Args:
        con: Where to.
        folder: Of the run.
        files: Names of tables, and of the files that they are made of.
        verb: What to do again where one is gone.
    """
    for name, file in files.items():
        path = folder / file
        if not path.is_file():
            raise FormatError(f"is gone; {verb} again", path=path)
        try:
            con.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_csv({literal(path)}, delim='\t', "
                "quote='', header=true, all_varchar=true)"
            ).fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise FormatError(f"cannot be read as a table ({reason})", path=path) from None


def _open(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make tables of what the run has written."""
    files = {"value": MEASUREMENTS, "picture": IMAGES, "aside": SET_ASIDE}
    open_tables(con, folder, files, "measure")
    con.execute("""
        CREATE TABLE size AS SELECT trait AS kind, unit, try_cast(value AS DOUBLE) AS value,
            nullif("group", '') AS grp, try_cast(low AS DOUBLE) AS low,
            try_cast(high AS DOUBLE) AS high
        FROM value WHERE try_cast(value AS DOUBLE) IS NOT NULL
    """).fetchall()


def _short(told: dict[str, object]) -> Section:
    return Section("In short", [
        Figures([
            (told["pictures"], "pictures"), (told["specimens"], "specimens"),
            (told["with_scale"], "pictures with a scale"), (told["set_aside"], "set aside"),
        ]),
        Text(f"Values stand with their intervals: {told['intervals']}."),
    ])  # fmt: skip


def how_sure(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    """Return how wide the intervals are."""
    title = "How sure the values are"
    found = rows_of(con, """
        SELECT kind, unit, count(*) AS n, 100 * median((high - low) / 2 / abs(value)),
            100 * quantile_disc((high - low) / 2 / abs(value), 0.05),
            100 * quantile_disc((high - low) / 2 / abs(value), 0.95)
        FROM size WHERE value <> 0 AND high IS NOT NULL AND low IS NOT NULL
        GROUP BY kind, unit ORDER BY n DESC, kind, unit
    """)  # fmt: skip
    if not found:
        return Absent(title, "no value has an interval")
    rows = [
        DotRow(f"{kind} ({unit})", [Dot(*(v for v in (middle, low, high)))])
        for kind, unit, _, middle, low, high in found[:_SHOWN]
    ]
    name = "Half the width of the interval (k = 2) in percent of the value: the middle, and 90 %"
    table = Table(("trait", "unit", "values", "median, %", "5 %", "95 %"),
                  [(*row[:3], *(round(v, 3) for v in row[3:])) for row in found])  # fmt: skip
    return Section(title, [Plot(name, partial(dots, name, ["±"], rows, unit="%"), table)])


def doubts(counted: object) -> Section | Absent:
    """Return how many specimens have each code.

    Args:
        counted: By code, as it is read from JSON.
    """
    title = "What is doubtful"
    codes = counted if isinstance(counted, dict) else {}
    if not codes:
        return Absent(title, "no value has a code of doubt")
    order = sorted(codes, key=lambda code: (-codes[code], code))
    name = "Specimens by code"
    rows = [DotRow(code, [Dot(codes[code], text=f"{codes[code]:,}")]) for code in order]
    table = Table(("code", "specimens", "what it says", "what to do"),
                  [(code, codes[code], *CODES.get(code, ("", ""))) for code in order])  # fmt: skip
    parts: list[Part] = [
        Plot(name, partial(dots, name, ["specimens"], rows, unit="specimens"), table)
    ]
    return Section(title, parts)


def set_aside(con: duckdb.DuckDBPyConnection, called: str) -> Section | Absent:
    """Return what was set aside, by its reason.

    Args:
        con: With a table ``aside``.
        called: The column with the name of a picture.
    """
    title = "What was set aside"
    found = rows_of(con, f"SELECT reason, count(*) AS n, min({called}) FROM aside GROUP BY 1 "
                         "ORDER BY n DESC, 1")  # fmt: skip
    if not found:
        return Absent(title, "every picture could be measured")
    return Section(title, [
        Table(("why", "pictures", "the first"), found[:_SHOWN], more=max(0, len(found) - _SHOWN))
    ])  # fmt: skip
