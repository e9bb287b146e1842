"""A recipe: all that decides a training run but the data, as a small typed TOML file.

Recipes of the package lie in `recipes/`; a recipe of one's own is a copy of one of them. The
recipe as it ran, with everything that was left unsaid, is written into the run's folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from merian.errors import FormatError, InputError, NotFoundError, did_you_mean
from merian.files import existing
from merian.learn.recipe_checks import check_recipe
from merian.learn.recipe_keys import (
    ALONE,
    HIDING,
    MODALITIES,
    OPTIMIZERS,
    SAMPLERS,
    WORDS,
    Data,
    EncoderPart,
    ObjectivePart,
    OptimizerPart,
    SamplerPart,
    SchedulePart,
    TowerPart,
    TrainingPart,
)
from merian.learn.tables import Source, fill, name_of, to_toml, written

__all__ = [
    "ALONE",
    "HIDING",
    "OPTIMIZERS",
    "RECIPE_TABLES",
    "SAMPLERS",
    "TOWERS",
    "WORDS",
    "Data",
    "EncoderPart",
    "ObjectivePart",
    "OptimizerPart",
    "Recipe",
    "SamplerPart",
    "SchedulePart",
    "TowerPart",
    "TrainingPart",
    "find_recipe",
    "read_recipe",
    "recipe_names",
]


_Part = TypeVar("_Part", bound=EncoderPart)


@dataclass(frozen=True)
class Recipe:
    """All that decides a run but the data.

    Attributes:
        name: What it is called.
        encoder: What is trained, where that is one encoder.
        towers: The encoders by modality, where several are brought into one space.
        about: What it trains, in a sentence.
        needs: What it takes: data, machine, time.
        gave: What it gave when it was run, and with which command; empty where it never was.
    """

    name: str
    data: Data
    encoder: EncoderPart
    objective: ObjectivePart
    optimizer: OptimizerPart
    schedule: SchedulePart
    training: TrainingPart
    sampler: SamplerPart = field(default_factory=SamplerPart)
    towers: Mapping[str, TowerPart] = field(default_factory=dict)
    about: str = ""
    needs: str = ""
    gave: str = ""

    def tables(self) -> dict[str, Any]:
        """Return the recipe as the tables of its file, with what was left unsaid."""
        found: dict[str, Any] = {
            "name": self.name,
            "about": self.about,
            "needs": self.needs,
            "gave": self.gave,
        }
        for table in RECIPE_TABLES:
            if table != "encoder" or not self.towers:
                found[table] = _of_part(getattr(self, table))
        if self.towers:
            found[TOWERS] = {name: _of_part(part) for name, part in self.towers.items()}
        return found

    def text(self) -> str:
        """Return the recipe as TOML."""
        return to_toml(self.tables())


def _of_part(part: Any) -> dict[str, Any]:
    """Return a table as its file has it."""
    values = written(part)
    return values | values.pop("settings", {})


TOWERS = "towers"
RECIPE_TABLES: dict[str, type[Any]] = {
    "data": Data,
    "sampler": SamplerPart,
    "encoder": EncoderPart,
    "objective": ObjectivePart,
    "optimizer": OptimizerPart,
    "schedule": SchedulePart,
    "training": TrainingPart,
}
_NEEDLESS = ("sampler", "schedule")  # tables that may be left out
_KEPT = {"from", *(name_of(f) for f in fields(TowerPart))} - {"kind", "settings"}
_ABOVE = ("name", "about", "needs", "gave")


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with Merian."""
    folder = resources.files("merian.learn") / "recipes"
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml"))


def find_recipe(recipe: str | Path) -> tuple[str, str]:
    """Return the place and the text of a recipe: one of Merian's by name, or a file."""
    if str(recipe) in recipe_names():
        found = resources.files("merian.learn") / "recipes" / f"{recipe}.toml"
        return str(recipe), found.read_text(encoding="utf-8")
    path = Path(recipe)
    if not path.exists() and path.suffix != ".toml":
        names = recipe_names()
        raise NotFoundError(
            f"{recipe}: neither a recipe of Merian's nor a file.{did_you_mean(str(recipe), names)} "
            f"The recipes are {', '.join(names)}; or give a file that ends with .toml"
        )
    try:
        return str(path), existing(path, "recipe").read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"not a text in UTF-8 ({error})", path=path) from None


