"""The registry of file formats: sniff, read, write, fake.

A format is one file in this folder that ends with ``FORMAT = Format(...)``; it is found by
being there. Its spec is its docstring; beside its reader stands a faker, which writes a small
file in the real layout for the tests. Other packages add formats through the entry-point group
``merian.formats``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from merian.errors import FormatError, NotFoundError, did_you_mean
from merian.files import existing
from merian.formats.json_stream import broken_json

if TYPE_CHECKING:
    from merian.catalogue import Catalogue, Reading

__all__ = ["Format", "Options", "find_format", "formats", "near", "sniff"]

_LOOKED_AT = 30  # files of a folder that no format knows
_SHOWN = 5


@dataclass(frozen=True)
class Options:
    """What a user may say about a file to be read.

    Attributes:
        mapping: column -> term, for tables whose columns are not known.
        images: The folder in which the pictures lie that a table names.
        marker: The gene of the sequences where the file does not say (``COI-5P``, ``ITS``).
        extra: Settings of one format alone.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    images: Path | None = None
    marker: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        name: What the user types (``--format bioscan-5m``).
        title: What a person calls it.
        sniff: How sure it is that this is one, from its first bytes or layout: 0 no, 1 maybe,
            2 likely, 3 certain. Must not raise on any file.
        read: path, options -> what to read.
        lacks: What a file that looks like one lacks to be one, in words that follow "but it"
            ("has no column object_id"); "" for what does not look like one. Must not raise.
        write: catalogue, path -> number of rows written; or None.
        fake: folder, seed -> path of a small faked example in the real layout.
        tested_on: Real files that the tests read; empty means that the reader was written from
            the specification only, and `merian formats` says so.
        suffix: What `merian export` adds when no name is given.
        tells_parts: Whether what is written says of each record which part of a split it is in.
    """

    name: str
    title: str
    sniff: Callable[[Path], int]
    read: Callable[[Path, Options], Reading]
    fake: Callable[[Path, int], Path]
    lacks: Callable[[Path], str] | None = None
    write: Callable[[Catalogue, Path], int] | None = None
    tested_on: str = ""
    suffix: str = ""
    tells_parts: bool = False


@cache
def formats() -> Mapping[str, Format]:
    """Return all formats by name, in alphabetical order."""
    package = importlib.import_module("merian.formats")
    found = [
        getattr(importlib.import_module(f"merian.formats.{module.name}"), "FORMAT", None)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    found += [entry.load().FORMAT for entry in entry_points(group="merian.formats")]
    return {f.name: f for f in sorted((f for f in found if f), key=lambda f: f.name)}


def find_format(name: str) -> Format:
    """Return the format of that name."""
    known = formats()
    if name not in known:
        raise NotFoundError(
            f"no format is called {name!r}; there are {', '.join(known)}."
            + did_you_mean(name, known)
        )
    return known[name]


def near(path: Path) -> str:
    """Return which formats a file might be meant as, and why it is none of them."""
    told = [broken_json(path)] + [
        f"It might be {form.name}, but it {why}. "
        for form in formats().values()
        if form.lacks and (why := form.lacks(path))
    ]
    return "".join(told)


def _inside(path: Path) -> str:
    """Return which of the first files of a folder formats know that do not know the folder."""
    if not path.is_dir():
        return ""
    files = islice((file for file in sorted(path.iterdir()) if file.is_file()), _LOOKED_AT)
    told = []
    for file in files:
        sure, name = max((form.sniff(file), name) for name, form in formats().items())
        if sure > 1:
            told.append(f"{file.name} ({name})")
    if not told:
        return ""
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return f"In the folder formats know {', '.join(told[:_SHOWN])}{more}; give one of these. "


def sniff(path: Path | str) -> Format:
    """Return the format that is surest of this file or folder."""
    path = existing(path)
    if path.is_file() and not path.stat().st_size:
        raise FormatError("the file is empty", path=path)
    if path.is_dir() and not any(path.iterdir()):
        raise FormatError("the folder is empty", path=path)
    sure = {f.name: f.sniff(path) for f in formats().values()}
    best = max(sure.values())
    winners = [name for name, value in sure.items() if value == best]
    if best == 0:
        raise FormatError(
            f"no format knows this. {near(path)}{_inside(path)}There are {', '.join(sure)}; name "
            "one with --format, or give a table of your own a mapping with --map column=term",
            path=path,
        )
    if len(winners) > 1:
        raise FormatError(f"could be {' or '.join(winners)}; say which with --format", path=path)
    return find_format(winners[0])
