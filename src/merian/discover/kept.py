"""Where clusters are kept, a catalogue or a folder, read and written alike."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from merian.discover import in_catalogue
from merian.discover.folder import HEADER, read_folder, write_folder
from merian.discover.registry import Registry
from merian.discover.tables import rows_of
from merian.errors import InputError
from merian.files import existing, new_folder
from merian.library.from_catalogue import is_catalogue
from merian.stamp import run_id

__all__ = ["read_kept", "write_kept"]


def read_kept(path: Path) -> Registry:
    """Return the clusters of a catalogue, or of a folder that `merian discover` wrote."""
    path = existing(path, "catalogue or folder of clusters")
    if is_catalogue(path):
        found = in_catalogue.kept(path)
    elif (path / HEADER).is_file():
        found = read_folder(path)
    else:
        raise InputError(
            f"{path}: is neither a catalogue nor a folder that `merian discover` wrote"
        )
    if not found.clusters:
        raise InputError(f"{path}: holds no clusters; `merian discover` finds them")
    return found


def write_kept(path: Path, registry: Registry, arguments: Mapping[str, object]) -> int | None:
    """Write clusters back; return the identifications appended to a catalogue, None for a folder.

    Args:
        path: Where they were read.
        registry: What is known now.
        arguments: What was done.
    """
    if is_catalogue(path):
        run = run_id("discover", {"arguments": arguments, "known": rows_of(registry)})
        return in_catalogue.keep(registry, path, run, arguments)
    catalogue = path.resolve().parent.parent
    if is_catalogue(catalogue):
        raise InputError(f"{path}: shows what the catalogue knows; give that: {catalogue}")
    with new_folder(path) as folder:
        shutil.copytree(path, folder, dirs_exist_ok=True)
        write_folder(registry, folder)
    return None
