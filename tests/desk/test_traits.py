"""End points of traits: moved, measured anew as `merian measure correct` does it, nothing lost."""

from __future__ import annotations

import csv
import json
import math
import shutil

import pytest
from PIL import Image, ImageDraw

from merian.bench.chromium import browser, chromium
from merian.catalogue import Catalogue
from merian.cli import main
from merian.desk.crops import Crops
from merian.desk.desk import Desk
from merian.desk.specimen import specimen_of
from merian.desk.traits import move, traits_of
from merian.errors import InputError
from merian.measure.by_hand import drawn_of, redrawn

SCALE = 20


@pytest.fixture(scope="module")
def beetles(tmp_path_factory):
    """Two dark bodies on white, measured into a catalogue."""
    folder = tmp_path_factory.mktemp("beetles")
    rows = ["occurrenceID,scientificName,accessURI,pixelsPerMillimetre"]
    for n in range(2):
        image = Image.new("RGB", (320, 200), "white")
        pen = ImageDraw.Draw(image)
        pen.ellipse((60, 60 - 5 * n, 250, 140), fill=(40, 30, 20))
        pen.ellipse((235, 85, 275, 118), fill=(60, 30, 20))
        image.save(folder / f"b{n}.png")
        rows.append(f"B{n},Carabus granulatus,{folder / f'b{n}.png'},{SCALE}")
    (folder / "b.csv").write_text("\n".join(rows) + "\n")
    assert main(["import", str(folder / "b.csv"), "--into", str(folder / "museum"), "-q"]) == 0
    out = ["-o", str(folder / "measured"), "-q"]
    assert main(["measure", str(folder / "museum"), "--write", *out]) == 0
    return folder


