"""The leak report tells near duplicates: barcodes nearly the same, pictures that look alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from merian.audit.near_barcodes import near_barcodes
from merian.catalogue import Catalogue, Reading, Rows
from merian.catalogue.splits import Leak, Plan, parts_of
from merian.catalogue.splits import near_leaks as looked
from merian.catalogue.splits.near_leaks import LOOKS_LIKE, PIXELS
from merian.cli import main
from merian.nucleotides import reverse_complement

RNG = np.random.default_rng(17)
LENGTH = 300


def strand() -> str:
    return "".join(RNG.choice(list("ACGT"), LENGTH))


def changed(text: str, count: int) -> str:
    """The same with so many other bases, away from its ends."""
    letters = list(text)
    for place in RNG.choice(np.arange(30, LENGTH - 30), count, replace=False):
        letters[place] = "ACGT"["ACGT".index(letters[place]) - 1]
    return "".join(letters)


def test_one_base_in_a_hundred_is_near_on_either_strand() -> None:
    learned = [strand() for _ in range(20)]
    asked = [
        changed(learned[3], 1), changed(learned[4], 3), reverse_complement(changed(learned[5], 2)),
        changed(learned[6], 12), strand(), learned[7][40:260], learned[8][:90] + strand()[:210],
    ]  # fmt: skip
    told = near_barcodes(asked, learned).tolist()
    assert told == [True, True, True, False, False, True, False]


def stored(
    path: Path, rows: Sequence[tuple[str, str, str]], more: Sequence[Rows] = ()
) -> Catalogue:
    """Records with an id, the part that they came with, and a barcode."""
    source = path.parent / "source"
    source.write_text("made here")
    chunk: dict[str, list[object]] = {
        "line": [*range(len(rows))], "occurrenceID": [row[0] for row in rows],
        "split": [row[1] for row in rows], "sequence": [row[2] for row in rows],
    }  # fmt: skip
    made = Catalogue.create(path)
    made.ingest(Reading("test", [Rows(source, "record", [chunk]), *more], (source,)))
    return made


def kinds(leaks: Sequence[Leak]) -> dict[str, Leak]:
    return {leak.kind: leak for leak in leaks}


def planted() -> list[tuple[str, str, str]]:
    """Thirty barcodes to learn from; of ten tested four are near (one twice), one is the same."""
    learned = [strand() for _ in range(30)]
    tested = [changed(learned[i], 2) for i in range(4)] + [strand() for _ in range(5)]
    tested += [tested[0], learned[9]]
    return [(f"L{i:02}", "train", one) for i, one in enumerate(learned)] + [
        (f"T{i:02}", "test", one) for i, one in enumerate(tested)
    ]


def test_near_barcodes_are_counted_and_kept(tmp_path: Path) -> None:
    with stored(tmp_path / "cat", planted()) as made:
        plan = Plan(name="p", preset="published")
        found = kinds(made.split(plan, near=near_barcodes).leaks)
        assert found["barcode"].records == 1  # the same one is no near one
        assert found["near barcode"] == Leak("near barcode", 9, 4, 5, 10)
        assert kinds(made.splits()[0].leaks) == found
        assert "near picture" not in found  # there are none
        # Without what finds them nothing is said.
        assert "near barcode" not in kinds(made.split(Plan(name="r", preset="random")).leaks)


def test_a_sample_is_said_and_what_is_too_large_too(tmp_path: Path, monkeypatch) -> None:
    with stored(tmp_path / "cat", planted()) as made:
        monkeypatch.setattr(looked, "_SAMPLE", 4)
        some = kinds(made.split(Plan(name="p", preset="published"), near=near_barcodes).leaks)
        assert some["near barcode"].groups == 4
        assert some["near barcode"].note == "4 of 9 barcodes looked at"
        monkeypatch.setattr(looked, "_SEARCHED", 29)
        none = kinds(made.split(Plan(name="r", preset="random"), near=near_barcodes).leaks)
        assert none["near barcode"].tested == 0
        assert none["near barcode"].note.startswith("not looked at: ")


def test_the_first_fold_is_asked_of_the_others(tmp_path: Path) -> None:
    barcodes = [strand() for _ in range(12)]
    rows = [(f"{i:02}-{k}", "x", changed(one, 1) if k else one)
            for i, one in enumerate(barcodes) for k in (0, 1)]  # fmt: skip
    with stored(tmp_path / "cat", rows) as made:
        plan = Plan(name="f", by=("barcode",), parts=parts_of("a=50,b=50"), least=1)
        found = made.split(plan, near=near_barcodes)
        part = dict(made.query("SELECT recordID, part FROM placement").fetch())
        torn = sum(part[f"{i:02}-0"] != part[f"{i:02}-1"] for i in range(12))
        assert kinds(found.leaks)["near barcode"].shared == torn > 0


def picture_rows(source: Path) -> list[Rows]:
    """Pictures of records 0 to 5 with what an audit has seen: 0 like 3, 1 and 4 the same pixels."""
    media: dict[str, list[object]] = {
        "line": [*range(6)], "mediaID": [f"P{i}" for i in range(6)],
        "occurrenceID": [f"O{i}" for i in range(6)], "accessURI": [f"{i}.jpg" for i in range(6)],
    }  # fmt: skip
    pixels = ["a", "b", "c", "d", "b"]  # the last was not audited
    seen: dict[str, list[object]] = {
        "line": [*range(6)], "measurementID": [f"M{i}" for i in range(6)],
        "mediaID": [*(f"P{i}" for i in range(5)), "P3"],
        "measurementType": [PIXELS] * 5 + [LOOKS_LIKE], "measurementValue": [*pixels, "P0"],
    }  # fmt: skip
    return [Rows(source, "media", [media]), Rows(source, "measurement", [seen])]


def test_pictures_that_look_alike_leak(tmp_path: Path) -> None:
    sides = ["train", "train", "train", "test", "test", "test"]
    rows = [(f"O{i}", side, strand()) for i, side in enumerate(sides)]
    with stored(tmp_path / "cat", rows, picture_rows(tmp_path / "source")) as made:
        leaks = kinds(made.split(Plan(name="p", preset="published"), near=near_barcodes).leaks)
    assert leaks["near picture"] == Leak("near picture", 3, 3, 2, 2, "5 of 6 pictures were audited")


def test_the_answer_and_the_page_say_what_was_not_looked_at(tmp_path: Path, capsys) -> None:
    media: dict[str, list[object]] = {
        "line": [1], "mediaID": ["P"], "occurrenceID": ["L00"], "accessURI": ["p.jpg"],
    }  # fmt: skip
    rows = Rows(tmp_path / "source", "media", [media])
    stored(tmp_path / "cat", planted(), [rows]).close()
    asked = ["split", str(tmp_path / "cat"), "--preset", "published", "-o", str(tmp_path / "out")]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert "near barcode" in said.out
    assert "near picture: not looked at; `merian audit pictures" in " ".join(said.err.split())
    assert "not looked at" in (tmp_path / "out" / "split.html").read_text()
    assert "not looked at" in (tmp_path / "out" / "leaks.tsv").read_text()
    assert main([*asked[:4], "--json", "-q"]) == 0
    told = {leak["kind"]: leak for leak in json.loads(capsys.readouterr().out)["leaks"]}
    assert told["near barcode"]["records"] == 5


def test_leaks_of_an_older_catalogue_are_read() -> None:
    from merian.catalogue.splits.leaks import json_of_leaks, leaks_of_json

    old = '[{"kind": "bin", "groups": 3, "shared": 1, "records": 2, "tested": 4}]'
    assert leaks_of_json(old) == [Leak("bin", 3, 1, 2, 4)]
    assert leaks_of_json(json_of_leaks([Leak("x", 1, 2, 3, 4, "why")])) == [
        Leak("x", 1, 2, 3, 4, "why")
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_few_barcodes_do_no_harm(tmp_path: Path, count: int) -> None:
    rows = [("b", "test", strand()), ("a", "train", strand())][: count + 1]
    with stored(tmp_path / "cat", rows) as made:
        leaks = kinds(made.split(Plan(name="p", preset="published"), near=near_barcodes).leaks)
    assert ("near barcode" in leaks) == bool(count)
