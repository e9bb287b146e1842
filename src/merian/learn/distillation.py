"""Self-distillation (DINO): a student tells of every look at a picture what a teacher tells of two.

The teacher is the slow average of the student, and sees large looks alone; the student sees small
ones too, and so learns what belongs together. Both spread a look over prototypes, which nobody
named. Two things keep all pictures from getting one answer: the teacher's mean answer is taken
away (centring), and a low temperature makes it decide (sharpening). The encoder that comes of it
is the teacher's; student, projections and prototypes stay behind.

Reference: Caron and others, Emerging properties in self-supervised vision transformers, ICCV 2021,
arXiv:2104.14294.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.encoding import described, features, width_of
from merian.learn.full_precision import full
from merian.learn.gather import total
from merian.learn.task import Batch, Objective, Outcome

__all__ = ["Projection", "SelfDistillation", "distillation_loss"]

_SHORT = 1e-6  # of a vector that points nowhere


class Projection(nn.Module):
    """What an encoder makes of a look, as numbers for prototypes: cosines to each of them.

    Args:
        width: Of the encoder.
        prototypes: How many there are.
        hidden: Numbers of the layers between.
        narrow: Numbers that are compared with the prototypes.
    """

    centre: Tensor

    def __init__(self, width: int, prototypes: int, hidden: int, narrow: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
            nn.Linear(hidden, narrow),
        )  # fmt: skip
        self.prototypes = nn.Parameter(torch.empty(prototypes, narrow))
        self.register_buffer("centre", torch.zeros(prototypes))  # of the teacher's answers
        for module in self.maps:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.prototypes)

    def forward(self, vectors: Tensor, rests: bool = False) -> Tensor:
        """Return float[n, prototypes] of float[n, width]; prototypes that rest do not learn."""
        found = full(self.maps(vectors))
        weights = self.prototypes.detach() if rests else self.prototypes
        with torch.autocast(found.device.type, enabled=False):  # 8 bits are too few for cosines
            length = found.norm(dim=1, keepdim=True)
            # What an encoder sees nothing in has no direction; divided by next to nothing, its
            # gradient would be all that is left of the batch after clipping.
            unit = found / length.clamp_min(_SHORT) * (length > _SHORT)
            return unit @ functional.normalize(full(weights), dim=1).T


def distillation_loss(
    student: Tensor, teacher: Tensor, centre: Tensor, sharp: float, soft: float
) -> tuple[Tensor, Tensor]:
    """Return the mean over pairs of looks of -sum p(teacher) log p(student), and p(teacher).

    A look is never held against itself: the first looks of the student are those of the teacher.

    Args:
        student: float[looks, n, prototypes].
        teacher: float[large, n, prototypes], no more looks than those of the student.
        centre: float[prototypes], taken from what the teacher says.
        sharp: The teacher's temperature.
        soft: The student's.
    """
    said = functional.log_softmax(student / soft, dim=-1)
    wanted = functional.softmax((teacher - centre) / sharp, dim=-1)
    losses = [
        -(wanted[i] * said[j]).sum(-1).mean()
        for i in range(len(wanted))
        for j in range(len(said))
        if i != j
    ]
    return torch.stack(losses).mean(), wanted


class SelfDistillation(Objective):
    """Tell of every look at a picture what a slow average of oneself tells of large ones.

    The batch has "large" uint8[b, 2, h, w, 3] and, where there are any, "small" uint8[b, s, h, w,
    3]; where the size in life is known also "large mm" and "small mm", float[b, looks, 2].

    Args:
        encoder: The teacher's, which is saved; the student begins as a copy of it.
        prototypes: How many there are.
        hidden: Numbers of the layers of the projection.
        narrow: Numbers that are compared with the prototypes.
        student_temperature: Of the student's answers.
        teacher_temperature: Of the teacher's: where it begins, and where it ends.
        warm_up: In what share of the training it gets there.
        momentum: Of the teacher at first, which rises to 1 as a cosine does.
        centre_momentum: Of the centre.
        rest: For what share of the training the prototypes rest.
        kept_statistics: Whether batch normalisation goes by the statistics that the encoder came
            with, as an encoder that was trained before should. Those of a batch are other ones for
            large looks and for small ones, and others again when the encoder is used.
        about: The encoder's part of the card, where `described` cannot tell it.
    """

    kind = "self-distillation"

    def __init__(
        self,
        encoder: nn.Module,
        *,
        prototypes: int = 65_536,
        hidden: int = 2048,
        narrow: int = 256,
        student_temperature: float = 0.1,
        teacher_temperature: Sequence[float] = (0.04, 0.07),
        warm_up: float = 0.05,
        momentum: float = 0.996,
        centre_momentum: float = 0.9,
        rest: float = 0.01,
        kept_statistics: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if len(teacher_temperature) != 2 or min(student_temperature, *teacher_temperature) <= 0:
            raise InputError("two temperatures of the teacher and one of the student, all above 0")
        self.about = dict(described(encoder) if about is None else about)
        self.encoder = encoder
        own = Projection(width_of(encoder), prototypes, hidden, narrow)
        self.heads = nn.ModuleDict(
            {"student": copy.deepcopy(encoder), "projection": own, "teacher": copy.deepcopy(own)}
        )
        del own.centre  # only the teacher's answers have one
        encoder.requires_grad_(False)
        self.heads["teacher"].requires_grad_(False)
        self.told: dict[str, Any] = {
            "prototypes": prototypes, "hidden": hidden, "narrow": narrow,
            "student_temperature": student_temperature,
            "teacher_temperature": list(teacher_temperature), "warm_up": warm_up,
            "momentum": momentum, "centre_momentum": centre_momentum, "rest": rest,
            "kept_statistics": kept_statistics,
        }  # fmt: skip
        self.seen: tuple[Tensor, int] | None = None  # the sum of the answers of this step
        self.advance(0.0)

    def advance(self, progress: float) -> None:
        """Set the temperature, and whether the prototypes rest."""
        first, last = self.told["teacher_temperature"]
        share = min(progress / self.told["warm_up"], 1.0) if self.told["warm_up"] else 1.0
        self.sharp = first + (last - first) * share
        self.rests = progress < self.told["rest"]

    def train(self, mode: bool = True) -> Self:
        """Learn, or look; statistics that are kept stay as they are either way."""
        super().train(mode)
        if self.told["kept_statistics"]:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def momentum(self, progress: float) -> float:
        """Return how much of the teacher stays at a step."""
        return 1 - (1 - self.told["momentum"]) * (1 + math.cos(math.pi * progress)) / 2

    @torch.no_grad()
    def stepped(self, progress: float) -> None:
        """Let the teacher follow the student, and the centre the teacher's answers."""
        share = 1 - self.momentum(progress)
        heads = self.heads
        for slow, own in (
            (self.encoder, heads["student"]),
            (heads["teacher"], heads["projection"]),
        ):
            for old, new in zip(slow.parameters(), own.parameters(), strict=True):
                old.lerp_(new, share)
        if self.seen is None:
            return
        answers, count = self.seen
        self.seen = None
        mean = total(answers) / total(torch.tensor(float(count), device=answers.device))
        self._centre.lerp_(mean, 1 - self.told["centre_momentum"])

    @property
    def _centre(self) -> Tensor:
        return cast(Projection, self.heads["teacher"]).centre

    def forward(self, batch: Batch) -> Outcome:
        """Return the loss, and what tells whether all pictures get one answer.

        Figures: "entropy" is the mean entropy of the teacher's answers as a share of the highest,
        "entropy of all" that of their mean, "likeness" the mean cosine of different pictures.
        """
        student: nn.Module = self.heads["student"]
        parts = [_looked(student, batch, "large")]
        if "small" in batch:
            parts.append(_looked(student, batch, "small"))
        n, large = batch["large"].shape[:2]
        told = self.heads["projection"](torch.cat(parts), self.rests).unflatten(0, (-1, n))
        with torch.no_grad():
            vectors = _looked(self.encoder, batch, "large")
            answers = self.heads["teacher"](vectors)
        if self.training:  # a look at what is held out changes nothing
            before, count = self.seen or (torch.zeros_like(self._centre), 0)
            self.seen = before + answers.sum(0), count + len(answers)
        loss, wanted = distillation_loss(
            told, answers.unflatten(0, (large, n)), self._centre, self.sharp,
            self.told["student_temperature"],
        )  # fmt: skip
        highest = math.log(wanted.shape[-1])
        figures = {"entropy": _entropy(wanted).mean() / highest}
        if self.training and n > 1:  # what is held out is looked at in groups of one or few
            figures["entropy of all"] = _entropy(wanted.mean((0, 1))) / highest
            figures["likeness"] = _likeness(vectors[:n])
        return Outcome(loss, figures, weight=float(n))

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again."""
        return {"kind": self.kind, "encoder": self.about, "heads": self.told}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: nn.Module) -> Self:
        """Build it around an encoder, without the weights."""
        return cls(encoder, about=card["encoder"], **card["heads"])


def _looked(encoder: nn.Module, batch: Batch, which: str) -> Tensor:
    """Return float[looks * b, width]: what an encoder makes of the first looks, then the second."""
    within = {"pixels": batch[which].transpose(0, 1).flatten(0, 1)}
    if f"{which} mm" in batch:
        within["mm"] = batch[f"{which} mm"].transpose(0, 1).flatten(0, 1)
    return full(features(encoder, within))


def _entropy(shares: Tensor) -> Tensor:
    """Return the entropy of float[..., n] that sum to 1."""
    return -torch.special.xlogy(shares, shares).sum(-1)


def _likeness(vectors: Tensor) -> Tensor:
    """Return the mean cosine of different rows."""
    unit = functional.normalize(vectors, dim=1)
    n = len(unit)
    return (unit.sum(0).square().sum() - unit.square().sum()) / (n * (n - 1))
