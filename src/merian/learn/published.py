"""Published checkpoints become models of ours: encoders of barcodes, and of pictures.

`adopt` opens a checkpoint as data, finds its layout, puts each tensor of its encoder under our name
for it and the rows of its vocabulary into our order, and writes a model: weights, and a card that
says where they come from. The hidden states are those of the published network.

References: Millan Arias and others, BarcodeBERT, Bioinformatics Advances 2026, vbag054; Safari and
others, BarcodeMAE, arXiv:2502.18405; Gao and others, BarcodeMamba, arXiv:2412.11084.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merian.barcode.tokens import MASK, KmerTokens
from merian.errors import FormatError, InputError
from merian.files import check_outside
from merian.learn.encoders import build_encoder
from merian.learn.encoding import EncoderAlone, described
from merian.learn.picture_layouts import PICTURE_LAYOUTS, ViTLayout, find_picture_layout
from merian.learn.published_files import Checkpoint, open_checkpoint
from merian.learn.published_layouts import LAYOUTS, Found, find_layout, find_network
from merian.learn.published_lite import find_lite
from merian.learn.published_pictures import Said, find_pictures
from merian.learn.published_words import Words, find_words
from merian.learn.saved import CARD, read_card, save_model

__all__ = ["Adopted", "adopt"]

_BASES = 660  # of all that was published
_NOT_WORDS = ("bpe", "DnaBertBPE")


@dataclass(frozen=True)
class Adopted:
    """What was made of a checkpoint.

    Attributes:
        folder: The model.
        id: Its id.
        layout: Of the checkpoint.
        encoder: Kind and configuration.
        numbers: How many numbers the encoder has.
        words: What its vocabulary is.
        left_out: Tensors of the file that no encoder needs.
        notes: What to know of it.
    """

    folder: Path
    id: str
    layout: str
    encoder: dict[str, Any]
    numbers: int
    words: str
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def adopt(
    checkpoint: Path | str,
    out: Path | str,
    *,
    layout: str | None = None,
    name: str | None = None,
    licence: str | None = None,
    source: str | None = None,
    heads: int | None = None,
    stride: int | None = None,
    bases: int | None = None,
    pictures: Said | None = None,
) -> Adopted:
    """Make a model of a published checkpoint.

    Args:
        checkpoint: A file of torch or safetensors, or a folder with one.
        out: The folder to make.
        layout: One of `LAYOUTS` or `PICTURE_LAYOUTS`; found from the tensors if not given.
        name: What people call it; that of the layout if not given.
        licence: Of the weights, as their authors say it.
        source: Where it was got, an address or a citation.
        heads: Of the attention, where the file does not say.
        stride: Bases from word to word, where they are not side by side and the file does not say.
        bases: How many are read; 660 if neither this nor the file says.
        pictures: What is said of an encoder of pictures, beside `heads`.
    """
    opened = open_checkpoint(checkpoint)
    seen = None if layout in LAYOUTS else find_picture_layout(opened.state, layout)
    if seen is not None:
        if stride is not None or bases is not None:
            raise InputError(f"{opened.path}: reads pictures, which have no bases and no stride")
        said = replace(pictures or Said(), heads=heads)
        return _adopt_pictures(opened, Path(out), seen, said, layout, (name, licence, source))
    if pictures is not None and pictures != Said():
        raise InputError(
            f"{opened.path}: no encoder of pictures was found in it, and --size, --pool, "
            "--activation and --pixels are for those"
        )
    if layout in PICTURE_LAYOUTS:
        raise FormatError(f"has not the layout {layout}", path=opened.path)
    layout, begin = find_layout(opened, layout)
    found = find_network(opened, layout, begin)
    words = _words(opened, layout, found)
    preprocessing = _preprocessing(opened, words, stride, bases)
    encoder = _network(opened, found, words, heads, KmerTokens(**preprocessing))
    _check_free(Path(out), opened)
    notes = [*found.notes, *([words.note] if words.note else [])]
    if words.cls is not None:
        notes.append("the vector of a barcode is the state of [CLS], which stands before its words")
    about = (name, licence, source)
    return _saved(
        opened, Path(out), encoder, layout, preprocessing, about, words.about, found, notes
    )


def _adopt_pictures(
    opened: Checkpoint,
    out: Path,
    seen: tuple[str, ViTLayout | None, str],
    said: Said,
    asked: str | None,
    about: tuple[str | None, str | None, str | None],
) -> Adopted:
    """Make a model of a published encoder of pictures."""
    layout, names, begin = seen
    if names is None:
        if said != Said():
            raise InputError(f"{opened.path}: EfficientNet-Lite has nothing of that to be said")
        found = find_lite(opened, begin, asked == layout)
    else:
        found = find_pictures(opened, names, begin, said)
    try:
        with torch.device("meta"):  # weights by chance would only be thrown away
            network = build_encoder({"kind": found.kind, **found.settings})
    except InputError as error:
        raise InputError(f"{opened.path}: {error}") from None
    _fill(network, {k: v.float() if v.is_floating_point() else v
                    for k, v in found.tensors.items()}, opened)  # fmt: skip
    _check_free(out, opened)
    size = said.size or int(found.settings["image_size"])
    words = f"pictures of {size} pixels"
    return _saved(opened, out, network, layout, {"size": size}, about, words, found, found.notes)


def _saved(
    opened: Checkpoint,
    out: Path,
    encoder: nn.Module,
    layout: str,
    preprocessing: dict[str, Any],
    about: tuple[str | None, str | None, str | None],
    words: str,
    found: Found,
    notes: list[str],
) -> Adopted:
    """Write the model, and say what was made."""
    name, licence, source = about
    card = {
        "name": name or layout,
        "preprocessing": preprocessing,
        "licence": licence or "not said",
        "origin": {
            "layout": layout,
            "file": opened.path.name,
            "sha256": opened.sha256,
            "source": source,
            "words": words,
            "left_out": list(found.left_out),
            "notes": notes,
        },
    }
    number = save_model(out, EncoderAlone(encoder, "published"), card)
    return Adopted(
        folder=out,
        id=number,
        layout=layout,
        encoder=described(encoder),
        numbers=sum(p.numel() for p in encoder.parameters()),
        words=words,
        left_out=found.left_out,
        notes=tuple(notes),
    )


def _check_free(out: Path, opened: Checkpoint) -> None:
    """Replace nothing but a model that was made of the same file."""
    check_outside(out)
    if not out.is_dir() or not any(out.iterdir()):
        return
    if (out / CARD).is_file():
        origin = read_card(out).get("origin")
        if isinstance(origin, Mapping) and origin.get("sha256") == opened.sha256:
            return
    raise InputError(f"{out}: is there, and holds something else; name another folder")


def _words(opened: Checkpoint, layout: str, found: Found) -> Words:
    told = opened.told
    if told.get("tokenizer") in _NOT_WORDS:
        raise FormatError(
            f"was trained on words of {told['tokenizer']}, which cannot be had without its "
            "tokenizer; words of k bases, or letters, can be read",
            path=opened.path,
        )
    cls = told.get("use_cls_token")
    try:
        words = find_words(
            layout, len(found.tensors["words.weight"]), cls if isinstance(cls, bool) else None
        )
    except InputError as error:
        raise FormatError(str(error), path=opened.path) from None
    if cls is True and words.cls is None:
        raise FormatError(
            f"says that a word [CLS] stood before each barcode, and its vocabulary ({words.about}) "
            "has none; nothing was loaded",
            path=opened.path,
        )
    if type(told.get("k_mer")) is int and told["k_mer"] != words.k:
        raise FormatError(
            f"says words of {told['k_mer']} bases, and its vocabulary has those of {words.k}",
            path=opened.path,
        )
    return words


def _preprocessing(
    opened: Checkpoint, words: Words, stride: int | None, bases: int | None
) -> dict[str, Any]:
    """Return what is done to a barcode before the network."""
    step = _said(opened, "stride", stride, "--stride")
    longest = _said(opened, "max_len", bases, "--bases")
    return {
        "k": words.k,
        "stride": None if step == words.k else step,
        "bases": _BASES if longest is None else longest,
    }


def _said(opened: Checkpoint, name: str, asked: int | None, option: str) -> int | None:
    """Return what the file says, or else what was asked; it may not be two things."""
    told = opened.told.get(name)
    if type(told) is not int:
        return asked
    if asked is not None and asked != told:
        raise InputError(f"{opened.path}: says {name} = {told}, and {option} {asked}; leave it out")
    return told


def _network(
    opened: Checkpoint, found: Found, words: Words, heads: int | None, tokens: KmerTokens
) -> nn.Module:
    """Build the network and give it its tensors."""
    settings = {**found.settings, "vocabulary": tokens.size}
    if found.kind == "barcode-bert":
        settings["heads"] = _heads(opened, heads)
    elif heads is not None:
        raise InputError(f"{opened.path}: {found.kind} has no attention; leave --heads out")
    tensors = {key: tensor.float() for key, tensor in found.tensors.items()}
    given = tensors["words.weight"]
    if words.cls is not None:
        # It stands at the first place of all barcodes, so that its word and its place are one.
        places = tensors["positions.weight"]
        tensors["whole"] = given[words.cls] + places[0]
        tensors["positions.weight"] = places[1:]
        settings |= {"positions": len(places) - 1, "cls": True, "pool_cls": True}
    if settings.get("positions", tokens.length) < tokens.length:
        raise InputError(
            f"{opened.path}: has {settings['positions']} positions, and {tokens.bases} bases have "
            f"{tokens.length} words; say --bases or --stride"
        )
    rows = torch.zeros(tokens.size, given.shape[1])  # that of padding is never looked at
    rows[MASK:] = given[torch.from_numpy(words.rows)]
    tensors["words.weight"] = rows
    try:
        with torch.device("meta"):  # weights by chance would only be thrown away
            network = build_encoder({"kind": found.kind, **settings})
    except InputError as error:
        raise InputError(f"{opened.path}: {error}") from None
    _fill(network, tensors, opened)
    return network


def _heads(opened: Checkpoint, asked: int | None) -> int:
    """Return the number of heads, which no tensor tells."""
    for name in ("num_attention_heads", "n_heads"):
        asked = _said(opened, name, asked, "--heads")
    if asked is None:
        raise InputError(
            f"{opened.path}: does not say how many heads the attention has, and no tensor does. "
            "Say it: --heads 4 for BarcodeBERT 4-4-4 and 8-4-4, 6 for BarcodeMAE, 12 for the "
            "weights of the BarcodeBERT workshop; or put its config.json beside it"
        )
    return asked


def _fill(network: nn.Module, tensors: Mapping[str, Tensor], opened: Checkpoint) -> None:
    """Give the network its tensors, all or none."""
    expected = network.state_dict()
    if set(tensors) != set(expected):
        odd = sorted(set(tensors) ^ set(expected))
        raise FormatError(f"what would be {odd[0]} is there on one side alone", path=opened.path)
    for key, tensor in tensors.items():
        wanted = list(expected[key].shape)
        if list(tensor.shape) != wanted:
            raise FormatError(
                f"what would be {key} is {list(tensor.shape)}; expected {wanted}", path=opened.path
            )
        if not bool(torch.isfinite(tensor).all()):
            raise FormatError(
                f"what would be {key} has numbers that are not finite", path=opened.path
            )
    # Copies, so that nothing of ours hangs on the file that is mapped.
    network.load_state_dict({k: t.clone() for k, t in tensors.items()}, strict=True, assign=True)
