"""Pictures of drawn bodies at a wished scale, with their true lengths: what a measurement is asked.

A body is photographed as a world photographs it: turned, slightly tilted, with its legs and
antennae somewhere, dirt around it, light from the side. The size of the picture is chosen so that a
millimetre has so many pixels; how many it has to the last digit is a part of the truth. The scale
that is told is off by a draw of the uncertainty that is told with it, as anybody's is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.world.biota import make_biota
from merian.world.photograph import photograph
from merian.world.traits import KINDS, evolve_traits, individual

__all__ = ["Drawn", "drawn"]

_SPECIES = 240
_SIDES = (96, 1400)  # pixels of a picture: less shows nothing, more is slow


@dataclass(frozen=True)
class Drawn:
    """A picture and what is true of it.

    Attributes:
        name: Of the picture.
        picture: uint8[h, w, 3].
        mask: The organism with all its parts, as it was drawn.
        kind: The sort of body.
        species: Its number.
        px_per_mm: The true scale.
        told: The scale that is told.
        relative: The standard uncertainty that is told with it.
        lengths: True lengths in mm.
        landmarks: Where they begin and end; the middle of the first pixel is at a half.
    """

    name: str
    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    kind: str
    species: int
    px_per_mm: float
    told: float
    relative: float
    lengths: dict[str, float]
    landmarks: dict[str, tuple[float, float]]

    @property
    def area(self) -> float:
        """The true area in mm²: that of the mask as drawn."""
        return float(self.mask.sum()) / self.px_per_mm**2


def drawn(
    seed: int,
    count: int,
    px_per_mm: float,
    *,
    kinds: tuple[str, ...] = KINDS[0],
    level: int = 2,
    relative: float = 0.01,
) -> Iterator[Drawn]:
    """Yield pictures of insects, each of another individual.

    Args:
        seed: Of the world.
        count: How many pictures.
        px_per_mm: How many pixels a millimetre has, nearly.
        kinds: Sorts of body.
        level: Of the nuisance, 1 to 3.
        relative: Standard uncertainty of the scale that is told.
    """
    biota = make_biota(_SPECIES, np.random.default_rng([seed, 0]))
    traits = evolve_traits(biota, np.random.default_rng([seed, 1]))
    able = np.flatnonzero(biota.plan == 0).tolist()
    for number in range(count):
        species, kind = able[number % len(able)], kinds[number % len(kinds)]
        own = individual(traits, species, np.random.default_rng([seed, 2, number]))
        # A world may have no beetles; any body can be drawn with the other traits of a species.
        own["kind"] = float(KINDS[0].index(kind))
        size = 256
        # The frame is drawn before anything that hangs on the size, so that scale goes with it.
        for _ in range(2):
            made = photograph(0, own, np.random.default_rng([seed, 3, number]), size=size,
                              level=level)  # fmt: skip
            wanted = round(size * px_per_mm / made.px_per_mm)
            size = min(max(wanted, _SIDES[0]), _SIDES[1])
        made = photograph(0, own, np.random.default_rng([seed, 3, number]), size=size, level=level)
        off = np.random.default_rng([seed, 4, number]).standard_normal()
        marks = {name: (x + 0.5, y + 0.5) for name, (x, y) in made.landmarks.items()}
        yield Drawn(
            f"s{seed}_{number:04}.png", made.image, made.mask, kind, species,
            made.px_per_mm, made.px_per_mm * float(1 + relative * off), relative,
            {name: value for name, value in made.measures.items() if name.endswith("_mm")}, marks,
        )  # fmt: skip
