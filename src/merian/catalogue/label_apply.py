"""Applying a map of labels: every record is named as the map says of its label.

What a catalogue holds afterwards hangs on the map alone (with its errata) and on the checklist of
its lock. Nothing is overwritten: each label as it came stays, and beside it stands an
identification that reads it as the map does, by the same person or machine and of the same date,
and that replaces it (`replacesIdentificationID`), the later revision the earlier one, and never
anything else: what a person has said of the specimen besides stands where it stood.

Applied again, a map writes nothing. Where it has changed, only the labels that are put elsewhere
are read anew, and the records that came since; a label that the map no longer decides gets back
what it said. What each label was put under is kept with the run, so that no record has to be looked
at to know it. The labels are joined in SQL, and only the map is held in memory.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np

from merian import __version__
from merian.catalogue.checks import literal
from merian.catalogue.definitions import STANDING
from merian.catalogue.ingest import Progress
from merian.catalogue.schema import RANKS, quoted
from merian.database import transaction
from merian.files import content_hash
from merian.stamp import run_id
from merian.taxonomy.label_errata import is_applied
from merian.taxonomy.label_map import LabelMap, LabelTarget

__all__ = ["VERB", "Applied", "apply_labels", "target_columns", "target_table"]

VERB = "labels"
_SUBJECTS = ("occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID")
_NAMED = (
    "scientificName", "scientificNameAuthorship", "taxonRank", "identificationQualifier", *RANKS,
    "taxonID", "taxonomyLock",
)  # fmt: skip
_KEPT = ("identificationType", "agentType", "verbatimIdentification", "dateIdentified",
         "identificationVerificationStatus", "probability")  # fmt: skip


@dataclass(frozen=True)
class Applied:
    """What became of a map.

    Attributes:
        run: The id of the run; "" where nothing had to be written.
        revision: How many times the catalogue's labels have been read anew, this one included.
        appended: Identifications written.
        by_kind: kind -> how many of them; "withdrawn" for those that got their label back.
        unmapped: source, label and number of records of labels that the map does not have.
        undecided: The same, of labels that it leaves open or rejects.
        unused: Labels of the map that no record carries.
        seconds: How long it took.
    """

    run: str
    revision: int
    appended: int
    by_kind: Mapping[str, int]
    unmapped: tuple[tuple[str, str, int], ...]
    undecided: tuple[tuple[str, str, int], ...]
    unused: int
    seconds: float


def apply_labels(
    con: duckdb.DuckDBPyConnection,
    labels: LabelMap,
    *,
    source: str = "",
    progress: Progress | None = None,
) -> Applied:
    """Append what a map says of the labels of the catalogue that is open on ``con``."""
    start, clock = time.perf_counter(), datetime.now(UTC).replace(tzinfo=None)
    step = progress or (lambda _what, _rows: None)
    last = con.execute(
        "SELECT summary FROM run WHERE verb = ? "
        "ORDER BY CAST(summary::JSON->>'$.revision' AS INTEGER) DESC LIMIT 1",
        [VERB],
    ).fetchall()
    before: dict[str, Any] = (
        json.loads(last[0][0]) if last else {"revision": 0, "labels": [], "runs": []}
    )
    revision = int(before["revision"]) + 1
    step("reading the labels", 0)
    _count_labels(con, source)
    target_table(con, labels)
    _resolve(con, before)
    try:
        rows = con.execute("SELECT * FROM label_todo").fetchall()
        if any(read for *_, read in rows):
            step("writing identifications", 0)
        run, written = _append(con, labels, source, revision, clock)
        told = _told(con)
    finally:
        for table in ("label_count", "label_target", "label_now", "label_todo", "label_before"):
            con.execute(f"DROP TABLE IF EXISTS {table}").fetchall()
    seconds = round(time.perf_counter() - start, 3)
    return Applied(
        run, revision if run else revision - 1, sum(written.values()), written, *told, seconds
    )


def _dataset(con: duckdb.DuckDBPyConnection, source: str) -> tuple[str, str]:
    """Return the SQL of the source of an identification ``i``, and the joins that it needs.

    Most catalogues hold one data set, or name the occurrence itself: then nothing is joined.
    """
    found = con.execute("SELECT DISTINCT datasetName FROM occurrence LIMIT 2").fetchall()
    if len(found) < 2:
        name = found[0][0] if found and found[0][0] else source
        return literal(name), ""
    used = [
        subject for subject in _SUBJECTS[1:]
        if con.execute(
            f"SELECT 1 FROM identification WHERE {subject} IS NOT NULL LIMIT 1"
        ).fetchall()
    ]  # fmt: skip
    tables = {"materialEntityID": "material", "mediaID": "media",
              "nucleotideSequenceID": "sequence"}  # fmt: skip
    joins = [f"LEFT JOIN {tables[key]} {tables[key]}_ USING ({key})" for key in used]
    keys = ", ".join(["i.occurrenceID", *(f"{tables[key]}_.occurrenceID" for key in used)])
    joins.append(f"LEFT JOIN occurrence o ON o.occurrenceID = coalesce({keys})")
    return f"coalesce(o.datasetName, {literal(source)})", " ".join(joins)


def _labelled(con: duckdb.DuckDBPyConnection, source: str, columns: str) -> str:
    """Return the SQL of the labels as they came, with their source."""
    dataset, joins = _dataset(con, source)
    return (
        f"SELECT {columns}, {dataset} AS source, i.verbatimIdentification AS label "
        f"FROM identification i {joins} WHERE i.verbatimIdentification IS NOT NULL "
        "AND i.replacesIdentificationID IS NULL"
    )


def _count_labels(con: duckdb.DuckDBPyConnection, source: str) -> None:
    """Make ``label_count``: the distinct labels by source and by the run that brought them."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE label_count AS SELECT source, label, run, count(*) AS n "
        f"FROM ({_labelled(con, source, 'i.runID AS run')}) GROUP BY ALL"
    ).fetchall()


