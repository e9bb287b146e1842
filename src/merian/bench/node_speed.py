"""How long the constraint on a hierarchy takes: level by level, and by a table of nodes by nodes.

The forest has as many nodes at each depth as the published tree of sea floor life (272), or so many
times more; which stands under which is drawn. Times are those of the processor, on one thread, and
the shortest of several: what else the machine does only ever adds to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from merian.bench.node_losses import dense_highest, reach
from merian.learn.forest import Forest
from merian.learn.nodes import NodeTree

__all__ = ["forest_like", "speed_figures"]

_DEPTHS = (5, 26, 52, 71, 76, 35, 7)  # nodes of CATAMI's biota, from the roots down
_ROWS = 128

Figures = dict[str, dict[str, object]]


def forest_like(nodes: int, seed: int = 0) -> Forest:
    """Return a forest of about so many nodes, its depths as those of sea floor life."""
    rng = np.random.default_rng(seed)
    sizes = [max(1, round(size * nodes / sum(_DEPTHS))) for size in _DEPTHS]
    starts = np.cumsum([0, *sizes])
    parents = [np.full(sizes[0], -1)]
    for depth, size in enumerate(sizes[1:], 1):
        parents.append(rng.integers(starts[depth - 1], starts[depth], size=size))
    return Forest.of_parents(np.concatenate(parents))


def speed_figures(largest: int, times: int) -> Figures:
    """Return milliseconds of forward and backward, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _figures(largest, times)
    finally:
        torch.set_num_threads(threads)


def _figures(largest: int, times: int) -> Figures:
    small, large = forest_like(sum(_DEPTHS)), forest_like(largest)
    rows: Figures = {}
    ours = _shortest(NodeTree(small).highest, small, times)
    table = reach(small)
    dense = _shortest(lambda z: dense_highest(z.sigmoid(), table), small, max(2, times // 5))
    grown = _shortest(NodeTree(large).highest, large, max(2, times // 3))
    unit = f"ms of one processor, forward and backward, {_ROWS} rows"
    for name, took, forest in (
        ("constraint", ours, small), ("constraint, dense", dense, small),
        ("constraint", grown, large),
    ):  # fmt: skip
        rows[f"{name}, {forest.size:,} nodes"] = {"value": round(took, 2), "unit": unit}
    per_node = (grown / large.size) / (ours / small.size)
    rows["time a node, largest to smallest"] = {"value": round(per_node, 2), "unit": "1 is linear"}
    rows["whole loss, 272 nodes"] = {"value": round(_loss(small, times), 2), "unit": unit}
    return rows


def _shortest(layer: Callable[[Tensor], Tensor], forest: Forest, times: int) -> float:
    logits = torch.randn(_ROWS, forest.size, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()

    def once() -> None:
        logits.grad = None
        torch.autograd.backward(layer(logits).sum())

    return _best(once, times)


def _loss(forest: Forest, times: int) -> float:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(_ROWS, forest.size, generator=generator, requires_grad=True)
    marked = torch.rand(_ROWS, forest.size, generator=generator) < 0.02
    there = torch.from_numpy(forest.above(marked.numpy()))
    known, tree = torch.ones_like(there), NodeTree(forest)

    def once() -> None:
        logits.grad = None
        torch.autograd.backward(tree.loss(logits, there, known)[0])

    return _best(once, times)


def _best(work: Callable[[], None], times: int) -> float:
    took = []
    for _ in range(times + 1):  # the first warms up
        began = time.thread_time()
        work()
        took.append(1000 * (time.thread_time() - began))
    return min(took[1:])
