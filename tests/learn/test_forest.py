"""Forests of labels, and what is known of records, against sets of paths."""

from __future__ import annotations

import numpy as np
import pytest
from tests.learn.makers import RANKS, some_codes, tree

from merian.errors import InputError
from merian.learn.forest import Forest, ForestLabels

PATHS = [
    ("biota", ("Cnidaria", "Corals", "Branching")),
    ("biota", ("Cnidaria", "Corals", "Massive")),
    ("biota", ("Cnidaria", "Hydroids")),
    ("biota", ("Sponges",)),
    ("substrate", ("Sand", "Fine")),
    ("substrate", ("Sand", "Coarse")),
    ("substrate", ("Rock",)),
    ("relief", ("Flat",)),
]


def forest() -> Forest:
    return Forest.of_paths(PATHS)


def node(path: str, tree: str = "biota") -> int:
    found = forest().node(tree, tuple(path.split(" > ")))
    assert forest().path(found)[-1] == path.rsplit(" > ", maxsplit=1)[-1]
    return found


def random_forest(nodes: int, seed: int) -> Forest:
    """Trees of any shape, whose nodes stand in no order."""
    rng = np.random.default_rng(seed)
    parent = np.full(nodes, -1)
    for at in range(1, nodes):
        parent[at] = rng.integers(-1, at) if rng.random() < 0.9 else -1
    place = rng.permutation(nodes)
    shuffled = np.full(nodes, -1)
    shuffled[place] = np.where(parent >= 0, place[parent], -1)
    return Forest.of_parents(shuffled)


def lineage(wood: Forest, at: int) -> list[int]:
    found = [at]
    while wood.parent[found[-1]] >= 0:
        found.append(int(wood.parent[found[-1]]))
    return found


def test_a_forest_has_a_node_for_each_name_on_a_path():
    wood = forest()
    assert wood.trees == ("biota", "relief", "substrate")
    assert wood.size == 11
    assert wood.path(node("Cnidaria > Corals > Massive")) == ("Cnidaria", "Corals", "Massive")
    assert wood.node("biota", ("Cnidaria", "Corals", "Foliose")) == node("Cnidaria > Corals")
    assert wood.node("biota", ("Algae",)) == wood.node("nothing", ("Sand",)) == -1
    again = Forest.of_card(wood.card())
    assert again.card() == wood.card() == Forest.of_paths(PATHS[::-1]).card()


@pytest.mark.parametrize("seed", range(4))
def test_depths_lineages_and_what_stands_above_and_below_are_those_of_loops(seed):
    wood = random_forest(40, seed)
    lines = [lineage(wood, at) for at in range(wood.size)]
    assert wood.depth.tolist() == [len(line) - 1 for line in lines]
    assert [[n for n in row if n >= 0] for row in wood.lineages.tolist()] == [
        line[::-1] for line in lines
    ]
    assert wood.inner.tolist() == [at in wood.parent for at in range(wood.size)]
    rng = np.random.default_rng(seed)
    marked, values = rng.random((9, 40)) < 0.1, rng.normal(size=(9, 40))
    for row in range(9):
        up = {above for at in np.flatnonzero(marked[row]) for above in lines[at]}
        down = {at for at in range(40) if marked[row, lines[at]].any()}
        assert set(np.flatnonzero(wood.above(marked)[row])) == up
        assert set(np.flatnonzero(wood.below(marked)[row])) == down
    assert np.allclose(
        wood.added_down(values), [[row[line].sum() for line in lines] for row in values]
    )


def test_what_stands_below_a_label_is_not_known_and_what_stands_beside_it_is_absent():
    labels = ForestLabels.of_lists(forest(), [[node("Cnidaria > Corals")]])
    there, known = labels.marks()
    told = {
        forest().path(at)[-1]: (bool(there[0, at]), bool(known[0, at]))
        for at in range(forest().size)
    }
    assert told["Cnidaria"] == told["Corals"] == (True, True)
    assert told["Hydroids"] == told["Sponges"] == (False, True)
    assert told["Massive"] == told["Branching"] == (False, False)
    assert told["Sand"] == told["Flat"] == (False, False)  # trees that nobody looked at


def test_a_label_above_another_leaves_its_other_branches_open():
    corals, massive = node("Cnidaria > Corals"), node("Cnidaria > Corals > Massive")
    both = ForestLabels.of_lists(forest(), [[massive, corals], [massive]])
    there, known = both.marks()
    assert (there[0] == there[1]).all()
    branching = node("Cnidaria > Corals > Branching")
    assert known[:, branching].tolist() == [False, True]
    assert known[:, massive].all()


