"""The page and the tables of corrected counts: what samples hold, and what to validate next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.files import check_replaceable, new_folder, write_json
from merian.formats.delimited import write_delimited
from merian.identify.composition import Composition, count_rows
from merian.report.page import Figures, Intervals, Note, Part, Section, Table, Text, page
from merian.stamp import run_id, stamp

__all__ = ["PAGE", "count_rows", "write_counted"]

PAGE = "counts.html"
_HEADER, _FORMAT, _VERSION = "counts.json", "merian-counts", "1.0"
_SHOWN, _SAMPLES = 30, 40
_HOW = """
What is answered is counted first. How often each kind is answered as what is learnt from the things
that people validated, and from the answers' own probabilities where there are some; the counts
follow from it. An interval holds the count in 95 of 100 cases, if what was validated was chosen by
its answer or by chance, and not by how it looks.
"""

Ints = NDArray[np.int64]


def write_counted(
    found: Composition, wanted: Ints, precision: float, source: Path, out: Path
) -> None:
    """Write the tables and the page of counts into a folder.

    Args:
        found: The counts.
        wanted: How many more to validate, [samples, answers].
        precision: For which precision.
        source: What was read.
        out: The folder: a new one, an empty one, or one that was written so before.
    """
    check_replaceable(out, _HEADER, "counts")
    counts = found.counts
    head, rows = count_rows(found)
    plan = [
        (counts.samples[n], counts.answers[a], int(counts.unseen[n, a]), int(wanted[n, a]))
        for n, a in zip(*np.nonzero(wanted), strict=True)
    ]
    confusion = [
        (kind, answer, int(counts.seen[:, k, a].sum()))
        for k, kind in enumerate(counts.kinds)
        for a, answer in enumerate(counts.answers)
        if counts.seen[:, k, a].any()
    ]
    told = stamp(_FORMAT, _VERSION, run_id("counts", {"source": source.name}))
    with new_folder(out) as folder:
        write_delimited(folder / "counts.tsv", head, rows, "\t", str)
        columns = ("sample", "answer", "left", "validate")
        write_delimited(folder / "to_validate.tsv", columns, plan, "\t", str)
        write_delimited(
            folder / "validated.tsv", ("truth", "answer", "things"), confusion, "\t", str
        )
        write_json(folder / _HEADER, {"merian": told, "agreement_of_chains": round(found.agree, 4)})
        text = _page(found, rows, plan, precision, source, told)
        (folder / PAGE).write_text(text, encoding="utf-8")


def _page(
    found: Composition,
    rows: Sequence[tuple[object, ...]],
    plan: Sequence[tuple[str, str, int, int]],
    precision: float,
    source: Path,
    told: dict[str, object],
) -> str:
    counts = found.counts
    parts: list[Part] = [
        Figures([
            (f"{len(counts.samples):,}", "samples"),
            (f"{counts.unseen.sum() + counts.seen.sum():,}", "things"),
            (f"{counts.seen.sum():,}", "validated"),
            (f"{sum(row[3] for row in plan):,}", f"more for {precision:.0%}"),
        ]),
        Text(_HOW),
    ]  # fmt: skip
    if found.agree > 1.1:
        parts.append(Note(
            "These counts are not certain: what was drawn hangs on where the drawing began, as too "
            "little is known to tell some kinds apart. Validate more."
        ))  # fmt: skip
    sections = [Section("How many of each kind", parts)]
    for sample in counts.samples[:_SAMPLES]:
        own = [row for row in rows if row[0] == sample]
        values = [
            (str(row[1]), float(str(row[3])), float(str(row[4])), float(str(row[5])))
            for row in own[:_SHOWN]
        ]
        table = Table(
            ("kind", "answered", "count", "from", "to", "validated"),
            [row[1:] for row in own[:_SHOWN]], more=max(0, len(own) - _SHOWN),
        )  # fmt: skip
        sections.append(Section(sample or "no sample", [Intervals("Counts", values), table]))
    if len(counts.samples) > _SAMPLES:
        left = len(counts.samples) - _SAMPLES
        sections.append(Section("Other samples", [Text(f"{left:,} more are in counts.tsv.")]))
    if plan:
        some = sorted(plan, key=lambda row: -row[3])[:_SHOWN]
        sections.append(Section("What to validate next", [Table(
            ("sample", "answer", "not validated", "to validate"), some,
            more=max(0, len(plan) - _SHOWN),
        )]))  # fmt: skip
    title = "What samples hold"
    return page(title, sections, subtitle=source.name, stamp=told)
