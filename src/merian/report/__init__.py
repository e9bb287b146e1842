"""Pages that people read: one self-contained HTML file, for the screen, a phone or paper."""

from merian.report.page import (
    Bars,
    Figures,
    Gallery,
    Histogram,
    Intervals,
    Lines,
    Name,
    Note,
    Picture,
    Pictures,
    Plot,
    Section,
    Table,
    Text,
    Thumbnail,
    page,
)

__all__ = [
    "Bars",
    "Figures",
    "Gallery",
    "Histogram",
    "Intervals",
    "Lines",
    "Name",
    "Note",
    "Picture",
    "Pictures",
    "Plot",
    "Section",
    "Table",
    "Text",
    "Thumbnail",
    "page",
]
