"""The bench of screening, on a small world and on faults that are planted."""

from __future__ import annotations

import random

from merian.bench.suspects import _drifted, plant_faults, run


def test_of_a_small_world_pseudogenes_are_found_and_good_records_kept():
    figures = run(sources="", specimens=1500)
    assert figures["world: good records fall"]["value"] < 0.5
    assert figures["world: found, a base lost or doubled"]["value"] > 70
    assert figures["world: found, pseudogenes"]["n"] >= 1


def test_what_is_planted_is_what_it_says():
    chance = random.Random(1)
    rows = [
        (f"r{i}", "".join(chance.choices("ACGT", k=600)), ["p", "c", "o", f"f{i % 3}", "g", "s"])
        for i in range(9)
    ]
    faults = plant_faults(rows, [("x", "ACGT" * 50, ["p"] * 6)], 5, random.Random(2))
    assert {kind: len(planted) for kind, planted in faults.items()} == dict.fromkeys(faults, 5)
    texts = [text for _, text, _ in rows]
    for _, text, _ in faults["chimeras of two families"]:
        first = next(t for t in texts if t[:100] == text[:100])
        last = next(t for t in texts if t[-100:] == text[-100:])
        assert first != last
        assert len(text) == 600
    assert all(len(text) in (599, 601) for _, text, _ in faults["a base lost or doubled"])
    assert 596 <= len(_drifted(rows[0][1], chance)) <= 599
    assert all(sorted(text) in map(sorted, texts) for _, text, _ in faults["shuffled"])
