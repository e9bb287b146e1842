"""Words: every stretch of so many nucleotides, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from merian.barcode.words import (
    CODE,
    LENGTH,
    as_text,
    broken,
    clean,
    opposite,
    query_words,
    words_at,
)
from merian.nucleotides import reverse_complement


def number_of(word):
    return int("".join(str("ACGT".index(base)) for base in word), 4)


def words_by_hand(sequence):
    """The different words of the index, from strings."""
    found = set()
    for strand in (sequence, reverse_complement(sequence)):
        windows = (strand[i : i + LENGTH] for i in range(len(strand) - LENGTH + 1))
        found |= {w for w in windows if not set(w) - set("ACGT")}
    return sorted({min(number_of(w), number_of(reverse_complement(w))) for w in found})


def test_letters_that_mean_nothing_are_read_as_n():
    assert clean("nnac-gu.x\tRé N\n") == "ACGTNRN".strip("N")
    assert reverse_complement("ACGTRYN") == "NRYACGT"


@given(st.text("ACGTN", max_size=40), st.integers(1, 13))
def test_words_stand_where_they_begin(sequence, length):
    code = CODE[as_text(sequence)]
    words, out = words_at(code, length), set(broken(code, length).tolist())
    assert len(words) == max(0, len(sequence) - length + 1)
    for place, word in enumerate(words.tolist()):
        window = sequence[place : place + length]
        assert (place in out) == ("N" in window)
        assert "N" in window or word == number_of(window)


@given(st.text("ACGT", min_size=6, max_size=6))
def test_the_opposite_of_a_word_is_its_reverse_complement(word):
    assert opposite(6)[number_of(word)] == number_of(reverse_complement(word))


@given(st.text("ACGTRN", max_size=60))
def test_a_query_has_the_words_of_both_its_strands(sequence):
    words = query_words(sequence)
    assert words.dtype == np.int32
    assert words.tolist() == words_by_hand(sequence)
    assert np.array_equal(words, query_words(reverse_complement(sequence)))
