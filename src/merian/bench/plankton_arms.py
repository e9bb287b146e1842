"""Supervised and contrastive trainings on the same kept vectors, by the product's own trainer.

Every arm has the same trunk behind the same frozen network, the same pictures, batches, steps,
optimizer and turns; what differs is the aim. Supervised: a linear layer names the taxon. The
others bring a picture near the text of its lineage, which is worded another way each time:

    plain     InfoNCE with the record's own text as the target: a second picture of the taxon is
              punished for being like it, as CLIP has it
    by taxon  all texts of the taxon are asked for, alike
    passed    only its own is asked for, and others of the taxon are passed over
    sigmoid   each pair by itself, all of the taxon wanted

The learning rate is an arm's own: of a few, the one that names an inner part of what may be learnt
from best.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from merian.encoder import Floats
from merian.image.efficientnet_lite import CONFIGS, EfficientNetLite
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
from merian.learn.zero_shot import class_vectors, zero_shot_probabilities
from merian.text.transformer import TextConfig, TextTransformer
from merian.text.wording import WORDINGS, worded
from merian.text.words import PAD, TextWords, learn_words
from merian.threads import one_thread

__all__ = ["ARMS", "SUPERVISED", "Lesson", "Taught", "teach"]

Numbers = NDArray[np.int64]
Probabilities = NDArray[np.float64]

SUPERVISED = "supervised"
ARMS: dict[str, dict[str, Any]] = {
    SUPERVISED: {},
    "CLIP, plain": {"rank": None},
    "CLIP, by taxon": {"share": True},
    "CLIP, passed": {"share": False},
    "CLIP, sigmoid": {"share": True, "loss": "sigmoid"},
}
_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
_WORDINGS = tuple(name for name in WORDINGS if name != "account")  # there are no accounts here
_MERGES, _LONGEST = 600, 40  # a name is one or two words
_TEXT_WIDTH, _TEXT_LAYERS, _TEXT_HEADS = 64, 2, 2
_SPACE = 256  # numbers of the common space
_AT_ONCE = 512


@dataclass(frozen=True)
class Lesson:
    """What is learnt from, and how.

    Attributes:
        vectors: float32[n, turns, d]; of pictures to learn from, in each turn.
        labels: int64[n]; the class of each.
        lineages: Of each class its names, from the kingdom down.
        arm: One of `ARMS`.
        rate: The highest learning rate.
        steps: How many.
        batch: Pictures of a step.
        hidden: Numbers of the trunk's hidden layer.
        seed: Of all chance.
    """

    vectors: Floats
    labels: Numbers
    lineages: tuple[tuple[str, ...], ...]
    arm: str
    rate: float
    steps: int
    batch: int
    hidden: int
    seed: int


class Taught:
    """What came of a lesson: the trunk, and what names a picture."""

    def __init__(self, objective: Objective, texts: Texts) -> None:
        self.objective, self.texts = objective.eval(), texts
        self.trunk: nn.Module = objective.encoder
        if isinstance(objective, Contrastive):
            self.trunk = objective.encoder["image"]

    def features(self, vectors: Floats) -> Floats:
        """Return float32[n, d]: what the trunk makes of kept vectors."""
        with one_thread(), torch.inference_mode():
            parts = [
                features(self.trunk, {"vectors": torch.tensor(vectors[i : i + _AT_ONCE])})
                for i in range(0, len(vectors), _AT_ONCE)
            ]
        return np.asarray(torch.cat(parts).float().numpy(), np.float32)

    def probabilities(self, made: Floats) -> Probabilities:
        """Return float64[n, classes]: by the head, or by the text of each class.

        Args:
            made: What `features` has made.
        """
        objective = self.objective
        with one_thread(), torch.inference_mode():
            if isinstance(objective, Ranks):
                logs: Tensor = objective.heads(torch.tensor(made))[0]
                return np.exp(logs.double().numpy())
            assert isinstance(objective, Contrastive)
            common = objective.heads["image"](torch.tensor(made)).numpy()
            names = class_vectors(self._of_texts, self.texts.of_classes)
            temperature: Any = objective.heads["temperature"]
            scale = float(temperature.scale())
        return zero_shot_probabilities(common, names, scale=scale)

    def _of_texts(self, texts: Sequence[str]) -> Floats:
        tokens, keep = self.texts.read(texts)
        batch = {"text.tokens": torch.from_numpy(tokens), "text.keep": torch.from_numpy(keep)}
        assert isinstance(self.objective, Contrastive)
        return self.objective.vectors(batch, "text").numpy()


class Texts:
    """The lineages of the classes in every wording, as words that a network reads."""

    def __init__(self, lineages: Sequence[Sequence[str]]) -> None:
        names = [dict(zip(_RANKS, line, strict=False)) for line in lineages]
        self.of_classes = [[worded(one, wording) for wording in _WORDINGS] for one in names]
        every = [text for some in self.of_classes for text in some]
        self.words: TextWords = learn_words(every, merges=_MERGES, length=_LONGEST)
        tokens, self.keep = self.read(every)
        shape = (len(lineages), len(_WORDINGS), -1)
        self.tokens, self.keep = tokens.reshape(shape), self.keep.reshape(shape)

    def read(self, texts: Sequence[str]) -> tuple[Numbers, NDArray[np.bool_]]:
        """Return int64[n, t] and bool[n, t]: the words, and where there are some."""
        told = [self.words.encode(text) for text in texts]
        found = np.full((len(told), max(map(len, told))), PAD, np.int64)
        for row, words in zip(found, told, strict=True):
            row[: len(words)] = words
        return found, found != PAD


class _Pictures:
    """Kept vectors with the text of their taxon, as the trainer reads examples."""

    def __init__(self, lesson: Lesson, texts: Texts | None) -> None:
        self.lesson, self.texts = lesson, texts
        self.shards: Sequence[int] = (len(lesson.labels),)

    def names(self, indices: Indices) -> list[str]:
        """Return numbers as ids."""
        return [str(i) for i in indices]

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Return vectors in any turn, and the text in any wording."""
        lesson = self.lesson
        turn = random.integers(lesson.vectors.shape[1], size=len(indices))
        vectors = torch.from_numpy(lesson.vectors[indices, turn])
        labels = lesson.labels[indices]
        found = {"labels": torch.from_numpy(labels[:, None])}
        if self.texts is None:
            return {**found, "vectors": vectors}
        wording = random.integers(len(_WORDINGS), size=len(indices))
        return {
            **found, "image.vectors": vectors,
            "text.tokens": torch.from_numpy(self.texts.tokens[labels, wording]),
            "text.keep": torch.from_numpy(self.texts.keep[labels, wording]),
        }  # fmt: skip


