"""Cutting the amplicon of two primers out of references.

What lies between the primers is kept, without them, and turned to the forward primer's strand. A
primer may be written in the code of the IUPAC, I (inosine) pairs with any base, and so do the
codes of a reference with what they may be; an N of a reference is a mismatch, or a run of them
would be a primer.

Most public references were trimmed to an amplicon before they were published, so that a primer's
site is rarely in them: nearly all of BOLD ends where the reverse primer of Folmer begins. So one
primer is enough where the sequence ends before the other could be; how long an amplicon may be is
told by the references that have both. Where it goes on beyond, the primer does not fit, and the
reference is dropped: it would not be amplified either. References without any primer are dropped
too, unless asked for: then each is cut where it lies beside the nearest amplicon that was found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from merian.barcode import align, best, build_index, query_words, score
from merian.errors import InputError
from merian.nucleotides import MAY_BE, reverse_complement

if TYPE_CHECKING:
    from merian.library.gather import Gathered
    from merian.library.reading import Progress
    from merian.library.segment import Segment

__all__ = ["NO_AMPLICONS", "Primers", "settle"]

_SHARE = 0.15  # of the letters of a primer that may not match, where nothing is said
_SHORTEST = 8  # letters of a primer; shorter ones are everywhere
_LONGER = 1.1  # than the longest amplicons, before the other primer must have been met
_QUANTILE, _TELLING = 0.99, 10  # of at least so many of them: a few may be chance
_INDEXED, _CANDIDATES = 5_000, 6  # amplicons that are looked at for those without a primer
_OVERLAP, _IDENTITY = 100, 0.7  # with the nearest amplicon
_MANY = 5_000

NO_PRIMER = "no primer was found in it"
TOO_LONG = "one primer was found, and not the other, though it goes on beyond where that would be"
NO_AMPLICON = "no primer was found in it, and it is near to no amplicon that was"
NO_AMPLICONS = (NO_PRIMER, TOO_LONG, NO_AMPLICON)

Bytes = npt.NDArray[np.uint8]

# What a letter may be, a bit for each base; an N of a reference is none.
_BITS = np.zeros(256, np.uint8)
for _letter, _bases in MAY_BE.items():
    _BITS[ord(_letter)] = sum(1 << "ACGT".index(base) for base in _bases)
_BITS[ord("N")] = 0


@dataclass(frozen=True)
class Primers:
    """Two primers, and what is done with references that lack them.

    Attributes:
        forward: As it is ordered, 5' to 3'.
        reverse: As it is ordered: on the other strand.
        mismatches: That each may have; None for 15 % of its letters but N.
        keep_trimmed: Keep references without any primer where they lie beside an amplicon.
    """

    forward: str
    reverse: str
    mismatches: int | None = None
    keep_trimmed: bool = False

    @staticmethod
    def of(forward: str, reverse: str, mismatches: int | None, keep_trimmed: bool) -> Primers:
        """Read what a user has given."""
        made = Primers(_primer(forward), _primer(reverse), mismatches, keep_trimmed)
        shortest = min(len(made.forward), len(made.reverse))
        if mismatches is not None and not 0 <= mismatches <= shortest // 2:
            raise InputError(
                f"--primer-mismatches {mismatches}: expected a number from 0 to {shortest // 2}, "
                "half of the shorter primer"
            )
        return made

    def most(self, primer: str) -> int:
        """Return how many mismatches a primer may have."""
        if self.mismatches is not None:
            return self.mismatches
        return math.floor(_SHARE * (len(primer) - primer.count("N")) + 0.5)

    def as_dict(self) -> dict[str, Any]:
        """Return what was said, for the header."""
        return dict(vars(self))

    @staticmethod
    def of_dict(said: Mapping[str, Any]) -> Primers:
        """Return what a header says."""
        return Primers(**said)

    def find(self, sequences: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return where the amplicons of clean sequences lie (see `find_primers`)."""
        from merian.library.amplicon_loops import find_primers  # noqa: PLC0415 - loads numba

        start = np.cumsum([0, *map(len, sequences)], dtype=np.int64)
        text = np.frombuffer("".join(sequences).encode("ascii"), np.uint8)
        found: npt.NDArray[np.int64] = find_primers(
            _BITS[text],
            start,
            _letters(self.forward),
            _letters(self.reverse),
            _letters(reverse_complement(self.forward)),
            _letters(reverse_complement(self.reverse)),
            self.most(self.forward),
            self.most(self.reverse),
        )
        return found

    def cut(self, sequences: Sequence[str]) -> tuple[list[str], list[int]]:
        """Return of each sequence what lies between the primers, and which of them were found."""
        found = self.find(sequences)
        pieces = [
            reverse_complement(text[begin:end]) if turned else text[begin:end]
            for text, (_, begin, end, turned) in zip(sequences, found.tolist(), strict=True)
        ]
        return [piece.strip("N") for piece in pieces], found[:, 0].tolist()


