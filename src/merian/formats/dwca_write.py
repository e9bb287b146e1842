"""Writing a Darwin Core Archive: a core of occurrences and four extensions.

The core repeats the event, the thing in the collection and the name that stands; the extension
of identifications lists all names, as GBIF asks for. Pictures go to Audubon Core, measurements to
MeasurementOrFact, sequences to DNA-derived data. A column that is empty throughout is left out.
What Darwin Core has no term for (the part of a split, pixels per millimetre) stands under
``urn:merian:``, which readers of archives pass over. A name that ends in ``.zip`` becomes a zip,
any other a folder. A measurement of an event alone has no place under a core of occurrences and
is left out.

Reference: https://dwc.tdwg.org/text/, https://rs.gbif.org/extensions.html, http://rs.tdwg.org/ac/
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from merian.catalogue.schema import TABLES
from merian.files import new_file, new_folder, write_text
from merian.formats.delimited import write_delimited
from merian.formats.flat import FIRST_MATERIAL, NAMED, STANDING, rows

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["write_archive", "write_descriptor"]

_DWC = "http://rs.tdwg.org/dwc/terms/"
_DCTERMS = "http://purl.org/dc/terms/"
_AC = "http://rs.tdwg.org/ac/terms/"
_GBIF = "http://rs.gbif.org/terms/"
_OURS = "urn:merian:"

_MEDIA_URI = {
    "mediaID": f"{_DCTERMS}identifier",
    "format": "http://purl.org/dc/elements/1.1/format",
    "license": f"{_DCTERMS}license",
    "rightsHolder": f"{_DCTERMS}rightsHolder",
    "contentHash": f"{_AC}hashValue",
    "mediaRemarks": f"{_AC}comments",
    "pixelXDimension": "http://ns.adobe.com/exif/1.0/PixelXDimension",
    "pixelYDimension": "http://ns.adobe.com/exif/1.0/PixelYDimension",
    "materialEntityID": f"{_DWC}materialEntityID",
    **{
        name: f"{_AC}{name}"
        for name in (
            "accessURI", "subjectPart", "subjectOrientation", "captureDevice", "xFrac", "yFrac",
            "widthFrac", "heightFrac",
        )
    },
}  # fmt: skip
_SEQUENCE_URI = {
    "sequence": f"{_GBIF}dna_sequence",
    "targetGene": "https://w3id.org/mixs/0000044",
    "pcrPrimerForward": f"{_GBIF}pcr_primer_forward",
    "pcrPrimerReverse": f"{_GBIF}pcr_primer_reverse",
    "associatedSequences": f"{_DWC}associatedSequences",
    "materialEntityID": f"{_DWC}materialEntityID",
}
# Columns whose names are Darwin Core's own.
_NOT_DARWIN = frozenset({
    "split", "identificationType", "agentType", "taxonomyLock", "probability", "species",
    "materialEntityType", "isPartOfMaterialEntityID", "derivedFromMaterialEntityID",
    "measurementValueNumeric", "measurementLower", "measurementUpper", "calibrationID",
})  # fmt: skip


@dataclass(frozen=True)
class _Table:
    """One table: its file, its class, the query that fills it, and the terms of its columns.

    The first column of the query is the id of the core's row.
    """

    file: str
    row_type: str
    sql: str
    terms: Sequence[tuple[str, str]]  # name, URI


def _uri(name: str, special: Mapping[str, str] | None = None) -> str:
    if special is not None:
        return special.get(name, f"{_OURS}{name}")
    return f"{_OURS}{name}" if name in _NOT_DARWIN else f"{_DWC}{name}"


def _terms(names: Iterable[str], special: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    return [(name, _uri(name, special)) for name in names]


def _names(table: str, *leave: str) -> list[str]:
    return [name for name in TABLES[table].columns if name not in leave]


def _core() -> _Table:
    occurrence = _names("occurrence")
    event = _names("event", "eventID")
    material = _names("material", "occurrenceID")
    naming = _names(
        "identification", "occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID"
    )
    listed = [
        *(f'o."{name}"' for name in occurrence), *(f'e."{name}"' for name in event),
        *(f't."{name}"' for name in material), *(f'i."{name}"' for name in naming),
    ]  # fmt: skip
    return _Table(
        "occurrence.txt",
        f"{_DWC}Occurrence",
        f"SELECT o.occurrenceID, {', '.join(listed)} FROM occurrence o "
        f"LEFT JOIN event e USING (eventID) "
        f"LEFT JOIN ({FIRST_MATERIAL}) t ON t.occurrenceID = o.occurrenceID "
        f"LEFT JOIN ({STANDING}) i ON i.subject = o.occurrenceID ORDER BY o.occurrenceID",
        _terms([*occurrence, *event, *material, *naming]),
    )


def _extensions() -> list[_Table]:
    return [
        _extension("identification", f"{_DWC}Identification", _names("identification")),
        _extension("media", f"{_AC}Multimedia", _names("media"), _MEDIA_URI),
        _extension(
            "measurement", f"{_DWC}MeasurementOrFact", _names("measurement", "eventID")
        ),
        _extension(
            "sequence", f"{_GBIF}1.0/DNADerivedData", _names("sequence", "sequenceLength"),
            _SEQUENCE_URI,
        ),
    ]  # fmt: skip


def _extension(
    table: str, row_type: str, names: Sequence[str], special: Mapping[str, str] | None = None
) -> _Table:
    """Describe the extension with those rows of a table that belong to an occurrence."""
    names = [name for name in names if name != "occurrenceID"]
    own = TABLES[table].key
    listed = ", ".join(f'x."{n}"' if n == own else _HELD.get(n, f'x."{n}"') for n in names)
    if table == "identification":
        subject, source = "x.subject", f"({NAMED}) x"
    else:
        subject = "coalesce(x.occurrenceID, m.occurrenceID)"
        source = f"{table} x LEFT JOIN material m ON m.materialEntityID = x.materialEntityID"
    return _Table(
        _FILES[table],
        row_type,
        f"SELECT {subject} AS id, {listed} FROM {source} WHERE {subject} IS NOT NULL "
        f'ORDER BY id, x."{own}"',
        _terms(names, special),
    )


_FILES = {
    "identification": "identification.txt",
    "media": "multimedia.txt",
    "measurement": "measurementorfact.txt",
    "sequence": "dnaderiveddata.txt",
}
# What a row hangs on besides its occurrence is named only where the archive holds it.
_HELD = {
    "materialEntityID": f"CASE WHEN x.materialEntityID IN (SELECT materialEntityID "
    f"FROM ({FIRST_MATERIAL})) THEN x.materialEntityID END",
    "mediaID": "CASE WHEN x.mediaID IN (SELECT mediaID FROM media "
    "WHERE occurrenceID IS NOT NULL) THEN x.mediaID END",
    "nucleotideSequenceID": "CASE WHEN x.nucleotideSequenceID IN (SELECT nucleotideSequenceID "
    "FROM sequence WHERE occurrenceID IS NOT NULL) THEN x.nucleotideSequenceID END",
}


def write_archive(catalogue: Catalogue, path: Path) -> int:
    """Write the archive, complete or not at all, and return the number of occurrences."""
    if path.suffix.lower() != ".zip":
        with new_folder(path) as folder:
            return _fill(catalogue, folder)
    with tempfile.TemporaryDirectory(prefix="merian-dwca-") as name:
        folder = Path(name)
        count = _fill(catalogue, folder)
        _pack(folder, path)
    return count


def _pack(folder: Path, path: Path) -> None:
    """Zip a folder's files in order and without their times, so that the bytes are the same."""
    with new_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(folder.iterdir()):
            member = zipfile.ZipInfo(file.name)
            member.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, packed.open(member, "w") as sink:
                while block := source.read(1 << 20):
                    sink.write(block)


