"""Where the bodies are in a picture: cut out by colour, with codes for what may be wrong.

The ground is a smooth surface of colour. What is darker, paler or of another hue than it by more
than its noise is a body, down to a lower level where it hangs on what is clear: a faint leg counts.
The outline lies where a pixel is half body and half ground. Where little of the ground is plain,
mixtures of colours are asked too, and the mask with the steeper outline is taken.
Holes are filled unless the ground is seen through them; text, charts and rulers are left out; and
bodies that touch are parted where they are round, never where they have legs, which a watershed
would cut off. Nothing is lost in silence: what is doubtful has a code.

References: Otsu 1979 for the level; Canny 1986 for two levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from merian.errors import InputError
from merian.image.otsu import otsu_threshold
from merian.measure.edges import at_half
from merian.measure.extremes import crests
from merian.measure.glints import with_glints
from merian.measure.ground import Ground, ground_of, lab_of
from merian.measure.mixture import by_colours, on_edges
from merian.measure.print_and_charts import print_and_charts
from merian.measure.tight_crops import at_frame, reaches_frame
from merian.measure.touching import parted

__all__ = [
    "Region", "filled", "largest_ground", "least_size", "level_of", "mask_of",
    "pieces_of", "region_from", "regions", "single", "two_levels",
]  # fmt: skip

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_PIXELS = 4_000_000  # of the picture in which bodies are looked for
_SHARE = 0.9  # of the level of Otsu
_LEVELS = (6.0, 24.0)  # in CIELAB: the level is never outside
_LOWER = 0.35  # of the level: what hangs on a body
_CLEAR = 2.5  # times the noise: what hangs on a body is clearer than that
_FAINT = 12.0  # in CIELAB: how far a body is from the ground at the least, or it is faint
_STEEPER = 1.3  # times as steep along the outline: the mask by colours is taken
_ALIKE = 0.75  # intersection over union: where masks agree less the ground is no plain one
_FEW = 20_000  # pixels: in smaller crops ten colours cannot be told apart
_TRAY = 0.4  # of the picture: where less is ground, a tray may lie on something else
_STRONG = 60.0  # in CIELAB: what is farther from a tray's ground is not asked for the level
_WIDE = 0.4  # of the picture's side: what reaches farther is the rim of a tray
_PLAIN = 0.5  # of the picture: where so much is ground, colours are not asked
_BORDER = 0.4  # of the border that is ground, where what lies within is taken for it
_SIDE = 0.9  # of a side of the picture: what covers it is a ruler or the like
_BESIDE = 0.1  # of it: how large a body beside it is at the least
_EVERYWHERE = np.ones((3, 3), np.bool_)


@dataclass(frozen=True)
class Region:
    """A body in a picture.

    Attributes:
        mask: bool[h, w], cropped to its box.
        left: Where the box is in the picture.
        top: Where the box is in the picture.
        codes: What may be wrong: "touches-border", "faint", "two-or-more", "parted", "no-ground",
            "small"; of a crop that was cut at the outline "short-of-frame" and no "touches-border".
    """

    mask: Mask
    left: int
    top: int
    codes: tuple[str, ...] = ()

    @property
    def area(self) -> int:
        """Pixels of the body."""
        return int(self.mask.sum())


def mask_of(region: Region, shape: tuple[int, int]) -> Mask:
    """Return the mask of a region in its picture of height and width `shape`."""
    full = np.zeros(shape, np.bool_)
    height, width = region.mask.shape
    full[region.top : region.top + height, region.left : region.left + width] = region.mask
    return full


def single(picture: Bytes, *, tight: bool = False) -> Region | None:
    """Return the body in a crop that holds one; None only where all is of one colour.

    Args:
        picture: uint8[h, w, 3], RGB.
        tight: Whether the crop was cut at the outline of the body, which reaches all four sides.
    """
    _check(picture)
    lab = lab_of(picture)
    ground = _plain(lab)
    distance = ground.distance(lab)
    if float(distance.max()) < _LEVELS[0] / 2:
        return None
    level = level_of(distance)
    labels, sizes = pieces_of(two_levels(distance, level, ground.noise))
    if not sizes.size:
        labels, sizes = pieces_of(distance >= min(level, float(distance.max())))
    sizes[_along_border(labels, sizes)] = 0
    largest, plain = int(sizes.argmax()), ground.share >= _PLAIN
    mask = filled(labels == largest + 1, distance, level)
    apart = ground.apart(lab)
    mask = with_glints(at_half(mask, distance), apart, ground.noise, plain=plain)
    codes = []
    second = np.sort(sizes)[-2] if len(sizes) > 1 else 0
    if second > 0.3 * sizes[largest]:
        codes.append("two-or-more")
    if ground.share < 0.1:
        codes.append("no-ground")
    asked = not plain and _worth(picture)
    if (other := by_colours(lab) if asked else None) is not None and (
        on_edges(lab, other) > _STEEPER * on_edges(lab, mask) or _alike(mask, other) < _ALIKE
    ):
        mask = other
        codes = ["busy-ground"]
    if not tight:
        return region_from(mask, 0, 0, picture.shape[:2], distance, codes)
    mask, level = at_frame(mask, distance, level, ground.noise)
    mask = with_glints(filled(mask, distance, level), apart, ground.noise, plain=plain)
    found = region_from(mask, 0, 0, picture.shape[:2], distance, codes)
    short = () if reaches_frame(mask) else ("short-of-frame",)
    told = tuple(code for code in found.codes if code != "touches-border")
    return replace(found, codes=(*told, *short))


def regions(picture: Bytes, *, smallest: int | None = None) -> tuple[Region, ...]:
    """Return the bodies in a picture, in reading order.

    Args:
        picture: uint8[h, w, 3], RGB.
        smallest: Pixels that a body has at the least. None is a twelfth of the body that has half
            of all pixels of bodies in larger ones, so that dirt between animals is left out.
    """
    _check(picture)
    height, width = picture.shape[:2]
    factor = int(np.ceil(np.sqrt(height * width / _PIXELS)))
    small = picture[factor // 2 :: factor, factor // 2 :: factor]
    lab = lab_of(small)
    ground = ground_of(lab)
    tray = None
    if ground.share < _TRAY and (inner := ground_of(lab, inside=True)).share > ground.share:
        ground, tray = inner, inner
    distance = ground.distance(lab)
    level = level_of(distance[distance < _STRONG] if tray else distance)
    standing = two_levels(distance, level, ground.noise)
    if tray:
        standing &= largest_ground(~standing)
    labels, sizes = pieces_of(standing)
    boxes = ndimage.find_objects(labels)
    for number, box in enumerate(boxes):
        if max(_extent(box[0], lab.shape[0]), _extent(box[1], lab.shape[1])) > _WIDE and tray:
            sizes[number] = 0  # the rim of the tray
    least = smallest / factor**2 if smallest is not None else least_size(sizes)
    sizes[print_and_charts(lab, labels, sizes, least)] = 0
    found, apart, plain = [], ground.apart(lab), ground.share >= _PLAIN
    for number in np.flatnonzero(sizes >= max(least, 4)).tolist():
        box = boxes[number]
        box = _wider(box)
        whole = filled(labels[box] == number + 1, distance[box], level)
        whole = with_glints(at_half(whole, distance[box]), apart[box], ground.noise, plain=plain)
        parts = parted(whole)
        for part in parts:
            mask = part
            if factor > 1:
                mask = part.repeat(factor, axis=0).repeat(factor, axis=1)
            top, left = box[0].start * factor, box[1].start * factor
            mask = mask[: height - top, : width - left]
            codes = ["parted"] if len(parts) > 1 else []
            if not part.any():
                continue
            told = region_from(mask, top, left, (height, width), distance[box], codes)
            found.append(told)
    return _read(found)


def _plain(lab: Floats) -> Ground:
    """Return the ground of a crop, as it is seen from its border or, better, from within.

    A ruler along a side may have more of the border than the ground has.
    """
    ground = ground_of(lab)
    if ground.share >= _PLAIN:
        return ground
    inner = ground_of(lab, inside=True)
    if inner.share < max(_PLAIN, ground.share):
        return ground
    near = inner.distance(lab) < _LEVELS[0]
    border = np.concatenate([near[0], near[-1], near[:, 0], near[:, -1]])
    return inner if border.mean() > _BORDER else ground


def _along_border(labels: NDArray[np.int32], sizes: NDArray[np.int64]) -> list[int]:
    """Return the pieces that cover a side of the picture, where a body lies within beside them."""
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    covering, touching = set(), set()
    for side in sides:
        numbers, counts = np.unique(side[side > 0], return_counts=True)
        touching |= set(numbers.tolist())
        covering |= set(numbers[counts > _SIDE * len(side)].tolist())
    if not covering:
        return []
    least = _BESIDE * max(sizes[number - 1] for number in covering)
    within = [n for n in range(1, len(sizes) + 1) if n not in touching and sizes[n - 1] > least]
    return [number - 1 for number in covering] if within else []


def _wider(box: tuple[slice, ...]) -> tuple[slice, ...]:
    """Return a box with a pixel of what is around it, so that its mask has a rim everywhere."""
    return tuple(slice(max(one.start - 1, 0), one.stop + 1) for one in box)


def _extent(place: slice, whole: int) -> float:
    return float((place.stop - place.start) / whole)


def largest_ground(ground: Mask) -> Mask:
    """Return the largest piece of ground with all that lies in it."""
    labels, sizes = pieces_of(ground)
    found: Mask = ndimage.binary_fill_holes(labels == int(sizes.argmax()) + 1)
    return found


def _worth(picture: Bytes) -> bool:
    """Return whether there are pixels enough for colours, and not too many to hold."""
    return bool(_FEW <= picture.shape[0] * picture.shape[1] <= _PIXELS)


def _alike(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(int((one | other).sum()), 1))


def _check(picture: Bytes) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InputError(
            f"a picture of shape {picture.shape} and type {picture.dtype}; "
            "height, width and three colours as uint8 are expected"
        )


def level_of(distance: Floats) -> float:
    """Return the distance from which on something is a body."""
    return float(np.clip(_SHARE * otsu_threshold(distance), *_LEVELS))


def two_levels(distance: Floats, level: float, noise: float) -> Mask:
    """Return what is above the level, and what is fainter and hangs on it.

    What is fainter counts where it is thin and stands out of what is beside it, more than half as
    far as the clearest near it: so a leg does, and a shadow or the blurred rim of a body does not.
    """
    sure = distance > level
    thin, crest = crests(distance)
    maybe = (distance > _LOWER * level) & (thin > _CLEAR * noise) & crest
    labels, count = ndimage.label(sure | maybe, _EVERYWHERE)
    keep = np.zeros(count + 1, np.bool_)
    keep[np.unique(labels[sure])] = True
    keep[0] = False
    found: Mask = keep[labels]
    return found


def pieces_of(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the pieces of a mask from 1, and return how many pixels each has."""
    labels, count = ndimage.label(mask, _EVERYWHERE)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]


