"""Pictures that are asked about, as an encoder takes them: unpacked, cut out, with their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from merian.image.addresses import pixels_of, read_file
from merian.pictures import coloured, millimetres, whole

__all__ = ["Unpacker"]


class Unpacker:
    """Reads pictures as an encoder takes them; regions of one file stand together mostly."""

    def __init__(self) -> None:
        self._last: tuple[str, Image.Image] | None = None  # the file that was cut from last

    def __call__(self, address: str, region: Sequence[float] | None, scale: float | None) -> Any:
        """Return one picture."""
        if region is None and scale is None:
            return read_file(address)
        if region is None:
            image = whole(read_file(address))
        else:
            if self._last is None or self._last[0] != address:
                self._last = None
                self._last = address, whole(read_file(address))
            left, top, width, height = region
            image = self._last[1]
            image = image.crop(pixels_of(image.size, (left, top, width, height)))
        item: Any = coloured(image)
        if scale is not None:
            from merian.learn import SizedPicture  # noqa: PLC0415 - torch

            longer, shorter = millimetres(*image.size, scale).tolist()
            item = SizedPicture(item, (longer, shorter))
        return item
