"""A tree of counts as rings, as inline SVG: a sunburst, and the list of its innermost ring.

The angle of a piece is its share of the whole, and the pieces around it are parts of it. Where a
ring has a gap, what is inside is named no further. Pieces that are too small to be seen are put
together. A piece carries its name where there is room, tells its number when pointed at, and the
list below repeats those of the innermost ring, so that nothing hangs on a colour. On a phone only
names that stay legible are shown.

Reference: J. Stasko & E. Zhang, Focus+context display and navigation techniques for enhancing
radial, space-filling hierarchy visualizations, IEEE InfoVis 2000
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["Counts", "sunburst"]

_HOLE, _RING = 70.0, 82.0  # units of the drawing
_SMALL = 0.004  # of all: less is put together
_TONES = 8
_LARGE = 1.8  # times the size that names need to be legible on a phone
_LETTER, _HIGH = 8.0, 14.0  # units: a letter is so wide, and a line so high
_TOLD = 12  # pieces that are read out

Counts = Sequence[tuple[Sequence[str], int]]
"""The names from the innermost ring on, as far as they go, and how many there are."""
Key = tuple[str, ...]


@dataclass(frozen=True)
class _Piece:
    """A piece of a ring: from where to where it goes, as shares of the whole."""

    key: Key
    value: int
    begin: float
    end: float
    tone: int
    other: bool = False  # several small ones that are put together


def sunburst(
    title: str,
    counts: Counts,
    *,
    unit: str = "",
    slanted: Callable[[int], bool] = lambda _ring: False,
    identity: str = "sunburst",
) -> Markup:
    """Return a sunburst.

    Args:
        title: What it shows; read out, not drawn.
        counts: What is counted, by its names.
        unit: What the counts count.
        slanted: Whether the names of a ring are set in italics; 0 is the innermost.
        identity: An id that is unique on the page.
    """
    whole = sum(value for _, value in counts)
    pieces = _pieces(counts, whole)
    first = [piece for piece in pieces if len(piece.key) == 1]
    rings = max((len(piece.key) for piece in pieces), default=0)
    radius = _HOLE + _RING * max(rings, 2) + 2  # one ring alone is not blown up
    spoken = "; ".join(
        f"{piece.key[0]}: {_number(piece.value, whole)}" for piece in first[:_TOLD]
    ) + (f"; and {len(first) - _TOLD} more" if len(first) > _TOLD else "")
    drawn = [_arc(piece, whole, unit) for piece in pieces]
    names = [_label(one, slanted(len(one.key) - 1) and not one.other) for one in pieces]
    return Markup(
        '<svg class="sunburst" role="img" viewBox="{m:.0f} {m:.0f} {w:.0f} {w:.0f}" '
        'width="100%" aria-labelledby="{id}-title {id}-desc">\n'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{spoken}</desc>\n'
        '{arcs}\n{names}\n<text class="total" y="4" text-anchor="middle" '
        'style="font-size:{size:.0f}px">{whole}</text>'
        '<text class="value" y="24" text-anchor="middle">{unit}</text></svg>\n{key}'
    ).format(
        m=-radius, w=2 * radius, id=identity, title=title, spoken=spoken, whole=f"{whole:,}",
        size=min(36.0, 2.6 * _HOLE / len(f"{whole:,}")), unit=unit, arcs=Markup("\n").join(drawn),
        names=Markup("").join(names),
        key=_key(first, whole, slanted(0)),
    )  # fmt: skip


def _pieces(counts: Counts, whole: int) -> list[_Piece]:
    """Return the pieces of all rings, the largest first, what is small put together."""
    sums: dict[Key, int] = {}
    for names, value in counts:
        for depth in range(1, len(names) + 1):
            key = tuple(names[:depth])
            sums[key] = sums.get(key, 0) + value
    below: dict[Key, list[Key]] = {}
    for key in sums:
        below.setdefault(key[:-1], []).append(key)
    found: list[_Piece] = []

    def place(above: Key, begin: float, tone: int) -> None:
        here = sorted(below.get(above, ()), key=lambda key: (-sums[key], key))
        large = [key for key in here if sums[key] >= _SMALL * whole]
        for number, key in enumerate(large):
            own = number % _TONES if not above else tone
            end = begin + sums[key] / whole
            found.append(_Piece(key, sums[key], begin, end, own))
            place(key, begin, own)
            begin = end
        small = [key for key in here if sums[key] < _SMALL * whole]
        if small:
            rest = sum(sums[key] for key in small)
            name = small[0][-1] if len(small) == 1 else f"{len(small):,} others"
            end, own = begin + rest / whole, tone if above else -1
            found.append(_Piece((*above, name), rest, begin, end, own, len(small) > 1))

    if whole:
        place((), 0.0, 0)
    return found


def _arc(piece: _Piece, whole: int, unit: str) -> Markup:
    inner = _HOLE + _RING * (len(piece.key) - 1)
    outer = inner + _RING
    told = f"{' › '.join(piece.key)}: {_number(piece.value, whole)} {unit}".rstrip()
    if piece.end - piece.begin > 0.99999:  # an arc from a place to itself is nothing
        path = _circle(outer) + _circle(inner)
    else:
        a, b = _angle(piece.begin), _angle(piece.end)
        far = 1 if piece.end - piece.begin > 0.5 else 0
        path = (
            f"M{_at(outer, a)}A{outer:g},{outer:g} 0 {far} 1 {_at(outer, b)}"
            f"L{_at(inner, b)}A{inner:g},{inner:g} 0 {far} 0 {_at(inner, a)}Z"
        )
    return Markup(
        '<path class="arc {tone} ring-{ring}" fill-rule="evenodd" d="{path}">'
        "<title>{told}</title></path>"
    ).format(tone=_tone(piece), ring=len(piece.key), path=path, told=told)


def _label(piece: _Piece, italic: bool) -> Markup:
    """Return the name of a piece where there is room for it: along the ring, or across it."""
    name = piece.key[-1]
    middle = (piece.begin + piece.end) / 2
    radius = _HOLE + _RING * (len(piece.key) - 0.5)
    angle = 2 * math.pi * (piece.end - piece.begin)
    turn = 360 * middle
    how = next(
        (
            (way, large)
            for large in (True, False)
            for way in ("along", "across")
            if _fits(name, way, radius, angle, _LARGE if large else 1.0)
        ),
        None,
    )
    if how is None:
        return Markup("")
    way, large = how
    if way == "along":
        turned = turn + (180 if 90 < turn % 360 < 270 else 0)
    else:
        turned = turn + (90 if turn % 360 > 180 else -90)
    return Markup(
        '<text class="label{large}{italic}" transform="translate({at}) rotate({turned:.1f})" '
        'text-anchor="middle" dy=".35em" aria-hidden="true">{name}</text>'
    ).format(
        large=" large" if large else "", italic=" name" if italic else "",
        at=_at(radius, _angle(middle)), turned=turned, name=name,
    )  # fmt: skip


def _fits(name: str, way: str, radius: float, angle: float, size: float) -> bool:
    long, high = size * _LETTER * len(name) + 8, size * _HIGH
    if way == "across":
        return long <= _RING and high + 2 <= angle * (radius - long / 2)
    inner, outer = radius - high / 2, radius + high / 2
    if math.hypot(outer, long / 2) > radius + _RING / 2 - 2:
        return False
    return angle >= math.pi or long / 2 <= inner * math.tan(angle / 2)


def _key(first: Sequence[_Piece], whole: int, italic: bool) -> Markup:
    """Return the list of the innermost ring."""
    rows = [
        Markup(
            '<li><span class="swatch {tone}"></span><span{italic}>{name}</span> '
            '<span class="value">{number}</span></li>'
        ).format(
            tone=_tone(piece), italic=Markup(' class="name"') if italic and not piece.other else "",
            name=piece.key[0], number=_number(piece.value, whole),
        )
        for piece in first
    ]  # fmt: skip
    return Markup('<ul class="key">{}</ul>').format(Markup("").join(rows))


def _tone(piece: _Piece) -> str:
    return f"tone-{piece.tone}" if piece.tone >= 0 else "tone-none"


def _number(value: int, whole: int) -> str:
    return f"{value:,} ({100 * value / whole:.1f} %)"


def _angle(share: float) -> float:
    """Return the angle of a share, beginning at the top and turning with the clock."""
    return 2 * math.pi * share - math.pi / 2


def _at(radius: float, angle: float) -> str:
    return f"{radius * math.cos(angle):.2f},{radius * math.sin(angle):.2f}"


def _circle(radius: float) -> str:
    return (
        f"M0,{-radius:g}A{radius:g},{radius:g} 0 1 1 0,{radius:g}"
        f"A{radius:g},{radius:g} 0 1 1 0,{-radius:g}Z"
    )
