"""``merian identify --table``: name the features of a table of reads, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from merian.cli import screen
from merian.errors import InputError
from merian.taxonomy import MAIN_RANKS

if TYPE_CHECKING:
    from merian.identify import Choice
    from merian.metabarcoding import Metabarcoded

__all__ = ["identify_table"]

_SHOWN = 8  # names of samples


def identify_table(
    queries: Sequence[Path],
    table: Path,
    samples: Path | None,
    library: Sequence[Path],
    out: Path,
    *,
    choice: Choice,
    mapping: dict[str, str],
    settings: dict[str, str],
    estimate: bool,
    processes: int | None,
    quiet: bool,
) -> None:
    """Identify a feature table and print what came of it.

    Args:
        queries: The file of the features' sequences, if the table does not hold them.
        table: The table.
        samples: The sheet of samples.
        library: The libraries.
        out: The folder to write.
        choice: What is promised.
        mapping: What columns mean: of the table id, sequence, sample or ignore; of the sheet terms.
        settings: Distances, the direction of the table, and terms of DNA derived data.
        estimate: Whether the mix of novelty is estimated from the features.
        processes: How many at most.
        quiet: Print the answer and nothing else.
    """
    from merian.formats.feature_text import USES
    from merian.metabarcoding import Distances, metabarcode, open_features
    from merian.report.metabarcoding import write_metabarcoding

    usual = Distances()
    distances = Distances(
        _share(settings, "distance", usual.species),
        _share(settings, "genus_distance", usual.genera),
    )
    rows = settings.pop("rows", None)
    of_table = {name: use for name, use in mapping.items() if use in USES}
    of_sheet = {
        name: "id" if use == "sample_id" else use
        for name, use in mapping.items()
        if use not in USES
    }
    if of_sheet and samples is None:
        name, use = next(iter(of_sheet.items()))
        raise InputError(
            f"--map {name}={use}: expected one of {', '.join(USES)}, or a sheet with --samples"
        )
    with screen.working(f"Reading {table}", quiet):
        features = open_features(table, queries, samples, mapping=of_table, rows=rows)
    for note in features.notes:
        screen.say(f"note: {note}", quiet)
    try:
        with screen.working("Identifying", quiet) as job:
            done = metabarcode(
                features, library, out,
                sheet=samples, sheet_terms=of_sheet, said=settings, choice=choice,
                estimate=estimate, distances=distances, processes=processes, progress=job.step,
                page=write_metabarcoding,
            )  # fmt: skip
    finally:
        features.close()
    for note in done.notes[len(features.notes) :]:
        screen.say(f"note: {note}", quiet)
    _print_summary(done, estimate, quiet)


def _share(settings: dict[str, str], name: str, usual: float) -> float:
    """Read a distance."""
    text = settings.pop(name, str(usual))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 0.3:
        raise InputError(f"--set {name}={text}: expected a share of columns such as {usual:g}")
    return value


def _print_summary(done: Metabarcoded, estimated: bool, quiet: bool) -> None:
    """Print what is in the folder, what was set aside, and what is promised."""
    if done.done_before:
        screen.say(f"{done.out}: the same was done before; nothing was written", quiet)
    print(
        screen.printable(
            f"{done.out}: {screen.counted(done.samples, 'sample')}, "
            f"{done.answered:,} of {screen.counted(done.features, 'feature')} answered, "
            f"{screen.counted(done.reads, 'read')}"
        )
    )
    ranks = [*reversed(MAIN_RANKS), "", "set aside"]
    shown = [
        (rank or "nothing said", reads, f"{100 * reads / done.reads:.1f} %")
        for rank in ranks
        if (reads := done.reads_standing.get(rank, 0))
    ]
    screen.print_table(("stands at", "reads", "share"), shown)
    print(
        f"{screen.counted(done.clusters, 'cluster')} of what has no species' name, within "
        f"{100 * done.distances['species']:g} %; {screen.counted(done.occurrences, 'occurrence')}"
    )
    for title, names in (
        ("controls, which are not among the occurrences", done.controls),
        ("samples that are not on the sheet", done.missing),
        ("samples on the sheet that are not in the table", done.unread),
    ):
        if names:
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            print(screen.printable(f"{title}: {', '.join(names[:_SHOWN])}{more}"))
    if done.set_aside:
        print(screen.printable(f"set aside, and listed in {done.out / 'answers.tsv.rejects.tsv'}:"))
        screen.print_table(("rows", "reason"), [(n, r) for r, n in done.set_aside.items()])
    if estimated and done.novelty is not None:
        given = ",".join(f"{share:g}" for share in done.novelty)
        print(f"the mix as estimated from the features: --novelty {given}")
    for line in done.promise:
        print(screen.printable(line))
    print(screen.printable(f"a page about the samples: {done.out / 'report.html'}"))
