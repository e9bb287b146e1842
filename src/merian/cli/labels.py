"""``merian labels``: make a map from the labels of collections to taxa, look at it, apply it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from merian.cli import labels_coverage, labels_lint, screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.taxonomy.label_map import LabelMap

__all__ = ["app"]

app = App(
    name="labels",
    help="Map the labels of collections to taxa, check maps, and name records by them.",
)
app.command(labels_lint.lint, sort_key=4)
app.command(labels_lint.diff, sort_key=5)
app.command(labels_coverage.coverage, sort_key=6)

_LISTED = 10


@app.command(sort_key=1)
def propose(
    *sources: Path,
    taxonomy: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    source: str | None = None,
    label: str | None = None,
    page: Path | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Propose a map of the labels of collections to a checklist, each with its reason.

    A label is taken apart into name, life stage, part of the body, "multiple", "like", and what is
    not alive or says nothing. The name is looked up to the letter. A name of several taxa is
    decided by the parent in the label or by the other labels of its source, or left open with what
    it could be. The map is a table to be edited in a spreadsheet.

    Args:
        sources: Catalogues, folders of pictures in folders named after classes, tables with a
            column of labels (and of their source and count), or maps of labels.
        taxonomy: A taxonomy that `merian taxonomy build` made.
        out: The map to write, a .tsv.
        source: What labels are of that say nothing of it. Without it their rows hold for every
            source.
        label: The column of a table that holds the labels; found by its name if not given.
        page: Also write a page that shows where the labels go.
        quiet: Print the answer and nothing else.
    """
    from merian.formats.label_lists import read_labels_of
    from merian.taxonomy import Taxonomy
    from merian.taxonomy.label_map import read_label_map
    from merian.taxonomy.label_map_table import write_label_map
    from merian.taxonomy.propose import propose as proposals

    if not sources:
        raise InputError("say whose labels: merian labels propose SOURCE... --taxonomy TAX -o MAP")
    if out.exists():
        raise InputError(
            f"{out}: is there already, and may hold what somebody has decided; name a new file"
        )
    checklist = Taxonomy.open(taxonomy)
    with screen.working("Reading labels", quiet) as job:
        raws = [raw for path in sources for raw in read_labels_of(path, label=label, source=source)]
        job.tell(f"Looking up {len(raws):,} labels")
        targets = proposals(checklist, raws)
        write_label_map(out, targets, checklist.lock)
    found = read_label_map(out)
    print(f"{screen.counted(len(targets), 'label')} mapped to {checklist.lock} in {out}")
    _print_kinds(found)
    open_ = [target for target in targets if target.kind == "unsure"]
    if open_:
        print(f"\n{screen.counted(len(open_), 'label')} left open, the most frequent first:")
        open_.sort(key=lambda target: -(target.count or 0))
        screen.print_table(
            ("source", "label", "records", "why"),
            [(t.source, t.label, t.count, t.reason) for t in open_[:_LISTED]],
        )
    if page is not None:
        _write_page(found, page, quiet)


@app.command(sort_key=2)
def apply(
    catalogue: Path,
    map: Path,
    /,
    *,
    errata: tuple[Path, ...] = (),
    taxonomy: Path | None = None,
    source: str = "",
    quiet: screen.Quiet = False,
) -> None:
    """Name the records of a catalogue as a map says of their labels.

    Identifications are appended; nothing is overwritten. Applied again, nothing is written. With
    other errata only what they change is written, without another import.

    Args:
        catalogue: The folder of a catalogue.
        map: A map: of ours, or as Planktonzilla has it.
        errata: A table with the columns source, label, kind or scientificName, by and reason, whose
            rows stand for those of the map. Once or more often; the last one counts.
        taxonomy: The taxonomy of the map, to look up names that were written into it by hand.
        source: What records are of that came without the name of a data set.
        quiet: Print the answer and nothing else.
    """
    from merian.catalogue import Catalogue
    from merian.taxonomy import Taxonomy
    from merian.taxonomy.label_errata import completed, with_errata
    from merian.taxonomy.label_map import read_label_map

    labels = read_label_map(map)
    for path in errata:
        labels = with_errata(labels, read_label_map(path))
    labels = completed(labels, Taxonomy.open(taxonomy) if taxonomy is not None else None)
    _print_faults(labels, quiet)
    with Catalogue.open(catalogue) as opened, screen.working(f"Applying {map}", quiet) as job:
        done = opened.apply_labels(labels, source=source, progress=job.step)
    if done.run:
        screen.print_table(("identifications appended", "of"), [
            (count, kind) for kind, count in done.by_kind.items()
        ])  # fmt: skip
        print(f"revision {done.revision}, as {done.run}")
    else:
        print("nothing to write: the catalogue says what the map says")
    for title, rows in (("not in the map", done.unmapped), ("left open", done.undecided)):
        if rows:
            print(f"\n{screen.counted(len(rows), 'label')} {title}, the most frequent first:")
            screen.print_table(("source", "label", "records"), rows[:_LISTED])
    if done.unused:
        screen.say(f"{screen.counted(done.unused, 'label')} of the map no record carries", quiet)


@app.command(sort_key=3)
def show(
    map: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    errata: tuple[Path, ...] = (),
    quiet: screen.Quiet = False,
) -> None:
    """Show where the labels of a map go, and what is undecided.

    Args:
        map: A map: of ours, or of others.
        out: A page to write, with a drawing from the sources of the labels to taxa.
        errata: Tables of errata, laid over the map.
        quiet: Print the answer and nothing else.
    """
    from merian.taxonomy.label_errata import completed, with_errata
    from merian.taxonomy.label_map import read_label_map

    labels = read_label_map(map)
    for path in errata:
        labels = with_errata(labels, read_label_map(path))
    labels = completed(labels)
    print(f"{map}: {screen.counted(len(labels.targets), 'label')}, {labels.lock or 'no checklist'}")
    _print_kinds(labels)
    _print_faults(labels, quiet)
    if out is not None:
        _write_page(labels, out, quiet)


def _print_kinds(labels: LabelMap) -> None:
    """Print how many labels and records are of each kind."""
    from collections import Counter

    kinds: Counter[str] = Counter()
    records: Counter[str] = Counter()
    for target in labels.targets.values():
        kind = "taxon" if target.kind == "living" else target.kind
        kinds[kind] += 1
        records[kind] += target.count or 0
    rows = [(kind, count, records[kind]) for kind, count in kinds.most_common()]
    screen.print_table(("kind", "labels", "records"), rows)


def _print_faults(labels: LabelMap, quiet: bool) -> None:
    for fault in labels.faults[:_LISTED]:
        screen.say(f"{labels.path}:{fault.line}: set aside: {fault.reason}", quiet)
    if len(labels.faults) > _LISTED:
        screen.say(f"and {len(labels.faults) - _LISTED:,} rows more were set aside", quiet)


def _write_page(labels: LabelMap, path: Path, quiet: bool) -> None:
    from merian.files import write_text
    from merian.report.labelled import labelled_page

    write_text(path, labelled_page(labels))
    screen.say(f"\nThe page is {shlex.quote(str(path))}", quiet)
