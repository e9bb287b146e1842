"""A reference library: sequences whose names are trusted, with the tree of these names.

One folder that can be copied, opens at once and grows by appending.
"""

from merian.library.amplicon import Primers
from merian.library.build import Part, Summary, add_to_library, build_library
from merian.library.each import Each, build_each
from merian.library.screening import Screening
from merian.library.settings import Settings
from merian.library.store import Library, Reference

__all__ = [
    "Each",
    "Library",
    "Part",
    "Primers",
    "Reference",
    "Screening",
    "Settings",
    "Summary",
    "add_to_library",
    "build_each",
    "build_library",
]
