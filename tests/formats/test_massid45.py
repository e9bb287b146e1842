"""MassID45: samples, the replicates taken from them, and their runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]


def test_a_run_is_of_a_replicate_of_a_sample(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "runs.tsv"
    path.write_text(
        "study_accession\tsample_id\tsample_accession\treplicate_id\trun_accession\textra\n"
        "P1\tG1\tS1\tG1_Rep1\tE1\tx\nP1\tG1\tS1\tG1_Rep2\t\tx\n"
    )
    (tmp_path / "trays").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "trays" / "G1_tray2.png")
    Image.new("L", (9, 9), 3).save(tmp_path / "trays" / "other.png")
    reading = read_path(path, Options(images=tmp_path / "trays"))
    assert reading.format == "massid45"
    assert "columns that the table does not have are ignored: extra" in reading.notes
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert catalogue.query(
        "SELECT materialEntityID, materialEntityType, derivedFromMaterialEntityID, "
        "otherCatalogNumbers FROM material ORDER BY 1"
    ).fetch() == [
        ("G1", "bulk sample", None, "S1"),
        ("G1_Rep1", "PCR replicate", "G1", None),
        ("G1_Rep2", "PCR replicate", "G1", None),
    ]
    assert catalogue.query(
        "SELECT materialEntityID, associatedSequences, targetGene, sequence, sequenceRemarks "
        "FROM sequence"
    ).fetch() == [("G1_Rep1", "E1", "COI-5P", None, "study_accession P1")]
    assert catalogue.query("SELECT mediaID, materialEntityID, accessURI FROM media").fetch() == [
        ("G1/G1_tray2.png", "G1", (tmp_path / "trays" / "G1_tray2.png").as_posix())
    ]


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "runs.tsv"
    path.write_text("sample_id\tsample_accession\treplicate_id\nG1\tS1\tG1_Rep1\n")
    with pytest.raises(FormatError, match=r"runs.tsv:1: has no column run_accession"):
        read_path(path, format="massid45")
    lacks = find_format("massid45").lacks
    assert lacks is not None
    assert lacks(path) == "has no column run_accession"


def test_the_published_table(shared: Path, take_in: Take) -> None:
    reading = read_path(shared / "traits" / "massid45" / "MassID45_ENA_accnos.tsv")
    assert reading.format == "massid45"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert summary.added["sequence"] == 135
    assert catalogue.query(
        "SELECT materialEntityType, count(*) FROM material GROUP BY 1 ORDER BY 1"
    ).fetch() == [("PCR replicate", 135), ("bulk sample", 45)]
    assert catalogue.query(
        "SELECT DISTINCT count(*) FROM material WHERE derivedFromMaterialEntityID IS NOT NULL "
        "GROUP BY derivedFromMaterialEntityID"
    ).fetch() == [(3,)]
