"""iFDO: sets of pictures, what the header says for all, annotations of every shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

HEADER = {
    "image-set-name": "S", "image-set-uuid": "u0", "image-latitude": 1.5, "image-longitude": 2,
    "image-altitude-meters": 7, "image-license": {"name": "CC-BY"},
    "image-creators": [{"name": "A"}],
    "image-annotation-labels": [{"id": "L", "name": "Animalia > Porifera"}],
    "image-annotation-creators": [{"id": "P", "name": "Net", "type": "AI"}],
}  # fmt: skip


def written(folder: Path, items: object, header: object = HEADER) -> Path:
    path = folder / "set.json"
    path.write_text(json.dumps({"image-set-header": header, "image-set-items": items}))
    return path


def annotation(shape: object, coordinates: object, **more: object) -> dict[str, object]:
    label = {"label": "L", "annotator": "P", "confidence": 0.25}
    return {"shape": shape, "coordinates": coordinates, "labels": [label], **more}


def test_pictures_inherit_from_the_header(tmp_path: Path, take_in: Take) -> None:
    items = {
        "a.jpg": {"image-uuid": "u1", "image-altitude-meters": -40.5, "image-latitude": 3,
                  "image-pixel-per-millimeter": 2, "image-entropy": 0.5,
                  "image-handle": "https://e.org/a"},
        "b.jpg": [{"image-datetime": "2019-03-04 08:37:24.000000"}],
        "c.jpg": "nothing", "\ud800.jpg": {},
    }  # fmt: skip
    reading = read_path(written(tmp_path, items))
    assert reading.format == "ifdo"
    catalogue, _ = take_in(reading)
    assert catalogue.query(
        "SELECT eventID, parentEventID, eventDate, decimalLatitude, minimumDepthInMeters, "
        "maximumElevationInMeters FROM event ORDER BY ALL"
    ).fetch() == [
        ("ifdo:u0", None, None, None, None, None),
        ("ifdo:u0:?.jpg", "ifdo:u0", None, 1.5, None, 7),
        ("ifdo:u0:b.jpg", "ifdo:u0", "2019-03-04T08:37:24.000000", 1.5, None, 7),
        ("ifdo:u1", "ifdo:u0", None, 3, 40.5, None),
    ]
    assert catalogue.query(
        "SELECT accessURI, license, pixelsPerMillimetre FROM media WHERE mediaID = 'ifdo:u1'"
    ).fetch() == [("https://e.org/a", "CC-BY", 2)]
    assert catalogue.query(
        "SELECT eventID, measurementType, measurementValue FROM measurement ORDER BY ALL"
    ).fetch() == [
        ("ifdo:u0", "image-creators", '[{"name": "A"}]'), ("ifdo:u1", "image-entropy", "0.5")
    ]  # fmt: skip
    assert catalogue.query("SELECT line, scope, reason FROM rejects").fetch() == [
        (3, "row", "a picture without an object that tells of it")
    ]


def test_annotations_are_regions_with_labels(tmp_path: Path, take_in: Take) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    told = [
        annotation("single-pixel", [[50, 50]]),
        annotation("rectangle", [[0, 0, 100, 0, 100, 50, 0, 50]]),
        annotation("circle", [100, 50, 20]),
        annotation("whole-image", []),
        annotation("polygon", [[1, 2]]),
        annotation("polygon", [[1, 2, "x", 4, 5, 6]]),
        annotation("blob", [[1, 2]]),
        annotation("single-pixel", [[1, 2]], frames=[1, 2]),
    ]
    path = written(tmp_path, {"a.jpg": {"image-uuid": "u1", "image-annotations": told}})
    catalogue, summary = take_in(read_path(path, Options(images=tmp_path)))
    assert summary.added["identification"] == summary.added["occurrence"] == 7
    found = catalogue.query(
        "SELECT xFrac, yFrac, widthFrac, heightFrac, left(regionOutline, 14), mediaRemarks "
        "FROM media WHERE xFrac IS NOT NULL ORDER BY mediaID"
    ).fetch()
    assert found == [
        (0.25, 0.5, 0, 0, "POINT (50 50)", None),
        (0, 0, 0.5, 0.5, "POLYGON ((0 0,", None),
        (0.4, 0.3, pytest.approx(0.2), pytest.approx(0.4), "POLYGON ((120 ",
         "circle [100.0, 50.0, 20.0]"),
        (0, 0, 1, 1, None, None),
    ]  # fmt: skip
    assert catalogue.query(
        "SELECT DISTINCT verbatimIdentification, taxonConceptID, identifiedBy, agentType, "
        "probability FROM identification"
    ).fetch() == [("Animalia > Porifera", "L", "Net", "machine", 0.25)]
    shape = "not the coordinates of a shape of iFDO: "
    assert catalogue.query("SELECT line, scope, reason FROM rejects ORDER BY ALL").fetch() == [
        (1, "row", "annotation 8 of a.jpg is of a video, or no object"),
        (1, "value", shape + "blob"),
        (1, "value", shape + "polygon"),
        (1, "value", shape + "polygon"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"image-set-items": {"a": 1,}', "is no JSON"),
        ('{"image-set-items": []}', "has no object image-set-items"),
        ('{"image-set-header": 5, "image-set-items": {}}', "has no object image-set-items"),
        ("[1]", "is no JSON object"),
        ('{"image-set-items": ' + "[" * 100_000, "is no JSON"),
        ('{"image-set-items": ' + "9" * 10_000 + "}", "is no JSON that can be read"),
    ],
)
def test_what_is_no_ifdo_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=reason):
        read_path(path, format="ifdo")


def test_yaml_is_told(tmp_path: Path) -> None:
    path = tmp_path / "set.yaml"
    path.write_text("image-set-header:\n  image-set-name: S\n")
    chosen = find_format("ifdo")
    assert chosen.lacks
    assert (chosen.sniff(path), chosen.lacks(path)) == (0, "is YAML; save it as JSON")


def test_values_nested_deeply_do_no_harm(tmp_path: Path, take_in: Take) -> None:
    deep = "[" * 900 + "]" * 900
    path = tmp_path / "set.json"
    drawn = f'"image-annotations": [{{"shape": "circle", "coordinates": {deep}}}]'
    items = f'{{"a": {{"y": {deep}, {drawn}}}}}'
    path.write_text(f'{{"image-set-header": {{"x": {deep}}}, "image-set-items": {items}}}')
    catalogue, summary = take_in(read_path(path))
    assert summary.added["measurement"] == 2
    assert catalogue.query("SELECT count(*) FROM rejects").value() == 1
