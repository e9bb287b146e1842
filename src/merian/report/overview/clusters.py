"""The report of a run of ``merian discover``: groups without a name, how large, and under what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from merian.discover.folder import FORMAT, HEADER, read_folder
from merian.discover.registry import Cluster
from merian.report.columns import columns
from merian.report.dots import Dot, DotRow, dots
from merian.report.overview.composition import RINGS, composition
from merian.report.overview.parts import Absent, Report, named
from merian.report.overview.richness import richness
from merian.report.page import Figures, Note, Part, Plot, Section, Table
from merian.stamp import check_stamp

__all__ = ["of_clusters"]

_SHOWN, _LISTED = 20, 200
_SIZES = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))


def of_clusters(folder: Path, tell: Callable[[str], None]) -> Report:
    """Gather the report of the folder of a run."""
    told = check_stamp(folder / HEADER, FORMAT, 1)
    tell("reading clusters")
    registry = read_folder(folder)
    standing = [one for one in registry.standing() if one.specimens]
    counts = told.get("counts", {})
    figures: list[tuple[object, str]] = [(len(standing), "groups")] + [
        (counts[key], what)
        for key, what in (("grouped", "records in them"), ("alone", "records left alone"),
                          ("named", "records with a name already"))
        if isinstance(counts.get(key), int)
    ]  # fmt: skip
    short = Section("In short", [
        Figures(figures),
        Note("What has no name in a library or a catalogue need not be new to science."),
    ])  # fmt: skip
    sizes = Counter(one.specimens for one in standing)
    alone = int(counts.get("alone") or 0)
    found: list[Section | Absent] = [short]
    if standing:
        sizes[1] += alone
        found += [_composed(standing), _sizes(standing), richness([("groups", +sizes)]),
                  _near(standing)]  # fmt: skip
    return Report(
        "clusters", "What has no name yet", f"{folder.absolute().name}: groups with provisional "
        "names", found, told["merian"],
    )  # fmt: skip


def _composed(standing: list[Cluster]) -> Section | Absent:
    title = "Under what they stand"
    lineages: list[tuple[list[str | None], int]] = []
    other: Counter[str] = Counter()
    for one in standing:
        names = dict(one.lineage)
        lineages.append(([names.get(rank) for rank in RINGS], one.specimens))
        if one.parent:
            other[one.parent] += one.specimens
    parts = composition("What the grouped records are", lineages, "records", other)
    if not parts:
        return Absent(title, "no group stands under a taxon; give discover answers or a library")
    ranks = Counter(one.parent_rank or "" for one in standing)
    rows = [(f"under a taxon of rank {rank}" if rank else "under none", n)
            for rank, n in sorted(ranks.items(), key=lambda item: (-item[1], item[0]))]  # fmt: skip
    name = "Groups by the rank under which they stand"
    plot = Plot(name, partial(
        dots, name, ["groups"], [DotRow(label, [Dot(n, text=f"{n:,}")]) for label, n in rows],
        unit="groups",
    ), Table(("stands", "groups"), rows))  # fmt: skip
    return Section(title, [*parts, plot])


def _sizes(standing: list[Cluster]) -> Section:
    counts = [sum(low <= one.specimens <= (high or one.specimens) for one in standing)
              for low, high in _SIZES]  # fmt: skip
    labels = [str(a) if a == b else f"{a}–{b}" if b else f"{a}+" for a, b in _SIZES]
    name = "Groups by how many records they have"
    largest = sorted(standing, key=lambda one: (-one.specimens, one.code))
    rows = [
        DotRow(f"{one.name}", [Dot(one.specimens, text=f"{one.specimens:,}")])
        for one in largest[:_SHOWN]
    ]
    table = Table(
        ("group", "records", "stands under", "rank", "stability", "nearest with a name",
         "distance"),
        [(one.name, one.specimens, named(one.parent, one.parent_rank) or None,
          one.parent_rank or None, None if one.support is None else round(one.support, 2),
          named(one.nearest, "species" if " " in one.nearest else None) or None,
          None if one.distance is None else round(one.distance, 4))
         for one in largest[:_LISTED]],
        more=max(0, len(largest) - _LISTED),
    )  # fmt: skip
    most = "The largest groups"
    parts: list[Part] = [
        Plot(name, partial(columns, name, [("groups", counts)], labels, axis="records"),
             Table(("records", "groups"), [*zip(labels, counts, strict=True)])),
        Plot(most, partial(dots, most, ["records"], rows, unit="records"), table),
    ]  # fmt: skip
    return Section("How large they are", parts)


def _near(standing: list[Cluster]) -> Section | Absent:
    title = "How far from the nearest with a name"
    kinds: dict[str, list[float]] = {}
    for one in standing:
        if one.distance is not None:
            kinds.setdefault(one.measure or "distance", []).append(one.distance)
    if not kinds:
        return Absent(title, "no library was given, so no nearest species is known")
    parts: list[Part] = []
    for kind, values in sorted(kinds.items()):
        high = max(*values, 1e-06)
        step = high / 20
        counts = [0] * 20
        for value in values:
            counts[min(int(value / step), 19)] += 1
        edges = [f"{step * place:.2g}" for place in range(21)]
        name = f"Distance by {kind}: " + (
            "share of bases that differ" if kind == "barcode" else "1 - cosine"
        )
        parts.append(Plot(
            name, partial(columns, name, [("groups", counts)], edges, edges=True),
            Table(("from", "to", "groups"), [*zip(edges, edges[1:], counts, strict=False)]),
        ))  # fmt: skip
    return Section(title, parts)