def _fill(catalogue: Catalogue, folder: Path) -> int:
    """Write the tables that have rows, their descriptor and the data set's own."""
    written: list[tuple[_Table, list[tuple[str, str]]]] = []
    count = 0
    for number, table in enumerate([_core(), *_extensions()]):
        kept = _filled(catalogue, table)
        if number and not kept:
            continue
        listed = ", ".join(["id", *(f"c{i}" for i in kept)])
        names = ["id", *(f"c{i}" for i in range(len(table.terms)))]
        query = f"SELECT {listed} FROM ({table.sql}) AS t({', '.join(names)})"
        terms = [table.terms[i] for i in kept]
        header = ["id" if number == 0 else "coreid", *(name for name, _ in terms)]
        found = write_delimited(folder / table.file, header, rows(catalogue, query), "\t")
        count = found if number == 0 else count
        written.append((table, terms))
    parts = [(t.file, t.row_type, [uri for _, uri in terms]) for t, terms in written]
    write_descriptor(folder, parts)
    return count


def _filled(catalogue: Catalogue, table: _Table) -> list[int]:
    """Return the places of the columns that hold anything."""
    names = ", ".join(["id", *(f"c{i}" for i in range(len(table.terms)))])
    counts = ", ".join(f"count(c{i})" for i in range(len(table.terms)))
    found = next(rows(catalogue, f"SELECT {counts} FROM ({table.sql}) AS t({names})"))
    return [place for place, number in enumerate(found) if number]


def write_descriptor(folder: Path, parts: Sequence[tuple[str, str, Sequence[str]]]) -> None:
    """Write ``meta.xml`` and ``eml.xml``.

    Args:
        folder: Where the tables are.
        parts: For each table its file, row type and terms after the id; the core first.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">',
    ]
    for number, (file, row_type, terms) in enumerate(parts):
        kind, key = ("extension", "coreid") if number else ("core", "id")
        lines += [
            f'  <{kind} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" '
            f'fieldsEnclosedBy="" ignoreHeaderLines="1" rowType={quoteattr(row_type)}>',
            f"    <files><location>{file}</location></files>",
            f'    <{key} index="0"/>',
            *(
                f'    <field index="{place}" term={quoteattr(term)}/>'
                for place, term in enumerate(terms, start=1)
            ),
            f"  </{kind}>",
        ]
    write_text(folder / "meta.xml", "\n".join([*lines, "</archive>"]) + "\n")
    write_text(folder / "eml.xml", _EML)


_EML = """<?xml version="1.0" encoding="UTF-8"?>
<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="merian-export" \
system="merian" xml:lang="en">
  <dataset>
    <title>Records exported from a Merian catalogue</title>
    <creator><organizationName>to be filled in</organizationName></creator>
    <contact><organizationName>to be filled in</organizationName></contact>
  </dataset>
</eml:eml>
"""
