"""Photographs of trays, one after the other, into a folder of tables, crops, overlays and a page.

A photograph that cannot be read is set aside with its reason. The folder appears when all is there,
and not at all if that is stopped; what was looked at until then is kept, and the same command goes
on from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from merian.errors import InputError, NotFoundError
from merian.files import check_replaceable, content_hash, new_folder, write_json
from merian.measure.asked import Asked
from merian.measure.kept import Entry, give_name, kept_beside, known_of
from merian.measure.measurement import told_calibration
from merian.measure.overlay import Drawing, overlay
from merian.measure.specimens import Measured
from merian.measure.stage import Rows, Stage, rows_of
from merian.pictures import BadPictureError
from merian.stamp import run_id, stamp
from merian.tray.bodies import Settings, found_in, photo_id
from merian.tray.counting import Counted
from merian.tray.crops import CROPS, crop_box, crop_name, safe, write_crop
from merian.tray.naming import Named
from merian.tray.photograph import Photograph, open_photograph
from merian.tray.written import write_tables

__all__ = ["FORMAT", "HEADER", "OVERLAYS", "VERSION", "Done", "Tray", "find_all"]

HEADER, FORMAT, VERSION = "tray.json", "merian-tray", "1.0"
OVERLAYS = "overlays"
_OVERLAY = "overlay.png"  # of a photograph, as it is kept
_ASKED_AGAIN = 16  # photographs whose hash is asked for again when they are looked at
_DRAWN = 4_000_000  # pixels from which an overlay is drawn

Page = Callable[["Tray", dict[str, object]], None]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Done:
    """What a run has come to.

    Attributes:
        photographs: How many were looked at.
        bodies: How many were found in them.
        scaled: How many of the photographs have a scale.
        aside: How many were set aside, and the reason of the first.
        run: The id of the run.
        written: How many bodies a catalogue has got; None where none was to be written.
        refused: Why counts are only of what was found, though more was asked for.
    """

    photographs: int
    bodies: int
    scaled: int
    aside: tuple[int, str]
    run: str
    written: int | None = None
    refused: str = ""


@dataclass
class Tray:
    """What was found, while it is being written.

    Attributes:
        stage: The rows.
        out: The folder as it will be called.
        folder: The folder in which it is made.
        work: A folder for what is not kept.
        named: What bodies are called, where a library was given.
        counted: How many there are of each kind.
        looked: By the id of a photograph that was looked at, its name.
    """

    stage: Stage
    out: Path
    folder: Path
    work: Path
    named: Named | None = None
    counted: Counted | None = None
    looked: dict[str, str] = field(default_factory=dict)


def find_all(
    asked: Iterable[Asked],
    settings: Settings,
    out: Path,
    *,
    name: Callable[[Tray], Named] | None = None,
    count: Callable[[Tray], Counted] | None = None,
    page: Page | None = None,
    into: Callable[[Tray, str], int] | None = None,
    sources: Sequence[Path] = (),
    crops: bool = True,
    progress: Progress | None = None,
) -> Done:
    """Find the bodies of photographs and write them into a folder.

    Args:
        asked: The photographs, in order.
        settings: How they are looked at.
        out: The folder.
        name: Names the bodies.
        count: Counts them by kind.
        page: Writes the page.
        into: Writes them elsewhere too: into a catalogue.
        sources: What the photographs were taken from, for the run's id.
        crops: Whether each body is cut out too.
        progress: Is told how far it is.
    """
    check_replaceable(out, HEADER, "a tray")
    tell = progress or (lambda _what, _done: None)
    with (
        TemporaryDirectory(prefix="merian-tray-") as made, kept_beside(out, "tray") as kept,
        new_folder(out) as folder,
    ):  # fmt: skip
        tray = Tray(Stage(Path(made)), out, folder, Path(made))
        seen = hashlib.blake2b(digest_size=16)
        content = lru_cache(_ASKED_AGAIN)(_content)
        try:
            for one, entry in kept.done(
                asked,
                partial(_key, settings, crops, content),
                partial(_look, settings, crops, content, tell, tray.looked),
            ):
                seen.update(entry.key.encode())
                _take(one, entry, tray)
            tray.stage.settle()
            done = _done(tray.stage, settings, sources, seen.hexdigest())
            tell("naming", tray.stage.specimens)
            tray.named = name(tray) if name is not None else None
            tell("counting", tray.stage.specimens)
            tray.counted = count(tray) if count is not None else None
            done = replace(done, refused=tray.counted.refused if tray.counted else "")
            counts = write_tables(tray.stage, folder, out, tray.named, tray.counted)
            told = _header(done, settings, sources, counts)
            write_json(folder / HEADER, told)
            if page is not None:
                tell("writing the page", tray.stage.shots)
                page(tray, told)
            if into is not None:
                tell("writing into the catalogue", tray.stage.specimens)
                done = replace(done, written=into(tray, done.run))
        finally:
            tray.stage.close()
    return done


def _key(settings: Settings, crops: bool, content: Callable[[str], str], asked: Asked) -> str:
    """Return a hash of all that decides what is found in a photograph."""
    return run_id("photograph", {
        "photograph": content(asked.address), "asked": known_of(asked), "finder": settings.finder,
        "traits": [asdict(one) for one in settings.traits], "scale": repr(settings.calibration),
        "least": settings.least, "grid": asdict(settings.grid), "crops": crops,
    })  # fmt: skip


def _content(address: str) -> str:
    try:
        return content_hash(Path(address))
    except (OSError, NotFoundError) as error:
        raise BadPictureError(f"cannot be read ({error})") from None


def _look(
    settings: Settings,
    crops: bool,
    content: Callable[[str], str],
    tell: Progress,
    looked: Mapping[str, str],
    asked: Asked,
    folder: Path,
) -> Rows:
    """Look at a photograph, and write its crops and its overlay into a folder."""
    asked = replace(asked, media=photo_id(content(asked.address)))
    if asked.media in looked:  # its bodies would be the same, and be counted twice
        raise BadPictureError(f"is the same photograph as {looked[asked.media]}")
    photograph = open_photograph(asked.address)
    what = f"looking at {asked.name}"
    measured = found_in(
        photograph, asked, settings,
        lambda kind, done, of: tell(f"{what}: {kind} {done:,} of {of:,}", done),
    )  # fmt: skip
    (folder / CROPS).mkdir(parents=True)
    if crops:
        for specimen in measured.specimens:
            file = folder / CROPS / crop_name(specimen.number)
            write_crop(file, photograph.window(*crop_box(specimen.box, photograph)))
    _overlay(photograph, measured, folder / _OVERLAY)
    return rows_of(measured)


def _take(asked: Asked, entry: Entry, tray: Tray) -> None:
    """Take in what was found in a photograph, with its crops and its overlay."""
    if entry.rows is None:
        tray.stage.set_aside(asked.name, asked.address, entry.aside)
        return
    name = safe(tray.stage.shots + 1, asked.name)
    give_name(entry.folder / _OVERLAY, tray.folder / OVERLAYS / f"{name}.png")
    for file in sorted((entry.folder / CROPS).glob("*")):
        give_name(file, tray.folder / CROPS / name / file.name)
    tray.stage.add(entry.rows)
    tray.looked[entry.rows.media] = asked.name


def _overlay(photograph: Photograph, measured: Measured, path: Path) -> None:
    """Draw all outlines over a photograph, which is made smaller where it is large."""
    step = max(1, int(np.ceil(np.sqrt(photograph.width * photograph.height / _DRAWN))))
    drawings = [
        Drawing(
            str(one.number),
            (one.box[0] // step, one.box[1] // step, one.box[2] // step, one.box[3] // step),
            [(ring / step).ravel().tolist() for ring in one.outline], {}, {}, bool(one.codes),
        )
        for one in measured.specimens
    ]  # fmt: skip
    overlay(photograph.sampled(step), drawings).save(path)


def _done(stage: Stage, settings: Settings, sources: Sequence[Path], seen: str) -> Done:
    tally = stage.tally()
    aside, first = tally.aside
    if not tally.shots:
        raise InputError(
            f"none of {aside:,} photographs could be read; the first: {first}"
            if aside else "there is no photograph to look at"
        )  # fmt: skip
    run = run_id("tray", {
        "pictures": seen, "finder": settings.finder, "least": settings.least,
        "traits": [(one.id, one.version) for one in settings.traits],
        "scale": asdict(settings.calibration) if settings.calibration else None,
        "scales": [*map(str, stage.rows("SELECT image, scale, relative FROM shot ORDER BY shot"))],
        "grid": json.dumps(asdict(settings.grid)), "sources": [path.name for path in sources],
    })  # fmt: skip
    return Done(tally.shots, tally.specimens, tally.scaled, tally.aside, run)


def _header(
    done: Done, settings: Settings, sources: Sequence[Path], counts: dict[str, int]
) -> dict[str, object]:
    scale = settings.calibration
    return {
        "merian": stamp(FORMAT, VERSION, done.run),
        "sources": [str(source) for source in sources],
        "photographs": done.photographs, "set_aside": done.aside[0], "bodies": done.bodies,
        "with_scale": done.scaled, "rows": counts, "finder": settings.finder,
        "least_score": settings.least, "grid": asdict(settings.grid),
        "calibration": told_calibration(scale) if scale else "",
        "definitions": {one.id: asdict(one) for one in settings.traits},
        "coordinates": "pixels of the whole photograph; its left top corner is 0, 0",
        "intervals": "value ± 2 standard uncertainties (k = 2)",
    }  # fmt: skip
