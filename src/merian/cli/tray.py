"""``merian tray``: every body in bulk photographs: counted, measured, cut out and named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.cli.measure import asked_of, scale_told
from merian.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from merian.tray.naming import Named
    from merian.tray.run import Done, Tray

__all__ = ["tray"]


def tray(
    *photos: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    scale: str = "",
    calibration: Path | None = None,
    about: Path | None = None,
    measure: bool = False,
    library: Annotated[tuple[Path, ...], Parameter(name=("--library", "-l"))] = (),
    rank: str = "",
    alpha: float = 0.05,
    validated: Path | None = None,
    missed: Path | None = None,
    into: Path | None = None,
    finder: str = "classical",
    least: float = 0.0,
    without_crops: bool = False,
    processes: int | None = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Find every body in photographs of trays, traps or drawers.

    A photograph is looked at in tiles that overlap, so that it may be of any size, and what lies in
    several of them is counted once. The folder gets a table of bodies, their outlines as COCO, a
    crop of each, an overlay of each photograph, how many there are of each size, and a page. A run
    that was stopped goes on when its command is given again.

    Args:
        photos: Photographs, or folders of photographs.
        out: The folder for all that is written.
        scale: Pixels of a millimetre, with its standard uncertainty: "27±0.5%". Without one, that
            of a bar which somebody has clicked is taken, 1.3 %.
        calibration: A file that `merian calibrate` wrote, of these photographs or of their rig.
        about: A table of the photographs: image, and any of group, expected, px_per_mm,
            uncertainty (in percent).
        measure: Measure the usual traits of every body too, as `merian measure` does.
        library: A library that `merian library build` made, which names the crops. Once or more
            often.
        rank: Count at this rank; by the names that are stood by, if not given.
        alpha: The share of wrong names that is not to be exceeded.
        validated: A table of what somebody has said of bodies: photo, instance, truth (none for no
            body); a row without an instance is a body that was missed.
        missed: A table with the columns kind, found and missed, of photographs in which somebody
            counted by hand.
        into: A catalogue, to which photographs, bodies, measurements and names are added.
        finder: How bodies are found: classical, by their colour; learned, by the network that
            ships, which holds more of those apart that touch on a plain ground; or the folder of a
            run of `merian train instances`.
        least: Leave out what is less sure to be a body, from 0 to 1.
        without_crops: Write no crops; names need them.
        processes: How many to use for naming; as many as there are cores if not given.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from merian.identify.answered import read_missed
    from merian.measure.definitions import chosen, definitions
    from merian.report.trayed import PAGE, write_page
    from merian.tray.bodies import SIZES, Settings
    from merian.tray.counting import check_photographs, count_bodies, read_validated
    from merian.tray.finding import finder as finder_of
    from merian.tray.run import find_all

    if not photos:
        raise InputError("give photographs, or a folder of photographs: merian tray PHOTO -o OUT")
    if not 0 <= least <= 1:
        raise InputError(f"--least {least}: expected a number from 0 to 1")
    _check(rank, library, validated, missed, not without_crops, into)
    known = definitions()
    traits = chosen(known, SIZES)
    if measure:
        traits = tuple({one.id: one for one in (*traits, *chosen(known, ()))}.values())
    name, find = finder_of(finder)
    settings = Settings(name, find, traits, scale_told(scale, calibration), least)
    said = read_validated(validated) if validated is not None else None
    lost = read_missed(missed) if missed is not None else None
    asked = asked_of(photos, None, about, calibration, None)
    if said is not None:
        asked = [*asked]
        check_photographs(said, (one.name for one in asked))
    with screen.working("Looking", quiet) as job:
        done = find_all(
            asked, settings, out, name=_namer(library, alpha, processes, job.step),
            count=lambda tray: count_bodies(
                tray.stage, tray.work, tray.named, rank=rank, validated=said, missed=lost
            ),
            page=write_page, into=_writer(into), sources=photos, crops=not without_crops,
            progress=job.step,
        )  # fmt: skip
    _tell(done, out, json)
    screen.say(f"tables and crops in {out}; look at {out / PAGE}", quiet)


def _check(
    rank: str,
    library: tuple[Path, ...],
    validated: Path | None,
    missed: Path | None,
    crops: bool,
    into: Path | None,
) -> None:
    """Say what does not go together before anything is looked at."""
    from merian.files import existing
    from merian.taxonomy import MAIN_RANKS

    if rank and rank not in MAIN_RANKS:
        raise InputError(f"--rank {rank}: one of {', '.join(MAIN_RANKS)} is expected")
    if rank and not library:
        raise InputError("--rank is of names; give a library that names the crops: --library LIB")
    if library and not crops:
        raise InputError("--without-crops does not go with --library: what is named are the crops")
    for path in filter(None, (validated, missed)):
        existing(path, "table")
    if library:
        from merian.identify.learning_across import answers_pictures, refusal
        from merian.library.shelf import open_shelf

        shelf = open_shelf(library, pictures=True)
        if not any(one.kind == "picture" or answers_pictures(one) for one in shelf.values()):
            raise InputError(f"no library that was given names pictures; {refusal(shelf)}")
    if into is not None:
        from merian.catalogue import Catalogue

        Catalogue.open(into, read_only=True).close()


def _namer(
    library: tuple[Path, ...],
    alpha: float,
    processes: int | None,
    progress: Callable[[str, float], None],
) -> Callable[[Tray], Named] | None:
    if not library:
        return None
    from merian.cli.choosing import choice_of
    from merian.tray.naming import name_bodies

    choice = choice_of(alpha, None, "all")
    return lambda tray: name_bodies(
        tray.stage, tray.folder, tray.work, library, choice, processes=processes, progress=progress
    )


def _writer(into: Path | None) -> Callable[[Tray, str], int] | None:
    if into is None:
        return None
    from merian.tray.in_catalogue import write_bodies

    return lambda tray, run: write_bodies(into, tray.stage, run, tray.named)


def _tell(done: Done, out: Path, json: bool) -> None:
    if json:
        from dataclasses import asdict

        screen.print_json({**asdict(done), "out": str(out)})
        return
    photographs = screen.counted(done.photographs, "photograph")
    bodies = f"{done.bodies:,} {'body' if done.bodies == 1 else 'bodies'}"
    print(screen.printable(f"{bodies} in {photographs}"))
    if done.scaled < done.photographs:
        without = done.photographs - done.scaled
        print(f"  {without:,} have no scale: sizes are in pixels (--scale, --calibration)")
    if done.aside[0]:
        print(screen.printable(f"  {done.aside[0]:,} set aside; the first: {done.aside[1]}"))
    if done.refused:
        print(screen.printable(f"  counts are of what was found: {done.refused}"))
    if done.written is not None:
        print(f"  {done.written:,} added to the catalogue")
