"""BOLD v4's `combined` TSV, and tables cut out of it.

What ``API_Public/combined?format=tsv`` gave until 2024: 80 columns, ranks as ``species_taxID``
and ``species_name``, one row a sequence, tabs, no quotes, a missing value is an empty field. It is
said to be UTF-8 but came as Latin-1 in places; that is seen from the bytes. A specimen's pictures
stand in one field, separated by ``|``, and so do their licences and captions, in the same order.
Gaps at the ends of ``nucleotides`` are those of an alignment.

Reference: http://v4.boldsystems.org/index.php/resources/api
"""

from __future__ import annotations

import random
from pathlib import Path

from merian.catalogue.sources import Columns, Reading
from merian.errors import FormatError
from merian.files import existing, new_file
from merian.formats.delimited import (
    Head,
    column,
    delimited,
    first_given,
    interval,
    lacking_columns,
    peek_columns,
    place_in_words,
    read_head,
    terms_of,
)
from merian.formats.registry import Format, Options

__all__ = ["FORMAT"]

COLUMNS = tuple(
    """
    processid sampleid recordID catalognum fieldnum institution_storing collection_code bin_uri
    phylum_taxID phylum_name class_taxID class_name order_taxID order_name family_taxID family_name
    subfamily_taxID subfamily_name genus_taxID genus_name species_taxID species_name
    subspecies_taxID subspecies_name identification_provided_by identification_method
    identification_reference tax_note voucher_status tissue_type collection_event_id collectors
    collectiondate_start collectiondate_end collectiontime collection_note site_code
    sampling_protocol lifestage sex reproduction habitat associated_specimens associated_taxa
    extrainfo notes lat lon coord_source coord_accuracy elev depth elev_accuracy depth_accuracy
    country province_state region sector exactsite image_ids image_urls media_descriptors captions
    copyright_holders copyright_years copyright_licenses copyright_institutions photographers
    sequenceID markercode genbank_accession nucleotides trace_ids trace_names trace_links run_dates
    sequencing_centers directions seq_primers marker_codes
    """.split()
)

_PLAIN = {
    "processid": "occurrenceID",
    "sampleid": "catalogNumber",
    "catalognum": "otherCatalogNumbers",
    "fieldnum": "fieldNumber",
    "institution_storing": "institutionCode",
    "collection_code": "collectionCode",
    "bin_uri": "taxonConceptID",
    "phylum_name": "phylum", "class_name": "class", "order_name": "order",
    "family_name": "family", "subfamily_name": "subfamily", "genus_name": "genus",
    "species_name": "species", "subspecies_name": "subspecies",
    "identification_provided_by": "identifiedBy",
    "identification_method": "identificationReferences",
    "identification_reference": "scientificNameAuthorship",
    "tax_note": "identificationRemarks",
    "voucher_status": "preparations",
    "collection_event_id": "parentEventID",
    "collectors": "recordedBy",
    "collectiontime": "eventTime",
    "sampling_protocol": "samplingProtocol",
    "lifestage": "lifeStage", "sex": "sex", "reproduction": "reproductiveCondition",
    "habitat": "habitat",
    "notes": "occurrenceRemarks",
    "lat": "decimalLatitude", "lon": "decimalLongitude",
    "elev": "minimumElevationInMeters", "depth": "minimumDepthInMeters",
    "country": "country", "province_state": "stateProvince", "province": "stateProvince",
    "markercode": "targetGene",
    "genbank_accession": "associatedSequences",
    "nucleotides": "sequence",
}  # fmt: skip
_SURE = frozenset({"processid", "sampleid", "bin_uri", "species_name", "markercode", "nucleotides"})
_LABELS = tuple(
    f"{rank}_name"
    for rank in (
        "subspecies", "species", "genus", "subfamily", "family", "order", "class", "phylum",
    )
)  # fmt: skip
_KNOWN = frozenset(_PLAIN) | frozenset(COLUMNS) | {"collectiondate"}
# column -> term of a picture; each holds as many values as there are pictures.
_PICTURE = {
    "copyright_licenses": "license",
    "copyright_holders": "rightsHolder",
    "captions": "mediaRemarks",
    "media_descriptors": "subjectOrientation",
}


