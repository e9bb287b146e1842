"""Foreign checkpoints, opened as data: tensors, numbers and texts, and nothing that could run.

A file of torch is a pickle, which can call any function of Python when it is opened. So it goes
through `torch.load(weights_only=True)` alone, which makes tensors and plain containers. Published
files hold a little more beside their weights, the settings of the run as objects of a few known
classes; each is read as a dead stand-in, which keeps what was written of it and does nothing. A
file that names anything else is refused, before any of it is opened.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from merian.errors import FormatError, NotFoundError
from merian.files import existing

__all__ = ["Checkpoint", "open_checkpoint"]

# Where the folders of Hugging Face and of Lightning have their weights.
_INSIDE = (
    "model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin",
    "open_clip_pytorch_model.bin", "last.ckpt", "model.ckpt", "checkpoints/last.ckpt",
)  # fmt: skip
_CONFIG = "config.json"
_STATES = ("state_dict", "model_state_dict", "model", "encoder", "teacher", "student")
_SETTINGS = ("bert_config", "config", "hyper_parameters", "args")
# What decides the states, so that the file and its config.json may not contradict each other.
_DECIDE = (
    "num_attention_heads", "n_heads", "layer_norm_eps", "hidden_act", "position_embedding_type",
    "tokenizer", "use_cls_token", "k_mer", "stride", "max_len",
)  # fmt: skip
_WRAPPERS = ("module.", "_orig_mod.")  # of training on several devices, and of compiling
_BLOCK = 1 << 20
_PICKLE = b"\x80"  # how files begin that torch wrote before it packed them
_PROGRAM = ("torch.nn.", "mycoai.")  # a network that was pickled whole is of these

# What stands beside the weights in published files: arguments of the command line, the tree of
# settings of OmegaConf, numbers of NumPy, and how older schedules remember their function.
_BESIDE = (
    "argparse.Namespace", "typing.Any", "collections.defaultdict", "builtins.getattr",
    "torch.optim.lr_scheduler.OneCycleLR",
    *(f"builtins.{name}" for name in ("dict", "list", "tuple", "str", "int", "float", "bool")),
    *(f"pathlib.{name}" for name in ("PosixPath", "WindowsPath", "_local.PosixPath")),
    *(f"omegaconf.{name}" for name in (
        "dictconfig.DictConfig", "listconfig.ListConfig", "base.ContainerMetadata",
        "base.Metadata", "nodes.AnyNode", "nodes.StringNode", "nodes.IntegerNode",
        "nodes.FloatNode", "nodes.BooleanNode",
    )),
    "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
)  # fmt: skip


class _StandIn:
    """Stands for an object of a program that does not run here; what it is given, it keeps."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.told: dict[str, Any] = {}

    def __new__(cls, *_: Any, **__: Any) -> _StandIn:
        made = super().__new__(cls)
        made.told = {}
        return made

    def __setstate__(self, state: Any) -> None:
        self.told = state if isinstance(state, dict) else {}


@dataclass(frozen=True)
class Checkpoint:
    """What a file or folder holds.

    Attributes:
        path: The file with the weights.
        sha256: Of that file.
        state: Its tensors by name.
        told: Settings that stand beside them: numbers, texts, true and false.
        parts: What it has at its top.
    """

    path: Path
    sha256: str
    state: dict[str, Tensor]
    told: dict[str, Any]
    parts: frozenset[str]


def open_checkpoint(path: Path | str) -> Checkpoint:
    """Open a checkpoint: a file of torch, of safetensors, or the folder that holds one."""
    file = _weights_of(existing(path))
    content: Any = _safetensors(file) if _is_safetensors(file) else _torch(file)
    if not isinstance(content, Mapping):
        raise FormatError(
            f"holds a {type(content).__name__}; expected tensors by name, as state_dict() gives",
            path=file,
        )
    told: dict[str, Any] = {}
    parts: set[str] = set()
    for name, value in content.items():
        inner = value.told if isinstance(value, _StandIn) else value
        parts.add(str(name))
        if isinstance(inner, Mapping) and name in _SETTINGS:
            told |= _plain(inner)
    beside = file.parent / _CONFIG
    if beside.is_file():
        other = _plain(_config(beside))
        differ = [
            name for name in _DECIDE if name in told and other.get(name, told[name]) != told[name]
        ]
        if differ:
            raise FormatError(
                f"says {differ[0]} = {told[differ[0]]}, and {beside} {other[differ[0]]}; one of "
                "them is of another network, so move it elsewhere",
                path=file,
            )
        told |= other
    return Checkpoint(file, _sha256(file), _state(content, file), told, frozenset(parts))


