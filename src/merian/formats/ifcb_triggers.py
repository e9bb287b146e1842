"""The triggers of an IFCB bin: the lines of its .adc, and which of their pictures are one.

An .adc has no header. The first instruments wrote 15 columns (and a comma behind them), the newer
ones 22 to 24, whose names stand in the header under ``ADCFileFormat``. The picture is told by its
place in the frame of the camera, width, height and first byte in the .roi: columns 10 to 14 of the
first kind, 14 to 18 of the newer.

The first instruments take two or more pictures of one trigger where something is long. If two that
follow one another overlap by more than two pixels both ways, they are parts of one picture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from merian.catalogue.sources import Reject
from merian.formats.bounded_lines import bounded_lines
from merian.formats.ifcb_header import Header

__all__ = ["LAYOUTS", "Layout", "Trigger", "names_of", "parts", "read_triggers", "together"]

MOST_TRIGGERS = 100_000
"""Of one bin; the fastest instrument makes a third of it in twenty minutes."""

_LARGEST = 1 << 14  # pixels: the frame of the camera has 1,381 by 1,035
_OVERLAP = 2
_MOST_FIELDS = 64
_LONGEST_LINE = 4_096
_WHOLE = re.compile(r"-?\d{1,12}(?:\.0*)?")
_GEOMETRY = ("x", "y", "width", "height", "start byte")


@dataclass(frozen=True)
class Layout:
    """Which columns an .adc has.

    Attributes:
        names: Of the columns.
        first: The place of the first of the five that tell the picture, from 0.
        opened: The place of the time at which the trigger opened, and of that of the picture; or
            of the run time and the inhibit time.
    """

    names: tuple[str, ...]
    first: int
    times: tuple[int, int]


LAYOUTS = {
    1: Layout(
        ("trigger", "adc_time", "pmt_fluorescence_low", "pmt_fluorescence_high",
         "pmt_scattering_low", "pmt_scattering_high", "comparator_pulse", "trigger_open_time",
         "frame_grab_time", "roi_x", "roi_y", "roi_width", "roi_height", "start_byte",
         "valve_status"), 9, (7, 8)),
    2: Layout(
        ("trigger#", "ADC_time", "PMTA", "PMTB", "PMTC", "PMTD", "peakA", "peakB", "peakC",
         "peakD", "time of flight", "grabtimestart", "grabtimeend", "ROIx", "ROIy", "ROIwidth",
         "ROIheight", "start_byte", "comparator_out", "STartPoint", "SignalLength", "status",
         "runTime", "inhibitTime"), 13, (22, 23)),
}  # fmt: skip


@dataclass(frozen=True)
class Trigger:
    """One line of an .adc.

    Attributes:
        number: Its place among the triggers, from 1, which names its region.
        line: Its line.
        fields: All that stands in it.
        x: The left edge of the picture in the frame of the camera.
        y: Its upper edge.
        width: Of the picture; 0 if none was taken.
        height: The same.
        start: Its first byte in the .roi.
    """

    number: int
    line: int
    fields: tuple[str, ...]
    x: int
    y: int
    width: int
    height: int
    start: int

    @property
    def has_picture(self) -> bool:
        """Whether a picture was taken."""
        return self.width > 0 and self.height > 0

    def measured(self, names: Sequence[str], layout: Layout) -> Iterator[tuple[str, str]]:
        """Return the names and values of the columns but those that say where the picture is."""
        hidden = range(layout.first + 2, layout.first + 5)
        for place, value in enumerate(self.fields):
            if value and place not in hidden:
                yield names[place] if place < len(names) else f"column {place + 1}", value

    def times(self, layout: Layout) -> tuple[float, float] | None:
        """Return its two times, in seconds."""
        first, second = layout.times
        if len(self.fields) <= second:
            return None
        try:
            told = float(self.fields[first]), float(self.fields[second])
        except ValueError:
            return None
        return told if all(map(math.isfinite, told)) else None


def names_of(header: Header, layout: Layout) -> tuple[str, ...]:
    """Return the names of the columns: those of the header, where it names as many or more."""
    for _, text in header.get("ADCFileFormat", ()):
        told = tuple(name.strip() for name in text.split(","))
        if len(told) >= layout.first + 5 and all(told):
            return told
    return layout.names


def read_triggers(path: Path, layout: Layout) -> Iterator[Trigger | Reject]:
    """Read an .adc; a line that cannot be read is set aside and still counted."""
    number = 0
    for line, text in bounded_lines(path, longest=_LONGEST_LINE):
        if not text.strip():
            continue
        number += 1
        if number > MOST_TRIGGERS:
            reason = f"has more than {MOST_TRIGGERS:,} lines, which no bin has; the rest is left"
            yield Reject(path, line, reason)
            return
        fields = tuple(field.strip() for field in text.split(","))
        found = _trigger(number, line, fields, layout)
        yield found if isinstance(found, Trigger) else Reject(path, line, found, text)


def _trigger(number: int, line: int, fields: tuple[str, ...], layout: Layout) -> Trigger | str:
    least = layout.first + len(_GEOMETRY)
    if len(fields) < least:
        return f"has {len(fields)} columns, and {least} at least are expected"
    if len(fields) > _MOST_FIELDS:
        return f"has {len(fields)} columns or more, and {len(layout.names)} are expected"
    told = fields[layout.first : least]
    for name, text in zip(_GEOMETRY, told, strict=True):
        if not _WHOLE.fullmatch(text):
            return f"the {name} of the picture is no whole number: {text[:40]!r}"
    x, y, width, height, start = (int(float(text)) for text in told)
    if not (0 <= width <= _LARGEST and 0 <= height <= _LARGEST and start >= 0):
        return f"{width} x {height} pixels from byte {start} are no picture"
    return Trigger(number, line, fields, x, y, width, height, start)


def together(a: Trigger, b: Trigger) -> bool:
    """Return whether two pictures are of one trigger and overlap."""
    return (
        a.fields[0] == b.fields[0]
        and a.has_picture
        and b.has_picture
        and a.x < b.x + b.width - _OVERLAP
        and b.x < a.x + a.width - _OVERLAP
        and a.y < b.y + b.height - _OVERLAP
        and b.y < a.y + a.height - _OVERLAP
    )


def parts(triggers: Sequence[Trigger]) -> dict[int, int]:
    """Return for each picture that is a part of an earlier one which one that is, by number."""
    found: dict[int, int] = {}
    pictures = [trigger for trigger in triggers if trigger.has_picture]
    for before, after in pairwise(pictures):
        if together(before, after):
            found[after.number] = found.get(before.number, before.number)
    return found
