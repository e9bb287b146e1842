"""What something is made of, by rank: a sunburst of three ranks, and the table behind it.

The first ring is the highest rank that parts the whole: where nearly all are insects, this is the
order. The other rings are the next ranks of which enough is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from merian.report.overview.parts import ITALIC, named
from merian.report.page import Part, Plot, Table
from merian.report.sunburst import sunburst
from merian.taxonomy import MAIN_RANKS

__all__ = ["RINGS", "composition"]

RINGS = MAIN_RANKS[:-1]
"""The ranks that may be a ring."""

_SHOWN = 150  # rows of the table
_ONE = 0.92  # a taxon with such a share parts nothing
_KNOWN = 0.2  # the share of all of which a rank has to be known
_MOST = 3

Lineages = Sequence[tuple[Sequence[str | None], int]]
"""The names at each of `RINGS`, and how many there are of it."""


def composition(title: str, lineages: Lineages, unit: str, other: Counter[str]) -> list[Part]:
    """Return the parts that show what something is made of; none where nothing is named.

    Args:
        title: What is shown.
        lineages: What is counted.
        unit: What the counts count.
        other: The counts by whatever name, for where no rank is known.
    """
    ranks = _ranks(lineages)
    counts: Counter[tuple[str, ...]] = Counter()
    if ranks:
        at = [RINGS.index(rank) for rank in ranks]
        for names, count in lineages:
            path = _path([names[place] for place in at], ranks)
            if path:
                counts[path] += count
    else:
        counts.update({(name,): count for name, count in other.items()})
        ranks = ["name"]
    if not counts:
        return []
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    whole = sum(counts.values())
    table = Table(
        (*ranks, unit, "%"),
        [
            (*(named(name, rank) for name, rank in zip(path, ranks, strict=False)),
             *("" for _ in ranks[len(path):]), count, round(100 * count / whole, 2))
            for path, count in rows[:_SHOWN]
        ],
        more=max(0, len(rows) - _SHOWN),
    )  # fmt: skip
    drawing = partial(
        _drawn, title, [*counts.items()], unit, tuple(rank in ITALIC for rank in ranks)
    )
    return [Plot(f"{title}: {', '.join(ranks)} from the middle outwards", drawing, table)]


def _drawn(title: str, counts: Sequence[tuple[tuple[str, ...], int]], unit: str,
           italic: Sequence[bool], identity: str) -> Markup:  # fmt: skip
    return sunburst(
        title, counts, unit=unit, slanted=lambda ring: ring < len(italic) and italic[ring],
        identity=identity,
    )  # fmt: skip


def _ranks(lineages: Lineages) -> list[str]:
    """Return the ranks that are shown, the highest first."""
    whole = sum(count for _, count in lineages)
    known: list[tuple[str, Counter[str]]] = []
    for place, rank in enumerate(RINGS):
        counts: Counter[str] = Counter()
        for names, count in lineages:
            if name := names[place]:
                counts[name] += count
        if counts and counts.total() >= _KNOWN * whole:
            known.append((rank, counts))
    start = next(
        (place for place, (_, counts) in enumerate(known)
         if max(counts.values()) < _ONE * counts.total()), max(0, len(known) - 1),
    )  # fmt: skip
    return [rank for rank, _ in known[start : start + _MOST]]


def _path(names: Sequence[str | None], ranks: Sequence[str]) -> tuple[str, ...]:
    """Return the names as far down as they go; one that is left out is said to be."""
    last = max((place for place, name in enumerate(names) if name), default=-1)
    return tuple(name or f"no {rank}" for name, rank in zip(names[: last + 1], ranks, strict=False))
