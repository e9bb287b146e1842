"""From a recipe and a pack of instances to a task, and from a folder to the network it holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.learn.devices import seed_all
from merian.learn.instance_examples import PackedInstances
from merian.learn.instance_network import KIND, InstanceConfig, InstanceNetwork
from merian.learn.instance_objective import Instances
from merian.learn.instance_pack import InstancePack, open_instance_pack
from merian.learn.recipe import EncoderPart, Recipe
from merian.learn.task import Task
from merian.learn.unet_building import check_settings, take_weights, trained_folder

__all__ = ["build_instance_task", "load_instance_network"]

_START = 3  # the stream of chance of the first weights


def build_instance_task(recipe: Recipe, pack: Path | str) -> Task:
    """Return what a recipe for instances trains on a pack of them.

    Args:
        recipe: The recipe.
        pack: The folder of the pack.
    """
    opened = open_instance_pack(pack)
    data = recipe.data
    if not opened.pictures("train"):
        raise InputError(f"{opened.folder}: has no body to learn from; all of it is held out")
    seed_all(recipe.training.seed, _START)
    network, origin = _network(recipe.encoder)
    train = PackedInstances(opened, "train", data.size, data.zoom, augment=data.augment)
    valid = None
    if opened.pictures("valid"):
        valid = PackedInstances(opened, "valid", data.size, data.zoom, augment=False)
    return Task(Instances(network), train, valid, {**_card(opened, data.size), **origin})


def _network(part: EncoderPart) -> tuple[InstanceNetwork, dict[str, Any]]:
    """Return the network that is trained, and what the card says of where it comes from."""
    if part.frozen:
        raise InputError("encoder.frozen: instances train the network; leave it out")
    if part.from_ is not None:
        network, card = load_instance_network(part.from_)
        own = dataclasses.asdict(network.config)
        for name, value in part.settings.items():
            if own.get(name) != value:
                raise InputError(
                    f"encoder.{name} is {value!r} in the recipe and {own.get(name)!r} in "
                    f"{part.from_}; leave it out"
                )
        return network, {"starts_from": {"id": card["id"], "name": card["name"]}}
    if part.kind != KIND:
        raise InputError(f"encoder.kind is {part.kind!r}; instances are found by {KIND!r}")
    return InstanceNetwork(_config(part.settings)), {}


def _config(said: Mapping[str, Any]) -> InstanceConfig:
    check_settings(KIND, said, [field.name for field in dataclasses.fields(InstanceConfig)])
    return InstanceConfig(**said)


def _card(pack: InstancePack, size: int) -> dict[str, Any]:
    """Return what the data are."""
    header = pack.header
    parts = {part: len(pack.pictures(part)) for part in ("train", "valid", "test")}
    sources = [{"path": name, "hash": digest} for name, digest in header["asked"]["files"]]
    return {
        "pack": {"kind": "instances", "hash": header["hash"], "examples": header["bodies"],
                 "pictures": parts},
        "sources": sources,
        "licences": {},
        "set_aside": header["set_aside"],
        "preprocessing": {"size": size},
    }  # fmt: skip


def load_instance_network(model: Path | str) -> tuple[InstanceNetwork, dict[str, Any]]:
    """Return a network that finds bodies, ready to be used, and its card.

    Args:
        model: The folder of a model or of a run, or the name of one that ships.
    """
    folder, card = trained_folder(model, (Instances.kind,), "find bodies")
    told = card["objective"]["encoder"]
    network = InstanceNetwork(_config({k: v for k, v in told.items() if k != "kind"}))
    take_weights(network, folder)
    return network.eval(), card
