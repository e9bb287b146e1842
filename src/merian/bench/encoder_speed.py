"""How fast barcode encoders are: training, embedding and the scan, beside the same from others.

All arms run in one go and take turns, so that whatever else the machine does hits all alike. Each
arm is as many processes as there are cores to use, one thread each, that work at the same time;
what is told is the median rate of a core by its processor time. The network is BarcodeBERT 4-4-4
(words of 4, 4 layers, 4 heads, width 768; 29 million parameters), the peer the same network of the
package transformers in float32. Embedding is measured on barcodes as long as COI and as ITS1.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from merian.errors import InputError

__all__ = ["NEEDED", "measure", "race", "rate_figure", "times_figure"]

NEEDED = {  # what is compared with what, and how many times as fast it is to be
    "training": ("train, Merian bfloat16", "train, transformers float32", 1.8),
    "embedding COI": ("embed COI, Merian bfloat16", "embed COI, transformers float32", 3.0),
    "embedding COI, int8": ("embed COI, Merian int8", "embed COI, transformers float32", None),
    "embedding ITS1": ("embed ITS1, Merian bfloat16", "embed ITS1, transformers float32", 3.0),
    "the scan": ("scan, in chunks", "scan, word by word", 10.0),
}
_UNITS = {"train": "words a second and core", "embed": "barcodes a second and core",
          "scan": "scans a second and core"}  # fmt: skip
_PEER = "transformers"
_THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

Figures = dict[str, dict[str, object]]
Progress = Callable[[str], object]


@dataclass
class _Arm:
    """The processes of one arm, and the rates of a core in each round."""

    name: str
    children: list[subprocess.Popen[str]]
    units: int = 0
    rates: list[float] = field(default_factory=list)

    def go(self) -> None:
        """Do a round in all processes at once."""
        for child in self.children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        for told in [_answer(self.name, child) for child in self.children]:
            self.rates.append(self.units / told["cpu"])


def measure(
    progress: Progress | None = None,
    *,
    rounds: int = 5,
    cores: int = 2,
    arms: Sequence[str] = (),
    model: Path | str | None = None,
    texts: Sequence[str] = (),
) -> Figures:
    """Measure all of it in one run.

    Args:
        progress: Is told what is being done.
        rounds: How often each arm runs; the median counts.
        cores: Processes of an arm that work at the same time.
        arms: Only these, by the words that their names begin with.
        model: A trained encoder; how near its vectors in fewer bits are to those in float32.
        texts: The barcodes on which that is asked.
    """
    tell = progress or (lambda _what: None)
    chosen = _chosen(arms)
    if rounds < 1 or cores < 1:
        raise InputError("1 round or more, on 1 core or more")
    figures: Figures = {}
    rates = race(chosen, tell, rounds=rounds, cores=cores)
    for name, found in rates.items():
        figures[name] = rate_figure(found, _UNITS[name[:5].strip(" ,")])
    figures |= _compared(rates)
    if model is not None:
        figures |= _near(model, list(texts))
    return figures


def race(
    arms: Sequence[str],
    tell: Progress,
    *,
    rounds: int,
    cores: int,
    module: str = "merian.bench.speed_arms",
) -> dict[str, list[float]]:
    """Return the rates of a core of each arm; they take turns, each in processes of its own.

    Args:
        arms: Their names, as the module that serves them knows them.
        tell: Is told what is being done.
        rounds: How often each arm runs.
        cores: Processes of an arm that work at the same time.
        module: What is started; see `merian.bench.speed_arms.serve`.
    """
    with ExitStack() as stack:
        running = [stack.enter_context(_started(name, cores, module)) for name in arms]
        for arm in running:  # all have been started, and make ready at the same time
            arm.units = min(int(_answer(arm.name, child)["units"]) for child in arm.children)
        for number in range(rounds):
            for arm in running:
                tell(f"round {number + 1} of {rounds}: {arm.name}")
                arm.go()
    return {arm.name: arm.rates for arm in running}


def rate_figure(found: Sequence[float], unit: str) -> dict[str, object]:
    """Return the median of rates, with the least and the most of any round."""
    return {
        "value": round(median(found), 2), "low": round(min(found), 2),
        "high": round(max(found), 2), "n": len(found), "unit": unit,
    }  # fmt: skip


def not_measured() -> dict[str, str]:
    """Return what cannot be measured here, and why."""
    if importlib.util.find_spec(_PEER) is None:
        return {"the peer": "not measured: transformers is not installed"}
    return {}


def _chosen(arms: Sequence[str]) -> list[str]:
    from merian.bench.speed_arms import ARMS  # noqa: PLC0415 - torch is an extra

    peers = importlib.util.find_spec(_PEER) is not None
    found = [name for name in ARMS if not arms or name.startswith(tuple(arms))]
    if not found:
        raise InputError(f"no arm begins with {', '.join(arms)}; there are {'; '.join(ARMS)}")
    return [name for name in found if peers or _PEER not in name]


@contextmanager
def _started(name: str, cores: int, module: str) -> Iterator[_Arm]:
    """Start the processes of an arm, and end them."""
    command = [sys.executable, "-m", module, name, "1"]
    with ExitStack() as stack:
        arm = _Arm(name, [])
        for _ in range(cores):
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, **_THREADS},
            )  # fmt: skip
            arm.children.append(stack.enter_context(child))
            stack.callback(child.kill)
        yield arm


def _answer(name: str, child: subprocess.Popen[str]) -> Mapping[str, Any]:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise InputError(f"{name}: its process ended ({child.wait()}); what it said is above")
    told: dict[str, Any] = json.loads(line)
    return told


def _compared(rates: Mapping[str, Sequence[float]]) -> Figures:
    """Return how many times as fast ours is, of what was measured."""
    figures: Figures = {}
    for name, (ours, other, _) in NEEDED.items():
        if ours not in rates or other not in rates:
            continue
        figures[f"{name}: times as fast as {other.partition(', ')[2]}"] = times_figure(
            rates[ours], rates[other]
        )
    return figures


def times_figure(ours: Sequence[float], other: Sequence[float]) -> dict[str, object]:
    """Return how many times as fast one is as another, with the least and the most of any round."""
    pairs = [a / b for a, b in zip(ours, other, strict=True)]
    return {
        "value": round(median(ours) / median(other), 2), "low": round(min(pairs), 2),
        "high": round(max(pairs), 2), "n": len(pairs), "unit": "times",
    }  # fmt: skip


def _near(model: Path | str, texts: list[str]) -> Figures:
    """Return how near an encoder's vectors in fewer bits are to those in float32."""
    from merian.bench.speed_arms import mean_cosine  # noqa: PLC0415

    if not texts:
        raise InputError("give barcodes on which the precision of the encoder is asked")
    figures: Figures = {}
    for precision in ("bfloat16", "int8"):
        mean, low = mean_cosine(model, texts, precision)
        figures[f"cosine of {precision} to float32, trained weights"] = {
            "value": round(mean, 6), "low": round(low, 6), "high": None, "n": len(texts),
            "unit": "mean; low is the lowest",
        }  # fmt: skip
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(lambda what: print(what, file=sys.stderr)), indent=1))  # noqa: T201
