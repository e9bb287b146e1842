"""Folders of pictures with a table: what a row names, and what of it is not there."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path, sniff

Take = Callable[[Reading], tuple[Catalogue, Summary]]
Found = tuple[list[dict[str, object]], list[Reject]]


def picture(path: Path, grey: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    Image.new("L", (12, 8), grey).save(held, "PNG")
    path.write_bytes(held.getvalue())
    return path


def rows_of(reading: Reading, table: str = "record") -> Found:
    rows: list[dict[str, object]] = []
    rejects: list[Reject] = []
    for source in reading.sources:
        assert isinstance(source, Rows)
        for chunk in source.chunks if source.table == table else ():
            if isinstance(chunk, Reject):
                rejects.append(chunk)
            else:
                rows += [dict(zip(chunk, values, strict=True))
                         for values in zip(*chunk.values(), strict=True)]  # fmt: skip
    return rows, rejects


def test_a_csv_says_what_is_known(tmp_path: Path) -> None:
    file = picture(tmp_path / "set" / "train" / "Helix" / "1.png")
    (tmp_path / "set" / "train" / "metadata.csv").write_text(
        'file_name,id,lat,species,note on it,width\nHelix/1.png,S1,48.5,Helix pomatia,"a, b",3.25\n'
    )
    assert sniff(tmp_path / "set").name == "hf-imagefolder"
    reading = read_path(tmp_path / "set")
    ((row,), rejects) = rows_of(reading)
    assert not rejects
    assert (row["line"], row["occurrenceID"], row["split"]) == (2, "S1", "train")
    assert row["accessURI"] == file.as_posix()
    assert row["verbatimIdentification"] == row["species"] == "Helix pomatia"
    assert (row["pixelXDimension"], row["decimalLatitude"]) == (12, "48.5")
    measured, _ = rows_of(reading, "measurement")
    assert [(m["occurrenceID"], m["measurementType"], m["measurementValue"]) for m in measured] == [
        ("S1", "note on it", "a, b"), ("S1", "width", "3.25"),
    ]  # fmt: skip


def test_a_folder_is_the_class_where_the_table_has_none(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "test" / "Helix pomatia" / "1.png")
    (tmp_path / "set" / "metadata.csv").write_text("file_name,lat\ntest/Helix pomatia/1.png,1\n")
    ((row,), _) = rows_of(read_path(tmp_path / "set"))
    assert (row["verbatimIdentification"], row["split"]) == ("Helix pomatia", "test")
    assert row["occurrenceID"] == "set/test/Helix pomatia/1.png"


def test_lines_of_json_may_name_several_pictures(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_names": ["0.png", "1.png"], "mask_file_name": "2.png", "label": "Helix",'
        ' "objects": {"bbox": [[1, 2, 3, 4]]}, "big": 123456789012345678901234567890}\n\n'
        '[1]\n{"file_names": "0.png", "late": 5}\n{no json\n'
    )
    reading = read_path(tmp_path)
    rows, rejects = rows_of(reading)
    assert [(row["line"], str(row["accessURI"])[-5:]) for row in rows] == [(1, "0.png"),
                                                                          (4, "0.png")]  # fmt: skip
    assert rows[0]["occurrenceRemarks"] == '{"objects": {"bbox": [[1, 2, 3, 4]]}}'
    assert [(r.line, r.reason.split(" (")[0]) for r in rejects] == [
        (3, "is JSON, but no object"), (5, "is no JSON"),
    ]  # fmt: skip
    further, _ = rows_of(reading, "media")
    assert [(str(m["accessURI"])[-5:], m["mediaRemarks"]) for m in further] == [
        ("1.png", "file_names"), ("2.png", "mask_file_name"),
    ]  # fmt: skip
    measured, _ = rows_of(reading, "measurement")
    assert [(m["line"], m["measurementType"], m["measurementValue"]) for m in measured] == [
        (1, "big", "123456789012345678901234567890"), (4, "late", "5"),
    ]  # fmt: skip


def test_a_parquet_is_a_table_too(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with duckdb.connect() as con:
        con.execute("COPY (SELECT 'a.png' AS file_name, 'Helix' AS label, 2.5 AS size) "
                    f"TO '{tmp_path / 'metadata.parquet'}' (FORMAT parquet)")  # fmt: skip
    reading = read_path(tmp_path)
    assert reading.format == "hf-imagefolder"
    ((row,), _) = rows_of(reading)
    assert (row["verbatimIdentification"], row["pixelXDimension"]) == ("Helix", 12)
    ((size,), _) = rows_of(reading, "measurement")
    assert (size["measurementType"], size["measurementValue"]) == ("size", "2.5")


def test_pictures_that_are_not_there_are_told(tmp_path: Path) -> None:
    picture(tmp_path / "secret.png")
    picture(tmp_path / "set" / "good.png")
    picture(tmp_path / "set" / "unnamed.png")
    (tmp_path / "set" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "set" / "metadata.csv").write_text(
        "file_name,label\ngood.png,a\ngone.png,b\n../secret.png,c\nbad.png,d\n,e\ngood.png\n"
        f"{tmp_path / 'secret.png'},f\n"
    )
    reading = read_path(tmp_path / "set")
    rows, rejects = rows_of(reading)
    assert [row["verbatimIdentification"] for row in rows] == ["a", "b", "c", "d", "e", "f"]
    assert [(r.line, r.scope, r.reason.split(" (")[0]) for r in rejects] == [
        (7, "row", "1 fields, expected 2"),
        (3, "value", "is not there"),
        (4, "value", "leads out of the folder of the data set"),
        (5, "value", "is no picture that can be read"),
        (8, "value", "leads out of the folder of the data set"),
    ]
    assert rows[4]["occurrenceID"] == "set/metadata.csv:6"
    assert "pictures that no table names are left: 1" in reading.notes


def test_the_card_names_classes(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\na.png,1\n")
    (tmp_path / "README.md").write_text(
        "---\nlicense: cc0-1.0\ndataset_info:\n  features:\n  - name: label\n    dtype:\n"
        "      class_label:\n        names:\n          '0': Apis\n          '1': Bombus\n---\n"
    )
    ((row,), _) = rows_of(read_path(tmp_path))
    assert (row["verbatimIdentification"], row["license"]) == ("Bombus", "cc0-1.0")


def test_a_table_without_files_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "x" / "a.png")
    (tmp_path / "metadata.csv").write_text("name,label\na.png,1\n")
    form = find_format("hf-imagefolder")
    assert form.lacks
    assert form.lacks(tmp_path) == "has no column file_name in metadata.csv"
    assert sniff(tmp_path).name == "image-folder"
    with pytest.raises(FormatError, match=r"metadata.csv:1: has no column file_name.*name, label"):
        read_path(tmp_path, format="hf-imagefolder")
    with pytest.raises(FormatError, match="holds no table of its pictures"):
        read_path(tmp_path / "x", format="hf-imagefolder")


def test_it_goes_into_a_catalogue(tmp_path: Path, take_in: Take) -> None:
    path = find_format("hf-imagefolder").fake(tmp_path, 4)
    catalogue, _ = take_in(read_path(path, Options(mapping={"shell_mm": "individualCount"})))
    assert catalogue.query(
        "SELECT split, count(*), count(DISTINCT contentHash) FROM occurrence "
        "LEFT JOIN media USING (occurrenceID) GROUP BY 1 ORDER BY 1"
    ).fetch() == [("test", 2, 2), ("train", 7, 6)]
    assert catalogue.query("SELECT count(individualCount) FROM occurrence").value() == 5
