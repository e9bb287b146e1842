"""Bodies of a photograph: the same wherever tiles lie, however it is read."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from merian.errors import NotFoundError
from merian.measure.outline import filled_polygon, signed_area
from merian.pictures import BadPictureError
from merian.tray import classical
from merian.tray import photograph as reading
from merian.tray.finding import FINDERS, finder, look_at
from merian.tray.parting import at_necks
from merian.tray.photograph import Blocks, Whole, open_photograph
from merian.tray.polygons import polygons
from merian.tray.search import Grid, _window, bodies_in

from .drawn import tray


def told(found):
    return [(one.box, one.mask.tobytes(), one.codes, one.score) for one in found]


@pytest.fixture(scope="module")
def photo():
    return tray()


@pytest.fixture(scope="module")
def once(photo):
    return bodies_in(Whole(photo[0]), FINDERS["classical"], grid=Grid(2_000))


def test_every_body_is_found_with_its_legs(photo, once):
    assert len(once) == photo[1]
    assert all(one.mask.shape[0] > 40 for one in once)
    assert all(0 < one.score < 1 for one in once)


@pytest.mark.parametrize(
    ("grid", "workers"),
    [(Grid(170, 80), 1), (Grid(220, 90, (31, 77)), 2), (Grid(400, None, (199, 5)), 3)], ids=str,
)  # fmt: skip
def test_the_answer_does_not_hang_on_tiles_or_threads(photo, once, grid, workers):
    found = bodies_in(Whole(photo[0]), FINDERS["classical"], grid=grid, workers=workers)
    assert told(found) == told(once)


def test_a_cable_makes_no_single_tile_of_a_large_photograph(photo, monkeypatch):
    pixels = np.pad(photo[0], [(0, 60), (0, 0), (0, 0)], "edge")
    pixels[500:] = photo[0][:60, :1]
    y, x = np.mgrid[:560, :700]
    pixels[abs(y - 530 - 18 * np.sin(x / 30)) < 4] = (60, 45, 35)  # from side to side
    done = []

    def found(most):
        monkeypatch.setattr(classical, "_AT_ONCE", most)
        return bodies_in(
            Whole(pixels), FINDERS["classical"], grid=Grid(300),
            progress=lambda _, of: done.append(of),
        )  # fmt: skip

    whole = found(16_000_000)
    assert set(done) == {1}
    done.clear()
    monkeypatch.setattr(classical, "_MOST", 80)
    parts = found(0)
    assert min(done) > 4
    above = [[one for one in told(some) if one[0][3] < 510] for some in (whole, parts)]
    assert len(above[0]) == photo[1]
    assert above[0] == above[1]
    assert classical.settle(look_at(Whole(pixels))).largest == 80


@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_bands_are_the_photograph_made_smaller(factor):
    random = np.random.default_rng(factor)
    whole = Whole(random.integers(0, 255, (1_500, 700, 3)).astype(np.uint8))
    box = (3, 5, 90, 200)
    part = np.ascontiguousarray(whole.window(*(side * factor for side in box)))
    assert (_window(whole, factor, box) == np.asarray(Image.fromarray(part).reduce(factor))).all()


def test_an_unknown_finder_is_told():
    assert finder("classical")[0] == "classical"
    with pytest.raises(NotFoundError, match="classical"):
        finder("clasical")


def test_nothing_in_a_photograph_is_no_fault():
    plain = np.full((90, 120, 3), 200, np.uint8)
    assert bodies_in(Whole(plain), FINDERS["classical"]) == ()
    assert bodies_in(Whole(plain[:1, :1]), FINDERS["classical"]) == ()


# -- parting ------------------------------------------------------------------------------------


def discs(*bodies, bridge=None):
    y, x = np.mgrid[:120, :260]
    mask = np.zeros((120, 260), bool)
    for cx, cy, radius in bodies:
        mask |= (x - cx) ** 2 + (y - cy) ** 2 < radius**2
    if bridge:
        mask |= (abs(y - 60) < bridge) & (x > 60) & (x < 200)
    return mask


def test_bodies_that_hang_together_by_a_leg_are_parted():
    parts = at_necks(discs((60, 60, 30), (200, 60, 35), bridge=3), 300)
    assert len(parts) == 2
    assert sum(int(part.sum()) for part in parts) == discs((60, 60, 30), (200, 60, 35),
                                                         bridge=3).sum()  # fmt: skip
    assert not (parts[0] & parts[1]).any()
    sizes = sorted(int(part.sum()) for part in parts)
    assert abs(sizes[1] / (np.pi * 35**2) - 1) < 0.15


def test_a_waist_and_a_leg_are_no_necks():
    assert len(at_necks(discs((90, 60, 30), (140, 60, 30)), 300)) == 1
    assert len(at_necks(discs((60, 60, 40), bridge=3), 300)) == 1
    assert len(at_necks(discs((60, 60, 40), (210, 60, 8), bridge=2), 300)) == 1  # too small


# -- polygons -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_polygons_go_through_no_point_twice_and_hold_the_mask(seed):
    mask = np.random.default_rng(seed).random((14, 17)) < 0.55
    rings = polygons(mask)
    for ring in rings:
        assert len({tuple(point) for point in ring.tolist()}) == len(ring)
        assert signed_area(ring) > 0
    drawn = np.zeros_like(mask)
    for ring in rings:
        drawn |= filled_polygon([ring], 17, 14)
    assert (drawn | mask == drawn).all()  # holes are filled, nothing is lost


# -- photographs --------------------------------------------------------------------------------


def tiled(path, pixels, side=64, order="<"):
    """Write a TIFF in tiles without compression."""
    height, width = pixels.shape[:2]
    across, down = -(-width // side), -(-height // side)
    blocks = []
    for row in range(down):
        for column in range(across):
            block = np.zeros((side, side, 3), np.uint8)
            part = pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]
            block[: part.shape[0], : part.shape[1]] = part
            blocks.append(block.tobytes())
    many = len(blocks)
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, [8, 8, 8]), (259, 3, [1]),
            (262, 3, [2]), (277, 3, [3]), (284, 3, [1]), (322, 4, [side]), (323, 4, [side]),
            (324, 4, None), (325, 4, [len(block) for block in blocks])]  # fmt: skip
    at = 8 + 2 + 12 * len(tags) + 4
    first = at + 6 + 8 * many
    tags = [(tag, kind, value or [first + side * side * 3 * n for n in range(many)])
            for tag, kind, value in tags]  # fmt: skip
    listed, beyond = b"", b""
    for tag, kind, values in tags:
        data = struct.pack(f"{order}{len(values)}{'HI'[kind == 4]}", *values)
        if len(data) > 4:
            beyond, data = beyond + data, struct.pack(f"{order}I", at + len(beyond))
        listed += struct.pack(f"{order}HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    assert len(beyond) == first - at
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    path.write_bytes(head + struct.pack(f"{order}H", len(tags)) + listed + bytes(4) + beyond
                     + b"".join(blocks))  # fmt: skip


@pytest.mark.parametrize(
    "how", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "tiles", "tiles MM"]
)
def test_a_tiff_is_read_in_blocks_as_it_is_read_at_once(tmp_path, how, photo):
    pixels = photo[0][:301, :397]
    path = tmp_path / "photo.tif"
    if how.startswith("tiles"):
        tiled(path, pixels, order=">" if "MM" in how else "<")
    else:
        Image.fromarray(pixels).save(path, compression=how, tiffinfo={278: 32})
    blocks, whole = Blocks(path), Whole(np.asarray(Image.open(path).convert("RGB")))
    assert (blocks.width, blocks.height) == (397, 301)
    for box in ((0, 0, 397, 301), (63, 31, 66, 34), (390, 290, 397, 301), (0, 100, 397, 101)):
        assert np.array_equal(blocks.window(*box), whole.window(*box))
    for step in (1, 2, 3, 7):
        assert np.array_equal(blocks.sampled(step), whole.sampled(step))


def test_a_large_tiff_is_not_held_and_gives_the_same_bodies(tmp_path, photo, once, monkeypatch):
    path = tmp_path / "photo.tif"
    tiled(path, photo[0])
    monkeypatch.setattr(reading, "_HELD", 1_000)
    monkeypatch.setattr(reading, "_KEPT", 0)
    found = open_photograph(str(path))
    assert isinstance(found, Blocks)
    assert told(bodies_in(found, FINDERS["classical"], grid=Grid(300))) == told(once)


def test_what_cannot_be_read_in_blocks_says_why(tmp_path, photo, monkeypatch):
    monkeypatch.setattr(reading, "_HELD", 10)
    deep = tmp_path / "deep.tif"
    Image.fromarray(np.zeros((20, 20), np.uint16)).save(deep)
    with pytest.raises(BadPictureError, match="8 bits"):
        open_photograph(str(deep))
    short = tmp_path / "short.tif"
    tiled(short, photo[0])
    short.write_bytes(short.read_bytes()[:-5_000])
    with pytest.raises(BadPictureError, match="cut short"):
        open_photograph(str(short)).window(600, 450, 700, 500)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0\xff\xff\xff\xff")
    with pytest.raises(BadPictureError):
        open_photograph(str(broken))


@pytest.mark.parametrize(
    ("entry", "kind"), [(9, 11), (9, 9), (10, 11), (3, 2), (8, 11), (2, 12)],
    ids=["places of fractions", "places below 0", "lengths of fractions", "compression in words",
         "side of fractions", "bits of fractions"],
)  # fmt: skip
def test_a_directory_that_is_damaged_is_a_bad_picture(tmp_path, photo, monkeypatch, entry, kind):
    monkeypatch.setattr(reading, "_HELD", 10)
    path = tmp_path / "damaged.tif"
    tiled(path, photo[0])
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, 10 + 12 * entry + 2, kind)
    if kind == 9:
        place = struct.unpack_from("<I", content, 10 + 12 * entry + 8)[0]
        struct.pack_into("<i", content, place, -5)
    path.write_bytes(content)
    with pytest.raises(BadPictureError):
        open_photograph(str(path)).sampled(3)
