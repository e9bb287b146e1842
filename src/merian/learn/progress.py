"""What a run knows of itself: how far it is, what it keeps in a checkpoint, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Progress", "State", "Trained", "Watch"]


@dataclass(frozen=True)
class Progress:
    """How far a run is, for whoever watches.

    Attributes:
        step: Steps that are done.
        steps: All of them.
        loss: Of the last step.
        rate: Examples a second, since it was started.
        left: Seconds that it will still take.
    """

    step: int
    steps: int
    loss: float
    rate: float
    left: float


@dataclass(frozen=True)
class Trained:
    """What came of a run.

    Attributes:
        folder: The run.
        step: Steps that were done.
        ended: "steps" where all were done, "patience" where it stopped early, "stopped" where
            somebody asked it to stop, and can go on.
        figures: Of the examples held out, each with value, low, high and n.
        before: Whether it was done already when it was started.
    """

    folder: Path
    step: int
    ended: str
    figures: Mapping[str, Any]
    before: bool = False


@dataclass
class State:
    """The numbers of a checkpoint."""

    step: int = 0
    log: int = 0  # bytes
    seconds: float = 0.0  # of training, over all starts
    since: dict[str, list[float]] = field(default_factory=dict)  # sums since the last line
    figures: dict[str, Any] = field(default_factory=dict)  # of the last look
    best: float | None = None
    best_step: int = 0
    best_figures: dict[str, Any] = field(default_factory=dict)
    worse: int = 0  # looks since the best
    ended: str = ""


Watch = Callable[[Progress], None]
