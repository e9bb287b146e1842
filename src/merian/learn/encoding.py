"""Encoders as objectives see them: a batch in, vectors out, and a card that tells the kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from merian.errors import InputError
from merian.learn.task import Batch, Objective

__all__ = ["EncoderAlone", "described", "features", "pixels_of", "width_of"]

_KINDS = {
    "BarcodeBert": "barcode-bert",
    "BarcodeMamba": "barcode-mamba",
    "BarcodeCnn": "barcode-cnn",
    "BarcodeSpectrum": "barcode-spectrum",
    "VisionTransformer": "vit",
    "TextTransformer": "text-transformer",
    "PlaceNetwork": "place-fourier",
}


def described(encoder: nn.Module) -> dict[str, Any]:
    """Return the kind of an encoder and its configuration, as a card holds them.

    Where it has a tower, that one's card stands within.
    """
    config = getattr(encoder, "config", None)
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise InputError(
            f"{type(encoder).__name__} has no config to be written down; give `about` yourself"
        )
    name = type(encoder).__name__
    tower = getattr(encoder, "tower", None)
    within = {"tower": described(tower)} if isinstance(tower, nn.Module) else {}
    kind = getattr(encoder, "kind", _KINDS.get(name, name))
    return {"kind": kind, **within, **dataclasses.asdict(config)}


def features(encoder: nn.Module, batch: Batch) -> Tensor:
    """Return float[b, width]: what an encoder makes of items of its modality.

    What an encoder was made of already ("vectors", float[b, width]) goes through its `mapped`,
    where it has one. Barcodes and texts ("tokens" and "keep") go through its `pooled`, places
    ("place", float[b, 3]) through its `located`. Pictures ("pixels", uint8[b, h, w, 3])
    become (value - 127) / 128, channels first, and go through its `features`; where the batch has
    "mm" (float[b, 2], the sides in life) and the network takes that, with it.
    """
    found: Tensor
    network: Any = encoder
    if "vectors" in batch and hasattr(encoder, "mapped"):
        found = network.mapped(batch["vectors"])
    elif "place" in batch and hasattr(encoder, "located"):
        found = network.located(batch["place"])
    elif "pixels" in batch and hasattr(encoder, "features"):
        pixels = pixels_of(batch)
        told = hasattr(encoder, "size") and "mm" in batch
        found = network.features(pixels, batch["mm"]) if told else network.features(pixels)
    elif "tokens" in batch and hasattr(encoder, "pooled"):
        found = network.pooled(batch["tokens"], batch.get("keep"))
    else:
        raise InputError(
            f"a batch of {', '.join(sorted(batch))} does not suit {type(encoder).__name__}: "
            "barcodes and texts go to `pooled`, pictures to `features`, places to `located`, "
            "vectors to `mapped`"
        )
    return found


def pixels_of(batch: Batch) -> Tensor:
    """Return float[b, 3, h, w]: the pictures of a batch, (value - 127) / 128."""
    pixels = (batch["pixels"].permute(0, 3, 1, 2).float() - 127) / 128
    return pixels.contiguous(memory_format=torch.channels_last)


def width_of(encoder: nn.Module) -> int:
    """Return how many numbers an encoder makes of an item."""
    width = getattr(encoder, "width", None)
    if not isinstance(width, int):
        raise InputError(f"{type(encoder).__name__} does not tell its width")
    return width


class EncoderAlone(Objective):
    """An encoder without heads and without a loss, to be saved; a recipe goes on from it.

    Args:
        encoder: It.
        kind: What its card says of where it comes from.
        about: The encoder's part of the card, where `described` cannot tell it.
    """

    def __init__(
        self, encoder: nn.Module, kind: str, about: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.kind = encoder, kind
        self.about = dict(described(encoder) if about is None else about)

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build the encoder again."""
        return {"kind": self.kind, "encoder": self.about, "heads": {}}
