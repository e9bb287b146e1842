"""A recipe: all that decides a training run but the data, as a small typed TOML file.

Recipes of the package lie in `recipes/`; a recipe of one's own is a copy of one of them. The
recipe as it ran, with everything that was left unsaid, is written into the run's folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from merian.errors import FormatError, InputError, NotFoundError, did_you_mean
from merian.files import existing
from merian.learn.recipe_keys import (
    ALONE,
    HIDING,
    LOOKS,
    OPTIMIZERS,
    SAMPLERS,
    WORDS,
    Data,
    EncoderPart,
    ObjectivePart,
    OptimizerPart,
    SamplerPart,
    SchedulePart,
    TrainingPart,
)
from merian.learn.tables import Source, fill, name_of, to_toml, written

__all__ = [
    "ALONE",
    "HIDING",
    "OPTIMIZERS",
    "RECIPE_TABLES",
    "SAMPLERS",
    "WORDS",
    "Data",
    "EncoderPart",
    "ObjectivePart",
    "OptimizerPart",
    "Recipe",
    "SamplerPart",
    "SchedulePart",
    "TrainingPart",
    "find_recipe",
    "read_recipe",
    "recipe_names",
]


@dataclass(frozen=True)
class Recipe:
    """All that decides a run but the data.

    Attributes:
        name: What it is called.
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
            values = written(getattr(self, table))
            values.update(values.pop("settings", {}))
            found[table] = values
        return found

    def text(self) -> str:
        """Return the recipe as TOML."""
        return to_toml(self.tables())


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
    held = content.get("encoder")
    if "encoder.from" in changed and isinstance(held, dict):  # a model brings its own sizes
        for name in set(held) - {"from", "frozen"}:
            if f"encoder.{name}" not in changed:
                del held[name]
    return _from_content(content, source, Path(path).stem)


def _drop(content: dict[str, Any], name: str) -> None:
    """Take a key out of the table of the training."""
    held = content.get("training")
    if isinstance(held, dict):
        held.pop(name, None)


def _change(content: dict[str, Any], change: str) -> str:
    """Put one change into a recipe, and return its place."""
    place, sign, value = change.partition("=")
    table, dot, name = (word.strip() for word in place.partition("."))
    if not (sign and dot and table and name):
        raise InputError(f"--set {change}: expected table.key=value, as in training.steps=100")
    if table not in RECIPE_TABLES:
        raise InputError(
            f"--set {change}: a recipe has no table {table!r}.{did_you_mean(table, RECIPE_TABLES)} "
            f"It has {', '.join(RECIPE_TABLES)}"
        )
    try:
        read: Any = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        read = value.strip()  # a word needs no quotes here
    held = content.setdefault(table, {})
    if isinstance(held, dict):  # else the recipe itself is at fault, and is told so
        held[name] = read
    return f"{table}.{name}"


def _from_content(content: Mapping[str, Any], source: Source, stem: str) -> Recipe:
    """Return the recipe of a file's content."""
    for name, value in content.items():
        if name in _ABOVE:
            if not isinstance(value, str):
                raise source.error(f"{name} is {value!r}; expected text", "", name)
        elif name not in RECIPE_TABLES:
            known = (*_ABOVE, *RECIPE_TABLES)
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
        if table not in content and table not in _NEEDLESS:
            raise FormatError(f"has no table [{table}]", path=source.path)
        values = dict(content.get(table, {}))
        if kind is EncoderPart:
            parts[table] = _encoder(values, source)
        else:
            parts[table] = fill(kind, values, table, source)
    recipe = Recipe(**{"name": stem, **words}, **parts)
    _check_idle(recipe, source)
    _check(recipe, source)
    return recipe


def _encoder(values: dict[str, Any], source: Source) -> EncoderPart:
    """Return the table of the encoder; keys that are not ours are those of its kind."""
    own = {name_of(f) for f in fields(EncoderPart)} - {"settings"}
    part = fill(EncoderPart, {k: v for k, v in values.items() if k in own}, "encoder", source)
    if part.kind is None and part.from_ is None:
        raise source.error("[encoder] needs the key 'kind', or 'from' with a run", "encoder")
    settings = {k: v for k, v in values.items() if k not in own}
    return EncoderPart(part.kind, part.from_, part.frozen, settings)


def _check_idle(recipe: Recipe, source: Source) -> None:
    """Refuse keys that would do nothing beside the others; a run's recipe has them all written."""
    pairs, aimless = recipe.data.words == "pairs", recipe.objective.auxiliary is None
    for idle, table, name, why in (
        (pairs, "data", "stride", "words that are learned stand side by side"),
        *((aimless, "objective", name, "objective.auxiliary does not say which second aim")
          for name in ("auxiliary_rank", "auxiliary_weight", "auxiliary_from")),
    ):  # fmt: skip
        part = getattr(recipe, table)
        usual = next(each.default for each in fields(part) if each.name == name)
        if idle and getattr(part, name) != usual:
            raise source.error(f"{table}.{name} does nothing here: {why}", table, name)


def _check(recipe: Recipe, source: Source) -> None:
    """Say what does not go together."""
    training = recipe.training
    if (training.steps is None) == (training.epochs is None):
        raise source.error("[training] needs either 'steps' or 'epochs', and not both", "training")
    if training.pieces > training.batch:
        raise source.error(
            f"training.pieces is {training.pieces}; expected no more than the {training.batch} "
            "examples of a batch",
            "training",
            "pieces",
        )
    if recipe.objective.kind in WORDS and recipe.data.kind != "barcodes":
        raise source.error(
            f"{recipe.objective.kind} guesses words of barcodes; data.kind is {recipe.data.kind}",
            "objective",
            "kind",
        )
    if recipe.objective.kind in ALONE and recipe.data.kind != "pictures":
        raise source.error(
            f"{recipe.objective.kind} is for pictures; data.kind is {recipe.data.kind}",
            "objective",
            "kind",
        )
    if recipe.objective.kind == LOOKS and not recipe.data.augment:
        raise source.error(
            f"data.augment is false, and {LOOKS} learns from crops; leave it out", "data", "augment"
        )
    if isinstance(recipe.objective.smoothing, tuple) and recipe.objective.kind != "ranks":
        raise source.error(
            f"objective.smoothing is a list; {recipe.objective.kind} takes one number",
            "objective",
            "smoothing",
        )
    if recipe.data.labels is not None and recipe.objective.kind != "nodes":
        raise source.error(
            f"data.labels is for the objective nodes; objective.kind is {recipe.objective.kind}",
            "data",
            "labels",
        )
    if recipe.data.labels is not None and recipe.objective.ranks:
        raise source.error(
            "objective.ranks are those of the pack, and data.labels are other labels; give one",
            "objective",
            "ranks",
        )
    sampler = recipe.sampler
    if sampler.kind != "every" and sampler.rank is None:
        raise source.error(
            f"sampler.kind is {sampler.kind}, and sampler.rank does not say of which rank, as in "
            'rank = "species"',
            "sampler",
            "kind",
        )
    if sampler.kind == "groups" and training.batch // training.pieces < sampler.members:
        raise source.error(
            f"sampler.members is {sampler.members}; a piece of a batch has only "
            f"{training.batch // training.pieces} examples",
            "sampler",
            "members",
        )