@pytest.fixture
def folder(beetles, tmp_path):
    for name in ("museum", "measured"):
        shutil.copytree(beetles / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def desk(folder):
    with Catalogue.open(folder / "museum") as opened:
        yield Desk(opened, "Anna")


def by_trait(desk, record="B0"):
    return {one.definition.id: one for one in traits_of(desk, record)[0]}


def asked(desk, points, record="B0"):
    traits = by_trait(desk, record)
    (media,) = {one.media for one in traits.values()}
    return {"record": record, "media": media, "specimen": 1, "points": points,
            "seen": {name: one.id for name, one in traits.items()}}  # fmt: skip


def test_what_was_measured_can_be_moved(desk):
    traits = by_trait(desk)
    assert {"body_length", "body_width", "feret"} <= set(traits)
    assert "area" not in traits  # which has no ends
    one = traits["body_length"]
    assert [*one.points] == ["head_tip", "abdomen_tip"]
    assert one.calibration.pixels_per_mm == SCALE
    assert one.frame == (320, 200)
    found = specimen_of(desk, Crops(desk), "B0")
    (few,) = found.plates[0].traits
    assert few.seen["body_length"] == one.id
    assert few.points["head_tip"] == one.points["head_tip"]


def test_a_moved_point_gives_what_measure_correct_gives(folder, desk):
    before = by_trait(desk)
    x, y = before["body_length"].points["head_tip"]
    feret = before["feret"].points["feret:2"]
    points = {"head_tip": [x - 6, y + 2], "feret:2": [feret[0] + 1, feret[1] - 3]}
    done = move(desk, asked(desk, points), "Bea", "the jaws were left out")
    # The same by an edited table of the run.
    (edited := folder / "edited.csv").write_text("")
    with (folder / "measured" / "points.csv").open() as stream:
        table = [*csv.DictReader(stream)]
    for row in table:
        if row["point"] in points and row["image"] == before["feret"].media:
            row["x"], row["y"] = (f"{v:.2f}" for v in points[row["point"]])
    with edited.open("w", newline="") as stream:
        rows = csv.DictWriter(stream, [*table[0]])
        rows.writeheader()
        rows.writerows(table)
    assert main(["measure", "correct", str(folder / "measured"), str(edited), "--by", "Bea",
                 "--date", "2026-01-01", "-q"]) == 0  # fmt: skip
    with (folder / "measured" / "measurements.tsv").open() as stream:
        values = {row["trait"]: row for row in csv.DictReader(stream, delimiter="\t")
                  if row["image"] == before["feret"].media}  # fmt: skip
    assert {row["measurementType"] for row in done["rows"]} == {"body_length", "feret"}
    for row in done["rows"]:
        told = values[row["measurementType"]]
        assert row["measurementValueNumeric"] == pytest.approx(float(told["value"]), rel=1e-5)
        assert row["measurementLower"] == pytest.approx(float(told["low"]), rel=1e-5)
        assert row["measurementUpper"] == pytest.approx(float(told["high"]), rel=1e-5)
        assert row["measurementUnit"] == "mm"


def test_what_was_there_stays_and_the_next_one_goes_on_from_there(desk):
    count = desk.value("SELECT count(*) FROM main.measurement")
    first = by_trait(desk)["body_length"]
    x, y = first.points["head_tip"]
    move(desk, asked(desk, {"head_tip": [x - 4, y]}), "Bea", "")
    second = by_trait(desk)["body_length"]
    assert second.id != first.id
    assert second.points["head_tip"] == (x - 4, y)
    assert second.value == pytest.approx(math.dist(*second.points.values()) / SCALE)
    move(desk, asked(desk, {"head_tip": [x, y]}), "Anna", "no; frame: 9 x 9; head_tip: 0 0")
    third = by_trait(desk)["body_length"]
    assert third.points == first.points
    assert third.frame == first.frame
    assert third.value == pytest.approx(first.value, rel=1e-4)  # two decimals of a pixel
    rows = desk.rows(
        "SELECT g.*, r.arguments FROM main.measurement g JOIN main.run r USING (runID) "
        "WHERE g.measurementMethod LIKE '%correct' ORDER BY r.startedAt"
    )
    assert len(rows) == 2
    assert desk.value("SELECT count(*) FROM main.measurement") == count + 2
    assert [row["measurementDeterminedBy"] for row in rows] == ["Bea", "Anna"]
    assert f"corrected from {first.value:.6g} ({first.id})" in rows[0]["measurementRemarks"]
    assert json.loads(rows[1]["arguments"])["why"].startswith("no, frame")
    gone = traits_of(desk, "B0")[1]
    assert gone == {first.id, second.id}
    shown = specimen_of(desk, Crops(desk), "B0").measurements
    assert {row["id"] for row in shown if row["gone"]} == gone
    # Measured again by the program, a person's points stand.
    with desk.cursor() as con:
        con.execute(
            "INSERT INTO main.measurement BY NAME SELECT * REPLACE ('later' AS measurementID, "
            "'r2' AS runID) FROM main.measurement WHERE measurementID = ?", [first.id],
        ).fetchall()  # fmt: skip
        con.execute(
            "INSERT INTO main.run BY NAME SELECT 'r2' AS runID, 'measure' AS verb, '{}' AS "
            "arguments, TIMESTAMP '2999-01-01' AS startedAt"
        ).fetchall()
    assert by_trait(desk)["body_length"].id == third.id


def test_a_picture_that_was_measured_at_two_sizes_is_moved_at_each(desk):
    width = by_trait(desk)["body_width"]
    with desk.cursor() as con:
        con.execute(
            "UPDATE main.measurement SET measurementRemarks = replace(measurementRemarks, "
            "'frame: 320 x 200', 'frame: 640 x 400') WHERE measurementID = ?", [width.id],
        ).fetchall()  # fmt: skip
    assert by_trait(desk)["body_width"].frame == (640, 400)
    (few,) = specimen_of(desk, Crops(desk), "B0").plates[0].traits
    assert "body_width" not in few.seen
    assert {"body_length", "feret"} <= set(few.seen)  # on either side of it by their names
    x, y = few.points["head_tip"]
    told = {**asked(desk, {"head_tip": [x - 4, y]}), "seen": few.seen}
    done = move(desk, told, "Bea", "")
    assert "body_length" in {row["measurementType"] for row in done["rows"]}
    with pytest.raises(InputError, match="measured anew meanwhile"):
        move(desk, {**told, "points": {"head_tip": [x - 5, y]}}, "Bea", "")
    name, (x, y) = next(iter(width.points.items()))
    told = {**told, "points": {name: [x + 300, y]}, "seen": {"body_width": width.id}}
    (row,) = move(desk, told, "Bea", "")["rows"]
    assert row["measurementType"] == "body_width"


def test_two_windows_lose_no_correction(desk):
    told = asked(desk, {"head_tip": [50, 100]})
    move(desk, told, "Anna", "")
    count = desk.value("SELECT count(*) FROM main.measurement")
    with pytest.raises(InputError, match="measured anew meanwhile"):
        move(desk, {**told, "points": {"head_tip": [52, 100]}}, "Bea", "")
    assert desk.value("SELECT count(*) FROM main.measurement") == count


@pytest.mark.parametrize(
    ("points", "by", "words"),
    [({"head_tip": [-1, 5]}, "A", "outside"), ({"head_tip": [5, 900]}, "A", "outside"),
     ({"head_tip": [float("nan"), 5]}, "A", "outside"), ({"nose": [1, 1]}, "A", "no end point"),
     ({"head_tip": ["x", 1]}, "A", "two numbers"), ({"head_tip": [1]}, "A", "two numbers"),
     ({}, "A", "expected the points"), ({"head_tip": [5, 5]}, " ", "who")],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_place_is_refused(desk, points, by, words):
    with pytest.raises(InputError, match=words):
        move(desk, asked(desk, points), by, "")
    assert not desk.value("SELECT count(*) FROM main.measurement WHERE measurementMethod LIKE "
                          "'%correct'")  # fmt: skip


def test_nothing_moved_is_nothing_written(desk):
    x, y = by_trait(desk)["body_length"].points["head_tip"]
    with pytest.raises(InputError, match="no end point was moved"):
        move(desk, asked(desk, {"head_tip": [x, y]}), "A", "")
    with pytest.raises(InputError, match="no trait"):
        redrawn([], {"head_tip": (1, 1)})


@pytest.mark.parametrize(
    "changed",
    [{"measurementMethod": "ImageJ"}, {"measurementMethod": "body_length 9.9; merian measure"},
     {"measurementRemarks": "head_tip: 1 2"}, {"measurementRemarks": None},
     {"measurementValueNumeric": None}, {"measurementMethod": "area 1.0; merian measure"},
     {"measurementRemarks": "frame: 9 x 9; head_tip: a b; abdomen_tip: 1 2"}],
    ids=range(7),
)  # fmt: skip
def test_what_does_not_tell_its_ends_cannot_be_moved(desk, changed):
    row = desk.rows("SELECT * FROM main.measurement WHERE measurementType = 'body_length'")[0]
    assert drawn_of(row) is not None
    assert drawn_of({**row, **changed}) is None


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")
def test_ends_are_dragged_and_moved_by_keys_in_the_browser(folder, open_desk, tmp_path):
    from tests.desk.test_browser import Hands

    with (
        browser(chromium(), tmp_path / "profile") as tab,
        open_desk(folder / "museum", "--by", "Anna") as server,
    ):
        tab.ask("Page.enable")
        tab.ask("Runtime.enable")
        hands = Hands(tab)
        hands.open(f"{server.address}specimen?record=B0")
        end = "document.querySelector('.end[data-point=head_tip]')"
        hands.until(f"!!{end}")
        value = "document.querySelector('.ends li[data-trait=body_length] b').textContent"
        before, x = tab.value(value), float(tab.value(f"{end}.getAttribute('cx')"))
        save = "document.querySelector('[data-ends=save]')"
        assert tab.value(f"{save}.disabled")
        # The ends of one trait at a time, since those of several lie on each other.
        ends = "[...document.querySelectorAll('.end')].filter(e => e.checkVisibility()).length"
        assert tab.value(ends) == 2
        tab.value("document.querySelector('.ends li[data-trait=feret] button').click()")
        assert not tab.value(f"{end}.checkVisibility()")
        tab.value("document.querySelector('.ends li[data-trait=body_length] button').click()")
        assert tab.value(f"{end}.checkVisibility()")
        tab.value(f"{end}.focus()")
        hands.press("ArrowRight")  # which does not lead to the next specimen here
        hands.press("ArrowRight", shift=True)
        hands.until(f"{end}.getAttribute('cx') == {x + 11:.2f}")
        assert tab.value(value).startswith("≈")
        hands.press("Escape")
        hands.until(f"{save}.disabled && {value} === '{before}'")
        tab.value(f"{end}.scrollIntoView({{block: 'center'}})")
        box = tab.value(f"(() => {{ const b = {end}.getBoundingClientRect(); "
                        "return [b.left + b.width / 2, b.top + b.height / 2]; })()")  # fmt: skip
        for kind, across in (("mousePressed", 0), ("mouseMoved", 15), ("mouseMoved", 30),
                             ("mouseReleased", 30)):  # fmt: skip
            tab.ask("Input.dispatchMouseEvent", type=kind, x=box[0] + across, y=box[1],
                    button="left", buttons=1, clickCount=1)  # fmt: skip
        hands.until(f"!{save}.disabled && Number({end}.getAttribute('cx')) > {x + 5}")
        tab.value(f"{end}.focus()")
        hands.press("Enter")  # which saves, and accepts nothing
        hands.until("document.querySelectorAll('tr.gone').length > 0")
        assert float(tab.value(f"{end}.getAttribute('cx')")) > x + 5
        assert tab.value(value) != before
        assert server.stands()["B0"][2] == "open"
    with Catalogue.open(folder / "museum", read_only=True) as opened:
        count = opened.query(
            "SELECT count(*) FROM measurement WHERE measurementDeterminedBy = 'Anna'"
        ).value()
    assert count >= 1