def _sniff(path: Path) -> int:
    return 3 if peek_columns(path, "\t") >= _SURE else 0


def _read(path: Path, _options: Options) -> Reading:
    path = existing(path, "BOLD v4 table")
    head = read_head(path, "\t")
    if not {"processid", "nucleotides"} <= set(head.columns):
        raise FormatError(
            "has no columns processid and nucleotides, which a BOLD v4 table has",
            path=path,
            line=1,
        )
    notes = list(head.notes)
    unknown = [name for name in head.columns if name not in _KNOWN]
    if unknown:
        notes.append(f"columns that BOLD v4 does not have are ignored: {', '.join(unknown)}")
    if head.encoding == "cp1252":
        notes.append("the file is no UTF-8 and is read as Windows-1252 (Latin-1)")
    feeds = [Columns("record", _terms(head))]
    if "image_urls" in head.columns:
        feeds.append(_pictures(head))
    return Reading("bold-v4", (delimited(head, feeds),), (path,), tuple(notes))


def _terms(head: Head) -> dict[str, str]:
    there = set(head.columns)
    return terms_of(
        head,
        _PLAIN,
        {
            "materialEntityID": column("processid"),
            "materialEntityType": "'specimen'",
            "basisOfRecord": "'PreservedSpecimen'",
            "verbatimIdentification": first_given(_LABELS, there),
            "eventDate": interval(there, "collectiondate_start", "collectiondate_end")
            or first_given(("collectiondate",), there),
            "locality": place_in_words(there, ("region", "sector", "exactsite")),
            "maximumElevationInMeters": first_given(("elev",), there),
            "maximumDepthInMeters": first_given(("depth",), there),
        },
    )


def _pictures(head: Head) -> Columns:
    """Feed one picture for each address in the field."""

    def one(name: str) -> str:
        return f"nullif(trim(string_split({column(name)}, '|')[item]), '')"

    terms = {"occurrenceID": column("processid"), "accessURI": one("image_urls")}
    terms |= {term: one(name) for name, term in _PICTURE.items() if name in head.columns}
    urls = column("image_urls")
    return Columns(
        "media",
        terms,
        each=f"range(1, 1 + coalesce(len(string_split({urls}, '|')), 0))",
        where=f"{urls} IS NOT NULL",
    )


def _fake(folder: Path, seed: int) -> Path:
    """Write 20 rows in Latin-1, every fifth with two pictures."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    lines = ["\t".join(COLUMNS)]
    for number in range(20):
        row = {
            "processid": f"FAKE{seed:02d}{number:03d}-26", "sampleid": f"S-{seed}-{number}",
            "bin_uri": f"BOLD:AAC{3000 + number % 4}", "phylum_taxID": "20",
            "phylum_name": "Arthropoda", "class_name": "Insecta", "order_name": "Hymenoptera",
            "family_name": "Megachilidae", "genus_name": "Coelioxys",
            "species_name": "Coelioxys elongata" if number % 4 else "",
            "collectors": "Günther Müller", "collectiondate_start": "2016-07-29",
            "lifestage": "adult", "sex": "F", "lat": f"{48 + number / 100:.2f}", "lon": "16.39",
            "country": "Austria", "province_state": "Vienna", "exactsite": "Nordbahnhof",
            "markercode": "COI-5P", "nucleotides": "----" + "".join(chance.choices("ACGT", k=80)),
        }  # fmt: skip
        if number % 5 == 0:
            row["image_urls"] = "http://example.org/a.jpg|http://example.org/b.jpg"
            row["copyright_licenses"] = "CreativeCommons - Attribution|"
        lines.append("\t".join(row.get(name, "") for name in COLUMNS))
    path = folder / f"bold_combined{seed}.tsv"
    with new_file(path) as stream:
        stream.write(("\r\n".join(lines) + "\r\n").encode("latin-1"))
    return path


FORMAT = Format(
    name="bold-v4",
    title="BOLD v4's combined TSV",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=lambda path: lacking_columns(path, "\t", _SURE),
    tested_on="all Coelioxys of BOLD (420 rows), the species of the INSECT benchmark (21,471 rows)",
)
