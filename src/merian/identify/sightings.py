"""Sightings: what was found where and when, as a regional list or a collection tells it.

A list is a Darwin Core download (a zip, its folder, an ``occurrence.txt``), any table with a column
of names and, where it has them, of coordinates, dates and counts, or a catalogue. What is kept is
which taxon was met in which tenth of a degree and which half of a month: a trap that gave a hundred
specimens of a fly was visited once. Only distinct values leave DuckDB, so a download of millions of
rows takes no more memory than what differs in it.

Reference: https://dwc.tdwg.org/terms/ for the names of columns.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.definitions import own_answer
from merian.catalogue.schema import quoted
from merian.database import connect
from merian.dwc_archive import ArchiveFile, unpack
from merian.errors import FormatError, InputError
from merian.files import existing, find_encoding
from merian.library.from_catalogue import is_catalogue
from merian.taxonomy import MAIN_RANKS

__all__ = ["HALVES", "Near", "Sightings", "half_of", "read_sightings"]

HALVES = 24
"""Halves of months in a year."""

# 0/0 is what a program writes that knows no place.
_USABLE = (
    "isfinite(latitude) AND isfinite(longitude) AND abs(latitude) <= 90 AND abs(longitude) <= 180 "
    "AND NOT (latitude = 0 AND longitude = 0)"
)

_CALLED = {
    "name": ("species", "species_name", "scientificname", "scientific_name",
             "acceptedscientificname",
             "taxon", "name", "speciesname", "canonicalname", "verbatimscientificname"),
    "latitude": ("decimallatitude", "decimal_latitude", "latitude", "lat", "coord-lat"),
    "longitude": ("decimallongitude", "decimal_longitude", "longitude", "lon", "long", "lng",
                  "coord-lon"),
    "date": ("eventdate", "event_date", "date", "collectiondate", "collection_date",
             "observed_on", "datecollected"),
    "count": ("count", "records", "occurrences", "numberofoccurrences", "n", "observations"),
    **{rank: (rank, f"{rank}_name") for rank in MAIN_RANKS if rank != "species"},
}  # fmt: skip
_MEMORY = "1GB"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATED = f"regexp_extract(date, '{_DATE}')"
_ABOVE = tuple(rank for rank in MAIN_RANKS if rank != "species")

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]


@dataclass(frozen=True)
class Near:
    """A circle on the globe: what lies outside of it is not read.

    Attributes:
        latitude: Of its middle, in degrees.
        longitude: The same.
        km: Its radius.
    """

    latitude: float
    longitude: float
    km: float


@dataclass(frozen=True, eq=False)
class Sightings:
    """What was met where and when, each once.

    Attributes:
        path: The list.
        names: The taxa, as they are written.
        above: Of each, names above it by rank, where they are told.
        count: int64[taxa]; how many records there are of each.
        taxon: int32[visits]; place in ``names``.
        latitude: float64[visits]; NaN where no place is told.
        longitude: The same.
        half: int8[visits]; which half of a month, from 0; -1 where no day is told.
        notes: What was left out, in words.
    """

    path: Path
    names: Sequence[str]
    above: Sequence[Mapping[str, str]]
    count: NDArray[np.int64]
    taxon: Integers
    latitude: Floats
    longitude: Floats
    half: NDArray[np.int8]
    notes: tuple[str, ...] = ()

    @property
    def placed(self) -> bool:
        """Whether any place is told; else it is a list of names alone."""
        return bool(np.isfinite(self.latitude).any())

    @cached_property
    def hash(self) -> str:
        """The hash of what was read."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([[*self.names], [*self.above]]).encode())
        for array in (self.taxon, self.latitude, self.longitude, self.half):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def read_sightings(path: Path | str, near: Near | None = None) -> Sightings:
    """Read a list.

    Args:
        path: A table, a Darwin Core Archive, or the folder of a catalogue.
        near: Only what was found in here; rows without a place are then left out.
    """
    path = existing(path, "list of species, Darwin Core download or catalogue")
    if is_catalogue(path):
        Catalogue.open(path, read_only=True).close()  # says so if it is none, or of another version
        with connect(path / "catalogue.duckdb", read_only=True, memory=_MEMORY) as con:
            return _distinct(con, _OF_CATALOGUE, path, near)
    with connect(memory=_MEMORY) as con:
        if path.is_dir() or path.suffix.lower() in {".zip", ".xml"}:
            with unpack(path) as archive:
                tables = [archive.core, *archive.extensions]
                table = next((t for t in tables if t.row_type == "Occurrence"), None)
                if table is not None and archive.core.row_type == "Event":
                    raise FormatError(
                        "its places stand with its events; `merian import` it, and give the "
                        "catalogue",
                        path=path,
                    )
                return _of_table(con, _archived(table or archive.core), path, near)
        return _of_table(con, _plain(path), path, near)


