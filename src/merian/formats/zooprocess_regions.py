"""How large a pixel of a scan is, and where in the scan its objects are."""

from __future__ import annotations

from collections.abc import Iterable

from merian.formats.zooprocess_text import Item, Statement

__all__ = ["region", "scale", "size_of"]

_LARGEST = 1 << 20  # pixels: no scan is longer


def scale(statements: Iterable[Statement]) -> float | None:
    """Return the pixels of a millimetre of a scan; None if it is not told, or told twice."""
    told: dict[str, float] = {}
    for one in statements:
        key = one.key.lower()
        try:
            value = float(one.value)
        except ValueError:
            continue
        if key in {"resolution", "pixsize"} and 0 < value < 1e6:
            told.setdefault(key, value / 25.4 if key == "resolution" else 1 / value)
    by_dots, by_size = told.get("resolution"), told.get("pixsize")
    if by_dots and by_size and abs(by_dots / by_size - 1) > 0.02:
        return None
    found = by_dots or by_size
    return None if found is None else round(found, 6)


def size_of(statements: Iterable[Statement]) -> tuple[int, int] | None:
    """Return width and height of a scan after its background was taken away."""
    found = {one.key: one.value for one in statements}
    try:  # the misspelling is that of ZooProcess
        size = int(found["Corrected_width"]), int(found["Corrected_heigth"])
    except (KeyError, ValueError):
        return None
    return size if all(0 < side <= _LARGEST for side in size) else None


def region(row: Item, size: tuple[int, int] | None) -> dict[str, object]:
    """Return where in its scan an object is: in pixels, and as fractions if its size is known."""
    try:
        x, y, width, height = (float(row.values[name]) for name in ("BX", "BY", "Width", "Height"))
    except (KeyError, ValueError):
        return {}
    box = (x, y, width, height)
    if not all(abs(edge) <= _LARGEST for edge in box) or width <= 0 or height <= 0:
        return {}
    right, below = x + width, y + height
    corners = ((x, y), (right, y), (right, below), (x, below), (x, y))
    found: dict[str, object] = {
        "regionOutline": f"POLYGON (({', '.join(f'{a:g} {b:g}' for a, b in corners)}))"
    }
    if size:
        left, end = (min(max(edge, 0.0), size[0]) for edge in (x, right))
        top, low = (min(max(edge, 0.0), size[1]) for edge in (y, below))
        if left < end and top < low:
            found |= {
                "xFrac": left / size[0], "yFrac": top / size[1],
                "widthFrac": (end - left) / size[0], "heightFrac": (low - top) / size[1],
            }  # fmt: skip
    return found