def test_a_tree_that_was_looked_at_in_vain_is_known_to_be_absent():
    sand, relief = node("Sand", "substrate"), forest().trees.index("relief")
    looked = np.zeros((2, 3), bool)
    looked[0, relief] = True
    labels = ForestLabels.of_lists(forest(), [[sand], [sand]], looked)
    there, known = labels.marks()
    flat = node("Flat", "relief")
    assert known[:, flat].tolist() == [True, False]
    assert not there[:, flat].any()
    assert labels.trees().tolist() == [False, True, True]
    assert labels.trees(np.array([1])).tolist() == [False, False, True]  # of a batch
    assert labels.trees(np.array([], np.int64)).tolist() == [False] * 3


@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_is_what_a_loop_says(seed):
    wood, rng = random_forest(30, seed), np.random.default_rng(seed)
    lists = [rng.choice(30, size=rng.integers(4), replace=False).tolist() for _ in range(20)]
    labels = ForestLabels.of_lists(wood, lists)
    there, known = labels.marks()
    for row, nodes in enumerate(lists):
        present = {above for at in nodes for above in lineage(wood, at)}
        for at in range(30):
            shut = any(above in nodes for above in lineage(wood, at)[1:])
            assert there[row, at] == (at in present)
            assert known[row, at] == (bool(nodes) and (at in present or not shut))
    assert (labels.counts() == there.sum(axis=0)).all()
    some = np.array([3, 1, 3])
    assert (labels.marks(some)[0] == there[some]).all()
    assert (labels.marks(some)[1] == known[some]).all()


def test_one_label_a_tree_is_the_lowest_of_a_path_and_none_where_paths_fork():
    corals, massive = node("Cnidaria > Corals"), node("Cnidaria > Corals > Massive")
    lists = [[corals, massive], [massive, node("Sponges")], [node("Flat", "relief")], []]
    single = ForestLabels.of_lists(forest(), lists).single()
    assert single.tolist() == [[massive, -1, -1], [-1, -1, -1], [-1, node("Flat", "relief"), -1],
                               [-1, -1, -1]]  # fmt: skip


def test_classes_of_ranks_are_a_tree_in_which_the_lowest_known_class_is_the_label():
    ranks = tree()
    wood, codes = Forest.of_ranks(ranks), some_codes(ranks, 50)
    labels = ForestLabels.of_codes(wood, ranks, codes)
    assert wood.size == ranks.starts[-1]
    assert len(RANKS) == wood.lineages.shape[1]
    there, known = labels.marks()
    for row, code in enumerate(codes):
        told = [ranks.starts[rank] + c for rank, c in enumerate(code) if c >= 0][-1:]
        assert labels.of(row).tolist() == told
        for at in range(wood.size):
            assert there[row, at] == any(at in lineage(wood, low) for low in told)
            below = any(low in lineage(wood, at)[1:] for low in told)
            assert known[row, at] == (bool(told) and not below)
    assert {len(labels.of(row)) for row in range(50)} == {0, 1}
    assert (labels.single()[:, 0] == [(*labels.of(row), -1)[0] for row in range(50)]).all()


def test_what_cannot_be_is_refused():
    wood = forest()
    for parents, word in (([1, 0], "leads to no root"), ([7], "there are 1 nodes")):
        with pytest.raises(InputError, match=word):
            Forest.of_parents(parents)
    with pytest.raises(InputError, match="another tree"):
        Forest(("a", "b"), np.array([-1, 0]), np.array([0, 1]), ("x", "y"))
    with pytest.raises(InputError, match="there are 1 trees"):
        Forest(("a",), np.array([-1]), np.array([1]), ("x",))
    with pytest.raises(InputError, match="empty name"):
        Forest.of_paths([("biota", ("Cnidaria", ""))])
    with pytest.raises(InputError, match="node 99"):
        ForestLabels.of_lists(wood, [[99]])
    with pytest.raises(InputError, match="node -2"):
        ForestLabels.of_lists(wood, [[-2]])
    with pytest.raises(InputError, match=r"\[1, 3\] expected"):
        ForestLabels.of_lists(wood, [[0]], np.zeros((2, 3), bool))
    with pytest.raises(InputError, match="one a node"):
        wood.above(np.zeros((1, 2), bool))
    with pytest.raises(InputError, match="lacks parent"):
        Forest.of_card({"names": [], "tree": [], "trees": []})
