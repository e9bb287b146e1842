"""The audit of places and dates: of a catalogue, or of a table that one would be made of.

Nothing is changed. Places are looked at once each, however many records are there; what is found is
listed with its evidence and with what it probably should be, of most records first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.audit.findings import Audit, Finding
from merian.audit.place_dates import DATE_COLUMNS, look_at_dates
from merian.audit.place_events import look_at_events
from merian.audit.place_points import POINT_COLUMNS, Cases, look_at_points
from merian.catalogue import Catalogue, Reading
from merian.catalogue.checks import literal
from merian.database import connect
from merian.errors import InputError
from merian.files import content_hash, existing
from merian.formats import Options, read_path
from merian.place.countries import code_of
from merian.place.maps import card

__all__ = ["audit_places"]

Progress = Callable[[str, int], None]

_MEMORY = "1GB"
_BLOCK = 500_000
_DATABASE = "catalogue.duckdb"

# What is taken at sea or on land, as its sampling protocol, habitat and kind of event say.
_SEA = (
    r"\b(trawl\w*|plankton|niskin|ctd|rosette|bongo|multinet|wp2|cpr|uvp\d*|ifcb|zooscan|rov|auv|"
    r"dredge\w*|box ?core\w*|multicore\w*|oceanograph\w*|benthic|pelagic|marine|sea ?floor|seabed|"
    r"longline\w*|argo)\b"
)
_LAND = (
    r"\b(malaise|pitfall|light ?trap\w*|pan ?trap\w*|sweep\w*|berlese|winkler|beating|"
    r"flight intercept\w*|terrestrial|forest|meadow|soil|grassland)\b"
)

_PLACED = """
CREATE TABLE placed AS
SELECT e.eventID, e.parentEventID, e.eventDate, e.samplingProtocol, e.locality,
    e.decimalLatitude AS lat, e.decimalLongitude AS lon,
    e.coordinateUncertaintyInMeters AS uncertainty, e.minimumDepthInMeters AS depth,
    coalesce(c.code, '') AS code, coalesce(n.records, 0) AS records, {setting} AS setting,
    nullif(concat_ws(', ', coalesce(nullif(c.code, ''), e.country), e.stateProvince,
        e.locality), '') AS words
FROM source.event e
LEFT JOIN told c ON c.country IS NOT DISTINCT FROM e.country
    AND c.countryCode IS NOT DISTINCT FROM e.countryCode
LEFT JOIN (SELECT eventID, count(*) AS records FROM source.occurrence GROUP BY 1) n
    ON n.eventID = e.eventID
"""

_POINTS = """
CREATE TABLE point AS
SELECT row_number() OVER (ORDER BY lat, lon, code, setting, uncertainty) - 1 AS number,
    lat AS latitude, lon AS longitude, code, setting, uncertainty, min(depth) AS depth,
    CAST(sum(greatest(records, 1)) AS BIGINT) AS records, min(eventID) AS event
FROM placed WHERE lat IS NOT NULL AND lon IS NOT NULL GROUP BY lat, lon, code, setting, uncertainty
"""

_IMPOSSIBLE = r"""
SELECT count(*) AS records, term, content, reason,
    CASE WHEN term = 'decimalLatitude' AND abs(try_cast(content AS DOUBLE)) BETWEEN 90 AND 180
        THEN 'a longitude: the two are swapped'
        WHEN abs(try_cast(content AS DOUBLE)) BETWEEN 180 AND 360
        THEN printf('%g', try_cast(content AS DOUBLE) - 360)
        WHEN regexp_matches(content, '[0-9]+[^0-9.,]+[0-9]+') THEN 'degrees and minutes'
        ELSE '' END,
    min(file), min(line)
FROM source.rejects
WHERE scope = 'value' AND term IN ('decimalLatitude', 'decimalLongitude', 'minimumDepthInMeters',
    'maximumDepthInMeters', 'minimumElevationInMeters', 'maximumElevationInMeters',
    'coordinateUncertaintyInMeters')
