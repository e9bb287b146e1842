"""The tables of a catalogue, shaped like the Darwin Core Data Package.

A table and its columns carry the names of Darwin Core where it has them, so that a query reads
like the standard and publishing is a copy. Four columns are ours, because the standard has no
place for them yet: ``pixelsPerMillimetre`` and its uncertainty (a calibration belongs to the
picture), ``replacesIdentificationID`` (a name in a newer checklist, or by a map of labels), and
``runID`` (what wrote the row). ``rejects`` keeps what could not be taken in.

Reference: https://dwc.tdwg.org/dp/ (Darwin Core Data Package, part of the standard since 2026).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AS_WRITTEN",
    "PLACEMENT",
    "RANKS",
    "REJECTS",
    "RUN",
    "SCHEMA_VERSION",
    "SPLIT",
    "TABLES",
    "Field",
    "Table",
    "quoted",
    "record_terms",
]

SCHEMA_VERSION = "1.3"  # a higher second number: columns or tables were added (see `upgrade`)

# The ranks that an identification names in columns of their own, from high to low.
RANKS = (
    "kingdom", "phylum", "class", "order", "family",
    "subfamily", "tribe", "genus", "species", "subspecies",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One column: its Darwin Core name, its DuckDB type and what it means."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """One table. ``key`` names the column whose values are unique in it."""

    name: str
    key: str
    meaning: str
    fields: tuple[Field, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(field.name for field in self.fields)


def _fields(text: str) -> tuple[Field, ...]:
    """Read ``name TYPE meaning`` lines."""
    rows = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return tuple(Field(name, kind, meaning) for name, kind, meaning in rows)


_EVENT = Table(
    "event",
    "eventID",
    "Somewhere and some time at which something was collected, seen or photographed",
    _fields("""
eventID VARCHAR identifies the event
parentEventID VARCHAR the cruise, trap or transect that this event is a part of
eventType VARCHAR what kind of event it is
eventDate VARCHAR when, ISO 8601, a date or an interval
verbatimEventDate VARCHAR when, as it was written
eventTime VARCHAR the time of day as it was written
decimalLatitude DOUBLE degrees north, WGS84
decimalLongitude DOUBLE degrees east, WGS84
coordinateUncertaintyInMeters DOUBLE radius of the circle that holds the place
country VARCHAR the country's name
countryCode VARCHAR the country's ISO 3166 code
stateProvince VARCHAR province, state or region
locality VARCHAR the place in words
minimumElevationInMeters DOUBLE lowest elevation above the sea
maximumElevationInMeters DOUBLE highest elevation above the sea
minimumDepthInMeters DOUBLE least depth below the surface
maximumDepthInMeters DOUBLE greatest depth below the surface
habitat VARCHAR the habitat in words
samplingProtocol VARCHAR how it was sampled
"""),
)

_OCCURRENCE = Table(
    "occurrence",
    "occurrenceID",
    "An organism, or a set of them, at an event: the record that evidence and names hang on",
    _fields("""
occurrenceID VARCHAR identifies the occurrence
eventID VARCHAR where and when
basisOfRecord VARCHAR PreservedSpecimen, MaterialSample, MachineObservation, HumanObservation
occurrenceStatus VARCHAR present or absent
individualCount BIGINT how many individuals
organismQuantity VARCHAR how much, where a count does not fit
organismQuantityType VARCHAR what organismQuantity counts
sex VARCHAR the sex
lifeStage VARCHAR larva, nauplius, adult ...: never a part of the name
reproductiveCondition VARCHAR reproductive state
recordedBy VARCHAR who collected or saw it
datasetName VARCHAR the data set that it came with
split VARCHAR the part of a published split (train, val, test ...) that it came with
occurrenceRemarks VARCHAR remarks
"""),
)

_MATERIAL = Table(
    "material",
    "materialEntityID",
    "A thing in a collection: a specimen, a sample, an extract",
    _fields("""
materialEntityID VARCHAR identifies the thing
occurrenceID VARCHAR the occurrence that it documents
isPartOfMaterialEntityID VARCHAR the tray, drawer or sample that it is a part of
derivedFromMaterialEntityID VARCHAR the specimen that an extract was taken from
materialEntityType VARCHAR specimen, tissue, extract ...
catalogNumber VARCHAR the number in the collection
otherCatalogNumbers VARCHAR further numbers
institutionCode VARCHAR the institution
collectionCode VARCHAR the collection
fieldNumber VARCHAR the number given in the field
preparations VARCHAR how it is kept
typeStatus VARCHAR the nomenclatural type that it is
"""),
)

_MEDIA = Table(
    "media",
    "mediaID",
    "A picture, or a region of interest of one",
    _fields("""
