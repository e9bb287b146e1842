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
from merian.learn.tables import Source, fill, key, name_of, to_toml, written

__all__ = [
    "OPTIMIZERS",
    "RECIPE_TABLES",
    "Data",
    "EncoderPart",
    "ObjectivePart",
    "OptimizerPart",
    "Recipe",
    "SchedulePart",
    "TrainingPart",
    "find_recipe",
    "read_recipe",
    "recipe_names",
]

OPTIMIZERS = ("adamw", "muon", "soap", "shampoo", "kl-shampoo", "kl-soap")
_BY_MATRIX = ("soap", "shampoo", "kl-shampoo", "kl-soap")
HEADS = ("multi-head", "infer-sum", "softmax-tree")
HIDING = ("masked-tokens", "masked-autoencoder")  # words are hidden, and guessed
WORDS = (*HIDING, "next-words")  # the words of barcodes are guessed
OBJECTIVES = (*WORDS, "ranks")
SCHEDULES = ("cosine", "one-cycle", "constant", "warm-up-stable-decay")


@dataclass(frozen=True)
class Data:
    """What is read, and what is done to it."""

    kind: str = key("what the examples are", choices=("barcodes", "pictures"))
    valid: float = key(
        "share held out, where what is given must first be packed", 0.05, low=0, high=0.9
    )
    window: int = key("shards that are mixed with each other", 8, low=1)
    k: int = key("bases of a word", 6, low=1, high=8, only=("barcodes",))
    stride: int | None = key(
        "bases from word to word; k where it is not given", None, low=1, only=("barcodes",)
    )
    bases: int = key("what lies beyond is not read", 660, low=1, only=("barcodes",))
    any_frame: bool = key("begin the first word at any of its bases", True, only=("barcodes",))
    either_strand: bool = key("turn half of them to the other strand", False, only=("barcodes",))
    size: int = key("width and height in pixels", 224, low=8, only=("pictures",))
    augment: bool = key("crop, turn and light them by chance", True, only=("pictures",))


@dataclass(frozen=True)
class EncoderPart:
    """What is trained. Other keys are those of the encoder's own kind."""

    kind: str | None = key("the encoder; that of the run where one is given", None)
    from_: str | None = key("a run, or its folder model, whose weights it starts with", None)
    frozen: bool = key("train the heads alone", False)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectivePart:
    """What it is trained for."""

    kind: str = key("the loss", choices=OBJECTIVES)
    share: float = key("share of the words to hide", 0.5, above=0, high=0.99, only=HIDING)
    decoder_layers: int = key(
        "blocks of the decoder; 0 for as many as the encoder has", 0, low=0,
        only=("masked-autoencoder",),
    )  # fmt: skip
    smoothing: float = key(
        "share of a target that is spread: over all words, or over relatives", 0.0, low=0, high=0.9
    )
    ranks: tuple[str, ...] = key("which; all of the pack where none are given", (), only=("ranks",))
    heads: str = key("how they hang together", "softmax-tree",
                     choices=HEADS, only=("ranks",))  # fmt: skip
    power: float = key(
        "classes weigh as this root of their counts", 0.5, low=0, high=1, only=("ranks",)
    )
    least: int = key("names on fewer records are no classes", 1, low=1, only=("ranks",))


@dataclass(frozen=True)
class OptimizerPart:
    """How weights are changed."""

    kind: str = key("the optimizer", choices=OPTIMIZERS)
    learning_rate: float = key("the highest learning rate", above=0)
    betas: tuple[float, float] | None = key(
        "decay of the averages; the optimizer's own where it is not given",
        None,
        low=0,
        high=0.99999,
    )
    weight_decay: float = key("decoupled weight decay", 0.01, low=0)
    other_learning_rate: float | None = key(
        "of embeddings, heads, norms and biases, where they have one of their own", None, above=0
    )
    refresh: int | None = key("steps between two bases", None, low=1, only=_BY_MATRIX)
    block: int | None = key(
        "the largest block of a matrix", None, low=1, only=("kl-shampoo", "kl-soap")
    )


@dataclass(frozen=True)
class SchedulePart:
    """How the learning rate rises and falls."""

    kind: str = key("its course", "cosine", choices=SCHEDULES)
    warm_up: float = key("steps of the rise, or below 1 their share of all", 0.05, low=0)
    decay: float = key(
        "steps of the fall, or below 1 their share of all",
        0.2,
        low=0,
        only=("warm-up-stable-decay",),
    )
    floor: float = key("where it ends, as a share of the highest", 0.0, low=0, high=1)


@dataclass(frozen=True)
class TrainingPart:
    """How long, in which portions, and what is kept."""

    batch: int = key("examples in a step, over all processes", low=1)
    steps: int | None = key("how many steps; or give epochs", None, low=1)
    epochs: float | None = key("how often each example is seen; or give steps", None, above=0)
    pieces: int = key("parts of a batch that go through one after the other, or at once on as "
                      "many processes", 1, low=1)  # fmt: skip
    clip: float | None = key("the longest gradient; 0 for any", 1.0, low=0)
    average: float | None = key("decay of averaged weights, which are then looked at and saved",
                                None, above=0, high=0.99999999)  # fmt: skip
    precision: str = key("of the arithmetic", "auto", choices=("auto", "float32", "bfloat16"))
    device: str = key("where", "auto", choices=("auto", "cpu", "cuda"))
    seed: int = key("of all chance", 0, low=0)
    workers: int = key("processes that read beside the one that trains", 0, low=0)
    validate: int = key("steps from one look at the examples held out to the next", 500, low=1)
    validate_on: int | None = key("how many of them at most; all if not given", None, low=1)
    metric: str = key("the figure to stop by", "loss")
    better: str = key("which of its values are better", "lower", choices=("lower", "higher"))
    patience: int | None = key("looks without a better figure, after which it stops", None, low=1)
    checkpoint: int = key("steps from one checkpoint to the next", 500, low=1)
    keep: int = key("checkpoints that are kept", 2, low=1)
    log: int = key("steps from one line of the log to the next", 10, low=1)


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
    "encoder": EncoderPart,
    "objective": ObjectivePart,
    "optimizer": OptimizerPart,
    "schedule": SchedulePart,
    "training": TrainingPart,
}
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
        if table not in content and table != "schedule":
            raise FormatError(f"has no table [{table}]", path=source.path)
        values = dict(content.get(table, {}))
        if kind is EncoderPart:
            parts[table] = _encoder(values, source)
        else:
            parts[table] = fill(kind, values, table, source)
    recipe = Recipe(**{"name": stem, **words}, **parts)
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
