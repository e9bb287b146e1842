"""``merian measure``: pictures, masks, catalogues, corrections, and what to check next."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Rows
from merian.cli import main
from merian.errors import FormatError, InputError
from merian.measure import run as running
from merian.measure.calibration import Calibration
from merian.measure.calibrations import Calibrated, write_calibrations
from merian.measure.corrections import correct
from merian.measure.edited import read_edited
from merian.measure.next_pictures import next_pictures

SIZE = (260, 180)  # width and height


def picture(bodies: list[tuple[float, float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Dark ellipses (x, y, length, width) on a pale ground, and the mask of all."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width] + 0.5
    mask = np.zeros((height, width), bool)
    for cx, cy, length, wide in bodies:
        mask |= (2 * (x - cx) / length) ** 2 + (2 * (y - cy) / wide) ** 2 <= 1
    pixels = np.full((height, width, 3), 230, np.uint8)
    pixels[mask] = (60, 40, 30)
    return pixels, mask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path)


def filled(tmp_path: Path) -> Path:
    """Six pictures of one body each, of 100 x 40 pixels but for the last, and their masks."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "masks").mkdir()
    rows = ["image,id,group,px_per_mm,uncertainty"]
    for number in range(6):
        length, scale = (100, 10.0) if number < 5 else (160, 25.0)
        pixels, mask = picture([(130, 90, length, 40)])
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"p{number}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"p{number}.png")
        rows.append(f"p{number}.png,{'same' if number in (1, 2) else f'b{number}'},g,{scale},1")
    (tmp_path / "about.csv").write_text("\n".join(rows))
    return tmp_path


def measured(folder: Path, name: str = "measurements.tsv") -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if name.endswith("tsv") else ","))


def value(rows: list[dict[str, str]], image: str, trait: str) -> dict[str, str]:
    return next(row for row in rows if row["image"] == image and row["trait"] == trait)


def run(*words: object) -> int:
    return main(["measure", *map(str, words), "-q"])


def test_masks_are_measured_in_millimetres_with_codes(folder, capsys):
    out = folder / "out"
    assert (
        run(
            folder / "pictures",
            "--masks",
            folder / "masks",
            "--single",
            "--about",
            folder / "about.csv",
            "-o",
            out,
            "-t",
            "body_length,body_width,Area,Feret",
        )
        == 0
    )
    rows = measured(out)
    length = value(rows, "p0.png", "body_length")
    assert float(length["value"]) == pytest.approx(10, rel=0.02)
    assert float(length["low"]) < 10 < float(length["high"])
    assert length["unit"] == "mm"
    assert length["id"] == "b0"
    assert length["calibration"] == "10 px/mm ±1 %; declared; about.csv"
    area = value(rows, "p0.png", "area")
    assert float(area["value"]) == pytest.approx(math.pi / 4 * 10 * 4, rel=0.02)
    assert float(area["pixels"]) == pytest.approx(math.pi / 4 * 100 * 40, rel=0.02)
    # The last has another scale than its rig, another shape and half the size of its group.
    assert set(value(rows, "p5.png", "feret")["codes"].split(";")) >= {"scale-outlier"}
    assert "size" in value(rows, "p5.png", "body_length")["codes"]
    assert "duplicate-id" in value(rows, "p1.png", "area")["codes"]
    assert value(rows, "p0.png", "area")["codes"] == ""
    told = json.loads((out / "run.json").read_text())
    assert told["merian"]["format"] == "merian-measurements"
    assert told["codes"]["duplicate-id"] == 2
    assert {one.name for one in out.iterdir()} == {
        "measurements.tsv", "points.csv", "images.tsv", "set_aside.tsv", "outlines.coco.json",
        "overlays", "measured.html", "run.json",
    }  # fmt: skip
    page = (out / "measured.html").read_text()
    assert "duplicate-id" in page
    assert "data:image/jpeg;base64" in page
    assert len(list((out / "overlays").iterdir())) == 6


