"""Pages that people read: one self-contained HTML file, for the screen, a phone or paper."""

from merian.report.page import (
    Bars,
    Figures,
    Histogram,
    Intervals,
    Lines,
    Name,
    Note,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    page,
)

__all__ = [
    "Bars",
    "Figures",
    "Histogram",
    "Intervals",
    "Lines",
    "Name",
    "Note",
    "Picture",
    "Pictures",
    "Section",
    "Table",
    "Text",
    "page",
]
