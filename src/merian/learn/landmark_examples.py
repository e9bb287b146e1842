"""Windows around bodies whose landmarks are known: what a network that places them learns from.

A body is turned to any side, mirrored (what is left is right then), made larger and smaller,
shifted, sometimes a little cut, sometimes with a part of another body beside it or a pin through
it, in a picture that ends close to it, on a busy ground; and shown in another light (see
`merian.learn.instance_examples.recoloured`, `merian.learn.busy_grounds`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from merian.errors import InputError
from merian.learn.busy_grounds import busy_ground, darkened, pinned
from merian.learn.instance_examples import recoloured
from merian.learn.landmark_pack import UNASKED, LandmarkPack
from merian.learn.landmark_windows import Window, box_window, close_window, pairs_of, reach_of
from merian.learn.task import Batch, Indices
from merian.learn.unet import STEP

__all__ = ["PackedLandmarks"]

_SHIFT = 0.07  # of the window
_CLOSE = 0.6  # of the windows lie around landmarks, the others around the whole body
_BESIDE = 0.2  # of the windows have another body beside
_AWAY = (0.55, 0.8)  # of the window: how far its middle is
_TIGHT = 0.4  # of the windows are of a picture that is hardly larger than the body
_DARK, _BUSY, _PINNED = 0.35, 0.45, 0.25  # of the windows
_PADDED = 8  # pixels beyond the window, where a landmark may still be asked


class PackedLandmarks:
    """Windows of the bodies of a pack. It can be pickled.

    A batch holds ``pixels`` uint8[b, side, side, 3], ``body`` uint8[b, side, side] (2 where nothing
    is asked), ``points`` float32[b, k, 2] in pixels of the window, ``present`` uint8[b, k] (2 where
    it lies outside or nobody says) and ``reach`` float32[b], how far landmarks are apart at most.

    Args:
        pack: The pack.
        part: train or valid.
        size: Height and width of a window.
        zoom: By how much bodies are made larger or smaller at the most.
        augment: Whether chance turns, shifts and lights them. If not, windows lie upright around
            landmarks.
    """

    def __init__(
        self, pack: LandmarkPack, part: str, size: int, zoom: float = 1.5, *, augment: bool = True
    ) -> None:
        if size % STEP or size < STEP:
            raise InputError(f"data.size is {size}; a multiple of {STEP} expected")
        self.pack, self.size, self.zoom, self.augment = pack, size, zoom, augment
        self.own = pack.part(part)
        self.pairs = pairs_of(pack.names)
        self.shards: Sequence[int] = (len(self.own),)

    def names(self, indices: Indices) -> list[str]:
        """Return the picture and the number of some bodies."""
        rows = self.pack.bodies[self.own[np.asarray(indices)]]
        listed = self.pack.header["pictures"]
        return [f"{listed[row['picture']]['name']}, body {row['annotation'] + 1}" for row in rows]

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read the windows of some bodies."""
        made = [self._window(int(self.own[i]), random) for i in np.asarray(indices).tolist()]
        return {
            name: torch.from_numpy(np.stack([one[name] for one in made])) for name in made[0]
        }  # fmt: skip

    def _window(self, body: int, random: np.random.Generator) -> dict[str, NDArray[np.generic]]:
        window = self._around(body, random)
        crop, seen = self.pack.crop(body), window
        if self.augment and random.random() < _TIGHT:
            crop, seen = self._tight(body, window, random)
        read = seen.read(crop)
        colours, share = read[..., :3], read[..., 3:] / np.float32(255)
        inside = share[..., 0] > 0.5
        outlined = bool(self.pack.bodies[body]["outlined"])
        bodies = inside
        if self.augment:
            if random.random() < _DARK:
                colours = darkened(colours, share, random)
            if outlined and random.random() < _BUSY:
                ground = busy_ground(self.size, random)
                colours = ground + share * (colours - ground)
            if random.random() < _PINNED:
                colours = pinned(colours, share, random)
            if random.random() < _BESIDE:
                colours, bodies = self._with_another(colours, inside, random)
        pixels = np.clip(colours + 0.5, 0, 255).astype(np.uint8)
        if self.augment:
            pixels = recoloured(pixels, bodies, random)
        mask = inside.astype(np.uint8) if outlined else np.full(inside.shape, UNASKED, np.uint8)
        points, present, reach = self._marks(body, window)
        return {"pixels": np.ascontiguousarray(pixels), "body": mask, "points": points,
                "present": present, "reach": reach}  # fmt: skip

    def _tight(
        self, body: int, window: Window, random: np.random.Generator
    ) -> tuple[NDArray[np.uint8], Window]:
        """Cut a crop as tightly as people do: what lies beyond is then not in the picture."""
        row, crop = self.pack.bodies[body], self.pack.crop(body)
        room = random.uniform(0, 0.12, 4) * max(row["width"], row["height"])
        left, top = max(0, int(row["left"] - room[0])), max(0, int(row["top"] - room[1]))
        right = math.ceil(row["left"] + row["width"] + room[2])
        below = math.ceil(row["top"] + row["height"] + room[3])
        x, y = window.middle
        moved = Window((x - left, y - top), window.scale, window.side, window.angle,
                       window.mirrored)  # fmt: skip
        return np.ascontiguousarray(crop[top:below, left:right]), moved

    def _around(self, body: int, random: np.random.Generator) -> Window:
        """Return the window around a body, or closer around its landmarks: both are looked at."""
        row, marks = self.pack.bodies[body], self.pack.points[body]
        box = tuple(float(row[name]) for name in ("left", "top", "width", "height"))
        window = box_window(box, self.size)
        close = close_window(marks[marks[:, 2] == 1, :2], self.size)
        if close is not None and (not self.augment or random.random() < _CLOSE):
            window = close
        if not self.augment:
            return window
        scale = window.scale * math.exp(random.uniform(-1, 1) * math.log(self.zoom))
        shift = random.uniform(-_SHIFT, _SHIFT, 2) * self.size * scale
        middle = (window.middle[0] + float(shift[0]), window.middle[1] + float(shift[1]))
        quarter = int(random.integers(4)) * math.pi / 2
        angle = quarter + (random.uniform(-1, 1) * math.pi / 4 if random.random() < 0.5 else 0.0)
        return Window(middle, scale, self.size, angle, bool(random.random() < 0.5))

    def _with_another(
        self, colours: NDArray[np.float32], inside: NDArray[np.bool_], random: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Lay a part of another body beside; it is no part of what is asked for."""
        other = int(random.choice(self.own))
        window = self._around(other, random)
        away, side = random.uniform(*_AWAY) * self.size, random.uniform(0, 2 * math.pi)
        moved = window.in_picture(
            np.array([math.cos(side), math.sin(side)]) * away + self.size / 2
        ).tolist()
        window = Window((moved[0], moved[1]), window.scale, self.size, window.angle,
                        window.mirrored)  # fmt: skip
        read = window.read(self.pack.crop(other))
        there = (read[..., 3] > 127) & ~inside
        return np.where(there[..., None], read[..., :3], colours), inside | there

    def _marks(
        self, body: int, window: Window
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32]]:
        marks = self.pack.points[body]
        if window.mirrored:
            marks = marks[self.pairs]
        there = marks[:, 2] == 1
        points = window.in_window(marks[:, :2].astype(np.float64))
        present = marks[:, 2].astype(np.uint8)  # what the pack does not ask stays unasked
        out = (points < -_PADDED) | (points > self.size + _PADDED)
        present[there & out.any(axis=1)] = UNASKED
        points = np.clip(np.where(there[:, None], points, 0), 0, self.size - 1e-3)
        reach = reach_of(points[there])
        box = self.pack.bodies[body]
        if not reach:
            reach = float(max(box["width"], box["height"])) / window.scale
        return points.astype(np.float32), present, np.float32(reach)  # type: ignore[return-value]
