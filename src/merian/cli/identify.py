"""``merian identify``: name barcodes, and say how sure that is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from merian.cli import screen
from merian.cli.choosing import BATCH, choice_of, options_of
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.identify import Choice
    from merian.identify.job import Identified
    from merian.identify.queries import Queries


def identify(
    *queries: Path,
    library: Annotated[tuple[Path, ...], Parameter(name=("--library", "-l"))],
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    into: Path | None = None,
    table: Path | None = None,
    samples: Path | None = None,
    alpha: float = 0.05,
    novelty: str | None = None,
    promise: Literal["all", "rank"] = "all",
    format: str | None = None,
    map: tuple[str, ...] = (),
    set: tuple[str, ...] = (),
    images: Path | None = None,
    taxonomy: Path | None = None,
    place: Path | None = None,
    processes: int | None = None,
    report: Path | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Name barcodes, pictures, or records of both by reference libraries.

    Each answer is the lowest taxon that the evidence supports, so that no more than the promised
    share of answers is wrong. What cannot be read is set aside with its line and the reason. A
    command that was stopped is continued when it is given again.

    With a library of pictures, records are named: a picture and a barcode of one id are one record.
    Each gives an answer, all together the consensus, which is the row of the record. A library of
    barcodes answers pictures too where its encoder aligns both and it was given pictures to learn
    from, and no library of pictures is among those given.

    Args:
        queries: FASTA or FASTQ files, tables with a column of sequences or of pictures, pictures
            and folders of pictures, or the folder of a catalogue.
        library: A library that `merian library build` made, of barcodes or of pictures. Once or
            more often, or a folder with one library for each marker in it: each query is then
            answered by the library that it is for.
        out: The table to write: .tsv, .txt, .parquet, .jsonl or .json. With --table, the folder.
        into: A catalogue that holds the sequences: the answers are appended to it as
            identifications. The table is put into its folder runs/ if --out is not given.
        table: A table of reads by ASV or OTU and sample, as DADA2, QIIME 2 (.biom, .qza), vsearch
            or a spreadsheet has it. Its features are named, and taxa by sample, richness and what
            can be published are written into the folder -o. The queries are then the file of their
            sequences, if the table does not hold them.
        samples: The sheet of samples: a row for each, with its id, date, place, and whether it is a
            control.
        alpha: The share of wrong answers that is not to be exceeded; 0.05 if not given.
        novelty: The shares of records whose species is in the library, and whose species, genus,
            family is not, such as 0.7,0.2,0.08,0.02: deeper answers, with a promise for that mix
            alone. With "batch" the mix is estimated from the queries.
        promise: With "rank" the promise also holds for the answers that stop at species, genus and
            family, each by itself.
        format: The format of the files; found from their content if not given.
        map: What a column means, as column=term: --map barcode=sequence. Once or more often. Of a
            --table: id, sequence, sample or ignore; of its sheet sample_id, or a term.
        set: A setting of one format alone, as name=value; see `merian formats NAME`. With --table
            distance=0.03 (of clusters), genus_distance=0.12, rows=features (or samples), and terms
            of DNA derived data such as target_gene=COI.
        images: The folder with the pictures that a table names.
        taxonomy: A checklist: with it labels of records contradict the evidence only where they
            are no synonyms of what it says.
        place: Where and when taxa were met, which makes the places and dates of records evidence
            too: a Darwin Core download, a table of species with coordinates and dates, a catalogue,
            or the names of what lives in the region.
        processes: How many processes to use; as many as there are cores if not given.
        report: Write a page about the answers into this HTML file.
        quiet: Print the answer and nothing else.
    """
    from merian.cli.identify_records import identify_records, of_records
    from merian.identify.job import identify_files
    from merian.identify.queries import Queries

    if processes is not None and processes < 1:
        raise InputError(f"--processes {processes}: expected 1 or more")
    if table is not None or samples is not None:
        _identify_table(
            queries, table, samples, library, out, into, report, choice_of(alpha, novelty, promise),
            novelty, map, set, format, processes, quiet,
        )  # fmt: skip
        return
    if not queries:
        raise InputError("give the sequences: merian identify QUERY... --library LIB -o OUT")
    choice = choice_of(alpha, novelty, promise)
    options = options_of(format, map, set, images)
    if of_records(queries, library, options, format, quiet) or place is not None:
        identify_records(
            queries, library, out, into, choice, options, format, taxonomy, processes,
            novelty == BATCH, report, place, quiet,
        )  # fmt: skip
        return
    asked = Queries(queries, options_of(format, map, set), format)
    estimate = novelty == BATCH
    out = _place(out, into, asked, library, choice, estimate)
    if report is not None:
        _check_report(report, asked, out)
    for note in asked.notes:
        screen.say(f"note: {note}", quiet)
    with screen.working("Identifying", quiet) as job:
        found = identify_files(
            asked, library, out,
            choice=choice, estimate=estimate, processes=processes, progress=job.step,
        )  # fmt: skip
    print_summary(found, quiet)
    finish(found, into, report, quiet)


