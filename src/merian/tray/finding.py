"""How bodies are found in a tile: by a finder, of which there may be several.

A finder is a name and a function. Before any tile it is shown the whole photograph at reduced size,
and settles on what has to be the same everywhere: the colour of the ground, levels, what is no
ground at all. What it returns is asked tile by tile. A new finder is one entry of `FINDERS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from merian.errors import MissingExtraError, NotFoundError, did_you_mean
from merian.learn.shelf import BODIES, finders_on_shelf
from merian.measure.masks import Region
from merian.pictures import BadPictureError
from merian.tray.photograph import Photograph

__all__ = ["FINDERS", "LEARNED", "Finder", "Found", "Look", "Search", "finder", "look_at"]

Bytes = NDArray[np.uint8]

_LOOKED = 4_000_000  # pixels of the reduced photograph


@dataclass(frozen=True)
class Look:
    """A whole photograph at reduced size.

    Attributes:
        picture: uint8[h, w, 3]: every `step`-th pixel of the photograph.
        step: How many times smaller it is.
        width: Of the photograph.
        height: The same.
        px_per_mm: Its scale, where that is known.
    """

    picture: Bytes
    step: int
    width: int
    height: int
    px_per_mm: float | None = None


@dataclass(frozen=True)
class Found:
    """A body in a tile.

    Attributes:
        region: Where it is in the picture of the tile.
        score: How sure it is that this is a body, from 0 to 1.
    """

    region: Region
    score: float


class Search(Protocol):
    """A finder that has settled on what is the same in a whole photograph.

    Attributes:
        factor: How many times smaller the photograph is made before it is searched.
        halo: How far what is found at a pixel hangs on others, in pixels of that smaller one.
        largest: How wide or high a body is at most, in pixels of that smaller one: so far tiles
            overlap at least.
    """

    @property
    def factor(self) -> int: ...  # noqa: D102 - said above

    @property
    def halo(self) -> int: ...  # noqa: D102

    @property
    def largest(self) -> int: ...  # noqa: D102

    def __call__(self, picture: Bytes, left: int, top: int) -> tuple[Found, ...]:
        """Return the bodies in a tile, also those that its border cuts.

        Args:
            picture: uint8[h, w, 3], the tile.
            left: Where it begins in the smaller photograph.
            top: The same.
        """
        ...


Finder = Callable[[Look], Search]


def _classical(look: Look) -> Search:
    from merian.tray.classical import settle  # noqa: PLC0415 - each finder brings its own

    return settle(look)


def _learned(look: Look, model: str) -> Search:
    try:
        from merian.tray.learned import settle  # noqa: PLC0415 - it needs torch, an extra
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("the learned finder", "models") from None
    return settle(look, model)


FINDERS: dict[str, Finder] = {"classical": _classical}
"""The finders by name, besides the networks that ship or that users have trained."""

LEARNED = "learned"
"""The network that ships."""


def finder(name: str) -> tuple[str, Finder]:
    """Return a finder, and what it is called where its finds are told.

    Args:
        name: One of `FINDERS`, `LEARNED`, or the folder of a network that was trained.
    """
    if name in FINDERS:
        return name, FINDERS[name]
    shipped = finders_on_shelf()
    if name == LEARNED and BODIES in shipped:
        return _called(shipped[BODIES]), partial(_learned, model=BODIES)
    if Path(name).is_dir():
        return _called(_card(Path(name)), name), partial(_learned, model=name)
    known = (*FINDERS, LEARNED)
    raise NotFoundError(
        f"no finder is called {name!r}; there are {', '.join(known)}, or give the folder of a "
        "run of merian train instances." + did_you_mean(name, known)
    )


def _called(card: Mapping[str, Any], otherwise: str = "") -> str:
    """Return what a network is called, wherever it lies: by its name and the id of its weights."""
    return f"{card['name']} {card['id']}" if {"name", "id"} <= {*card} else otherwise


def _card(folder: Path) -> dict[str, Any]:
    """Return the card of a model or of a run; none where there is none, which is told later."""
    for place in (folder / "card.json", folder / "model" / "card.json"):
        if place.is_file():
            try:
                found = json.loads(place.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                break
            return found if isinstance(found, dict) else {}
    return {}


def look_at(photograph: Photograph, px_per_mm: float | None = None) -> Look:
    """Return a whole photograph at reduced size."""
    step = max(1, int(np.ceil(np.sqrt(photograph.width * photograph.height / _LOOKED))))
    if min(photograph.width, photograph.height) <= step // 2:
        raise BadPictureError(
            f"is {photograph.width:,} x {photograph.height:,} pixels, too narrow to be looked at"
        )
    return Look(
        photograph.sampled(step), step, photograph.width, photograph.height, px_per_mm
    )  # fmt: skip
