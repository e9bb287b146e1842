"""Vectors as points of one page to move in: colour by cluster or name, a picture under the pointer.

One HTML file holds everything: places and names as numbers, thumbnails as sheets of many, and the
script, which alone may run (its hash is in the page's policy). Names are data to it and never
markup. A point is 4 bytes of place and 4 of each column; a thumbnail some hundreds of bytes.

Places come from UMAP where the extra `map` is there, of vectors of unit length, or from the two
main axes. They are for the eye: how far apart two groups are drawn says little.

Reference: McInnes et al., UMAP, arXiv:1802.03426.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from merian import __version__
from merian.errors import InputError, MissingExtraError
from merian.files import new_file
from merian.pictures import BadPictureError

__all__ = ["NONE", "Scatter", "Written", "places_of", "write_scatter"]

NONE = "—"
"""The name of what has none: a point that no cluster took, a record without a label."""

Picture = Callable[[int], Image.Image | None]

_STEPS = 65535  # of a place
_SHEET = 1024  # pixels of a sheet's side, about
_QUALITY = 55
_SIDES = ((2_000, 96), (10_000, 64), (25_000, 48))  # thumbnails of so many points at most
_SMALLEST = 32


@dataclass(frozen=True, eq=False)
class Scatter:
    """What is drawn.

    Attributes:
        title: Of the page.
        places: float[n, 2].
        ids: Of each point.
        columns: What points can be coloured by, the first at once: name -> a text for each point;
            an empty one is none.
        about: What is shown, how the places were found; a line or two.
        picture: Gives the picture of a point, or None; no thumbnails if not given.
    """

    title: str
    places: NDArray[Any]
    ids: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    about: str = ""
    picture: Picture | None = None


@dataclass(frozen=True)
class Written:
    """What a page holds.

    Attributes:
        points: How many.
        pictures: Thumbnails.
        bad: Pictures that could not be opened: number of the point, and why.
        size: Of the file, in bytes.
    """

    points: int
    pictures: int
    bad: tuple[tuple[int, str], ...]
    size: int


def places_of(
    vectors: NDArray[Any], how: str = "auto", seed: int = 0, neighbours: int = 15
) -> tuple[NDArray[np.float32], str]:
    """Return places on a plane, float32[n, 2], and in words how they were found.

    Args:
        vectors: float[n, d]; they are brought to unit length.
        how: umap, pca, or auto: UMAP where it is installed and there are points enough.
        seed: Of UMAP.
        neighbours: That UMAP keeps near.
    """
    if how not in ("auto", "umap", "pca"):
        raise InputError(f"no way to lay out points is called {how!r}; auto, umap or pca expected")
    there = importlib.util.find_spec("umap") is not None
    if how == "umap" and not there:
        raise MissingExtraError("laying out points with UMAP", "map")
    given = np.asarray(vectors, np.float32)
    if given.ndim != 2 or not np.isfinite(given).all():
        raise InputError("rows of finite numbers expected to lay out as points")
    unit = given / np.maximum(np.linalg.norm(given, axis=1, keepdims=True), 1e-12)
    if how == "pca" or not there or len(unit) <= max(neighbours, 4):
        return _main_axes(unit), "places: the two main axes (PCA)"
    from umap import UMAP  # noqa: PLC0415 - an extra that takes seconds to import

    laid = UMAP(
        n_neighbors=neighbours, n_components=2, min_dist=0.1, random_state=seed, n_jobs=1
    ).fit_transform(unit)
    return np.asarray(laid, np.float32), f"places: UMAP of {neighbours} neighbours, seed {seed}"


def _main_axes(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return places along the two main axes; each points to where it reaches farthest."""
    found = np.zeros((len(unit), 2), np.float32)
    if not len(unit):
        return found
    about = (unit - unit.mean(axis=0)).astype(np.float64)
    axes = np.linalg.eigh(about.T @ about)[1][:, ::-1][:, :2]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    found[:, : axes.shape[1]] = about @ axes
    return found


def write_scatter(
    path: Path | str, what: Scatter, *, stamp: Mapping[str, object] | None = None, side: int = 0
) -> Written:
    """Write the page, complete or not at all.

    Args:
        path: The file.
        what: What is drawn.
        stamp: What wrote the page, see `merian.stamp.stamp`; printed at its foot.
        side: Of a thumbnail in pixels; 32 to 96 by the number of points if not given.
    """
    count = len(what.ids)
    lengths = {count, len(what.places), *(len(column) for column in what.columns.values())}
    if len(lengths) > 1 or not what.columns:
        raise InputError(
            f"{count} ids, {len(what.places)} places and columns of "
            f"{', '.join(str(len(c)) for c in what.columns.values()) or 'nothing'}; one length and "
            "a column or more expected"
        )
    side = side or next((size for most, size in _SIDES if count <= most), _SMALLEST)
    sheets = _Sheets(what.picture, count, side)
    encoded = list(sheets)  # before the head, which tells which points have one
    script = _script()
    parts = _template().generate(
        title=what.title,
        subtitle=f"{count:,} points. {what.about}".strip(),
        spoken=f"{count} points of {what.title}; the legend lists their names",
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        script=script,
        data=_data(what, sheets),
        sheets=encoded,
        foot=[(k.replace("_", " "), v) for k, v in (stamp or {}).items()
              if isinstance(v, str) and k != "merian"],
        version=__version__,
    )  # fmt: skip
    with new_file(path, text=True) as stream:
        for part in parts:
            stream.write(part)
    return Written(
        count, int((sheets.slots >= 0).sum()), tuple(sheets.bad), Path(path).stat().st_size
    )


