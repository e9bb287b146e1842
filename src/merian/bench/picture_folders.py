"""Folders of labelled pictures as arrays: what a frozen network makes of them, made once.

A set is a folder whose pictures lie in folders with the names of their classes. Of each picture
there is the vector of the encoder that ships (EfficientNet-Lite0, ImageNet), a difference hash to
find copies by, and its size in pixels. What was made is kept in a folder to work in, and made again
only where the files or the encoder are others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.errors import NotFoundError
from merian.image.transforms import square
from merian.pictures import decode
from merian.tensors import map_tensors, write_tensors

__all__ = ["PictureSet", "difference_hash", "pixels_of", "read_set"]

Floats = NDArray[np.float32]

_ENDS = (".jpg", ".jpeg", ".png")
_NETWORK = "efficientnet-lite0"
_SIZE = 224  # of the pictures that it looks at
_GRID = 16  # a difference hash has as many bits as this, squared


@dataclass(frozen=True)
class PictureSet:
    """Pictures with one label each.

    Attributes:
        files: In the order of their paths.
        names: Of the classes.
        labels: int64[n]; the class of each.
        features: float32[n, 1280], rows of unit length.
        hashes: bool[n, 256].
        sides: int64[n, 2]; width and height in pixels.
    """

    files: tuple[Path, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    features: Floats
    hashes: NDArray[np.bool_]
    sides: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.files)


def read_set(folder: Path, work: Path) -> PictureSet:
    """Read a set.

    Args:
        folder: With a folder for each class.
        work: Where what was made is kept.
    """
    from merian.learn.saved import load_model  # noqa: PLC0415 - torch is an extra

    files = _files(folder)
    classes = [file.parent.name for file in files]
    names, labels = np.unique(classes, return_inverse=True)
    # On torch, so that the vectors are the same whatever else is installed.
    eye = load_model(_NETWORK, "cpu", "float32", "torch")
    told = [[str(file.relative_to(folder)), file.stat().st_size] for file in files]
    number = hashlib.blake2b(repr([eye.id, told]).encode(), digest_size=8).hexdigest()
    kept = work / f"pictures-{number}.safetensors"
    if not kept.is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_tensors(kept, _look_at(files, eye), "merian-bench-pictures 1")
    made = map_tensors(kept)
    return PictureSet(
        tuple(files), tuple(names.tolist()), labels.astype(np.int64),
        np.asarray(made["features"]), np.asarray(made["hashes"]).astype(bool),
        np.asarray(made["sides"]),
    )  # fmt: skip


def _files(folder: Path) -> list[Path]:
    found = sorted(
        file for file in folder.glob("*/*") if file.suffix.lower() in _ENDS and file.is_file()
    )
    if not found:
        raise NotFoundError(
            f"{folder}: no pictures there in folders with the names of their classes "
            f"({', '.join(_ENDS)}); say where the data are (--data), or leave the set out (--sets)"
        )
    return found


def _look_at(files: list[Path], eye: Any) -> dict[str, NDArray[Any]]:
    hashes, sides, features = [], [], []
    for file in files:
        image = decode(file.read_bytes())
        hashes.append(difference_hash(image))
        sides.append(image.size)
        features.append(eye.encode([square(image, _SIZE)])[0])
    return {
        "features": np.stack(features), "hashes": np.stack(hashes).astype(np.uint8),
        "sides": np.array(sides, np.int64),
    }  # fmt: skip


def pixels_of(files: tuple[Path, ...]) -> NDArray[np.uint8]:
    """Return uint8[n, 224, 224, 3]: the pixels that the network is given."""
    return np.stack([square(decode(file.read_bytes()), _SIZE) for file in files])


def difference_hash(image: Image.Image) -> NDArray[np.bool_]:
    """Return bool[256]: where a small grey copy of a picture becomes lighter from left to right.

    Copies of another size, quality or brightness have nearly the same; pieces of one photograph
    that are shifted have not.
    """
    small = image.convert("L").resize((_GRID + 1, _GRID), Image.Resampling.LANCZOS)
    grey = np.asarray(small, np.int16)
    found: NDArray[np.bool_] = (grey[:, 1:] > grey[:, :-1]).ravel()
    return found
