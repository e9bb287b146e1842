"""How fluid the page of points is in a real browser: Chromium without a window, moved by a script.

The page of many points is opened, the wheel is turned and the pointer is dragged as by hand, and
the time of every drawing and from frame to frame is taken. Nothing is drawn by a graphics card.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merian.bench.chromium import Tab, browser, chromium
from merian.errors import InputError
from merian.report.scatter import Scatter, write_scatter

__all__ = ["frame_figures"]

_TURNS = 60  # of the wheel, and steps of a drag
_WAIT = 120.0  # seconds
_WATCH = """
window.frames_ = []; window.drawn_ = [];
const next = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (f) => next((t) => { const a = performance.now(); f(t);
  window.drawn_.push(performance.now() - a); });
let last = performance.now();
(function beat(t) { window.frames_.push(t - last); last = t; next(beat); })(last);
"""


def frame_figures(points: int, clusters: int, seed: int) -> dict[str, dict[str, Any]]:
    """Return size, time to open and times of frames of a page; without Chromium the size alone.

    Args:
        points: How many.
        clusters: As many clouds of points, each with a colour.
        seed: Of their places.
    """
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        page = Path(made, "points.html")
        start = time.perf_counter()
        size = _page(page, points, clusters, seed)
        figures: dict[str, dict[str, Any]] = {
            "scatter: file": {"value": round(size / 1e6, 2), "n": points, "unit": "MB"},
            "scatter: written in": {
                "value": round(time.perf_counter() - start, 1), "n": points, "unit": "s",
            },
        }  # fmt: skip
        program = chromium()
        if program is None:
            return figures
        with browser(program, Path(made, "profile")) as tab:
            return figures | _moved(tab, page, points)


def _page(file: Path, points: int, clusters: int, seed: int) -> int:
    """Write a page of clouds, each point with a thumbnail of its own; return its bytes."""
    random = np.random.default_rng(seed)
    cloud = random.integers(0, clusters, points)
    places = random.normal(size=(clusters, 2))[cloud] * 8 + random.normal(size=(points, 2))
    rough = random.integers(0, 256, (clusters, 8, 8, 3), np.uint8)

    def picture(point: int) -> Image.Image:
        pixels = rough[cloud[point]].copy()
        pixels[point % 8, point // 8 % 8] = point % 251
        return Image.fromarray(pixels).resize((48, 48))

    names = [f"cluster {number}" for number in cloud.tolist()]
    what = Scatter(
        "Points", places, [f"P{number}" for number in range(points)],
        {"cluster": names, "genus": [f"genus {number // 10}" for number in cloud.tolist()]},
        "Clouds drawn by chance.", picture,
    )  # fmt: skip
    return write_scatter(file, what).size


def _moved(tab: Tab, page: Path, points: int) -> dict[str, dict[str, Any]]:
    """Open the page, turn the wheel, drag and point; return what it took."""
    tab.ask("Page.enable")
    tab.ask("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
    start = time.perf_counter()
    tab.ask("Page.navigate", url=page.as_uri())
    while not tab.value("!!document.querySelector('#legend li') && drawn_.length > 0"):
        if time.perf_counter() - start > _WAIT:
            raise InputError("Chromium did not open the page within two minutes")
        time.sleep(0.05)
    opened = time.perf_counter() - start
    box = tab.value(
        "(() => { const b = document.getElementById('points').getBoundingClientRect(); "
        "return [b.x, b.y, b.width, b.height]; })()"
    )
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    tab.value("frames_.length = drawn_.length = 0")

    def mouse(kind: str, at: float, down: float, **more: Any) -> None:
        tab.ask("Input.dispatchMouseEvent", type=kind, x=at, y=down, **more)

    for turn in range(_TURNS):
        mouse("mouseWheel", x, y, deltaX=0, deltaY=-60 if turn < _TURNS / 2 else 60)
    mouse("mousePressed", x, y, button="left", clickCount=1)
    for step in range(_TURNS):
        at = 4 * np.array([step % 30, step % 17])
        mouse("mouseMoved", x + at[0], y + at[1], button="left", buttons=1)
    mouse("mouseReleased", x, y, button="left", clickCount=1)
    drawn, frames = tab.value("[drawn_, frames_]")
    for place in np.linspace(0.2, 0.8, 40):  # until a point is below the pointer
        mouse("mouseMoved", box[0] + place * box[2], y)
        if tab.value("!document.getElementById('card').hidden"):
            break
    told = tab.value("document.getElementById('card').hidden ? '' : "
                     "document.getElementById('facts').textContent")  # fmt: skip
    middle, late = (round(float(one), 2) for one in np.percentile(drawn, [50, 95]))
    unit = f"ms, {int(box[2])} x {int(box[3])} pixels, no graphics card"
    return {
        "scatter: opened in": {"value": round(opened, 2), "n": points, "unit": "s"},
        "scatter: drawing, median": {"value": middle, "n": len(drawn), "unit": unit},
        "scatter: drawing, 95 of 100": {"value": late, "n": len(drawn), "unit": unit},
        "scatter: frame to frame, median": {
            "value": round(float(np.median(frames)), 2), "n": len(frames), "unit": "ms",
        },
        "scatter: a card under the pointer": {
            "value": int(bool(told)), "n": 1, "unit": "1 if it showed",
        },
    }  # fmt: skip
