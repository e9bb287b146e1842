"""``merian labels lint`` and ``diff``: what is wrong with a map of labels, and how two differ."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen

__all__ = ["diff", "lint"]

_FOUND = 1  # the exit code of --strict; 2 is for errors
_PAGE = "labels.html"
_SHOWN = 15

Out = Annotated[Path | None, Parameter(name=("--out", "-o"))]


def lint(
    map: Path,
    /,
    *,
    taxonomy: tuple[Path, ...] = (),
    homonyms: Path | None = None,
    counts: Path | None = None,
    flags: Path | None = None,
    habitats: Path | None = None,
    ids: tuple[Path, ...] = (),
    out: Out = None,
    strict: bool = False,
    quiet: screen.Quiet = False,
) -> int:
    """Find what is wrong with a map from labels to taxa, the worst first.

    Looks for longer names that begin alike, homonyms without context, targets finer than their
    label or in another branch, labels with several targets, taxa under two names or two parents,
    strangers among the labels of a source, and identifiers of something else.

    Args:
        map: The map: of ours, Planktonzilla's CSV, or a folder of tables of lineages.
        taxonomy: A taxonomy that `merian taxonomy build` made, as a witness. Once or more often.
        homonyms: GBIF's list of homonyms: count, kingdom, rank and name between tabs.
        counts: Images by label: a CSV, TSV or JSON with source, label and n. Found beside the map
            if it is called samples.json or counts.csv; else those in the map count.
        flags: Habitats and fossils by taxon: scientificName, isMarine, isExtinct ...
        habitats: Where each source works: source and habitat.
        ids: A table of names and the ids of an authority, such as name and aphia_id. Once or more
            often.
        out: A folder for the table of findings and a page.
        strict: End with 1 if there are errors or doubts.
        quiet: Print the answer and nothing else.
    """
    from merian.audit.label_lint import check_folder, lint_labels, write_lint
    from merian.files import new_folder
    from merian.report.labels_linted import linted_page
    from merian.taxonomy import Taxonomy

    if out is not None:
        check_folder(out)
    checklists = [Taxonomy.open(folder) for folder in taxonomy]
    with screen.working("Checking labels", quiet) as job:
        done = lint_labels(
            map,
            taxonomies=checklists,
            homonym_list=homonyms,
            counts=counts,
            flags=flags,
            where=habitats,
            ids=ids,
            progress=job.tell,
        )
    if out is not None:
        with new_folder(out) as folder:
            write_lint(done, folder)
            (folder / _PAGE).write_text(linted_page(done), encoding="utf-8")
    for note in done.notes:
        screen.say(f"note: {note}", quiet)
    sources = screen.counted(len(done.labels.sources), "source")
    images = f", {done.counts.total:,} images" if done.counts.path else ""
    print(screen.printable(
        f"{map}: {screen.counted(len(done.labels.targets), 'label')} of {sources}{images}"
    ))  # fmt: skip
    if not done.found:
        print("Nothing was found.")
        return 0
    print()
    columns = ("check", "errors", "doubts", "notes", "images")
    screen.print_table(columns, done.table())
    print()
    worst = [
        (f.case.severity_word, f.case.check, f.images.number if done.counts.path else None,
         f.case.says, f.case.under)
        for f in done.found[:_SHOWN]
    ]  # fmt: skip
    screen.print_table(("severity", "check", "images", "label", "put under"), worst)
    more = len(done.found) - len(worst)
    if out is not None:
        page = shlex.quote(str(out / _PAGE))
        screen.say(f"\nThe page is {page}; all findings are in findings.tsv beside it.", quiet)
    else:
        told = f"{more:,} more findings, and the evidence of each" if more > 0 else "The evidence"
        screen.say(f"\n{told}: give a folder, -o FOLDER", quiet)
    return _FOUND if strict and done.faults else 0


def diff(
    a: Path,
    b: Path,
    /,
    *,
    same: tuple[str, ...] = (),
    taxonomy: tuple[Path, ...] = (),
    counts: Path | None = None,
    out: Out = None,
    strict: bool = False,
    quiet: screen.Quiet = False,
) -> int:
    """Say in what two maps differ, by source and label, and by label alone.

    Args:
        a: A map.
        b: Another.
        same: Two sources that are one, as name-in-a=name-in-b. Once or more often.
        taxonomy: A taxonomy that knows synonyms and what is above what. Once or more often.
        counts: Images by label of the first map; found beside it if not given.
        out: A table of all labels, .tsv.
        strict: End with 1 if the maps contradict each other.
        quiet: Print the answer and nothing else.
    """
    from merian.audit.label_diff import compare_maps, write_diff
    from merian.taxonomy import Taxonomy

    checklists = [Taxonomy.open(folder) for folder in taxonomy]
    with screen.working("Comparing", quiet):
        done = compare_maps(
            a, b, same=screen.pairs("--same", same), taxonomies=checklists, counts=counts
        )
        if out is not None:
            write_diff(done, out)
    for note in done.notes:
        screen.say(f"note: {note}", quiet)
    screen.print_table(("relation", "labels", "images", "meaning"), done.table())
    worst = done.worst()[:_SHOWN]
    if worst:
        print()
        screen.print_table(
            ("relation", "images", "label", "in the first", "in the second"),
            [(p.relation, p.images.number, p.label, p.first, p.second) for p in worst],
        )
    if out is not None:
        screen.say(f"\nAll labels are in {shlex.quote(str(out))}.", quiet)
    return _FOUND if strict and done.contradictions else 0
