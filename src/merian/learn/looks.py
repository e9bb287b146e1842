"""A look at the examples that are held out: figures with their intervals.

The examples go through in small random groups. A figure is the mean over all of them; its
interval is that of a bootstrap over the groups. A loss of a whole batch is another in a smaller
one, so there a group is as large as a batch, and goes through in as many pieces; what fills none is
not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from merian.learn.devices import Place, seed_all
from merian.learn.feeding import Reader, look_at
from merian.learn.recipe import Recipe
from merian.learn.task import Batch, Examples, Objective, Outcome, WholeObjective
from merian.learn.whole_batch import cut, outcome_of

__all__ = ["Looks", "figures_of"]

_GROUPS = 50  # at least, where there are as many examples
_FEWEST = 10  # groups that make an interval
_DRAWS = 1000
_LOOK = 2  # the stream of chance

Means = dict[str, tuple[float, float]]  # by name: the mean, and its weight
Seen = tuple[int, Means]  # the number of a group, and what it gave


class Looks:
    """Looks at the examples held out, at the same groups each time.

    Args:
        examples: They.
        recipe: Of the run.
        here: The device, and the other processes.
        whole: Whether the loss is of a whole batch.
    """

    def __init__(self, examples: Examples, recipe: Recipe, here: Place, whole: bool) -> None:
        training = recipe.training
        held = min(sum(examples.shards), training.validate_on or sum(examples.shards))
        if whole:
            size = max(1, min(training.batch, held))
            held -= held % size
        else:
            size = max(1, min(training.batch // training.pieces, held // _GROUPS))
        window, seed = recipe.data.window, training.seed
        groups = look_at(examples, seed, window, size, held)
        self.here, self.seed = here, seed
        self.pieces = math.lcm(training.pieces, here.world)  # of a batch, as in training
        self.reader = Reader(examples, seed, here, given=groups, workers=training.workers)

    def look(self, objective: Objective) -> dict[str, dict[str, Any]]:
        """Return each figure: its value, the bounds of its 95 % interval, and what it weighs."""
        found: list[Seen] = []
        objective.eval()
        with torch.no_grad():
            for group, batch in self.reader:
                seed_all(self.seed, _LOOK, group.number)
                outcome = self._outcome(objective, batch)
                values = {"loss": outcome.loss, **outcome.figures}
                weights = {name: outcome.weights.get(name, outcome.weight) for name in values}
                means = {name: (float(v), float(weights[name])) for name, v in values.items()}
                found.append((group.number, means))
        return figures_of(sorted(self.here.gathered(found), key=lambda s: s[0]), self.seed)

    def _outcome(self, objective: Objective, batch: Batch) -> Outcome:
        """Return what an objective says of a group."""
        if isinstance(objective, WholeObjective):
            return outcome_of(objective, cut(batch, self.pieces), self.here)
        with self.here.autocast():
            outcome: Outcome = objective(self.here.put(batch))
        return outcome


def figures_of(seen: Sequence[Seen], seed: int) -> dict[str, dict[str, Any]]:
    """Return each figure: its value, the bounds of its 95 % interval, and what it weighs."""
    names = sorted({name for _, means in seen for name in means})
    return {name: _figure(name, seen, seed) for name in names}


def _figure(name: str, seen: Sequence[Seen], seed: int) -> dict[str, Any]:
    pairs = [means[name] for _, means in seen if name in means and means[name][1] > 0]
    values = np.array([value for value, _ in pairs], np.float64)
    weights = np.array([weight for _, weight in pairs], np.float64)
    if not pairs:
        return {"value": None, "low": None, "high": None, "n": 0}
    if not np.isfinite(values).all():  # of some group; nothing can be said of the whole
        return {"value": None, "low": None, "high": None, "n": float(weights.sum())}
    value = float(values @ weights / weights.sum())
    low = high = None
    if len(pairs) >= _FEWEST:
        rows = np.random.default_rng(seed).integers(len(pairs), size=(_DRAWS, len(pairs)))
        drawn = (values * weights)[rows].sum(axis=1) / weights[rows].sum(axis=1)
        low, high = (float(bound) for bound in np.quantile(drawn, (0.025, 0.975)))
    return {"value": value, "low": low, "high": high, "n": float(weights.sum())}
