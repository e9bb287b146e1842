"""One tower of a model that has several: an encoder with its map to the space that they share.

A model that was trained by `contrastive` holds an encoder for each modality. Each of them with its
map is an encoder like any other, and the vectors of all may be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from merian.errors import InputError
from merian.learn.encoders import build_encoder

__all__ = ["SEVERAL", "Tower", "build_tower", "card_of_tower", "modalities_of"]

SEVERAL = "modalities"
"""The kind that stands in a card for encoders of several modalities."""


class Tower(nn.Module):
    """An encoder, and what maps its vectors to the common space.

    Args:
        encoder: It.
        head: The map.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.head = head
        if hasattr(encoder, "size"):  # it is told how large things are in life
            self.size = encoder.size

    def features(self, pixels: Tensor, *told: Tensor) -> Tensor:
        """Return float[b, width] for pictures, as the encoder takes them."""
        mapped: Tensor = self.head(self.encoder.features(pixels, *told))
        return mapped

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width] for barcodes or texts, as words."""
        mapped: Tensor = self.head(self.encoder.pooled(tokens, keep))
        return mapped

    def located(self, place: Tensor) -> Tensor:
        """Return float[b, width] for places."""
        mapped: Tensor = self.head(self.encoder.located(place))
        return mapped


def modalities_of(card: Mapping[str, Any]) -> Sequence[str]:
    """Return the modalities that a model has an encoder of each for; none of most models."""
    encoder = (card.get("objective") or {}).get("encoder") or {}
    return tuple(encoder[SEVERAL]) if encoder.get("kind") == SEVERAL else ()


def card_of_tower(card: Mapping[str, Any], modality: str) -> dict[str, Any]:
    """Return the card of one of several encoders; its id is its own, and the space that of all."""
    there = modalities_of(card)
    if modality not in there:
        raise InputError(
            f"{card['name']} has encoders of {', '.join(there)}, and none of {modality!r}"
        )
    own = hashlib.blake2b(f"{card['id']}\n{modality}".encode(), digest_size=8).hexdigest()
    preprocessing = card["preprocessing"][modality]
    return {**card, "id": own, "modality": modality, "preprocessing": preprocessing}


def build_tower(card: Mapping[str, Any], modality: str, weights: Mapping[str, Tensor]) -> Tower:
    """Build one of several encoders, with its map.

    Args:
        card: Of the model.
        modality: Which.
        weights: Of the whole model.
    """
    encoder = build_encoder(card["objective"]["encoder"][SEVERAL][modality])
    body, map = f"encoder.{modality}.", f"heads.{modality}."
    encoder.load_state_dict(_under(weights, body))
    own = _under(weights, map)
    out, wide = own["weight"].shape
    head = nn.Linear(wide, out, bias=False)
    head.load_state_dict(own)
    return Tower(encoder, head)


def _under(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in weights.items() if k.startswith(prefix)}
