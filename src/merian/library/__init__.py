"""A reference library: sequences whose names are trusted, with the tree of these names.

One folder that can be copied, opens at once and grows by appending.
"""

from merian.library.build import Part, Settings, Summary, add_to_library, build_library
from merian.library.store import Library, Reference

__all__ = [
    "Library",
    "Part",
    "Reference",
    "Settings",
    "Summary",
    "add_to_library",
    "build_library",
]
