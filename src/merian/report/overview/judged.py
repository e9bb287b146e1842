"""How right answers are: what they state against what is so, the promise, and which classes fail.

Everything is counted from one table, ``answered``, which `answered_sql` makes of a catalogue, and
`answers` of a run: an answer is right where it names the true taxon or one above it, wrong where it
names another, and not counted where the truth does not go down so far.

An interval of a share of records is Wilson's. Records of one genus stand or fall together, so the
promise counts each genus as one, and its interval is drawn over genera; where that is narrower than
Wilson's of as many genera (none of a few is wrong), Wilson's is shown.

Reference: E. B. Wilson, Probable inference, the law of succession, and statistical inference, J.
Am. Stat. Assoc. 22, 209 (1927); docs/promise.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import duckdb
import numpy as np

from merian.catalogue import RANKS
from merian.catalogue.schema import quoted
from merian.learn.bootstrap import mean_interval
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.parts import Absent, percent
from merian.report.overview.records import rows_of
from merian.report.page import Figures, Note, Part, Plot, Section, Table, Text
from merian.report.reliability import Group, reliability

__all__ = ["ENOUGH", "answered_sql", "guessed", "promise", "reliable", "verdict_sql", "wilson"]

ENOUGH = 20
"""Answers of which it is known whether they are right; with fewer nothing is drawn."""

_GROUPS = 10
_SURE = 1.959963984540054
_DEEP = ("species", "subspecies", "variety", "form")
_COUNTED = "first AND verdict IS NOT NULL AND NOT itself"


def verdict_sql(answer: str, truth: str, dismissed: str = "false") -> str:
    """Return the SQL of whether an answer is right: 'right', 'wrong', or NULL.

    Args:
        answer: Its lineage, with name, rank and the ranks.
        truth: The lineage of what is so.
        dismissed: Whether a person has said that this very name is not so, and named a higher rank.
    """
    cases = []
    for place, rank in enumerate(RANKS):
        own, other = f"{answer}.{quoted(rank)}", f"{truth}.{quoted(rank)}"
        there = f"{other} IS NOT NULL"
        if rank in _DEEP:  # "Apis sp. 1" may stand in its place, and names no species
            there += f" AND {truth}.rank IN ({', '.join(map(repr, _DEEP))})"
        above = " OR ".join(
            f"coalesce({answer}.{quoted(r)} <> {truth}.{quoted(r)}, false)" for r in RANKS[:place]
        )
        higher = ", ".join(repr(r) for r in RANKS[:place])
        denied = f"{dismissed} AND {truth}.rank IN ({higher})" if higher else "false"
        cases.append(
            f"WHEN {answer}.rank = '{rank}' THEN CASE "
            f"WHEN {there} THEN if({other} = coalesce({own}, {answer}.name), 'right', 'wrong') "
            f"WHEN {above or 'false'} THEN 'wrong' WHEN {denied} THEN 'wrong' END"
        )
    return f"CASE WHEN {truth}.name IS NULL THEN NULL {' '.join(cases)} END"


def answered_sql(truths: str, voices: Sequence[str]) -> str:
    """Return the SQL that makes ``answered`` of the tables of `records`.

    Args:
        truths: What is taken for true, as a condition on ``said``.
        voices: Whose answers they are.
    """
    listed = ", ".join(repr(voice) for voice in voices)
    return f"""
CREATE OR REPLACE TEMP TABLE answered AS
WITH truth AS (
    SELECT place, min_by(node, standing) AS node, min_by(voice, standing) AS voice,
        min_by(denied, standing) AS denied
    FROM said WHERE {truths} AND node IS NOT NULL GROUP BY place
)
SELECT r.id, s.evidence, s.alpha, s.p, s.itself, a.name, a.rank, t.name AS truth,
    t.rank AS truth_rank, coalesce(t.genus, t.family, t."order", t.class, t.name) AS grp,
    row_number() OVER (PARTITION BY s.place ORDER BY s.standing) = 1 AS first,
    {verdict_sql("a", "t", "u.voice = 'dismissed' AND u.denied = a.name")} AS verdict,
    false AS silent
