"""From a table of usages to the arrays of a `Taxonomy`.

A checklist reader leaves a DuckDB table ``usage`` (one row a name: id, parentID, acceptedID,
name, authorship, rank, status, code, file, line). Here ids become rows, names are made
canonical, synonyms find their taxon and the tree gets its pre-order. What does not fit (a parent
that is missing, a circle of parents, a synonym of nothing) is reported and the rest is built.

The result does not depend on the order of the input: siblings stand in the order of their names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from merian.errors import InputError
from merian.processes import in_processes
from merian.taxonomy.arrange import Arranged, arrange
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.ranks import UNRANKED, read_rank
from merian.taxonomy.store import content_lock
from merian.taxonomy.strings import NamePool, Strings
from merian.taxonomy.tree import CODES, NONE, STATUSES, Taxonomy

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

__all__ = ["BuildReport", "Problem", "build"]

_CHUNK = 200_000  # strings fetched from DuckDB at a time
_PLAIN = "^[A-Z][a-z]+(-[a-z]+)?( [a-z]{2,}(-[a-z]+)?){0,2}$"

_STATUS_WORDS = {
    "accepted": "", "valid": "", "accepted name": "", "a": "", "n": "", "p": "", "valid name": "",
    "provisionally accepted": "provisionally accepted", "unassessed": "doubtful",
    "provisionally accepted name": "provisionally accepted", "temporary name": "doubtful",
    "morphological": "morphological", "doubtful": "doubtful", "nomen dubium": "doubtful",
    "taxon inquirendum": "doubtful", "uncertain": "doubtful", "nomen nudum": "doubtful",
    "misapplied": "misapplied", "misapplication": "misapplied", "misapplied name": "misapplied",
    "ambiguous synonym": "ambiguous synonym", "proparte synonym": "ambiguous synonym",
    "pro parte synonym": "ambiguous synonym",
}  # fmt: skip
_CODE_WORDS = {
    "iczn": "zoological", "zoological": "zoological", "icn": "botanical", "icbn": "botanical",
    "icnafp": "botanical", "botanical": "botanical", "icnb": "bacterial", "icnp": "bacterial",
    "bacterial": "bacterial", "ictv": "virus", "virus": "virus", "viral": "virus",
    "icncp": "cultivars", "cultivars": "cultivars", "icpn": "phytosociological",
}  # fmt: skip


_CONFLICTS = {
    "parents": "the labels disagree on what stands above it; the majority decides",
    "homonym": "the labels use this name for several taxa; each is kept",
    "binomial": "stands under another genus than its name says; left there",
}


@dataclass(frozen=True)
class Problem:
    """One thing in a checklist that did not fit, and what was done with it."""

    file: str | None
    line: int | None
    id: str | None
    reason: str
    content: str | None


@dataclass(frozen=True)
class BuildReport:
    """What became of a checklist: counts, notes, and all problems."""

    usages: int
    taxa: int
    synonyms: int
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)

    def by_reason(self) -> dict[str, int]:
        """Return how often each problem was met, the most frequent first."""
        counts: dict[str, int] = {}
        for problem in self.problems:
            counts[problem.reason] = counts.get(problem.reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def build(
    con: duckdb.DuckDBPyConnection, checklist: str, version: str = ""
) -> tuple[Taxonomy, BuildReport]:
    """Build a taxonomy from the table ``usage`` of a connection.

    Args:
        con: Holds ``usage`` and, if the reader made them, ``problem``, ``conflict``, ``alias``.
        checklist: The title of the checklist.
        version: Its version.
    """
    usages = _one(con, "SELECT count(*) FROM usage")
    if not usages:
        raise InputError(f"{checklist}: the checklist holds no names")
    _canonical_names(con)
    notes = _number_rows(con)
    arranged = arrange(*_links(con))
    problems = _reader_problems(con) + _tree_problems(con, arranged)
    if not len(arranged.end):
        raise InputError(
            f"{checklist}: none of its {usages} names could be placed; {problems[0].reason}"
        )
    taxonomy = _assemble(con, arranged, checklist, version)
    report = BuildReport(usages, taxonomy.taxa, len(taxonomy) - taxonomy.taxa, problems, notes)
    return taxonomy, report


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])


def _canonical_names(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``spelling``: each distinct name, its canonical form, its author."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE spelling AS
        SELECT name, name AS canonical, CAST(NULL AS VARCHAR) AS author, name AS shown
        FROM (SELECT DISTINCT trim(regexp_replace(name, '[\\x00-\\x20\\x7f]+', ' ', 'g')) AS name
              FROM usage)
        WHERE regexp_full_match(name, '{_PLAIN}')
        """
    ).fetchall()
    hard = [
        row[0]
        for row in con.execute(
            f"""
            SELECT DISTINCT trim(regexp_replace(name, '[\\x00-\\x20\\x7f]+', ' ', 'g')) AS tidy
            FROM usage WHERE tidy <> '' AND NOT regexp_full_match(tidy, '{_PLAIN}') ORDER BY tidy
            """
        ).fetchall()
    ]
    if not hard:
        return
    read = in_processes("merian.taxonomy.names:bare_names", hard)
    columns = {
        "name": np.array(hard, dtype=object),
        "canonical": np.array([fields[0] for fields in read], dtype=object),
        "author": np.array([fields[1] for fields in read], dtype=object),
        "shown": np.array([fields[2] for fields in read], dtype=object),
    }
    con.register("hard_names", columns)
    con.execute(
        "INSERT INTO spelling SELECT name, canonical, author, shown FROM hard_names"
    ).fetchall()
    con.unregister("hard_names")


