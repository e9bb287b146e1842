"""The real files: their counts are those of the ``SOURCE.txt`` beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.formats import Options, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

# path -> format, rows that are kept, distinct (species, genus, family, BIN or hypothesis).
FILES: dict[str, tuple[str, dict[str, int], tuple[int, int, int, int] | None]] = {
    "dna/its_yeast_mycoai_test1/test1.fasta.gz": (
        "fasta", {"sequence": 4439, "identification": 4439}, (1126, 203, 56, 1152)),
    "dna/its1_filamentous_cbs_dnabarcoder/CBSITS1.fasta.gz": ("fasta", {"sequence": 11680}, None),
    "dna/its1_filamentous_cbs_dnabarcoder/globalsoilITS2_test.fasta": (
        "fasta", {"sequence": 100}, None),
    "dna/its_top50_unidentified_mycoai/top50.fasta.gz": ("fasta", {"sequence": 2024}, None),
    "dna/coi_insecta_folmer_unlabelled_taxreturn/folmer_insecta_fulllength_aligned_curated.fa.gz":
        ("fasta", {"sequence": 4934}, None),
    "dna/coi_bold_public_sample_naturalis/BOLD_Public.18-Dec-2023.sample.tsv.gz": (
        "bold-bcdm", {"occurrence": 999, "sequence": 999}, (59, 116, 93, 389)),
    "dna/coi_bold_curated_nl_naturalis/BOLD_Public.21-Jun-2024.curated.NL.tsv": (
        "bold-bcdm", {"occurrence": 515, "sequence": 515}, (202, 148, 63, 221)),
    "dna/coi_palaemonidae_bags/Palaemonidae.tsv": (
        "table", {"occurrence": 1022, "sequence": 1022}, (123, 0, 1, 148)),
    "dna/coi_reference/coi_reference.tsv.gz": ("table", {"occurrence": 6744, "sequence": 6744},
                                               None),
    "dna/coi_nl_vertebrates_naturalis/joined.tsv.gz": ("table", {"sequence": 1244}, None),
    # 3,588 rows: some specimens have one for each of their sequences. Of the 112 names, 24 are
    # of the kind "Tanytarsus sp. 2TE".
    "dna/coi_tanytarsus_rdmpage/occurrences.tsv": (
        "table", {"occurrence": 2790}, (88, 2, 2, 249)),
    "dna/coi_tanytarsus_rdmpage/sequences.tsv.gz": ("table", {"sequence": 3588}, None),
    "multimodal/pnwmoths_text/images.csv": ("table", {"occurrence": 3880, "media": 3880}, None),
    "plankton/ifcb_obis_dwc/output/event.csv": ("table", {"event": 16}, None),
    "plankton/ifcb_obis_dwc/output/occurrence.csv": (
        "table", {"occurrence": 32, "identification": 32, "media": 77}, None),
    "plankton/ifcb_irfcb/vignettes/articles/files/iRfcb-DwC-A.zip": (
        "dwc-a", {"event": 10, "occurrence": 101, "identification": 101, "measurement": 415}, None),
    # 100 of the pictures lie in two classes, as one object with two names each.
    "plankton/uvp6_uvpec/img_sample": (
        "uvp6", {"occurrence": 1150, "media": 1250, "identification": 1250, "measurement": 1150},
        None),
    "packages/pypi_planktonclass/demo-images": ("image-folder", {"media": 105}, None),
    "benthic/rsmas_corals": ("image-folder", {"media": 620}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_taken_in_whole(shared: Path, take_in: Take, name: str) -> None:
    format_name, counts, distinct = FILES[name]
    reading = read_path(shared / name)
    assert reading.format == format_name
    catalogue, summary = take_in(reading)
    assert {table: summary.added.get(table) for table in counts} == counts
    assert summary.rows_rejected == summary.values_rejected == 0
    if distinct:
        found = catalogue.query(
            "SELECT count(DISTINCT species), count(DISTINCT genus), count(DISTINCT family), "
            "count(DISTINCT taxonConceptID) FROM determination"
        ).fetch()
        assert found == [distinct]


def test_every_group_of_primerminer_is_read(shared: Path) -> None:
    folder = shared / "dna" / "coi_orders_folmer_primerminer"
    count = 0
    for path in sorted(folder.glob("*.fasta*")):
        (source,) = read_path(path).sources
        count += sum(len(chunk["line"]) for chunk in source.chunks)  # type: ignore[union-attr,index,misc]
    assert count == 11242


def test_a_sequence_twice_under_one_id_is_set_aside(shared: Path, take_in: Take) -> None:
    path = shared / "dna" / "coi_nl_vertebrates_naturalis" / "NLVRT_BOLD.fas.gz"
    catalogue, summary = take_in(read_path(path, Options(marker="COI-5P")))
    assert summary.added["sequence"] == 1243
    assert catalogue.query("SELECT line, reason FROM rejects").fetch() == [
        (14676, "the id 'NLAVE563-25' was seen before in this file")
    ]


def test_coelioxys_has_its_markers_and_pictures(shared: Path, take_in: Take) -> None:
    path = shared / "dna" / "coi_coelioxys_ropensci_bold" / "coelioxys_bold_combined.tsv"
    reading = read_path(path)
    assert reading.format == "bold-v4"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    markers = catalogue.query(
        "SELECT targetGene, count(*) FROM sequence GROUP BY 1 ORDER BY 1"
    ).fetch()
    assert markers == [("28S", 7), ("COI-5P", 390)]
    found = catalogue.query(
        "SELECT count(DISTINCT d.species), count(DISTINCT d.taxonConceptID), "
        "count(decimalLatitude), count(DISTINCT country) FROM sequence s "
        "JOIN occurrence o USING (occurrenceID) LEFT JOIN event e USING (eventID) "
        "JOIN determination d USING (occurrenceID) WHERE targetGene = 'COI-5P'"
    ).fetch()
    assert found == [(60, 76, 343, 29)]


def test_the_insect_benchmark_is_read_from_its_own_columns(shared: Path, take_in: Take) -> None:
    path = shared / "multimodal" / "bold_insect_coi" / "bold_coi_784species_cap30.tsv.gz"
    reading = read_path(path)
    assert reading.format == "bold-v4"
    catalogue, summary = take_in(reading)
    assert summary.added["occurrence"] == 21471
    assert summary.rows_rejected == 0
    found = catalogue.query(
        "SELECT count(DISTINCT species), count(DISTINCT genus), count(DISTINCT family) "
        "FROM determination"
    ).fetch()
    assert found == [(782, 265, 84)]
    # Four barcodes are mostly N and say nothing; the rest is there.
    reasons = catalogue.query("SELECT term, count(*) FROM rejects GROUP BY 1 ORDER BY 1").fetch()
    assert reasons == [("sequence", 4)]
    urls = "SELECT count(DISTINCT occurrenceID) FROM media"
    assert catalogue.query(urls).value() == 14728


def test_planktonset_has_its_classes(shared: Path) -> None:
    reading = read_path(shared / "plankton" / "isiis_planktonset1")
    assert reading.notes[0] == "pictures: 4357, classes: 121"


def test_uvp6_tells_its_torn_labels(shared: Path, take_in: Take) -> None:
    _, summary = take_in(
        read_path(shared / "plankton" / "uvp6_uvpec" / "img_sample", format="image-folder")
    )
    assert any(
        "100 pictures lie in two classes or more, such as Copepoda__6666 and darksphere__7777" in n
        for n in summary.notes
    )
