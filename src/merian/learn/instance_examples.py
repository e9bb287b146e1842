"""Windows of pictures whose bodies are known: what a network that finds bodies learns from.

An example is a body, and what is read is a window around it, made larger or smaller, turned and
mirrored. Colours change far more than they do in one collection (light, cast, tone, what is behind
the bodies, blur, noise, JPEG), so that what is learned is what a body is, and not what the ground
of some trays looks like.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from merian.errors import InputError
from merian.learn.instance_network import STEP
from merian.learn.instance_pack import InstancePack
from merian.learn.instance_targets import IGNORED, Targets, targets
from merian.learn.task import Batch, Indices

__all__ = ["PackedInstances", "recoloured"]

Pixels = NDArray[np.uint8]
Owners = NDArray[np.uint16]

_MIDST = 0.35  # of a window, from its middle: so far is its body at most
_ANYWHERE = 0.12  # of the windows lie anywhere in the picture
_BOX = Image.Resampling.BOX
_NEAREST, _SMOOTH = Image.Resampling.NEAREST, Image.Resampling.BILINEAR


class PackedInstances:
    """Windows of the pictures of a pack. It can be pickled.

    A batch holds ``pixels`` uint8[b, size, size, 3], and of `Targets` ``body``, ``core``, ``way``
    and ``reach``.

    Args:
        pack: The pack.
        part: train or valid.
        size: Height and width of a window as the network sees it.
        zoom: By how much a window is made larger or smaller at the most.
        augment: Whether chance places, turns and colours windows. If not, a window lies around its
            body, as large as it is.
    """

    def __init__(
        self, pack: InstancePack, part: str, size: int, zoom: float = 2.0, *, augment: bool = True
    ) -> None:
        if size % STEP or size < STEP:
            raise InputError(f"data.size is {size}; a multiple of {STEP} expected")
        self.pack, self.size, self.zoom, self.augment = pack, size, zoom, augment
        chosen = np.isin(pack.bodies["picture"], pack.pictures(part))
        self.bodies = np.flatnonzero(chosen)
        self.shards: Sequence[int] = tuple(
            np.unique(pack.bodies["picture"][chosen], return_counts=True)[1].tolist()
        )

    def names(self, indices: Indices) -> list[str]:
        """Return the picture and the number of some bodies."""
        rows = self.pack.bodies[self.bodies[np.asarray(indices)]]
        listed = self.pack.header["pictures"]
        return [f"{listed[row['picture']]['name']}, body {row['number']}" for row in rows]

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read the windows of some bodies."""
        found = [self._window(int(self.bodies[i]), random) for i in np.asarray(indices).tolist()]
        told: dict[str, list[NDArray[np.generic]]] = {
            "pixels": [pixels for pixels, _ in found],
            **{name: [getattr(one, name) for _, one in found]
               for name in ("body", "core", "way", "reach")},
        }  # fmt: skip
        return {name: torch.from_numpy(np.stack(arrays)) for name, arrays in told.items()}

    def _window(self, body: int, random: np.random.Generator) -> tuple[Pixels, Targets]:
        row = self.pack.bodies[body]
        picture = int(row["picture"])
        zoom = 1.0
        if self.augment:
            zoom = float(np.exp(random.uniform(-1, 1) * math.log(self.zoom)))
        side = max(STEP, round(self.size / zoom))
        middle = np.array([row["top"] + row["height"] / 2, row["left"] + row["width"] / 2])
        if self.augment and random.random() < _ANYWHERE:  # rims and rulers are no bodies
            listed = self.pack.header["pictures"][picture]
            middle = random.random(2) * (listed["height"], listed["width"])
        elif self.augment:
            middle += random.uniform(-_MIDST, _MIDST, 2) * side
        colours, owners, top, left = self._cut(picture, middle, side)
        scale = self.size / side
        seen, number = self._numbered(picture, owners)
        places = (np.stack([seen["row"] - top, seen["column"] - left], 1) + 0.5) * scale - 0.5
        areas = np.asarray(seen["area"] * scale**2, np.float32)
        if side != self.size:
            shape = (self.size, self.size)
            colours = np.asarray(Image.fromarray(colours).resize(shape, _BOX if scale < 1 else
                                                                 _SMOOTH))  # fmt: skip
            number = np.asarray(Image.fromarray(number).resize(shape, _NEAREST))
        if self.augment:
            colours, number, places = _turned(colours, number, places, random)
            colours = recoloured(colours, number > 0, random)
        made = targets(np.ascontiguousarray(number), places.astype(np.float32), areas)
        return np.ascontiguousarray(colours), made

    def _cut(
        self, picture: int, middle: NDArray[np.float64], side: int
    ) -> tuple[Pixels, Owners, int, int]:
        """Return a square of a picture; beyond its border it goes on as at the border."""
        colours, owners = self.pack.colours(picture), self.pack.owners(picture)
        height, width = owners.shape
        top, left = (
            round(min(max(at - side / 2, min(0, full - side)), max(full - side, 0)))
            for at, full in zip(middle.tolist(), (height, width), strict=True)
        )
        box = np.s_[max(top, 0) : top + side, max(left, 0) : left + side]
        seen, own = np.asarray(colours[box]), np.asarray(owners[box])
        before = max(-top, 0), max(-left, 0)
        pads = [(b, side - b - n) for b, n in zip(before, own.shape, strict=True)]
        if any(sum(pad) for pad in pads):
            seen = np.pad(seen, [*pads, (0, 0)], "edge")
            own = np.pad(own, pads)
        return seen, own, top, left

    def _numbered(self, picture: int, owners: Owners) -> tuple[NDArray[np.void], Owners]:
        """Return the bodies that are seen, and their numbers from 1 in place of the picture's."""
        present = np.unique(owners)
        present = present[(present > 0) & (present != IGNORED)]
        first = int(np.searchsorted(self.pack.bodies["picture"], picture))
        last = int(np.searchsorted(self.pack.bodies["picture"], picture, "right"))
        rows = self.pack.bodies[first:last]
        at = np.searchsorted(rows["number"], present)
        number = (np.searchsorted(present, owners) + 1).astype(np.uint16)
        number[owners == 0] = 0
        number[owners == IGNORED] = IGNORED
        return rows[at], number


