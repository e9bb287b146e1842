"""Measuring many pictures into a folder of tables, overlays and a page.

Several are measured beside each other, in threads; the answer does not hang on how many. A picture
that cannot be read or does not fit what is told of it is set aside with its reason, and the others
are measured. The folder appears when all is there; what was measured until a run is stopped is
kept, and the same command goes on from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.files import check_replaceable, content_hash, new_folder, write_json
from merian.image.addresses import pixels_of, read_file
from merian.measure.asked import Asked
from merian.measure.kept import give_name, kept_beside, known_of
from merian.measure.measurement import told_calibration
from merian.measure.overlay import Drawing, overlay
from merian.measure.specimens import Measured, Settings, measure_pixels
from merian.measure.stage import Rows, Stage, rows_of
from merian.measure.written import write_tables
from merian.pictures import read_picture
from merian.stamp import run_id, stamp
from merian.threads import usable_cores

__all__ = ["FORMAT", "HEADER", "VERSION", "Done", "drawing_of", "measure_all", "pixels_for"]

HEADER, FORMAT, VERSION = "run.json", "merian-measurements", "1.0"
_OVERLAYS = "overlays"
_OVERLAY = "overlay.png"  # of a picture, as it is kept
_AT_ONCE = 4  # pictures that are measured beside each other at most

Page = Callable[[Stage, Path, dict[str, object]], None]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Done:
    """What a run has come to.

    Attributes:
        pictures: How many were measured.
        specimens: In how many.
        measurements: How many values.
        aside: How many pictures were set aside, and the reason of the first.
        codes: How many specimens have each code.
        scaled: How many of the pictures have a scale.
        run: The id of the run.
        written: How many rows a catalogue has got; None where none was to be written.
    """

    pictures: int
    specimens: int
    measurements: int
    aside: tuple[int, str]
    codes: dict[str, int]
    scaled: int
    run: str
    written: int | None = None


def measure_all(
    asked: Iterable[Asked],
    settings: Settings,
    out: Path,
    *,
    overlays: int = 200,
    page: Page | None = None,
    sources: Sequence[Path] = (),
    into: Callable[[Stage, str], int] | None = None,
    progress: Progress | None = None,
) -> Done:
    """Measure pictures into a folder.

    Args:
        asked: The pictures, in order.
        settings: How they are measured.
        out: The folder.
        overlays: For how many pictures an overlay is written, the first ones.
        page: Writes the page.
        sources: What the pictures were taken from, for the run's id.
        into: Writes what was measured elsewhere too: into a catalogue.
        progress: Is told how far it is.
    """
    check_replaceable(out, HEADER, "measurements")
    tell = progress or (lambda _what, _done: None)
    with (
        TemporaryDirectory(prefix="merian-measure-") as made, kept_beside(out, "measure") as kept,
        new_folder(out) as folder,
    ):  # fmt: skip
        stage = Stage(Path(made))
        seen = hashlib.blake2b(digest_size=16)
        wanted = ((one, number < overlays) for number, one in enumerate(asked))
        try:
            for (one, _), entry in kept.done(
                wanted, partial(_key, settings), partial(_measure, settings), usable_cores(_AT_ONCE)
            ):
                tell("measuring", stage.shots)
                seen.update(entry.key.encode())
                if entry.rows is None:
                    stage.set_aside(one.name, one.address, entry.aside)
                    continue
                stage.add(entry.rows)
                drawn = entry.folder / _OVERLAY
                if stage.shots <= overlays and drawn.is_file():
                    give_name(drawn, folder / _OVERLAYS / _file(stage.shots, one))
            tell("comparing with others", stage.shots)
            stage.settle()
            done = _done(stage, settings, sources, seen.hexdigest())
            counts = write_tables(stage, folder)
            told = _header(done, settings, sources, counts)
            write_json(folder / HEADER, told)
            if page is not None:
                tell("writing the page", stage.shots)
                page(stage, folder, told)
            if into is not None:
                tell("writing into the catalogue", stage.shots)
                done = replace(done, written=into(stage, done.run))
        finally:
            stage.close()
    return done


def _key(settings: Settings, wanted: tuple[Asked, bool]) -> str:
    """Return a hash of all that decides what is measured of a picture."""
    asked, drawn = wanted
    content = hashlib.blake2b(read_file(asked.address), digest_size=16).hexdigest()
    return run_id("picture", {
        "picture": content, "asked": known_of(asked), "drawn": drawn,
        "settings": json.dumps(asdict(settings), default=str),
    })  # fmt: skip


def _measure(settings: Settings, wanted: tuple[Asked, bool], folder: Path) -> Rows:
    """Measure a picture, and write its overlay into a folder where one is wanted."""
    asked, drawn = wanted
    pixels = pixels_for(asked)
    measured = measure_pixels(pixels, asked, settings)
    if drawn:
        folder.mkdir()
        drawings = [drawing_of(measured, at) for at in range(len(measured.specimens))]
        overlay(pixels, drawings).save(folder / _OVERLAY)
    return rows_of(measured)


def pixels_for(asked: Asked) -> NDArray[np.uint8]:
    """Return the pixels of a picture, or of the region of it that is meant."""
    pixels = read_picture(asked.address).pixels
    if asked.region is None:
        return pixels
    height, width = pixels.shape[:2]
    left, top, right, below = pixels_of((width, height), asked.region)
    return pixels[top:below, left:right]


def drawing_of(measured: Measured, at: int) -> Drawing:
    """Return what is drawn of a specimen."""
    one = measured.specimens[at]
    lines = {m.trait: m.points for m in one.measurements if len(m.points) > 1}
    doubted = bool(one.codes or measured.codes or any(m.codes for m in one.measurements))
    return Drawing(
        one.id or str(one.number), one.box, [ring.ravel().tolist() for ring in one.outline], lines,
        one.points, doubted,
    )  # fmt: skip


def _file(number: int, asked: Asked) -> str:
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in Path(asked.name).stem)[:80]
    return f"{number:05}_{stem}.png"


def _done(stage: Stage, settings: Settings, sources: Sequence[Path], seen: str) -> Done:
    tally = stage.tally()
    aside, first = tally.aside
    if not tally.shots:
        raise InputError(
            f"none of {aside:,} pictures could be measured; the first: {first}"
            if aside else "there is no picture to measure"
        )  # fmt: skip
    run = run_id("measure", {
        "sources": [str(source) for source in sources],
        "held": [content_hash(source) for source in sources if source.is_file()],
        "pictures": seen, "settings": json.dumps(asdict(settings), default=str),
    })  # fmt: skip
    return Done(
        tally.shots, tally.specimens, tally.values, tally.aside, stage.codes(), tally.scaled, run
    )


def _header(
    done: Done, settings: Settings, sources: Sequence[Path], counts: dict[str, int]
) -> dict[str, object]:
    scale = settings.calibration
    return {
        "merian": stamp(FORMAT, VERSION, done.run),
        "sources": [str(source) for source in sources],
        "pictures": done.pictures, "set_aside": done.aside[0], "specimens": done.specimens,
        "with_scale": done.scaled, "rows": counts, "codes": done.codes,
        "calibration": told_calibration(scale) if scale else "",
        "scale": asdict(scale) if scale else None,
        "landmarks": settings.placer.told if settings.placer else "classical",
        "tight": settings.tight,
        "definitions": {one.id: asdict(one) for one in settings.traits},
        "coordinates": "pixels of the whole picture; its left top corner is 0, 0",
        "intervals": "value ± 2 standard uncertainties (k = 2)",
    }  # fmt: skip
