"""How far a network places landmarks from true ones, in pictures as people measure them.

The specimen is found as `merian measure --single` finds it, and the network looks at it there. What
counts are landmarks that measurements would take from the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.drawn_specimens import write_worlds
from merian.learn.landmark_errors import errors_in_use
from merian.measure.body import Body
from merian.measure.masks import single
from merian.measure.placing import Placer, is_taken, placer
from merian.measure.shapes import Point

if TYPE_CHECKING:
    from merian.learn.landmark_finding import Placed

__all__ = ["drawn_errors", "errors_in_pictures"]

Errors = dict[str, dict[str, Any]]

_FIRST = 2200  # the first world; networks that ship have learned from earlier ones
_WORLDS, _COUNT = 8, 60


def errors_in_pictures(
    pictures: Iterable[tuple[NDArray[np.uint8], Mapping[str, Point], Placer]],
) -> Errors:
    """Return errors of landmarks as a card keeps them.

    Args:
        pictures: Each with the true landmarks of the specimen in it, and the network that is asked.
    """
    return errors_in_use(_placed(pictures), is_taken)


def _placed(
    pictures: Iterable[tuple[NDArray[np.uint8], Mapping[str, Point], Placer]],
) -> Iterator[tuple[Placed, Mapping[str, Point]]]:
    for picture, true, network in pictures:
        region = single(picture)
        if region is not None:
            placed = network.look(Body(region.mask, region.left, region.top, picture))
            assert placed is not None  # there is a picture
            yield placed, true


def drawn_errors(
    model: Path | str, out: Path, worlds: int = _WORLDS, count: int = _COUNT
) -> Errors:
    """Return errors of a network in drawn pictures of worlds that no network has learned from.

    Args:
        model: The folder of a model or of a run, or the name of one that ships.
        out: A folder for the pictures; it is kept.
        worlds: How many.
        count: Insects of each.
    """
    from merian.learn.landmark_pack import make_landmark_pack  # noqa: PLC0415 - it loads torch

    files = [*write_worlds(out / "drawn", worlds, count, first=_FIRST)]
    pack = make_landmark_pack(files, out / "pack", valid=1.0)
    network = placer(str(model))
    assert network is not None  # only the classical way is none

    def pictures() -> Iterator[tuple[NDArray[np.uint8], Mapping[str, Point], Placer]]:
        for body in pack.part("valid").tolist():
            marks = zip(pack.names, pack.points[body].tolist(), strict=True)
            true = {name: (x, y) for name, (x, y, there) in marks if there == 1}
            yield np.ascontiguousarray(pack.crop(body)[..., :3]), true, network

    return errors_in_pictures(pictures())
