"""Words that are learned: against counting and merging anew each time, as they are defined."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.barcode.pair_tokens import PairTokens, learn_pairs
from merian.barcode.tokens import UNKNOWN, KmerTokens
from merian.barcode.vocabulary import preprocessing_of, words_of
from merian.errors import InputError

TEXTS = st.lists(st.text("ACGTN", max_size=40), min_size=1, max_size=8)


def merged(words, pair):
    """Merge a pair everywhere, from the left to the right."""
    found, place = [], 0
    while place < len(words):
        if tuple(words[place : place + 2]) == pair:
            found.append("".join(pair))
            place += 2
        else:
            found.append(words[place])
            place += 1
    return found


def learned(texts, merges):
    """What is to be learned, counted anew for each merge."""
    rows = [list(part) for text in texts for part in text.split("N")]
    words, told = list("ACGT"), []
    while len(told) < merges:
        counts = Counter(pair for row in rows for pair in pairwise(row))
        counts = {pair: n for pair, n in counts.items() if n > 1}
        if not counts:
            break
        pair = min(counts, key=lambda p: (-counts[p], words.index(p[0]), words.index(p[1])))
        rows = [merged(row, pair) for row in rows]
        words.append("".join(pair))
        told.append(" ".join(pair))
    return tuple(told)


def read(text, merges):
    found = []
    for number, part in enumerate(text.split("N")):
        row = list(part)
        for merge in merges:
            row = merged(row, tuple(merge.split(" ")))
        found += (["N"] if number else []) + row
    return found


def spelt(tokens, text, offset=0):
    words = ["N", *"ACGT", *(merge.replace(" ", "") for merge in tokens.merges)]
    return [words[number - UNKNOWN] for number in tokens.encode(text, offset).tolist()]


@given(TEXTS, st.integers(1, 30))
def test_what_is_learned_is_what_counting_says(texts, merges):
    wanted = learned(texts, merges)
    if not wanted:
        with pytest.raises(InputError, match="side by side twice"):
            learn_pairs(texts, merges)
    else:
        assert learn_pairs(texts, merges).merges == wanted


@given(st.data())
def test_reading_is_merging_in_order(data):
    # Few letters and many repeats, in which one merge runs into another.
    letters = data.draw(st.sampled_from(["A", "AC", "ACGT"]))
    texts = data.draw(st.lists(st.text(letters, min_size=2, max_size=60), min_size=1, max_size=5))
    wanted = learned(texts, 40)
    if not wanted:
        return
    tokens = PairTokens(wanted)
    for text in (*texts, data.draw(st.text(letters + "N", max_size=80))):
        assert spelt(tokens, text) == read(text, wanted)


def barcodes(count, seed=0):
    """Barcodes of a few families, with bases changed and some lost."""
    chance = np.random.default_rng(seed)
    start = ["".join(chance.choice(list("ACGT"), 300)) for _ in range(4)]
    found = []
    for number in range(count):
        letters = list(start[number % 4])
        for place in chance.integers(0, 300, 20):
            letters[place] = "ACGTN"[chance.integers(5)]
        found.append("".join(letters)[: int(chance.integers(200, 300))])
    return found


def test_words_of_barcodes_are_those_of_the_definition():
    texts = barcodes(40)
    tokens = learn_pairs(texts[:30], 150)
    assert len(tokens.merges) == 150
    assert tokens.size == 157
    assert tokens.merges == learned(texts[:30], 150)
    for text in texts:
        assert spelt(tokens, text) == read(text, tokens.merges)[: tokens.length]
        assert spelt(tokens, text, 3) == read(text[3:], tokens.merges)[: tokens.length]
    assert 1 < tokens.frames < 20


def test_room_is_left_and_what_lies_beyond_is_not_read():
    tokens = learn_pairs(["ACGT" * 30] * 300 + ["N" * 500], 2)
    assert tokens.merges == ("A C", "G T")
    assert tokens.length == 66  # 60 words and a tenth; one odd barcode in 301 does not count
    assert len(tokens.encode("N" * 500)) == 66
    assert PairTokens(("A C",), bases=5).encode("ACACACAC").tolist() == [7, 7, 3]
    assert PairTokens(("A C",), bases=5).length == 5
    assert PairTokens(("A A",)).encode("").tolist() == []
    assert PairTokens(("A A",)).encode("AAANR").tolist() == [7, 3, UNKNOWN, UNKNOWN]


@given(TEXTS)
def test_a_card_and_a_pickle_carry_the_words(texts):
    tokens = learn_pairs([*texts, "ACACAC"], 5)
    again = words_of(json.loads(json.dumps(preprocessing_of(tokens))))
    copied = pickle.loads(pickle.dumps(tokens))
    assert again == copied == tokens
    for text in texts:
        assert again.encode(text).tolist() == copied.encode(text).tolist()
        assert again.encode(text).tolist() == tokens.encode(text).tolist()
    kmers = KmerTokens(4, 2, 300)
    assert preprocessing_of(kmers) == {"k": 4, "stride": 2, "bases": 300}
    assert words_of(preprocessing_of(kmers)) == kmers


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (("A CG",), "'A CG' is none of two words that there are"),
        (("AC",), "'AC' is none of two words"),
        (("A C", "A C"), "into a new one"),
        (("A C", "C A", "A CA"), "never leave the parts of ACA"),  # A C is merged before
        (("A A", "A AA"), "never leave the parts of AAA"),
        (("N N",), "none of two words"),
    ],
)
def test_merges_that_cannot_be_are_refused(merges, message):
    with pytest.raises(InputError, match=message):
        PairTokens(merges)


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(InputError, match="0 merges; 1 to 8192"):
        learn_pairs(["ACGT"], 0)
    with pytest.raises(InputError, match="hold no barcode"):
        PairTokens(("A C",), bases=0)
    assert learn_pairs(["ACAC"], 9).merges == ("A C",)  # nothing more stands there twice
