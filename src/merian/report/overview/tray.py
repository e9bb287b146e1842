"""The report of a run of ``merian tray``: how many bodies, of what, how large, what is doubtful."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from merian.database import connect
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.measured import doubts, how_sure, open_tables, set_aside
from merian.report.overview.parts import Absent, Report
from merian.report.overview.records import rows_of
from merian.report.overview.sizes import sizes
from merian.report.page import Figures, Plot, Section, Table
from merian.stamp import check_stamp
from merian.tray.run import FORMAT, HEADER
from merian.tray.written import COUNTS, INSTANCES, MEASUREMENTS, PHOTOGRAPHS, SET_ASIDE, UNNAMED

__all__ = ["of_tray"]

_SHOWN = 30
_FILES = {"body": INSTANCES, "measured": MEASUREMENTS, "photograph": PHOTOGRAPHS,
          "aside": SET_ASIDE}  # fmt: skip
_SIZES = """
CREATE TABLE size AS SELECT m.trait AS kind, m.unit, try_cast(m.value AS DOUBLE) AS value,
    nullif(b.name, '') AS grp, try_cast(m.low AS DOUBLE) AS low, try_cast(m.high AS DOUBLE) AS high
FROM measured m LEFT JOIN body b USING (photo, instance)
WHERE try_cast(m.value AS DOUBLE) IS NOT NULL
"""
_CODES = """
SELECT code, count(*) FROM (SELECT unnest(string_split(codes, ';')) AS code FROM body)
WHERE code <> '' GROUP BY 1 ORDER BY 1
"""
_KINDS = """
SELECT kind, sum(try_cast("count" AS DOUBLE)), sum(try_cast(answered AS DOUBLE)), count(*)
FROM counted GROUP BY 1 ORDER BY 2 DESC, 1
"""
_PHOTOS = """
SELECT photo, try_cast(found AS BIGINT) AS n, nullif(expected, ''), nullif(calibration, '')
FROM photograph ORDER BY n DESC, photo
"""


def of_tray(folder: Path, tell: Callable[[str], None]) -> Report:
    """Gather the report of the folder of a tray."""
    told = check_stamp(folder / HEADER, FORMAT, 1)
    tell("reading bodies")
    files = dict(_FILES)
    if (folder / COUNTS).is_file():
        files["counted"] = COUNTS
    with connect(memory="1GB") as con:
        open_tables(con, folder, files, "find the bodies")
        con.execute(_SIZES).fetchall()
        codes = {str(code): int(count) for code, count in rows_of(con, _CODES)}
        found: list[Section | Absent] = [
            _short(told), _kinds(con, "counted" in files), sizes(con), how_sure(con),
            _photographs(con), doubts(codes), set_aside(con, "photo"),
        ]  # fmt: skip
    return Report(
        "tray", "What is in the trays", f"{folder.absolute().name}: bodies {told['bodies']:,}, "
        f"photographs {told['photographs']:,}", found, told["merian"],
    )  # fmt: skip


def _short(told: dict[str, object]) -> Section:
    return Section("In short", [
        Figures([
            (told["photographs"], "photographs"), (told["bodies"], "bodies"),
            (told["with_scale"], "photographs with a scale"), (told["set_aside"], "set aside"),
        ]),
    ])  # fmt: skip


def _kinds(con: duckdb.DuckDBPyConnection, counted: bool) -> Section | Absent:
    """Return how many there are of each kind, over all photographs."""
    title = "How many of each kind"
    found = rows_of(con, _KINDS) if counted else []
    if not found or {row[0] for row in found} == {UNNAMED}:
        return Absent(title, "bodies have no names; `merian tray --library` names them")
    name = "Bodies by kind, as counted"
    rows = [DotRow(str(kind), [Dot(count, text=f"{count:,.0f}")]) for kind, count, *_ in found]
    table = Table(("kind", "counted", "answered so", "photographs"),
                  [(kind, round(count, 1), int(said or 0), photos)
                   for kind, count, said, photos in found])  # fmt: skip
    drawn = partial(dots, name, ["bodies"], rows[:_SHOWN], unit="bodies")
    return Section(title, [Plot(name, drawn, table)])


def _photographs(con: duckdb.DuckDBPyConnection) -> Section:
    found = rows_of(con, _PHOTOS)
    return Section("Photographs", [
        Table(("photograph", "bodies", "expected", "scale"), found[:_SHOWN],
              more=max(0, len(found) - _SHOWN)),
    ])  # fmt: skip
