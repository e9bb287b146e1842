"""The same small network on the same pictures, learning nodes by one loss or another.

`coherent` is ours: the published loss on probabilities, level by level. `plain` asks each node for
itself. `dense` is the published loss by a table of nodes by nodes, `released` the same formula on
logits, as code was released. Each is read as it is meant to be: `plain` node by node, the others
after the maximum that they learned with.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from merian.bench.node_losses import (
    dense_highest,
    dense_loss,
    reach,
    released_highest,
    released_loss,
)
from merian.bench.seafloor_data import Quadrats
from merian.learn.nodes import NodeTree

__all__ = ["ARMS", "Learned", "learn"]

ARMS = ("coherent", "plain", "dense", "released")

_WIDTH, _DROPOUT = 256, 0.3
_BATCH = 64

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Read = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Learned:
    """What an arm makes of the pictures that it has not seen.

    Attributes:
        probabilities: float64[n, nodes].
        seconds: Of the processor for a step, at the median.
    """

    probabilities: NDArray[np.float64]
    seconds: float


def learn(quadrats: Quadrats, arm: str, seed: int, epochs: int) -> Learned:
    """Learn by one of `ARMS`, from the same start and in the same order for every arm."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # quickest for so small a network, and time is then that of a core
    try:
        return _learn(quadrats, arm, seed, epochs)
    finally:
        torch.set_num_threads(threads)


def _learn(quadrats: Quadrats, arm: str, seed: int, epochs: int) -> Learned:
    torch.manual_seed(seed)
    random = np.random.default_rng([seed, 6])
    mine = np.flatnonzero(quadrats.learn)
    there, known = (torch.from_numpy(table) for table in quadrats.labels.marks())
    features = torch.from_numpy(np.array(quadrats.features))
    mean, spread = features[mine].mean(0), features[mine].std(0) + 1e-6
    features = (features - mean) / spread
    network = nn.Sequential(
        nn.Linear(features.shape[1], _WIDTH), nn.ReLU(), nn.Dropout(_DROPOUT),
        nn.Linear(_WIDTH, quadrats.forest.size),
    )  # fmt: skip
    loss, read = _forms(quadrats, arm)
    steps = epochs * -(-len(mine) // _BATCH)
    adam = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    course = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=steps)
    took = []
    network.train()
    for _ in range(epochs):
        order = random.permutation(mine)
        for first in range(0, len(order), _BATCH):
            rows = torch.from_numpy(order[first : first + _BATCH])
            began = time.thread_time()
            adam.zero_grad()
            torch.autograd.backward(loss(network(features[rows]), there[rows], known[rows]))
            adam.step()
            course.step()
            took.append(time.thread_time() - began)
    network.eval()
    with torch.no_grad():
        told = read(network(features[torch.from_numpy(~quadrats.learn)]))
    return Learned(told.double().numpy(), float(np.median(took)))


def _forms(quadrats: Quadrats, arm: str) -> tuple[Loss, Read]:
    """Return the loss of an arm, and how its probabilities are read."""
    tree, table = NodeTree(quadrats.forest), reach(quadrats.forest)
    if arm == "coherent":
        return lambda z, y, m: tree.loss(z, y, m)[0], tree.probabilities
    if arm == "plain":
        return lambda z, y, m: tree.loss(z, y, m, coherent=False)[0], torch.sigmoid
    by_tree = [torch.from_numpy(quadrats.forest.tree == t) for t in
               range(len(quadrats.forest.trees))]  # fmt: skip
    formula = dense_loss if arm == "dense" else released_loss

    def loss(z: Tensor, y: Tensor, m: Tensor) -> Tensor:
        told = [
            formula(z[:, at], y[:, at], m[:, at], table[at][:, at])
            for at in by_tree
            if m[:, at].any()
        ]
        return torch.stack(told).mean()

    if arm == "dense":
        return loss, lambda z: dense_highest(z.sigmoid(), table)
    return loss, lambda z: _by_tree(z, by_tree, table).sigmoid()


def _by_tree(logits: Tensor, by_tree: list[Tensor], table: Tensor) -> Tensor:
    found = torch.empty_like(logits)
    for at in by_tree:
        found[:, at] = released_highest(logits[:, at], table[at][:, at])
    return found
