"""Matching a whole table of names.

Rows are many and names are few: DuckDB finds the distinct ones, those that stand in the checklist
as they are written are found all at once by hash, and only the rest is read and matched one by
one, in two processes. The answers are joined back, every row of the table with its own, in the
order of the table.

A match is decided by the name and its context alone, so that a batch gives the same answers as
asking one name at a time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from merian.database import connect
from merian.errors import InputError, NotFoundError, did_you_mean
from merian.files import existing
from merian.processes import in_processes
from merian.stamp import run_id, stamp, stamp_beside
from merian.taxonomy.candidates import Hints, choose
from merian.taxonomy.match import match_label
from merian.taxonomy.name_table import read_name_table
from merian.taxonomy.names import read_labels
from merian.taxonomy.ranks import MAIN_RANKS, RANK_NUMBER, RANKS
from merian.taxonomy.tree import NONE, STATUSES, Taxonomy

if TYPE_CHECKING:
    import duckdb

__all__ = ["Answers", "MatchSummary", "match_names", "match_table"]

_TYPES = ("EXACT", "VARIANT", "HIGHERRANK", "NONE")
_WRITERS = {
    ".parquet": "FORMAT parquet",
    ".csv": "FORMAT csv, HEADER",
    ".tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
}
_DIRECT = ("rank", "authorship", "code")


@dataclass(frozen=True)
class Answers:
    """Answers as columns, in the order of the names."""

    node: NDArray[np.int32]
    match_type: NDArray[np.object_]
    confidence: NDArray[np.int16]
    cause: NDArray[np.object_]
    note: NDArray[np.object_]
    alternatives: NDArray[np.object_]


@dataclass(frozen=True)
class MatchSummary:
    """What became of a table: rows, distinct names, and rows by match type and by cause."""

    rows: int
    distinct: int
    match_types: dict[str, int]
    causes: dict[str, int]
    out: str


def match_names(
    taxonomy: Taxonomy, names: Sequence[str], hints: Mapping[str, Sequence[str | None]]
) -> Answers:
    """Match many names, best distinct ones.

    Args:
        taxonomy: The checklist.
        names: The names as they are written.
        hints: Columns of context: ``rank``, ``authorship``, ``code`` or the name of a rank.
    """
    count = len(names)
    answers = Answers(
        np.full(count, NONE, dtype=np.int32),
        np.full(count, "NONE", dtype=object),
        np.zeros(count, dtype=np.int16),
        np.full(count, None, dtype=object),
        np.full(count, "", dtype=object),
        np.full(count, "", dtype=object),
    )
    slow = np.flatnonzero(~_match_plainly(taxonomy, names, hints, answers)).tolist()
    asked = [
        [names[i], {word: column[i] for word, column in hints.items() if column[i]}] for i in slow
    ]
    if taxonomy.folder is None:
        found = _match_each(asked, taxonomy)
    else:
        found = in_processes("merian.taxonomy.match_table:_match_each", asked, str(taxonomy.folder))
    for i, (node, kind, confidence, cause, note, others) in zip(slow, found, strict=True):
        answers.node[i], answers.match_type[i], answers.confidence[i] = node, kind, confidence
        answers.cause[i], answers.note[i], answers.alternatives[i] = cause, note, others
    return answers


def _match_plainly(
    taxonomy: Taxonomy,
    names: Sequence[str],
    hints: Mapping[str, Sequence[str | None]],
    answers: Answers,
) -> NDArray[np.bool_]:
    """Answer the names that stand in the checklist once, as written, with nothing against them.

    Returns which names are answered. A name with any context is left to the slow way unless the
    context plainly confirms it.
    """
    done = np.zeros(len(names), dtype=bool)
    if not len(names):
        return done
    row = taxonomy.names.find_all(names)
    usages = np.where(row == NONE, 0, taxonomy.first_of_name[row + 1] - taxonomy.first_of_name[row])
    single = np.flatnonzero(usages == 1)
    node = taxonomy.rows_by_name[taxonomy.first_of_name[row[single]]]
    text = [names[i] for i in single.tolist()]
    plain = np.array([name[:1].isupper() and "." not in name for name in text], dtype=np.bool_)
    # The number of respects in which the context agrees; one against it, or unknown, is slow.
    agreement = np.zeros(len(single), dtype=np.int64)
    for word, column in hints.items():
        words = [column[i] or "" for i in single.tolist()]
        given = np.array([bool(name) for name in words], dtype=np.bool_)
        if word in _DIRECT:
            plain &= ~given
            continue
        above = taxonomy.at_rank(node, RANK_NUMBER[word])
        asked = taxonomy.names.find_all(words)
        same = given & (above != NONE) & (taxonomy.canonical[above] == asked)
        plain &= same | ~given
        agreement += same
    rank = taxonomy.rank[node]
    # A plain binomial shows its rank; so `choose` counts it when the checklist agrees.
    binomial = np.array([name.count(" ") == 1 for name in text], dtype=np.bool_)
    agreement += binomial & (rank == RANK_NUMBER["species"])
    keep = plain & (~binomial | (rank >= RANK_NUMBER["species"]) | (rank == 0))
    single, node, agreement = single[keep], node[keep], agreement[keep]
    answers.node[single] = node
    answers.match_type[single] = "EXACT"
    for status in np.unique(taxonomy.status[node]):
        here = taxonomy.status[node] == status
        sample = int(node[here][0])
        base = choose(taxonomy, [sample], Hints()).score
        answers.confidence[single[here]] = np.minimum(base + np.minimum(agreement[here], 2), 100)
    done[single] = True
    return done


def _match_each(asked: list[Any], where: str | Taxonomy) -> list[Any]:
    """Match names one by one, in this process or in the second."""
    taxonomy = where if isinstance(where, Taxonomy) else Taxonomy.open(where)
    labels = read_labels([name for name, _ in asked])
    contexts: dict[tuple[tuple[str, str], ...], Hints] = {}
    answers = []
    for label, (_, context) in zip(labels, asked, strict=True):
        key = tuple(sorted(context.items()))
        if key not in contexts:
            contexts[key] = _hints(taxonomy, context)
        match = match_label(taxonomy, label, contexts[key])
        others = "|".join(taxonomy.ids[node] for node in match.alternatives)
        answers.append(
            (match.node, match.match_type, match.confidence, match.cause, match.note, others)
        )
    return answers


def _hints(taxonomy: Taxonomy, context: Mapping[str, str]) -> Hints:
    """Read a row's context. A word in a cell that is no rank or code is no hint, and no error."""
    higher = {word: name for word, name in context.items() if word not in _DIRECT}
    direct = {word: context.get(word) for word in _DIRECT}
    try:
        return Hints.read(taxonomy, **direct, higher=higher)
    except NotFoundError:
        return Hints.read(taxonomy, authorship=direct["authorship"], higher=higher)


