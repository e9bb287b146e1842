"""BOLD's public data packages: the Barcode Core Data Model (BCDM) as a TSV.

A row is one sequence of one specimen; a specimen with two markers has two rows under one
``processid``. UTF-8, tabs, no quotes, ``None`` for a missing value. The names of the columns
changed in 2024; both are read::

    until 2023                              since 2024
    nucraw                                  nuc
    gb_acs                                  insdc_acs
    country, province                       country/ocean, province/state
    collection_date                         collection_date_start, collection_date_end
    extrainfo                               short_note
    recordset_code_arr                      bold_recordset_code_arr
    coord as (19.3786,-88.1892)             coord as [-35.261, 149.059]

The label is ``identification``, or where that is empty ``taxon_name``, or the lowest rank. A
name that BOLD itself gave by the BIN is a machine's. Written with the columns of 2024.

Reference: https://github.com/DNAdiversity/BCDM
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from merian.catalogue.sources import Columns, Reading
from merian.errors import FormatError
from merian.files import existing
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
    write_delimited,
)
from merian.formats.flat import FIRST_MATERIAL, SEQUENCES, STANDING, rows
from merian.formats.registry import Format, Options

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["FORMAT"]

COLUMNS = tuple(
    """
    processid sampleid fieldid museumid record_id specimenid processid_minted_date bin_uri
    bin_created_date collection_code inst taxid taxon_name taxon_rank kingdom phylum class order
    family subfamily tribe genus species subspecies species_reference identification
    identification_method identification_rank identified_by identifier_email taxonomy_notes sex
    reproduction life_stage short_note notes voucher_type tissue_type specimen_linkout
    associated_specimens associated_taxa collectors collection_date_start collection_date_end
    collection_event_id collection_time collection_notes geoid country/ocean country_iso
    province/state region sector site site_code coord coord_accuracy coord_source elev
    elev_accuracy depth depth_accuracy habitat sampling_protocol nuc nuc_basecount insdc_acs
    funding_src marker_code primers_forward primers_reverse sequence_run_site
    sequence_upload_date bold_recordset_code_arr
    """.split()
)

_PLAIN = {
    "processid": "occurrenceID",
    "sampleid": "catalogNumber",
    "museumid": "otherCatalogNumbers",
    "fieldid": "fieldNumber",
    "inst": "institutionCode",
    "collection_code": "collectionCode",
    "bin_uri": "taxonConceptID",
    "kingdom": "kingdom", "phylum": "phylum", "class": "class", "order": "order",
    "family": "family", "subfamily": "subfamily", "tribe": "tribe", "genus": "genus",
    "species": "species", "subspecies": "subspecies",
    "identification_method": "identificationReferences",
    "identified_by": "identifiedBy",
    "taxonomy_notes": "identificationRemarks",
    "sex": "sex", "reproduction": "reproductiveCondition", "life_stage": "lifeStage",
    "notes": "occurrenceRemarks",
    "voucher_type": "preparations",
    "collectors": "recordedBy",
    "collection_event_id": "eventID",
    "collection_time": "eventTime",
    "country": "country", "country/ocean": "country", "country_iso": "countryCode",
    "province": "stateProvince", "province/state": "stateProvince",
    "elev": "minimumElevationInMeters",
    "depth": "minimumDepthInMeters",
    "habitat": "habitat",
    "sampling_protocol": "samplingProtocol",
    "nucraw": "sequence", "nuc": "sequence",
    "gb_acs": "associatedSequences", "insdc_acs": "associatedSequences",
    "marker_code": "targetGene",
    "primers_forward": "pcrPrimerForward", "primers_reverse": "pcrPrimerReverse",
    "sequence_run_site": "sequencedBy",
}  # fmt: skip
_MISSING = "None"
_SURE = frozenset({"processid", "marker_code", "sampleid", "bin_uri", "coord"})
_LABELS = (
    "identification", "taxon_name", "subspecies", "species", "genus", "tribe", "subfamily",
    "family", "order", "class", "phylum", "kingdom",
)  # fmt: skip
_KNOWN = frozenset(_PLAIN) | frozenset(COLUMNS) | {
    "collection_date", "collection_date_accuracy", "collection_note", "extrainfo",
    "associated_specimen", "recordset_code_arr",
}  # fmt: skip


def _sniff(path: Path) -> int:
    names = peek_columns(path, "\t")
    return 3 if names >= _SURE and names & {"nuc", "nucraw"} else 0


def _read(path: Path, _options: Options) -> Reading:
    path = existing(path, "BCDM table")
    head = read_head(path, "\t", "")
    if not {"processid", "marker_code"} <= set(head.columns):
        raise FormatError(
            "has no columns processid and marker_code, which a BCDM table has", path=path, line=1
        )
    notes = list(head.notes)
    unknown = [name for name in head.columns if name not in _KNOWN]
    if unknown:
        notes.append(f"columns that BCDM does not have are ignored: {', '.join(unknown)}")
    feed = Columns("record", _terms(head))
    return Reading("bold-bcdm", (delimited(head, (feed,), (_MISSING,)),), (path,), tuple(notes))


def _terms(head: Head) -> dict[str, str]:
    there = set(head.columns)
    label = first_given(_LABELS, there)
    method = column("identification_method") if "identification_method" in there else "NULL"
    return terms_of(
        head,
        _PLAIN,
        {
            "materialEntityID": column("processid"),
            "materialEntityType": "'specimen'",
            "basisOfRecord": "'PreservedSpecimen'",
            "parentEventID": _if("collection_event_id", there),
            "verbatimIdentification": label,
            # "BIN Taxonomy Match" is what BOLD writes where it copied the name of a BIN.
            "agentType": f"CASE WHEN {method} ILIKE 'BIN Taxonomy Match%' THEN 'machine' END",
            "scientificNameAuthorship": _if("species_reference", there),
            "eventDate": interval(there, "collection_date_start", "collection_date_end")
            or _if("collection_date", there),
            "decimalLatitude": _coordinate(1) if "coord" in there else None,
            "decimalLongitude": _coordinate(2) if "coord" in there else None,
            "locality": place_in_words(there, ("region", "sector", "site")),
            "maximumElevationInMeters": _if("elev", there),
            "maximumDepthInMeters": _if("depth", there),
        },
    )


def _if(name: str, there: set[str]) -> str | None:
    return column(name) if name in there else None


def _coordinate(which: int) -> str:
    """Return one of the two numbers; what is no pair stays as it is, and is set aside later."""
    number = r"\s*([-+0-9.eE]+)\s*"
    pattern = rf"^[\[(]?{number},{number}[\])]?$"
    coord = column("coord")
    return f"coalesce(nullif(regexp_extract({coord}, '{pattern}', {which}), ''), {coord})"


# --- writing and faking -------------------------------------------------------------------------

_RANK_COLUMNS = (
    "kingdom", "phylum", "class", "order", "family", "subfamily", "tribe", "genus", "species",
    "subspecies",
)  # fmt: skip
# column -> SQL. What is not here is written as missing.
_WRITTEN = {
    "processid": "o.occurrenceID", "sampleid": "t.catalogNumber", "fieldid": "t.fieldNumber",
    "museumid": "t.otherCatalogNumbers", "bin_uri": "i.taxonConceptID",
    "collection_code": "t.collectionCode", "inst": "t.institutionCode",
    "taxon_name": "i.scientificName", "taxon_rank": "i.taxonRank",
    **{rank: f'i."{rank}"' for rank in _RANK_COLUMNS},
    "species_reference": "i.scientificNameAuthorship",
    "identification": "i.verbatimIdentification", "identification_rank": "i.taxonRank",
    "identification_method": "i.identificationReferences", "identified_by": "i.identifiedBy",
    "taxonomy_notes": "i.identificationRemarks", "sex": "o.sex",
    "reproduction": "o.reproductiveCondition", "life_stage": "o.lifeStage",
    "notes": "o.occurrenceRemarks", "voucher_type": "t.preparations",
    "collectors": "o.recordedBy",
    "collection_date_start": "nullif(split_part(e.eventDate, '/', 1), '')",
    "collection_date_end": "nullif(split_part(e.eventDate, '/', 2), '')",
    "collection_event_id": "e.parentEventID", "collection_time": "e.eventTime",
    "country/ocean": "e.country", "country_iso": "e.countryCode",
    "province/state": "e.stateProvince", "site": "e.locality",
    "coord": "'[' || e.decimalLatitude || ', ' || e.decimalLongitude || ']'",
    "elev": "e.minimumElevationInMeters", "depth": "e.minimumDepthInMeters",
    "habitat": "e.habitat", "sampling_protocol": "e.samplingProtocol",
    "nuc": "s.sequence", "nuc_basecount": "s.sequenceLength",
    "insdc_acs": "s.associatedSequences", "marker_code": "s.targetGene",
    "primers_forward": "s.pcrPrimerForward", "primers_reverse": "s.pcrPrimerReverse",
    "sequence_run_site": "s.sequencedBy",
}  # fmt: skip

_EXPORT = f"""
SELECT {", ".join(_WRITTEN.get(name, "NULL") for name in COLUMNS)}
FROM occurrence o
LEFT JOIN event e USING (eventID)
LEFT JOIN ({FIRST_MATERIAL}) t ON t.occurrenceID = o.occurrenceID
LEFT JOIN ({STANDING}) i ON i.subject = o.occurrenceID
LEFT JOIN ({SEQUENCES}) s ON s.subject = o.occurrenceID
ORDER BY o.occurrenceID, s.place
"""


def _write(catalogue: Catalogue, path: Path) -> int:
    """Write one row for each sequence, and one for each occurrence that has none."""
    return write_delimited(
        path,
        COLUMNS,
        rows(catalogue, _EXPORT),
        "\t",
        lambda value: _MISSING if value is None else str(value),
    )


def _fake(folder: Path, seed: int) -> Path:
    """Write 24 rows with the columns of 2024; every sixth specimen has a second marker."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    listed = []
    for number in range(20):
        named = number % 3 > 0
        row = {
            "processid": f"FAKE{seed:02d}{number:03d}-26", "sampleid": f"S-{seed}-{number}",
            "bin_uri": f"BOLD:AAB{2000 + number % 5}", "inst": "Museum of Examples",
            "kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta",
            "order": "Lepidoptera", "family": "Pieridae", "genus": "Pieris" if named else "",
            "species": "Pieris rapae" if named else "",
            "taxon_name": "Pieris rapae" if named else "Pieridae",
            "taxon_rank": "species" if named else "family",
            "species_reference": "Linnaeus, 1758" if named else "",
            "identification_method": chance.choice(("BIN Taxonomy Match (Jun 2020)", "Morphology")),
            "identified_by": "A. Person", "collectors": "B. Person",
            "collection_date_start": "2011-11-07", "collection_date_end": "2011-11-14",
            "country/ocean": "Australia", "country_iso": "AU", "region": "Canberra",
            "site": "8 Moss Street", "coord": f"[{-35.261 - number / 1000:.3f}, 149.059]",
            "elev": "632.0", "sampling_protocol": "Malaise Trap", "marker_code": "COI-5P",
            "nuc": "".join(chance.choices("ACGT", k=80)),
        }  # fmt: skip
        listed.append(row)
        if number % 6 == 0:
            second = "".join(chance.choices("ACGT", k=70))
            listed.append({**row, "marker_code": "28S", "nuc": second})
    path = folder / f"BOLD_Public.fake{seed}.tsv"
    lines = ([row.get(name) or _MISSING for name in COLUMNS] for row in listed)
    write_delimited(path, COLUMNS, lines, "\t")
    return path


FORMAT = Format(
    name="bold-bcdm",
    title="BOLD's public data packages (BCDM)",
    sniff=_sniff,
    read=_read,
    write=_write,
    fake=_fake,
    lacks=lambda path: lacking_columns(path, "\t", _SURE),
    tested_on="BOLD_Public.18-Dec-2023 (999 records) and BOLD_Public.21-Jun-2024 (515 records)",
    suffix=".tsv",
)