mediaID VARCHAR identifies the picture
occurrenceID VARCHAR the occurrence that it shows
materialEntityID VARCHAR the thing that it shows
derivedFromMediaID VARCHAR the picture that this is a region of
accessURI VARCHAR where the file is: a path or a URL
contentHash VARCHAR blake2b-128 of the file's bytes
format VARCHAR its media type
pixelXDimension BIGINT width
pixelYDimension BIGINT height
xFrac DOUBLE left edge of the region, as a fraction of the width
yFrac DOUBLE top edge of the region, as a fraction of the height
widthFrac DOUBLE width of the region, as a fraction
heightFrac DOUBLE height of the region, as a fraction
regionOutline VARCHAR its outline in pixels of the picture: WKT, or COCO's RLE(height width counts)
pixelsPerMillimetre DOUBLE the calibration
pixelsPerMillimetreUncertainty DOUBLE relative standard uncertainty of the calibration
subjectPart VARCHAR the part of the body that it shows
subjectOrientation VARCHAR dorsal, lateral ...
captureDevice VARCHAR the camera or instrument
license VARCHAR the licence
rightsHolder VARCHAR who holds the rights
mediaRemarks VARCHAR remarks
"""),
)

_SEQUENCE = Table(
    "sequence",
    "nucleotideSequenceID",
    "A nucleotide sequence, in capitals, without gaps",
    _fields("""
nucleotideSequenceID VARCHAR identifies the sequence
occurrenceID VARCHAR the occurrence that it was read from
materialEntityID VARCHAR the thing that it was read from
targetGene VARCHAR the marker: COI-5P, ITS ...
sequence VARCHAR the nucleotides, IUPAC codes
sequenceLength BIGINT the number of nucleotides
associatedSequences VARCHAR its accession in a public archive
readCount BIGINT how often it was read, where it stands for reads
pcrPrimerForward VARCHAR the forward primer
pcrPrimerReverse VARCHAR the reverse primer
sequencedBy VARCHAR who sequenced it
sequenceRemarks VARCHAR remarks
"""),
)

_IDENTIFICATION = Table(
    "identification",
    "identificationID",
    "A name given to something by someone on one kind of evidence; appended, never overwritten",
    _fields("""
identificationID VARCHAR identifies the identification
occurrenceID VARCHAR what was named (exactly one of these four is set)
materialEntityID VARCHAR what was named
mediaID VARCHAR what was named
nucleotideSequenceID VARCHAR what was named
identificationType VARCHAR evidence: label, media, nucleotideSequence, geography, consensus, cluster
agentType VARCHAR human or machine; a human's stands above a machine's
verbatimIdentification VARCHAR the label as it came, character by character
scientificName VARCHAR the name at the lowest rank supported, without qualifier or authorship
scientificNameAuthorship VARCHAR the author of the name
taxonRank VARCHAR the rank of scientificName, a lower-case English word
identificationQualifier VARCHAR cf., aff., ?, sp. 1 ...
taxonConceptID VARCHAR a concept beside the name: a BIN, a species hypothesis
kingdom VARCHAR the kingdom
phylum VARCHAR the phylum
class VARCHAR the class
order VARCHAR the order
family VARCHAR the family
subfamily VARCHAR the subfamily
tribe VARCHAR the tribe
genus VARCHAR the genus
species VARCHAR the full binomial
subspecies VARCHAR the full trinomial
taxonID VARCHAR the taxon in the checklist of taxonomyLock, where matched
taxonomyLock VARCHAR checklist, version and hash of the names
identifiedBy VARCHAR who, or which model
dateIdentified VARCHAR when
identificationReferences VARCHAR by what key, method or model
identificationVerificationStatus VARCHAR PredictedByMachine, ValidatedByHuman, dubious ...
probability DOUBLE the probability of scientificName, where the identifier states one
identificationRemarks VARCHAR remarks
replacesIdentificationID VARCHAR the identification that this one says again, by checklist or map
"""),
)

_MEASUREMENT = Table(
    "measurement",
    "measurementID",
    "A measured or observed fact",
    _fields("""
measurementID VARCHAR identifies the measurement
occurrenceID VARCHAR what was measured
eventID VARCHAR what was measured, where it is the event
materialEntityID VARCHAR what was measured
mediaID VARCHAR the picture that it was measured on
measurementType VARCHAR what was measured
measurementValue VARCHAR the value as it was written
measurementValueNumeric DOUBLE the value as a number
measurementUnit VARCHAR the unit
measurementAccuracy VARCHAR the accuracy as it was written
measurementLower DOUBLE lower end of the interval
measurementUpper DOUBLE upper end of the interval
measurementMethod VARCHAR how; the definition and its version
calibrationID VARCHAR the calibration that turned pixels into millimetres
measurementDeterminedBy VARCHAR who
measurementDeterminedDate VARCHAR when
measurementRemarks VARCHAR remarks
"""),
)

# Tables that describe the world; those after them describe the catalogue itself.
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _EVENT, _OCCURRENCE, _MATERIAL, _MEDIA, _SEQUENCE, _IDENTIFICATION, _MEASUREMENT,
    )
}  # fmt: skip

RUN = Table(
    "run",
    "runID",
    "What wrote rows: one command on one input",
    _fields("""
