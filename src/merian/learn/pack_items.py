"""What is asked of a catalogue for a pack, in SQL: a row for each item, with the names that stand.

An item is a barcode, a picture, or a picture of a record with all that is known of the record. A
record has one row for each of its pictures, or one row where it has none. Of several barcodes of a
record one counts: of those long enough the one of the commonest marker of the catalogue, then the
one with the most bases called, then the first by its id.
"""

from __future__ import annotations

from merian.barcode import MINIMUM_BASES
from merian.catalogue.definitions import own_answer
from merian.catalogue.media import ADDRESS, PARENT, SCALE, SUBJECT, THING, box
from merian.catalogue.schema import quoted
from merian.learn.pack_labels import CELLS

__all__ = ["CALLED", "COUNTS", "ITEMS", "KINDS", "NEITHER", "day_of_year"]

CALLED = "length(translate(sequence, 'RYSWKMBDHVN', ''))"
"""How many bases of a sequence are called."""

_WIDEST = 31  # days: of a month the middle stands for all, and of more nothing does

_NAMES = ", ".join(f"if({own_answer('d', 'r')}, NULL, d.{quoted(c)}) AS {quoted(c)}"
                   for c in CELLS)  # fmt: skip
_JOINS = f"""
    {THING}
    LEFT JOIN occurrence o ON o.occurrenceID = {SUBJECT}
    LEFT JOIN determination d ON d.occurrenceID = {SUBJECT}
    LEFT JOIN run r ON r.runID = d.runID
"""


def day_of_year(date: str) -> str:
    """Return the SQL of the day of the year, 1 to 366, of a date or an interval in ISO 8601.

    It is the middle of a month, and of an interval no longer than one; NULL where less is known.
    """
    begin = f"split_part({date}, '/', 1)"
    end = f"if(contains({date}, '/'), split_part({date}, '/', 2), {begin})"
    first, last = _day(begin, "{}"), _day(end, "last_day({})")
    days = f"date_diff('day', {first}, {last})"
    middle = f"dayofyear({first} + CAST({days} // 2 AS INT))"
    return f"if({days} BETWEEN 0 AND {_WIDEST}, {middle}, NULL)"


def _day(text: str, of_month: str) -> str:
    """Return the SQL of a day; of a month, whose first day stands in the form, one of its days."""
    first = f"try_cast({text} || '-01' AS DATE)"
    return (
        f"CASE WHEN length({text}) >= 10 THEN try_cast(left({text}, 10) AS DATE) "
        f"WHEN length({text}) = 7 THEN {of_month.format(first)} END"
    )


_BARCODES = f"""
SELECT x.nucleotideSequenceID AS id, coalesce({SUBJECT}, x.nucleotideSequenceID) AS record,
    o.split, CAST(NULL AS VARCHAR) AS content, x.targetGene AS marker, x.sequence,
    CAST(NULL AS VARCHAR) AS license, {_NAMES}
FROM sequence x {_JOINS} WHERE x.sequence IS NOT NULL ORDER BY id
"""
_PICTURES = f"""
SELECT x.mediaID AS id, coalesce({SUBJECT}, x.mediaID) AS record, o.split,
    x.contentHash AS content, {ADDRESS} AS address,
    {box("x", "y", "w", "h")},
    {SCALE} AS px_per_mm, x.license, {_NAMES}
FROM media x {PARENT} {_JOINS}
WHERE {ADDRESS} IS NOT NULL ORDER BY id
"""
_RECORDS = f"""
WITH shown AS (
    SELECT x.mediaID AS id, {SUBJECT} AS subject, x.contentHash AS content, {ADDRESS} AS address,
        {box("x", "y", "w", "h")}, {SCALE} AS px_per_mm,
        x.license
    FROM media x {PARENT} {THING} WHERE {ADDRESS} IS NOT NULL
), common AS (
    SELECT targetGene, count(*) AS times FROM sequence GROUP BY targetGene
), counted AS (
    SELECT x.nucleotideSequenceID AS barcode, {SUBJECT} AS subject, x.targetGene AS marker,
        {CALLED} AS called
    FROM sequence x {THING} WHERE x.sequence IS NOT NULL
), chosen AS (  -- without the sequences, which are long
    SELECT k.* FROM counted k LEFT JOIN common c ON c.targetGene IS NOT DISTINCT FROM k.marker
    QUALIFY row_number() OVER (PARTITION BY coalesce(k.subject, k.barcode), k.subject IS NULL
        ORDER BY k.called >= {MINIMUM_BASES} DESC, c.times DESC, k.marker, k.called DESC,
        k.barcode) = 1
)
SELECT coalesce(m.id, s.barcode) AS id,
    coalesce(m.subject, s.subject, m.id, s.barcode) AS record, o.split, m.content, m.address,
    m.x, m.y, m.w, m.h, m.px_per_mm, m.license, s.barcode, s.marker, s.called,
    q.sequence,
    if(e.decimalLongitude IS NULL, NULL, e.decimalLatitude) AS latitude,
    if(e.decimalLatitude IS NULL, NULL, e.decimalLongitude) AS longitude,
    {day_of_year("e.eventDate")} AS day, {_NAMES}
FROM shown m FULL JOIN chosen s ON m.subject = s.subject
LEFT JOIN sequence q ON q.nucleotideSequenceID = s.barcode
LEFT JOIN occurrence o ON o.occurrenceID = coalesce(m.subject, s.subject)
LEFT JOIN event e ON e.eventID = o.eventID
LEFT JOIN determination d ON d.occurrenceID = coalesce(m.subject, s.subject)
LEFT JOIN run r ON r.runID = d.runID
ORDER BY id, record
"""

ITEMS = {"barcodes": _BARCODES, "pictures": _PICTURES, "records": _RECORDS}
"""Of each kind. All give id, record, content, split and `CELLS`; the rest is their own."""

KINDS = tuple(ITEMS)

COUNTS = {
    "barcodes": "SELECT count(*) FROM sequence WHERE sequence IS NOT NULL",
    "pictures": "SELECT count(*) FROM media WHERE accessURI NOT LIKE '%://%'",
}
"""How many there are of the kinds that a source may be all of."""

NEITHER = f"""
SELECT occurrenceID FROM occurrence
WHERE occurrenceID NOT IN (
    SELECT {SUBJECT} FROM media x {PARENT} {THING}
    WHERE {ADDRESS} IS NOT NULL AND {SUBJECT} IS NOT NULL
) AND occurrenceID NOT IN (
    SELECT {SUBJECT} FROM sequence x {THING}
    WHERE x.sequence IS NOT NULL AND {SUBJECT} IS NOT NULL
) ORDER BY occurrenceID
"""
"""The records that have neither a picture nor a barcode."""
