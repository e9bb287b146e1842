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


def of_records(queries: tuple[Path, ...], library: tuple[Path, ...]) -> bool:
    """Return whether records are asked about: where a library of pictures is among those given."""
    from merian.formats.image_folder import SUFFIXES
    from merian.library.shelf import open_shelf

    if any(one.kind == "picture" for one in open_shelf(library, pictures=True).values()):
        return True
    pictures = [path for path in queries if path.suffix.lower() in SUFFIXES and path.is_file()]
    if pictures:
        raise InputError(
            f"{pictures[0]}: is a picture, and no library of pictures was given; "
            "`merian library build PICTURES -o LIBRARY --pictures` makes one"
        )
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
    quiet: bool,
) -> None:
    """Identify records, and print what was done."""
    from merian.cli.identify import finish, print_summary
    from merian.identify import record_job
    from merian.identify.records import Records
    from merian.library.shelf import open_shelf
    from merian.taxonomy import Taxonomy

    if estimate:
        raise InputError(
            "--novelty batch: a mix is estimated for barcodes alone; give the four shares"
        )
    records = Records(queries, options, format)
    checklist = Taxonomy.open(taxonomy) if taxonomy is not None else None
    if out is None:
        if into is None:
            raise InputError("say where the answers go: -o OUT, or --into CATALOGUE, or both")
        run = record_job.run_of_records(
            records, open_shelf(library, pictures=True), choice, checklist
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
            progress=job.step,
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
