"""``merian tray``: tables, crops, counts, catalogues, and what goes wrong."""

from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from merian.catalogue import Catalogue
from merian.cli import main
from merian.formats import read_path
from merian.identify import answered
from merian.tray import run as running

from .drawn import tray


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(2):
        Image.fromarray(tray((420, 300), number, 5)[0]).save(folder / f"p{number}.png")
    (folder / "q.png").write_bytes((folder / "p0.png").read_bytes()[:900])
    return folder


@pytest.fixture(scope="module")
def out(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "tray"
    assert run(photos, "--out", out, "--scale", "10±1%") == 0
    return out


def run(*words):
    return main(["tray", *map(str, words), "-q"])


def table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def test_every_body_has_a_row_a_crop_and_an_outline(out):
    rows = table(out / "instances.tsv")
    assert [(row["photo"], row["instance"]) for row in rows] == [
        (f"p{photo}.png", str(number)) for photo in range(2) for number in range(1, 6)
    ]
    for row in rows:
        assert (out / row["crop"]).is_file()
        assert row["unit"] == "mm"
        assert float(row["area"]) == pytest.approx(int(row["area_px"]) / 100, rel=1e-4)
        assert float(row["breadth"]) <= float(row["length"])
    assert {row["kind"] for row in table(out / "counts.tsv")} == {"body"}
    (aside,) = table(out / "set_aside.tsv")
    assert aside["photo"] == "q.png"
    assert aside["reason"]
    spectrum = table(out / "size_spectrum.tsv")
    assert sum(int(row["bodies"]) for row in spectrum if not row["photo"]) == 10
    assert sum(int(row["bodies"]) for row in spectrum if row["photo"]) == 10
    assert (out / "overlays" / "00001_p0.png").is_file()
    assert len(table(out / "measurements.tsv")) == 40


def test_outlines_are_coco_that_reads_back(out, tmp_path):
    told = json.loads((out / "trays.coco.json").read_text())
    assert [one["id"] for one in told["annotations"]] == list(range(1, 11))
    assert [one["id"] for one in told["images"]] == [1, 2]
    for one in told["annotations"]:
        for ring in one["segmentation"]:
            points = list(zip(ring[::2], ring[1::2], strict=True))
            assert len(set(points)) == len(points) >= 3
            x, y, w, h = one["bbox"]
            assert all(x <= a <= x + w and y <= b <= y + h for a, b in points)
    with Catalogue.create(tmp_path / "catalogue") as made:
        made.ingest(read_path(out / "trays.coco.json"))
    with Catalogue.open(tmp_path / "catalogue", read_only=True) as opened:
        sql = "SELECT count(*) FROM media WHERE regionOutline IS NOT NULL"
        assert opened.query(sql).value() == 10
        for (uri,) in opened.query("SELECT accessURI FROM media WHERE accessURI IS NOT NULL"):
            assert os.path.isfile(uri)  # noqa: PTH113 - as it stands


def test_the_page_needs_nothing_else(out):
    text = (out / "tray.html").read_text()
    assert "How many bodies were missed is not known" in text
    assert "q.png" in text
    assert 'src="http' not in text


def test_the_same_photographs_give_the_same_bytes(photos, out):
    before = files(out)
    assert run(photos, "--out", out, "--scale", "10±1%") == 0
    assert files(out) == before


def test_a_scale_is_not_needed_and_more_traits_can_be_asked_for(photos, tmp_path, capsys):
    assert main(["tray", str(photos / "p0.png"), "-o", str(tmp_path / "o"), "--measure"]) == 0
    assert "no scale" in capsys.readouterr().out
    assert {row["unit"] for row in table(tmp_path / "o" / "instances.tsv")} == {"px"}
    traits = {row["trait"] for row in table(tmp_path / "o" / "measurements.tsv")}
    assert {"body_length", "feret", "biovolume_ellipsoid"} <= traits
    assert run(photos / "p0.png", "--out", tmp_path / "few", "--least", "1", "--without-crops") == 0
    assert table(tmp_path / "few" / "instances.tsv") == []
    assert not (tmp_path / "few" / "crops").exists()


def test_what_was_validated_gives_an_interval_and_what_was_missed_is_added(photos, tmp_path):
    said = ["photo\tinstance\ttruth"]
    said += [f"p0.png\t{number}\tbody" for number in range(1, 5)] + ["p0.png\t5\tnone"]
    said += ["p0.png\t\tbody", "p0.png\t\tbody"]
    (tmp_path / "said.tsv").write_text("\n".join(said))
    out = tmp_path / "out"
    assert run(photos, "--out", out, "--validated", tmp_path / "said.tsv") == 0
    counts = {(row["photo"], row["kind"]): row for row in table(out / "counts.tsv")}
    assert counts["p0.png", "(no thing)"]["validated"] == "1"
    body = counts["p1.png", "body"]
    assert float(body["from"]) < float(body["count"]) < float(body["to"])
    assert float(body["to"]) > 5  # some were missed
    assert "is not known" not in (out / "tray.html").read_text()


def test_a_photograph_without_bodies_tells_nothing_of_what_is_missed(photos, tmp_path):
    looked = tmp_path / "photos"
    looked.mkdir()
    for name in ("p0.png", "p1.png"):
        (looked / name).write_bytes((photos / name).read_bytes())
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(looked / "plain.png")
    said = tmp_path / "said.tsv"
    said.write_text("photo\tinstance\ttruth\np0.png\t1\tbody\nplain.png\t\tbody\n")
    out = tmp_path / "out"
    assert run(looked, "--out", out, "--validated", said) == 0
    counts = {row["photo"]: row for row in table(out / "counts.tsv")}
    assert float(counts["p1.png"]["to"]) == 5  # no more than were found
    page = (out / "tray.html").read_text()
    assert "is not known" in page
    assert "cannot be counted on" in page


def test_no_more_of_what_is_no_thing_were_missed(photos, tmp_path):
    said = ["photo\tinstance\ttruth"] + [f"p0.png\t{number}\tnone" for number in range(1, 6)]
    (tmp_path / "said.tsv").write_text("\n".join(said))
    (tmp_path / "missed.tsv").write_text("kind\tfound\tmissed\nbody\t1\t9\nmoth\t1\t1\n")
    words = ["--validated", tmp_path / "said.tsv", "--missed", tmp_path / "missed.tsv"]
    assert run(photos, "--out", tmp_path / "out", *words) == 0
    counts = {(row["photo"], row["kind"]): row for row in table(tmp_path / "out" / "counts.tsv")}
    assert float(counts["p0.png", "(no thing)"]["to"]) == 5
    assert "moth" in (tmp_path / "out" / "tray.html").read_text()
    # Of p0 alone nothing was found that is a body: nothing is known of what is missed.
    assert run(photos / "p0.png", "--out", tmp_path / "one", *words[:2]) == 0
    assert "is not known" in (tmp_path / "one" / "tray.html").read_text()


def test_missed_kinds_that_are_called_otherwise_are_told(photos, tmp_path):
    (tmp_path / "missed.tsv").write_text("kind\tfound\tmissed\nmoth\t8\t2\n")
    words = ["--out", tmp_path / "out", "--missed", tmp_path / "missed.tsv"]
    assert run(photos, *words) == 0
    assert {row["count"] for row in table(tmp_path / "out" / "counts.tsv")} == {"5"}
    page = (tmp_path / "out" / "tray.html").read_text()
    assert "of no kind that is counted" in page
    assert "is not known" in page


def test_what_cannot_be_counted_in_the_end_leaves_what_was_found(photos, tmp_path, capsys):
    (tmp_path / "said.tsv").write_text("photo\tinstance\ttruth\np0.png\t99\tbody\n")
    words = ["--out", tmp_path / "out", "--validated", tmp_path / "said.tsv"]
    assert run(photos, *words) == 0
    assert "instance 99 of 'p0.png', which was not found" in capsys.readouterr().out
    assert {row["count"] for row in table(tmp_path / "out" / "counts.tsv")} == {"5"}
    assert "could not be counted" in (tmp_path / "out" / "tray.html").read_text()


def test_too_many_kinds_leave_what_was_found(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(answered, "_MOST", 0)
    assert run(photos, "--out", tmp_path / "out") == 0
    assert "counts are of what was found: 1 different names" in capsys.readouterr().out
    assert {row["count"] for row in table(tmp_path / "out" / "counts.tsv")} == {"5"}
    assert "things.tsv" not in (tmp_path / "out" / "tray.html").read_text()


def test_a_table_of_what_was_missed_is_read_before_any_photograph(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "open_photograph", lambda _: pytest.fail("was looked at"))
    (tmp_path / "missed.tsv").write_text("kind\tfound\nbody\t1\n")
    assert run(photos, "--out", tmp_path / "o", "--missed", tmp_path / "missed.tsv") == 2


def test_a_picture_of_one_row_ends_no_batch(photos, tmp_path):
    (tmp_path / "p0.png").write_bytes((photos / "p0.png").read_bytes())
    for name, size in {
        "row.png": (1, 500),
        "column.png": (500, 1),
        "long.png": (1, 9_000_000),
    }.items():
        Image.fromarray(np.full((*size, 3), 200, np.uint8)).save(tmp_path / name)
    assert run(tmp_path, "--out", tmp_path / "out") == 0
    assert len(table(tmp_path / "out" / "instances.tsv")) == 5
    (aside,) = table(tmp_path / "out" / "set_aside.tsv")
    assert (aside["photo"], "too narrow" in aside["reason"]) == ("long.png", True)


def test_the_same_photograph_under_two_names_is_looked_at_once(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "found_in", stopped_at(2, running.found_in))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes((photos / "p0.png").read_bytes())
    assert run(tmp_path, "--out", tmp_path / "out") == 0
    assert {row["photo"] for row in table(tmp_path / "out" / "instances.tsv")} == {"a.png"}
    (aside,) = table(tmp_path / "out" / "set_aside.tsv")
    assert (aside["photo"], aside["reason"]) == ("b.png", "is the same photograph as a.png")


def test_a_catalogue_gets_everything_once(photos, tmp_path):
    place = tmp_path / "catalogue"
    Catalogue.create(place).close()
    for number in range(2):
        words = [photos, "--out", tmp_path / f"o{number}", "--into", place, "--scale", "10"]
        assert run(*words) == 0
        with Catalogue.open(place, read_only=True) as opened:
            count = {
                name: opened.query(f"SELECT count(*) FROM {name}").value()
                for name in ("event", "occurrence", "media", "measurement")
            }
            assert count == {"event": 2, "occurrence": 10, "media": 12, "measurement": 40}
            loose = (
                "SELECT count(*) FROM measurement m LEFT JOIN media x USING (mediaID) "
                "LEFT JOIN occurrence o ON o.occurrenceID = m.occurrenceID "
                "WHERE x.mediaID IS NULL OR o.occurrenceID IS NULL"
            )
            assert opened.query(loose).value() == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give photographs"),
        (["nowhere.jpg"], "no such"),
        (["p0.png", "--least", "2"], "from 0 to 1"),
        (["p0.png", "--finder", "magic"], "no finder"),
        (["p0.png", "--rank", "order"], "--library"),
        (["p0.png", "--rank", "breed"], "is expected"),
        (["p0.png", "--validated", "none.tsv"], "no such"),
        (["p0.png", "--validated", "wrong.tsv"], "has no column photo"),
        (["p0.png", "--validated", "other.tsv"], "none of the photographs"),
        (["p0.png", "--into", "nothing"], "nothing"),
        (["q.png"], "none of 1 photograph"),
    ],
    ids=lambda value: " ".join(value[1:] or value) if isinstance(value, list) else None,
)
def test_what_is_wrong_is_told_in_one_line(photos, tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    for name in ("p0.png", "q.png"):
        (tmp_path / name).write_bytes((photos / name).read_bytes())
    (tmp_path / "wrong.tsv").write_text("kind\tfound\tmissed\nx\t1\t1\n")
    (tmp_path / "other.tsv").write_text("photo\tinstance\ttruth\np7.png\t1\tbody\n")
    assert run(*words, "--out", "made") == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "made").exists()


