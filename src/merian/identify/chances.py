"""How well each kind of observation tells one outcome from another: plain assumptions.

Each kind has its chance for a pair of outcomes, what the chance stands on in words, and a sentence
for the pair for which it does most. How far two are apart and what the library has of them is
measured; the rest is a rule of thumb, and printed as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from merian.identify.rivals import Barcode, Pair, Rival

_ERROR = 0.002  # about one wrong base in a barcode: references no farther apart share it
_CLOSE = 0.02  # apart in the barcode; most animal species are farther

# Looks tell apart two of one genus, of one family, or of what is above.
_LOOKS_WITHIN = {"genus": 0.6, "family": 0.9}
_LOOKS_ABOVE, _LOOKS_SAME_BARCODE, _LOOKS_UNKNOWN = 0.97, 0.4, 0.5
# Who is missing is found by sequencing the rest of a genus, a family, an order: there are more.
_SEQUENCED = {"genus": 0.7, "family": 0.5, "order": 0.3}
_SEQUENCED_ABOVE = 0.1
# Two of one genus may share a barcode for good; those of two families do not.
_MISLABELLED = {"genus": 0.2, "family": 0.6}
_MISLABELLED_ABOVE = 0.98


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of observation.

    Attributes:
        name: In a word or two.
        what: What to do.
        assumes: What its chances stand on.
        chance: That it tells two outcomes apart, or, of a pair of one and the same, what it is.
        tell: A sentence for the pair for which it does most.
    """

    name: str
    what: str
    assumes: str
    chance: Callable[[Pair, Barcode], float]
    tell: Callable[[Pair, Barcode], str]


def kinds(rivals: Sequence[Rival]) -> list[Kind]:
    """Return what could be looked at, the cheapest first.

    Args:
        rivals: The outcomes; more references are wanted of one of them.
    """
    return [_LABELS, _PLACE, _LOOKS, _LONGER_READ, *map(_references_of, rivals), _MARKER]


# -- place and looks ------------------------------------------------------------------------------


def _by_place(pair: Pair, _: Barcode) -> float:
    if pair.same:
        return 0.0
    return 0.3 if pair.named else 0.1


def _tell_place(pair: Pair, _: Barcode) -> str:
    return f"{pair} may not both live where and when it was found."


def _by_looks(pair: Pair, _: Barcode) -> float:
    if pair.same:
        return _LOOKS_UNKNOWN
    if pair.known and pair.apart <= _ERROR and pair.shared == "genus":
        return _LOOKS_SAME_BARCODE
    return _LOOKS_WITHIN.get(pair.shared, _LOOKS_ABOVE)


def _tell_looks(pair: Pair, _: Barcode) -> str:
    if pair.same:
        return (
            f"{pair.one.words} ({pair.one.probability:.2f}): sequences without a name cannot "
            "give one, looks may."
        )
    under = f"of one {pair.shared}" if pair.shared else "far apart in the tree"
    if not pair.known:
        return f"{pair} are {under}; looks may show whether it is one that the library has."
    return f"{pair} are {under} and {_percent(pair.apart)} apart in the barcode."


_PLACE = Kind(
    "place",
    "the place and the date",
    "three in ten pairs of species do not meet at one place and time",
    _by_place,
    _tell_place,
)
_LOOKS = Kind(
    "picture",
    "a picture, or a specialist's look at the specimen",
    "looks tell apart six in ten pairs of species of a genus (four, where they share a barcode), "
    "nine of a family, and nearly all others; half of what the library lacks can be named by them",
    _by_looks,
    _tell_looks,
)


# -- the references that there are ----------------------------------------------------------------


def _by_labels(pair: Pair, _: Barcode) -> float:
    if not pair.known or not pair.apart <= _ERROR:
        return 0.0
    return _MISLABELLED.get(pair.shared, _MISLABELLED_ABOVE)


def _tell_labels(pair: Pair, _: Barcode) -> str:
    if pair.shared == "genus":
        return f"{pair} share this barcode, and one of their labels may be wrong."
    shared = f"beyond one {pair.shared} they have nothing in common" if pair.shared else (
        "they have nothing in common"
    )  # fmt: skip
    return f"{pair} share this barcode, though {shared}: one of their labels is probably wrong."


_LABELS = Kind(
    "labels",
    "a check of the labels of the nearest references",
    "where two share a barcode a label is wrong in two of ten cases if they are of one genus, in "
    "six if of two, in nearly all if of two families",
    _by_labels,
    _tell_labels,
)


