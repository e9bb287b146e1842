"""CVAT: shapes come in as regions, what is wrong is set aside, and all goes out again."""

from __future__ import annotations

import json
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, MerianError
from merian.formats import Options, find_format, read_path, sniff, write_path
from merian.formats.cvat_shapes import drawn, mask_attributes
from merian.formats.cvat_xml import Shape
from merian.formats.outlines import outline_mask, read_rings

Take = Callable[[Reading], tuple[Catalogue, Summary]]
NAMED = Options(extra={"dataset": "d"})


def written(path: Path, shapes: str, more: str = "") -> Path:
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<meta><task><name>t</name>'
        "<owner><username>anna</username><email>a@b.c</email></owner></task></meta>\n"
        f'<image id="3" name="a.jpg" subset="Train" width="100" height="80">\n{shapes}\n</image>\n'
        f"{more}</annotations>\n",
        encoding="utf-8",
    )
    return path


def regions(catalogue: Catalogue) -> list[tuple[Any, ...]]:
    return catalogue.query(
        "SELECT xFrac, yFrac, widthFrac, heightFrac, regionOutline FROM media "
        "WHERE derivedFromMediaID IS NOT NULL ORDER BY mediaID"
    ).fetch()


def said(catalogue: Catalogue) -> list[tuple[Any, ...]]:
    return catalogue.query(
        "SELECT measurementType, measurementValue FROM measurement ORDER BY ALL"
    ).fetch()


def test_a_box_is_a_region_an_occurrence_and_a_label(tmp_path: Path, take_in: Take) -> None:
    shape = (
        '<box label="Carabus" source="manual" occluded="1" xtl="10.50" ytl="20.00" xbr="40.60" '
        'ybr="60.00" z_order="0" group_id="7"><attribute name="sex">female\n&amp; old</attribute>'
        "</box>"
    )
    catalogue, summary = take_in(read_path(written(tmp_path / "a.xml", shape), NAMED))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert catalogue.query(
        "SELECT mediaID, accessURI, pixelXDimension, pixelYDimension FROM media "
        "WHERE derivedFromMediaID IS NULL"
    ).fetch() == [("d/image/3", (tmp_path / "a.jpg").as_posix(), 100, 80)]
    assert regions(catalogue) == [(0.105, 0.25, 0.301, 0.5, None)]
    assert catalogue.query(
        "SELECT occurrenceID, verbatimIdentification, agentType, datasetName, split "
        "FROM determination JOIN occurrence USING (occurrenceID)"
    ).fetch() == [("d/image/3/shape/1", "Carabus", "human", "t", "train")]
    assert said(catalogue) == [("group_id", "7"), ("occluded", "1"), ("sex", "female\n& old")]
    dump = json.dumps(catalogue.query("SELECT * FROM occurrence").fetch())
    assert "anna" not in dump


def test_who_drew_it_is_told(tmp_path: Path, take_in: Take) -> None:
    box = '<box label="x" source="{}" xtl="1" ytl="1" xbr="2" ybr="2" score="0.75"/>'
    shapes = "\n".join(box.format(source) for source in ("auto", "semi-auto", "manual"))
    catalogue, _ = take_in(read_path(written(tmp_path / "a.xml", shapes), NAMED))
    assert catalogue.query(
        "SELECT agentType, probability, identificationRemarks FROM determination "
        "ORDER BY occurrenceID"
    ).fetch() == [
        ("machine", 0.75, None), ("human", None, "source semi-auto"), ("human", None, None)
    ]  # fmt: skip