GROUP BY term, content, reason ORDER BY 1 DESC, 2, 3 LIMIT 20000
"""


@contextmanager
def _opened(source: Path, format: str | None, mapping: Mapping[str, str]) -> Iterator[Path]:
    """Return the folder of a catalogue; of a table one is made for as long as it is looked at."""
    if (source / _DATABASE).is_file():
        Catalogue.open(source, read_only=True).close()  # says what is wrong with it, if anything
        yield source
        return
    reading: Reading = read_path(source, Options(dict(mapping)), format)
    with TemporaryDirectory(prefix="merian-places-") as made:
        with Catalogue.create(Path(made) / "catalogue") as catalogue:
            catalogue.ingest(reading)
        yield Path(made) / "catalogue"


def audit_places(
    source: Path | str,
    *,
    today: str,
    marine: bool = False,
    terrestrial: bool = False,
    since: Sequence[tuple[str, int]] = (),
    many: int = 1000,
    apart: float = 100.0,
    speed: float = 75.0,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for all that may be wrong with places and dates.

    Args:
        source: The folder of a catalogue, or a table.
        today: The day after which dates lie in the future, ISO 8601.
        marine: All samples are of the sea; else their protocol, habitat and kind of event say so.
        terrestrial: All samples are of the land.
        since: Instruments, as words of the sampling protocol, and the year of the first.
        many: From so many records on, one point with several names is told.
        apart: Beyond so many km one place in words, or one event, is two.
        speed: Faster than so many km an hour nobody goes between two events of one cruise.
        format: The format of the table; found from its content if not given.
        mapping: What its columns mean.
        progress: Is told how far it is.
    """
    if marine and terrestrial:
        raise InputError("the samples are of the sea or of the land; give one of the two, or none")
    source = existing(source, "catalogue or table")
    tell = progress or (lambda _what, _count: None)
    tell("reading", 0)
    cases = Cases()
    with (
        _opened(source, format, mapping or {}) as folder,
        TemporaryDirectory(prefix="merian-places-") as spill,
        connect(memory=_MEMORY, spill=Path(spill)) as con,
    ):
        con.execute(f"ATTACH {literal(folder / _DATABASE)} AS source (READ_ONLY)")
        unknown = _told(con)
        setting = "'sea'" if marine else "'land'" if terrestrial else _setting()
        con.execute(_PLACED.format(setting=setting))
        con.execute(_POINTS)
        count = con.execute("SELECT count(*) FROM point").fetchall()[0][0]
        for start in range(0, count, _BLOCK):
            tell("places", start)
            look_at_points(_block(con, start), cases)
        tell("events", count)
        look_at_events(con, cases, many=many, apart=apart, speed=speed)
        look_at_dates(con, cases, today, since)
        rejected = con.execute(_IMPOSSIBLE).fetchall()
        cases.add("impossible", rejected)
        looked = con.execute(
            "SELECT count(*), count(lat), count(eventDate), "
            "CAST(coalesce(sum(records), 0) AS BIGINT) FROM placed"
        ).fetchall()[0]
        digest = _digest(con, source)
    return Audit(
        verb="audit places",
        title="Places and dates, audited",
        subtitle=str(source),
        looked_at=[
            (looked[3], "records"),
            (looked[0], "events"),
            (looked[1], "with coordinates"),
            (count, "different places"),
            (looked[2], "with a date"),
        ],
        findings=[_finding(kind, cases) for kind in _KINDS],
        settings={
            "source": digest, "today": today, "marine": marine, "terrestrial": terrestrial,
            "since": [list(pair) for pair in since], "many": many, "apart": apart, "speed": speed,
            "maps": card()["files"],
        },
        notes=unknown,
    )  # fmt: skip


def _digest(con: duckdb.DuckDBPyConnection, source: Path) -> str:
    """Return what names the input: its hash, or the runs of a catalogue."""
    if source.is_file():
        return content_hash(source)
    runs = con.execute("SELECT string_agg(runID, ' ' ORDER BY runID) FROM source.run").fetchall()
    return str(runs[0][0] or "")


