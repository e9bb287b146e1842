"""From a recipe and a pack to a task: which examples, which network, which loss.

The weights that chance gives are those of the recipe's seed, so that the same recipe on the same
pack begins with the same network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from merian.barcode.vocabulary import Words, preprocessing_of
from merian.errors import InputError
from merian.learn.aligning import align_task
from merian.learn.autoencoder import MaskedAutoencoder
from merian.learn.auxiliary import Auxiliary
from merian.learn.devices import seed_all
from merian.learn.encoding import width_of
from merian.learn.examples import Masking, PackedBarcodes
from merian.learn.forest import ForestLabels
from merian.learn.heads import build_heads
from merian.learn.instance_building import build_instance_task
from merian.learn.kept_vectors import Progress
from merian.learn.landmark_building import build_landmark_task
from merian.learn.network_building import (
    build_network,
    drawn,
    few_barcodes,
    start_of,
    words_for,
)
from merian.learn.next_words import NextWords
from merian.learn.node_building import known_nodes, of_nodes
from merian.learn.node_objective import NodeExamples, Nodes
from merian.learn.objectives import MaskedTokens, Ranks
from merian.learn.pack import Pack, open_pack
from merian.learn.pack_labels import LABEL
from merian.learn.packed_task import card_of, sampler_of
from merian.learn.picture_building import of_pictures_alone, picture_examples
from merian.learn.rank_labels import RankLabels
from merian.learn.recipe import ALONE, HIDING, WORDS, Data, Recipe
from merian.learn.recipe_keys import ALIGNING, INSTANCES, LANDMARKS
from merian.learn.recoded import Recoded
from merian.learn.task import Examples, Objective, Task

__all__ = ["build_task"]

_START = 3  # the stream of chance of the first weights


def build_task(recipe: Recipe, pack: Path | str, progress: Progress | None = None) -> Task:
    """Return what a recipe trains on a pack.

    Args:
        recipe: The recipe.
        pack: The folder of the pack.
        progress: Is told how far it is, where frozen encoders look at all of it first.
    """
    if recipe.objective.kind == INSTANCES:
        return build_instance_task(recipe, pack)
    if recipe.objective.kind == LANDMARKS:
        return build_landmark_task(recipe, pack)
    opened = open_pack(pack)
    if opened.kind != recipe.data.kind:
        raise InputError(
            f"{opened.folder}: holds {opened.kind}, and the recipe {recipe.name} is for "
            f"{recipe.data.kind}"
        )
    if "train" not in opened.parts:
        raise InputError(f"{opened.folder}: has no part to learn from; all of it is held out")
    if recipe.objective.kind == ALIGNING:
        return align_task(recipe, opened, progress)
    return _encoder_task(recipe, opened)


def _encoder_task(recipe: Recipe, opened: Pack) -> Task:
    """Return what a recipe with one encoder trains."""
    train = opened.part("train")
    valid = opened.part("valid") if "valid" in opened.parts else None
    start = start_of(recipe.encoder)
    order, tokens = drawn(train.shards, recipe.data.window), None
    if opened.kind == "barcodes":
        tokens = words_for(recipe.data, order, train.sequences, start)
    seed_all(recipe.training.seed, _START)
    preprocessing = _preprocessing(recipe.data, tokens)
    encoder, origin = build_network(recipe.encoder, tokens, preprocessing, start)
    card = {**card_of(opened), "preprocessing": preprocessing, **origin}
    nodes: list[ForestLabels] = []
    if recipe.objective.kind in WORDS:
        aim = recipe.objective.auxiliary
        ranks: Sequence[str] = () if aim is None else (recipe.objective.auxiliary_rank,)
        labels = None if aim is None else _of_aim(train, ranks)
        objective: Objective = _words(recipe, encoder, tokens, labels)
    elif recipe.objective.kind in ALONE:
        ranks, labels = (), None
        begins = start is None and not recipe.encoder.settings.get("pretrained")
        objective = of_pictures_alone(recipe, encoder, begins=begins)
    elif recipe.objective.kind == Nodes.kind:
        ranks, labels, classes = (), None, None
        if recipe.data.labels is None:
            classes = _labels(train, _ranks(recipe, train), recipe.objective.least)
        nodes, told = known_nodes(recipe, classes, train, valid)
        objective = of_nodes(recipe, encoder, nodes[0])
        card |= told
    else:
        ranks = _ranks(recipe, train)
        labels = _labels(train, ranks, recipe.objective.least)
        objective = _named(recipe, encoder, labels)
    if recipe.encoder.frozen and recipe.objective.kind in (*WORDS, *ALONE):
        raise InputError(
            f"encoder.frozen: {recipe.objective.kind} trains the encoder; leave it out"
        )
    if start is None and tokens is not None and hasattr(encoder, "fit"):
        fit = cast(Any, encoder).fit
        fit(lambda: few_barcodes(recipe.data, order, train.sequences, tokens))
    found = [
        _examples(recipe, part, tokens, ranks, encoder, learns=part is train)
        for part in (train, valid)
        if part is not None
    ]
    if labels is not None:
        names = [train.names(rank) for rank in ranks]
        found = [Recoded(each, labels, names) for each in found]
    if nodes:
        form = recipe.objective.form
        found = [NodeExamples(each, few, form) for each, few in zip(found, nodes, strict=True)]
    held = found[1] if valid is not None else None
    return Task(objective, found[0], held, card, sampler_of(recipe, train))


def _preprocessing(data: Data, tokens: Words | None) -> dict[str, Any]:
    """Return what is done to an item before the network, as its card tells it."""
    return {"size": data.size} if tokens is None else preprocessing_of(tokens)


# -- the loss -------------------------------------------------------------------------------------


def _words(
    recipe: Recipe, encoder: nn.Module, tokens: Words | None, labels: RankLabels | None
) -> Objective:
    assert tokens is not None  # words are those of barcodes; the recipe was asked
    words, part = tokens.size, recipe.objective
    if not hasattr(encoder, "words"):
        raise InputError(
            f"{part.kind} needs an encoder with a state for each word; {recipe.encoder.kind} has "
            "none"
        )
    options: dict[str, Any] = {"smoothing": part.smoothing}
    if part.kind == NextWords.kind:
        return NextWords(encoder, words, **options)
    options["masked_share"] = part.masked_share
    if part.auxiliary is not None and labels is not None:
        options["auxiliary"] = Auxiliary(
            part.auxiliary,
            width_of(encoder),
            labels,
            weight=part.auxiliary_weight,
            begins=part.auxiliary_from,
        )
    if part.kind == MaskedTokens.kind:
        return MaskedTokens(encoder, words, **options)
    return MaskedAutoencoder(
        encoder, words, layers=part.decoder_layers, variant=part.variant, **options
    )


def _named(recipe: Recipe, encoder: nn.Module, labels: RankLabels) -> Objective:
    part = recipe.objective
    width = getattr(encoder, "width", None)
    if not isinstance(width, int):
        raise InputError(f"the encoder {recipe.encoder.kind} does not tell its width")
    heads = build_heads(part.heads, width, labels)
    for name in ("smoothing", "rank_weights", "starts"):
        told, wanted = getattr(part, name), labels.ranks[: -1 if name == "smoothing" else None]
        if isinstance(told, tuple) and told and len(told) != len(wanted):
            raise InputError(
                f"objective.{name} has {len(told)} values; {len(wanted)} expected, for "
                f"{', '.join(wanted) or 'no rank'}"
            )
    return Ranks(
        encoder,
        heads,
        rank_weights=part.rank_weights or None,
        starts=part.starts or None,
        power=part.power,
        smoothing=part.smoothing,
        even=part.even,
        frozen=recipe.encoder.frozen,
    )


def _ranks(recipe: Recipe, pack: Pack) -> tuple[str, ...]:
    """Return the ranks to name: those that are asked for, or all that tell records apart."""
    ranks = recipe.objective.ranks
    if not ranks:
        several = (*pack.ranks, LABEL)
        ranks = tuple(r for r in several if r in pack.header["classes"] and _seen(pack, r) > 1)
        if ranks != (LABEL,):  # what is no taxon has a label alone
            ranks = tuple(rank for rank in ranks if rank != LABEL)
    if not ranks:
        raise InputError(
            f"{pack.folder}: nothing to learn to name: no rank has two names or more among the "
            "examples to learn from"
        )
    return ranks


def _seen(pack: Pack, rank: str) -> int:
    """Return how many classes of a rank there are among some examples."""
    found = np.unique(pack.labels(rank))
    return int((found >= 0).sum())


def _labels(pack: Pack, ranks: Sequence[str], least: int) -> RankLabels:
    """Return the classes that the examples to learn from have."""
    codes = np.stack([pack.labels(rank) for rank in ranks], axis=1).astype(np.int64)
    return RankLabels.of_codes(ranks, [pack.names(rank) for rank in ranks], codes, least)


def _of_aim(pack: Pack, ranks: Sequence[str]) -> RankLabels:
    """Return the classes of a second aim."""
    if not any(_seen(pack, rank) > 1 for rank in ranks):
        raise InputError(
            f"{pack.folder}: objective.auxiliary compares names at the rank {ranks[0]!r}, and the "
            "examples to learn from do not have two; leave it out, or give objective.auxiliary_rank"
        )
    return _labels(pack, ranks, 1)


# -- the examples ---------------------------------------------------------------------------------


def _examples(
    recipe: Recipe,
    pack: Pack,
    tokens: Words | None,
    ranks: Sequence[str],
    encoder: nn.Module,
    *,
    learns: bool,
) -> Examples:
    """Return examples; of those only looked at, no more is changed than what is hidden."""
    data = recipe.data
    if tokens is None:
        return picture_examples(recipe, pack, ranks, encoder, learns=learns)
    share = recipe.objective.share if recipe.objective.kind in HIDING else 0.0
    masking = Masking(
        share,
        data.any_frame and learns,
        data.either_strand and learns,
        recipe.objective.random_share if learns else 0.0,
    )
    return PackedBarcodes(pack, tokens, masking, ranks)
