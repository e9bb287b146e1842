"""Checkpoints: all that a run needs to go on, in a folder that is complete or not there.

A checkpoint is a folder with one safetensors file a part (the model, its average, the optimizer,
the best weights) and `state.json` with the numbers. The last few are kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from merian.errors import FormatError, InputError, MerianError
from merian.files import new_folder, write_json
from merian.stamp import check_stamp, stamp

__all__ = [
    "Checkpoint",
    "flat_state",
    "load_checkpoint",
    "load_flat_state",
    "newest_checkpoint",
    "save_checkpoint",
]

_FORMAT, _VERSION = "merian-checkpoint", "1.0"
_GONE = ".gone-"  # the beginning of the name of a checkpoint that is being removed

Parts = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        folder: Where it lies.
        step: Steps that were done.
        parts: Tensors by part and name.
        state: The numbers.
    """

    folder: Path
    step: int
    parts: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def save_checkpoint(
    folder: Path, step: int, parts: Parts, state: Mapping[str, Any], *, run: str, keep: int
) -> Path:
    """Write a checkpoint, and remove all but the newest few.

    Args:
        folder: Of the run's checkpoints.
        step: Steps that were done.
        parts: Tensors by part and name.
        state: Numbers, as JSON can hold them.
        run: The id of the run.
        keep: How many stay.
    """
    path = folder / f"step-{step:09d}"
    try:
        with new_folder(path) as new:
            for part, tensors in parts.items():
                own = {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}
                save_file(own, new / f"{part}.safetensors", {"format": f"{_FORMAT} {_VERSION}"})
            head = {"merian": stamp(_FORMAT, _VERSION, run), "step": step, "parts": sorted(parts)}
            write_json(new / "state.json", {**head, "state": dict(state)})
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: the checkpoint could not be written ({error}). Make room or a right to "
            "write, and start the same command again: it goes on from the checkpoint before"
        ) from error
    for old in _all(folder)[:-keep]:
        _remove(old)
    return path


def _remove(folder: Path) -> None:
    """Remove a checkpoint; one that is half removed is not taken for a whole one."""
    gone = folder.with_name(_GONE + folder.name)
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _all(folder: Path) -> list[Path]:
    """Return the checkpoints, the oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint of a run, and clear away what was being removed."""
    for left in folder.glob(f"{_GONE}*"):
        shutil.rmtree(left, ignore_errors=True)
    found = _all(folder)
    return found[-1] if found else None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU."""
    advice = f"Remove the folder {path}, and the run goes on from the checkpoint before it"
    try:
        content = check_stamp(path / "state.json", _FORMAT, 1)
    except MerianError as error:
        raise FormatError(f"{error}. {advice}") from None
    parts = {}
    for part in content["parts"]:
        file = path / f"{part}.safetensors"
        try:
            parts[part] = load_file(file)
        except (OSError, SafetensorError) as error:
            raise FormatError(f"cannot be read ({error}). {advice}", path=file) from None
    return Checkpoint(path, content["step"], parts, content["state"])


def flat_state(optimizers: Sequence[Optimizer]) -> tuple[dict[str, Tensor], list[Any]]:
    """Return the state of optimizers as tensors by name, and the rest as JSON can hold it.

    One that shares its state out among processes says `full_state_dict`, which all of them call.
    """
    tensors: dict[str, Tensor] = {}
    rest: list[Any] = []
    for number, optimizer in enumerate(optimizers):
        whole = getattr(optimizer, "full_state_dict", optimizer.state_dict)()
        numbers: dict[str, dict[str, Any]] = {}
        for parameter, state in whole["state"].items():
            numbers[str(parameter)] = {}
            for name, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"{number}/{parameter}/{name}"] = value
                else:
                    numbers[str(parameter)][name] = _plain(value, optimizer, name)
        groups = [
            {k: _plain(v, optimizer, k) for k, v in group.items()}
            for group in whole["param_groups"]
        ]
        rest.append({"state": numbers, "param_groups": groups})
    return tensors, rest


def _plain(value: Any, optimizer: Optimizer, name: str) -> Any:
    """Return a value that JSON can hold."""
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        raise MerianError(
            f"{type(optimizer).__name__} keeps {name!r} as {type(value).__name__}; a checkpoint "
            "holds tensors, numbers and texts"
        ) from None


def load_flat_state(
    optimizers: Sequence[Optimizer], tensors: Mapping[str, Tensor], rest: Iterable[Any]
) -> None:
    """Give optimizers their state back."""
    for number, (optimizer, saved) in enumerate(zip(optimizers, rest, strict=True)):
        states: dict[int, dict[str, Any]] = {
            int(parameter): dict(values) for parameter, values in saved["state"].items()
        }
        for key, tensor in tensors.items():
            owner, parameter, name = key.split("/", 2)
            if int(owner) == number:
                states[int(parameter)][name] = tensor
        groups = [
            {k: tuple(v) if k == "betas" else v for k, v in group.items()}
            for group in saved["param_groups"]
        ]
        optimizer.load_state_dict({"state": states, "param_groups": groups})