FROM said s JOIN record r USING (place) JOIN lineage a ON a.node = s.node
LEFT JOIN truth u ON u.place = s.place LEFT JOIN lineage t ON t.node = u.node
WHERE s.voice IN ({listed})
"""


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return the interval of 95 % of a share."""
    if not of:
        return 0.0, 1.0
    share, z = count / of, _SURE
    middle = share + z * z / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    low, high = (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)
    return (0.0 if count == 0 else max(low, 0.0)), (1.0 if count == of else min(high, 1.0))


def reliable(con: duckdb.DuckDBPyConnection, whence: str) -> Section | Absent:
    """Return what answers state against how often they are right.

    Args:
        con: With the table ``answered``.
        whence: Where the truth is from, as a sentence.
    """
    title = "How sure, and how often right"
    what = f"SELECT p, verdict = 'right' AS hit, id, evidence FROM answered WHERE {_COUNTED}"
    groups = _in_groups(con, f"{what} AND p IS NOT NULL")
    count = sum(one.count for one in groups)
    if count < ENOUGH:
        return Absent(title, _too_few(con, count))
    told = f"{whence} An answer is right where it names the true taxon or one above it."
    return _stated(title, "What answers state against how often they are right", groups, told)


def guessed(con: duckdb.DuckDBPyConnection, rank: str) -> Section | Absent:
    """Return the same of best guesses, whether or not the answer stands by them.

    Args:
        con: With the table ``answered``, and in it p_best and hit.
        rank: Of the best guesses.
    """
    title = f"The best guess at the {rank}"
    groups = _in_groups(con, """
        SELECT p_best AS p, hit, id, evidence FROM answered
        WHERE hit IS NOT NULL AND p_best IS NOT NULL AND NOT itself
    """)  # fmt: skip
    count = sum(one.count for one in groups)
    if count < ENOUGH:
        return Absent(
            title, f"of {count:,} it is known whether they are right; {ENOUGH} are needed"
        )
    told = (
        f"Below where an answer stands it tells its best guess at the {rank} and how probable that "
        "is. Nothing is promised of these; this is how they fare."
    )
    return _stated(
        title,
        f"What best guesses at the {rank} state against how often they are right",
        groups,
        told,
    )


def _in_groups(con: duckdb.DuckDBPyConnection, sql: str) -> list[Group]:
    """Return answers in ten groups of one size, by what they state."""
    found = rows_of(con, f"""
        SELECT avg(p), count(*), count(*) FILTER (hit) FROM (
            SELECT p, hit, ntile({_GROUPS}) OVER (ORDER BY p, id, evidence) AS bin FROM ({sql})
        ) GROUP BY bin ORDER BY bin
    """)  # fmt: skip
    rows = [(p, n, hits) for p, n, hits in found]
    return [Group(round(p, 6), hits / n, *wilson(hits, n), n) for p, n, hits in rows]


def _stated(title: str, name: str, groups: Sequence[Group], told: str) -> Section:
    count = sum(one.count for one in groups)
    right = sum(one.right * one.count for one in groups) / count
    stated = sum(one.stated * one.count for one in groups) / count
    off = sum(abs(one.stated - one.right) * one.count for one in groups) / count
    table = Table(
        ("stated, %", "right, %", "from", "to", "answers"),
        [(round(100 * g.stated, 2), round(100 * g.right, 2), round(100 * g.low, 1),
          round(100 * g.high, 1), g.count) for g in groups],
        "Ten groups of one size, by the probability that is stated",
    )  # fmt: skip
    return Section(title, [
        Figures([
            (f"{count:,}", "of which it is known whether they are right"),
            (percent(right), "are right"), (percent(stated), "is stated on average"),
            (percent(off, 2), "lies between the two, on average over the groups"),
        ]),
        Text(told),
        Plot(name, partial(reliability, name, groups, x="probability stated", y="share right"),
             table),
    ])  # fmt: skip


