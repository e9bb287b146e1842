"""What the libraries lack: how often answers say so, under which taxa, and how surely.

An answer whose most probable outcome is something that the library does not hold says under which
node that would be. What a library lacks need not be new to science.
"""

from __future__ import annotations

from functools import partial

import duckdb

from merian.report.columns import columns
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.judged import wilson
from merian.report.overview.parts import ITALIC, Absent, named, percent
from merian.report.overview.records import rows_of
from merian.report.page import Figures, Note, Part, Plot, Section, Table

__all__ = ["novelty"]

_SHOWN, _LISTED = 15, 60
_BINS = 10
_ORDER = ("kingdom", "phylum", "class", "order", "family", "subfamily", "tribe", "genus", "species")


def novelty(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    """Return what is likely not in the libraries.

    Args:
        con: With a table ``lacked``: of each answer lacking (whether its best guess is something
            that the library does not hold), under (a name, or NULL), under_rank, and score.
    """
    title = "What the libraries lack"
    ((answers, lacking),) = rows_of(con, "SELECT count(*), count(*) FILTER (lacking) FROM lacked")
    count, of = lacking, answers
    if not of:
        return Absent(title, "there are no answers of `merian identify`")
    if not count:
        return Absent(title, f"of {of:,} answers none says that its best guess is not in a library")
    parts: list[Part] = [
        Figures([(f"{of:,}", "answers"), (f"{count:,}", "most probably not in the library"),
                 (percent(count / of), "of the answers")]),
        Note("What a library lacks need not be new to science."),
    ]  # fmt: skip
    return Section(title, [*parts, *_by_rank(con, of), *_by_node(con), *_scores(con)])


def _by_rank(con: duckdb.DuckDBPyConnection, of: int) -> list[Part]:
    found = {
        str(rank or ""): n
        for rank, n in rows_of(
            con, "SELECT under_rank, count(*) FROM lacked WHERE lacking GROUP BY 1"
        )
    }
    order = [rank for rank in _ORDER if rank in found] + sorted(set(found) - set(_ORDER))
    rows = [
        (f"under {_article(rank)} {rank}" if rank else "under no known taxon", found[rank])
        for rank in order
    ]
    name = "The share of answers that are most probably something new, by what it would be under"
    drawn = []
    for label, n in rows:
        low, high = wilson(n, of)
        text = f"{100 * n / of:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
        drawn.append(DotRow(label, [Dot(100 * n / of, 100 * low, 100 * high, text)]))
    return [Plot(name, partial(dots, name, ["share"], drawn, unit="% of answers"), Table(
        ("most probably", "answers", "% of answers"),
        [(label, n, round(100 * n / of, 2)) for label, n in rows],
    ))]  # fmt: skip


def _article(rank: str) -> str:
    return "an" if rank[0] in "aeiou" else "a"


def _by_node(con: duckdb.DuckDBPyConnection) -> list[Part]:
    found = rows_of(con, f"""
        SELECT under, under_rank, count(*) AS n, round(median(score), 3) FROM lacked
        WHERE lacking AND under IS NOT NULL GROUP BY ALL ORDER BY n DESC, under, under_rank
        LIMIT {_LISTED}
    """)  # fmt: skip
    if not found:
        return []
    rows = [(str(u), None if r is None else str(r), n, score) for u, r, n, score in found]
    name = "Where most of it would be"
    drawn = [
        DotRow(f"{under} ({rank or 'rank not said'})", [Dot(n, text=f"{n:,}")], name=rank in ITALIC)
        for under, rank, n, _ in rows[:_SHOWN]
    ]
    table = Table(
        ("under", "rank", "answers", "median probability"),
        [(named(under, rank), rank, n, score) for under, rank, n, score in rows],
    )
    return [Plot(name, partial(dots, name, ["answers"], drawn, unit="answers"), table)]


def _scores(con: duckdb.DuckDBPyConnection) -> list[Part]:
    found: dict[int, int] = dict(rows_of(con, f"""
        SELECT least(floor(score * {_BINS}), {_BINS - 1})::INTEGER, count(*) FROM lacked
        WHERE lacking AND score IS NOT NULL GROUP BY 1
    """))  # fmt: skip
    counts = [found.get(place, 0) for place in range(_BINS)]
    if not sum(counts):
        return []
    ticks = [f"{100 * place // _BINS}" for place in range(_BINS + 1)]
    name = "How probable the best guess is, where it is something that the library lacks"
    return [Plot(
        name, partial(columns, name, [("answers", counts)], ticks, axis="%", edges=True),
        Table(("from, %", "to, %", "answers"),
              [(int(ticks[i]), int(ticks[i + 1]), n) for i, n in enumerate(counts)]),
    )]  # fmt: skip
