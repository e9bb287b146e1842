"""Which classes are named right, which are taken for which, and pictures of right and wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import duckdb

from merian.catalogue import RANKS
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.judged import ENOUGH, wilson
from merian.report.overview.parts import ITALIC, Absent, named
from merian.report.overview.records import rows_of
from merian.report.page import Gallery, Part, Plot, Section, Table, Text, Thumbnail
from merian.report.small_picture import small_picture

__all__ = ["classes", "examples"]

_LEAST = 3  # records of a class that is drawn
_DRAWN, _LISTED, _CONFUSED, _PICTURES = 30, 200, 25, 8
_UNSURE = 0.7
_COUNTED = "first AND verdict IS NOT NULL AND NOT itself"


def classes(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    """Return recall and precision of each class, and what is taken for what.

    Args:
        con: With the table ``answered``.
    """
    title = "By class"
    ranks = rows_of(
        con,
        f"SELECT truth_rank, count(*) FROM answered WHERE {_COUNTED} AND rank = truth_rank "
        "GROUP BY 1 ORDER BY 2 DESC, 1",
    )
    if not rows_of(con, "SELECT 1 FROM answered LIMIT 1"):
        return Absent(title, "no machine has answered")
    if not ranks or ranks[0][1] < ENOUGH:
        return Absent(
            title, f"fewer than {ENOUGH} answers are at the rank of what is known to be so"
        )
    rank = str(ranks[0][0])
    found = rows_of(con, f"""
        WITH counted AS (SELECT * FROM answered WHERE {_COUNTED}),
        called AS (SELECT name, count(*) AS n FROM counted WHERE rank = $1 GROUP BY name),
        real AS (
            SELECT truth, count(*) AS n, count(*) FILTER (verdict = 'right' AND rank = $1) AS hit,
                count(*) FILTER (verdict = 'right' AND rank <> $1) AS above
            FROM counted WHERE truth_rank = $1 GROUP BY truth
        )
        SELECT truth, real.n, hit, above, coalesce(called.n, 0) FROM real
        LEFT JOIN called ON called.name = real.truth ORDER BY real.n DESC, truth
    """, [rank])  # fmt: skip
    rows = [(str(c), *(v for v in rest)) for c, *rest in found]
    parts: list[Part] = [Text(
        f"Recall is the share of the records of a {rank} that are named so, precision the share of "
        "what is named so that is. An answer that stops above is no error: it is counted apart, "
        "in the table. Those with the largest share of wrong names come first."
    )]  # fmt: skip
    drawn = sorted(
        (row for row in rows if row[1] >= _LEAST),
        key=lambda row: (-(row[1] - row[2] - row[3]) / row[1], row[2] / row[1], -row[1], row[0]),
    )[:_DRAWN]
    table = Table(
        (rank, "records", "named so", "stopped above", "wrong", "recall, %", "precision, %"),
        [(named(c, rank), n, right, above, n - right - above, round(100 * right / n, 1),
          round(100 * right / all_, 1) if all_ else None)
         for c, n, right, above, all_ in rows[:_LISTED]],
        more=max(0, len(rows) - _LISTED),
    )  # fmt: skip
    name = f"Recall and precision of each {rank}"
    if drawn:
        lines = [
            DotRow(f"{c} ({n:,})", [_share(right, n), _share(right, all_) if all_ else None],
                   name=rank in ITALIC)
            for c, n, right, _, all_ in drawn
        ]  # fmt: skip
        parts.append(Plot(
            name + (f", {len(drawn)} of {len(rows):,}" if len(rows) > len(drawn) else ""),
            partial(dots, name, ["recall", "precision"], lines, unit="%", span=(0.0, 100.0)), table,
        ))  # fmt: skip
    else:
        parts.append(table)
    return Section(title, [*parts, *_confused(con)])


def _share(count: int, of: int) -> Dot:
    low, high = wilson(count, of)
    share = 100 * count / of
    return Dot(share, 100 * low, 100 * high, f"{share:.0f} % ({100 * low:.0f}–{100 * high:.0f})")


def _confused(con: duckdb.DuckDBPyConnection) -> list[Part]:
    found = rows_of(con, f"""
        SELECT truth, truth_rank, name, rank, count(*) AS n, round(avg(p), 3) FROM answered
        WHERE {_COUNTED} AND verdict = 'wrong' GROUP BY 1, 2, 3, 4
        ORDER BY n DESC, truth, name, truth_rank, rank LIMIT {_CONFUSED}
    """)  # fmt: skip
    ((count,),) = rows_of(con, f"SELECT count(DISTINCT (truth, name)) FROM answered "
                          f"WHERE {_COUNTED} AND verdict = 'wrong'")  # fmt: skip
    if not found:
        return [Text("No answer is wrong.")]
    rows = [(named(str(t), _text(tr)), named(str(a), _text(ar)), n, p)
            for t, tr, a, ar, n, p in found]  # fmt: skip
    return [Table(("is", "was called", "times", "mean probability"), rows, "What is taken for what",
                  more=max(0, count - len(rows)))]  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def examples(
    con: duckdb.DuckDBPyConnection, pictures: Callable[[list[str]], dict[str, str]]
) -> Section | Absent:
    """Return pictures of answers that are right, wrong and unsure, chosen by a hash of their ids.

    Args:
        con: With the table ``answered``.
        pictures: Returns where the pictures of records are, by their ids.
    """
    title = "Examples"
    high = ", ".join(repr(rank) for rank in RANKS[: RANKS.index("genus")])
    kinds = (
        ("Right", "verdict = 'right' AND NOT itself AND (rank = truth_rank OR rank = 'genus')"),
        ("Wrong", "verdict = 'wrong' AND NOT itself"),
        ("Unsure: named above the genus, or with a low probability",
         f"(rank IN ({high}) OR p < {_UNSURE}) AND verdict IS DISTINCT FROM 'wrong'"),
        ("Sure, and not looked at by a person",
         "truth IS NULL AND p >= 0.95 AND rank IN ('genus', 'species')"),
    )  # fmt: skip
    parts: list[Part] = []
    lacking: list[str] = []
    for what, condition in kinds:
        shown = _shown(con, condition, pictures, lacking)
        if shown:
            parts += [Text(what), Gallery(what, shown)]
    if not parts:
        shown = _named_ones(con, pictures, lacking)
        if shown:
            return Section(title, [Gallery("One of each of the most frequent names", shown)])
        why = f"no picture can be opened here; {lacking[0]}" if lacking else (
            "no record with a name has a picture"
        )  # fmt: skip
        return Absent(title, why)
    return Section(title, parts)


def _named_ones(
    con: duckdb.DuckDBPyConnection,
    pictures: Callable[[list[str]], dict[str, str]],
    lacking: list[str],
) -> list[Thumbnail]:
    """Return a picture of each of the names that most records have."""
    rows = rows_of(con, f"""
        SELECT name, rank, count(*) AS n, min_by(id, md5(id)) FROM record
        JOIN lineage USING (node) WHERE pictured GROUP BY name, rank ORDER BY n DESC, name, rank
        LIMIT {2 * _PICTURES}
    """)  # fmt: skip
    where = pictures([row[3] for row in rows])
    found: list[Thumbnail] = []
    for name, rank, n, id in rows:
        if id not in where:
            continue
        data, missing = small_picture(where[id])
        if data:
            found.append(Thumbnail(data, id, named(name, rank), f"{n:,} with a picture"))
        else:
            lacking.append(missing)
    return found


def _shown(
    con: duckdb.DuckDBPyConnection,
    condition: str,
    pictures: Callable[[list[str]], dict[str, str]],
    lacking: list[str],
) -> list[Thumbnail]:
    """Return pictures of some answers, of different names first."""
    rows = rows_of(con, f"""
        SELECT id, name, rank, p, truth, verdict FROM (
            SELECT *, row_number() OVER (PARTITION BY name ORDER BY md5(id), id) AS turn
            FROM answered WHERE first AND {condition}
        ) ORDER BY turn, md5(id), id LIMIT {8 * _PICTURES}
    """)  # fmt: skip
    where = pictures([row[0] for row in rows])
    found: list[Thumbnail] = []
    for id, name, rank, p, truth, verdict in rows:
        if id not in where or len(found) >= _PICTURES:
            continue
        data, missing = small_picture(where[id])
        if not data:
            lacking.append(missing)
            continue
        said = "" if p is None else f"{rank}, {min(round(100 * p, 1), 99.9):g} %"
        if verdict == "wrong" or (truth is not None and truth != name):
            said += f" · is {truth}"
        found.append(Thumbnail(data, id, named(name, rank), said))
    return found
