"""What goes together, as inline SVG: which of several things a record has, and how many have these.

A row is one combination: a full circle for what is there, an empty one for what is not, and a bar
for the number of records. The combination that most records have comes first.

Reference: A. Lex et al., UpSet: visualization of intersecting sets, IEEE TVCG 20, 1983 (2014)
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["Combination", "combinations"]

_ROW, _HEAD = 26, 74  # pixels
_EACH, _GAP, _FULL = 7.0, 2.0, 24.0  # percent: a column, air, the longest bar

Combination = tuple[Sequence[bool], int]
"""Whether each thing is there, and how many records have it so."""


def combinations(
    title: str, things: Sequence[str], rows: Sequence[Combination], *, identity: str = "together"
) -> Markup:
    """Return combinations with their counts.

    Args:
        title: What it shows; read out, not drawn.
        things: The names of what may be there; at most six.
        rows: The combinations, in the order in which they are drawn.
        identity: An id that is unique on the page.
    """
    if len(things) > 6:
        raise ValueError(f"{len(things)} things; six have room on a phone")
    most = max((count for _, count in rows), default=0) or 1
    whole = sum(count for _, count in rows) or 1
    heads = Markup("").join(
        Markup(
            '<svg x="{x:.1f}%" y="{y}" width="1" height="1" overflow="visible">'
            '<text class="label" transform="rotate(-40)">{thing}</text></svg>'
        ).format(x=_EACH * place + _EACH / 2 - 1, y=_HEAD - 8, thing=thing)
        for place, thing in enumerate(things)
    )
    drawn = [_row(row, place, len(things), most, whole) for place, row in enumerate(rows)]
    spoken = "; ".join(f"{_told(things, there)}: {count:,}" for there, count in rows)
    return Markup(
        '<svg class="bars together" role="img" width="100%" height="{height}" '
        'aria-labelledby="{id}-title {id}-desc">\n<title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{spoken}</desc>\n{heads}{rows}</svg>'
    ).format(
        height=_HEAD + _ROW * len(rows) + 6, id=identity, title=title, spoken=spoken, heads=heads,
        rows=Markup("\n").join(drawn),
    )  # fmt: skip


def _told(things: Sequence[str], there: Sequence[bool]) -> str:
    return ", ".join(thing for thing, has in zip(things, there, strict=True) if has) or "nothing"


def _row(row: Combination, place: int, things: int, most: int, whole: int) -> Markup:
    there, count = row
    y = _HEAD + _ROW * place + _ROW / 2
    circles = Markup("").join(
        Markup('<circle class="{kind}" cx="{x:.1f}%" cy="{y:.0f}" r="6"/>').format(
            kind="full" if has else "hollow", x=_EACH * number + _EACH / 2, y=y
        )
        for number, has in enumerate(there)
    )
    left = _EACH * things + _GAP
    wide = max(_FULL * count / most, 0.2)
    return circles + Markup(
        '<rect class="bar" x="{left:.1f}%" y="{top:.0f}" width="{wide:.2f}%" height="13"/>'
        '<text class="value" x="{end:.2f}%" dx="8" y="{t:.0f}">{told}</text>'
    ).format(
        left=left, top=y - 6.5, wide=wide, end=left + wide, t=y + 5,
        told=f"{count:,} ({100 * count / whole:.1f} %)",
    )  # fmt: skip