def half_of(month: int, day: int) -> int:
    """Return which half of a month a day is in, from 0."""
    return 2 * (month - 1) + (day > 15)


# -- tables ---------------------------------------------------------------------------------------

# A name given by people stands above our own answers, which would be evidence for themselves.
_OF_CATALOGUE = f"""
SELECT coalesce(if(i.identificationQualifier IS NULL, i.species, NULL), i.scientificName, i.genus)
    AS name, {", ".join(f"i.{quoted(rank)} AS {quoted(rank)}" for rank in _ABOVE)},
    e.decimalLatitude AS latitude, e.decimalLongitude AS longitude, e.eventDate AS date, 1 AS count
FROM determination i JOIN occurrence o ON o.occurrenceID = i.occurrenceID
LEFT JOIN event e ON e.eventID = o.eventID
LEFT JOIN run r ON r.runID = i.runID
WHERE NOT {own_answer("i", "r")}
"""


def _plain(path: Path) -> str:
    """Return a table as SQL."""
    if path.suffix.lower() == ".parquet":
        return f"SELECT * FROM read_parquet({literal(str(path))})"
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty; a list of species was expected")
    zipped = path.suffix.lower() == ".gz"
    encoding = "utf-8" if zipped or find_encoding(path).startswith("utf-8") else "latin-1"
    tabbed = path.name.lower().removesuffix(".gz").endswith((".tsv", ".txt"))
    # A download of GBIF is tabbed, and a quote in it is a letter.
    dialect = "delim='\\t', quote='', escape=''" if tabbed else "auto_detect=true"
    return (
        f"SELECT * FROM read_csv({literal(str(path))}, {dialect}, header=true, all_varchar=true, "
        f"null_padding=true, encoding='{encoding}', ignore_errors=true)"
    )


def _archived(table: ArchiveFile) -> str:
    """Return a table of an archive as SQL."""
    files = ", ".join(literal(str(path)) for path in table.paths)
    columns = ", ".join(
        f"{literal(name or f'column {place}')}: 'VARCHAR'"
        for place, name in enumerate(_unique(table.columns))
    )
    quote = table.quote.replace("'", "''")
    told = "".join(
        f", {literal(value)} AS {quoted(term)}"
        for term, value in table.defaults.items()
        if term not in table.columns
    )
    delimiter = table.delimiter.replace("\t", "\\t").replace("'", "''")
    return (
        f"SELECT *{told} FROM read_csv([{files}], delim='{delimiter}', quote='{quote}', "
        f"escape='{quote}', skip={table.header_lines}, header=false, columns={{{columns}}}, "
        "null_padding=true, ignore_errors=true, auto_detect=false)"
    )


def _unique(names: Sequence[str]) -> list[str]:
    """Return names, with a number behind those that were met before."""
    met: dict[str, int] = {}
    found = []
    for name in names:
        met[name.lower()] = met.get(name.lower(), 0) + 1
        found.append(name if not name or met[name.lower()] == 1 else f"{name} {met[name.lower()]}")
    return found


def _of_table(
    con: duckdb.DuckDBPyConnection, table: str, path: Path, near: Near | None
) -> Sightings:
    """Read a table whose columns are called as they usually are."""
    try:
        columns = [str(row[0]) for row in con.execute(f"DESCRIBE {table}").fetchall()]
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise FormatError(f"cannot be read as a table: {first}", path=path) from None
    lower = {column.lower().strip(): column for column in reversed(columns)}
    held = {
        what: [lower[name] for name in names if name in lower] for what, names in _CALLED.items()
    }
    if not held["name"]:
        raise FormatError(
            f"has no column of names ({', '.join(columns[:8])}); call one species or "
            "scientificName",
            path=path,
        )
    if bool(held["latitude"]) != bool(held["longitude"]):
        raise FormatError("has only one of latitude and longitude", path=path)

    def text(what: str) -> str:
        cells = [f"nullif(trim({quoted(column)}), '')" for column in held[what]]
        return f"coalesce({', '.join(cells)}, NULL)" if cells else "NULL::VARCHAR"

    def number(what: str) -> str:
        return f"try_cast({text(what)} AS DOUBLE)"

    status = next((lower[one] for one in ("occurrencestatus",) if one in lower), None)
    there = f"WHERE lower({quoted(status)}) IS DISTINCT FROM 'absent'" if status else ""
    sql = (
        f"SELECT {text('name')} AS name, "
        + ", ".join(f"{text(rank)} AS {quoted(rank)}" for rank in _ABOVE)
        + f", {number('latitude')} AS latitude, {number('longitude')} AS longitude, "
        f"{text('date')} AS date, coalesce({_finite(number('count'))}, 1) AS count "
        f"FROM ({table}) {there}"
    )
    return _distinct(con, sql, path, near)


