"""What pictures without names teach: 1-NN of the vectors before a recipe has learned, and after.

``merian bench self-supervision --folder PICTURES`` packs a folder of pictures with a folder for
each class, holds a quarter of them out, trains the recipes on the rest without a look at the
classes, and asks of every picture the class of its nearest neighbour (leaving itself out). The
curves of the training are told too, since a loss alone hides a collapse. So that it fits into
minutes of one processor, pictures and batches are smaller than those of the recipes, unless
``--whole yes`` is given.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError, MissingExtraError
from merian.files import write_json
from merian.learn.bootstrap import Interval, mean_difference, mean_interval
from merian.learn.pack import Pack, open_pack
from merian.learn.pack_gather import Asked
from merian.learn.pack_labels import LABEL
from merian.learn.packing import make_pack
from merian.learn.probes import nearest
from merian.learn.recipe import Recipe, read_recipe
from merian.learn.run_log import read_log

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NAME", "SMALL", "WORKING", "run", "steps_within"]

NAME = "self-supervision"
WORKING = ("work",)

_HELD_OUT = 0.25
_TRIED = 3  # steps that tell how long one takes, of which the first does not count
_LINES = 25  # of the log
_AT_A_TIME = 256
# What makes them fit into minutes: pictures of 64 pixels, and smaller batches.
SMALL = {
    "picture-dino": ("data.size=64", "objective.small_size=48", "objective.small_looks=2",
                     "training.batch=32"),
    "picture-ranks": ("data.size=64", "training.batch=32"),
    "picture-mae": ("data.size=64", "encoder.image_size=64", "training.batch=64"),
}  # fmt: skip
_UNIT = "share right"

Floats = NDArray[np.float32]
Figures = dict[str, dict[str, object]]


@dataclass(frozen=True)
class _Scored:
    """Which pictures have a neighbour of their own class, and which of them were held out."""

    right: NDArray[np.float64]
    held: NDArray[np.bool_]


def run(
    *,
    folder: Path = Path("../shared/data/plankton/isiis_planktonset1"),
    recipes: str = "picture-dino",
    minutes: float = 10.0,
    steps: int = 0,
    whole: bool = False,
    seed: int = 0,
    work: Path | None = None,
) -> Figures:
    """Pack, train and score.

    Args:
        folder: Of pictures, with a folder for each class.
        recipes: Names of recipes, or files, with commas between.
        minutes: Of one processor that a training takes, about.
        steps: How many steps it takes, in place of the minutes.
        whole: Whether pictures and batches are as large as the recipe has them.
        seed: Of the training.
        work: Where to pack and train; what is there is not made again. A temporary folder if not
            given.
    """
    try:
        import torch  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        raise MissingExtraError("learning from pictures", "models") from None
    if minutes <= 0 or steps < 0:
        raise InputError(f"{minutes:g} minutes and {steps} steps; above 0 and 0 or more expected")
    place = nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="merian-bench-")
    found: Figures = {}
    with place as made:
        there = Path(str(made))
        make_pack([folder], there / "pack", Asked("pictures", valid=_HELD_OUT))
        pack = open_pack(there / "pack")
        found["pictures"] = {"value": pack.size, "unit": f"of {len(pack.names(LABEL))} classes"}
        for name in filter(None, recipes.split(",")):
            found |= _studied(name, there, minutes, steps, whole, seed)
    return found


def _studied(name: str, there: Path, minutes: float, steps: int, whole: bool, seed: int) -> Figures:
    """Train one recipe; return the figures before and after, and of the training."""
    from merian.learn.building import build_task  # noqa: PLC0415 - loads torch
    from merian.learn.saved import load_model  # noqa: PLC0415
    from merian.learn.trainer import train  # noqa: PLC0415

    asked = name  # a name, or a file
    name = read_recipe(asked).name
    changes = [f"training.seed={seed}", *(() if whole else SMALL.get(name, ()))]
    told = there / f"{name}.json"
    if told.is_file():
        steps = int(json.loads(told.read_text(encoding="utf-8"))["steps"])
    elif not steps:
        steps = steps_within(asked, changes, there / "pack", minutes)
    write_json(told, {"steps": steps})
    # One look at what is held out, at the end: it costs as much as half of an epoch.
    lines = max(1, steps // _LINES)
    changes += [f"training.steps={steps}", f"training.log={lines}", f"training.validate={steps}"]
    recipe = read_recipe(asked, changes)
    task = build_task(recipe, there / "pack")
    before = _scored(task.objective.encoder, recipe, there / "pack")
    seconds = time.process_time()
    done = train(recipe, task, there / name)
    if done.ended == "stopped":
        raise InputError(f"{there / name}: stopped and saved; the same command goes on")
    seconds = time.process_time() - seconds
    eye = load_model(there / name, "cpu", "float32", "torch")
    after = _scored(eye.network, recipe, there / "pack")
    found: Figures = {
        f"{name}: steps": {"value": steps, "unit": f"of {recipe.training.batch} pictures"}
    }
    if not done.before:
        found[f"{name}: time"] = {"value": round(seconds / 60, 1), "unit": "min of one processor"}
    return found | _compared(name, before, after) | _curves(name, read_log(there / name))


def steps_within(asked: str, changes: Sequence[str], pack: Path, minutes: float) -> int:
    """Return how many steps take so many minutes of one processor."""
    from merian.learn.building import build_task  # noqa: PLC0415 - loads torch
    from merian.learn.trainer import train  # noqa: PLC0415

    recipe = read_recipe(asked, [*changes, f"training.steps={_TRIED}", "training.validate_on=1"])
    ends: list[float] = []
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as short:
        train(recipe, build_task(recipe, pack), Path(short) / "run",
              watch=lambda _: ends.append(time.process_time()))  # fmt: skip
    return max(1, round(60 * minutes / max((ends[1] - ends[0]), 1e-6)))


def _scored(network: nn.Module, recipe: Recipe, pack: Path) -> _Scored:
    """Return of every picture whether its nearest neighbour is of its class."""
    vectors, classes, held = [], [], []
    for part in ("train", "valid"):
        opened = open_pack(pack, part)
        vectors.append(_vectors(network, opened, recipe.data.size))
        classes.append(opened.labels(LABEL))
        held.append(np.full(len(opened), part == "valid"))
    told = np.concatenate(classes)
    return _Scored(_right(np.concatenate(vectors), told), np.concatenate(held))


def _vectors(network: nn.Module, pack: Pack, size: int) -> Floats:
    """Return what a network makes of all pictures of a pack."""
    from merian.learn.looking import NetworkEncoder  # noqa: PLC0415 - loads torch

    eye = NetworkEncoder(
        network=network, name="bench", modality="image", dim=int(getattr(network, "width", 0)),
        space="bench", id="bench", card={}, preprocessing={"size": size}, device="cpu",
        precision="float32", engine="torch",
    )  # fmt: skip
    rows = np.arange(len(pack))
    parts = [eye.encode(pack.read(rows[i : i + _AT_A_TIME]))
             for i in range(0, len(rows), _AT_A_TIME)]  # fmt: skip
    return np.concatenate(parts)


def _right(vectors: Floats, classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return 1 where the nearest other picture is of the same class, else 0."""
    first, second = nearest(vectors, vectors, 2).references.T
    other = np.where(first == np.arange(len(vectors)), second, first)
    return np.asarray(classes[other] == classes, np.float64)


