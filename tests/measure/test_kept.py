"""Pictures that are done are kept: what is done again is what is not the same, or was not whole."""

import pytest

from merian.measure.kept import kept_beside
from merian.measure.stage import Rows
from merian.pictures import BadPictureError


def key(item):
    if item == "gone":
        raise BadPictureError("is gone")
    return f"key of {item}"


class Maker:
    """Makes rows, writes a file, and knows what it was asked for."""

    def __init__(self, stop: object = None) -> None:
        self.made: list[str] = []
        self.stop = stop

    def __call__(self, item, folder):
        if item == self.stop:
            raise KeyboardInterrupt
        if item == "bad":
            raise BadPictureError("cannot be read")
        key(item)
        self.made.append(item)
        folder.mkdir()
        (folder / "file").write_text(item)
        return Rows([item, float("nan")], [([item, 1], [["feret", 2.5]])])


def go(out, items, maker, workers=1):
    with kept_beside(out, "test") as kept:
        return [
            (item, entry.key, entry.aside, entry.rows and entry.rows.to_json(),
             (entry.folder / "file").read_text() if entry.rows else "")
            for item, entry in kept.done(iter(items), key, maker, workers)
        ]  # fmt: skip


def stopped(out, items, at, workers=1):
    maker = Maker(stop=at)
    with pytest.raises(KeyboardInterrupt):
        go(out, items, maker, workers)
    return out.parent / f".{out.name}.test"


ITEMS = ["a", "bad", "b", "gone", "c", "d"]


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_kept_is_not_made_again_and_told_alike(tmp_path, workers):
    whole = go(tmp_path / "whole", ITEMS, Maker(), workers)
    assert [row[2] for row in whole] == ["", "cannot be read", "", "is gone", "", ""]
    hidden = stopped(tmp_path / "out", ITEMS, "d", workers)
    assert hidden.is_dir()
    maker = Maker()
    assert go(tmp_path / "out", ITEMS, maker, workers) == whole
    assert set(maker.made) <= {"c", "d"} if workers == 1 else "d" in maker.made
    assert not hidden.exists()


def test_from_the_first_that_is_another_all_is_made_again(tmp_path):
    stopped(tmp_path / "out", ITEMS, "d")
    maker = Maker()
    found = go(tmp_path / "out", ["a", "x", "b", "c"], maker)
    assert maker.made == ["x", "b", "c"]
    assert [row[4] for row in found] == ["a", "x", "b", "c"]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_was_cut_short_is_made_again(tmp_path, cut):
    lines = stopped(tmp_path / "out", ITEMS, "d") / "done.jsonl"
    lines.write_bytes(lines.read_bytes()[:-cut])
    maker = Maker()
    assert go(tmp_path / "out", ITEMS, maker) == go(tmp_path / "whole", ITEMS, Maker())
    assert maker.made == ["c", "d"]


def test_where_nothing_was_done_nothing_stays(tmp_path):
    hidden = stopped(tmp_path / "out", ["a", "b"], "a")
    assert not hidden.exists()
