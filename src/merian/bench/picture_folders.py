"""Folders of labelled pictures as arrays: what a frozen network makes of them, made once.

A set is a folder whose pictures lie in folders with the names of their classes. Of each picture
there is the vector of the encoder that ships (EfficientNet-Lite0, ImageNet), a difference hash to
find copies by, and its size in pixels. What was made is kept in a folder to work in, and made again
only where the files or the encoder are others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.bench.instruments import made_like_isiis
from merian.errors import NotFoundError
from merian.image.transforms import square
from merian.pictures import decode
from merian.processes import in_processes
from merian.tensors import map_tensors, write_tensors

__all__ = [
    "SHOWN",
    "PictureSet",
    "difference_hash",
    "looked_at",
    "pixels_of",
    "read_set",
    "vectors_shown",
]

Floats = NDArray[np.float32]

_ENDS = (".jpg", ".jpeg", ".png")
_NETWORK = "efficientnet-lite0"
_SIZE = 224  # of the pictures that it looks at
_WORTH_A_PROCESS = 200  # pictures
_GRID = 16  # a difference hash has as many bits as this, squared

# Ways to show a picture. Plankton has no upright: a turn is as good a picture as another.
SHOWN: dict[str, Callable[[Image.Image], Image.Image]] = {
    "turned by 90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned by 180": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "turned by 270": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "made like ISIIS": lambda image: made_like_isiis(image).convert("RGB"),
}


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
    files = _files(folder)
    classes = [file.parent.name for file in files]
    names, labels = np.unique(classes, return_inverse=True)
    eye = _eye()
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


def vectors_shown(
    found: PictureSet, how: str, work: Path, rows: NDArray[np.int64], processes: int = 1
) -> Floats:
    """Return float32[k, 1280], rows of unit length: of some pictures shown another way.

    Args:
        found: The pictures.
        how: One of `SHOWN`.
        work: Where what was made is kept.
        rows: int64[k]; which pictures.
        processes: How many look.
    """
    files = [str(found.files[row]) for row in rows.tolist()]
    sizes = [["/".join(Path(file).parts[-2:]), Path(file).stat().st_size] for file in files]
    told = [_eye().id, how, sizes]
    number = hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()
    kept = work / f"shown-{number}.safetensors"
    if not kept.is_file():
        work.mkdir(parents=True, exist_ok=True)
        made = in_processes(
            f"{__name__}:looked_at", files, how, processes=processes, worth=_WORTH_A_PROCESS
        )
        vectors = np.array(made, np.float32)
        write_tensors(kept, {"features": vectors}, "merian-bench-shown 1")
    return np.asarray(map_tensors(kept)["features"])


def looked_at(files: list[str], how: str) -> list[list[float]]:
    """Return the vector of each file, shown one way; for a process of its own."""
    eye, show = _eye(), SHOWN[how]
    return [
        eye.encode([square(show(decode(Path(file).read_bytes())), _SIZE)])[0].tolist()
        for file in files
    ]


def _eye() -> Any:
    from merian.learn.saved import load_model  # noqa: PLC0415 - torch is an extra

    # On torch, so that the vectors are the same whatever else is installed.
    return load_model(_NETWORK, "cpu", "float32", "torch")


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
