"""SQUIDLE+: points and polygons on pictures, lineages of any depth."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

HEADER = "id,label.id,label.name,label.lineage_names,point.id,point.media.id,point.media.path_best"
HEADER += ",point.x,point.y,point.polygon,likelihood,needs_review"
FIRST = "1,7,Brown,Biota > Brown,11,5,https://example.org/a/b.jpg"


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "annotations.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def rejects(catalogue: Catalogue) -> list[tuple[object, ...]]:
    return catalogue.query(
        "SELECT line, scope, term, reason FROM rejects ORDER BY line, term"
    ).fetch()


def test_a_point_is_a_region_without_size(tmp_path: Path, take_in: Take) -> None:
    catalogue, summary = take_in(
        read_path(written(tmp_path, f"{FIRST},0.25,0.5,,1.0,False", "2,8,Red,Biota > Red,12,5,"
                  "https://example.org/a/b.jpg,1.0,0,,0.8,True"))
    )  # fmt: skip
    assert summary.added == {"event": 1, "occurrence": 2, "media": 3, "identification": 2}
    assert catalogue.query(
        "SELECT mediaID, derivedFromMediaID, accessURI, xFrac, yFrac, widthFrac, heightFrac, "
        "regionOutline FROM media ORDER BY ALL"
    ).fetch() == [
        ("squidle:media:5", None, "https://example.org/a/b.jpg", None, None, None, None, None),
        ("squidle:point:11", "squidle:media:5", None, 0.25, 0.5, 0, 0, None),
        ("squidle:point:12", "squidle:media:5", None, 1, 0, 0, 0, None),
    ]
    assert catalogue.query(
        "SELECT identificationID, verbatimIdentification, taxonConceptID, probability, "
        "identificationVerificationStatus FROM identification ORDER BY ALL"
    ).fetch() == [
        ("squidle:annotation:1", "Biota > Brown", "squidle:label:7", 1, None),
        ("squidle:annotation:2", "Biota > Red", "squidle:label:8", 0.8, "needs review"),
    ]


def test_outlines_are_in_pixels_where_the_pictures_lie(tmp_path: Path, take_in: Take) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (400, 200), (3, 70, 90)).save(images / "b.jpg")
    box = '"[[-0.3, 0.1], [-0.3, -0.1], [0.1, -0.1], [0.1, 0.1]]"'
    path = written(tmp_path, f"{FIRST},0.25,0.5,,,", f"2{FIRST[1:].replace('11', '12')},0.25,0.5,"
                   f"{box},,")  # fmt: skip
    catalogue, summary = take_in(read_path(path, Options(images=images)))
    assert summary.values_rejected == 0
    found = catalogue.query(
        "SELECT pixelXDimension, pixelYDimension, regionOutline, xFrac, "
        "round(widthFrac, 6), round(heightFrac, 6) FROM media ORDER BY mediaID"
    ).fetch()
    assert found == [
        (400, 200, None, None, None, None),
        (None, None, "POINT (100 100)", 0.25, 0, 0),
        # It sticks out on the left: clipped as a region, and kept in the outline.
        (None, None, "POLYGON ((-20 120, -20 80, 140 80, 140 120, -20 120))", 0, 0.35, 0.2),
    ]
    assert catalogue.query("SELECT accessURI FROM media WHERE accessURI IS NOT NULL").value() == (
        (images / "b.jpg").as_posix()
    )


def test_a_picture_that_cannot_be_read_is_told_and_its_points_stay(
    tmp_path: Path, take_in: Take
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "b.jpg").write_bytes(b"no picture")
    path = written(tmp_path, f"{FIRST},0.25,0.5,,,")
    catalogue, summary = take_in(read_path(path, Options(images=tmp_path / "images")))
    assert summary.added["media"] == 2
    ((line, scope, term, reason),) = rejects(catalogue)
    assert (line, scope, term) == (None, "value", "pixelXDimension")
    assert "size of the picture cannot be read" in str(reason)


def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, take_in: Take) -> None:
    ends = (
        "0.5,0.5,,,",
        "1.2,0.5,,,",
        "left,0.5,,,",
        '0.2,0.5,"[[1, 2], [3]]",,',
        '0.2,0.5,"[[1e999, 2], [3, 4], [5, 6]]",,',
        "0.2,0.5,,1.5,",
        '0.2,0.5,"[[1, 2], [3',  # the quote is left open, and costs no other line
        "0.5,0.5,,,,,",
        "0.5,0.75,,,",
    )
    lines = [f"{n}{FIRST[1:].replace('11', str(10 + n))},{end}" for n, end in enumerate(ends)]
    catalogue, _ = take_in(read_path(written(tmp_path, *lines)))
    nowhere = "no place in the picture: two numbers from 0 to 1 expected"
    no_polygon = "not a polygon: a list of pairs of numbers expected"
    assert rejects(catalogue) == [
        (3, "value", "xFrac", nowhere),
        (4, "value", "xFrac", nowhere),
        (5, "value", "regionOutline", no_polygon),
        (6, "value", "regionOutline", no_polygon),
        (7, "value", "probability", "out of range, expected at least 0 and at most 1"),
        (8, "row", None, "a quote opens here and is not closed"),
        (9, "row", None, "found 14 fields, expected 12"),
    ]
    # Those without a place are regions all the same, of which no more is known.
    assert catalogue.query(
        "SELECT occurrenceID[15:], xFrac FROM media WHERE occurrenceID IS NOT NULL ORDER BY 1"
    ).fetch() == [("10", 0.5), ("11", None), ("12", None), ("13", 0.2), ("14", 0.2), ("15", 0.2),
                  ("18", 0.5)]  # fmt: skip


def test_a_translated_label_is_a_machines(tmp_path: Path, take_in: Take) -> None:
    header = (
        HEADER + ",label.translated.name,label.translated.translation_info,point.pose.data.temp"
    )
    header += ",point.t,point.media.deployment.key,point.media.deployment.campaign.key"
    path = written(tmp_path, f"{FIRST},0.25,0.5,,,,Ochrophyta,worms,12.5,3,d1,c1", header=header)
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(
        "SELECT agentType, verbatimIdentification, identificationReferences FROM identification "
        "ORDER BY ALL"
    ).fetch() == [
        ("human", "Biota > Brown", None), ("machine", "Ochrophyta", "translated: worms")
    ]  # fmt: skip
    assert catalogue.query("SELECT verbatimIdentification FROM determination").value() == (
        "Biota > Brown"
    )
    assert catalogue.query("SELECT eventID, parentEventID FROM event ORDER BY ALL").fetch() == [
        ("squidle:campaign:c1", None),
        ("squidle:deployment:c1/d1", "squidle:campaign:c1"),
        ("squidle:media:5", "squidle:deployment:c1/d1"),
    ]
    assert catalogue.query(
        "SELECT coalesce(eventID, occurrenceID), measurementType, measurementValue, "
        "measurementUnit FROM measurement ORDER BY ALL"
    ).fetch() == [
        ("squidle:media:5", "point.pose.data.temp", "12.5", None),
        ("squidle:point:11", "point.t", "3", "s"),
    ]


def test_points_without_ids_are_called_by_their_place(tmp_path: Path, take_in: Take) -> None:
    header = "label.name,point.media.key,point.x,point.y"
    catalogue, summary = take_in(
        read_path(written(tmp_path, "Brown,a,0.5,0.25", "Red,a,0.5,0.75", header=header))
    )
    assert summary.added["media"] == 3
    assert catalogue.query("SELECT occurrenceID FROM occurrence ORDER BY 1").fetch() == [
        ("squidle:media:a:0.5,0.25",), ("squidle:media:a:0.5,0.75",)
    ]  # fmt: skip
    assert rejects(catalogue) == []


def test_an_object_in_point_data_is_read(tmp_path: Path, take_in: Take) -> None:
    header = HEADER.replace("point.polygon", "point.data")
    corners = "[[-0.1, 0.1], [-0.1, -0.1], [0.1, -0.1]]"
    path = written(
        tmp_path,
        f"{FIRST},0.5,0.5,\"{{'polygon': {corners}, 'is_box': False}}\",,",
        f"2{FIRST[1:].replace('11', '12')},0.5,0.5,{{}},,",
        header=header,
    )
    catalogue, _ = take_in(read_path(path))
    assert rejects(catalogue) == []
    assert catalogue.query(
        "SELECT round(widthFrac, 6) FROM media WHERE widthFrac IS NOT NULL ORDER BY mediaID"
    ).fetch() == [(0.2,), (0,)]


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("point.x,label.name\n1,2\n")
    with pytest.raises(FormatError, match=r"has no column point\.y, which exports of SQUIDLE"):
        read_path(path, format="squidle")
    chosen = find_format("squidle")
    assert chosen.sniff(path) == 0
    path.write_text("point.x,label.name,point.id,point.media.key\n1,2,3,4\n")
    assert chosen.lacks
    assert chosen.lacks(path) == "has no columns point.media.path_best, point.y"


def test_the_real_export_of_lanterns(shared: Path, take_in: Take) -> None:
    path = shared / "benthic" / "squidle_lanterns" / "annotations_lanterns_shallow_2012.csv"
    reading = read_path(path)
    assert reading.format == "squidle"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert summary.added == {
        "event": 302, "occurrence": 1500, "media": 1800, "identification": 1500,
        "measurement": 300,
    }  # fmt: skip
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    told = sorted((r["point.id"], r["label.lineage_names"], float(r["point.x"])) for r in rows)
    found = catalogue.query(
        "SELECT o.occurrenceID[15:], verbatimIdentification, xFrac FROM occurrence o "
        "JOIN identification i USING (occurrenceID) JOIN media m USING (occurrenceID)"
    ).fetch()
    assert sorted(found) == told
    kelp = "SELECT count(*) FROM determination WHERE scientificName = 'Ecklonia radiata'"
    assert catalogue.query(kelp).value() == 390
    deep = "SELECT min(minimumDepthInMeters), max(maximumDepthInMeters) FROM event"
    dep = [float(r["point.pose.dep"]) for r in rows]
    assert catalogue.query(deep).fetch() == [(min(dep), max(dep))]


def test_regions_are_read_anew_each_time(tmp_path: Path) -> None:
    reading = read_path(find_format("squidle").fake(tmp_path, 1))
    media = next(s for s in reading.sources if isinstance(s, Rows))

    def count() -> int:
        return sum(len(c["line"]) for c in media.chunks if not isinstance(c, Reject))

    assert count() == count() == 36
