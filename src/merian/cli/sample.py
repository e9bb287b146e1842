"""``merian sample``: pictures, individuals and DNA of the same samples, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

__all__ = ["sample"]

_SHOWN = 30
_UNCOUNTED = (
    "individuals are not counted: they have no answers, or neither probabilities of these nor "
    "anything that people say of some"
)


def sample(
    sheet: Path | None = None,
    /,
    *,
    pictures: Path | None = None,
    individuals: Path | None = None,
    replicates: Path | None = None,
    catalogue: Path | None = None,
    taxa: Path | None = None,
    detectability: Path | None = None,
    map_: Annotated[tuple[str, ...], Parameter(name="--map")] = (),
    sample: str = "",
    rank: str = "",
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    quiet: screen.Quiet = False,
) -> None:
    """Join the pictures, individuals and DNA of samples, and tell what each of them saw.

    Tables are joined by the code of the sample. What does not fit is listed with its reason. With
    answers about individuals it is told how many of each kind samples hold; with DNA lists too,
    how probably each kind is there by both.

    Args:
        sheet: A CSV, TSV or Parquet file with a row for each sample, and how many pictures,
            individuals and replicates are expected if that is known. Samples are those of the
            tables if not given.
        pictures: A table with a row for each picture or tray.
        individuals: A table with a row for each individual: its sample or picture, its answer, what
            people say that it is, and how probable the answer is.
        replicates: A table with a row for each replicate of metabarcoding.
        catalogue: A catalogue that has the pictures and individuals, where no table of them is
            given.
        taxa: A table with a row for each taxon that the DNA of a sample has, such as the taxa.tsv
            that identify makes of a table of reads.
        detectability: How lists are to be read: detectability.json of an earlier run, or a table of
            earlier samples with the columns sample, taxon, lineage, present and listed, such as
            its listings.tsv. Learnt from the other samples if not given.
        map_: What a column holds, as COLUMN=sample, picture, individual, replicate, taxon, answer,
            truth, count or probability, where its name does not tell.
        sample: Of a catalogue, the term that is a sample; eventID if not given.
        rank: Of a catalogue, the rank at which things are counted.
        seed: Of what is drawn.
        out: A folder for the tables and a page.
        quiet: Print the answer and nothing else.
    """
    from merian.metabarcoding.both_views import counts_of, ranks_of, weigh_samples
    from merian.metabarcoding.dna_lists import read_dna_lists, read_earlier
    from merian.metabarcoding.joined_samples import SampleTables, join_samples
    from merian.report.sampled import PAGE, check_out, sample_lines, view_lines, write_sampled

    if detectability is not None and taxa is None:
        raise InputError("--detectability tells how DNA lists are to be read; give them by --taxa")
    if out is not None:
        check_out(out)
    columns = screen.pairs("--map", map_)
    tables = SampleTables(
        sheet, pictures, individuals, replicates, catalogue, columns, sample or "eventID"
    )
    told, earlier = read_earlier(detectability) if detectability is not None else (None, None)
    more = told.kinds if told else earlier.kinds if earlier else ()
    with screen.working("Joining", quiet) as job, join_samples(tables) as joined:
        table = catalogue if individuals is None else None
        counts = counts_of(joined, table, sample, rank, more)
        lists = views = None
        if taxa is not None:
            kinds = [kind for kind in counts.kinds if kind] if counts else list(more)
            ranks = ranks_of(joined, table, rank, kinds)
            before = told or earlier
            above = dict(zip(before.kinds, before.paths, strict=True)) if before else {}
            lists = read_dna_lists(joined, taxa, columns, kinds, ranks, above)
        if counts is not None:
            job.tell("Counting")
            views = weigh_samples(counts, lists, earlier=earlier, told=told, seed=seed)
        head, rows = sample_lines(joined, views)
        reasons = list(joined.rows("SELECT reason, count(*) FROM finding GROUP BY 1 ORDER BY 1"))
        if out is not None:
            given = {
                "sheet": sheet, "pictures": pictures, "individuals": individuals,
                "replicates": replicates, "catalogue": catalogue, "taxa": taxa,
                "detectability": detectability,
            }  # fmt: skip
            asked = {"map": columns, "sample": tables.sample, "rank": rank, "seed": seed}
            read = {what: path for what, path in given.items() if path is not None}
            write_sampled(joined, views, lists, read, asked, out)
    _print_samples(head, rows, out is not None)
    if views is not None and lists is not None:
        screen.print_table(*view_lines(views))
        screen.say(_learnt(views.source), quiet)
    _print_misfits(reasons, lists.strangers if lists else (), taxa)
    if individuals is not None and views is None:
        screen.say(_UNCOUNTED, quiet)
    if out is not None:
        screen.say(f"tables in {out}; look at {out / PAGE}", quiet)


def _print_samples(head: Sequence[str], rows: Sequence[Sequence[object]], kept: bool) -> None:
    screen.print_table([name.replace("_", " ") for name in head], rows[:_SHOWN])
    if len(rows) > _SHOWN:
        print(f"and {len(rows) - _SHOWN:,} more" + ("" if kept else "; -o writes them all"))


def _print_misfits(
    reasons: Sequence[Sequence[object]], strangers: Sequence[tuple[str, int]], taxa: Path | None
) -> None:
    """Print what does not fit, and why."""
    if reasons:
        print("what does not fit:")
        screen.print_table(("rows", "reason"), [(many, reason) for reason, many in reasons])
    if strangers:
        codes = ", ".join(code or "(no code)" for code, _ in strangers[:8])
        more = f" and {len(strangers) - 8:,} more" if len(strangers) > 8 else ""
        print(screen.printable(f"codes in {taxa} that are no sample's: {codes}{more}"))


def _learnt(source: str) -> str:
    if source:
        return f"how lists tell of taxa was learnt from {source}"
    return (
        "too few samples have both individuals and a list to learn how lists tell of taxa, so that "
        "counts are by the pictures alone; give --detectability"
    )
