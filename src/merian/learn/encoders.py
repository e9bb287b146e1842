"""The kinds of encoders that can be trained, saved and loaded, by name.

A kind is a network with its configuration. Barcodes go through its `pooled(tokens, keep)`, pictures
(as (value - 127) / 128, channels first) through its `features`; both return float[b, width].
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from merian.errors import InputError, NotFoundError, did_you_mean

__all__ = ["ENCODERS", "EncoderKind", "build_encoder", "find_kind"]


@dataclasses.dataclass(frozen=True)
class EncoderKind:
    """One kind.

    Attributes:
        name: What a recipe calls it.
        modality: barcode or image.
        about: In one line.
        keys: What may be said of it, and of which type it is.
        build: Makes the network of what is said.
    """

    name: str
    modality: str
    about: str
    keys: Callable[[], dict[str, type]]
    build: Callable[[Mapping[str, Any]], nn.Module]


def _bert_keys() -> dict[str, type]:
    from merian.barcode.bert import BertConfig  # noqa: PLC0415 - a kind is loaded when it is used

    return typing.get_type_hints(BertConfig)


def _bert(said: Mapping[str, Any]) -> nn.Module:
    from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: PLC0415

    if "vocabulary" not in said:
        raise InputError("barcode-bert: say the size of its vocabulary, as `KmerTokens` has it")
    return BarcodeBert(BertConfig(**said))


def _mamba_keys() -> dict[str, type]:
    from merian.barcode.mamba import MambaConfig  # noqa: PLC0415

    return typing.get_type_hints(MambaConfig)


def _mamba(said: Mapping[str, Any]) -> nn.Module:
    from merian.barcode.mamba import BarcodeMamba, MambaConfig  # noqa: PLC0415

    if "vocabulary" not in said:
        raise InputError("barcode-mamba: say the size of its vocabulary, as `KmerTokens` has it")
    return BarcodeMamba(MambaConfig(**said))


def _cnn_keys() -> dict[str, type]:
    from merian.barcode.cnn import CnnConfig  # noqa: PLC0415

    return typing.get_type_hints(CnnConfig)


def _cnn(said: Mapping[str, Any]) -> nn.Module:
    from merian.barcode.cnn import BarcodeCnn, CnnConfig  # noqa: PLC0415

    return BarcodeCnn(CnnConfig(**said))


def _lite_keys() -> dict[str, type]:
    from merian.image.efficientnet_lite import LiteConfig  # noqa: PLC0415

    return {"pretrained": bool, **typing.get_type_hints(LiteConfig)}


def _lite(said: Mapping[str, Any]) -> nn.Module:
    from merian.image import efficientnet_lite  # noqa: PLC0415

    said = dict(said)
    pretrained = said.pop("pretrained", False)
    start = efficientnet_lite.CONFIGS["efficientnet-lite0"]
    # Heads are no part of an encoder.
    config = dataclasses.replace(start, **{**said, "classes": 0})
    network = efficientnet_lite.EfficientNetLite(config)
    if pretrained:
        if (config.width, config.depth) != (start.width, start.depth):
            raise InputError("efficientnet-lite0: its weights are for width 1 and depth 1")
        given = efficientnet_lite.load_pretrained().state_dict()
        network.load_state_dict({k: v for k, v in given.items() if not k.startswith("classifier")})
    return network


ENCODERS: dict[str, EncoderKind] = {
    kind.name: kind
    for kind in (
        EncoderKind(
            "barcode-bert", "barcode", "a transformer over the words of a barcode",
            _bert_keys, _bert,
        ),
        EncoderKind(
            "barcode-mamba", "barcode", "a state that fades, over the words of a barcode",
            _mamba_keys, _mamba,
        ),
        EncoderKind(
            "barcode-cnn", "barcode", "three convolutions over letters (data.k = 1): a baseline",
            _cnn_keys, _cnn,
        ),
        EncoderKind(
            "efficientnet-lite0", "image",
            "a small convolutional network; `pretrained` starts from ImageNet", _lite_keys, _lite,
        ),
    )
}  # fmt: skip


_TYPES = {int: "a whole number", float: "a number", bool: "true or false"}


def find_kind(name: str) -> EncoderKind:
    """Return the kind of that name."""
    if name not in ENCODERS:
        raise NotFoundError(
            f"no encoder is called {name!r}; there are {', '.join(ENCODERS)}."
            + did_you_mean(name, ENCODERS)
        )
    return ENCODERS[name]


def build_encoder(card: Mapping[str, Any]) -> nn.Module:
    """Build the network of a card: its ``kind``, and what else is said of it.

    The network gets the attribute ``kind``, so that a card can be written of it again.
    """
    said = {key: value for key, value in card.items() if key != "kind"}
    kind = find_kind(str(card.get("kind")))
    known = kind.keys()
    unknown = [key for key in said if key not in known]
    if unknown:
        raise InputError(
            f"{kind.name}: nothing is called {unknown[0]!r} there; there are {', '.join(known)}."
            + did_you_mean(unknown[0], known)
        )
    for key, value in said.items():
        wanted = known[key]
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise InputError(f"{kind.name}: {key} is {value!r}; expected {_TYPES[wanted]}")
    network: Any = kind.build(said)
    network.kind = kind.name
    built: nn.Module = network
    return built
