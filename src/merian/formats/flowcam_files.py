"""The files of a FlowCam run: list, context and classes.

The list (.lst) of VisualSpreadsheet 3 and later begins with its version (``017``), the number of
columns (``num-fields|65``) and a line for each (``abd_area|double``); then comes a row a particle,
with ``|`` between the fields. Older lists (VisualSpreadsheet 1 and 2) have two lines that say
nothing of it and rows with ``:`` between 44 or 47 fields, whose order is fixed.

The context (.ctx) has sections and ``key=value``. The classes (.cla, version ``v3``) are lines: the
number of classifications; of each its name and number of classes; of each its name, ``OR`` or
``AND``, the number of its filters, these, the number of its particles, and these.

Reference: VisualSpreadsheet User's Guide, Yokogawa Fluid Imaging Technologies
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue.sources import Reject
from merian.errors import FormatError
from merian.formats.bounded_lines import bounded_lines
from merian.formats.delimited import head_text
from merian.unpacking import UNREADABLE

__all__ = ["Classed", "Layout", "Particle", "layout_of", "read_classes", "read_context",
           "read_particles"]  # fmt: skip

_LONGEST_LINE = 1 << 14
_MOST_FIELDS = 500
_MOST_LINES = 100_000
_MOST_CLASSED = 10_000_000
_LARGEST = 1 << 16  # pixels: no collage is larger
_WHOLE = re.compile(r"-?\d{1,12}(?:\.0*)?")
_OLD = (
    "id cal_const raw_area raw_feret_max raw_feret_min raw_feret_mean raw_perimeter "
    "raw_convex_perimeter abd_area abd_diameter length width esd_diameter perimeter "
    "convex_perimeter intensity sigma_intensity compactness elongation sum_intensity roughness "
    "feret_max_angle"
).split()
_CHANNELS = (
    "avg_red avg_green avg_blue ppc ch1_peak ch1_width ch2_peak ch2_width ch3_peak ch3_width "
    "ch4_peak ch4_width collage_file image_x image_y image_w image_h src_x src_y"
).split()
_OLD_44 = (*_OLD, *_CHANNELS, "high_u32", "low_u32", "total")
_OLD_47 = (*_OLD, "feret_min_angle", *_CHANNELS, "edge_gradient", "timestamp1", "timestamp2",
           "src_image", "cal_image")  # fmt: skip
PLACE = ("image_x", "image_y", "image_w", "image_h")
"""The columns that say where in its collage a particle is."""


@dataclass(frozen=True)
class Layout:
    """How a list is written.

    Attributes:
        version: Its first line; "" for the older ones.
        names: Of its columns.
        delimiter: Between fields.
        header: How many lines stand before the rows.
    """

    version: str
    names: tuple[str, ...]
    delimiter: str
    header: int


@dataclass(frozen=True)
class Particle:
    """One row of a list.

    Attributes:
        number: Its id.
        line: Its line.
        values: Column and value.
        box: Left, top, width and height in the collage.
        scale: Micrometres of a pixel; None where that is not told.
    """

    number: int
    line: int
    values: Mapping[str, str]
    box: tuple[int, int, int, int]
    scale: float | None


@dataclass(frozen=True)
class Classed:
    """A class that particles were put into.

    Attributes:
        line: Where the class begins.
        classification: What it is a class of.
        label: Its name.
        filtered: Whether filters of the program fill it.
        numbers: The lines and ids of its particles.
    """

    line: int
    classification: str
    label: str
    filtered: bool
    numbers: tuple[tuple[int, int], ...]


def layout_of(path: Path) -> Layout | str:
    """Return how a list is written, or what it lacks to be one. Does not raise."""
    lines = head_text(path, 1 << 16).splitlines()
    if len(lines) < 2:
        return "is empty or no text"
    found = re.fullmatch(r"num-fields\|(\d{1,6})\s*", lines[1])
    if found is None:
        return _old_layout(lines)
    count = int(found[1])
    if not 1 <= count <= _MOST_FIELDS:
        return f"is said to have {count} columns"
    names = tuple(line.split("|")[0].strip() for line in lines[2 : 2 + count])
    if len(names) < count or len(set(names)) < count or not all(names):
        return f"names {len(set(names))} of the {count} columns that it is said to have"
    missing = [name for name in ("id", "collage_file", *PLACE) if name not in names]
    if missing:
        return f"has no column {', '.join(missing)}"
    return Layout(lines[0].strip(), names, "|", 2 + count)


def _old_layout(lines: list[str]) -> Layout | str:
    counts = {line.count(":") + 1 for line in lines[2:10] if line.strip()}
    for names in (_OLD_44, _OLD_47):
        if counts == {len(names)}:
            return Layout("", names, ":", 2)
    return "has no line num-fields, and no rows of 44 or 47 fields with colons between them"


def read_particles(path: Path, layout: Layout) -> Iterator[Particle | Reject]:
    """Read the rows of a list."""
    seen: set[int] = set()
    for line, text in bounded_lines(path, longest=_LONGEST_LINE):
        if line <= layout.header or not text.strip():
            continue
        found = _particle(line, text, layout)
        if isinstance(found, Particle) and found.number in seen:
            found = f"particle {found.number} was there before"
        if isinstance(found, str):
            yield Reject(path, line, found, text)
            continue
        seen.add(found.number)
        yield found


def _particle(line: int, text: str, layout: Layout) -> Particle | str:
    fields = [field.strip() for field in text.split(layout.delimiter)]
    if len(fields) != len(layout.names):
        return f"has {len(fields)} fields, and {len(layout.names)} are expected"
    values = dict(zip(layout.names, fields, strict=True))
    for name in ("id", *PLACE):
        if not _WHOLE.fullmatch(values[name]):
            return f"{name} is no whole number: {values[name][:40]!r}"
    number, x, y, width, height = (int(float(values[name])) for name in ("id", *PLACE))
    if not (number >= 0 and 0 < width <= _LARGEST and 0 < height <= _LARGEST
            and abs(x) <= _LARGEST and abs(y) <= _LARGEST):  # fmt: skip
        return f"{width} x {height} pixels at {x}, {y} are no part of a collage"
    return Particle(number, line, values, (x, y, width, height), positive(values.get("cal_const")))


def positive(text: str | None) -> float | None:
    """Return a number above 0, or None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 < value < 1e6 else None


