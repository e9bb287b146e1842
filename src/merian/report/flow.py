"""What flows from one column of boxes to the next, as inline SVG: a Sankey drawing.

Boxes of a column are drawn in the order of the boxes that they come from, so that no ribbon of a
tree crosses another; small ones are put together under what they belong to. Every box carries its
name, and box and ribbon tell their number when pointed at, so that nothing hangs on a colour. A
screen reader hears the boxes of the first two columns with their numbers.

Reference: M. H. P. R. Sankey, The thermal efficiency of steam-engines, Min. Proc. Inst. Civ. Eng.
134, 278 (1898)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

__all__ = ["flow"]

_WIDTH, _BOX, _AIR, _HEAD = 864, 11, 14, 24  # pixels
_FILLED = 420  # of the height, shared by what flows
_RIGHT = 185  # for the names of the last column
_SMALL = 0.006  # of all: less is put together
_COLOURS = 6
_TOLD = 5  # labels told where a ribbon is pointed at

Rows = Sequence[tuple[Sequence[str], float, str]]
Key = tuple[str, ...]


@dataclass
class _Box:
    """A box: its value, where it stands, and how much has flowed in and out so far."""

    key: Key
    value: float = 0.0
    top: float = 0.0
    height: float = 0.0
    into: float = 0.0
    out: float = 0.0
    labels: list[tuple[float, str]] = field(default_factory=list)


def flow(
    title: str, columns: Sequence[str], rows: Rows, *, unit: str = "", identity: str = "flow"
) -> Markup:
    """Return a Sankey drawing.

    The first column stands for itself; from the second on the boxes are a tree: a box is its name
    and those before it.

    Args:
        title: What flows; read out, not drawn.
        columns: The heads of the columns.
        rows: The names from the first column on, as far as they go; a value; and what it is of.
        unit: What the values count.
        identity: An id that is unique on the page.
    """
    folded = _folded(rows)
    levels = _levels(folded, len(columns))
    height = _placed(levels)
    step = (_WIDTH - _RIGHT - _BOX) / max(len(columns) - 1, 1)
    colours = {key[0]: i % _COLOURS for i, key in enumerate(levels[1])} if len(levels) > 1 else {}
    ribbons = _ribbons(folded, levels, step, colours, unit)
    boxes = [
        _box(box, number * step, unit)
        for number, level in enumerate(levels)
        for box in level.values()
    ]
    heads = [
        Markup('<text class="value" x="{:.1f}" y="12">{}</text>').format(i * step, head)
        for i, head in enumerate(columns)
    ]
    spoken = "; ".join(
        f"{box.key[-1]}: {_number(box.value, unit)}"
        for level in levels[:2]
        for box in level.values()
    )
    return Markup(
        '<svg class="flow" role="img" viewBox="0 0 {width} {height:.0f}" width="100%" '
        'aria-labelledby="{id}-title {id}-desc">\n<title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{spoken}</desc>\n{parts}</svg>'
    ).format(
        width=_WIDTH, height=height, id=identity, title=title, spoken=spoken,
        parts=Markup("\n").join([*heads, *ribbons, *boxes]),
    )  # fmt: skip


def _folded(rows: Rows) -> list[tuple[list[Key], float, str]]:
    """Return each row's boxes, those put together that are small, with its value."""
    whole = sum(value for _, value, _ in rows) or 1.0
    sums: dict[Key, float] = defaultdict(float)
    for names, value, _ in rows:
        for depth in range(2, len(names) + 1):
            sums[tuple(names[1:depth])] += value
    found = []
    for names, value, label in rows:
        keys: list[Key] = [(names[0],)]
        for depth in range(2, len(names) + 1):
            key = tuple(names[1:depth])
            if sums[key] < _SMALL * whole:
                above = key[-2] if len(key) > 1 else ""
                other = f"other {above}" if above and not above.startswith("no ") else "other"
                keys.append((*key[:-1], other))
                break
            keys.append(key)
        found.append((keys, value, label))
    return found


