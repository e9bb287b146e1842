"""Quadrats to learn from: what a general network makes of them, what annotators wrote, the truth.

Annotators stop above the tips, use the trees of their campaign and are sometimes wrong; the truth
has all trees of every picture down to the species.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.bench.pictures import rows_of
from merian.errors import InputError
from merian.files import new_folder
from merian.image import image_features
from merian.learn.forest import Forest, ForestLabels
from merian.learn.label_table import Label, forest_labels, forest_of
from merian.processes import in_processes
from merian.tensors import map_tensors, write_tensors
from merian.world.biota import RANKS, make_biota
from merian.world.quadrats import write_quadrats
from merian.world.specimens import withhold
from merian.world.traits import evolve_traits

__all__ = ["Quadrats", "draw", "look_at", "read_quadrats", "write_parts"]

_NOTED = 1.0  # percent of the floor from which on something is asked for; less is overlooked
_AT_A_TIME = 10
_CUTS = 3  # rows and columns of a photograph; a whole one has nearly everything on it
_FEATURES = "features.safetensors"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Quadrats:
    """Pictures as vectors, with labels and truth as nodes of one forest.

    Attributes:
        forest: The nodes that are labelled on enough of the pictures to learn from.
        learn: Which pictures are learned from; the others are asked.
        photograph: Of which photograph each is a piece; its pieces are learned from together.
        features: float32[n, width].
        labels: As annotators wrote them.
        truth: bool[n, nodes]; what covers enough of the floor.
    """

    forest: Forest
    learn: NDArray[np.bool_]
    photograph: NDArray[np.int64]
    features: Floats
    labels: ForestLabels
    truth: NDArray[np.bool_]


def draw(
    folder: Path, count: int, *, species: int, size: int, level: int, seed: int, processes: int
) -> list[Path]:
    """Draw photographs, some in each of several folders; return the folders. Those there stay."""
    firsts = range(0, count, _AT_A_TIME)
    parts = [folder / f"{seed}-{species}-{size}-{level}-{count}-{first:06d}" for first in firsts]
    asked = [
        [str(part), first, min(_AT_A_TIME, count - first)]
        for part, first in zip(parts, firsts, strict=True)
    ]
    in_processes(
        "merian.bench.seafloor_data:write_parts", asked, str(species), str(size), str(level),
        str(seed), processes=processes, worth=2,
    )  # fmt: skip
    return parts


def write_parts(
    parts: list[tuple[str, int, int]], species: str, size: str, level: str, seed: str
) -> list[int]:
    """Draw the quadrats of some folders and look at them; called in each process."""
    stream = [int(seed)]
    biota = make_biota(int(species), np.random.default_rng([*stream, 1]))
    traits = evolve_traits(biota, np.random.default_rng([*stream, 2]))
    unknown = withhold(biota, np.random.default_rng([*stream, 3]))
    names = [biota.name(s, len(RANKS) - 1 - int(unknown[s])) for s in range(len(biota))]
    for folder, first, count in parts:
        if Path(folder).is_dir():
            continue
        with new_folder(folder) as part:
            write_quadrats(
                part / "quadrats", part / "truth" / "quadrats", biota, traits, names, count,
                int(level), np.random.default_rng([*stream, 4, first]), size=int(size), cuts=_CUTS,
            )  # fmt: skip
            write_tensors(part / _FEATURES, {"features": look_at(part)}, "merian-bench-features 1")
    return [first for _, first, _ in parts]


def look_at(world: Path) -> Floats:
    """Return the features of the quadrats of a world, in the order of their names."""
    import torch  # noqa: PLC0415  (an extra)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return np.stack([_features(file) for file in _pictures(world)])
    finally:
        torch.set_num_threads(threads)


def _pictures(world: Path) -> list[Path]:
    found = sorted((world / "quadrats").glob("*.jpg"))
    if not found:
        raise InputError(f"{world}: no quadrats there; `merian world make` draws them (--quadrats)")
    return found


def _features(file: Path) -> Floats:
    with Image.open(file) as opened:
        image = np.asarray(opened.convert("RGB"))
    return image_features([image])[0]


def read_quadrats(worlds: list[Path], *, share: float, least: int, seed: int) -> Quadrats:
    """Read the quadrats of some worlds.

    Args:
        worlds: Folders as `merian world make` and `draw` write them.
        share: Of the pictures that are learned from.
        least: Pictures to learn from on which a label must stand to be a node.
        seed: Of which are learned from.
    """
    labels: list[frozenset[Label]] = []
    truth: list[frozenset[Label]] = []
    names: list[str] = []
    features = []
    for world in worlds:
        _pictures(world)  # says what is missing
        told = _labels(rows_of(world / "quadrats" / "quadrats.csv"))
        rows = rows_of(world / "truth" / "quadrats" / "cover.csv")
        true = _labels([row for row in rows if float(row["percent"]) >= _NOTED])
        labels += [frozenset(told[file.name]) for file in _pictures(world)]
        truth += [frozenset(true[file.name]) for file in _pictures(world)]
        names += [f"{world} {'-'.join(file.stem.split('-')[:2])}" for file in _pictures(world)]
        seen = world / _FEATURES
        features.append(map_tensors(seen)["features"] if seen.is_file() else look_at(world))
    photograph = np.unique(names, return_inverse=True)[1].astype(np.int64)
    order = np.random.default_rng([seed, 5]).permutation(int(photograph.max()) + 1)
    learn = np.isin(photograph, order[: round(share * len(order))])
    forest = forest_of([row for row, mine in zip(labels, learn, strict=True) if mine], least)
    nodes = [[forest.node(*label) for label in row] for row in truth]
    return Quadrats(
        forest,
        learn,
        photograph,
        np.concatenate(features),
        forest_labels(forest, labels),
        ForestLabels.of_lists(forest, nodes).marks()[0],
    )


def _labels(rows: list[dict[str, str]]) -> dict[str, set[Label]]:
    found: dict[str, set[Label]] = defaultdict(set)
    for row in rows:
        found[row["image"]].add((row["tree"], tuple(row["label"].split(" > "))))
    return found
