"""From a recipe and a pack of landmarks to a task, and from a folder to the network it holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian.errors import FormatError, InputError
from merian.learn.devices import seed_all
from merian.learn.instance_objective import Instances
from merian.learn.landmark_examples import PackedLandmarks
from merian.learn.landmark_network import KIND, LandmarkConfig, LandmarkNetwork
from merian.learn.landmark_objective import Landmarks
from merian.learn.landmark_pack import LandmarkPack, open_landmark_pack
from merian.learn.recipe import EncoderPart, Recipe
from merian.learn.saved import WEIGHTS, load_weights
from merian.learn.task import Task
from merian.learn.unet_building import check_settings, take_weights, trained_folder

__all__ = ["build_landmark_task", "load_landmark_network"]

_START = 3  # the stream of chance of the first weights
_PURPOSE = "place landmarks"
_OWN = ("body.", "place.", "present.")  # layers that are of landmarks alone


def build_landmark_task(recipe: Recipe, pack: Path | str) -> Task:
    """Return what a recipe for landmarks trains on a pack of them.

    Args:
        recipe: The recipe.
        pack: The folder of the pack.
    """
    opened = open_landmark_pack(pack)
    data = recipe.data
    if not len(opened.part("train")):
        raise InputError(f"{opened.folder}: has no body to learn from; all of it is held out")
    seed_all(recipe.training.seed, _START)
    network, origin = _network(recipe.encoder, opened.names)
    train = PackedLandmarks(opened, "train", data.size, data.zoom, augment=data.augment)
    valid = None
    if len(opened.part("valid")):
        valid = PackedLandmarks(opened, "valid", data.size, data.zoom, augment=False)
    objective = Landmarks(network, opened.names)
    return Task(objective, train, valid, {**_card(opened, data.size), **origin})


def _network(part: EncoderPart, names: list[str]) -> tuple[LandmarkNetwork, dict[str, Any]]:
    """Return the network that is trained, and what the card says of where it comes from."""
    if part.frozen:
        raise InputError("encoder.frozen: landmarks train the network; leave it out")
    if part.from_ is None:
        if part.kind != KIND:
            raise InputError(f"encoder.kind is {part.kind!r}; landmarks are placed by {KIND!r}")
        return LandmarkNetwork(_config(part.settings, len(names))), {}
    folder, card = trained_folder(part.from_, (Landmarks.kind, Instances.kind), _PURPOSE)
    told = card["objective"]
    own = {k: told["encoder"][k] for k in ("width", "depth")}
    for name, value in part.settings.items():
        if own.get(name) != value:
            raise InputError(f"encoder.{name} is {value!r} in the recipe and {own.get(name)!r} in "
                             f"{part.from_}; leave it out")  # fmt: skip
    network = LandmarkNetwork(LandmarkConfig(**own, landmarks=len(names)))
    weights = load_weights(folder, "encoder.")
    # Of other landmarks, or of bodies in trays: what sees is taken, what answers begins anew.
    if told["heads"].get("names") != names:
        weights = {k: v for k, v in weights.items() if not k.startswith((*_OWN, "answer."))}
    missing, more = network.load_state_dict(weights, strict=False)
    if more or any(not name.startswith(_OWN) for name in missing):
        raise FormatError("does not fit to its card", path=folder / WEIGHTS)
    return network, {"starts_from": {"id": card["id"], "name": card["name"]}}


def _config(said: Mapping[str, Any], landmarks: int) -> LandmarkConfig:
    # How many landmarks there are the data say.
    check_settings(KIND, said, [field.name for field in dataclasses.fields(LandmarkConfig)][:2])
    return LandmarkConfig(**said, landmarks=landmarks)


def _card(pack: LandmarkPack, size: int) -> dict[str, Any]:
    """Return what the data are."""
    header = pack.header
    parts = {part: len(pack.part(part)) for part in ("train", "valid", "test")}
    sources = [{"path": name, "hash": digest} for name, digest in header["asked"]["files"]]
    return {
        "pack": {"kind": "landmarks", "hash": header["hash"], "examples": header["bodies"],
                 "bodies": parts},
        "sources": sources,
        "licences": {},
        "set_aside": header["set_aside"],
        "preprocessing": {"size": size, "landmarks": pack.names},
    }  # fmt: skip


def load_landmark_network(model: Path | str) -> tuple[LandmarkNetwork, dict[str, Any]]:
    """Return a network that places landmarks, ready to be used, and its card.

    Args:
        model: The folder of a model or of a run, or the name of one that ships.
    """
    folder, card = trained_folder(model, (Landmarks.kind,), _PURPOSE)
    told = {k: v for k, v in card["objective"]["encoder"].items() if k != "kind"}
    network = LandmarkNetwork(LandmarkConfig(**told))
    take_weights(network, folder)
    return network.eval(), card
