"""Drawn insects, one in a picture, with outline and landmarks: what places landmarks learns from.

Half of them are beetles. Flies, bugs, wasps and others have no elytra, so that what is absent is
learned too. Worlds to learn from have even seeds from 2000 on, and those from 2200 on tell the
errors on cards; those that are asked (11 to 15), and those that settings are chosen on (1 to 3),
are others.

A world draws the pronotum over the first three hundredths of the elytra; where they begin to be
seen is the landmark, as a person would set it.

``merian bench shipped-landmarks --only draw --out FOLDER`` writes them: COCO with keypoints beside
the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from merian.bench.drawn_trays import ASKED
from merian.errors import InputError
from merian.files import new_folder, write_json
from merian.world.biota import make_biota
from merian.world.masks import bounds, pack, runs_of
from merian.world.photograph import photograph
from merian.world.pictures import write_picture
from merian.world.traits import KINDS, evolve_traits, individual

__all__ = ["FIRST", "HIDDEN", "NAMES", "write_specimens", "write_worlds"]

FIRST = 2000
"""The first of the worlds to learn from; each is two further."""

HIDDEN = 0.03
"""Of the body's length: how much of the elytra a world draws the pronotum over."""

NAMES = ("head_tip", "abdomen_tip", "width_left", "width_right", "elytra_base", "elytra_tip")
"""The landmarks, as `merian.measure.definitions` names them."""

_SPECIES = 160
_BEETLES = 0.5
_SIDES = (96, 420)  # pixels of a picture
_LEVELS = (1, 2, 2, 2, 3)


def write_worlds(out: Path, worlds: int, count: int, first: int = FIRST) -> Iterator[Path]:
    """Draw some worlds, and yield each COCO file."""
    seeds = [first + 2 * number for number in range(worlds)]
    if taken := {*seeds} & {*ASKED, 1, 2, 3}:
        raise InputError(f"worlds {sorted(taken)} are those that figures are told of; begin later")
    for seed in seeds:
        yield write_specimens(out, seed, count)


def write_specimens(out: Path, seed: int, count: int) -> Path:
    """Draw insects of a world, one in each picture, and return their COCO file.

    Args:
        out: Where to: a folder for the world.
        seed: Of the world.
        count: How many.
    """
    folder = out / f"specimens-{seed}"
    file = folder / "specimens.coco.json"
    if file.is_file():
        return file
    biota = make_biota(_SPECIES, np.random.default_rng([seed, 0]))
    traits = evolve_traits(biota, np.random.default_rng([seed, 1]))
    able = np.flatnonzero(biota.plan == 0)
    images, annotations = [], []
    with new_folder(folder) as part:
        for number in range(1, count + 1):
            random = np.random.default_rng([seed, 7, number])
            own = individual(traits, int(random.choice(able)), random)
            # A world may have no beetles; any body can be drawn with the other traits of a species.
            sort = 0 if random.random() < _BEETLES else int(random.integers(1, len(KINDS[0])))
            own["kind"] = float(sort)
            side = round(float(np.exp(random.uniform(*np.log(_SIDES)))))
            made = photograph(0, own, random, size=side, level=int(random.choice(_LEVELS)),
                              instrument=number % 6 if number % 2 else 0)  # fmt: skip
            name = f"specimen-{seed}-{number:04d}.png"
            write_picture(part / name, made.image)
            images.append({"id": number, "file_name": name, "width": side, "height": side})
            annotations.append(_annotation(number, made.mask, made.landmarks))
        write_json(part / "specimens.coco.json", {
            "images": images, "annotations": annotations,
            "categories": [{"id": 1, "name": "insect", "keypoints": [*NAMES], "skeleton": []}],
        })  # fmt: skip
    return file


def _annotation(
    number: int, mask: np.ndarray[Any, np.dtype[np.bool_]], marks: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """Return an insect as COCO tells it: the middle of the first pixel is at a half."""
    seen = {name: np.array(marks[name]) + 0.5 for name in NAMES if name in marks}
    if "elytra_base" in seen:
        seen["elytra_base"] += HIDDEN * (seen["abdomen_tip"] - seen["head_tip"])
    told: list[float] = []
    for name in NAMES:
        x, y = seen.get(name, (0.0, 0.0))
        told += [round(float(x), 2), round(float(y), 2), 2 if name in seen else 0]
    left, top, width, height = bounds(mask)
    return {
        "id": number, "image_id": number, "category_id": 1, "iscrowd": 0,
        "area": int(mask.sum()), "bbox": [left, top, width, height],
        "segmentation": {"size": [*mask.shape], "counts": pack(runs_of(mask))},
        "keypoints": told, "num_keypoints": len(seen),
    }  # fmt: skip
