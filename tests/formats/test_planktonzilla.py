"""Planktonzilla: what its columns say, and what its table of labels is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError
from merian.formats import find_format, read_path, sniff
from merian.formats.planktonzilla_terms import COLUMNS

Take = Callable[[Reading], tuple[Catalogue, Summary]]

ROW = {
    "image": "NULL::STRUCT(bytes BLOB, path VARCHAR)", "dataset": "'zooscan'",
    "original_label": "'eudoxie_Abylopsis tetragona'", "original_path": "'x/1.png'",
    "Kingdom": "'animalia'", "Phylum": "'cnidaria'", "Class": "'hydrozoa'",
    "Order": "'siphonophorae'", "Family": "'abylidae'", "Genus": "'abylopsis'",
    "Species": "'tetragona'", "proposed_label": "'abylopsis tetragona'", "plankton": "true",
    "root_class": "'living'", "qualifier": "'full_body'", "wikidata_ID": "'Q1931947'",
    "ecotaxa_ID": "'321;322'", "aphia_ID": "'135403.0'", "NCBI_ID": "'nan'", "BOLD_ID": "'None'",
    "Latitude": "43.5::FLOAT", "Longitude": "7.25::FLOAT", "Depth_min": "0::FLOAT",
    "Depth_max": "75::FLOAT", "Temperature": "'nan'::FLOAT", "Humidity": "NULL::FLOAT",
    "ObjID": "'2511.0'", "timestamp": "'2010-03-04'", "license": "'cc-by-nc-4.0'",
    "license_url": "'https://x'",
}  # fmt: skip


def write(path: Path, *rows: dict[str, str], leave: tuple[str, ...] = ()) -> Path:
    names = [name for name in COLUMNS if name not in leave]
    listed = [f"({', '.join((ROW | row)[name] for name in names)})" for row in rows]
    columns = ", ".join(f'"{name}"' for name in names)
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT * FROM (VALUES {', '.join(listed)}) t({columns})) "
                    f"TO '{path}' (FORMAT parquet)")  # fmt: skip
    return path


def test_columns_are_terms(tmp_path: Path, take_in: Take) -> None:
    path = write(tmp_path / "train-00000-of-00001.parquet", {})
    assert sniff(path).name == "planktonzilla"
    catalogue, summary = take_in(read_path(path))
    assert summary.rows_rejected == summary.values_rejected == 0
    found = catalogue.query(
        "SELECT verbatimIdentification, scientificName, taxonRank, kingdom, genus, species, "
        "identificationRemarks FROM identification"
    ).fetch()
    assert found == [(
        "eudoxie_Abylopsis tetragona", "Abylopsis tetragona", "species", "Animalia", "Abylopsis",
        "Abylopsis tetragona", "by the table of Planktonzilla: proposed_label abylopsis tetragona; "
        "root_class living; plankton true; qualifier full_body; wikidata_ID Q1931947; "
        "aphia_ID 135403; ecotaxa_ID 321;322",
    )]  # fmt: skip
    assert catalogue.query(
        "SELECT occurrenceID, datasetName, split, occurrenceRemarks FROM occurrence"
    ).fetch() == [("zooscan/x/1.png", "zooscan", "train", "EcoTaxa object 2511")]
    assert catalogue.query(
        "SELECT eventDate, decimalLatitude, minimumDepthInMeters, maximumDepthInMeters FROM event"
    ).fetch() == [("2010-03-04", 43.5, 0.0, 75.0)]
    assert catalogue.query("SELECT count(*) FROM measurement").value() == 0


@pytest.mark.parametrize(("qualifier", "stage", "part"), [
    ("larvae", "larva", None), ("egg", "egg", None), ("part_tail", None, "tail"),
    ("full_body", None, None), ("mix", None, None), ("", None, None),
])  # fmt: skip
def test_a_qualifier_is_a_stage_or_a_part(
    tmp_path: Path, qualifier: str, stage: str | None, part: str | None
) -> None:
    row = {"qualifier": f"'{qualifier}'"}
    (source, *_) = read_path(write(tmp_path / "a.parquet", row)).sources
    (chunk,) = source.chunks  # type: ignore[union-attr]
    assert (chunk["lifeStage"][0], chunk["subjectPart"][0]) == (stage, part)
    assert chunk["captureDevice"][0] == "ZooScan"


def test_the_air_in_an_instrument_is_no_sea(tmp_path: Path, take_in: Take) -> None:
    row = {"Temperature": "21.5::FLOAT", "Humidity": "14::FLOAT", "dataset": "'whoi'"}
    catalogue, _ = take_in(read_path(write(tmp_path / "a.parquet", row)))
    assert catalogue.query(
        "SELECT measurementType, measurementValue, measurementUnit FROM measurement ORDER BY 1"
    ).fetch() == [("humidity within the instrument", "14.0", "%"),
                  ("temperature within the instrument", "21.5", "°C")]  # fmt: skip


def test_without_a_path_a_row_is_called_by_its_number(tmp_path: Path, take_in: Take) -> None:
    path = write(tmp_path / "a.parquet", {}, {"original_path": "NULL"})
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query("SELECT occurrenceID FROM occurrence ORDER BY 1").fetch() == [
        (f"{tmp_path.name}/a.parquet:1",), ("zooscan/x/1.png",),
    ]  # fmt: skip


def test_a_table_that_lacks_columns_says_which(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {}, leave=("plankton", "root_class"))
    lacks = find_format("planktonzilla").lacks
    assert lacks
    assert lacks(path) == "has no columns plankton, root_class"
    assert sniff(path).name == "hf-parquet"
    path = write(tmp_path / "b.parquet", {}, leave=("dataset",))
    with pytest.raises(FormatError, match="has no columns dataset and original_label"):
        read_path(path, format="planktonzilla")


def test_the_table_of_labels_is_refused_with_what_it_is(shared: Path) -> None:
    path = shared / "plankton" / "planktonzilla" / "planktonzilla_taxonomy.csv"
    with pytest.raises(FormatError, match=r"taxonomy.csv:1: is the table of labels .*no records"):
        read_path(path)
