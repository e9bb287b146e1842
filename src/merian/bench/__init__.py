"""Measuring: each bench is a module of this folder, and this is the driver.

A bench has a docstring whose first line says what it measures and a function
``run(**settings)`` that returns figures, ``{name: {"value": ...}}``, where ``low``, ``high``
(an interval), ``n`` (how many were measured) and ``unit`` may stand beside the value. All
settings have defaults. ``NAME = "..."`` gives the bench a name that a module cannot have;
``PEERS = {...}`` holds published figures of other programs, with their source; ``WORKING = (...)``
names settings that do not decide the data: folders to work in, numbers of processes.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import json
import math
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from merian import __version__
from merian.errors import InputError, NotFoundError, did_you_mean
from merian.files import content_hash, write_json

__all__ = ["Bench", "Result", "benches", "find_bench", "measure"]

_FIGURE = ("value", "low", "high", "n", "unit")
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Bench:
    """One bench: its name, its module and what it measures."""

    name: str
    module: str
    measures: str

    def load(self) -> ModuleType:
        """Import the module, which may be heavy."""
        return importlib.import_module(self.module)


@dataclass(frozen=True)
class Result:
    """What a bench found.

    Attributes:
        bench: Its name.
        version: The version of Merian.
        data_hash: The hash of everything that decides the data: settings, and files they name.
        seed: The seed, if the bench has one.
        figures: name -> value, low, high, n, unit.
        peers: Published figures of other programs.
    """

    bench: str
    version: str
    data_hash: str
    seed: int | None
    figures: Mapping[str, Mapping[str, Any]]
    peers: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write the result as JSON, complete or not at all."""
        write_json(path, vars(self))


def benches() -> dict[str, Bench]:
    """Return all benches by name. Their modules are read, not run, so that this is quick."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        spec = importlib.util.find_spec(f"{__name__}.{module.name}")
        assert spec is not None
        assert spec.origin is not None
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        if not any(isinstance(s, ast.FunctionDef) and s.name == "run" for s in tree.body):
            continue  # beside the benches stands what they share
        name = next(
            (
                statement.value.value
                for statement in tree.body
                if isinstance(statement, ast.Assign)
                and isinstance(statement.value, ast.Constant)
                and any(isinstance(t, ast.Name) and t.id == "NAME" for t in statement.targets)
            ),
            module.name,
        )
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        found[str(name)] = Bench(str(name), spec.name, first)
    return dict(sorted(found.items()))


def find_bench(name: str) -> Bench:
    """Return the bench of that name."""
    known = benches()
    if name not in known:
        raise NotFoundError(
            f"no bench is called {name!r}; there are {', '.join(known) or 'none'}."
            + did_you_mean(name, known)
        )
    return known[name]


def measure(name: str, settings: Mapping[str, str] | None = None) -> Result:
    """Run one bench. Settings are texts, as typed; they are read as what the bench declares."""
    module = find_bench(name).load()
    chosen = _settings(name, module, settings or {})
    figures = {
        figure: _figure(name, figure, values) for figure, values in module.run(**chosen).items()
    }
    seed = chosen.get("seed")
    return Result(
        bench=name,
        version=__version__,
        data_hash=_data_hash(name, chosen, getattr(module, "WORKING", ())),
        seed=seed if isinstance(seed, int) else None,
        figures=figures,
        peers=getattr(module, "PEERS", {}),
    )


def _settings(bench: str, module: ModuleType, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return every setting of a bench: its defaults, and over them what was typed."""
    parameters = inspect.signature(module.run).parameters
    types = get_type_hints(module.run)
    chosen = {name: parameter.default for name, parameter in parameters.items()}
    for text_name, text in texts.items():
        name = text_name.replace("-", "_")
        if name not in parameters:
            raise NotFoundError(
                f"the bench {bench} has no setting {text_name!r}; it has "
                f"{', '.join(parameters) or 'none'}." + did_you_mean(name, parameters)
            )
        chosen[name] = _read(bench, name, text, types.get(name, str))
    return chosen


def _read(bench: str, name: str, text: str, kind: Any) -> Any:
    """Read one setting as its type."""
    if get_origin(kind) in (Union, UnionType):  # int | None
        kind = next(k for k in get_args(kind) if k is not type(None))
    try:
        if kind is bool:
            return _YES_NO[text.lower()]
        return kind(text.replace("_", "") if kind in (int, float) else text)
    except (KeyError, ValueError):
        expected = getattr(kind, "__name__", str(kind))
        raise InputError(
            f"the bench {bench} expects {name} to be of type {expected}, found {text!r}"
        ) from None


def _figure(bench: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return one figure with all its fields, or say what is wrong with it."""
    value = values.get("value")
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"bench {bench}: the figure {name!r} has no finite value: {value!r}")
    if unknown := set(values) - set(_FIGURE):
        raise ValueError(f"bench {bench}: the figure {name!r} has fields nobody reads: {unknown}")
    return {field: values.get(field) for field in _FIGURE}


def _data_hash(bench: str, settings: Mapping[str, Any], working: Sequence[str]) -> str:
    """Hash what decides the data. A file counts by what is in it, not by where it lies."""
    decisive = {
        key: content_hash(value) if isinstance(value, Path) and value.exists() else value
        for key, value in settings.items()
        if key not in working
    }
    text = json.dumps({"bench": bench, **decisive}, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
