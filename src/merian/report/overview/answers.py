"""The report of a run of ``merian identify``: what was found, how sure, and, if known, how right.

The page of the run itself (see `merian.report.identified`) is a part of it. What is so is asked of
the catalogue in which the answers lie, or of one that is named: what people said of the same
records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from merian.catalogue import RANKS, Catalogue
from merian.catalogue.asking import asking
from merian.catalogue.schema import quoted
from merian.database import connect
from merian.identify.answers import read_answers
from merian.report.answer_table import open_answers, source_of, told_beside
from merian.report.columns import columns
from merian.report.identified import identified_sections
from merian.report.overview.classes import classes, examples
from merian.report.overview.composition import RINGS, composition
from merian.report.overview.judged import ENOUGH, guessed, promise, reliable, verdict_sql
from merian.report.overview.novelty import novelty
from merian.report.overview.parts import Absent, Report
from merian.report.overview.records import make_tables, pictures_of, rows_of
from merian.report.overview.richness import richness
from merian.report.page import Plot, Section, Table
from merian.taxonomy import MAIN_RANKS

__all__ = ["of_answers"]

_BINS = 20
_LOOK, _LACKS = "Answers that need a look", "What the library lacks"  # of its own page
_STANDING = ("How sure, and how often right", "The promise, and whether it was kept", "By class",
             "Examples")  # fmt: skip
_LAID = ("id", "name", "rank", *MAIN_RANKS, "p", "p_genus", "p_species", "evidence", "nearest")
_TRUTHS = {
    "What is so is what people have said at the desk or validated elsewhere.":
        "voice IN ('reviewed', 'dismissed')",
    "What is so is what the labels of the catalogue say; nobody has looked at enough of these "
    "records, so a wrong label counts against an answer that is right.":
        "voice IN ('reviewed', 'dismissed', 'label')",
}  # fmt: skip


def of_answers(path: Path, against: Path | None, tell: Callable[[str], None]) -> Report:
    """Gather the report of a table of answers."""
    told = told_beside(path)
    tell("reading answers")
    with connect(memory="1GB") as con:
        open_answers(con, path)
        _open_whole(con, path)
        ((count,),) = rows_of(con, "SELECT count(*) FROM answer")
        found: list[Section | Absent] = [_composed(con)]
        own = identified_sections(con, path, told) if count else []
        found += [one for one in own if one.title not in (_LOOK, _LACKS)]
        found += [_rich(con), _stated(con)]
        if count:
            _lacked(con)
            found.append(novelty(con))
    catalogue = against or _around(path)
    if catalogue is None:
        why = "it is not known what is so; --against CATALOGUE names what people said of these"
        found += [Absent(title, why) for title in _STANDING]
    else:
        tell("holding answers against the catalogue")
        found += _judged(path, catalogue, told)
    found += [one for one in own if one.title == _LOOK]
    stamp = told.get("merian")
    return Report(
        "answers", "What was found", f"{count:,} answers in {path.name}", found,
        stamp if isinstance(stamp, dict) else {},
    )  # fmt: skip


def _around(path: Path) -> Path | None:
    """Return the catalogue in whose folder of runs a table lies."""
    for folder in path.absolute().parents[:3]:
        if folder.name == "runs" and (folder.parent / "catalogue.duckdb").is_file():
            return folder.parent
    return None


def _open_whole(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make ``whole``: answers down to where they stand; and ``ranked``: the rank of each name."""
    source = source_of(path)
    have = {str(row[0]) for row in rows_of(con, f"DESCRIBE SELECT * FROM {source}")}
    ranks = []
    for place, rank in enumerate(MAIN_RANKS):
        lower = ", ".join(repr(r) for r in MAIN_RANKS[place:])
        ranks.append(
            f"CASE WHEN rank IN ({lower}) THEN nullif(CAST({quoted(rank)} AS VARCHAR), '') END "
            f"AS {quoted(rank)}" if rank in have else f"NULL::VARCHAR AS {quoted(rank)}"
        )  # fmt: skip
    names = " UNION ALL ".join(
        f"SELECT DISTINCT CAST({quoted(rank)} AS VARCHAR) AS name, '{rank}' AS rank, "
        f"{place} AS place FROM {source}"
        for place, rank in enumerate(MAIN_RANKS)
        if rank in have
    )
    con.execute(
        f"CREATE TEMP TABLE ranked AS SELECT name, min_by(rank, place) AS rank FROM ({names}) "
        "WHERE name IS NOT NULL GROUP BY name"
        if names
        else "CREATE TEMP TABLE ranked (name VARCHAR, rank VARCHAR)"
    ).fetchall()
    con.execute(
        f"CREATE TEMP TABLE whole AS SELECT {', '.join(ranks)}, "
        f"coalesce(CAST(rank AS VARCHAR), '') AS rank FROM {source}"
    ).fetchall()