def _turned(
    colours: Pixels, owners: Owners, places: NDArray[np.float64], random: np.random.Generator
) -> tuple[Pixels, Owners, NDArray[np.float64]]:
    """Turn by quarters and mirror: what lies in a tray has no upper side."""
    last = len(owners) - 1
    for _ in range(int(random.integers(4))):
        colours, owners = np.rot90(colours), np.rot90(owners)
        places = np.stack([last - places[:, 1], places[:, 0]], 1)
    if random.random() < 0.5:
        colours, owners = colours[:, ::-1], owners[:, ::-1]
        places = np.stack([places[:, 0], last - places[:, 1]], 1)
    return colours, owners, places


# -- colours --------------------------------------------------------------------------------------


def recoloured(colours: Pixels, bodies: NDArray[np.bool_], random: np.random.Generator) -> Pixels:
    """Return a window in another light, on another ground, by another camera.

    Args:
        colours: uint8[h, w, 3].
        bodies: Where bodies are; what lies around them gets another tone.
        random: Says which.
    """
    found = colours.astype(np.float32)
    if random.random() < 0.5:  # the ground
        soft = Image.fromarray((~bodies).astype(np.uint8) * 255).filter(
            ImageFilter.GaussianBlur(float(random.uniform(0.5, 2)))
        )
        share = np.asarray(soft, np.float32)[..., None] / 255
        found += share * random.normal(0, 35, 3).astype(np.float32)
        if random.random() < 0.5:
            found += share * _cloud(found.shape, random) * np.float32(random.uniform(5, 30))
    if random.random() < 0.2:
        found = found[..., random.permutation(3)]
    if random.random() < 0.1:
        found = 255 - found
    if random.random() < 0.12:
        found = np.repeat(found.mean(axis=2, keepdims=True), 3, axis=2)
    gamma = float(np.exp(random.normal(0, 0.25)))
    found = np.asarray(255 * (np.clip(found, 0, 255) / 255) ** np.float32(gamma), np.float32)
    middle = found.mean()
    contrast = float(np.exp(random.normal(0, 0.2)))
    found = (found - middle) * np.float32(contrast) + middle + np.float32(random.normal(0, 15))
    found *= np.exp(random.normal(0, 0.08, 3)).astype(np.float32)
    found *= 1 + np.float32(random.uniform(0, 0.2)) * _cloud(found.shape, random)
    if random.random() < 0.4:
        grain = random.standard_normal(found.shape, np.float32)
        found += grain * np.float32(random.uniform(1, 9))
    image = Image.fromarray(np.clip(found, 0, 255).astype(np.uint8))
    if random.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 1.4))))
    if random.random() < 0.3:
        written = io.BytesIO()
        image.save(written, "JPEG", quality=int(random.integers(40, 96)))
        image = Image.open(written)
    return np.asarray(image)


def _cloud(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Return float32[h, w, 1] that changes slowly, about -1 to 1."""
    few = int(random.integers(2, 9))
    small = Image.fromarray(random.uniform(-1, 1, (few, few)).astype(np.float32))
    smooth = small.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)[..., None]
