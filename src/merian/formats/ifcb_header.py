"""The header of an IFCB bin, and how much water was looked at.

The .hdr of newer instruments has lines of ``key: value``, those of 2010 to 2015 also prose and
numbers behind words (``syringe number 75``). The first instruments wrote lines in quotes: prose,
``SyringeStatus =  0``, then a line of names and one of as many numbers.

The water that was looked at (``ml_analyzed``) is the flow of 0.25 mL a minute times the time in
which the camera waited. There are two conventions, and they differ where a header is wrong:

* run time less inhibit time as the header states them;
* the same of the last trigger in the .adc. For the first instruments, whose header states neither,
  it is the time of the last picture less the times from the one picture to the next opening of the
  trigger, each taken as at least 0.073 s (0.05 s for IFCB5 since June 2015), and less this once
  more.

Both are told, each with its method. ``D20130526T095207_IFCB013`` has 5.081 mL by its header and
4.885 mL by its .adc.

References: Sosik and Olson 2007, doi:10.4319/lom.2007.5.204; Olson and Sosik 2007,
doi:10.4319/lom.2007.5.195
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from merian.formats.bounded_lines import bounded_lines
from merian.formats.delimited import head_bytes, is_binary
from merian.formats.ifcb_bins import BinName

__all__ = [
    "Header", "first_volume", "header_volume", "number_in", "read_header", "trigger_volume",
    "unit_of", "was_fast",
]  # fmt: skip

Header = dict[str, list[tuple[int, str]]]
"""Key -> the lines at which it stands and what it holds."""

_PER_SECOND = 0.25 / 60  # mL: the speed of the syringe
_MOST_LINES, _LONGEST_LINE = 10_000, 4_096
_COUNTED = re.compile(r"(?P<key>[A-Za-z][A-Za-z ]*?)\s*(?:=\s*|\s)(?P<value>-?\d+(?:\.\d+)?)")
_UNITS = {
    "runtime": "s", "inhibittime": "s", "temperature": "degrees Celsius", "temp": "degrees Celsius",
    "humidity": "%", "syringesamplevolume": "mL", "ageoffix": "s",
}  # fmt: skip
_SINCE = datetime(2015, 6, 1, tzinfo=UTC)


def unit_of(key: str) -> str | None:
    """Return the unit of what a header states, where it is known."""
    return _UNITS.get(key.lower())


def read_header(path: Path) -> Header | str:
    """Read a header, or say why it cannot be."""
    head = head_bytes(path)
    if not head.strip():
        return "the header is empty"
    if is_binary(head):
        return "the header is no text"
    found: Header = {}
    waiting: list[str] = []
    for number, line in bounded_lines(path, longest=_LONGEST_LINE):
        if number > _MOST_LINES:
            break
        waiting = _take(found, number, line.strip(), waiting)
    return found


def _take(found: Header, number: int, line: str, names: list[str]) -> list[str]:
    """Take in a line of a header; return the names of the numbers that the next may hold."""
    if not line:
        return names
    if line.startswith('"'):
        fields = [field.strip() for field in line.strip('"').split('","')]
        if len(names) > 1 and len(fields) == len(names):
            for key, value in zip(names, fields, strict=True):
                found.setdefault(key, []).append((number, value))
            return []
        line = fields[0] if len(fields) == 1 else line
        words = line.split()
        if words and words[0] == "Temp":
            return words
    # The older kind tells its program with a colon in it, too: only the first parts them.
    key, colon, value = line.partition(":")
    counted = _COUNTED.fullmatch(line)
    if counted:
        key, value = counted["key"].strip(), counted["value"]
    elif not colon or not re.fullmatch(r"[\w()%. ]{1,80}", key):
        key, value = "header", line
    found.setdefault(key.strip(), []).append((number, value.strip()))
    return []


def number_in(header: Header, *keys: str) -> tuple[int, float] | None:
    """Return the line and the number of the first of these keys that has one, whatever its case."""
    lower = {key.lower(): values for key, values in reversed(header.items())}
    for key in keys:
        for line, text in lower.get(key.lower(), ()):
            try:
                value = float(text)
            except ValueError:
                continue
            if math.isfinite(value):
                return line, value
    return None


def header_volume(header: Header) -> tuple[int, float] | None:
    """Return the water that was looked at by the header, in mL, with the line of the run time."""
    run, inhibited = number_in(header, "runTime"), number_in(header, "inhibitTime")
    if run is None or inhibited is None or was_fast(header) or not 0 <= inhibited[1] <= run[1]:
        return None
    return run[0], (run[1] - inhibited[1]) * _PER_SECOND


def was_fast(header: Header) -> bool:
    """Return whether the syringe ran faster than it usually does, at a speed that is not stated."""
    return any(text.lower() == "true" for _, text in header.get("runSampleFast", ()))


def trigger_volume(run: float, inhibited: float) -> float | None:
    """Return the water by the times of the last trigger, in mL."""
    return (run - inhibited) * _PER_SECOND if 0 <= inhibited <= run else None


def first_volume(name: BinName, times: Sequence[tuple[float, float]]) -> float | None:
    """Return the water that one of the first instruments looked at, in mL.

    Args:
        name: The bin.
        times: When the trigger opened and when the picture was taken, for each trigger; in s.
    """
    if not times:
        return None
    late = name.instrument == "IFCB5" and name.began is not None and name.began >= _SINCE
    least = 0.05 if late else 0.073
    looked = _to_midnight(times[-1][1]) - least
    for (_, taken), (opened, _) in pairwise(times):
        looked -= max(_to_midnight(opened) - _to_midnight(taken), least)
    return looked * _PER_SECOND if looked >= 0 else None


def _to_midnight(seconds: float) -> float:
    """Return a time past midnight as that of a longer day: the clock then begins anew."""
    return seconds + 86_400 if seconds < 0 else seconds
