"""Provisional names of clusters, in open nomenclature, and the codes in them.

A cluster under a genus is *Carabus* sp. MRN-3f9a2k, one under anything higher Carabidae gen. sp.
MRN-3f9a2k, and one that stands under nothing is incertae sedis. Only "sp." and "gen. sp." are used:
name parsers take "Coleoptera fam. gen. sp." for a species called *Coleoptera fam*. The words and
the code are a qualifier, so no program reads a species out of them, and a library takes them for an
unnamed outcome (see `merian.library.naming`).

A code is a hash of the records that it was first given to, so the same data give the same code
wherever they are run. It begins with a figure, so that it is never a word. Where two would be
equal, the later one is longer; a code is never given again.

Reference: Sigovini, Keppel & Tagliapietra (2016), Open Nomenclature in the biodiversity era,
Methods in Ecology and Evolution 7:1217.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable

from merian.taxonomy.ranks import RANK_NUMBER

__all__ = ["CODE", "code_of", "name_of", "qualifier_of"]

CODE = re.compile(r"MRN-[0-9][0-9a-z]{5,}")
"""What a code looks like."""

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: none is mistaken for another
_LENGTH = 6
_NOTHING = "incertae sedis"


def code_of(records: Iterable[str], taken: Collection[str] = ()) -> str:
    """Return the code of a new cluster.

    Args:
        records: Its members, in any order.
        taken: Codes that were ever given.
    """
    text = "\n".join(sorted(records))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=20).digest(), "big")
    number, first = divmod(number, 10)
    letters = [str(first)]
    while len(letters) < _LENGTH or f"MRN-{''.join(letters)}" in taken:
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return f"MRN-{''.join(letters)}"


def qualifier_of(rank: str, code: str) -> str:
    """Return what stands behind the name of the taxon that a cluster is under."""
    if RANK_NUMBER.get(rank, 0) >= RANK_NUMBER["species"]:
        return ""
    return f"{'sp.' if RANK_NUMBER.get(rank, 0) >= RANK_NUMBER['genus'] else 'gen. sp.'} {code}"


def name_of(parent: str, rank: str, code: str) -> str:
    """Return the provisional name of a cluster; that of a species, if it is one that has a name."""
    if not parent:
        return f"{_NOTHING} {code}"
    return f"{parent} {qualifier_of(rank, code)}".strip()