SHAPES = {  # element -> fractions in pixels of 100 x 80, outline, measurement that is kept
    "<polygon points='1.50,2.00;3,2;3,9'/>": (
        (1.5, 2, 1.5, 7), "POLYGON ((1.5 2, 3 2, 3 9, 1.5 2))", None),
    "<polyline points='1,2;3,2'/>": ((1, 2, 2, 0), "LINESTRING (1 2, 3 2)", None),
    "<points points='1,2'/>": ((1, 2, 0, 0), "POINT (1 2)", None),
    "<points points='1,2;5,4'/>": ((1, 2, 4, 2), "MULTIPOINT (1 2, 5 4)", None),
    "<tag/>": ((0, 0, 100, 80), None, None),
    "<box xtl='0' ytl='0' xbr='100' ybr='80'/>": (
        (0, 0, 100, 80), "POLYGON ((0.0 0.0, 100.0 0.0, 100.0 80.0, 0.0 80.0, 0.0 0.0))",
        '{"xtl": "0", "ytl": "0", "xbr": "100", "ybr": "80"}'),
    "<box xtl='10' ytl='10' xbr='30' ybr='20' rotation='90'/>": (
        (15, 5, 10, 20), "POLYGON ((25.0 5.0, 25.0 25.0, 15.0 25.0, 15.0 5.0, 25.0 5.0))",
        '{"xtl": "10", "ytl": "10", "xbr": "30", "ybr": "20", "rotation": "90"}'),
    "<mask rle='1, 2, 3' left='8' top='9' width='3' height='2'/>": (
        (9, 9, 2, 1), "RLE(80 100 729 1 79 1 7190)", None),
    "<skeleton><points label='head' points='4,5'/><points label='tail' points='8,9'/></skeleton>": (
        (4, 5, 4, 4), "MULTIPOINT (4 5, 8 9)",
        '[{"label": "head", "points": "4,5"}, {"label": "tail", "points": "8,9"}]'),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_a_region(tmp_path: Path, shape: str) -> None:
    (x, y, w, h), outline, kept = SHAPES[shape]
    reading = read_path(written(tmp_path / "a.xml", shape), NAMED)
    _, record, facts = (list(source.chunks) for source in reading.sources)  # type: ignore[union-attr]
    (row,) = record
    assert [row[t][0] for t in ("xFrac", "yFrac", "widthFrac", "heightFrac")] == pytest.approx(
        [x / 100, y / 80, w / 100, h / 80]
    )
    assert row.get("regionOutline", [None]) == [outline]
    kind = re.match(r"<(\w+)", shape)[1]  # type: ignore[index]
    assert [c["measurementValue"][0] for c in facts if c["measurementType"] == [kind]] == (
        [kept] if kept else []
    )


def test_an_ellipse_is_drawn_around_its_middle() -> None:
    shape = Shape(1, "ellipse", {"cx": "50", "cy": "40", "rx": "20", "ry": "10", "rotation": "90"})
    where = drawn(shape, 100, 80)
    assert where.fractions == pytest.approx((0.4, 0.25, 0.2, 0.5))
    (ring,) = read_rings(where.outline or "")
    assert len(ring) == 72
    assert json.loads(where.kept or "")["rotation"] == "90"


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("<box xtl='5' ytl='5' xbr='4' ybr='6'/>", "a box from 5, 5 to 4, 6"),
        ("<box xtl='5' ytl='5' xbr='x' ybr='6'/>",
         "xbr is 'x'; a number of pixels is expected"),
        ("<box xtl='5' ytl='5' xbr='1e999' ybr='6'/>",
         "xbr is '1e999'; a number of pixels is expected"),
        ("<polygon points='1,2;3'/>", "'3' is no point; x,y is expected"),
        ("<polygon points='1,2;3,4'/>", "an outline of 2 points: 3 at least are expected"),
        ("<polyline points=''/>", "'' is no point; x,y is expected"),
        ("<ellipse cx='1' cy='1' rx='0' ry='2'/>", "an ellipse with the radii 0 and 2"),
        ("<skeleton/>", "a skeleton without points"),
        ("<mask rle='1,2' left='99' top='0' width='3' height='1'/>",
         "a mask of 3 x 1 pixels at 99, 0 on a picture of 100 x 80"),
        ("<mask rle='1,9' left='0' top='0' width='3' height='1'/>",
         "a mask whose runs have 10 pixels and not 1 x 3"),
        ("<mask rle='1,-9' left='0' top='0' width='3' height='1'/>",
         "a mask with a run that is no length"),
        ("<mask rle='1' left='0' top='0' width='999999999999' height='1'/>",
         "width is '999999999999'; a whole number of pixels is expected"),
    ],
)  # fmt: skip
def test_a_shape_that_cannot_be_is_told_with_its_line(
    tmp_path: Path, take_in: Take, shape: str, reason: str
) -> None:
    catalogue, summary = take_in(read_path(written(tmp_path / "a.xml", shape), NAMED))
    assert catalogue.query("SELECT line, term, reason FROM rejects").fetch() == [
        (5, "regionOutline", reason)
    ]
    assert summary.added["occurrence"] == 1


