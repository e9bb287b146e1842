"""The names of a catalogue in a newer version of the checklist that they were matched to.

An identification is a statement of somebody at some time and is never changed. One that is moved
is said again: the same words about the same thing by the same one on the same evidence, with the
name, the lineage and the taxon of the newer version, its lock, and the identification that it
stands for (`replacesIdentificationID`). The view ``determination`` leaves out what was replaced.
All is one transaction with its run, so that a killed migration has changed nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from merian import __version__
from merian.catalogue.checks import literal
from merian.catalogue.definitions import STANDING
from merian.catalogue.schema import RANKS, quoted
from merian.catalogue.summary import Summary
from merian.database import transaction
from merian.stamp import run_id
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.migration import Move, Use
from merian.taxonomy.tree import NONE, Taxonomy

__all__ = ["VERB", "move_names", "moved_by", "names_used"]

VERB = "migrate"
_WHERE = "identification"
_SAID_ANEW = (
    "identificationID", "replacesIdentificationID", "scientificName", "scientificNameAuthorship",
    "taxonRank", *RANKS, "taxonID", "taxonomyLock", "identificationRemarks", "runID",
)  # fmt: skip


def _of(lock: TaxonomyLock) -> str:
    """Return as SQL which identifications are named in a checklist.

    Those that carry its lock and a taxon; and those by a library or a model that knew a part of it,
    whose lock has a hash of its own, and which give a name.
    """
    part = literal(str(lock).rpartition("(")[0] + "(")
    return (
        f"((i.taxonomyLock = {literal(str(lock))} AND i.taxonID IS NOT NULL) OR (i.taxonID IS NULL "
        f"AND i.scientificName IS NOT NULL AND starts_with(i.taxonomyLock, {part})))"
    )


def names_used(con: duckdb.DuckDBPyConnection, lock: TaxonomyLock) -> list[Use]:
    """Return the names of a checklist that identifications stand on, with their number."""
    rows = con.execute(
        "SELECT coalesce(taxonID, ''), coalesce(scientificName, ''), coalesce(taxonRank, ''), "
        f"count(*) FROM identification i WHERE {_of(lock)} AND {STANDING} "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [Use(_WHERE, *row) for row in rows]


def moved_by(con: duckdb.DuckDBPyConnection, mark: str) -> bool:
    """Return whether a plan was carried out here before."""
    found = con.execute(
        "SELECT count(*) FROM run WHERE verb = ? AND json_extract_string(arguments, '$.plan') = ?",
        [VERB, mark],
    ).fetchall()
    return bool(found[0][0])


def move_names(
    con: duckdb.DuckDBPyConnection,
    moves: Sequence[Move],
    old: Taxonomy,
    new: Taxonomy,
    mark: str,
) -> Summary:
    """Say identifications again in the newer version, all or none, and record the run.

    Args:
        con: The catalogue, open for writing.
        moves: What becomes of its names; what stays is left alone.
        old: The older version.
        new: The newer version.
        mark: The plan's hash.
    """
    clock = datetime.now(UTC).replace(tzinfo=None)
    going = [move for move in moves if move.node != NONE]
    decisions = sorted([m.use.id, m.use.name, m.use.rank, new.ids[m.node]] for m in going)
    locks = {"from": old.lock.as_dict(), "to": new.lock.as_dict()}
    run = run_id(VERB, {"plan": mark, **locks, "decisions": decisions})
    con.register("moves", _columns(going, old, new))
    suffix = "+" + hashlib.blake2b(str(new.lock).encode(), digest_size=4).hexdigest()
    kept = ", ".join(f"i.{quoted(c)}" for c in _columns_of(con) if c not in _SAID_ANEW)
    ranks = ", ".join(f"m.{quoted(rank)}" for rank in RANKS)
    try:
        with transaction(con):
            before = _count(con)
            con.execute(
                f"""
                INSERT INTO identification BY NAME
                SELECT {kept}, i.identificationID || '{suffix}' AS identificationID,
                    i.identificationID AS replacesIdentificationID, m.scientificName,
                    m.scientificNameAuthorship, m.taxonRank, {ranks}, m.taxonID,
                    {literal(str(new.lock))} AS taxonomyLock,
                    concat_ws('; ', i.identificationRemarks, m.told) AS identificationRemarks,
                    {literal(run)} AS runID
                FROM identification i JOIN moves m
                  ON coalesce(i.taxonID, '') = m.oldID
                 AND coalesce(i.scientificName, '') = m.oldName
                 AND coalesce(i.taxonRank, '') = m.oldRank
                WHERE {_of(old.lock)} AND {STANDING}
                ORDER BY i.identificationID
                """
            ).fetchall()
            added = _count(con) - before
            summary = Summary(
                run=run, format="names of another version",
                rows_read=sum(m.use.records for m in moves),
                added={"identification": added} if added else {}, already={}, rejected={},
                notes=tuple(f"{m.use.name} stays under its old name: {m.why}" for m in moves
                            if m.node == NONE),
            )  # fmt: skip
            con.execute(
                "INSERT INTO run (runID, verb, arguments, inputs, merianVersion, taxonomyLock, "
                "summary, startedAt, finishedAt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    run, VERB, json.dumps({"plan": mark, **locks, "decisions": decisions}),
                    json.dumps({_folder(t): t.lock.hash for t in (old, new)}), __version__,
                    json.dumps(new.lock.as_dict(), ensure_ascii=False, sort_keys=True),
                    json.dumps(summary.as_dict(), ensure_ascii=False, sort_keys=True), clock,
                    datetime.now(UTC).replace(tzinfo=None),
                ],
            ).fetchall()  # fmt: skip
    finally:
        con.unregister("moves")
    return summary


def _count(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("SELECT count(*) FROM identification").fetchall()[0][0])


def _columns_of(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [str(row[0]) for row in con.execute("DESCRIBE identification").fetchall()]


def _folder(taxonomy: Taxonomy) -> str:
    return str(Path(taxonomy.folder)) if taxonomy.folder else str(taxonomy.lock)


def _columns(moves: Sequence[Move], old: Taxonomy, new: Taxonomy) -> dict[str, Any]:
    """Return what identifications are to say, by what they say now."""
    nodes = np.array([move.node for move in moves], dtype=np.int64)
    texts: dict[str, list[str | None]] = {
        "oldID": [m.use.id for m in moves],
        "oldName": [m.use.name for m in moves],
        "oldRank": [m.use.rank for m in moves],
        "taxonID": [new.ids[m.node] for m in moves],
        "scientificName": [new.name_of(m.node) for m in moves],
        "scientificNameAuthorship": [new.authorship[m.node] or None for m in moves],
        "taxonRank": [new.rank_of(m.node) for m in moves],
        "told": [
            f"{m.use.name} of {old.lock} in {new.lock}: {m.kind}"
            + (f", as was decided ({m.decision})" if m.decision else "")
            for m in moves
        ],
    }
    for rank in RANKS:
        above = new.at_rank(nodes, rank)
        texts[rank] = [new.name_of(n) if n >= 0 else None for n in above.tolist()]
    return {name: np.array(column, dtype=object) for name, column in texts.items()}
