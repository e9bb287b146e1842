"""Where and when records were found: a map of what was counted in cells, months and years."""

from __future__ import annotations

from functools import partial

import duckdb

from merian.report.columns import columns
from merian.report.overview.parts import Absent, percent
from merian.report.overview.records import rows_of
from merian.report.page import Bars, Part, Plot, Section, Table, Text
from merian.report.world_map import world_map

__all__ = ["places", "times"]

_CELLS = 150  # from west to east of all there is: as fine as the map can show
_COUNTRIES, _LISTED, _YEARS = 12, 60, 40
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SLIPS = 0.005  # the share of records at either end that may be slips of the pen
_HERE = "north BETWEEN -90 AND 90 AND east BETWEEN -180 AND 180"


def _usual(years: dict[int, int]) -> tuple[int, int]:
    """Return the years in which all but a few records are: a slip makes 2019 into 0219."""
    left = _SLIPS * sum(years.values())
    first, last = min(years), max(years)
    for year in sorted(years):
        left -= years[year]
        if left < 0:
            first = year
            break
    left = _SLIPS * sum(years.values())
    for year in sorted(years, reverse=True):
        left -= years[year]
        if left < 0:
            last = year
            break
    return first, last


def places(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    """Return a map of the records, and their countries.

    Args:
        con: With the table ``record``.
    """
    title = "Where"
    ((all_, there, high, wide),) = rows_of(
        con,
        "SELECT count(*), count(*) FILTER (here), max(north) FILTER (here) - min(north) "
        "FILTER (here), max(east) FILTER (here) - min(east) FILTER (here) "
        f"FROM (SELECT *, coalesce({_HERE}, false) AS here FROM record)",
    )
    count = there
    if not count:
        return Absent(title, "no record has coordinates")
    side = max(wide, 2 * high) / _CELLS or 1.0
    cells = rows_of(con, f"""
        SELECT round(median(north), 3), round(median(east), 3), count(*) AS n FROM record
        WHERE {_HERE} GROUP BY floor(north / {side!r}), floor(east / {side!r})
        ORDER BY n DESC, 1, 2
    """)  # fmt: skip
    spots = [(a, b) for a, b, _ in cells]
    counts = [n for *_, n in cells]
    name = "Where records were found; a dot is the larger the more there are"
    table = Table(
        ("latitude", "longitude", "records"),
        [(a, b, n) for (a, b), n in zip(spots[:_LISTED], counts, strict=False)],
        more=max(0, len(spots) - _LISTED),
    )
    whole = all_
    parts: list[Part] = [
        Text(f"{count:,} of {whole:,} records ({percent(count / whole)}) have coordinates."),
        Plot(name, lambda identity: world_map(name, spots, counts=counts, identity=identity),
             table),
        *_countries(con),
    ]  # fmt: skip
    return Section(title, parts)


def _countries(con: duckdb.DuckDBPyConnection) -> list[Part]:
    found = rows_of(
        con,
        "SELECT country, count(*) AS n FROM record WHERE country IS NOT NULL GROUP BY 1 "
        "ORDER BY n DESC, country",
    )
    if len(found) < 2:
        return []
    shown = [(str(name), n) for name, n in found[:_COUNTRIES]]
    rest = sum(n for _, n in found[_COUNTRIES:])
    if rest:
        shown.append((f"{len(found) - _COUNTRIES:,} others", float(rest)))
    return [Bars("Records by country", shown)]


def times(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    """Return how many records are of each year and month.

    Args:
        con: With the table ``record``.
    """
    title = "When"
    years: dict[int, int] = dict(rows_of(
        con, "SELECT year, count(*) FROM record WHERE year IS NOT NULL GROUP BY 1 ORDER BY 1"
    ))  # fmt: skip
    months: dict[int, int] = dict(rows_of(
        con, "SELECT month, count(*) FROM record WHERE month IS NOT NULL GROUP BY 1 ORDER BY 1"
    ))  # fmt: skip
    if not years:
        return Absent(title, "no record has a date with a year")
    parts: list[Part] = []
    if months:
        counts = [months.get(place, 0) for place in range(1, 13)]
        name = "Records by month, of all years together"
        parts.append(Plot(
            name, partial(columns, name, [("records", counts)], _MONTHS),
            Table(("month", "records"), [*zip(_MONTHS, counts, strict=True)]),
        ))  # fmt: skip
    first, last = _usual(years)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1000) if (last - first) // s < _YEARS)
    begin = first // step * step
    starts = [*range(begin, last + 1, step)]
    counts = [sum(years.get(y, 0) for y in range(start, start + step)) for start in starts]
    name = "Records by year" if step == 1 else f"Records by {step} years"
    labels = [str(start) for start in starts]
    beyond = sum(n for year, n in years.items() if not first <= year <= last)
    if beyond:
        name += f"; {beyond:,} are of years before or after"
    parts.append(Plot(
        name, partial(columns, name, [("records", counts)], labels,
                      axis="year" if step == 1 else f"the first of {step} years"),
        Table(("year" if step == 1 else "from", "records"), [*zip(labels, counts, strict=True)]),
    ))  # fmt: skip
    return Section(title, parts)
