"""The page of a run of ``merian measure``: what was measured, how sure, and what to look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merian.files import write_text
from merian.image.addresses import Region
from merian.measure.asked import Asked
from merian.measure.codes import CODES
from merian.measure.overlay import Drawing, crop, jpeg
from merian.measure.run import pixels_for
from merian.measure.stage import Stage
from merian.pictures import BadPictureError
from merian.report.page import (
    Figures,
    Gallery,
    Histogram,
    Note,
    Part,
    Section,
    Table,
    Text,
    Thumbnail,
    page,
)
from merian.report.trait_histogram import trait_histogram

__all__ = ["PAGE", "write_page"]

PAGE = "measured.html"
_SHOWN = 8  # specimens of each code
_PLAIN = 12  # of those without one
_GROUPS = 24
_HOW = """
A value stands with an interval of two standard uncertainties to both sides: of the scale, of where
the outline or the ends are, and of what the definition leaves open. Lines show what was measured:
the body's length red, its width blue, the elytra orange and teal; the outline is green.
"""
_OF_CODE = """
SELECT h.image, h.address, h.region, s.number, s.id, s.x, s.y, s.w, s.h, s.outline, s.points, s.n
FROM specimen s JOIN shot h USING (shot)
LEFT JOIN (SELECT n, string_agg(codes, ';') AS codes FROM measured WHERE codes <> '' GROUP BY n) m
    USING (n)
WHERE list_contains(
    string_split(concat_ws(';', h.codes, s.codes, coalesce(m.codes, '')), ';'), ?)
