"""The records of a catalogue as a report counts them: what stands by each, and who says what.

Three temporary tables are made once, from which everything else is counted:

    lineage   every distinct name with its ranks, by number
    record    every record: an occurrence, or a picture or sequence that belongs to none
    said      every name that stands: of which record, by whom, how probable, what was promised

Names are few and records many, so a record carries the numbers of its names and not these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

from merian.catalogue import RANKS
from merian.catalogue.definitions import STANDING, STANDS_FIRST, own_answer
from merian.catalogue.media import ADDRESS, PARENT, SUBJECT, THING, box
from merian.catalogue.schema import quoted
from merian.image.addresses import address_of, region_of

__all__ = ["Rows", "make_tables", "pictures_of", "rows_of", "species_sql"]

Rows = list[tuple[Any, ...]]
Progress = Callable[[str], None]

_RANKS = ", ".join(f"i.{quoted(rank)}" for rank in RANKS)
_ORDER = ", ".join(("name", "rank", *map(quoted, RANKS)))
_SAME = " AND ".join(
    f"l.{quoted(c)} IS NOT DISTINCT FROM i.{quoted(s)}"
    for c, s in (("name", "scientificName"), ("rank", "taxonRank"),
                 *((rank, rank) for rank in RANKS))
)  # fmt: skip

_LINEAGE = f"""
CREATE TEMP TABLE lineage AS
SELECT (row_number() OVER (ORDER BY {_ORDER}))::INTEGER AS node, * FROM (
    SELECT DISTINCT i.scientificName AS name, i.taxonRank AS rank, {_RANKS}
    FROM identification i WHERE i.scientificName IS NOT NULL
)
"""
_OF_SEQUENCE = "coalesce(s.occurrenceID, t.occurrenceID)"
_SUBJECT = f"""
SELECT occurrenceID AS id, 'occurrence' AS kind FROM occurrence
UNION ALL
SELECT x.mediaID, 'media' FROM media x {THING} WHERE {SUBJECT} IS NULL AND x.mediaID NOT IN (
    SELECT derivedFromMediaID FROM media WHERE derivedFromMediaID IS NOT NULL)
    AND x.mediaID NOT IN (SELECT occurrenceID FROM occurrence)
UNION ALL
SELECT s.nucleotideSequenceID, 'sequence' FROM sequence s
LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
WHERE {_OF_SEQUENCE} IS NULL
    AND s.nucleotideSequenceID NOT IN (SELECT occurrenceID FROM occurrence)
    AND s.nucleotideSequenceID NOT IN (SELECT mediaID FROM media)
"""
_PICTURED = f"""
SELECT DISTINCT coalesce({SUBJECT}, x.mediaID) AS id FROM media x {PARENT} {THING}
WHERE {ADDRESS} IS NOT NULL
"""
_SEQUENCED = f"""
SELECT DISTINCT coalesce({_OF_SEQUENCE}, s.nucleotideSequenceID) AS id
FROM sequence s LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
WHERE s.sequence IS NOT NULL
"""
_MEASURED = """
SELECT DISTINCT coalesce(q.occurrenceID, t.occurrenceID, m.occurrenceID, q.mediaID) AS id
FROM measurement q LEFT JOIN material t ON t.materialEntityID = q.materialEntityID
LEFT JOIN media m ON m.mediaID = q.mediaID
"""
_DATE = "e.eventDate"
_RECORD = f"""
CREATE TEMP TABLE record AS
SELECT (row_number() OVER (ORDER BY r.id))::INTEGER AS place, r.id, r.kind,
    e.decimalLatitude AS north, e.decimalLongitude AS east,
    coalesce(e.country, e.countryCode) AS country,
    try_cast(regexp_extract({_DATE}, '^([0-9]{{4}})', 1) AS SMALLINT) AS year,
    try_cast(regexp_extract({_DATE}, '^[0-9]{{4}}-(0[1-9]|1[0-2])', 1) AS TINYINT) AS month,
    o.datasetName AS dataset,
    p.id IS NOT NULL AS pictured, b.id IS NOT NULL AS sequenced, m.id IS NOT NULL AS measured
FROM ({_SUBJECT}) r
LEFT JOIN occurrence o ON o.occurrenceID = r.id
LEFT JOIN event e ON e.eventID = o.eventID
LEFT JOIN ({_PICTURED}) p ON p.id = r.id
LEFT JOIN ({_SEQUENCED}) b ON b.id = r.id
LEFT JOIN ({_MEASURED}) m ON m.id = r.id
"""
# Where a record itself is among the references of an answer, this tells nothing of how right it is.
_ITSELF = """
coalesce(list_has_any(string_split(regexp_extract(i.identificationReferences,
    'nearest references (.*)$', 1), ';'), [i.id, i.nucleotideSequenceID, i.mediaID]), false)
