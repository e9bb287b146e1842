"""The page of a tray: how many bodies, how large, where they are, and what is doubtful of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from merian.files import write_text
from merian.identify.composition import count_rows
from merian.measure.codes import CODES
from merian.report.page import (
    Figures,
    Gallery,
    Intervals,
    Note,
    Part,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    Thumbnail,
    page,
)
from merian.report.small_picture import small_jpeg
from merian.report.trait_histogram import trait_histogram
from merian.tray.crops import CROPS, crop_name, safe
from merian.tray.run import OVERLAYS, Tray
from merian.tray.written import COUNTS, UNNAMED

__all__ = ["PAGE", "write_page"]

PAGE = "tray.html"
_OVERLAYS, _WIDE = 6, 1_000  # on the page; pixels of each
_SHOWN, _CROPS, _SIDE = 12, 24, 260
_KINDS, _PHOTOS = 30, 12
_COUNTING = """
Names are sometimes wrong, bodies are missed, and what was found may be none. The interval holds the
count in 95 of 100 cases, as far as what is known of these errors goes.
"""
_HOW = """
Each body has an outline, a number and a crop. Green outlines are what was taken for a body; a
number on pink has a code, which says what may be wrong. A photograph is looked at in tiles that
overlap, and what lies in several of them is counted once.
"""


def write_page(tray: Tray, told: dict[str, Any]) -> None:
    """Write the page of a run into the folder of the tray.

    Args:
        tray: What was found.
        told: What is written of the run.
    """
    stage, folder = tray.stage, tray.folder
    sections = [
        _overview(tray, told), *_counts(tray), _sizes(tray), _overlays(tray, folder),
        _doubts(tray, folder), _some(tray, folder), _scales(tray),
    ]  # fmt: skip
    stamp = told.get("merian")
    text = page(
        "What is in the tray" if stage.shots == 1 else "What is in the trays",
        [section for section in sections if section.parts],
        subtitle="Every body in the photograph, counted, measured and cut out",
        stamp=stamp if isinstance(stamp, dict) else None,
    )
    write_text(folder / PAGE, text)


def _overview(tray: Tray, told: dict[str, Any]) -> Section:
    rows = list(tray.stage.rows(
        "SELECT image, width, height, found, expected, calibration, codes FROM shot "
        "ORDER BY shot LIMIT 50"
    ))  # fmt: skip
    doubted = next(tray.stage.rows("SELECT count(*) FROM specimen WHERE codes <> ''"))[0]
    parts: list[Part] = [
        Figures([
            (told["photographs"], "photographs"), (told["bodies"], "bodies"),
            (told["bodies"] - doubted, "without any doubt"),
        ]),
        Text(_HOW),
        Table(
            ("photograph", "width", "height", "bodies", "expected", "scale", "codes"), rows,
            more=max(0, told["photographs"] - len(rows)),
        ),
    ]  # fmt: skip
    if told["with_scale"] < told["photographs"]:
        parts.append(Note(
            f"{told['photographs'] - told['with_scale']:,} photographs have no scale: sizes are in "
            "pixels. merian calibrate finds a scale in a photograph; --scale tells one."
        ))  # fmt: skip
    if told["set_aside"]:
        aside = list(tray.stage.rows("SELECT image, reason FROM aside ORDER BY image LIMIT 20"))
        parts.append(Table(("photograph", "why it was set aside"), aside,
                           more=max(0, told["set_aside"] - len(aside))))  # fmt: skip
    return Section("In short", parts)


def _counts(tray: Tray) -> list[Section]:
    """Return how many there are of each kind, of the first photographs."""
    counted = tray.counted
    if counted is None:
        return []
    parts: list[Part] = [Text(_COUNTING)] if counted.composition is not None else []
    parts += [Note(note) for note in counted.notes]
    if tray.named is not None:
        parts += [Text(" ".join(tray.named.found.promise))]
    if counted.composition is None:
        plain = sorted(counted.found.items(), key=lambda one: (one[0][0], -one[1], one[0][1]))
        parts.append(Table(
            ("photograph", "kind", "found"),
            [(photo, name or UNNAMED, many) for (photo, name), many in plain[:_KINDS]],
            more=max(0, len(plain) - _KINDS),
        ))  # fmt: skip
        return [Section("How many of each kind", parts)]
    head, rows = count_rows(counted.composition)
    for photo in counted.composition.counts.samples[:_PHOTOS]:
        own = [row for row in rows if row[0] == photo][:_KINDS]
        values = [
            (str(row[1] or UNNAMED), float(str(row[3])), float(str(row[4])), float(str(row[5])))
            for row in own
        ]
        parts += [Text(photo), Intervals(f"Counts in {photo}", values),
                  Table(head[1:], [(row[1] or UNNAMED, *row[2:]) for row in own])]  # fmt: skip
    more = len(counted.composition.counts.samples) - _PHOTOS
    if more > 0:
        parts.append(Text(f"{more:,} more photographs are in {COUNTS}."))
    return [Section("How many of each kind", parts)]


def _sizes(tray: Tray) -> Section:
    """Return how long bodies are, and the normalised spectrum of their volumes."""
    parts: list[Part] = []
    for unit in ("mm", "px"):
        drawn = trait_histogram(tray.stage, "feret", unit, "length", "bodies")
        if drawn is not None:
            parts.append(replace(drawn, axis=f"longest extent (Feret), {unit}"))
    rows = list(tray.stage.rows(
        "SELECT unit, floor(log2(value))::BIGINT AS o, count(*), sum(value ORDER BY value) "
        "FROM measured WHERE trait = 'biovolume_ellipsoid' AND value > 0 GROUP BY 1, 2 "
        "ORDER BY 1, 2"
    ))  # fmt: skip
    if rows:
        parts.append(Table(
            ("from", "to", "unit", "bodies", "volume", "normalised"),
            [(2.0**o, 2.0 ** (o + 1), unit, n, float(v), float(v / 2.0**o))
             for unit, o, n, v in rows],
            "Bodies by octaves of volume, that of the ellipsoid around the longer axis; normalised "
            "is the volume of all over the width of the octave",
        ))  # fmt: skip
    return Section("Sizes", parts)


def _overlays(tray: Tray, folder: Path) -> Section:
    shots = list(tray.stage.rows(
        "SELECT shot, image, found FROM shot ORDER BY shot LIMIT ?", _OVERLAYS
    ))  # fmt: skip
    pictures = []
    for shot, image, found in shots:
        file = folder / OVERLAYS / f"{safe(shot + 1, image)}.png"
        pictures.append(Picture(small_jpeg(file.read_bytes(), _WIDE), image, f"{found:,} bodies"))
    parts: list[Part] = [Pictures(pictures, "Outlines over the photographs", _WIDE)]
    if tray.stage.shots > len(shots):
        parts.append(Text(f"{tray.stage.shots - len(shots):,} more are in the folder {OVERLAYS}."))
    return Section("Where they are", parts)


def _doubts(tray: Tray, folder: Path) -> Section:
    counts = {
        code: int(count)
        for code, count in tray.stage.rows(
            "SELECT code, count(*) FROM (SELECT unnest(string_split(codes, ';')) AS code "
            "FROM specimen) WHERE code <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
        )
    }
    parts: list[Part] = []
    if counts:
        parts.append(Table(
            ("code", "bodies", "what it says", "what to do"),
            [(code, count, *CODES.get(code, ("", ""))) for code, count in counts.items()],
        ))  # fmt: skip
    for code, count in counts.items():
        shown = _thumbnails(tray, folder, "list_contains(string_split(s.codes, ';'), ?)", code,
                            _SHOWN)  # fmt: skip
        if shown:
            parts += [Text(f"{code} ({len(shown)} of {count:,})"), Gallery(code, shown)]
    return Section("To be looked at", parts)


def _some(tray: Tray, folder: Path) -> Section:
    shown = _thumbnails(tray, folder, "s.codes = ?", "", _CROPS)
    return Section("Some without any doubt", [Gallery("The surest", shown)] if shown else [])


def _thumbnails(tray: Tray, folder: Path, where: str, value: str, most: int) -> list[Thumbnail]:
    """Return crops of bodies, the surest first."""
    rows = tray.stage.rows(
        "SELECT shot, h.image, s.number, s.score, m.value, m.unit FROM specimen s "
        "JOIN shot h USING (shot) LEFT JOIN measured m ON m.n = s.n AND m.trait = 'feret' "
        f"WHERE {where} ORDER BY s.score DESC, s.n LIMIT ?", value, most,
    )  # fmt: skip
    found = []
    for shot, image, number, score, length, unit in rows:
        file = folder / CROPS / safe(shot + 1, image) / crop_name(number)
        data = small_jpeg(file.read_bytes(), _SIDE) if file.is_file() else b""
        size = f"{length:.3g} {unit}, " if length is not None else ""
        found.append(Thumbnail(
            data, f"{number} in {image}", "", f"{size}score {score:.2f}", "no crop was written"
        ))  # fmt: skip
    return found


def _scales(tray: Tray) -> Section:
    rows = list(tray.stage.rows(
        "SELECT calibration, count(*), min(image) FROM shot WHERE calibration <> '' GROUP BY 1 "
        "ORDER BY 2 DESC, 1 LIMIT 20"
    ))  # fmt: skip
    return Section(
        "Scales", [Table(("scale", "photographs", "the first"), rows)] if rows else []
    )  # fmt: skip
