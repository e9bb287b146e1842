"""What `merian.bench.picture_encoder` lets race, each arm in a process of its own.

All make features of the same pictures of 224 pixels, one at a time, which is quickest on a CPU. The
package's own model is given tensors that are ready; ours is given pixels as they are decoded, and
brings its vectors to unit length as well.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from merian.bench.speed_arms import Round, serve
from merian.errors import MissingExtraError
from merian.image.efficientnet_lite import weights_file
from merian.learn.saved import load_model

__all__ = ["NAMES", "PEER", "make", "vectors_of_package"]

NETWORK, SIZE = "efficientnet-lite0", 224
PICTURES = 24  # of a round
PEER, OURS, FAST = "the package's own model", "Merian, torch", "Merian, onnxruntime"
NAMES = (PEER, OURS, FAST)


def pictures(count: int = PICTURES) -> NDArray[np.uint8]:
    """Return pictures drawn by chance, the same each time."""
    found: NDArray[np.uint8] = np.random.default_rng(0).integers(
        0, 256, (count, SIZE, SIZE, 3), np.uint8
    )
    return found


def _package() -> Any:
    """Return the network of the package that its authors made for these weights."""
    try:
        from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 - of the extra `test`
    except ModuleNotFoundError:
        raise MissingExtraError("the package's own model", "test") from None
    model = EfficientNet.from_name(NETWORK)
    model.load_state_dict(torch.load(weights_file(NETWORK), weights_only=True))
    return model.eval()


def _looks(model: Any, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.extract_features(images).mean(dim=(2, 3))
    return found


def _tensors(pixels: NDArray[np.uint8]) -> torch.Tensor:
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float().contiguous() - 127) / 128


def vectors_of_package(pixels: NDArray[np.uint8] | None = None) -> NDArray[np.float32]:
    """Return the features of pictures by the package's own model, not of unit length.

    Args:
        pixels: uint8[n, 224, 224, 3]; those drawn by chance if not given.
    """
    model = _package()
    given = pictures() if pixels is None else pixels
    found = [_looks(model, _tensors(given[row : row + 1])).numpy() for row in range(len(given))]
    return np.concatenate(found)


def make(arm: str) -> Round:
    """Make an arm, and do a round that is not counted."""
    if arm == PEER:
        model, ready = _package(), _tensors(pictures())

        def once() -> None:
            for one in ready:
                _looks(model, one[None])

    else:
        engine = "torch" if arm == OURS else "onnxruntime"
        eye, seen = load_model(NETWORK, "cpu", "float32", engine), list(pictures())

        def once() -> None:
            eye.encode(seen)

    once()
    return PICTURES, once


if __name__ == "__main__":
    serve(lambda: make(sys.argv[1]), int(sys.argv[2]))
