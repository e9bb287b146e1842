"""The layouts of published checkpoints: how their tensors are called, and what they are to ours.

A layout finds its network by the names of the tensors, reads the sizes off their shapes, and says
of each tensor of ours where it comes from. What is left must be known not to belong to the encoder.
So either every number is where it was, or nothing is loaded.

    barcodebert   BertForTokenClassification or BertForMaskedLM; also fine-tuned
    barcodemae    the encoder of a masked autoencoder, a BertModel, with or without its decoder
    barcodemamba  the backbone of BarcodeMamba: an embedding, Mamba-2 blocks, a last norm
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from merian.errors import FormatError, InputError, did_you_mean
from merian.learn.picture_layouts import PICTURE_LAYOUTS
from merian.learn.published_files import Checkpoint

__all__ = ["LAYOUTS", "Found", "find_layout", "find_network"]

LAYOUTS = {
    "barcodebert": "BarcodeBERT, pretrained or fine-tuned, as torch or Hugging Face wrote it",
    "barcodemae": "BarcodeMAE: its encoder, with or without the decoder",
    "barcodemamba": "BarcodeMamba, a checkpoint of Lightning, or its weights alone",
}

_WORDS = "embeddings.word_embeddings.weight"
_FIRST = 3  # names that an error lists
# Tensors of a whole model that are no part of its encoder: what they predict, and decoders.
_HEADS = re.compile(
    r"(?:.*\.)?(?:classifier|cls|head|lm_head|\w+_head|\w+_classifier|decoder|decoder_embedding"
    r"|projection_layer|pooler)\..*"
)

_BERT = {
    "words.weight": _WORDS,
    "positions.weight": "embeddings.position_embeddings.weight",
    "norm_in": "embeddings.LayerNorm",
}
_BERT_BLOCK = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "norm_attention": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm_words": "output.LayerNorm",
}
_TYPES = "embeddings.token_type_embeddings.weight"
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")

_MAMBA = {"words.weight": _WORDS, "norm_out": "ln_f"}
_MIXER = (
    "in_proj.weight", "conv1d.weight", "conv1d.bias", "dt_bias", "A_log", "D", "norm.weight",
    "out_proj.weight",
)  # fmt: skip
_MAMBA_BLOCK = {f"mixer.{name}": f"mixer.{name}" for name in _MIXER} | {
    "norm": "norm1", "norm2": "norm2", "up": "mlp.fc1", "down": "mlp.fc2",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A network, found in a checkpoint.

    Attributes:
        kind: Of the encoder.
        settings: Its configuration, but for what words and heads decide.
        tensors: Its tensors, under our names; the words still have their rows.
        left_out: Tensors that the encoder does not need.
        notes: What was done to a tensor, and what had to be taken for granted.
    """

    kind: str
    settings: dict[str, Any]
    tensors: dict[str, Tensor]
    left_out: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def find_layout(checkpoint: Checkpoint, asked: str | None = None) -> tuple[str, str]:
    """Return the layout of a checkpoint, and what the names of its encoder begin with."""
    known = [*LAYOUTS, *PICTURE_LAYOUTS]
    if asked is not None and asked not in LAYOUTS:
        raise InputError(
            f"no layout is called {asked!r}; there are {', '.join(known)}."
            + did_you_mean(asked, known)
        )
    state = checkpoint.state
    begins = [name.removesuffix(_WORDS) for name in state if name.endswith(_WORDS)]
    begins = [each for each in begins if not each.startswith("decoder.")]
    mamba = [each for each in begins if f"{each}layers.0.mixer.in_proj.weight" in state]
    bert = [
        each for each in begins if f"{each}encoder.layer.0.attention.self.query.weight" in state
    ]
    for fits, own in ((mamba, ("barcodemamba",)), (bert, ("barcodebert", "barcodemae"))):
        if fits and (asked is None or asked in own):
            return asked or _which(checkpoint, fits[0], own), fits[0]
    if asked is not None:
        seen = mamba or bert
        is_it = f"; it has that of {'barcodemamba' if mamba else 'barcodebert'}" if seen else ""
        raise FormatError(
            f"has not the layout {asked}: {_missing(asked)} is not there{is_it}. {_names(state)}",
            path=checkpoint.path,
        )
    raise FormatError(
        f"has none of the layouts {', '.join(known)}. {_names(state)}", path=checkpoint.path
    )