def test_the_same_input_gives_the_same_bytes(folder):
    for name in ("one", "two"):
        assert (
            run(
                folder / "pictures",
                "--single",
                "--scale",
                "10±1%",
                "-t",
                "feret,area,perimeter",
                "-o",
                folder / name,
            )
            == 0
        )
    for file in sorted((folder / "one").rglob("*")):
        if file.is_file():
            assert (
                file.read_bytes()
                == (folder / "two" / file.relative_to(folder / "one")).read_bytes()
            )


def test_a_run_that_is_stopped_goes_on(folder, monkeypatch):
    words = (folder / "pictures", "--scale", "10±1%", "-t", "feret", "--overlays", "4")
    assert run(*words, "-o", folder / "whole") == 0

    def stop(pixels, asked, settings):
        if asked.name == "p4.png":
            raise KeyboardInterrupt
        seen.append(asked.name)
        return plain(pixels, asked, settings)

    seen: list[str] = []
    plain = running.measure_pixels
    with monkeypatch.context() as patch:
        patch.setattr(running, "measure_pixels", stop)
        assert run(*words, "-o", folder / "out") == 130
    assert not (folder / "out").exists()
    assert {"p0.png", "p1.png", "p2.png", "p3.png"} <= {*seen}
    seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr(running, "usable_cores", lambda _most: 1)
        patch.setattr(running, "measure_pixels", lambda pixels, asked, settings: (
            seen.append(asked.name), plain(pixels, asked, settings))[1])  # fmt: skip
        assert run(*words, "-o", folder / "out") == 0
    assert seen == ["p4.png", "p5.png"]
    for file in sorted((folder / "whole").rglob("*")):
        if file.is_file():
            other = folder / "out" / file.relative_to(folder / "whole")
            assert file.read_bytes() == other.read_bytes()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_bodies_are_found_without_masks_and_ids_go_by_reading_order(tmp_path):
    pixels, _ = picture([(60, 40, 70, 30), (190, 50, 70, 30), (80, 130, 70, 30)])
    Image.fromarray(pixels).save(tmp_path / "tray.png")
    (tmp_path / "about.csv").write_text("image,id\ntray,a\ntray,b\ntray,c\n")
    out = tmp_path / "out"
    assert run(tmp_path / "tray.png", "--about", tmp_path / "about.csv", "-o", out) == 0
    rows = [row for row in measured(out) if row["trait"] == "feret"]
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert all(float(row["value"]) == pytest.approx(70, abs=3) for row in rows)
    assert {row["unit"] for row in rows} == {"px"}  # no scale was told
    # One too many ids: the count is told, and no specimen gets a wrong one.
    (tmp_path / "about.csv").write_text("image,id\ntray,a\ntray,b\ntray,c\ntray,d\n")
    assert run(tmp_path / "tray.png", "--about", tmp_path / "about.csv", "-o", out) == 0
    rows = [row for row in measured(out) if row["trait"] == "feret"]
    assert [row["id"] for row in rows] == ["", "", ""]
    assert all("count" in row["codes"] for row in rows)


def coco(path: Path, width: int, height: int, ring: list[float]) -> Path:
    path.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "p0.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "beetle"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "segmentation": [ring],
                         "bbox": [0, 0, 1, 1], "iscrowd": 0, "area": 1}],
    }))  # fmt: skip
    return path


