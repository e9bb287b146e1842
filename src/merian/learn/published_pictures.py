"""Published encoders of pictures become models of ours: their tensors, sizes and settings.

What no tensor tells stands in a file beside the weights (`config.json`, `open_clip_config.json`,
`preprocessor_config.json`), or has to be said: an activation or a mean that is guessed wrong gives
vectors that look right and are not.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merian.errors import FormatError, InputError
from merian.image.vit import PIXELS
from merian.learn.picture_layouts import ViTLayout
from merian.learn.published_files import Checkpoint
from merian.learn.published_layouts import Found

__all__ = ["Said", "find_pictures"]

_SINGLE = ("cls", "registers", "positions", "scale_attention", "scale_words")
_HEAD = 64  # numbers of a head in every network of these families
_BESIDE = ("config.json", "open_clip_config.json", "preprocessor_config.json")
_WITHIN = ("vision_config", "pretrained_cfg", "preprocess_cfg", "model_cfg", "vision_cfg")
_FIRST = 3
_PERIOD = 100.0  # of the turns of DINOv3


@dataclass(frozen=True)
class Said:
    """What the user says of a published encoder of pictures, where its files do not.

    Attributes:
        heads: Of the attention.
        size: Height and width of the pictures that it is to be shown.
        pool: cls or mean.
        activation: gelu or quick-gelu.
        pixels: imagenet, half or clip: the mean and spread that it learned on.
    """

    heads: int | None = None
    size: int | None = None
    pool: str | None = None
    activation: str | None = None
    pixels: str | None = None


def find_pictures(opened: Checkpoint, layout: ViTLayout, begin: str, said: Said) -> Found:
    """Return a vision transformer of a checkpoint, whole."""
    beside = _beside(opened.path.parent)
    notes: list[str] = []
    tensors, layers, used = _tensors(opened, layout, begin)
    _check_periods(opened, begin)
    left = _left(opened, layout, begin, used)
    settings: dict[str, Any] = {
        **{k: v for k, v in layout.fixed.items() if k != "norm_pooled"},
        "layers": layers,
        "width": int(tensors["patches.weight"].shape[0]),
        "patch": int(tensors["patches.weight"].shape[-1]),
        "patch_bias": "patches.bias" in tensors,
        "hidden": int(tensors["blocks.0.up.weight"].shape[0]),
        "cls": "cls" in tensors,
        "registers": len(tensors["registers"]) if "registers" in tensors else 0,
        "norm_before": "norm_in.weight" in tensors,
        # Only whether there is one is asked; its numbers are those of the file.
        "layer_scale": 1.0 if "blocks.0.scale_words" in tensors else 0.0,
        "project": int(tensors["project.weight"].shape[0]) if "project.weight" in tensors else 0,
        "norm_pooled": layout.fixed.get("norm_pooled", False) or "norm_pooled.weight" in tensors,
    }
    for part in ("weight", "bias"):  # under either name it is the last norm
        if f"norm_pooled.{part}" in tensors:
            tensors[f"norm_out.{part}"] = tensors.pop(f"norm_pooled.{part}")
    if layout.name == "dinov2":
        settings["smooth"] = settings["registers"] > 0  # as their authors do
    settings |= _places(opened, tensors, settings, said)
    settings["heads"] = _heads(opened, beside, settings["width"], said.heads, notes)
    settings["pool"] = said.pool or (
        "cls" if settings["cls"] and "fc_norm.weight" not in _bare(opened, begin) else "mean"
    )
    settings["epsilon"] = _epsilon(beside, float(settings["epsilon"]))
    settings["activation"] = _activation(opened, layout, beside, said)
    settings["pixels"] = _pixels(opened, layout, beside, said)
    notes.append(
        f"pictures are brought to the mean and spread that are called {settings['pixels']!r}"
    )
    return Found("vit", settings, tensors, left, notes)


def _bare(opened: Checkpoint, begin: str) -> set[str]:
    return {name.removeprefix(begin) for name in opened.state}


# -- tensors --------------------------------------------------------------------------------------


def _tensors(
    opened: Checkpoint, layout: ViTLayout, begin: str
) -> tuple[dict[str, Tensor], int, set[str]]:
    """Return tensors under our names, how many blocks there are, and the names that were used."""
    number = re.compile(
        re.escape(begin) + re.escape(layout.at).replace(r"\{\}", r"(\d{1,3})") + r"\."
    )
    layers = 1 + max(int(m[1]) for m in map(number.match, opened.state) if m)
    pairs = [(ours, theirs, ours) for ours, theirs in layout.above.items()]
    split: list[tuple[str, tuple[str, ...]]] = []
    for layer in range(layers):
        at = layout.at.format(layer)
        pairs += [(f"blocks.{layer}.{o}", f"{at}.{t}", o) for o, t in layout.block.items()]
        if layout.split:
            split.append((f"blocks.{layer}.qkv", tuple(f"{at}.{t}" for t in layout.split)))
    found: dict[str, Tensor] = {}
    used: set[str] = set()
    missing: list[str] = []
    for ours, theirs, plain in pairs:
        single = plain in _SINGLE or ours.endswith((".weight", ".bias"))
        for part in ("",) if single else (".weight", ".bias"):
            name = begin + theirs + part
            if name in opened.state:
                found[ours + part] = _shaped(opened, name, plain)
                used.add(name)
            elif plain not in layout.optional and plain + part not in layout.optional:
                missing.append(name)
    for ours, parts in split:
        missing += _join(opened, begin, ours, parts, found, used)
    if missing:
        more = f" and {len(missing) - _FIRST} more" if len(missing) > _FIRST else ""
        raise FormatError(
            f"lacks {', '.join(missing[:_FIRST])}{more} of its {layers} blocks; nothing was loaded",
            path=opened.path,
        )
    _mask_bias(opened, begin, layout, layers, found)
    return found, layers, used


def _shaped(opened: Checkpoint, name: str, plain: str) -> Tensor:
    """Return a tensor in our shape, in 32 bits."""
    tensor = opened.state[name]
    if not tensor.is_floating_point() or tensor.layout != torch.strided:
        raise FormatError(
            f"{name} is of {str(tensor.dtype).removeprefix('torch.')}; expected plain numbers of "
            "16 or 32 bits",
            path=opened.path,
        )
    tensor = tensor.float()
    if plain in _SINGLE:  # [1, 1, width] and [1, n, width]
        while tensor.ndim > (1 if plain in {"cls", "scale_attention", "scale_words"} else 2):
            if tensor.shape[0] != 1:
                raise FormatError(f"{name} is {list(tensor.shape)}; 1 expected first",
                                  path=opened.path)  # fmt: skip
            tensor = tensor[0]
    wanted = {"patches": 4 if name.endswith("weight") else 1, "project.weight": 2}.get(plain)
    if wanted is not None and tensor.ndim != wanted:
        raise FormatError(
            f"{name} is {list(tensor.shape)}; {wanted} dimensions expected", path=opened.path
        )
    # In CLIP the last map stands the other way round, and is no layer.
    return tensor.T if plain == "project.weight" and name.endswith("proj") else tensor


def _join(
    opened: Checkpoint,
    begin: str,
    ours: str,
    parts: tuple[str, ...],
    found: dict[str, Tensor],
    used: set[str],
) -> list[str]:
    """Put query, key and value into one matrix; a bias that only the key lacks is zero."""
    weights = [f"{begin}{part}.weight" for part in parts]
    missing = [name for name in weights if name not in opened.state]
    if missing:
        return missing
    found[f"{ours}.weight"] = torch.cat([_shaped(opened, name, ours) for name in weights])
    used.update(weights)
    biases = []
    for place, part in enumerate(parts):
        name = f"{begin}{part}.bias"
        if name in opened.state:
            biases.append(_shaped(opened, name, ours))
            used.add(name)
        elif place == 1:
            biases.append(torch.zeros(len(opened.state[weights[1]])))
        else:
            missing.append(name)
    if not missing:
        found[f"{ours}.bias"] = torch.cat(biases)
    return missing


def _mask_bias(
    opened: Checkpoint, begin: str, layout: ViTLayout, layers: int, found: dict[str, Tensor]
) -> None:
    """Take what DINOv3 multiplies the bias of its keys by, which is zero, into the bias."""
    for layer in range(layers):
        name = f"{begin}{layout.at.format(layer)}.attn.qkv.bias_mask"
        if name in opened.state:
            found[f"blocks.{layer}.qkv.bias"] = (
                found[f"blocks.{layer}.qkv.bias"] * opened.state[name].float()
            )


def _check_periods(opened: Checkpoint, begin: str) -> None:
    """Make sure that places turn by the periods that are known."""
    told = opened.state.get(f"{begin}rope_embed.periods")
    if told is None:
        return
    wanted = _PERIOD ** (torch.arange(len(told)) / len(told))
    if not torch.allclose(told.float(), wanted, rtol=1e-2):  # they are kept in 16 bits
        raise FormatError(
            f"turns places by periods up to {float(told.max()):g}; those of DINOv3 go from 1 to "
            f"{_PERIOD:g}",
            path=opened.path,
        )


def _left(opened: Checkpoint, layout: ViTLayout, begin: str, used: set[str]) -> tuple[str, ...]:
    """Return what is left, if all of it is known to be no part of the encoder."""
    left = [name for name in opened.state if name not in used]
    known = re.compile("|".join(f"(?:{each})" for each in layout.unneeded))
    unknown = [
        name for name in left
        if not known.fullmatch(name) and not known.fullmatch(name.removeprefix(begin))
    ]  # fmt: skip
    if unknown:
        more = f" and {len(unknown) - _FIRST} more" if len(unknown) > _FIRST else ""
        raise FormatError(
            f"has {', '.join(unknown[:_FIRST])}{more} beside what the layout {layout.name} knows; "
            "without it the vectors would not be those of the published network, so nothing was "
            "loaded",
            path=opened.path,
        )
    return tuple(left)


# -- settings -------------------------------------------------------------------------------------


def _beside(folder: Path) -> dict[str, Any]:
    """Return what the files beside the weights tell of how pictures are looked at."""
    told: dict[str, Any] = {}
    for name in _BESIDE:
        if (folder / name).is_file():
            try:
                found = json.loads((folder / name).read_text(encoding="utf-8"))
            except (UnicodeDecodeError, json.JSONDecodeError) as error:
                raise FormatError(f"not a JSON file ({error})", path=folder / name) from None
            told[name] = True
            _gather(found, told)
    return told


def _gather(found: Any, told: dict[str, Any]) -> None:
    """Add the settings of an object and of those parts of it that are of pictures."""
    if not isinstance(found, Mapping):
        return
    inner = [found[name] for name in _WITHIN if name in found]
    told |= {k: v for k, v in found.items() if not isinstance(v, Mapping)}
    for part in inner:
        _gather(part, told)


def _places(
    opened: Checkpoint, tensors: Mapping[str, Tensor], settings: Mapping[str, Any], said: Said
) -> dict[str, Any]:
    """Return the size that the places were learned on, and whether the whole picture has one."""
    patch = int(settings["patch"])
    if "positions" not in tensors:
        return {"image_size": _even(said.size or 224, patch), "cls_place": False}
    many = len(tensors["positions"])
    for own in (1, 0) if settings["cls"] else (0,):
        side = math.isqrt(max(many - own, 0))
        if side and side * side == many - own:
            if said.size is not None:
                _even(said.size, patch)
            return {"image_size": side * patch, "cls_place": bool(own)}
    raise FormatError(
        f"has {many} places, which are those of no square of patches", path=opened.path
    )


def _even(size: int, patch: int) -> int:
    if size < patch or size % patch:
        raise InputError(f"--size {size}: a multiple of the {patch} pixels of a patch expected")
    return size


def _heads(
    opened: Checkpoint, beside: Mapping[str, Any], width: int, asked: int | None, notes: list[str]
) -> int:
    told = beside.get("num_attention_heads", opened.told.get("num_attention_heads"))
    if type(told) is int:
        if asked is not None and asked != told:
            raise InputError(f"{opened.path}: says {told} heads, and --heads {asked}; leave it out")
        return told
    if asked is not None:
        return asked
    if width % _HEAD:
        raise InputError(
            f"{opened.path}: does not say how many heads its width of {width} has, and no tensor "
            "does; say it: --heads"
        )
    notes.append(f"taken for granted, as in all of these families: heads of {_HEAD} numbers")
    return width // _HEAD


def _epsilon(beside: Mapping[str, Any], usual: float) -> float:
    told = beside.get("layer_norm_eps", usual)
    return float(told) if type(told) in (int, float) else usual


def _activation(
    opened: Checkpoint, layout: ViTLayout, beside: Mapping[str, Any], said: Said
) -> str:
    """Return the activation; in CLIP no tensor tells which of two it is."""
    told = beside.get("hidden_act", beside.get("act_layer"))
    if layout.name == "clip" and "open_clip_config.json" in beside:
        told = "quick_gelu" if beside.get("quick_gelu") else "gelu"
    names = {"gelu": "gelu", "quick_gelu": "quick-gelu", "gelu_erf": "gelu"}
    if isinstance(told, str):
        if told not in names:
            raise FormatError(f"the activation is {told!r}; {', '.join(names)} can be read",
                              path=opened.path)  # fmt: skip
        if said.activation not in {None, names[told]}:
            raise InputError(f"{opened.path}: says {told}, and --activation {said.activation}")
        return names[told]
    if said.activation is not None or layout.name not in {"clip", "hf-clip"}:
        return said.activation or "gelu"
    raise InputError(
        f"{opened.path}: does not say which activation it has, and no tensor does. Say it: "
        "--activation quick-gelu for the weights of OpenAI and what was trained on from them, gelu "
        "for what open_clip trained otherwise; or put its config beside it"
    )


def _pixels(opened: Checkpoint, layout: ViTLayout, beside: Mapping[str, Any], said: Said) -> str:
    """Return which mean and spread pictures are brought to."""
    told = beside.get("image_mean", beside.get("mean"))
    if isinstance(told, list) and len(told) == 3:
        for name, (mean, _) in PIXELS.items():
            if all(abs(float(a) - b) < 1e-3 for a, b in zip(told, mean, strict=True)):
                return name
        raise FormatError(
            f"takes a mean of {told}; those of {', '.join(PIXELS)} can be read", path=opened.path
        )
    usual = said.pixels or layout.fixed.get("pixels")
    if usual is None:
        raise InputError(
            f"{opened.path}: does not say which mean and spread its pictures had. Say it: --pixels "
            "half for timm's augreg and in21k, imagenet for DINO, MAE and DeiT, clip for what was "
            "CLIP; or put its config.json beside it"
        )
    return str(usual)
