"""Opening a Darwin Core Data Package: its descriptor and the tables that it names.

A folder with ``datapackage.json``, that file itself, or a zip of it. The columns of a table are
those of its own header; the descriptor says where it lies, its delimiter and its quote.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merian.errors import FormatError
from merian.files import existing
from merian.formats.delimited import Head, read_head
from merian.unpacking import UNREADABLE_ZIP, Scratch, safe_name, unzip

__all__ = ["DESCRIPTOR", "Package", "descriptor_of", "open_package"]

DESCRIPTOR = "datapackage.json"
_LONGEST = 64 << 20


@dataclass(frozen=True)
class Package:
    """A package, unpacked for as long as this lives.

    Attributes:
        folder: Where the descriptor lies.
        beside: Where the package lies: its folder, or that of a zip.
        said: What the descriptor says.
        tables: The tables by name, each with the heads of its files.
        missing: Files that the descriptor names and that are not there, with their table.
    """

    folder: Path
    beside: Path
    said: Mapping[str, Any]
    tables: Mapping[str, tuple[Head, ...]]
    missing: tuple[tuple[str, str], ...] = ()
    _scratch: Scratch | None = field(default=None, repr=False, compare=False)


def descriptor_of(path: Path) -> Mapping[str, Any]:
    """Return what a descriptor says; nothing for a file that is none. Does not raise."""
    try:
        if path.is_dir():
            path = path / DESCRIPTOR
        if path.name == DESCRIPTOR and path.is_file() and path.stat().st_size <= _LONGEST:
            text = path.read_bytes()
        elif path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                names = [n for n in packed.namelist() if n.rsplit("/", 1)[-1] == DESCRIPTOR]
                text = packed.open(min(names, key=len)).read(_LONGEST) if names else b""
        else:
            return {}
        said = json.loads(text) if text else {}
    except (*UNREADABLE_ZIP, ValueError):
        # A RecursionError is a RuntimeError.
        return {}
    return said if isinstance(said, dict) else {}


def open_package(path: Path) -> Package:
    """Open a package.

    Raises:
        FormatError: If there is no descriptor, or it is not one.
    """
    path = existing(path, "Darwin Core Data Package")
    scratch = None
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.name != DESCRIPTOR:
        if not zipfile.is_zipfile(path):
            raise FormatError(
                f"is neither a folder with {DESCRIPTOR}, nor that file, nor a zip of them",
                path=path,
            )
        scratch = Scratch("dwc-dp")
        unzip(path, scratch.folder)
        found = sorted(scratch.folder.rglob(DESCRIPTOR), key=lambda p: (len(p.parts), str(p)))
        folder = found[0].parent if found else scratch.folder
    said = _read(folder / DESCRIPTOR, path)
    tables, missing = _tables(folder, said, path)
    return Package(
        folder, path.parent if scratch else folder, said, tables, tuple(missing), scratch
    )


def _read(file: Path, path: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise FormatError(f"holds no {DESCRIPTOR}, which names the tables of a package", path=path)
    if file.stat().st_size > _LONGEST:
        raise FormatError(f"its {DESCRIPTOR} is larger than 64 MB", path=path)
    try:
        said = json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{DESCRIPTOR} is no JSON ({error.msg})", path=path, line=error.lineno
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{DESCRIPTOR} is no JSON ({error})", path=path) from None
    if not isinstance(said, dict) or not isinstance(said.get("resources"), list):
        raise FormatError(
            f"{DESCRIPTOR} has no list of resources; a data package names its tables there",
            path=path,
        )
    return said


def _tables(
    folder: Path, said: Mapping[str, Any], path: Path
) -> tuple[dict[str, tuple[Head, ...]], list[tuple[str, str]]]:
    """Return the heads of the tables' files, and which files are missing."""
    tables: dict[str, tuple[Head, ...]] = {}
    missing: list[tuple[str, str]] = []
    for told in said["resources"][:10_000]:
        if not isinstance(told, dict) or not isinstance(told.get("name"), str):
            raise FormatError(f"{DESCRIPTOR}: a resource without a name", path=path)
        name, places = told["name"], told.get("path", [])
        heads = []
        for place in [places] if isinstance(places, str) else places:
            if not isinstance(place, str) or place.startswith(("http://", "https://", "ftp://")):
                missing.append((name, str(place)))
                continue
            file = folder / safe_name(place, path)
            if not file.is_file():
                missing.append((name, place))
            elif file.stat().st_size and _is_table(told, file):
                heads.append(_head(file, told))
        tables[name] = tuple(heads)
    return tables, missing


def _is_table(told: Mapping[str, Any], file: Path) -> bool:
    kind = str(told.get("mediatype") or told.get("profile") or "")
    return "csv" in kind or "tabular" in kind or ".csv" in file.name or ".tsv" in file.name


def _head(file: Path, told: Mapping[str, Any]) -> Head:
    dialect = told.get("dialect")
    dialect = dialect if isinstance(dialect, dict) else {}
    delimiter, quote = str(dialect.get("delimiter", ",")), str(dialect.get("quoteChar", '"'))
    return read_head(file, delimiter if len(delimiter) == 1 else ",", quote[:1])
