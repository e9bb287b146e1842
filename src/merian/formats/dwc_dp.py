"""Darwin Core Data Package (DwC-DP 1.0): CSV tables and the descriptor that relates them.

A folder with ``datapackage.json``, that file itself, or a zip of it. The descriptor's ``profile``
is ``http://rs.tdwg.org/dwc-dp/1.0/dwc-dp-profile.json``; its resources are CSV files in UTF-8,
each of which may be gzipped. Read are event, occurrence, material, media, usage-policy,
occurrence-media, material-media, nucleotide-sequence, nucleotide-analysis, molecular-protocol,
identification, agent, occurrence-agent-role, protocol, and the assertions of events, occurrences,
material and media; any other table is passed over with a note. Packages that relate rows by
``eventID`` and the like, as drafts of the standard did, are read as well as those that have keys
(``event_pk``, ``event_fk``).

Written are all tables of a catalogue. What the standard has no field for yet (the basis of a
record, the part of a split, a probability, pixels per millimetre, outlines, intervals) stands in
tables of our own named ``merian-...``. A picture's region without a file of its own is
``isPartOfMedia``, a crop with one ``derivedFromMedia``. An occurrence without an event hangs on the
row ``event-not-recorded``, which is not read back. A status that is not given is written as
``detected``, since the standard asks for one.

Reference: https://dwc.tdwg.org/dp/
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

from merian.catalogue.sources import Delimited, Reading, Rows, Source
from merian.errors import FormatError
from merian.files import write_json
from merian.formats.delimited import write_delimited
from merian.formats.dwc_dp_feeds import sources_of
from merian.formats.dwc_dp_open import DESCRIPTOR, Package, descriptor_of, open_package
from merian.formats.dwc_dp_tables import package_tables
from merian.formats.dwc_dp_write import PROFILE, write_package
from merian.formats.registry import Format, Options

__all__ = ["FORMAT"]


def _profile(path: Path) -> str:
    return str(descriptor_of(path).get("profile", ""))


def _sniff(path: Path) -> int:
    """Return 3 for a package whose profile is DwC-DP's."""
    return 3 if "dwc-dp" in _profile(path) else 0


def _lacks(path: Path) -> str:
    said = descriptor_of(path)
    resources = said.get("resources")
    names = [r.get("name") for r in resources if isinstance(r, dict)] if resources else []
    if "dwc-dp" in str(said.get("profile", "")) or not {"occurrence", "event"} & set(names):
        return ""
    return f"{DESCRIPTOR} does not name its profile, {PROFILE}"


@dataclass(frozen=True)
class _Held(Reading):
    """A reading that keeps what was unpacked for as long as it is needed."""

    package: Package | None = field(default=None, repr=False, compare=False)


def _read(path: Path, options: Options) -> Reading:  # noqa: ARG001
    package = open_package(path)
    profile = str(package.said.get("profile", ""))
    if "dwc-dp" not in profile:
        raise FormatError(
            f"its profile is {profile or 'not given'}; {PROFILE} is expected", path=path
        )
    notes = [f"profile {profile}"]
    notes += [f"{name}: the file {file} is not there" for name, file in package.missing]
    sources = sources_of(package, notes)
    if not sources:
        raise FormatError(
            "holds none of the tables that can be read: event, occurrence, material, media, "
            "nucleotide-sequence, identification",
            path=path,
        )
    if path.is_file() and path.name != DESCRIPTOR:
        # What was unpacked is gone tomorrow; a reject names the package and the table in it.
        sources = [_shown(source, path) for source in sources]
    files = sorted({s.path for s in sources}) if path.is_dir() else [path]
    if path.name == DESCRIPTOR:
        files = sorted({path, *(s.path for s in sources)})
    return _Held("dwc-dp", tuple(sources), tuple(files), tuple(dict.fromkeys(notes)), package)


def _shown(source: Source, path: Path) -> Source:
    if isinstance(source, Delimited):
        return replace(source, shown=path / source.path.name)
    return Rows(path / source.path.name, source.table, source.chunks)


# --- faking -------------------------------------------------------------------------------------

_FAKED = {
    "event": "event_pk eventID eventCategory eventDate country decimalLatitude decimalLongitude",
    "occurrence": "occurrence_pk occurrenceID event_fk occurrenceStatus sex organismQuantity "
    "organismQuantityType",
    "material": "materialEntity_pk materialEntityID evidenceForOccurrence_fk catalogNumber",
    "media": "media_pk mediaID mediaType accessURI license",
    "occurrence-media": "media_fk occurrence_fk subjectPartLiteral",
    "identification": "identification_pk identificationID occurrence_fk verbatimIdentification "
    "identifiedBy scientificName taxonRank genus",
    "occurrence-assertion": "assertionID occurrence_fk assertionType assertionValue assertionUnit",
}


def _fake(folder: Path, seed: int) -> Path:
    """Write a package of 12 specimens at 4 events, with pictures, names and measurements."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"package{seed}"
    rows: dict[str, list[list[str]]] = {name: [] for name in _FAKED}
    for number in range(4):
        key = f"E{seed}-{number}"
        place = (f"{chance.uniform(45, 60):.4f}", f"{chance.uniform(5, 20):.4f}")
        rows["event"].append(
            [key, key, "material collection", f"2021-06-{number + 1:02d}", "Denmark", *place]
        )
    for number in range(12):
        key = f"O{seed}-{number}"
        name, rank = chance.choice((("Calanus finmarchicus", "species"), ("Calanus", "genus")))
        rows["occurrence"].append(
            [key, key, f"E{seed}-{number % 4}", "detected", ("female", "")[number % 2],
             str(number % 3 + 1), "individuals"]
        )  # fmt: skip
        rows["material"].append([f"M{key}", f"M{key}", key, f"ZMFAKE {seed}{number:03d}"])
        where = f"https://example.org/{seed}/{number}.jpg"
        rows["media"].append([f"P{key}", f"P{key}", "StillImage", where, "CC BY 4.0"])
        rows["occurrence-media"].append([f"P{key}", key, "whole organism"])
        rows["identification"].append(
            [f"I{key}", f"I{key}", key, f'{name}, "det." A', "A. Fake", name, rank, "Calanus"]
        )
        rows["occurrence-assertion"].append([f"A{key}", key, "length", f"{number / 4}", "mm"])
    for name, found in rows.items():
        write_delimited(root / f"{name}.csv", _FAKED[name].split(), found, ",")
    write_json(root / DESCRIPTOR, {"profile": PROFILE, "id": f"fake-{seed}", "resources": [
        {"name": name, "path": f"{name}.csv", "profile": "tabular-data-resource",
         "mediatype": "text/csv", "dialect": {"lineTerminator": "\n"}, "schema": _schema(name)}
        for name in _FAKED
    ]})  # fmt: skip
    return root


def _schema(name: str) -> dict[str, object]:
    known = {field.name: field for t in package_tables() if t.name == name for field in t.fields}
    return {
        "fields": [
            {"name": n, "title": known[n].title, "description": known[n].meaning,
             "type": known[n].type, "dcterms:isVersionOf": known[n].term}
            for n in _FAKED[name].split()
        ]
    }  # fmt: skip


FORMAT = Format(
    name="dwc-dp",
    title="Darwin Core Data Package",
    sniff=_sniff,
    read=_read,
    write=write_package,
    fake=_fake,
    lacks=_lacks,
    suffix=".zip",
)
