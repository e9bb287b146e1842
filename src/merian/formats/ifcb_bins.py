"""The bins of an Imaging FlowCytobot: their names, and where their files lie.

A bin is what one syringe of water gave. Its name tells the instrument and the second at which it
began, in UTC: ``IFCB1_2011_231_182610`` (instrument 1, day 231 of 2011) for the first instruments
and ``D20130101T101010_IFCB099`` since. A region of interest is named after its bin and the line of
its trigger in the .adc: ``D20130101T101010_IFCB099_00042``.

In a tree of bins the folders ``skip``, ``beads`` and ``bad`` hold what is not to be used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from merian.formats.folders import visible_files

__all__ = ["KINDS", "Bin", "BinName", "Found", "bin_of", "find_bins", "share_of_bins"]

KINDS = (".hdr", ".adc", ".roi")
_FIRST = r"IFCB(?P<first>\d{1,4})_(?P<year>\d{4})_(?P<day>\d{3})_(?P<clock>\d{6})"
_NEWER = r"D(?P<date>\d{8})T(?P<time>\d{6})_IFCB(?P<newer>\d{1,4})"
_NAME = re.compile(rf"(?P<name>{_FIRST}|{_NEWER})(?!\d)", re.ASCII)
_PASSED_OVER = frozenset({"skip", "beads", "bad"})
_LOOKED_AT = 5_000


@dataclass(frozen=True)
class BinName:
    """The name of a bin and what it tells.

    Attributes:
        text: The name.
        version: Of the layout: 1 or 2.
        instrument: As it is called, ``IFCB099``.
        began: When, or None where the name holds no such day or time.
    """

    text: str
    version: int
    instrument: str
    began: datetime | None

    @property
    def iso(self) -> str | None:
        """When it began, as ISO 8601."""
        return None if self.began is None else self.began.strftime("%Y-%m-%dT%H:%M:%SZ")

    def region(self, number: int) -> str:
        """Return the name of the region of a trigger; the first is 1."""
        return f"{self.text}_{number:05d}"

    def event(self) -> dict[str, object]:
        """Return what the name alone tells of the event."""
        return {"eventID": self.text, "eventType": "IFCB bin", "eventDate": self.iso}

    @property
    def device(self) -> str:
        """The instrument in words."""
        return f"Imaging FlowCytobot {self.instrument}"


def bin_of(name: str) -> BinName | None:
    """Return the bin that the name of a file begins with, or None."""
    found = _NAME.match(name)
    if found is None:
        return None
    if found["first"]:
        told, pattern = f"{found['year']}{found['day']}{found['clock']}", "%Y%j%H%M%S"
        version, instrument = 1, f"IFCB{found['first']}"
    else:
        told, pattern = f"{found['date']}{found['time']}", "%Y%m%d%H%M%S"
        version, instrument = 2, f"IFCB{found['newer']}"
    try:
        began: datetime | None = datetime.strptime(told, pattern).replace(tzinfo=UTC)
    except ValueError:
        began = None
    return BinName(found["name"], version, instrument, began)


@dataclass(frozen=True)
class Bin:
    """One bin.

    Attributes:
        name: Its name.
        files: Its files by suffix; one may be missing.
    """

    name: BinName
    files: dict[str, Path]

    def file(self, kind: str) -> Path:
        """Return where a file of it lies, or would lie."""
        there = next(iter(self.files.values()))
        return self.files.get(kind, there.with_name(self.name.text + kind))


@dataclass
class Found:
    """What was found below a path.

    Attributes:
        bins: By name.
        doubles: Files of a bin that was found before.
        passed_over: How many bins lie in folders of what is not to be used.
        others: How many files are of no bin, by what they are.
    """

    bins: list[Bin] = field(default_factory=list)
    doubles: list[Path] = field(default_factory=list)
    passed_over: int = 0
    others: dict[str, int] = field(default_factory=dict)


def _is_of_bin(path: Path) -> bool:
    name = bin_of(path.name)
    return name is not None and path.suffix.lower() in KINDS and path.stem == name.text


def share_of_bins(path: Path) -> float:
    """Return how many of the files at or below a path are of bins; looks at the first ones."""
    try:
        files = [path] if path.is_file() else [*islice(visible_files(path), _LOOKED_AT)]
        return sum(map(_is_of_bin, files)) / max(len(files), 1)
    except OSError:
        return 0.0


def find_bins(path: Path) -> Found:
    """Return the bin that a file belongs to, or all bins below a folder."""
    found = Found()
    if path.is_file():
        name = bin_of(path.name)
        if name is not None:
            beside = (path.with_name(name.text + kind) for kind in KINDS)
            files = {file.suffix: file for file in beside if file.is_file()}
            files[path.suffix.lower()] = path
            found.bins.append(Bin(name, files))
        return found
    places: dict[str, tuple[Path, Bin]] = {}
    for file in visible_files(path):
        if not _is_of_bin(file):
            found.others[file.suffix.lower()] = found.others.get(file.suffix.lower(), 0) + 1
            continue
        above = {part.lower() for part in file.relative_to(path).parts[:-1]}
        if above & _PASSED_OVER:
            found.passed_over += file.suffix.lower() == ".adc"
            continue
        name = bin_of(file.name)
        assert name is not None  # or it were of no bin
        folder, one = places.setdefault(name.text, (file.parent, Bin(name, {})))
        if folder == file.parent:
            one.files[file.suffix.lower()] = file
        else:
            found.doubles.append(file)
    found.bins = [one for _, (_, one) in sorted(places.items())]
    return found
