"""Two published forms of the constraint on a hierarchy, written again to be compared with ours.

The dense form takes the maximum over a table of nodes by nodes for each record: the same numbers,
with time and memory that grow with the square of the nodes. The released form multiplies logits
by the table's 0 and 1 in place of leaving nodes out: a 0 outdoes every negative logit.

References: Giunchiglia & Lukasiewicz 2020, arXiv:2010.10151 (dense, on probabilities); the code
beside Xu et al. 2024, arXiv:2409.06618, as it was released (on logits).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from merian.learn.forest import Forest

__all__ = ["dense_highest", "dense_loss", "reach", "released_highest", "released_loss"]


def reach(forest: Forest) -> Tensor:
    """Return float[nodes, nodes]; 1 where the second node is the first, or stands under it."""
    return torch.from_numpy(forest.above(np.eye(forest.size, dtype=bool)).T).float()


def dense_highest(probabilities: Tensor, table: Tensor) -> Tensor:
    """Return of each node the highest probability among itself and all under it [b, nodes]."""
    return (probabilities[:, None, :] * table.to(probabilities.dtype)).amax(2)


def dense_loss(logits: Tensor, there: Tensor, known: Tensor, table: Tensor) -> Tensor:
    """Return o = (1 - y) max(p) + y max(y p), on probabilities, and its mean cross-entropy."""
    p, y = logits.sigmoid(), (there & known).to(logits.dtype)
    o = (1 - y) * dense_highest(p, table) + y * dense_highest(y * p, table)
    return _mean(functional.binary_cross_entropy(o, y, reduction="none"), known)


def released_highest(logits: Tensor, table: Tensor) -> Tensor:
    """Return the maximum of logits times 0 or 1 [b, nodes].

    It is never below 0 but of a node that stands above all others of the table.
    """
    return (logits[:, None, :] * table.to(logits.dtype)).amax(2)


def released_loss(logits: Tensor, there: Tensor, known: Tensor, table: Tensor) -> Tensor:
    """Return the same formula with logits in the place of probabilities."""
    y = (there & known).to(logits.dtype)
    o = (1 - y) * released_highest(logits, table) + y * released_highest(y * logits, table)
    return _mean(functional.binary_cross_entropy_with_logits(o, y, reduction="none"), known)


def _mean(each: Tensor, known: Tensor) -> Tensor:
    """Return the mean over records of the mean over their known nodes."""
    count = known.sum(1)
    mean = each.masked_fill(~known, 0).sum(1) / count.clamp(min=1)
    return mean.sum() / (count > 0).sum().clamp(min=1)
