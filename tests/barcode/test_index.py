"""The index of words, held against sets of strings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.barcode.makers import FAMILY, mutate, random_sequence

import merian.barcode.index as module
from merian.barcode.index import best, build_index, score
from merian.barcode.words import as_text, query_words
from merian.nucleotides import reverse_complement

# Few kinds of stretches, so that what is drawn shares words.
STRETCHES = [random_sequence(14, np.random.default_rng(5 + i)) for i in range(4)]
SEQUENCES = st.lists(
    st.lists(st.sampled_from([*STRETCHES, "N", "ACG", ""]), max_size=6).map("".join), max_size=12
)


def index_of(sequences, sampling=None):
    start = np.cumsum([0, *(len(s) for s in sequences)], dtype=np.int64)
    return build_index(as_text("".join(sequences)), start, sampling)


def words_of(sequence):
    return set(query_words(sequence).tolist())


def same(one, other):
    return (
        np.array_equal(one.numbers, other.numbers)
        and np.array_equal(one.scores, other.scores)
        and (one.total, one.visited) == (other.total, other.visited)
    )


@settings(deadline=None, max_examples=40)
@given(SEQUENCES)
def test_postings_are_the_sequences_that_have_a_word(sequences):
    index = index_of(sequences)
    known = [words_of(s) for s in sequences]
    assert index.count == len(sequences)
    assert index.posting.dtype == np.int32
    assert index.offset[-1] == len(index.posting) == sum(len(k) for k in known)
    for word in set().union(*known):
        found = index.posting[index.offset[word] : index.offset[word + 1]].tolist()
        assert found == [i for i, k in enumerate(known) if word in k]


@settings(deadline=None, max_examples=40)
@given(SEQUENCES, st.sampled_from(STRETCHES), st.sampled_from(STRETCHES))
def test_scores_are_sums_of_the_weights_of_shared_words(sequences, one, other):
    query, known = words_of(one + other), [words_of(s) for s in sequences]
    df = {word: sum(word in k for k in known) for word in query}
    weight = {w: np.log1p(len(known) / n) for w, n in df.items() if n}
    found = score(query_words(one + other), [index_of(sequences)])
    shared = [sum(weight[w] for w in query & k) for k in known]
    assert found.numbers.tolist() == [i for i, s in enumerate(shared) if s]
    assert found.scores.dtype == np.float32
    assert np.allclose(found.scores, [s for s in shared if s], atol=0.02)
    assert found.total == found.visited == pytest.approx(sum(weight.values()), abs=0.02)


@settings(deadline=None, max_examples=20)
@given(SEQUENCES, st.lists(st.integers(0, 12), max_size=3), st.integers(0, 40))
def test_segments_answer_as_one_index_would(sequences, cuts, budget):
    sequences = sequences + STRETCHES
    edges = [0, *sorted(min(c, len(sequences)) for c in cuts), len(sequences)]
    parts = [index_of(sequences[a:b]) for a, b in pairwise(edges)]
    whole = index_of(sequences)
    for query in STRETCHES:
        words = query_words(query)
        assert same(score(words, [whole], budget), score(words, parts, budget))


def test_chunks_change_nothing(monkeypatch):
    whole = index_of(FAMILY)
    monkeypatch.setattr(module, "_SEQUENCES", 7)
    monkeypatch.setattr(module, "_BASES", 2000)
    parts = index_of(FAMILY)
    assert np.array_equal(whole.offset, parts.offset)
    assert np.array_equal(whole.posting, parts.posting)


def test_strands_are_one():
    rng = np.random.default_rng(1)
    turned = [reverse_complement(s) if rng.random() < 0.5 else s for s in FAMILY]
    one, other = index_of(FAMILY), index_of(turned)
    assert np.array_equal(one.posting, other.posting)
    assert np.array_equal(query_words(FAMILY[0]), query_words(reverse_complement(FAMILY[0])))


def test_the_rarest_words_are_visited_first_and_never_fewer_than_24():
    index = index_of(FAMILY)
    words = query_words(FAMILY[3])
    df = np.diff(index.offset)[words]
    spent = np.cumsum(np.sort(df))
    assert score(words, [index]).visited == score(words, [index]).total
    for budget in (50, 100, 500, 2000):
        found = score(words, [index], budget)
        looked_at = max(24, int((spent <= budget).sum()))
        rarest = np.sort(np.rint(np.log1p(40 / df) * 1024))[::-1][:looked_at]
        assert found.visited == rarest.sum() / 1024
        assert found.total == score(words, [index]).total
        assert found.numbers[found.scores.argmax()] == 3
    # Words that exceed the budget alone are never visited.
    assert len(score(words, [index], int(df.min()) - 1).numbers) == 0


def test_every_nth_word_is_enough_to_find_a_sequence():
    rng = np.random.default_rng(2)
    whole, sampled = index_of(FAMILY), index_of(FAMILY, 4)
    assert len(whole.posting) / 5 < len(sampled.posting) < len(whole.posting) / 3
    for i, sequence in enumerate(FAMILY):
        found = score(query_words(mutate(sequence, 0.01, rng)), [sampled])
        assert found.numbers[found.scores.argmax()] == i
        assert found.scores.max() <= found.total
    kept = np.flatnonzero(np.diff(sampled.offset))
    assert np.array_equal(np.diff(whole.offset)[kept], np.diff(sampled.offset)[kept])


def test_segments_that_are_sampled_differently_are_compared_by_what_all_have():
    segments = [index_of(FAMILY[:20]), index_of(FAMILY[20:], 4)]
    words = query_words(FAMILY[25])
    assert same(score(words, segments), score(words, [index_of(FAMILY, 4)]))


def test_sampling_is_a_power_of_two_and_chosen_by_size(monkeypatch):
    with pytest.raises(ValueError, match="power of two"):
        index_of(FAMILY, 3)
    monkeypatch.setattr(module, "_POSTINGS", 10_000)
    index = index_of(FAMILY)
    assert index.sampling == 4
    assert len(index.posting) < 10_000


def test_arrays_may_be_mapped_from_read_only_files(tmp_path):
    index = index_of(FAMILY)
    text, start = as_text("".join(FAMILY)), np.arange(41) * 658
    mapped = {}
    for name, array in (
        ("offset", index.offset), ("posting", index.posting), ("text", text), ("start", start),
    ):  # fmt: skip
        array.tofile(tmp_path / name)
        mapped[name] = np.memmap(tmp_path / name, array.dtype, mode="r")
    again = build_index(mapped["text"], mapped["start"])
    assert np.array_equal(again.posting, index.posting)
    on_disk = module.WordIndex(mapped["offset"], mapped["posting"], 40)
    for sequence in FAMILY[:5]:
        words = query_words(sequence)
        assert same(score(words, [index]), score(words, [on_disk]))


def test_nothing_is_known_or_nothing_asked():
    empty = index_of([])
    short = index_of(["", "ACG", "ACGTNACGTN"])
    for words in (query_words(""), query_words(FAMILY[0])):
        for segments in ([], [empty], [short], [empty, short, empty]):
            found = score(words, segments)
            assert (len(found.numbers), len(found.scores)) == (0, 0)
            assert (found.total, found.visited) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=200),
    st.integers(0, 20),
    st.integers(1, 3),
)
def test_the_best_are_the_first_that_a_sorted_list_would_give(rows, count, per_group):
    summed = np.array([s for s, _ in rows], np.uint32)
    group = np.array([g for _, g in rows], np.int32)
    seen, expected = [], []
    for i in sorted(np.flatnonzero(summed).tolist(), key=lambda i: (-int(summed[i]), i)):
        if seen.count(group[i]) < per_group and len(expected) < count:
            seen.append(group[i])
            expected.append(i)
    assert best(summed, group, count, per_group).tolist() == expected


def test_few_among_many_are_found_as_well():
    rng = np.random.default_rng(8)
    strangers = [random_sequence(20, rng) for _ in range(12_000)]
    known = [*strangers[:1000], FAMILY[0], *strangers[1000:], FAMILY[1], "", FAMILY[0]]
    segments = [index_of(known[:500]), index_of(known[500:])]
    found = score(query_words(FAMILY[0]), segments)
    shared = [len(words_of(FAMILY[0]) & words_of(k)) for k in known]
    assert found.numbers.tolist() == [i for i, n in enumerate(shared) if n]
    assert found.numbers.dtype == np.int64
    assert found.scores[found.numbers == 1000] == found.total == found.visited
    assert found.scores[found.numbers == 12_003] == found.total
    assert np.argsort(found.scores)[-3] == np.flatnonzero(found.numbers == 12_001)


def test_a_large_library_has_half_the_budget(monkeypatch):
    index, words = index_of(FAMILY), query_words(FAMILY[0])
    monkeypatch.setattr(module, "BUDGET", 1000)
    assert same(score(words, [index]), score(words, [index], 1000))
    monkeypatch.setattr(module, "_LARGE", 39)
    assert same(score(words, [index]), score(words, [index], 500))
