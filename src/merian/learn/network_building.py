"""From a part of a recipe to a network: built from chance, or gone on with from a model.

What an item is turned into before the network (the words of a barcode) follows from [data], or from
the model that is gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from merian.barcode.pair_tokens import PairTokens, learn_pairs
from merian.barcode.tokens import KmerTokens
from merian.barcode.vocabulary import Words, words_of
from merian.errors import InputError, NotFoundError, did_you_mean
from merian.learn.encoders import build_encoder, find_kind
from merian.learn.encoding import described
from merian.learn.examples import Masking, barcode_batch
from merian.learn.learned_names import KEY, learned_names
from merian.learn.order import epoch_order
from merian.learn.recipe import Data, EncoderPart
from merian.learn.saved import load_weights, model_folder, read_card
from merian.learn.task import Indices
from merian.nucleotides import reverse_complement
from merian.text.words import TextWords

__all__ = ["Read", "Start", "build_network", "drawn", "few_barcodes", "start_of", "words_for"]

_LEARNED_FROM = 5000  # barcodes teach the words that are learned
_FITTED_TO, _AT_A_TIME = 20_000, 256  # barcodes at most that an encoder is fitted to
_CHANCE = 3  # which strand of a barcode an encoder is fitted to

Read = Callable[[Indices], Sequence[str]]
"""Gives the sequences of some examples."""


@dataclass(frozen=True)
class Start:
    """The model that a network starts with."""

    folder: Path
    card: dict[str, Any]


def start_of(part: EncoderPart, where: str = "encoder") -> Start | None:
    """Return the model that a part of a recipe starts with; None where it starts from chance."""
    if part.from_ is None:
        return None
    folder = model_folder(part.from_)
    if folder is None:
        raise NotFoundError(
            f"{where}.from is {part.from_!r}: no folder of a run that is done, nor of a model"
        )
    return Start(folder, read_card(folder))


def build_network(
    part: EncoderPart,
    tokens: Words | TextWords | None,
    preprocessing: Mapping[str, Any],
    start: Start | None,
    where: str = "encoder",
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network, and where its weights come from.

    Args:
        part: Of the recipe.
        tokens: The words of barcodes or texts; None for what has no words.
        preprocessing: What is done to an item before.
        start: The model that it starts with.
        where: What the part is called in the recipe, for errors.
    """
    if start is not None:
        return _continued(part, preprocessing, start, where)
    said = dict(part.settings)
    if tokens is not None:
        follows = {"vocabulary": tokens.size, "positions": tokens.length}
        for name in follows:
            if name in said:
                raise InputError(f"{where}.{name} follows from [data]; leave it out")
        known = find_kind(str(part.kind)).keys()
        said |= {name: value for name, value in follows.items() if name in known}
    return build_encoder({"kind": part.kind, **said}), {}


def _continued(
    part: EncoderPart, preprocessing: Mapping[str, Any], start: Start, where: str
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the encoder of a run, with its weights."""
    folder, card = start.folder, start.card
    kept = dict(card["objective"]["encoder"])
    if "millimetres" in kept:  # where that is new, it begins as nothing
        kept["millimetres"] |= part.settings.get("millimetres") is True
    encoder = build_encoder(kept)
    told = described(encoder)  # also what its card does not say, being older
    known = ["kind", *find_kind(told["kind"]).keys()]
    for name, value in {"kind": part.kind, **part.settings}.items():
        if name not in known:
            raise InputError(
                f"{told['kind']}: nothing is called {name!r} there; there are "
                f"{', '.join(known[1:])}.{did_you_mean(name, known[1:])}"
            )
        if value is not None and name in told and told[name] != value:
            raise InputError(
                f"{where}.{name} is {value!r} in the recipe and {told[name]!r} in {folder}; set "
                "it to that, or leave it out"
            )
    if card["preprocessing"] != preprocessing:
        raise InputError(
            f"{folder}: was trained on {_briefly(card['preprocessing'])}, and [data] says "
            f"{_briefly(preprocessing)}; set it to that"
        )
    new = {name: t for name, t in encoder.state_dict().items() if name.startswith("size.")}
    encoder.load_state_dict(new | load_weights(folder, "encoder."))
    names = learned_names(card)
    before = {"starts_from": {"id": card["id"], "name": card["name"]}}
    return encoder, {**before, **({KEY: names} if names else {})}


def _briefly(preprocessing: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is done to an item, with the number of the merges instead of them all."""
    told = dict(preprocessing)
    return told | ({"merges": len(told["merges"])} if "merges" in told else {})


def words_for(data: Data, order: Indices, read: Read, start: Start | None) -> Words:
    """Return the words of the barcodes; those of the model where it starts with one.

    Args:
        data: Of the recipe.
        order: Examples, as `drawn` gives them.
        read: Gives their sequences.
        start: The model.
    """
    if data.words == "kmers":
        return KmerTokens(data.k, data.stride, data.bases)
    if start is None:
        texts = [*read(order[:_LEARNED_FROM])]
        if data.either_strand:
            texts = [*texts, *map(reverse_complement, texts)]
        return learn_pairs(texts, data.merges, data.bases)
    told = start.card["preprocessing"] or {}
    found = words_of(told) if "merges" in told else None
    if not isinstance(found, PairTokens) or (len(found.merges), found.bases) != (
        data.merges,
        data.bases,
    ):
        raise InputError(
            f"{start.folder}: was trained on {_briefly(told)}, and [data] says words = pairs, "
            f"merges = {data.merges}, bases = {data.bases}; set it to that"
        )
    return found


def drawn(shards: Sequence[int], window: int) -> Indices:
    """Return examples in an order of chance that is the same for all seeds."""
    return epoch_order(shards, 0, 0, window)


def few_barcodes(data: Data, order: Indices, read: Read, tokens: Words) -> Iterator[Tensor]:
    """Yield barcodes, as words, for an encoder that is fitted to them; the same each time."""
    chosen = order[:_FITTED_TO]
    masking = Masking(either_strand=data.either_strand)
    random = np.random.default_rng(_CHANCE)
    for first in range(0, len(chosen), _AT_A_TIME):
        texts = read(chosen[first : first + _AT_A_TIME])
        yield barcode_batch(texts, tokens, masking, random)["tokens"]
