"""How hard the pictures of a world are: for ImageNet features, and for Otsu's threshold.

The pictures are looked at in several processes of one torch thread each, which is quickest.
"""

from __future__ import annotations

import csv
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from merian.bench.realism import Figure, image_neighbours, mean_figure, overlap
from merian.errors import MissingExtraError
from merian.image import image_features, otsu_mask
from merian.processes import in_processes

__all__ = ["column", "look", "picture_figures", "rows_of"]


def picture_figures(world: Path, most: int = 5, processes: int = 2) -> dict[str, Figure]:
    """Return how hard the pictures of whole specimens are, names as they truly are.

    Args:
        world: The folder of a world.
        most: Pictures of one species that count. Real sets are capped too, and without it the
            figures would be those of the few commonest species.
        processes: How many look.
    """
    rows, count = [], Counter[str]()
    for row in rows_of(world / "truth" / "specimens.csv"):
        if row["state"] == "whole" and not row["copy_of"] and count[row["species"]] < most:
            count[row["species"]] += 1
            rows.append(row)
    seen = in_processes(
        "merian.bench.pictures:look", [row["processid"] for row in rows], str(world),
        processes=processes, worth=50,
    )  # fmt: skip
    genus = column(rows, "genus")
    found = {
        "mask by Otsu": mean_figure(
            np.array([one["overlap"] for one in seen]), "mean IoU, whole specimens", genus
        )
    }
    if all(one["features"] for one in seen):
        features = np.stack([np.frombuffer(b64decode(one["features"]), "<f4") for one in seen])
        nearest = image_neighbours(
            features, column(rows, "species"), genus, column(rows, "family"),
            column(rows, "processid"),
        )  # fmt: skip
        found |= {f"{rank} by ImageNet features": figure for rank, figure in nearest.items()}
    return found


def look(names: list[str], world: str) -> list[dict[str, object]]:
    """Return features and the overlap of Otsu's mask of a few pictures; called in each process."""
    images = [
        np.asarray(Image.open(Path(world, "images", f"{n}.jpg")).convert("RGB")) for n in names
    ]
    features = _features(images)
    found = []
    for number, name in enumerate(names):
        mask = np.asarray(Image.open(Path(world, "truth", "masks", f"{name}.png")).convert("1"))
        own = "" if features is None else b64encode(features[number].astype("<f4").tobytes())
        found.append({
            "overlap": overlap(otsu_mask(images[number]), mask),
            "features": own.decode() if isinstance(own, bytes) else own,
        })  # fmt: skip
    return found


def _features(images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32] | None:
    """Return the features of pictures, reckoned on one thread; None without torch."""
    try:
        import torch  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError:
        return None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return image_features(images)
    except MissingExtraError:
        return None
    finally:
        torch.set_num_threads(threads)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of one of the world's tables."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def column(rows: Sequence[dict[str, str]], name: str) -> npt.NDArray[np.str_]:
    """Return one column of them."""
    return np.array([row[name] for row in rows])
