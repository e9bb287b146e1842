"""The tables of a Darwin Core Archive that a catalogue fills: a core of occurrences, and four more.

The core repeats the event, the thing in the collection and the name that stands; the extension
of identifications lists all names, the one that stands too, as GBIF asks for. Pictures go to
Audiovisual Core, measurements to MeasurementOrFact, sequences to DNA-derived data. What Darwin Core
has no term for (the part of a split, pixels per millimetre) stands under ``urn:merian:``, which
readers of archives pass over; the scale is told in words besides.

A core of occurrences has no rows for what is of an event alone, so a measurement of an event hangs
on the first of its occurrences and names its event under ``urn:merian:ofEventID``; and a picture
that shows many hangs on the first of those that are regions of it, marked ``showsSeveral``. Both
are read back as what they are. What belongs to no occurrence at all is not in the archive; a data
package (``dwc-dp``) holds it.

Reference: https://dwc.tdwg.org/text/, https://rs.gbif.org/extensions.html, http://rs.tdwg.org/ac/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from merian.catalogue.schema import TABLES
from merian.formats.flat import FIRST_MATERIAL, NAMED, STANDING

__all__ = ["ArchiveTable", "archive_tables"]

_DWC = "http://rs.tdwg.org/dwc/terms/"
_DCTERMS = "http://purl.org/dc/terms/"
_AC = "http://rs.tdwg.org/ac/terms/"
_GBIF = "http://rs.gbif.org/terms/"
_OURS = "urn:merian:"

_MEDIA_URI = {
    "mediaID": f"{_DCTERMS}identifier",
    "mediaType": f"{_DCTERMS}type",
    "format": "http://purl.org/dc/elements/1.1/format",
    "license": f"{_DCTERMS}license",
    "rightsHolder": f"{_DCTERMS}rightsHolder",
    "contentHash": f"{_AC}hashValue",
    "mediaRemarks": f"{_AC}comments",
    "scale": f"{_AC}resourceCreationTechnique",
    "pixelXDimension": "http://ns.adobe.com/exif/1.0/PixelXDimension",
    "pixelYDimension": "http://ns.adobe.com/exif/1.0/PixelYDimension",
    "materialEntityID": f"{_DWC}materialEntityID",
    **{
        name: f"{_AC}{name}"
        for name in (
            "accessURI", "subjectPart", "subjectOrientation", "captureDevice", "xFrac", "yFrac",
            "widthFrac", "heightFrac", "hashFunction", "isROIOf", "derivedFrom",
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
# Columns whose names are not Darwin Core's own.
_NOT_DARWIN = frozenset({
    "split", "identificationType", "agentType", "taxonomyLock", "probability", "species",
    "subspecies", "materialEntityType", "isPartOfMaterialEntityID", "derivedFromMaterialEntityID",
    "measurementValueNumeric", "measurementLower", "measurementUpper", "calibrationID", "mediaID",
    "nucleotideSequenceID", "ofEventID",
})  # fmt: skip

# Where nobody says, who named it does.
_STATUS = (
    "coalesce({0}.identificationVerificationStatus, CASE {0}.agentType "
    "WHEN 'machine' THEN 'PredictedByMachine' WHEN 'human' THEN 'ValidatedByHuman' END)"
)
# Reads are a quantity of their occurrence, where it is of one sequence.
_READS = """
SELECT subject, min(readCount) AS reads FROM (
    SELECT coalesce(s.occurrenceID, t.occurrenceID) AS subject, s.readCount
    FROM sequence s LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
) GROUP BY subject HAVING count(*) = 1 AND min(readCount) IS NOT NULL
"""
_OF_READS = "o.organismQuantity IS NULL AND o.individualCount IS NULL AND r.reads IS NOT NULL"

# The larger pictures that show no occurrence themselves, with the first that is a region of them.
_FRAMES = """
SELECT f.mediaID, min(coalesce(p.occurrenceID, t.occurrenceID)) AS subject
FROM media f JOIN media p ON p.derivedFromMediaID = f.mediaID
LEFT JOIN material t ON t.materialEntityID = p.materialEntityID
LEFT JOIN material u ON u.materialEntityID = f.materialEntityID
WHERE f.occurrenceID IS NULL AND u.occurrenceID IS NULL GROUP BY f.mediaID
"""
_AT = "SELECT eventID AS at, min(occurrenceID) AS subject FROM occurrence GROUP BY eventID"


@dataclass(frozen=True)
class ArchiveTable:
    """One table: its file, its class, the query that fills it, and the terms of its columns.

    The first column of the query is the id of the core's row.
    """

    file: str
    row_type: str
    sql: str
    terms: Sequence[tuple[str, str]]  # name, URI


def archive_tables() -> list[ArchiveTable]:
    """Return the tables, the core first."""
    return [_core(), _identification(), _media(), _measurement(), _sequence()]


def _terms(names: Iterable[str], special: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    if special is not None:
        return [(name, special.get(name, f"{_OURS}{name}")) for name in names]
    return [(n, f"{_OURS}{n}" if n in _NOT_DARWIN else f"{_DWC}{n}") for n in names]


def _names(table: str, *leave: str) -> list[str]:
    return [name for name in TABLES[table].columns if name not in leave]


def _core() -> ArchiveTable:
    naming = _names(
        "identification", "occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID"
    )
    columns = {name: f'o."{name}"' for name in _names("occurrence")}
    columns |= {name: f'e."{name}"' for name in _names("event", "eventID")}
    columns |= {name: f't."{name}"' for name in _names("material", "occurrenceID")}
    columns |= {name: f'i."{name}"' for name in naming}
    columns["identificationVerificationStatus"] = _STATUS.format("i")
    columns["geodeticDatum"] = (
        "CASE WHEN e.decimalLatitude IS NOT NULL AND e.decimalLongitude IS NOT NULL "
        "THEN 'EPSG:4326' END"
    )
    columns["organismQuantity"] = (
        f"CASE WHEN {_OF_READS} THEN CAST(r.reads AS VARCHAR) ELSE o.organismQuantity END"
    )
    columns["organismQuantityType"] = (
        f"CASE WHEN {_OF_READS} THEN 'DNA sequence reads' ELSE o.organismQuantityType END"
    )
    return ArchiveTable(
        "occurrence.txt",
        f"{_DWC}Occurrence",
        f"SELECT o.occurrenceID, {', '.join(columns.values())} FROM occurrence o "
        f"LEFT JOIN event e USING (eventID) "
        f"LEFT JOIN ({FIRST_MATERIAL}) t ON t.occurrenceID = o.occurrenceID "
        f"LEFT JOIN ({STANDING}) i ON i.subject = o.occurrenceID "
        f"LEFT JOIN ({_READS}) r ON r.subject = o.occurrenceID ORDER BY o.occurrenceID",
        _terms(columns),
    )


def _identification() -> ArchiveTable:
    columns = _columns("identification")
    columns["identificationVerificationStatus"] = _STATUS.format("x")
    return _extension(
        "identification.txt", f"{_DWC}Identification", columns, "x.subject", f"({NAMED}) x",
        "identificationID",
    )  # fmt: skip


def _media() -> ArchiveTable:
    """Return the pictures; a region without a file of its own is told from a crop that has one."""
    columns = _columns("media")
    del columns["derivedFromMediaID"]
    columns["isROIOf"] = "CASE WHEN x.accessURI IS NULL THEN x.derivedFromMediaID END"
    columns["derivedFrom"] = "CASE WHEN x.accessURI IS NOT NULL THEN x.derivedFromMediaID END"
    columns["mediaType"] = "'StillImage'"
    columns["hashFunction"] = "CASE WHEN x.contentHash IS NOT NULL THEN 'BLAKE2b-128' END"
    columns["scale"] = (
        "x.pixelsPerMillimetre || ' pixels per millimetre' || coalesce("
        "' (relative standard uncertainty ' || x.pixelsPerMillimetreUncertainty || ')', '')"
    )
    columns["showsSeveral"] = "CASE WHEN f.mediaID IS NOT NULL THEN 'true' END"
    return _extension(
        "multimedia.txt", f"{_AC}Multimedia", columns,
        "coalesce(x.occurrenceID, m.occurrenceID, f.subject)",
        "media x LEFT JOIN material m ON m.materialEntityID = x.materialEntityID "
        f"LEFT JOIN ({_FRAMES}) f ON f.mediaID = x.mediaID",
        "mediaID", _MEDIA_URI,
    )  # fmt: skip


def _measurement() -> ArchiveTable:
    columns = _columns("measurement", "eventID")
    own = "coalesce(x.occurrenceID, m.occurrenceID, p.occurrenceID)"  # of the thing or its picture
    columns["ofEventID"] = f"CASE WHEN {own} IS NULL THEN x.eventID END"
    return _extension(
        "measurementorfact.txt", f"{_DWC}MeasurementOrFact", columns,
        f"coalesce({own}, a.subject)",
        "measurement x LEFT JOIN material m ON m.materialEntityID = x.materialEntityID "
        f"LEFT JOIN media p ON p.mediaID = x.mediaID LEFT JOIN ({_AT}) a ON a.at = x.eventID",
        "measurementID",
    )  # fmt: skip


def _sequence() -> ArchiveTable:
    return _extension(
        "dnaderiveddata.txt", f"{_GBIF}1.0/DNADerivedData", _columns("sequence", "sequenceLength"),
        "coalesce(x.occurrenceID, m.occurrenceID)",
        "sequence x LEFT JOIN material m ON m.materialEntityID = x.materialEntityID",
        "nucleotideSequenceID", _SEQUENCE_URI,
    )  # fmt: skip


def _columns(table: str, *leave: str) -> dict[str, str]:
    """Return name -> SQL of an extension's columns."""
    own = TABLES[table].key
    return {
        n: f'x."{n}"' if n == own else _HELD.get(n, f'x."{n}"')
        for n in _names(table, "occurrenceID", *leave)
    }


def _extension(
    file: str, row_type: str, columns: Mapping[str, str], subject: str, source: str, key: str,
    special: Mapping[str, str] | None = None,
) -> ArchiveTable:  # fmt: skip
    """Describe the extension with those rows that belong to an occurrence of the core."""
    return ArchiveTable(
        file,
        row_type,
        f"SELECT {subject} AS id, {', '.join(columns.values())} FROM {source} "
        f'WHERE {subject} IN (SELECT occurrenceID FROM occurrence) ORDER BY id, x."{key}"',
        _terms(columns, special),
    )


# What a row hangs on besides its occurrence is named only where the archive holds it.
_HELD = {
    "materialEntityID": f"CASE WHEN x.materialEntityID IN (SELECT materialEntityID "
    f"FROM ({FIRST_MATERIAL})) THEN x.materialEntityID END",
    "mediaID": "CASE WHEN x.mediaID IN (SELECT mediaID FROM media "
    "WHERE occurrenceID IS NOT NULL) THEN x.mediaID END",
    "nucleotideSequenceID": "CASE WHEN x.nucleotideSequenceID IN (SELECT nucleotideSequenceID "
    "FROM sequence WHERE occurrenceID IS NOT NULL) THEN x.nucleotideSequenceID END",
}