def _number_rows(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Make ``pool`` (each name once, in byte order) and ``numbered`` (usages with numbers)."""
    ranks = [row[0] for row in con.execute("SELECT DISTINCT rank FROM usage").fetchall()]
    unknown = sorted(str(rank) for rank in ranks if read_rank(rank) is None)
    _mapping(con, "rank_word", {r: read_rank(r) or UNRANKED for r in ranks if r is not None})
    statuses = [row[0] for row in con.execute("SELECT DISTINCT status FROM usage").fetchall()]
    _mapping(con, "status_word", {s: _status(s) for s in statuses if s is not None})
    codes = {c: CODES.index(name) for c, name in _CODE_WORDS.items()}
    _mapping(con, "code_word", codes)
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE pool AS
        SELECT name, row_number() OVER (ORDER BY name) - 1 AS i
        FROM (SELECT shown AS name FROM spelling UNION SELECT canonical FROM spelling)
        ORDER BY name
        """
    ).fetchall()
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE numbered AS
        SELECT row_number() OVER (ORDER BY u.ordinal) - 1 AS row,
               coalesce(u.id, '') AS id, u.parentID, u.acceptedID,
               coalesce(shown.i, -1) AS name, coalesce(bare.i, -1) AS canonical,
               coalesce(nullif(u.authorship, ''), s.author, '') AS authorship,
               coalesce(rank_word.number, 0) AS rank,
               coalesce(status_word.number, 0) AS status,
               coalesce(code_word.number, 0) AS code
        FROM usage u
        LEFT JOIN spelling s
               ON trim(regexp_replace(u.name, '[\\x00-\\x20\\x7f]+', ' ', 'g')) = s.name
        LEFT JOIN pool shown ON shown.name = s.shown
        LEFT JOIN pool bare ON bare.name = s.canonical
        LEFT JOIN rank_word ON rank_word.word = u.rank
        LEFT JOIN status_word ON status_word.word = u.status
        LEFT JOIN code_word ON code_word.word = lower(u.code)
        ORDER BY row
        """
    ).fetchall()
    if unknown:
        return [f"ranks that are not known here count as unranked: {', '.join(unknown)}"]
    return []


def _status(word: str) -> int:
    """Return the number of a status in a source's word, as a taxon or as a synonym."""
    word = " ".join(word.lower().replace("_", " ").split())
    if word in _STATUS_WORDS:
        return STATUSES.index(_STATUS_WORDS[word] or "accepted")
    if "misapplied" in word:
        return STATUSES.index("misapplied")
    if "synonym" in word or "unaccepted" in word or "invalid" in word:
        return STATUSES.index("synonym")
    return STATUSES.index("accepted" if word.startswith(("accepted", "valid")) else "doubtful")


