"""Records as they should not be, and what must not matter: batches, how often it is asked."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.cli import main
from merian.identify import unpacking
from merian.identify.likeness import cosines, likeness_of
from merian.identify.promise import Choice
from merian.identify.record_job import run_of_records
from merian.identify.record_panel import RecordPanel
from merian.identify.records import Records
from merian.library import Library
from merian.library.shelf import open_shelf

from .test_record_job import identify, place, write  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def shelf(place):  # noqa: F811
    return open_shelf([place / "looks", place / "codes"], pictures=True)


@pytest.fixture(scope="module")
def other(place):  # noqa: F811
    """A second library of pictures, of two genera alone."""
    with (place / "pictures.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["genus"] in ("Actus", "Belus")]
    told = ["--map", "image=accessURI", "--images", str(place / "images")]
    told += ["-o", str(place / "few"), "--pictures", "--encoder", str(place / "eye")]
    assert main(["library", "build", str(write(place / "few.csv", rows)), *told]) == 0
    return Library.open(place / "few")


def asked(*pictures, barcodes=()):
    return json.dumps({"barcodes": list(barcodes), "pictures": list(pictures)})


def seen(place, name, region=None, scale=None):  # noqa: F811
    return [str(place / "images" / name), region, scale, "", name]


def answers(panel, *texts):
    return [json.loads(f"{{{text}}}") for text in panel.answers(texts)]


@pytest.mark.parametrize("mix", [(0.97, 0.01, 0.01, 0.01), (0.05, 0.05, 0.05, 0.85)])
def test_a_mix_that_is_given_counts_once(place, shelf, mix):  # noqa: F811
    # The same picture twice says what it says once; the mix had been counted for each, and again.
    panel = RecordPanel({"looks": shelf["looks"]}, Choice(novelty=mix))
    for name in ("Q05.png", "Q08.png"):
        one = seen(place, name)
        again = [*one[:4], "another"]
        single, both = answers(panel, asked(one), asked(one, again))
        assert both["evidence"] == "consensus"
        for rank in ("order", "family", "genus", "species"):
            assert both[f"p_{rank}"] == pytest.approx(single[f"p_{rank}"], abs=0.02)


def test_an_answer_does_not_hang_on_what_else_is_asked(place, shelf):  # noqa: F811
    panel = RecordPanel(shelf, Choice())
    texts = [asked(seen(place, f"R{n:02}-{k}.png"), seen(place, f"Q{n:02}.png"))
             for n in range(9) for k in range(2)]  # fmt: skip
    texts.insert(3, asked(seen(place, "broken.png"), seen(place, "Q03.png")))
    together = panel.answers(texts)
    assert together == [panel.answers([text])[0] for text in texts]


def test_regions_of_a_file_are_cut_from_it_unpacked_once(place, shelf, monkeypatch):  # noqa: F811
    unpacked = []
    real = unpacking.whole
    monkeypatch.setattr(unpacking, "whole", lambda data: unpacked.append(1) or real(data))
    panel = RecordPanel({"looks": shelf["looks"]}, Choice())
    halves = [seen(place, "Q05.png", [0, 0, 1, 0.5 + n / 32], 10.0) for n in range(12)]
    found = answers(panel, *(asked(half) for half in halves))
    assert len(found) == 12 and len(unpacked) == 1


def test_whole_numbers_are_the_same_in_any_batch():
    chance = np.random.default_rng(0)
    vectors = np.rint(chance.normal(size=(900, 96)) * 408).astype(np.int16)
    likeness = likeness_of(vectors, np.repeat(np.arange(180), 5))
    every = likeness.whole(vectors)
    assert np.array_equal(every[:7], np.concatenate([likeness.whole(v[None]) for v in vectors[:7]]))
    lengths = np.sqrt((every.astype(np.float64) ** 2).sum(axis=1))
    assert np.allclose(lengths, 4000, atol=5)
    rows = every.astype(np.float32)
    found = cosines(every[:33], rows)
    assert np.array_equal(found[5], cosines(every[5:6], rows)[0])
    exact = every[:33].astype(np.int64) @ every.astype(np.int64).T / 4000.0**2
    assert np.allclose(found, np.clip(exact, -1, 1), atol=1e-7)
    assert np.allclose(found, likeness(vectors[:33]) @ likeness(vectors).T, atol=2e-3)


def test_all_libraries_that_answer_together_are_learnt_once_and_told(place, shelf, other):  # noqa: F811
    panel = RecordPanel({**shelf, "few": other}, Choice())
    told = {tuple(key) for key, _ in json.loads(panel.arguments()[2])["told"]}
    assert told == {(0, 2), (0, 1, 2)}
    one = answers(panel, asked(seen(place, "Q02.png")))[0]
    assert one["library"] == "looks;few"
    assert set(panel.consensus.told) == told  # nothing had to be learnt for it
    lines = panel.promise()
    assert any(line.startswith("looks and few together: ") for line in lines)
    assert any(line.startswith("codes and looks and few together: ") for line in lines)


def test_what_was_set_aside_is_told_with_its_file(place, tmp_path):  # noqa: F811
    out = tmp_path / "a.tsv"
    told = ["--map", "image=accessURI", "--images", str(place / "images"), "-o", str(out)]
    asking = ["identify", str(place / "asked.csv"), "--library", str(place / "looks")]
    assert main([*asking, *told]) == 0
    with Path(f"{out}.rejects.tsv").open() as stream:
        files = {row["file"] for row in csv.DictReader(stream, delimiter="\t")}
    assert all(not name or Path(name).is_file() for name in files)
    panel = RecordPanel({"looks": Library.open(place / "looks")}, Choice())
    found = answers(panel, asked(seen(place, "broken.png"), seen(place, "Q03.png")))[0]
    assert found["aside"][0][0] == str(place / "images" / "broken.png")


def test_what_is_not_whole_is_not_told_as_100_percent(place, shelf):  # noqa: F811
    panel = RecordPanel({"looks": shelf["looks"]}, Choice())
    found = answers(panel, *(asked(seen(place, f"Q{n:02}.png"), seen(place, f"R{n:02}-0.png"))
                             for n in range(4, 9)))  # fmt: skip
    shares = [part["p"] for row in found for part in row["parts"]]
    assert max(share for share in shares if share < 1) > 0.9  # there is something to be told
    assert not any("(100 %)" in row["explanation"] for row in found)


@pytest.mark.parametrize("name", ["a.tsv", "a.evidence.tsv", "a.disagreements.tsv"])
def test_a_page_does_not_replace_answers(place, tmp_path, capsys, name):  # noqa: F811
    out = tmp_path / "a.tsv"
    assert identify(place, out, "--report", str(tmp_path / name)) == 2
    assert "give the page another name" in capsys.readouterr().err
    assert not out.exists()


def test_a_run_is_called_without_blanks(place, shelf):  # noqa: F811
    # A folder in a catalogue is called like it.
    records = Records([place / "images" / "Q05.png"])
    run = run_of_records(records, shelf, Choice(), None)
    assert run.startswith("identify-records-") and not set(run) & set(" \t/")
