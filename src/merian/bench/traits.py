"""How near traits from photographs come to the truth: scales, masks, parts of bodies, lengths.

Four parts. "rulers": scales of pictures whose scale was read by hand. "pitfall": specimens that
others measured in ImageJ. "parts": pinned beetles whose parts others painted. "world": drawn bodies
with known lengths. What is not at hand is left out of "all", and is an error when it is asked for.
"""

from __future__ import annotations

from pathlib import Path

from merian.bench.parts import measured_parts
from merian.bench.traits_masks import parts_figures, pitfall_figures

__all__ = ["run"]

DATA = Path("../shared/data/traits")

Figures = dict[str, dict[str, object]]


def run(*, part: str = "all", data: Path = DATA, seed: int = 0) -> Figures:
    """Measure one part, or all that are at hand.

    Args:
        part: rulers, pitfall, parts, world or all.
        data: The folder with pitfall_crops, beetleflow_parts and the pictures of rulers.
        seed: Of the draws for intervals.
    """
    return measured_parts(part, {
        "rulers": lambda: _rulers(data),
        "pitfall": lambda: pitfall_figures(data / "pitfall_crops", seed),
        "parts": lambda: parts_figures(data / "beetleflow_parts", seed),
        "world": _world,
    })  # fmt: skip


def _rulers(data: Path) -> Figures:
    from merian.bench.traits_rulers import run as rulers  # noqa: PLC0415 - reads many pictures

    return dict(rulers(data=data.parent))


def _world() -> Figures:
    from merian.bench.traits_world import run as world  # noqa: PLC0415 - draws many pictures

    return dict(world())
