"""Losses of labels at several ranks, of which any may be missing.

Hierarchical label smoothing tells a lower rank what the true taxa above it allow: a part of the
target is spread over the other species of the true genus, a part over those of the true family,
and so on. Rare classes weigh more, by a root of their counts. What has no label counts nowhere.

Reference: Romeijn et al., MycoAI, Molecular Ecology Resources 2024 (for fungi; the formulas are
not bound to them).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from merian.errors import InputError
from merian.learn.full_precision import full
from merian.learn.rank_labels import Codes, RankLabels

__all__ = [
    "SmoothedTargets",
    "consistency",
    "curriculum",
    "inverse_root_weights",
    "mean_over_ranks",
    "rank_loss",
    "shares_below",
]

Floats = NDArray[np.float64]


def inverse_root_weights(counts: Sequence[int], power: float = 0.5) -> Floats:
    """Return n_c^-power / sum n^-power for each class; 0 for one that has no record.

    Args:
        counts: Records of each class.
        power: 0 weighs all alike, 1 makes all classes count the same however rare.
    """
    n = np.asarray(counts, np.float64)
    if (n < 0).any():
        raise InputError(f"a class of {n.min():.0f} records; 0 or more expected")
    found = np.where(n > 0, np.where(n > 0, n, 1.0) ** -power, 0.0)
    return found / max(found.sum(), np.finfo(np.float64).tiny)


def rank_loss(
    logs: Tensor, labels: Tensor, weights: Tensor | None = None, targets: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the weighted cross-entropy at a rank, and the weight that it is a mean of.

    Both are 0 where no label is known.

    Args:
        logs: float[b, classes]; logarithms of probabilities.
        labels: int64[b]; -1 where not known.
        weights: float[classes]; None for all alike.
        targets: float[b, classes]; what is asked for instead of the label alone.
    """
    if logs.shape[:1] != labels.shape or (targets is not None and targets.shape != logs.shape):
        raise InputError(
            f"probabilities {list(logs.shape)}, labels {list(labels.shape)} and targets "
            f"{None if targets is None else list(targets.shape)} do not go together"
        )
    logs, known = full(logs), labels >= 0
    place = labels.clamp(min=0)
    chosen = logs.gather(1, place[:, None])[:, 0]
    loss = -chosen if targets is None else -(targets * logs).sum(1)
    weight = known.to(logs.dtype) if weights is None else weights.to(logs.dtype)[place] * known
    total = weight.sum()
    # Not a product: what is not known may be infinite.
    summed = torch.where(known, loss * weight, torch.zeros_like(loss)).sum()
    return summed / torch.where(total > 0, total, torch.ones_like(total)), total


def mean_over_ranks(losses: Tensor, rank_weights: Tensor) -> Tensor:
    """Return sum(a L) / sum(a) of the losses [ranks] of all ranks; 0 where all weights are."""
    if losses.shape != rank_weights.shape:
        raise InputError(f"{len(rank_weights)} weights for {len(losses)} ranks")
    total = rank_weights.sum()
    return (losses * rank_weights).sum() / torch.where(total > 0, total, torch.ones_like(total))


def curriculum(
    progress: float, starts: Sequence[float], low: float = 0.0, high: float = 1.0
) -> list[float]:
    """Return the weight of each rank's loss, so that a rank is learnt after those above it.

    Args:
        progress: How much of the training is done, 0 to 1.
        starts: Of each rank, at what progress it begins to count.
        low: The weight before.
        high: The weight from then on.
    """
    return [high if progress >= start else low for start in starts]


def shares_below(labels: RankLabels, upper: int, rank: int) -> Floats:
    """Return how probable each class of a rank is, given the true taxon at a higher one alone.

    From that taxon on, each taxon shares alike among those under it that lead to the rank: this
    is the product of the 0/1 matrices of children by parents, each column made to sum to 1.

    Returns:
        float64[classes of the rank]; for a class the share of its own ancestor. 0 without one.
    """
    start, stop = labels.starts[rank], labels.starts[rank + 1]
    above, nodes = labels.above, labels.starts[-1]
    leads = np.zeros(nodes, bool)
    leads[start:stop] = True
    for node in range(stop - 1, -1, -1):  # a node stands after the one above it
        if leads[node] and above[node] >= 0:
            leads[above[node]] = True
    children = np.bincount(above[leads & (above >= 0)], minlength=nodes)
    top = labels.ancestors[start:stop, upper]
    share = (top >= 0).astype(np.float64)
    at = above[start:stop].copy()
    for _ in range(rank - upper):
        within = (at >= labels.starts[upper]) & (top >= 0)
        share[within] /= children[at[within]]
        at = np.where(at >= 0, above[at], -1)
    return share


