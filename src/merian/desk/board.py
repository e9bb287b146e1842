"""The board: one row for each record of a catalogue, with what stands by it, to sort and to filter.

It is made when the desk opens and lies in a database of its own in the catalogue's work folder, so
that it may be larger than memory and goes when the desk closes. After a decision the rows that it
was about are made anew; everything else stays.

A voice is what a kind of evidence says: people, machines together, pictures, barcodes. Two voices
contradict each other at the highest rank at which both name a taxon and the names differ, below
the lowest taxon on which they agree (see `merian.identify.disagreements`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from merian.catalogue.checks import literal
from merian.catalogue.definitions import STANDS_FIRST
from merian.catalogue.media import ADDRESS, PARENT, SUBJECT, THING
from merian.catalogue.reviewed import ACCEPTED, DISMISSED, DUBIOUS, said_of
from merian.catalogue.schema import RANKS, quoted

__all__ = ["BOARD", "NAMED", "SAID", "STATES", "kinds_of", "make_board", "refresh",
           "refresh_records", "take_in"]  # fmt: skip

BOARD, SAID = "desk.main.board", "desk.main.said"

STATES = ("open", "accepted", "look again", "dismissed")

_COPIED = ("scientificName", "taxonRank", "identificationQualifier", *RANKS, "agentType",
           "identifiedBy", "dateIdentified", "probability", "identificationType",
           "taxonConceptID")  # fmt: skip
_VOICES = {
    "human": "agentType = 'human'",
    "machine": "agentType IS DISTINCT FROM 'human'",
    "picture": "agentType IS DISTINCT FROM 'human' AND identificationType = 'media'",
    "barcode": "agentType IS DISTINCT FROM 'human' AND identificationType = 'nucleotideSequence'",
}
_PAIRS = (("human", "machine"), ("picture", "barcode"))
_USUAL = 0.9  # the probability of a voice that does not tell it

NAMED = ("stands", *_COPIED, "state", *_VOICES, "clash", "clashRank", "clashStrength")
"""The columns of the board that a decision changes."""

_SUBJECTS = f"""
SELECT occurrenceID AS record, 'occurrence' AS kind FROM main.occurrence
UNION ALL
SELECT x.mediaID, 'media' FROM main.media x {THING.replace("material", "main.material", 1)}
WHERE {SUBJECT} IS NULL AND x.mediaID NOT IN (
    SELECT derivedFromMediaID FROM main.media WHERE derivedFromMediaID IS NOT NULL)
    AND x.mediaID NOT IN (SELECT occurrenceID FROM main.occurrence)
UNION ALL
SELECT s.nucleotideSequenceID, 'sequence' FROM main.sequence s
LEFT JOIN main.material t ON t.materialEntityID = s.materialEntityID
WHERE coalesce(s.occurrenceID, t.occurrenceID) IS NULL
    AND s.nucleotideSequenceID NOT IN (SELECT occurrenceID FROM main.occurrence)
    AND s.nucleotideSequenceID NOT IN (SELECT mediaID FROM main.media)
"""
_SAID = """
SELECT coalesce(i.occurrenceID, s.occurrenceID, m.occurrenceID, t.occurrenceID,
    i.nucleotideSequenceID, i.mediaID) AS record, i.identificationID
FROM main.identification i
LEFT JOIN main.sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
LEFT JOIN main.media m ON i.mediaID = m.mediaID
LEFT JOIN main.material t
    ON t.materialEntityID = coalesce(i.materialEntityID, m.materialEntityID, s.materialEntityID)
"""
# Its pictures, the first of which is shown.
_SHOWN = f"""
SELECT coalesce({SUBJECT}, x.mediaID) AS record, min(x.mediaID) AS mediaID,
    count(*)::INTEGER AS pictures
FROM main.media x {PARENT.replace("media p", "main.media p")}
{THING.replace("material t", "main.material t")}
WHERE {ADDRESS} IS NOT NULL GROUP BY 1
"""
_FACTS = f"""
SELECT r.*, v.mediaID, coalesce(v.pictures, 0) AS pictures,
    r.record IN (SELECT coalesce(s.occurrenceID, t.occurrenceID, s.nucleotideSequenceID)
        FROM main.sequence s LEFT JOIN main.material t USING (materialEntityID)
        WHERE s.sequence IS NOT NULL) AS sequenced,
    e.eventDate, e.decimalLatitude, e.decimalLongitude,
    coalesce(e.country, e.countryCode) AS country, e.locality, o.datasetName,
    k.clusterCode, CAST(NULL AS FLOAT) AS outlier
FROM ({_SUBJECTS}) r
LEFT JOIN ({_SHOWN}) v USING (record)
LEFT JOIN main.occurrence o ON o.occurrenceID = r.record
LEFT JOIN main.event e ON e.eventID = o.eventID
LEFT JOIN main.clusterMember k ON k.recordID = r.record
"""


def make_board(con: duckdb.DuckDBPyConnection, file: Path) -> int:
    """Make the board of a catalogue in a database of its own; return its number of records."""
    con.execute(f"ATTACH {literal(file)} AS desk").fetchall()
    con.execute(
        f"CREATE TABLE {SAID} AS SELECT * FROM ({_SAID}) WHERE record IS NOT NULL ORDER BY record"
    ).fetchall()
    con.execute(
        f"CREATE TABLE {BOARD} AS SELECT row_number() OVER (ORDER BY f.record) AS place, f.*, "
        f"{_names('n')} FROM ({_FACTS}) f "
        f"LEFT JOIN ({_named(f'SELECT DISTINCT record FROM {SAID}')}) n USING (record) "
        "ORDER BY f.record"
    ).fetchall()
    (count,) = con.execute(f"SELECT count(*) FROM {BOARD}").fetchall()[0]
    return int(count)


def refresh(con: duckdb.DuckDBPyConnection, stands: Mapping[str, str]) -> None:
    """Make the rows of some records anew, each with the identification that was added."""
    records, keys = [*stands], [*stands.values()]
    con.execute(
        f"INSERT INTO {SAID} SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])", [records, keys]
    ).fetchall()
    refresh_records(con, records)


def refresh_records(con: duckdb.DuckDBPyConnection, records: Sequence[str]) -> None:
    """Make the rows of some records anew."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE fresh AS SELECT * FROM "
        f"({_named('SELECT unnest(?::VARCHAR[])')})", [records],
    ).fetchall()  # fmt: skip
    sets = ", ".join(f"{quoted(c)} = {_name('f', c)}" for c in NAMED)
    con.execute(f"UPDATE {BOARD} SET {sets} FROM fresh f WHERE board.record = f.record").fetchall()
    con.execute("DROP TABLE fresh").fetchall()


