"""The scale of a picture from a printed board of coded squares, or from coded squares alone.

A ChArUco board is a chess board whose white fields hold ArUco codes: each corner of it is known by
its number, to a tenth of a pixel, and the plane it lies in follows from all of them by a
homography. So a board tells the scale, how far its corners are from where they should be, and how
it is tilted. A few corners fit any homography; then there is no scale. ArUco codes alone tell the
scale by their sides.

Needs OpenCV (``merian[vision]``). References: Garrido-Jurado and others, Automatic generation and
detection of highly reliable fiducial markers, Pattern Recognition 47, 2014; Hartley and Zisserman,
Multiple View Geometry in Computer Vision, chapter 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError, MissingExtraError, did_you_mean
from merian.measure.calibration import Calibration, NoScaleError

__all__ = ["Board", "board_picture", "board_scale"]

Pixels = NDArray[np.uint8]
Doubles = NDArray[np.float64]

_CORNERS = 8  # that have to be seen: a homography takes four
_SHARE = 0.25  # of all corners of a board
_OFF = 0.04  # of a square: corners that are farther off are of another board
_PIXELS = 1.0  # whichever is more
_PRECISE = 3e-4  # of the scale: print and lens
_TOLD = 0.005  # of the scale: a change over the board that is worth a word
_FEWEST_PIXELS = 12.0  # of a side of a code


@dataclass(frozen=True)
class Board:
    """A board as it was printed.

    Attributes:
        columns: Of squares; 0 for codes alone, without a board.
        rows: Of squares.
        square: Side of a square in millimetres; without a board not used.
        marker: Side of a code in millimetres.
        dictionary: Of its codes, as OpenCV calls it, such as 4X4_50.
    """

    columns: int
    rows: int
    square: float
    marker: float
    dictionary: str = "4X4_50"

    def __post_init__(self) -> None:
        if not self.marker > 0:
            raise InputError(f"a code with sides of {self.marker:g} mm; more than 0 is expected")
        if self.columns and (min(self.columns, self.rows) < 2 or not self.square > self.marker):
            raise InputError(
                f"a board of {self.columns} x {self.rows} squares of {self.square:g} mm with codes "
                f"of {self.marker:g} mm; at least 2 x 2 squares, larger than their codes, expected"
            )


def board_scale(picture: Pixels, board: Board, *, source: str = "") -> Calibration:
    """Return the scale in the plane of a board.

    Args:
        picture: uint8[height, width, 3], upright.
        board: As it was printed.
        source: What the picture is called.

    Raises:
        NoScaleError: Too little of the board is seen.
    """
    cv2 = _opencv()
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if board.columns:
        return _from_board(cv2, np.ascontiguousarray(grey), board, source)
    return _from_codes(cv2, np.ascontiguousarray(grey), board, source)


def board_picture(board: Board, pixels_per_mm: float) -> Pixels:
    """Return a board to be printed, or a code with the number 0, without a rim."""
    cv2 = _opencv()
    words = _dictionary(cv2, board.dictionary)
    if not board.columns:
        side = round(board.marker * pixels_per_mm)
        return np.asarray(cv2.aruco.generateImageMarker(words, 0, side), np.uint8)
    size = tuple(round(n * board.square * pixels_per_mm) for n in (board.columns, board.rows))
    return np.asarray(_made(cv2, board, words).generateImage(size), np.uint8)


def _opencv() -> Any:
    try:
        import cv2  # noqa: PLC0415  (an extra)
    except ImportError:
        raise MissingExtraError("reading boards", "vision") from None
    return cv2


def _dictionary(cv2: Any, name: str) -> Any:
    key = f"DICT_{name.upper().removeprefix('DICT_')}"
    known = sorted(n for n in dir(cv2.aruco) if n.startswith("DICT_"))
    if key not in known:
        short = [n.removeprefix("DICT_") for n in known]
        raise InputError(
            f"no dictionary of codes is called {name}.{did_you_mean(name.upper(), short)} There "
            f"are {', '.join(short[:8])} and more"
        )
    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, key))


def _made(cv2: Any, board: Board, words: Any) -> Any:
    return cv2.aruco.CharucoBoard((board.columns, board.rows), board.square, board.marker, words)


def _from_board(cv2: Any, grey: Pixels, board: Board, source: str) -> Calibration:
    made = _made(cv2, board, _dictionary(cv2, board.dictionary))
    seen: tuple[Doubles, Doubles] = np.empty((0, 2)), np.empty((0, 2))
    for legacy in (False, True):  # boards with an even number of rows were once printed otherwise
        made.setLegacyPattern(legacy)
        corners, numbers, _, _ = cv2.aruco.CharucoDetector(made).detectBoard(grey)
        if numbers is not None and len(numbers) > len(seen[0]):
            places = np.asarray(made.getChessboardCorners(), np.float64)[np.ravel(numbers), :2]
            seen = places, np.asarray(corners, np.float64).reshape(-1, 2)
    places, corners = seen
    total = (board.columns - 1) * (board.rows - 1)
    spread = len(set(places[:, 0].tolist())), len(set(places[:, 1].tolist()))
    if len(places) < max(min(_CORNERS, total), _SHARE * total) or min(spread) < 2:
        raise NoScaleError(
            f"of the {total} corners of the board {len(places)} are seen, which is too few to tell "
            "how it lies; at least a quarter of them, and eight, are needed"
        )
    plane = _homography(places, corners)
    off = _through(plane, places) - corners
    residual = float(np.sqrt(np.mean(off**2)))
    middle = places.mean(0)
    scale, tilt = _local(plane, middle)
    if residual > max(_PIXELS, _OFF * board.square * scale):
        raise NoScaleError(
            f"the corners are {residual:.1f} pixels from where those of a board of "
            f"{board.columns} x {board.rows} squares would be; it is bent, or another board"
        )
    low, high = places.min(0), places.max(0)
    rim = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    local = np.array([_local(plane, at)[0] for at in rim])
    change = float(np.ptp(local)) / scale
    length = float(np.ptp(corners, axis=0).max())
    random = 2 * residual / math.sqrt(len(places)) / length
    relative = math.hypot(random, change / math.sqrt(12), _PRECISE)
    words = [f"the board is tilted by {tilt:.0f} degrees"] if tilt >= 3 else []
    if change > _TOLD:
        words.append(f"the scale changes by {100 * change:.1f} % over it")
    return Calibration(
        scale, min(relative, 0.99), "board", source, residual=residual, plane="; ".join(words),
        marks=tuple((float(x), float(y)) for x, y in _through(plane, rim)),
        why=f"{len(places)} of {total} corners of a board",
    )  # fmt: skip


def _from_codes(cv2: Any, grey: Pixels, board: Board, source: str) -> Calibration:
    words = _dictionary(cv2, board.dictionary)
    settings = cv2.aruco.DetectorParameters()
    settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    found, numbers, _ = cv2.aruco.ArucoDetector(words, settings).detectMarkers(grey)
    if numbers is None or not len(found):
        raise NoScaleError(f"no code of {board.dictionary} is seen")
    square = board.marker * np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    codes = [
        (int(number), np.asarray(corners, np.float64).reshape(4, 2))
        for number, corners in zip(np.ravel(numbers), found, strict=True)
    ]
    codes.sort(key=lambda code: (code[0], code[1][0].tolist()))
    sides = [_local(_homography(square, corners), square.mean(0)) for _, corners in codes]
    scales = np.array([scale for scale, _ in sides])
    scale, tilt = float(np.median(scales)), float(np.median([tilt for _, tilt in sides]))
    side = scale * board.marker
    if side < _FEWEST_PIXELS:
        raise NoScaleError(f"codes have sides of {side:.0f} pixels, too small to tell a scale")
    spread = float(np.ptp(scales)) / scale
    relative = math.hypot(0.35 / side / math.sqrt(len(codes)), spread / math.sqrt(12), _PRECISE)
    words_told = [f"codes are tilted by {tilt:.0f} degrees"] if tilt >= 8 else []
    if spread > 2 * _TOLD:
        words_told.append(f"the scale differs by {100 * spread:.1f} % between codes")
    return Calibration(
        scale, min(relative, 0.99), "board", source, plane="; ".join(words_told),
        marks=tuple((float(x), float(y)) for _, corners in codes[:1] for x, y in corners),
        why=f"{len(codes)} codes with sides of {side:.0f} pixels",
    )  # fmt: skip


# -- planes -------------------------------------------------------------------------------------


def _homography(places: Doubles, corners: Doubles) -> Doubles:
    """Return the homography that takes millimetres to pixels, by least squares."""
    to_mm, mm = _levelled(places)
    to_px, px = _levelled(corners)
    rows = []
    for (x, y), (u, v) in zip(mm, px, strict=True):
        rows.append((x, y, 1, 0, 0, 0, -u * x, -u * y, -u))
        rows.append((0, 0, 0, x, y, 1, -v * x, -v * y, -v))
    level = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    plane = np.linalg.inv(to_px) @ level @ to_mm
    return np.asarray(plane / plane[2, 2], np.float64)


def _levelled(points: Doubles) -> tuple[Doubles, Doubles]:
    """Return what moves points to the middle and a size of one, and the points so moved."""
    middle = points.mean(0)
    size = math.sqrt(2) / max(float(np.mean(np.linalg.norm(points - middle, axis=1))), 1e-12)
    moved = np.array([(size, 0, -size * middle[0]), (0, size, -size * middle[1]), (0, 0, 1)])
    return moved, (points - middle) * size


def _through(plane: Doubles, points: Doubles) -> Doubles:
    moved = np.column_stack([points, np.ones(len(points))]) @ plane.T
    return np.asarray(moved[:, :2] / moved[:, 2:], np.float64)


def _local(plane: Doubles, at: Doubles) -> tuple[float, float]:
    """Return pixels a millimetre at a place of a plane, and its tilt there in degrees.

    What is tilted is as long as before along its axis and shorter across; the scale of what lies
    flat beside it is the longer one.
    """
    x, y, w = plane @ np.array([at[0], at[1], 1.0])
    jacobian = (plane[:2, :2] - np.outer([x / w, y / w], plane[2, :2])) / w
    long, short = np.linalg.svd(jacobian)[1]
    return float(long), math.degrees(math.acos(min(1.0, float(short / long))))
