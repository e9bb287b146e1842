"""The pictures of a catalogue that are measured, and what was measured written into it.

A picture of a specimen shows one. A picture that regions with outlines were drawn on is measured
once, at these. What was measured becomes rows of the table of measurements: value, unit, interval,
definition, scale, pixels, end points and codes. An id is a hash of what it says, so the same
measurement is written once, and one by another version or another scale stands beside it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any

from merian import __version__
from merian.catalogue import Catalogue, Chunk, Reading, Rows
from merian.catalogue.media import ADDRESS, PARENT, SCALE, SUBJECT, THING, box
from merian.errors import InputError
from merian.image.addresses import region_of
from merian.measure.asked import Asked, Given
from merian.measure.calibration import BY_HAND, Calibration
from merian.measure.codes import worst_first
from merian.measure.stage import Stage

__all__ = ["TERMS", "of_catalogue", "row_id", "write_corrections", "write_rows", "written"]

_MEMORY = "1GB"
_BATCH = 5_000
_SURE = SCALE.replace("pixelsPerMillimetre", "pixelsPerMillimetreUncertainty")
_PICTURES = f"""
SELECT {ADDRESS} AS address, x.accessURI IS NULL AS cut, x.mediaID, {SUBJECT} AS record,
    x.regionOutline, {box("x_", "y_", "w_", "h_")}, coalesce(p.pixelXDimension, x.pixelXDimension),
    coalesce(p.pixelYDimension, x.pixelYDimension), {SCALE}, {_SURE}, d.scientificName
FROM media x {PARENT} {THING} LEFT JOIN determination d ON d.occurrenceID = {SUBJECT}
WHERE {ADDRESS} IS NOT NULL AND ({SUBJECT} IS NOT NULL OR x.regionOutline IS NOT NULL
    OR x.mediaID NOT IN (SELECT derivedFromMediaID FROM media
                         WHERE derivedFromMediaID IS NOT NULL))
ORDER BY address, x.mediaID
"""
_ROWS = """
SELECT coalesce(nullif(s.record, ''), NULL), coalesce(nullif(s.region, ''), h.media), m.trait,
    m.value, m.unit, m.low, m.high, m.version, m.calibration, m.pixels, m.points, m.named,
    concat_ws(';', nullif(h.codes, ''), nullif(s.codes, ''), nullif(m.codes, '')), s.number,
    h.width, h.height, h.found, s.placed_by
