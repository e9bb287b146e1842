"""The rows of EcoTaxa's tables as records, events and measurements.

Three passes over the same tables make them: an object with its picture and its name, the samples
with their acquisitions and processes, and every other column as a measurement under its full name.
Each pass judges the rows anew, so that they agree on what is set aside; the first tells it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from merian.catalogue.sources import Chunk, Reject
from merian.formats.ecotaxa_lines import Head, rows_of
from merian.formats.ecotaxa_rules import Checker, Finding, look_at
from merian.formats.ecotaxa_scale import pixels_per_mm
from merian.formats.ecotaxa_tables import Table
from merian.formats.ecotaxa_terms import FED, FURTHER, LEVELS, OF_NAMES, OF_PICTURES, STATUS_WORDS
from merian.formats.ecotaxa_values import NOTHING, PREDEFINED, clock, day, degrees, number

__all__ = [
    "FURTHER",
    "LEVELS",
    "OF_PICTURES",
    "STATUS_WORDS",
    "Import",
    "Pass",
    "feeds",
    "is_named",
]

_CHUNK = 2_000  # objects; each has a hundred measurements
Values = dict[str, str]


@dataclass(frozen=True)
class Ways:
    """What a format knows of its tables that EcoTaxa does not.

    Attributes:
        units: The units of measurements, by column.
        told: What stands beside the tables, by column; it fills in what they leave empty.
        in_um: Whether ``process_pixel`` is in micrometres, whatever the instrument is called.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    in_um: bool = False


