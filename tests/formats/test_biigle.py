"""BIIGLE: shapes of all kinds, labels of several users, reports in a zip."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

HEADER = (
    "annotation_label_id,label_id,label_name,label_hierarchy,user_id,firstname,lastname,image_id,"
    "filename,image_longitude,image_latitude,shape_id,shape_name,points,attributes,annotation_id,"
    "created_at"
)
SIZE = '"{""width"":200,""height"":100}"'


def line(
    number: int, shape: str, points: str, attributes: str = SIZE, annotation: int | str = ""
) -> str:
    return (
        f"{number},7,Buskiella sp,Animalia > Annelida > Buskiella sp,3,Maria,Müller,70,a.jpg,78.5,"
        f'-12.25,1,{shape},"{points}",{attributes},{annotation or number},2025-07-01 09:15:30'
    )


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "12-volume.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def rejects(catalogue: Catalogue) -> list[tuple[object, ...]]:
    return catalogue.query("SELECT line, scope, term, reason FROM rejects ORDER BY ALL").fetch()


def test_every_shape_is_a_region_with_an_outline(tmp_path: Path, take_in: Take) -> None:
    shapes = (
        ("Point", "[50,25.5]", "POINT (50 25.5)", (0.25, 0.255, 0, 0)),
        ("LineString", "[0,0,100,50]", "LINESTRING (0 0, 100 50)", (0, 0, 0.5, 0.5)),
        ("Polygon", "[0,0,100,0,100,50]", "POLYGON ((0 0, 100 0, 100 50, 0 0))", (0, 0, 0.5, 0.5)),
        ("Rectangle", "[-20,10,100,10,100,120,-20,120]",
         "POLYGON ((-20 10, 100 10, 100 120, -20 120, -20 10))", (0, 0.1, 0.5, 0.9)),
        ("Circle", "[100,50,20]", None, (0.4, 0.3, 0.2, 0.4)),
        ("Ellipse", "[60,50,140,50,100,30,100,70]", None, (0.3, 0.3, 0.4, 0.4)),
    )  # fmt: skip
    lines = [line(n, shape, points) for n, (shape, points, *_) in enumerate(shapes)]
    catalogue, _ = take_in(read_path(written(tmp_path, *lines)))
    assert rejects(catalogue) == []
    found = catalogue.query(
        "SELECT regionOutline, xFrac, yFrac, widthFrac, heightFrac, mediaRemarks FROM media "
        "WHERE derivedFromMediaID = 'biigle:image:70' ORDER BY mediaID"
    ).fetch()
    for (shape, points, drawn, box), (told, *fractions, remarks) in zip(shapes, found, strict=True):
        assert fractions == pytest.approx(box, abs=1e-9)
        assert drawn is None or told == drawn
        assert remarks == (f"{shape} {points}" if drawn is None else None)
    corners = [tuple(map(float, pair.split())) for pair in found[4][0][10:-2].split(", ")]
    assert all(math.dist(corner, (100, 50)) == pytest.approx(20, abs=0.01) for corner in corners)
    assert corners[0] == corners[-1]


def test_labels_of_several_users_are_all_kept(tmp_path: Path, take_in: Take) -> None:
    first = line(1, "Point", "[5,5]", annotation=9)
    second = line(2, "Point", "[5,5]", annotation=9).replace("Maria,Müller", ",").replace(
        "Animalia > Annelida > Buskiella sp", "Animalia > Annelida"
    )  # fmt: skip
    catalogue, summary = take_in(read_path(written(tmp_path, first, second)))
    assert summary.added == {"event": 1, "occurrence": 1, "media": 2, "identification": 2}
    assert catalogue.query(
        "SELECT identificationID, verbatimIdentification, identifiedBy, taxonConceptID, "
        "dateIdentified FROM identification ORDER BY ALL"
    ).fetch() == [
        ("biigle:annotation-label:1", "Animalia > Annelida > Buskiella sp", "Maria Müller",
         "biigle:label:7", "2025-07-01T09:15:30"),
        ("biigle:annotation-label:2", "Animalia > Annelida", "user 3", "biigle:label:7",
         "2025-07-01T09:15:30"),
    ]  # fmt: skip
    assert catalogue.query("SELECT decimalLatitude, decimalLongitude FROM event").fetch() == [
        (-12.25, 78.5)
    ]


def test_attributes_tell_depth_size_and_scale(tmp_path: Path, take_in: Take) -> None:
    told = (
        '"{""width"":2000,""height"":1000,""mimetype"":""image/jpeg"",'
        '""metadata"":{""gps_altitude"":-2400.5,""yaw"":90},""laserpoints"":{""area"":2}}"'
    )
    path = written(tmp_path, line(1, "Point", "[5,5]", told), line(2, "Point", "[6,6]", '"{oops"'))
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(
        "SELECT pixelXDimension, format, pixelsPerMillimetre FROM media "
        "WHERE mediaID = 'biigle:image:70'"
    ).fetch() == [(2000, "image/jpeg", 1)]
    assert catalogue.query("SELECT minimumDepthInMeters FROM event").value() == 2400.5
    assert catalogue.query(
        "SELECT measurementType, measurementValue, measurementUnit FROM measurement ORDER BY ALL"
    ).fetch() == [
        ("laserpoints.area", "2", "m²"), ("metadata.gps_altitude", "-2400.5", "m"),
        ("metadata.yaw", "90", "degrees"),
    ]  # fmt: skip


def test_what_is_no_shape_is_told_and_the_label_stays(tmp_path: Path, take_in: Take) -> None:
    bad = (
        ("Circle", "[5,5]", "not the points of a Circle: x, y and a radius expected"),
        ("Circle", "[5,5,-1]", "not the points of a Circle: x, y and a radius expected"),
        ("Polygon", "[1,2,3,4,5]", "not the points of a Polygon: three points or more expected"),
        ("Rectangle", "[1,2,3,4]", "not the points of a Rectangle: four points expected"),
        ("Point", "[1e999,2]", "not the points of a Point: x and y expected"),
        ("Point", "hello", "not the points of a Point: x and y expected"),
        ("Spiral", "[1,2]", "a shape that is not known; there are Point, LineString, Polygon, "
         "Rectangle, Circle, Ellipse"),
    )  # fmt: skip
    lines = [line(n, shape, points) for n, (shape, points, _) in enumerate(bad, 1)]
    catalogue, summary = take_in(read_path(written(tmp_path, *lines, "1,2,3")))
    assert rejects(catalogue) == [
        *((n + 1, "value", "regionOutline", reason) for n, (*_, reason) in enumerate(bad, 1)),
        (9, "row", None, "found 3 fields, expected 17"),
    ]
    assert summary.added["identification"] == 7


def test_older_reports_and_sizes_from_pictures(tmp_path: Path, take_in: Take) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    header = HEADER.removesuffix(",annotation_id,created_at")
    lines = [
        line(n, "Point", points, "").rsplit(",", 2)[0]
        for n, points in enumerate(("[50,50]", "[50,50]", "[100,50]"))
    ]
    path = written(tmp_path, *lines, header=header)
    catalogue, summary = take_in(read_path(path, Options(images=tmp_path)))
    assert summary.added == {"event": 1, "occurrence": 2, "media": 3, "identification": 3}
    assert catalogue.query(
        "SELECT mediaID, xFrac FROM media WHERE xFrac IS NOT NULL ORDER BY ALL"
    ).fetch() == [("biigle:image:70:Point[100,50]", 0.5), ("biigle:image:70:Point[50,50]", 0.25)]


def test_labels_of_whole_pictures(tmp_path: Path, take_in: Take) -> None:
    header = (
        "image_label_id,image_id,filename,longitude,latitude,user_id,firstname,lastname,label_id,"
        "label_name,label_hierarchy,created_at"
    )
    lines = [f"{n},70,a.jpg,78.5,-12.25,3,Jo,Doe,{n},x,Ground > {name},2025-07-01 09:15:30"
             for n, name in enumerate(("Sand", "Ripples"))]  # fmt: skip
    reading = read_path(written(tmp_path, *lines, header=header))
    assert reading.format == "biigle"
    catalogue, summary = take_in(reading)
    assert summary.added == {"event": 1, "occurrence": 1, "media": 1, "identification": 2}
    assert catalogue.query("SELECT mediaID, occurrenceID, accessURI FROM media").fetch() == [
        ("biigle:image:70", "biigle:image:70", "a.jpg")
    ]


def test_reports_that_are_not_read_say_why(tmp_path: Path) -> None:
    chosen = find_format("biigle")
    video = written(tmp_path, "1", header="video_annotation_label_id,label_id,points,frames")
    with pytest.raises(FormatError, match="is a report of videos, and only those of pictures"):
        read_path(video, format="biigle")
    assert chosen.lacks
    assert chosen.lacks(video) == "is a report of videos, and only those of pictures are read"
    packed = tmp_path / "report.zip"
    with zipfile.ZipFile(packed, "w") as stream:
        stream.writestr("report.xlsx", b"no text")
    assert chosen.sniff(packed) == 0
    with pytest.raises(FormatError, match="holds no CSV; ask BIIGLE for a report of the type CSV"):
        read_path(packed, format="biigle")
    assert chosen.lacks(written(tmp_path, header=HEADER.replace(",points", ""))) == (
        "has no column points"
    )


def test_rejects_of_a_zip_name_the_table_in_it(tmp_path: Path, take_in: Take) -> None:
    packed = tmp_path / "report.zip"
    with zipfile.ZipFile(packed, "w") as stream:
        stream.writestr("a.csv", f"{HEADER}\n{line(1, 'Point', '[1]')}\n")
        stream.writestr("b.csv", f"{HEADER}\n{line(2, 'Point', '[1,2]')}\n1,2\n")
    catalogue, summary = take_in(read_path(packed))
    assert summary.added["occurrence"] == 2
    assert catalogue.query("SELECT file, line FROM rejects ORDER BY ALL").fetch() == [
        (str(packed / "a.csv"), 2), (str(packed / "b.csv"), 3)
    ]  # fmt: skip
