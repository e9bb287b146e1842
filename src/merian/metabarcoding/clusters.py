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
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from merian.barcode.pairs import Edges, Progress, near_pairs
from merian.nucleotides import reverse_complement

__all__ = ["Edges", "Progress", "cluster", "near_pairs", "stable_id"]


def stable_id(sequence: str) -> str:
    """Return the name of a sequence: a hash of its letters, the same on both strands."""
    text = min(sequence, reverse_complement(sequence))
    return f"u{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


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
