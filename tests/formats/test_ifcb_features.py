"""Features of IFCB regions: a row a region, a measurement a column."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, NotFoundError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]
BIN = "D20220523T003051_IFCB134"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return find_format("ifcb-features").fake(tmp_path, 2)


def test_every_value_is_a_measurement(table: Path, take_in: Take) -> None:
    assert table.name == f"{BIN}_fea_v2.csv"
    catalogue, summary = take_in(read_path(table))
    assert summary.added == {"event": 1, "occurrence": 3, "measurement": 9}
    with table.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Eccentricity"]][:3]
    assert catalogue.query(
        "SELECT occurrenceID, measurementType, measurementValue FROM measurement ORDER BY 1, 2"
    ).fetch() == [
        (f"{BIN}_{int(row['roi_number']):05d}", column, row[column])
        for row in rows
        for column in ("Area", "Biovolume", "Eccentricity")
    ]
    assert catalogue.query("SELECT line, reason FROM rejects ORDER BY 1").fetch() == [
        (5, "region 5 was there before"),
        (6, "has 2 fields, and the header 5"),
    ]


def test_columns_may_be_chosen(table: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(table, Options(extra={"columns": "Area, HOG01"})))
    assert catalogue.query("SELECT DISTINCT measurementType FROM measurement").fetch() == [
        ("Area",)
    ]
    assert "columns that were not asked for: 2" in summary.notes
    with pytest.raises(NotFoundError, match=r"no column 'area'\. Did you mean Area"):
        read_path(table, Options(extra={"columns": "area"}))


def test_a_folder_of_tables(table: Path, take_in: Take) -> None:
    (table.parent / "D20220601T003051_IFCB134_fea_v4.csv").write_text("Area\n5\n")
    other = table.parent / "deep" / "D20220602T003051_IFCB134_fea_v4.csv"
    other.parent.mkdir()
    other.write_text("roi_number,Area\n3.0,17\nx,4\n")
    catalogue, summary = take_in(read_path(table.parent))
    assert summary.added["occurrence"] == 4
    found = catalogue.query("SELECT file, line, reason FROM rejects ORDER BY ALL").fetch()
    assert [(Path(file).name, line, reason) for file, line, reason in found if BIN not in file] == [
        ("D20220601T003051_IFCB134_fea_v4.csv", 1,
         "has no column roi_number, which a table of features has"),
        (other.name, 3, "no number of a region: 'x'"),
    ]  # fmt: skip


def test_what_is_no_table_of_features(tmp_path: Path) -> None:
    features = find_format("ifcb-features")
    path = tmp_path / f"{BIN}_fea_v2.csv"
    path.write_text("number,Area\n2,3\n")
    assert features.sniff(path) == 0
    assert features.lacks
    assert features.lacks(path) == "has no column roi_number"
    with pytest.raises(FormatError, match="has no column roi_number"):
        read_path(path, format="ifcb-features")
    path.write_text("roi_number,Area,Area\n2,3,3\n")
    with pytest.raises(FormatError, match="names a column twice"):
        read_path(path, format="ifcb-features")
    mine = tmp_path / "mine.csv"
    mine.write_text("roi_number,Area\n2,3\n")
    with pytest.raises(FormatError, match=r"mine\.csv' tells no bin"):
        read_path(mine, format="ifcb-features")
    assert read_path(mine, Options(extra={"bin": BIN}), "ifcb-features").inputs == [mine]
    with pytest.raises(FormatError, match="holds no features"):
        (tmp_path / "none").mkdir()
        read_path(tmp_path / "none", format="ifcb-features")


def test_real_features(shared: Path, tmp_path: Path, take_in: Take) -> None:
    packed = shared / "plankton/ifcb_irfcb/tests/testthat/test_data/test_data.zip"
    with zipfile.ZipFile(packed) as stream:
        (name,) = (n for n in stream.namelist() if n.endswith("_fea_v2.csv"))
        content = stream.read(name)
    path = tmp_path / Path(name).name
    path.write_bytes(content)
    catalogue, summary = take_in(read_path(path))
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(rows) == summary.added["occurrence"] == 2
    given = sum(value not in {"", "NaN"} for row in rows for value in row.values()) - 2
    assert summary.added["measurement"] == given
    assert not summary.rejected
    assert catalogue.query(
        "SELECT measurementValueNumeric FROM measurement WHERE measurementType = 'Biovolume' "
        "AND occurrenceID = 'D20220522T003051_IFCB134_00002'"
    ).value() == 204624.4959  # fmt: skip
