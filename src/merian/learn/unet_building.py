"""What networks of `merian.learn.unet` have in common when they are built: settings and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from merian.errors import FormatError, InputError, did_you_mean
from merian.learn.saved import CARD, WEIGHTS, load_weights, model_folder, read_card

__all__ = ["check_settings", "take_weights", "trained_folder"]


def check_settings(kind: str, said: Mapping[str, Any], known: Sequence[str]) -> None:
    """Say so if a setting is none that there is, or no whole number."""
    for name, value in said.items():
        if name not in known:
            raise InputError(
                f"{kind}: nothing is called {name!r} there; there are {', '.join(known)}."
                + did_you_mean(name, known)
            )
        if type(value) is not int:
            raise InputError(f"{kind}: {name} is {value!r}; expected a whole number")


def trained_folder(
    model: Path | str, kinds: Sequence[str], purpose: str
) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a model and its card.

    Args:
        model: The folder of a model or of a run, or the name of one that ships.
        kinds: What it may have been trained for.
        purpose: The same in words, for whoever gives another.
    """
    folder = model_folder(model)
    if folder is None:
        raise InputError(f"{model}: no folder of a model or of a run that is done, and none ships "
                         "by that name")  # fmt: skip
    card = read_card(folder)
    kind = card["objective"].get("kind")
    if kind not in kinds:
        raise FormatError(f"was trained for {kind!r}, and not to {purpose}", path=folder / CARD)
    return folder, card


def take_weights(network: nn.Module, folder: Path) -> None:
    """Give a network the weights of a folder, which are to fit."""
    try:
        network.load_state_dict(load_weights(folder, "encoder."))
    except RuntimeError as error:
        raise FormatError(
            f"does not fit to its card: {str(error).splitlines()[-1].strip()}",
            path=folder / WEIGHTS,
        ) from None
