"""The report of a bench: its figures with their intervals, beside peers and what was wanted.

Figures of one unit that are about the same share a scale. A figure that others have published under
the same name stands on the line of ours; all that others report is in a table. What was wanted is
told by whoever asks, as "NAME >= 90", and drawn as a stroke.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from merian.errors import FormatError, InputError, did_you_mean
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.parts import Report
from merian.report.page import Figures, Note, Part, Plot, Section, Table
from merian.stamp import run_id, stamp

__all__ = ["of_bench"]

_WANTED = re.compile(r"(.+?)\s*(>=|<=)\s*([-+0-9.eE]+)\s*%?\s*")
_DRAWN, _LISTED, _PLOTS, _FEW = 40, 500, 12, 3

Figure = Mapping[str, Any]
Wanted = dict[str, tuple[str, float]]


def of_bench(path: Path, asked: Sequence[str]) -> Report:
    """Gather the report of the JSON of a bench."""
    told = json.loads(path.read_text(encoding="utf-8"))
    figures = {str(name): _checked(path, name, f) for name, f in told["figures"].items()}
    wanted = _wanted(asked, figures)
    peers = [*_peers(told.get("peers") or {})]
    version, data = str(told.get("version", "")), str(told.get("data_hash", ""))
    reached = sum(_met(figures[name], one) for name, one in wanted.items())
    overview: list[Part] = [Figures([
        (len(figures), "figures"),
        (sum(f["low"] is not None for f in figures.values()), "of them with an interval"),
        (len(peers), "figures of others"),
        *([(reached, f"of {len(wanted)} wanted reached")] if wanted else []),
    ])]  # fmt: skip
    if wanted:
        overview.append(_reached(figures, wanted))
    sections = [Section("In short", overview)]
    groups = _groups(figures)
    drawn = [one for one in groups if len(one[2]) >= _FEW or set(one[2]) & set(wanted)][:_PLOTS]
    for about, unit, names in drawn:
        title = about or "Figures"
        if sum(other == about for other, _, _ in drawn) > 1 and unit:
            title += f", {unit}"
        sections.append(Section(title, [_plot(unit, names, figures, wanted, peers)]))
    rest = [name for one in groups if one not in drawn for name in one[2]]
    if rest:
        sections.append(Section("Other figures" if drawn else "Figures", [_table(rest, figures)]))
    if peers:
        rows = [(source, name, _number(low), None if low == high else _number(high))
                for source, name, low, high in peers]  # fmt: skip
        sections.append(Section("What others report", [
            Note("On other data and by other protocols, unless the source says the same."),
            Table(("source", "figure", "value", "to"), rows[:_LISTED],
                  more=max(0, len(rows) - _LISTED)),
        ]))  # fmt: skip
    seed = told.get("seed")
    run = run_id("report", {"bench": told["bench"], "data": data, "figures": figures,
                            "wanted": sorted(wanted.items())})  # fmt: skip
    return Report(
        "bench", f"The bench {told['bench']}",
        f"By Merian {version}, of data {data[:12]}" + ("" if seed is None else f", seed {seed}"),
        sections, stamp("merian-report", "1.0", run),
    )  # fmt: skip


def _checked(path: Path, name: str, figure: Any) -> Figure:
    """Return a figure with all its fields, or say what is wrong with it."""
    value = figure.get("value") if isinstance(figure, dict) else figure
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormatError(f"the figure {name!r} has no value that is a number", path=path)
    more = figure if isinstance(figure, dict) else {}
    ends = [more.get("low"), more.get("high")]
    there = all(isinstance(e, int | float) and math.isfinite(e) for e in ends)
    low, high = ends if there else (None, None)
    return {"value": value, "low": low, "high": high, "n": more.get("n"),
            "unit": str(more.get("unit") or "")}  # fmt: skip


def _wanted(asked: Sequence[str], figures: Mapping[str, Figure]) -> Wanted:
    found: Wanted = {}
    for text in asked:
        match = _WANTED.fullmatch(text)
        if match is None:
            raise InputError(f'--wanted {text}: expected "NAME >= NUMBER" or "NAME <= NUMBER"')
        name = match[1].strip()
        if name not in figures:
            raise InputError(
                f"--wanted {text}: the bench has no such figure." + did_you_mean(name, figures)
            )
        try:
            found[name] = match[2], float(match[3])
        except ValueError:
            raise InputError(f"--wanted {text}: {match[3]!r} is no number") from None
    return found


def _met(figure: Figure, wanted: tuple[str, float]) -> bool:
    sign, limit = wanted
    value = float(figure["value"])
    return value >= limit if sign == ">=" else value <= limit


def _reached(figures: Mapping[str, Figure], wanted: Wanted) -> Table:
    rows = []
    for name, (sign, limit) in wanted.items():
        one = figures[name]
        rows.append((name, one["value"], one["low"], one["high"], f"{sign} {limit:g}",
                     "reached" if _met(one, (sign, limit)) else "missed"))  # fmt: skip
    return Table(("figure", "value", "from", "to", "wanted", ""), rows, "What was wanted")


def _groups(figures: Mapping[str, Figure]) -> list[tuple[str, str, list[str]]]:
    """Return figures of one unit that are about the same, as their names begin: "world: ..."."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, figure in figures.items():
        about = name.partition(": ")[0] if ": " in name else ""
        found.setdefault((about, figure["unit"]), []).append(name)
    return [(about, unit, names) for (about, unit), names in found.items()]