def test_pictures_that_come_twice_and_tracks(tmp_path: Path, take_in: Take) -> None:
    more = (
        '<image id="3" name="b.jpg" width="5" height="5"><tag label="x"/></image>\n'
        '<image id="4" name="c.jpg" width="x" height="5"/>\n'
        '<track id="0" label="y"><box frame="0" xtl="1" ytl="1" xbr="2" ybr="2"/></track>\n'
    )
    reading = read_path(written(tmp_path / "a.xml", "", more), NAMED)
    assert "1 shapes on frames of a video are not read" in reading.notes
    catalogue, _ = take_in(reading)
    assert catalogue.query("SELECT line, reason FROM rejects ORDER BY ALL").fetch() == [
        (7, "a shape on b.jpg, which was set aside"),
        (7, "the picture d/image/3 was seen before in this file"),
        (8, "no width and height of a picture"),
    ]
    assert catalogue.query("SELECT count(*) FROM media").value() == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<annotations><image", "a.xml:1: is no well-formed XML"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><annotations/>", "declares a document type or entities"),
        ("<archive/>", "its root is <archive>; CVAT's is <annotations>"),
        ("<annotations/>", "has no pictures; export it"),
        ("<annotations><track><box/></track></annotations>", "only 1 shapes on frames of a video"),
        ("<annotations>" + "<x>" * 50, "is nested too deeply"),
        ('<?xml version="1.0" encoding="klingon"?><annotations/>', "encoding"),
        ("<annotations><meta>" + "x" * (1 << 21), "more than a million characters"),
    ],
)
def test_what_is_no_cvat_says_so(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        read_path(path, format="cvat")
    assert told in str(caught.value)


def test_the_zip_that_cvat_exports_is_read_where_it_lies(tmp_path: Path, take_in: Take) -> None:
    Image.new("L", (100, 80)).save(tmp_path / "a.png")
    inside = written(tmp_path / "annotations.xml", "<tag label='x'/>")
    inside.write_text(inside.read_text().replace("a.jpg", "a.png"))
    path = tmp_path / "task.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(inside, "annotations.xml")
        packed.write(tmp_path / "a.png", "images/a.png")
    assert sniff(path).name == "cvat"
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query("SELECT accessURI FROM media WHERE accessURI IS NOT NULL").value() == (
        f"{path}!/images/a.png"
    )


def test_mutated_files_never_break_the_reader(tmp_path: Path) -> None:
    """Bytes are flipped, cut and doubled; what comes out are rows, rejects or our errors."""
    whole = find_format("cvat").fake(tmp_path, 3).read_bytes()
    chance = random.Random(4)
    path = tmp_path / "mutant.xml"
    seen = 0
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            digits = [i for i in range(at, len(data)) if chr(data[i]).isdigit()]
            kind = chance.randrange(5)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + 30]
            elif kind > 1 and digits:
                data[digits[0] : digits[0] + 1] = chance.choice(
                    (b"99999999999999999999", b"-1", b"", b"nan", b"1e400", b"0")
                )
        path.write_bytes(data)
        find_format("cvat").sniff(path)
        try:
            for source in read_path(path, NAMED, "cvat").sources:
                seen += sum(1 for _ in source.chunks)  # type: ignore[union-attr]
        except MerianError:
            continue
    assert seen > 200


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3),
    st.integers(0, 3), st.integers(0, 3), st.integers(1, 2**81 - 1),
)  # fmt: skip
def test_masks_are_those_of_pycocotools(
    high: int, wide: int, left: int, top: int, right: int, below: int, bits: int
) -> None:
    inside = np.array([bits >> at & 1 for at in range(high * wide)], np.uint8).reshape(high, wide)
    flat = inside.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    runs = ([0] if flat[0] else []) + np.diff(edges).tolist()
    numbers = {"left": left, "top": top, "width": wide, "height": high,
               "rle": ", ".join(map(str, runs))}  # fmt: skip
    shape = Shape(1, "mask", {key: str(value) for key, value in numbers.items()})
    height, width = high + top + below, wide + left + right
    mask = outline_mask(drawn(shape, width, height).outline or "")
    whole = np.zeros((height, width), np.uint8)
    whole[top : top + high, left : left + wide] = inside
    if not inside.any():
        assert mask.area == 0
        return
    packed = coco_mask.encode(np.asfortranarray(whole))
    runs = mask.run_lengths().tolist()
    assert coco_mask.frPyObjects({"size": [height, width], "counts": runs}, height, width) == packed
    again = drawn(Shape(1, "mask", mask_attributes(mask)), width, height)
    assert again.outline == drawn(shape, width, height).outline


