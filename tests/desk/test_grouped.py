"""Clusters at the desk: merged, promoted and undone as `merian discover` does it."""

from __future__ import annotations

import pytest

from merian.catalogue import Catalogue
from merian.cli import main
from merian.desk.board import BOARD
from merian.desk.desk import Desk
from merian.desk.grouped import clusters_of, decide_cluster
from merian.errors import InputError


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory):
    """Nine specimens of three kinds, known to the genus alone, with their clusters."""
    import random

    chance = random.Random(3)
    folder = tmp_path_factory.mktemp("unnamed")
    kinds = ["".join(chance.choices("ACGT", k=600)) for _ in range(3)]
    lines = ["occurrenceID,genus,scientificName,sequence,targetGene"]
    lines += [f"U{n},Osmia,Osmia sp.,{kinds[n % 3]},COI-5P" for n in range(9)]
    (folder / "u.csv").write_text("\n".join(lines) + "\n")
    assert main(["import", str(folder / "u.csv"), "--into", str(folder / "museum"), "-q"]) == 0
    assert main(["discover", str(folder / "museum"), "-q"]) == 0
    return folder / "museum"


def test_clusters_are_merged_promoted_and_undone(unnamed):
    with Catalogue.open(unnamed) as opened:
        desk = Desk(opened, "Anna")
        told, history, count = clusters_of(desk)
        assert (count, history) == (3, [])
        assert {one["count"] for one in told} == {3}
        codes = [one["one"].code for one in told]
        done = decide_cluster(desk, {"do": "merge", "clusters": codes[:2]}, "Anna", "one kind")
        assert clusters_of(desk)[2] == 2
        decide_cluster(
            desk, {"do": "promote", "clusters": [codes[0]], "name": "Osmia nova"}, "Anna", ""
        )
        named = desk.rows(f"SELECT record, state FROM {BOARD} WHERE scientificName = 'Osmia nova'")
        assert len(named) == 6
        assert {one["state"] for one in named} == {"accepted"}
        entries = [one["entry"].number for one in clusters_of(desk)[1] if one["open"]]
        assert done["entry"] in entries
        for entry in sorted(entries, reverse=True):
            decide_cluster(desk, {"do": "undo", "entry": entry}, "Bea", "")
        assert clusters_of(desk)[2] == 3
        assert not desk.value(f"SELECT count(*) FROM {BOARD} WHERE scientificName = 'Osmia nova'")


@pytest.mark.parametrize(
    "told",
    [{}, {"do": "merge", "clusters": []}, {"do": "promote", "clusters": ["a", "b"]},
     {"do": "undo", "entry": "1"}, {"do": "undo", "entry": 999},
     {"do": "merge", "clusters": ["x"]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_decision_about_clusters_is_refused(unnamed, told):
    with Catalogue.open(unnamed) as opened:
        desk = Desk(opened, "Anna")
        with pytest.raises(InputError):
            decide_cluster(desk, told, "Anna", "")
