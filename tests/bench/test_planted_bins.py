"""Swapped BINs and badly read sequences: what is planted is what is said to be, and is counted."""

from __future__ import annotations

import copy
import csv
import random
from pathlib import Path

import pytest
from tests.audit.makers import bases, changed

from merian.bench import planted_bins
from merian.bench.planted_bins import audit_planted, plant_bins
from merian.errors import NotFoundError

RANKS = ("phylum", "class", "order", "family", "genus", "species")


def records() -> list[dict[str, str]]:
    """Twelve BINs of eight records each; two BINs of each genus."""
    found = []
    for number in range(12):
        genus = "ABCDEF"[number // 2] + "us"
        names = ("Arthropoda", "Insecta", "Diptera", f"F{number // 4}", genus, f"{genus} s{number}")
        for i in range(8):
            text = changed(bases(number + 1, 600), i % 3, 10 * number + i)
            found.append({"processid": f"r{number}_{i}", "bin_uri": f"BOLD:AAA{number:04}",
                          "sequence": text, **dict(zip(RANKS, names, strict=True))})  # fmt: skip
    return found


def test_bins_are_swapped_as_is_said() -> None:
    before = {row["processid"]: row for row in records()}
    rows = records()
    planted = plant_bins(rows, 10, random.Random(1))
    assert {how: len(keys) for how, keys in planted.items()} == {
        "of its genus": 10,
        "of any other": 10,
    }
    assert not planted["of its genus"] & planted["of any other"]
    swapped = set().union(*planted.values())
    genus = {row["bin_uri"]: row["genus"] for row in before.values()}
    for row in rows:
        own = before[row["processid"]]
        assert (row["bin_uri"] != own["bin_uri"]) == (row["processid"] in swapped)
        assert {k: v for k, v in row.items() if k != "bin_uri"} == {
            k: v for k, v in own.items() if k != "bin_uri"
        }
        if row["processid"] in planted["of its genus"]:
            assert genus[row["bin_uri"]] == row["genus"]
    again = records()
    assert plant_bins(again, 10, random.Random(1)) == planted
    assert again == rows
    other = copy.deepcopy(records())
    assert plant_bins(other, 10, random.Random(2)) != planted


def test_what_is_told_is_counted(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "coi.tsv"
    columns = ("processid", "bin", *RANKS, "nucleotides")
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(columns)
        for row in records():
            writer.writerow([row["processid"], row["bin_uri"], *(row[r] for r in RANKS),
                             row["sequence"]])  # fmt: skip
        writer.writerow(["short", "BOLD:AAA0000", *["x"] * 6, "ACGT"])
        writer.writerow(["none", "", *["x"] * 6, bases(40, 600)])
    its = [(f"i{n}", bases(100 + n, 500), ["Fungi"] * 6) for n in range(4)]
    monkeypatch.setattr(planted_bins, "load_yardstick", lambda _path: None)
    monkeypatch.setattr(planted_bins, "rows_of", lambda _ruler, _source: its)
    found = audit_planted(path, tmp_path, tmp_path, 4, 2, 0)
    # Two of one BIN were swapped in the same way, and vouch for each other.
    for how, share in (("of its genus", 50.0), ("of any other", 100.0)):
        assert (found[f"BIN {how}: told"]["value"], found[f"BIN {how}: told"]["n"]) == (share, 4)
    assert found["BIN: records that have theirs to themselves"]["value"] == 0
    assert found["BIN: told of others"] | {"low": 0, "high": 0} == {
        "value": 0.0, "low": 0, "high": 0, "n": 96 - 8, "unit": "% of others",
    }  # fmt: skip
    assert found["badly read, on the other strand: told"]["value"] == 100
    assert {key for key in found if key.startswith("badly read, ")} == {
        f"badly read, {kind}: told"
        for kind in ("pseudogenes", "a base lost or doubled", "another gene", "shuffled",
                     "on the other strand")
    }  # fmt: skip


def test_without_the_data_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="--swapped 0"):
        audit_planted(tmp_path / "none.tsv", tmp_path, tmp_path, 4, 2, 0)
