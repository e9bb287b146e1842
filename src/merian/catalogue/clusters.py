"""Clusters in a catalogue: written whole, with what they say about their members, in one step.

The tables of clusters and of members are replaced by what is known now; the history only grows.
What a member is called is an identification, appended: one that says something else than the last
one of this kind replaces it, and nothing that others have said is touched. A member that a person
has named to a species keeps that name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import duckdb
import numpy as np

from merian import __version__
from merian.catalogue.definitions import STANDING, STANDS_FIRST
from merian.catalogue.schema import AS_WRITTEN, quoted
from merian.database import transaction
from merian.errors import CatalogueError

__all__ = ["KEPT", "OTHERS_SAY", "PEOPLE_AND_MACHINES_SAY", "VERB", "ClusterName", "write_clusters"]

VERB = "discover"
KEPT = {table.name: table for table in AS_WRITTEN if table.name.startswith("cluster")}

_RANKS = ("kingdom", "phylum", "class", "order", "family", "subfamily", "tribe", "genus", "species")
_SAYS = (
    "verbatimIdentification", "scientificName", "taxonRank", "identificationQualifier", *_RANKS,
    "identificationType", "agentType", "identifiedBy", "dateIdentified",
    "identificationReferences", "identificationVerificationStatus", "probability",
    "identificationRemarks",
)  # fmt: skip
_COMPARED = ("scientificName", "taxonRank", "identificationQualifier", "agentType",
             "identificationType")  # fmt: skip

_NAMED = f"""
SELECT coalesce(i.occurrenceID, s.occurrenceID, m.occurrenceID, t.occurrenceID,
    i.nucleotideSequenceID, i.mediaID) AS subject, r.verb AS verb, i.*
