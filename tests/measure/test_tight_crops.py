"""Crops that were cut at the outline of a body: which level that was, and what belongs to it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from merian.measure.masks import mask_of, single
from merian.measure.tight_crops import at_frame, reaches_frame

GROUND, BODY = 225.0, 60.0


def drawn(parts, shape=(200, 240), blur=0.0):
    """A grey picture of shapes, each with how dark it is from 0 to 1, and that as numbers."""
    cover = np.zeros(shape)
    for kind, place, dark in parts:
        canvas = Image.new("L", (shape[1], shape[0]))
        draw = ImageDraw.Draw(canvas)
        if kind == "line":
            draw.line(place, fill=255, width=3)
        else:
            draw.ellipse(place, fill=255)
        cover = np.maximum(cover, dark * np.asarray(canvas) / 255)
    cover = gaussian_filter(cover, blur) if blur else cover
    noise = np.random.default_rng(0).normal(0, 1.5, (*shape, 3))
    picture = GROUND + (BODY - GROUND) * cover[..., None] + noise
    return np.clip(picture, 0, 255).astype(np.uint8), cover


def cut(picture, cover, level):
    """A picture cut at the outline of all that is at least so dark, and the mask of that."""
    mask = cover >= level
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return picture[box], mask[box]


@pytest.mark.parametrize("level", [0.25, 0.4, 0.5])
def test_the_frame_tells_at_which_level_a_blurred_body_was_cut(level):
    crop, mask = cut(*drawn([("body", (80, 80, 160, 120), 1)], blur=6), level)
    off = {tight: single(crop, tight=tight).area / mask.sum() - 1 for tight in (False, True)}
    assert abs(off[True]) < 0.04
    if level < 0.3:
        assert off[False] < -0.1  # the half of the edge lies within


def test_a_pale_wing_that_reaches_a_side_belongs_to_the_body():
    parts = [("body", (60, 80, 140, 120), 1), ("wing", (120, 85, 200, 115), 0.2)]
    crop, mask = cut(*drawn(parts), 0.1)
    plain, tight = (single(crop, tight=one) for one in (False, True))
    assert plain.area < 0.7 * mask.sum()
    assert abs(tight.area / mask.sum() - 1) < 0.05
    assert tight.codes == ()


def test_a_faint_leg_is_followed_and_the_body_stays_as_it_is():
    body = ("body", (60, 60, 160, 140), 1)
    parts = [body, ("line", (150, 100, 220, 100), 0.3)]
    picture, cover = drawn(parts, blur=1.5)
    crop, _ = cut(picture, cover, 0.12)
    plain, tight = (single(crop, tight=one) for one in (False, True))
    assert not reaches_frame(mask_of(plain, crop.shape[:2]))
    assert reaches_frame(mask_of(tight, crop.shape[:2]))
    added = tight.area - plain.area
    assert 0 < added < 0.12 * plain.area  # the leg, and no wider rim all around


def test_a_body_that_falls_short_of_the_frame_has_a_code():
    picture, _ = drawn([("body", (80, 80, 160, 120), 1)])
    assert single(picture[70:130, 70:170], tight=True).codes == ("short-of-frame",)
    assert "touches-border" in single(picture[80:130, 70:170]).codes


def test_what_is_nowhere_above_the_noise_stays_as_it_was():
    mask = np.zeros((20, 20), bool)
    mask[8:12, 8:12] = True
    found, level = at_frame(mask, np.zeros((20, 20), np.float32), 10.0, 4.0)
    assert np.array_equal(found, mask)
    assert level > 0
