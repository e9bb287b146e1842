"""From a recipe and a pack of records to a task that brings several modalities into one space.

Each modality has a tower: an encoder as any recipe has it, or one that is frozen with a small
network behind it, or one whose attention alone is changed, by matrices of low rank. What a frozen
tower makes of the examples is made once and kept, where nothing of them is left to chance.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from merian.barcode.vocabulary import Words, preprocessing_of
from merian.errors import FormatError, InputError, NotFoundError
from merian.image.transforms import Augmentation
from merian.learn.adapted import Adapted, AdaptedConfig
from merian.learn.devices import seed_all
from merian.learn.encoders import find_kind
from merian.learn.encoding import features, width_of
from merian.learn.examples import Masking
from merian.learn.kept_vectors import Progress, kept_vectors
from merian.learn.learned_names import KEY, names_together
from merian.learn.low_rank import add_low_rank
from merian.learn.modalities import Contrastive
from merian.learn.network_building import (
    Start,
    build_network,
    drawn,
    few_barcodes,
    start_of,
    words_for,
)
from merian.learn.pack import Pack
from merian.learn.packed_task import card_of, sampler_of
from merian.learn.recipe import TOWERS, Recipe, TowerPart
from merian.learn.record_examples import PackedRecords
from merian.learn.task import Indices, Task
from merian.text.wording import WORDINGS
from merian.text.words import TextWords, learn_words
from merian.threads import one_thread

__all__ = ["align_task"]

_START = 3  # the stream of chance of the first weights
_WORDED = 20_000  # examples at most that teach the pieces of words
_FITTED, _FITTED_ANEW = 20_000, 1_000  # that main axes are fitted to: if kept, and if not
_AT_A_TIME = 64


@dataclass
class _Said:
    """What is known before the towers are built.

    Attributes:
        order: The examples to learn from, in an order of chance.
        spelled: Those of them that have a barcode, in that order.
        accounts: Prose about taxa, by name.
        progress: Is told how far frozen towers have looked.
        barcodes: The words of barcodes.
        texts: The pieces of texts.
        starts: What each tower starts with.
        preprocessing: What is done to the items of each modality.
        kept: Where lies what a frozen tower sees of a part, by modality and part.
    """

    order: Indices
    spelled: Indices
    accounts: Mapping[str, str]
    progress: Progress | None
    barcodes: Words | None = None
    texts: TextWords | None = None
    starts: dict[str, Start | None] = field(default_factory=dict)
    preprocessing: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[tuple[str, str], Path] = field(default_factory=dict)


def align_task(recipe: Recipe, pack: Pack, progress: Progress | None = None) -> Task:
    """Return what a recipe with towers trains on a pack of records.

    Args:
        recipe: The recipe.
        pack: All of it.
        progress: Is told how far frozen towers have looked.
    """
    train = pack.part("train")
    ranks = _ranks(recipe, pack)
    told = _before(recipe, train, progress)
    seed_all(recipe.training.seed, _START)
    encoders, origins = {}, {}
    for name, part in recipe.towers.items():
        encoders[name], origins[name] = _tower(name, part, recipe, train, told)
    objective = Contrastive(
        encoders,
        recipe.objective.width,
        loss=recipe.objective.contrast,
        share=recipe.objective.positives,
        rank=None if recipe.objective.positives == "record" else 0,
        scale=recipe.objective.scale,
        bound_to=recipe.objective.bound_to,
    )
    found = [
        _examples(recipe, pack, name, told, encoders, ranks, [*encoders])
        if name in pack.parts
        else None
        for name in ("train", "valid")
    ]
    for name, encoder in encoders.items():
        if isinstance(encoder, Adapted) and encoder.config.axes:
            shown = _examples(recipe, pack, "train", told, encoders, (), [name])
            encoder.fit(_seen_by(encoder, shown, told.order))
    learned = {rank: names for rank in train.ranks if (names := _seen(train, rank))}
    card = {
        **card_of(pack),
        "modalities": pack.modalities,
        "preprocessing": told.preprocessing,
        "towers": {name: origin for name, origin in origins.items() if origin},
        KEY: names_together([learned, *(origin.get(KEY, {}) for origin in origins.values())]),
    }
    return Task(objective, cast(PackedRecords, found[0]), found[1], card, sampler_of(recipe, train))


def _ranks(recipe: Recipe, pack: Pack) -> tuple[str, ...]:
    """Return the rank at which records are of one taxon."""
    if recipe.objective.positives == "record":
        return ()
    pack.names(recipe.objective.taxon)  # says what there is
    return (recipe.objective.taxon,)


def _seen(pack: Pack, rank: str) -> list[str]:
    """Return the names at a rank that a part of a pack has."""
    codes = np.unique(pack.labels(rank))
    names = pack.names(rank)
    return [names[code] for code in codes.tolist() if code >= 0]


# -- the towers -----------------------------------------------------------------------------------


def _before(recipe: Recipe, train: Pack, progress: Progress | None) -> _Said:
    """Return what is known before the towers are built."""
    order = drawn(train.shards, recipe.data.window)
    spelled = order[train.barcodes(order) >= 0]
    told = _Said(order, spelled, _accounts(recipe.data.accounts), progress)
    for name, part in recipe.towers.items():
        start = told.starts[name] = start_of(part, f"{TOWERS}.{name}")
        if name == "image":
            told.preprocessing[name] = {"size": recipe.data.size}
        elif name == "barcode":
            told.barcodes = words_for(recipe.data, told.spelled, train.sequences, start)
            told.preprocessing[name] = preprocessing_of(told.barcodes)
        elif name == "text":
            told.texts = _pieces(recipe, train, told, start)
            told.preprocessing[name] = told.texts.preprocessing()
        else:
            told.preprocessing[name] = {"place": "degrees", "day": "of the year"}
    return told


def _pieces(recipe: Recipe, train: Pack, told: _Said, start: Start | None) -> TextWords:
    """Return the pieces that texts are cut into; those of the model where it starts with one."""
    if start is not None:
        return TextWords.of(start.card["preprocessing"])
    data = recipe.data
    shown = PackedRecords(
        train,
        ("text",),
        texts=TextWords((), data.text_pieces),
        wordings=data.wordings or WORDINGS,
        accounts=told.accounts,
        learns=True,
        ranks=(),
    )
    texts = shown.worded(told.order[:_WORDED], np.random.default_rng(_START))
    return learn_words(texts, merges=data.text_merges, length=data.text_pieces)


def _tower(
    name: str, part: TowerPart, recipe: Recipe, train: Pack, told: _Said
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network of a modality, and where its weights come from."""
    where, start = f"{TOWERS}.{name}", told.starts[name]
    if start is None and find_kind(str(part.kind)).modality != name:
        raise InputError(
            f"{where}.kind is {part.kind}, an encoder of {find_kind(str(part.kind)).modality}"
        )
    if part.kind == "text-hub":
        raise InputError(
            f"{where}.kind is text-hub, which cuts texts into words of its own; in a recipe take "
            "text-transformer (as a control it is `merian.text.hub.HubText`)"
        )
    words = {"barcode": told.barcodes, "text": told.texts}.get(name)
    network, origin = build_network(part, words, told.preprocessing[name], start, where)
    if told.barcodes is not None and start is None and hasattr(network, "fit"):
        barcodes = told.barcodes
        fit = cast(Any, network).fit
        fit(lambda: few_barcodes(recipe.data, told.spelled, train.sequences, barcodes))
    if part.low_rank is not None:
        try:
            add_low_rank(network, part.low_rank)
        except InputError as error:
            raise InputError(f"{where}.low_rank: {error}") from None
    if part.frozen:
        axes = min(part.trunk_axes, width_of(network))
        layers = part.trunk_layers if part.trunk else 0
        network = Adapted(network, AdaptedConfig(part.trunk, layers, part.trunk_dropout, axes))
    return network, origin


