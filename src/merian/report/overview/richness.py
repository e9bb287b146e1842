"""How many species there are, seen and unseen: accumulation curves and Chao1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from merian.report.accumulation import Accumulation, accumulate
from merian.report.bands import Band, bands
from merian.report.overview.parts import Absent, percent
from merian.report.page import Figures, Note, Part, Plot, Section, Table, Text

__all__ = ["richness"]

_LEAST = 10  # specimens
_HOW = """
The curve says how many species a smaller sample would have held, and beyond the mark how many as
many specimens again would: the band is the interval of 95 %. Chao1 is how many there are at least,
reckoned from those that were met once and twice. Both hold if specimens were drawn from one
community by chance. They do not where people collected one of each, or where names are mistaken: a
wrong name is often a species that was met once.
"""


def richness(found: Sequence[tuple[str, Mapping[int, int]]]) -> Section | Absent:
    """Return the curves of one or several ways to count.

    Args:
        found: What is counted, and how many of it were met once, twice and so on.
    """
    title = "How many there may be"
    curves = [
        (name, accumulate(times))
        for name, times in found
        if sum(k * n for k, n in times.items()) >= _LEAST
    ]
    if not curves:
        return Absent(title, f"fewer than {_LEAST} records are named to a species")
    name = "Specimens and what was met among them"
    drawing = partial(
        bands, name, [_band(what, one) for what, one in curves], x="specimens", y="met"
    )
    what, first = curves[0]
    figures: list[tuple[object, str]] = [
        (first.observed, f"{what} met"), (first.once, "of them once"),
        (f"{first.chao:,.0f}",
         f"{what} at least ({first.chao_low:,.0f} to {first.chao_high:,.0f})"),
        (percent(first.coverage), "of the next specimens would be of what was met"),
    ]  # fmt: skip
    parts: list[Part] = [Figures(figures), Text(_HOW), Plot(name, drawing, _table(curves))]
    if first.once > first.observed / 2:
        parts.append(Note(
            f"More than half of the {what} were met once. Then Chao1 is a weak lower bound, and "
            "the upper end of its interval is no limit."
        ))  # fmt: skip
    return Section(title, parts)


def _band(name: str, one: Accumulation) -> Band:
    return Band(name, one.specimens.tolist(), one.species.tolist(), one.low.tolist(),
                one.high.tolist(), one.seen)  # fmt: skip


def _table(curves: Sequence[tuple[str, Accumulation]]) -> Table:
    rows = [
        (what, round(float(n)), round(float(one.species[place]), 1),
         round(float(one.low[place]), 1), round(float(one.high[place]), 1),
         "observed" if place == one.seen - 1 else "smaller" if place < one.seen else "foretold")
        for what, one in curves
        for place, n in enumerate(one.specimens)
        if place % 4 == 3 or place == one.seen - 1 or place == len(one.specimens) - 1
    ]  # fmt: skip
    return Table(("of what", "specimens", "met", "from", "to", "how"), rows)
