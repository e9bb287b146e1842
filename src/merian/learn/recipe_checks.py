"""What of a recipe does not go together: keys that would do nothing, and keys that contradict."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from merian.learn.recipe_keys import (
    ALIGNING,
    ALONE,
    INSTANCES,
    LANDMARKS,
    LOOKS,
    RECORDS,
    WORDS,
    EncoderPart,
)
from merian.learn.tables import Source

if TYPE_CHECKING:
    from merian.learn.recipe import Recipe

__all__ = ["check_recipe"]


def _idle(recipe: Recipe, source: Source) -> None:
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


def check_recipe(recipe: Recipe, source: Source) -> None:
    """Say what does not go together."""
    _idle(recipe, source)
    _towers(recipe, source)
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
    for kind in (INSTANCES, LANDMARKS):
        if (recipe.objective.kind == kind) != (recipe.data.kind == kind):
            raise source.error(
                f"the objective {kind} needs data.kind = {kind!r}, and nothing else takes that; "
                f"here it is {recipe.data.kind!r} with {recipe.objective.kind}",
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
    whole = recipe.objective.kind == ALIGNING  # what is in which piece does not matter there
    together = training.batch // (1 if whole else training.pieces)
    if sampler.kind == "groups" and together < sampler.members:
        raise source.error(
            f"sampler.members is {sampler.members}; a {'batch' if whole else 'piece of a batch'} "
            f"has only {together} examples",
            "sampler",
            "members",
        )


def _towers(recipe: Recipe, source: Source) -> None:
    """Say what does not go together where several encoders are brought into one space."""
    aligning = recipe.objective.kind == ALIGNING
    if aligning and len(recipe.towers) < 2:
        raise source.error(
            f"{ALIGNING} brings two modalities or more together; give a table for each, as "
            "[towers.image] and [towers.barcode]",
            "objective",
            "kind",
        )
    if not aligning and recipe.towers:
        raise source.error(
            f"[towers] are for the objective {ALIGNING}; objective.kind is {recipe.objective.kind}",
            "objective",
            "kind",
        )
    if aligning and recipe.encoder != EncoderPart():
        raise source.error(
            f"[encoder] is one encoder, and {ALIGNING} has [towers]; leave it out", "encoder"
        )
    if aligning != (recipe.data.kind == RECORDS):
        raise source.error(
            f"{ALIGNING} needs data.kind = {RECORDS!r}, and nothing else takes that; here it is "
            f"{recipe.data.kind!r} with {recipe.objective.kind}",
            "data",
            "kind",
        )
    bound = recipe.objective.bound_to
    if aligning and bound is not None and bound not in recipe.towers:
        raise source.error(
            f"objective.bound_to is {bound}, and there is no [towers.{bound}]",
            "objective",
            "bound_to",
        )
