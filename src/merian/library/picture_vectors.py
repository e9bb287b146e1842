"""Embedding the pictures of a library that is built or added to, before they are taken in.

Before, since only who unpacks all pixels of a picture knows that it is not damaged. Each picture
goes through the network by itself, on one thread and in 32 bits, so the vectors do not hang on how
many processes share the work.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.image.addresses import Region, apart, pixels_of, read_file
from merian.library.pictures import GatheredPictures
from merian.library.reading import Progress
from merian.library.segment import Segment
from merian.library.towers import open_tower
from merian.library.vectors import Raw
from merian.pictures import BadPictureError, coloured, whole
from merian.processes import in_order

__all__ = ["PictureVectors", "open_eye"]

_AT_ONCE = 16  # pictures that a process is given
_OPENER = "merian.library.picture_vectors:open_eye"

Asked = tuple[str, float | None, float | None]  # an address, and the sides in mm
Answer = tuple[str, str]  # float16[dim] in base 64; or why there is none


class PictureVectors:
    """The vectors of the pictures that were gathered, one for each of those that may be taken in.

    Args:
        gathered: What was read.
        encoder: The folder of the encoder.
        work: A folder for what does not fit into memory.
        processes: How many at most; as many as the machine has cores if None.
        tell: Is told how many are embedded.
        known: By the address of a picture, the vector that the encoder has made of it before.
    """

    def __init__(
        self,
        gathered: GatheredPictures,
        encoder: Path,
        work: Path,
        processes: int | None,
        tell: Progress,
        known: Mapping[str, Raw] | None = None,
    ) -> None:
        self._gathered, self._tell = gathered, tell
        self._known = known or {}
        self._encoder = str(encoder.resolve())
        self._processes = max(1, processes or os.cpu_count() or 1)
        self._file = work / "vectors"
        self._place: dict[bytes, int] = {}  # of the hash of a picture, its row in the file

    def suspects(self, reasons: Sequence[str | None]) -> Mapping[int, str]:
        """Embed all pictures that are not set aside yet; return which cannot be, and why."""
        numbers = np.array(self._gathered.sequence, np.int64)
        good = np.flatnonzero(np.array([why is None for why in reasons], bool) & (numbers >= 0))
        distinct, first = np.unique(numbers[good], return_index=True)
        lead = good[first]  # the first record of each
        addresses = self._gathered.accessions.strings()
        # Regions of one file one after the other, so that it is unpacked once.
        order = sorted(range(len(lead)), key=lambda row: (addresses[int(lead[row])], row))
        digests = self._gathered.digests()
        bad: dict[int, str] = {}
        with self._file.open("wb") as stream:
            for row, (vector, why) in zip(order, self._answers(lead[order]), strict=True):
                if why:
                    place = apart(addresses[int(lead[row])])[0]
                    bad[int(distinct[row])] = f"{why}: {place}"
                    continue
                self._place[digests[distinct[row]].tobytes()] = len(self._place)
                stream.write(base64.b64decode(vector))
        return {r: bad[n] for r, n in zip(good.tolist(), numbers[good].tolist(), strict=True)
                if n in bad}  # fmt: skip

    def of(self, segment: Segment, dim: int) -> Raw:
        """Return float16[entries, dim]: the vectors of the entries that a segment brought."""
        return self.rows(segment.digest, dim)

    def rows(self, digests: NDArray[np.uint64], dim: int) -> Raw:
        """Return float16[n, dim]: the vectors of pictures that were embedded, by their hashes."""
        rows = [self._place[digest.tobytes()] for digest in digests]
        if not rows:
            return np.empty((0, dim), np.float16)
        every = np.memmap(self._file, np.float16, "r").reshape(-1, dim)
        found: Raw = every[rows]
        return found

    def _answers(self, lead: NDArray[np.int64]) -> Iterator[Answer]:
        """Yield the vector of the picture of each record."""
        addresses = self._gathered.accessions.strings()
        sides = self._gathered.longer, self._gathered.shorter

        def batches() -> Iterator[tuple[int, list[Any]]]:
            unseen = [row for row in lead.tolist() if addresses[row] not in self._known]
            for first in range(0, len(unseen), _AT_ONCE):
                rows = unseen[first : first + _AT_ONCE]
                asked = [[addresses[r], *(_known(one[r]) for one in sides)] for r in rows]
                yield first, asked

        def fresh() -> Generator[Answer]:
            done, arguments = 0, (self._encoder,)
            here = _Later(self._encoder)
            answered = in_order(here, _OPENER, arguments, batches(), self._processes)
            with closing(answered):
                for _, few in answered:
                    self._tell("embedding", done)
                    done += len(few)
                    yield from few

        with closing(fresh()) as others:
            for row in lead.tolist():
                there = self._known.get(addresses[row])
                yield next(others) if there is None else (_packed(there), "")


def _packed(vector: NDArray[Any]) -> str:
    return base64.b64encode(vector.astype("<f2").tobytes()).decode()


def _known(side: float) -> float | None:
    return None if math.isnan(side) else side


class _Later:
    """An eye that is opened when it is first asked, since other processes may do all the work."""

    def __init__(self, encoder: str) -> None:
        self._encoder = encoder
        self._eye: _Eye | None = None

    def __call__(self, asked: list[Any]) -> list[Any]:
        """Return the answers to some pictures."""
        self._eye = self._eye or open_eye(self._encoder)
        return self._eye(asked)


class _Eye:
    """Reads pictures, and looks at each by itself."""

    def __init__(self, encoder: str) -> None:
        from merian.learn import SizedPicture  # noqa: PLC0415 - torch

        self._sized = SizedPicture
        self._network = open_tower(encoder, "image")
        self._last: tuple[str, Image.Image] | None = None  # the file that was cut from last

    def __call__(self, asked: list[Any]) -> list[Any]:
        """Return the answers to some pictures."""
        return [self._answer(*one) for one in asked]

    def _answer(self, address: str, longer: float | None, shorter: float | None) -> Answer:
        place, region = apart(address)
        try:
            item: Any = read_file(place) if region is None else self._cut(place, region)
        except BadPictureError as bad:
            return "", str(bad)
        if longer is not None:
            item = self._sized(item, (longer, shorter))
        rejects: list[tuple[int, str]] = []
        found = self._network.encode([item], rejects)
        if rejects:
            return "", rejects[0][1]
        return _packed(found), ""

    def _cut(self, place: str, region: Region) -> Image.Image:
        if self._last is None or self._last[0] != place:
            self._last = None
            self._last = place, whole(read_file(place))
        image = self._last[1]
        return coloured(image.crop(pixels_of(image.size, region)))


def open_eye(encoder: str) -> _Eye:
    """Make what answers pictures, in a child too; see `merian.processes.in_order`."""
    return _Eye(encoder)