def match_table(
    taxonomy: Taxonomy,
    source: Path | str,
    out: Path | str,
    *,
    column: str = "scientificName",
    hints: Mapping[str, str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> MatchSummary:
    """Match a column of names in a CSV, TSV or Parquet table, and write the table with answers.

    Args:
        taxonomy: The checklist.
        source: The table.
        out: Where to write; the suffix says as what (.tsv, .csv, .parquet).
        column: The column with the names.
        hints: Columns of context: ``{"kingdom": "Kingdom", "rank": "taxonRank"}``; by default the
            columns that are called like ranks.
        progress: Told in words what is being done.
    """
    source, out = existing(source, "table"), Path(out)
    if out.suffix.lower() not in _WRITERS:
        raise InputError(f"{out}: cannot write {out.suffix or 'this'}; use .tsv, .csv or .parquet")
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the name of a file to write")
    say = progress or (lambda _: None)
    work = _work_folder(out)
    try:
        con = connect(work / "match.duckdb", spill=work / "spill")
        try:
            say("reading the table")
            columns = read_name_table(con, source, work)
            used = _used_columns(columns, column, hints, source)
            summary = _match_rows(con, taxonomy, used, columns, out, work, say)
        finally:
            con.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    settings = {"column": column, "hints": used, "taxonomy": taxonomy.lock.as_dict()}
    run = run_id("taxonomy-match", {"source": source.name, **settings})
    stamp_beside(
        out, {**stamp("name-matches", "1.0", run, taxonomy.lock.as_dict()), **asdict(summary)}
    )
    return summary


def _work_folder(out: Path) -> Path:
    """Make a folder beside the file to be written, so that it can be put in place at once."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".merian-match-", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out}: cannot be written here ({error.strerror})") from None


def _used_columns(
    columns: Sequence[str], column: str, hints: Mapping[str, str] | None, source: Path
) -> dict[str, str]:
    """Return the columns to read by what they mean, the names under ``name``."""
    by_lower = {c.lower(): c for c in columns}
    wanted = {"name": column, **(hints or {})}
    if hints is None:
        also = {"taxonrank": "rank", "scientificnameauthorship": "authorship"}
        for word in (*MAIN_RANKS, *also):
            meaning = also.get(word, word)
            if word in by_lower and by_lower[word] != column and word != "species":
                wanted[meaning] = by_lower[word]
    for meaning, name in wanted.items():
        if meaning not in ("name", *_DIRECT) and meaning not in RANKS:
            raise NotFoundError(f"{meaning!r} is no rank.{did_you_mean(meaning, RANKS[1:])}")
        if name.lower() not in by_lower:
            raise NotFoundError(
                f"{source}: there is no column {name!r}; there are {', '.join(columns)}."
                + did_you_mean(name, columns)
            )
    return {meaning: by_lower[name.lower()] for meaning, name in wanted.items()}


def _match_rows(
    con: duckdb.DuckDBPyConnection,
    taxonomy: Taxonomy,
    used: Mapping[str, str],
    columns: Sequence[str],
    out: Path,
    work: Path,
    say: Callable[[str], None],
) -> MatchSummary:
    """Match the distinct names, join the answers to the rows and write them."""
    quoted = {m: '"' + c.replace('"', '""') + '"' for m, c in used.items()}
    select = ", ".join(f'CAST({c} AS VARCHAR) AS "{m}"' for m, c in quoted.items())
    meanings = ", ".join(f'"{m}"' for m in quoted)
    distinct = con.execute(
        f"SELECT {meanings}, count(*) FROM (SELECT {select} FROM asked) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not distinct:
        raise InputError("the table has no rows")
    say(f"matching {len(distinct):,} distinct names")
    *fields, counts = zip(*distinct, strict=True)
    texts = dict(zip(quoted, fields, strict=True))
    names = [name or "" for name in texts.pop("name")]
    answers = match_names(taxonomy, names, texts)
    con.register("found", {"n": np.arange(len(names)), **_answer_columns(taxonomy, answers)})
    key = {m: np.array(column, dtype=object) for m, column in {"name": names, **texts}.items()}
    con.register("keys", {"n": np.arange(len(names)), **{f"key_{m}": v for m, v in key.items()}})
    con.execute("CREATE TABLE answer AS SELECT * FROM keys JOIN found USING (n)").fetchall()
    say("writing the answers")
    _write(con, quoted, columns, out, work)
    return _count(answers, np.array(counts), out)


def _count(answers: Answers, rows: NDArray[np.integer], out: Path) -> MatchSummary:
    """Count rows by match type and by cause."""

    def by(column: NDArray[np.object_], kinds: Sequence[str]) -> dict[str, int]:
        return {kind: int(rows[column == kind].sum()) for kind in kinds}

    causes = sorted({cause for cause in answers.cause if cause})
    return MatchSummary(
        int(rows.sum()), len(rows), by(answers.match_type, _TYPES), by(answers.cause, causes),
        str(out),
    )  # fmt: skip


def _answer_columns(taxonomy: Taxonomy, answers: Answers) -> dict[str, NDArray[Any]]:
    """Return the columns that are written for each distinct name."""
    node = answers.node
    accepted = np.where(node == NONE, NONE, taxonomy.accepted[node])

    def of(
        nodes: NDArray[np.integer], spell: Callable[[NDArray[np.integer]], Sequence[str]]
    ) -> NDArray[np.object_]:
        """Spell each distinct node once; none is NULL."""
        distinct, inverse = np.unique(nodes, return_inverse=True)
        known = distinct[distinct != NONE]
        words = np.full(len(distinct), None, dtype=object)
        words[distinct != NONE] = spell(known)
        return words[inverse]

    def ids(nodes: NDArray[np.integer]) -> list[str]:
        return taxonomy.ids.take(nodes)

    def names(nodes: NDArray[np.integer]) -> list[str]:
        return taxonomy.names.strings.take(taxonomy.name[nodes])

    columns: dict[str, NDArray[Any]] = {
        "matchType": answers.match_type,
        "confidence": answers.confidence,
        "cause": answers.cause,
        "usageKey": of(node, ids),
        "matchedName": of(node, names),
        "matchedRank": of(node, lambda n: [RANKS[r] for r in taxonomy.rank[n]]),
        "status": of(node, lambda n: [STATUSES[s] for s in taxonomy.status[n]]),
        "acceptedKey": of(accepted, ids),
        "acceptedName": of(accepted, names),
    }
    for rank in MAIN_RANKS:
        above = np.full(len(node), NONE, dtype=np.int32)
        has = np.flatnonzero(accepted != NONE)
        above[has] = taxonomy.at_rank(accepted[has], rank)
        columns[f"matched_{rank}"] = of(above, names)
    for title, text in (("matchNote", answers.note), ("alternatives", answers.alternatives)):
        columns[title] = np.array([words or None for words in text], dtype=object)
    return columns


def _write(
    con: duckdb.DuckDBPyConnection,
    quoted: Mapping[str, str],
    columns: Sequence[str],
    out: Path,
    work: Path,
) -> None:
    """Join answers to rows, in the order of the rows, and write them complete or not at all."""
    options = _WRITERS[out.suffix.lower()]
    match = " AND ".join(
        f"coalesce(CAST(a.{c} AS VARCHAR), '') = coalesce(b.key_{m}, '')" for m, c in quoted.items()
    )
    kept = ", ".join('a."' + c.replace('"', '""') + '"' for c in columns)
    new = [row[0] for row in con.execute("DESCRIBE answer").fetchall()]
    clash = {c.lower() for c in columns}
    renamed = ", ".join(
        f'b."{c}" AS "merian_{c}"' if c.lower() in clash else f'b."{c}"'
        for c in new
        if c != "n" and not c.startswith("key_")
    )
    part = work / f"out{out.suffix}"
    con.execute(
        f"""
        COPY (SELECT {kept}, {renamed}
              FROM (SELECT *, row_number() OVER () AS _row FROM asked) a
              LEFT JOIN answer b ON {match}
              ORDER BY a._row)
        TO '{part}' ({options})
        """
    ).fetchall()
    part.replace(out)
