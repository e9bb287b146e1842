"""Masks of bodies: drawn ones whose shape is known, and real pictures where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from merian.errors import InputError
from merian.measure.ground import ground_of, lab_of
from merian.measure.masks import mask_of, regions, single
from merian.measure.mixture import by_colours
from merian.measure.touching import parted

ROOT = Path(__file__).resolve().parents[2]
DATA = next(
    (path for path in (ROOT.parent / "shared/data/traits", Path("/tmp/shared/data/traits"))
     if path.is_dir()), None,
)  # fmt: skip
real = pytest.mark.skipif(DATA is None, reason="the pictures of traits are not at hand")


def drawn(shape, bodies, ground=(225, 222, 218), body=(70, 50, 40), noise=2.0, slope=0.0):
    """Ellipses on a ground, four times as fine first, and the cover that each pixel has of them."""
    height, width = shape
    canvas = Image.new("L", (4 * width, 4 * height))
    draw = ImageDraw.Draw(canvas)
    for x, y, wide, high in bodies:
        draw.ellipse([4 * (x - wide), 4 * (y - high), 4 * (x + wide), 4 * (y + high)], fill=255)
    cover = np.asarray(canvas.resize((width, height), Image.Resampling.BOX)) / 255
    light = np.asarray(ground) + slope * np.linspace(-1, 1, width)[None, :, None]
    picture = light * (1 - cover[..., None]) + np.asarray(body) * cover[..., None]
    picture = picture + np.random.default_rng(0).normal(0, noise, (height, width, 3))
    return np.clip(picture, 0, 255).astype(np.uint8), cover


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize(
    ("ground", "body"),
    [
        ((225, 222, 218), (70, 50, 40)),
        ((30, 30, 32), (210, 200, 180)),
        ((120, 130, 90), (150, 60, 50)),
    ],
    ids=["dark on pale", "pale on dark", "another hue"],
)  # fmt: skip
def test_a_body_is_found_whatever_its_tone(ground, body):
    picture, cover = drawn((120, 160), [(80, 60, 50, 25)], ground, body)
    found = single(picture)
    assert overlap(mask_of(found, (120, 160)), cover > 0.5) > 0.96
    assert abs(found.area / cover.sum() - 1) < 0.03
    assert "touches-border" not in found.codes


def test_a_slope_of_light_is_no_body():
    picture, cover = drawn((150, 200), [(100, 75, 40, 20)], slope=25.0)
    assert overlap(mask_of(single(picture), (150, 200)), cover > 0.5) > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_a_turned_picture_has_the_turned_mask(seed):
    rng = np.random.default_rng(seed)
    x, y, wide, high = rng.integers((50, 50, 15, 10), (90, 70, 35, 30))
    picture, _ = drawn((120, 140), [(x, y, wide, high)])
    one, other = single(picture), single(np.ascontiguousarray(np.rot90(picture)))
    assert overlap(np.rot90(mask_of(one, (120, 140))), mask_of(other, (140, 120))) > 0.98


def test_a_body_cut_by_the_border_says_so():
    picture, _ = drawn((100, 100), [(0, 50, 40, 20)])
    assert "touches-border" in single(picture).codes


def test_two_bodies_in_a_crop_are_told():
    picture, _ = drawn((100, 200), [(50, 50, 30, 20), (150, 50, 30, 20)])
    assert "two-or-more" in single(picture).codes


def test_a_leg_hangs_on_and_the_ground_is_seen_through_a_ring():
    picture, _ = drawn((120, 160), [(60, 60, 30, 20)])
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).line([85, 60, 150, 60], fill=(165, 155, 145), width=3)
    found = mask_of(single(np.asarray(image)), (120, 160))
    assert found[60, 90:148].all()
    ImageDraw.Draw(image).ellipse([45, 50, 75, 70], fill=(225, 222, 218))
    assert not mask_of(single(np.asarray(image)), (120, 160))[60, 60]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3), (9, 7)], ids=str)
def test_tiny_pictures_and_plain_ones_are_no_fault(shape):
    plain = np.full((*shape, 3), 200, np.uint8)
    assert single(plain) is None
    assert regions(plain) == ()
    noisy = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    found = single(noisy)
    assert found is None or found.area <= shape[0] * shape[1]


def test_what_is_no_picture_is_refused():
    with pytest.raises(InputError, match="three colours"):
        single(np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="three colours"):
        regions(np.zeros((0, 4, 3), np.uint8))


def test_bodies_come_in_reading_order_and_the_same_twice():
    places = [(x, y, 18, 9) for y in (40, 110, 180) for x in (60, 140, 220, 300)]
    picture, cover = drawn((220, 360), places)
    found = regions(picture)
    middles = [(one.left + one.mask.shape[1] / 2, one.top + one.mask.shape[0] / 2) for one in found]
    assert np.allclose(middles, [(x, y) for x, y, _, _ in places], atol=2)
    again = regions(picture)
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(found, again, strict=True))
    assert abs(sum(one.area for one in found) / cover.sum() - 1) < 0.05


def test_dirt_is_left_out_unless_it_is_asked_for():
    picture, _ = drawn((200, 200), [(100, 100, 40, 20), (30, 30, 3, 3)])
    assert len(regions(picture)) == 1
    assert len(regions(picture, smallest=10)) == 2


def test_a_large_picture_is_searched_at_reduced_size():
    picture, cover = drawn((1500, 3000), [(1500, 700, 500, 250)], noise=0)
    (one,) = regions(picture)
    assert overlap(mask_of(one, (1500, 3000)), cover > 0.5) > 0.98


def test_round_bodies_that_touch_are_parted_and_leggy_ones_are_not():
    y, x = np.mgrid[:80, :140]
    two = ((x - 42) ** 2 + (y - 40) ** 2 < 900) | ((x - 98) ** 2 + (y - 40) ** 2 < 900)
    assert sorted(int(part.sum()) for part in parted(two))[0] > 0.45 * two.sum()
    assert len(parted(two)) == 2
    legs = (x - 70) ** 2 + (y - 40) ** 2 < 200
    for at in range(50, 95, 8):
        legs |= (abs(x - at) < 2) & (abs(y - 40) < 38)
    legs |= abs(y - 40) + abs(x - 70) / 2 < 12
    assert len(parted(legs)) == 1


def test_print_and_charts_are_no_bodies():
    picture, _ = drawn((300, 400), [(100, 220, 40, 20), (280, 220, 40, 20)], noise=1)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate(
        [(200, 40, 40), (40, 160, 60), (40, 60, 190), (220, 200, 40), (20, 20, 20), (120, 120, 120)]
    ):
        draw.rectangle([30 + 20 * number, 30, 50 + 20 * number, 70], fill=colour)
    for number in range(9):
        x = 220 + 16 * number
        draw.line([x, 40, x + 4, 60, x + 8, 40], fill=(20, 20, 20), width=2)
    assert len(regions(np.asarray(image), smallest=30)) == 2


@pytest.mark.parametrize("body", [(20, 18, 15), (130, 120, 110)], ids=["dark", "middling"])
def test_the_outline_is_at_the_half_of_a_blurred_edge(body):
    picture, cover = drawn((200, 240), [(120, 100, 60, 30)], body=body)
    soft = ndimage.gaussian_filter(picture, (1.5, 1.5, 0))
    assert abs(single(soft).area / cover.sum() - 1) < 0.015
    assert abs(sum(one.area for one in regions(soft)) / cover.sum() - 1) < 0.015


def test_a_pale_rim_of_a_dark_body_is_no_blur():
    picture, cover = drawn((200, 240), [(120, 100, 70, 45)], body=(170, 120, 90))
    inner = drawn((200, 240), [(120, 100, 55, 30)])[1] > 0.5
    picture[inner] = (20, 18, 15)
    assert abs(single(picture).area / cover.sum() - 1) < 0.015


def test_a_glint_at_the_tip_of_a_dark_body_is_of_it():
    picture, cover = drawn((200, 240), [(120, 100, 70, 40)], ground=(205, 205, 205))
    glint = (drawn((200, 240), [(184, 100, 11, 7)])[1] > 0.5) & (cover > 0.5)
    picture[glint] = (250, 250, 250)
    found = mask_of(single(picture), (200, 240))
    assert found[glint].mean() > 0.95
    assert overlap(found, cover > 0.5) > 0.98


@pytest.mark.parametrize(
    ("tone", "kept"), [((222, 204, 168), True), ((170, 170, 170), False)], ids=["glint", "shadow"]
)
def test_a_pit_of_another_hue_is_of_the_body_and_a_shadow_is_not(tone, kept):
    picture, cover = drawn((240, 300), [(150, 120, 80, 50)], ground=(205, 205, 205), noise=1.0)
    pit = np.zeros((240, 300), bool)
    pit[112:128, 205:232] = True
    picture[pit & (cover > 0)] = tone
    found = mask_of(single(picture), (240, 300))
    assert (found[pit & (cover == 1)].mean() > 0.9) == kept


def test_overshoot_around_a_body_is_no_glint():
    picture, cover = drawn((200, 240), [(120, 100, 70, 40)], ground=(205, 205, 205))
    ring = ndimage.binary_dilation(cover > 0.5, iterations=2) & (cover == 0)
    picture[ring] = (250, 250, 250)
    assert abs(single(picture).area / cover.sum() - 1) < 0.02


def test_long_legs_on_a_plain_ground_are_kept():
    picture, _ = drawn((300, 300), [(150, 150, 50, 30)], body=(30, 26, 24))
    image = Image.fromarray(picture)
    for at in range(0, 360, 30):
        x, y = np.cos(np.radians(at)), np.sin(np.radians(at))
        ImageDraw.Draw(image).line([150 + 25 * x, 150 + 25 * y, 150 + 130 * x, 150 + 130 * y],
                                   fill=(120, 100, 80), width=3)  # fmt: skip
    truth = np.asarray(image.convert("L")).astype(int) < 175
    found = single(np.asarray(image))
    assert overlap(mask_of(found, (300, 300)), truth) > 0.95
    assert "busy-ground" not in found.codes


def test_a_ruler_along_a_side_is_neither_the_ground_nor_the_body():
    picture, cover = drawn((300, 300), [(180, 150, 60, 35)], ground=(190, 195, 205))
    picture[:, :36] = (250, 245, 225)
    picture[::5, 20:36] = (30, 30, 30)
    assert overlap(mask_of(single(picture), (300, 300)), cover > 0.5) > 0.95


def test_a_body_that_fills_a_side_of_its_crop_is_taken():
    picture, cover = drawn((100, 200), [(0, 50, 90, 70), (170, 50, 6, 6)])
    assert overlap(mask_of(single(picture), (100, 200))[:, :120], cover[:, :120] > 0.5) > 0.95


def test_a_body_is_told_from_labels_and_wood_by_its_colours():
    picture, cover = drawn((200, 160), [(80, 100, 30, 70)], body=(35, 30, 28))
    stripes = (np.arange(160) // 25 % 2 == 1)[None] & (cover == 0)
    picture[stripes] = (200, 170, 110)
    found = by_colours(lab_of(picture))
    assert overlap(found, cover > 0.5) > 0.95


def test_the_ground_is_fitted_and_its_noise_told():
    picture, _ = drawn((200, 300), [(150, 100, 60, 40)], slope=20.0)
    lab = lab_of(picture)
    ground = ground_of(lab)
    assert 0.8 <= ground.noise < 2.5
    assert abs(ground.apart(lab)[:30]).mean() < 1.5
    part = ground.apart(lab[50:90, 100:150], 50, 100)
    assert np.allclose(part, ground.apart(lab)[50:90, 100:150], atol=1e-3)


def test_white_black_and_red_have_the_known_colours():
    lab = lab_of(np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]], np.uint8))[0]
    assert np.allclose(lab, [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]], atol=0.3)


@real
def test_isopods_in_a_tray_are_found_beside_a_chart_and_a_label():
    picture = np.asarray(Image.open(DATA / "phenopype/isopods.jpg").convert("RGB"))
    found = regions(picture)
    animals = [one for one in found if 800 < one.area < 2500]
    assert len(animals) == 20  # counted by eye
    assert len(found) <= 23


@real
def test_no_specimen_of_a_pitfall_trap_is_lost():
    files = sorted((DATA / "pitfall_crops/crops").glob("*.jpg"))[::12]
    for file in files:
        assert single(np.asarray(Image.open(file).convert("RGB"))) is not None, file.name
