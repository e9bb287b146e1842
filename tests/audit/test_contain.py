"""What lies within what, held against looking at every pair."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.audit.contain import Sequences, within
from merian.nucleotides import MAY_BE, reverse_complement


def joined(texts: list[str]) -> Sequences:
    start = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return Sequences(np.frombuffer("".join(texts).encode(), np.uint8), start)


def agrees(one: str, other: str) -> bool:
    return all(set(MAY_BE[a]) & set(MAY_BE[b]) for a, b in zip(one, other, strict=True))


def lies_in(pattern: str, text: str) -> bool:
    return len(pattern) < len(text) and any(
        agrees(turned, text[at : at + len(pattern)])
        for turned in (pattern, reverse_complement(pattern))
        for at in range(len(text) - len(pattern) + 1)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_it_finds_what_a_look_at_every_pair_finds(seed):
    rng = random.Random(seed)
    # Few roots, so that sequences have much in common.
    roots = ["".join(rng.choices("ACGT", k=120)) for _ in range(3)]
    texts, patterns = [], []
    for _ in range(12):
        text = list(rng.choice(roots))
        text[rng.randrange(120)] = rng.choice("ACGT")
        texts.append("".join(text[: rng.randrange(80, 121)]))
        source = rng.choice(texts)
        begin = rng.randrange(20)
        pattern = source[begin : begin + rng.randrange(40, 100)]
        patterns.append(reverse_complement(pattern) if rng.random() < 0.5 else pattern)
    found = within(joined(patterns), joined(texts))
    for number, pattern in enumerate(patterns):
        holders = [i for i, text in enumerate(texts) if lies_in(pattern, text)]
        assert found.of_pattern[number] == (holders[0] if holders else -1)
    for number, text in enumerate(texts):
        inner = [i for i, pattern in enumerate(patterns) if lies_in(pattern, text)]
        longest = min(inner, key=lambda i: (-len(patterns[i]), i), default=-1)
        assert found.of_text[number] == longest


def test_ambiguous_letters_agree_with_what_they_may_be():
    text = "".join(random.Random(1).choices("ACGT", k=200))
    pattern = text[20:60] + "NNRY" + text[64:120]
    fits = agrees(pattern, text[20:120])
    assert (within(joined([pattern]), joined([text])).of_pattern[0] == 0) == fits
    other = text[20:60] + "N" + text[61:120]
    assert within(joined([other]), joined([text])).of_pattern.tolist() == [0]
    assert within(joined([reverse_complement(other)]), joined([text])).of_pattern.tolist() == [0]


def test_what_is_of_the_same_group_or_has_no_called_stretch_is_passed_over():
    text = "".join(random.Random(2).choices("ACGT", k=200))
    one = np.zeros(1, np.int32)
    assert within(joined([text[:90]]), joined([text]), one, one).of_pattern.tolist() == [-1]
    broken = "".join("N" if i % 20 == 0 else x for i, x in enumerate(text[:90]))
    assert within(joined([broken]), joined([text])).of_pattern.tolist() == [-1]
    assert within(joined([]), joined([text])).of_text.tolist() == [-1]


def test_thousands_of_texts_give_the_first_holder():
    rng = random.Random(3)
    texts = ["".join(rng.choices("ACGT", k=60)) for _ in range(5000)]
    texts += [text + "ACGT" for text in texts[:4999]]
    patterns = [text[2:50] for text in texts[:5000:7]]
    found = within(joined(patterns), joined(texts))
    assert found.of_pattern.tolist() == list(range(0, 5000, 7))