def test_outlines_of_coco_are_measured_and_brought_to_the_size_of_the_picture(folder):
    ring = [20.0, 20.0, 120.0, 20.0, 120.0, 60.0, 20.0, 60.0]
    file = coco(folder / "outlines.json", *SIZE, ring)
    words = (folder / "pictures" / "p0.png", "--masks", file, "-t", "area,feret", "-o")
    assert run(*words, folder / "out") == 0
    assert float(value(measured(folder / "out"), "p0.png", "area")["value"]) == 4000
    # Drawn on a copy of half the size.
    coco(folder / "outlines.json", SIZE[0] // 2, SIZE[1] // 2, [v / 2 for v in ring])
    assert run(*words, folder / "half") == 0
    row = value(measured(folder / "half"), "p0.png", "area")
    assert float(row["value"]) == 4000
    assert row["codes"] == "frame"
    # And on something else.
    coco(folder / "outlines.json", 400, 180, ring)
    assert run(*words, folder / "other") == 2


def test_scales_of_calibrate_go_by_picture_and_to_its_size(folder):
    width, height = SIZE
    found = [
        Calibrated("p0.png", width, height, Calibration(10.0, 0.005, "ruler", "p0.png")),
        Calibrated("x/p1.jpg", width // 2, height // 2, Calibration(10.0, 0.005, "bar", "p1")),
        Calibrated("p2.png", width, height, None, reason="nothing found"),
        Calibrated("p3.png", width, 2 * height, Calibration(10.0, 0.005, "bar", "p3")),
    ]
    write_calibrations(folder / "scales.json", found)
    words = ("--masks", folder / "masks", "--single", "-t", "feret", "-o", folder / "out")
    assert run(folder / "pictures", "--calibration", folder / "scales.json", *words) == 0
    rows = measured(folder / "out")
    told = [value(rows, f"p{n}.png", "feret") for n in (0, 1, 2)]
    assert [(one["unit"], one["codes"]) for one in told] == [
        ("mm", ""),
        ("mm", "frame"),
        ("px", ""),
    ]
    one, other = (float(value(rows, f"p{n}.png", "feret")["value"]) for n in (0, 1))
    assert (one, other) == (pytest.approx(10, rel=0.03), pytest.approx(5, rel=0.03))
    aside = measured(folder / "out", "set_aside.tsv")
    assert [row["image"] for row in aside] == ["p3.png"]
    assert "of another shape" in aside[0]["reason"]
    # A file of one picture is that of a rig.
    write_calibrations(folder / "scales.json", found[:1])
    assert run(folder / "pictures", "--calibration", folder / "scales.json", *words) == 0
    assert {row["unit"] for row in measured(folder / "out")} == {"mm"}


def test_a_picture_that_cannot_be_read_is_set_aside(folder, capsys):
    (folder / "pictures" / "a.png").write_bytes(b"no picture")
    out = folder / "out"
    words = ("--masks", folder / "masks", "--single", "-t", "feret", "-o", out)
    assert run(folder / "pictures", *words) == 0
    assert [row["image"] for row in measured(out, "set_aside.tsv")] == ["a.png"]
    assert len({row["image"] for row in measured(out)}) == 6
    assert "1 set aside" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give pictures"),
        (["{f}/pictures"], "--out is missing"),
        (["{f}/nothing", "-o", "{f}/out"], "no such picture or folder"),
        (["{f}/pictures", "-o", "{f}/out", "--scale", "ten"], "--scale ten: expected pixels"),
        (["{f}/pictures", "-o", "{f}/out", "--scale", "-3"], "a scale of -3"),
        (["{f}/pictures", "-o", "{f}/out", "-t", "wings"], "no such trait"),
        (["{f}/pictures", "-o", "{f}/pictures"], "holds other things"),
        (["{f}/masks/..", "-o", "{f}/out", "--about", "{f}/empty.csv"], "no column image"),
        (["{f}/pictures", "-o", "{f}/out", "--write"], "--write needs a catalogue"),
        (["{f}/pictures", "-o", "{f}/out", "--masks", "{f}/pictures/p0.png"], "p0.png"),
        (["{f}/pictures", "-o", "{f}/out", "--expected", "-1"], "--expected -1"),
        (["{f}/pictures", "-o", "{f}/out", "--tight", "--masks", "{f}/masks"], "--tight is for"),
    ],
    ids=range(12),
)
def test_what_is_wrong_is_told_in_a_line(folder, capsys, words, told):
    (folder / "empty.csv").write_text("")
    assert main(["measure", *(word.format(f=folder) for word in words)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (folder / "out").exists()


def test_crops_that_were_cut_at_the_outline_are_measured_as_such(tmp_path, capsys):
    (tmp_path / "crops").mkdir()
    for number in range(3):
        pixels, mask = picture([(130, 90, 100 + 10 * number, 40)])
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        Image.fromarray(cut).save(tmp_path / "crops" / f"c{number}.png")
    words = ("measure", tmp_path / "crops", "--scale", "10±0%", "-t", "feret")
    assert main([*map(str, words), "--single", "-o", str(tmp_path / "plain")]) == 0
    told = " ".join(capsys.readouterr())
    assert "most reach the border" in told and "--tight" in told
    assert {row["codes"] for row in measured(tmp_path / "plain")} == {"touches-border"}
    assert main([*map(str, words), "--tight", "-o", str(tmp_path / "tight")]) == 0
    assert "most reach the border" not in " ".join(capsys.readouterr())
    rows = measured(tmp_path / "tight")
    assert {row["codes"] for row in rows} == {""}
    assert [float(row["value"]) for row in rows] == pytest.approx([10, 11, 12], rel=0.02)
    assert json.loads((tmp_path / "tight" / "run.json").read_text())["tight"] is True
    assert "cut at them" in (tmp_path / "tight" / "measured.html").read_text()


# -- corrections --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = filled(tmp_path_factory.mktemp("made"))
    words = (place / "pictures", "--masks", place / "masks", "--single", "--about",
             place / "about.csv", "-t", "body_length,body_width,feret,area")  # fmt: skip
    assert run(*words, "-o", place / "out") == 0
    return place / "out"


@pytest.fixture
def done(made: Path, tmp_path: Path) -> Path:
    """What was measured, in a copy of its own."""
    shutil.copytree(made, tmp_path / "out")
    return tmp_path / "out"


def edited(done: Path, change: dict[tuple[str, str], tuple[float, float]]) -> Path:
    rows = measured(done, "points.csv")
    for row in rows:
        dx, dy = change.get((row["image"], row["point"]), (0.0, 0.0))
        row["x"], row["y"] = f"{float(row['x']) + dx}", f"{float(row['y']) + dy}"
    path = done.parent / "edited.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_moved_ends_are_measured_again_and_history_is_kept(done):
    before = measured(done)
    points = {row["point"]: float(row["x"]) for row in measured(done, "points.csv")
              if row["image"] == "p0.png"}  # fmt: skip
    out = 8 if points["head_tip"] > points["abdomen_tip"] else -8
    file = edited(done, {("p0.png", "head_tip"): (out, 0), ("p1.png", "feret:1"): (0, 0)})
    found = correct(done, file, by="Ana", date="2026-05-01")
    assert (found.specimens, found.values) == (1, 1)
    after = measured(done)
    old, new = (value(rows, "p0.png", "body_length") for rows in (before, after))
    assert float(new["value"]) == pytest.approx(float(old["value"]) + 0.8, abs=0.01)
    assert new["codes"] == "corrected"
    assert [row for row in after if row["image"] != "p0.png"] == [
        row for row in before if row["image"] != "p0.png"
    ]
    history = measured(done, "corrections.tsv")
    assert [(r["trait"], r["old"], r["new"], r["by"], r["date"]) for r in history] == [
        ("body_length", old["value"], new["value"], "Ana", "2026-05-01")
    ]
    assert history[0]["moved"].startswith("head_tip: ")
    # Nothing differs any more; a second correction is added to the first.
    with pytest.raises(InputError, match="nothing in it differs"):
        correct(done, file, by="Ana", date="2026-05-02")
    correct(done, edited(done, {("p0.png", "head_tip"): (-out, 0)}), by="Ben", date="2026-05-03")
    assert [row["by"] for row in measured(done, "corrections.tsv")] == ["Ana", "Ben"]
    back = value(measured(done), "p0.png", "body_length")
    assert float(back["value"]) == pytest.approx(float(old["value"]), abs=0.01)


def test_the_bias_of_what_was_measured_has_an_interval_by_picture(done):
    change = {(f"p{number}.png", "feret:1"): (0.0, 0.0) for number in range(6)}
    points = measured(done, "points.csv")
    for row in points:
        if row["point"] == "feret:1":
            ends = [r for r in points if r["image"] == row["image"]]
            one, other = (
                next(r for r in ends if r["point"] == name) for name in ("feret:1", "feret:2")
            )
            way = 1 if float(one["x"]) < float(other["x"]) else -1
            change[row["image"], "feret:1"] = (4.0 * way, 0.0)  # all were too long
    found = correct(done, edited(done, change), by="Ana", date="2026-05-01")
    bias = next(one for one in found.biases if one.trait == "feret")
    assert (bias.checked, bias.moved) == (6, 6)
    assert bias.pair.own["bias"].value == pytest.approx((5 * 0.4 + 4 / 25) / 6, abs=0.03)
    assert bias.pair.own["bias"].low <= bias.pair.own["bias"].value <= bias.pair.own["bias"].high
    unmoved = next(one for one in found.biases if one.trait == "area")
    assert unmoved.pair.own["bias"].value == 0


def test_an_outline_that_was_drawn_again_is_measured_again(done):
    content = json.loads((done / "outlines.coco.json").read_text())
    one = next(a for a in content["annotations"] if a["image_id"] == 1)
    one["segmentation"] = [[30.0, 60.0, 230.0, 60.0, 230.0, 120.0, 30.0, 120.0]]
    file = done.parent / "edited.json"
    file.write_text(json.dumps(content))
    found = correct(done, file, by="Ana", date="2026-05-01")
    assert found.specimens == 1
    area = value(measured(done), "p0.png", "area")
    assert float(area["value"]) == pytest.approx(200 * 60 / 100)
    kept = json.loads((done / "outlines.coco.json").read_text())
    assert kept["annotations"][0]["segmentation"] == one["segmentation"]
    assert kept["annotations"][1:] == content["annotations"][1:]


def test_cvat_is_read_by_place_where_it_has_no_numbers(done):
    rows = [row for row in measured(done, "points.csv") if row["image"] == "p3.png"]
    marks = "".join(
        f'<points label="{row["point"]}" points="{float(row["x"]) / 2},{float(row["y"]) / 2}"/>'
        for row in rows if row["point"] == "width_left"
    )  # fmt: skip
    file = done.parent / "edited.xml"
    file.write_text(
        '<?xml version="1.0"?><annotations><version>1.1</version><image id="0" name="p3.png" '
        f'width="{SIZE[0] // 2}" height="{SIZE[1] // 2}">{marks}'
        '<polyline label="feret" points="40,45;90,45"/></image></annotations>'
    )
    found = correct(done, file, by="Ana", date="2026-05-01")
    assert found.aside == ()
    feret = value(measured(done), "p3.png", "feret")
    assert float(feret["value"]) == pytest.approx(10.0)


def test_what_fits_nothing_is_set_aside_with_its_reason(done):
    path = done.parent / "edited.csv"
    path.write_text(
        "image,width,height,specimen,id,point,x,y\n"
        "p9.png,260,180,1,,head_tip,5,5\n"
        "p0.png,260,180,7,,head_tip,5,5\n"
        "p0.png,300,180,1,,head_tip,5,5\n"
        "p0.png,260,180,1,,head_tip,five,5\n"
        "p0.png,260,180,1,,head_tip,900,5\n"
        "p0.png,520,360,1,,head_tip,200,200\n"
    )
    found = correct(done, path, by="Ana", date="2026-05-01")
    assert [why.split()[0] for _, why in found.aside] == ["no", "fits", "was", "has", "lies"]
    assert [where for where, _ in found.aside] == [f"edited.csv:{n}" for n in (2, 3, 4, 5, 6)]
    points = measured(done, "points.csv")
    head = next(r for r in points if (r["image"], r["point"]) == ("p0.png", "head_tip"))
    assert (float(head["x"]), float(head["y"])) == (100, 100)  # from a copy of twice the size


@pytest.mark.parametrize("text", ["{", "<a", "image,x\n", '{"images": 3}'], ids=range(4))
def test_a_damaged_file_is_told(tmp_path, text):
    (tmp_path / "edited").write_text(text)
    with pytest.raises(FormatError, match="edited"):
        read_edited(tmp_path / "edited", {}, {})


def test_next_takes_of_every_group_and_doubtful_ones_first(folder):
    rows = ["image,group", *(f"p{number}.png,{'ab'[number % 2]}" for number in range(6))]
    (folder / "about.csv").write_text("\n".join(rows))
    pixels, mask = picture([(60, 90, 160, 40)])  # over the border
    Image.fromarray(pixels).save(folder / "pictures" / "p3.png")
    Image.fromarray(mask).save(folder / "masks" / "p3.png")
    out = folder / "out"
    assert run(folder / "pictures", "--masks", folder / "masks", "--single", "--about",
               folder / "about.csv", "-t", "feret", "-o", out) == 0  # fmt: skip
    first = next_pictures(out, 1, drawn=0)
    assert [one.image for one in first] == ["p3.png"]
    assert first[0].codes == ("touches-border",)
    four = next_pictures(out, 4, drawn=0.5)
    assert {one.group for one in four} == {"a", "b"}
    assert len({one.image for one in four}) == 4
    assert sum(one.drawn for one in four) >= 2
    assert len(next_pictures(out, 50)) == 6
    correct(out, edited(out, {("p3.png", "feret:1"): (3, 0)}), by="Ana", date="2026-05-01")
    assert "p3.png" not in {one.image for one in next_pictures(out, 50)}
    assert main(["measure", "next", str(out), "--count", "0"]) == 2


# -- catalogues ---------------------------------------------------------------------------------


@pytest.fixture
def catalogue(folder: Path) -> Path:
    place = folder / "catalogue"
    rows = {
        "line": [1, 2],
        "mediaID": ["m0", "m1"],
        "occurrenceID": ["o0", "o1"],
        "accessURI": [str(folder / "pictures" / f"p{n}.png") for n in (0, 1)],
        "pixelsPerMillimetre": ["10", "10"],
        "pixelsPerMillimetreUncertainty": ["0.01", None],
    }
    with Catalogue.create(place) as made:
        made.ingest(Reading("test", (Rows(folder / "rows", "record", (rows,)),), ()))
    return place


def test_a_catalogue_gets_its_measurements_once_and_keeps_old_ones(catalogue):
    words = (catalogue, "-t", "body_length,area", "--write", "-o", catalogue.parent / "out")
    assert run(*words) == 0
    sql = (
        "SELECT mediaID, measurementType, measurementValueNumeric, measurementUnit, "
        "measurementLower, measurementUpper, measurementMethod, calibrationID, "
        "measurementDeterminedBy, measurementRemarks FROM measurement ORDER BY 1, 2"
    )
    with Catalogue.open(catalogue, read_only=True) as opened:
        rows = opened.query(sql).fetch()
    assert [row[:2] for row in rows] == [
        ("m0", "area"), ("m0", "body_length"), ("m1", "area"), ("m1", "body_length")
    ]  # fmt: skip
    _, _, length, unit, low, high, how, scale, by, remarks = rows[1]
    assert length == pytest.approx(10, rel=0.03)
    assert low < 10 < high
    assert (unit, how) == ("mm", "body_length 1.0; merian measure")
    assert scale == "10 px/mm ±1 %; catalogue; m0"
    assert by.startswith("Merian ")
    assert "frame: 260 x 180" in remarks
    assert rows[3][7] == "10 px/mm ±1.3 %; catalogue; m1"  # of a bar, as nothing is told
    assert run(*words) == 0
    with Catalogue.open(catalogue, read_only=True) as opened:
        assert opened.query(sql).fetch() == rows
    out = catalogue.parent / "out"
    file = edited(out, {("m0", "head_tip"): (0, 9)})
    assert main(["measure", "correct", str(out), str(file), "--by", "Ana", "--date", "2026-05-01",
                 "--catalogue", str(catalogue)]) == 0  # fmt: skip
    with Catalogue.open(catalogue, read_only=True) as opened:
        after = opened.query(sql).fetch()
    assert len(after) == 5
    assert [row for row in after if row[8] != "Ana"] == rows
