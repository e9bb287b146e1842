"""A network as an encoder: sequences, pictures, texts or places in, vectors of unit length out.

Items go through in batches of few shapes, the last of each filled up, and on a CPU on one thread,
since another shape or number of threads changes the last bits. Which shape a barcode has follows
from its own length alone: so a vector has the same bytes whatever stands beside its item, and a
short barcode costs less than a long one. Several processes make use of several cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from merian.barcode import read_query
from merian.barcode.tokens import PAD
from merian.barcode.vocabulary import words_of
from merian.encoder import Floats
from merian.errors import FormatError, InputError
from merian.image.transforms import square
from merian.learn.engines import choose_engine, onnx_features
from merian.learn.lighter import choose_precision, lighter
from merian.pictures import BadPictureError, decode, read_picture
from merian.text.words import TextWords
from merian.threads import one_thread

__all__ = ["NetworkEncoder", "SizedPicture", "room"]

# On a CPU the wide layers of a picture fit the cache one at a time; barcodes are short.
_BATCH = {"barcode": 8, "image": 1, "text": 8, "place": 64}
_BATCH_GPU = 64
_FEW = {"barcode": 2048, "image": 64, "text": 2048, "place": 8192}  # made ready at a time
_ROOMS, _ROOM = 8, 16  # about so many lengths of a batch, and what they are multiples of


class SizedPicture(NamedTuple):
    """A picture of which is known how large it is in life.

    Attributes:
        picture: It, in any form that an encoder of pictures takes.
        sides: The longer and the shorter side in mm.
    """

    picture: Any
    sides: tuple[float, float]


def room(words: int, most: int) -> int:
    """Return the length of the batch in which a barcode or text of so many words stands.

    Args:
        words: Of it.
        most: That one can have.
    """
    step = max(_ROOM, round(most / _ROOMS / _ROOM) * _ROOM)
    return min(-(-words // step) * step, most)


class NetworkEncoder:
    """An `Encoder` (see `merian.encoder`) that is a network of ours.

    A barcode is a sequence; a picture is a file's content or path, a `PIL.Image`, or pixels as
    uint8[h, w, 3]. Networks that take the size in life are told that of a `SizedPicture`; of all
    other pictures they are told that it is not known. A text is a `str`; a place is latitude,
    longitude and the day of the year, NaN or None where not known.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        name: str,
        modality: str,
        dim: int,
        space: str,
        id: str,
        card: Mapping[str, Any],
        preprocessing: Mapping[str, Any],
        device: str | None = None,
        precision: str = "auto",
        engine: str = "auto",
    ) -> None:
        self.name, self.modality, self.dim, self.space = name, modality, dim, space
        self.id, self.card = id, card
        self.device = _device(device)
        self.precision = choose_precision(precision, self.device, modality)
        self.network = network.eval().to(self.device)
        self._light: Any = lighter(self.network, self.precision)  # what is asked
        self.engine = choose_engine(engine, network, self.device, precision, self.precision)
        try:
            self._tokens = _words(preprocessing, modality)
            self._size = int(preprocessing["size"]) if modality == "image" else 0
        except (TypeError, KeyError, ValueError) as error:
            raise FormatError(
                f"the card of {name} does not say what is done to an item before its network "
                f"({type(error).__name__}: {error})"
            ) from None
        self._sized = hasattr(network, "size")  # it takes the size in life
        self._features: Any = self._light.features if modality == "image" else None
        if self.engine == "onnxruntime":
            self._features = onnx_features(self.network, self._size)

    def encode(self, items: Sequence[Any], rejects: list[tuple[int, str]] | None = None) -> Floats:
        """Return float32[n, dim], rows of unit length; NaN where an item cannot be read."""
        found = np.full((len(items), self.dim), np.nan, np.float32)
        aside = rejects if rejects is not None else []
        plain, sides = _apart(items)
        batch = _BATCH_GPU if self.device.startswith("cuda") else _BATCH[self.modality]
        with one_thread(), torch.inference_mode():
            for rows, ready in self._ready(plain, aside):
                for first in range(0, len(rows), batch):
                    few = ready[first : first + batch]
                    own = rows[first : first + batch]
                    full = [*own, *own[:1] * (batch - len(few))]
                    shown = np.stack([*few, *few[:1] * (batch - len(few))])
                    found[own] = self._look(shown, sides[full])[: len(few)]
        return found

    def _ready(
        self, items: Sequence[Any], rejects: list[tuple[int, str]]
    ) -> Iterator[tuple[list[int], list[Any]]]:
        """Yield the rows of some items of one shape, and what a network sees of them."""
        few = _FEW[self.modality]
        for first in range(0, len(items), few):
            shapes: dict[tuple[int, ...], tuple[list[int], list[Any]]] = {}
            for row in range(first, min(first + few, len(items))):
                try:
                    seen = self._read(items[row])
                except (_UnreadableError, BadPictureError) as error:
                    rejects.append((row, str(error)))
                else:
                    rows, ready = shapes.setdefault(seen.shape, ([], []))
                    rows.append(row)
                    ready.append(seen)
            yield from shapes.values()

    def _read(self, item: Any) -> Any:
        """Return words, filled up to their room; or the pixels of a picture; or a place."""
        if item is None:
            raise _UnreadableError("it is missing")
        if self.modality == "place":
            return _place(item)
        if self._tokens is None:
            return square(_picture(item, self._size), self._size)
        text, why = read_query(str(item)) if self.modality == "barcode" else (str(item), "")
        if why:
            raise _UnreadableError(why)
        words = self._tokens.encode(text)
        if not len(words) and self.modality == "text":
            raise _UnreadableError("there is nothing to read in it")
        if not len(words):
            raise _UnreadableError(f"it is shorter than a word of {self._tokens.shortest} bases")
        more = room(len(words), self._tokens.length) - len(words)
        return np.pad(words, (0, more), constant_values=PAD)

    def _look(self, batch: Any, sides: Floats) -> Floats:
        """Return float32[b, dim] of unit length; of pictures the sides in mm are float32[b, 2]."""
        seen = torch.from_numpy(batch).to(self.device)
        with torch.autocast(
            self.device.split(":")[0], torch.bfloat16, enabled=self.precision == "bfloat16"
        ):
            if self._tokens is not None:
                vectors: Tensor = self._light.pooled(seen, seen != PAD)
            elif self.modality == "place":
                vectors = self._light.located(seen)
            else:
                pixels = (seen.permute(0, 3, 1, 2).float() - 127) / 128
                more = [torch.from_numpy(sides).to(self.device)] if self._sized else []
                vectors = self._features(pixels, *more)
        unit = nn.functional.normalize(vectors.float(), dim=1)
        return np.asarray(unit.cpu().numpy(), np.float32)


