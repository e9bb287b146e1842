"""IFCB: the raw bins of an Imaging FlowCytobot, three files each.

::

    D2013/D20130526/D20130526T095207_IFCB013.hdr   how the instrument was set: key: value
                    D20130526T095207_IFCB013.adc   a line for each trigger, without header
                    D20130526T095207_IFCB013.roi   the pictures, grey, one behind the other

Any of the three is read with the others beside it, and a folder with all bins below it, but for
those in folders called ``skip``, ``beads`` or ``bad``, which are counted. Names, header and columns
are told in `ifcb_bins`, `ifcb_header` and `ifcb_triggers`.

A bin is an event, at the time in its name. What the header states are measurements of the event, as
is the water that was looked at (``ml_analyzed``, by two conventions). Every trigger with a picture
is an occurrence and a picture, ``<bin>_<number of the trigger>``, and its columns are measurements.
A trigger without picture (width or height 0) is counted. Pictures stay in the .roi and are
addressed there. Two or more pictures of one trigger of a first instrument that overlap are one
occurrence with several pictures; the name is that of the first, as in files of class scores.

A header states the place only where GPS was connected (``gpsLatitude``), and never how large a
pixel is: calibrate the instrument and say so in the catalogue. A file of the three that is missing,
empty or cut short is told among the rejects, and what the others say is kept.

Reference: Olson and Sosik 2007, doi:10.4319/lom.2007.5.195; https://github.com/hsosik/ifcb-analysis
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.containers import member_address
from merian.errors import FormatError
from merian.files import existing
from merian.formats.delimited import head_text
from merian.formats.ifcb_bins import KINDS, Bin, find_bins, share_of_bins
from merian.formats.ifcb_fake import fake_bins
from merian.formats.ifcb_header import (
    Header,
    first_volume,
    header_volume,
    number_in,
    read_header,
    trigger_volume,
    unit_of,
    was_fast,
)
from merian.formats.ifcb_triggers import LAYOUTS, Trigger, names_of, parts, read_triggers
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import Row, chunked
from merian.unpacking import UNREADABLE

__all__ = ["FORMAT"]

_NO_SCALE = "no header states how large a pixel is: pixelsPerMillimetre is empty"
_ORDER = 1 << 24  # the lines of the next bin come behind those of the one before
_SIGNS = ("flowcytobot", "adcfileformat", "imagerid")


def _sniff(path: Path) -> int:
    # Among many other files it may be theirs.
    share = share_of_bins(path)
    return 3 if share >= 0.5 else 2 if share else 0


def _lacks(path: Path) -> str:
    if path.suffix.lower() != ".hdr" or share_of_bins(path):
        return ""
    if any(sign in head_text(path).lower() for sign in _SIGNS):
        return "is not called as a bin is (D20130526T095207_IFCB013.hdr)"
    return ""


def _read(path: Path, _options: Options) -> Reading:
    path = existing(path, "bin or folder of bins").absolute()
    found = find_bins(path)
    if not found.bins:
        raise FormatError(
            "holds no bin; files called as D20130526T095207_IFCB013.hdr, .adc and .roi are "
            "expected",
            path=path,
        )
    notes = [f"bins: {len(found.bins)}", _NO_SCALE]
    if found.passed_over:
        notes.append(
            f"bins in folders called skip, beads or bad are passed over: {found.passed_over} "
            "(give such a folder itself to read it)"
        )
    if found.others:
        told = ", ".join(f"{kind or '(none)'} {n}" for kind, n in sorted(found.others.items()))
        notes.append(f"files that are of no bin are passed over: {told}")
    told_once = [
        Reject(file, None, "a bin of this name was found in another folder before", file.name)
        for file in found.doubles
    ]
    tables: tuple[tuple[str, Callable[[_Opened], Iterator[Row | Reject]]], ...] = (
        ("event", _event), ("record", _regions), ("measurement", _facts),
    )  # fmt: skip
    sources = []
    for number, (table, rows) in enumerate(tables):
        chunks = _Bins(found.bins, rows, told_once if not number else [], notes)
        sources.append(Rows(path, table, chunks))
    inputs = [one.files[kind] for one in found.bins for kind in KINDS if kind in one.files]
    return Reading("ifcb", sources, inputs, notes)


@dataclass
class _Opened:
    """A bin with what its files hold.

    Attributes:
        one: The bin.
        counts: What is told in the notes when all bins were read.
        rejects: What is wrong with its files as a whole.
        header: What the header states.
        triggers: The triggers that can be read, and rejects.
        size: Of the .roi in bytes; None if there is none.
        is_dead: Whether all of its files are empty or missing.
    """

    one: Bin
    counts: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    header: Header = field(default_factory=dict)
    triggers: list[Trigger] = field(default_factory=list)
    size: int | None = None
    is_dead: bool = False


def _open(one: Bin, counts: Counter[str]) -> _Opened:
    opened = _Opened(one, counts)
    try:
        opened.is_dead = all(not file.stat().st_size for file in one.files.values())
        if opened.is_dead:
            file = next(iter(one.files.values()))
            names = ", ".join(sorted(one.files))
            opened.rejects.append(Reject(file, None, f"a bin without content: {names} empty"))
            return opened
        if ".roi" in one.files:
            opened.size = one.files[".roi"].stat().st_size
        _open_header(opened)
        _open_triggers(opened)
    except UNREADABLE as error:
        opened.rejects.append(Reject(one.file(".adc"), None, f"cannot be read ({error})"))
    return opened


def _open_header(opened: _Opened) -> None:
    file = opened.one.file(".hdr")
    found = read_header(file) if ".hdr" in opened.one.files else "the bin has no header"
    if isinstance(found, str):
        reason = f"{found}: only its name tells when it was taken"
        opened.rejects.append(Reject(file, None, reason, scope="value"))
    else:
        opened.header = found


def _open_triggers(opened: _Opened) -> None:
    one = opened.one
    file, layout = one.file(".adc"), LAYOUTS[one.name.version]
    if ".adc" not in one.files:
        reason = "the bin has no .adc: nothing tells where its pictures are"
        opened.rejects.append(Reject(file, None, reason))
        return
    for found in read_triggers(file, layout):
        if isinstance(found, Reject):
            opened.rejects.append(found)
        else:
            opened.triggers.append(found)
    counted = number_in(opened.header, "triggerCount")
    lines = len(opened.triggers) + sum(reject.line is not None for reject in opened.rejects)
    if counted and counted[1] != lines:
        reason = f"has {lines} lines, and its header counts {counted[1]:g} triggers"
        opened.rejects.append(Reject(file, None, reason, scope="value"))
    if not opened.size and any(trigger.has_picture for trigger in opened.triggers):
        what = "missing" if opened.size is None else "empty"
        reason = f"the .roi is {what}: regions are kept without their pictures"
        opened.rejects.append(Reject(one.file(".roi"), None, reason, term="accessURI",
                                     scope="value"))  # fmt: skip


@dataclass(frozen=True)
class _Bins:
    """The rows of one table, anew each time they are asked for.

    Attributes:
        bins: All bins.
        rows: What one of them gives to the table.
        first: Rejects that are told once; None of them is told by any other table.
        notes: What there is to say; it grows when all was read.
    """

    bins: list[Bin]
    rows: Callable[[_Opened], Iterator[Row | Reject]]
    first: list[Reject]
    notes: list[str]

    def __iter__(self) -> Iterator[Chunk | Reject]:
        yield from self.first
        counts: Counter[str] = Counter()
        yield from chunked(self._all(counts))
        told = [f"{what}: {count}" for what, count in sorted(counts.items()) if count]
        self.notes.extend(note for note in told if note not in self.notes)

    def _all(self, counts: Counter[str]) -> Iterator[Row | Reject]:
        for place, one in enumerate(self.bins):
            opened = _open(one, counts)
            for row in self.rows(opened):
                if isinstance(row, Reject):
                    yield row
                else:
                    yield {**row, "line": int(str(row["line"])) + place * _ORDER}


# -- tables -------------------------------------------------------------------------------------


def _event(opened: _Opened) -> Iterator[Row | Reject]:
    """Return the event of a bin, and what is wrong with its files."""
    yield from opened.rejects
    name, header = opened.one.name, opened.header
    if opened.is_dead:
        return
    if name.began is None:
        yield Reject(opened.one.file(".hdr"), None, "its name holds no day and time that there is",
                     name.text, "eventDate", "value")  # fmt: skip
    places = {}
    for term, key, most in (("decimalLatitude", "gpsLatitude", 90),
                            ("decimalLongitude", "gpsLongitude", 180)):  # fmt: skip
        found = number_in(header, key)
        if found and abs(found[1]) <= most:
            places[term] = repr(found[1])
        elif found:
            yield Reject(opened.one.file(".hdr"), found[0], f"no place on Earth: {key}",
                         f"{found[1]:g}", term, "value")  # fmt: skip
    opened.counts["bins whose triggers have no picture"] += not any(
        trigger.has_picture for trigger in opened.triggers
    )
    opened.counts["triggers without a picture"] += sum(
        not trigger.has_picture for trigger in opened.triggers
    )
    opened.counts["bins that ran fast, at a speed not stated: no ml_analyzed"] += was_fast(header)
    # Half a place is none.
    yield {"line": 1, **name.event(), **(places if len(places) == 2 else {})}


def _regions(opened: _Opened) -> Iterator[Row | Reject]:
    """Return the regions of a bin with their pictures."""
    one, earlier = opened.one, parts(opened.triggers) if opened.one.name.version == 1 else {}
    opened.counts["pictures that are a part of an earlier one of their trigger"] += len(earlier)
    joined = {*earlier, *earlier.values()}
    roi = one.file(".roi")
    for trigger in opened.triggers:
        if not trigger.has_picture:
            continue
        whole = earlier.get(trigger.number, trigger.number)
        row: dict[str, object] = {
            "line": trigger.line,
            "occurrenceID": one.name.region(whole),
            "eventID": one.name.text,
            "basisOfRecord": "MachineObservation",
            "mediaID": one.name.region(trigger.number),
            "pixelXDimension": trigger.width,
            "pixelYDimension": trigger.height,
            "captureDevice": one.name.device,
        }
        if trigger.number in joined:
            row["mediaRemarks"] = (
                f"one of several pictures of trigger {trigger.fields[0]}, at {trigger.x}, "
                f"{trigger.y} in the frame of the camera"
            )
        end = trigger.start + trigger.width * trigger.height
        if opened.size and end <= opened.size:
            row["accessURI"] = member_address(roi, trigger.start, trigger.width, trigger.height)
            row["format"] = "image/x-portable-graymap"
        elif opened.size:
            reason = (
                f"the picture is cut off: it ends at byte {end:,}, and the .roi at {opened.size:,}"
            )
            content = one.name.region(trigger.number)
            yield Reject(roi, trigger.line, reason, content, "accessURI", "value")
        yield row


def _facts(opened: _Opened) -> Iterator[Row | Reject]:
    """Return all that was measured."""
    yield from _stated(opened)
    yield from _measured(opened)


def _stated(opened: _Opened) -> Iterator[Row | Reject]:
    """Return what the header of a bin states, and how much water was looked at."""
    name = opened.one.name.text
    last = 0
    for key, values in opened.header.items():
        for line, value in values:
            last = max(last, line)
            yield _fact(line, "eventID", name, key, value, unit_of(key))
    for line, volume, method in _volumes(opened):
        row = _fact(line or last + 1, "eventID", name, "ml_analyzed", f"{volume:.6f}", "mL")
        yield {**row, "measurementMethod": method}


def _volumes(opened: _Opened) -> Iterator[tuple[int, float, str]]:
    layout = LAYOUTS[opened.one.name.version]
    by_header = header_volume(opened.header)
    if by_header:
        yield *by_header, "0.25 mL/min x (runTime - inhibitTime) of the header"
    if was_fast(opened.header):
        return
    first: dict[str, tuple[float, float]] = {}
    for trigger in opened.triggers:
        told = trigger.times(layout)
        if told and trigger.fields[0] not in first:
            first[trigger.fields[0]] = told
    if opened.one.name.version == 1:
        found = first_volume(opened.one.name, [*first.values()])
        method = "0.25 mL/min x look time by the times of the .adc, IFCB 1 to 6"
    else:
        found = trigger_volume(*[*first.values()][-1]) if first else None
        method = "0.25 mL/min x (run time - inhibit time) of the last trigger in the .adc"
    if found is not None:
        yield 0, found, method


def _measured(opened: _Opened) -> Iterator[Row | Reject]:
    """Return the columns of the triggers that have a picture."""
    name, layout = opened.one.name, LAYOUTS[opened.one.name.version]
    names = names_of(opened.header, layout)
    earlier = parts(opened.triggers) if name.version == 1 else {}
    for trigger in opened.triggers:
        if trigger.has_picture:
            # What was measured on a part is not of the whole.
            subject = "mediaID" if trigger.number in earlier else "occurrenceID"
            for kind, value in trigger.measured(names, layout):
                yield _fact(trigger.line, subject, name.region(trigger.number), kind, value, None)


def _fact(
    line: int, subject: str, identifier: str, kind: str, value: str, unit: str | None
) -> dict[str, object]:
    return {"line": line, subject: identifier, "measurementType": kind,
            "measurementValue": value, "measurementUnit": unit}  # fmt: skip


FORMAT = Format(
    name="ifcb",
    title="IFCB: bins of an Imaging FlowCytobot (.hdr, .adc, .roi)",
    sniff=_sniff,
    read=_read,
    fake=fake_bins,
    lacks=_lacks,
    tested_on="bins of pyifcb (IFCB5 of 2012, IFCB013 of 2013, empty ones), ClassiPyR and iRfcb "
    "(IFCB134 of 2022)",
)
