"""Name any nodes of a forest, where a label may stop anywhere and whole trees may be missing.

Four forms of the same question. `coherent` and `plain` give each node a probability of its own, so
that several of a tree may be there at once; with `coherent` a node answers for all under it. With
`one-path` and `path-sum` the nodes of a tree share one probability: for labels that lie on a single
path. They differ in how it is shared out: among siblings, or among tips by sums down their paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merian.errors import InputError
from merian.learn.encoding import described, features, width_of
from merian.learn.forest import Forest, ForestLabels
from merian.learn.node_softmax import NodeSoftmax
from merian.learn.node_sums import NodeSums
from merian.learn.nodes import NodeTree, rare_node_weights
from merian.learn.recipe_keys import FORMS, SINGLE
from merian.learn.task import Batch, Examples, Indices, Objective, Outcome

__all__ = ["NodeExamples", "Nodes"]


class NodeExamples:
    """Examples with the nodes that are known of each.

    A batch holds what theirs hold but for ``labels``, and ``there`` and ``known`` bool[b, nodes];
    or, where one path is asked for, ``lowest`` int64[b, trees], -1 where none is known.

    Args:
        examples: Items to learn from.
        labels: Of each, in the same order.
        form: coherent, plain, one-path or path-sum.
    """

    def __init__(self, examples: Examples, labels: ForestLabels, form: str) -> None:
        if len(labels) != sum(examples.shards):
            raise InputError(f"labels of {len(labels)} examples; {sum(examples.shards)} expected")
        self.examples, self.shards = examples, examples.shards
        self.labels, self.form = labels, form

    def names(self, indices: Indices) -> list[str]:
        """Return the ids of some examples."""
        return self.examples.names(indices)

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read some examples."""
        found = self.examples.batch(indices, random)
        found.pop("labels", None)
        rows = np.asarray(indices, np.int64)
        if self.form in SINGLE:
            return {**found, "lowest": torch.from_numpy(self.labels.single(rows))}
        there, known = self.labels.marks(rows)
        return {**found, "there": torch.from_numpy(there), "known": torch.from_numpy(known)}


def _layer(form: str, forest: Forest) -> NodeSoftmax | NodeTree:
    if form == "path-sum":
        return NodeSums(forest)
    return NodeSoftmax(forest) if form == "one-path" else NodeTree(forest)


class Nodes(Objective):
    """Name any nodes of a forest; what is not known does not count.

    A batch has what `features` takes, and what `NodeExamples` adds.

    Args:
        encoder: As `features` takes it.
        forest: The nodes.
        counts: On how many records each is there, for the weights.
        form: coherent, plain, one-path or path-sum.
        power: Of the counts in the weights; 0 weighs all alike.
        frozen: Whether only the head learns.
        about: The encoder's part of the card, where `described` cannot tell it.
    """

    kind = "nodes"
    weights: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        forest: Forest,
        counts: Sequence[int],
        *,
        form: str = "coherent",
        power: float = 0.5,
        frozen: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise InputError(f"no form is called {form!r}; there are {', '.join(FORMS)}")
        if len(counts) != forest.size:
            raise InputError(f"counts of {len(counts)} nodes; {forest.size} expected")
        self.encoder, self.frozen = encoder, frozen
        self.counts, self.form, self.power = [int(n) for n in counts], form, float(power)
        self.about = dict(described(encoder) if about is None else about)
        self.heads = nn.Linear(width_of(encoder), forest.size)
        nn.init.normal_(self.heads.weight, std=0.02)
        nn.init.zeros_(self.heads.bias)
        self.forest = forest
        self.tree = _layer(form, forest)
        weights = rare_node_weights(self.counts, power)
        self.register_buffer("weights", weights, persistent=False)
        if frozen:
            encoder.requires_grad_(False)
            encoder.eval()

    def train(self, mode: bool = True) -> Nodes:
        """Set whether it learns; a frozen encoder never does."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def scores(self, batch: Batch) -> Tensor:
        """Return one number for each node [b, nodes]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            vectors = features(self.encoder, batch)
        scores: Tensor = self.heads(vectors)
        return scores

    def probabilities(self, batch: Batch) -> Tensor:
        """Return the probability of each node [b, nodes]; none is below that of one under it.

        `merian.learn.least_cost_node` and `least_cost_nodes` make an answer of them.
        """
        scores = self.scores(batch)
        if isinstance(self.tree, NodeSoftmax):
            logs: Tensor = self.tree(scores)
            return logs.exp()
        return self.tree.probabilities(scores)

    def forward(self, batch: Batch) -> Outcome:
        """Return the loss of a batch; of each tree, how much of what is asked is right."""
        scores = self.scores(batch)
        if isinstance(self.tree, NodeSoftmax):
            return self._one_path(scores, batch["lowest"])
        there, known = batch["there"], batch["known"]
        loss, records = self.tree.loss(
            scores, there, known, self.weights, coherent=self.form == "coherent"
        )
        told = self.tree.highest(scores.detach()) > 0
        figures: dict[str, Tensor] = {}
        weights: dict[str, float] = {}
        of_tree = self.tree.of_tree
        counted = [(part & known).float().sum(0) @ of_tree for part in (told & there, told, there)]
        for number, name in enumerate(self.forest.trees):
            right, said, true = (part[number] for part in counted)
            figures |= {
                f"precision {name}": right / said.clamp(min=1),
                f"recall {name}": right / true.clamp(min=1),
            }
            weights |= {f"precision {name}": float(said), f"recall {name}": float(true)}
        return Outcome(loss, figures, weight=float(records), weights=weights)

    def _one_path(self, scores: Tensor, lowest: Tensor) -> Outcome:
        assert isinstance(self.tree, NodeSoftmax)
        loss, _ = self.tree.loss(scores, lowest, self.weights)
        logs, figures, weights = self.tree(scores.detach()), {}, {}
        depth = torch.from_numpy(self.forest.depth).to(scores.device)
        tree = torch.from_numpy(self.forest.tree).to(scores.device)
        for number, name in enumerate(self.forest.trees):
            at = lowest[:, number]
            known = at >= 0
            # Among the nodes that stand as low as the label, which is most probable?
            rivals = (tree == number) & (depth == depth[at.clamp(min=0)][:, None])
            best = logs.masked_fill(~rivals, float("-inf")).argmax(1)
            count = known.sum()
            figures[f"accuracy {name}"] = ((best == at) & known).sum() / count.clamp(min=1)
            weights[f"accuracy {name}"] = float(count)
        return Outcome(loss, figures, weight=float((lowest >= 0).any(1).sum()), weights=weights)

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again, with the names of the nodes."""
        heads = {
            "kind": self.kind,
            "forest": self.forest.card(),
            "counts": self.counts,
            "options": {"form": self.form, "power": self.power, "frozen": self.frozen},
        }
        return {"kind": self.kind, "encoder": self.about, "heads": heads}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: nn.Module) -> Nodes:
        """Build it around an encoder, without the weights."""
        told = card["heads"]
        forest = Forest.of_card(told["forest"])
        return cls(encoder, forest, told["counts"], about=card["encoder"], **told["options"])
