"""The classes of each rank, learnt from lineages with gaps and contradictions."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learn.makers import LINEAGES, RANKS, tree

from merian.errors import InputError
from merian.learn.rank_labels import RankLabels


def test_classes_are_sorted_names_and_hang_under_the_nearest_known_taxon():
    labels = tree()
    assert labels.names[1] == ("Aeshnidae", "Culicidae", "Tipulidae")
    assert labels.names[2] == ("Aedes", "Aeshna", "Culex", "Nephrotoma", "Orphana", "Tipula")
    genus = labels.starts[2] + labels.names[2].index("Orphana")
    assert labels.ancestors[genus].tolist() == [0, -1, 4, -1]
    species = labels.starts[3] + labels.names[3].index("Orphana sola")
    assert labels.ancestors[species].tolist()[:3] == [0, -1, 4]
    alone = labels.starts[3] + labels.names[3].index("Incerta incerta")
    assert labels.ancestors[alone].tolist()[:3] == [-1, -1, -1]
    assert labels.counts[3][labels.names[3].index("Culex pipiens")] == 2
    assert labels.conflicts == 0


def test_labels_become_numbers_and_names_again():
    labels = tree()
    codes = labels.codes(LINEAGES)
    assert labels.lineages(codes) == [tuple(x or "" for x in row) for row in LINEAGES]
    assert labels.codes([("Diptera", None, "Nova", "Nova nova")]).tolist() == [[0, -1, -1, -1]]


def test_the_most_frequent_taxon_above_wins_and_the_others_are_counted():
    rows = [("A", "x"), ("B", "x"), ("B", "x"), ("", "x"), ("A", "y"), ("B", "y")]
    labels = RankLabels.of_lineages(("family", "genus"), rows)
    assert labels.parents[1] == (1, 0)  # of a tie the first name
    assert labels.conflicts == 2


def test_names_on_few_records_are_no_classes():
    labels = RankLabels.of_lineages(RANKS, LINEAGES, least=2)
    assert labels.names[3] == ("Culex pipiens",)
    assert labels.names[2] == ("Aeshna", "Culex", "Tipula")
    assert labels.codes(LINEAGES)[2].tolist() == [0, 2, -1, -1]


def test_a_card_holds_all_of_it():
    labels = tree()
    card = json.loads(json.dumps(labels.card()))
    assert RankLabels.of_card(card) == labels
    del card["parents"]
    with pytest.raises(InputError, match="lack parents"):
        RankLabels.of_card(card)


def test_numbers_of_other_lists_of_names_are_translated():
    labels = tree()
    names = [[*reversed(each), "Elsewhere"] for each in labels.names]
    other = RankLabels.of_lineages(RANKS, LINEAGES).codes(LINEAGES)
    turned = np.where(other >= 0, np.array(labels.sizes) - 1 - other, -1)
    turned[0, 3] = len(names[3]) - 1
    expected = other.copy()
    expected[0, 3] = -1
    assert np.array_equal(labels.recode(names, turned), expected)
    assert RankLabels.of_codes(RANKS, names, turned).names[1] == labels.names[1]


@given(
    st.lists(
        st.tuples(*(st.sampled_from(["", "a", "b", "c"]) for _ in range(3))), min_size=1
    ).filter(lambda rows: all(any(row[r] for row in rows) for r in range(3)))
)
def test_the_tree_is_the_one_that_counting_gives(rows):
    labels = RankLabels.of_lineages(("x", "y", "z"), rows)
    conflicts = 0
    for rank in range(3):
        for number, name in enumerate(labels.names[rank]):
            expected = -1
            for upper in reversed(range(rank)):
                seen = Counter(row[upper] for row in rows if row[rank] == name and row[upper])
                if expected < 0 and seen:
                    best = min(seen, key=lambda above: (-seen[above], above))
                    expected = labels.starts[upper] + labels.names[upper].index(best)
                    conflicts += seen.total() - seen[best]
            assert labels.parents[rank][number] == expected
    assert labels.conflicts == conflicts


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RankLabels.of_lineages(RANKS, [("a", "b")]), "2 names; 4 expected"),
        (lambda: RankLabels.of_lineages(("x", "y"), [("a", "")]), "no class at y"),
        (lambda: RankLabels.of_codes(("x",), [["a"]], np.array([[1]])), "at x, which has 1"),
        (lambda: RankLabels.of_codes(("x", "y"), [["a"]], np.zeros((1, 2))), "one list expected"),
        (lambda: RankLabels(("x",), (("a",),), ((0,),), ((1,),)), "hangs under one of its own"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_examples_of_other_classes_are_turned_to_those_of_a_model():
    torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")
    from merian.learn.recoded import Recoded

    class Three:
        shards = (3,)

        def names(self, indices):
            return [f"record {i}" for i in indices]

        def batch(self, indices, random):
            return {"labels": torch.tensor([[0, 1], [1, -1], [2, 0]])[torch.from_numpy(indices)]}

    labels = RankLabels.of_lineages(("x", "y"), [("b", "p"), ("c", "q")])
    examples = Recoded(Three(), labels, [["a", "b", "c"], ["q", "p"]])
    batch = examples.batch(np.array([2, 0, 1]), np.random.default_rng(0))
    assert batch["labels"].tolist() == [[1, 1], [-1, 0], [0, -1]]
    assert examples.names(np.array([1])) == ["record 1"]
    assert examples.shards == (3,)
