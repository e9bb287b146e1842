"""A catalogue's objects as cells of EcoTaxa's columns, and which columns fit.

What EcoTaxa has a column for goes there; the rest goes to free columns ``object_dwc_...`` where it
says more than the reader would make of the other cells anyway. Free columns of samples,
acquisitions and processes are the measurements of their events.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from merian.formats.ecotaxa_terms import FURTHER, LEVELS, STATUS_WORDS
from merian.formats.ecotaxa_values import LONGEST_TEXT, PLACES, PREDEFINED, clock
from merian.formats.flat import rows

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["Cells", "Levels", "Notes", "choose", "column_of", "fitted", "object_cells"]

_DWC = {term: column for column, term in FURTHER.items()}
_WORDS = {status: word for word, (_, status) in STATUS_WORDS.items()}
# A life stage that a label tells -> what EcoTaxa calls the child of a taxon.
_STAGES = {"egg": "egg", "larva": "larvae", "nauplius": "nauplii", "zoea": "zoea"}
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(\.\d+)?)?")
_MAILBOX = re.compile(r"(.*?) ?<([^<>]+)>")
_CONCEPT = re.compile(r"EcoTaxa:(\d+)")
_PREFIXED = re.compile(r"(object|sample|acq|process)_\S*")
_SPACE = re.compile(r"\s+")
_DEEPEST = 10
_PLAIN = {
    "decimalLatitude": "object_lat", "decimalLongitude": "object_lon",
    "minimumDepthInMeters": "object_depth_min", "maximumDepthInMeters": "object_depth_max",
    "pixelsPerMillimetre": "object_pixels_per_mm",
}  # fmt: skip
# What the reader says of every object unless it is told otherwise.
_USUAL = {"basisOfRecord": "MachineObservation", "identificationType": "label"}

Cells = dict[str, str]
Record = Mapping[str, object]


@dataclass
class Notes:
    """What could not be written, or not as it is: how often, and the first time."""

    counted: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def say(self, what: str, example: str = "") -> None:
        """Note one thing."""
        self.counted[what] += 1
        self.first.setdefault(what, example)

    def as_text(self) -> str:
        """Return one line for each kind of thing."""
        return "".join(
            f"{count} x {what}" + (f", such as {self.first[what]}" if self.first[what] else "")
            + "\n"
            for what, count in sorted(self.counted.items())
        )  # fmt: skip


def column_of(name: str, level: str = "object") -> str:
    """Return the column of a measurement: its own name where that has a prefix, or with one."""
    clean = _SPACE.sub("_", name.strip()) or "unnamed"
    if _PREFIXED.fullmatch(clean.lower()) and clean.lower().startswith(f"{level}_"):
        return clean
    made = f"{level}_{clean}"
    taken = made.lower() in PREDEFINED or made.lower() in FURTHER
    return f"{level}_measured_{clean}" if taken else made


# -- objects ------------------------------------------------------------------------------------


def object_cells(record: Record) -> Cells:
    """Return the cells of an object and its picture, but for measurements and levels."""
    told = {term: str(value) for term, value in record.items() if value not in (None, "")}
    cells = {"object_id": told["occurrenceID"]}
    cells.update((column, told.pop(term)) for term, column in _PLAIN.items() if term in told)
    cells.update(_date_cells(told))
    cells.update(_annotation_cells(told))
    for term, usual in _USUAL.items():
        if told.get(term) == usual:
            del told[term]
    cells.update((_DWC[term], value) for term, value in told.items() if term in _DWC)
    return cells


def _date_cells(told: Cells) -> Cells:
    cells: Cells = {}
    found = _DATE.fullmatch(told.get("eventDate", ""))
    if found:
        cells["object_date"] = "".join(found.groups()[:3])
        if found[4]:
            cells["object_time"] = "".join(part or "" for part in found.groups()[3:])
        else:
            del told["eventDate"]
    at = told.get("eventTime", "")
    if at and clock(at) == at:
        cells["object_time"] = at.replace(":", "")
        del told["eventTime"]
    return cells


def _annotation_cells(told: Cells) -> Cells:
    """Return the name of an object; what EcoTaxa has no column for stays in ``told``."""
    label, name = told.get("verbatimIdentification", ""), told.get("scientificName", "")
    concept = _CONCEPT.fullmatch(told.get("taxonConceptID", ""))
    category = label if concept or "<" in label else _display(label, name, told.get("lifeStage"))
    if not category and not concept:
        return {}
    # A status needs a category; of a name and an id EcoTaxa takes the id.
    cells = {"object_annotation_category": category or concept[1] if concept else category}
    if concept:
        cells["object_annotation_category_id"] = concept[1]
        del told["taxonConceptID"]
    if category == label:
        told.pop("verbatimIdentification", None)
    _forget_read(label, told)
    _status_cells(told, cells)
    _who_and_when(told, cells)
    return cells


def _display(label: str, name: str, stage: str | None) -> str:
    """Return a name as EcoTaxa's tree has it: that of the taxon, or of its stage below it."""
    if not name:
        return label
    child = _STAGES.get(stage or "")
    return f"{child}<{name}" if child else name


