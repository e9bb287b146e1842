"""A network that reads a place and a day of the year.

A place is a point on the unit sphere, so that there is no edge at 180 degrees and no crowd of
meridians at the poles. Sines and cosines along random directions, at several scales, let a small
network draw sharp borders; alone it would draw only smooth ones. The day is an angle, with its
first multiples. What is not known is told as not known.

References: Tancik and others, Fourier features, arXiv:2006.10739; Vivanco Cepeda and others,
GeoCLIP, arXiv:2309.16020; Mac Aodha and others, ICCV 2019, arXiv:1906.05272 (the year).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merian.errors import InputError
from merian.sizes import check_sizes

__all__ = ["PlaceConfig", "PlaceNetwork"]

_YEAR = 365.25
_AXES = 3  # of a point on the sphere


@dataclass(frozen=True)
class PlaceConfig:
    """What makes one of the family.

    Attributes:
        width: Of the vector.
        hidden: Numbers between two maps.
        layers: Maps before the last.
        scales: How many waves there are on a radius of the earth, about, with blanks between
            them; 1 is a wave of 6,400 km, 16 one of 400 km.
        directions: Random directions of each scale.
        waves: Waves of a year: the year itself, its half, and so on.
        seed: Draws the directions.
        dropout: Share of values set to zero in training.
    """

    width: int = 128
    hidden: int = 256
    layers: int = 2
    scales: str = "1 4 16"
    directions: int = 32
    waves: int = 3
    seed: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        least = {"width": 1, "hidden": 1, "layers": 1, "directions": 0, "waves": 0, "seed": 0}
        check_sizes(self, least)
        if not all(0 < scale < math.inf for scale in self.sigmas):
            raise InputError(f"scales are {self.scales!r}; numbers above 0 expected, as in 1 4 16")

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The scales as numbers."""
        try:
            return tuple(float(scale) for scale in self.scales.split())
        except ValueError:
            raise InputError(
                f"scales are {self.scales!r}; numbers with blanks between them expected"
            ) from None


class PlaceNetwork(nn.Module):
    """Places and days in, one vector for each out."""

    along: Tensor

    def __init__(self, config: PlaceConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        chance = torch.Generator().manual_seed(config.seed)
        drawn = [
            torch.randn(_AXES, config.directions, generator=chance) * scale
            for scale in config.sigmas
        ]
        # A buffer, so that it is written with the weights and does not hang on who draws it.
        self.register_buffer("along", torch.cat([torch.zeros(_AXES, 0), *drawn], 1))
        told = _AXES + 2 * self.along.shape[1] + 1 + 2 * config.waves + 1
        sides = [told, *[config.hidden] * config.layers]
        maps: list[nn.Module] = []
        for before, behind in itertools.pairwise(sides):
            maps += [nn.Linear(before, behind), nn.GELU(), nn.Dropout(config.dropout)]
        self.maps = nn.Sequential(*maps)
        self.out = nn.Linear(sides[-1], config.width)

    def located(self, place: Tensor) -> Tensor:
        """Return float[b, width].

        Args:
            place: float[b, 3], latitude and longitude in degrees and the day of the year, 1 to
                366; NaN where not known. Of half a place nothing is known.
        """
        return self.out(self.maps(self.told(place)))

    def forward(self, place: Tensor) -> Tensor:
        """Return the vectors."""
        return self.located(place)

    def told(self, place: Tensor) -> Tensor:
        """Return float32[b, all], what the maps are told of a place and a day."""
        # 16 bits cannot hold an angle of many turns.
        with torch.autocast(place.device.type, enabled=False):
            place = place.float()
            here = ~place[:, :2].isnan().any(1, keepdim=True)
            then = ~place[:, 2:].isnan()
            degrees = torch.deg2rad(torch.nan_to_num(place[:, :2]))
            latitude, longitude = degrees[:, :1], degrees[:, 1:]
            around = latitude.cos()
            point = torch.cat(
                [around * longitude.cos(), around * longitude.sin(), latitude.sin()], 1
            )
            turns = 2 * math.pi * (point @ self.along)
            where = torch.cat([point, turns.sin(), turns.cos(), torch.ones_like(latitude)], 1)
            many = torch.arange(1, self.config.waves + 1, device=place.device)
            angles = 2 * math.pi / _YEAR * torch.nan_to_num(place[:, 2:]) * many
            when = torch.cat([angles.sin(), angles.cos(), torch.ones_like(latitude)], 1)
            # What is not known is all zero; the last number of each half says so.
            return torch.cat([where * here, when * then], 1)