# -- more of the barcode, or another one ----------------------------------------------------------


def _by_longer_read(pair: Pair, barcode: Barcode) -> float:
    if pair.same or not barcode.unread:
        return 0.0
    if pair.known:
        return min(1.0, int((pair.fixed & ~barcode.read).sum()) / 2)
    # More bases measure better how far it is from what the library has.
    return 0.8 * barcode.unread


def _tell_longer_read(pair: Pair, barcode: Barcode) -> str:
    read = f"{barcode.bases} of {barcode.length} bases were read"
    if not pair.known:
        return f"{read}; over all of them it shows better which it is, {pair}."
    inside, outside = pair.fixed & barcode.read, pair.fixed & ~barcode.read
    return (
        f"{read}; {pair} differ at {inside.sum()} of the places read and at {outside.sum()} others."
    )


def _by_marker(pair: Pair, barcode: Barcode) -> float:
    if pair.same:
        return 0.0
    if not pair.known:
        return 0.3 if pair.one.known or pair.other.known else 0.1
    if _other_markers(pair, barcode):
        return 0.9
    apart = pair.apart
    return 0.7 if apart <= _ERROR else 0.5 if apart <= _CLOSE else 0.3


def _tell_marker(pair: Pair, barcode: Barcode) -> str:
    if not pair.known:
        return f"{pair} cannot be told apart by one gene alone."
    others = _other_markers(pair, barcode)
    there = f"; the library has {', '.join(others)} of both" if others else ""
    if pair.apart <= _ERROR:
        return f"{pair} share this barcode, and no read of it can tell them apart{there}."
    return f"{pair} are only {_percent(pair.apart)} apart in this barcode{there}."


_LONGER_READ = Kind(
    "longer read",
    "a longer read of this barcode",
    "two places at which all references of two differ settle it, one does by half",
    _by_longer_read,
    _tell_longer_read,
)
_MARKER = Kind(
    "another marker",
    "another marker",
    "another marker tells apart seven in ten pairs that share a barcode, five in ten that are "
    "close, three in ten others; nine where the library has it of both",
    _by_marker,
    _tell_marker,
)


def _other_markers(pair: Pair, barcode: Barcode) -> list[str]:
    """Return the genes that the library has of both, other than the one that was read."""
    return sorted((pair.one.markers & pair.other.markers) - {barcode.marker, ""})


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else "an unknown way"


# -- more references ------------------------------------------------------------------------------


def _wanted(rival: Rival) -> tuple[str, str]:
    """Return the references that are wanted because of an outcome, and what is assumed of them."""
    if rival.new:
        under = f"of {rival.name}" if rival.name else "of other groups of life"
        return (
            f"more references {under}",
            "what is missing is found in seven of ten cases by sequencing the rest of a genus, in "
            "five of a family, in three of an order, in one of what is above",
        )
    if rival.group:
        return (
            f"a name for the references called {rival.group}",
            "a name for the group names the query in eight of ten cases",
        )
    return (
        f"more references of {rival.name}",
        "one or two do not show how far a species spreads; more do in three of ten cases",
    )


def _references_of(rival: Rival) -> Kind:
    """Return more references as they are wanted because of one outcome."""

    def chance(pair: Pair, _: Barcode) -> float:
        if pair.one is not rival and pair.other is not rival:
            return 0.0
        if rival.new:
            return _SEQUENCED.get(rival.rank, _SEQUENCED_ABOVE)
        if rival.group:
            return 0.8 if pair.same else 0.5
        return 0.3 if rival.records <= 2 else 0.0

    def tell(_: Pair, __: Barcode) -> str:
        chance = f"({rival.probability:.2f})"
        if rival.new and not rival.name:
            return f"It may well be {rival.words} {chance}; has the library this gene?"
        has = f"{rival.species:,} species" if rival.species != 1 else "1 species"
        if rival.new:
            return f"It may well be {rival.words} {chance}, which has {has} of {rival.name}."
        behind = "stands 1 record" if rival.records == 1 else f"stand {rival.records:,} records"
        if rival.group:
            return f"It may be {rival.words} {chance}, behind which {behind} without a name."
        return f"Behind {rival.name} {chance} {behind}."

    return Kind("references", *_wanted(rival), chance, tell)