def _finite(number: str) -> str:
    return f"if(isfinite({number}), {number}, NULL)"  # tables of others write nan and inf


def _distinct(
    con: duckdb.DuckDBPyConnection, table: str, path: Path, near: Near | None
) -> Sightings:
    """Return what differs in rows of name, ranks, latitude, longitude, date and count."""
    inside = "TRUE"
    if near is not None:
        inside = f"placed AND {_distance(near)} <= {float(near.km)!r}"
    above = ", ".join(quoted(rank) for rank in _ABOVE)
    try:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE sighting AS SELECT * FROM (SELECT name, {above}, "
            f"{_USABLE} AS placed, latitude, longitude, {_DATED} AS day, count FROM ({table})) "
            f"WHERE {inside}"
        )
        rows, unnamed, elsewhere = con.execute(
            "SELECT count(*), count(*) FILTER (name IS NULL), "
            "count(*) FILTER (latitude IS NOT NULL AND NOT coalesce(placed, false)) FROM sighting"
        ).fetchall()[0]
        taxa = con.execute(
            f"SELECT name, {', '.join(f'mode({quoted(r)})' for r in _ABOVE)}, sum(count) "
            "FROM sighting WHERE name IS NOT NULL GROUP BY name ORDER BY name"
        ).fetchall()
        visits = con.execute(
            "WITH numbered AS (SELECT name, row_number() OVER (ORDER BY name) - 1 AS taxon "
            "FROM (SELECT DISTINCT name FROM sighting WHERE name IS NOT NULL)), "
            "visit AS (SELECT taxon, if(placed, latitude, NULL) AS y, "
            "if(placed, longitude, NULL) AS x, "
            "if(day = '', NULL, try_cast(day AS DATE)) AS d "
            "FROM sighting JOIN numbered USING (name)), "
            "binned AS (SELECT taxon, y, x, coalesce(2 * (month(d) - 1) "
            "+ if(day(d) > 15, 1, 0), -1) AS half FROM visit) "
            "SELECT taxon, coalesce(avg(y), 'nan'::DOUBLE) AS y, coalesce(avg(x), 'nan'::DOUBLE) "
            "AS x, half FROM binned GROUP BY taxon, round(y, 1), round(x, 1), half "
            "ORDER BY taxon, y, x, half"
        ).fetchnumpy()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise FormatError(f"cannot be read as a table: {first}", path=path) from None
    if not taxa:
        where = " within that distance" if near is not None else ""
        raise InputError(f"{path}: names no taxon{where}")
    notes = []
    if unnamed:
        notes.append(f"{unnamed:,} of {rows:,} rows have no name and are left out")
    if elsewhere:
        notes.append(f"{elsewhere:,} rows have a place that is none (0/0, or off the globe)")
    return Sightings(
        path,
        [_clean(str(row[0])) for row in taxa],
        [{rank: str(v) for rank, v in zip(_ABOVE, row[1:-1], strict=True) if v} for row in taxa],
        np.array([int(row[-1] or 0) for row in taxa], np.int64),
        np.asarray(visits["taxon"], np.int32),
        _degrees(visits["y"]),
        _degrees(visits["x"]),
        np.asarray(visits["half"], np.int8),
        tuple(notes),
    )


def _degrees(column: Any) -> Floats:
    """Return degrees without what hangs on the order of a sum; NaN where there are none."""
    filled: Floats = np.ma.filled(column, np.nan).astype(np.float64)
    return np.asarray(np.round(filled, 6), np.float64)


def _clean(name: str) -> str:
    return re.sub(r"[\s_]+", " ", name).strip()


def _distance(near: Near) -> str:
    """Return the distance of a row from a place in km, as SQL: the haversine formula."""
    y, x = float(near.latitude), float(near.longitude)
    return (
        f"2 * 6371.0088 * asin(sqrt(least(1, pow(sin(radians(latitude - {y!r}) / 2), 2) "
        f"+ cos(radians({y!r})) * cos(radians(latitude)) "
        f"* pow(sin(radians(longitude - {x!r}) / 2), 2))))"
    )
