"""Many pictures: files of calibrations, rigs, crops, and the verb as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.cli import main
from merian.errors import FormatError, InputError
from merian.measure.calibrating import carried, pooled, way_of
from merian.measure.calibration import Calibration, declared, pool
from merian.measure.calibrations import Calibrated, read_calibrations, write_calibrations
from tests.measure.test_bars import bar

FULL = Calibration(
    12.3456789012345, 0.0123, "ruler", "a b.jpg", 0.25, "it is tilted",
    ((24.691, "half millimetres"),), ((1.5, 2.25), (100.0, 2.0)), "20 marks",
)  # fmt: skip
FOUND = [
    Calibrated("a b.jpg", 640, 480, FULL, own=12.5, reason="its own is off"),
    Calibrated("é\u4e2d.jpg", 10, 20, declared(3.0)),
    Calibrated("cut.jpg", 0, 0, None, reason="it is cut short"),
]


def picture(path: Path, width: int = 60, height: int = 40) -> str:
    Image.fromarray(np.full((height, width, 3), 200, np.uint8)).save(path)
    return str(path)


@pytest.mark.parametrize("ending", ["json", "tsv"])
def test_what_is_written_is_read_back_and_the_same_bytes(tmp_path: Path, ending):
    path = tmp_path / f"c.{ending}"
    write_calibrations(path, FOUND)
    first = path.read_bytes()
    back = read_calibrations(path)
    assert [repr(one) for one in back.values()] == [repr(one) for one in FOUND]  # NaN is not NaN
    write_calibrations(path, back.values())
    assert path.read_bytes() == first


def test_a_file_of_another_kind_is_said(tmp_path: Path):
    (tmp_path / "x.json").write_text('{"merian": {"format": "other", "format_version": "1.0"}}')
    with pytest.raises(FormatError, match="merian-calibrations"):
        read_calibrations(tmp_path / "x.json")
    with pytest.raises(InputError, match=r"\.json or \.tsv"):
        write_calibrations(tmp_path / "x.xml", FOUND)
    write_calibrations(tmp_path / "c.json", FOUND)
    content = json.loads((tmp_path / "c.json").read_text())
    del content["calibrations"][0]["marks"]
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="not whole"):
        read_calibrations(tmp_path / "c.json")


def test_the_sure_pictures_of_a_rig_decide_what_the_others_mean():
    doubtful = Calibration(20.0, 0.001, "ruler", others=((10.0, "every second mark"),))
    series = pool({"a": declared(10.0), "b": declared(10.02), "c": doubtful})
    assert not series.outliers
    assert not series.calibration.ambiguous
    assert pool({"a": doubtful, "b": doubtful}).calibration.ambiguous


def test_a_rig_gives_its_scale_to_pictures_that_show_none():
    seen = [Calibrated(f"{n}.jpg", 60, 40, declared(10 + 0.01 * n, 0.01)) for n in range(5)]
    seen[2] = Calibrated("2.jpg", 60, 40, declared(20.0))
    bare = Calibrated("5.jpg", 40, 60, None, reason="no ruler")
    small = Calibrated("6.jpg", 30, 20, declared(5.0))
    lost = Calibrated("7.jpg", 0, 0, None, reason="cut short")
    found = pooled([*seen, bare, small, lost], "rig 1")
    scales = [one.calibration and one.calibration.pixels_per_mm for one in found]
    assert scales == [*[pytest.approx(10.02)] * 6, None, None]
    assert "1.994 times that of the rig" in found[2].reason
    assert found[2].own == 20
    assert found[5].own is None
    assert "30 x 20 pixels" in found[6].reason
    assert found[7].reason == "cut short"


def test_crops_have_the_scale_of_the_whole(tmp_path: Path):
    wholes = {
        "d/tray.jpg": Calibrated("d/tray.jpg", 600, 400, FULL),
        "d/tray-2.jpg": Calibrated("d/tray-2.jpg", 600, 400, declared(5.0)),
        "d/blank.jpg": Calibrated("d/blank.jpg", 600, 400, None, reason="no ruler"),
    }
    names = ["tray_001.png", "tray-2_001.png", "trays.png", "blank_1.png", "half.png", "odd.png"]
    crops = [picture(tmp_path / name) for name in names]
    with (tmp_path / "regions.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["crop", "picture", "width", "height"])
        rows.writerows([["half.png", "tray.jpg", 120, 80], ["odd.png", "tray.jpg", 120, 200]])
    found = carried(crops, wholes, tmp_path / "regions.csv")
    scales = [one.calibration and one.calibration.pixels_per_mm for one in found]
    assert scales[:5] == [FULL.pixels_per_mm, 5.0, None, None, FULL.pixels_per_mm / 2]
    assert found[0].calibration.source == "tray.jpg"
    assert found[0].calibration.others == FULL.others
    assert "none has a name" in found[2].reason
    assert "blank.jpg, of which it is a part, has no scale" in found[3].reason
    assert "stretched" in found[5].reason
    whole = picture(tmp_path / "tray.jpg")
    region = carried([f"{whole}#xywh=percent:10,10,50,50"], wholes)[0]
    assert (region.width, region.height) == (30, 20)
    assert region.calibration.pixels_per_mm == FULL.pixels_per_mm


def test_the_way_is_the_one_that_something_is_given_for():
    given = {"declared": False, "points": False, "bar": True, "board": False}
    assert way_of("auto", given) == "bar"
    assert way_of("auto", dict.fromkeys(given, False)) == "ruler"
    assert way_of("graph", given) == "graph"
    with pytest.raises(InputError, match="name one by --method"):
        way_of("auto", {**given, "declared": True})
    with pytest.raises(InputError, match="not given"):
        way_of("points", given)


# -- the verb -----------------------------------------------------------------------------------


def test_a_bar_by_the_verb_with_page_and_what_is_set_aside(tmp_path: Path, capsys):
    Image.fromarray(bar(120, 5, 8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "c.png").write_bytes(b"")
    out, page = tmp_path / "out.json", tmp_path / "out.html"
    words = ["calibrate", str(tmp_path), "--bar", "1cm", "-o", str(out), "--page", str(page)]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "a.png" in said.out
    assert "set aside: b.png" in said.err
    assert "c.png: the file is empty" in said.err
    found = read_calibrations(out)
    scales = [one.calibration and one.calibration.pixels_per_mm for one in found.values()]
    assert abs(scales[0] - 12) < 0.05
    assert scales[1:] == [None, None]
    assert page.read_text().count("data:image/jpeg") == 1


def test_points_by_hand_and_from_a_table(tmp_path: Path, capsys):
    one = picture(tmp_path / "one.png", 200, 100)
    words = ["calibrate", one, "--points", "10,20,110,20", "--length", "10mm", "--json"]
    assert main(words) == 0
    scale = json.loads(capsys.readouterr().out)[0]["calibration"]
    assert (scale["pixels_per_mm"], scale["method"]) == (10, "two points")
    table = tmp_path / "points.csv"
    table.write_text("picture,x1,y1,x2,y2,length,unit\none.png,0,0,50,0,1,in\n")
    assert main(["calibrate", one, "--points", str(table), "--json"]) == 0
    scale = json.loads(capsys.readouterr().out)[0]["calibration"]
    assert scale["pixels_per_mm"] == pytest.approx(50 / 25.4)
    table.write_text("picture,x1,y1,x2,y2,length\none.png,0,0,5000,0,1\n")
    assert main(["calibrate", one, "--points", str(table)]) == 2
    assert "outside of its 200 x 100 pixels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no picture is given"),
        (["nowhere.jpg"], "no such picture or folder"),
        (["EMPTY"], "no picture is in this folder"),
        (["ONE"], "no picture has a scale"),
        (["ONE", "--bar", "10furlong"], "expected a length"),
        (["ONE", "--bar", "0mm"], "above 0"),
        (["ONE", "--scale", "-3"], "above 0"),
        (["ONE", "--points", "1,2,3,4"], "needs --length"),
        (["ONE", "--points", "nowhere.csv"], "no such file"),
        (["ONE", "--board", "7by5", "--square", "10mm", "--marker", "7mm"], "such as 7x5"),
        (["ONE", "--board", "7x5", "--square", "10mm"], "needs --marker"),
        (["ONE", "--scale", "3", "--bar", "1mm"], "name one by --method"),
        (["ONE", "--scale", "3", "-o", "x.xml"], "ends in .json or .tsv"),
        (["ONE", "--regions", "x.csv"], "needs --of"),
        (["ONE", "--of", "nowhere.json"], "no such file"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, capsys, words, told):
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": str(tmp_path / "empty"), "ONE": picture(tmp_path / "one.png")}
    assert main(["calibrate", *(places.get(word, word) for word in words)]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("merian: error:") == 1


def test_a_rig_and_its_crops_by_the_verb(tmp_path: Path, capsys):
    (tmp_path / "rig").mkdir()
    for name in ("t1.png", "t2.png", "t3.png"):
        picture(tmp_path / "rig" / name)
    table = tmp_path / "points.csv"
    table.write_text(
        "picture,x1,y1,x2,y2,length\nt1.png,5,5,55,5,5\nt2.png,5,5,45,5,4\nt3.png,5,5,55,5,2.5\n"
    )
    out = tmp_path / "rig.tsv"
    words = ["calibrate", str(tmp_path / "rig"), "--points", str(table), "--series", "rig 1"]
    assert main([*words, "-o", str(out)]) == 0
    assert "far from the rig: t3.png: its own scale is 2.000 times" in capsys.readouterr().err
    crop = picture(tmp_path / "t3_001.png")
    assert main(["calibrate", crop, "--of", str(out), "--json"]) == 0
    scale = json.loads(capsys.readouterr().out)[0]["calibration"]
    assert scale["pixels_per_mm"] == 10
    assert scale["method"] == "series"
