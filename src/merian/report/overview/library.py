"""The report of a library: what is in it by rank, how evenly, its gaps, what it can promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from merian.library import Library
from merian.report.columns import columns
from merian.report.dots import Dot, DotRow, dots
from merian.report.library_card import card_of, species_records
from merian.report.library_card_page import sections_of
from merian.report.lines import lines
from merian.report.overview.composition import RINGS, composition
from merian.report.overview.judged import wilson
from merian.report.overview.parts import ITALIC, Absent, Report, percent
from merian.report.page import Figures, Part, Plot, Section, Table, Text
from merian.stamp import run_id, stamp
from merian.taxonomy import NONE

__all__ = ["of_library"]

_POINTS, _CLADES = 100, 20
_UPTO = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))


def of_library(folder: Path, tell: Callable[[str], None]) -> Report:
    """Gather the report of a library."""
    tell("opening the library")
    library = Library.open(folder)
    tell("learning what it can promise")
    card = card_of(library)
    found: list[Section | Absent] = [_holds(library), _evenness(library), _gaps(card)]
    if card["promise"] is None:
        found.append(Absent(
            "Where a promise can be given",
            "it was not learnt for this library of pictures; see `merian library card`",
        ))  # fmt: skip
    told = stamp(
        "merian-report", "1.0", run_id("report", {"library": library.hash}), library_lock(library)
    )
    name = card["library"]["name"]
    return Report(
        "library", "What the library holds",
        f"{name}: {card['counts']['records']:,} references, how evenly they cover it, and its gaps",
        [*found, *sections_of(card)], told,
    )  # fmt: skip


def library_lock(library: Library) -> dict[str, str]:
    """Return the lock of its names."""
    return dict(library.taxonomy.lock.as_dict())


def _holds(library: Library) -> Section | Absent:
    """Return the composition by rank."""
    nodes, number = np.unique(library.node, return_inverse=True)
    count = np.bincount(number, library.multiplicity, minlength=len(nodes)).astype(np.int64)
    taxonomy = library.taxonomy
    at = {rank: taxonomy.at_rank(nodes, rank) for rank in RINGS}
    lineages = [
        ([taxonomy.name_of(int(at[rank][place])) if at[rank][place] != NONE else None
          for rank in RINGS], int(n))
        for place, n in enumerate(count.tolist())
    ]  # fmt: skip
    other: Counter[str] = Counter()
    for node, n in zip(nodes.tolist(), count.tolist(), strict=True):
        if node != NONE:
            other[taxonomy.name_of(node)] += n
    parts = composition("What the references are", lineages, "references", other)
    if not parts:
        return Absent("What it holds", "no reference has a name")
    return Section("What it holds", parts)


def _evenness(library: Library) -> Section | Absent:
    """Return how many references each species has, and how unevenly they are shared out."""
    title = "How many references a species has"
    _, records = species_records(library)
    if not len(records):
        return Absent(title, "no reference is named to a species")
    rising = np.sort(records)
    shares = np.concatenate([[0.0], np.cumsum(rising) / rising.sum()])
    species = np.linspace(0, 1, len(shares))
    gini = float(1 - 2 * np.trapezoid(shares, species)) if hasattr(np, "trapezoid") else float(
        1 - np.sum((shares[1:] + shares[:-1]) * np.diff(species))
    )  # fmt: skip
    at = np.unique(np.linspace(0, len(shares) - 1, _POINTS).astype(int))
    x, y = (100 * species[at]).tolist(), (100 * shares[at]).tolist()
    name = "The share of references that the poorest species have"
    curve = lines_of(name, x, y)
    counts = [
        int(((records >= low) & (records <= (high or records.max()))).sum()) for low, high in _UPTO
    ]
    labels = [str(a) if a == b else f"{a}–{b}" if b else f"{a}+" for a, b in _UPTO]
    each = "Species by how many references each has"
    top = float(rising[-max(1, len(rising) // 10) :].sum() / rising.sum())
    return Section(title, [
        Figures([
            (len(records), "species"), (float(np.median(records)), "references of the middle one"),
            (percent(float((records == 1).mean())), "have one alone"),
            (percent(top), "of the references are of a tenth of the species"),
            (round(gini, 2), "Gini: 0 if all have as many, 1 if one has all"),
        ]),
        Plot(each, partial(columns, each, [("species", counts)], labels, axis="references"),
             Table(("references", "species"), [*zip(labels, counts, strict=True)])),
        Text("Were all species as well covered, the curve would follow the straight line."),
        Plot(name, curve, Table(
            ("species, %", "references, %"),
            [(round(a, 1), round(b, 2)) for a, b in zip(x[::5], y[::5], strict=True)],
        )),
    ])  # fmt: skip


def lines_of(name: str, x: Sequence[float], y: Sequence[float]) -> partial[Any]:
    """Return the drawing of a Lorenz curve beside the line of equal shares."""
    return partial(
        lines, name, [("as it is", x, y), ("if all had as many", [0.0, 100.0], [0.0, 100.0])],
        x="% of the species, the poorest first", y="% of the references",
    )  # fmt: skip


def _gaps(card: dict[str, Any]) -> Section | Absent:
    """Return where references are few: species with one, and references without a species."""
    title = "Where it is thin"
    rank = card["rank"]
    rows = [row for row in card["clades"][rank] if row["species"]]
    if not rows:
        return Absent(title, "no reference is named to a species")
    worst = sorted(
        rows, key=lambda row: (-row["species_with_one_record"] / row["species"], -row["species"],
                               row["name"]),
    )  # fmt: skip
    shown = sorted(rows, key=lambda row: (-row["species"], row["name"]))[:_CLADES]
    drawn: list[DotRow] = []
    for row in [one for one in worst if one in shown]:
        n, single = row["species"], row["species_with_one_record"]
        low, high = wilson(single, n)
        unnamed = 1 - row["named_to_species"] / max(row["references"], 1)
        drawn.append(DotRow(
            f"{row['name'] or '(not said)'} ({n:,} species)",
            [Dot(100 * single / n, 100 * low, 100 * high, f"{100 * single / n:.0f} %"),
             Dot(100 * unnamed, text=f"{100 * unnamed:.0f} %")],
            name=rank in ITALIC and bool(row["name"]),
        ))  # fmt: skip
    series = ["species with one reference alone", "references without a species"]
    if all(row["named_to_species"] == row["references"] for row in shown):
        drawn = [DotRow(row.label, row.values[:1], name=row.name) for row in drawn]
        series = series[:1]
    what = "taxa of rank " + rank
    name = f"The {what} with the most species: how many of these have one reference alone"
    table = Table(
        (rank, "species", "with one reference", "%", "references", "without a species"),
        [(row["name"] or "(not said)", row["species"], row["species_with_one_record"],
          round(100 * row["species_with_one_record"] / row["species"], 1), row["references"],
          row["references"] - row["named_to_species"]) for row in worst],
    )  # fmt: skip
    parts: list[Part] = [
        Text("A species that is known from one reference alone is lost if that is mislabelled."),
        Plot(name, partial(
            dots, name, series, drawn, unit="%", span=(0.0, 100.0),
        ), table),
    ]  # fmt: skip
    return Section(title, parts)
