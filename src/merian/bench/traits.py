"""How near traits from photographs come to the truth: scales, masks, parts of bodies, lengths.

Four parts. "rulers": scales of pictures whose scale was read by hand. "pitfall": specimens that
others measured in ImageJ. "parts": pinned beetles whose parts others painted. "world": drawn bodies
with known lengths. What is not at hand is left out of "all", and is an error when it is asked for.

Two are not in "all". "cut": areas of drawn insects of all sorts whose pictures were cut at the
outline, with that known and without. "painted", as it trains: what a network that also learns from
the pinned beetles is worth on those that it has not seen.

Where a network places landmarks, the figures of parts and world are told twice from one run:
without it, with its landmarks (", learned") and with its outlines too (", learned, outlines too").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merian.bench.parts import measured_parts
from merian.bench.traits_masks import parts_figures, pitfall_figures
from merian.learn.shelf import DRAWN_PLACES
from merian.measure.placing import CLASSICAL, LEARNED, Placer, placer
from merian.world.traits import KINDS

__all__ = ["WORKING", "run"]

WORKING = ("out",)  # settings that do not decide the data

DATA = Path("../shared/data/traits")

Figures = dict[str, dict[str, object]]


def run(
    *,
    part: str = "all",
    data: Path = DATA,
    seed: int = 0,
    landmarks: str = CLASSICAL,
    out: Path | None = None,
) -> Figures:
    """Measure one part, or all that are at hand.

    Args:
        part: rulers, pitfall, parts, world, cut, painted or all.
        data: The folder with pitfall_crops, beetleflow_parts and the pictures of rulers.
        seed: Of the draws for intervals.
        landmarks: The network that places landmarks beside the classical way: learned, the folder
            of a run, or classical for none. For painted, what each fold begins with.
        out: A folder where the networks of painted are kept; a later run goes on there.
    """
    if part == "painted":
        return _painted(data, seed, out, landmarks)
    if part == "cut":
        return _world(None, kinds=KINDS[0], traits=("area",), cut=True)
    network = placer(landmarks)
    return measured_parts(part, {
        "rulers": lambda: _rulers(data),
        "pitfall": lambda: pitfall_figures(data / "pitfall_crops", seed, network),
        "parts": lambda: parts_figures(data / "beetleflow_parts", seed, network),
        "world": lambda: _world(network),
    })  # fmt: skip


def _rulers(data: Path) -> Figures:
    from merian.bench.traits_rulers import run as rulers  # noqa: PLC0415 - reads many pictures

    return dict(rulers(data=data.parent))


def _painted(data: Path, seed: int, out: Path | None, landmarks: str) -> Figures:
    from merian.bench.traits_painted import painted_figures  # noqa: PLC0415 - it trains

    start = DRAWN_PLACES if landmarks in (CLASSICAL, LEARNED) else landmarks
    return dict(painted_figures(data / "beetleflow_parts", seed, out, start))


def _world(network: Placer | None, **settings: Any) -> Figures:
    from merian.bench.traits_world import run as world  # noqa: PLC0415 - draws many pictures

    return dict(world(network=network, **settings))
