"""The kinds of encoders that can be trained, saved and loaded, by name.

A kind is a network with its configuration. Barcodes and texts go through its
`pooled(tokens, keep)`, pictures (as (value - 127) / 128, channels first) through its `features`,
places through its `located`; all return float[b, width]. A network of pictures that is told how
large they are in life has a `size`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from torch import nn

from merian.errors import InputError, NotFoundError, did_you_mean

__all__ = ["ENCODERS", "EncoderKind", "build_encoder", "find_kind", "modality_of"]


@dataclasses.dataclass(frozen=True)
class EncoderKind:
    """One kind.

    Attributes:
        name: What a recipe calls it.
        modality: barcode, image, text or place; empty where its tower tells it (`modality_of`).
        about: In one line.
        keys: What may be said of it, and of which type it is.
        build: Makes the network of what is said.
    """

    name: str
    modality: str
    about: str
    keys: Callable[[], dict[str, type]]
    build: Callable[[Mapping[str, Any]], nn.Module]


# What each kind of reader is: its network, and its configuration.


def _bert() -> tuple[Any, type]:
    from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: PLC0415 - loaded when used

    return BarcodeBert, BertConfig


def _mamba() -> tuple[Any, type]:
    from merian.barcode.mamba import BarcodeMamba, MambaConfig  # noqa: PLC0415

    return BarcodeMamba, MambaConfig


def _cnn() -> tuple[Any, type]:
    from merian.barcode.cnn import BarcodeCnn, CnnConfig  # noqa: PLC0415

    return BarcodeCnn, CnnConfig


def _spectrum() -> tuple[Any, type]:
    from merian.barcode.spectrum import BarcodeSpectrum, SpectrumConfig  # noqa: PLC0415

    return BarcodeSpectrum, SpectrumConfig


def _text() -> tuple[Any, type]:
    from merian.text.transformer import TextConfig, TextTransformer  # noqa: PLC0415

    return TextTransformer, TextConfig


def _hub() -> tuple[Any, type]:
    from merian.text.hub import HubConfig, HubNetwork  # noqa: PLC0415

    return HubNetwork, HubConfig


def _place() -> tuple[Any, type]:
    from merian.place.network import PlaceConfig, PlaceNetwork  # noqa: PLC0415

    return PlaceNetwork, PlaceConfig


def _reader(
    name: str, modality: str, about: str, load: Callable[[], tuple[Any, type]]
) -> EncoderKind:
    """Return a kind whose keys are those of its configuration."""

    def keys() -> dict[str, type]:
        return typing.get_type_hints(load()[1])

    def build(said: Mapping[str, Any]) -> nn.Module:
        network, config = load()
        # Some read letters, of which they know the number, and some no words at all.
        if (
            "vocabulary" in keys()
            and "vocabulary" not in said
            and not hasattr(config, "vocabulary")
        ):
            words = "KmerTokens" if modality == "barcode" else "TextWords"
            raise InputError(f"{name}: say the size of its vocabulary, as `{words}` has it")
        built: nn.Module = network(config(**said))
        return built

    return EncoderKind(name, modality, about, keys, build)


def _lites() -> Iterator[EncoderKind]:
    """Return the kinds of EfficientNet-Lite; the weights of the first come with an extra."""
    for number in range(5):
        name = f"efficientnet-lite{number}"
        about = ("a small convolutional network; `pretrained` starts from ImageNet" if not number
                 else f"a larger one, number {number} of 4")  # fmt: skip
        yield EncoderKind(name, "image", about, _lite_keys, partial(_lite, name))


def _lite_keys() -> dict[str, type]:
    from merian.image.efficientnet_lite import LiteConfig  # noqa: PLC0415

    return {"pretrained": bool, **typing.get_type_hints(LiteConfig)}


def _lite(name: str, said: Mapping[str, Any]) -> nn.Module:
    from merian.image import efficientnet_lite  # noqa: PLC0415

    said = dict(said)
    pretrained = said.pop("pretrained", False)
    start = efficientnet_lite.CONFIGS[name]
    # Heads are no part of an encoder.
    config = dataclasses.replace(start, **{**said, "classes": 0})
    network = efficientnet_lite.EfficientNetLite(config)
    if pretrained:
        if (config.width, config.depth) != (start.width, start.depth):
            raise InputError(
                f"{name}: its weights are for width {start.width:g} and depth {start.depth:g}"
            )
        given = efficientnet_lite.load_pretrained(name).state_dict()
        held = {k: v for k, v in given.items() if not k.startswith("classifier")}
        # What is told of the size in life was not trained there, and begins as nothing.
        network.load_state_dict(held, strict=not config.millimetres)
    return network


def _vit_keys() -> dict[str, type]:
    from merian.image.vit import ViTConfig  # noqa: PLC0415

    return {"scale": str, **typing.get_type_hints(ViTConfig)}


def _vit(said: Mapping[str, Any]) -> nn.Module:
    from merian.image.vit import CONFIGS, VisionTransformer  # noqa: PLC0415

    said = dict(said)
    scale = said.pop("scale", "small")
    if scale not in CONFIGS:
        raise InputError(f"vit: scale is {scale!r}; {', '.join(CONFIGS)} expected")
    return VisionTransformer(dataclasses.replace(CONFIGS[scale], **said))


def _adapted_keys() -> dict[str, type]:
    from merian.learn.adapted import AdaptedConfig  # noqa: PLC0415

    return {"tower": dict, **typing.get_type_hints(AdaptedConfig)}


def _adapted(said: Mapping[str, Any]) -> nn.Module:
    from merian.learn.adapted import Adapted, AdaptedConfig  # noqa: PLC0415

    if "tower" not in said:
        raise InputError("adapted: say what its tower is, as a table with a kind")
    config = AdaptedConfig(**{key: value for key, value in said.items() if key != "tower"})
    return Adapted(build_encoder(said["tower"]), config)


ENCODERS: dict[str, EncoderKind] = {
    kind.name: kind
    for kind in (
        _reader("barcode-bert", "barcode", "a transformer over the words of a barcode", _bert),
        _reader(
            "barcode-mamba", "barcode", "a state that fades, over the words of a barcode", _mamba
        ),
        _reader(
            "barcode-cnn", "barcode", "three convolutions over letters (data.k = 1): a baseline",
            _cnn,
        ),
        _reader(
            "barcode-spectrum", "barcode",
            "counts of spaced words (data.k = 1) times one matrix, fitted", _spectrum,
        ),
        *_lites(),
        EncoderKind(
            "vit", "image",
            "a vision transformer: `scale` is small, base or large", _vit_keys, _vit,
        ),
        _reader("text-transformer", "text", "a small transformer over the words of a text", _text),
        _reader("text-hub", "text", "a sentence encoder of the Hub (the extra hub), frozen", _hub),
        _reader("place-fourier", "place", "waves over the globe and the year, and maps", _place),
        EncoderKind(
            "adapted", "", "a frozen `tower` with a small network behind it that learns",
            _adapted_keys, _adapted,
        ),
    )
}  # fmt: skip


_TYPES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "a table",
}


def find_kind(name: str) -> EncoderKind:
    """Return the kind of that name."""
    if name not in ENCODERS:
        raise NotFoundError(
            f"no encoder is called {name!r}; there are {', '.join(ENCODERS)}."
            + did_you_mean(name, ENCODERS)
        )
    return ENCODERS[name]


def modality_of(card: Mapping[str, Any]) -> str | None:
    """Return the modality of the encoder of a card, or None where its kind is not known here."""
    kind = ENCODERS.get(str(card.get("kind")))
    if kind is None:
        return None
    return kind.modality or modality_of(card.get("tower") or {})


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
