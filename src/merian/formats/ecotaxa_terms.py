"""Which columns of EcoTaxa feed which term, for reading and for writing.

What EcoTaxa has no column for is written to free columns that begin with ``object_dwc_``, and read
back from there.
"""

from __future__ import annotations

from merian.catalogue.schema import TABLES

__all__ = ["FED", "FURTHER", "LEVELS", "OF_NAMES", "OF_PICTURES", "STATUS_WORDS"]

LEVELS = {"sample": "sample", "acq": "acquisition", "process": "process"}
"""The prefix of a level and the type of its events, from the outermost on."""

STATUS_WORDS = {
    "predicted": ("machine", "PredictedByMachine"),
    "validated": ("human", "ValidatedByHuman"),
    "dubious": ("human", "dubious"),
}
"""Status -> who gave the name, and how sure it is."""

_DWC = "object_dwc_"
OF_PICTURES = ("captureDevice", "license", "rightsHolder", "mediaRemarks", "subjectPart",
               "subjectOrientation", "pixelsPerMillimetreUncertainty")  # fmt: skip
_OF_OBJECTS = (
    *(name for name in TABLES["occurrence"].columns if name not in {"occurrenceID", "eventID"}),
    "eventDate", "verbatimEventDate", "eventTime", "coordinateUncertaintyInMeters", "country",
    "countryCode", "stateProvince", "locality", "minimumElevationInMeters",
    "maximumElevationInMeters", "habitat", "samplingProtocol",
    "identifiedBy", "dateIdentified", "identificationReferences", "identificationType", "agentType",
    "identificationVerificationStatus", "probability", "identificationRemarks",
    "identificationQualifier", "verbatimIdentification", "scientificName",
    "scientificNameAuthorship", "taxonRank", "taxonConceptID", "kingdom", "phylum", "class",
    "order", "family", "subfamily", "tribe", "genus", "species", "subspecies", "taxonID",
    "taxonomyLock",
)  # fmt: skip
FURTHER = {_DWC + name.lower(): name for name in (*_OF_OBJECTS, *OF_PICTURES)}
"""Free columns that Merian writes for what EcoTaxa has no column for -> their term."""

# Columns that feed the record itself, always.
FED = frozenset({
    "object_id", "object_lat", "object_lon", "object_date", "object_time", "object_depth_min",
    "object_depth_max", "sample_id", "acq_id", "process_id", "complement_info",
    "object_pixels_per_mm", *FURTHER,
})  # fmt: skip

# Those of a name feed an identification, where there is one.
OF_NAMES = frozenset({
    "object_annotation_category", "object_annotation_category_id", "object_annotation_status",
    "object_annotation_date", "object_annotation_time", "object_annotation_person_name",
    "object_annotation_person_email", "object_annotation_hierarchy",
})  # fmt: skip
