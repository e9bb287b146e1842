"""Suspects told by their relatives: those that have none, chimeras, and genes out of frame.

A chimera was put together by the polymerase from two templates. One of its halves is nearly equal
to a reference of one family, the other to one of another family, and the whole is far from both.
All of that is asked for, with margins: a species that happens to lie between two others is near to
neither in any half. Chimeras of close kin, and those whose templates are not in the library, are
not found.

What aligns with nothing, or with less than six letters in ten, is another gene or another realm of
life: even phyla of animals agree in more of this gene. So it is looked for in genes that make a
protein only; spacers have evolved so fast that whole families are as far apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import edlib
import numpy as np
import numpy.typing as npt

from merian.barcode import WordIndex, align, best, query_words, score
from merian.barcode.words import as_text
from merian.nucleotides import MATCHING, reverse_complement

__all__ = ["Flocks", "Known", "Near", "beside", "chimera", "is_shifted", "near"]

_NEAR, _OF_A_HALF = 8, 6  # relatives that are looked at
_OVERLAP = 100

_FAR = 0.6  # identity
# Of all sequences, at most, that may be far from the others together; how many of them are asked,
# and of these how many must be: one or another is near to something by chance.
_FLOCK, _ASKED, _MOST = 0.05, 50, 0.8
_KIN = 0.95  # identity with relatives that must agree in the length of a gene
_ENDS = 20  # bases at both ends where a gap and a few mismatches cannot be told apart
_TOGETHER = 12  # bases between gaps that are looked at as one: mostly one undoes the other

# Of a chimera: how far the whole is from either template at least, how near each half is to its
# own at most, how far from the other's, and how long the shorter half is.
_WHOLE, _HALF, _OTHER = 0.03, 0.015, 0.08
_SHORTEST, _PART = 75, 0.2
_BETTER = 1 / 3  # of the mismatches with one template that may be left with two

_CIGAR = re.compile(r"(\d+)([=XID])")

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """Sequences among which relatives are looked for.

    Attributes:
        text: The letters of each part of them, one after the other.
        start: Where each sequence of a part begins, and where the last ends.
        indexes: Of each part.
        family: Of each sequence, counted through all parts, the family (or what there is) or "".
    """

    text: Sequence[npt.NDArray[np.uint8]]
    start: Sequence[npt.NDArray[np.int64]]
    indexes: Sequence[WordIndex]
    family: Sequence[str]

    def letters(self, number: int) -> str:
        """Return a sequence by its number."""
        for text, start in zip(self.text, self.start, strict=True):
            if number < len(start) - 1:
                return text[start[number] : start[number + 1]].tobytes().decode("ascii")
            number -= len(start) - 1
        raise IndexError(number)


@dataclass(frozen=True)
class Near:
    """The relatives of one sequence, best first.

    Attributes:
        number: Of each.
        identity: With each; 0 where they do not align.
        reverse: Whether it has the other strand.
        window: From where to where the sequence lies beside it.
    """

    number: list[int]
    identity: list[float]
    reverse: list[bool]
    window: list[tuple[int, int]]


def near(known: Known, text: str, own: int | Sequence[int], group: npt.NDArray[np.int32]) -> Near:
    """Return the nearest relatives of a sequence, itself left out.

    Args:
        known: Where they are looked for.
        text: The sequence.
        own: Its number among the known, and of others that are to be left out.
        group: Numbers that are all different, one for each known sequence.
    """
    summed = score(query_words(text), known.indexes).summed
    summed[own] = 0
    found = best(summed, group, _NEAR, 1)
    if not len(found):
        return Near([], [], [], [])
    return beside(known, text, found.tolist())


def beside(known: Known, text: str, numbers: Sequence[int]) -> Near:
    """Return how a sequence lies beside known ones, given by their numbers; the best first."""
    pairs = align(text, [known.letters(number) for number in numbers])
    identity = np.where(pairs.overlap >= min(_OVERLAP, len(text)), pairs.identity, 0)
    order = np.argsort(-identity, kind="stable")
    # On the other strand places are counted from the other end.
    start = np.where(pairs.reverse, len(text) - pairs.query_stop, pairs.query_start)
    stop = np.where(pairs.reverse, len(text) - pairs.query_start, pairs.query_stop)
    return Near(
        [numbers[place] for place in order.tolist()],
        identity[order].tolist(),
        pairs.reverse[order].tolist(),
        [*zip(start[order].tolist(), stop[order].tolist(), strict=True)],
    )


class Flocks:
    """Which sequences are related, one by way of another.

    Contaminations come in flocks: a few bacteria are near to each other, and to nothing else. A
    phylum with few references may look like one too, as each has its own kin for nearest; what it
    is near to beside them decides.
    """

    def __init__(self, group: npt.NDArray[np.int32]) -> None:
        self._group = group
        self._above = np.arange(len(group), dtype=np.int32)
        self._judged = np.zeros(len(group), bool)

    def join(self, place: int, relatives: Near) -> None:
        """Note the relatives of a sequence that is judged."""
        self._judged[place] = True
        for number, identity in zip(relatives.number, relatives.identity, strict=True):
            if identity >= _FAR:
                one, other = self._first(place), self._first(number)
                self._above[max(one, other)] = min(one, other)

    def _first(self, place: int) -> int:
        above = self._above
        while above[place] != place:
            above[place] = above[above[place]]
            place = int(above[place])
        return place

    def strangers(self, known: Known) -> list[int]:
        """Return the sequences that have no relatives but among themselves, in small flocks."""
        members: dict[int, list[int]] = {}
        for place in range(len(self._above)):
            members.setdefault(self._first(place), []).append(place)
        found: list[int] = []
        for flock in members.values():
            if len(flock) > _FLOCK * len(self._above) or not self._judged[flock].all():
                continue
            asked = flock[:: max(1, len(flock) // _ASKED)]
            others = [near(known, known.letters(i), flock, self._group) for i in asked]
            far = sum(max(other.identity, default=0.0) < _FAR for other in others)
            if far >= _MOST * len(asked):
                found += [i for i in flock if len(known.letters(i)) >= _OVERLAP]
        return found


def is_shifted(known: Known, text: str, relatives: Near) -> bool:
    """Return whether bases were lost or gained, not in threes, against its two nearest relatives.

    One relative does not tell which of the two is out of frame.
    """
    shifts: list[int] = []
    for place, number in enumerate(relatives.number[:2]):
        if relatives.identity[place] < _KIN:
            break
        other = known.letters(number)
        first, stop = relatives.window[place]
        turned = reverse_complement(other) if relatives.reverse[place] else other
        shifts.append(_shift(text[first:stop], turned))
    return len(shifts) == 2 and all(shift % 3 for shift in shifts) and shifts[0] == shifts[1]


def _shift(text: str, other: str) -> int:
    """Return how many bases a sequence has more than another (fewer: below 0), ends left out.

    Both begin and end at the same places of the gene, or the gene goes on in the other.
    """
    gaps: list[list[int]] = []  # first and last place, and what was gained there
    place = 0
    for size, kind in ((int(size), kind) for size, kind in _CIGAR.findall(_aligned(text, other))):
        if kind in "ID":
            if not gaps or place - gaps[-1][1] > _TOGETHER:
                gaps.append([place, place, 0])
            gaps[-1][1] = place
            gaps[-1][2] += size if kind == "I" else -size
        place += size if kind != "D" else 0
    inside = _ENDS, len(text) - _ENDS
    return sum(gain for first, last, gain in gaps if inside[0] <= first and last <= inside[1])


def _aligned(text: str, other: str) -> str:
    """Return the path of an alignment of a sequence somewhere in another."""
    done = edlib.align(text, other, mode="HW", task="path", additionalEqualities=MATCHING)
    return str(done["cigar"] or "")


def chimera(
    known: Known, text: str, own: int, group: npt.NDArray[np.int32], relatives: Near
) -> tuple[int, int, int] | None:
    """Return the two templates of a chimera and where it changes between them, or None."""
    size = len(text)
    least = max(_SHORTEST, int(_PART * size))
    if size < 2 * least or max(relatives.identity, default=0.0) > 1 - _WHOLE:
        return None
    wrong: dict[int, Numbers] = {}
    halves = []
    for half in (text[: size // 2], text[size // 2 :]):
        summed = score(query_words(half), known.indexes).summed
        summed[own] = 0
        halves.append(best(summed, group, _OF_A_HALF, 1).tolist())
    for number in {*halves[0], *halves[1]}:
        wrong[number] = _mismatches(text, known.letters(number))
    if not wrong or min(int(w[-1]) for w in wrong.values()) < _WHOLE * size:
        return None
    found = None
    fewest = _BETTER * min(int(w[-1]) for w in wrong.values())
    for left in halves[0]:
        for right in halves[1]:
            if not known.family[left] or known.family[left] == known.family[right]:
                continue
            if not known.family[right]:
                continue
            places = np.arange(least, size - least + 1)
            parts = wrong[left][places], wrong[right][-1] - wrong[right][places]
            at = int(np.argmin(parts[0] + parts[1]))
            place = int(places[at])
            others = wrong[right][place], wrong[left][-1] - wrong[left][place]
            good = parts[0][at] <= _HALF * place and parts[1][at] <= _HALF * (size - place)
            bad = others[0] >= _OTHER * place and others[1] >= _OTHER * (size - place)
            if good and bad and parts[0][at] + parts[1][at] < fewest:
                fewest = float(parts[0][at] + parts[1][at])
                found = left, right, place
    return found


def _mismatches(text: str, other: str) -> Numbers:
    """Return how many mismatches stand before each place, where the best alignment puts them."""
    pairs = align(text, [as_text(other)])
    if not pairs.overlap[0]:
        return np.arange(len(text) + 1, dtype=np.int64)
    path = _aligned(text, reverse_complement(other) if pairs.reverse[0] else other)
    wrong = np.zeros(len(text) + 1, np.int64)
    place = 0
    for size, kind in ((int(size), kind) for size, kind in _CIGAR.findall(path)):
        if kind in "XI":
            wrong[place + 1 : place + size + 1] += 1
        if kind == "D":
            wrong[min(place + 1, len(text))] += size
        place += size if kind != "D" else 0
    return np.cumsum(wrong)
