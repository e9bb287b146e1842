"""``merian import``: take files into a catalogue."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.catalogue import Catalogue


def import_files(
    *paths: Path,
    into: Path,
    format: str | None = None,
    map: tuple[str, ...] = (),
    images: Path | None = None,
    marker: str | None = None,
    taxonomy: Path | None = None,
    set: tuple[str, ...] = (),
    quiet: screen.Quiet = False,
) -> None:
    """Take files into a catalogue.

    What cannot be taken in is set aside with its file, line and reason; the rest is done. The
    same import given twice does nothing the second time.

    Args:
        paths: Files, or folders in a known layout.
        into: The folder of the catalogue. It is made if it is not there.
        format: The format of the files; found from their content if not given.
        map: What a column means, as column=term: --map Fundort=locality. Once or more often.
        images: The folder with the pictures that a table names.
        marker: The gene of the sequences, where the files do not say: COI-5P, ITS.
        taxonomy: A taxonomy that `merian taxonomy build` made: the names are matched to it, and the
            identifications get the taxon and the lock of the checklist.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        quiet: Print the answer and nothing else.
    """
    from merian.formats import Options, read_path

    if not paths:
        raise InputError("give the files to take in: merian import FILE... --into CATALOGUE")
    mapping = screen.pairs("--map", map)
    options = Options(mapping, images, marker, screen.pairs("--set", set))
    checklist = None
    if taxonomy is not None:
        from merian.taxonomy import Taxonomy

        checklist = Taxonomy.open(taxonomy)
    # All are looked at before anything is written, so that a wrong name costs nothing.
    readings = [(path, read_path(path, options, format)) for path in paths]
    decisive = {"map": mapping, "images": images and str(images), "marker": marker,
                "set": options.extra}  # fmt: skip
    arguments = {name: value for name, value in decisive.items() if value}
    usable = False
    set_aside = 0
    with _open(into, quiet) as catalogue:
        for path, reading in readings:
            screen.say(f"{path}: read as {reading.format}", quiet)
            with screen.working(f"Importing {path.name}", quiet) as job:
                summary = catalogue.ingest(
                    reading, arguments=arguments, taxonomy=checklist, progress=job.step
                )
            print(screen.printable_lines(summary.as_text()))
            usable = usable or summary.done_before or bool(summary.added or summary.already)
            set_aside += summary.rows_rejected + summary.values_rejected
    if set_aside:
        sql = "SELECT file, line, term, reason FROM rejects"
        screen.say(f'see what was set aside: merian query {shlex.quote(str(into))} "{sql}"', quiet)
    if not usable:
        raise InputError("nothing could be taken in; the reasons stand above")


def _open(folder: Path, quiet: bool) -> Catalogue:
    """Open a catalogue, or make one where nothing is."""
    from merian.catalogue import Catalogue

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return Catalogue.open(folder)
    screen.say(f"{folder}: a new catalogue", quiet)
    return Catalogue.create(folder)
