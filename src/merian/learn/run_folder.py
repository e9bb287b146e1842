"""The folder of a run: what it was asked, so that it goes on with that and with nothing else.

RUN/recipe.toml      the recipe as it runs, with all that was left unsaid
RUN/run.json         what decides the result: recipe, data, model
RUN/log.jsonl        a line every few steps
RUN/checkpoints/     the last few
RUN/model/           the trained weights and their card, when it is done
RUN/result.json      the figures, when it is done
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.errors import FormatError, InputError
from merian.files import write_json, write_text
from merian.learn.recipe import Recipe
from merian.learn.task import Task
from merian.stamp import check_stamp, run_id, stamp

__all__ = ["RunFolder", "make_folder", "open_run"]

_RUN, _RESULT = "merian-run", "merian-run-result"
_VERSION = "1.0"
# They change nothing in the result: a run may go on with others.
_FREE = {"training": ("workers", "device", "checkpoint", "keep")}


@dataclass(frozen=True)
class RunFolder:
    """An open run.

    Attributes:
        path: The folder.
        id: The run's id.
        taxonomy: The lock of the names that it learns, if it learns names.
    """

    path: Path
    id: str
    taxonomy: Mapping[str, str] | None

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        return self.path / "model"

    def result(self) -> dict[str, Any] | None:
        """Return what came out, or None if it is not done."""
        path = self.path / "result.json"
        return check_stamp(path, _RESULT, 1) if path.exists() else None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write down what came out: from now on the run is done."""
        head = {"merian": stamp(_RESULT, _VERSION, self.id, self.taxonomy)}
        write_json(self.path / "result.json", {**head, **result})


def make_folder(path: Path) -> None:
    """Make the folder of a run, if it is not there."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; give the name of a folder for the run")
    path.mkdir(parents=True, exist_ok=True)


def open_run(path: Path, recipe: Recipe, task: Task, steps: int) -> RunFolder:
    """Begin a run in a folder, or go on with the one that is there if it is the same."""
    asked = _asked(recipe, task, steps)
    lock = task.card.get("taxonomy")
    folder = RunFolder(path, run_id("train", asked), lock if isinstance(lock, dict) else None)
    file = path / "run.json"
    if file.exists() and _has_work(path):
        _compare(path, check_stamp(file, _RUN, 1), asked)
    else:
        if not file.exists():
            _begin(path)
        (path / "failed.json").unlink(missing_ok=True)
        write_text(path / "recipe.toml", recipe.text())
        write_json(file, {"merian": stamp(_RUN, _VERSION, folder.id, folder.taxonomy), **asked})
    folder.checkpoints.mkdir(exist_ok=True)
    return folder


def _has_work(path: Path) -> bool:
    """Return whether a run came to anything; one that did not may begin anew, and otherwise."""
    return (path / "result.json").exists() or any((path / "checkpoints").glob("step-*"))


def _begin(path: Path) -> None:
    """Make sure that nothing of another run is taken for one of this."""
    for name in ("checkpoints", "log.jsonl", "model", "result.json"):
        if (path / name).exists():
            raise InputError(
                f"{path}: holds {name} and no run.json, so nobody knows of which run; name "
                "another folder"
            )


def _asked(recipe: Recipe, task: Task, steps: int) -> dict[str, Any]:
    """Return what decides the result of a run, as JSON holds it."""
    tables = recipe.tables()
    for table, names in _FREE.items():
        tables[table] = {k: v for k, v in tables[table].items() if k not in names}
    sizes = {name: [*held.shards] if (held := getattr(task, name)) else [] for name in _SETS}
    parameters = sum(p.numel() for p in task.objective.parameters())
    asked = {
        "recipe": tables,
        "steps": steps,
        "data": dict(task.card),
        "examples": sizes,
        "model": {**task.objective.card(), "parameters": parameters},
    }
    try:
        copied: dict[str, Any] = json.loads(json.dumps(asked))
    except TypeError as error:
        raise InputError(f"the card of the task is nothing that JSON can hold ({error})") from None
    return copied


_SETS = ("train", "valid")


def _compare(path: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Say what is not the same as when the run began."""
    parts = ("recipe", "steps", "data", "examples", "model")
    if any(name not in there for name in parts):
        raise FormatError("does not say what was asked; begin anew", path=path / "run.json")
    was = _leaves({name: there[name] for name in parts})
    now = _leaves({name: asked[name] for name in parts})
    changed = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
    changed = [name for name in changed if not name.startswith(_WORDS)]
    changed.sort(key=lambda name: [name.startswith(part) for part in _TOLD_FIRST], reverse=True)
    if changed:
        told = "; ".join(
            f"{name} was {_short(was.get(name))} and is {_short(now.get(name))}"
            for name in changed[:5]
        )
        more = f"; and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise InputError(
            f"{path}: holds a run that began otherwise: {told}{more}. Name another folder, or "
            "start it as it began"
        )


_TOLD_FIRST = ("recipe.", "data.sources", "data.pack.hash")  # what a person said comes first
_WORDS = ("recipe.name", "recipe.about", "recipe.needs", "recipe.gave")


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Return every number and text of nested tables by its place."""
    if not isinstance(value, dict):
        return {name: value}
    found = {}
    for key, inner in value.items():
        found.update(_leaves(inner, f"{name}.{key}" if name else key))
    return found


def _short(value: object) -> str:
    if value is None:
        return "not given"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