def _primer(text: str) -> str:
    """Return a primer in capital letters of the IUPAC code."""
    given = text.strip().upper().replace("U", "T").replace("I", "N")
    wrong = sorted(set(given) - set(MAY_BE))
    if wrong or len(given) - given.count("N") < _SHORTEST:
        what = f"has {', '.join(map(repr, wrong))} in it" if wrong else "is too short"
        raise InputError(
            f"--primers: the primer {text!r} {what}; expected {_SHORTEST} letters or more of A, C, "
            "G, T, of the IUPAC code, and I for inosine, as in "
            "--primers GGWACWGGWTGAACWGTWTAYCCYCC TAIACYTCIGGRTGICCRAARAAYCA"
        )
    return given


def _letters(primer: str) -> npt.NDArray[np.int64]:
    """Return a primer as the loop reads it: its length, then the letters that say most first."""
    said = [(len(MAY_BE[letter]), place) for place, letter in enumerate(primer) if letter != "N"]
    letters = [place << 4 | int(_BITS[ord(primer[place])]) for _, place in sorted(said)]
    return np.array([len(primer), *letters], np.int64)


# -- what is kept -------------------------------------------------------------------------------


def settle(
    gathered: Gathered, primers: Primers, earlier: Sequence[Segment], progress: Progress
) -> None:
    """Decide, when all is read, which references without both primers are kept.

    Args:
        gathered: What was read.
        primers: The two.
        earlier: What the library has, all of it amplicons.
        progress: Is told how far it is.
    """
    from merian.library.amplicon_loops import BOTH, NEITHER  # noqa: PLC0415 - loads numba

    found = np.array(gathered.primers_found, np.int8)
    sequence = np.array(gathered.sequence, np.int64)
    length = np.diff(np.array(gathered.starts, np.int64))
    whole = np.unique(sequence[(found == BOTH) & (sequence >= 0)])
    one = np.flatnonzero((found != BOTH) & (found != NEITHER) & (sequence >= 0))
    telling = length[whole]
    if len(whole) < _TELLING:
        telling = np.concatenate([telling, *(np.diff(segment.start) for segment in earlier)])
    if len(telling) >= _TELLING:
        most = int(_LONGER * float(np.quantile(telling, _QUANTILE)))
        long = one[length[sequence[one]] > most]
        gathered.why.update(dict.fromkeys(long.tolist(), TOO_LONG))
        one = np.setdiff1d(one, long)
    neither = np.flatnonzero(found == NEITHER)
    told = [
        f"{np.count_nonzero(found == BOTH):,} references have both primers",
        f"{len(one):,} end before the other and are cut at one",
    ]
    if primers.keep_trimmed and len(neither):
        amplicons = np.union1d(whole, np.unique(sequence[one]))
        known = [gathered.letters(number) for number in _some(amplicons)]
        for segment in earlier:
            known += [segment.letters(number) for number in _some(np.arange(segment.entries))]
        kept = _cut_beside(gathered, neither, known, progress)
        told.append(f"{kept:,} have none and are cut beside the nearest amplicon")
    else:
        gathered.why.update(dict.fromkeys(neither.tolist(), NO_PRIMER))
        if 2 * len(neither) > len(found):
            told.append(
                f"{len(neither):,} have none and are dropped; if they were trimmed to the amplicon "
                "before, --keep-trimmed keeps them"
            )
    gathered.notes.append("; ".join(told))


def _some(amplicons: npt.NDArray[np.int64]) -> list[int]:
    """Return as many of the numbers of amplicons as are looked at."""
    step = max(1, -(-len(amplicons) // _INDEXED))
    found: list[int] = amplicons[::step].tolist()
    return found


def _cut_beside(
    gathered: Gathered,
    records: npt.NDArray[np.int64],
    known: Sequence[str],
    progress: Progress,
) -> int:
    """Cut references without a primer where they lie beside the nearest amplicon; count them."""
    start = np.cumsum([0, *map(len, known)], dtype=np.int64)
    index = build_index(np.frombuffer("".join(known).encode("ascii"), np.uint8), start)
    own = np.arange(len(known), dtype=np.int32)
    pieces: dict[int, int] = {}
    kept = 0
    for count, record in enumerate(records.tolist()):
        if count % _MANY == 0:
            progress("looking for amplicons", count)
        number = gathered.sequence[record]
        if number < 0:
            continue  # it is too short already
        if number not in pieces:
            piece = _beside(gathered.letters(number), known, [index], own)
            pieces[number] = gathered.number(piece) if piece else -2
        gathered.sequence[record] = max(pieces[number], -1)
        if pieces[number] == -2:
            gathered.why[record] = NO_AMPLICON
        kept += pieces[number] >= 0
    return kept


def _beside(text: str, known: Sequence[str], indexes: Sequence[Any], own: Any) -> str:
    """Return the stretch of a sequence beside the nearest amplicon, on its strand, or ""."""
    near = best(score(query_words(text), indexes).summed, own, _CANDIDATES, 1)
    if not len(near):
        return ""
    pairs = align(text, [known[i] for i in near.tolist()])
    good = (pairs.overlap >= min(_OVERLAP, len(text))) & (pairs.identity >= _IDENTITY)
    if not good.any():
        return ""
    chosen = int(np.argmax(np.where(good, pairs.identity, 0)))
    strand = reverse_complement(text) if pairs.reverse[chosen] else text
    return strand[pairs.query_start[chosen] : pairs.query_stop[chosen]].strip("N")
