"""The columns that EcoTaxa knows, and what their cells may hold.

Numbers may be ``nan`` or ``na``, which is nothing. Spreadsheets drop the zeros before a time, so
that 420 is twenty past four; degrees may have minutes and seconds.

Reference: ecotaxa/ecotaxa_back, as of June 2026 (what its import accepts).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, time

__all__ = ["FAULTS", "LONGEST_TEXT", "NOTHING", "NUMERIC", "PLACES", "PREDEFINED", "STATUSES",
           "clock", "day", "degrees", "number"]  # fmt: skip

# The columns that EcoTaxa knows by name, and what they hold.
PREDEFINED = {
    "object_id": "id", "object_lat": "latitude", "object_lon": "longitude",
    "object_date": "date", "object_time": "time", "object_link": "t",
    "object_depth_min": "f", "object_depth_max": "f",
    "object_annotation_category": "t", "object_annotation_category_id": "f",
    "object_annotation_date": "date", "object_annotation_time": "time",
    "object_annotation_person_name": "t", "object_annotation_person_email": "t",
    "object_annotation_status": "status",
    "img_file_name": "t", "img_rank": "f",
    "sample_id": "id", "sample_dataportal_descriptor": "t",
    "acq_id": "id", "acq_instrument": "t", "process_id": "id",
}  # fmt: skip
STATUSES = ("predicted", "dubious", "validated", "discarded")
# How many free columns fit: those of objects by their type, all others are texts.
PLACES = {"object f": 500, "object t": 20, "sample t": 60, "acq t": 30, "process t": 30}
LONGEST_TEXT = 250
NUMERIC = frozenset({"f", "latitude", "longitude"})
_LONGEST_ID = 255
NOTHING = frozenset({"", "nan", "na"})
_DEGREES = re.compile(r"(-?)(\d{1,9})°(\d{1,9}) (\d{1,9})")
_DAY = re.compile(r"(\d{4})(-?)(\d\d)\2(\d\d)")
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(\.\d+)?")
_DIGITS = re.compile(r"(\d{6})(\.\d+)?|(\d{1,6})")


def number(text: str) -> float | None:
    """Return a number, or None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def degrees(text: str) -> float | None:
    """Return decimal degrees, which may be written ``-43°30 15``: degrees, minutes, seconds."""
    found = _DEGREES.fullmatch(text)
    if found is None:
        return number(text)
    value = int(found[2]) + (int(found[3]) + int(found[4]) / 60) / 60
    return -value if found[1] else value


def day(text: str) -> str | None:
    """Return a date in ISO 8601 from 20140420 or 2014-04-20; None where it is none."""
    found = _DAY.fullmatch(text)
    try:
        return date(int(found[1]), int(found[3]), int(found[4])).isoformat() if found else None
    except ValueError:
        return None


def clock(text: str) -> str | None:
    """Return a time as 04:20:00; from 042000, 0420 or 420, as spreadsheets drop zeros."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        digits = _DIGITS.fullmatch(text)
        if digits is None:
            return None
        plain = (digits[1] or digits[3]).rjust(4, "0").ljust(6, "0")
        parts, fraction = (plain[:2], plain[2:4], plain[4:]), digits[2] or ""
    else:
        parts, fraction = (found[1], found[2], found[3]), found[4] or ""
    try:
        return time(int(parts[0]), int(parts[1]), int(parts[2])).isoformat() + fraction
    except ValueError:
        return None


def _bad_degrees(most: int) -> Callable[[str], str]:
    def fault(text: str) -> str:
        value = degrees(text)
        if value is None:
            return "not degrees: a number or 43°30 15 is expected"
        return "" if abs(value) <= most else f"out of range: -{most} to {most} is expected"

    return fault


def _bad_text(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return ""
    return f"text too long for EcoTaxa: {len(text)} characters, {LONGEST_TEXT} fit"


# What is wrong with a cell, by what its column holds; "" for nothing.
FAULTS: dict[str, Callable[[str], str]] = {
    "latitude": _bad_degrees(90),
    "longitude": _bad_degrees(180),
    "f": lambda x: "" if number(x) is not None or x.lower() in NOTHING else "not a number",
    "date": lambda x: "" if day(x) else "not a date: 20140420 or 2014-04-20 is expected",
    "time": lambda x: "" if clock(x) else "not a time: 042000, 0420 or 04:20:00 is expected",
    "status": lambda x: "" if x.lower() in (*STATUSES, "noid") else "no status of EcoTaxa: "
    f"one of {', '.join(STATUSES)} is expected",
    "id": lambda x: "" if len(x) <= _LONGEST_ID else f"id too long for EcoTaxa: {len(x)} "
    f"characters, {_LONGEST_ID} fit",
    "text": _bad_text,
    "t": lambda _: "",
}  # fmt: skip
