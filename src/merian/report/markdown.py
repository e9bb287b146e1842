"""The parts of a page as Markdown, for where a page cannot go: beside a data set or a model."""

from __future__ import annotations

from collections.abc import Sequence

from merian.report.page import Bars, Figures, Lines, Name, Note, Part, Plot, Table, Text

__all__ = ["in_markdown"]


def in_markdown(part: Part) -> list[str]:
    """Return the lines of a part."""
    if isinstance(part, Text):
        return ["\n\n".join(part.paragraphs)]
    if isinstance(part, Note):
        return [f"> {part.text}"]
    if isinstance(part, Figures):
        return [f"- {_text(value)} {what}" for value, what in part.values]
    if isinstance(part, Bars):
        return _grid(("", part.title), part.values)
    if isinstance(part, Lines):
        ends = [(name, places[-1], values[-1]) for name, places, values in part.series if values]
        return [f"{part.title}, at the end:", "", *_grid((part.y, part.x, "value"), ends)]
    if isinstance(part, Plot):
        return [f"{part.title}:", "", *in_markdown(part.table)]
    assert isinstance(part, Table)
    more = [f"and {part.more:,} more"] if part.more else []
    return [*([part.caption, ""] if part.caption else []), *_grid(part.columns, part.rows), *more]


def _grid(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *([_text(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value:,.4g}" if isinstance(value, float) and value % 1 else f"{int(value):,}"
    text = " ".join(str(value).split()).replace("|", "\\|")
    return f"*{text}*" if isinstance(value, Name) else text
