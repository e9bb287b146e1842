"""Bulk photographs: many bodies in one tray, some touching, some lying over others.

This is how a trap's catch is photographed before anybody sorts it (Schneider et al. 2022,
doi:10.1111/2041-210X.13896, and others since). Bodies are laid one after the other, so that what
can be seen of each is known to the pixel. What users have is the picture and COCO's annotations;
species, lengths and angles are truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.files import write_json
from merian.formats.delimited import write_delimited
from merian.world.biota import Biota
from merian.world.drawing.noise import blur, clouds, grain
from merian.world.drawing.scenery import add_debris, add_ruler, blend
from merian.world.masks import bounds, pack, runs_of
from merian.world.packing import Ground, Laid, place
from merian.world.photograph import cut_out
from merian.world.pictures import write_picture
from merian.world.traits import Traits, individual, measures

__all__ = ["Body", "Tray", "draw_tray", "write_trays"]

Floats = NDArray[np.float32]

_PLANS = (0.75, 0.25, 0.0)  # trays of insects, of plankton; colonies are not put in trays
_DEBRIS = (("leg", "wing", "fibre", "dirt", "bubble"), *(("fibre", "dirt", "bubble"),) * 2)
_USUAL = 88.0  # pixels of a body of median length in a picture 1600 wide
_SMALLEST, _LARGEST = 14.0, 400.0
_SIEVE = 0.6  # spread of the logarithm of lengths in one tray
_FULL = 0.8  # sum of squared lengths, as a share of the tray
_BACKGROUNDS = ((0.93, 0.93, 0.91), (0.84, 0.86, 0.88), (0.90, 0.88, 0.82), (0.72, 0.79, 0.86))


@dataclass(frozen=True)
class Body:
    """A body in a tray.

    Attributes:
        species: Its number.
        angle: By which it is turned, degrees.
        mask: What can be seen of it, within the box that begins at left and top.
        left: Of the box.
        top: Of the box.
        visible: The share of it that is not under other bodies.
        measures: Truth, in mm.
        landmarks: Pixels in the tray, be they visible or not.
    """

    species: int
    angle: float
    mask: NDArray[np.bool_]
    left: int
    top: int
    visible: float
    measures: dict[str, float]
    landmarks: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Tray:
    """A bulk photograph and what lies in it, the lowest bodies first."""

    image: NDArray[np.uint8]
    bodies: tuple[Body, ...]
    px_per_mm: float


def draw_tray(
    species: NDArray[np.int32],
    biota: Biota,
    traits: Traits,
    rng: np.random.Generator,
    *,
    width: int = 1600,
    height: int = 1200,
    level: int = 2,
    px_per_mm: float | None = None,
) -> Tray:
    """Lay one individual of each number in a tray and photograph it.

    Args:
        species: One number a body; bodies too small to see or too large for the tray are left out,
            and those for which no room is found.
        biota: Gives the body plans.
        traits: Gives the looks.
        rng: Draws individuals, places and nuisance.
        width: Of the picture.
        height: Of the picture.
        level: Of crowding and nuisance, 1 to 3.
        px_per_mm: Of the picture; without it, what shows the bodies in a usual size.
    """
    drawn = [(int(i), individual(traits, int(i), rng)) for i in species]
    sizes = [measures(int(biota.plan[i]), own) for i, own in drawn]
    lengths = np.array([_length(size) for size in sizes])
    if px_per_mm is None:
        # As large as a usual body should be, but all of them have to find room.
        shown = _USUAL * np.sqrt(width * height / (1600 * 1200)) / np.median(lengths)
        room = np.sqrt(_FULL * width * height / np.sum(lengths**2))
        px_per_mm = float(np.round(min(shown, room) * rng.uniform(0.85, 1.0), 2))
    usual = float(np.median(lengths)) * px_per_mm
    image, inner = _background(width, height, level, px_per_mm, rng)
    ground = Ground(_reachable(width, height, inner))
    kinds = _DEBRIS[int(biota.plan[species[0]])]
    add_debris(image, inner, (6, 40, 110)[level - 1], max(usual, 60), rng, kinds=kinds)

    # Large bodies first, as far as they are: small ones find room between them.
    order = np.argsort(-lengths * rng.uniform(0.6, 1.6, size=len(lengths)), kind="stable")
    for i in order.tolist():
        if _SMALLEST <= lengths[i] * px_per_mm <= _LARGEST:
            number, own = drawn[i]
            body = _turned(number, int(biota.plan[number]), own, sizes[i], px_per_mm, level, rng)
            place(body, ground, inner, level, rng)
    for body in ground.bodies:
        _paint(image, body)
    if level > 1:
        add_debris(image, inner, 4 * level, max(usual, 60), rng, kinds=("fibre", "dirt"))
    return Tray(_expose(image, level, rng), tuple(_bodies(ground)), px_per_mm)


def _length(sizes: dict[str, float]) -> float:
    return next(iter(sizes.values()))


def _background(
    width: int, height: int, level: int, px_per_mm: float, rng: np.random.Generator
) -> tuple[Floats, tuple[int, int, int, int]]:
    """Return an empty tray with its ruler, and the box in which bodies may lie."""
    rim = round(0.028 * width)
    floor = np.array(_BACKGROUNDS[int(rng.integers(len(_BACKGROUNDS)))], np.float32)
    image = np.empty((height, width, 3), np.float32)
    image[:] = floor
    texture = clouds(rng, height, width, 5, 3) * np.float32(0.006 * level)
    texture += clouds(rng, height, width, 160, 1) * np.float32(0.004)
    image += texture[..., None]
    x = np.arange(width, dtype=np.float32)[None]
    y = np.arange(height, dtype=np.float32)[:, None]
    # Signed distance to the inner wall, with round corners.
    corner = 2.2 * rim
    across = np.maximum(np.abs(x - width / 2) - (width / 2 - rim - corner), 0)
    down = np.maximum(np.abs(y - height / 2) - (height / 2 - rim - corner), 0)
    outside = np.hypot(across, down) - np.float32(corner)
    wall = np.clip(outside + 0.5, 0, 1)[..., None]
    lit = np.sign(x - width / 2) * across - 0.4 * down * np.sign(height / 2 - y)
    slope = np.clip(outside / rim, 0, 1) * (0.75 + 0.2 * np.tanh(lit / rim))
    bevel = np.sin(np.pi * np.clip(outside / (0.8 * rim), 0, 1)) ** 2
    shade = (0.62 - 0.25 * slope + 0.3 * bevel)[..., None]
    image += (floor * shade - image) * wall
    # The wall keeps light from the floor beside it.
    image *= 1 - 0.22 * np.exp(np.minimum(outside, 0) / (0.7 * rim))[..., None] * (1 - wall)
    strip = round(0.034 * width)
    left, top = rim + round(0.8 * rim), height - rim - strip - round(0.25 * rim)
    reach = round((0.45 + 0.5 * rng.random()) * (width - 4 * rim))
    add_ruler(image, (left, top, reach, strip), px_per_mm)
    margin = rim + 6
    return image, (margin, margin, width - 2 * margin, top - 8 - margin)


def _reachable(width: int, height: int, inner: tuple[int, int, int, int]) -> NDArray[np.int32]:
    owner = np.full((height, width), -1, dtype=np.int32)
    owner[inner[1] : inner[1] + inner[3], inner[0] : inner[0] + inner[2]] = 0
    return owner


def _turned(
    species: int,
    plan: int,
    own: dict[str, float],
    sizes: dict[str, float],
    px_per_mm: float,
    level: int,
    rng: np.random.Generator,
) -> Laid:
    angle = float(rng.uniform(0, 360))
    body = cut_out(plan, own, rng, px_per_mm, angle, level)
    return Laid(species, angle, body.rgb, body.alpha, body.mask, sizes, body.landmarks)


def _paint(image: Floats, body: Laid) -> None:
    """Lay a body and its shadow on the image."""
    reach = max(2, round(0.02 * max(body.alpha.shape)))
    shadow = blur(np.pad(body.alpha, 3 * reach), reach)
    black = np.array([0.12, 0.11, 0.13], np.float32)
    at = (body.top - 3 * reach + reach, body.left - 3 * reach + reach)
    blend(image, *at, black, shadow * np.float32(0.38))
    blend(image, body.top, body.left, body.rgb, body.alpha)


def _bodies(ground: Ground) -> list[Body]:
    """Return what can be seen of the bodies."""
    found = []
    for number, body in enumerate(ground.bodies, 1):
        window = ground.window(body.left, body.top, body.cover.shape)
        assert window is not None
        mask = window == number
        left, top, width, height = bounds(mask)
        found.append(
            Body(
                body.species,
                body.angle,
                mask[top : top + height, left : left + width],
                body.left + left,
                body.top + top,
                float(mask.sum() / body.cover.sum()),
                body.measures,
                {
                    name: (float(x + body.left), float(y + body.top))
                    for name, (x, y) in body.landmarks.items()
                },
            )
        )
    return found


def _expose(image: Floats, level: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the photograph: uneven light, a cast, noise."""
    height, width = image.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    lamp = rng.uniform(-0.6, 0.6, size=2)
    strength = (0.06, 0.14, 0.30)[level - 1] * rng.uniform(0.6, 1.2)
    far = (x - np.float32(lamp[0])) ** 2 + (y - np.float32(lamp[1])) ** 2
    light = 1 - np.float32(strength) * far / far.max()
    light += clouds(rng, height, width, 2, 1) * np.float32(0.012 * level)
    cast = 1 + rng.normal(0, 0.012 * level, size=3)
    bright = image * light[..., None] * cast.astype(np.float32)
    bright += grain(rng, height, width)[..., None] * np.float32(0.006 * level)
    bytes_: NDArray[np.uint8] = (np.clip(bright, 0, 1) * 255 + 0.5).astype(np.uint8)
    return bytes_