runID VARCHAR identifies the run: a hash of the command and its input
verb VARCHAR the command
arguments VARCHAR its arguments, JSON
inputs VARCHAR its input files with their hashes, JSON
merianVersion VARCHAR the version of Merian
taxonomyLock VARCHAR checklist, version and hash of the taxonomy used, JSON
summary VARCHAR counts by table and reason, JSON
startedAt TIMESTAMP when it started, UTC
finishedAt TIMESTAMP when it was complete, UTC
"""),
)

REJECTS = Table(
    "rejects",
    "rejectID",
    "What was set aside, with its reason: a whole row, or one value of a row that was kept",
    _fields("""
rejectID BIGINT identifies the reject
scope VARCHAR row or value
file VARCHAR the file that it came from
line BIGINT its line, counted from 1
term VARCHAR the column, where one value is the trouble
reason VARCHAR why, in words
content VARCHAR what it held, cut at 1,000 characters
"""),
)

SPLIT = Table(
    "split",
    "splitName",
    "A division of the records into parts to learn from and parts to test with; never overwritten",
    _fields("""
splitName VARCHAR identifies the split
method VARCHAR how the records were divided, in words
settings VARCHAR what decided it, JSON
seed BIGINT the seed of what was drawn
parts VARCHAR by part: its role (learn, tune, test, keys, aside), share asked for, records; JSON
leaks VARCHAR by kind: what stands in several parts, and the records of it; JSON
records BIGINT how many records were placed
digest VARCHAR a hash of all placements
merianVersion VARCHAR the version of Merian
runID VARCHAR the run that made it
"""),
)

PLACEMENT = Table(
    "placement",
    "recordID",
    "Where a split puts a record; a record is there once for each split",
    _fields("""
splitName VARCHAR the split
recordID VARCHAR the occurrence, or the picture or sequence that belongs to none
part VARCHAR the part that it is in
groupNumber BIGINT records of one number hang together and are in one part
reason VARCHAR the rule that put it there
"""),
)

CLUSTER = Table(
    "cluster",
    "clusterCode",
    "A group of records that have no name yet, or an alias of one; codes are never given again",
    _fields("""
clusterCode VARCHAR identifies the cluster for good
name VARCHAR what it goes by now: a promoted name, else the provisional one
goesBy VARCHAR the code that it goes by now; its own, unless it was merged
parentName VARCHAR the lowest taxon that its members support together
parentRank VARCHAR the rank of parentName
probability DOUBLE that a member belongs to parentName
standing DOUBLE the share of members that stand by parentName
specimens BIGINT how many members it had when it was last found
support DOUBLE how stable it is under resampling, 0 to 1
medoid VARCHAR the record in its middle
nearestName VARCHAR the nearest species with a name
nearestReference VARCHAR the reference of it
nearestDistance DOUBLE how far that is: share of bases that differ, or 1 - cosine
nearestBy VARCHAR what was compared: barcode or picture
provisionalName VARCHAR its name in open nomenclature
promotedName VARCHAR the name that a person has given it
mergedInto VARCHAR the code that it was joined with, if it was
mergedByHand BOOLEAN whether a person has joined them
lineage VARCHAR parentName and the taxa above by rank, JSON
founded BIGINT the entry of clusterHistory that it came with
"""),
)

CLUSTER_MEMBER = Table(
    "clusterMember",
    "recordID",
    "Which cluster a record is in",
    _fields("""
recordID VARCHAR the occurrence, or the picture or sequence that belongs to none
clusterCode VARCHAR the cluster that it was put into; see cluster.goesBy
"""),
)

CLUSTER_HISTORY = Table(
    "clusterHistory",
    "entryNumber",
    "What became of clusters, by runs and by people; rows are added and never changed",
    _fields("""
entryNumber BIGINT identifies the entry, in the order in which things happened
action VARCHAR founded, split, joined, renamed; by people merged, promoted, undone
clusterCode VARCHAR the cluster
otherCodes VARCHAR the other clusters that it is about
name VARCHAR what it was called from then on
nameBefore VARCHAR what it was called until then
agentType VARCHAR human or machine
agent VARCHAR who; of a machine the run
date VARCHAR when, of what people do
reason VARCHAR why
undoes BIGINT the entry that this one undoes
"""),
)

AS_WRITTEN = (SPLIT, PLACEMENT, CLUSTER, CLUSTER_MEMBER, CLUSTER_HISTORY)
"""Tables that are written as they stand, without an import."""


def record_terms() -> tuple[str, ...]:
    """Return every term that one flat row (one specimen with its evidence) may carry.

    The columns of all tables, each once: a flat row is split into the tables on its way in.
    """
    seen: dict[str, None] = {}
    for table in TABLES.values():
        seen.update(dict.fromkeys(table.columns))
    return tuple(seen)


def quoted(name: str) -> str:
    """Return a column's name as SQL; ``class`` and ``order`` are words of the language."""
    return '"' + name.replace('"', '""') + '"'
