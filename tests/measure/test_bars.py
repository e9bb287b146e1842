"""Scale bars: both ends to a fraction of a pixel, and none is taken where several are alike."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.measure.bars import bar_scale, find_bars
from merian.measure.calibration import NoScaleError
from merian.pictures import read_picture
from merian.world.drawing.rulers import draw_barred


def bar(
    length: float, thick: float, angle: float, dark: bool = True, serifs: bool = False,
    middle: tuple[float, float] = (150.0, 100.0),
) -> np.ndarray:  # fmt: skip
    """Draw a bar, smooth at its rim, into 300 x 200 pixels."""
    y, x = np.mgrid[:200, :300].astype(float)
    turn = math.radians(angle)
    s = (x - middle[0]) * math.cos(turn) + (y - middle[1]) * math.sin(turn)
    v = (y - middle[1]) * math.cos(turn) - (x - middle[0]) * math.sin(turn)
    ink = np.clip(length / 2 - np.abs(s) + 0.5, 0, 1) * np.clip(thick / 2 - np.abs(v) + 0.5, 0, 1)
    if serifs:
        beside = np.clip(2 - np.abs(np.abs(s) - length / 2 + 1) + 0.5, 0, 1)
        ink = np.maximum(ink, beside * np.clip(2 * thick - np.abs(v) + 0.5, 0, 1))
    ground, tone = (220, 25) if dark else (30, 235)
    pixels = ground + ink * (tone - ground) + np.random.default_rng(1).normal(0, 2, ink.shape)
    return np.repeat(np.clip(pixels, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
@pytest.mark.parametrize("angle", [0, 90, 17, -63])
@pytest.mark.parametrize("thick", [2.0, 8.0])
def test_the_ends_are_found_to_a_fraction_of_a_pixel(thick, angle, dark):
    picture = bar(120.4, thick, angle, dark)
    found = bar_scale(picture, 10, "mm")
    assert abs(found.pixels_per_mm - 12.04) < 0.04
    assert found.method == "bar"
    assert abs(found.pixels_per_mm / 12.04 - 1) < 2 * found.relative
    assert (find_bars(picture)[0].contrast < 0) == dark


def test_serifs_do_not_lengthen_a_bar_much():
    assert abs(bar_scale(bar(140, 4, 0, serifs=True), 1, "cm").pixels_per_mm - 14) < 0.35


def test_two_bars_that_are_alike_are_told_and_none_is_taken():
    one, other = bar(100, 4, 0, middle=(150, 60)), bar(90, 4, 0, middle=(150, 140))
    with pytest.raises(NoScaleError, match=r"2 pieces may be the scale bar.*--points"):
        bar_scale(np.minimum(one, other), 10)


def test_a_picture_without_a_bar_has_no_scale():
    with pytest.raises(NoScaleError, match="no scale bar"):
        bar_scale(np.full((100, 100, 3), 200, np.uint8), 10)


def test_bars_of_the_world_are_right_or_refused():
    right = 0
    for seed in range(6):
        truth = 6.0 + 3 * seed
        picture, length = draw_barred(truth, np.random.default_rng(seed), 400)
        try:
            found = bar_scale(picture, length)
        except NoScaleError:
            continue
        assert abs(found.pixels_per_mm / truth - 1) < 0.03
        right += 1
    assert right >= 4


def test_a_printed_bar_with_holes(shared: Path):
    file = shared / "traits/inselect/website_insect_soup.jpg"
    if not file.exists():
        pytest.skip("the insects are not here")
    found = bar_scale(read_picture(file).pixels, 10)
    assert abs(found.pixels_per_mm / 9.77 - 1) < min(0.012, 2 * found.relative)


def test_a_turned_jpeg_is_read_upright(tmp_path: Path):
    image = Image.fromarray(bar(120, 6, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (x0, y0), (x1, y1) = bar_scale(read_picture(tmp_path / "turned.jpg").pixels, 10).marks
    assert abs(x1 - x0) < 1 < abs(y1 - y0)
