"""Groups of barcodes by identity."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from merian.barcode import align
from merian.barcode.pairs import aligned_pairs, near_pairs
from merian.discover.markov import flow_groups, mean_silhouette, parted
from merian.discover.sequences import Identity, by_identity
from merian.discover.single_linkage import linked, tree_of
from merian.errors import InputError
from merian.learn.agreement import adjusted_mutual_information
from merian.nucleotides import reverse_complement

REFERENCE = (
    Path(__file__).resolve().parents[3] / "shared/data/dna/coi_reference/coi_reference.tsv.gz"
)
LETTERS = np.array([*"ACGT"])


def silent(*_):
    pass


def changed(row, share, chance):
    """A sequence in which a share of the bases, in other places each time, is another base."""
    row = row.copy()
    places = chance.choice(len(row), round(share * len(row)), replace=False)
    row[places] = (row[places] + chance.integers(1, 4, size=len(places))) % 4
    return row


def text_of(row):
    return "".join(LETTERS[row])


@pytest.fixture(scope="module")
def species():
    """Thirty species in pairs 12 % apart, six barcodes each at most 1.2 % apart."""
    chance = np.random.default_rng(5)
    texts, names = [], []
    for genus in range(15):
        root = chance.integers(4, size=600)
        for number in range(2):
            own = changed(root, 0.06, chance)
            for _ in range(6):
                texts.append(text_of(changed(own, 0.006, chance)))
                names.append(2 * genus + number)
    return texts, np.array(names)


def same_groups(one, other):
    return adjusted_mutual_information(one, other) == pytest.approx(1.0)


def test_species_are_found_without_their_number(species):
    texts, names = species
    found = by_identity(texts)
    assert found.count == 30
    assert same_groups(found.label, names)
    assert found.method == "identity"
    assert found.left == {}
    # All groups are of one size: they are numbered by their first members.
    assert found.label[::6].tolist() == [*range(30)]


def test_the_tree_has_a_cut_for_species_and_one_for_genera(species):
    texts, names = species
    found = by_identity(texts)
    assert found.tree.count_at(0.022) == 30
    assert same_groups(found.cut(30), names)
    assert same_groups(found.tree.at(0.2), names // 2)
    assert found.tree.heights[-1] == 1.0
    assert (np.diff(found.tree.heights) >= 0).all()


def test_neither_order_strand_nor_threads_decide(species):
    texts, _ = species
    chance = np.random.default_rng(0)
    order = chance.permutation(len(texts))
    turned = [
        reverse_complement(texts[n]) if chance.random() < 0.5 else texts[n] for n in order.tolist()
    ]
    first, again = by_identity(texts, threads=1), by_identity(turned, threads=2)
    assert same_groups(first.label[order], again.label)
    other = by_identity(texts, threads=2)
    assert (first.label == other.label).all()
    assert (first.tree.pairs == other.tree.pairs).all()
    assert (first.tree.heights == other.tree.heights).all()


def test_what_is_no_sequence_is_left_alone_with_its_reason(species):
    texts, _ = species
    bad = ["", "NNNN", "MKVLFAAQRSTPEILFEDQLIPFEDQLKKLMNPE" * 3, "ACGT"]
    found = by_identity([*bad, *texts[:12]])
    assert found.label[:4].tolist() == [-1] * 4
    assert sum(found.left.values()) == 4
    assert found.rows.tolist() == [*range(4, 16)]
    assert len(found.tree) == 12
    assert found.count == 2


@pytest.mark.parametrize("texts", [[], [""], ["", "N"]], ids=["none", "empty", "two"])
def test_nothing_makes_no_groups(texts):
    found = by_identity(texts)
    assert found.count == 0
    assert (found.label == -1).all()
    assert found.tree is None


def test_one_sequence_is_one_group(species):
    found = by_identity(species[0][:1])
    assert found.label.tolist() == [0]
    assert len(found.tree) == 1


def test_equal_sequences_are_one_group_and_join_at_height_0(species):
    text = species[0][0]
    found = by_identity([text, reverse_complement(text), text.lower(), f"NN{text}"])
    assert found.label.tolist() == [0] * 4
    assert found.tree.heights.tolist() == [0.0] * 3


def test_a_short_read_goes_to_its_nearest_and_joins_no_groups():
    chance = np.random.default_rng(1)
    root = chance.integers(4, size=600)
    other = root.copy()
    other[:420] = changed(root[:420], 0.2, chance)  # the last 180 bases are the same
    rows = [changed(root, 0.004, chance) for _ in range(4)]
    others = [changed(other, 0.004, chance) for _ in range(3)]
    texts = [text_of(row) for row in (*rows, *others)]
    assert by_identity(texts).count == 2
    found = by_identity([*texts, text_of(root[420:])])
    assert found.count == 2
    assert found.label[-1] in (0, 1)
    alone = by_identity([*texts, text_of(chance.integers(4, size=180))])
    assert alone.count == 3


def test_what_cannot_be_read_as_a_protein_joins_no_groups():
    chance = np.random.default_rng(2)
    codons = ["GCT", "GGA", "TTA", "ATT", "CCA", "AAC"]
    rows = ["".join(chance.choice(codons, size=200)) for _ in range(30)]
    texts = [row[: 3 * n] + "GTT" + row[3 * n + 3 :] for row in rows for n in (20, 60)]
    copy = rows[0][:300] + "TAATAGTAA" + rows[0][309:]
    copy = copy[:100] + "T" + copy[101:] + ""
    found = by_identity([*texts, copy])
    assert found.label[-1] == found.label[0]
    free = by_identity([*texts, copy], Identity(frames=False))
    assert free.label[-1] == free.label[0]
    assert found.count == 30


def test_two_dense_groups_that_one_sequence_joins_are_parted():
    chance = np.random.default_rng(3)
    root = chance.integers(4, size=650)
    far = changed(root, 0.026, chance)
    between = np.where(np.arange(650) < 325, root, far)
    texts = [text_of(changed(row, 0.002, chance)) for row in [root] * 8 + [far] * 8 + [between]]
    whole = by_identity(texts, Identity(silhouette=2.0))
    assert whole.count == 1
    found = by_identity(texts)
    assert found.count >= 2
    assert len(set(found.label[:8].tolist())) == len(set(found.label[8:16].tolist())) == 1
    assert found.label[0] != found.label[8]


def test_a_crowd_of_one_species_stays_one_group():
    chance = np.random.default_rng(4)
    root = chance.integers(4, size=600)
    texts = [text_of(changed(root, 0.005, chance)) for _ in range(200)]
    assert by_identity(texts).count == 1


def test_a_group_behind_a_crowd_is_seen():
    """Each of sixty has more near ones than it may ask, and one knows another group."""
    chance = np.random.default_rng(6)
    root = chance.integers(4, size=600)
    far = changed(root, 0.014, chance)
    texts = [text_of(changed(root, 0.002, chance)) for _ in range(60)] + [text_of(far)] * 1
    texts += [text_of(changed(far, 0.002, chance)) for _ in range(60)]
    assert by_identity(texts, Identity(silhouette=2.0)).count == 1


@pytest.mark.parametrize("distance", [0.0, 1.0, -0.1, float("nan")])
def test_a_distance_that_is_none_is_refused(distance):
    with pytest.raises(InputError, match="0 to 1 expected"):
        by_identity(["ACGT" * 30], Identity(distance=distance))


def test_pairs_are_those_that_alignment_finds(species):
    texts = species[0][:48]
    one, other, far = near_pairs(texts, 0.03, silent, threads=2)
    found = dict(zip(zip(one.tolist(), other.tolist(), strict=True), far.tolist(), strict=True))
    for a, text in enumerate(texts):
        near = align(text, texts[a + 1 :]) if a + 1 < len(texts) else None
        for place, identity in enumerate(near.identity.tolist() if near else []):
            if 1 - identity <= 0.03:
                assert found.pop((a, a + 1 + place)) == pytest.approx(1 - identity, abs=1e-6)
    assert found == {}


def test_a_pair_is_aligned_once_whoever_asks(species):
    texts = species[0][:6]
    pairs = np.array([[3, 1], [1, 3], [0, 5], [3, 1]], np.int32)
    one, other, far = aligned_pairs(texts, pairs)
    assert one.tolist() == [0, 1]
    assert other.tolist() == [5, 3]
    assert far.tolist() == pytest.approx([1 - align(texts[a], [texts[b]]).identity[0]
                                          for a, b in ((0, 5), (1, 3))], abs=1e-6)  # fmt: skip


def test_only_other_groups_are_asked_for(species):
    texts, names = species
    group = names.astype(np.int32)
    one, other, _ = near_pairs(texts, 0.2, silent, 4, group)
    assert len(one)
    assert (group[one] != group[other]).all()


@given(
    some.integers(2, 40).flatmap(
        lambda n: some.lists(
            some.tuples(
                some.integers(0, n - 1), some.integers(0, n - 1), some.integers(0, 20)
            ).filter(lambda e: e[0] != e[1]),
            max_size=80,
        ).map(lambda edges: (n, edges))
    )
)
def test_the_tree_of_near_pairs_is_single_linkage(case):
    n, edges = case
    rows = np.array(edges, np.float64).reshape(-1, 3)
    graph = rows[:, 0].astype(np.int32), rows[:, 1].astype(np.int32), (rows[:, 2] / 100)
    graph = graph[0], graph[1], graph[2].astype(np.float32)
    # Sequences too short to share words: nothing but the edges joins them.
    tree = tree_of(["ACG"] * n, graph, silent)
    assert len(tree) == n
    for height in (0.0, 0.05, 0.1, 0.2):
        assert same_groups(tree.at(height + 1e-6), linked(n, graph, height + 1e-6)) or n == 1


def test_flow_finds_two_dense_groups_and_leaves_one_whole():
    chance = np.random.default_rng(0)
    points = np.concatenate([chance.normal(0, 0.002, (9, 2)), chance.normal(0.015, 0.002, (9, 2))])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    parts = parted(apart, 0.022, 0.6)
    assert len(set(parts[:9].tolist())) == len(set(parts[9:].tolist())) == 1
    assert parts[0] != parts[9]
    assert not parted(apart[:9, :9], 0.022, 0.6).any()
    assert not parted(apart, 0.022, 0.99).any()
    assert flow_groups(np.zeros((4, 4)), 0.022).tolist() == [0] * 4


def test_the_silhouette_is_scikit_learns():
    from sklearn.metrics import silhouette_score

    chance = np.random.default_rng(2)
    points = chance.random((30, 3))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    groups = np.append(chance.integers(0, 4, size=29), 4)  # one is alone
    groups = np.unique(groups, return_inverse=True)[1]
    theirs = silhouette_score(apart, groups, metric="precomputed")
    assert mean_silhouette(apart, groups) == pytest.approx(theirs)


def test_bins_of_a_real_genus_are_found():
    if not REFERENCE.is_file():
        pytest.skip("the COI reference is not here; it is not shipped")
    first = {}
    with gzip.open(REFERENCE, "rt", encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["bin"] and len(first) < 400:
                first.setdefault(row["nucleotides"], row["bin"])
    found = by_identity([*first], Identity(tree=False))
    assert adjusted_mutual_information(found.label, [*first.values()]) > 0.95
