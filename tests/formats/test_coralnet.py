"""CoralNet: points and labels, suggestions of the machine, and the table that is uploaded."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

FULL = (
    "Name,Date,Site,Height (cm),Depth,Comments,Row,Column,Label,Annotator,Date annotated,"
    "Machine suggestion 1,Machine confidence 1,Machine suggestion 2,Machine confidence 2"
)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "annotations.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def export(catalogue: Catalogue, folder: Path) -> list[list[str]]:
    write = find_format("coralnet").write
    assert write
    write(catalogue, folder / "out.csv")
    with (folder / "out.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_the_table_of_the_upload(tmp_path: Path, take_in: Take) -> None:
    lines = ("Name,Row,Column,Label code", "a.jpg,1528,426,Porit", "b.jpg,0,7,", 'ü".jpg,5,6,CCA')
    catalogue, summary = take_in(read_path(written(tmp_path, *lines)))
    assert summary.added == {"event": 3, "occurrence": 3, "media": 6, "identification": 2}
    assert summary.notes[0] == "no column Annotator: all labels are taken for a human's"
    assert catalogue.query(
        "SELECT occurrenceID, derivedFromMediaID, regionOutline, xFrac FROM media "
        "WHERE derivedFromMediaID IS NOT NULL ORDER BY ALL"
    ).fetch()[0] == ("coralnet:a.jpg:1528,426", "coralnet:a.jpg", "POINT (426 1528)", None)
    assert export(catalogue, tmp_path) == [
        ["Name", "Row", "Column", "Label code"],
        ["a.jpg", "1528", "426", "Porit"],
        ["b.jpg", "0", "7", ""],
        ['ü".jpg', "5", "6", "CCA"],
    ]


def test_who_named_it_and_what_the_machine_says(tmp_path: Path, take_in: Take) -> None:
    lines = (
        FULL,
        "a.jpg,2001-02-03,Site A,40,10m,,1,2,CCA,robot,2019-01-02 03:04:05+00:00,CCA,60,Turf,40",
        "a.jpg,2001-02-03,Site A,40,10m,,3,4,Turf,a.diver,2019-01-03 03:04:05+00:00,CCA,60,Turf,40",
        "b.jpg,,,,deep,,3,4,Sand,Imported,2019-01-03 03:04:05+00:00,,,,",
    )
    catalogue, _ = take_in(read_path(written(tmp_path, *lines)))
    found = catalogue.query(
        "SELECT occurrenceID[10:], verbatimIdentification, agentType, identifiedBy, probability, "
        "identificationVerificationStatus, identificationReferences FROM identification "
        "ORDER BY occurrenceID, identificationReferences NULLS FIRST"
    ).fetch()
    one, two = "Machine suggestion 1", "Machine suggestion 2"
    predicted, validated = "PredictedByMachine", "ValidatedByHuman"
    assert found == [
        ("a.jpg:1,2", "CCA", "machine", "robot", 0.6, predicted, None),
        ("a.jpg:1,2", "CCA", "machine", None, 0.6, predicted, one),
        ("a.jpg:1,2", "Turf", "machine", None, 0.4, predicted, two),
        ("a.jpg:3,4", "Turf", "human", "a.diver", None, validated, None),
        ("a.jpg:3,4", "CCA", "machine", None, 0.6, predicted, one),
        ("a.jpg:3,4", "Turf", "machine", None, 0.4, predicted, two),
        ("b.jpg:3,4", "Sand", "human", "Imported", None, validated, None),
    ]
    assert catalogue.query(
        "SELECT eventID, eventDate, minimumDepthInMeters FROM event ORDER BY ALL"
    ).fetch() == [("coralnet:a.jpg", "2001-02-03", 10), ("coralnet:b.jpg", None, None)]
    assert catalogue.query("SELECT line, term, reason FROM rejects ORDER BY ALL").fetch() == [
        (4, "maximumDepthInMeters", "not a number"), (4, "minimumDepthInMeters", "not a number")
    ]  # fmt: skip
    told = export(catalogue, tmp_path)
    assert told[0] == [
        "Name", "Date", "Height (cm)", "Site", "Depth", "Row", "Column", "Label code", "Annotator",
        "Date annotated", "Machine suggestion 1", "Machine confidence 1", "Machine suggestion 2",
        "Machine confidence 2",
    ]  # fmt: skip
    assert told[1][7:] == [
        "CCA", "robot", "2019-01-02 03:04:05+00:00", "CCA", "60", "Turf", "40"
    ]  # fmt: skip


def test_pictures_give_a_size_and_a_scale(tmp_path: Path, take_in: Take) -> None:
    (tmp_path / "reef").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "reef" / "a.png")
    lines = ("Name,Height (cm),Row,Column,Label", "a.png,5,25,50,A", "a.png,5,25,999,B",
             "a.png,5,left,1,C", "a.png,5,,1,D", "gone.png,5,1,1,E")  # fmt: skip
    path = written(tmp_path, *lines)
    options = Options(images=tmp_path / "reef", extra={"source": "r1"})
    catalogue, _ = take_in(read_path(path, options))
    assert catalogue.query(
        "SELECT mediaID, xFrac, yFrac, pixelXDimension, pixelsPerMillimetre, accessURI FROM media "
        "ORDER BY mediaID"
    ).fetch() == [
        ("coralnet:r1:a.png", None, None, 200, 2, (tmp_path / "reef" / "a.png").as_posix()),
        ("coralnet:r1:a.png:25,50", 0.25, 0.25, None, None, None),
        ("coralnet:r1:a.png:25,999", None, None, None, None, None),
        ("coralnet:r1:a.png:left,1", None, None, None, None, None),
        ("coralnet:r1:gone.png", None, None, None, None, "gone.png"),
        ("coralnet:r1:gone.png:1,1", None, None, None, None, None),
    ]
    assert catalogue.query("SELECT DISTINCT datasetName FROM occurrence").fetch() == [("r1",)]
    assert catalogue.query("SELECT line, scope, term, reason FROM rejects ORDER BY 1").fetch() == [
        (3, "value", "xFrac", "outside of the picture, which has 200 columns and 100 rows"),
        (4, "value", "regionOutline", "no place in the picture: Column and Row in pixels expected"),
        (5, "row", "occurrenceID", "no identifier"),
    ]


def test_numbers_of_labels_and_tables_of_the_toolbox(tmp_path: Path, take_in: Take) -> None:
    path = written(tmp_path, "Name,Row,Column,Label ID", "a.jpg,1,2,74")
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query("SELECT taxonConceptID FROM identification").value() == (
        "coralnet:label:74"
    )
    assert export(catalogue, tmp_path) == [
        ["Name", "Row", "Column", "Label ID"], ["a.jpg", "1", "2", "74"]
    ]  # fmt: skip
    lines = (
        "Name,Path,Row,Column,Patch Size,Label,Long Label,Verified,Machine confidence 1,"
        "Machine suggestion 1",
        "a.jpg,C:/x/a.jpg,1,2,224,SU_b,substrate - Boulder,False,0.900,SU_b",
    )
    toolbox, _ = take_in(read_path(written(tmp_path, *lines)))
    assert toolbox.query(
        "SELECT agentType, probability, identificationRemarks FROM identification "
        "WHERE identificationReferences IS NULL"
    ).fetch() == [("machine", 0.9, "substrate - Boulder")]
    assert toolbox.query(
        "SELECT measurementType, measurementValueNumeric, measurementUnit FROM measurement"
    ).fetch() == [("Patch Size", 224, "px")]
    assert export(toolbox, tmp_path)[1][:4] == ["a.jpg", "1", "2", "SU_b"]


def test_points_of_another_format_are_written(tmp_path: Path, take_in: Take) -> None:
    biigle = find_format("biigle")
    catalogue, _ = take_in(biigle.read(biigle.fake(tmp_path, 1), Options()))
    told = export(catalogue, tmp_path)
    assert len(told) == 21
    assert told[0] == [
        "Name", "Latitude", "Longitude", "Depth", "Row", "Column", "Label code", "Annotator",
        "Date annotated",
    ]  # fmt: skip
    assert told[1][0] == "DSC_01000.jpg"
    squidle = find_format("squidle")  # fractions alone: no pixel is known
    without, _ = take_in(squidle.read(squidle.fake(tmp_path, 1), Options()))
    assert export(without, tmp_path) == [["Name", "Row", "Column", "Label code"]]


def test_a_table_without_points_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "Name,Row,Label", "a.jpg,1,A")
    with pytest.raises(FormatError, match="has no column Column, which CSV of CoralNet has"):
        read_path(path, format="coralnet")
    chosen = find_format("coralnet")
    assert chosen.sniff(path) == 0
    assert chosen.lacks
    assert chosen.lacks(path) == "has no column Column"