def _forget_read(label: str, told: Cells) -> None:
    """Drop what a reader of the label finds in it again."""
    found = _read_label(label)
    for term, value in found.items():
        if term in told and told[term] == value:
            del told[term]


@lru_cache(maxsize=65_536)
def _read_label(label: str) -> Mapping[str, str | None]:
    from merian.taxonomy import read_labels  # noqa: PLC0415  not needed to read

    if not label:
        return {}
    (read,) = read_labels([label])
    return {
        "scientificName": read.name, "taxonRank": read.rank, "lifeStage": read.life_stage,
        "identificationQualifier": read.qualifier, "scientificNameAuthorship": read.authorship,
        "subjectPart": read.part,
    }  # fmt: skip


def _status_cells(told: Cells, cells: Cells) -> None:
    status, agent = told.get("identificationVerificationStatus", ""), told.pop("agentType", "")
    word = _WORDS.get(status)
    if word:
        del told["identificationVerificationStatus"]
    else:  # EcoTaxa takes no name without a status
        word = "predicted" if agent == "machine" else "validated"
    cells["object_annotation_status"] = word
    if agent and agent != STATUS_WORDS[word][0]:
        told["agentType"] = agent


def _who_and_when(told: Cells, cells: Cells) -> None:
    who = told.pop("identifiedBy", "")
    found = _MAILBOX.fullmatch(who)
    if found and f"{found[1]} <{found[2]}>".strip() == who:
        cells["object_annotation_person_name"] = found[1]
        cells["object_annotation_person_email"] = found[2]
    else:
        cells["object_annotation_person_name"] = who
    at = _DATE.fullmatch(told.get("dateIdentified", ""))
    if at:
        cells["object_annotation_date"] = "".join(at.groups()[:3])
        if at[4]:
            cells["object_annotation_time"] = "".join(part or "" for part in at.groups()[3:])
        del told["dateIdentified"]


# -- samples, acquisitions, processes -----------------------------------------------------------


