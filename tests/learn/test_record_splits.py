"""Splits by whole barcode: nothing on two sides, every side filled, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from merian.errors import InputError
from merian.learn.record_splits import PARTS, leaks, plain_barcode, split_records


def records(seed: int = 0, kinds: int = 60, each: int = 9):
    """Records of some species; half of the barcodes stand twice, some in two species."""
    random = np.random.default_rng(seed)
    species, barcodes = [], []
    for kind in range(kinds):
        for number in range(each):
            species.append(f"Aus s{kind:02}")
            barcodes.append(f"{kind}-{number // 2}")
    for one in random.choice(len(species), 12, replace=False).tolist():
        barcodes[one] = barcodes[int(random.integers(len(species)))]
    barcodes[5] = barcodes[17] = ""
    return species, barcodes


def test_no_barcode_is_on_two_sides():
    species, barcodes = records()
    split = split_records(species, barcodes)
    assert leaks(split.sides, barcodes) == {}
    by_record = np.random.default_rng(0).choice(["train", "keys", "queries"], len(species))
    assert sum(leaks(by_record.tolist(), barcodes).values()) > 50  # so it would be seen


def test_every_species_that_is_asked_has_keys_and_no_unseen_one_is_learned_from():
    species, barcodes = records()
    split = split_records(species, barcodes)
    parts: dict[str, set[str]] = {}
    for name, part in zip(species, split.part.tolist(), strict=True):
        parts.setdefault(name, set()).add(PARTS[part])
    unseen = {name for name, some in parts.items() if any(p.startswith("unseen") for p in some)}
    assert len(unseen) == 20
    for name, some in parts.items():
        side = "unseen" if name in unseen else "seen"
        asked = some & {f"{side} val", f"{side} test"}
        assert f"{side} keys" in some
        assert len(asked) == 1  # while choosing, or in the end
        assert ("train" in some) == (name not in unseen)
    counts = Counter(PARTS[part] for part in split.part.tolist())
    assert set(PARTS[1:]) <= set(counts)
    assert counts["train"] > counts["seen keys"] + counts["seen val"] + counts["seen test"]


def test_barcodes_of_seen_and_unseen_species_are_set_aside():
    species = [f"Aus s{i // 4}" for i in range(40)]
    barcodes = [str(i) for i in range(40)]
    split = split_records(species, barcodes)
    unseen = {species[i] for i in split.rows("unseen keys", "unseen val", "unseen test").tolist()}
    inner = next(i for i in range(40) if species[i] in unseen)
    outer = next(i for i in range(40) if species[i] not in unseen)
    barcodes[outer] = barcodes[inner]
    again = split_records(species, barcodes)
    assert again.part[inner] == again.part[outer] == PARTS.index("aside")


def test_few_barcodes_are_learned_from_and_no_name_is_set_aside():
    split = split_records(["Aus bus", "Aus bus", "Cus dus", ""], ["a", "a", "b", "c"])
    assert [PARTS[part] for part in split.part.tolist()] == ["train"] * 3 + ["aside"]


def test_the_same_seed_gives_the_same_split():
    species, barcodes = records()
    one, two, other = (split_records(species, barcodes, seed=seed).part for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_reads_of_one_barcode_are_plainly_one():
    assert plain_barcode("nnACGGT-") == plain_barcode("ACGGTN") == plain_barcode("ACCGT")
    assert plain_barcode("ACGGT") != plain_barcode("ACGGA")
    assert plain_barcode("NN-") == ""


def test_shares_and_lengths_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        split_records(["a"], ["b"], unseen=1.0)
    with pytest.raises(InputError, match="as many expected"):
        split_records(["a"], ["b", "c"])