def _compared(name: str, before: _Scored, after: _Scored) -> Figures:
    """Return the share of right neighbours before and after, and the difference."""
    found: Figures = {}
    for which, rows in (("held out", before.held), ("learned from", ~before.held)):
        one, other = before.right[rows], after.right[rows]
        found[f"{name}: 1-NN before, {which}"] = _row(mean_interval(one), _UNIT)
        found[f"{name}: 1-NN after, {which}"] = _row(mean_interval(other), _UNIT)
        found[f"{name}: gain, {which}"] = _row(mean_difference(other, one), _UNIT)
    return found


def _curves(name: str, log: Sequence[Mapping[str, Any]]) -> Figures:
    """Return where the curves of a training began, were at their highest and lowest, and ended."""
    found: Figures = {}
    lines = [line for line in log if "loss" in line]
    if len(lines) > 1 and lines[-1]["step"] - lines[-2]["step"] < lines[0]["step"]:
        lines.pop()  # of a few steps, that are left over
    for curve in ("loss", "entropy", "entropy of all", "likeness"):
        values = [float(line[curve]) for line in lines if line.get(curve) is not None]
        if not values:
            continue
        unit = f"highest {max(values):.3f}, lowest {min(values):.3f}"
        found[f"{name}: {curve}, first"] = {"value": round(values[0], 4)}
        found[f"{name}: {curve}, last"] = {"value": round(values[-1], 4), "unit": unit}
    return found


def _row(told: Interval, unit: str) -> dict[str, object]:
    low, high = (None if math.isnan(end) else round(end, 4) for end in (told.low, told.high))
    return {"value": round(told.value, 4), "low": low, "high": high, "n": told.n, "unit": unit}
