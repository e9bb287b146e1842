"""What is wrong between events: one point for many places, one place at many points, too fast.

All of it is SQL over the events; what is distinct is looked at once.
"""

from __future__ import annotations

import duckdb

from merian.audit.place_points import CASES, Cases

__all__ = ["look_at_events"]

# The great circle in km, by the haversine.
_KM = """
CREATE OR REPLACE TEMP MACRO km(y, x, y2, x2) AS 2 * 6371.0088 * asin(sqrt(least(1,
    sin(radians(y2 - y) / 2) ** 2
    + cos(radians(y)) * cos(radians(y2)) * sin(radians(x2 - x) / 2) ** 2)))
"""

_CONSTANT = """
SELECT CAST(sum(records) AS BIGINT), lat, lon, count(DISTINCT words),
    count(DISTINCT left(eventDate, 10)), left(string_agg(DISTINCT words, '; ' ORDER BY words), 300),
    min(eventID)
FROM placed WHERE lat IS NOT NULL GROUP BY lat, lon
HAVING sum(records) >= {many} AND count(DISTINCT words) >= 2
"""

_APART = """
WITH spread AS (
    SELECT words, sum(records) AS records,
        arg_min(lat, (lat, lon)) AS y, arg_min(lon, (lat, lon)) AS x,
        arg_max(lat, (lat, lon)) AS y2, arg_max(lon, (lat, lon)) AS x2,
        arg_min(eventID, (lat, lon)) AS a, arg_max(eventID, (lat, lon)) AS b
    FROM placed WHERE lat IS NOT NULL AND length(locality) >= 4 GROUP BY words
    HAVING count(DISTINCT (lat, lon)) > 1)
SELECT CAST(records AS BIGINT), words, y, x, y2, x2, km(y, x, y2, x2) AS d, a, b FROM spread
WHERE d > {apart}
"""

# The parts of one cast, haul or trap share their time: they are at one place.
_PARTS = """
SELECT CAST(sum(records) AS BIGINT), parentEventID || ' ' || eventDate AS words,
    arg_min(lat, (lat, lon)) AS y, arg_min(lon, (lat, lon)) AS x,
    arg_max(lat, (lat, lon)) AS y2, arg_max(lon, (lat, lon)) AS x2, km(y, x, y2, x2) AS d,
    arg_min(eventID, (lat, lon)) AS a, arg_max(eventID, (lat, lon)) AS b
FROM placed
WHERE lat IS NOT NULL AND parentEventID IS NOT NULL AND contains(eventDate, 'T')
    AND NOT contains(eventDate, '/')
GROUP BY parentEventID, eventDate HAVING count(DISTINCT (lat, lon)) > 1 AND d > {apart}
"""

# A date without a time is a day long: what may have passed at the most is what is reckoned with.
_SPEED = """
WITH timed AS (
    SELECT *, split_part(eventDate, '/', 1) AS first, split_part(eventDate, '/', -1) AS last
    FROM placed WHERE lat IS NOT NULL AND parentEventID IS NOT NULL AND length(eventDate) >= 10
), spans AS (
    SELECT *, try_cast(replace(left(first, 19), 'T', ' ') AS TIMESTAMP) AS starts,
        if(length(last) > 10, try_cast(replace(left(last, 19), 'T', ' ') AS TIMESTAMP),
            try_cast(left(last, 10) AS TIMESTAMP) + INTERVAL 1 DAY) AS ends
    FROM timed
), pairs AS (
    SELECT *, lag(lat) OVER w AS lat0, lag(lon) OVER w AS lon0, lag(eventID) OVER w AS event0,
        lag(starts) OVER w AS start0
    FROM spans WHERE starts IS NOT NULL AND ends IS NOT NULL
    WINDOW w AS (PARTITION BY parentEventID ORDER BY starts, ends, eventID)
), speeds AS (
    SELECT *, km(lat0, lon0, lat, lon) AS d, epoch(ends - start0) / 3600 AS hours
    FROM pairs WHERE lat0 IS NOT NULL
)
SELECT CAST(records AS BIGINT), parentEventID, lat0, lon0, lat, lon, d, hours, d / hours AS kmh,
    event0, eventID
FROM speeds WHERE d > {near} AND hours > 0 AND d / hours > {speed}
"""


def look_at_events(
    con: duckdb.DuckDBPyConnection, cases: Cases, *, many: int, apart: float, speed: float
) -> None:
    """Look at what events say of each other.

    Args:
        con: Holds the table ``placed``: the events with lat, lon, words (the place in words) and
            records (how many occurrences each has).
        cases: Gets what is found.
        many: Records from which one point for several places is told.
        apart: The km beyond which one place is two.
        speed: The km an hour that nothing here goes.
    """
    con.execute(_KM)
    _take(con, cases, "constant", _CONSTANT.format(many=many))
    _take(con, cases, "apart", _APART.format(apart=apart))
    _take(con, cases, "apart", _PARTS.format(apart=min(apart, 25.0)))
    _take(con, cases, "speed", _SPEED.format(speed=speed, near=5.0))


def _take(con: duckdb.DuckDBPyConnection, cases: Cases, kind: str, sql: str) -> None:
    """Note the rows of a query, of most records first."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE found AS {sql}")
    count = con.execute("SELECT count(*) FROM found").fetchall()[0][0]
    rows = con.execute(
        f"SELECT * FROM found ORDER BY 1 DESC, CAST(found AS VARCHAR) LIMIT {CASES}"
    ).fetchall()
    cases.add(kind, rows, count)
