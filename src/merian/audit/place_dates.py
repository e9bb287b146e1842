"""What is wrong with dates: not to be read, not possible, or standing for no date.

3/4/2012 is the third of April to some and the fourth of March to others. Such a date was not read
on its way in, and both readings are told here.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from merian.audit.place_points import CASES, Cases
from merian.catalogue.checks import literal

__all__ = ["DATE_COLUMNS", "look_at_dates"]

DATE_COLUMNS = ("records", "date", "reason", "told", "probably", "event")
"""Of the tables of dates."""

_EARLIEST = 1700  # before it hardly a specimen was dated, and many a typo lies there

# What programs and people write where there is no date, if many events have it.
_STAND_INS = ("1970-01-01", "1900-01-01", "1899-12-30", "1899-12-31", "1904-01-01", "2000-01-01")
_OFTEN = 10

_UNREAD = r"""
SELECT records, content AS date,
    CASE WHEN regexp_full_match(trim(content), '[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{4}')
        AND a <= 12 AND b <= 12 AND a <> b THEN 'day or month first: both are possible'
        WHEN regexp_full_match(trim(content), '[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{4}')
        AND (a > 12 AND a <= 31 AND b <= 12 OR b > 12 AND b <= 31 AND a <= 12 OR a = b)
        THEN 'not ISO 8601' ELSE 'no date that can be read' END AS reason,
    file AS told,
    CASE WHEN reason = 'no date that can be read' THEN ''
        WHEN a > 12 THEN printf('%04d-%02d-%02d', y, b, a)
        WHEN b > 12 OR a = b THEN printf('%04d-%02d-%02d', y, a, b)
        ELSE printf('%04d-%02d-%02d or %04d-%02d-%02d', y, b, a, y, a, b) END AS probably,
    'line ' || line AS event
FROM (SELECT *, try_cast(regexp_extract(content, '^\s*([0-9]+)', 1) AS INTEGER) AS a,
        try_cast(regexp_extract(content, '^\s*[0-9]+[/-]([0-9]+)', 1) AS INTEGER) AS b,
        try_cast(regexp_extract(content, '([0-9]{4})\s*$', 1) AS INTEGER) AS y
    FROM (SELECT count(*) AS records, content, min(file) AS file, min(line) AS line
        FROM source.rejects WHERE scope = 'value' AND term = 'eventDate' GROUP BY content))
"""

_IMPOSSIBLE = """
WITH dated AS (
    SELECT CAST(sum(records) AS BIGINT) AS records, eventDate AS date, min(eventID) AS event,
        min(samplingProtocol) AS protocol, protocol_since
    FROM placed WHERE eventDate IS NOT NULL GROUP BY eventDate, protocol_since
), parts AS (
    SELECT *, split_part(date, '/', 1) AS first, split_part(date, '/', -1) AS last FROM dated
)
SELECT records, date,
    CASE WHEN left(last, 10) > left({today}, length(left(last, 10))) THEN 'in the future'
        WHEN left(first, 4) < '{earliest}' THEN 'before {earliest}'
        WHEN contains(date, '/') AND left(first, least(length(first), length(last), 10))
            > left(last, least(length(first), length(last), 10)) THEN 'ends before it begins'
        WHEN protocol_since IS NOT NULL AND left(first, 4) < protocol_since
            THEN 'before there was such an instrument' END AS reason,
    CASE reason WHEN 'in the future' THEN {today}
        WHEN 'before there was such an instrument' THEN protocol || ' since ' || protocol_since
        ELSE '' END AS told,
    CASE reason WHEN 'ends before it begins' THEN last || '/' || first ELSE '' END AS probably,
    event
FROM parts WHERE reason IS NOT NULL
"""

_IDENTIFIED = """
SELECT CAST(count(*) AS BIGINT) AS records, p.eventDate AS date,
    'identified before it was collected' AS reason, i.dateIdentified AS told, '' AS probably,
    min(p.eventID) AS event
FROM source.identification i
LEFT JOIN source.media m ON i.mediaID = m.mediaID
LEFT JOIN source.sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
LEFT JOIN source.material t ON i.materialEntityID = t.materialEntityID
JOIN source.occurrence o ON o.occurrenceID =
    coalesce(i.occurrenceID, m.occurrenceID, s.occurrenceID, t.occurrenceID)
JOIN placed p ON p.eventID = o.eventID
WHERE regexp_full_match(i.dateIdentified, '[0-9]{4}(-[0-9]{2}){0,2}(T.*)?')
    AND left(i.dateIdentified, least(10, length(i.dateIdentified), length(p.eventDate)))
        < left(split_part(p.eventDate, '/', 1),
            least(10, length(i.dateIdentified), length(p.eventDate)))
GROUP BY p.eventDate, i.dateIdentified
"""

_STANDING = """
SELECT CAST(sum(records) AS BIGINT) AS records, left(eventDate, 10) AS date,
    'stands for no date in many programs' AS reason, '' AS told, '' AS probably,
    min(eventID) AS event
FROM placed WHERE left(eventDate, 10) IN ({dates}) GROUP BY 2 HAVING sum(records) >= {often}
"""


def look_at_dates(
    con: duckdb.DuckDBPyConnection, cases: Cases, today: str, since: Sequence[tuple[str, int]]
) -> None:
    """Look at the dates of events and of identifications.

    Args:
        con: Holds the table ``placed`` of the events, and the catalogue as ``source``.
        cases: Gets what is found.
        today: The day after which dates lie in the future, ISO 8601.
        since: Instruments, as words of the sampling protocol, and the year of the first.
    """
    whens = " ".join(
        f"WHEN contains(lower(samplingProtocol), {literal(word.lower())}) THEN '{year:04d}'"
        for word, year in since
    )
    since_sql = f"CASE {whens} END" if whens else "CAST(NULL AS VARCHAR)"
    impossible = _IMPOSSIBLE.format(today=literal(today), earliest=_EARLIEST)
    impossible = impossible.replace(
        "FROM placed", f"FROM (SELECT *, {since_sql} AS protocol_since FROM placed)", 1
    )
    dates = ", ".join(map(literal, _STAND_INS))
    for kind, sql in (
        ("date_unread", _UNREAD),
        ("date", impossible),
        ("identified", _IDENTIFIED),
        ("date_stand_in", _STANDING.format(dates=dates, often=_OFTEN)),
    ):
        con.execute(f"CREATE OR REPLACE TEMP TABLE found AS {sql}")
        count = con.execute("SELECT count(*) FROM found").fetchall()[0][0]
        order = "ORDER BY records DESC, date, CAST(found AS VARCHAR)"
        rows = con.execute(f"SELECT * FROM found {order} LIMIT {CASES}").fetchall()
        cases.add(kind, rows, count)