def _table(names: Sequence[str], figures: Mapping[str, Figure]) -> Table:
    return Table(
        ("figure", "value", "from", "to", "of", "unit"),
        [(name, *(figures[name][key] for key in ("value", "low", "high", "n", "unit")))
         for name in names[:_LISTED]],
        more=max(0, len(names) - _LISTED),
    )  # fmt: skip


def _plot(
    unit: str, names: Sequence[str], figures: Mapping[str, Figure], wanted: Wanted,
    peers: Sequence[tuple[str, str, float, float]],
) -> Plot:  # fmt: skip
    shown = sorted(names, key=lambda name: name not in wanted)[:_DRAWN]
    others = {name: _same(name, peers) for name in shown}
    rows = [
        DotRow(name.partition(": ")[2] or name, [_dot(figures[name]), others[name]],
               wanted[name][1] if name in wanted else None)
        for name in shown
    ]  # fmt: skip
    series = ["measured", "others report"]
    if not any(others.values()):
        rows = [DotRow(row.label, row.values[:1], row.mark) for row in rows]
        series = series[:1]
    title = f"{len(names):,} figures, {unit}" if unit else f"{len(names):,} figures"
    if len(shown) < len(names):
        title += f"; the first {len(shown)}"
    return Plot(title, partial(
        dots, title, series, rows, unit=unit if len(unit) < 12 else "",
        mark="wanted" if any(row.mark is not None for row in rows) else "",
    ), _table(names, figures))  # fmt: skip


def _dot(figure: Figure) -> Dot:
    value = float(figure["value"])
    if figure["low"] is None:
        return Dot(value)
    return Dot(value, float(figure["low"]), float(figure["high"]))


def _same(name: str, peers: Sequence[tuple[str, str, float, float]]) -> Dot | None:
    """Return what others have published under the name of a figure."""
    for source, other, low, high in peers:
        if other == name or name.endswith(f": {other}"):
            middle = (low + high) / 2
            text = f"{_number(low)} ({source})" if low == high else (
                f"{_number(low)}–{_number(high)} ({source})"
            )  # fmt: skip
            return Dot(middle, low, high, text if len(text) < 24 else text.partition(" (")[0])
    return None


def _peers(told: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, str, float, float]]:
    """Yield what others report: source, name, and the least and greatest of its values."""
    if isinstance(told, Mapping):
        value = told.get("value")
        if isinstance(value, int | float):
            yield str(told.get("source") or " › ".join(above[:-1])), above[-1] if above else "", \
                float(value), float(value)  # fmt: skip
            return
        for name, inner in told.items():
            yield from _peers(inner, (*above, str(name)))
        return
    values = told if isinstance(told, list) else [told]
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    if numbers and above:
        yield " › ".join(above[:-1]), above[-1], min(numbers), max(numbers)


def _number(value: float) -> str:
    return f"{value:,.4g}"
