"""Building a library, and adding to one.

Both do the same: read the references, write a segment and a new edition, then name both in
``library.json``. A build does so in a folder that is not in its place yet; an addition in a library
that goes on serving its readers, who see the old one until the header is replaced.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.files import (
    check_outside,
    content_hash,
    existing,
    new_folder,
    only_writer,
    write_json,
)
from merian.formats import Options, read_path
from merian.library.edition import edition_of, write_edition
from merian.library.entries import by_reason, segment_of
from merian.library.gather import Gathered
from merian.library.header import counts_of, header_of, of_segment
from merian.library.reading import Progress
from merian.library.segment import REJECTS, open_segment, write_rejects, write_segment
from merian.library.store import HEADER, Library, assemble
from merian.taxonomy import Taxonomy

__all__ = ["Part", "Settings", "Summary", "add_to_library", "build_library"]

Part = Callable[[Library, Path, Path, Progress], None]
"""Makes a further part of a library: of the library as it will be, the folder of its new segment
(for what is made of that alone: an index) and of its new edition (for what is fitted to all). It
tells how far it is."""


@dataclass(frozen=True)
class Settings:
    """What a user may say about references.

    Attributes:
        format: Of all files; found from their content if None.
        options: What is said about them (columns of tables and the like).
        marker: The one gene to take in; all if None.
    """

    format: str | None = None
    options: Options = field(default_factory=Options)
    marker: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what was said, for the header."""
        said = {
            "format": self.format,
            "map": dict(self.options.mapping),
            "marker": self.marker,
            "set": dict(self.options.extra),
        }
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class Summary:
    """What a build or an addition did.

    Attributes:
        library: The library as it is now.
        entries: How many entries are new.
        records: How many records are new.
        set_aside: How many were set aside, by reason.
        rejects: Where they are listed; None where nothing was read.
        known: Files that the library had already.
        notes: What the user should know.
    """

    library: Library
    entries: int
    records: int
    set_aside: Mapping[str, int]
    rejects: Path | None
    known: Sequence[Path]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Extended:
    """What was written: the header, its part on the new segment (if any), files that were known."""

    header: Mapping[str, Any]
    segment: Mapping[str, Any] | None
    known: Sequence[Path]
    notes: Sequence[str]


