"""Flat strings behave like lists of strings."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from merian.taxonomy.strings import NamePool, Strings, hash_strings

words = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x00"), max_size=9))


def pack(texts: list[str]) -> Strings:
    return Strings.pack("".join(text + "\n" for text in texts).encode())


@given(words, st.data())
def test_rows_and_ranges(texts: list[str], data: st.DataObject) -> None:
    strings = pack(texts)
    assert texts == list(strings)
    first = data.draw(st.integers(0, len(texts)))
    stop = data.draw(st.integers(0, len(texts)))
    assert texts[first:stop] == strings.between(first, stop)
    if texts:
        rows = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1))), dtype=np.int64)
        assert [texts[r] for r in rows] == strings.take(rows)
    for text in texts:
        assert texts.index(text) == strings.find(text)


@given(words, words)
def test_pool_finds_whole_names_only(texts: list[str], asked: list[str]) -> None:
    names = sorted(set(texts), key=lambda text: text.encode())
    pool = NamePool.index(pack(names))
    asked = asked + names + [name[:-1] for name in names] + [name + "x" for name in names]
    expected = [names.index(a) if a in names else -1 for a in asked]
    assert expected == pool.find_all(asked).tolist()
    assert expected == [pool.find(a) for a in asked]


@given(
    st.lists(st.from_regex(r"[A-C][a-c]{0,2}( [a-c]{1,2})?", fullmatch=True)),
    st.text("AaBb", max_size=2),
)
def test_first_words_and_prefixes(texts: list[str], prefix: str) -> None:
    names = sorted(set(texts), key=lambda text: text.encode())
    pool = NamePool.index(pack(names))
    found, first = pool.first_words
    expected = list(dict.fromkeys(name.split(" ")[0] for name in names))
    assert expected == list(found)
    starts = [next(i for i, n in enumerate(names) if n.split(" ")[0] == w) for w in expected]
    assert starts == first.tolist()
    low, high = pool.starting_with(prefix)
    assert [n for n in names if n.startswith(prefix)] == names[low:high]


def test_equal_hashes_do_not_deceive() -> None:
    """Names whose hashes collide are still told apart by their letters."""
    pool = NamePool.index(pack(["Aus", "Bus", "Cus"]))
    same = NamePool(pool.strings, np.zeros(3, np.uint64), np.arange(3, dtype=np.int32))
    import merian.taxonomy.strings as module

    original = module.hash_strings
    try:
        module.hash_strings = lambda strings: np.zeros(len(strings), np.uint64)
        assert same.find_all(["Cus", "Aus", "Dus", "Bus"]).tolist() == [2, 0, -1, 1]
    finally:
        module.hash_strings = original


def test_hash_is_the_same_everywhere() -> None:
    found = hash_strings(pack(["Calanus finmarchicus", "Aus", ""])).tolist()
    assert found == [0xEE7E0B8407000322, 0xD99C07914D09625E, 0x38CB11B0051ECF43]
