"""``merian measure``: traits of specimens in millimetres, with intervals and what is doubtful."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from merian.measure.asked import Asked
    from merian.measure.calibration import Calibration
    from merian.measure.colour import Patch
    from merian.measure.run import Done

__all__ = ["app", "asked_of", "scale_told"]

app = App(
    name="measure",
    help="Measure specimens in pictures: lengths, areas, volumes and colours, each with its "
    "interval.",
)

_SCALE = re.compile(r"\s*([0-9.eE+-]+)\s*(?:(?:±|\+-|\+/-)\s*([0-9.eE+-]+)\s*%)?\s*")
Out = Annotated[Path | None, Parameter(name=("--out", "-o"))]
Traits = Annotated[str, Parameter(name=("--traits", "-t"))]


@app.default
def measure(
    *sources: Path,
    scale: str = "",
    calibration: Path | None = None,
    traits: Traits = "",
    definitions: Path | None = None,
    masks: Path | None = None,
    about: Path | None = None,
    chart: Path | None = None,
    single: bool = False,
    tight: bool = False,
    expected: int | None = None,
    landmarks: str = "classical",
    outlines: str = "classical",
    overlays: int = 200,
    write: bool = False,
    out: Out = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Measure the specimens of pictures.

    Masks are found by themselves, or given. Every value has an interval (k = 2) from the scale, the
    outline and the definition, and codes where something is doubtful. Without a scale values are in
    pixels. A run that was stopped goes on when its command is given again.

    Args:
        sources: Pictures, folders of pictures, or a catalogue.
        scale: Pixels of a millimetre, with its standard uncertainty: "27±0.5%". Without one, that
            of a bar which somebody has clicked is taken, 1.3 %.
        calibration: A file that `merian calibrate` wrote, of these pictures or of their rig.
        traits: Which, as id,id,...; aliases of ImageJ are known too. The usual ones, if not given.
        definitions: A TOML file with further definitions of traits.
        masks: Outlines to measure instead of what is found: COCO, CVAT or another format of
            regions; or a folder of .png files that are called as the pictures.
        about: A table of the pictures: image, and any of id, group, expected, px_per_mm,
            uncertainty (in percent). A picture has a row for each specimen, in reading order.
        chart: A table of the patches of a colour chart: x, y, radius, red, green, blue (sRGB).
        single: Each picture shows one specimen.
        tight: Each picture was cut at the outline of its one specimen, which reaches all four
            sides: this tells where blurred edges end and which pale parts belong to it.
        expected: How many specimens a picture shows; another number is told.
        landmarks: How landmarks are placed: classical, from the outline; learned, by the network
            that ships, which knows insects from above; or the folder of a run of `merian train
            landmarks`.
        outlines: Which outlines are measured: classical, or learned for those of the network too.
        overlays: Write overlays of so many pictures, the first ones.
        write: Write the measurements of a catalogue into it.
        out: A folder for tables, overlays and the page. Of a catalogue runs/measure in it, if not
            given.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from merian.learn.pack_gather import is_catalogue
    from merian.measure.definitions import chosen
    from merian.measure.definitions import definitions as read_definitions
    from merian.measure.placing import placer
    from merian.measure.run import measure_all
    from merian.measure.specimens import Settings
    from merian.report.measured import PAGE, write_page

    if not sources and masks is None:
        raise InputError("give pictures, a folder of pictures or a catalogue to measure")
    catalogue = sources[0] if len(sources) == 1 and is_catalogue(sources[0]) else None
    place = _place(out, catalogue)
    _check(expected, overlays, write, catalogue)
    if tight and masks is not None:
        raise InputError("--tight is for outlines that are found; with --masks they are given")
    names = [name.strip() for name in traits.split(",") if name.strip()]
    known = chosen(read_definitions(definitions), names)
    given = scale_told(scale, calibration)
    places = placer(landmarks, outlines)
    settings = Settings(known, given, single, expected, _chart(chart), places, tight)
    into = None
    if write and catalogue is not None:
        from functools import partial

        from merian.measure.in_catalogue import write_rows

        into = partial(write_rows, catalogue)
    asked = asked_of(sources, masks, about, calibration, catalogue)
    with screen.working("Measuring", quiet) as job:
        done = measure_all(
            asked, settings, place, overlays=overlays, page=write_page, sources=sources,
            into=into, progress=job.step,
        )  # fmt: skip
    _tell(done, place, json)
    if single and not tight and done.codes.get("touches-border", 0) > done.specimens / 2:
        screen.say("most reach the border: if the pictures were cut at the outlines of their "
                   "specimens, --tight measures these better", quiet)  # fmt: skip
    screen.say(f"tables in {place}; look at {place / PAGE}", quiet)


def _place(out: Path | None, catalogue: Path | None) -> Path:
    if out is not None:
        return out
    if catalogue is None:
        raise InputError("--out is missing: name a folder for tables, overlays and the page")
    return catalogue / "runs" / "measure"


def _check(expected: int | None, overlays: int, write: bool, catalogue: Path | None) -> None:
    if expected is not None and expected < 0:
        raise InputError(f"--expected {expected}: expected 0 or more")
    if overlays < 0:
        raise InputError(f"--overlays {overlays}: expected 0 or more")
    if write and catalogue is None:
        raise InputError("--write needs a catalogue as the only source; `merian import` makes one")


def asked_of(
    sources: tuple[Path, ...],
    masks: Path | None,
    about: Path | None,
    calibration: Path | None,
    catalogue: Path | None,
) -> Iterable[Asked]:
    """Return the pictures that are meant, with all that is told of them."""
    from merian.measure.asked import of_files, read_about, with_outlines, with_scales

    told = read_about(about) if about is not None else None
    if catalogue is not None and masks is None:
        from merian.measure.in_catalogue import of_catalogue

        found: Iterable[Asked] = of_catalogue(catalogue)
    else:
        found = of_files(sources)
        if masks is not None:
            found = with_outlines(found, masks)
    if calibration is not None:
        found = with_scales(found, calibration)
    return found if told is None else map(told.told, found)


def scale_told(scale: str, file: Path | None) -> Calibration | None:
    """Return the scale that is told."""
    from merian.measure.calibration import BY_HAND, declared

    if scale and file is not None:
        raise InputError("--scale and --calibration say the same thing; give one of them")
    if not scale:
        return None
    found = _SCALE.fullmatch(scale)
    try:
        pixels = float(found[1] if found else "")
        sure = float(found[2]) / 100 if found and found[2] else BY_HAND
    except ValueError:
        raise InputError(
            f"--scale {scale}: expected pixels of a millimetre, as 27, or with a standard "
            'uncertainty as "27±1.3%"'
        ) from None
    return declared(pixels, sure, "--scale")


def _chart(path: Path | None) -> tuple[Patch, ...]:
    if path is None:
        return ()
    from merian.measure.colour import read_chart

    return read_chart(path)


def _tell(done: Done, out: Path, json: bool) -> None:
    if json:
        from dataclasses import asdict

        screen.print_json({**asdict(done), "out": str(out)})
        return
    pictures = screen.counted(done.pictures, "picture")
    specimens = screen.counted(done.specimens, "specimen")
    print(screen.printable(f"{done.measurements:,} measurements of {specimens} in {pictures}"))
    if done.scaled < done.pictures:
        without = done.pictures - done.scaled
        print(f"  {without:,} have no scale: their values are in pixels (--scale, --calibration)")
    if done.aside[0]:
        print(screen.printable(f"  {done.aside[0]:,} set aside; the first: {done.aside[1]}"))
    if done.written is not None:
        print(f"  {done.written:,} rows written into the catalogue")
    if done.codes:
        from merian.measure.codes import CODES

        print()
        screen.print_table(
            ("code", "specimens", "what it says"),
            [(code, count, CODES.get(code, ("", ""))[0]) for code, count in done.codes.items()],
        )


@app.command
def correct(
    folder: Path,
    edited: Path,
    /,
    *,
    by: str,
    date: str | None = None,
    all_checked: bool = False,
    catalogue: Path | None = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Take in what somebody has mended: end points, landmarks, outlines.

    What was moved is measured again. The old values stay in corrections.tsv, and how far the
    measurements were off is told, with intervals drawn by picture.

    Args:
        folder: What `merian measure` wrote.
        edited: points.csv after editing, or CVAT or COCO.
        by: Who has mended it.
        date: When, as 2026-05-01; today if not given.
        all_checked: All that the file names was looked at, and not only pictures with a change.
        catalogue: Write the corrected values into this catalogue too; the old rows stay.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from dataclasses import asdict

    from merian.measure.corrections import HISTORY
    from merian.measure.corrections import correct as take_in

    at = _date(date)
    with screen.working("Correcting", quiet):
        done = take_in(folder, edited, by=by, date=at, all_checked=all_checked)
        added = None
        if catalogue is not None:
            from merian.measure.in_catalogue import write_corrections

            added = write_corrections(catalogue, folder, done.rows)
    if json:
        screen.print_json(asdict(done))
        return
    specimens = screen.counted(done.specimens, "specimen")
    print(screen.printable(f"{done.values:,} values of {specimens} corrected by {by}"))
    if added is not None:
        print(f"  {added:,} rows written into the catalogue")
    if done.aside:
        where, why = done.aside[0]
        print(screen.printable(f"  {len(done.aside):,} set aside; the first ({where}): {why}"))
    rows = []
    for one in done.biases:
        figures = one.pair.own if one.pair else {}
        bias, rmse = figures.get("bias"), figures.get("rmse")
        between = f"{bias.low:+.3g} to {bias.high:+.3g}" if bias and bias.groups > 1 else None
        rows.append((
            one.trait, one.unit, one.checked, one.moved, f"{bias.value:+.4g}" if bias else None,
            between, f"{rmse.value:.3g}" if rmse else None,
        ))  # fmt: skip
    print()
    screen.print_table(("trait", "unit", "checked", "moved", "bias", "95 % interval", "RMSE"), rows)
    screen.say(f"bias is measured less corrected; history in {folder / HISTORY}", quiet)


@app.command(name="next")
def next_(
    folder: Path,
    /,
    *,
    count: int = 50,
    drawn: float = 0.25,
    seed: int = 0,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Tell which pictures to check next: of every group, the doubtful ones first.

    Args:
        folder: What `merian measure` wrote.
        count: How many pictures.
        drawn: The share of them that is drawn whatever their codes, so that a bias can be told.
        seed: Of drawing.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from dataclasses import asdict

    from merian.measure.next_pictures import next_pictures

    found = next_pictures(folder, count, drawn=drawn, seed=seed)
    if json:
        screen.print_json([asdict(one) for one in found])
        return
    screen.print_table(
        ("picture", "group", "specimens", "why"),
        [(one.image, one.group or None, one.specimens,
          "drawn" if one.drawn else ", ".join(one.codes)) for one in found],
    )  # fmt: skip
    screen.say(f"{screen.counted(len(found), 'picture')} of {folder}", quiet)


def _date(text: str | None) -> str:
    import datetime

    if text is None:
        return datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError(f"--date {text}: expected a day, as 2026-05-01") from None