class SmoothedTargets(nn.Module):
    """Targets of all ranks by hierarchical label smoothing.

    t(c) = even / (C - 1) + sum_i upper_i P_i(c) for c that is not the label, and for the label
    1 - even - sum_i upper_i + sum_i upper_i P_i(c); P_i is `shares_below` of the true taxon at
    rank i, and 1 / C where that is not known or has nothing under it.

    Args:
        labels: The classes.
        upper: Of each rank but the lowest, what share of the targets of lower ranks it spreads.
        even: What share is spread over all other classes of a rank.
    """

    def __init__(self, labels: RankLabels, upper: Sequence[float], even: float = 0.0) -> None:
        super().__init__()
        if len(upper) != len(labels.ranks) - 1:
            raise InputError(f"smoothing of {len(upper)} ranks; {len(labels.ranks) - 1} expected")
        if min([even, *upper]) < 0 or even + sum(upper) >= 1:
            raise InputError("smoothing takes shares of 0 or more that sum to less than 1")
        self.upper, self.even, self.sizes = [float(e) for e in upper], float(even), labels.sizes
        for rank in range(len(labels.ranks)):
            start, stop = labels.starts[rank], labels.starts[rank + 1]
            shares = [shares_below(labels, i, rank) for i in range(rank)]
            table = np.stack(shares) if shares else np.zeros((0, stop - start))
            ancestors = labels.ancestors[start:stop, :rank].T
            # Known from the labels, so not stored with the weights.
            self.register_buffer(f"share_{rank}", torch.tensor(table).float(), persistent=False)
            self.register_buffer(
                f"ancestor_{rank}", torch.tensor(ancestors.copy()), persistent=False
            )
            childless = [
                np.bincount(row[row >= 0], minlength=labels.sizes[i]) == 0
                for i, row in enumerate(ancestors)
            ]
            for i, none in enumerate(childless):
                self.register_buffer(f"none_{rank}_{i}", torch.tensor(none), persistent=False)

    def forward(self, labels: Tensor) -> list[Tensor]:
        """Return float[b, classes] of each rank for labels int64[b, ranks]."""
        if labels.ndim != 2 or labels.shape[1] != len(self.sizes):
            raise InputError(f"labels {list(labels.shape)}; [b, {len(self.sizes)}] expected")
        return [self._of_rank(labels, rank) for rank in range(len(self.sizes))]

    def _of_rank(self, labels: Tensor, rank: int) -> Tensor:
        size = self.sizes[rank]
        even = self.even if size > 1 else 0.0
        at = labels[:, rank : rank + 1]
        share, ancestor = getattr(self, f"share_{rank}"), getattr(self, f"ancestor_{rank}")
        target = share.new_full((len(labels), size), even / max(size - 1, 1))
        hard = share.new_full(at.shape, 1 - even - sum(self.upper[:rank]))
        known = at >= 0
        # The label's own share is not added to the even one but put in its place.
        hard = torch.where(known, hard, target[:, :1])
        target = target.scatter(1, at.clamp(min=0), hard)
        for i in range(rank):
            true = labels[:, i : i + 1]
            spread = torch.where(ancestor[i][None] == true, share[i][None], share.new_zeros(()))
            lost = (true < 0) | getattr(self, f"none_{rank}_{i}")[true.clamp(min=0)]
            target = target + self.upper[i] * torch.where(
                lost, share.new_full((), 1 / size), spread
            )
        return target


def consistency(predicted: Codes, labels: RankLabels) -> list[tuple[float, int]]:
    """Return how often a predicted class lies under the one predicted a rank above it.

    Args:
        predicted: int64[n, ranks]; -1 where nothing is predicted.
        labels: The classes.

    Returns:
        Of each rank but the highest the share, and of how many it is a share: those where both
        are predicted and something is known to stand above. The share of none is 1.
    """
    predicted = np.asarray(predicted, np.int64)
    if predicted.ndim != 2 or predicted.shape[1] != len(labels.ranks):
        raise InputError(f"predictions {list(predicted.shape)}; a column a rank expected")
    found = []
    for rank in range(1, len(labels.ranks)):
        at, upper = predicted[:, rank], predicted[:, rank - 1]
        start, stop = labels.starts[rank], labels.starts[rank + 1]
        above = np.append(labels.ancestors[start:stop, rank - 1], -1)[at]  # the last is for -1
        asked = (above >= 0) & (upper >= 0)
        n = int(asked.sum())
        found.append((float((above == upper)[asked].mean()) if n else 1.0, n))
    return found