ORDER BY s.n LIMIT ?
"""
_WITHOUT = """
SELECT h.image, h.address, h.region, s.number, s.id, s.x, s.y, s.w, s.h, s.outline, s.points, s.n
FROM specimen s JOIN shot h USING (shot)
WHERE h.codes = '' AND s.codes = '' AND s.n NOT IN (SELECT n FROM measured WHERE codes <> '')
ORDER BY s.n LIMIT ?
"""


def write_page(stage: Stage, folder: Path, told: dict[str, object]) -> None:
    """Write the page of a run.

    Args:
        stage: What was measured.
        folder: Where the page goes.
        told: What is written of the run.
    """
    stamp = told.get("merian")
    sections = [_overview(stage, told), _values(stage), _doubts(stage), _fine(stage),
                _pictures(stage), _defined(told)]  # fmt: skip
    text = page(
        "What was measured",
        [section for section in sections if section.parts],
        subtitle="Specimens in pictures, each value with its interval and its definition",
        stamp=stamp if isinstance(stamp, dict) else None,
    )
    write_text(folder / PAGE, text)


def _overview(stage: Stage, told: dict[str, Any]) -> Section:
    doubted = sum(1 for _ in stage.rows(
        "SELECT DISTINCT n FROM specimen s JOIN shot h USING (shot) LEFT JOIN measured m USING (n) "
        "WHERE h.codes <> '' OR s.codes <> '' OR m.codes <> ''"
    ))  # fmt: skip
    figures: list[tuple[object, str]] = [
        (told["pictures"], "pictures"), (told["specimens"], "specimens"),
        (told["specimens"] - doubted, "without any doubt"),
        (told["with_scale"], "pictures with a scale"),
    ]  # fmt: skip
    parts: list[Part] = [Figures(figures), Text(_HOW)]
    if told["with_scale"] < told["pictures"]:
        without = told["pictures"] - told["with_scale"]
        parts.append(Note(
            f"{without:,} pictures have no scale: their values are in pixels. merian calibrate "
            "finds a scale in a picture; --scale tells one."
        ))  # fmt: skip
    if (by := told.get("landmarks", "classical")) != "classical":
        count = next(stage.rows("SELECT count(*) FROM specimen WHERE placed_by <> ''"))[0]
        parts.append(Note(
            f"The network {by} placed landmarks on {count:,} specimens; on the others they are "
            "those of the outline, as is how wide a body is unless a leg lies there."
        ))  # fmt: skip
    if told.get("tight"):
        parts.append(Note("Outlines reach the sides of the pictures, which were cut at them."))
    if told["set_aside"]:
        rows = list(stage.rows("SELECT image, reason FROM aside ORDER BY image LIMIT 20"))
        more = max(0, told["set_aside"] - len(rows))
        parts.append(Table(("picture", "why it was set aside"), rows, more=more))
    return Section("In short", parts)


def _values(stage: Stage) -> Section:
    rows = list(stage.rows(
        "SELECT trait, version, count(*), median(value), quantile_cont(value, 0.05), "
        "quantile_cont(value, 0.95), unit, median((high - low) / 2 / nullif(abs(value), 0)), "
        "min(place) AS place FROM measured GROUP BY trait, version, unit ORDER BY place, unit"
    ))  # fmt: skip
    table = Table(
        ("trait", "version", "values", "median", "5 %", "95 %", "unit", "± in %"),
        [(*row[:7], None if row[7] is None or row[7] != row[7] else round(100 * row[7], 2))
         for row in rows],
        "± is the median half width of the interval, k = 2",
    )  # fmt: skip
    parts: list[Part] = [table]
    groups = list(stage.rows(
        "SELECT grp, trait, count(*), median(value), stddev_samp(value), unit FROM measured "
        "JOIN specimen USING (n) WHERE grp <> '' AND trait IN ('body_length', 'elytra_length') "
        "GROUP BY ALL HAVING count(*) > 1 "
        f"ORDER BY count(*) DESC, grp, trait LIMIT {_GROUPS}"
    ))  # fmt: skip
    if groups:
        parts.append(Table(("group", "trait", "values", "median", "spread", "unit"), groups))
    for trait in ("body_length", "feret"):
        drawn = _histogram(stage, trait)
        if drawn is not None:
            parts.append(drawn)
            break
    return Section("Values", parts)


def _histogram(stage: Stage, trait: str) -> Histogram | None:
    units = list(stage.rows(
        "SELECT unit FROM measured WHERE trait = ? GROUP BY unit ORDER BY count(*) DESC, unit "
        "LIMIT 1", trait,
    ))  # fmt: skip
    title = trait.replace("_", " ")
    return trait_histogram(stage, trait, units[0][0], title, "specimens") if units else None


def _doubts(stage: Stage) -> Section:
    """Return what to look at, by code, with pictures."""
    parts: list[Part] = []
    counts = stage.codes()
    if counts:
        parts.append(Table(
            ("code", "specimens", "what it says", "what to do"),
            [(code, count, *CODES.get(code, ("", ""))) for code, count in counts.items()],
            "A code stands beside a value and never takes its place",
        ))  # fmt: skip
    for code, count in counts.items():
        rows = list(stage.rows(_OF_CODE, code, _SHOWN))
        if rows:
            title = f"{code}: {CODES.get(code, ('', ''))[0]}"
            shown = f"{title} ({len(rows)} of {count:,})" if count > len(rows) else title
            parts += [Text(shown), Gallery(shown, [_thumbnail(stage, row) for row in rows])]
    return Section("To be looked at", parts)


def _fine(stage: Stage) -> Section:
    rows = list(stage.rows(_WITHOUT, _PLAIN))
    if not rows:
        return Section("", [])
    return Section("Some without any doubt", [
        Gallery("The first ones", [_thumbnail(stage, row) for row in rows])
    ])  # fmt: skip


def _thumbnail(stage: Stage, row: Sequence[Any]) -> Thumbnail:
    image, address, region, number, name, x, y, w, h, outline, points, n = row
    label = f"{name or number} in {image}" if image != name else image
    measured = list(stage.rows(
        "SELECT trait, value, low, high, unit, points FROM measured WHERE n = ? ORDER BY place", n
    ))  # fmt: skip
    first = next((one for one in measured if one[0] in ("body_length", "feret")), None)
    remark = ""
    if first is not None:
        half = (first[3] - first[2]) / 2
        remark = f"{first[0].replace('_', ' ')} {first[1]:.4g} ± {half:.2g} {first[4]}"
    lines = {one[0]: [(p[0], p[1]) for p in json.loads(one[5])] for one in measured}
    marks = {key: (p[0], p[1]) for key, p in json.loads(points).items()}
    drawing = Drawing("", (x, y, w, h), json.loads(outline), lines, marks)
    try:
        part: Region | None = tuple(json.loads(region)) if region else None
        pixels = pixels_for(Asked(image, address, part))
    except BadPictureError:
        return Thumbnail(b"", label, "", remark, "the picture is gone")
    return Thumbnail(jpeg(crop(pixels, drawing)), label, "", remark)


def _pictures(stage: Stage) -> Section:
    """Return the scales of the pictures."""
    rows = list(stage.rows(
        "SELECT calibration, count(*), min(image) FROM shot WHERE calibration <> '' GROUP BY 1 "
        "ORDER BY 2 DESC, 1 LIMIT 20"
    ))  # fmt: skip
    if not rows:
        return Section("", [])
    total = next(stage.rows("SELECT count(DISTINCT calibration) FROM shot WHERE calibration <> ''"))
    table = Table(("scale", "pictures", "the first"), rows, more=max(0, total[0] - len(rows)))
    return Section("Scales", [table])


def _defined(told: dict[str, Any]) -> Section:
    rows = [
        (one["id"], one["version"], one["says"], one["pose"], ", ".join(one["aliases"]))
        for one in told["definitions"].values()
    ]
    return Section(
        "Definitions",
        [Table(("trait", "version", "what is measured", "pose", "also called"), rows)],
    )
