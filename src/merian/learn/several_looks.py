"""Several looks at each picture of a pack: large ones at most of it, small ones at a piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from merian.errors import InputError
from merian.image.transforms import Augmentation, look
from merian.learn.examples import PackedPictures
from merian.learn.pack import Pack
from merian.learn.task import Batch, Indices

__all__ = ["LARGE", "PackedLooks"]

LARGE = 2  # looks that the teacher sees


class PackedLooks(PackedPictures):
    """Several looks at each picture of a pack.

    A batch holds ``large`` uint8[b, 2, size, size, 3], ``small`` uint8[b, looks, small, small, 3]
    where small ones are asked for, and ``labels`` int64[b, 0]. Where the pack knows sizes it also
    holds ``large mm`` and ``small mm``, float[b, looks, 2].

    Args:
        pack: The pictures.
        size: Of a large look, in pixels.
        small: How many small looks there are.
        small_size: Their size.
        crop: What a small look keeps of a picture, at least and at most; a large one keeps at
            least the second share.
    """

    def __init__(
        self, pack: Pack, size: int, small: int, small_size: int, crop: tuple[float, float]
    ) -> None:
        if not 0 < crop[0] < crop[1] < 1:
            raise InputError(
                f"looks keep {crop[0]:g} and {crop[1]:g} of a picture; two shares between 0 and 1 "
                "expected, the smaller first"
            )
        # So that colours do not tell at once which looks are of one picture.
        self.large = Augmentation(least=crop[1], light=0.3, colour=0.2, grey=0.2, blur=0.5)
        self.small = replace(self.large, least=crop[0], most=crop[1])
        super().__init__(pack, size, self.large, ())
        self.looks, self.small_size = small, small_size
        if small:
            self._decoded = max(self._decoded, self._as_large(small_size, self.small))

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read and decode some pictures, and look at each several times."""
        found: Batch = {"labels": self.labels(indices)}
        parts = [("large", LARGE, self.size, self.large)]
        parts += [("small", self.looks, self.small_size, self.small)] if self.looks else []
        pixels = {
            name: np.empty((len(indices), many, size, size, 3), np.uint8)
            for name, many, size, _ in parts
        }
        shares = {f"{name} mm": np.ones(array.shape[:2], np.float32)
                  for name, array in pixels.items()}  # fmt: skip
        for number, image in enumerate(self.pictures(indices)):
            for name, many, size, asked in parts:
                for each in range(many):
                    at = number, each
                    pixels[name][at], shares[f"{name} mm"][at] = look(image, size, asked, random)
        found |= {name: torch.from_numpy(array) for name, array in pixels.items()}
        return found | self.sizes(indices, shares)