FROM measured m JOIN specimen s USING (n) JOIN shot h USING (shot) ORDER BY n, place
"""
TERMS = (
    "measurementID", "occurrenceID", "mediaID", "measurementType", "measurementValue",
    "measurementValueNumeric", "measurementUnit", "measurementAccuracy", "measurementLower",
    "measurementUpper", "measurementMethod", "calibrationID", "measurementDeterminedBy",
    "measurementDeterminedDate", "measurementRemarks",
)  # fmt: skip


def of_catalogue(folder: Path) -> Iterator[Asked]:
    """Yield the pictures of a catalogue that are measured, by their address."""
    with Catalogue.open(folder, read_only=True, memory=_MEMORY) as opened:
        for _, rows in groupby(opened.query(_PICTURES), key=lambda row: row[0]):
            outlined = []
            for row in rows:
                if row[1] and row[4]:
                    outlined.append(row)
                else:
                    yield _asked(row)
            if outlined:
                yield _with_regions(outlined)


def _asked(row: tuple[Any, ...]) -> Asked:
    address, cut, media, record, outline, x, y, w, h, width, height, scale, sure, name = row
    region = region_of((x, y, w, h))
    given = None
    if outline and not cut:  # the outline of a whole file
        given, region = (Given(outline, media, record or ""),), None
    return Asked(
        media, address, region, group=name or "", calibration=_scale(scale, sure, media),
        outlines=given, frame=(width, height) if given and width and height else None,
        single=True if record or region else None, media=media, record=record or "",
    )  # fmt: skip


def _with_regions(rows: list[tuple[Any, ...]]) -> Asked:
    """Return a picture with its regions."""
    address, *_, width, height, scale, sure, _ = rows[0]
    given = tuple(Given(row[4], row[2], row[3] or "", row[-1] or "") for row in rows)
    frame = (width, height) if width and height else None
    return Asked(
        address, address, calibration=_scale(scale, sure, address), outlines=given, frame=frame
    )


def _scale(scale: float | None, sure: float | None, source: str) -> Calibration | None:
    if scale is None or not scale > 0:
        return None
    return Calibration(scale, BY_HAND if sure is None else min(sure, 0.99), "catalogue", source)


def write_rows(folder: Path, stage: Stage, run: str) -> int:
    """Write what was measured into a catalogue, and return how many rows are new.

    Args:
        folder: The catalogue.
        stage: What was measured.
        run: The id of the run, a part of what the catalogue's own run is told by.
    """
    by = f"Merian {__version__}"
    return written(folder, (_told(row, by) for row in stage.rows(_ROWS)), {"measured": run})


def written(folder: Path, rows: Iterator[list[object]], arguments: dict[str, object]) -> int:
    """Write rows of all TERMS but the first into a catalogue; return how many are new."""
    # The rows wait in a file: one process of DuckDB asks, the other writes.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for line, row in enumerate(rows, 1):
            waiting.write(json.dumps([line, row_id(row), *row]) + "\n")
        waiting.seek(0)
        source = Rows(folder / "catalogue.duckdb", "measurement", _chunks(waiting))
        with Catalogue.open(folder) as opened:
            before = int(str(opened.query("SELECT count(*) FROM measurement").value()))
            opened.ingest(
                Reading("measurements", (source,), ()), verb="measure", arguments=arguments
            )
            return int(str(opened.query("SELECT count(*) FROM measurement").value())) - before


def row_id(row: list[object]) -> str:
    """Return the id of a row: a hash of what it says."""
    return hashlib.blake2b(json.dumps(row).encode(), digest_size=10).hexdigest()


def _told(row: tuple[Any, ...], by: str) -> list[object]:
    (record, media, trait, value, unit, low, high, version, calibration, pixels, points, named,
     codes, number, width, height, found, placed_by) = row  # fmt: skip
    known = low is not None and low == low  # noqa: PLR0124 - NaN is not equal to itself
    ends = [" ".join(f"{v:.2f}" for v in point) for point in json.loads(points)]
    names = json.loads(named) or [str(at) for at in range(1, len(ends) + 1)]
    told = [f"codes: {', '.join(worst_first(codes.split(';')))}" if codes else "",
            f"specimen {number} of {found}" if found > 1 else "", f"pixels: {pixels:.6g}",
            *(f"{name}: {end}" for name, end in zip(names, ends, strict=True)),
            f"frame: {width} x {height}"]  # fmt: skip
    return [
        record, media, trait, f"{value:.6g}", value, unit or None,
        f"± {(high - low) / 2:.2g} {unit} (k = 2)" if known else None,
        low if known else None, high if known else None, f"{trait} {version}; merian measure",
        calibration or None, f"{by}; {placed_by}" if placed_by else by, None,
        "; ".join(part for part in told if part),
    ]  # fmt: skip


def _chunks(stream: IO[str]) -> Iterator[Chunk]:
    """Return the rows as columns."""
    while lines := [*islice(stream, _BATCH)]:
        columns = [*zip(*map(json.loads, lines), strict=True)]
        yield dict(zip(("line", *TERMS), columns, strict=True))


def write_corrections(catalogue: Path, folder: Path, rows: Iterable[tuple[object, ...]]) -> int:
    """Write corrected values into a catalogue and return how many rows are new; old rows stay.

    Args:
        catalogue: The folder of the catalogue.
        folder: The measurements that were corrected, for the run's arguments.
        rows: What was added to the history, see `merian.measure.corrections`.
    """
    with Catalogue.open(catalogue, read_only=True, memory=_MEMORY) as opened:
        known = {str(media) for (media,) in opened.query("SELECT mediaID FROM media")}
    told: list[list[object]] = []
    for row in rows:
        image, _, name, trait, version, old, new, unit, _, _, by, date, file, _, moved = map(
            str, row
        )
        media = name if name in known else image if image in known else None
        if media is None:
            continue
        told.append([
            None, media, trait, new, float(new), unit or None, None, None, None,
            f"{trait} {version}; merian measure correct", None, by, date,
            f"corrected from {old or 'nothing'}; {moved}; {file}",
        ])  # fmt: skip
    if not told:
        raise InputError(
            f"{catalogue}: has none of the pictures that were corrected; were the measurements of "
            f"{folder} taken from it?"
        )
    return written(catalogue, iter(told), {"corrected": [row[-1] for row in told]})