FROM identification i
LEFT JOIN sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
LEFT JOIN media m ON i.mediaID = m.mediaID
LEFT JOIN material t ON i.materialEntityID = t.materialEntityID
LEFT JOIN run r ON r.runID = i.runID
WHERE {STANDING}
"""

_OTHERS = f"""
SELECT *, agentType IS NOT DISTINCT FROM 'human' AS by_hand
FROM ({_NAMED} AND r.verb IS DISTINCT FROM '{VERB}')
WHERE subject IS NOT NULL AND coalesce(scientificName, {", ".join(map(quoted, _RANKS))}) IS NOT NULL
"""
OTHERS_SAY = f"""
{_OTHERS} QUALIFY row_number() OVER (PARTITION BY subject ORDER BY {STANDS_FIRST}) = 1
"""
"""What stands by each record but for what clusters say, as SQL; the record is ``subject``."""
PEOPLE_AND_MACHINES_SAY = f"""
{_OTHERS} QUALIFY row_number() OVER (PARTITION BY subject, by_hand ORDER BY {STANDS_FIRST}) = 1
"""
"""The same, of people and of machines: up to two rows of a record."""


@dataclass(frozen=True)
class ClusterName:
    """What the members of a cluster are called.

    Attributes:
        code: The code in ``clusterMember``.
        says: What their identification says, by column.
    """

    code: str
    says: Mapping[str, object]


def write_clusters(
    con: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Sequence[Sequence[object]]],
    names: Sequence[ClusterName],
    run: Mapping[str, Any],
) -> int:
    """Write what is known of clusters, and return how many identifications were appended.

    Args:
        con: The catalogue, open for writing.
        tables: By table, the rows of all its columns.
        names: Of the clusters of which members are to be called something.
        run: Its runID, arguments and inputs.
    """
    clock = datetime.now(UTC).replace(tzinfo=None)
    try:
        with transaction(con):
            _check_known(con, tables["clusterHistory"])
            for name, table in KEPT.items():
                _fill(
                    con, name, table.columns, [field.type for field in table.fields], tables[name]
                )
            columns = ("clusterCode", *_SAYS)
            kinds = ["DOUBLE" if c == "probability" else "VARCHAR" for c in columns]
            rows = [(one.code, *(one.says.get(column) for column in _SAYS)) for one in names]
            says = ", ".join(f"{quoted(c)} {k}" for c, k in zip(columns, kinds, strict=True))
            con.execute(f"CREATE OR REPLACE TEMP TABLE clusterSays ({says})").fetchall()
            _fill(con, "clusterSays", columns, kinds, rows)
            (before,) = con.execute("SELECT count(*) FROM identification").fetchall()[0]
            con.execute(_appended(), [run["runID"], run["runID"]]).fetchall()
            con.execute(_withdrawn(), [run["runID"], run["runID"]]).fetchall()
            (after,) = con.execute("SELECT count(*) FROM identification").fetchall()[0]
            _note(con, run, int(after - before), clock)
    finally:
        con.execute("DROP TABLE IF EXISTS clusterSays").fetchall()
    return int(after - before)


def _check_known(con: duckdb.DuckDBPyConnection, history: Sequence[Sequence[object]]) -> None:
    """Make sure that all that the catalogue tells of clusters is in the history that replaces it.

    While a run was looking, a person may have merged what it knows as two.
    """
    columns = ", ".join(map(quoted, KEPT["clusterHistory"].columns))
    told = con.execute(f"SELECT {columns} FROM clusterHistory ORDER BY entryNumber").fetchall()
    for stands, given in zip_longest(told, history[: len(told)]):
        if given is None or [*map(_text, stands)] != [*map(_text, given)]:
            raise CatalogueError(
                f"the clusters were changed meanwhile (entry {stands[0]}: {stands[2]} "
                f"{stands[1]}); nothing was written, run it again"
            )


def _fill(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[str],
    kinds: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> None:
    """Put rows in the place of all that a table holds."""
    con.execute(f"DELETE FROM {quoted(name)}").fetchall()
    # A row of texts first, so that a column of nothing else is one of texts.
    cells = [("", *(_text(row[at]) for row in rows)) for at in range(len(columns))]
    given = {
        column: np.array(values, object) for column, values in zip(columns, cells, strict=True)
    }
    given["place"] = np.arange(-1, len(rows))
    con.register("given", given)
    cast = ", ".join(
        f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}"
        for c, kind in zip(columns, kinds, strict=True)
    )
    con.execute(
        f"INSERT INTO {quoted(name)} BY NAME SELECT {cast} FROM "
        "(SELECT * FROM given WHERE place >= 0) ORDER BY place"
    ).fetchall()
    con.unregister("given")


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else repr(value) if isinstance(value, float) else str(value)


def _last() -> str:
    """Return the SQL of what clusters have said last of each record."""
    return (
        f"SELECT subject AS recordID, * EXCLUDE (subject) FROM ({_NAMED} AND r.verb = '{VERB}') "
        "QUALIFY row_number() OVER (PARTITION BY subject ORDER BY agentType = 'human' DESC, "
        "identificationID) = 1"
    )


def _subject(record: str) -> str:
    """Return the SQL of the columns that say what a record is."""
    return (
        f"if(o.occurrenceID IS NULL, NULL, {record}) AS occurrenceID, "
        f"if(o.occurrenceID IS NULL AND s.nucleotideSequenceID IS NOT NULL, {record}, NULL) "
        "AS nucleotideSequenceID, "
        "if(o.occurrenceID IS NULL AND s.nucleotideSequenceID IS NULL "
        f"AND m.mediaID IS NOT NULL, {record}, NULL) AS mediaID"
    )


def _joins(record: str) -> str:
    return (
        f"LEFT JOIN occurrence o ON o.occurrenceID = {record} "
        f"LEFT JOIN sequence s ON s.nucleotideSequenceID = {record} "
        f"LEFT JOIN media m ON m.mediaID = {record}"
    )


def _appended() -> str:
    """Return the SQL that says of members what their cluster is called, where it is new."""
    differs = " OR ".join(f"l.{quoted(c)} IS DISTINCT FROM c.{quoted(c)}" for c in _COMPARED)
    says = ", ".join(f"c.{quoted(column)}" for column in _SAYS)
    return f"""
        INSERT INTO identification BY NAME
        SELECT left(md5(concat_ws(chr(31), k.recordID, ?, c.clusterCode, c.scientificName,
                   c.identificationQualifier, l.identificationID)), 20) AS identificationID,
               {_subject("k.recordID")}, {says},
               l.identificationID AS replacesIdentificationID, ? AS runID
        FROM clusterMember k JOIN clusterSays c USING (clusterCode)
        {_joins("k.recordID")}
        LEFT JOIN ({_last()}) l ON l.recordID = k.recordID
        LEFT JOIN ({OTHERS_SAY}) h ON h.subject = k.recordID
        WHERE (l.identificationID IS NULL OR {differs})
            AND coalesce(o.occurrenceID, s.nucleotideSequenceID, m.mediaID) IS NOT NULL
            AND NOT coalesce({_BY_SPECIES}, false)
        ORDER BY k.recordID
    """


# A person's species stands above what a cluster is called, even by another person; a machine's
# species above a provisional name.
_BY_SPECIES = (
    "h.taxonRank IN ('species', 'subspecies') AND h.identificationQualifier IS NULL "
    "AND (h.agentType = 'human' OR c.agentType = 'machine')"
)


def _withdrawn() -> str:
    """Return the SQL that takes back what was said of records that are in no such cluster now.

    What others say of them is said again, as by a machine, or nothing where nobody says anything.
    """
    ranks = ", ".join(f"h.{quoted(rank)}" for rank in _RANKS)
    return f"""
        INSERT INTO identification BY NAME
        SELECT left(md5(concat_ws(chr(31), l.recordID, ?, 'withdrawn', l.identificationID)), 20)
                   AS identificationID,
               {_subject("l.recordID")},
               'consensus' AS identificationType, 'machine' AS agentType,
               h.scientificName, h.taxonRank, h.identificationQualifier, {ranks},
               'Merian {__version__}' AS identifiedBy,
               'PredictedByMachine' AS identificationVerificationStatus,
               'no longer called ' || coalesce(l.verbatimIdentification, l.identificationQualifier)
                   AS identificationRemarks,
               l.identificationID AS replacesIdentificationID, ? AS runID
        FROM ({_last()}) l
        {_joins("l.recordID")}
        LEFT JOIN ({OTHERS_SAY}) h ON h.subject = l.recordID
        LEFT JOIN clusterMember k ON k.recordID = l.recordID
        LEFT JOIN clusterSays c ON c.clusterCode = k.clusterCode
        WHERE l.identificationType = 'cluster'
            AND (c.clusterCode IS NULL OR coalesce({_BY_SPECIES}, false))
        ORDER BY l.recordID
    """


def _note(
    con: duckdb.DuckDBPyConnection, run: Mapping[str, Any], written: int, clock: datetime
) -> None:
    """Write the run down; one that is there already is not written again."""
    con.execute(
        "INSERT INTO run BY NAME SELECT ? AS runID, ? AS verb, ? AS arguments, ? AS inputs, "
        "? AS merianVersion, ? AS summary, ?::TIMESTAMP AS startedAt, ?::TIMESTAMP AS finishedAt "
        "WHERE ? NOT IN (SELECT runID FROM run)",
        [run["runID"], VERB, json.dumps(run["arguments"], ensure_ascii=False),
         json.dumps(run["inputs"]), __version__, json.dumps({"added": {"identification": written}}),
         clock, datetime.now(UTC).replace(tzinfo=None), run["runID"]],
    ).fetchall()  # fmt: skip