def teach(lesson: Lesson) -> Taught:
    """Train an arm.

    Args:
        lesson: On what, and how.
    """
    supervised = lesson.arm == SUPERVISED
    texts = Texts(lesson.lineages)
    torch.manual_seed(lesson.seed)
    trunk = _trunk(lesson.hidden)
    objective: Objective
    if supervised:
        counts = np.bincount(lesson.labels, minlength=len(lesson.lineages))
        labels = RankLabels(
            ("taxon",), (tuple(" ".join(line) for line in lesson.lineages),),
            ((-1,) * len(counts),), (tuple(counts.tolist()),),
        )  # fmt: skip
        heads = build_heads("multi-head", trunk.width, labels)
        objective = Ranks(trunk, heads, power=0.0)
    else:
        config = TextConfig(
            vocabulary=texts.words.size, positions=texts.tokens.shape[2], width=_TEXT_WIDTH,
            layers=_TEXT_LAYERS, heads=_TEXT_HEADS,
        )  # fmt: skip
        encoders = {"image": trunk, "text": TextTransformer(config)}
        objective = Contrastive(encoders, _SPACE, **ARMS[lesson.arm])
    task = Task(objective, _Pictures(lesson, None if supervised else texts), None, {})
    with tempfile.TemporaryDirectory(prefix="merian-plankton-") as folder, one_thread():
        train(_recipe(lesson), task, Path(folder) / "run")
    return Taught(objective, texts)


def _trunk(hidden: int) -> Any:
    """Return the trunk behind the network whose vectors were kept."""
    tower: Any = EfficientNetLite(CONFIGS["efficientnet-lite0"])
    tower.kind = "efficientnet-lite0"
    return Adapted(tower, AdaptedConfig(hidden=hidden))


def _recipe(lesson: Lesson) -> Recipe:
    steps = lesson.steps
    return Recipe(
        "plankton", Data("pictures"), EncoderPart("adapted"), ObjectivePart("ranks"),
        OptimizerPart("adamw", lesson.rate, weight_decay=0.05), SchedulePart(),
        TrainingPart(
            min(lesson.batch, len(lesson.labels)), steps=steps, precision="float32", device="cpu",
            seed=lesson.seed, validate=steps, checkpoint=steps, log=steps,
        ),
    )  # fmt: skip
