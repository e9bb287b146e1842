"""What a library is built of: files, catalogues, and FASTA files with a table of names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from merian.catalogue import Reading
from merian.errors import InputError
from merian.files import content_hash
from merian.formats import read_path, sniff
from merian.library.amplicon import settle
from merian.library.from_catalogue import is_catalogue, read_catalogue, source_hash
from merian.library.gather import Gathered
from merian.library.names_table import NamesTable, ids_of, named
from merian.library.pictures import GatheredPictures
from merian.library.reading import Progress
from merian.library.segment import Segment
from merian.library.settings import Settings
from merian.taxonomy import Taxonomy

__all__ = ["gathering", "readings_of", "unknown"]

Readings = Sequence[tuple[Path, Reading]]


def unknown(
    files: Sequence[Path], earlier: Sequence[Mapping[str, Any]], settings: Settings
) -> tuple[dict[Path, str], list[Path]]:
    """Tell files with another content than any before from those that are known.

    The same sequences with another table of names are something else, and so are those of a
    catalogue with other pictures, where these are looked at.
    """
    seen = {digest for entry in earlier for digest in entry["inputs"].values()}
    names = content_hash(settings.names) if settings.names and settings.names.exists() else ""
    fresh: dict[Path, str] = {}
    known = []
    for path in files:
        digest = source_hash(path, settings.pictures, settings.split)
        if settings.witnesses and is_catalogue(path):
            both = digest + source_hash(path, True, settings.split)
            digest = hashlib.blake2b(both.encode(), digest_size=16).hexdigest()
        if names:
            digest = hashlib.blake2b((digest + names).encode(), digest_size=16).hexdigest()
        if digest in seen:
            known.append(path)
            continue
        seen.add(digest)
        fresh[path] = digest
    return fresh, known


def readings_of(
    paths: Sequence[Path], settings: Settings, checklist: Taxonomy | None
) -> list[tuple[Path, Reading]]:
    """Return what there is to read; a wrong file is told before any is read."""
    if settings.split is not None:
        for path in paths:
            if not is_catalogue(path):
                raise InputError(
                    f"--split {settings.split}: {path} is no catalogue, and splits are kept in "
                    "catalogues alone; import it, and divide it with merian split"
                )
    found = [
        (path, read_catalogue(path, settings.pictures, settings.split))
        if is_catalogue(path)
        else (path, read_path(path, settings.options, settings.format))
        for path in paths
        if not (settings.witnesses and shows_alone(path))
    ]
    if not found:
        told = ", ".join(map(str, paths))
        raise InputError(
            f"{told}: pictures alone. They bear witness for barcodes that come with them; give "
            "both, or build the library anew with all"
        )
    if settings.names is None:
        return found
    wanted: set[str] = set()
    for path, reading in found:
        own = ids_of(reading)
        if own is None:
            raise InputError(
                f"{path}: has names of its own; --names is for FASTA files. Build of those, then "
                "add this one with `merian library add`"
            )
        wanted |= own
    table = NamesTable(settings.names, wanted, checklist)
    with_names = [(path, named(reading, table)) for path, reading in found]
    first, reading = with_names[0]
    with_names[0] = (first, Reading(reading.format, reading.sources, reading.inputs, table.notes))
    return with_names


def shows_alone(path: Path) -> bool:
    """Return whether a source holds pictures and no sequences: it brings witnesses alone."""
    if is_catalogue(path):
        return source_hash(path).startswith("0-") and not source_hash(path, True).startswith("0-")
    return path.is_dir() and sniff(path).name == "image-folder"


@contextmanager
def gathering(
    readings: Readings,
    work: Path,
    settings: Settings,
    tell: Progress,
    earlier: Sequence[Segment] = (),
) -> Iterator[Gathered]:
    """Read all references; ``earlier`` is what the library has."""
    made = GatheredPictures(work) if settings.pictures else Gathered(work, settings.primers)
    with made as gathered:
        for path, reading in readings:
            tell(f"reading {path.name}", 0)
            gathered.take(reading, tell)
        if settings.primers is not None:
            settle(gathered, settings.primers, earlier, tell)
        yield gathered
