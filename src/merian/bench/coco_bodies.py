"""The bodies of photographs that a COCO file tells of, as they are compared with what is found.

Which pictures are held out, where they lie and what is set aside is as when a network learns from
such a file: see `merian.learn.instance_pack`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.learn.instance_pack import Gathered, coco_file, gather, nothing_in, outlines_of
from merian.pictures import BadPictureError
from merian.tray.photograph import Photograph, open_photograph

__all__ = ["PARTS", "TrueBody", "Truth", "true_bodies"]

PARTS = ("train", "valid", "test")
_VALID = 0.1  # of the pictures of which nobody says a part, as when a network learns


class TrueBody(NamedTuple):
    """A body that is there."""

    mask: NDArray[np.bool_]
    left: int
    top: int


@dataclass
class Truth:
    """A photograph and what is in it.

    Attributes:
        name: Its file's name.
        photograph: Its pixels.
        bodies: What is there.
        ignored: Where nothing is asked: crowds, and categories that are to be ignored.
    """

    name: str
    photograph: Photograph
    bodies: list[TrueBody] = field(default_factory=list)
    ignored: list[TrueBody] = field(default_factory=list)


def true_bodies(
    coco: Path,
    part: str = "",
    categories: Sequence[str] = (),
    ignored: Sequence[str] = (),
) -> Iterator[Truth]:
    """Yield each photograph of a COCO file that can be read, with the bodies in it.

    Args:
        coco: The file, or the folder in which it lies.
        part: train, valid or test; all if not given.
        categories: The names of what is a body; all of them if not given.
        ignored: The names of what is neither a body nor ground.
    """
    if part not in ("", *PARTS):
        raise InputError(f"the part {part!r}: one of {', '.join(PARTS)} expected")
    file, gathered, any_ = coco_file(coco), Gathered(), False
    with TemporaryDirectory(prefix="merian-coco-") as spool:
        gather(file, gathered, Path(spool), _VALID, categories, ignored)
        for number, picture in enumerate(gathered.pictures):
            if part in ("", picture["part"]):
                try:
                    photograph = open_photograph(str(picture["file"]))
                except BadPictureError:
                    gathered.set_aside["pictures that cannot be read"] += 1
                    continue
                size = photograph.width, photograph.height
                if picture["told"] not in (None, size):
                    gathered.set_aside["pictures of another size than the file says"] += 1
                    continue
                any_ = True
                yield _of_picture(photograph, picture["name"], Path(spool) / str(number), gathered)
    if not any_:
        told = f"no picture of the part {part}" if part else "no picture"
        raise nothing_in([file], told, gathered.set_aside)


def _of_picture(photograph: Photograph, name: str, lines: Path, gathered: Gathered) -> Truth:
    truth = Truth(name, photograph)
    size = photograph.height, photograph.width
    for (rows, columns), unasked in outlines_of(lines, *size, gathered.set_aside):
        top, left = int(rows.min()), int(columns.min())
        mask = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), np.bool_)
        mask[rows - top, columns - left] = True
        (truth.ignored if unasked else truth.bodies).append(TrueBody(mask, left, top))
    return truth