def _levels(folded: list[tuple[list[Key], float, str]], count: int) -> list[dict[Key, _Box]]:
    """Return the boxes of each column in the order in which they are drawn."""
    levels: list[dict[Key, _Box]] = [{} for _ in range(count)]
    for keys, value, label in folded:
        for level, key in zip(levels, keys, strict=False):
            box = level.setdefault(key, _Box(key))
            box.value += value
            box.labels.append((value, label))
    for number, level in enumerate(levels):
        above = {key: place for place, key in enumerate(levels[number - 1])} if number > 1 else {}
        order = sorted(
            level.values(), key=lambda box: (above.get(box.key[:-1], 0), -box.value, box.key)
        )
        levels[number] = {box.key: box for box in order}
    return levels


def _placed(levels: list[dict[Key, _Box]]) -> float:
    """Give every box its place, and return the height of the drawing."""
    whole = sum(box.value for box in levels[0].values()) or 1.0
    height = 0.0
    for level in levels:
        at = float(_HEAD)
        for box in level.values():
            box.top, box.height = at, max(_FILLED * box.value / whole, 1.0)
            at += box.height + _AIR
        height = max(height, at)
    return height


def _ribbons(
    folded: list[tuple[list[Key], float, str]], levels: list[dict[Key, _Box]], step: float,
    colours: dict[str, int], unit: str,
) -> list[Markup]:  # fmt: skip
    """Return the ribbons between the columns."""
    sums: dict[tuple[int, Key, Key], list[tuple[float, str]]] = defaultdict(list)
    for keys, value, label in folded:
        for number in range(len(keys) - 1):
            sums[number, keys[number], keys[number + 1]].append((value, label))
    places = [{key: place for place, key in enumerate(level)} for level in levels]
    scale = next((box.height / box.value for level in levels for box in level.values()
                  if box.value and box.height > 1), 1.0)  # fmt: skip
    drawn = []
    ordered = sorted(sums, key=lambda k: (k[0], places[k[0]][k[1]], places[k[0] + 1][k[2]]))
    for number, start, end in ordered:
        parts = sums[number, start, end]
        value = sum(value for value, _ in parts)
        one, other = levels[number][start], levels[number + 1][end]
        wide = max(scale * value, 0.4)
        left, right = number * step + _BOX, (number + 1) * step
        middle = (left + right) / 2
        a, b = one.top + one.out, other.top + other.into
        one.out += wide
        other.into += wide
        path = (
            f"M{left:.1f},{a:.1f}C{middle:.1f},{a:.1f} {middle:.1f},{b:.1f} {right:.1f},{b:.1f}"
            f"V{b + wide:.1f}C{middle:.1f},{b + wide:.1f} {middle:.1f},{a + wide:.1f} "
            f"{left:.1f},{a + wide:.1f}Z"
        )
        drawn.append(
            Markup('<path class="ribbon line-{}" d="{}"><title>{}</title></path>').format(
                colours.get(end[0], 0), path,
                f"{start[-1]} to {end[-1]}: {_number(value, unit)}, {_labels(parts)}",
            )
        )  # fmt: skip
    return drawn


def _box(box: _Box, left: float, unit: str) -> Markup:
    told = f"{box.key[-1]}: {_number(box.value, unit)}, {_labels(box.labels)}"
    return Markup(
        '<g><title>{told}</title><rect class="box" x="{x:.1f}" y="{y:.1f}" width="{w}" '
        'height="{h:.1f}"/><text class="label" x="{t:.1f}" y="{m:.1f}">{name}</text></g>'
    ).format(
        told=told, x=left, y=box.top, w=_BOX, h=box.height, t=left + _BOX + 4,
        m=box.top + box.height / 2 + 4, name=box.key[-1],
    )  # fmt: skip


def _labels(parts: list[tuple[float, str]]) -> str:
    """Return how many labels there are, and the largest of them."""
    largest = sorted(parts, key=lambda part: (-part[0], part[1]))[:_TOLD]
    named = ", ".join(f"{label} {value:,.0f}" for value, label in largest)
    more = len(parts) - len(largest)
    many = f"{len(parts):,} label{'s' if len(parts) != 1 else ''}"
    return f"{many}: {named}" + (f" and {more:,} more" if more else "")


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}".rstrip()