def _words(preprocessing: Mapping[str, Any], modality: str) -> Any:
    """Return what makes words of barcodes or texts; None for what has no words."""
    if modality == "barcode":
        return words_of(preprocessing)
    return TextWords.of(preprocessing) if modality == "text" else None


def _place(item: Any) -> Floats:
    """Return float32[3]: latitude and longitude in degrees, and the day of the year."""
    try:
        found = np.array([np.nan if number is None else number for number in item], np.float32)
    except (TypeError, ValueError):
        raise _UnreadableError(f"it is {item!r}; latitude, longitude and day expected") from None
    latitude, longitude, day = found if found.shape == (3,) else [np.inf] * 3
    if np.isnan(latitude + longitude) and np.isnan(day):
        raise _UnreadableError("neither the place nor the day is known")
    if abs(latitude) > 90 or abs(longitude) > 180 or not (np.isnan(day) or 1 <= day <= 367):
        raise _UnreadableError(f"it is {item!r}; latitude, longitude and day of the year expected")
    return found


def _apart(items: Sequence[Any]) -> tuple[list[Any], Floats]:
    """Return items without their sizes, and those float32[n, 2], NaN where not known."""
    sides = np.full((len(items), 2), np.nan, np.float32)
    plain = list(items)
    for row, item in enumerate(items):
        if isinstance(item, SizedPicture):
            plain[row], sides[row] = item
    return plain, sides


def _device(asked: str | None) -> str:
    """Return where the network goes: where that is not said, to a GPU if there is one."""
    there = torch.cuda.is_available()
    if asked is None:
        return "cuda" if there else "cpu"
    kind, _, number = asked.partition(":")
    if kind not in {"cpu", "cuda"} or not (number.isdecimal() or asked == kind):
        raise InputError(f"the device is {asked!r}; cpu or cuda expected")
    if kind == "cuda" and (not there or int(number or 0) >= torch.cuda.device_count()):
        raise InputError(
            f"the device is {asked}, and this torch sees no such GPU; leave it out, or see what "
            "`merian doctor` prints"
        )
    return asked


class _UnreadableError(Exception):
    """An item that cannot be read, and why."""


def _picture(item: Any, size: int) -> Image.Image:
    """Return a picture in RGB."""
    if isinstance(item, bytes | bytearray | memoryview):
        return decode(bytes(item), size)
    if isinstance(item, Path | str):
        return Image.fromarray(read_picture(item, size).pixels)
    if isinstance(item, Image.Image):
        return item.convert("RGB")
    pixels = np.asarray(item)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise _UnreadableError(
            f"it is {pixels.dtype}{list(pixels.shape)}; uint8[height, width, 3] expected"
        )
    return Image.fromarray(pixels)