def _too_few(con: duckdb.DuckDBPyConnection, count: int) -> str:
    ((answers,),) = rows_of(con, "SELECT count(*) FROM answered WHERE first")
    if not answers:
        return "no machine has answered with a probability"
    return (
        f"of {answers:,} answers only {count:,} have a name by a person beside them that goes "
        f"down so far and is not itself among their references; {ENOUGH} are needed. "
        "`merian review` is where people name records"
    )


def promise(con: duckdb.DuckDBPyConnection, whence: str, whole: bool) -> Section | Absent:
    """Return what was promised against what was kept.

    Args:
        con: With the table ``answered``.
        whence: Where the truth is from, as a sentence.
        whole: Whether answers that name nothing are there too: they are never wrong, and the
            promise counts them.
    """
    title = "The promise, and whether it was kept"
    found = rows_of(con, """
        SELECT evidence, alpha, grp, count(*), count(*) FILTER (verdict = 'wrong')
        FROM answered WHERE (verdict IS NOT NULL OR silent) AND NOT itself AND alpha IS NOT NULL
        GROUP BY ALL ORDER BY ALL
    """)  # fmt: skip
    kinds: dict[tuple[str, float], list[tuple[int, int]]] = {}
    for evidence, alpha, _, n, wrong in found:
        key = (str(evidence), alpha)
        kinds.setdefault(key, []).append((n, wrong))
    rows, table = [], []
    for (evidence, alpha), counts in kinds.items():
        n, wrong = sum(a for a, _ in counts), sum(b for _, b in counts)
        if n < ENOUGH:
            continue
        value, low, high = _over_genera(counts)
        verdict = _kept(low, high, alpha, whole)
        text = f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
        rows.append(DotRow(
            f"{_EVIDENCE.get(evidence, evidence)}, at most {100 * alpha:g} %: {verdict}",
            [Dot(100 * value, 100 * low, 100 * high, text)], 100 * alpha,
        ))  # fmt: skip
        table.append((_EVIDENCE.get(evidence, evidence), f"{100 * alpha:g} %", n, len(counts),
                      wrong, round(100 * wrong / n, 2), round(100 * value, 2),
                      round(100 * low, 2), round(100 * high, 2), verdict))  # fmt: skip
    if not rows:
        ((answers,),) = rows_of(con, "SELECT count(*) FROM answered")
        if not answers:
            return Absent(title, "no machine has answered")
        return Absent(
            title, f"fewer than {ENOUGH} answers with a promise have a name by a person beside them"
        )
    name = "How many answers are wrong, a mean over genera, against what was promised"
    return Section(title, [
        Text(
            "What is promised is a mean over genera, each of which counts as one. The line is the "
            "interval of 95 %, the stroke what was promised. It is kept where the whole interval "
            "lies below the stroke; where the stroke lies within, neither is shown."
            + ("" if whole else " Answers that name nothing are not kept in a catalogue; they are "
               "never wrong, so that all answers together are better than this.")
        ),
        Plot(name, partial(dots, name, ["wrong"], rows, unit="% wrong", mark="promised"), Table(
            ("evidence", "promised", "answers", "genera", "wrong", "% of answers", "% over genera",
             "from", "to", "verdict"), table,
        )),
        *_caution(whence),
    ])  # fmt: skip


_EVIDENCE = {"nucleotideSequence": "barcode", "media": "picture", "": "not said"}


def _over_genera(counts: Sequence[tuple[int, int]]) -> tuple[float, float, float]:
    """Return the mean share of what is wrong over genera, and its interval."""
    shares = np.array([wrong / n for n, wrong in counts])
    found = mean_interval(shares)
    low, high = wilson(round(found.value * len(shares)), len(shares))
    if math.isfinite(found.low):
        low, high = min(low, found.low), max(high, found.high)
    return found.value, low, high


def _kept(low: float, high: float, alpha: float, whole: bool) -> str:
    if high <= alpha:
        return "kept"
    if low <= alpha:
        return "not contradicted"
    return "not kept" if whole else "more, of those that name something"


def _caution(whence: str) -> list[Part]:
    if "desk" not in whence:
        return []
    return [Note(
        "What people look at is chosen, and rarely drawn by chance: those that were doubtful come "
        "first. So these shares hold for what was looked at, and may be worse than for the rest."
    )]  # fmt: skip
