"""Darwin Core Archives of records: a core of occurrences or events, and what extends it.

A zip or a folder with ``meta.xml`` (read by `merian.dwc_archive`). A core of occurrences feeds
specimens; a core of events feeds events, and its extension of occurrences the specimens at them.
Read besides: MeasurementOrFact (also OBIS' extended one), Multimedia (simple, and Audubon Core),
Identification, and DNA-derived data. Rows of an extension point at their core by the column that
``meta.xml`` names; where real archives name a wrong one, the column called ``eventID`` or
``occurrenceID`` is believed.

An extension of identifications should list all of them, the current one too, as GBIF asks for.
Where it names every record that the core names, those of the core are its repetition and are not
taken twice. A core
of taxa is a checklist, which `merian taxonomy build` reads.

References: https://dwc.tdwg.org/text/, https://rs.gbif.org/extensions.html,
https://manual.obis.org/data_format.html
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from merian.catalogue.schema import RANKS
from merian.catalogue.sources import Delimited, Reading
from merian.dwc_archive import Archive, ArchiveFile, unpack
from merian.errors import FormatError
from merian.files import existing, open_text
from merian.formats.delimited import column, write_delimited
from merian.formats.dwca_feeds import MEASUREMENTS, PICTURES, feeds_of, view_of
from merian.formats.dwca_write import write_archive, write_descriptor
from merian.formats.files_beside import made_whole
from merian.formats.registry import Format, Options
from merian.unpacking import UNREADABLE, UNREADABLE_ZIP

__all__ = ["FORMAT"]

_NAMES = frozenset({"scientificName", "verbatimIdentification", *RANKS})
_READ = MEASUREMENTS | PICTURES | {"Occurrence", "Identification", "DNADerivedData"}


def _sniff(path: Path) -> int:
    """Return 3 for a zip or a folder with a descriptor of records, 0 for one of a checklist."""
    try:
        if path.is_dir():
            meta = path / "meta.xml"
            text = meta.read_bytes()[: 1 << 20] if meta.is_file() else b""
        elif path.name.lower() == "meta.xml":
            text = path.read_bytes()[: 1 << 20]
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                name = next((n for n in packed.namelist() if _is_meta(n)), None)
                text = packed.open(name).read(1 << 20) if name else b""
        else:
            return 0
    except (*UNREADABLE_ZIP, ValueError):
        return 0
    core = text.partition(b"<core")[2].partition(b">")[0]
    if b"/Taxon" in core:
        return 0
    return 3 if b"/Occurrence" in core or b"/Event" in core else 0


def _is_meta(name: str) -> bool:
    return name.rsplit("/", 1)[-1].lower() == "meta.xml" and not name.startswith("__MACOSX")


@dataclass(frozen=True)
class _Held(Reading):
    """A reading that keeps what was unpacked for as long as it is needed."""

    archive: Archive | None = field(default=None, repr=False, compare=False)


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "Darwin Core Archive")
    try:
        archive = unpack(path)
    except UNREADABLE as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=path) from None
    core = archive.core.row_type
    if core == "Taxon":
        raise FormatError(
            "is a checklist (its core are taxa), which holds no records; "
            "use it with `merian taxonomy build`",
            path=path,
        )
    if core not in {"Occurrence", "Event"}:
        raise FormatError(
            f"its core is {core or 'of no type'}; Occurrence or Event is expected", path=path
        )
    notes: list[str] = []
    kinds = [table.row_type for table in archive.extensions]
    apart = core == "Occurrence" and _all_named(archive)
    packed = path.is_file() and path.name.lower() != "meta.xml"
    beside = path.parent if packed else archive.folder
    sources = _sources(archive.core, core, apart, options, notes, beside)
    for table in archive.extensions:
        if table.row_type in _READ:
            sources += _sources(table, core, apart, options, notes, beside)
        else:
            notes.append(f"the extension {table.row_type or 'of no type'} is ignored")
    notes.insert(0, f"core {core}" + (f", extensions {', '.join(kinds)}" if kinds else ""))
    if packed:
        # What was unpacked is gone tomorrow; a reject names the archive and the table in it.
        sources = [replace(source, shown=path / source.path.name) for source in sources]
    return _Held("dwc-a", tuple(sources), (path,), tuple(dict.fromkeys(notes)), archive)


def _all_named(archive: Archive) -> bool:
    """Return whether the extension of identifications has every record that the core names."""
    named: set[str] = set()
    try:
        for table in archive.extensions:
            if table.row_type == "Identification":
                named.update(_ids(table))
        return bool(named) and named.issuperset(_ids(archive.core, named_only=True))
    except csv.Error:
        # A row that Python's reader cannot split: what it says is taken twice rather than lost.
        return False


def _ids(table: ArchiveFile, named_only: bool = False) -> Iterator[str]:
    """Return the ids in the column that links a table to the core, of all rows or of named ones."""
    naming = [i for i, term in enumerate(table.columns) if term in _NAMES]
    for path in table.paths:
        with open_text(path, table.encoding) as stream:
            rows = csv.reader(
                stream,
                delimiter=table.delimiter,
                quotechar=table.quote or None,
                quoting=csv.QUOTE_MINIMAL if table.quote else csv.QUOTE_NONE,
            )
            for row in islice(rows, table.header_lines, None):
                named = not named_only or any(row[i].strip() for i in naming if i < len(row))
                if named and len(row) > table.id_column >= 0:
                    yield row[table.id_column].strip()


def _sources(
    table: ArchiveFile, core: str, named_apart: bool, options: Options, notes: list[str],
    beside: Path,
) -> list[Delimited]:  # fmt: skip
    view = view_of(table, core, notes)
    feeds = [
        replace(
            feed, terms={**feed.terms, "accessURI": made_whole(feed.terms["accessURI"], beside)}
        )
        if feed.table == "media" and feed.each is None and "accessURI" in feed.terms
        else feed
        for feed in feeds_of(view, named_apart, options)
    ]
    used = " ".join(sql for feed in feeds for sql in (*feed.terms.values(), feed.each or ""))
    left = [name for name in view.given if column(view.given[name]) not in used]
    if left:
        notes.append(f"{table.row_type}: terms that are ignored: {', '.join(sorted(left))}")
    return [
        Delimited(
            path=path,
            delimiter=table.delimiter,
            columns=view.columns,
            feeds=feeds,
            encoding=table.encoding,
            header_lines=table.header_lines,
            quote=table.quote,
        )
        for path in table.paths
    ]


# --- faking -------------------------------------------------------------------------------------


def _fake(folder: Path, seed: int) -> Path:
    """Write an archive of 12 occurrences with identifications, pictures and measurements."""
    root = folder / f"archive{seed}"
    tables: dict[str, tuple[str, list[str], list[list[str]]]] = {
        "occurrence.txt": (f"{_DWC}Occurrence", _CORE_TERMS, []),
        "identification.txt": (f"{_DWC}Identification", _NAME_TERMS, []),
        "multimedia.txt": ("http://rs.gbif.org/terms/1.0/Multimedia", _PICTURE_TERMS, []),
        "measurementorfact.txt": (f"{_DWC}MeasurementOrFact", _FACT_TERMS, []),
    }
    for number in range(12):
        key = f"urn:catalog:FAKE:{seed}:{number}"
        name = ("Mesodinium rubrum", "Ciliophora")[number % 2]
        rank = ("species", "phylum")[number % 2]
        rows = (
            [key, "MachineObservation", f"2022-05-{1 + number:02d}", "57.4", "11.3", name],
            [f"ID-{seed}-{number}", name, rank, "PredictedByMachine", f"{name}_cf"],
            [f"http://example.org/{seed}/{number}.png", "image/png", "CC0-1.0"],
            [f"M-{seed}-{number}", "length", str(10 + number), "mm"],
        )
        for (_, _, found), row in zip(tables.values(), rows, strict=True):
            found.append([key, *row])
    for file, (_, terms, found) in tables.items():
        write_delimited(root / file, ["id", *(t.rsplit("/", 1)[-1] for t in terms)], found, "\t")
    parts = [(file, kind, terms) for file, (kind, terms, _) in tables.items()]
    write_descriptor(root, parts)
    return root


_DWC = "http://rs.tdwg.org/dwc/terms/"
_CORE_TERMS = [
    f"{_DWC}{term}"
    for term in (
        "occurrenceID", "basisOfRecord", "eventDate", "decimalLatitude", "decimalLongitude",
        "scientificName",
    )
]  # fmt: skip
_NAME_TERMS = [
    f"{_DWC}{term}"
    for term in (
        "identificationID", "scientificName", "taxonRank", "identificationVerificationStatus",
        "verbatimIdentification",
    )
]  # fmt: skip
_PICTURE_TERMS = [f"http://purl.org/dc/terms/{t}" for t in ("identifier", "format", "license")]
_FACT_TERMS = [
    f"{_DWC}{term}"
    for term in ("measurementID", "measurementType", "measurementValue", "measurementUnit")
]


FORMAT = Format(
    name="dwc-a",
    title="Darwin Core Archive of occurrences or events",
    sniff=_sniff,
    read=_read,
    write=write_archive,
    fake=_fake,
    tested_on="iRfcb's archive of IFCB samples (core Event)",
    suffix=".zip",
)
