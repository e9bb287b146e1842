"""Pictures as vectors of a general network: what a program knows that never saw an insect.

ImageNet features with a nearest neighbour are the yardstick that every trained encoder has to
pass, and need no training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from merian.errors import InputError, MissingExtraError

__all__ = ["image_features"]

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def image_features(
    images: Sequence[Bytes], batch: int = 1, network: str = "efficientnet-lite0"
) -> Floats:
    """Return float32[n, 1280] of unit length, one row a picture.

    A picture that is not square is filled up with the colour of its border, so that nothing is
    cut away or squeezed.

    Args:
        images: Pictures as uint8[h, w, 3], of any size.
        batch: How many go through the network at once. On a CPU one at a time is quickest, as
            its wide layers then fit the cache, and a row has the same bytes whatever stands
            beside it.
        network: `efficientnet-lite0`, 1 or 2.

    Raises:
        MissingExtraError: torch or the weights are not installed.
        InputError: A picture is not uint8[h, w, 3].
    """
    look, size = _network(network)
    features = np.empty((len(images), 1280), np.float32)
    done = 0
    for pixels in _batches(images, size, batch):
        features[done : done + len(pixels)] = look(pixels)
        done += len(pixels)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features


@lru_cache(maxsize=3)
def _network(name: str) -> tuple[Callable[[Floats], Floats], int]:
    """Return a network and the size of its pictures; loaded once."""
    try:  # torch takes seconds to import, and not everybody has it
        from merian.image import efficientnet_lite  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("turning pictures into vectors", "models") from None
    model = efficientnet_lite.load_pretrained(name)
    return partial(efficientnet_lite.pooled_features, model), model.config.image_size


def _batches(images: Sequence[Bytes], size: int, batch: int) -> Iterator[Floats]:
    """Yield float32[batch, size, size, 3], pixels as (value - 127) / 128."""
    for start in range(0, len(images), batch):
        few = [_square(images[i], i, size) for i in range(start, min(start + batch, len(images)))]
        yield (np.stack(few).astype(np.float32) - np.float32(127)) / np.float32(128)


def _square(image: Bytes, number: int, size: int) -> Bytes:
    """Return a picture as uint8[size, size, 3]."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            f"picture {number} is {image.dtype}{list(image.shape)}; "
            "uint8[height, width, 3] expected"
        )
    height, width = image.shape[:2]
    if height != width:
        side = max(height, width)
        rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        filled = np.empty((side, side, 3), np.uint8)
        filled[:] = np.median(rim, axis=0).astype(np.uint8)
        down, right = (side - height) // 2, (side - width) // 2
        filled[down : down + height, right : right + width] = image
        image = filled
    if len(image) == size:
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
