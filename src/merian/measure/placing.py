"""Learned landmarks and outlines beside the classical ones: what is taken, and what is doubtful.

A network (`merian.learn.landmark_finding`) looks at each specimen. Its landmarks are taken where it
is sure; the rest is found the classical way, with the head at the end where the network has it.
Where the two are far apart, a code says so.

Its body can be asked for too. It says where the specimen is, and the classical outline where
exactly its edge runs: what the network is sure of is taken in, what it is sure is none is left out
(dirt, shadows, a label), and between, the classical outline holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.errors import InputError, MissingExtraError
from merian.measure.body import Body
from merian.measure.landmarks import SIDES, Told, find_landmarks, with_found
from merian.measure.shapes import Point

if TYPE_CHECKING:
    from merian.learn.landmark_finding import LandmarkFinder, Mark, Placed

__all__ = ["CLASSICAL", "LEARNED", "Placer", "is_taken", "outlined", "placer", "with_learned"]

CLASSICAL, LEARNED = "classical", "learned"

_TAKEN = 0.5  # of being there, and there: landmarks that are less sure are not taken
_NONE, _SURE = 0.2, 0.8  # of body: below nothing is, above all is; between the classical holds
_ALIKE = 0.6  # intersection over union: outlines that agree less are told
_SEEN = 0.25  # of being there, and there: a side that is less sure is not told
_ABSENT = 0.95  # of being absent: only then what the outline tells is not believed
_APART = 0.08  # of the reach: landmarks of both ways that are farther apart are told
_PIECE = 0.1  # of the body: pieces that are less are left out

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Placer:
    """Which network places landmarks.

    Attributes:
        model: Its folder, or the name of one that ships.
        name: What people call it.
        id: Of its weights.
        outlines: Whether its outlines are taken too.
    """

    model: str
    name: str
    id: str
    outlines: bool = False

    @property
    def told(self) -> str:
        """Its name and id, as they are written beside what it has placed."""
        return f"{self.name} {self.id}"

    def look(self, body: Body) -> Placed | None:
        """Return what it says of a body; None where there is no picture."""
        if body.picture is None:
            return None
        height, width = body.mask.shape
        return _loaded(self.model).find(body.picture, (body.left, body.top, width, height))


def placer(asked: str = CLASSICAL, outlines: str = CLASSICAL) -> Placer | None:
    """Return what places landmarks; None for the classical way alone.

    Args:
        asked: classical; learned, by the network that ships; or the folder of a model or of a run
            of `merian train landmarks`.
        outlines: classical, or learned for those of the network too.
    """
    if outlines not in (CLASSICAL, LEARNED):
        raise InputError(f"--outlines {outlines}: expected {CLASSICAL} or {LEARNED}")
    if asked == CLASSICAL:
        if outlines == LEARNED:
            raise InputError("--outlines learned needs a network: --landmarks learned, or a folder")
        return None
    try:
        import torch  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        raise MissingExtraError("learned landmarks", "models") from None
    from merian.learn.shelf import PLACES  # noqa: PLC0415 - where it is needed

    model = PLACES if asked == LEARNED else asked
    found = _loaded(model)
    return Placer(model, found.name, found.id, outlines == LEARNED)


@lru_cache(maxsize=2)
def _loaded(model: str) -> LandmarkFinder:
    from merian.learn.landmark_finding import load_landmark_finder  # noqa: PLC0415 - needs torch

    return load_landmark_finder(Path(model) if Path(model).is_dir() else model)


def outlined(body: Body, placed: Placed) -> Body:
    """Return a body with the outline that both ways come to.

    Args:
        body: As it was found by colours.
        placed: What the network says of it.
    """
    assert body.picture is not None
    left, top, right, below = _reached(body, placed)
    chance = placed.body(left, top, right - left, below - top)
    own = np.zeros(chance.shape, np.bool_)
    y, x = body.top - top, body.left - left
    own[y : y + body.mask.shape[0], x : x + body.mask.shape[1]] = body.mask
    sees = chance > (_NONE + _SURE) / 2
    both, either = int((own & sees).sum()), int((own | sees).sum())
    codes = [code for code in body.codes if code != "touches-border"]  # told again of the new one
    if both < _ALIKE * either:
        codes.append("outlines-differ")
    mask = _whole((own & (chance > _NONE)) | (chance > _SURE))
    if not mask.any():
        return replace(body, codes=(*body.codes, "outlines-differ"))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return replace(
        body, mask=np.ascontiguousarray(cut), left=left + int(columns[0]), top=top + int(rows[0]),
        codes=tuple(codes),
    )  # fmt: skip


def _reached(body: Body, placed: Placed) -> tuple[int, int, int, int]:
    """Return the box of all that a body may reach: left, top, right and lower end."""
    assert body.picture is not None
    height, width = body.picture.shape[:2]
    window = placed.windows[0]
    half = window.scale * window.side / 2
    (x, y) = window.middle
    return (
        max(0, min(int(x - half), body.left)), max(0, min(int(y - half), body.top)),
        min(width, max(int(x + half) + 1, body.left + body.mask.shape[1])),
        min(height, max(int(y + half) + 1, body.top + body.mask.shape[0])),
    )  # fmt: skip


def _whole(mask: Mask) -> Mask:
    """Return a mask without the small pieces beside the largest."""
    labels, count = ndimage.label(mask, np.ones((3, 3), np.bool_))
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = sizes >= _PIECE * sizes.max()
    keep[0] = False
    found: Mask = keep[labels]
    return found


def is_taken(name: str, mark: Mark) -> bool:
    """Return whether a landmark is sure enough to be taken, or to tell where a side is."""
    return mark.sure >= (_SEEN if name in SIDES else _TAKEN)


def _sides_of(placed: Placed) -> tuple[Mark, Mark] | None:
    """Return the widest place on both sides, where the network sees them.

    Their maps are flat along the body, so that they are hardly ever as sure as others.
    """
    left, right = (placed.marks.get(name) for name in ("width_left", "width_right"))
    if left is None or right is None or min(left.sure, right.sure) < _SEEN:
        return None
    return left, right


def with_learned(body: Body, placed: Placed, by: str) -> Body:
    """Return a body with its landmarks: learned ones where they are sure, else classical ones.

    Args:
        body: With its outline.
        placed: What the network says of it.
        by: The network.
    """
    sure = {name: mark for name, mark in placed.marks.items() if mark.sure >= _TAKEN}
    sides = _sides_of(placed)

    def in_box(mark: Mark) -> Point:
        return mark.point[0] - body.left, mark.point[1] - body.top

    told = Told(
        {name: in_box(mark) for name, mark in sure.items()},
        frozenset(name for name, chance in placed.absent.items() if chance >= _ABSENT),
        None if sides is None else (in_box(sides[0]), in_box(sides[1])),
    )
    found = find_landmarks(body.mask, body.pixels, told)
    if found is None:
        return replace(body, codes=(*body.codes, "no-body"))
    # Sides are off as the outline is, but for those that are not the outline's.
    off = {name: mark.off for name, mark in sure.items() if name in found.taken - SIDES}
    if sides is not None:
        off |= dict.fromkeys(found.mended, max((m.off for m in sides), key=lambda o: o.xx + o.yy))
    if "abdomen_tip" in off and found.points.get("elytra_tip") == found.points["abdomen_tip"]:
        off.setdefault("elytra_tip", off["abdomen_tip"])  # it is where that is, and off with it
    given = body.points.keys()
    off = {name: value for name, value in off.items() if name not in given}
    body = with_found(body, found)
    codes = ("landmarks-differ",) if found.apart > _APART * placed.reach else ()
    taken = found.taken - given
    return replace(body, codes=(*body.codes, *codes), off=off, placed_by=by if taken else "")
