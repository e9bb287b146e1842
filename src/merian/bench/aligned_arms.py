"""Arms of the bench image-dna: what is learned on frozen vectors, and what comes of each record.

Pictures and barcodes are vectors of frozen networks, with a small trunk behind each: their main
axes, evened out, and a residual layer. Names are read by a small transformer. All arms see the
same records, as often. What is learned from are records alone that the split gives for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.adapted import Adapted, AdaptedConfig
from merian.learn.encoding import features
from merian.learn.heads import build_heads
from merian.learn.modalities import Contrastive
from merian.learn.objectives import Ranks
from merian.learn.rank_labels import RankLabels
from merian.learn.recipe import (
    Data,
    EncoderPart,
    ObjectivePart,
    OptimizerPart,
    Recipe,
    SchedulePart,
    TrainingPart,
)
from merian.learn.task import Batch, Indices, Objective, Task
from merian.learn.trainer import train
from merian.text.transformer import TextConfig, TextTransformer
from merian.text.wording import any_wording, worded
from merian.text.words import PAD, TextWords, learn_words

__all__ = [
    "ARMS",
    "PLANS",
    "KeptRecords",
    "Plan",
    "learn_arm",
    "read_names",
]

ARMS: dict[str, tuple[str, ...]] = {
    "I": ("image",),
    "D": ("barcode",),
    "I+T": ("image", "text"),
    "I+D": ("image", "barcode"),
    "I+D+T": ("image", "barcode", "text"),
}
_WORDINGS = ("names", "ranks", "lowest", "family", "photo")
_KEPT = ("image", "barcode")
_AT_A_TIME = 1024
_TEXT: dict[str, Any] = {"width": 64, "layers": 2, "heads": 2}  # of the tower that reads names
_WORDS = 32  # of a text

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """What is chosen on the records that are held out for choosing.

    Attributes:
        steps: Of the training.
        batch: Records of a step.
        rate: The highest learning rate.
        decay: Of weights.
        width: Numbers of a vector in the common space.
        hidden: Numbers of the residual layer; 0 for none.
        dropout: Of the evened axes, in training.
        power: Of an axis' spread by which it is divided: 1 makes all axes alike.
        axes: Main axes that a trunk sees.
    """

    steps: int = 300
    batch: int = 512
    rate: float = 1e-3
    decay: float = 0.05
    width: int = 256
    hidden: int = 512
    dropout: float = 0.2
    power: float = 0.5
    axes: int = 256


PLANS = {
    "as it is": Plan(),
    "longer": Plan(steps=900),
    "straight": Plan(hidden=0),
    "more dropout": Plan(dropout=0.5),
}


@dataclass(frozen=True)
class GivenConfig:
    """What is known of a frozen network whose vectors are kept: how many numbers they have."""

    width: int


class Given(nn.Module):
    """A frozen network that is not here: its vectors are given."""

    kind = "given"

    def __init__(self, config: GivenConfig) -> None:
        super().__init__()
        self.config, self.width = config, config.width


class KeptRecords:
    """Records as examples: vectors that are kept, and names in a wording that is drawn.

    Args:
        kept: float32[n, width] by modality; a row of NaN is missing.
        labels: int64[n, ranks], -1 where not known.
        names: Of each record by rank; where there is a modality text.
        words: What names are cut into; the same.
        modalities: In the order of "present".
        flat: For one modality alone: what a batch holds has no modality in its name.
    """

    def __init__(
        self,
        kept: Mapping[str, Vectors],
        labels: NDArray[np.int64],
        names: Sequence[Mapping[str, str]],
        words: TextWords,
        modalities: Sequence[str],
        flat: bool = False,
    ) -> None:
        self.kept = {name: kept[name] for name in modalities if name in kept}
        self.missing = {name: np.isnan(rows[:, 0]) for name, rows in self.kept.items()}
        self.labels_of, self.names_of, self.words = labels, names, words
        self.modalities, self.flat = tuple(modalities), flat
        self.shards: Sequence[int] = (len(labels),)

    def names(self, indices: Indices) -> list[str]:
        """Return the records' numbers."""
        return [str(number) for number in indices.tolist()]

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read some records."""
        found: Batch = {"labels": torch.from_numpy(self.labels_of[indices])}
        if not self.flat:
            found["ids"] = torch.from_numpy(np.asarray(indices, np.int64))
        present = np.ones((len(indices), len(self.modalities)), bool)
        for column, name in enumerate(self.modalities):
            before = "" if self.flat else f"{name}."
            if name in _KEPT:
                rows = torch.from_numpy(np.nan_to_num(self.kept[name][indices]))
                found[f"{before}vectors"] = rows
                present[:, column] = ~self.missing[name][indices]
            else:
                texts = [any_wording(self.names_of[i], random, wordings=_WORDINGS)
                         for i in indices.tolist()]  # fmt: skip
                found |= read_names(texts, self.words, before)
        return found if self.flat else found | {"present": torch.from_numpy(present)}


def read_names(texts: Sequence[str], words: TextWords, before: str = "") -> Batch:
    """Return texts as a batch of words."""
    rows = [words.encode(text) for text in texts]
    tokens = np.full((len(rows), max(1, *(len(row) for row in rows), 1)), PAD, np.int64)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row
    read = torch.from_numpy(tokens)
    return {f"{before}tokens": read, f"{before}keep": read != PAD}


def learn_arm(
    arm: str,
    kept: Mapping[str, Vectors],
    names: Sequence[Mapping[str, str]],
    rows: NDArray[np.int64],
    plan: Plan,
    folder: Path,
    *,
    share: bool = True,
    seed: int = 0,
) -> dict[str, Vectors]:
    """Learn from some records, and return vectors of all of them in each modality of the arm.

    Args:
        arm: A key of ARMS.
        kept: Vectors of the frozen networks, float32[n, width] by modality, of all records.
        names: Of all records, by rank.
        rows: The records that may be learned from.
        plan: How.
        folder: Of the run; a new one.
        share: Whether records of a species ask for each other.
        seed: Of all chance.
    """
    modalities = ARMS[arm]
    if modalities == ("barcode",):  # it has nothing to learn from a tube that failed
        rows = rows[~np.isnan(kept["barcode"][rows, 0])]
    own = {name: kept[name][rows] for name in modalities if name in _KEPT}
    told = [names[row] for row in rows.tolist()]
    ranks = [*told[0]]
    labels = RankLabels.of_lineages(ranks, [[*one.values()] for one in told])
    codes = labels.codes([[*one.values()] for one in told])
    words = learn_words([worded(one, "names") for one in told], merges=1000, length=_WORDS)
    torch.manual_seed(seed)
    encoders = {name: _encoder(own.get(name), words, plan) for name in modalities}
    alone = len(modalities) == 1
    objective: Objective
    if alone:
        heads = build_heads("multi-head", plan.axes, labels.card())
        objective = Ranks(encoders[modalities[0]], heads, power=0.0)
    else:
        objective = Contrastive(encoders, plan.width, share=share, rank=len(ranks) - 1)
    examples = KeptRecords(own, codes, told, words, modalities, flat=alone)
    recipe = _recipe(arm, plan, min(plan.batch, len(codes)), seed)
    if train(recipe, Task(objective, examples), folder).ended == "stopped":
        raise InputError(f"{arm}: stopped before it had learned; give the same command again")
    return _vectors(objective.eval(), modalities, kept, names, words)


def _encoder(vectors: Vectors | None, words: TextWords, plan: Plan) -> nn.Module:
    """Return a trunk behind vectors that are kept, or a reader of names where there are none."""
    if vectors is None:
        return TextTransformer(TextConfig(vocabulary=words.size, positions=words.length, **_TEXT))
    behind = AdaptedConfig(plan.hidden, int(plan.hidden > 0), plan.dropout, plan.axes, plan.power)
    trunk = Adapted(Given(GivenConfig(vectors.shape[1])), behind)
    trunk.fit(vectors[~np.isnan(vectors[:, 0])])
    return trunk


def _recipe(arm: str, plan: Plan, batch: int, seed: int) -> Recipe:
    return Recipe(
        f"image-dna-{arm}",
        Data("pictures"),
        EncoderPart(),
        ObjectivePart("ranks"),
        OptimizerPart("adamw", plan.rate, weight_decay=plan.decay),
        SchedulePart(),
        TrainingPart(
            batch, steps=plan.steps, precision="float32", device="cpu", seed=seed,
            checkpoint=plan.steps, keep=1, log=50,
        ),
    )  # fmt: skip


@torch.inference_mode()
def _vectors(
    objective: Any,
    modalities: Sequence[str],
    kept: Mapping[str, Vectors],
    names: Sequence[Mapping[str, str]],
    words: TextWords,
) -> dict[str, Vectors]:
    """Return what becomes of every record; a row of NaN where it lacks the modality."""
    found: dict[str, Vectors] = {}
    for name in modalities:
        parts = []
        for first in range(0, len(names), _AT_A_TIME):
            here = slice(first, first + _AT_A_TIME)
            if name in _KEPT:
                batch = {"vectors": torch.from_numpy(np.nan_to_num(kept[name][here]))}
            else:
                batch = read_names([worded(one, "names") for one in names[here]], words)
            if len(modalities) > 1:
                batch = {f"{name}.{key}": value for key, value in batch.items()}
                parts.append(objective.vectors(batch, name))
            else:
                parts.append(functional.normalize(features(objective.encoder, batch), dim=1))
        found[name] = torch.cat(parts).numpy().astype(np.float32)
        if name in _KEPT:
            found[name][np.isnan(kept[name][:, 0])] = np.nan
    return found