def target_columns(target: LabelTarget, labels: LabelMap) -> dict[str, str | None]:
    """Return what an identification says by a row of a map."""
    lineage = target.lineage
    doubt = "; ".join(filter(None, ["like" if target.like else "", target.doubt]))
    told = {"life stage": target.life_stage, "part": target.part}
    said = [f"{what} {word}" for what, word in told.items() if word]
    said += ["multiple"] * target.multiple + ([target.remarks] if target.remarks else [])
    kind = "taxon" if target.kind == "living" else target.kind
    decided = ", ".join(filter(None, [target.status, target.by and f"by {target.by}"]))
    remarks = "; ".join(filter(None, [kind, *said, target.reason and f"because {target.reason}"]))
    named = bool(target.name)
    return {
        "scientificName": target.name or None,
        "scientificNameAuthorship": target.authorship or None,
        "taxonRank": (target.rank if target.rank != "unranked" else None) or None,
        "identificationQualifier": doubt or None,
        **{rank: lineage.get(rank) for rank in RANKS},
        "taxonID": target.taxon_id or None,
        "taxonomyLock": str(labels.lock) if named and labels.lock else None,
        "identificationRemarks": remarks or None,
        "agent": target.by or f"Merian {__version__}",
        "method": f"label map {labels.path.name}" + (f", {decided}" if decided else ""),
        "kind": kind,
    }


