"""What tiles have found becomes the bodies of one photograph, wherever the grid lies."""

from __future__ import annotations

import time

import numpy as np
import pytest

from merian.tray.instances import Instance, covering, cropped, in_reading_order
from merian.tray.merging import Piece, merged, overlapping
from merian.tray.tiles import tiles

SIZE = (600, 500)  # width and height


def cut(bodies, side, overlap, shift=(0, 0), size=SIZE):
    """What a perfect finder would find in each tile."""
    for tile in tiles(*size, side, overlap, shift=shift):
        for body in bodies:
            part = cropped(body, tile.frame)
            if part is not None:
                yield Piece(part, tile.number, tile.frame, part is not body)


def bodies(seed, count=40, most=60):
    """Bodies that never overlap and often touch, each one piece."""
    rng = np.random.default_rng(seed)
    owner = np.zeros((SIZE[1], SIZE[0]), np.int64)
    for number in range(1, count + 1):
        wide, high = rng.integers(6, most, 2)
        x, y = rng.integers(0, SIZE[0] - wide), rng.integers(0, SIZE[1] - high)
        yy, xx = np.mgrid[:high, :wide]
        shape = ((xx - wide / 2) / (wide / 2)) ** 2 + ((yy - high / 2) / (high / 2)) ** 2 <= 1
        window = owner[y : y + high, x : x + wide]
        window[shape & (window == 0)] = number
    found = []
    for number in range(1, count + 1):
        rows, columns = np.nonzero(owner == number)
        if len(rows):
            box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            found.append(Instance(owner[box] == number, int(columns.min()), int(rows.min())))
    return list(in_reading_order(found))


def told(found):
    return [(one.box, one.mask.tobytes()) for one in found]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("side", "overlap", "shift"),
    [(150, 64, (0, 0)), (150, 64, (37, 81)), (230, 100, (5, 0)), (600, 0, (0, 0)),
     (128, 64, (63, 1))], ids=str,
)  # fmt: skip
def test_bodies_come_out_the_same_wherever_the_grid_lies(seed, side, overlap, shift):
    truth = bodies(seed)
    assert told(merged(list(cut(truth, side, overlap, shift)))) == told(truth)


@pytest.mark.parametrize("shift", [(0, 0), (40, 25)], ids=str)
def test_what_no_tile_sees_whole_is_joined_from_its_pieces(shift):
    y, x = np.mgrid[:300, :420]
    long = Instance((abs(y - 150 + x / 7) < 12) | (abs(y - x) < 9), 60, 40)
    short = Instance(np.ones((20, 30), np.bool_), 500, 400)
    found = merged(list(cut([long, short], 160, 40, shift)))
    assert told(found) == told([long, short])
    apart = merged(list(cut([long, short], 160, 40, shift)), largest=200)
    assert len(apart) > 2


def test_bodies_that_touch_are_never_glued():
    left = Instance(np.ones((40, 30), np.bool_), 100, 100)
    right = Instance(np.ones((40, 30), np.bool_), 130, 100)
    for at in range(90, 170, 7):
        found = merged(list(cut([left, right], 100, 60, (at, at // 2))))
        assert told(found) == told([left, right])


def test_a_clump_that_one_tile_glued_is_dropped_where_others_saw_its_bodies():
    left = Instance(np.ones((40, 30), np.bool_), 60, 10)
    right = Instance(np.ones((40, 30), np.bool_), 90, 10)
    first, second = (0, 0, 130, 100), (70, 0, 200, 100)
    clump = cropped(covering([left, right]), second)
    pieces = [Piece(left, 0, first, False), Piece(right, 0, first, False),
              Piece(clump, 1, second, True)]  # fmt: skip
    assert told(merged(pieces)) == told([left, right])


def test_two_finds_of_one_tile_stay_two_however_much_they_overlap():
    one = Instance(np.ones((40, 30), np.bool_), 10, 10)
    other = Instance(np.ones((40, 30), np.bool_), 14, 10)
    frame = (0, 0, 100, 100)
    same = [Piece(body, tile, frame, False) for tile in (0, 1) for body in (one, other)]
    assert told(merged(same)) == told([one, other])


def test_the_surest_of_several_whole_finds_stands():
    faint = Instance(np.ones((40, 30), np.bool_), 10, 10, 0.4)
    sure = Instance(np.ones((40, 29), np.bool_), 10, 10, 0.8)
    (found,) = merged([Piece(faint, 0, (0, 0, 90, 90), False),
                       Piece(sure, 1, (0, 0, 95, 95), False)])  # fmt: skip
    assert found.score == 0.8
    assert found.mask.shape == (40, 29)


@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_boxes_are_those_of_every_pair_looked_at(seed):
    rng = np.random.default_rng(seed)
    start = rng.integers(-200, 900, (300, 2))
    size = np.maximum(1, rng.exponential(40, (300, 2)).astype(np.int64))
    size[:3] = 1000  # a few large ones among the small
    boxes = np.concatenate([start, start + size], axis=1)
    plain = [
        (a, b) for a in range(300) for b in range(a + 1, 300)
        if (np.minimum(boxes[a, 2:], boxes[b, 2:]) > np.maximum(boxes[a, :2], boxes[b, :2])).all()
    ]  # fmt: skip
    assert overlapping(boxes).tolist() == [list(pair) for pair in plain]


def test_nothing_and_one_are_no_fault():
    assert merged([]) == ()
    assert overlapping(np.empty((0, 4), np.int64)).shape == (0, 2)
    one = Instance(np.ones((3, 3), np.bool_), 0, 0)
    assert told(merged([Piece(one, 0, (0, 0, 9, 9), False)])) == told([one])


def test_many_boxes_take_seconds():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 7_900, (6_000, 2))
    some = [
        Instance(np.ones(tuple(rng.integers(20, 60, 2)), np.bool_), int(x), int(y))
        for x, y in corners
    ]  # fmt: skip
    pieces = list(cut_fast(some, 1_024, 128, (8_192, 8_192)))
    start = time.process_time()
    found = merged(pieces)
    assert time.process_time() - start < 20
    assert len(found) == len(some)


def cut_fast(some, side, overlap, size):
    boxes = np.array([one.box for one in some])
    for tile in tiles(*size, side, overlap):
        left, top, right, below = tile.frame
        near = (boxes[:, 0] < right) & (boxes[:, 2] > left)
        near &= (boxes[:, 1] < below) & (boxes[:, 3] > top)
        for at in np.flatnonzero(near).tolist():
            part = cropped(some[at], tile.frame)
            if part is not None:
                yield Piece(part, tile.number, tile.frame, part is not some[at])


@pytest.mark.parametrize("shift", [(0, 0), (13, 7), (99, 64)], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (64, 300), (301, 299)], ids=str)
def test_whatever_is_no_wider_than_the_overlap_lies_in_a_frame(size, shift):
    frames = [tile.frame for tile in tiles(*size, 100, 36, shift=shift)]
    seen = np.zeros((size[1], size[0]), bool)
    for left, top, right, below in frames:
        assert left < right and top < below
        seen[top:below, left:right] = True
    assert seen.all()
    for x in range(0, max(size[0] - 36, 1), 5):
        for y in range(0, max(size[1] - 36, 1), 5):
            box = x, y, min(x + 36, size[0]), min(y + 36, size[1])
            assert any(
                f[0] <= box[0] and f[1] <= box[1] and f[2] >= box[2] and f[3] >= box[3]
                for f in frames
            )
