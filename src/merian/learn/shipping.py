"""From a run to the encoder that ships: the weights of the encoder alone, in 16 bits, and its card.

The card says of what it was made and how, what it is for and what not. Heads and decoders stay
behind: they name the classes of one corpus, or guess words, and no vector hangs on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merian.errors import FormatError, InputError
from merian.learn.encoders import build_encoder
from merian.learn.encoding import EncoderAlone
from merian.learn.learned_names import KEY, learned_names
from merian.learn.saved import CARD, WEIGHTS, load_weights, model_folder, read_card, save_model
from merian.learn.shelf import BARCODES

__all__ = ["LARGEST", "ship"]

LARGEST = 15_000_000  # bytes of weights that a package may bring

_USE = (
    "Vectors of DNA barcodes, so that what is related lies near: to search, to group, to look at, "
    "and as a start for an encoder of one's own."
)
_LIMITS = (
    "It gives no names and no probabilities; `merian identify` does.",
    "It learned COI of animals and ITS of fungi. Of other genes its vectors say little.",
    "It reads the strand that databases keep, and the first {bases:,} bases.",
    "It has seen the sources listed here whole. A score on any of them tells nothing, so the "
    "benches of Merian train their own encoders on the references of each split.",
)


def ship(
    run: Path | str,
    out: Path | str,
    sources: Sequence[Mapping[str, Any]],
    name: str = BARCODES,
) -> int:
    """Write the encoder of a run as it ships, complete or not at all; return its bytes.

    Args:
        run: A run that is done, or the folder of a model.
        out: The folder to write.
        sources: What `merian.bench.encoder_corpus` says of each source.
        name: What people call it.
    """
    folder = model_folder(run)
    if folder is None:
        raise InputError(f"{run}: holds no model; give a run that is done")
    card = read_card(folder)
    about = card["objective"].get("encoder")
    if not about or not card["preprocessing"]:
        raise FormatError("is no encoder of barcodes", path=folder / CARD)
    encoder = build_encoder(about)
    encoder.load_state_dict(load_weights(folder, "encoder."))
    parameters = sum(p.numel() for p in encoder.parameters())
    if 2 * parameters > LARGEST:
        raise InputError(
            f"{run}: {parameters:,} numbers of 16 bits are {2 * parameters / 1e6:.1f} MB; at most "
            f"{LARGEST / 1e6:.0f} MB can ship"
        )
    told = _card(card, sources, name, parameters)
    save_model(out, EncoderAlone(encoder, "encoder", about), told, half=True)
    return (Path(out) / WEIGHTS).stat().st_size


def _card(
    card: Mapping[str, Any], sources: Sequence[Mapping[str, Any]], name: str, parameters: int
) -> dict[str, Any]:
    """Return what is to be said of it."""
    training = card.get("training") or {}
    used = [{k: v for k, v in source.items() if k != "used"} for source in sources
            if source["used"]]  # fmt: skip
    left_out = [{key: source[key] for key in ("name", "from", "licence")} for source in sources
                if not source["used"]]  # fmt: skip
    found: dict[str, Any] = {
        "name": name,
        "preprocessing": card["preprocessing"],
        "licence": "Apache-2.0",
        "use": _USE,
        "limits": [limit.format(bases=card["preprocessing"]["bases"]) for limit in _LIMITS],
        "parameters": parameters,
        "sources": used,
        "left_out": left_out,
        "sequences": sum(int(source["sequences"]) for source in used),
        "recipe": card.get("recipe"),
        "training": {**training, "objective": card["objective"].get("kind"),
                     "held_out_figures": training.get("figures", {})},
    }  # fmt: skip
    found["training"].pop("figures", None)
    if names := learned_names(card):
        found[KEY] = names
    try:
        json.dumps(found)
    except TypeError as error:
        raise FormatError(f"the card of the run holds what JSON cannot ({error})") from None
    return found