def _composed(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    ranks = ", ".join(map(quoted, RINGS))
    found = rows_of(con, f"SELECT {ranks}, count(*) FROM whole WHERE rank <> '' "
                         "GROUP BY ALL ORDER BY ALL")  # fmt: skip
    lineages = [([None if name is None else str(name) for name in names], n) for *names, n in found]
    other = Counter({str(name): n for name, n in rows_of(
        con, "SELECT name, count(*) FROM answer WHERE name <> '' GROUP BY 1 ORDER BY 2 DESC, 1 "
        "LIMIT 200")})  # fmt: skip
    parts = composition("What the records are, as far as it stands", lineages, "answers", other)
    if not parts:
        return Absent("What was found", "no answer stands at any taxon")
    return Section("What was found", parts)


def _rich(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    def times(rank: str) -> dict[int, int]:
        return dict(rows_of(
            con, f"SELECT n, count(*) FROM (SELECT count(*) AS n FROM whole WHERE {quoted(rank)} "
            "IS NOT NULL GROUP BY " + quoted(rank) + ") GROUP BY 1 ORDER BY 1"))  # fmt: skip

    return richness([
        (what, found) for what, rank in (("species", "species"), ("genera", "genus"))
        if (found := times(rank))
    ])  # fmt: skip


def _stated(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    """Return how sure the best guesses at the species are."""
    title = "How sure the best guesses are"
    found: dict[int, int] = dict(rows_of(con, f"""
        SELECT least(floor(p_species * {_BINS}), {_BINS - 1})::INTEGER, count(*) FROM answer
        WHERE p_species IS NOT NULL GROUP BY 1
    """))  # fmt: skip
    if not found:
        return Absent(title, "the table has no probabilities of species")
    counts = [found.get(place, 0) for place in range(_BINS)]
    ticks = [f"{100 * place // _BINS}" for place in range(_BINS + 1)]
    name = "Answers by the probability of their best guess at the species"
    return Section(title, [Plot(
        name, partial(columns, name, [("answers", counts)], ticks, axis="%", edges=True),
        Table(("from, %", "to, %", "answers"),
              [(int(ticks[i]), int(ticks[i + 1]), n) for i, n in enumerate(counts)]),
    )])  # fmt: skip


def _lacked(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``lacked`` of what the verdicts say."""
    con.execute("""
        CREATE TEMP TABLE lacked AS
        WITH said AS (SELECT
            coalesce(starts_with(verdict, 'its species is not in this library')
                OR starts_with(verdict, 'nothing like it'), false) AS lacking,
            nullif(regexp_extract(verdict, 'most probably under (.+)$', 1), '') AS under,
            try_cast(regexp_extract(verdict, '\\((?:over )?([0-9.]+) %\\)', 1) AS DOUBLE) / 100
                AS score FROM answer)
        SELECT s.*, k.rank AS under_rank FROM said s LEFT JOIN ranked k ON k.name = s.under
    """).fetchall()  # fmt: skip


# -- against a catalogue --------------------------------------------------------------------------


def _judged(path: Path, catalogue: Path, told: Mapping[str, Any]) -> list[Section | Absent]:
    """Return how right answers are, by what the catalogue says of the same records."""
    alpha = told.get("alpha")
    with Catalogue.open(catalogue, read_only=True) as opened:
        laid = opened.lay_beside("answers", _LAID, _texts(path))
        with asking(opened) as con:
            make_tables(con)
            for told_by, truths in _TRUTHS.items():
                whence = f"{told_by} Answers that rest on the record itself are left out."
                con.execute(
                    _answered(laid, truths, alpha if isinstance(alpha, float) else None)
                ).fetchall()
                ((count,),) = rows_of(con, "SELECT count(*) FROM answered WHERE verdict IS NOT "
                                           "NULL AND NOT itself")  # fmt: skip
                if count >= ENOUGH:
                    break
            return [reliable(con, whence), guessed(con, "species"), promise(con, whence, True),
                    classes(con), examples(con, partial(pictures_of, con))]  # fmt: skip


def _texts(path: Path) -> Iterator[list[str | None]]:
    for row in read_answers(path):
        yield [None if row.get(name) is None else str(row[name]) for name in _LAID]


def _answered(laid: str, truths: str, alpha: float | None) -> str:
    """Return the SQL that makes ``answered`` of answers laid beside a catalogue."""
    missing = ", ".join(f"NULL::VARCHAR AS {quoted(r)}" for r in RANKS if r not in MAIN_RANKS)
    best = ", ".join(f"b.{quoted(r)}" for r in MAIN_RANKS)
    right = verdict_sql("a", "t", "u.voice = 'dismissed' AND u.denied = a.name")
    promised = "NULL::DOUBLE" if alpha is None else f"{alpha!r}::DOUBLE"
    return f"""
CREATE OR REPLACE TEMP TABLE answered AS
WITH truth AS (
    SELECT place, min_by(node, standing) AS node, min_by(voice, standing) AS voice,
        min_by(denied, standing) AS denied
    FROM said WHERE {truths} AND node IS NOT NULL GROUP BY place
), a AS (
    SELECT b.id AS key, coalesce(s.occurrenceID, t.occurrenceID, m.occurrenceID, b.id) AS id,
        b.name, b.rank, {best}, {missing}, try_cast(b.p AS DOUBLE) AS p, b.evidence,
        try_cast(b.p_species AS DOUBLE) AS p_species, b.nearest
    FROM {laid} b LEFT JOIN sequence s ON s.nucleotideSequenceID = b.id
    LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
    LEFT JOIN media m ON m.mediaID = b.id
)
SELECT r.id, coalesce(a.evidence, 'barcode') AS evidence, {promised} AS alpha, a.p,
    coalesce(list_has_any(string_split(a.nearest, ';'), [a.id, a.key]), false) AS itself,
    a.name, a.rank, t.name AS truth, t.rank AS truth_rank,
    coalesce(t.genus, t.family, t."order", t.class, t.name) AS grp, true AS first,
    CASE WHEN a.name IS NOT NULL THEN {right} END AS verdict,
    a.name IS NULL AND t.name IS NOT NULL AS silent,
    a.p_species AS p_best, a.species AS best,
    CASE WHEN t.rank = 'species' AND a.species IS NOT NULL THEN a.species = t.species END AS hit
FROM a JOIN record r ON r.id = a.id
LEFT JOIN truth u ON u.place = r.place LEFT JOIN lineage t ON t.node = u.node
"""