def read_recipe(recipe: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        recipe: The name of one of Merian's, or a file.
        changes: What to change in it, as table.key=value: training.steps=100.
    """
    path, text = find_recipe(recipe)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"not TOML: {error}", path=path) from None
    source = Source(path, text)
    changed = {_change(content, change) for change in changes}
    for name, other in (("steps", "epochs"), ("epochs", "steps")):
        if f"training.{name}" in changed and f"training.{other}" not in changed:
            _drop(content, other)  # a length that is asked for takes the place of the recipe's
    towers = content.get(TOWERS)
    held = {f"{TOWERS}.{name}": table for name, table in _tables(towers)}
    for place, table in {"encoder": content.get("encoder"), **held}.items():
        if f"{place}.from" in changed and isinstance(table, dict):
            for name in set(table) - _KEPT:  # a model brings its own sizes
                if f"{place}.{name}" not in changed:
                    del table[name]
    return _from_content(content, source, Path(path).stem)


def _drop(content: dict[str, Any], name: str) -> None:
    """Take a key out of the table of the training."""
    held = content.get("training")
    if isinstance(held, dict):
        held.pop(name, None)


def _tables(towers: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tables of the towers, if there are any."""
    yield from towers.items() if isinstance(towers, dict) else ()


def _change(content: dict[str, Any], change: str) -> str:
    """Put one change into a recipe, and return its place."""
    place, sign, value = change.partition("=")
    *tables, name = (word.strip() for word in place.split("."))
    if not (sign and tables and all(tables) and name):
        raise InputError(f"--set {change}: expected table.key=value, as in training.steps=100")
    if tables[0] not in (*RECIPE_TABLES, TOWERS):
        raise InputError(
            f"--set {change}: a recipe has no table {tables[0]!r}."
            f"{did_you_mean(tables[0], RECIPE_TABLES)} It has {', '.join(RECIPE_TABLES)}"
        )
    if len(tables) != 1 + (tables[0] == TOWERS):
        raise InputError(
            f"--set {change}: expected table.key=value, or towers.MODALITY.key=value as in "
            "towers.image.frozen=true"
        )
    try:
        read: Any = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        read = value.strip()  # a word needs no quotes here
    held: Any = content
    for table in tables:
        held = held.setdefault(table, {})
        if not isinstance(held, dict):  # the recipe itself is at fault, and is told so
            return f"{'.'.join(tables)}.{name}"
    held[name] = read
    return f"{'.'.join(tables)}.{name}"


def _from_content(content: Mapping[str, Any], source: Source, stem: str) -> Recipe:
    """Return the recipe of a file's content."""
    for name, value in content.items():
        if name in _ABOVE:
            if not isinstance(value, str):
                raise source.error(f"{name} is {value!r}; expected text", "", name)
        elif name not in (*RECIPE_TABLES, TOWERS):
            known = (*_ABOVE, *RECIPE_TABLES, TOWERS)
            where = name if isinstance(value, dict) else ""
            raise source.error(
                f"a recipe has no {name!r}.{did_you_mean(name, known)} It has {', '.join(known)}",
                where,
                None if where else name,
            )
        elif not isinstance(value, dict):
            raise source.error(f"{name} is {value!r}; expected a table [{name}]", "", name)
    words: dict[str, Any] = {name: content[name] for name in _ABOVE if name in content}
    parts: dict[str, Any] = {}
    for table, kind in RECIPE_TABLES.items():
        needless = (*_NEEDLESS, *(("encoder",) if TOWERS in content else ()))
        if table not in content and table not in needless:
            raise FormatError(f"has no table [{table}]", path=source.path)
        values = dict(content.get(table, {}))
        if kind is not EncoderPart:
            parts[table] = fill(kind, values, table, source)
        elif TOWERS not in content or values:
            parts[table] = _encoder(EncoderPart, values, table, source)
        else:
            parts[table] = EncoderPart()
    towers = _towers(content.get(TOWERS, {}), source)
    recipe = Recipe(**{"name": stem, **words}, **parts, towers=towers)
    check_recipe(recipe, source)
    return recipe


def _encoder(kind: type[_Part], values: dict[str, Any], table: str, source: Source) -> _Part:
    """Return the table of an encoder; keys that are not ours are those of its kind."""
    own = {name_of(f) for f in fields(kind)} - {"settings"}
    part = fill(kind, {k: v for k, v in values.items() if k in own}, table, source)
    if part.kind is None and part.from_ is None:
        raise source.error(f"[{table}] needs the key 'kind', or 'from' with a run", table)
    return replace(part, settings={k: v for k, v in values.items() if k not in own})


def _towers(content: Mapping[str, Any], source: Source) -> dict[str, TowerPart]:
    """Return the tables of several encoders, by modality."""
    found = {}
    for name, values in content.items():
        table = f"{TOWERS}.{name}"
        if name not in MODALITIES:
            raise source.error(
                f"no modality is called {name!r}.{did_you_mean(name, MODALITIES)} There are "
                f"{', '.join(MODALITIES)}",
                table,
            )
        if not isinstance(values, dict):
            raise source.error(f"{table} is {values!r}; expected a table [{table}]", TOWERS, name)
        part = _encoder(TowerPart, dict(values), table, source)
        if part.frozen and part.low_rank is not None:
            raise source.error(
                f"{table}.low_rank trains the encoder, and {table}.frozen says not to; give one",
                table,
                "low_rank",
            )
        found[name] = part
    return {name: found[name] for name in MODALITIES if name in found}
