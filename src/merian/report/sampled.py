"""The page and the tables of samples by pictures and by DNA: what was joined, and who saw what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from merian.files import check_replaceable, content_hash, new_folder, write_json
from merian.formats.delimited import write_delimited
from merian.identify.detectability import Detectability
from merian.metabarcoding.both_views import VIEWS, BothViews, view_rows
from merian.metabarcoding.dna_lists import DnaLists, write_detectability, write_listings
from merian.metabarcoding.joined_samples import JOINED, SAMPLES, JoinedSamples
from merian.report.page import Bars, Figures, Intervals, Note, Part, Section, Table, Text, page
from merian.stamp import run_id, stamp

__all__ = ["PAGE", "check_out", "sample_lines", "view_lines", "write_sampled"]

PAGE = "sample.html"
_HEADER, _FORMAT, _VERSION = "sample.json", "merian-sample", "1.0"
_SHOWN, _SAMPLES = 40, 30
_FINDINGS = ("reason", "sample", "what", "id", "row", "explanation", "left_out")
_COUNTED = ("kinds_by_pictures", "kinds", "from", "to", "missed_by_pictures", "missed_by_DNA")
_DETECTED = (
    "taxon", "above", "prevalence", "listed_if_there", "listed_if_not", "there", "not_there",
)  # fmt: skip
_ON_PAGE = ("taxon", "seen_by", "pictures", "count", "listed", "present", "overlooked")
_HOW = """
Pictures are counted with the errors of their answers. A DNA list is no mask: it misses what is
there, and has what no picture shows. How often it does either is learnt, taxon by taxon, from other
samples, and each taxon leans on its relatives. The list then shifts how probable it is that a taxon
is there; it forbids nothing. There means: as the pictures of the samples that were learnt from
would show it. Overlooked is what is there and of which there is no picture.
"""

Head = Sequence[str]
Row = Sequence[object]


def check_out(out: Path) -> None:
    """Make sure that a folder may be written."""
    check_replaceable(out, _HEADER, "a sample")


def sample_lines(joined: JoinedSamples, views: BothViews | None) -> tuple[Head, list[Row]]:
    """Return the head and the rows of the samples: what they have, and how many kinds."""
    rows: list[Row] = [
        tuple(row) for row in joined.rows(f"SELECT {', '.join(SAMPLES)} FROM sample_row")
    ]
    head: tuple[str, ...] = SAMPLES
    used = [
        n for n, name in enumerate(head)
        if not name.startswith("expected") or any(row[n] is not None for row in rows)
    ]  # fmt: skip
    head, rows = tuple(head[n] for n in used), [tuple(row[n] for n in used) for row in rows]
    if views is None:
        return head, rows
    more = _counted(views)
    return (*head, *_COUNTED), [(*row, *own) for row, own in zip(rows, more, strict=True)]


def _counted(views: BothViews) -> list[tuple[object, ...]]:
    """Return how many kinds each sample has, and how many of them each side missed."""
    named = np.array([bool(kind) for kind in views.both.counts.kinds])
    present = views.both.present[:, named]
    rows: list[tuple[object, ...]] = []
    for number, rich in enumerate(views.both.richness):
        missed: object = None
        if views.lists is not None and not np.isnan(views.lists.listed[number]).any():
            missed = round(float((present[number] * (views.lists.listed[number] == 0)).sum()), 1)
        rows.append((
            round(float(views.alone.richness[number, 0]), 1), round(float(rich[0]), 1),
            round(float(rich[1])), round(float(rich[2])),
            round(float(views.both.overlooked[number, named].sum()), 1), missed,
        ))  # fmt: skip
    return rows


def view_lines(views: BothViews) -> tuple[Head, list[Row]]:
    """Return the head and the rows of who saw what, over all samples."""
    rows = view_rows(views)
    seen = Counter((str(row[1]), str(row[2])) for row in rows)
    columns = ("both", "pictures only", "DNA only")
    kinds = sorted({str(row[1]) for row in rows})
    each = {kind: [seen[kind, one] for one in columns] for kind in kinds}
    lines: list[Row] = [
        (kind, *each[kind]) for kind in sorted(kinds, key=lambda k: (-sum(each[k]), k))
    ]
    return ("taxon", *columns), lines[:_SHOWN]


def write_sampled(
    joined: JoinedSamples,
    views: BothViews | None,
    lists: DnaLists | None,
    given: Mapping[str, Path],
    asked: Mapping[str, object],
    out: Path,
) -> None:
    """Write the tables and the page into a folder.

    Args:
        joined: The samples.
        views: What they hold, by pictures and by DNA; None where nothing was answered.
        lists: The DNA lists; None without.
        given: What was read, and as what.
        asked: How it was asked for: whatever else decides the result.
        out: The folder: a new one, an empty one, or one that was written so before.
    """
    check_out(out)
    read = {what: (path.name, content_hash(path)) for what, path in given.items()}
    told = stamp(_FORMAT, _VERSION, run_id("sample", {"given": read, "asked": asked}))
    head, rows = sample_lines(joined, views)
    findings = list(joined.rows(
        "SELECT reason, sample, what, id, line, said, CASE WHEN aside THEN 'yes' ELSE 'no' END "
        "FROM finding ORDER BY ALL"
    ))  # fmt: skip
    with new_folder(out) as folder:
        columns = ", ".join(f'"{name}"' for name in JOINED)
        order = "sample, list_position(['picture', 'individual', 'replicate'], what), id"
        every = joined.rows(f"SELECT {columns} FROM joined ORDER BY {order}")
        write_delimited(folder / "joined.tsv", JOINED, every, "\t")
        write_delimited(folder / "samples.tsv", head, rows, "\t")
        write_delimited(folder / "findings.tsv", _FINDINGS, findings, "\t")
        if views is not None:
            write_delimited(folder / "views.tsv", VIEWS, view_rows(views), "\t")
            if views.known is not None:
                write_listings(folder / "listings.tsv", views.known)
            if views.told is not None:
                write_detectability(folder / "detectability.json", views.told, told)
                every = iter(_detected(views.told))
                write_delimited(folder / "detectability.tsv", _DETECTED, every, "\t")
        if lists is not None:
            write_delimited(
                folder / "dna_others.tsv", ("sample", "taxon", "lineage"), lists.others, "\t"
            )
        write_json(folder / _HEADER, {
            "merian": told, "learnt_from": views.source if views else "",
            "codes_of_no_sample": [list(one) for one in lists.strangers] if lists else [],
        })  # fmt: skip
        names = ", ".join(path.name for path in given.values())
        text = page("Samples by pictures and by DNA", _sections(views, lists, head, rows, findings),
                    subtitle=names, stamp=told)  # fmt: skip
        (folder / PAGE).write_text(text, encoding="utf-8")


def _detected(told: Detectability) -> list[tuple[object, ...]]:
    rows = zip(told.kinds, told.paths, told.prevalence, told.found, told.false, told.samples,
               strict=True)  # fmt: skip
    return [
        (kind, ";".join(path), *(round(float(x), 3) for x in shares), round(float(n[0]), 1),
         round(float(n[1]), 1))
        for kind, path, *shares, n in rows
    ]  # fmt: skip


def _sections(
    views: BothViews | None,
    lists: DnaLists | None,
    head: Head,
    rows: Sequence[Row],
    findings: Sequence[Row],
) -> list[Section]:
    own = {name: n for n, name in enumerate(head)}
    total = [sum(int(str(row[own[name]])) for row in rows) for name in SAMPLES[1:4]]
    parts: list[Part] = [
        Figures([
            (f"{len(rows):,}", "samples"),
            *((f"{many:,}", name) for many, name in zip(total, SAMPLES[1:4], strict=True)),
            (f"{len(findings):,}", "rows do not fit" if findings else "rows that do not fit"),
        ])
    ]  # fmt: skip
    if views is not None and lists is not None:
        parts.append(Text(_HOW))
        if not views.source:
            parts.append(Note(
                "Too few samples have both individuals and a list to learn how lists tell of taxa: "
                "counts are by the pictures alone."
            ))  # fmt: skip
        else:
            parts.append(Text(f"It was learnt from {views.source}."))
    kinds = [own["sample"], *(own[name] for name in _COUNTED if name in own)]
    had = [n for n in range(len(head)) if n not in kinds[1:]]
    parts += [
        Table(
            [head[n].replace("_", " ") for n in some],
            [[row[n] for n in some] for row in rows[:_SHOWN]],
            more=max(0, len(rows) - _SHOWN),
        )
        for some in ((had, kinds) if len(kinds) > 1 else (had,))
    ]
    sections = [Section("Samples", parts)]
    if findings:
        reasons = Counter(str(row[0]) for row in findings)
        sections.append(Section("What does not fit", [
            Bars("Reasons", [(reason, many) for reason, many in reasons.most_common()]),
            Table([name.replace("_", " ") for name in _FINDINGS], findings[:_SHOWN],
                  more=max(0, len(findings) - _SHOWN)),
        ]))  # fmt: skip
    if views is None:
        return sections
    if lists is not None:
        sections += _of_dna(views, lists)
    return sections + _of_samples(views)


def _of_dna(views: BothViews, lists: DnaLists) -> list[Section]:
    """Return what pictures and DNA have in common, and how lists tell of taxa."""
    head, rows = view_lines(views)
    sections = [Section("Who saw what", [
        Text("In how many samples each taxon was seen by whom."),
        Table(head, rows),
    ])]  # fmt: skip
    if lists.others:
        many = len(lists.others)
        verb = "row is" if many == 1 else "rows are"
        sections[0] = Section(sections[0].title, [*sections[0].parts, Text(
            f"{many:,} {verb} of taxa that no picture is named as, nor as anything above or below; "
            "they are in dna_others.tsv."
        )])  # fmt: skip
    if views.told is not None:
        detected = _detected(views.told)
        sections.append(Section("How lists tell of taxa", [
            Text("How probably a taxon is listed where it is, and where it is not. What has few "
                 "samples has what its relatives have."),
            Table([name.replace("_", " ") for name in _DETECTED], detected[:_SHOWN],
                  more=max(0, len(detected) - _SHOWN)),
        ]))  # fmt: skip
    return sections


def _of_samples(views: BothViews) -> list[Section]:
    """Return a section for each sample: its counts with intervals, and who saw what."""
    rows, sections = view_rows(views), []
    samples = views.both.counts.samples
    for sample in samples[:_SAMPLES]:
        own = sorted((row for row in rows if row[0] == sample), key=lambda row: -float(str(row[4])))
        drawn = [
            (str(row[1]), float(str(row[4])), float(str(row[5])), float(str(row[6])))
            for row in own if float(str(row[6])) > 0
        ][:_SHOWN]  # fmt: skip
        some = [VIEWS.index(name) for name in _ON_PAGE]
        table = Table(
            [name.replace("_", " ") for name in _ON_PAGE],
            [[row[n] for n in some] for row in own[:_SHOWN]], more=max(0, len(own) - _SHOWN),
        )  # fmt: skip
        parts: list[Part] = [Intervals("Counts", drawn)] if drawn else []
        sections.append(Section(sample, [*parts, table]))
    if len(samples) > _SAMPLES:
        left = len(samples) - _SAMPLES
        sections.append(Section("Other samples", [Text(f"{left:,} more are in views.tsv.")]))
    return sections
