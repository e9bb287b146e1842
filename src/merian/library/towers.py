"""The models that libraries take: of one kind of thing, or aligned, with a tower for each of some.

An aligned model (see `merian.learn.modalities`) puts a picture and a barcode of one species near to
each other, so that a picture can be asked of a library that holds barcodes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian.errors import InputError

__all__ = ["MODALITY", "model_id", "models", "open_tower", "towers_of"]

MODALITY = {"barcode": "barcode", "picture": "image"}
"""By the kind of a library, the modality of what its entries are."""


def models() -> Any:
    """Return what reads models, or say which extra is missing."""
    from merian.learn import load_model, saved  # noqa: PLC0415 - torch, for who asks alone

    assert load_model is saved.load_model  # asked for first: this is what tells of the extra
    return saved


def towers_of(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modalities of which an aligned model has a tower; nothing of all other models."""
    from merian.learn.aligned import modalities_of  # noqa: PLC0415 - torch

    return tuple(modalities_of(card))


def model_id(given: Path | str) -> str | None:
    """Return the id of a whole model; None of one that is no folder."""
    folder = models().model_folder(given)
    return None if folder is None else str(models().read_card(folder)["id"])


def open_tower(given: Path | str, modality: str) -> Any:
    """Open an encoder in 32 bits on a CPU, so that all machines reckon alike.

    Args:
        given: The folder of a model or of a run, or the name of an encoder that ships.
        modality: Which tower, where it is an aligned model.
    """
    saved = models()
    folder = saved.model_folder(given)
    towers = () if folder is None else towers_of(saved.read_card(folder))
    if not towers:
        return saved.load_model(given, "cpu", "float32")
    if modality not in towers:
        raise InputError(
            f"{given}: aligns {', '.join(towers)}, and a tower of {modality} is needed here"
        )
    return saved.load_model(given, "cpu", "float32", modality=modality)
