"""Names that are nearly spelled like this one.

Comparing with millions of names one by one would take seconds a name. A slip of the pen is either
behind the first letters of a word, and then the words that start alike are compared; or in them,
and then all words that one slip can make are few enough to be looked up. What counts as near is
strict, because species with nearly the same name are often real: one slip in an epithet of six
letters or more behind its first, the usual change of a Latin ending, and letters that sound alike
(``y`` and ``i``, ``ae`` and ``e``, one letter or two). A genus that the checklist lacks may be
misspelled only where the epithet fits.

Distances are optimal string alignments (insert, delete, replace, swap), by rapidfuzz.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from string import ascii_lowercase

from rapidfuzz import process
from rapidfuzz.distance import OSA

from merian.taxonomy.strings import NamePool, Strings

__all__ = ["Variant", "variants"]

_MOST_WORDS = 12  # near genera looked into

# Endings that change with the gender or the spelling of the genus, and nothing else.
_ENDINGS = re.compile(r"(?:us|a|um|is|e|os|on|ii|i|er|ris|re|ra|rum)$")


_SOUNDS = (
    ("ae", "e"), ("oe", "e"), ("ph", "f"), ("rh", "r"), ("th", "t"), ("y", "i"), ("j", "i"),
    ("k", "c"), ("ch", "c"), ("w", "v"), ("z", "s"),
)  # fmt: skip
_DOUBLE = re.compile(r"([a-z])\1")


@dataclass(frozen=True)
class Variant:
    """A name of the pool, as its row, and how far it is from what was asked."""

    row: int
    distance: int


def allowed(word: str) -> int:
    """Return how many slips a word of this length may have."""
    return 0 if len(word) < 5 else 1 if len(word) < 9 else 2


def variants(pool: NamePool, name: str) -> list[Variant]:
    """Return the nearest names that may be meant, all at the same distance."""
    genus, _, rest = name.partition(" ")
    found: dict[int, int] = {}
    if rest:
        _in_genus(pool, genus, rest, 0, found)
        # A genus that is there is believed; only one that is missing may be misspelled.
        if not found and pool.find(genus) < 0:
            for word, distance in near_words(pool, genus)[:_MOST_WORDS]:
                _in_genus(pool, word, rest, distance, found)
    else:
        for word, distance in near_words(pool, name):
            row = pool.find(word)
            if row >= 0:
                found[row] = distance
    nearest = min(found.values(), default=0)
    return [Variant(row, d) for row, d in sorted(found.items()) if d == nearest]


def _in_genus(pool: NamePool, genus: str, rest: str, so_far: int, found: dict[int, int]) -> None:
    """Add the names of a genus whose epithets are near."""
    first, stop = pool.starting_with(genus + " ")
    skip = len(genus) + 1
    parts = rest.split(" ")
    for offset, full in enumerate(pool.strings.between(first, stop)):
        theirs = full[skip:].split(" ")
        if len(theirs) != len(parts):
            continue
        # A slip in the genus leaves less room for one in the epithet.
        total = so_far
        for mine, other in zip(parts, theirs, strict=True):
            step = _epithet_distance(mine, other, 0 if so_far else allowed(mine))
            if step is None:
                break
            total += step
        else:
            if total:
                found[first + offset] = total


def _epithet_distance(mine: str, other: str, most: int) -> int | None:
    """Return the distance of two epithets, or None if they are too far apart."""
    if mine == other:
        return 0
    if _sound(mine) == _sound(other) and min(len(mine), len(other)) > 3:
        return 1
    if mine[:1] != other[:1] or min(len(mine), len(other)) < 6:
        return None
    # Two letters apart are *chinensis* and *chiloensis*: a second slip only by the ear.
    distance = OSA.distance(mine, other, score_cutoff=1)
    if distance > 1 and most > 1:
        distance = 1 + OSA.distance(_sound(mine), _sound(other), score_cutoff=1)
    return int(distance) if distance <= most else None


def _sound(word: str) -> str:
    """Return an epithet without what is often written in another way, and without its gender."""
    stem = _ENDINGS.sub("", word)
    for written, heard in _SOUNDS:
        stem = stem.replace(written, heard)
    return _DOUBLE.sub(r"\1", stem) if len(stem) > 2 else word


def near_words(pool: NamePool, word: str) -> list[tuple[str, int]]:
    """Return first words of names that are near this one, nearest first; not the word itself."""
    most = allowed(word)
    if not most:
        return []
    found: dict[str, int] = {}
    words = pool.first_words[0]
    start = word[: 2 if len(word) < 7 else 3]
    block = words.between(*_range_of(words, start))
    for other, distance, _ in process.extract_iter(
        word, block, scorer=OSA.distance, score_cutoff=most
    ):
        if distance:
            found[other] = int(distance)
    slips = _slips_at_start(word, len(start))
    for slip, row in zip(slips, pool.find_all(slips), strict=True):
        if row >= 0 and slip not in found:
            found[slip] = 1
    return sorted(found.items(), key=lambda item: (item[1], item[0]))


def _slips_at_start(word: str, length: int) -> list[str]:
    """Return all words that are one slip in the first letters away: few enough to look up."""
    lower = word.lower()
    made = {lower[:i] + lower[i + 1 :] for i in range(length)}
    made |= {lower[:i] + lower[i + 1] + lower[i] + lower[i + 2 :] for i in range(length)}
    for letter in ascii_lowercase:
        made |= {lower[:i] + letter + lower[i + 1 :] for i in range(length)}
        made |= {lower[:i] + letter + lower[i:] for i in range(length + 1)}
    made.discard(lower)
    return sorted(w.capitalize() for w in made if len(w) > 3)


def _range_of(words: Strings, prefix: str) -> tuple[int, int]:
    """Bisect the range of sorted words that begin with a prefix."""
    first, stop = (
        bisect_left(range(len(words)), bound, key=words.bytes_at)
        for bound in (prefix.encode(), prefix.encode() + b"\xff")
    )
    return first, stop
