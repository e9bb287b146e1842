"""The pictures of a world's specimens, drawn in several processes.

What is drawn hangs on the seed and the number of the record alone, so the pictures are the same
however many processes draw them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.processes import in_processes
from merian.world.biota import Biota
from merian.world.photograph import photograph
from merian.world.specimens import STATES, Specimens
from merian.world.traits import Traits, individual

__all__ = ["Taken", "draw_pictures", "take_pictures", "write_picture"]

_STREAM = 1  # of the generators of single records; the parts of a world have other numbers
_QUALITY = 92
_SLICE = 20


@dataclass(frozen=True)
class Taken:
    """What is true of a picture.

    Attributes:
        px_per_mm: The calibration.
        scale: "bar", "ruler" or "none": what the picture itself says of its scale.
        scale_mm: The length of the bar.
        organism: Pixels of the organism.
        measures: Truth, in mm or as a count.
        landmarks: Where the measures begin and end, in pixels.
    """

    px_per_mm: float
    scale: str
    scale_mm: float
    organism: int
    measures: dict[str, float]
    landmarks: dict[str, tuple[float, float]]


def take_pictures(
    folder: Path,
    masks: Path,
    names: Sequence[str],
    biota: Biota,
    traits: Traits,
    specimens: Specimens,
    instruments: NDArray[np.int8],
    *,
    seed: int,
    level: int,
    size: int,
    processes: int = 2,
    progress: Callable[[float, float], None] | None = None,
) -> list[Taken]:
    """Draw the picture and the mask of every record and return what is true of them.

    Args:
        folder: Where the pictures go, as NAME.jpg.
        masks: Where the masks go, as NAME.png.
        names: Of the records.
        biota: Gives the body plans.
        traits: Of the species.
        specimens: The records.
        instruments: With which each was taken.
        seed: Of the world.
        level: Of the nuisance, 1 to 3.
        size: Width and height in pixels.
        processes: How many draw.
        progress: Is told how many are done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    jobs: list[dict[str, Any]] = []
    for record in np.flatnonzero(specimens.copy_of < 0).tolist():
        species = int(specimens.species[record])
        own = individual(traits, species, np.random.default_rng([seed, _STREAM, record, 0]))
        jobs.append(
            {
                "name": names[record],
                "plan": int(biota.plan[species]),
                "traits": {name: float(value) for name, value in own.items()},
                "seed": [seed, _STREAM, record, 1],
                "state": STATES[specimens.state[record]],
                "instrument": int(instruments[record]),
            }
        )
    drawn = in_processes(
        "merian.world.pictures:draw_pictures",
        jobs, str(folder), str(masks), str(size), str(level),
        processes=processes, worth=40, slice_of=_SLICE, progress=progress,
    )  # fmt: skip
    by_name = dict(zip((job["name"] for job in jobs), drawn, strict=True))
    for record in np.flatnonzero(specimens.copy_of >= 0).tolist():
        name, first = names[record], names[int(specimens.copy_of[record])]
        shutil.copyfile(folder / f"{first}.jpg", folder / f"{name}.jpg")
        shutil.copyfile(masks / f"{first}.png", masks / f"{name}.png")
        by_name[name] = by_name[first]
    return [_taken(by_name[name]) for name in names]


def draw_pictures(
    jobs: list[dict[str, Any]], folder: str, masks: str, size: str, level: str
) -> list[dict[str, Any]]:
    """Draw and write a few pictures; called in each process."""
    found = []
    for job in jobs:
        picture = photograph(
            job["plan"],
            job["traits"],
            np.random.default_rng(job["seed"]),
            size=int(size),
            level=int(level),
            instrument=job["instrument"],
            state=job["state"],
        )
        write_picture(Path(folder, f"{job['name']}.jpg"), picture.image)
        mask = Image.fromarray(picture.mask.astype(np.uint8) * 255).convert("1")
        mask.save(Path(masks, f"{job['name']}.png"), optimize=False)
        found.append(
            {
                "px_per_mm": float(picture.px_per_mm),
                "scale": picture.scale,
                "scale_mm": float(picture.scale_mm),
                "organism": int(picture.mask.sum()),
                "measures": {k: float(v) for k, v in picture.measures.items()},
                "landmarks": {
                    k: (round(float(x), 2), round(float(y), 2))
                    for k, (x, y) in picture.landmarks.items()
                },
            }
        )
    return found


def write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write what a camera has stored."""
    Image.fromarray(image).save(path, quality=_QUALITY, subsampling=0)


def _taken(row: dict[str, Any]) -> Taken:
    landmarks = {name: (float(x), float(y)) for name, (x, y) in row["landmarks"].items()}
    return Taken(**{**row, "landmarks": landmarks})
