"""``merian tray``: every body in bulk photographs: counted, measured, cut out and named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.cli.measure import asked_of, scale_told
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.tray.run import Done

__all__ = ["tray"]


def tray(
    *photos: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    scale: str = "",
    calibration: Path | None = None,
    about: Path | None = None,
    measure: bool = False,
    finder: str = "auto",
    least: float = 0.0,
    crops: bool = True,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Find every body in photographs of trays, traps or drawers.

    A photograph is looked at in tiles that overlap, so that it may be of any size, and what lies in
    several of them is counted once. The folder gets a table of bodies, their outlines as COCO, a
    crop of each, an overlay of each photograph, how many there are of each size, and a page.

    Args:
        photos: Photographs, or folders of photographs.
        out: The folder for all that is written.
        scale: Pixels of a millimetre, with its standard uncertainty: "27±0.5%". Without one, that
            of a bar which somebody has clicked is taken, 1.3 %.
        calibration: A file that `merian calibrate` wrote, of these photographs or of their rig.
        about: A table of the photographs: image, and any of group, expected, px_per_mm,
            uncertainty (in percent).
        measure: Measure the usual traits of every body too, as `merian measure` does.
        finder: How bodies are found: classical, or auto for what measures best.
        least: Leave out what is less sure to be a body, from 0 to 1.
        crops: Write a crop of each body.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from merian.measure.definitions import chosen, definitions
    from merian.report.trayed import PAGE, write_page
    from merian.tray.bodies import SIZES, Settings
    from merian.tray.finding import finder as finder_of
    from merian.tray.run import find_all

    if not photos:
        raise InputError("give photographs, or a folder of photographs: merian tray PHOTO -o OUT")
    if not 0 <= least <= 1:
        raise InputError(f"--least {least}: expected a number from 0 to 1")
    known = definitions()
    traits = chosen(known, SIZES)
    if measure:
        traits = tuple({one.id: one for one in (*traits, *chosen(known, ()))}.values())
    name, find = finder_of(finder)
    settings = Settings(name, find, traits, scale_told(scale, calibration), least)
    asked = asked_of(photos, None, about, calibration, None)
    with screen.working("Looking", quiet) as job:
        done = find_all(
            asked, settings, out, pages=(write_page,), sources=photos, crops=crops,
            progress=job.step,
        )  # fmt: skip
    _tell(done, out, json)
    screen.say(f"tables and crops in {out}; look at {out / PAGE}", quiet)


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
