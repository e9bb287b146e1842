"""Pictures and barcodes of the same items together."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from merian.bench.clustering_world import found_again
from merian.discover.clustering import Clustering
from merian.discover.joined import _nearest, beside_each_other, with_pictures
from merian.discover.tree import numbered
from merian.errors import InputError


@pytest.fixture
def kinds():
    """Two kinds of vectors of three groups of ten, around corners of their spaces."""
    chance = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 10)
    rows = [np.eye(dim)[group] + chance.normal(0, 0.05, (30, dim)) for dim in (6, 9)]
    return {"image": rows[0] * 40, "barcode": rows[1]}, group


def test_kinds_count_by_their_weights_whatever_their_length(kinds):
    vectors, _ = kinds
    found = beside_each_other(vectors)
    assert found.shape == (30, 15)
    assert (found[:, :6] ** 2).sum(axis=1) == pytest.approx(np.full(30, 0.5), rel=1e-5)
    assert (found**2).sum(axis=1) == pytest.approx(np.ones(30), rel=1e-5)
    weighed = beside_each_other(vectors, {"image": 3, "barcode": 1})
    assert (weighed[:, :6] ** 2).sum(axis=1) == pytest.approx(np.full(30, 0.75), rel=1e-5)
    larger = beside_each_other({**vectors, "barcode": vectors["barcode"] * 1000})
    assert np.allclose(found, larger, atol=1e-6)


def test_by_spread_every_column_has_mean_0_and_kinds_count_the_same(kinds):
    vectors, _ = kinds
    vectors["image"][:, 5] = 7.0  # says nothing
    found = beside_each_other(vectors, scale="spread")
    assert np.allclose(found.mean(axis=0), 0, atol=1e-6)
    assert (found[:, 5] == 0).all()
    for columns in (slice(0, 6), slice(6, 15)):
        assert (found[:, columns] ** 2).sum(axis=1).mean() == pytest.approx(0.5, rel=1e-5)


def test_what_is_missing_is_that_of_those_that_are_alike(kinds):
    vectors, group = kinds
    vectors["barcode"][[3, 17]] = np.nan
    vectors["image"][25] = np.nan
    vectors["image"][8, 0] = np.inf
    vectors["image"][29] = vectors["barcode"][29] = np.nan
    found = beside_each_other(vectors)
    assert np.isnan(found[29]).all()
    assert np.isfinite(found[:29]).all()
    middle = np.stack([found[:29][group[:29] == n].mean(axis=0) for n in range(3)])
    nearest = ((found[:29, None] - middle) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == group[:29]).all()


def test_one_kind_is_itself(kinds):
    rows = kinds[0]["image"]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose(beside_each_other({"image": rows}), unit, atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "weights", "scale", "told"),
    [
        ({}, None, "length", "0 kinds"),
        ({"a": np.ones((3, 2))}, None, "width", "width"),
        ({"a": np.ones((3, 2)), "b": np.ones((4, 2))}, None, "length", "3, 4"),
        ({"a": np.ones((3, 2))}, {"b": 1.0}, "length", "one above 0"),
        ({"a": np.ones((3, 2))}, {"a": 0.0}, "length", "one above 0"),
        ({"a": np.ones(3)}, None, "length", "a row for each"),
    ],
    ids=["none", "scale", "items", "other", "nothing", "flat"],
)
def test_what_cannot_be_joined_is_refused(vectors, weights, scale, told):
    with pytest.raises(InputError, match=told):
        beside_each_other(vectors, weights, scale)


def clustering(*labels):
    return Clustering(np.array(labels, np.int32), "identity", {}, left={"empty": labels.count(-1)})


def test_what_has_no_barcode_goes_where_its_nearest_pictures_are(kinds):
    vectors, group = kinds
    label = group.copy()
    label[[0, 12]] = -1
    found = with_pictures(clustering(*label.tolist()), vectors["image"])
    assert (found.label == group).all()
    assert found.left == {}
    assert found.method == "identity, then pictures"


def test_pictures_that_tell_nothing_or_are_missing_decide_nothing():
    chance = np.random.default_rng(1)
    rows = chance.normal(size=(60, 8))
    rows[59] = np.nan
    label = [*(n // 10 for n in range(50)), *[-1] * 10]
    found = with_pictures(clustering(*label), rows)
    assert found.label.tolist() == label
    assert sum(found.left.values()) == 10
    with pytest.raises(InputError, match="6 items for groups of 60"):
        with_pictures(clustering(*label), rows[:6])


def test_a_group_is_parted_where_its_finer_groups_look_different(kinds):
    pictures, species = kinds[0]["image"], kinds[1]
    whole = clustering(*[0] * 20, *[1] * 10)
    finer = clustering(*[0] * 9, 3, *[1] * 10, *[2] * 10)
    found = with_pictures(whole, pictures, finer)
    assert (found.label == species).all()  # the one that is alone goes where it looks like
    assert (with_pictures(whole, pictures).label == whole.label).all()


def test_a_group_is_not_parted_where_its_finer_groups_look_alike(kinds):
    pictures = kinds[0]["image"]
    whole = clustering(*[0] * 10, *[1] * 20)
    finer = clustering(*[0, 3] * 5, *[1] * 20)
    found = with_pictures(whole, pictures, finer)
    assert (found.label == numbered(whole.label)).all()
    bare = pictures.copy()
    bare[[0, 11]] = np.nan
    found = with_pictures(whole, bare, finer)
    assert (found.label == numbered(whole.label)).all()


@pytest.mark.parametrize("label", [[], [-1, -1], [0, 0]], ids=["none", "alone", "all"])
def test_with_nothing_to_place_groups_stay(label):
    found = with_pictures(clustering(*label), np.ones((len(label), 2)))
    assert found.label.tolist() == label


def test_a_species_is_found_again_by_the_cluster_that_holds_most_of_it():
    label = np.array([0] * 9 + [1] * 2 + [-1] + [0] + [2] * 4, np.int32)
    species = np.array(["a"] * 12 + ["b"] * 5)
    names, pure, share = found_again(label, species)
    assert names.tolist() == ["a", "b"]
    assert pure.tolist() == pytest.approx([0.9, 1.0])
    assert share.tolist() == pytest.approx([9 / 12, 4 / 5])
    assert found_again(np.full(17, -1, np.int32), species)[2].tolist() == [0, 0]
    assert found_again(label[:4], species[:4])[0].tolist() == []


def test_looking_among_many_takes_little_memory():
    among = np.random.default_rng(1).normal(size=(40_000, 2)).astype(np.float32)
    tracemalloc.start()
    near = _nearest(among[:600], among)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (near[:, 0] == np.arange(600)).all()
    assert peak < 2e8  # 600 rows of distances at once are 2e8, and their order as much again
