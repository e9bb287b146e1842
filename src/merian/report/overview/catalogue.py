"""The report of a catalogue: what its tables tell, and what they do not, with the reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from merian.catalogue import RANKS, Catalogue
from merian.catalogue.asking import asking
from merian.catalogue.schema import quoted
from merian.report.combinations import combinations
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.classes import classes, examples
from merian.report.overview.composition import RINGS, composition
from merian.report.overview.judged import ENOUGH, answered_sql, promise, reliable
from merian.report.overview.novelty import novelty
from merian.report.overview.parts import Absent, Report, named, percent
from merian.report.overview.places import places, times
from merian.report.overview.records import make_tables, pictures_of, rows_of, species_sql
from merian.report.overview.richness import richness
from merian.report.overview.sizes import sizes
from merian.report.page import Bars, Figures, Part, Plot, Section, Table, Text
from merian.stamp import run_id, stamp

__all__ = ["of_catalogue"]

_FORMAT, _VERSION = "merian-report", "1.0"
_TITLE = "What the catalogue holds"
_SHOWN = 12
_GROUP = "order"  # that sizes are told of, unless another rank parts the whole better
_FACTS = ("picture", "barcode", "place", "date", "measured", "name")
_HAS = ("pictured", "sequenced", "north IS NOT NULL AND east IS NOT NULL", "year IS NOT NULL",
        "measured", "node IS NOT NULL")  # fmt: skip
_BY_DESK = "What is so is what people have said at the desk or validated elsewhere."
_BY_LABEL = (
    "What is so is what the labels say; nobody has looked at enough answers, so a wrong label "
    "counts against an answer that is right."
)
_NOT_ITSELF = " Answers that rest on the record itself are left out."


def of_catalogue(path: Path, tell: Callable[[str], None]) -> Report:
    """Gather the report of a catalogue."""
    with Catalogue.open(path, read_only=True) as opened, asking(opened) as con:
        make_tables(con, tell)
        ((count,),) = rows_of(con, "SELECT count(*) FROM record")
        runs = [str(row[0]) for row in rows_of(con, "SELECT runID FROM run ORDER BY runID")]
        told = stamp(_FORMAT, _VERSION, run_id("report", {"runs": runs}))
        name = path.absolute().name
        if not count:
            empty = Section("Nothing yet", [Text(
                "The catalogue is empty: `merian import FILE --into CATALOGUE` takes records in."
            )])  # fmt: skip
            return Report("catalogue", _TITLE, f"{name} is empty", [empty], told)
        tell("counting")
        whence = _judge(con)
        _lacked(con)
        _sizes(con)
        found: list[Section | Absent] = [
            _short(con), _composed(con), _rich(con), places(con), times(con), _known(con),
            sizes(con), _standing(con), novelty(con), _clusters(con), reliable(con, whence),
            promise(con, whence, False), classes(con),
        ]  # fmt: skip
        tell("looking at pictures")
        found += [examples(con, partial(pictures_of, con)), _runs(con)]
    return Report("catalogue", _TITLE, f"{name}: {count:,} records", found, told)


def _judge(con: duckdb.DuckDBPyConnection) -> str:
    """Make ``answered``, and say where the truth is from."""
    ((own,),) = rows_of(con, "SELECT count(*) FROM said WHERE voice = 'answer'")
    voices = ["answer"] if own else ["guess"]
    con.execute(answered_sql("voice IN ('reviewed', 'dismissed')", voices)).fetchall()
    ((count,),) = rows_of(
        con, "SELECT count(*) FROM answered WHERE first AND verdict IS NOT NULL AND NOT itself"
    )
    if count >= ENOUGH:
        return _BY_DESK + _NOT_ITSELF
    con.execute(answered_sql("voice IN ('reviewed', 'dismissed', 'label')", voices)).fetchall()
    return _BY_LABEL + _NOT_ITSELF


def _lacked(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``lacked`` of the first answer about each record."""
    ranks = " UNION ALL ".join(
        f"SELECT {quoted(rank)} AS name, '{rank}' AS rank, {place} AS place FROM lineage"
        for place, rank in enumerate(RANKS)
    )
    con.execute(f"""
        CREATE TEMP TABLE lacked AS
        WITH ranked AS (SELECT name, min_by(rank, place) AS rank FROM ({ranks})
            WHERE name IS NOT NULL GROUP BY name)
        SELECT s.lacking, nullif(s.under, '') AS under, k.rank AS under_rank, s.lackingly AS score
        FROM (SELECT * FROM said WHERE voice = 'answer'
            QUALIFY row_number() OVER (PARTITION BY place ORDER BY standing) = 1) s
        LEFT JOIN ranked k ON k.name = s.under
    """).fetchall()  # fmt: skip


