"""Groups: how many, how firm, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from merian.discover import at_ranks, group, levels, neighbour_graph, unit_rows
from merian.discover.number import silhouettes
from merian.discover.spaces import graph_space, main_directions
from merian.discover.support import Resampled
from merian.errors import InputError, MissingExtraError
from merian.learn import adjusted_mutual_information


def kinds(rows=360, width=20, count=9, spread=0.3, seed=0):
    """Return rows of kinds with sizes from the common to the rare, in threes, and their kinds."""
    chance = np.random.default_rng(seed)
    share = 1 / np.arange(1, count + 1) ** 0.7
    truth = np.sort(chance.choice(count, rows, p=share / share.sum()))
    above = np.repeat(chance.normal(size=(-(-count // 3), width)) * 2, 3, axis=0)[:count]
    middle = above + chance.normal(size=(count, width))
    return (middle[truth] + chance.normal(size=(rows, width)) * spread).astype(np.float32), truth


@pytest.mark.parametrize("method", ["ward", "k-means"])
@pytest.mark.parametrize("reduce", ["none", "pca"])
def test_the_number_of_groups_is_found(method, reduce):
    vectors, truth = kinds()
    found = group(vectors, method, reduce=reduce)
    assert abs(found.count - 9) <= 1
    assert adjusted_mutual_information(truth, found.label) > 0.95
    assert found.count in [one.count for one in found.chosen]
    assert [one.count for one in found.chosen] == sorted({one.count for one in found.chosen})
    assert (found.support > 0.8).all()
    assert set(levels(found.chosen)) <= {one.count for one in found.chosen}


def test_a_given_number_is_kept_and_nothing_is_tried():
    vectors, _ = kinds()
    found = group(vectors, clusters=4, support=False)
    assert (found.count, found.chosen) == (4, ())
    assert np.isnan(found.support).all()
    assert np.isnan(found.support_of(found.cut(7))).all()


def test_what_has_no_vector_and_what_is_noise_is_left_alone_and_told():
    vectors, truth = kinds()
    vectors = np.concatenate([vectors, np.full((3, 20), np.nan, np.float32)])
    for method, space in (("ward", "pca"), ("hdbscan", "none"), ("hdbscan", "graph")):
        found = group(vectors, method, 9 if method == "ward" else None, space, support=False)
        assert (found.label[-3:] == -1).all()
        assert found.left["no vector"] == 3
        assert sum(found.left.values()) == (found.label < 0).sum()
    alone = np.random.default_rng(1).normal(size=(30, 20)).astype(np.float32) * 9
    found = group(np.concatenate([vectors, alone]), "hdbscan")
    assert found.left["noise"] >= 15
    clustered = found.label[: len(truth)] >= 0
    assert adjusted_mutual_information(truth[clustered], found.label[: len(truth)][clustered]) > 0.8


@pytest.mark.parametrize("method", ["ward", "hdbscan", "k-means"])
@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_rows(method, rows):
    found = group(np.eye(4, dtype=np.float32)[:rows], method)
    assert len(found.label) == rows
    assert found.count == (1 if rows == 1 and method != "hdbscan" else 0)
    if rows in (2, 3) and method != "hdbscan":  # nothing tells whether they are one or several
        assert found.left == {"too few to tell": rows}
        assert group(np.eye(4, dtype=np.float32)[:rows], method, 1, support=False).count == 1
    assert len(found.support) == found.count


@pytest.mark.parametrize("method", ["ward", "k-means"])
def test_rows_that_are_all_equal_are_one_group(method):
    found = group(np.full((30, 4), 0.5, np.float32), method)
    assert found.label.tolist() == [0] * 30
    found = group(np.full((30, 4), np.nan, np.float32), method)
    assert found.label.tolist() == [-1] * 30
    assert found.left == {"no vector": 30}


def test_one_far_row_does_not_swallow_the_rest():
    vectors, truth = kinds()
    found = group(np.concatenate([vectors, -9e6 * np.ones((1, 20), np.float32)]))
    assert adjusted_mutual_information(truth, found.label[:-1]) > 0.9


def test_the_same_comes_out_again_and_with_the_graph_found_before():
    vectors, _ = kinds(spread=0.8)
    found, again = group(vectors), group(vectors, graph=neighbour_graph(vectors))
    assert np.array_equal(found.label, again.label)
    assert found.chosen == again.chosen
    assert np.array_equal(found.support, again.support)


def test_cuts_of_the_tree_lie_within_one_another_and_ranks_take_theirs():
    vectors, truth = kinds()
    found = group(vectors)
    coarse, fine = found.cut(3), found.cut(9)
    assert all(len(set(coarse[fine == one].tolist())) == 1 for one in range(9))
    genus = [f"genus {kind // 3}" for kind in truth]
    species = [f"species {kind}" if place % 3 else None for place, kind in enumerate(truth)]
    cuts = at_ranks(found, {"family": [None] * len(truth), "genus": genus, "species": species})
    assert list(cuts) == ["genus", "species"]
    assert cuts["genus"].count <= cuts["species"].count
    assert cuts["genus"].agreement > 0.9
    assert cuts["species"].agreement > 0.9
    assert cuts["species"].named == sum(name is not None for name in species)
    assert len(cuts["genus"].support) == cuts["genus"].count
    with pytest.raises(InputError, match="makes no tree"):
        group(vectors, "hdbscan", support=False).cut(3)


def test_support_tells_a_group_from_one_that_chance_has_made():
    vectors, truth = kinds(count=3)
    found = group(vectors, clusters=3)
    assert (found.support > 0.95).all()
    split = np.where(truth == 0, np.random.default_rng(0).integers(3, 5, len(truth)), truth)
    support = found.support_of(np.unique(split, return_inverse=True)[1].astype(np.int32))
    assert (support[2:] < 0.7).all()
    assert (support[:2] > 0.9).all()
    parts = Resampled((np.array([0, 1, 2]),), (lambda _count: np.array([0, 0, 1]),))
    np.testing.assert_allclose(parts.support(np.array([0, 0, 0, 1])), [2 / 3, np.nan])


def test_silhouettes_are_those_of_scikit_learn():
    vectors, truth = kinds(spread=1.5)
    truth = np.append(truth, truth.max() + 1)  # one that is alone
    vectors = np.append(vectors, vectors[:1] + 3, axis=0).astype(np.float64)
    np.testing.assert_allclose(
        silhouettes(vectors, truth), silhouette_samples(vectors, truth), atol=1e-7
    )


def test_main_directions_keep_distances_and_are_those_of_a_decomposition():
    vectors, _ = kinds()
    rows = unit_rows(vectors)[0].astype(np.float64)
    centred = rows - rows.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(main_directions(rows, 5)), np.abs(left * size)[:, :5],
                               atol=1e-5)  # fmt: skip
    whole = main_directions(rows, 20)
    np.testing.assert_allclose(whole @ whole.T, centred @ centred.T, atol=1e-5)


def test_the_space_of_the_graph_holds_together_what_is_joined():
    chance = np.random.default_rng(0)
    angle = chance.uniform(0, 2 * np.pi, 300)
    inner = np.arange(300) < 150  # a ring around a ring: no straight line parts them
    far = np.where(inner, 0.3, 1.0) + chance.normal(size=300) * 0.02
    rows = np.stack([far * np.cos(angle), far * np.sin(angle), np.ones(300)], 1)
    space = graph_space(neighbour_graph(rows, 8), 4)
    assert silhouettes(space, inner.astype(int)).mean() > 0.3
    assert silhouettes(rows, inner.astype(int)).mean() < 0.3


def test_umap_takes_the_graph_or_says_which_extra_it_needs(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match="map"):
        group(kinds()[0], reduce="umap")


def test_what_cannot_be_asked_is_said():
    vectors, _ = kinds(60)
    for settings, told in (
        ({"method": "wards"}, "no method is called 'wards'"),
        ({"reduce": "tsne"}, "no space is called 'tsne'"),
        ({"clusters": 0}, "0 groups of 60 items"),
        ({"clusters": 61}, "61 groups of 60 items"),
        ({"method": "hdbscan", "clusters": 3}, "finds its own number"),
        ({"graph": neighbour_graph(vectors[:9])}, "a graph of 9 items for 60 vectors"),
    ):
        with pytest.raises(InputError, match=told):
            group(vectors, **settings)
