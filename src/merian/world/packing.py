"""How bodies come to lie in a tray: free, touching, or one over the other.

Each pixel has at most one owner, the topmost body, so that masks of what can be seen never overlap
and are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ground", "Laid", "place"]

Floats = NDArray[np.float32]

# Share of the bodies that touch another and that overlap one, per level.
_CROWDING = {1: (0.0, 0.0), 2: (0.12, 0.10), 3: (0.22, 0.22)}
_HIDDEN = 0.45  # of a body, at most
_TRIES = 40
_GAP = 4  # pixels between bodies that lie free


@dataclass
class Laid:
    """A body while the tray is being filled."""

    species: int
    angle: float
    rgb: Floats
    alpha: Floats
    cover: NDArray[np.bool_]
    measures: dict[str, float]
    landmarks: dict[str, tuple[float, float]]
    left: int = 0
    top: int = 0
    seen: int = 0


@dataclass
class Ground:
    """Whose pixel is whose: 0 is nobody's, -1 is out of reach, others count the bodies from 1."""

    owner: NDArray[np.int32]
    bodies: list[Laid] = field(default_factory=list)

    def window(self, left: int, top: int, shape: tuple[int, ...]) -> NDArray[np.int32] | None:
        """Return the owners under a box, or None if it is not within the tray."""
        height, width = self.owner.shape
        if left < 0 or top < 0 or left + shape[1] > width or top + shape[0] > height:
            return None
        return self.owner[top : top + shape[0], left : left + shape[1]]

    def covered(self, body: Laid, left: int, top: int) -> int:
        """Return how many pixels of others a body would hide there; -1 if it may not lie there."""
        window = self.window(left, top, body.cover.shape)
        if window is None:
            return -1
        under = window[body.cover]
        if np.any(under < 0):
            return -1
        hidden = np.bincount(under, minlength=1)
        for number in np.flatnonzero(hidden[1:]).tolist():
            other = self.bodies[number]
            if other.seen - hidden[number + 1] < (1 - _HIDDEN) * np.sum(other.cover):
                return -1
        return int(hidden[1:].sum())

    def lay(self, body: Laid, left: int, top: int) -> None:
        """Put a body there, on top of what is there."""
        window = self.window(left, top, body.cover.shape)
        assert window is not None
        for number, lost in enumerate(np.bincount(window[body.cover]).tolist()):
            if number:
                self.bodies[number - 1].seen -= lost
        self.bodies.append(body)
        body.left, body.top, body.seen = left, top, int(np.sum(body.cover))
        window[body.cover] = len(self.bodies)


def place(
    body: Laid,
    ground: Ground,
    inner: tuple[int, int, int, int],
    level: int,
    rng: np.random.Generator,
) -> None:
    """Find a place for a body: free, touching another or over it; if there is none, leave it."""
    touching, overlapping = _CROWDING[level]
    chance = rng.random()
    area = int(np.sum(body.cover))
    if not area:
        return
    if chance < touching + overlapping and ground.bodies:
        most = 0.004 * area + 2 if chance < touching else rng.uniform(0.08, 0.4) * area
        for _ in range(6):
            if _push(body, ground, most, rng):
                return
    room = replace(body, cover=_grown(body.cover, _GAP))
    for _ in range(_TRIES):
        left = int(inner[0] + rng.random() * max(inner[2] - body.cover.shape[1], 1))
        top = int(inner[1] + rng.random() * max(inner[3] - body.cover.shape[0], 1))
        if ground.covered(room, left - _GAP, top - _GAP) == 0:
            ground.lay(body, left, top)
            return


def _grown(cover: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Return a mask with a margin, grown into it."""
    wide = np.pad(cover, by)
    for axis in (0, 1):
        wide = np.any([np.roll(wide, step, axis) for step in range(-by, by + 1)], axis=0)
    return wide


def _push(body: Laid, ground: Ground, most: float, rng: np.random.Generator) -> bool:
    """Push a body towards another until it hides about `most` pixels of bodies."""
    other = ground.bodies[int(rng.integers(len(ground.bodies)))]
    centre = np.array([other.left, other.top]) + np.array(other.cover.shape[::-1]) / 2
    angle = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(angle), np.sin(angle)])
    start = (np.hypot(*other.cover.shape) + np.hypot(*body.cover.shape)) / 2
    found = None
    for distance in np.arange(start, 0, -1.5):
        left, top = np.round(centre + way * distance - np.array(body.cover.shape[::-1]) / 2).astype(
            int
        )
        hidden = ground.covered(body, int(left), int(top))
        if hidden > most:
            break
        if hidden < 0:
            if found:
                break
            continue
        if hidden > 0:
            found = (int(left), int(top))
    if found:
        ground.lay(body, *found)
    return found is not None