def _sizes(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"""
        CREATE TEMP TABLE size AS
        SELECT q.measurementType AS kind, q.measurementUnit AS unit,
            q.measurementValueNumeric AS value, l.{quoted(_GROUP)} AS grp
        FROM measurement q LEFT JOIN material t ON t.materialEntityID = q.materialEntityID
        LEFT JOIN media m ON m.mediaID = q.mediaID
        LEFT JOIN record r
            ON r.id = coalesce(q.occurrenceID, t.occurrenceID, m.occurrenceID, q.mediaID)
        LEFT JOIN lineage l USING (node)
        WHERE q.measurementValueNumeric IS NOT NULL AND q.measurementType IS NOT NULL
    """).fetchall()  # fmt: skip


def _short(con: duckdb.DuckDBPyConnection) -> Section:
    what, word = species_sql(con)
    ((records, with_name, pictured, sequenced, reviewed, kinds),) = rows_of(con, f"""
        SELECT count(*), count(node), count(*) FILTER (pictured), count(*) FILTER (sequenced),
            count(*) FILTER (voice IN ('reviewed', 'dismissed')), count(DISTINCT {what})
        FROM record LEFT JOIN lineage l USING (node)
    """)  # fmt: skip
    figures: list[tuple[object, str]] = [
        (records, "records"), (kinds, word),
        (percent(with_name / records), "have a name"),
        (pictured, "have a picture"), (sequenced, "have a barcode"),
        *([(reviewed, "looked at by a person")] if reviewed else []),
    ]  # fmt: skip
    sets = rows_of(con, "SELECT coalesce(dataset, 'not said'), count(*) AS n FROM record "
                        "GROUP BY 1 ORDER BY n DESC, 1")  # fmt: skip
    parts: list[Part] = [Figures(figures)]
    if len(sets) > 1:
        parts.append(Table(("data set", "records"), sets[:_SHOWN], more=max(0, len(sets) - _SHOWN)))
    return Section("In short", parts)