def _identify_table(
    queries: tuple[Path, ...],
    table: Path | None,
    samples: Path | None,
    library: tuple[Path, ...],
    out: Path | None,
    into: Path | None,
    report: Path | None,
    choice: Choice,
    novelty: str | None,
    map: tuple[str, ...],
    set: tuple[str, ...],
    format: str | None,
    processes: int | None,
    quiet: bool,
) -> None:
    """Say what does not go with a feature table, and identify it."""
    from merian.cli.metabarcoding import identify_table

    if table is None:
        raise InputError("--samples is the sheet of a feature table; give the table with --table")
    if out is None:
        raise InputError("say where the tables go: -o FOLDER")
    if into is not None or report is not None or format is not None:
        given = "--into" if into is not None else "--report" if report is not None else "--format"
        raise InputError(
            f"{given} does not go with --table; its folder holds a page and all tables"
        )
    identify_table(
        queries, table, samples, library, out,
        choice=choice, mapping=screen.pairs("--map", map), settings=screen.pairs("--set", set),
        estimate=novelty == BATCH, processes=processes, quiet=quiet,
    )  # fmt: skip


def _place(
    out: Path | None,
    into: Path | None,
    queries: Queries,
    library: tuple[Path, ...],
    choice: Choice,
    estimate: bool,
) -> Path:
    """Return where the answers go, and make sure that the catalogue is one."""
    if into is not None:
        from merian.catalogue import Catalogue

        Catalogue.open(into, read_only=True).close()
    if out is not None:
        return out
    if into is None:
        raise InputError("say where the answers go: -o OUT, or --into CATALOGUE, or both")
    from merian.identify.job import run_of
    from merian.library.shelf import open_shelf

    run = run_of(queries, open_shelf(library), choice, estimate=estimate)
    return into / "runs" / run / "answers.tsv"


def _check_report(report: Path, asked: Queries, out: Path) -> None:
    """Say so if the page would replace what was asked, or the answers."""
    from merian.identify.job import check_not_asked

    check_not_asked(asked, report)
    if report.resolve() == out.resolve():
        raise InputError(f"{report}: is where the answers go; give the page another name")


def print_summary(found: Identified, quiet: bool) -> None:
    """Print where the answers stand, what was set aside, and what is promised."""
    from merian.taxonomy import MAIN_RANKS

    if found.done_before:
        screen.say(f"{found.out}: the same was done before; nothing was written", quiet)
    answers = screen.counted(found.queries, "answer")
    print(screen.printable(f"{answers} in {found.out}"))
    if found.queries:
        rows = [(rank, found.standing.get(rank, 0)) for rank in reversed(MAIN_RANKS)]
        rows.append(("nothing said", found.standing.get("", 0)))
        shown = [
            (rank, count, f"{100 * count / found.queries:.1f} %") for rank, count in rows if count
        ]
        screen.print_table(("stands at", "answers", "share"), shown)
    if found.rejects is not None:
        print(screen.printable(f"set aside, and listed in {found.rejects}:"))
        screen.print_table(("queries", "reason"), [(n, r) for r, n in found.set_aside.items()])
    if found.novelty is not None and found.estimated:
        from merian.identify.strata import NAMES

        told = ", ".join(
            f"{name} {100 * share:.1f} %" for name, share in zip(NAMES, found.novelty, strict=True)
        )
        given = ",".join(f"{share:g}" for share in found.novelty)
        print(f"the mix as estimated from the queries: {told} (as --novelty {given})")
    for line in found.promise:
        print(screen.printable(line))


def finish(found: Identified, into: Path | None, report: Path | None, quiet: bool) -> None:
    """Append the answers to a catalogue and write the page, as asked for."""
    if into is not None:
        _append(into, found, quiet)
    if report is not None:
        from merian.report.identified import write_identified

        with screen.working(f"Writing {report}", quiet):
            write_identified(found.out, report)
        print(screen.printable(f"a page about the answers: {report}"))
    if not found.queries:
        raise InputError("nothing could be identified; the reasons stand above")


def _append(into: Path, found: Identified, quiet: bool) -> None:
    """Append the answers to a catalogue, and print what that did."""
    from merian.identify.into_catalogue import append_answers

    with screen.working(f"Writing into {into}", quiet) as job:
        summary = append_answers(into, found, job.step)
    if summary is None:
        print(screen.printable(f"{into}: no answer names anything; nothing was appended"))
        return
    added = 0 if summary.done_before else summary.added.get("identification", 0)
    if not added:
        print(screen.printable(f"{into}: holds these identifications already"))
    else:
        appended = screen.counted(added, "identification")
        print(screen.printable(f"{into}: {appended} appended"))
    if summary.rows_rejected:
        sql = "SELECT file, line, reason FROM rejects"
        missing = screen.counted(summary.rows_rejected, "answer")
        screen.say(
            f"{missing} set aside, mostly of what the catalogue does not hold (import it first): "
            f'merian query {shlex.quote(str(into))} "{sql}"'
        )
