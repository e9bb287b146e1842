"""One library for each marker."""

from __future__ import annotations

import pytest

import merian.library.each as each_module
from merian.errors import InputError
from merian.files import content_hash
from merian.formats import Options
from merian.library import Library, Settings, add_to_library, build_each, build_library

from .conftest import bases
from .test_build import names

MARKERS = Options({"marker": "targetGene"})


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    rows = [("a", "COI-5P", 1), ("b", "coi-5p", 2), ("c", "28S", 3), ("d", "", 4),
            ("e", "ITS1/2", 5), ("f", "COI-5P", 6)]  # fmt: skip
    made = "".join(f"{k},Aus {k * 3}us,Aus,{m},{bases(s)}\n" for k, m, s in rows)
    path.write_text(f"processid,species,genus,marker,sequence\n{made}g,Aus gus,Aus,16S,ACGT\n"
                    "h,Aus hus,Aus,28S,MKLVPEQILFMKLVPEQILF\n")  # fmt: skip
    return path


def test_each_marker_has_a_whole_library_of_its_own(table, tmp_path):
    done = build_each([table], tmp_path / "out", settings=Settings(options=MARKERS))
    folders = sorted(p.parent.name for p in (tmp_path / "out").glob("*/library.json"))
    assert folders == ["28S", "COI-5P", "ITS1_2"] == sorted(done.libraries)
    held = {name: set(names(Library.open(tmp_path / "out" / name))) for name in folders}
    assert held == {"COI-5P": {"a", "b", "f"}, "28S": {"c"}, "ITS1_2": {"e"}}
    assert "shorter than 50" in done.empty["16S"]
    aside = [line.split("\t")[2:] for line in done.rejects.read_text().splitlines()[1:]]
    assert [key for key, _ in aside] == ["d", "g", "h"]
    assert "its marker is not said" in aside[0][1]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [*folders, "rejects.tsv"]


def test_it_is_the_library_that_would_be_built_of_that_marker_alone(table, tmp_path):
    build_each([table], tmp_path / "out", settings=Settings(options=MARKERS))
    one = Settings(options=MARKERS, marker="28S")
    rows = table.read_text().splitlines()
    table.write_text("\n".join(row for row in rows if ",," not in row) + "\n")
    alone = build_library([table], tmp_path / "alone", settings=one).library
    own = Library.open(tmp_path / "out" / "28S")
    assert names(own) == names(alone)
    more = tmp_path / "more.csv"
    more.write_text(f"processid,species,genus,marker,sequence\nz,Aus zus,Aus,28S,{bases(9)}\n")
    added = add_to_library(own.folder, [more], settings=one).library
    assert set(names(added)) == {"c", "z"}


def test_without_any_marker_it_says_so(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(f"processid,species,genus,sequence\na,Aus bus,Aus,{bases(1)}\n")
    with pytest.raises(InputError, match="no reference says of which marker"):
        build_each([path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_breaks_off_leaves_nothing_and_the_same_gives_the_same(table, tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    settings = Settings(options=MARKERS)
    there = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(each_module, "write_rejects", stop)
        with pytest.raises(KeyboardInterrupt):
            build_each([table], tmp_path / "out", settings=settings)
    assert sorted(tmp_path.iterdir()) == there
    build_each([table], tmp_path / "one", settings=settings)
    build_each([table], tmp_path / "two", settings=settings)
    assert content_hash(tmp_path / "one") == content_hash(tmp_path / "two")
    with pytest.raises(InputError, match="is there already"):
        build_each([table], tmp_path / "one", settings=settings)
