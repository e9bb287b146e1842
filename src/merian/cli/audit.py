"""``merian audit``: what is wrong with a reference, pictures or places, and what leaks."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from merian.cli import screen
from merian.cli.choosing import options_of

if TYPE_CHECKING:
    from merian.audit import Audit
    from merian.report.audited import Shown

__all__ = ["app"]

app = App(
    name="audit",
    help="Find what is wrong with a reference, pictures or places, or what leaks into a test.",
)

_FOUND = 1  # the exit code of --strict; 2 is for errors
_PAGE, _ALL = "audit.html", "scores.tsv"

Out = Annotated[Path | None, Parameter(name=("--out", "-o"))]


@app.command(sort_key=1)
def reference(
    *sources: Path,
    out: Out = None,
    strict: bool = False,
    distance: float = 0.025,
    bins: Path | None = None,
    taxonomy: Path | None = None,
    format: str | None = None,
    map: tuple[str, ...] = (),
    marker: str | None = None,
    set: tuple[str, ...] = (),
    quiet: screen.Quiet = False,
) -> int:
    """Find wrong labels, shared barcodes and other faults of a reference.

    Finds probable mislabels, sequences of something else, other genes, strands and broken reading
    frames, sequences of several species, species over several BINs and the reverse (BAGS grades A
    to E), BINs that the nearest sequences contradict, names under several parents, and placeholders
    posing as names.

    Args:
        sources: The folder of a library, or the files that `merian library build` would read.
        out: A folder for a table of each kind, with ids, files and lines, and a page.
        strict: End with 1 if anything was found.
        distance: Where records have no BINs, sequences no farther apart than this share of their
            bases are of one cluster.
        bins: A table with the columns bin_uri and species_per_bin, as BAGS has it: how many species
            each BIN holds in all of BOLD. Without it only what the reference holds is known.
        taxonomy: A taxonomy that the names of files are matched to.
        format: The format of the files; found from their content if not given.
        map: What a column means, as column=term: --map Art=species. Once or more often.
        marker: Take only this gene, such as COI-5P.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        quiet: Print the answer and nothing else.
    """
    from merian.audit import audit_reference, check_out
    from merian.library import Settings
    from merian.taxonomy import Taxonomy

    if out is not None:
        check_out(out)
    checklist = Taxonomy.open(taxonomy) if taxonomy is not None else None
    with screen.working("Auditing", quiet) as job:
        done = audit_reference(
            sources,
            distance=distance,
            bins=bins,
            checklist=checklist,
            settings=Settings(format, options_of(format, map, set), marker),
            progress=job.step,
        )
    return _told(done, out, strict, quiet)


@app.command(sort_key=2)
def leak(
    train: Path,
    test: Path,
    /,
    *,
    out: Out = None,
    strict: bool = False,
    distance: float = 0.01,
    format: str | None = None,
    map: tuple[str, ...] = (),
    set: tuple[str, ...] = (),
    quiet: screen.Quiet = False,
) -> int:
    """Find what of a test was in the training.

    Finds test records whose sequence is in the training too, on either strand; lies within a
    training sequence or holds one; is nearly identical to one; or whose specimen is, by any of its
    ids (process and sample ids, catalogue numbers, accessions).

    Args:
        train: The training data: a file in any format, or the folder of a library.
        test: The test data.
        out: A folder for a table of each kind, with the best training record of each test record,
            and a page.
        strict: End with 1 if anything was found.
        distance: Up to this share of differing bases, sequences are nearly identical.
        format: The format of both files; found from their content if not given.
        map: What a column means, as column=term. Once or more often.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        quiet: Print the answer and nothing else.
    """
    from merian.audit import audit_leak, check_out

    if out is not None:
        check_out(out)
    with screen.working("Comparing", quiet) as job:
        done = audit_leak(
            train,
            test,
            distance=distance,
            options=options_of(format, map, set),
            format=format,
            progress=job.step,
        )
    return _told(done, out, strict, quiet)


@app.command(sort_key=3)
def pictures(
    *sources: Path,
    out: Out = None,
    strict: bool = False,
    write: bool = False,
    turned: bool = False,
    empty: float | None = None,
    blur: float | None = None,
    scattered: float | None = None,
    cut: float | None = None,
    alike: float | None = None,
    processes: int | None = None,
    format: str | None = None,
    map: tuple[str, ...] = (),
    set: tuple[str, ...] = (),
    quiet: screen.Quiet = False,
) -> int:
    """Find pictures that are there twice, and those that cannot tell what they show.

    Finds pictures with the same bytes, the same pixels or the same look, and those of them whose
    labels differ; empty and blurred pictures, objects in pieces or cut by the picture's edge, files
    that were cut off or cannot be read.

    Args:
        sources: The folder of a catalogue, a folder of pictures, or any file that can be imported.
        out: A folder for a table of each kind, one with the scores of all pictures, and a page.
        strict: End with 1 if anything was found.
        write: Write the scores and what was found into the catalogue that was audited, as
            measurements of its pictures.
        turned: A picture that was turned or mirrored is the same, too.
        empty: An object stands out at least so many times as much as reflections do; 7.
        blur: The most pixels of blur, of a picture of 512 pixels; 1.8.
        scattered: The largest share of an object that may lie apart from its largest piece; 0.5.
        cut: How much of an object the picture's edge may cut, by the root of its area; 0.5.
        alike: The cosine of two looks from which on two pictures are one; 0.96.
        processes: How many look at pictures; as many as there are cores if not given.
        format: The format of the files; found from their content if not given.
        map: What a column means, as column=term. Once or more often.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        quiet: Print the answer and nothing else.
    """
    from merian.audit import Limits, audit_pictures, check_out
    from merian.audit.picture_notes import check_catalogue, write_notes
    from merian.learn import Asked
    from merian.report.audited_pictures import small_pictures

    if out is not None:
        check_out(out)
    catalogue = check_catalogue(sources) if write else None
    given = {"empty": empty, "blur": blur, "scattered": scattered, "cut": cut, "alike": alike}
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    asked = Asked("pictures", format=format, options=options_of(format, map, set))
    with screen.working("Auditing", quiet) as job:
        found = audit_pictures(
            sources, turned=turned, limits=limits, asked=asked, processes=processes,
            progress=job.step,
        )  # fmt: skip
        with found as done:
            if catalogue is not None:
                job.tell("writing into the catalogue")
                written = write_notes(catalogue, done)
            job.tell("writing")
            shown = small_pictures(done.audit) if out is not None else None
            code = _told(done.audit, out, strict, quiet, shown, done.write_scores)
    if catalogue is not None:
        screen.say(f"{screen.counted(written, 'measurement')} written into {catalogue}.", quiet)
    return code


@app.command(sort_key=4)
def places(
    source: Path,
    /,
    *,
    out: Out = None,
    strict: bool = False,
    marine: bool = False,
    terrestrial: bool = False,
    since: tuple[str, ...] = (),
    date: str | None = None,
    many: int = 1000,
    apart: float = 100.0,
    speed: float = 75.0,
    format: str | None = None,
    map: tuple[str, ...] = (),
    quiet: screen.Quiet = False,
) -> int:
    """Find what is wrong with the coordinates and dates of a catalogue or a table.

    Finds coordinates that are swapped, lost a sign, are zero, lie outside the told country, on land
    for a ship or at sea for a trap; one point for many places, one place at many points; dates that
    cannot be. Each with its evidence and what it probably should be. Nothing is changed.

    Args:
        source: The folder of a catalogue, or a table.
        out: A folder for a table of each kind and a page.
        strict: End with 1 if anything was found.
        marine: All samples are of the sea; else their sampling protocol and habitat say so.
        terrestrial: All samples are of the land.
        since: An instrument, as a word of the sampling protocol, and the year of the first:
            --since UVP6=2019. Once or more often.
        date: The day after which dates lie in the future; today if not given.
        many: From so many records on, one point with several places is told.
        apart: Beyond so many km, one place in words is two.
        speed: Faster than so many km an hour nobody goes between two events of one cruise.
        format: The format of the table; found from its content if not given.
        map: What a column means, as column=term. Once or more often.
        quiet: Print the answer and nothing else.
    """
    from datetime import UTC, datetime

    from merian.audit import audit_places, check_out
    from merian.errors import InputError

    if out is not None:
        check_out(out)
    years = []
    for word, year in screen.pairs("--since", since).items():
        if not year.isdigit() or len(year) != len("2019"):
            raise InputError(f"--since {word}={year}: expected a year, as in UVP6=2019")
        years.append((word, int(year)))
    with screen.working("Auditing", quiet) as job:
        done = audit_places(
            source,
            today=date or datetime.now(UTC).date().isoformat(),
            marine=marine,
            terrestrial=terrestrial,
            since=years,
            many=many,
            apart=apart,
            speed=speed,
            format=format,
            mapping=screen.pairs("--map", map),
            progress=job.step,
        )
    return _told(done, out, strict, quiet)


def _told(
    done: Audit,
    out: Path | None,
    strict: bool,
    quiet: bool,
    shown: Shown | None = None,
    more: Callable[[Path], None] | None = None,
) -> int:
    """Print what was found, write it down if asked to, and return the exit code.

    Args:
        done: What was found.
        out: The folder to write, if any.
        strict: Whether what was found is told by the exit code.
        quiet: Whether to print the answer alone.
        shown: Small pictures for the page.
        more: Writes a table of all that was looked at.
    """
    from merian.audit import write_tables
    from merian.files import new_folder
    from merian.report.audited import audited_page

    if out is not None:
        with new_folder(out) as folder:
            write_tables(done, folder)
            if more is not None:
                more(folder / _ALL)
            (folder / _PAGE).write_text(audited_page(done, shown), encoding="utf-8")
    for note in (*done.remarks, *done.notes):
        screen.say(f"note: {note}", quiet)
    looked_at = ", ".join(f"{number:,} {what}" for number, what in done.looked_at)
    print(screen.printable(f"{done.subtitle}: {looked_at}\n"))
    screen.print_table(
        ("found", "of", "what"),
        [(finding.count, finding.noun, finding.title) for finding in done.findings],
    )
    if out is not None:
        page = shlex.quote(str(out / _PAGE))
        screen.say(f"\nThe page is {page}; the tables lie beside it.", quiet)
    elif done.found:
        screen.say("\nFor the records, and what to do with them, give a folder: -o FOLDER", quiet)
    return _FOUND if strict and done.found else 0
