"""Boards of coded squares: scale and tilt of their plane, and a few corners are too few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merian.errors import InputError
from merian.measure.boards import Board, board_picture, board_scale
from merian.measure.calibration import NoScaleError
from merian.pictures import read_picture

BOARD = Board(7, 5, 10, 7)


@pytest.fixture(scope="module")
def cv2():
    return pytest.importorskip("cv2", reason="boards need the extra vision")


def seen(cv2, tilt: float, turn: float, focal: float = 7000.0, far: float = 600.0) -> np.ndarray:
    """Return a board whose middle is on the axis of a camera, as the camera sees it."""
    rotation = cv2.Rodrigues(np.array([np.radians(tilt), 0, 0]))[0]
    rotation = rotation @ cv2.Rodrigues(np.array([0, 0, np.radians(turn)]))[0]
    middle = -35 * rotation[:, 0] - 25 * rotation[:, 1] + np.array([0, 0, far])
    camera = np.array([(focal, 0, 600), (0, focal, 500), (0, 0, 1.0)])
    plane = camera @ np.column_stack([rotation[:, 0], rotation[:, 1], middle])
    plane = plane @ np.diag([1 / 20, 1 / 20, 1])
    return cv2.warpPerspective(board_picture(BOARD, 20), plane, (1200, 1000), borderValue=170)


@pytest.mark.parametrize(("tilt", "turn"), [(0, 0), (0, 33), (12, 100), (30, 210)])
def test_a_board_seen_at_a_slant_tells_scale_and_tilt(cv2, tilt, turn):
    found = board_scale(seen(cv2, tilt, turn), BOARD, source="rig")
    assert abs(found.pixels_per_mm / (7000 / 600) - 1) < 0.002
    assert found.residual < 0.3
    assert found.method == "board"
    assert (f"tilted by {tilt} degrees" in found.plane) == (tilt > 0)
    assert found.relative > (0.003 if tilt else 0)


def test_codes_alone_tell_the_scale(cv2):
    codes = Board(0, 0, 0, 20)
    picture = np.full((400, 600), 225, np.uint8)
    picture[80:240, 60:220] = picture[150:310, 350:510] = board_picture(codes, 8)
    found = board_scale(np.repeat(picture[..., None], 3, 2), codes)
    assert abs(found.pixels_per_mm / 8 - 1) < 2 * found.relative


def test_another_board_is_refused(cv2):
    with pytest.raises(NoScaleError, match="corners"):
        board_scale(seen(cv2, 0, 0)[:430, :520], BOARD)
    with pytest.raises(NoScaleError, match="no code"):
        board_scale(np.full((200, 200, 3), 90, np.uint8), Board(0, 0, 0, 20))


def test_what_is_no_board_is_said(cv2):
    with pytest.raises(InputError, match="squares"):
        Board(7, 5, 10, 12)
    with pytest.raises(InputError, match="more than 0"):
        Board(0, 0, 0, 0)
    with pytest.raises(InputError, match="Did you mean"):
        board_scale(np.zeros((50, 50, 3), np.uint8), Board(7, 5, 10, 7, "4X4_51"))


def test_a_real_board_of_which_two_corners_are_seen_is_refused(cv2, shared: Path):
    file = shared / "traits/deepcharuco/IMG_7412.png"
    if not file.exists():
        pytest.skip("the board is not here")
    with pytest.raises(NoScaleError, match="2 are seen"):
        board_scale(read_picture(file).pixels, Board(5, 5, 10, 7))
