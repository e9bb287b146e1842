"""Placing landmarks on a specimen with a trained network: four looks at it, then four nearer ones.

The first looks are at the whole box and give the body and rough places; the second ones lie close
around these places, where a body is seen larger, and give the places that count. Each look is
turned by a quarter further and every other one is mirrored; maps are turned back and averaged. How
far the places of single looks are apart tells how sure they are, beside what the card says of
errors on bodies that were held out (`merian.learn.landmark_errors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from merian.learn.landmark_building import load_landmark_network
from merian.learn.landmark_errors import ACROSS, ALONG, Off
from merian.learn.landmark_network import LandmarkNetwork
from merian.learn.landmark_objective import read_places
from merian.learn.landmark_windows import Window, box_window, close_window, pairs_of, reach_line
from merian.learn.unet import fused
from merian.threads import one_thread

__all__ = ["LandmarkFinder", "Mark", "Placed", "load_landmark_finder"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LOOKS = 4
_THERE = 0.5  # of presence: what is less is absent
_CLEAR = 0.25  # of a map near its peak: what is less may be elsewhere
_BODY = 0.5  # of a pixel's chance to be body
_HELD = 0.8  # of the body: what a nearer window holds at least
_USUAL_OFF = 0.03  # of the reach: the error of a landmark of which the card says nothing
_OF_MEAN = 0.8  # of a mean distance in a plane: the standard error along one axis
_OF_LOOKS = 1.5  # spreads of looks that errors have by them, as looks are alike (drawn insects)
_AROUND = 1.2  # sides of a window around its middle that are read at most


@dataclass(frozen=True)
class Mark:
    """A landmark that was placed.

    Attributes:
        point: x and y in the picture.
        present: The probability that the body has it.
        clear: How much of its map is near it, from 0 to 1.
        looks: How far it may be off by what single looks differ.
        off: How far it may be off in all.
    """

    point: tuple[float, float]
    present: float
    clear: float
    looks: Off
    off: Off

    @property
    def sure(self) -> float:
        """The probability that it is there, and there."""
        return self.present * self.clear


@dataclass(frozen=True, eq=False)
class Placed:
    """What a network says of a specimen.

    Attributes:
        marks: Its landmarks by name, those that it has.
        absent: Those that it has not, with the probability of that.
        reach: The largest distance between its landmarks, in pixels of the picture.
        way: Along it, a unit vector.
        windows: Where it was looked at, the nearest last.
        bodies: float32[side, side] for each, the probability that a pixel is body.
    """

    marks: Mapping[str, Mark]
    absent: Mapping[str, float]
    reach: float
    way: tuple[float, float]
    windows: tuple[Window, ...]
    bodies: tuple[Floats, ...]

    def body(self, left: int, top: int, width: int, height: int) -> Floats:
        """Return the probability that each pixel of a box of the picture is body.

        What was looked at more nearly is told by that look. Outside of all there is none.
        """
        found = np.zeros((height, width), np.float32)
        y, x = np.mgrid[top : top + height, left : left + width]
        places = np.stack([x, y], axis=-1) + 0.5
        for window, body in zip(self.windows, self.bodies, strict=True):
            seen = window.in_window(places)
            inside = ((seen > 1) & (seen < window.side - 1)).all(axis=-1)
            at = seen[inside] - 0.5
            found[inside] = map_coordinates(body, (at[:, 1], at[:, 0]), np.float32, order=1,
                                            mode="nearest")  # fmt: skip
        return found


@dataclass(frozen=True, eq=False)
class LandmarkFinder:
    """A network that places landmarks.

    Attributes:
        network: The network.
        names: Of its landmarks.
        side: Of its windows.
        errors: The standard error of each along and across a body, as a share of its reach.
        name: What people call it.
        id: Of its weights.
    """

    network: LandmarkNetwork
    names: tuple[str, ...]
    side: int
    errors: Mapping[str, tuple[float, float]]
    name: str
    id: str

    def find(self, picture: Bytes, box: tuple[int, int, int, int]) -> Placed:
        """Place the landmarks of the specimen in a box: left, top, width and height.

        Args:
            picture: uint8[h, w, 3].
            box: Around the specimen with its legs, in pixels of the picture.
        """
        whole = box_window(box, self.side)
        body, maps, present = self._seen(picture, whole)
        windows, bodies = [whole], [body]
        points, clear, _ = self._read(maps)
        good = (present > _THERE) & (clear > _CLEAR)
        near = close_window(whole.in_picture(points[good]), self.side)
        if near is not None and near.scale < 1.2 * whole.scale and _holds(near, whole, body):
            body, maps, present = self._seen(picture, near)
            windows.append(near)
            bodies.append(body)
        return self._placed(windows, bodies, maps, present)

    def _placed(
        self, windows: list[Window], bodies: list[Floats], maps: torch.Tensor, present: Floats
    ) -> Placed:
        points, clear, spread = self._read(maps)
        window = windows[-1]
        places = window.in_picture(points).round(2)
        there = present > _THERE
        reach, way = reach_line(places[there])
        marks = {}
        for number, name in enumerate(self.names):
            if there[number]:
                along, across = self.errors.get(name, (_OF_MEAN * _USUAL_OFF,) * 2)
                (xx, xy), (_, yy) = ((_OF_LOOKS * window.scale) ** 2 * spread[number]).tolist()
                looks = Off(xx, xy, yy)
                off = looks.beside(Off.of(along * reach, across * reach, way))
                x, y = places[number].tolist()
                marks[name] = Mark((x, y), float(present[number]), float(clear[number]), looks, off)
        absent = {name: float(1 - present[n]) for n, name in enumerate(self.names) if not there[n]}
        return Placed(marks, absent, reach, way, tuple(windows), tuple(bodies))

    def _read(self, maps: torch.Tensor) -> tuple[NDArray[np.float64], Floats, Floats]:
        """Return places in the window, how clear each is, and what the mean of looks varies by."""
        mean, clear = read_places(torch.log(maps.mean(0, keepdim=True).clamp(min=1e-12)))
        each, _ = read_places(torch.log(maps.clamp(min=1e-12)))
        away = each - mean
        spread = torch.einsum("lki,lkj->kij", away, away) / (_LOOKS * (_LOOKS - 1))
        return mean[0].double().numpy(), clear[0].numpy(), spread.numpy()

    def _seen(self, picture: Bytes, window: Window) -> tuple[Floats, torch.Tensor, Floats]:
        """Return body float32[side, side], maps float[looks, k, h, w] of chances, and presence."""
        pixels = np.clip(_read_window(picture, window) + 0.5, 0, 255).astype(np.uint8)
        looks = [np.rot90(pixels, number) for number in range(_LOOKS)]
        looks = [one[:, ::-1] if number % 2 else one for number, one in enumerate(looks)]
        given = torch.from_numpy(np.ascontiguousarray(np.stack(looks).transpose(0, 3, 1, 2)))
        with torch.inference_mode(), one_thread():
            body, maps, present = self.network((given.float() - 127) / 128)
            chance = torch.softmax(maps.flatten(2), -1).reshape(maps.shape)
            pairs = pairs_of(self.names)
            for number in range(_LOOKS):
                if number % 2:
                    body[number] = body[number].flip(-1)
                    chance[number] = chance[number].flip(-1)[pairs]
                    present[number] = present[number][pairs]
                body[number] = torch.rot90(body[number], -number, (0, 1))
                chance[number] = torch.rot90(chance[number], -number, (1, 2))
            inside = torch.sigmoid(body.mean(0)).numpy()
            return inside, chance, torch.sigmoid(present.mean(0)).numpy()


def _holds(near: Window, whole: Window, body: Floats) -> bool:
    """Return whether a nearer window holds most of the body; one around half of it misleads."""
    rows, columns = np.nonzero(body > _BODY)
    cells = np.stack([columns, rows], axis=1).astype(np.float64) + 0.5
    places = near.in_window(whole.in_picture(cells))
    inside = np.asarray(((places > 0) & (places < near.side)).all(axis=1))
    return not len(inside) or float(inside.mean()) >= _HELD


def _read_window(picture: Bytes, window: Window) -> Floats:
    """Read a window of a picture that may be large: only what lies around it is looked at."""
    half = _AROUND * window.side * window.scale / 2 + 2
    left, top = (max(0, int(place - half)) for place in window.middle)
    right, below = (int(place + half) + 1 for place in window.middle)
    cut = picture[top:below, left:right]
    if not cut.size:  # a box outside the picture
        return np.zeros((window.side, window.side, 3), np.float32)
    moved = Window((window.middle[0] - left, window.middle[1] - top), window.scale, window.side)
    return moved.read(cut)


def load_landmark_finder(model: Path | str) -> LandmarkFinder:
    """Load a network that places landmarks.

    Args:
        model: The folder of a model or of a run, or the name of one that ships.
    """
    network, card = load_landmark_network(model)
    training = card.get("training") or {}
    figures = training.get("held_out_figures") or training.get("figures") or {}
    names = tuple(card["objective"]["heads"]["names"])
    errors = {name: told for name in names if (told := _error(figures, name)) is not None}
    side = int(card["preprocessing"]["size"])
    return LandmarkFinder(fused(network), names, side, errors, str(card["name"]), str(card["id"]))


def _error(figures: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Return the error of a landmark along and across a body; None where a card does not say.

    A card that was not measured in use has the mean distance of single looks in training.
    """

    def value(figure: str) -> float | None:
        told = (figures.get(f"{figure} {name}") or {}).get("value")
        return None if told is None else float(told)

    along, across, off = value(ALONG), value(ACROSS), value("off")
    if along is not None and across is not None:
        return along, across
    # A landmark that was never near has no error to be told.
    return None if off is None else (_OF_MEAN * off, _OF_MEAN * off)