def _which(checkpoint: Checkpoint, begin: str, own: tuple[str, ...]) -> str:
    """Return whose network it is, where one layout has two names."""
    if len(own) == 1:
        return own[0]
    decoded = any(name.startswith("decoder.") for name in checkpoint.state)
    arch = checkpoint.told.get("arch")
    if arch is not None:
        return "barcodemae" if arch == "maelm" else "barcodebert"
    autoencoder = decoded or begin in {"", "encoder."} or "decoder_config" in checkpoint.parts
    return "barcodemae" if autoencoder else "barcodebert"


def _missing(layout: str) -> str:
    if layout == "barcodemamba":
        return "...backbone.layers.0.mixer.in_proj.weight"
    return "...encoder.layer.0.attention.self.query.weight"


def _names(state: Mapping[str, Tensor]) -> str:
    first = ", ".join(list(state)[:_FIRST])
    count = f"{len(state):,} tensor" + ("s" if len(state) > 1 else "")
    return f"It has {count}: {first}" + (", ..." if len(state) > _FIRST else "")


def find_network(checkpoint: Checkpoint, layout: str, begin: str) -> Found:
    """Return the network of a checkpoint, whole."""
    read = _read_mamba if layout == "barcodemamba" else _read_bert
    return read(checkpoint, begin)


def _take(
    checkpoint: Checkpoint, begin: str, above: Mapping[str, str], block: Mapping[str, str], at: str
) -> tuple[dict[str, Tensor], int, set[str]]:
    """Return tensors under our names, how many blocks there are, and all names that were used.

    A name without its last part stands for a weight and a bias.
    """
    state = checkpoint.state
    number = re.compile(re.escape(begin + at) + r"\.(\d{1,3})\.")
    layers = 1 + max(int(m[1]) for m in map(number.match, state) if m)
    pairs = list(above.items())
    for layer in range(layers):
        pairs += [(f"blocks.{layer}.{o}", f"{at}.{layer}.{t}") for o, t in block.items()]
    single = ("weight", "bias", "dt_bias", "A_log", "D")
    names: dict[str, str] = {}
    for ours, theirs in pairs:
        parts = [""] if ours.rpartition(".")[2] in single else [".weight", ".bias"]
        names |= {ours + part: begin + theirs + part for part in parts}
    missing = [theirs for theirs in names.values() if theirs not in state]
    if missing:
        raise FormatError(
            f"lacks {_listed(missing)} of its {layers} blocks; nothing was loaded",
            path=checkpoint.path,
        )
    for name in names.values():
        if not state[name].is_floating_point() or state[name].layout != torch.strided:
            kind = str(state[name].dtype if state[name].layout == torch.strided
                       else state[name].layout).removeprefix("torch.")  # fmt: skip
            raise FormatError(
                f"{name} is of {kind}; expected plain numbers of 16 or 32 bits",
                path=checkpoint.path,
            )
    return {ours: state[theirs] for ours, theirs in names.items()}, layers, set(names.values())


def _left(checkpoint: Checkpoint, used: set[str], unneeded: set[str]) -> tuple[str, ...]:
    """Return what is left, if all of it is known to be no part of the encoder."""
    left = [name for name in checkpoint.state if name not in used]
    unknown = [x for x in left if x not in unneeded and not _HEADS.fullmatch(x)]
    if unknown:
        raise FormatError(
            f"has {_listed(unknown)} beside what the layout knows; without it the states would not "
            "be those of the published network, so nothing was loaded",
            path=checkpoint.path,
        )
    return tuple(left)


def _listed(names: list[str]) -> str:
    more = len(names) - _FIRST
    return ", ".join(names[:_FIRST]) + (f" and {more} more" if more > 0 else "")


# -- BERT -----------------------------------------------------------------------------------------