def test_a_catalogue_goes_out_as_it_came_in(
    tmp_path: Path, take_in: Take, tables: Callable[[Catalogue], Any]
) -> None:
    fake = find_format("cvat").fake(tmp_path, 5)
    text = fake.read_text()
    text, found = re.subn(r' *<image id="1" name="c(.*\n)*? *</image>\n', "", text)
    assert found == 1
    fake.write_text(text)
    first, before = take_in(read_path(fake))
    assert before.rows_rejected == before.values_rejected == 0
    out = tmp_path / "out.xml"
    assert write_path(first, out, "cvat") == 11
    second, summary = take_in(read_path(out))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert tables(second) == tables(first)
    again = tmp_path / "again.xml"
    write_path(second, again, "cvat")
    assert again.read_bytes() == out.read_bytes()


def test_boxes_and_points_come_out_as_they_came_in(tmp_path: Path, take_in: Take) -> None:
    shapes = [
        '<box label="x &lt; &quot;y&quot;" xtl="2051.88" ytl="1881.84" xbr="2417.17" '
        'ybr="2473.22"><attribute name="n o">a\tb\r\n&lt;c&gt;</attribute></box>',
        '<polygon label="" points="1.25,2;3,2;3,9.75"/>',
        '<ellipse label="e" cx="392.23" cy="322.84" rx="205.06" ry="202.84" rotation="3"/>',
        '<skeleton label="s"><points label="h" points="4,5" outside="0"/></skeleton>',
    ]
    path = written(tmp_path / "a.xml", "\n".join(shapes))
    path.write_text(path.read_text().replace('"100" height="80"', '"5568" height="3712"'))
    catalogue, _ = take_in(read_path(path, NAMED))
    write_path(catalogue, tmp_path / "out.xml", "cvat")
    given, made = (
        list(ElementTree.parse(p).getroot().find("image") or ())
        for p in (path, tmp_path / "out.xml")
    )
    assert [one.tag for one in made] == [one.tag for one in given]
    for one, other in zip(given, made, strict=True):
        for key in ("label", "points", "cx", "cy", "rx", "ry", "rotation"):
            assert other.get(key) == one.get(key)
        for key in ("xtl", "ytl", "xbr", "ybr"):
            assert float(other.get(key, 0)) == float(one.get(key, 0))
        assert [(c.tag, c.text, c.get("name"), c.get("points")) for c in other] == [
            (c.tag, c.text if c.tag == "attribute" else "\n      ", c.get("name"), c.get("points"))
            for c in one
        ]


def test_coco_goes_out_as_cvat_and_back(tmp_path: Path, take_in: Take) -> None:
    first, _ = take_in(read_path(find_format("coco").fake(tmp_path, 1)))
    write_path(first, tmp_path / "out.xml", "cvat")
    second, summary = take_in(read_path(tmp_path / "out.xml"))
    assert summary.rows_rejected == summary.values_rejected == 0
    seen = "SELECT mediaID, occurrenceID, replace(regionOutline, '.0 ', ' ') FROM media ORDER BY 1"
    assert second.query(seen).fetch() == first.query(seen).fetch()
    names = "SELECT occurrenceID, verbatimIdentification FROM determination ORDER BY 1"
    assert second.query(names).fetch() == first.query(names).fetch()


def test_the_neon_beetles_are_read(shared: Path, take_in: Take, tmp_path: Path) -> None:
    path = shared / "traits" / "neon2018_cvat" / "2018_neon_beetles_bbox.xml"
    reading = read_path(path)
    assert reading.format == "cvat"
    assert reading.notes[0] == "pictures: 577, shapes: 11655 box"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert summary.added["occurrence"] == 11655
    assert summary.added["media"] == 577 + 11655
    (sides,) = catalogue.query(
        "SELECT median(greatest(widthFrac * 5568, heightFrac * 3712)) FROM media"
    ).fetch()
    assert 450 < sides[0] < 470  # SOURCE.txt: median 460 px
    write_path(catalogue, tmp_path / "out.xml", "cvat")
    boxes = [
        {
            (image.get("name", "").rsplit("/", 1)[-1],
             *(float(box.get(key, "x")) for key in ("xtl", "ytl", "xbr", "ybr")))
            for image in ElementTree.parse(p).getroot().iter("image")
            for box in image.iter("box")
        }
        for p in (path, tmp_path / "out.xml")
    ]  # fmt: skip
    assert boxes[0] == boxes[1]