def _mapping(con: duckdb.DuckDBPyConnection, table: str, numbers: dict[str, int]) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} (word VARCHAR, number INTEGER)").fetchall()
    if numbers:
        con.executemany(f"INSERT INTO {table} VALUES (?, ?)", list(numbers.items()))


def _links(con: duckdb.DuckDBPyConnection) -> tuple[NDArray[np.int64], ...]:
    """Return, by row: parent, accepted, name, status, and what was asked for and is missing.

    -1 stands for "not given", -2 for "given, and not in the checklist".
    """
    # An id that stands twice means its accepted row, else its first.
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE by_id AS
        SELECT id, arg_min(row, (CASE WHEN acceptedID IS NULL OR acceptedID = id THEN 0 ELSE 1 END,
                                 row)) AS row
        FROM numbered WHERE id <> '' GROUP BY id
        """
    ).fetchall()
    columns = con.execute(
        """
        SELECT
            CASE WHEN nullif(n.parentID, '') IS NULL OR n.parentID = n.id THEN -1
                 ELSE coalesce(p.row, -2) END AS parent,
            CASE WHEN nullif(n.acceptedID, '') IS NULL OR n.acceptedID = n.id THEN -1
                 ELSE coalesce(a.row, -2) END AS accepted,
            n.canonical AS name, n.status AS status, n.rank AS rank
        FROM numbered n
        LEFT JOIN by_id p ON p.id = n.parentID
        LEFT JOIN by_id a ON a.id = n.acceptedID
        ORDER BY n.row
        """
    ).fetchnumpy()
    return tuple(
        np.asarray(columns[name], dtype=np.int64)
        for name in ("parent", "accepted", "name", "status", "rank")
    )


def _reader_problems(con: duckdb.DuckDBPyConnection) -> list[Problem]:
    """Return what the reader set aside, and the conflicts between labels."""
    tables = {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    found: list[Problem] = []
    if "problem" in tables:
        rows = con.execute(
            "SELECT file, line, id, reason, content FROM problem ORDER BY ALL"
        ).fetchall()
        found += [Problem(*row) for row in rows]
    if "conflict" in tables:
        rows = con.execute(
            "SELECT rank, name, parents, kept, kind FROM conflict ORDER BY ALL"
        ).fetchall()
        found += [
            Problem(None, None, None, _CONFLICTS[kind], f"{rank} {name}: {parents}; kept: {kept}")
            for rank, name, parents, kept, kind in rows
        ]
    return found


def _tree_problems(con: duckdb.DuckDBPyConnection, arranged: Arranged) -> list[Problem]:
    """Name the rows that did not fit into the tree."""
    arranged.problems.extend(_repeated_ids(con))
    rows = np.array([row for row, _ in arranged.problems], dtype=np.int64)
    if not len(rows):
        return []
    con.register("misfit", {"row": rows, "position": np.arange(len(rows))})
    found = con.execute(
        """
        SELECT u.file, u.line, u.id, u.name FROM misfit m
        JOIN (SELECT row_number() OVER (ORDER BY ordinal) - 1 AS row, * FROM usage) u
          ON u.row = m.row
        ORDER BY m.position
        """
    ).fetchall()
    con.unregister("misfit")
    return [
        Problem(file, line, identifier, reason, name)
        for (file, line, identifier, name), (_, reason) in zip(
            found, arranged.problems, strict=True
        )
    ]


def _repeated_ids(con: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    """Name the rows whose id another row has: links to it lead to that one."""
    if _one(con, "SELECT count(*) FROM numbered WHERE id <> ''") == _one(
        con, "SELECT count(*) FROM by_id"
    ):
        return []
    rows = con.execute(
        "SELECT n.row FROM numbered n JOIN by_id ON by_id.id = n.id AND by_id.row <> n.row "
        "ORDER BY n.row"
    ).fetchall()
    return [(int(row), "another row has this id; links lead to that one") for (row,) in rows]


def _strings(con: duckdb.DuckDBPyConnection, query: str, count: int) -> Strings:
    """Fetch a column of strings (``i``, ``s``, with i from 0) without an object for each."""
    pieces: list[bytes] = []
    for first in range(0, count, _CHUNK):
        text = con.execute(
            f"SELECT string_agg(replace(s, chr(10), ' '), chr(10) ORDER BY i) FROM ({query}) "
            f"WHERE i >= {first} AND i < {first + _CHUNK}"
        ).fetchall()[0][0]
        pieces.append((text + "\n").encode())
    return Strings.pack(b"".join(pieces))


def _assemble(
    con: duckdb.DuckDBPyConnection, arranged: Arranged, checklist: str, version: str
) -> Taxonomy:
    """Bring all columns into the order of the tree."""
    rows = arranged.rows
    columns = con.execute(
        "SELECT name, canonical, rank, status, code FROM numbered ORDER BY row"
    ).fetchnumpy()
    place = np.full(len(columns["name"]), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    con.register("placed", {"row": rows, "i": np.arange(len(rows))})
    con.execute(
        "CREATE OR REPLACE TEMP TABLE ordered AS "
        "SELECT p.i, n.id, n.authorship FROM placed p JOIN numbered n ON n.row = p.row"
    ).fetchall()
    con.unregister("placed")
    names = NamePool.index(
        _strings(con, "SELECT i, name AS s FROM pool", _one(con, "SELECT count(*) FROM pool"))
    )
    canonical = columns["canonical"][rows].astype(np.int32)
    order = np.argsort(canonical, kind="stable").astype(np.int32)
    retired_ids, retired_row = _retired(con, place)
    taxonomy = Taxonomy(
        parent=arranged.parent,
        rank=columns["rank"][rows].astype(np.uint8),
        name=columns["name"][rows].astype(np.int32),
        canonical=canonical,
        accepted=arranged.accepted,
        end=arranged.end,
        depth=arranged.depth,
        status=arranged.status,
        code=columns["code"][rows].astype(np.uint8),
        rows_by_name=order,
        first_of_name=np.searchsorted(canonical[order], np.arange(len(names) + 1)).astype(np.int32),
        names=names,
        ids=_strings(con, "SELECT i, id AS s FROM ordered", len(rows)),
        authorship=_strings(con, "SELECT i, authorship AS s FROM ordered", len(rows)),
        retired_ids=retired_ids,
        retired_row=retired_row,
        lock=TaxonomyLock(checklist, version, ""),
    )
    return content_lock(taxonomy)


def _retired(
    con: duckdb.DuckDBPyConnection, place: NDArray[np.int64]
) -> tuple[Strings, NDArray[np.int32]]:
    """Return the ids that were merged into others, and the rows that they now mean."""
    tables = {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "alias" not in tables:
        return Strings.pack(b""), np.empty(0, np.int32)
    found = con.execute(
        "SELECT alias.id, by_id.row FROM alias JOIN by_id ON by_id.id = alias.acceptedID "
        "ORDER BY alias.id"
    ).fetchall()
    kept = [(name, place[row]) for name, row in found if place[row] != NONE]
    text = "".join(" ".join(name.split("\n")) + "\n" for name, _ in kept)
    return Strings.pack(text.encode()), np.array([row for _, row in kept], dtype=np.int32)