# -- the examples ---------------------------------------------------------------------------------


def _examples(
    recipe: Recipe,
    pack: Pack,
    part: str,
    told: _Said,
    encoders: Mapping[str, nn.Module],
    ranks: Sequence[str],
    modalities: Sequence[str],
) -> PackedRecords:
    """Return the examples of a part; of those only looked at nothing is left to chance."""
    data = recipe.data
    for name in modalities:
        frozen = recipe.towers[name].frozen and _is_kept(name, recipe)
        if frozen and (name, part) not in told.kept:
            tower = cast(Any, encoders[name]).tower
            told.kept[name, part] = kept_vectors(
                tower, name, told.preprocessing[name], pack, part, told.progress
            )
    return PackedRecords(
        pack.part(part),
        modalities,
        size=data.size,
        barcodes=told.barcodes,
        texts=told.texts,
        wordings=data.wordings or WORDINGS,
        accounts=told.accounts,
        learns=part == "train",
        augment=Augmentation() if data.augment else None,
        masking=Masking(0.0, data.any_frame, data.either_strand),
        ranks=ranks,
        kept={name: told.kept[name, part] for name in modalities if (name, part) in told.kept},
    )


def _seen_by(encoder: Adapted, shown: PackedRecords, order: Indices) -> NDArray[np.float32]:
    """Return what a frozen tower makes of some examples of one modality, float32[n, width]."""
    (name,) = shown.modalities
    order = order[: _FITTED if name in shown.kept else _FITTED_ANEW]
    random, rows = np.random.default_rng(_START), []
    with one_thread(), torch.no_grad():
        for first in range(0, len(order), _AT_A_TIME):
            batch = shown.batch(order[first : first + _AT_A_TIME], random)
            own = {k.removeprefix(f"{name}."): t for k, t in batch.items() if k.startswith(name)}
            seen = own["vectors"] if "vectors" in own else features(encoder.tower, own)
            rows.append(seen[batch["present"][:, 0]].float().numpy())
    return np.concatenate(rows)


def _is_kept(name: str, recipe: Recipe) -> bool:
    """Return whether a tower sees the same of an example each time, and one process is alone."""
    data = recipe.data
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return False  # they would all make them at once; each step makes its own
    return {
        "image": not data.augment,
        "barcode": not (data.any_frame or data.either_strand),
    }.get(name, False)


def _accounts(table: str | None) -> dict[str, str]:
    """Read prose about taxa, by name."""
    if table is None:
        return {}
    path = Path(table)
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file; data.accounts is a table of names and prose")
    found = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
        if missing := {"name", "text"} - set(reader.fieldnames or ()):
            raise FormatError(f"has no column {sorted(missing)[0]!r}", path=path, line=1)
        for row in reader:
            if row["name"] and row["text"]:
                found[row["name"].strip()] = row["text"].strip()
    return found
