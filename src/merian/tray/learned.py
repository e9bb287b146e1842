"""The finder that was trained: a small network that has learned from drawn trays.

What must be the same in every tile is only by how much the photograph is made smaller, so that its
bodies are as large as those that the network knows, and how wide a body is at most. Both come from
the classical finder's look at the whole photograph, as does where no body can be: rulers, print and
what is beside the tray, which a network that has seen no other photographs takes for bodies at
times. Tiles are filled up so that the cells of the network lie on one grid in all of them. See
`merian.learn.instance_network`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from merian.learn.instance_finding import HALO, BodyFinder, load_body_finder
from merian.learn.instance_network import STEP
from merian.measure.masks import region_from
from merian.tray.classical import OUTSIDE, Beyond
from merian.tray.classical import settle as classical
from merian.tray.finding import Found, Look

__all__ = ["Learned", "settle"]

Bytes = NDArray[np.uint8]

_USUAL = 60  # pixels: the root of a usual body's area; what is twice as large is made smaller
_LEAST = 64  # pixels that tiles overlap at least
_MOST = 640  # and at most: bodies are not wider at that scale
_NO_DISTANCE = np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class Learned:
    """What is the same in all tiles of a photograph.

    Attributes:
        factor: How many times smaller it is made.
        halo: How far an answer hangs on its neighbours.
        largest: How wide or high a body is at most.
        finder: The network.
        shape: Height and width of the smaller photograph.
        beyond: Where no body is.
    """

    factor: int
    halo: int
    largest: int
    finder: BodyFinder
    shape: tuple[int, int]
    beyond: Beyond

    def __call__(self, picture: Bytes, left: int, top: int) -> tuple[Found, ...]:
        """Return the bodies in a tile, also those that its border cuts."""
        before = top % STEP, left % STEP
        whole = np.pad(picture, [(before[0], 0), (before[1], 0), (0, 0)], "edge")
        outside = self.beyond.seen(picture.shape[:2], left, top, self.factor)
        found = []
        for one in self.finder.find(whole):
            # What was filled up is no part of the tile.
            rows, columns = max(before[0] - one.top, 0), max(before[1] - one.left, 0)
            mask = one.mask[rows:, columns:][
                : picture.shape[0] + before[0] - one.top - rows,
                : picture.shape[1] + before[1] - one.left - columns,
            ]
            if not mask.any():
                continue
            at = one.top + rows - before[0], one.left + columns - before[1]
            here = outside[at[0] :, at[1] :][: mask.shape[0], : mask.shape[1]]
            if here[mask].mean() > OUTSIDE:
                continue
            placed = region_from(mask, at[0] + top, at[1] + left, self.shape, _NO_DISTANCE, ())
            region = replace(placed, left=placed.left - left, top=placed.top - top)
            found.append(Found(region, one.score))
        return tuple(found)


def settle(look: Look, model: str) -> Learned:
    """Settle on what is the same in all tiles of a photograph; `model` is a folder."""
    seen = classical(look)
    usual = float(np.sqrt(seen.usual)) * seen.factor
    factor = max(1, int(usual / _USUAL))
    largest = seen.largest * seen.factor // factor
    return Learned(
        factor, HALO, min(max(largest, _LEAST), _MOST), load_body_finder(model),
        (look.height // factor, look.width // factor), seen.beyond,
    )  # fmt: skip
