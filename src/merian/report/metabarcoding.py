"""The page of a metabarcoding run: samples, taxa, richness with intervals, what was set aside.

It is made from the tables in the folder of the run.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from merian.files import existing, write_text
from merian.report.page import (
    Bars,
    Figures,
    Intervals,
    Name,
    Note,
    Part,
    Section,
    Table,
    Text,
    page,
)
from merian.taxonomy import MAIN_RANKS

__all__ = ["write_metabarcoding"]

PAGE = "report.html"
_SAMPLES = 30  # that are shown
_TAXA = 40
_CLUSTERS = 25
_ITALIC = {"genus", "species"}

Row = Mapping[str, str]


def write_metabarcoding(folder: Path) -> None:
    """Write the page into the folder of a run, beside its tables."""
    existing(folder, "folder of a run")
    told = json.loads((folder / "metabarcoding.merian.json").read_text(encoding="utf-8"))
    samples = [*_rows(folder / "richness.tsv")]
    sections = [
        _found(told, samples),
        _richness(samples),
        _taxa(folder, told),
        _unnamed(folder, told),
        _controls(folder, told),
        _promise(told),
        _aside(told),
    ]
    text = page(
        "What the samples hold",
        [section for section in sections if section.parts],
        subtitle="Taxa by sample, as far down as the reads can be named, and how sure that is",
        stamp=told["merian"],
    )
    write_text(folder / PAGE, text)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)


def _named(name: str, rank: str) -> str:
    return Name(name) if rank in _ITALIC else name


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def _found(told: Mapping[str, Any], samples: Sequence[Row]) -> Section:
    reads: int = told["reads"]
    standing: Mapping[str, int] = told["reads_standing"]
    order = [*reversed(MAIN_RANKS), "", "set aside"]
    titles = {"": "nothing said"}
    bars = [
        (titles.get(rank, rank), 100 * standing[rank] / reads) for rank in order if rank in standing
    ]
    figures: list[tuple[object, str]] = [
        (told["samples"] - len(told["controls"]), "samples"),
        (told["features"], "features (ASVs or OTUs)"),
        (_share(standing.get("species", 0), reads), "of reads named to a species"),
        (told["clusters"], "clusters without a species' name"),
    ]
    count = len(told["controls"])
    controls = f" and {count} control{'s' * (count > 1)}" if count else ""
    depth = sorted(int(row["reads"]) for row in samples if not row["control"])
    middle = f"; the sample in the middle has {depth[len(depth) // 2]:,}" if depth else ""
    return Section(
        "Reads and names",
        [
            Figures(figures),
            Text(
                f"There are {reads:,} reads in {told['samples'] - len(told['controls']):,} samples"
                f"{controls}{middle}. Each feature is named as far down the tree as the promise "
                "allows, and its reads are counted there, once. Reads are not individuals, and not "
                "biomass."
            ),
            Bars("Reads by the rank at which they stand", bars, "%"),
        ],
    )


def _richness(samples: Sequence[Row]) -> Section:
    here = [row for row in samples if not row["control"]]
    shown = here[:_SAMPLES]
    values = [
        (
            row["sample"],
            float(row["species"]),
            float(row["species_low"]),
            float(row["species_high"]),
        )
        for row in shown
    ]
    columns = [
        "sample", "reads", "features", "species", "of them named", "not named", "genera",
        "reads set aside",
    ]  # fmt: skip
    rows = [
        [
            row["sample"], int(row["reads"]), int(row["features"]), _interval(row, "species"),
            _interval(row, "species_named"), _interval(row, "species_unnamed"),
            _interval(row, "genera"), int(row["reads_set_aside"]),
        ]
        for row in shown
    ]  # fmt: skip
    if not rows:
        return Section("Species in each sample", [])
    more = len(here) - len(shown)
    note = f" The first {len(shown):,} of {len(here):,} samples are shown." if more else ""
    return Section(
        "Species in each sample",
        [
            Intervals("Species in each sample: the mean, and the middle 95 % of draws", values),
            Text(
                "Each draw gives every feature one of the names that it may have, as often as is "
                "probable; what the library lacks counts as one species for each cluster. The "
                "interval so admits wrong names, missing names, and doubt where species part. It "
                "does not cover species that left no reads, nor reads that came from "
                f"elsewhere.{note}"
            ),
            Table(columns, rows, "Mean, and lowest to highest of 95 % of draws", more=more),
        ],
    )


def _interval(row: Row, kind: str) -> str:
    return f"{float(row[kind]):.1f} ({row[f'{kind}_low']}–{row[f'{kind}_high']})"


def _taxa(folder: Path, told: Mapping[str, Any]) -> Section:
    """Return the taxa with the most reads, in samples that are no controls."""
    controls = set(told["controls"])
    reads: dict[tuple[str, str, str], int] = defaultdict(int)
    samples: dict[tuple[str, str, str], int] = defaultdict(int)
    sure: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in _rows(folder / "taxa.tsv"):
        if row["sample"] in controls:
            continue
        key = (row["name"], row["rank"], row["lineage"])
        reads[key] += int(row["reads"])
        samples[key] += 1
        sure[key] = max(sure[key], float(row["presence"] or 0))
    order = sorted(reads, key=lambda key: (-reads[key], key))
    rows: list[list[object]] = [
        [
            _named(name, rank) or "nothing said", rank or None, reads[key], samples[key],
            round(sure[key], 3) if name else None, " › ".join(lineage.split(";")[:-1]) or None,
        ]
        for key in order[:_TAXA]
        for name, rank, lineage in [key]
    ]  # fmt: skip
    if not rows:
        return Section("Who was found", [])
    columns = ["taxon", "rank", "reads", "samples", "presence", "under"]
    caption = "The taxa at which most reads stand; presence is that in the sample surest of it"
    return Section("Who was found", [Table(columns, rows, caption, more=len(order) - len(rows))])


def _unnamed(folder: Path, told: Mapping[str, Any]) -> Section:
    rows, count = [], 0
    for count, row in enumerate(_rows(folder / "clusters.tsv"), start=1):
        if count <= _CLUSTERS:
            under = _named(row["under"], row["under_rank"]) or "nothing"
            rows.append(
                [row["cluster"], under, row["under_rank"] or None, int(row["reads"]),
                 int(row["samples"]), int(row["features"])]
            )  # fmt: skip
    if not rows:
        return Section("What has no species' name", [])
    far = 100 * float(told["distances"]["species"])
    return Section(
        "What has no species' name",
        [
            Text(
                "Features that do not stand at a species are brought together under the taxon at "
                f"which they stand, within {far:g} % of the one with the most reads. The name of a "
                "cluster is a hash of that one's sequence, so the same sequence has the same name "
                "in another run. It may have a name that this library lacks."
            ),
            Table(
                ["cluster", "under", "rank", "reads", "samples", "features"], rows,
                "Those with the most reads", more=count - len(rows),
            ),
        ],
    )  # fmt: skip


def _controls(folder: Path, told: Mapping[str, Any]) -> Section:
    """Return what is in the controls, and how much of it is in the samples."""
    controls = set(told["controls"])
    if not controls:
        return Section("In the controls", [])
    inside: dict[tuple[str, str], int] = defaultdict(int)
    outside: dict[tuple[str, str], int] = defaultdict(int)
    for row in _rows(folder / "taxa.tsv"):
        counted = inside if row["sample"] in controls else outside
        counted[row["name"], row["rank"]] += int(row["reads"])
    order = sorted(inside, key=lambda key: (-inside[key], key))
    rows: list[list[object]] = [
        [_named(*key) or "nothing said", key[1] or None, inside[key], outside.get(key, 0)]
        for key in order[:_TAXA]
    ]
    names = ", ".join(told["controls"][:8]) + (" ..." if len(controls) > 8 else "")
    parts: list[Part] = [
        Text(
            f"The controls are {names}. Nothing was taken away for what is in them: look at these "
            "taxa before you believe them in a sample with few reads."
        )
    ]
    if rows:
        columns = ["taxon", "rank", "reads in controls", "reads in samples"]
        parts.append(Table(columns, rows, more=len(order) - len(rows)))
    else:
        parts.append(Text("They hold no reads with a name."))
    return Section("In the controls", parts)


def _promise(told: Mapping[str, Any]) -> Section:
    lines = [f"{line[:1].upper()}{line[1:].rstrip('.')}." for line in told["promise"]]
    if not lines:
        return Section("What is promised", [])
    return Section(
        "What is promised",
        [
            Text("\n\n".join(lines)),
            Note(
                "The promise is for features. A feature with a million reads counts as much as one "
                "with two."
            ),
        ],
    )


def _aside(told: Mapping[str, Any]) -> Section:
    parts: list[Part] = []
    if told["set_aside"]:
        rows = [[reason, count] for reason, count in told["set_aside"].items()]
        parts.append(Table(["set aside because", "features or rows"], rows))
        parts.append(Text("Each is listed in answers.tsv.rejects.tsv with its file and line."))
    for title, key in (
        ("Samples that are not on the sheet, and so have no place and date", "missing"),
        ("Samples on the sheet that are not in the table", "unread"),
    ):
        if told[key]:
            shown = ", ".join(told[key][:30]) + (" ..." if len(told[key]) > 30 else "")
            parts.append(Text(f"{title}: {shown}."))
    if told["notes"]:
        parts.append(Table(["note"], [[note] for note in told["notes"]]))
    return Section("What was set aside, and notes", parts)
