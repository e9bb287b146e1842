"""Packs and libraries of a part of a split hold nothing of another part."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from merian.catalogue import Catalogue
from merian.catalogue.splits import Plan, parts_of
from merian.cli import main
from merian.formats import read_path
from merian.learn.pack import open_pack
from merian.library import Library

PARTS = "train=60,val=20,test=20"


@pytest.fixture(scope="module")
def divided(tmp_path_factory) -> tuple[Path, dict[str, set[str]]]:
    """A catalogue with a split by barcode, and the records of each part. Nobody may change it."""
    folder = tmp_path_factory.mktemp("divided")
    rng = np.random.default_rng(4)
    barcodes = ["".join(rng.choice(list("ACGT"), 150)) for _ in range(30)]
    rows = [f"r{i:03},Aidae,Aus,Aus {'bcd'[i % 3]}us,{barcodes[i % 30]}\n" for i in range(60)]
    source = folder / "a.csv"
    source.write_text("processid,family,genus,species,sequence\n" + "".join(rows))
    with Catalogue.create(folder / "cat") as made:
        made.ingest(read_path(source))
        made.split(Plan(name="one", by=("barcode",), parts=parts_of(PARTS)))
        made.split(Plan(name="old", preset="dates", cuts=("2015-01-01",)))
        placed = list(made.query("SELECT recordID, part FROM placement WHERE splitName = 'one'"))
    own: dict[str, set[str]] = {}
    for record, part in placed:
        own.setdefault(str(part), set()).add(str(record))
    assert sorted(own) == ["test", "train", "val"]
    assert all(len(records) >= 6 for records in own.values())
    return folder / "cat", own


def packed(pack: Path) -> dict[str, set[str]]:
    """The records of each part of a pack."""
    found = open_pack(pack)
    every = found.records(np.arange(found.size))
    ends = np.cumsum(list(found.parts.values()))
    return {
        part: set(map(str, every[end - count : end]))
        for (part, count), end in zip(found.parts.items(), ends.tolist(), strict=True)
    }


def held(library: Path) -> set[str]:
    """The records of a library."""
    opened = Library.open(library)
    return {record.id for entry in range(len(opened)) for record in opened.records_of(entry)}


def test_a_pack_of_a_split_keeps_its_parts(divided, tmp_path: Path) -> None:
    catalogue, own = divided
    assert main(["pack", str(catalogue), "--split", "one", "-o", str(tmp_path / "p"), "-q"]) == 0
    found = packed(tmp_path / "p")
    assert {part: records for part, records in found.items() if records} == {
        "train": own["train"], "valid": own["val"], "test": own["test"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "parts"),
    [("one:val", ["val"]), ("one:train+test", ["train", "test"])],
    ids=["one", "two"],
)
def test_a_pack_of_some_parts_holds_these_alone(divided, tmp_path: Path, asked, parts) -> None:
    catalogue, own = divided
    assert main(["pack", str(catalogue), "--split", asked, "-o", str(tmp_path / "p"), "-q"]) == 0
    found = packed(tmp_path / "p")
    assert set().union(*found.values()) == set().union(*(own[part] for part in parts))


def test_a_library_is_built_and_grows_by_parts(divided, tmp_path: Path) -> None:
    catalogue, own = divided
    library = str(tmp_path / "lib")
    asked = ["library", "build", str(catalogue), "--split", "one:train", "-o", library, "-q"]
    assert main(asked) == 0
    assert held(tmp_path / "lib") == own["train"]
    assert main(["library", "add", library, str(catalogue), "--split", "one:val", "-q"]) == 0
    assert held(tmp_path / "lib") == own["train"] | own["val"]


@pytest.mark.parametrize("verb", [["pack"], ["library", "build"]], ids=["pack", "library"])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("on", "there is no such split. There are: old, one. Did you mean one?"),
        ("one:trian", "has no part 'trian'. It has train, val, test. Did you mean train?"),
        ("one:", "has no part ''. It has train, val, test."),
        ("one:train+tset", "has no part 'tset'. It has train, val, test. Did you mean test?"),
    ],
    ids=["no split", "no part", "empty", "second"],
)
def test_an_unknown_split_or_part_is_one_line(
    divided, tmp_path: Path, capsys, verb: list[str], asked: str, told: str
) -> None:
    out = tmp_path / "out"
    assert main([*verb, str(divided[0]), "--split", asked, "-o", str(out), "-q"]) == 2
    said = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err).strip()
    assert told in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_a_part_without_records_gives_nothing(divided, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    for verb in (["pack"], ["library", "build"]):
        assert main([*verb, str(divided[0]), "--split", "old:test", "-o", str(out), "-q"]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
        assert not out.exists()
