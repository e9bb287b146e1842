"""What every task has of its pack: a card of the data, and which examples an epoch shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from merian.errors import InputError
from merian.learn.pack import Pack
from merian.learn.rank_labels import UNKNOWN
from merian.learn.recipe import Recipe
from merian.learn.sampling import Sampler

__all__ = ["card_of", "sampler_of"]


def card_of(pack: Pack) -> dict[str, Any]:
    """Return what the data are."""
    header = pack.header
    told = {name: header.get(name) for name in ("kind", "hash", "examples", "classes", "labelled")}
    return {
        "pack": told,
        "sources": header.get("sources", []),
        "licences": header.get("licences", {}),
        "taxonomy": header["merian"].get("taxonomy"),
        "set_aside": header.get("set_aside", {}),
    }


def sampler_of(recipe: Recipe, pack: Pack) -> Sampler | None:
    """Return which examples an epoch shows; None for each once."""
    part = recipe.sampler
    if part.rank is None:
        return None
    labels = pack.labels(part.rank).astype(np.int64)
    counts = np.bincount(labels[labels >= 0], minlength=1)
    rare = (labels >= 0) & (counts[labels] < recipe.objective.least)  # what is no class
    labels[rare] = UNKNOWN
    if not (labels >= 0).any():
        raise InputError(
            f"{pack.folder}: no example to learn from has a class at the rank {part.rank!r}, by "
            "which sampler.rank draws them"
        )
    return Sampler(
        labels,
        recipe.training.seed,
        power=part.power,
        unlabelled=part.unlabelled,
        members=part.members if part.kind == "groups" else 1,
        shards=pack.shards,
        window=recipe.data.window,
    )