def _composed(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    ranks = ", ".join(f"l.{quoted(rank)}" for rank in RINGS)
    found = rows_of(con, f"SELECT {ranks}, count(*) FROM record JOIN lineage l USING (node) "
                         "GROUP BY ALL ORDER BY ALL")  # fmt: skip
    lineages = [([None if name is None else str(name) for name in names], n) for *names, n in found]
    other = Counter({
        str(name): n for name, n in rows_of(
            con, "SELECT l.name, count(*) AS n FROM record JOIN lineage l USING (node) GROUP BY 1 "
            "ORDER BY n DESC, 1 LIMIT 200",
        )
    })  # fmt: skip
    parts = composition("What the records are", lineages, "records", other)
    return Section("What it holds", parts) if parts else Absent(
        "What it holds", "no record has a name; `merian identify --into` names them"
    )  # fmt: skip


def _rich(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    what, word = species_sql(con)

    def times(column: str, table: str) -> dict[int, int]:
        return dict(rows_of(
                con, f"SELECT n, count(*) FROM (SELECT count(*) AS n FROM {table} "
                f"WHERE {column} IS NOT NULL GROUP BY {column}) GROUP BY 1 ORDER BY 1",
            ))  # fmt: skip

    found = [(word, times(what, "record JOIN lineage l USING (node)"))]
    bins = times(
        "bin", "(SELECT DISTINCT taxonConceptID AS bin, coalesce(occurrenceID, "
        "materialEntityID, mediaID, nucleotideSequenceID) AS subject FROM identification "
        "WHERE taxonConceptID LIKE 'BOLD:%')",
    )  # fmt: skip
    found.append(("BINs", bins))
    return richness([(name, counts) for name, counts in found if counts])


def _known(con: duckdb.DuckDBPyConnection) -> Section:
    columns = ", ".join(f"coalesce({sql}, false)" for sql in _HAS)
    found = rows_of(con, f"SELECT {columns}, count(*) FROM record GROUP BY ALL ORDER BY ALL")
    rows = sorted(
        (([bool(v) for v in there], n) for *there, n in found),
        key=lambda row: (-row[1], row[0]),
    )
    name = "What is known of each record"
    table = Table(
        (*_FACTS, "records"),
        [(*("yes" if has else "–" for has in there), n) for there, n in rows],
    )
    return Section(name, [
        Plot("What goes together; a full circle is what is there",
             partial(combinations, name, _FACTS, rows[:_SHOWN]), table),
    ])  # fmt: skip


def _standing(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    title = "How far down the names go"
    found = rows_of(con, """
        SELECT coalesce(l.rank, 'rank not said') AS rank,
            count(*) FILTER (voice IN ('reviewed', 'dismissed', 'label', 'doubted')),
            count(*) FILTER (voice NOT IN ('reviewed', 'dismissed', 'label', 'doubted'))
        FROM record JOIN lineage l USING (node) GROUP BY 1
    """)  # fmt: skip
    if not found:
        return Absent(title, "no record has a name")
    counts = {str(rank): (a, b) for rank, a, b in found}
    order = [*reversed([rank for rank in RANKS if rank in counts]),
             *sorted(set(counts) - set(RANKS))]  # fmt: skip
    name = "Records by the rank of the name that stands, and who gave it"
    rows = [
        DotRow(rank, [Dot(n, text=f"{n:,}") if n else None for n in counts[rank]]) for rank in order
    ]
    table = Table(("rank", "by people", "by machines"), [(rank, *counts[rank]) for rank in order])
    return Section(title, [
        Plot(name, partial(dots, name, ["people", "machines"], rows, unit="records"), table)
    ])  # fmt: skip


def _clusters(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    title = "Groups without a name"
    found = rows_of(con, """
        SELECT name, parentName, parentRank, specimens, support FROM cluster
        WHERE goesBy = clusterCode AND specimens > 0 ORDER BY specimens DESC, name
    """)  # fmt: skip
    if not found:
        return Absent(title, "`merian discover` has found none")
    ranks = Counter(
        f"under a taxon of rank {row[2]}" if row[2] else "under nothing" for row in found
    )
    rows = [
        (name, named(str(parent), str(rank)) if parent else None, n, support)
        for name, parent, rank, n, support in found[: 2 * _SHOWN]
    ]
    return Section(title, [
        Bars("Groups by the rank under which they stand",
             [(rank, float(n)) for rank, n in ranks.most_common()]),
        Table(("group", "stands under", "records", "stability"), rows, "The largest",
              more=len(found) - len(rows)),
    ])  # fmt: skip


def _runs(con: duckdb.DuckDBPyConnection) -> Section:
    found = rows_of(con, "SELECT verb, inputs, merianVersion, count(*) FROM run GROUP BY ALL "
                         "ORDER BY ALL")  # fmt: skip
    rows = []
    for verb, inputs, version, n in found:
        files = [Path(name).name for name in json.loads(str(inputs or "{}"))]
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        rows.append((verb, ", ".join(files[:3]) + more, version, n))
    return Section("What was done", [
        Table(("verb", "with", "by Merian", "times"), rows[:60], more=max(0, len(rows) - 60))
    ])  # fmt: skip
