"""Groups of barcodes by identity, as BINs are made: no number of groups is given.

Sequences within 2.2 % of each other hang together (single linkage); each group in which two dense
ones are held together by few between them is parted (`merian.discover.markov`). Sequences are
compared on what they have in common, on either strand. What is short against the others, has many
bases that were not called, or stops in its reading frame (a nuclear copy, a bad read) joins no
groups: it goes to the group of its nearest whole sequence, or to others of its kind. What cannot be
read is left alone, with its reason.

The distance is that of BINs. That walkers step up to the same distance, and that parts must have a
mean silhouette of 0.6, was chosen on invented worlds, by their true species.

Reference: Ratnasingham & Hebert, A DNA-based registry for all animal species: the Barcode Index
Number (BIN) system, PLoS ONE 2013, doi:10.1371/journal.pone.0066213.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from merian.barcode import read_query
from merian.barcode.pairs import CANDIDATES, Edges, Progress, near_pairs
from merian.barcode.words import as_text
from merian.discover.clustering import Clustering
from merian.discover.parting import part
from merian.discover.single_linkage import linked, tree_of
from merian.discover.tree import Dendrogram, numbered
from merian.errors import InputError
from merian.library.frames import read_groups
from merian.nucleotides import reverse_complement

__all__ = ["Identity", "by_identity"]

Numbers = NDArray[np.int64]

_WHOLE = 0.6  # of the middle number of called bases: what has fewer joins no groups
_OTHERS = 8  # other groups that one with many near ones is compared with


@dataclass(frozen=True)
class Identity:
    """How sequences are grouped.

    Attributes:
        distance: Mismatches by columns up to which two hang together.
        silhouette: The mean silhouette that parts of a group must have; above 1 none is parted.
        frames: Whether sequences with stops in their reading frame join no groups, where the
            others have a frame that can be read.
        code: The genetic code by its number at the NCBI; found from the sequences if None.
        tree: Whether the tree above the groups is made too.
    """

    distance: float = 0.022
    silhouette: float = 0.6
    frames: bool = True
    code: int | None = None
    tree: bool = True


def by_identity(
    sequences: Sequence[str],
    settings: Identity | None = None,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> Clustering:
    """Group sequences by identity.

    Args:
        sequences: As they were read; what is no sequence is left alone with its reason.
        settings: How; those of BINs if not given.
        threads: How many look; the groups are the same.
        progress: Is told what is done.

    Returns:
        The groups. The tree is of single linkage, without the parting of groups, and of the rows
        that have a sequence; equal ones join at height 0.
    """
    settings = settings or Identity()
    if not 0 < settings.distance < 1:
        raise InputError(f"a distance of {settings.distance} between sequences; 0 to 1 expected")
    texts, which, left = _distinct(sequences)
    joins = _joining(texts, settings)
    edges = near_pairs(texts, settings.distance, progress, threads=threads)
    edges = _beyond(texts, joins, edges, settings.distance, progress, threads)
    one, other, far = edges
    use = joins[one] & joins[other]
    between = one[use], other[use], far[use]
    group = linked(len(texts), between)
    progress("parting groups", 0)
    if settings.silhouette <= 1:
        group = part(texts, group, between, settings.distance, settings.silhouette, threads)
    group = _attach(group, joins, edges)
    label = np.full(len(sequences), -1, np.int64)
    rows = np.flatnonzero(which >= 0)
    label[rows] = group[which[rows]]
    tree = None
    if settings.tree and len(rows):
        tree = _tree(texts, which[rows], edges, progress, threads)
    found = numbered(label)
    return Clustering(
        found,
        "identity",
        asdict(settings),
        support=np.full(int(found.max(initial=-1)) + 1, np.nan, np.float32),
        left=left,
        tree=tree,
        rows=rows,
    )


def _distinct(sequences: Sequence[str]) -> tuple[list[str], Numbers, dict[str, int]]:
    """Return the different sequences, which of them each one is or -1, and why how many are none.

    A sequence and its reverse complement are one.
    """
    number: dict[str, int] = {}
    which = np.full(len(sequences), -1, np.int64)
    left: Counter[str] = Counter()
    for row, text in enumerate(sequences):
        read, reason = read_query(text)
        if read:
            turned = reverse_complement(read)
            which[row] = (
                number[turned] if turned in number else number.setdefault(read, len(number))
            )
        else:
            left[reason.partition(":")[0].rstrip(".").lower()] += 1
    return [*number], which, dict(sorted(left.items()))


def _joining(texts: Sequence[str], settings: Identity) -> NDArray[np.bool_]:
    """Say which sequences are whole enough to hold groups together."""
    called = np.array([sum(map(text.count, "ACGT")) for text in texts], np.int64)
    if not len(texts):
        return np.zeros(0, np.bool_)
    joins = called >= _WHOLE * np.median(called)
    if settings.frames:
        start = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        frames = read_groups(as_text("".join(texts)), start, ["all"] * len(texts), settings.code)
        joins &= frames.state == 0
    return np.asarray(joins, np.bool_)


def _beyond(
    texts: Sequence[str],
    joins: NDArray[np.bool_],
    edges: Edges,
    distance: float,
    progress: Progress,
    threads: int,
) -> Edges:
    """Add the pairs with other groups of sequences that have seen none but their own.

    Who has as many near ones as can be asked has perhaps another group behind them.
    """
    degree = np.bincount(np.concatenate(edges[:2]), minlength=len(texts))
    crowded = (degree >= CANDIDATES) & joins
    if not crowded.any():
        return edges
    use = joins[edges[0]] & joins[edges[1]]
    group = linked(len(texts), (edges[0][use], edges[1][use], edges[2][use]))
    more = near_pairs(
        texts, distance, progress, _OTHERS, group.astype(np.int32), threads, np.flatnonzero(crowded)
    )
    return (
        np.concatenate([edges[0], more[0]]),
        np.concatenate([edges[1], more[1]]),
        np.concatenate([edges[2], more[2]]),
    )


def _attach(group: Numbers, joins: NDArray[np.bool_], edges: Edges) -> Numbers:
    """Return the groups with what is not whole in that of its nearest whole sequence.

    Of equally near ones the larger group takes it, and of these the first. What is near to none
    hangs together with its own kind.
    """
    lesser = ~joins
    if not lesser.any():
        return group
    one, other, far = edges
    kin = lesser[one] & lesser[other]
    found = np.where(
        joins, group, linked(len(group), (one[kin], other[kin], far[kin])) + len(group)
    )
    mixed = joins[one] != joins[other]
    asks = np.where(joins[one], other, one)[mixed]
    to = group[np.where(joins[one], one, other)[mixed]]
    size = np.bincount(group[joins], minlength=int(group.max()) + 1)
    order = np.lexsort((to, -size[to], far[mixed], asks))
    first = order[np.flatnonzero(np.diff(asks[order], prepend=-1))]
    found[asks[first]] = to[first]
    return found


def _tree(
    texts: Sequence[str], which: Numbers, edges: Edges, progress: Progress, threads: int
) -> Dendrogram:
    """Return the tree of rows: that of the different sequences, and equal ones at height 0."""
    first = np.unique(which, return_index=True)[1]  # the row of each sequence
    tree = tree_of(texts, edges, progress, threads)
    again = np.setdiff1d(np.arange(len(which)), first)
    same = np.stack([first[which[again]], again], axis=1)
    return Dendrogram(
        np.concatenate([same, first[tree.pairs]]).astype(np.int64),
        np.concatenate([np.zeros(len(again)), tree.heights]),
    )
