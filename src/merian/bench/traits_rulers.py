"""How well scales are found: real rulers, rulers drawn with a known scale, bars and boards.

The real ones are photographs under data/traits whose scale was read by hand (see `REAL`). Drawn
ones are of every kind that a drawer holds, 4 to 60 pixels a millimetre, turned, blurred, noisy and
pressed as JPEG, among other things; pictures without a ruler are among them. Numbers were
chosen on other drawn pictures. Some rules came from looking at the real ones (grey marks of a ruler
known by its colours, marks of one level, models of half millimetres that no ruler has), so that the
figures of the real ones are no blind test.

A scale that is wrong by more than 2 % is *told* where the right one is among those that the marks
may also mean, and *silent* where none is told: that must not happen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.measure.bars import bar_scale
from merian.measure.boards import Board, board_picture, board_scale
from merian.measure.calibration import Calibration, NoScaleError
from merian.measure.rulers import ruler_scale
from merian.pictures import read_picture
from merian.world.drawing.rulers import KINDS, draw_barred, draw_ruled

__all__ = ["REAL", "run"]

Figures = dict[str, dict[str, object]]

# Pixels a millimetre. Of worms.jpg the long marks 20 and 4 of the ruler were read at ten times the
# size, in the row 120: columns 89.8 and 2053.0, 160 mm apart. Of stickle1, snails1 and insect_soup
# see SOURCE.txt beside them; in snails1 it is that of the columns, its rows are 1 to 2 % closer.
REAL: dict[str, tuple[float, Callable[[NDArray[np.uint8]], Calibration]]] = {
    "phenopype/worms.jpg": (12.270, ruler_scale),
    "phenopype/stickle1.jpg": (34.9, ruler_scale),
    "phenopype/snails1.jpg": (8.27, ruler_scale),
    "inselect/website_insect_soup.jpg": (9.77, lambda picture: bar_scale(picture, 10)),
}
_BARE = (
    "phenopype/isopods.jpg", "inselect/pinned.jpg", "inselect/barcodes.jpg",
    "inselect/website_ephemeroptera.jpg", "inselect/website_lucanidae.jpg",
    "inselect/website_tetrastichinae.jpg", "inselect/website_microscope_slides.jpg",
    "flatbug/ALUS_Non-miteArachnids_Unknown_2020_11_03_4545.jpg",
)  # fmt: skip
_WRONG = 0.02
_TILTS = (0.0, 10.0, 25.0, 40.0)


def run(
    *, data: Path = Path("../shared/data"), drawn: int = 12, bars: int = 60, seed: int = 2026
) -> Figures:
    """Measure how far scales are off.

    Args:
        data: The folder of real data; where it is not there only drawn pictures are looked at.
        drawn: Pictures of each kind of ruler.
        bars: Pictures with a bar.
        seed: Of the drawn pictures.
    """
    return {
        **_real(data / "traits"),
        **_drawn(drawn, np.random.default_rng(seed)),
        **_bars(bars, np.random.default_rng(seed + 1)),
        **_boards(np.random.default_rng(seed + 2)),
    }


def _figure(value: float, n: int, unit: str) -> dict[str, object]:
    return {"value": round(value, 4), "n": n, "unit": unit}


def _real(folder: Path) -> Figures:
    figures: Figures = {}
    for name, (truth, find) in REAL.items():
        if (folder / name).is_file():
            try:
                found = find(read_picture(folder / name).pixels)
            except NoScaleError as none:
                figures[f"{name}: refused"] = {"value": str(none), "n": 1, "unit": ""}
                continue
            off = 100 * abs(found.pixels_per_mm / truth - 1)
            figures[f"{name}: off"] = _figure(off, 1, "%")
            figures[f"{name}: uncertainty"] = _figure(100 * found.relative, 1, "%, k = 1")
            figures[f"{name}: may be another unit"] = _figure(found.ambiguous, 1, "0 or 1")
    bare = [name for name in _BARE if (folder / name).is_file()]
    if bare:
        seen = [_scale_of(read_picture(folder / name).pixels) for name in bare]
        some = sum(one is not None for one in seen)
        silent = sum(one is not None and not one.ambiguous for one in seen)
        figures["real, no ruler: a scale all the same"] = _figure(some / len(bare), len(bare),
                                                                  "share")  # fmt: skip
        figures["real, no ruler: a scale in silence"] = _figure(silent / len(bare), len(bare),
                                                                "share")  # fmt: skip
    return figures


def _scale_of(picture: NDArray[np.uint8]) -> Calibration | None:
    try:
        return ruler_scale(picture)
    except NoScaleError:
        return None


def _drawn(count: int, rng: np.random.Generator) -> Figures:
    figures: Figures = {}
    whole: dict[str, list[float]] = defaultdict(list)
    for kind in KINDS:
        own: dict[str, list[float]] = defaultdict(list)
        for _ in range(count):
            truth = float(np.exp(rng.uniform(np.log(4), np.log(60))))
            picture = draw_ruled(kind, truth, np.random.default_rng(rng.integers(2**60)))
            for name, value in _judged(_scale_of(picture.image), kind, truth).items():
                own[name].append(value)
        for name, values in own.items():
            unit = "%" if name == "off" else "share"
            if name == "off":
                figures[f"{kind}: off, median"] = _figure(
                    float(np.median(values)), len(values), unit
                )
                figures[f"{kind}: off, most"] = _figure(max(values), len(values), unit)
            else:
                figures[f"{kind}: {name}"] = _figure(float(np.mean(values)), len(values), unit)
            if kind != "none":
                whole[name] += values
    for name, values in whole.items():
        if name == "off":
            for share in (50, 95):
                figures[f"drawn: off, {share} % are below"] = _figure(
                    float(np.percentile(values, share)), len(values), "%"
                )
        else:
            figures[f"drawn: {name}"] = _figure(float(np.mean(values)), len(values), "share")
    return figures


def _judged(found: Calibration | None, kind: str, truth: float) -> dict[str, float]:
    """Return what is to be said of one picture; "off" where the unit is right."""
    if kind == "none":
        return {
            "a scale all the same": float(found is not None),
            "a scale in silence": float(found is not None and not found.ambiguous),
        }
    if found is None:
        return {"refused": 1.0, "ambiguous": 0.0, "silently wrong": 0.0, "right one not told": 0.0}
    ratio = found.pixels_per_mm / truth
    right = abs(ratio - 1) <= _WRONG
    told = any(abs(scale / truth - 1) <= _WRONG for scale, _ in found.others)
    judged = {
        "refused": 0.0,
        "ambiguous": float(found.ambiguous),
        "silently wrong": float(not right and not found.ambiguous),
        "right one not told": float(not right and not told),
    }
    if right:
        judged["off"] = 100 * abs(ratio - 1)
        judged["within its interval (k = 2)"] = float(abs(ratio - 1) <= 2 * found.relative)
    return judged


def _bars(count: int, rng: np.random.Generator) -> Figures:
    off, inside, refused, wrong = [], [], 0, 0
    for _ in range(count):
        truth = float(np.exp(rng.uniform(np.log(4), np.log(60))))
        picture, length = draw_barred(truth, np.random.default_rng(rng.integers(2**60)))
        try:
            found = bar_scale(picture, length)
        except NoScaleError:
            refused += 1
            continue
        ratio = abs(found.pixels_per_mm / truth - 1)
        wrong += ratio > 2 * _WRONG
        if ratio <= 2 * _WRONG:
            off.append(100 * ratio)
            inside.append(ratio <= 2 * found.relative)
    if not count:
        return {}
    return {
        "bars: refused": _figure(refused / count, count, "share"),
        "bars: another thing taken for it": _figure(wrong / count, count, "share"),
        "bars: off, median": _figure(float(np.median(off)), len(off), "%"),
        "bars: off, most": _figure(max(off), len(off), "%"),
        "bars: within its interval (k = 2)": _figure(float(np.mean(inside)), len(off), "share"),
    }


def _boards(rng: np.random.Generator) -> Figures:
    """Return how far the scale at the middle of a board is off, seen at a slant."""
    try:
        import cv2  # noqa: PLC0415  (an extra)
    except ImportError:
        return {}  # without the extra `vision` there are no boards to read
    board = Board(7, 5, 10, 7)
    print_ = board_picture(board, 20.0)
    figures: Figures = {}
    for tilt in _TILTS:
        off = []
        for _ in range(3):
            turn, focal, far = rng.uniform(0, 360), rng.uniform(5000, 9000), 600.0
            rotation = cv2.Rodrigues(np.array([np.radians(tilt), 0.0, 0.0]))[0]
            rotation = rotation @ cv2.Rodrigues(np.array([0.0, 0.0, np.radians(turn)]))[0]
            camera = np.array([(focal, 0, 700), (0, focal, 600), (0, 0, 1.0)])
            middle = -35 * rotation[:, 0] - 25 * rotation[:, 1] + np.array([0, 0, far])
            plane = camera @ np.column_stack([rotation[:, 0], rotation[:, 1], middle])
            plane = plane @ np.diag([1 / 20, 1 / 20, 1])
            seen = cv2.warpPerspective(print_, plane, (1400, 1200), borderValue=180)
            seen = cv2.GaussianBlur(seen, (0, 0), 1.0).astype(np.float64)
            seen = np.clip(seen + rng.normal(0, 4, seen.shape), 0, 255).astype(np.uint8)
            found = board_scale(seen, board)
            off.append(100 * abs(found.pixels_per_mm / (focal / far) - 1))
        figures[f"boards tilted by {tilt:.0f} degrees: off, most"] = _figure(max(off), 3, "%")
    return figures