def stopped_at(call, function):
    calls = iter(range(1, call))

    def stop(*words, **more):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return function(*words, **more)

    return stop


@pytest.mark.parametrize("at", [2, 3], ids=["second-photo", "tables"])
def test_a_run_that_is_stopped_goes_on(photos, out, tmp_path, monkeypatch, at):
    words = (photos, "--out", tmp_path / "tray", "--scale", "10±1%")
    with monkeypatch.context() as patch:
        patch.setattr(running, "found_in", stopped_at(at, running.found_in))
        patch.setattr(running, "write_tables", stopped_at(1, running.write_tables))
        assert run(*words) == 130
    assert [path.name for path in tmp_path.iterdir()] == [".tray.tray"]
    with monkeypatch.context() as patch:  # only what is missing is looked at
        patch.setattr(running, "found_in", stopped_at(4 - at, running.found_in))
        assert run(*words) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["tray"]
    assert files(tmp_path / "tray") == files(out)


def test_what_is_asked_otherwise_is_looked_at_again(photos, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(running, "write_tables", stopped_at(1, running.write_tables))
        assert run(photos / "p0.png", "--out", tmp_path / "tray", "--scale", "10±1%") == 130
    assert run(photos / "p0.png", "--out", tmp_path / "tray", "--scale", "20±1%") == 0
    (row, *_) = table(tmp_path / "tray" / "photographs.tsv")
    assert float(row["px_per_mm"]) == 20


def test_a_run_that_is_stopped_before_anything_is_done_leaves_nothing(
    photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(running, "found_in", stopped_at(1, running.found_in))
    assert run(photos, "--out", tmp_path / "made") == 130
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_not_replaced(photos, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert run(photos, "--out", tmp_path) == 2
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_photograph_of_one_colour_has_no_bodies(tmp_path):
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(tmp_path / "plain.png")
    assert run(tmp_path / "plain.png", "--out", tmp_path / "out") == 0
    assert table(tmp_path / "out" / "instances.tsv") == []
    assert (tmp_path / "out" / "tray.html").is_file()