def take_in(con: duckdb.DuckDBPyConnection, run: str) -> list[str]:
    """Show what a run has said; return of which records."""
    rows = con.execute(
        f"SELECT record, identificationID FROM ({_SAID} WHERE i.runID = ?) "
        "WHERE record IS NOT NULL "
        f"AND identificationID NOT IN (SELECT identificationID FROM {SAID})", [run],
    ).fetchall()  # fmt: skip
    if not rows:
        return []
    records = [*dict.fromkeys(record for record, _ in rows)]
    con.execute(
        f"INSERT INTO {SAID} SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
        [[record for record, _ in rows], [key for _, key in rows]],
    ).fetchall()
    refresh_records(con, records)
    return records


def kinds_of(con: duckdb.DuckDBPyConnection, records: Sequence[str]) -> dict[str, str]:
    """Return what records are: occurrence, media or sequence; those that are not there are not."""
    return dict(
        con.execute(
            f"SELECT record, kind FROM {BOARD} WHERE record IN (SELECT unnest(?::VARCHAR[]))",
            [records],
        ).fetchall()
    )


def _names(table: str) -> str:
    return ", ".join(f"{_name(table, column)} AS {quoted(column)}" for column in NAMED)


def _name(table: str, column: str) -> str:
    """Return the SQL of a column of names; where nothing is said a record is open."""
    told = f"{table}.{quoted(column)}"
    return f"coalesce({told}, 'open')" if column == "state" else told


def _named(records: str) -> str:
    """Return the SQL of what stands by records and what each voice says."""
    copied = ", ".join(f"s.{quoted(c)}" for c in _COPIED)
    voices = ", ".join(f"{v}.scientificName AS {v}" for v in _VOICES)
    first = [
        f"{v} AS (SELECT * FROM said WHERE ({condition}) AND scientificName IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY record ORDER BY {STANDS_FIRST}) = 1)"
        for v, condition in _VOICES.items()
    ]
    joins = " ".join(f"LEFT JOIN {v} ON {v}.record = s.record" for v in _VOICES)
    ranks = {pair: _clash(*pair) for pair in _PAIRS}
    (a, b), (c, d) = _PAIRS
    high, low = ranks[_PAIRS[0]], ranks[_PAIRS[1]]
    # A person who has decided since has heard both voices.
    one = f"if({_state('s')} = 'open', {high}, NULL)"
    other = f"if({_state('s')} = 'open', {low}, NULL)"
    return f"""
        WITH said AS MATERIALIZED ({said_of(records, SAID)}), {", ".join(first)},
        heard AS (
            SELECT s.record, s.identificationID AS stands, {copied}, {_state("s")} AS state,
                {voices}, {one} AS clashOne, {other} AS clashOther,
                coalesce({a}.probability, {_USUAL}) * coalesce({b}.probability, {_USUAL})
                    AS strengthOne,
                coalesce({c}.probability, {_USUAL}) * coalesce({d}.probability, {_USUAL})
                    AS strengthOther
            FROM said s {joins} WHERE s.standing = 1)
        SELECT * EXCLUDE (clashOne, clashOther, strengthOne, strengthOther),
            if(takesOne, '{a} and {b}', if(clashOther IS NULL, NULL, '{c} and {d}')) AS clash,
            if(takesOne, clashOne, clashOther) AS clashRank,
            if(takesOne, strengthOne, if(clashOther IS NULL, NULL, strengthOther))
                AS clashStrength
        FROM (SELECT *, clashOne IS NOT NULL
            AND (clashOther IS NULL OR clashOne <= clashOther) AS takesOne FROM heard)
    """


def _state(table: str) -> str:
    told = f"{table}.identificationVerificationStatus"
    return (
        f"CASE {told} WHEN '{ACCEPTED}' THEN 'accepted' WHEN '{DUBIOUS}' THEN 'look again' "
        f"WHEN '{DISMISSED}' THEN 'dismissed' ELSE 'open' END"
    )


def _clash(a: str, b: str) -> str:
    """Return the SQL of the place of the rank at which two voices differ, 1 for the highest."""
    cases = []
    for place, rank in enumerate(RANKS, 1):
        left, right = f"{a}.{quoted(rank)}", f"{b}.{quoted(rank)}"
        below = [f"{a}.{quoted(r)} = {b}.{quoted(r)}" for r in RANKS[place:]]
        # An unknown among several is not false: each is asked for by itself.
        apart = "".join(f" AND NOT coalesce({one}, false)" for one in below)
        cases.append(f"WHEN coalesce({left} <> {right}, false){apart} THEN {place}")
    return f"CASE {' '.join(cases)} END"