class Levels:
    """The cells of the events that objects hang on, by event."""

    def __init__(self, catalogue: Catalogue, notes: Notes) -> None:
        found = rows(catalogue, """
            SELECT eventID, parentEventID, eventType FROM event
            WHERE parentEventID IS NULL OR eventID IN (SELECT parentEventID FROM event)
            ORDER BY eventID""")  # fmt: skip
        self._above: dict[str, tuple[str | None, str]] = {
            str(event): (str(above) if above else None, str(kind)) for event, above, kind in found
        }
        self._told: dict[str, dict[str, str]] = {}
        measured = rows(catalogue, """
            SELECT eventID, measurementType,
                arg_min(coalesce(measurementValue, CAST(measurementValueNumeric AS VARCHAR)),
                    measurementID), count(*)
            FROM measurement WHERE eventID IS NOT NULL AND measurementType IS NOT NULL
            GROUP BY ALL ORDER BY ALL""")  # fmt: skip
        for measured_of, name, value, count in measured:
            event = str(measured_of)
            if event not in self._above:
                notes.say("measurement of the place of an object, which EcoTaxa has no column for",
                          f"{name} of {event}")  # fmt: skip
                continue
            self._told.setdefault(event, {})[str(name)] = str(value)
            if int(str(count)) > 1:
                notes.say("second value of a column of one sample, acquisition or process",
                          f"{name} of {event}")  # fmt: skip
        self._known: dict[tuple[str, str], Cells] = {}

    def cells(self, event: object, above: object) -> Cells:
        """Return the cells of an object's sample, acquisition and process."""
        key = "" if above else str(event or ""), str(above or "")
        if key not in self._known:
            self._known[key] = self._made(*key)
        return self._known[key]

    def _made(self, event: str, above: str) -> Cells:
        chain: list[str] = []
        at: str | None = above
        while at and at in self._above and at not in chain and len(chain) < _DEEPEST:
            chain.insert(0, at)
            at = self._above[at][0]
        kinds = {self._above[one][1]: one for one in chain}
        if chain and all(kind in LEVELS.values() for kind in kinds):
            levels = {prefix: kinds[kind] for prefix, kind in LEVELS.items() if kind in kinds}
        else:
            # EcoTaxa wants a sample and an acquisition: the same event where there is one alone.
            told = chain or ([event] if event else [])
            levels = dict(zip(LEVELS, [*told[:3], *told[:1] * (2 - len(told))], strict=False))
        cells: Cells = {}
        outer = ""
        for prefix, one in levels.items():
            name = one.removeprefix(f"{prefix}:")
            cells[f"{prefix}_id"] = name.removeprefix(f"{outer}/") if outer else name
            outer = name
            cells = {
                **{column_of(c, prefix): v for c, v in self._told.get(one, {}).items()},
                **cells,
            }
        return cells


# -- limits -------------------------------------------------------------------------------------


def choose(counted: Mapping[str, int], kinds: Mapping[str, str], notes: Notes) -> list[str]:
    """Return the columns that fit, in the order of writing: those known first, then the fuller.

    Args:
        counted: How many cells each column has.
        kinds: ``f`` or ``t`` of the free columns of objects.
        notes: Is told which do not fit.
    """
    chosen = [name for name in PREDEFINED if counted.get(name)]
    room, seen = Counter(PLACES), set(chosen)
    free = [name for name in counted if name not in PREDEFINED and counted[name]]
    for name in sorted(free, key=lambda n: (n in FURTHER, -counted[n], n)):
        prefix = name.partition("_")[0].lower()
        kind = f"{prefix} {kinds.get(name, 't') if prefix == 'object' else 't'}"
        if name.lower() in seen:
            notes.say("column that differs from another in capitals alone", name)
        elif not room[kind]:
            notes.say(f"free column too many: {PLACES[kind]} of {prefix}_ fit", name)
        else:
            room[kind] -= 1
            seen.add(name.lower())
            chosen.append(name)
    order = {prefix: at for at, prefix in enumerate(("img", "object", *LEVELS))}
    return sorted(chosen, key=lambda n: (order[n.partition("_")[0].lower()], n not in PREDEFINED,
                                         list(PREDEFINED).index(n) if n in PREDEFINED else 0,
                                         n in FURTHER, n))  # fmt: skip


def fitted(name: str, cell: str, kinds: Mapping[str, str], notes: Notes) -> str:
    """Return a cell as it is written: a text that is too long is cut."""
    free = name not in PREDEFINED and kinds.get(name, "t") == "t"
    if free and len(cell) > LONGEST_TEXT:
        notes.say(f"text cut to the {LONGEST_TEXT} characters that fit", f"{name}: {cell[:60]}...")
        return cell[:LONGEST_TEXT]
    return cell
