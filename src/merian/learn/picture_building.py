"""From a recipe and a pack to examples of pictures, and to what they teach by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from merian.errors import InputError
from merian.image.vit import VisionTransformer
from merian.learn.distillation import SelfDistillation
from merian.learn.examples import Augmentation, PackedPictures
from merian.learn.pack import Pack
from merian.learn.picture_autoencoder import HiddenPatches, PictureAutoencoder, begin_places
from merian.learn.recipe import Recipe
from merian.learn.recipe_keys import LOOKS, PATCHES
from merian.learn.several_looks import PackedLooks
from merian.learn.task import Examples, Objective

__all__ = ["of_pictures_alone", "picture_examples"]


def picture_examples(
    recipe: Recipe, pack: Pack, ranks: Sequence[str], encoder: nn.Module, *, learns: bool
) -> Examples:
    """Return the pictures of a pack; of those only looked at, no more is changed than is hidden."""
    data, part = recipe.data, recipe.objective
    if part.kind == LOOKS:  # held out or not: its loss is that of crops
        sizes = (("data.size", data.size), ("objective.small_size", part.small_size))
        for name, size in sizes[: 1 + (part.small_looks > 0)]:
            _patches(encoder, size, name)
        return PackedLooks(pack, data.size, part.small_looks, part.small_size, part.crop)
    augment = Augmentation() if data.augment and learns else None
    if part.kind != PATCHES:
        return PackedPictures(pack, data.size, augment, ranks)
    # As published, crops keep little of a picture, and light is left as it is.
    augment = augment and Augmentation(least=0.2, stretch=4 / 3, light=0.0)
    pictures = PackedPictures(pack, data.size, augment, ranks)
    return HiddenPatches(pictures, _patches(encoder, data.size, "data.size"), part.share)


def of_pictures_alone(recipe: Recipe, encoder: nn.Module, *, begins: bool) -> Objective:
    """Return the objective that learns from pictures without labels.

    Args:
        recipe: Tells it.
        encoder: What it trains.
        begins: Whether its weights are those of chance.
    """
    part = recipe.objective
    if part.kind == LOOKS:
        return SelfDistillation(
            encoder,
            prototypes=part.prototypes,
            hidden=part.projection,
            narrow=part.narrow,
            student_temperature=part.student_temperature,
            teacher_temperature=part.teacher_temperature,
            warm_up=part.teacher_warm_up,
            momentum=part.momentum,
            centre_momentum=part.centre_momentum,
            rest=part.rest,
            kept_statistics=not begins,
        )
    if begins and isinstance(encoder, VisionTransformer):
        begin_places(encoder)
    layers = part.decoder_layers or getattr(getattr(encoder, "config", None), "layers", 0)
    return PictureAutoencoder(
        encoder, width=part.decoder_width, layers=layers, normalise=part.normalise
    )


def _patches(encoder: nn.Module, size: int, name: str) -> int:
    """Return how many patches a picture has."""
    patch: int = getattr(getattr(encoder, "config", None), "patch", 1)
    if size % patch:
        raise InputError(
            f"{name} is {size}, and a patch of the encoder has {patch} pixels; give a multiple"
        )
    return (size // patch) ** 2
