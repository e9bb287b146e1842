"""What `merian bench dna-encoders` trains: every recipe, what is changed in it, and for how long.

This is the one place to change. An arm is a recipe of Merian's with changes, as `merian train
--set` takes them, and perhaps another arm whose weights it starts from. Steps are by source, so
that a training takes about five minutes of one core: ITS1 is a quarter as long as COI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

__all__ = ["ABLATION", "ARMS", "FINE_TUNED", "PRETRAINING", "SELF_SUPERVISED", "SPECTRUM", "STEPS",
           "UNTRAINED", "Arm", "steps_of"]  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        recipe: Its name.
        changes: As table.key=value.
        start: The arm whose weights it begins with; of the same split and seed.
        length: Of the steps of the source, this share; 0 for weights of chance.
        own: Tables that `--changes` leaves as they are, since without them it is another arm.
    """

    recipe: str
    changes: tuple[str, ...] = ()
    start: str | None = None
    length: float = 1.0
    own: tuple[str, ...] = ()

    def changed(self, changes: tuple[str, ...]) -> list[str]:
        """Return its changes, and behind them those that are asked of every recipe."""
        asked = [change for change in changes if change.partition(".")[0].strip() not in self.own]
        return [*self.changes, *asked]


# Steps of a training, by the first word of a split's name.
STEPS: Mapping[str, int] = {"coi": 300, "insects": 300, "its1": 900, "yeast": 300, "bioscan": 1000}
_STEPS_ELSE = 300

SELF_SUPERVISED, FINE_TUNED, UNTRAINED = "self-supervised", "fine-tuned", "untrained"
SPECTRUM = "spectrum"
PRETRAINING = ("BERT", "MAE", "causal")
# The course is that of barcode-ranks.
_PLUS = (
    "encoder.hidden=512", "objective.kind=ranks", "objective.heads=multi-head",
    "optimizer.learning_rate=0.001", "schedule.warm_up=0.1", "training.average=0.999",
)  # fmt: skip
_SMOOTH, _WEIGHED = "objective.smoothing=0.02", "objective.power=0.5"
_ROUGH, _UNWEIGHED = "objective.smoothing=0.0", "objective.power=0.0"


def _plus(*changes: str) -> Arm:
    """Return BarcodeMamba+ with changes; half the steps, as one takes twice as long as BERT's."""
    return Arm("barcode-next", (*_PLUS, *changes), start="causal", length=0.5)


ARMS: Mapping[str, Arm] = {
    SELF_SUPERVISED: Arm("barcode-masked"),
    FINE_TUNED: Arm("barcode-ranks", start=SELF_SUPERVISED),
    UNTRAINED: Arm("barcode-masked", length=0),
    # Fitted to the references without their names; trained are heads on its vectors alone.
    SPECTRUM: Arm("barcode-spectrum", own=("data", "encoder")),
    # Masked, autoencoder, next words: the same words, width and layers, as many weights as can be.
    "BERT": Arm("barcode-masked"),
    "MAE": Arm("barcode-restored"),
    "causal": Arm("barcode-next", ("encoder.hidden=512",)),
    # BarcodeMamba+, and each of its parts taken away.
    "Mamba+": _plus(_SMOOTH, _WEIGHED),
    "Mamba+ without pretraining": replace(_plus(_SMOOTH, _WEIGHED), start=None),
    "Mamba+ without smoothing": _plus(_ROUGH, _WEIGHED),
    "Mamba+ without weights": _plus(_SMOOTH, _UNWEIGHED),
    "Mamba+ species head alone": _plus(_SMOOTH, _WEIGHED, 'objective.ranks=["species"]'),
}

ABLATION = tuple(name for name in ARMS if name.startswith("Mamba+"))


def steps_of(split: str, arm: Arm, steps: int | None = None) -> int:
    """Return how many steps an arm is trained for.

    Args:
        split: The name of the split.
        arm: The arm.
        steps: Instead of those of the source, if given.
    """
    whole = STEPS.get(split.partition("_")[0], _STEPS_ELSE) if steps is None else steps
    return round(arm.length * whole)
