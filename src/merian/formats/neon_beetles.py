"""NEON's ground beetles: elytra measured on group pictures, by several people and methods.

Four shapes, found by their columns::

    all_measurements.csv      elytraLength_pix elytraWidth_pix elytraLength_cm elytraWidth_cm
                              user_name genus species individualID outliers
                              (newer: combinedID lying_flat measureID_length coords_pix_length ...)
    BeetleMeasurements.csv    pictureID individual structure coords_pix dist_pix dist_cm cm_pix
                              user_name measureID coords_pix_scaled_up scientificName ...
    trait_annotations.csv     groupImageFilePath BeetlePosition individualID coords_scalebar
                              coords_elytra_max_length px_elytra_max_length cm_... (Hawaii)
    annotations.json          [{group_img, beetle_position, offset_x or origin_x, scientific_name,
                              measurements: [{measurement_type, polyline}]}] (drawn in TORAS)

A group picture is a row of media, each beetle an occurrence and a specimen of its sample, each
length a measurement in cm and in px with who took it. A line that was drawn is a region of the
group picture with a LINESTRING. The scale bar of 1 cm is a measurement in px/cm, its picture and
person the calibrationID of lengths in cm.

Odd, and real: the pixels of the first two are those of pictures made smaller, so their scale is not
that of the picture (``coords_pix_scaled_up`` is); ids repeat on pictures of more than 99 beetles,
whose counter wrapped (43 ids and persons in the published table); names are missing as NA; lines
are in pixels of a beetle's own picture, but the scale bars of the trays (``offset_x``) in those of
the larger; a bar may be twice as long as those of its neighbours; an individual_id may stand for
two beetles, so a beetle is called after its picture and position, and that id is its catalogNumber.
JSON has no lengths: they are worked out, along the line where it has more than two points.

References: doi:10.57967/hf/5252 (2018), doi:10.57967/hf/7272 (Hawaii)
"""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from pathlib import Path

from merian.catalogue.sources import Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing
from merian.formats.delimited import head_text, lacking_columns, peek_columns, write_delimited
from merian.formats.json_stream import first_object
from merian.formats.neon_rows import Measured
from merian.formats.neon_tables import COLUMNS, DRAWN, beetles, kind_of
from merian.formats.registry import Format, Options

__all__ = ["FORMAT"]

_TABLES = ("media", "material", "record", "measurement")


def _sniff(path: Path) -> int:
    text = head_text(path).lstrip("\ufeff \t\r\n")
    if text.startswith("["):
        first = first_object(text, "[")
        return 3 if isinstance(first, dict) and first.keys() >= DRAWN else 0
    return 3 if kind_of(peek_columns(path, ",")) else 0


def _lacks(path: Path) -> str:
    if kind_of(peek_columns(path, ",")):
        return ""
    told = (lacking_columns(path, ",", sure) for sure in COLUMNS.values())
    return next((why for why in told if why), "")


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "table of measured beetles")
    if path.is_dir():
        raise FormatError("is a folder; a table of measured beetles is expected", path=path)
    if not _sniff(path):
        raise FormatError(
            "is no table of measured beetles: expected the columns of all_measurements.csv, "
            "BeetleMeasurements.csv or trait_annotations.csv, or a list of drawn beetles",
            path=path, line=1,
        )  # fmt: skip
    folder = (options.images or path.parent).absolute()
    given = partial(beetles, path)
    notes, sampled = _look(path, folder)
    sources = tuple(
        Rows(path, table, Measured(table, path, given, folder))
        for table in _TABLES
        if sampled or table != "material"
    )
    return Reading("neon-beetles", sources, (path,), notes)


def _look(path: Path, folder: Path) -> tuple[tuple[str, ...], bool]:
    """Return what there is to say of a file, and whether its beetles are of samples."""
    sampled = False
    people: Counter[str] = Counter()
    pictures: set[str] = set()
    again: Counter[tuple[str, str | None, str]] = Counter()
    for beetle in beetles(path):
        if isinstance(beetle, Reject):
            continue
        sampled = sampled or bool(beetle.sample)
        people[beetle.who or "(not told)"] += 1
        pictures.add(beetle.picture or "")
        again.update((beetle.name, beetle.who, measure.kind) for measure in beetle.measures[:1])
    who = ", ".join(f"{name} {count}" for name, count in sorted(people.items())[:20])
    notes = [f"pictures: {len(pictures)}, taken from {folder}; rows by person: {who}"]
    twice = sum(count > 1 for count in again.values())
    if twice:
        notes.append(
            f"{twice} ids were measured more than once by the same person: they may be several "
            "beetles under one id"
        )
    return tuple(notes), sampled


def _fake(folder: Path, seed: int) -> Path:
    """Write 20 beetles that two people measured, an id that wrapped and names that are missing."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    columns = ("elytraLength_pix", "elytraWidth_pix", "elytraLength_cm", "elytraWidth_cm",
               "user_name", "genus", "species", "individualID", "outliers")  # fmt: skip
    rows = []
    for person, scale in (("A", 77.0), ("B", 76.5)):
        for number in range(10):
            long, wide = chance.uniform(60, 120), chance.uniform(30, 55)
            genus, species = chance.choice((("Carabus", "goryi"), ("NA", "NA")))
            name = f"A{seed:011d}_{max(number, 1)}"
            rows.append((long, wide, long / scale, wide / scale, person, genus, species, name,
                         number == 3))  # fmt: skip
    rows.append((1.0, 1.0, 1.0, 1.0, "A", "Carabus", "goryi", "", False))
    path = folder / "all_measurements.csv"
    write_delimited(path, columns, rows, ",")
    return path


FORMAT = Format(
    name="neon-beetles",
    title="NEON's ground beetles: lengths measured on group pictures",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="all measurements of 2018 (19,532 rows), the lines drawn on the beetles of Hawaii "
    "(1,601) and of BioRepo's trays (328)",
)