def least_size(sizes: NDArray[np.int64]) -> float:
    """Return a twelfth of the size that half of all pixels are in larger pieces than."""
    order = np.sort(sizes)
    total = np.cumsum(order)
    return float(order[np.searchsorted(total, total[-1] / 2)]) / 12 if len(order) else 0.0


def filled(mask: Mask, distance: Floats, level: float) -> Mask:
    """Fill holes, but not those through which the ground is seen."""
    holes = ndimage.binary_fill_holes(mask) & ~mask
    labels, count = ndimage.label(holes)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    means = np.bincount(labels.ravel(), distance.ravel()) / sizes
    keep = (means > level / 2) | (sizes < 0.002 * mask.sum())
    keep[0] = False
    filled: Mask = mask | keep[labels]
    return filled


def region_from(
    mask: Mask,
    top: int,
    left: int,
    shape: tuple[int, int],
    distance: Floats,
    codes: Sequence[str],
) -> Region:
    """Crop a mask to what is set, and tell what is doubtful."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    told = list(codes)
    edges = (top + rows[0], left + columns[0], shape[0] - 1 - top - rows[-1],
             shape[1] - 1 - left - columns[-1])  # fmt: skip
    if min(edges) <= 0:
        told.append("touches-border")
    if mask.shape == distance.shape and float(np.median(distance[mask])) < _FAINT:
        told.append("faint")
    if mask.sum() < 100:
        told.append("small")
    return Region(mask[box], int(left + columns[0]), int(top + rows[0]), tuple(sorted(told)))


def _read(found: Sequence[Region]) -> tuple[Region, ...]:
    """Return regions in reading order: in rows as high as a body, from the left."""
    if not found:
        return ()
    high = float(np.median([one.mask.shape[0] for one in found]))
    middles = np.array([one.top + one.mask.shape[0] / 2 for one in found])
    order = np.argsort(middles, kind="stable")
    row, rows = 0, np.zeros(len(found), np.int64)
    last = middles[order[0]]
    for at in order:
        if middles[at] - last > 0.6 * high:
            row, last = row + 1, middles[at]
        rows[at] = row
    lefts = np.array([one.left for one in found])
    return tuple(found[at] for at in np.lexsort((lefts, rows)))