def target_table(con: duckdb.DuckDBPyConnection, labels: LabelMap) -> None:
    """Make ``label_target``: what an identification says by each row that names records."""
    columns = (*_NAMED, "identificationRemarks", "agent", "method", "kind")
    names = ("source", "label", "digest", "decided", *columns)
    rows = []
    for (source, label), target in labels.targets.items():
        said = target_columns(target, labels)
        text = json.dumps([v for k, v in said.items() if k != "agent"], ensure_ascii=False)
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        decided = "yes" if is_applied(target) else None
        rows.append((source, label, digest, decided, *(said[c] for c in columns)))
    # An empty text first, so that a column of nothing else is one of texts.
    arrays = zip(names, zip(("",) * len(names), *rows, strict=True), strict=True)
    con.register("given", {name: np.array(values, dtype=object) for name, values in arrays})
    texts = ", ".join(f"CAST({quoted(c)} AS VARCHAR) AS {quoted(c)}" for c in names)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE label_target AS SELECT * REPLACE (decided IS NOT NULL AS "
        f"decided) FROM (SELECT {texts} FROM given WHERE label <> '')"
    ).fetchall()
    con.unregister("given")


def _resolve(con: duckdb.DuckDBPyConnection, before: Mapping[str, Any]) -> None:
    """Make ``label_now``, the target of each label, and ``label_todo``, what has to be written.

    A row of no source holds for every source that has none of its own for the label.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE label_before AS SELECT row[1] AS source, row[2] AS label, "
        "row[3] AS digest FROM (SELECT unnest(?::VARCHAR[][]) AS row)",
        [[*before["labels"]]],
    ).fetchall()
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE label_now AS
        SELECT c.source, c.label, c.n, t.source AS map_source,
               if(t.decided, t.digest, NULL) AS digest, t.label IS NOT NULL AS mapped
        FROM (SELECT source, label, sum(n) AS n FROM label_count GROUP BY ALL) c
        LEFT JOIN label_target t
            ON t.label = c.label AND t.source IN (c.source, '')
        QUALIFY row_number() OVER (
            PARTITION BY c.source, c.label ORDER BY t.source <> '' DESC NULLS LAST) = 1
        """
    ).fetchall()
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE label_todo AS
        SELECT c.source, c.label, c.run, w.map_source, w.digest IS NOT NULL AS read
        FROM label_count c JOIN label_now w USING (source, label)
        LEFT JOIN label_before b USING (source, label)
        WHERE CASE WHEN list_contains(?::VARCHAR[], c.run) THEN w.digest IS DISTINCT FROM b.digest
                   ELSE w.digest IS NOT NULL END
        """,
        [[*before["runs"]]],
    ).fetchall()


def _append(
    con: duckdb.DuckDBPyConnection,
    labels: LabelMap,
    source: str,
    revision: int,
    clock: datetime,
) -> tuple[str, dict[str, int]]:
    """Write the identifications and the run, in one transaction; return its id and the counts."""
    todo = con.execute("SELECT count(*) FROM label_todo").fetchall()[0][0]
    if not todo:
        return "", {}
    state = con.execute(
        "SELECT source, label, digest FROM label_now WHERE digest IS NOT NULL ORDER BY ALL"
    ).fetchall()
    runs = [
        run
        for (run,) in con.execute(
            "SELECT DISTINCT run FROM label_count WHERE run IS NOT NULL ORDER BY 1"
        ).fetchall()
    ]
    inputs = {str(labels.path): content_hash(labels.path)}
    run = run_id(VERB, {"revision": revision, "labels": state, "runs": runs})
    written = dict(
        con.execute(
            "SELECT if(t.read, g.kind, 'withdrawn'), sum(c.n) FROM label_todo t "
            "JOIN label_count c USING (source, label, run) LEFT JOIN label_target g "
            "ON g.label = t.label AND g.source = t.map_source GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )
    lock = json.dumps(labels.lock.as_dict()) if labels.lock else None
    summary = {"revision": revision, "appended": int(sum(written.values())), "labels": state,
               "runs": runs}  # fmt: skip
    with transaction(con):
        con.execute(_insertion(con, source, revision, run)).fetchall()
        con.execute(
            "INSERT INTO run BY NAME SELECT ? AS runID, ? AS verb, ? AS arguments, ? AS inputs, "
            "? AS merianVersion, ? AS taxonomyLock, ? AS summary, ?::TIMESTAMP AS startedAt, "
            "?::TIMESTAMP AS finishedAt",
            [run, VERB, json.dumps({"source": source}), json.dumps(inputs), __version__, lock,
             json.dumps(summary, ensure_ascii=False), clock,
             datetime.now(UTC).replace(tzinfo=None)],
        ).fetchall()  # fmt: skip
    return run, {kind: int(count) for kind, count in written.items()}


def _insertion(con: duckdb.DuckDBPyConnection, source: str, revision: int, run: str) -> str:
    """Return the SQL that appends the identifications of this revision.

    One that the map no longer decides says again what its label said when it came.
    """
    dataset, joins = _dataset(con, source)
    named = (*_NAMED, "identificationRemarks")
    back = [f"if(t.read, g.{quoted(c)}, i.{quoted(c)}) AS {quoted(c)}" for c in named]
    kept = [f"i.{quoted(c)}" for c in (*_SUBJECTS, *_KEPT)]
    replaced, tips = _replaced(con)
    return f"""
        INSERT INTO identification BY NAME
        SELECT i.identificationID || '~map{revision:04}' AS identificationID,
               {replaced} AS replacesIdentificationID,
               {", ".join([*kept, *back])}, i.taxonConceptID,
               if(t.read, concat_ws(' | ', i.identifiedBy, g.agent), i.identifiedBy)
                   AS identifiedBy,
               if(t.read, concat_ws('; ', g.method, i.identificationReferences),
                  i.identificationReferences) AS identificationReferences,
               {literal(run)} AS runID
        FROM identification i {joins}
        JOIN label_todo t ON t.label = i.verbatimIdentification AND t.source = {dataset}
            AND t.run IS NOT DISTINCT FROM i.runID
        LEFT JOIN label_target g ON g.label = t.label AND g.source = t.map_source
        {tips}
        WHERE i.replacesIdentificationID IS NULL
    """


def _replaced(con: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """Return the SQL of what stands for a label ``i`` until now, and the join that it needs."""
    if not con.execute(
        "SELECT 1 FROM identification WHERE replacesIdentificationID IS NOT NULL LIMIT 1"
    ).fetchall():
        return "i.identificationID", ""
    # Each link of the chain from a label on is one query's step; there are few revisions.
    chain = f"""
        LEFT JOIN (
            WITH RECURSIVE chain(label, tip) AS (
                SELECT replacesIdentificationID, identificationID FROM identification
                WHERE replacesIdentificationID IN (
                    SELECT identificationID FROM identification
                    WHERE replacesIdentificationID IS NULL)
                UNION ALL
                SELECT c.label, n.identificationID FROM chain c
                JOIN identification n ON n.replacesIdentificationID = c.tip
            )
            SELECT label, tip FROM chain JOIN identification i ON i.identificationID = tip
            WHERE {STANDING}
        ) tips ON tips.label = i.identificationID"""
    return "coalesce(tips.tip, i.identificationID)", chain


_Counted = tuple[tuple[str, str, int], ...]


def _told(con: duckdb.DuckDBPyConnection) -> tuple[_Counted, _Counted, int]:
    """Return the labels that the map lacks, those that it leaves open, and how many are unused."""
    sql = "SELECT source, label, n::BIGINT FROM label_now WHERE {} ORDER BY n DESC, source, label"
    unmapped = con.execute(sql.format("NOT mapped")).fetchall()
    undecided = con.execute(sql.format("mapped AND digest IS NULL")).fetchall()
    unused = con.execute(
        "SELECT count(*) FROM label_target t WHERE NOT EXISTS (SELECT 1 FROM label_now w "
        "WHERE w.label = t.label AND w.map_source = t.source)"
    ).fetchall()[0][0]
    return tuple(unmapped), tuple(undecided), int(unused)