def read_context(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Return the lines of a context with section, key and value, where there is a value."""
    section = ""
    for line, text in bounded_lines(path, longest=_LONGEST_LINE):
        if line > _MOST_LINES:
            return
        told = text.strip()
        if told.startswith("[") and told.endswith("]"):
            section = told[1:-1]
            continue
        key, sign, value = told.partition("=")
        if sign and key.strip() and value.strip():
            yield line, section, key.strip(), value.strip()


# -- classes ------------------------------------------------------------------------------------


class _Lines:
    """The lines of a file of classes, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path, self.at = path, 0
        self._lines = bounded_lines(path, longest=_LONGEST_LINE)

    def text(self, what: str) -> str:
        found = next(self._lines, None)
        if found is None:
            raise FormatError(f"ends where {what} should stand", path=self.path, line=self.at + 1)
        self.at, text = found
        return text.strip()

    def number(self, what: str, most: int) -> int:
        text = self.text(what)
        if not re.fullmatch(r"\d{1,12}", text) or int(text) > most:
            raise FormatError(f"{text[:40]!r} stands where {what} should",
                              path=self.path, line=self.at)  # fmt: skip
        return int(text)


def read_classes(path: Path) -> Iterator[Classed]:
    """Read a file of classes as far as it goes.

    Raises:
        FormatError: Where it goes no further.
    """
    lines = _Lines(path)
    try:
        version = lines.text("the version")
        if version != "v3":
            raise FormatError(f"is of version {version[:20]!r}, and only v3 is known",
                              path=path, line=1)  # fmt: skip
        for _ in range(lines.number("the number of classifications", 10_000)):
            name = lines.text("the name of a classification")
            for _ in range(lines.number("the number of classes", 100_000)):
                yield _class(lines, name)
    except UNREADABLE as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=path) from None


def _class(lines: _Lines, classification: str) -> Classed:
    label = lines.text("the name of a class")
    start = lines.at
    joined = lines.text("OR or AND")
    if joined.upper() not in {"OR", "AND"}:
        raise FormatError(f"{joined[:40]!r} stands where OR or AND should",
                          path=lines.path, line=lines.at)  # fmt: skip
    filters = lines.number("the number of filters", 10_000)
    for _ in range(filters):
        lines.text("a filter")
    numbers = []
    for _ in range(lines.number("the number of particles", _MOST_CLASSED)):
        number = lines.number("the id of a particle", 10**12)
        numbers.append((lines.at, number))
    return Classed(start, classification, label, filters > 0, tuple(numbers))
