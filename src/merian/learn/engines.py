"""What runs a network that is only asked: torch, or onnxruntime, where it is installed and faster.

onnxruntime runs the small convolutions of EfficientNet-Lite several times as fast as torch on a
CPU. Its sums are in another order, which changes a vector by some millionths.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from merian.errors import InputError, MissingExtraError

__all__ = ["ENGINES", "choose_engine", "onnx_features"]

ENGINES = ("auto", "torch", "onnxruntime")


def choose_engine(
    asked: str, network: nn.Module, device: str, precision: str, resolved: str
) -> str:
    """Return what runs a network, or say why it cannot be had.

    Args:
        asked: One of ENGINES; auto is onnxruntime where it can be had and the precision is auto.
        network: It.
        device: Where.
        precision: That was asked for.
        resolved: What that came to.
    """
    if asked not in ENGINES:
        raise InputError(f"the engine is {asked!r}; {', '.join(ENGINES)} expected")
    if asked == "torch" or (asked == "auto" and precision != "auto"):
        return "torch"
    from merian.image.efficientnet_lite import EfficientNetLite  # noqa: PLC0415 - for it alone

    suits = (
        isinstance(network, EfficientNetLite)
        and not network.config.millimetres
        and device == "cpu"
        and resolved == "float32"
    )
    if asked == "auto" and not suits:
        return "torch"
    if not suits:
        raise InputError("onnxruntime runs EfficientNet-Lite on a CPU in float32; take torch")
    from merian.image.onnx_lite import runs_here  # noqa: PLC0415

    if not runs_here():
        if asked == "auto":
            return "torch"
        raise MissingExtraError("onnxruntime", "fast")
    return "onnxruntime"


def onnx_features(network: nn.Module, size: int) -> Callable[[Tensor], Tensor]:
    """Return the features of a network as onnxruntime makes them."""
    from merian.image.efficientnet_lite import EfficientNetLite  # noqa: PLC0415
    from merian.image.onnx_lite import OnnxLite  # noqa: PLC0415

    assert isinstance(network, EfficientNetLite)  # `choose_engine` was asked
    held = OnnxLite(network, size)

    def features(images: Tensor) -> Tensor:
        pixels: NDArray[np.float32] = np.ascontiguousarray(images.numpy(), np.float32)
        return torch.from_numpy(held.features(pixels))

    return features
