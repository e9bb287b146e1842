"""A shelf: several libraries, one a marker, that are asked together.

They are given one by one, or as the folder in which they stand: every folder directly in it that
has a ``library.json``. Each has a name, that of its folder. What gene a library is of is what its
records say, or else the name of its folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from merian.errors import FormatError, InputError
from merian.files import existing
from merian.library.store import HEADER, Library

__all__ = ["genes_of", "open_shelf", "same_gene"]

# What people write for one and the same gene.
_ALIKE = (
    "coi co1 cox1 coxi coi5p mtcoi mtco1 cytochromeoxidasei cytochromecoxidasesubuniti",
    "16s 16srrna 16srdna rrnl mt16s",
    "12s 12srrna 12srdna rrns mt12s",
    "18s 18srrna 18srdna ssu",
    "28s 28srrna 28srdna lsu",
    "cytb cob mtcyb cytochromeb",
    "rbcl rbcla",
)
_GENES = {word: words.split()[0] for words in _ALIKE for word in words.split()}


def open_shelf(
    places: Path | str | Sequence[Path | str], *, pictures: bool = False
) -> dict[str, Library]:
    """Open libraries, by name in the order in which they were given.

    Args:
        places: Folders of libraries, or a folder in which libraries stand.
        pictures: Whether libraries of pictures may be among them.
    """
    given = [places] if isinstance(places, Path | str) else [*places]
    if not given:
        raise InputError("give a library: --library FOLDER")
    folders = [folder for place in given for folder in _folders(existing(place, "library"))]
    found: dict[str, Library] = {}
    for folder in folders:
        library = Library.open(folder)
        if not pictures:
            library.of_kind("barcode")
        same = [name for name, other in found.items() if other.hash == library.hash]
        if same:
            raise InputError(f"{folder}: is the same library as {same[0]}; give each once")
        found[_name(library.folder, found)] = library
    return found


def _folders(place: Path) -> list[Path]:
    """Return the folders of the libraries at a place; itself where it is one, or nothing else."""
    if not place.is_dir() or (place / HEADER).is_file():
        return [place]
    inside = sorted(child for child in place.iterdir() if (child / HEADER).is_file())
    if not inside:
        raise FormatError(
            "is no reference library, and there is none directly in it; "
            "`merian library build REFERENCE -o LIBRARY` makes one",
            path=place,
        )
    return inside


def _name(folder: Path, taken: Mapping[str, Library]) -> str:
    """Return the name of a folder, with that of the folder around it where it was taken."""
    name = folder.name if folder.name not in taken else f"{folder.parent.name}/{folder.name}"
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name} ({number})"
    return unique


def same_gene(marker: str) -> str:
    """Return one word for all spellings of a gene; "" for none."""
    word = re.sub(r"[^a-z0-9]", "", marker.lower())
    return _GENES.get(word, word)


def genes_of(name: str, library: Library) -> frozenset[str]:
    """Return the genes that a library is of."""
    markers = library.header["counts"].get("markers") or {}
    return frozenset(same_gene(marker) for marker in markers or (name,)) - {""}
