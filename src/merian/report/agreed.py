"""The page and the tables of an agreement: each pair, all together, why not, and what to check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merian.files import check_replaceable, new_folder, write_json
from merian.formats.delimited import write_delimited
from merian.report.page import Figures, Note, Part, Points, Section, Table, Text, page
from merian.stamp import run_id, stamp

if TYPE_CHECKING:
    from merian.learn.bootstrap import Interval
    from merian.measure.agreement import Agreement, Doubt, Pair

__all__ = ["PAGE", "agreed_page", "pair_rows", "write_agreed"]

PAGE = "agreement.html"
_HEADER, _FORMAT, _VERSION = "agreement.json", "merian-agreement", "1.0"
_SHOWN = 40
_DRAWN_PAIRS, _DRAWN = 6, 250  # points of each pair at most
_PAIRS = ("trait", "unit", "pair", "scale", "n", "images")
_NAMES = {"bias": "bias", "mae": "MAE", "rmse": "RMSE", "low": "lower limit",
          "high": "upper limit", "ccc": "concordance"}  # fmt: skip
_HOW = """
Bias is the mean of the first less the second. The limits hold 95 % of the differences. Intervals
are drawn by picture, as what lies on one picture shares its scale.
"""
_WHY = """
With one scale for both, the mean of theirs, what is left is not of the scale. What holds for all
things alike, by a constant or a part of the size, is another definition of what is measured; the
rest is where the ends were placed. The shares add up to the squared error; below zero, faults of
the scale made good for others.
"""


def write_agreed(found: Sequence[Agreement], source: Path, out: Path) -> None:
    """Write the tables and the page of an agreement into a folder.

    Args:
        found: Of each trait.
        source: What was read.
        out: The folder: a new one, an empty one, or one that was written so before.
    """
    check_replaceable(out, _HEADER, "an agreement")
    columns, rows = pair_rows(found)
    tables: dict[str, tuple[Sequence[str], Sequence[Sequence[object]]]] = {
        "pairs": (columns, rows),
        "doubts": (
            ("trait", "image", "subject", "one", "other", "reason"),
            [(d.trait, d.image, d.subject, d.one, d.other, d.reason)
             for one in found for d in one.doubts],
        ),
        "set_aside": (
            ("trait", "subject", "rater", "reason"),
            [(a.trait, a.subject, a.rater, a.reason)
             for one in found for a in one.ratings.aside],
        ),
    }  # fmt: skip
    with new_folder(out) as folder:
        for name, (head, lines) in tables.items():
            write_delimited(folder / f"{name}.tsv", head, lines, "\t", str)
        write_json(folder / _HEADER, {"merian": _stamp(source)})
        (folder / PAGE).write_text(agreed_page(found, source), encoding="utf-8")


def pair_rows(found: Sequence[Agreement]) -> tuple[list[str], list[list[object]]]:
    """Return the head and the rows of the table of pairs: every figure with its interval."""
    names = ("bias", "mae", "rmse", "sd", "low", "high", "relative", "ccc")
    head = [*_PAIRS]
    for name in names:
        head += [name, f"{name}_from", f"{name}_to"]
    rows: list[list[object]] = []
    for one in found:
        for pair in one.pairs:
            for scale, figures in (("own", pair.own), ("shared", pair.shared)):
                if not figures:
                    continue
                row: list[object] = [
                    one.ratings.trait, one.ratings.unit, f"{pair.one} - {pair.other}", scale,
                    figures["bias"].n, pair.images,
                ]  # fmt: skip
                for name in names:
                    at = figures[name]
                    row += [f"{v:.6g}" for v in (at.value, at.low, at.high)]
                rows.append(row)
    return head, rows


def agreed_page(found: Sequence[Agreement], source: Path) -> str:
    """Return the page of an agreement."""
    return page(
        "How far measurements agree",
        [_trait(one) for one in found],
        subtitle=f"{source.name}: {', '.join(one.ratings.trait for one in found)}",
        stamp=_stamp(source),
    )


def _trait(one: Agreement) -> Section:
    ratings = one.ratings
    figures: list[tuple[object, str]] = [
        (f"{len(ratings.subjects):,}", "things measured"),
        (len(ratings.raters), "people or methods"),
    ]
    if one.together:
        figures.append((f"{one.together.own['icc'].value:.3f}", "ICC(2,1)"))
        if one.together.shared:
            figures.append((f"{one.together.shared['icc'].value:.3f}", "with one scale"))
    parts: list[Part] = [Figures(figures), Text(_HOW), _table(one, "own")]
    if any(pair.shared for pair in one.pairs):
        parts += [Text(_WHY), _parts(one), _table(one, "shared")]
    parts.append(_apart(one))
    if ratings.aside:
        parts.append(
            Note(f"{len(ratings.aside):,} were set aside: {ratings.aside[0].reason}. "
                 "They are listed in set_aside.tsv.")
        )  # fmt: skip
    if one.doubts:
        parts.append(Table(
            ("picture", "thing", "pair", "why"),
            [(d.image, d.subject, _pair(d), d.reason) for d in one.doubts[:_SHOWN]],
            "To be looked at again", more=max(0, len(one.doubts) - _SHOWN),
        ))  # fmt: skip
    return Section(f"{ratings.trait}, {ratings.unit}" if ratings.unit else ratings.trait, parts)


def _table(one: Agreement, scale: str) -> Table:
    rows = []
    for pair in one.pairs:
        figures = pair.own if scale == "own" else pair.shared
        if figures:
            rows.append((_pair(pair), figures["bias"].n,
                         *(_told(figures[name]) for name in _NAMES)))  # fmt: skip
    title = "Each with their own scale" if scale == "own" else "With one scale for both"
    return Table(("pair", "n", *_NAMES.values()), rows, title)


def _apart(one: Agreement) -> Points:
    """Return differences over sizes, as Bland and Altman draw them; of many things a part."""
    ratings = one.ratings
    series = []
    for pair in one.pairs[:_DRAWN_PAIRS]:
        columns = [ratings.raters.index(pair.one), ratings.raters.index(pair.other)]
        both = ratings.value[:, columns]
        both = both[np.isfinite(both).all(axis=1)]
        both = both[:: -(-len(both) // _DRAWN)]
        series.append((_pair(pair), both.mean(axis=1).tolist(), (both[:, 0] - both[:, 1]).tolist()))
    unit = f", {ratings.unit}" if ratings.unit else ""
    return Points("Differences over sizes", series, f"mean of both{unit}", f"difference{unit}")


def _parts(one: Agreement) -> Table:
    kinds = ("scale", "definition", "placement")
    rows = [
        (_pair(pair), _ratio(pair), *(_percent(pair.parts[kind]) for kind in kinds))
        for pair in one.pairs
        if pair.parts
    ]
    return Table(("pair", "pixels a unit, ratio", *kinds), rows, "Shares of the squared error")


def _ratio(pair: Pair) -> str:
    return f"{pair.scale_ratio[0]:.3f} ± {pair.scale_ratio[1]:.3f}" if pair.scale_ratio else ""


def _percent(figure: Interval) -> str:
    return f"{100 * figure.value:.0f} % ({100 * figure.low:.0f} to {100 * figure.high:.0f})"


def _told(figure: Interval) -> str:
    if math.isnan(figure.low):  # less than two pictures
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f}\u00a0to\u00a0{figure.high:.3f})"


def _pair(two: Pair | Doubt) -> str:
    return f"{two.one}\u00a0\u2212\u00a0{two.other}"


def _stamp(source: Path) -> dict[str, object]:
    return stamp(_FORMAT, _VERSION, run_id("agreement", {"source": str(source)}))
