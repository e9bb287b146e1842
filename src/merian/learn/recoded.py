"""Examples whose labels are numbers of other classes, turned to the classes of a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from merian.learn.rank_labels import RankLabels
from merian.learn.task import Batch, Examples, Indices

__all__ = ["Recoded"]


class Recoded:
    """Examples with the labels of a model; a taxon that is none of its classes becomes -1.

    Args:
        examples: Their batches have "labels" int64[b, ranks].
        labels: The classes of the model, at the same ranks.
        names: Of each rank, what the numbers of the examples stand for.
    """

    def __init__(
        self, examples: Examples, labels: RankLabels, names: Sequence[Sequence[str]]
    ) -> None:
        self.examples, self.shards = examples, examples.shards
        self._tables = [
            torch.from_numpy(np.append(labels.table(rank, known), -1))
            for rank, known in enumerate(names)
        ]

    def names(self, indices: Indices) -> list[str]:
        """Return the ids of some examples."""
        return self.examples.names(indices)

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read some examples."""
        found = self.examples.batch(indices, random)
        columns = found["labels"].unbind(1)
        # The last of a table is for -1.
        turned = [table[column] for table, column in zip(self._tables, columns, strict=True)]
        return {**found, "labels": torch.stack(turned, dim=1)}
