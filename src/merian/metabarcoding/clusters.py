"""Clusters of features: what may be one species, by sequence alone.

A feature that no other within the distance has more reads than begins a cluster and takes in those
within the distance that have none yet, from the commonest feature to the rarest (the greedy way of
vsearch and swarm's predecessors). Neighbours are found by the index of words and aligned.

What a cluster is called is a hash of the sequence that began it, read on either strand. So the
same sequence has the same name in another run or another lab, if it is cut at the same primers;
a cluster that another feature begins has another name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from merian.barcode import align, best, build_index, query_words, score
from merian.barcode.words import as_text
from merian.nucleotides import reverse_complement

__all__ = ["Edges", "cluster", "near_pairs", "stable_id"]

Edges = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Pairs of features, each once, and their distances."""

_CANDIDATES = 48  # that share the most words with a feature

Progress = Callable[[str, float], None]


def stable_id(sequence: str) -> str:
    """Return the name of a sequence: a hash of its letters, the same on both strands."""
    text = min(sequence, reverse_complement(sequence))
    return f"u{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def near_pairs(sequences: Sequence[str], distance: float, progress: Progress) -> Edges:
    """Return the pairs of sequences within a distance.

    Args:
        sequences: Clean.
        distance: Mismatches by columns, as identity is counted.
        progress: Is told how many sequences were looked at.
    """
    start = np.cumsum([0, *(len(text) for text in sequences)], dtype=np.int64)
    index = build_index(as_text("".join(sequences)), start)
    own = np.arange(len(sequences), dtype=np.int32)
    # Each difference costs at most ten words; among so many of a barcode, that leaves this share.
    least = max(0.05, 1 - 10 * distance * 1.5)
    asked = np.full((len(sequences), _CANDIDATES), -1, np.int32)
    found: list[tuple[int, int, float]] = []
    for number, text in enumerate(sequences):
        if number % 1_000 == 0:
            progress("comparing features", number)
        if not text:  # it was set aside
            continue
        summed = score(query_words(text), [index]).summed
        few = best(summed, own, _CANDIDATES, 1)
        few = few[(few != number) & (summed[few] >= least * summed[number])]
        asked[number, : len(few)] = few
        # In a crowd one may see the other that is not seen by it; each pair is aligned once.
        few = few[~((few < number) & (asked[few] == number).any(axis=1))]
        if not len(few):
            continue
        aligned = align(text, [sequences[other] for other in few.tolist()])
        far = aligned.mismatches / np.maximum(aligned.overlap, 1)
        near = np.flatnonzero((aligned.overlap > 0) & (far <= distance))
        for at in near.tolist():
            low, high = sorted((number, int(few[at])))
            found.append((low, high, float(far[at])))
    pairs = np.array([row[:2] for row in found], np.int32).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], np.array([row[2] for row in found], np.float32)


def cluster(
    sequences: Sequence[str],
    reads: NDArray[np.int64],
    edges: Edges,
    distance: float,
    group: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Return of each feature the one that began its cluster.

    Args:
        sequences: Of all features.
        reads: Of each, over all samples.
        edges: The pairs within a distance at least as large.
        distance: Of the clusters.
        group: Features of different groups are in different clusters.
    """
    one, other, far = edges
    use = far <= distance
    if group is not None:
        use &= group[one] == group[other]
    one, other = one[use], other[use]
    left, right = np.append(one, other), np.append(other, one)
    order = np.argsort(left, kind="stable")
    right, first = right[order], np.searchsorted(left[order], np.arange(len(sequences) + 1))
    head = np.full(len(sequences), -1, np.int32)
    # The commonest first, and of equals the one that is first in the alphabet: no order of a file
    # decides.
    by_reads = sorted(range(len(sequences)), key=lambda n: (-int(reads[n]), sequences[n]))
    for number in by_reads:
        if head[number] < 0:
            head[number] = number
            near = right[first[number] : first[number + 1]]
            head[near[head[near] < 0]] = number
    return head
