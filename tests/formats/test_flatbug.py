"""flatbug: what it found is regions of the picture, with outlines in its pixels."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, InputError, MerianError
from merian.formats import Options, find_format, read_path, sniff
from merian.formats.outlines import bounds, read_rings

Take = Callable[[Reading], tuple[Catalogue, Summary]]

GOOD = {
    "boxes": [[10, 20, 30, 40]],
    "contours": [[[5, 15, 15], [10, 10, 20]]],
    "confs": [0.9],
    "classes": [1],
    "scales": [1.0],
    "identifier": "run",
    "image_path": "somewhere/else/tray.jpg",
    "image_width": 100,
    "image_height": 80,
    "mask_width": 50,
    "mask_height": 40,
}


def written(path: Path, **more: object) -> Path:
    path.write_text(json.dumps(GOOD | more))
    return path


def test_an_insect_is_a_region_with_an_outline(tmp_path: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(written(tmp_path / "metadata_tray_UUID_run.json")))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert catalogue.query(
        "SELECT occurrenceID, derivedFromMediaID, xFrac, yFrac, widthFrac, heightFrac, "
        "regionOutline, accessURI FROM media ORDER BY mediaID"
    ).fetch() == [
        (None, None, None, None, None, None, None, "tray.jpg"),
        ("tray.jpg/run/1", "tray.jpg", 0.1, 0.25, 0.2, 0.25,
         "POLYGON ((10.0 20.0, 30.0 20.0, 30.0 40.0, 10.0 20.0))", None),
    ]  # fmt: skip
    facts = "SELECT measurementType, measurementValue FROM measurement ORDER BY 1"
    assert catalogue.query(facts).fetch() == [("class", "1"), ("conf", "0.9"), ("scale", "1.0")]
    assert catalogue.query("SELECT count(*) FROM identification").value() == 0


def test_what_is_wrong_is_told_and_the_rest_is_kept(tmp_path: Path, take_in: Take) -> None:
    path = written(
        tmp_path / "a.json",
        boxes=[[10, 20, 5, 40], [0, 0, 200, 10], None],
        contours=[[[1, 2], [1, 2]], [[0, 50, 50], [0, 0, 5]], "x"],
        confs=[0.2, 0.8, None],
    )
    catalogue, summary = take_in(read_path(path))
    assert summary.values_rejected == 4
    reasons = "SELECT reason FROM rejects ORDER BY reason"
    assert [str(reason) for (reason,) in catalogue.query(reasons).fetch()] == [
        "insect 1 has no box: left, top, right and below are expected",
        "insect 1 has no outline: an outline of 2 points: 3 at least are expected",
        "insect 3 has no box: left, top, right and below are expected",
        "insect 3 has no outline: a list of x and one of y are expected",
    ]
    second = "SELECT xFrac, widthFrac FROM media WHERE mediaID LIKE '%/2'"
    assert catalogue.query(second).fetch() == [(0.0, 1.0)]
    sure, _ = take_in(read_path(path, Options(extra={"threshold": "0.5"})))
    count = "SELECT count(*) FROM occurrence"
    assert sure.query(count).value() == 2  # one is surer, and of one it is not told
    with pytest.raises(InputError, match="threshold=2"):
        read_path(path, Options(extra={"threshold": "2"}))


@pytest.mark.parametrize(
    ("more", "why"),
    [({"boxes": []}, "has 0 boxes for 1 insects"), ({"contours": {}}, "has 0 contours for 1")],
)
def test_uneven_lists_are_no_prediction(tmp_path: Path, more: dict[str, object], why: str) -> None:
    with pytest.raises(FormatError, match=why):
        read_path(written(tmp_path / "a.json", **more))


def test_a_picture_without_a_size_keeps_its_insects(tmp_path: Path, take_in: Take) -> None:
    path = written(tmp_path / "a.json", image_width=10**12)
    catalogue, summary = take_in(read_path(path))
    assert summary.values_rejected == 1
    asked = "SELECT xFrac, regionOutline FROM media WHERE occurrenceID IS NOT NULL"
    assert catalogue.query(asked).fetch() == [(None, None)]


def test_damaged_files_end_in_a_reason(tmp_path: Path) -> None:
    chance = random.Random(5)
    root = find_format("flatbug").fake(tmp_path, 1)
    (path,) = root.glob("*.json")
    content = path.read_bytes()
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        path.write_bytes(broken[: chance.randrange(len(broken))] if chance.random() < 0.3
                         else broken)  # fmt: skip
        try:
            for source in read_path(path, format="flatbug").sources:
                list(source.chunks)  # type: ignore[union-attr]
        except MerianError:
            pass


def shared_part(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the intersection of two boxes over their union."""
    sides = [
        max(0.0, min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]))
        for i in (0, 1)
    ]
    both = sides[0] * sides[1]
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def test_real_predictions_lie_in_their_picture(shared: Path, take_in: Take) -> None:
    folder = shared / "traits" / "flatbug"
    if not folder.is_dir():
        pytest.skip("no predictions of flatbug here")
    counts = {}
    for name in ("ChangeThisTEMPORARY", "XXXX"):
        (path,) = folder.glob(f"metadata_*_UUID_{name}.json")
        assert sniff(path).name == "flatbug"
        catalogue, summary = take_in(read_path(path))
        assert summary.rows_rejected == summary.values_rejected == 0
        asked = ("SELECT xFrac * 1940, yFrac * 1933, widthFrac * 1940, heightFrac * 1933, "
                 "regionOutline FROM media WHERE regionOutline IS NOT NULL")  # fmt: skip
        found = catalogue.query(asked).fetch()
        counts[name] = len(found)
        for *box, outline in found:
            (ring,) = read_rings(str(outline))
            # A box is the network's own, and not that around the outline; but they are of one.
            assert shared_part([float(str(side)) for side in box], bounds(ring)) > 0.6
        picture = catalogue.query("SELECT accessURI FROM media WHERE occurrenceID IS NULL").value()
        assert Path(str(picture)).is_file()
    assert counts == {"ChangeThisTEMPORARY": 10, "XXXX": 11}
