"""The words of a barcode, whatever they are made of, and how a card tells of them.

Words of a number of bases are `KmerTokens`, words that were learned are `PairTokens`. A card holds
all of the words that were learned, so that a model carries what it reads by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from merian.barcode.pair_tokens import PairTokens
from merian.barcode.tokens import KmerTokens

__all__ = ["Words", "preprocessing_of", "words_of"]

Words = KmerTokens | PairTokens
_PAIRS = "pairs"


def preprocessing_of(words: Words) -> dict[str, Any]:
    """Return what is done to a barcode before a network, as a card holds it."""
    told = asdict(words)
    if isinstance(words, PairTokens):
        return {"words": _PAIRS, **told, "merges": list(words.merges)}
    return told


def words_of(preprocessing: Mapping[str, Any]) -> Words:
    """Return the words that a card tells of; TypeError where it does not."""
    told = dict(preprocessing)
    if told.pop("words", None) == _PAIRS:
        return PairTokens(**told)
    return KmerTokens(**told)