"""
_SAID = f"""
CREATE TEMP TABLE said AS
WITH named AS (
    SELECT coalesce(i.occurrenceID, s.occurrenceID, m.occurrenceID, t.occurrenceID,
        i.nucleotideSequenceID, i.mediaID) AS id, i.*
    FROM identification i
    LEFT JOIN sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
    LEFT JOIN media m ON i.mediaID = m.mediaID
    LEFT JOIN material t
        ON t.materialEntityID = coalesce(i.materialEntityID, m.materialEntityID, s.materialEntityID)
    WHERE {STANDING}
)
SELECT r.place, l.node,
    (row_number() OVER (PARTITION BY r.place ORDER BY {STANDS_FIRST}))::INTEGER AS standing,
    CASE WHEN i.agentType = 'human' AND i.identificationType IS DISTINCT FROM 'cluster' THEN
        CASE coalesce(i.identificationVerificationStatus, '')
            WHEN 'ValidatedByHuman' THEN 'reviewed' WHEN 'dismissed' THEN 'dismissed'
            WHEN 'dubious' THEN 'doubted' ELSE 'label' END
        WHEN i.identificationType = 'cluster' THEN 'cluster'
        WHEN {own_answer("i", "u")} THEN 'answer'
        WHEN i.agentType = 'machine' AND i.probability IS NOT NULL THEN 'guess'
        ELSE 'other' END AS voice,
    coalesce(i.identificationType, '') AS evidence, i.probability AS p,
    try_cast(regexp_extract(i.identificationReferences, 'at most ([0-9.]+) % wrong', 1) AS DOUBLE)
        / 100 AS alpha,
    {_ITSELF} AS itself,
    nullif(regexp_extract(i.identificationRemarks, '^not ([^;]+)', 1), '') AS denied,
    regexp_extract(i.identificationRemarks,
        'most probable is something (?:under (.+?) )?that is not in this library at', 1) AS under,
    coalesce(regexp_matches(i.identificationRemarks,
        'most probable is something .{{0,200}}that is not in this library at'), false) AS lacking,
    try_cast(regexp_extract(i.identificationRemarks, 'most probable is something '
        '(?:under .+? )?that is not in this library at (?:over )?([0-9.]+) %', 1) AS DOUBLE)
        / 100 AS lackingly
FROM named i JOIN record r ON r.id = i.id
LEFT JOIN run u ON u.runID = i.runID
LEFT JOIN lineage l ON {_SAME}
"""
_STANDS = """
ALTER TABLE record ADD COLUMN node INTEGER;
ALTER TABLE record ADD COLUMN voice VARCHAR;
UPDATE record SET node = s.node, voice = s.voice FROM said s
WHERE s.place = record.place AND s.standing = 1
"""
# A binomial says its genus, also where nobody wrote it into a column of its own.
_FILLED = """
UPDATE lineage SET species = coalesce(species, name),
    genus = coalesce(genus, split_part(name, ' ', 1))
WHERE rank = 'species' AND name LIKE '% %'
"""
_PICTURES = f"""
SELECT id, min_by(address, mediaID), min_by([x0, y0, w0, h0], mediaID) FROM (
    SELECT r.id, x.mediaID, {ADDRESS} AS address, {box("x0", "y0", "w0", "h0")}
    FROM media x {PARENT} {THING} JOIN record r ON r.id = coalesce({SUBJECT}, x.mediaID)
    WHERE {ADDRESS} IS NOT NULL AND r.id IN (SELECT unnest(?::VARCHAR[]))
) GROUP BY id ORDER BY id
"""


def make_tables(con: duckdb.DuckDBPyConnection, tell: Progress = lambda _what: None) -> None:
    """Make the tables of a catalogue that is asked many questions."""
    for what, sql in (
        ("reading names", _LINEAGE), ("reading records", _RECORD),
        ("reading what is said of them", _SAID), ("reading what stands", _STANDS + ";\n" + _FILLED),
    ):  # fmt: skip
        tell(what)
        for statement in sql.split(";\n"):
            con.execute(statement).fetchall()


def rows_of(con: duckdb.DuckDBPyConnection, sql: str, values: list[object] | None = None) -> Rows:
    """Return all rows of a query."""
    return con.execute(sql, values or []).fetchall()


def species_sql(con: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """Return the SQL of what a record is counted as, of ``lineage`` l, and what that is called.

    Species, where a tenth of the names or more say which; else whatever the names are.
    """
    ((named, species),) = rows_of(
        con,
        "SELECT count(*), count(l.species) FROM record r JOIN lineage l USING (node)",
    )
    return ("l.species", "species") if 10 * species >= named else ("l.name", "names")


def pictures_of(con: duckdb.DuckDBPyConnection, ids: list[str]) -> dict[str, str]:
    """Return where the first picture of each of some records is."""
    return {
        str(id): address_of(str(address), region_of(cut))
        for id, address, cut in con.execute(_PICTURES, [ids]).fetchall()
    }
