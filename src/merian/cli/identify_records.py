"""``merian identify`` with a library of pictures: records of pictures, barcodes, or both."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.formats import Options
    from merian.identify import Choice

__all__ = ["identify_records", "of_records"]


def of_records(
    queries: tuple[Path, ...],
    library: tuple[Path, ...],
    options: Options,
    format: str | None,
    quiet: bool,
) -> bool:
    """Return whether records are asked about: where a library that is given answers pictures.

    One of barcodes that can is asked in this way only where there is a picture.
    """
    from merian.formats import sniff
    from merian.formats.image_folder import SUFFIXES
    from merian.identify.given import has_pictures
    from merian.identify.learning_across import answers_pictures, refusal, sees_pictures
    from merian.library.from_catalogue import is_catalogue
    from merian.library.shelf import open_shelf

    shelf = open_shelf(library, pictures=True)
    if any(one.kind == "picture" for one in shelf.values()):
        return True
    if any(answers_pictures(one) for one in shelf.values()):
        return has_pictures(queries, options, format)
    for path in queries:
        alone = path.is_file() and path.suffix.lower() in SUFFIXES
        inside = path.is_dir() and not is_catalogue(path) and sniff(path).name == "image-folder"
        if alone or inside:
            what = "is a picture" if alone else "holds pictures"
            raise InputError(
                f"{path}: {what}, and no library of pictures was given; {refusal(shelf)}"
            )
    if any(map(sees_pictures, shelf.values())) and has_pictures(queries, options, format):
        screen.say(f"note: pictures are not asked about; {refusal(shelf)}", quiet)
    return False


def identify_records(
    queries: tuple[Path, ...],
    library: tuple[Path, ...],
    out: Path | None,
    into: Path | None,
    choice: Choice,
    options: Options,
    format: str | None,
    taxonomy: Path | None,
    processes: int | None,
    estimate: bool,
    report: Path | None,
    place: Path | None,
    quiet: bool,
) -> None:
    """Identify records, and print what was done."""
    from merian.cli.identify import finish, print_summary
    from merian.identify import record_job
    from merian.identify.records import Records
    from merian.identify.sightings import read_sightings
    from merian.library.shelf import open_shelf
    from merian.taxonomy import Taxonomy

    if estimate:
        raise InputError(
            "--novelty batch: a mix is estimated for barcodes alone; give the four shares"
        )
    records = Records(queries, options, format)
    checklist = Taxonomy.open(taxonomy) if taxonomy is not None else None
    sightings = read_sightings(place) if place is not None else None
    for note in sightings.notes if sightings is not None else ():
        screen.say(f"note: {place}: {note}", quiet)
    if out is None:
        if into is None:
            raise InputError("say where the answers go: -o OUT, or --into CATALOGUE, or both")
        run = record_job.run_of_records(
            records, open_shelf(library, pictures=True), choice, checklist, sightings
        )
        out = into / "runs" / run / "answers.tsv"
    if into is not None:
        from merian.catalogue import Catalogue

        Catalogue.open(into, read_only=True).close()
    if report is not None:
        record_job.check_not_asked(records, report)
        if report.resolve() in {path.resolve() for path in record_job.written(out)}:
            raise InputError(f"{report}: is where answers go; give the page another name")
    for note in records.notes:
        screen.say(f"note: {note}", quiet)
    told = len(records.notes)
    with screen.working("Identifying", quiet) as job:
        found = record_job.identify_records(
            records, library, out, choice=choice,
            taxonomy=checklist, processes=processes,
            progress=job.step, sightings=sightings,
        )  # fmt: skip
    for note in records.notes[told:]:
        screen.say(f"note: {note}", quiet)
    print_summary(found, quiet)
    single, contradicting = record_job.beside(out)
    print(screen.printable(f"what each picture and barcode says alone: {single}"))
    if found.disagreements:
        count = screen.counted(found.disagreements, "contradiction")
        listed = shlex.quote(str(contradicting))
        print(screen.printable(f"{count}, the strongest first, in {listed}"))
    finish(found, into, report, quiet)
