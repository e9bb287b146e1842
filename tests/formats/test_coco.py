"""COCO: what stands in a file comes in, what is wrong is set aside, and all goes out again."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, MerianError
from merian.formats import Options, find_format, read_path, sniff, write_path
from merian.formats.outlines import (
    OutlineError,
    clipped,
    mask_outline,
    outline_mask,
    pixel_box,
    polygon_area,
    polygon_outline,
    read_mask,
    read_rings,
)
from merian.world.biota import make_biota
from merian.world.traits import evolve_traits
from merian.world.trays import write_trays

Take = Callable[[Reading], tuple[Catalogue, Summary]]
NAMED = Options(extra={"dataset": "d"})


def coco(**more: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "annotations": [],
        "categories": [{"id": 7, "name": "Carabidae", "supercategory": "Coleoptera"}],
        **more,
    }


def note(**more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": 7, "bbox": [10, 20, 30, 40], **more}


def written(path: Path, value: object, indent: int | None = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    return path


def content(catalogue: Catalogue, tables: Callable[[Catalogue], Any]) -> Any:
    """All that a catalogue holds; the folder of pictures is the same for all files of a test."""
    return tables(catalogue)


# -- reading --------------------------------------------------------------------------------------


def test_a_box_is_a_region_an_occurrence_and_a_label(tmp_path: Path, take_in: Take) -> None:
    value = coco(annotations=[note(area=1200.5, iscrowd=1, attributes={"occluded": True})])
    value["licenses"] = [{"id": 3, "name": "CC BY 4.0", "url": "https://x.org/by"}]
    value["info"] = {"description": "traps"}
    value["images"][0] |= {"license": 3, "date_captured": "2021-06-03 10:11:12", "px_per_mm": 12.5}
    catalogue, summary = take_in(read_path(written(tmp_path / "a.json", value), NAMED))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert catalogue.query(
        "SELECT mediaID, accessURI, pixelXDimension, pixelYDimension, license, "
        "pixelsPerMillimetre FROM media WHERE derivedFromMediaID IS NULL"
    ).fetch() == [("d/image/1", (tmp_path / "a.jpg").as_posix(), 100, 80, "https://x.org/by", 12.5)]
    assert catalogue.query(
        "SELECT mediaID, occurrenceID, accessURI, xFrac, yFrac, widthFrac, heightFrac, "
        "regionOutline FROM media WHERE derivedFromMediaID = 'd/image/1'"
    ).fetch() == [("d/annotation/1", "d/annotation/1", None, 0.1, 0.25, 0.3, 0.5, None)]
    assert catalogue.query(
        "SELECT verbatimIdentification, scientificName, identificationRemarks, agentType, "
        "eventDate, datasetName FROM determination JOIN occurrence USING (occurrenceID) JOIN event "
        "USING (eventID)"
    ).fetch() == [
        ("Carabidae", "Carabidae", "supercategory Coleoptera", "human", "2021-06-03T10:11:12",
         "traps")
    ]  # fmt: skip
    assert catalogue.query(
        "SELECT measurementType, measurementValue, measurementUnit FROM measurement ORDER BY 1"
    ).fetch() == [("area", "1200.5", "px2"), ("iscrowd", "1", None), ("occluded", "true", None)]


def test_polygons_and_masks_are_outlines(tmp_path: Path, take_in: Take) -> None:
    runs = [80 * 10 + 5, 6, 74, 6, 80 * 100 - 80 * 10 - 91]
    packed = coco_mask.frPyObjects({"size": [80, 100], "counts": runs}, 80, 100)
    outlines: list[Any] = [
        [[1, 2, 3.5, 2, 3, 9]],
        [[1, 2, 3.5, 2, 3, 9], [10, 10, 20, 10, 20, 20, 10, 10]],
        [5, 5, 9, 5, 9, 9],
        {"size": [80, 100], "counts": runs},
        {"size": [80, 100], "counts": packed["counts"].decode()},
    ]
    value = coco(annotations=[note(id=n, segmentation=s) for n, s in enumerate(outlines)])
    catalogue, summary = take_in(read_path(written(tmp_path / "a.json", value), NAMED))
    assert summary.values_rejected == 0
    found = catalogue.query(
        "SELECT regionOutline FROM media WHERE derivedFromMediaID IS NOT NULL ORDER BY mediaID"
    ).fetch()
    assert [row[0] for row in found] == [
        "POLYGON ((1 2, 3.5 2, 3 9, 1 2))",
        "MULTIPOLYGON (((1 2, 3.5 2, 3 9, 1 2)), ((10 10, 20 10, 20 20, 10 10, 10 10)))",
        "POLYGON ((5 5, 9 5, 9 9, 5 5))",
        "RLE(80 100 805 6 74 6 7109)",
        f"RLE(80 100 {packed['counts'].decode()})",
    ]


def test_without_a_box_the_outline_tells_it(tmp_path: Path, take_in: Take) -> None:
    mask = np.zeros((80, 100), np.uint8)
    mask[20:40, 50:75] = 1
    packed = coco_mask.encode(np.asfortranarray(mask))
    counts = packed["counts"].decode()
    listed = [
        {"id": 1, "image_id": 1, "segmentation": {"size": [80, 100], "counts": counts}},
        {"id": 2, "image_id": 1, "segmentation": [[50, 20, 75, 20, 75, 40]]},
        {"id": 3, "image_id": 1, "category_id": 7},
    ]
    path = written(tmp_path / "a.json", coco(annotations=listed))
    catalogue, _ = take_in(read_path(path, NAMED))
    assert catalogue.query(
        "SELECT xFrac, yFrac, widthFrac, heightFrac FROM media "
        "WHERE derivedFromMediaID IS NOT NULL ORDER BY mediaID"
    ).fetch() == [(0.5, 0.25, 0.25, 0.25), (0.5, 0.25, 0.25, 0.25), (0, 0, 1, 1)]


def test_what_sticks_out_is_clipped_and_kept(tmp_path: Path, take_in: Take) -> None:
    value = coco(annotations=[note(bbox=[-5, 70, 20.25, 15])])
    catalogue, summary = take_in(read_path(written(tmp_path / "a.json", value), NAMED))
    assert summary.values_rejected == 0
    assert catalogue.query(
        "SELECT xFrac, yFrac, widthFrac, heightFrac, regionOutline FROM media "
        "WHERE derivedFromMediaID IS NOT NULL"
    ).fetch() == [(0, 0.875, 0.1525, 0.125, "POLYGON ((-5 70, 15.25 70, 15.25 85, -5 85, -5 70))")]
    assert catalogue.query("SELECT measurementValue FROM measurement").value() == (
        "[-5, 70, 20.25, 15]"
    )


def test_results_need_the_file_of_their_pictures(tmp_path: Path, take_in: Take) -> None:
    instances = written(tmp_path / "instances.json", coco(annotations=[note()]))
    results = [{"image_id": 1, "category_id": 7, "bbox": [0, 0, 50, 40], "score": 0.75}] * 2
    path = written(tmp_path / "results.json", results)
    assert sniff(path).name == "coco"
    with pytest.raises(FormatError, match=r"results.json:1: is a list of results.*instances=FILE"):
        read_path(path)
    options = Options(extra={"dataset": "d", "instances": str(instances)})
    catalogue, summary = take_in(read_path(path, options))
    assert summary.added["occurrence"] == 2
    assert catalogue.query(
        "SELECT DISTINCT verbatimIdentification, probability, agentType, derivedFromMediaID "
        "FROM determination JOIN media USING (occurrenceID)"
    ).fetch() == [("Carabidae", 0.75, "machine", "d/image/1")]


@pytest.mark.parametrize(
    ("wrong", "reason", "term"),
    [
        (note(bbox=[1, 2, 3]), "no box: left, top, width and height are expected, found [1, 2, 3]",
         "regionOutline"),
        (note(bbox=[1, 2, -3, 4]), "a box whose width or height is below 0: [1, 2, -3, 4]",
         "regionOutline"),
        (note(bbox=[1, 2, 1e300, 4]), "no box: left, top, width and height are expected, found "
         "[1, 2, 1e+300, 4]", "regionOutline"),
        (note(segmentation=[[1, 2, 3, 4]]), "an outline of 2 points: 3 at least are expected",
         "regionOutline"),
        (note(segmentation=[[1.5, 2, 3, 4, 5, 10**400]]),
         "an outline with a coordinate that is no pixel", "regionOutline"),
        (note(segmentation=[[1, 2, 3, 4, 5, "x"]]), "an outline with a coordinate that is no pixel",
         "regionOutline"),
        (note(segmentation={"size": [80, 100], "counts": [1, 2]}),
         "a mask whose runs have 3 pixels and not 80 x 100", "regionOutline"),
        (note(segmentation={"size": [8, 10], "counts": [80]}),
         "a mask of 8 x 10 pixels on a picture of 80 x 100", "regionOutline"),
        (note(segmentation={"size": [10**12, 10**12], "counts": "x"}),
         "a mask of size [1000000000000, 1000000000000]: height and width are expected",
         "regionOutline"),
        (note(segmentation="x"), "a segmentation that is no list and no mask", "regionOutline"),
        (note(image_id=2), "its image_id 2 is not among the images", None),
        (note(id=99), "the annotation id 99 was seen before in this file", None),
        ("x", "no annotation: {...} is expected", None),
        (note(score=2), "out of range, expected at least 0 and at most 1", "probability"),
    ],
)  # fmt: skip
def test_a_bad_annotation_is_set_aside_with_its_line(
    tmp_path: Path, take_in: Take, wrong: Any, reason: str, term: str | None
) -> None:
    lines = ",\n".join(json.dumps(a) for a in (note(id=99), wrong))
    value = json.dumps(coco()).replace('"annotations": []', f'"annotations": [\n{lines}]')
    path = tmp_path / "a.json"
    path.write_text(value)
    catalogue, summary = take_in(read_path(path, NAMED))
    assert catalogue.query("SELECT line, reason, term FROM rejects").fetch() == [(3, reason, term)]
    assert summary.added["occurrence"] == (1 if term is None else 2)


def test_in_a_file_of_one_line_the_place_in_the_list_is_told(tmp_path: Path, take_in: Take) -> None:
    value = coco(annotations=[note(id=1), note(id=2), note(id=1)])
    catalogue, _ = take_in(read_path(written(tmp_path / "a.json", value, None), NAMED))
    assert catalogue.query("SELECT line, reason FROM rejects").fetch() == [
        (3, "the annotation id 1 was seen before in this file")
    ]


def test_pictures_are_found_and_looked_at_where_no_size_is_told(
    tmp_path: Path, take_in: Take
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("L", (60, 30)).save(tmp_path / "images" / "a.png")
    value = coco(images=[{"id": 1, "toras_path": "/a.png"}], annotations=[note(bbox=[6, 3, 6, 3])])
    reading = read_path(written(tmp_path / "a.json", value), NAMED)
    assert f"pictures are taken from {tmp_path / 'images'}" in reading.notes
    catalogue, _ = take_in(reading)
    assert catalogue.query("SELECT accessURI, xFrac, heightFrac FROM media ORDER BY 1").fetch() == [
        ((tmp_path / "images" / "a.png").as_posix(), None, None),
        (None, 0.1, 0.1),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is cut short"),
        ('{"images": [{"id": 1}', "is cut short"),
        ('{"images": [{"id": 1}]', "is cut short"),
        ('{"images": [{"id": 1}\n{"id": 2}]}', "a.json:2: found '{' where , or ] is expected"),
        ('{"images": [{"id": 1}\n,{"id" 2, "and": "so on, for some time"}]}',
         "a.json:2: is no JSON"),
        ('{"images": []}', "has no images with an id"),
        ('{"images": ' + "[" * 9000, "nested too deeply"),
        ('{"images": [' + '{"a":' * 9000, "nested too deeply"),
        ('{"images": [{"id": 1, "width": ' + "9" * 5000 + "}]}", "a value that is none"),
        ('{"images": [{"id": 1}]} x', "has more behind its end"),
        ('{"images": [{"id": 1}], "annotations": [{}], "images": [{}]}', "has images twice"),
        ('["a"]', "is a list of results"),
        ("\x00\x01", "JSON is expected"),
    ],
)  # fmt: skip
def test_what_is_no_coco_says_so(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        read_path(path, format="coco")
    assert told in str(caught.value)


def test_mutated_files_never_break_the_reader(tmp_path: Path) -> None:
    """Bytes are flipped, cut and doubled; what comes out are rows, rejects or our errors."""
    whole = find_format("coco").fake(tmp_path, 3).read_bytes()
    chance = random.Random(4)
    path = tmp_path / "mutant.json"
    seen = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data) - 100)
            kind = chance.randrange(6)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randrange(1, 40)]
            else:  # a digit becomes another value, which leaves the file JSON
                digit = next(i for i in range(at, len(data)) if chr(data[i]).isdigit())
                values = (
                    b"9" * 20,
                    b"null",
                    b'"x"',
                    b"[]",
                    b"{}",
                    b"-1",
                    b"1e999",
                    b"true",
                    b"NaN",
                )
                data[digit : digit + 1] = chance.choice(values)
        path.write_bytes(data)
        find_format("coco").sniff(path)
        try:
            for source in read_path(path, NAMED, "coco").sources:
                seen += sum(1 for _ in source.chunks)  # type: ignore[union-attr]
        except MerianError:
            continue
    assert seen > 100


# -- outlines against pycocotools -----------------------------------------------------------------


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**144 - 1))
def test_masks_are_those_of_pycocotools(height: int, width: int, bits: int) -> None:
    mask = np.array([bits >> at & 1 for at in range(height * width)], np.uint8)
    mask = mask.reshape(height, width)
    packed = coco_mask.encode(np.asfortranarray(mask))
    read = read_mask(list(mask.shape), packed["counts"].decode())
    assert read.area == int(coco_mask.area(packed)) == mask.sum()
    # An empty mask has a box of nothing, wherever it is.
    assert read.box == tuple(coco_mask.toBbox(packed).tolist()) or not mask.any()
    assert outline_mask(mask_outline(read)) == read


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=30))
def test_large_runs_are_unpacked(runs: list[int]) -> None:
    total = sum(runs)
    if not 10 < total <= 10**7:
        return
    size = [total, 1]
    packed = coco_mask.frPyObjects({"size": size, "counts": runs}, *size)
    letters = read_mask(size, packed["counts"].decode())
    numbers = read_mask(size, runs)
    assert letters.area == numbers.area == int(coco_mask.area(packed))
    assert outline_mask(mask_outline(numbers)) == numbers


@given(st.text(alphabet=[chr(c) for c in range(40, 120)], max_size=30))
def test_any_letters_are_a_mask_or_refused(letters: str) -> None:
    try:
        read = read_mask([7, 9], letters)
    except OutlineError:
        return
    assert 0 <= read.area <= 63


number = st.one_of(
    st.integers(-100, 10_000), st.floats(-100, 10_000), st.floats(0, 999).map(lambda x: round(x, 2))
)
ring = st.lists(st.tuples(number, number), min_size=3, max_size=9).map(
    lambda points: [n for point in points for n in point]
)


@given(st.lists(ring, min_size=1, max_size=3))
def test_polygons_come_out_as_they_came_in(rings: list[list[float]]) -> None:
    back = read_rings(polygon_outline(rings))
    assert back == rings
    assert [list(map(type, r)) for r in back] == [list(map(type, r)) for r in rings]


@given(st.integers(1, 12_000), st.integers(1, 12_000), st.data())
def test_boxes_come_out_as_they_came_in(width: int, height: int, data: st.DataObject) -> None:
    def stretch(full: int) -> tuple[float, float]:
        start = round(data.draw(st.floats(0, full)), 3)
        return start, round(data.draw(st.floats(0, max(0, full - start))), 3)

    (x, w), (y, h) = stretch(width), stretch(height)
    fractions = clipped((x, y, w, h), width, height)
    again = pixel_box(fractions, width, height)
    assert again == pytest.approx((x, y, w, h), abs=1e-5)
    assert clipped(again, width, height) == fractions


def test_an_area_is_that_of_the_polygon() -> None:
    assert polygon_area([10, 10, 20, 10, 20, 30, 10, 30]) == 200


# -- writing --------------------------------------------------------------------------------------


def test_a_catalogue_goes_out_as_it_came_in(
    tmp_path: Path, take_in: Take, tables: Callable[[Catalogue], Any]
) -> None:
    fake = find_format("coco").fake(tmp_path, 5)
    first, _ = take_in(read_path(fake))
    out = tmp_path / "out.coco.json"
    count = write_path(first, out, "coco")
    second, summary = take_in(read_path(out))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert content(second, tables) == content(first, tables)
    assert count == 10
    again = tmp_path / "again.coco.json"
    write_path(second, again, "coco")
    assert again.read_bytes() == out.read_bytes()
    given = {a["id"]: a for a in json.loads(fake.read_text())["annotations"][:5]}
    made = {a["id"]: a for a in json.loads(out.read_text())["annotations"]}
    for key in (1, 2, 3, 5):  # the fourth has its polygon without the outer list
        for part in ("segmentation", "bbox", "area", "iscrowd", "attributes", "image_id"):
            assert made[key][part] == given[key][part], (key, part)


label = st.text(max_size=12).filter(lambda t: "\0" not in t)
annotation = st.fixed_dictionaries(
    {
        "category_id": st.integers(0, 4),
        "image_id": st.integers(1, 2),
        "iscrowd": st.integers(0, 1),
        "bbox": st.tuples(*[st.integers(0, 120)] * 4).map(list),
        "segmentation": st.one_of(
            st.just([]),
            st.lists(ring, min_size=1, max_size=2),
            st.integers(1, 7999).map(lambda n: {"size": [80, 100], "counts": [n, 8000 - n]}),
        ),
    },
    optional={
        "area": st.floats(0, 1e6),
        "score": st.floats(0, 1),
        "attributes": st.dictionaries(
            st.text(min_size=1, max_size=6).filter(lambda t: "\0" not in t and t.strip() == t),
            st.one_of(st.booleans(), st.integers(-5, 5), label),
            max_size=3,
        ),
    },
)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(annotation, min_size=5, max_size=25), st.lists(label, min_size=3, max_size=3))
def test_any_catalogue_of_regions_comes_back(
    tmp_path: Path,
    take_in: Take,
    tables: Callable[[Catalogue], Any],
    annotations: list[dict[str, Any]],
    names: list[str],
) -> None:
    images = [{"id": n, "file_name": f"{n} ä.jpg", "width": 100, "height": 80} for n in (1, 2)]
    value = {
        "images": images,
        "annotations": [{"id": n, **a} for n, a in enumerate(annotations, 11)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
    }
    first, _ = take_in(read_path(written(tmp_path / "a.json", value), NAMED))
    out = tmp_path / "out.coco.json"
    write_path(first, out, "coco")
    second, summary = take_in(read_path(out, Options(extra={"dataset": "other"})))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert content(second, tables) == content(first, tables)


def test_pycocotools_loads_what_is_written(
    tmp_path: Path, take_in: Take, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = np.zeros((80, 100), np.uint8)
    mask[10:20, 30:45] = 1
    packed = coco_mask.encode(np.asfortranarray(mask))
    box = coco_mask.toBbox(packed).tolist()
    listed = [
        note(id=4, segmentation={"size": [80, 100], "counts": packed["counts"].decode()}, bbox=box),
        note(id=9, segmentation=[[10, 20, 40, 20, 40, 60]]),
        note(id=2, category_id=99),
    ]
    first, _ = take_in(read_path(written(tmp_path / "a.json", coco(annotations=listed)), NAMED))
    out = tmp_path / "out.json"
    write_path(first, out, "coco")
    loaded = COCO(str(out))
    capsys.readouterr()
    assert sorted(loaded.anns) == [2, 4, 9]
    assert {c["id"]: c["name"] for c in loaded.cats.values()} == {0: "", 1: "Carabidae"}
    assert loaded.anns[4]["area"] == int(mask.sum())
    assert coco_mask.area(loaded.annToRLE(loaded.anns[4])) == mask.sum()
    assert loaded.anns[4]["bbox"] == box
    assert loaded.anns[9]["area"] == 600
    assert loaded.anns[9]["area_is_computed"]
    assert loaded.getAnnIds(catIds=[1], areaRng=[500, 1000]) == [9]


def test_pictures_of_one_thing_are_written_whole(
    tmp_path: Path, take_in: Take, tables: Callable[[Catalogue], Any]
) -> None:
    fake = find_format("image-folder").fake(tmp_path, 1)
    first, _ = take_in(read_path(fake))
    out = tmp_path / "out.coco.json"
    assert write_path(first, out, "coco") == 6
    made = json.loads(out.read_text())
    assert {a["bbox"][0] for a in made["annotations"]} == {0}
    second, _ = take_in(read_path(out))
    seen = "SELECT mediaID, occurrenceID, accessURI, pixelXDimension, xFrac FROM media ORDER BY 1"
    assert second.query(seen).fetch() == first.query(seen).fetch()
    names = "SELECT occurrenceID, verbatimIdentification FROM determination ORDER BY 1"
    assert second.query(names).fetch() == first.query(names).fetch()


def test_the_trays_of_a_world_are_read_and_come_out_again(tmp_path: Path, take_in: Take) -> None:
    rng = np.random.default_rng(5)
    biota = make_biota(60, rng)
    traits = evolve_traits(biota, rng)
    names = [biota.name(i, 3) for i in range(len(biota))]
    folder = tmp_path / "trays"
    write_trays(folder, tmp_path, biota, traits, names, 1, 1, rng, width=400, height=300)
    path = folder / "trays.coco.json"
    given = json.loads(path.read_text())
    catalogue, summary = take_in(read_path(path))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert summary.added["occurrence"] == len(given["annotations"]) > 5
    (picture,) = catalogue.query(
        "SELECT accessURI, pixelsPerMillimetre FROM media WHERE derivedFromMediaID IS NULL"
    ).fetch()
    assert picture == ((folder / "tray-0001.jpg").as_posix(), given["images"][0]["px_per_mm"])
    write_path(catalogue, folder / "out.json", "coco")
    made = {a["id"]: a for a in json.loads((folder / "out.json").read_text())["annotations"]}
    for one in given["annotations"]:
        for part in ("segmentation", "bbox", "area", "iscrowd"):
            assert made[one["id"]][part] == one[part]


# -- real files -----------------------------------------------------------------------------------

REAL = {  # path -> images, annotations, polygons, boxes that stick out
    "traits/flatbug/prototypes__images_to_prepare__pre-pro__Mothitor__instances_default.json":
        (12, 193, 193),
    "traits/flatbug/prototypes__images_to_prepare__pre-pro__blair202x-partial"
    "__instances_default.json.gz": (20, 752, 752),
    "traits/flatbug/prototypes__mask_refiner__annotations__refined.json": (5, 152, 152),
    "traits/yellow_trap_coco/test.annotations.coco.json": (5, 517, 0),
    "traits/yellow_trap_coco/valid.annotations.coco.json": (60, 5264, 0),
    "multimodal/bioscan_well_images/coco_annotations_all1174.json.gz": (1172, 1172, 836),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_taken_in_whole(shared: Path, take_in: Take, name: str) -> None:
    images, annotations, outlined = REAL[name]
    reading = read_path(shared / name)
    assert reading.format == "coco"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert summary.added["occurrence"] == annotations
    told = catalogue.query(
        "SELECT count(*) FILTER (derivedFromMediaID IS NULL), "
        "count(*) FILTER (regionOutline LIKE '%POLYGON%' AND mediaID NOT IN (SELECT mediaID "
        "FROM measurement WHERE measurementType = 'bbox')) FROM media"
    ).fetch()
    raw = json.loads(
        gzip.decompress((shared / name).read_bytes())
        if name.endswith("gz")
        else (shared / name).read_bytes()
    )
    assert len(raw["images"]) == images
    assert sum(bool(a["segmentation"]) for a in raw["annotations"]) == outlined
    if "bioscan" not in name:
        assert told == [(images, outlined)]


def test_a_real_file_comes_out_as_it_came_in(shared: Path, take_in: Take, tmp_path: Path) -> None:
    path = shared / "traits/flatbug/prototypes__mask_refiner__annotations__instances_default.json"
    catalogue, _ = take_in(read_path(path))
    write_path(catalogue, tmp_path / "out.json", "coco")
    given, made = (
        {a["id"]: a for a in json.loads(p.read_text())["annotations"]}
        for p in (path, tmp_path / "out.json")
    )
    assert made.keys() == given.keys()
    for key, one in given.items():
        for part in ("segmentation", "bbox", "area", "image_id", "attributes"):
            assert made[key][part] == one[part]
