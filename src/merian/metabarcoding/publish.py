"""Occurrences and their DNA, in the terms in which GBIF and OBIS take metabarcoding data.

One occurrence for each feature in each sample that is no control: Darwin Core's terms in
`occurrence.tsv`, those of the extension "DNA derived data" in `dna.tsv`, joined by occurrenceID. A
feature of which nothing is said is *incertae sedis*, as OBIS asks for. Terms of the sheet that
belong here are taken over as they are.

References: https://docs.gbif.org/publishing-dna-derived-data/,
http://rs.gbif.org/extension/gbif/1.0/dna_derived_data_2024-07-11.xml
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from merian import __version__
from merian.formats.delimited import write_delimited
from merian.metabarcoding.reckoning import Reckoning
from merian.metabarcoding.samples import DNA_TERMS, Sheet
from merian.taxonomy import MAIN_RANKS

__all__ = ["write_occurrences"]

_READS = "DNA sequence reads"
_NOTHING = ("incertae sedis", "urn:lsid:marinespecies.org:taxname:12")

_OURS = (
    "occurrenceID", "eventID", "materialSampleID", "basisOfRecord", "occurrenceStatus",
    "organismQuantity", "organismQuantityType", "sampleSizeValue", "sampleSizeUnit",
    "scientificName", "scientificNameID", "taxonRank", *MAIN_RANKS[:-1], "specificEpithet",
    "taxonID", "taxonConceptID", "verbatimIdentification", "identificationRemarks",
    "identificationReferences", "identificationVerificationStatus",
)  # fmt: skip
_DNA = ("otu_seq_comp_appr", "otu_db")

# What the sheet may say of where and when, as Darwin Core calls it.
_PLACE_AND_TIME = (
    "parentEventID", "eventDate", "eventTime", "decimalLatitude", "decimalLongitude",
    "geodeticDatum", "coordinateUncertaintyInMeters", "country", "countryCode", "stateProvince",
    "locality", "habitat", "minimumDepthInMeters", "maximumDepthInMeters",
    "minimumElevationInMeters", "maximumElevationInMeters", "samplingProtocol", "recordedBy",
    "institutionCode", "license", "rightsHolder",
)  # fmt: skip


def write_occurrences(
    folder: Path,
    found: Reckoning,
    sheet: Sheet,
    said: Mapping[str, str],
    libraries: Mapping[str, str],
) -> int:
    """Write both tables, and return how many occurrences there are.

    Args:
        folder: Where.
        found: What was reckoned.
        sheet: What is known of the samples.
        said: Terms of DNA derived data that hold for all.
        libraries: Name and hash of what answered.
    """
    used = {term for one in sheet.terms.values() for term in one}
    place = [term for term in _PLACE_AND_TIME if term in used]
    more = [t for t in DNA_TERMS if (t in used or t in said) and t not in _DNA]
    show = lambda value: "" if value is None else str(value)  # noqa: E731
    count = write_delimited(
        folder / "occurrence.tsv", (*_OURS, *place), _occurrences(found, sheet, place), "\t", show
    )
    rows = _dna(found, sheet, more, said, libraries)
    columns = ("occurrenceID", "DNA_sequence", *more, *_DNA)
    write_delimited(folder / "dna.tsv", columns, rows, "\t", show)
    return count


def _entries(found: Reckoning, sheet: Sheet) -> Iterator[tuple[str, str, int, int, int]]:
    """Return occurrenceID, sample, its reads, feature and its reads."""
    table = found.table
    for number, sample in enumerate(table.samples):
        if sample in sheet.controls:
            continue
        part = slice(found.bounds[number], found.bounds[number + 1])
        total = int(table.reads[part].sum())
        for feature, reads in zip(
            table.feature[part].tolist(), table.reads[part].tolist(), strict=True
        ):
            if found.named.stands[feature] >= 0:
                yield f"{sample}:{table.features[feature]}", sample, total, feature, reads


def _occurrences(found: Reckoning, sheet: Sheet, place: Sequence[str]) -> Iterator[list[object]]:
    taxa = found.named.taxa
    for key, sample, total, feature, reads in _entries(found, sheet):
        taxon, told = int(found.named.stands[feature]), found.named.told[feature]
        lineage = (*taxa.lineages[taxon], *[""] * len(MAIN_RANKS))[: len(MAIN_RANKS)]
        name = (taxa.name(taxon), "") if taxon else _NOTHING
        epithet = lineage[-1].partition(" ")[2]
        cluster = found.cluster_ids.get(int(found.unnamed[feature]), "")
        verbatim = " ".join(part for part in (taxa.name(taxon), cluster) if part)
        where = sheet.terms.get(sample, {})
        nearest = told.get("nearest")
        yield [
            key, where.get("eventID") or sample, where.get("materialEntityID") or sample,
            "MaterialSample", "present", reads, _READS, total, _READS, *name,
            taxa.rank(taxon), *lineage[:-1], epithet, taxa.id(taxon), told.get("group") or cluster,
            verbatim, told.get("explanation"),
            f"Merian {__version__}" + (f"; nearest references {nearest}" if nearest else ""),
            "PredictedByMachine", *(where.get(term) for term in place),
        ]  # fmt: skip


def _dna(
    found: Reckoning,
    sheet: Sheet,
    more: Sequence[str],
    said: Mapping[str, str],
    libraries: Mapping[str, str],
) -> Iterator[list[object]]:
    by = {name: f"{name};{hash}" for name, hash in libraries.items()}
    for key, sample, _, feature, _ in _entries(found, sheet):
        mine = {**said, **sheet.terms.get(sample, {})}
        yield [
            key, found.sequences[feature], *(mine.get(term) for term in more),
            f"Merian;{__version__};posterior over the tree of the library with novelty",
            by.get(found.named.library[feature], ""),
        ]  # fmt: skip