def _data(what: Scatter, sheets: _Sheets) -> str:
    """Return what the script reads, as JSON that ends no element of the page."""
    told = {
        **_places(np.asarray(what.places, np.float64)),
        "slots": _base64(sheets.slots.astype("<i4")),
        "ids": [str(one) for one in what.ids],
        "columns": [_column(name, values) for name, values in what.columns.items()],
        "none": NONE, "kind": sheets.kind, "side": sheets.side, "across": sheets.across,
        "each": sheets.across**2,
    }  # fmt: skip
    text = json.dumps(told, separators=(",", ":"))  # letters beyond ASCII are escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _places(places: NDArray[np.float64]) -> dict[str, str]:
    """Return places as steps of 16 bits; both axes in one scale, the second upwards."""
    if places.shape[1:] != (2,) or not np.isfinite(places).all():
        raise InputError(f"places {list(places.shape)}; finite numbers, two of each point expected")
    low, high = (places.min(0), places.max(0)) if len(places) else (np.zeros(2), np.ones(2))
    longest = max(float((high - low).max()), 1e-12)
    shares = 0.5 + (places - (low + high) / 2) / longest
    shares[:, 1] = 1 - shares[:, 1]
    steps = np.clip(np.rint(shares * _STEPS), 0, _STEPS).astype("<u2")
    return {"x": _base64(steps[:, 0]), "y": _base64(steps[:, 1])}


def _column(name: str, values: Sequence[str]) -> dict[str, Any]:
    """Return a column: its names, the most frequent first and what has none last, and numbers."""
    texts = np.array([str(value) or NONE for value in values], object)
    names, codes, counts = np.unique(texts.astype(str), return_inverse=True, return_counts=True)
    order = np.lexsort((names, -counts, names == NONE))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return {
        "name": name, "names": names[order].tolist(), "counts": counts[order].tolist(),
        "codes": _base64(place[codes].astype("<u4") if len(codes) else np.zeros(0, "<u4")),
    }  # fmt: skip


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


class _Sheets:
    """Thumbnails, many to a sheet: a picture of pictures, as base64."""

    def __init__(self, picture: Picture | None, count: int, side: int) -> None:
        self._picture, self._count, self.side = picture, count, side
        self.across = max(1, _SHEET // side)
        self.kind = "webp" if features.check("webp") else "jpeg"
        self.slots = np.full(count, -1, np.int64)
        self.bad: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        each, filled = self.across**2, 0
        sheet = self._empty()
        for point in range(self._count if self._picture else 0):
            small = self._small(point)
            if small is None:
                continue
            row, column = divmod(filled % each, self.across)
            at = (column * self.side + (self.side - small.width) // 2,
                  row * self.side + (self.side - small.height) // 2)  # fmt: skip
            sheet.paste(small, at)
            self.slots[point] = filled
            filled += 1
            if filled % each == 0:
                yield self._written(sheet)
                sheet = self._empty()
        if filled % each:
            rows = -(-(filled % each) // self.across)
            yield self._written(sheet.crop((0, 0, self.across * self.side, rows * self.side)))

    def _small(self, point: int) -> Image.Image | None:
        assert self._picture is not None
        try:
            image = self._picture(point)
        except (BadPictureError, OSError) as error:
            self.bad.append((point, str(error)))
            return None
        if image is None:
            return None
        small = image.convert("RGB")
        times = self.side / max(small.size)
        size = (max(1, round(small.width * times)), max(1, round(small.height * times)))
        return small.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)

    def _empty(self) -> Image.Image:
        return Image.new("RGB", (self.across * self.side,) * 2, (238, 236, 230))

    def _written(self, sheet: Image.Image) -> str:
        stream = io.BytesIO()
        sheet.save(
            stream, self.kind, quality=_QUALITY, **({"method": 2} if self.kind == "webp" else {})
        )
        return base64.b64encode(stream.getvalue()).decode()


def _script() -> str:
    return (files("merian.report") / "scatter.js").read_text(encoding="utf-8").strip()


@cache
def _template() -> jinja2.Template:
    """Return the template, which lies beside this file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merian.report", "."), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template("scatter.html.j2")