def write_trays(
    folder: Path,
    truth_folder: Path,
    biota: Biota,
    traits: Traits,
    names: Sequence[str],
    count: int,
    level: int,
    rng: np.random.Generator,
    *,
    width: int = 1600,
    height: int = 1200,
) -> None:
    """Write bulk photographs, trays.coco.json, and what is true of the bodies as trays.csv.

    Args:
        folder: Where pictures and annotations go.
        truth_folder: Where the truth goes.
        biota: Which species there are, and how common they are.
        traits: What they look like.
        names: For each species the name that an annotator gives it.
        count: How many trays.
        level: Of crowding and nuisance, 1 to 3.
        rng: Seeds each tray, so that it does not depend on the others.
        width: Of the pictures.
        height: Of the pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    categories = {name: number for number, name in enumerate(sorted(set(names)), 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for number, seed in enumerate(rng.integers(2**62, size=count).tolist(), 1):
        chance = np.random.default_rng(seed)
        catch = _catch(biota, traits, chance)
        tray = draw_tray(catch, biota, traits, chance, width=width, height=height, level=level)
        file = f"tray-{number:04d}.jpg"
        write_picture(folder / file, tray.image)
        images.append(
            {
                "id": number,
                "file_name": file,
                "width": width,
                "height": height,
                "px_per_mm": tray.px_per_mm,
            }
        )
        for body in tray.bodies:
            key = len(annotations) + 1
            category = categories[names[body.species]]
            annotations.append(_annotation(key, number, category, body, width, height))
            rows.append(_truth(key, file, biota, body))
    coco = {
        "info": {"description": "bulk photographs of an invented biota", "version": "1"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": key, "name": name, "supercategory": "organism"}
            for name, key in categories.items()
        ],
    }
    write_json(folder / "trays.coco.json", coco)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_delimited(
        truth_folder / "trays.csv", columns,
        ([row.get(name) for name in columns] for row in rows), ",",
    )  # fmt: skip


def _catch(biota: Biota, traits: Traits, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return the species of one catch: up to 150 bodies of a few dozen species, sieved by size."""
    plans = np.array(_PLANS) * [np.any(biota.plan == plan) for plan in range(len(_PLANS))]
    plan = rng.choice(len(plans), p=plans / plans.sum())
    able = np.flatnonzero(biota.plan == plan)
    # Tempered: the commonest species would fill every tray.
    share = biota.abundance[able] ** 0.6
    size = traits.mean[able, traits.names.index("log_length")].astype(np.float64)
    share *= np.exp(-0.5 * ((size - rng.choice(size)) / _SIEVE) ** 2) + 1e-6
    here = rng.choice(
        able, size=min(len(able), int(rng.integers(12, 45))), replace=False, p=share / share.sum()
    )
    share = biota.abundance[here] ** 0.6 * rng.gamma(1.0, size=len(here))
    bodies = int(40 + 115 * rng.beta(1.3, 2))  # some are too small or too large
    return rng.choice(here, size=bodies, p=share / share.sum()).astype(np.int32)


def _annotation(
    key: int, image: int, category: int, body: Body, width: int, height: int
) -> dict[str, Any]:
    whole = np.zeros((height, width), dtype=bool)
    rows, columns = body.mask.shape
    whole[body.top : body.top + rows, body.left : body.left + columns] = body.mask
    return {
        "id": key,
        "image_id": image,
        "category_id": category,
        "bbox": [body.left, body.top, columns, rows],
        "area": int(body.mask.sum()),
        "segmentation": {"size": [height, width], "counts": pack(runs_of(whole))},
        "iscrowd": 0,
    }


def _truth(key: int, file: str, biota: Biota, body: Body) -> dict[str, Any]:
    return {
        "image": file,
        "annotation": key,
        "species_number": body.species,
        "species": biota.name(body.species, 5),
        "angle": round(body.angle, 2),
        "visible": round(body.visible, 4),
        **{name: round(value, 4) for name, value in body.measures.items()},
    }
