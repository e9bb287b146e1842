"""The vocabularies of published encoders, row by row, as ours has them.

Theirs begin with a few words that are none, and have the words of k bases behind them in the order
of the alphabet. How many rows there are tells k, and whether words with an N have rows of their
own. Ours is padding, mask, unknown, and the words of A, C, G and T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = ["Words", "find_words"]

_LONGEST = 8  # bases of a word
_MULTIPLE = 8  # BarcodeMamba fills its rows up to one

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """A vocabulary.

    Attributes:
        k: Bases of a word.
        about: Its rows, in a line.
        rows: int64, which of their rows are our mask, unknown, and words, in our order.
        note: Where a barcode may be read otherwise than by its authors; empty if nowhere.
        cls: Their row of a word that stands before each barcode, if there is one.
    """

    k: int
    about: str
    rows: Rows
    note: str = ""
    cls: int | None = None


def find_words(layout: str, size: int, cls: bool | None = None) -> Words:
    """Return the vocabulary of so many rows.

    Args:
        layout: barcodebert, barcodemae or barcodemamba.
        size: How many rows there are.
        cls: Whether the file says that a word [CLS] stood before each barcode.
    """
    words = _mamba(size) if layout == "barcodemamba" else _bert(size, layout, cls)
    if words is None:
        raise InputError(
            f"a vocabulary of {size:,} rows is none of words of k bases in the layout {layout} "
            f"({_sizes(layout)}). If its words are of another kind, as those of BPE, then without "
            "its tokenizer, which is published as a pickle of a program, nobody can read them"
        )
    return words


def _bert(size: int, layout: str, cls: bool | None) -> Words | None:
    k = _power(size - 2, 4)
    if k:
        return Words(k, f"[MASK] [UNK] and 4^{k} words", _rows(0, 1, 2 + _four(k)))
    k = _power(size - 3, 4)
    if k:
        if cls or (cls is None and layout == "barcodemae"):
            return Words(k, f"[MASK] [UNK] [CLS] and 4^{k} words", _rows(0, 1, 3 + _four(k)), cls=2)
        return Words(k, f"[MASK] [CLS] [UNK] and 4^{k} words", _rows(0, 2, 3 + _four(k)))
    k = _power(size - 2, 5)
    if k:  # the words of A, C, G, T come first, and then those with an N
        unknown = "[MASK] [UNK], 4^{0} words and those with an N"
        return Words(k, unknown.format(k), _rows(0, 1, 2 + _four(k)), _other_n("[UNK]"))
    k = _power(size - 1, 5)
    if k:
        n = 1 + _five(k, "N")
        about = f"[MASK] and 5^{k} words"
        return Words(k, about, _rows(0, int(n[0]), 1 + _five(k)), _other_n("N" * k))
    return None


def _mamba(size: int) -> Words | None:
    if size == 8:
        return Words(
            1, "[MASK] [SEP] [UNK] A C G T N", _rows(0, 7, 3 + _four(1)),
            "letters that are none of A, C, G, T are read as N",
        )  # fmt: skip
    k = _filled(size, 4, 3)
    if k:
        return Words(k, f"[MASK] [SEP] [UNK] and 4^{k} words", _rows(0, 2, 3 + _four(k)))
    k = _filled(size, 5, 2)
    if k:
        n = 2 + _five(k, "N")
        about = f"[MASK] [SEP] and 5^{k} words"
        return Words(k, about, _rows(0, int(n[0]), 2 + _five(k)), _other_n("N" * k))
    return None


def _other_n(name: str) -> str:
    return f"words with an N, which have rows of their own there, are read as {name}"


def _rows(mask: int, unknown: int, words: Rows) -> Rows:
    return np.concatenate([[mask, unknown], words]).astype(np.int64)


def _four(k: int) -> Rows:
    return np.arange(4**k)


def _five(k: int, letters: str = "ACGT") -> Rows:
    """Return where words of some letters stand among those of A, C, G, N, T, which are sorted."""
    places = np.array(["ACGNT".index(letter) for letter in letters])
    found = np.zeros(1, np.int64)
    for _ in range(k):
        found = (found[:, None] * 5 + places).ravel()
    return found


def _power(size: int, base: int) -> int:
    """Return k where a size is that power of the base, and 0 where it is none."""
    return next((k for k in range(1, _LONGEST + 1) if base**k == size), 0)


def _filled(size: int, base: int, special: int) -> int:
    """Return k where rows were filled up to a multiple of eight, or not at all."""
    for k in range(1, _LONGEST + 1):
        rows = base**k + special
        if size in {rows, -(-rows // _MULTIPLE) * _MULTIPLE}:
            return k
    return 0


def _sizes(layout: str) -> str:
    """Say which sizes there are."""
    if layout == "barcodemamba":
        every = [-(-(4**k + 3) // _MULTIPLE) * _MULTIPLE for k in range(1, _LONGEST + 1)]
    else:
        every = [4**k + 2 for k in range(1, _LONGEST + 1)]
    return ", ".join(f"{each:,}" for each in every) + ", or a few more for words with an N"
