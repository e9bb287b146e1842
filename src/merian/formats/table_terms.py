"""Which term a column of a foreign table means: Darwin Core's own names, and what people write.

A guess is made only from the name of a column, and only where the name leaves no doubt; every
guess is shown. Names are compared without case, spaces and signs, so that ``Country/Ocean`` and
``country_ocean`` are one.
"""

from __future__ import annotations

import re

from merian.catalogue.schema import record_terms

__all__ = ["darwin_term", "guess", "plain", "term_named"]

_PREFIX = re.compile(
    r"^(?:dwc|dcterms|dc|dwciri|ac|ggbn|mixs|gbif|eco|exif|xmp)[:_](?=[A-Za-z])", re.IGNORECASE
)

_ALSO = {
    "occurrenceID": "id recordid specimenid uuid processid objectid gbifid",
    "materialEntityID": "materialsampleid materialid",
    "catalogNumber": "sampleid catalognum catalogueNumber catalogno catalogueno catno museumid"
    " voucher voucherid barcodeid",
    "fieldNumber": "fieldid fieldnum",
    "institutionCode": "inst institution institutionstoring",
    "eventID": "eventcode sampleevent",
    "eventDate": "date collectiondate datecollected samplingdate obsdate observationdate observedon"
    " collectiondatestart",
    "eventTime": "time collectiontime",
    "decimalLatitude": "lat latitude lattitude latdd decimallat declat coordlat",
    "decimalLongitude": "lon long longitude lng londd decimallon declon coordlon",
    "coordinateUncertaintyInMeters": "coorduncertainty accuracym",
    "country": "countryocean nation",
    "countryCode": "countryiso iso2",
    "stateProvince": "state province provincestate stateprovince",
    "locality": "site exactsite location",
    "minimumElevationInMeters": "elev elevation elevationm altitude altitudem",
    "minimumDepthInMeters": "depth depthm",
    "habitat": "biotope",
    "samplingProtocol": "trap traptype samplingmethod",
    "recordedBy": "collector collectors observer recordedby leg",
    "individualCount": "count abundance numberofindividuals",
    "lifeStage": "lifestage stage",
    "sex": "gender",
    "occurrenceRemarks": "notes remarks comments comment",
    "split": "subset partition fold",
    "verbatimIdentification": "label taxon identification taxonname annotation",
    "scientificName": "scientificname latinname",
    "species": "speciesname binomial species",
    "genus": "genusname",
    "subfamily": "subfamilyname",
    "tribe": "tribename",
    "family": "familyname",
    "order": "ordername",
    "class": "classname",
    "phylum": "phylumname",
    "kingdom": "kingdomname",
    "subspecies": "subspeciesname",
    "scientificNameAuthorship": "authority author authorship",
    "taxonRank": "rank identificationrank",
    "taxonConceptID": "bin binuri dnabin uri sh specieshypothesis",
    "identifiedBy": "identifier identificationprovidedby det detby determiner determinedby"
    " annotator",
    "identificationReferences": "identificationmethod",
    "identificationRemarks": "taxonomynotes taxnote",
    "dateIdentified": "identifiedon",
    "sequence": "nucleotides nucleotide nuc nucraw dnabarcode dnasequence consensussequence"
    " seq dna",
    "targetGene": "marker markercode gene locus",
    "associatedSequences": "genbankaccession gbacs insdcacs accession geneticaccessionnumber",
    "accessURI": "image imagepath imagefile imageurl filename file filepath path photo picture"
    " imagename imgpath",
    "pixelsPerMillimetre": "pxpermm pixelspermm pxmm",
    "subjectOrientation": "view orientation aspect",
    "license": "licence copyrightlicense copyrightlicenses",
    "rightsHolder": "photographer copyrightholder",
}
# Terms of a Darwin Core archive that are called otherwise in a catalogue.
_DARWIN = {
    "DNA_sequence": "sequence", "target_gene": "targetGene", "dna_sequence": "sequence",
    "pcr_primer_forward": "pcrPrimerForward", "pcr_primer_reverse": "pcrPrimerReverse",
    "materialSampleID": "materialEntityID", "PixelXDimension": "pixelXDimension",
    "PixelYDimension": "pixelYDimension",
    # Another's taxonID or name id is no id of our checklist, but says which concept was meant.
    "taxonID": "taxonConceptID", "scientificNameID": "taxonConceptID",
}  # fmt: skip


def plain(name: str) -> str:
    """Return a name without case, spaces, signs and the prefix of a vocabulary."""
    return re.sub(r"[^a-z0-9]", "", _PREFIX.sub("", name.strip()).lower())


_TERMS = {plain(term): term for term in record_terms()}
_GUESSES = {word: term for term, words in _ALSO.items() for word in map(plain, words.split())}
_DARWIN_TERMS = {plain(name): term for name, term in _DARWIN.items()}
_GUESSES |= _DARWIN_TERMS


def term_named(name: str) -> str | None:
    """Return the term that a column is called by, whatever the case or prefix."""
    return _TERMS.get(plain(name))


def guess(name: str) -> str | None:
    """Return the term that a column by such a name means."""
    return _GUESSES.get(plain(name)) or term_named(name)


def darwin_term(name: str) -> str | None:
    """Return the term of a catalogue for a term of a Darwin Core Archive, or None."""
    word = plain(name)
    return _DARWIN_TERMS.get(word) or term_named(name)
