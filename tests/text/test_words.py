"""Words of a text: pairs of bytes that were learned."""

import json
import pickle
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.errors import InputError
from merian.text import TextWords, learn_words
from merian.text.words import PAD

TEXTS = [
    "Animalia Arthropoda Insecta Diptera Sciaridae Bradysia",
    "Animalia Arthropoda Insecta Diptera Cecidomyiidae",
    "family Sciaridae, order Diptera",
    "a photo of Bradysia tilicola",
    "a photo of Megaselia",
]
WORDS = learn_words(TEXTS, 60)


def slowly_learned(texts, merges):
    """The same, counted anew for each merge."""
    from merian.text.words import _bytes, _merged, _pieces

    rows = [_bytes(piece) for text in texts for piece in _pieces(text)]
    told = []
    while len(told) < merges:
        counts = Counter(pair for row in rows for pair in pairwise(row))
        if not counts or max(counts.values()) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        rows = [_merged(row, best, 257 + len(told)) for row in rows]
        told.append(best)
    return tuple(told)


@pytest.mark.parametrize("texts", [TEXTS, ["aaaa aaa aa", "abab ababab", "öö ööö"]], ids=["a", "b"])
def test_the_most_frequent_pair_becomes_a_word(texts):
    assert learn_words(texts, 500).merges == slowly_learned(texts, 500)


def test_the_order_of_texts_does_not_matter():
    assert learn_words(TEXTS[::-1], 60) == WORDS


def plain(text):
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_can_be_read_and_is_not_lost(text):
    words = TextWords(WORDS.merges, 1000).encode(text)
    assert words.dtype == np.int64
    assert ((words > PAD) & (words < WORDS.size)).all()
    assert WORDS.spelled([*words, PAD, PAD]) == plain(text)


@settings(max_examples=60, deadline=None)
@given(st.text("abdiprst ", max_size=30))
def test_a_text_is_read_by_the_merges_in_their_order(text):
    """Replaying every merge over the whole piece gives the same words."""
    from merian.text.words import _bytes, _merged, _pieces

    replayed = []
    for piece in _pieces(text):
        row = _bytes(piece)
        for number, pair in enumerate(WORDS.merges, 257):
            row = _merged(row, pair, number)
        replayed += row
    assert TextWords(WORDS.merges, 1000).encode(text).tolist() == replayed


def test_lone_halves_of_letters_and_nothing_are_read():
    assert WORDS.encode("").tolist() == WORDS.encode(" \n\t").tolist() == []
    assert len(WORDS.encode("\ud800")) > 0


def test_case_blanks_and_forms_of_letters_do_not_matter():
    asked = WORDS.encode("a photo of Müllerium").tolist()
    assert WORDS.encode("A  PHOTO of\nmu\u0308llerium ").tolist() == asked


def test_a_word_is_read_alike_wherever_it_stands():
    first, both = WORDS.encode("Diptera"), WORDS.encode("Insecta Diptera")
    assert both[-len(first) :].tolist() == first.tolist()


def test_learned_words_make_a_text_short():
    text = "Animalia Arthropoda Insecta Diptera Sciaridae"
    assert len(WORDS.encode(text)) < len(TextWords((), 1000).encode(text)) / 4


def test_what_lies_beyond_the_length_is_not_read():
    short = TextWords(WORDS.merges, 5)
    assert short.encode(TEXTS[0]).tolist() == WORDS.encode(TEXTS[0])[:5].tolist()


def test_a_card_holds_all_of_it():
    told = json.loads(json.dumps(WORDS.preprocessing()))
    assert TextWords.of(told) == WORDS
    assert TextWords.of(told).preprocessing() == told
    with pytest.raises(TypeError):
        TextWords.of({"k": 6})
    with pytest.raises(TypeError):
        TextWords.of({**told, "more": 1})
    with pytest.raises(ValueError, match="unpack"):
        TextWords.of({**told, "merges": [[5]]})


def test_it_goes_to_another_process_without_its_tables():
    WORDS.encode(TEXTS[0])
    again = pickle.loads(pickle.dumps(WORDS))
    assert again == WORDS
    assert "_held" not in vars(again)
    assert again.encode(TEXTS[0]).tolist() == WORDS.encode(TEXTS[0]).tolist()


@pytest.mark.parametrize(
    "merges", [((0, 5),), ((5, 257),), ((5, 6), (5, 6))], ids=["pad", "later", "twice"]
)
def test_merges_that_are_none_are_refused(merges):
    with pytest.raises(InputError, match="the merge"):
        TextWords(merges)


def test_sizes_that_are_none_are_refused():
    with pytest.raises(InputError, match="0 words of a text"):
        TextWords((), 0)
    with pytest.raises(InputError, match="merges; 0 to"):
        learn_words(TEXTS, -1)
