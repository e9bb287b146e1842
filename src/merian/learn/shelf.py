"""The networks that come with the package: weights and card, a folder for each, found by name.

They are made by `merian bench shipped-encoder` (see `merian.learn.shipping`). Torch is not needed
to see what is there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["BARCODES", "BODIES", "DRAWN_PLACES", "PLACES", "SHELF", "encoders_on_shelf",
           "finders_on_shelf", "shelf_folder"]  # fmt: skip

SHELF = Path(__file__).parent / "shipped"
BARCODES = "barcode-small"
"""What `merian embed` takes for barcodes where no other encoder is given."""

BODIES = "bodies-small"
"""What finds bodies in photographs where no other network is given."""

PLACES = "landmarks-pinned"
"""What places landmarks on specimens where no other network is given."""

DRAWN_PLACES = "landmarks-small"
"""One that has learned from drawn insects alone: others begin with it, and no photograph that a
figure is told of is known to it."""

_CARD = "card.json"


def encoders_on_shelf() -> dict[str, dict[str, Any]]:
    """Return the cards of the encoders that are there, by name."""
    return {name: card for name, card in _cards().items() if card.get("modality")}


def finders_on_shelf() -> dict[str, dict[str, Any]]:
    """Return the cards of the networks that find bodies, by name."""
    return {
        name: card
        for name, card in _cards().items()
        if card.get("objective", {}).get("kind") == "instances"
    }


def _cards() -> dict[str, dict[str, Any]]:
    return {
        file.parent.name: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(SHELF.glob(f"*/{_CARD}"))
    }


def shelf_folder(name: str) -> Path | None:
    """Return the folder of an encoder that comes with the package; None if none is called so."""
    found = [file.parent for file in SHELF.glob(f"*/{_CARD}") if file.parent.name == name]
    return found[0] if found else None