@dataclass
class Import:
    """What is to be read, and what there is to say of it.

    Attributes:
        heads: The tables, in order.
        images: Where the user says that the pictures lie.
        project: Stands before all ids, so that those of two projects are kept apart.
        pixel_um: The size of a pixel, where the user says it.
        without: The tables whose pictures do not lie beside them.
        notes: What the user should know; it grows while the rows are read.
        ways: What the format that asks knows.
        broken: The ids that pictures would have that are missing or do not open.
    """

    heads: Sequence[Head]
    images: Path | None
    project: str
    pixel_um: float | None
    without: set[Table]
    notes: list[str]
    ways: Ways = field(default_factory=Ways)
    broken: set[str] = field(default_factory=set)
    _judges: dict[str, Checker] = field(default_factory=dict)

    def judged(self, head: Head, of: str) -> Iterator[tuple[int, Values] | Reject]:
        """Return the rows of a table without what is set aside, and what that was.

        Args:
            head: The table.
            of: The pass; its tables are looked at in order.
        """
        if head is self.heads[0] or of not in self._judges:
            self._judges[of] = Checker()
        judge = self._judges[of]
        judge.head(head)
        for row in rows_of(head):
            if isinstance(row, Reject):
                yield row
                continue
            line, cells = row
            values = {name: cell for name, cell in zip(head.columns, cells, strict=False) if cell}
            # Of events nothing but what sets a whole row aside is asked.
            judged = judge.identity if of == "event" else judge.row
            findings = judged(head, line, cells)
            yield from (finding.as_reject() for finding in findings if finding.aside)
            if any(finding.aside == "row" for finding in findings):
                continue
            for finding in findings:
                if finding.aside:
                    values.pop(finding.column, None)
            yield line, {**self.ways.told, **values}

    def chain(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the events of a row's sample, acquisition and process: id and type, outer first.

        One that has columns and no id is told apart by what they hold, as EcoTaxa does it.
        """
        found, path = list[tuple[str, str]](), [self.project] if self.project else []
        for prefix, kind in LEVELS.items():
            name = values.get(f"{prefix}_id") or _made_id(prefix, values)
            if name:
                path.append(name)
                found.append((f"{prefix}:{'/'.join(path)}", kind))
        return found

    def identity(self, values: Mapping[str, str]) -> str:
        """Return the id of a row's occurrence."""
        return "/".join(filter(None, (self.project, values["object_id"])))

    def say(self, note: str) -> None:
        """Add a note once."""
        if note not in self.notes:
            self.notes.append(note)


def _made_id(prefix: str, values: Mapping[str, str]) -> str:
    told = sorted(
        f"{name}={cell}" for name, cell in values.items() if name.startswith(f"{prefix}_")
    )
    return (
        "#" + hashlib.blake2b("\0".join(told).encode(), digest_size=6).hexdigest() if told else ""
    )


@dataclass(frozen=True)
class Pass:
    """One of the three passes over some of the tables, anew each time it is asked for.

    Attributes:
        source: What is to be read.
        heads: The tables of this pass.
        table: ``record``, ``event`` or ``measurement``.
    """

    source: Import
    heads: Sequence[Head]
    table: str

    def __iter__(self) -> Iterator[Chunk | Reject]:
        maker = _MAKERS[self.table](self.source)
        rows: list[Mapping[str, object]] = []
        number = objects = 0
        for head in self.heads:
            maker.begin(head)
            for row in self.source.judged(head, self.table):
                if isinstance(row, Reject):
                    if self.table == "record":
                        yield row
                    continue
                number += 1
                line, values = row
                for made in maker.rows(line, values):
                    if isinstance(made, Reject):
                        yield made
                    else:
                        # Lines of several tables would be taken for one another.
                        made["line"] = line if len(self.heads) == 1 else number
                        rows.append(made)
                objects += 1
                if objects % _CHUNK == 0 and rows:
                    yield _columns(rows)
                    rows = []
        if rows:
            yield _columns(rows)


def _columns(rows: Sequence[Mapping[str, object]]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


class _Records:
    """Objects with their pictures and names."""

    def __init__(self, source: Import) -> None:
        self.source = source

    def begin(self, head: Head) -> None:
        self.head = head

    def rows(self, line: int, values: Values) -> Iterator[dict[str, object] | Reject]:
        source = self.source
        chain = source.chain(values)
        row: dict[str, object] = {
            "occurrenceID": source.identity(values),
            "basisOfRecord": "MachineObservation",
            "datasetName": source.project,
            "parentEventID": chain[-1][0] if chain else None,
            "occurrenceRemarks": values.get("complement_info"),
            **_place_and_time(values),
            **_name(values),
        }
        row.update((FURTHER[name], cell) for name, cell in values.items()
                   if name in FURTHER and FURTHER[name] not in OF_PICTURES)  # fmt: skip
        picture = self._picture(line, values)
        if isinstance(picture, Reject):
            yield picture
        else:
            row.update(picture)
        yield {term: value for term, value in row.items() if value not in (None, "")}

    def _picture(self, line: int, values: Values) -> Mapping[str, object] | Reject:
        name = values.get("img_file_name")
        if not name or self.head.table in self.source.without:
            return {}
        seen = look_at(self.head.table, name, self.source.images)
        if isinstance(seen, str):
            self.source.broken.add(f"{self.source.identity(values)}/{name}")
            shown = self.head.table.shown
            return Finding(shown, line, "img_file_name", seen, name, "value").as_reject()
        address, digest, told = seen
        scale = pixels_per_mm(values, self.source.pixel_um, in_um=self.source.ways.in_um)
        if isinstance(scale, str):
            self.source.say(scale)
        return {
            "mediaID": f"{self.source.identity(values)}/{name}",
            "accessURI": address, "contentHash": digest, "format": told.mime,
            "pixelXDimension": told.width, "pixelYDimension": told.height,
            "pixelsPerMillimetre": scale if isinstance(scale, float) else None,
            "captureDevice": values.get("acq_instrument"),
            **{FURTHER[key]: cell for key, cell in values.items()
               if key in FURTHER and FURTHER[key] in OF_PICTURES},
        }  # fmt: skip


def _point(text: str | None) -> str | None:
    return text.replace(",", ".") if text else None


def _place_and_time(values: Mapping[str, str]) -> dict[str, object]:
    latitude, longitude = (
        degrees(cell.replace(",", ".")) if (cell := values.get(f"object_{name}")) else None
        for name in ("lat", "lon")
    )
    return {
        "decimalLatitude": latitude, "decimalLongitude": longitude,
        "eventDate": day(values.get("object_date", "")),
        "eventTime": clock(values.get("object_time", "")),
        "minimumDepthInMeters": _measure(values.get("object_depth_min")),
        "maximumDepthInMeters": _measure(values.get("object_depth_max")),
    }  # fmt: skip


def _measure(text: str | None) -> str | None:
    return None if text is None or text.lower() in NOTHING else _point(text)


def is_named(values: Mapping[str, str]) -> bool:
    """Return whether a row says what the object is; a discarded name says what it is not."""
    status = values.get("object_annotation_status", "").lower()
    return status != "discarded" and bool(
        values.get("object_annotation_category") or values.get("object_annotation_category_id")
    )


def _name(values: Mapping[str, str]) -> dict[str, object]:
    """Return the identification of a row."""
    if not is_named(values):
        return {}
    agent, status = STATUS_WORDS.get(
        values.get("object_annotation_status", "").lower(), (None, None)
    )
    at = day(values.get("object_annotation_date", ""))
    hour = clock(values.get("object_annotation_time", ""))
    who = values.get("object_annotation_person_name")
    mail = values.get("object_annotation_person_email")
    concept = number(values.get("object_annotation_category_id", ""))
    label = values.get("object_annotation_category")
    known = None if concept is None else f"{concept:.0f}"
    return {
        "verbatimIdentification": None if label == known else label,
        "taxonConceptID": known and f"EcoTaxa:{known}",
        "agentType": agent,
        "identificationVerificationStatus": status,
        "identifiedBy": f"{who or ''} <{mail}>".strip() if mail else who,
        "dateIdentified": f"{at}T{hour}" if at and hour else at,
        "identificationRemarks": values.get("object_annotation_hierarchy"),
    }


class _Events:
    """Samples, their acquisitions and the processes of those."""

    def __init__(self, source: Import) -> None:
        self.source = source
        self._seen: set[str] = set()

    def begin(self, head: Head) -> None:
        """Nothing depends on the table."""

    def rows(self, _line: int, values: Values) -> Iterator[dict[str, object] | Reject]:
        above: str | None = None
        for event, kind in self.source.chain(values):
            if event not in self._seen:
                self._seen.add(event)
                yield {"eventID": event, "eventType": kind, "parentEventID": above}
            above = event


class _Measurements:
    """Every column that feeds nothing else, under its full name."""

    def __init__(self, source: Import) -> None:
        self.source = source
        self._seen: set[bytes] = set()

    def begin(self, head: Head) -> None:
        self.head = head
        self.spelt = dict(zip(head.columns, head.names, strict=True))
        types = head.types or ("",) * len(head.columns)
        self.types = dict(zip(head.columns, types, strict=True))

    def rows(self, _line: int, values: Values) -> Iterator[dict[str, object] | Reject]:
        occurrence = self.source.identity(values)
        events = {kind: event for event, kind in self.source.chain(values)}
        named = is_named(values)
        name = values.get("img_file_name", "")
        media = f"{occurrence}/{name}"
        shown = bool(name) and self.head.table not in self.source.without
        for column, cell in values.items():
            prefix = column.partition("_")[0]
            if column in FED or (named and column.startswith("object_annotation_")
                                  and column in OF_NAMES):  # fmt: skip
                continue
            typed = self.types.get(column, "")
            if typed == "f" and prefix == "object" and cell.lower() in NOTHING:
                continue
            row: dict[str, object] = {
                "measurementType": self.spelt.get(column) or column,
                "measurementValue": cell,
            }
            if unit := self.source.ways.units.get(column):
                row["measurementUnit"] = unit
            if self.head.comma and (value := number(cell.replace(",", "."))) is not None:
                row["measurementValueNumeric"] = value
            if column == "img_file_name" and shown:
                continue  # its own, or it was set aside
            if prefix == "img" and shown and media not in self.source.broken:
                yield {"mediaID": media, **row}
            elif prefix in LEVELS and (event := events.get(LEVELS[prefix])):
                if self._is_new(event, column, cell):
                    yield {"eventID": event, **row}
            else:
                free = prefix == "object" and column not in PREDEFINED
                if typed == "t" and free and number(cell) is not None:
                    row["measurementRemarks"] = "text"
                yield {"occurrenceID": occurrence, **row}

    def _is_new(self, *parts: str) -> bool:
        """Return whether an event's column was not told before: every object repeats it."""
        key = hashlib.blake2b("\0".join(parts).encode(), digest_size=12).digest()
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


_Maker = _Records | _Events | _Measurements
_MAKERS: Mapping[str, Callable[[Import], _Maker]] = {
    "record": _Records,
    "event": _Events,
    "measurement": _Measurements,
}


def feeds(source: Import, head: Head, table: str) -> bool:
    """Return whether a table holds anything for one of the catalogue."""
    if table == "record":
        return True
    if table == "event":
        return any(column.partition("_")[0] in LEVELS for column in head.columns)
    others = [column for column in head.columns if column not in FED]
    if any(column not in OF_NAMES and column != "img_file_name" for column in others):
        return True
    # What is there may be told by an identification or a picture: only the rows know.
    return bool(others) and next(iter(Pass(source, [head], table)), None) is not None
