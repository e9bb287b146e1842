"""Drawn trays and drawn single specimens with their outlines: to learn from, and to be asked.

Every few trays are of another world, so that what is learned is no world's fauna. Worlds to learn
from have even seeds from 1000 on, those that are asked other ones (`ASKED`): the two never meet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from merian.files import new_folder, write_json
from merian.world.biota import make_biota
from merian.world.masks import bounds, pack, runs_of
from merian.world.photograph import photograph
from merian.world.pictures import write_picture
from merian.world.traits import evolve_traits, individual
from merian.world.trays import write_trays

__all__ = ["ASKED", "write_singles", "write_training", "write_worlds"]

ASKED = (11, 12, 13, 14, 15, 16)
"""The worlds that figures are told of; none of them was learned from or chosen on."""

_SPECIES = 160
_FIRST = 1000  # of the worlds to learn from
_TRAYS = 3  # of a world
_SIDES = (96, 420)  # pixels of a picture of a single specimen
_LEVELS = (1, 2, 2, 3)


def write_worlds(
    out: Path, seeds: Sequence[int], *, trays: int = 1, level: int = 2, size: tuple[int, int]
) -> list[Path]:
    """Draw trays of some worlds, and return their COCO files; a world that is there stays.

    Args:
        out: Where to: a folder for each world.
        seeds: Of the worlds.
        trays: Of each.
        level: Of nuisance and crowding, 1 to 3.
        size: Width and height of a tray.
    """
    found = []
    for seed in seeds:
        folder = out / f"trays-{seed}-{level}"
        found.append(folder / "trays" / "trays.coco.json")
        if found[-1].is_file():
            continue
        biota = make_biota(_SPECIES, np.random.default_rng([seed, 0]))
        traits = evolve_traits(biota, np.random.default_rng([seed, 1]))
        names = [f"w{seed} {biota.name(number, 5)}" for number in range(len(biota))]
        with new_folder(folder) as part:
            write_trays(
                part / "trays", part / "truth", biota, traits, names, trays, level,
                np.random.default_rng([seed, 5]), width=size[0], height=size[1],
            )  # fmt: skip
            _rename(part / "trays", seed, level)
    return found


def write_singles(out: Path, seed: int, count: int) -> Path:
    """Draw single specimens of a world on all grounds, and return their COCO file."""
    folder = out / f"singles-{seed}"
    file = folder / "singles.coco.json"
    if file.is_file():
        return file
    biota = make_biota(_SPECIES, np.random.default_rng([seed, 0]))
    traits = evolve_traits(biota, np.random.default_rng([seed, 1]))
    able = np.flatnonzero(biota.plan < 2)
    images, annotations = [], []
    with new_folder(folder) as part:
        for number in range(1, count + 1):
            random = np.random.default_rng([seed, 6, number])
            species = int(random.choice(able))
            side = round(float(np.exp(random.uniform(*np.log(_SIDES)))))
            made = photograph(
                int(biota.plan[species]), individual(traits, species, random), random,
                size=side, level=int(random.integers(1, 4)), instrument=number % 6,
            )  # fmt: skip
            name = f"single-{seed}-{number:04d}.png"
            write_picture(part / name, made.image)
            left, top, width, height = bounds(made.mask)
            images.append({"id": number, "file_name": name, "width": side, "height": side})
            annotations.append({
                "id": number, "image_id": number, "category_id": 1, "iscrowd": 0,
                "area": int(made.mask.sum()), "bbox": [left, top, width, height],
                "segmentation": {"size": [side, side], "counts": pack(runs_of(made.mask))},
            })  # fmt: skip
        coco = {"images": images, "annotations": annotations,
                "categories": [{"id": 1, "name": "specimen"}]}  # fmt: skip
        write_json(part / "singles.coco.json", coco)
    return file


def write_training(out: Path, worlds: int, size: tuple[int, int] = (1200, 900)) -> Iterator[Path]:
    """Draw what the shipped network learned from, world by world, and yield each COCO file."""
    for number in range(worlds):
        seed = _FIRST + 2 * number
        level = _LEVELS[number % len(_LEVELS)]
        yield from write_worlds(out, [seed], trays=_TRAYS, level=level, size=size)
        yield write_singles(out, seed, 24)


def _rename(folder: Path, seed: int, level: int) -> None:
    """Give trays names that no other world has: who is held out hangs on the name."""
    file = folder / "trays.coco.json"
    coco = json.loads(file.read_text(encoding="utf-8"))
    for image in coco["images"]:
        name = f"w{seed}-{level}-{image['file_name']}"
        (folder / image["file_name"]).rename(folder / name)
        image["file_name"] = name
    write_json(file, coco)
