"""Sets of pictures to cluster: plankton of three instruments, corals, insects, and a drawn world.

A set is a part of what lies on the disk: some classes by chance, and of each so many pictures at
most, so that all sets are of one size and a run ends. None of it is ever written elsewhere.

The insects are photographs of wells that are cut to the boxes of their annotators. Their labels
are of quality (whole, blurred, in pieces): no taxa were published with them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.bench.instruments import INSTRUMENTS, without_conflicts
from merian.bench.paired_world import PairedSettings, paired_world
from merian.errors import InputError, NotFoundError
from merian.pictures import decode

__all__ = ["HOME", "SETS", "ClusterSet", "home_rest", "picture_set", "sampled", "world_rows"]

Numbers = NDArray[np.int64]
Box = tuple[float, float, float, float]

HOME = "ISIIS"
"""The set whose other pictures some encoders learn from: their domain."""

_ISIIS = "plankton/isiis_planktonset1"
_ENDS = (".jpg", ".jpeg", ".png")
_LEAST = 4  # pictures of a class that is asked for
_WORLD = PairedSettings(species=40, each=6, level=2)


@dataclass(frozen=True)
class ClusterSet:
    """Pictures with one label each.

    Attributes:
        name: What it is called.
        files: The pictures.
        names: Of the classes.
        labels: int64[n]; the class of each.
        boxes: x, y, width and height of what is cut out of each, if anything.
    """

    name: str
    files: tuple[Path, ...]
    names: tuple[str, ...]
    labels: Numbers
    boxes: tuple[Box, ...] | None = None

    def __len__(self) -> int:
        return len(self.files)

    @property
    def id(self) -> str:
        """A hash of which pictures these are."""
        told = [["/".join(file.parts[-2:]), file.stat().st_size] for file in self.files]
        return hashlib.blake2b(repr([told, self.boxes]).encode(), digest_size=8).hexdigest()

    def picture(self, row: int) -> Image.Image:
        """Return one, opened and cut."""
        image = decode(self.files[row].read_bytes())
        if self.boxes is None:
            return image
        x, y, wide, high = self.boxes[row]
        return image.crop((int(x), int(y), int(np.ceil(x + wide)), int(np.ceil(y + high))))

    def of(self, rows: Sequence[int] | Numbers) -> ClusterSet:
        """Return some of its pictures; classes without any are dropped."""
        chosen = np.asarray(rows, np.int64)
        kinds, labels = np.unique(self.labels[chosen], return_inverse=True)
        return ClusterSet(
            self.name,
            tuple(self.files[row] for row in chosen.tolist()),
            tuple(self.names[kind] for kind in kinds.tolist()),
            labels.astype(np.int64),
            self.boxes and tuple(self.boxes[row] for row in chosen.tolist()),
        )


def sampled(whole: ClusterSet, classes: int, most: int, seed: int) -> ClusterSet:
    """Return some classes by chance, and of each so many pictures at most.

    Args:
        whole: The set.
        classes: How many; all where there are fewer. Those with less than 4 pictures are left out.
        most: Pictures of all; each class has its share at most, in the order of the files.
        seed: Of the chance.
    """
    if classes < 2 or most < classes:
        raise InputError(f"{classes} classes and {most} pictures; 2 or more, and one of each class")
    random = np.random.default_rng([seed, 12])
    many = np.bincount(whole.labels, minlength=len(whole.names))
    large = np.flatnonzero(many >= _LEAST)
    chosen = random.permutation(large)[:classes]
    if not len(chosen):
        raise InputError(f"{whole.name}: no class has {_LEAST} pictures")
    each = max(_LEAST, most // len(chosen))
    rows = [random.permutation(np.flatnonzero(whole.labels == one))[:each] for one in chosen]
    return whole.of(np.sort(np.concatenate(rows)))


def picture_set(name: str, data: Path, work: Path, processes: int = 1) -> ClusterSet:
    """Return all of a set.

    Args:
        name: One of `SETS`.
        data: The folder that holds plankton/, benthic/, multimodal/ and packages/.
        work: Where the world is drawn; it is kept.
        processes: How many draw it.
    """
    if name == "world":
        return _drawn(work, processes)
    if name not in SETS:
        raise InputError(f"no set of pictures is called {name!r}; there are {', '.join(SETS)}")
    return SETS[name](data)


def home_rest(whole: ClusterSet, asked: ClusterSet) -> ClusterSet:
    """Return the pictures that are not asked: encoders learn from these."""
    taken = set(asked.files)
    return whole.of([row for row, file in enumerate(whole.files) if file not in taken])


def _folders(name: str, folder: Path) -> ClusterSet:
    """Return pictures in folders with the names of their classes."""
    files = sorted(
        file for file in folder.glob("*/*") if file.suffix.lower() in _ENDS and file.is_file()
    )
    if not files:
        raise NotFoundError(f"{folder}: no pictures there in folders with names of classes")
    names, labels = np.unique([file.parent.name for file in files], return_inverse=True)
    return ClusterSet(name, tuple(files), tuple(names.tolist()), labels.astype(np.int64))


def _instrument(name: str, data: Path) -> ClusterSet:
    """Return the pictures of an instrument; a file that stands under two names is left out."""
    folder = next(one.folder for one in INSTRUMENTS if one.name == name)
    found = _folders(name, data / folder)
    return found.of(np.flatnonzero(without_conflicts(found.files)))


def _wells(data: Path) -> ClusterSet:
    """Return the insects in wells, cut to their boxes."""
    folder = data / "multimodal" / "bioscan_well_images"
    table = folder / "labels.csv"
    if not table.is_file():
        raise NotFoundError(f"{table}: is not there")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if float(row["w"]) * float(row["h"]) > 0]
    names, labels = np.unique([row["quality"] for row in rows], return_inverse=True)
    boxes = [(float(row["x"]), float(row["y"]), float(row["w"]), float(row["h"])) for row in rows]
    return ClusterSet(
        "BIOSCAN", tuple(folder / row["file"] for row in rows), tuple(names.tolist()),
        labels.astype(np.int64), tuple(boxes),
    )  # fmt: skip


SETS: dict[str, Callable[[Path], ClusterSet]] = {
    HOME: lambda data: _folders(HOME, data / _ISIIS),
    "UVP6": lambda data: _instrument("UVP6", data),
    "FlowCam": lambda data: _instrument("FlowCam", data),
    "corals": lambda data: _folders("corals", data / "benthic" / "rsmas_corals" / "train"),
    "BIOSCAN": _wells,
}
"""The sets that lie on the disk: name -> all of it. The world is drawn, see `picture_set`."""


def _drawn(work: Path, processes: int) -> ClusterSet:
    """Return the pictures of a small world, labelled with their species."""
    folder = work / f"world-{_WORLD.species}-{_WORLD.each}"
    paired_world(folder, _WORLD, processes)
    files, names = zip(*world_rows(folder), strict=True)
    kinds, labels = np.unique(names, return_inverse=True)
    return ClusterSet("world", tuple(files), tuple(kinds.tolist()), labels.astype(np.int64))


def world_rows(folder: Path) -> list[tuple[Path, str]]:
    """Return picture and species of each specimen of a world that `paired_world` drew."""
    with (folder / "records.csv").open(encoding="utf-8", newline="") as stream:
        return [
            (folder / "images" / f"{row['id']}.jpg", row["species"])
            for row in csv.DictReader(stream)
            if row["own"] == "1"
        ]
