"""The loops of alignment: references laid over a query, and aligned with it.

Edit distances are those of bit vectors: a column of the table of distances is two words of bits
for each 64 rows (Myers 1999, Journal of the ACM 46:395). Of the table only the band is made in
which the best path can lie (Ukkonen 1985, Information and Control 64:100).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from merian.compiling import compiled, readable

__all__ = ["align_with"]

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Words = npt.NDArray[np.int32]
Bits = npt.NDArray[np.uint64]

_WORD, _WORDS = 6, 4096  # by which two sequences are laid over each other
# How far insertions may shift the ends against the middle, and how many words at an end decide.
_SHIFT, _END = 24, 64
_FREE = 2  # differences; any gaps cost as much in windows of one length, as there are two at least
# How many diagonals to either side of those of the ends are tried at first; in windows of one
# length that differ in few places, as many as can pay.
_BAND, _FEW = 64, 200
# Between genes that make a protein, a gap and another that takes it back are mostly made up to save
# some differences: so many common words have to lie on one other diagonal. A sequence of so many
# bases without a stop in a frame is such a gene; others are one in a hundred times.
_ELSEWHERE, _OPEN = 10, 450
_A, _C, _G, _T = 1, 2, 4, 8
_NONE, _ONE, _ALL = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)
_LAST = np.uint64(63)


@compiled()
def _words(strand: Bytes, words: Words) -> None:
    """Write the word that begins at each position, -1 where none does that is clear."""
    word, run = 0, 0
    for place in range(len(strand)):
        bits = strand[place]
        if bits & (bits - 1) or not bits:
            run = 0
        else:
            word = (word << 2 | (bits >> 1) - (bits >> 3)) & (_WORDS - 1)
            run += 1
        if place >= _WORD - 1:
            words[place - _WORD + 1] = word if run >= _WORD else -1
    for place in range(max(0, len(strand) - _WORD + 1), len(strand)):
        words[place] = -1


@compiled()
def _places(strand: Bytes, words: Words, at: Words) -> None:
    """Write where a strand has each word first, -1 where it has not."""
    at[:] = -1
    _words(strand, words)
    for place in range(len(strand) - 1, -1, -1):
        if words[place] >= 0:
            at[words[place]] = place


@compiled()
def _vote(words: Words, size: int, at: Words, long: int, votes: Words) -> tuple[int, int]:
    """Count the common words on each diagonal; return the first of most, and how many it has."""
    votes[: long + size] = 0
    best = 0
    for place in range(size):
        mine = at[words[place]] if words[place] >= 0 else -1
        if mine >= 0:
            diagonal = place - mine + long
            votes[diagonal] += 1
            ahead = votes[diagonal] - votes[best]
            if ahead > 0 or (ahead == 0 and diagonal < best):
                best = diagonal
    return best - long, votes[best]


@compiled()
def _strand(words: Words, size: int, at: Words, long: int, votes: Words) -> tuple[int, int]:
    """Return the strand of the query on which a reference lies, and the diagonal."""
    one, other = 0, 0
    for place in range(size):
        if words[place] >= 0:
            one += at[0, words[place]] >= 0
            other += at[1, words[place]] >= 0
    reverse = 1 if other > one else 0
    # By chance a strand may have as many words as a distant relative, but not on one diagonal.
    if 2 * max(one, other) < 3 * min(one, other) + 60:
        one = _vote(words, size, at[0], long, votes)[1]
        other = _vote(words, size, at[1], long, votes)[1]
        reverse = 1 if other > one else 0
    return reverse, _vote(words, size, at[reverse], long, votes)[0]


@compiled()
def _shift(words: Words, size: int, at: Words, middle: int, lowest: int, below: int) -> int:
    """Return the diagonal of most words at one end; that of the middle unless others say more.

    Args:
        words: Of the reference.
        size: How long it is.
        at: Where the query has each word.
        middle: The diagonal of most words.
        lowest: The first place in the query that is at this end.
        below: The first that is not any more.
    """
    votes = np.zeros(2 * _SHIFT + 1, np.int32)
    votes[_SHIFT] = 6  # one long word may lie anywhere by chance
    first, last = lowest + middle - _SHIFT, below + middle + _SHIFT
    for place in range(max(first, 0), min(last, size)):
        mine = at[words[place]] if words[place] >= 0 else -1
        if lowest <= mine < below and abs(place - mine - middle) <= _SHIFT:
            votes[place - mine - middle + _SHIFT] += 1
    return middle + int(np.argmax(votes)) - _SHIFT


@compiled()
def _is_shifted(votes: Words, best: int) -> bool:
    """Say whether some stretch may lie on another diagonal than the best."""
    for diagonal in range(max(best - _BAND, 0), min(best + _BAND + 1, len(votes))):
        if diagonal != best and votes[diagonal] >= _ELSEWHERE:
            return True
    return False


@compiled()
def _is_coding(sequence: Bytes) -> bool:
    """Say whether a sequence can be read as a protein from end to end, on either strand.

    The stops are TAA and TAG, which nearly all genetic codes have; TGA is an amino acid in
    mitochondria.
    """
    if len(sequence) < _OPEN:
        return False
    for frame in range(3):
        forward, backward = True, True
        for place in range(frame, len(sequence) - 2, 3):
            one, two, three = sequence[place], sequence[place + 1], sequence[place + 2]
            if one == _T and two == _A and three in (_A, _G):
                forward = False
            if one in (_C, _T) and two == _T and three == _A:
                backward = False
            if not (forward or backward):
                break
        if forward or backward:
            return True
    return False


@compiled()
def _masks(strand: Bytes) -> Bits:
    """Return for A, C, G and T the rows at which a strand may have it, 64 to a number."""
    masks = np.zeros((4, len(strand) // 64 + 2), np.uint64)
    for place in range(len(strand)):
        for base in range(4):
            if strand[place] >> base & 1:
                masks[base, place // 64] |= _ONE << np.uint64(place % 64)
    return masks


@compiled()
def _rows_of(masks: Bits, first: int, blocks: int) -> Bits:
    """Return for each set of bases the rows, from the first, that may have one of them."""
    rows = np.zeros((16, blocks), np.uint64)
    skip, shift = first // 64, np.uint64(first % 64)
    for base in range(4):
        for block in range(blocks):
            found = masks[base, skip + block] >> shift
            if shift and skip + block + 1 < masks.shape[1]:
                found |= masks[base, skip + block + 1] << np.uint64(64) - shift
            rows[1 << base, block] = found
    for several in range(3, 16):
        lowest = several & -several
        if lowest != several:
            for block in range(blocks):
                rows[several, block] = rows[lowest, block] | rows[several - lowest, block]
    return rows


@compiled()
def _band(column: int, long: int, wide: int, beside: int) -> tuple[int, int]:
    """Return the first and the last block of rows of a column, from 1, that lie in the band."""
    first = column - 1 - beside + min(long - wide, 0)
    last = column - 1 + beside + max(long - wide, 0)
    return max(first, 0) // 64, min(last, long - 1) // 64


@compiled()
def _distances(equal: Bits, long: int, other: Bytes, beside: int, up: Bits, left: Bits) -> int:
    """Return the edit distance, and from where in the table it comes.

    Args:
        equal: The rows that match each set of bases.
        long: How many rows there are.
        other: The set of bases of each column.
        beside: How many diagonals to either side of those of the ends are in the band.
        up: Of each column, for the blocks in the band: where a row costs one more than the one
            above; changed.
        left: Where it costs one more than in the column before; changed.
    """
    plus = np.full((long + 63) // 64, _ALL)
    minus = np.zeros(len(plus), np.uint64)
    bottom, lowest = np.uint64((long - 1) % 64), np.uint64(len(plus) - 1)
    ended = _band(1, long, len(other), beside)[1]
    score = min(64 * (ended + 1), long)  # of the lowest row in the band
    for column in range(len(other)):
        began, last = _band(column + 1, long, len(other), beside)
        if last > ended:
            score += min(64 * (last + 1), long) - 64 * last
            ended = last
        first, bases = np.uint64(began), np.uint64(other[column])
        rise, fall = _ONE, _NONE
        for block in range(first, np.uint64(last + 1)):
            match, down, climb = equal[bases, block], minus[block], plus[block]
            either = match | down
            match |= fall
            along = ((match & climb) + climb ^ climb) | match
            more, less = down | ~(along | climb), climb & along
            left[column, block - first] = more
            end = bottom if block == lowest else _LAST
            next_rise, next_fall = more >> end & _ONE, less >> end & _ONE
            more, less = more << _ONE | rise, less << _ONE | fall
            climb = less | ~(either | more)
            plus[block], minus[block] = climb, more & either
            up[column, block - first] = climb
            rise, fall = next_rise, next_fall
        score += int(rise) - int(fall)
    return score


@compiled()
def _path(
    up: Bits, left: Bits, long: int, wide: int, beside: int
) -> tuple[int, int, int, int, int]:
    """Follow an alignment back: gaps, columns hanging over at its start and end, rows of these."""
    row, column = long, wide
    gaps, run, mine, last, mine_last = 0, 0, 0, -1, 0
    while row > 0 or column > 0:
        if row > 0 and column > 0:
            block = (row - 1) // 64 - _band(column, long, wide, beside)[0]
            bit = np.uint64((row - 1) % 64)
            upward = (up[column - 1, block] >> bit & _ONE) == _ONE
            leftward = (left[column - 1, block] >> bit & _ONE) == _ONE
        else:
            upward, leftward = row > 0, column > 0
        if upward or leftward:
            gaps += 1
            run += 1
            mine += upward
            row -= upward
            column -= not upward
        else:
            if last < 0:
                last, mine_last = run, mine
            run, mine = 0, 0
            row -= 1
            column -= 1
    return gaps, run, max(last, 0), mine, mine_last


@compiled()
def _align_windows(
    masks: Bits, first: int, long: int, other: Bytes, differ: int
) -> tuple[int, int, int, int]:
    """Return mismatches and columns, and how much of the rows' ends is not among these.

    Args:
        masks: Of the strand of which the window is.
        first: Where the window begins.
        long: How long it is.
        other: The other window.
        differ: In how many places they differ if laid over each other without gaps; -1 if they
            cannot be.
    """
    wide = len(other)
    equal = _rows_of(masks, first, (long + 63) // 64)
    apart = abs(long - wide)
    beside = differ // 2 if 0 <= differ <= _FEW else _BAND
    while True:
        blocks = min(len(equal[0]), (2 * beside + apart) // 64 + 2)
        up, left = np.empty((wide, blocks), np.uint64), np.empty((wide, blocks), np.uint64)
        score = _distances(equal, long, other, beside, up, left)
        found = score if differ < 0 else min(score, differ)
        if found <= apart + 2 * beside + 1:  # what leaves the band costs more
            break
        beside *= 2
    if 0 <= differ <= score:
        return differ, long, 0, 0
    gaps, before, after, mine_before, mine_after = _path(up, left, long, wide, beside)
    columns = (long + wide + gaps) // 2 - before - after
    return score - before - after, columns, mine_before, mine_after


@compiled(
    types.int64[:, ::1](
        readable(types.uint8),
        readable(types.uint8),
        readable(types.int64),
        readable(types.uint8),
        types.int64,
    )
)
def align_with(query: Bytes, text: Bytes, start: Places, bits: Bytes, least: int) -> Places:
    """Align a query with references.

    Args:
        query: Its letters.
        text: Those of the references, one after the other.
        start: Where each begins, and where the last ends.
        bits: Of each letter, which bases it may be: a bit each for A, C, G, T.
        least: The fewest columns that count.

    Returns:
        Of each reference a row: mismatches, columns, whether it has the other strand, and where
        the alignment begins and ends in the query as that strand has it. 0 where there is none.
    """
    long, count = len(query), len(start) - 1
    longest = 0
    for number in range(count):
        longest = max(longest, start[number + 1] - start[number])
    strands = np.empty((2, long), np.uint8)
    for place in range(long):
        base = bits[query[place]]
        strands[0, place] = base
        strands[1, long - 1 - place] = (
            (base & 1) << 3 | (base & 2) << 1 | (base & 4) >> 1 | base >> 3
        )
    masks = _masks(strands[0]), _masks(strands[1])
    at = np.empty((2, _WORDS), np.int32)
    words = np.empty(max(longest, long), np.int32)
    for strand in range(2):
        _places(strands[strand], words, at[strand])
    votes = np.empty(long + longest + 1, np.int32)
    known = np.empty(longest, np.uint8)
    coding = _is_coding(strands[0])
    rows = np.zeros((count, 5), np.int64)
    for number in range(count):
        size = start[number + 1] - start[number]
        for place in range(size):
            known[place] = bits[text[start[number] + place]]
        _words(known[:size], words)
        reverse, middle = _strand(words, size, at, long, votes)
        begin, end = max(0, -middle), min(long, size - middle)
        left = _shift(words, size, at[reverse], middle, 0, begin + _END)
        right = _shift(words, size, at[reverse], middle, end - _END, long)
        begin, end = max(0, -left), min(long, size - right)
        if min(end - begin, end + right - begin - left) < max(least, 1):
            continue
        other = known[begin + left : end + right]
        differ = -1
        if left == right:
            differ = 0
            for place in range(end - begin):
                differ += strands[reverse, begin + place] & other[place] == 0
        found = differ, end - begin, 0, 0
        gapless = (
            differ >= 0
            and (coding or _is_coding(known[:size]))
            and not _is_shifted(votes[: long + size], left + long)
        )
        if not (0 <= differ <= _FREE or gapless):
            found = _align_windows(masks[reverse], begin, end - begin, other, differ)
        if found[1] >= least:
            rows[number, 0] = found[0]
            rows[number, 1] = found[1]
            rows[number, 2] = reverse
            rows[number, 3] = begin + found[2]
            rows[number, 4] = end - found[3]
    return rows