def _told(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Make the table of told countries with their codes; return a note of those not known."""
    rows = con.execute(
        "SELECT DISTINCT country, countryCode FROM source.event ORDER BY ALL"
    ).fetchall()
    con.execute("CREATE TABLE told (country VARCHAR, countryCode VARCHAR, code VARCHAR)")
    made, unknown = [], []
    for name, code in rows:
        found = code_of(code or "") or code_of(name or "")
        made.append((name, code, found))
        if not found and (name or code):
            unknown.append(str(name or code))
    if made:
        con.executemany("INSERT INTO told VALUES (?, ?, ?)", made)
    if not unknown:
        return []
    shown = ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else "")
    return [f"{len(unknown)} countries are not known by name and were not held against: {shown}"]


def _setting() -> str:
    """Return the SQL of whether an event is of the sea or the land; empty where nothing says."""
    words = "lower(concat_ws(' ', e.samplingProtocol, e.habitat, e.eventType))"
    sea, land = (f"regexp_matches({words}, {literal(words_of)})" for words_of in (_SEA, _LAND))
    return (
        f"CASE WHEN {sea} AND NOT {land} THEN 'sea' "
        f"WHEN {land} AND NOT {sea} THEN 'land' ELSE '' END"
    )


def _block(con: duckdb.DuckDBPyConnection, start: int) -> dict[str, NDArray[Any]]:
    """Return some of the places as arrays; numbers that are not told are NaN."""
    found = con.execute(
        "SELECT * EXCLUDE (number) FROM point WHERE number >= ? AND number < ? ORDER BY number",
        [start, start + _BLOCK],
    ).fetchnumpy()
    columns = {}
    for name, values in found.items():
        if name in ("uncertainty", "depth"):
            columns[name] = np.ma.filled(values.astype(np.float64), np.nan)
        elif name in ("code", "setting", "event"):
            columns[name] = np.ma.filled(values, "").astype(str)
        else:
            columns[name] = np.asarray(values)
    return columns


# Kind: title, what is counted, columns, whether it is a fault, what it means and what to do.
_KINDS: dict[str, tuple[str, str, Sequence[str], bool, str]] = {
    "impossible": (
        "Values that cannot be", "value",
        ("records", "term", "value", "reason", "probably", "file", "line"), True,
        "They were set aside on their way in. Correct them in the file, and import it again."),
    "swapped": (
        "Latitude and longitude swapped", "place", POINT_COLUMNS, True,
        "The place is not in the country that is told; with the two numbers swapped it is."),
    "sign": (
        "A sign lost", "place", POINT_COLUMNS, True,
        "The place is not in the country that is told; with the other sign it is. West and south "
        "are negative."),
    "zero": (
        "Zero, zero", "place", POINT_COLUMNS, True,
        "This is in the Gulf of Guinea, and mostly means that nothing is known. Leave both empty."),
    "country": (
        "Not in the country that is told", "place", POINT_COLUMNS, True,
        "The place is farther from the country than the map's cells and the told uncertainty "
        "explain; at sea, farther than 200 nautical miles (2,000 km stand for that and more). No "
        "simple slip explains it: the country or the coordinates are of something else."),
    "on_land": (
        "Samples of the sea on land", "place", POINT_COLUMNS, True,
        "The sampling protocol is one of the sea, and the place is farther from it than two cells "
        "of the map. Large lakes do not count as land here."),
    "in_sea": (
        "Samples of the land at sea", "place", POINT_COLUMNS, True,
        "The sampling protocol is one of the land, and the place is farther from it than two cells "
        "of the map."),
    "depth": (
        "Deep water on land", "place", POINT_COLUMNS, True,
        "More than 20 m of depth are told, and the place is on land and in no large lake. It may "
        "be a cave, a mine or a lake that the map does not have."),
    "apart": (
        "One place or event at two points", "place",
        ("records", "place", "latitude", "longitude", "latitude_2", "longitude_2", "kilometres",
         "event", "event_2"), True,
        "The same words, or the parts of one event at one time, have coordinates far from each "
        "other. One of them is wrong, or the words are too wide."),
    "speed": (
        "Too fast between two events", "pair",
        ("records", "cruise", "latitude", "longitude", "latitude_2", "longitude_2", "kilometres",
         "hours", "km_per_hour", "event", "event_2"), True,
        "Between two events of one cruise more was covered than its ship can, even if the whole of "
        "the told time had passed. A coordinate or a time is wrong."),
    "constant": (
        "One point for several places", "point",
        ("records", "latitude", "longitude", "places", "dates", "words", "event"), True,
        "Places with different names have the same coordinates: they stand for the middle of "
        "something. Give the uncertainty that this has."),
    "stand_in": (
        "The middle of a country, or the point of a main city", "place", POINT_COLUMNS, True,
        "Gazetteers give these points where only the country or the city is known. If it is so, "
        "tell the uncertainty; if somebody was really there, all is well."),
    "precision": (
        "Coarser than is told", "place", POINT_COLUMNS, False,
        "The coordinates are rounded to whole degrees or tenths, and no uncertainty is told, or "
        "one that is finer than that."),
    "date_unread": (
        "Dates that cannot be read", "date", DATE_COLUMNS, True,
        "Write them as ISO 8601 (2021-06-30) where you know what they mean. What was written is "
        "kept in verbatimEventDate."),
    "date": (
        "Dates that cannot be", "date", DATE_COLUMNS, True,
        "In the future, before 1700, before there was such an instrument, or ending before they "
        "begin."),
    "identified": (
        "Identified before they were collected", "date", DATE_COLUMNS, True,
        "One of the two dates is wrong."),
    "date_stand_in": (
        "Dates that stand for no date", "date", DATE_COLUMNS, False,
        "Many records have a date that programs write where there is none."),
}  # fmt: skip


def _finding(kind: str, cases: Cases) -> Finding:
    """Return what was found of one kind."""
    title, noun, columns, fault, advice = _KINDS[kind]
    count, rows = cases.counts.get(kind, 0), cases.sorted(kind)
    if count > len(rows):
        advice += f" Listed are the {len(rows):,} with most records."
    # A page has no room for all columns.
    shown = [column for column in columns if column not in ("uncertainty_m", "event", "event_2")]
    return Finding(kind, title, advice, noun, count, columns, rows, fault, shown=shown)