def _weights_of(path: Path) -> Path:
    """Return the file with the weights."""
    if path.is_file():
        return path
    found = [path / name for name in _INSIDE if (path / name).is_file()]
    if not found:
        more = sorted(p.name for p in path.iterdir())
        split = " Its weights are split over several files; join them into one." if any(
            name.endswith(".index.json") for name in more
        ) else ""  # fmt: skip
        raise NotFoundError(
            f"{path}: no weights in this folder; expected one of {', '.join(_INSIDE)}, found "
            f"{', '.join(more[:5]) or 'nothing'}.{split} Or give the file itself"
        )
    return found[0]


def _is_safetensors(file: Path) -> bool:
    """Return whether a file begins as one of safetensors does: a length, and a JSON object."""
    with file.open("rb") as stream:
        head = stream.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < 1 << 28


def _safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise FormatError(f"not a complete safetensors file ({error})", path=file) from None


def _torch(file: Path) -> Any:
    """Return what a file of torch holds, or refuse it."""
    packed = zipfile.is_zipfile(file)
    with file.open("rb") as stream:
        if not packed and stream.read(1) != _PICKLE:
            raise _not_weights(file, "it begins like neither, or its end is cut off")
    stand_ins: list[Any] = [(_StandIn, name) for name in _BESIDE]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            warnings.simplefilter("ignore")  # of what torch would rather have been given
            if packed:
                _refuse(torch.serialization.get_unsafe_globals_in_checkpoint(str(file)), file)
            # Mapped, so that a large file does not stand in memory twice.
            return torch.load(file, map_location="cpu", weights_only=True, mmap=packed)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        _refuse([found[1]] if found else [], file)
        raise _not_weights(file, str(error)) from None
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError,
            OSError, UnicodeDecodeError) as error:  # fmt: skip
        raise _not_weights(file, str(error)) from None


def _refuse(names: list[str], file: Path) -> None:
    """Refuse a file that names what is neither a tensor nor known to stand beside one."""
    if not names:
        return
    named = ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    whole = any(name.startswith(_PROGRAM) for name in names)
    what = "a whole model, pickled with its program: it" if whole else "a pickle that"
    raise FormatError(
        f"{what} calls {named} when it is opened, so it could do anything. It is refused, and "
        "nothing of it was run. Who trusts it, and has the program that wrote it, can write the "
        "weights alone: torch.save(model.state_dict(), 'weights.pt')",
        path=file,
    )


def _not_weights(file: Path, why: str) -> FormatError:
    first = why.strip().split("\n")[0].split(". ")[0] or "its end is cut off"
    return FormatError(
        "no weights can be read from it; expected tensors by name, as torch.save or safetensors "
        f"writes them, and all of the file ({first})",
        path=file,
    )


def _state(content: Mapping[Any, Any], file: Path) -> dict[str, Tensor]:
    """Return the tensors by name, wherever they lie, without the names of wrappers."""
    places = [content, *(content[name] for name in _STATES if name in content)]
    held = [
        [(_bare(str(k)), v) for k, v in place.items() if isinstance(v, Tensor)]
        for place in places
        if isinstance(place, Mapping)
    ]
    # A step or a loss may stand at the top as a tensor, so the place with the most is meant.
    most = max(held, key=len)
    if most:
        state = dict(most)
        if len(state) < len(most):
            raise FormatError("two tensors have one name but for 'module.'", path=file)
        return state
    keys = ", ".join(str(key) for key in list(content)[:5])
    raise FormatError(
        f"holds {keys or 'nothing'}; expected tensors by name, at the top or under one of "
        f"{', '.join(_STATES)}",
        path=file,
    )


def _bare(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return name


def _plain(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the settings that are numbers and texts."""
    return {str(k): v for k, v in found.items() if isinstance(v, bool | int | float | str)}


def _config(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(f"not a JSON file ({error})", path=file) from None
    if not isinstance(found, dict):
        raise FormatError("expected an object with the settings of the network", path=file)
    return found


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