def _read_bert(checkpoint: Checkpoint, begin: str) -> Found:
    tensors, layers, used = _take(checkpoint, begin, _BERT, _BERT_BLOCK, "encoder.layer")
    notes = []
    told = checkpoint.told
    for name, wanted in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if told.get(name, wanted) != wanted:
            raise FormatError(
                f"{name} is {told[name]!r}; only {wanted!r} can be read", path=checkpoint.path
            )
    kinds = checkpoint.state.get(begin + _TYPES)
    if kinds is not None:
        # Every word is of the first kind there, so its row can stand with the places.
        used.add(begin + _TYPES)
        width = tensors["positions.weight"].shape[-1:]
        if kinds.ndim != 2 or not len(kinds) or kinds.shape[1:] != width:
            raise FormatError(
                f"{begin + _TYPES} is {list(kinds.shape)}; one row or more expected, as wide as a "
                "position",
                path=checkpoint.path,
            )
        tensors["positions.weight"] = tensors["positions.weight"].float() + kinds[0].float()
        notes.append("the first row of token_type_embeddings was added to every position")
    if "layer_norm_eps" not in told:
        notes.append("taken for granted, as the file does not say: exact GELU, norms with 1e-12")
    settings = {
        "width": _shape(tensors, "words.weight", checkpoint)[1],
        "positions": _shape(tensors, "positions.weight", checkpoint)[0],
        "hidden": _shape(tensors, "blocks.0.up.weight", checkpoint)[0],
        "layers": layers,
        "norm_first": False,
        "epsilon": _number(checkpoint, "layer_norm_eps", 1e-12),
        "dropout": _number(checkpoint, "hidden_dropout_prob", 0.1),
    }
    left = _left(checkpoint, used, {begin + each for each in _BUFFERS})
    return Found("barcode-bert", settings, tensors, left, notes)


def _number(checkpoint: Checkpoint, name: str, usual: float) -> float:
    """Return a number that the file says, or else what is usual."""
    told = checkpoint.told.get(name, usual)
    if type(told) not in (int, float):
        raise FormatError(f"{name} is {told!r}; a number expected", path=checkpoint.path)
    return float(told)


# -- Mamba ----------------------------------------------------------------------------------------


def _read_mamba(checkpoint: Checkpoint, begin: str) -> Found:
    if f"{begin}layers.0.mixer.dt_proj.weight" in checkpoint.state:
        raise FormatError(
            "has blocks of the first Mamba; those of Mamba-2 can be read", path=checkpoint.path
        )
    tensors, layers, used = _take(checkpoint, begin, _MAMBA, _MAMBA_BLOCK, "layers")
    width = _shape(tensors, "words.weight", checkpoint)[1]
    inner = _shape(tensors, "blocks.0.mixer.out_proj.weight", checkpoint)[1]
    (heads,) = _shape(tensors, "blocks.0.mixer.dt_bias", checkpoint, 1)
    mixed, _, window = _shape(tensors, "blocks.0.mixer.conv1d.weight", checkpoint, 3)
    if inner % width or inner % heads or mixed <= inner or (mixed - inner) % 2:
        raise FormatError(
            f"a mixer of {inner} channels, {heads} heads and a convolution over {mixed} fits to no "
            f"Mamba-2 of width {width}",
            path=checkpoint.path,
        )
    settings = {
        "width": width,
        "layers": layers,
        "state": (mixed - inner) // 2,
        "window": window,
        "expand": inner // width,
        "head": inner // heads,
        "hidden": _shape(tensors, "blocks.0.up.weight", checkpoint)[0],
        "dropout": 0.1,
    }
    notes = ["taken for granted, as in all that was published: one group, GELU by tanh, norms "
             "with 1e-5"]  # fmt: skip
    left = _left(checkpoint, used, set())
    return Found("barcode-mamba", settings, tensors, left, notes)


def _shape(
    tensors: Mapping[str, Tensor], name: str, checkpoint: Checkpoint, dimensions: int = 2
) -> tuple[int, ...]:
    """Return the shape of a tensor that decides a size."""
    shape = tuple(tensors[name].shape)
    if len(shape) != dimensions or not all(shape):
        raise FormatError(
            f"what would be {name} is {list(shape)}; {dimensions} dimensions expected, none of 0",
            path=checkpoint.path,
        )
    return shape