def build_library(
    references: Sequence[Path | str],
    out: Path | str,
    *,
    checklist: Taxonomy | None = None,
    settings: Settings | None = None,
    parts: Sequence[Part] = (),
    progress: Progress | None = None,
) -> Summary:
    """Build a library of references.

    Args:
        references: Files with sequences and names, in any format that can be imported.
        out: The folder to make.
        checklist: What to match the names to; without it they imply their own tree.
        settings: What is said about the files.
        parts: What else to build, in this order, before the library stands in its place.
        progress: Is told how far it is.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        more = "; `merian library add` adds to it" if (out / HEADER).exists() else ""
        raise InputError(f"{out}: is there already{more}. Name a new folder")
    files = [existing(path, "reference") for path in references]
    check_outside(out)
    with new_folder(out) as folder:
        done = _extend(folder, {}, files, checklist, settings, parts, progress)
    return _summary(out, done)


def add_to_library(
    folder: Path | str,
    references: Sequence[Path | str],
    *,
    checklist: Taxonomy | None = None,
    settings: Settings | None = None,
    parts: Sequence[Part] = (),
    progress: Progress | None = None,
) -> Summary:
    """Add references to a library. Files that it has already are passed over.

    Args:
        folder: The library.
        references: Files with sequences and names.
        checklist: The one that the library was built with, if it was built with one.
        settings: What is said about the files.
        parts: As for the build.
        progress: Is told how far it is.
    """
    folder = Path(folder)
    with only_writer(Library.open(folder).folder):
        header = Library.open(folder).header
        _check_checklist(folder, header, checklist)
        files = [existing(path, "reference") for path in references]
        done = _extend(folder, header, files, checklist, settings, parts, progress)
        for left in (folder / "editions").iterdir():
            if left != folder / done.header["edition"]:
                shutil.rmtree(left, ignore_errors=True)
    return _summary(folder, done)


def _check_checklist(folder: Path, header: Mapping[str, Any], given: Taxonomy | None) -> None:
    """Make sure that the names will be matched as they were."""
    wanted = header["checklist"]
    if given is not None and wanted is None:
        raise InputError(
            f"{folder}: was built without a checklist; add to it without one, or build it anew"
        )
    if wanted is not None and (given is None or given.lock.as_dict() != wanted):
        said = f"{wanted['checklist']} {wanted['version']} ({wanted['hash']})".replace("  ", " ")
        found = f", not of {given.lock}" if given is not None else ""
        raise InputError(
            f"{folder}: its names are those of {said}{found}; give that one with --taxonomy"
        )


def _extend(
    folder: Path,
    header: Mapping[str, Any],
    files: Sequence[Path],
    checklist: Taxonomy | None,
    settings: Settings | None,
    parts: Sequence[Part],
    progress: Progress | None,
) -> _Extended:
    """Write a segment and an edition, then the header that names them."""
    settings = settings or Settings()
    tell = progress or (lambda _what, _count: None)
    earlier = list(header.get("segments", ()))
    fresh, known = _unknown(files, earlier)
    if not fresh:
        return _Extended(header, None, known, ())
    # All are looked at before anything is read, so that a wrong one costs nothing.
    readings = [read_path(path, settings.options, settings.format) for path in fresh]
    number = f"{len(earlier):03}"
    for name in ("segments", "editions"):
        (folder / name).mkdir(exist_ok=True)
    with (
        new_folder(folder / "segments" / number) as in_segment,
        new_folder(folder / "editions" / number) as in_edition,
    ):
        work = in_segment / "work"
        work.mkdir()
        before = [open_segment(folder / entry["folder"]) for entry in earlier]
        with Gathered(work) as gathered:
            for path, reading in zip(fresh, readings, strict=True):
                tell(f"reading {path.name}", 0)
                gathered.take(reading, tell)
            tell("naming", len(gathered))
            lock = checklist.lock if checklist is not None else None
            segment, names, rejects = segment_of(gathered, before, checklist, settings.marker, work)
            tell("writing", segment.records)
            write_segment(in_segment, segment)
            write_rejects(in_segment / REJECTS, rejects)
        write_edition(in_edition, edition_of([*before, segment], names), names)
        set_aside = by_reason(rejects)
        if gathered.without_sequence:
            set_aside["no sequence"] = gathered.without_sequence
        own = of_segment(number, in_segment, segment, fresh, settings.as_dict(), set_aside)
        notes = gathered.notes
        del segment, gathered  # they hold files of the work folder
        shutil.rmtree(work)
        header = header_of([*earlier, own], in_edition, number, lock)
        folders = [*(folder / entry["folder"] for entry in earlier), in_segment]
        library = assemble(folder, header, folders, in_edition)
        header = {**header, "counts": counts_of(library)}
        library = replace(library, header=header)
        # Further parts stand on the finished store, and are there when the library is.
        for part in parts:
            part(library, in_segment, in_edition, tell)
    write_json(folder / HEADER, header)
    return _Extended(header, own, known, notes)


def _unknown(
    files: Sequence[Path], earlier: Sequence[Mapping[str, Any]]
) -> tuple[dict[Path, str], list[Path]]:
    """Tell files with another content than any before from those that are known."""
    seen = {digest for entry in earlier for digest in entry["inputs"].values()}
    fresh: dict[Path, str] = {}
    known = []
    for path in files:
        digest = content_hash(path)
        if digest in seen:
            known.append(path)
            continue
        seen.add(digest)
        fresh[path] = digest
    return fresh, known


def _summary(folder: Path, done: _Extended) -> Summary:
    library = Library.open(folder)
    if done.segment is None:
        return Summary(library, 0, 0, {}, None, done.known, done.notes)
    return Summary(
        library=library,
        entries=done.segment["entries"],
        records=done.segment["records"],
        set_aside=done.segment["set_aside"],
        rejects=folder / done.segment["folder"] / REJECTS,
        known=done.known,
        notes=done.notes,
    )
