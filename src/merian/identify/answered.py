"""Answers about the things of samples, and what people said of some of them, as counts.

They are in a table with a row for each thing (or, with a column of counts, for each kind of row):
its sample, what it was answered, what it is where somebody looked, and how probable the answer was.
Or they are in a catalogue: what a machine named, and what a human named of the same occurrence.
An answer that says nothing, and a thing that is none, have no name: "".
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import duckdb
import numpy as np

from merian.catalogue import RANKS, Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.definitions import STANDING, STANDS_FIRST
from merian.catalogue.schema import TABLES, quoted
from merian.database import connect
from merian.errors import InputError
from merian.files import existing
from merian.identify.composition import UNNAMED, Counts, Recall
from merian.taxonomy.name_table import read_name_table

__all__ = ["AnswerColumns", "FoundAndMissed", "read_counts", "read_missed", "read_recall"]

_MEMORY = "1GB"
_USUAL = {
    "sample": ("sample", "sample_id", "sampleid", "sample_code", "event", "eventid", "tray"),
    "answer": ("answer", "predicted", "prediction", "name", "label", "class"),
    "truth": ("truth", "true", "validated", "human", "actual"),
    "count": ("count", "n", "number"),
    "probability": ("probability", "p", "score", "confidence"),
}
_MOST = 2000  # kinds; more are not kinds but the names of things
_SHOWN = 5  # kinds that are told in a line


@dataclass(frozen=True)
class AnswerColumns:
    """Which column of a table holds what; "" for one that is found by its usual name.

    Of a catalogue the sample is a term, eventID if not given; the others are of tables alone.
    """

    sample: str = ""
    answer: str = ""
    truth: str = ""
    count: str = ""
    probability: str = ""


def read_counts(
    path: Path,
    columns: AnswerColumns | None = None,
    *,
    rank: str = "",
    unnamed: bool = False,
) -> Counts:
    """Return the counts of a table or a catalogue.

    Args:
        path: A CSV, TSV or Parquet file, or the folder of a catalogue.
        columns: Which column holds what.
        rank: Of a catalogue, the rank at which things are counted; names as they are if not given.
        unnamed: Whether things of which an answer says nothing are a kind of their own, until
            somebody says what they are; else they are of the kinds that are named.
    """
    columns = columns or AnswerColumns()
    path = existing(Path(path), "table of answers, or catalogue")
    with tempfile.TemporaryDirectory(prefix="merian-counts-") as work:
        con = connect(memory=_MEMORY, spill=Path(work) / "spill")
        try:
            if path.is_dir():
                _of_catalogue(con, path, Path(work), rank, columns.sample)
            else:
                if rank:
                    raise InputError("--rank is of a catalogue; name the --answer column instead")
                _of_table(con, path, Path(work), columns)
            return _counts(con, path, unnamed)
        finally:
            con.close()


def _of_table(con: duckdb.DuckDBPyConnection, path: Path, work: Path, told: AnswerColumns) -> None:
    """Make the table ``thing`` from a table."""
    names = read_name_table(con, path, work)
    asked = {one.name: getattr(told, one.name) for one in fields(told)}
    at = {what: _column(path, names, asked[what], what) for what in _USUAL}
    if not at["answer"]:
        raise InputError(
            f"{path}: none of its columns ({', '.join(names)}) is called as one of answers usually "
            "is; say which it is, with --answer COLUMN"
        )

    def text(what: str, otherwise: str) -> str:
        return f"CAST({quoted(at[what])} AS VARCHAR)" if at[what] else otherwise

    con.execute(
        f"CREATE TABLE thing AS SELECT coalesce(trim({text('sample', literal('all'))}), '') "
        f"AS sample, coalesce(trim({text('answer', '')}), '') AS answer, "
        f"trim({text('truth', 'NULL')}) AS truth, {text('count', literal('1'))} AS n_, "
        f"TRY_CAST({text('probability', 'NULL')} AS DOUBLE) AS p FROM asked"
    )
    bad = con.execute(
        "SELECT n_ FROM thing WHERE coalesce(TRY_CAST(n_ AS BIGINT), -1) < 0 LIMIT 1"
    ).fetchall()
    if bad:
        raise InputError(
            f"{path}: the count {bad[0][0]!r} is no number of things; expected 0 or more"
        )
    # An empty cell of truth is a thing that nobody looked at; "none" is one that is no thing.
    con.execute(
        "CREATE OR REPLACE TABLE thing AS SELECT sample, answer, CAST(n_ AS BIGINT) AS n, p, "
        "CASE WHEN truth IS NULL OR truth = '' THEN NULL "
        "WHEN lower(truth) = 'none' THEN '' ELSE truth END AS truth FROM thing"
    )


def _column(path: Path, names: Sequence[str], asked: str, what: str) -> str:
    known = {name.strip().lstrip("\ufeff").lower(): name for name in names}
    if asked:
        if asked.lower() not in known:
            raise InputError(
                f"{path}: has no column {asked} for --{what}; it has {', '.join(names)}"
            )
        return known[asked.lower()]
    return next((known[name] for name in _USUAL[what] if name in known), "")


def _of_catalogue(
    con: duckdb.DuckDBPyConnection, path: Path, work: Path, rank: str, sample: str
) -> None:
    """Make the table ``thing`` from the names of a catalogue: the first of each agent counts."""
    if rank and rank not in RANKS:
        raise InputError(f"--rank {rank}: one of {', '.join(RANKS)} is expected")
    term = sample or "eventID"
    events = {one.name for one in TABLES["event"].fields}
    finds = {one.name for one in TABLES["occurrence"].fields}
    if term not in events | finds:
        raise InputError(f"--sample {term}: no term of an event or an occurrence")
    called = f"e.{quoted(term)}" if term in events else f"o.{quoted(term)}"
    name = quoted(rank) if rank else "coalesce(scientificName, verbatimIdentification)"
    sql = f"""
        WITH named AS (
            SELECT coalesce(i.occurrenceID, s.occurrenceID, m.occurrenceID, t.occurrenceID) AS id,
                   agentType = 'human' AS human, {name} AS name,
                   scientificName IS NULL AS nothing, probability, identificationType,
                   dateIdentified, identificationID, agentType
            FROM identification i
            LEFT JOIN sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
            LEFT JOIN media m ON i.mediaID = m.mediaID
            LEFT JOIN material t ON i.materialEntityID = t.materialEntityID
            WHERE {STANDING} AND agentType IS NOT NULL
        ), first AS (
            SELECT * FROM named WHERE id IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY id, human ORDER BY {STANDS_FIRST}) = 1
        )
        SELECT coalesce(CAST({called} AS VARCHAR), '') AS sample,
               coalesce(a.name, '') AS answer, 1::BIGINT AS n, a.probability AS p,
               CASE WHEN h.id IS NULL THEN NULL WHEN h.name IS NOT NULL THEN h.name
                    WHEN {"h.nothing" if rank else "true"} THEN '' END AS truth
        FROM occurrence o LEFT JOIN event e USING (eventID)
        JOIN first a ON a.id = o.occurrenceID AND NOT a.human
        LEFT JOIN first h ON h.id = o.occurrenceID AND h.human
    """
    table = work / "things.parquet"
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as catalogue:
        catalogue.write_table(sql, table)
    con.execute(f"CREATE VIEW thing AS SELECT * FROM read_parquet({literal(str(table))})")


def _counts(con: duckdb.DuckDBPyConnection, path: Path, unnamed: bool) -> Counts:
    rows = con.execute(
        "SELECT sample, answer, truth, CAST(sum(n) AS BIGINT), "
        "sum(n * least(greatest(p, 0), 1)), CAST(sum(n) FILTER (WHERE p IS NOT NULL) AS BIGINT) "
        "FROM thing GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not rows:
        raise InputError(f"{path}: nothing in it was answered; expected a row for each thing")
    if unnamed and any(not row[1] and row[2] is None for row in rows):
        rows = [(row[0], row[1] or UNNAMED, *row[2:]) for row in rows]
    samples = sorted({row[0] for row in rows})
    answers = sorted({row[1] for row in rows}, key=lambda name: (not name, name))
    kinds = sorted({row[1] for row in rows if row[1]} | {row[2] for row in rows if row[2]})
    # What is no thing can be told only by those who looked.
    kinds += [""] * any(row[2] == "" for row in rows)
    if len(kinds) > _MOST:
        raise InputError(
            f"{path}: {len(kinds):,} different names; at most {_MOST:,} kinds are counted: give a "
            "rank, or another column"
        )
    at = [{name: n for n, name in enumerate(some)} for some in (samples, kinds, answers)]
    unseen = np.zeros((len(samples), len(answers)), np.int64)
    seen = np.zeros((len(samples), len(kinds), len(answers)), np.int64)
    sure, told = np.zeros(len(answers)), np.zeros(len(answers))
    for sample, answer, truth, many, share, rated in rows:
        where = at[0][sample], at[2][answer]
        if truth is None:
            unseen[where] += many
        else:
            seen[where[0], at[1][truth], where[1]] += many
        if rated:
            sure[where[1]] += share
            told[where[1]] += rated
    return Counts(samples, kinds, answers, unseen, seen, _doubts(kinds, at[2], sure, told))


def _doubts(
    kinds: Sequence[str],
    answers: Mapping[str, int],
    sure: np.ndarray[tuple[int], np.dtype[np.float64]],
    told: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]] | None:
    """Return how many of each answer are of each kind by the answers' own probabilities.

    What is not of the kind that is answered is of the others, as common as they are answered.
    """
    if not told.any():
        return None
    common = np.array([told[answers[kind]] if kind in answers else 0.0 for kind in kinds]) + 0.5
    found = np.zeros((len(kinds), len(told)))
    without = np.array([kind == UNNAMED for kind in kinds])
    for answer, place in answers.items():
        own = np.array([bool(kind) and kind == answer for kind in kinds])
        others = np.where(own | without, 0, common)
        rest = told[place] - (sure[place] if own.any() else 0)
        found[:, place] = own * sure[place] + rest * others / max(float(others.sum()), 1e-12)
    return found


@dataclass(frozen=True)
class FoundAndMissed:
    """What a detector found and missed, as a table tells it.

    Attributes:
        path: The table.
        kinds: By kind, how many were found and how many missed.
    """

    path: Path
    kinds: Mapping[str, tuple[int, int]]

    def of(self, kinds: Sequence[str]) -> tuple[Recall | None, str]:
        """Return what that tells of some kinds, and what has to be said of it.

        Args:
            kinds: Those that are counted.
        """
        both = [self.kinds.get(kind, (0, 0)) if kind else (0, 0) for kind in kinds]
        recall = Recall(*np.array(both, np.int64).reshape(-1, 2).T)
        others = sorted({*self.kinds} - {*kinds} - {""})
        shown = ", ".join(map(repr, others[:_SHOWN])) + (", ..." if len(others) > _SHOWN else "")
        if not recall.counted:
            return None, (
                f"{self.path}: tells how many were found and missed of no kind that is counted"
                + (f"; it has {shown}, which nothing is called" if shown else "")
            )
        return recall, f"{self.path}: {shown} is not counted: nothing is so called" if shown else ""


def read_recall(path: Path, kinds: Sequence[str]) -> tuple[Recall, str]:
    """Return what a detector found and missed, and what has to be said of it.

    Args:
        path: A table with the columns kind, found and missed.
        kinds: Those that are counted.

    Raises:
        InputError: It tells of none of them.
    """
    recall, said = read_missed(path).of(kinds)
    if recall is None:
        raise InputError(said)
    return recall, said


def read_missed(path: Path) -> FoundAndMissed:
    """Read a table with the columns kind, found and missed."""
    path = existing(Path(path), "table of what was found and missed")
    with tempfile.TemporaryDirectory(prefix="merian-counts-") as work, connect() as con:
        names = {name.strip().lower(): name for name in read_name_table(con, path, Path(work))}
        lacking = [name for name in ("kind", "found", "missed") if name not in names]
        if lacking:
            raise InputError(
                f"{path}: has no column {lacking[0]}; expected kind, found and missed: how many of "
                "a kind were found, and how many were not, where somebody counted by hand"
            )
        rows = con.execute(
            f"SELECT trim(CAST({quoted(names['kind'])} AS VARCHAR)), "
            f"TRY_CAST({quoted(names['found'])} AS BIGINT), "
            f"TRY_CAST({quoted(names['missed'])} AS BIGINT) FROM asked"
        ).fetchall()
    kinds: dict[str, tuple[int, int]] = {}
    for line, (kind, some, gone) in enumerate(rows, start=2):
        if some is None or gone is None or some < 0 or gone < 0:
            raise InputError(f"{path}:{line}: expected 0 or more for found and missed")
        before = kinds.get(kind or "", (0, 0))
        kinds[kind or ""] = before[0] + some, before[1] + gone
    return FoundAndMissed(path, kinds)
