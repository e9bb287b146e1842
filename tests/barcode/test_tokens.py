"""Words of a barcode as a network reads them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.barcode.tokens import MASK, PAD, UNKNOWN, KmerTokens
from merian.errors import InputError


@given(st.text("ACGTN", max_size=80), st.integers(1, 4), st.integers(1, 5), st.integers(0, 9))
def test_words_are_those_that_one_reads_off(sequence, k, stride, offset):
    tokens = KmerTokens(k, stride, bases=60)
    read = sequence[offset : offset + 60]
    expected = [
        UNKNOWN if "N" in word else 3 + int("".join(str("ACGT".index(x)) for x in word), 4)
        for start in range(0, len(read) - k + 1, stride)
        for word in [read[start : start + k]]
    ]
    found = tokens.encode(sequence, offset)
    assert found.tolist() == expected
    assert found.dtype == np.int64
    assert len(found) <= tokens.length
    assert all(token < tokens.size for token in found)


def test_words_side_by_side_are_the_default():
    tokens = KmerTokens()
    assert (tokens.size, tokens.length, len(tokens.encode("ACGT" * 165))) == (4099, 110, 110)
    assert {PAD, MASK, UNKNOWN}.isdisjoint(tokens.encode("ACGTTGCA" * 20).tolist())


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 9}, {"stride": 0}, {"k": 6, "bases": 5}])
def test_words_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=r"bases"):
        KmerTokens(**wrong)
