"""One record with all its evidence: pictures, sequences, what is near, place, measures, names."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from merian.catalogue.schema import TABLES
from merian.desk.board import BOARD, SAID
from merian.desk.browsing import greatest
from merian.desk.crops import Crops, Shown, shown
from merian.desk.desk import Desk
from merian.desk.traits import traits_of
from merian.formats.outlines import OutlineError, outline_mask, read_points
from merian.image.addresses import pixels_of
from merian.measure.by_hand import Drawn
from merian.pictures import BadPictureError

__all__ = ["Aligned", "Plate", "Specimen", "Traits", "specimen_of"]

Row = dict[str, Any]

_NEAREST = re.compile(r"nearest references ([^\s].*)$")
_ROUND = (1, 2, 5)  # what a scale bar may be, times a power of ten
_BAR = 0.25  # of the width of a picture, at most
_NEIGHBOURS, _REFERENCES = 8, 5
_POINTS = 4_000  # corners of an outline that are drawn
_LINE = 60  # bases
_FACTS = {
    "event": ("eventID", "parentEventID", "decimalLatitude", "decimalLongitude", "eventDate"),
    "occurrence": ("occurrenceID", "eventID"),
    "material": ("occurrenceID", "materialEntityID"),
}  # what is shown elsewhere


@dataclass(frozen=True)
class Plate:
    """A picture with what is drawn over it, in pixels of what is shown.

    Attributes:
        shown: It.
        size: Width and height; zeros where it cannot be read.
        bar: The length of the scale bar in pixels, and what it says; or None.
        path: The outline, as the path of an SVG; "".
        box: The region within the whole picture: its size, left, top, width and height; or None.
        fault: Why there is no picture.
        traits: What was measured on it, by specimen: a `Traits` each.
    """

    shown: Shown
    size: tuple[int, int]
    bar: tuple[float, str] | None = None
    path: str = ""
    box: tuple[int, int, int, int, int, int] | None = None
    fault: str = ""
    traits: tuple[Traits, ...] = ()


@dataclass(frozen=True)
class Traits:
    """The traits of one specimen in a picture, whose end points can be moved.

    Attributes:
        number: Of the specimen.
        drawn: They.
        left: Of the corner of what is shown, in the picture that was measured.
        top: Of it.
    """

    number: int
    drawn: list[Drawn]
    left: int
    top: int

    @property
    def points(self) -> dict[str, tuple[float, float]]:
        """Where each end point is in what is shown, once."""
        return {name: (x - self.left, y - self.top)
                for one in self.drawn for name, (x, y) in one.points.items()}  # fmt: skip

    @property
    def size(self) -> str:
        """The size of the picture that was measured, as its page tells several apart."""
        return "{}x{}".format(*self.drawn[0].frame)

    @property
    def seen(self) -> dict[str, str]:
        """By trait, the measurement that stands."""
        return {one.definition.id: one.id for one in self.drawn}

    def line(self, one: Drawn) -> str:
        """Return the points of a trait as those of an SVG."""
        points = self.points
        return " ".join(f"{points[name][0]:.2f},{points[name][1]:.2f}" for name in one.points)


@dataclass(frozen=True)
class Aligned:
    """The barcode of a record beside that of one that was found near.

    Attributes:
        record: The near one.
        name: What it is called.
        identity: The share of columns that match.
        columns: How many.
        lines: The place of the first base, both texts and the marks between them.
    """

    record: str
    name: str
    identity: float
    columns: int
    lines: list[tuple[int, str, str, str]]


@dataclass(frozen=True)
class Specimen:
    """All that a catalogue holds of a record."""

    row: Row
    plates: list[Plate]
    sequences: list[Row]
    aligned: list[Aligned]
    neighbours: list[Row]
    measurements: list[Row]
    facts: list[tuple[str, str]]
    ledger: list[Row]
    before: str
    after: str


def specimen_of(desk: Desk, crops: Crops, record: str) -> Specimen | None:
    """Return a record with its evidence, or None where there is no such record."""
    found = desk.cards([record])
    if not found:
        return None
    row = found[0]
    sequences = desk.rows(
        "SELECT s.nucleotideSequenceID AS id, s.targetGene, s.sequence, s.sequenceLength, "
        "s.associatedSequences FROM main.sequence s "
        "LEFT JOIN main.material t ON t.materialEntityID = s.materialEntityID "
        "WHERE coalesce(s.occurrenceID, t.occurrenceID, s.nucleotideSequenceID) = ? "
        "ORDER BY s.sequenceLength DESC NULLS LAST, 1 LIMIT 20", [record],
    )  # fmt: skip
    ledger = _ledger(desk, record, row["stands"])
    place = row["place"]
    beside = desk.rows(
        f"SELECT place, record FROM {BOARD} WHERE place BETWEEN ? AND ?", [place - 1, place + 1]
    )
    near = {one["place"]: one["record"] for one in beside}
    measured = _measurements(desk, record)
    traits, gone = traits_of(desk, record) if measured else ([], set[str]())
    return Specimen(
        row, [_plate(crops, one, traits) for one in shown(desk, record=record)], sequences,
        _aligned(desk, record, sequences, ledger), _neighbours(desk, place),
        [{**told, "gone": told["id"] in gone} for told in measured], _facts(desk, record),
        ledger, near.get(place - 1, ""), near.get(place + 1, ""),
    )  # fmt: skip


# -- pictures -------------------------------------------------------------------------------------


def _plate(crops: Crops, one: Shown, traits: list[Drawn]) -> Plate:
    try:
        whole = crops.size(one)
    except BadPictureError as bad:
        return Plate(one, (0, 0), fault=_without_place(str(bad), one.address))
    left, top, right, below = (0, 0, *whole)
    box = None
    if one.region is not None:
        left, top, right, below = pixels_of(whole, one.region)
        box = (*whole, left, top, right - left, below - top)
    size = right - left, below - top
    own = sorted((trait for trait in traits if trait.media == one.id), key=_together)
    return Plate(
        one, size, scale_bar(size[0], one.scale), _path(one.outline, left, top), box,
        traits=tuple(
            Traits(number, [*few], *((left, top) if frame == whole else (0, 0)))
            for (number, frame), few in groupby(own, _together)
            if frame in (whole, size)
        ),
    )  # fmt: skip


def _together(trait: Drawn) -> tuple[int, tuple[int, int]]:
    """Return what the traits share that are moved together: the specimen and the size."""
    return trait.specimen, trait.frame


def _without_place(text: str, address: str) -> str:
    return text.replace(address, "the file")


def scale_bar(width: int, scale: float | None) -> tuple[float, str] | None:
    """Return the length of a bar in pixels and what it says, for a picture so wide."""
    if not scale or not math.isfinite(scale) or scale <= 0 or width <= 0:
        return None
    most = width * _BAR / scale  # mm
    power = 10.0 ** math.floor(math.log10(most))
    length = max(one * power for one in _ROUND if one * power <= most * (1 + 1e-9))
    told = f"{length:g} mm" if length >= 0.1 else f"{length * 1000:g} µm"
    return length * scale, told


def _path(outline: str, left: int, top: int) -> str:
    """Return an outline as the path of an SVG, from the corner of what is shown."""
    if not outline:
        return ""
    try:
        if outline.startswith("RLE("):
            rings = _edges(outline)
        else:
            kind, rings = read_points(outline)
            if kind == "POINT":
                return ""
    except (OutlineError, ValueError):
        return ""
    parts = []
    for flat in rings:
        corners = [
            f"{x - left:.1f} {y - top:.1f}" for x, y in zip(flat[::2], flat[1::2], strict=False)
        ]
        if 1 < len(corners) <= _POINTS:
            parts.append("M" + "L".join(corners) + "Z")
    return "".join(parts)


def _edges(outline: str) -> list[list[float]]:
    """Return the left and the right edge of a mask as one ring, row by row."""
    mask = outline_mask(outline)
    pixels = np.repeat(np.arange(len(runs := mask.run_lengths())) % 2, runs).astype(bool)
    there = pixels.reshape(mask.width, mask.height).T
    rows = np.flatnonzero(there.any(axis=1))
    if not len(rows):
        return []
    step = max(1, len(rows) // (_POINTS // 4))
    rows = rows[::step]
    first = there[rows].argmax(axis=1)
    last = mask.width - there[rows][:, ::-1].argmax(axis=1)
    ring: list[float] = []
    for row, x in zip(rows.tolist(), first.tolist(), strict=True):
        ring += [x, row]
    for row, x in zip(rows[::-1].tolist(), last[::-1].tolist(), strict=True):
        ring += [x, row + 1]
    return [ring]


# -- barcodes -------------------------------------------------------------------------------------


def _aligned(desk: Desk, record: str, sequences: list[Row], ledger: list[Row]) -> list[Aligned]:
    """Return the alignments with the references that an answer told, where they are here."""
    if not sequences or not sequences[0]["sequence"]:
        return []
    told: dict[str, None] = {}
    for one in ledger:
        found = _NEAREST.search(one["identificationReferences"] or "")
        if found:
            told.update(dict.fromkeys(found[1].split(";")))
    told.pop(record, None)
    wanted = [*told][: 4 * _REFERENCES]
    if not wanted:
        return []
    rows = desk.rows(
        "SELECT coalesce(s.occurrenceID, s.nucleotideSequenceID) AS record, "
        "s.nucleotideSequenceID AS id, s.sequence, b.scientificName FROM main.sequence s "
        f"LEFT JOIN {BOARD} b ON b.record = coalesce(s.occurrenceID, s.nucleotideSequenceID) "
        "WHERE s.sequence IS NOT NULL AND (s.occurrenceID IN (SELECT unnest(?::VARCHAR[])) "
        "OR s.nucleotideSequenceID IN (SELECT unnest(?::VARCHAR[]))) "
        "ORDER BY s.sequenceLength DESC", [wanted, wanted],
    )  # fmt: skip
    by_id = {row["id"]: row for row in rows} | {row["record"]: row for row in reversed(rows)}
    made = [
        _alignment(sequences[0]["sequence"], by_id[key])
        for key in wanted
        if key in by_id and by_id[key]["record"] != record
    ]
    return [one for one in made if one is not None][:_REFERENCES]


def _alignment(query: str, reference: Row) -> Aligned | None:
    """Return two barcodes over each other, gaps at the ends apart."""
    import edlib  # noqa: PLC0415 - for this page alone

    if max(len(query), len(reference["sequence"])) > 5_000:
        return None
    longer, shorter = reference["sequence"], query
    swapped = len(shorter) > len(longer)
    if swapped:
        longer, shorter = shorter, longer
    equal = [(letter, base) for letter, bases in (("N", "ACGT"), ("R", "AG"), ("Y", "CT"))
             for base in bases]  # fmt: skip
    found = edlib.align(shorter, longer, mode="HW", task="path", additionalEqualities=equal)
    nice = edlib.getNiceAlignment(found, shorter, longer)
    upper, lower = nice["query_aligned"], nice["target_aligned"]
    if swapped:
        upper, lower = lower, upper
    marks = "".join("|" if mark == "|" else "·" for mark in nice["matched_aligned"])
    lines = [
        (begin + 1, upper[begin : begin + _LINE], marks[begin : begin + _LINE],
         lower[begin : begin + _LINE])
        for begin in range(0, len(upper), _LINE)
    ]  # fmt: skip
    return Aligned(
        reference["record"],
        reference["scientificName"] or "",
        1 - found["editDistance"] / max(len(upper), 1),
        len(upper),
        lines,
    )


# -- the rest -------------------------------------------------------------------------------------


def _neighbours(desk: Desk, place: int) -> list[Row]:
    """Return the records whose pictures are most alike, with how much."""
    if not desk.likeness.has(place):
        return []
    likeness = desk.likeness.to(place).copy()
    likeness[place - 1] = np.nan
    best = [at for at in greatest(likeness, 0, _NEIGHBOURS).tolist() if likeness[at] > -2]
    if not best:
        return []
    rows = desk.rows(
        f"SELECT place, record, scientificName, mediaID, state FROM {BOARD} "
        f"WHERE place IN ({', '.join(str(at + 1) for at in best)})"
    )
    by_place = {row["place"]: row for row in rows}
    return [{**by_place[at + 1], "likeness": float(likeness[at])} for at in best]


def _measurements(desk: Desk, record: str) -> list[Row]:
    return desk.rows(
        "SELECT g.measurementID AS id, g.measurementType AS type, "
        "g.measurementValue AS value, g.measurementUnit AS unit, "
        "g.measurementLower AS low, g.measurementUpper AS high, g.measurementMethod AS method, "
        "g.measurementDeterminedBy AS by FROM main.measurement g "
        "LEFT JOIN main.media m ON m.mediaID = g.mediaID "
        "LEFT JOIN main.material t ON t.materialEntityID = g.materialEntityID "
        "WHERE coalesce(g.occurrenceID, m.occurrenceID, t.occurrenceID, g.mediaID) = ? "
        "ORDER BY 2, 1 LIMIT 300", [record],
    )  # fmt: skip


def _facts(desk: Desk, record: str) -> list[tuple[str, str]]:
    """Return what else is known of a record: terms and values."""
    found = []
    event = None
    for table, condition in (
        ("occurrence", "occurrenceID = ?"), ("event", "eventID = ?"),
        ("material", "occurrenceID = ? ORDER BY materialEntityID LIMIT 3"),
    ):  # fmt: skip
        key = event if table == "event" else record
        if key is None:
            continue
        for row in desk.rows(f"SELECT * FROM main.{table} WHERE {condition}", [key]):
            event = row.get("eventID", event)
            found += [
                (term, str(row[term])) for term in TABLES[table].columns
                if row.get(term) is not None and term not in _FACTS[table]
            ]  # fmt: skip
    return list(dict.fromkeys(found))


def _ledger(desk: Desk, record: str, stands: str | None) -> list[Row]:
    """Return every identification of a record, the one that stands first, then the later ones."""
    told = desk.rows(f"SELECT identificationID AS key FROM {SAID} WHERE record = ?", [record])
    if not told:
        return []
    # By their ids, a few, so that nothing is joined whole.
    keys = [[row["key"] for row in told]]
    these = "(SELECT unnest(?::VARCHAR[]))"
    gone = desk.rows(
        "SELECT replacesIdentificationID AS key FROM main.identification "
        f"WHERE replacesIdentificationID IN {these}", keys,
    )  # fmt: skip
    replaced = {row["key"] for row in gone}
    rows = desk.rows(
        "SELECT i.*, r.verb, r.startedAt AS writtenAt FROM main.identification i "
        f"LEFT JOIN main.run r ON r.runID = i.runID WHERE i.identificationID IN {these} "
        "ORDER BY r.startedAt DESC NULLS LAST, i.identificationID", keys,
    )  # fmt: skip
    for row in rows:
        row["standing"] = row["identificationID"] not in replaced
        row["stands"] = row["identificationID"] == stands
    return sorted(rows, key=lambda row: not row["stands"])
