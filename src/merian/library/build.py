"""Building a library, or one for each marker, and adding to one.

All do the same: read the references, write a segment and a new edition, then name both in
``library.json``. A build does so in a folder that is not in its place yet; an addition in a library
that goes on serving its readers, who see the old one until the header is replaced.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.files import check_outside, existing, new_folder, only_writer, write_json
from merian.library.conflicts import CONFLICTS, conflicts_of, write_conflicts
from merian.library.edition import edition_of, write_edition
from merian.library.encoder import place_encoder, with_encoder
from merian.library.entries import Asked, by_reason, segment_of
from merian.library.gather import Gathered
from merian.library.header import counts_of, former_of, header_of, of_segment
from merian.library.index import open_index
from merian.library.picture_vectors import PictureVectors
from merian.library.pictures import GatheredPictures
from merian.library.reading import Progress
from merian.library.screening import find_suspects
from merian.library.segment import REJECTS, open_segment, write_rejects, write_segment
from merian.library.settings import Settings, checked, continued
from merian.library.sources import gathering, readings_of, unknown
from merian.library.store import HEADER, Library, assemble
from merian.library.vectors import Raw
from merian.library.witnesses import picture_readings, take_witnesses
from merian.taxonomy import Taxonomy

__all__ = ["Part", "Summary", "add_to_library", "build_library"]

Part = Callable[[Library, Path, Path, Progress], Mapping[str, Any] | None]
"""Makes a further part of a library: of the library as it will be, the folder of its new segment
(for what is made of that alone: an index) and of its new edition (for what is fitted to all). It
tells how far it is. What it returns is added to the header."""


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
class Extended:
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
        references: Files with sequences or pictures and names, in any format that can be imported.
        out: The folder to make.
        checklist: What to match the names to; without it they imply their own tree.
        settings: What is said about the files.
        parts: What else to build, in this order, before the library stands in its place.
        progress: Is told how far it is.
    """
    out = new_place(out)
    settings = checked(settings or Settings())
    files = [existing(path, "reference") for path in references]
    with new_folder(out) as folder:
        done = _extend(folder, {}, files, Job.of(checklist, settings, parts, progress))
    return summary_of(out, done)


def add_to_library(
    folder: Path | str,
    references: Sequence[Path | str],
    *,
    checklist: Taxonomy | None = None,
    settings: Settings | None = None,
    parts: Sequence[Part] = (),
    progress: Progress | None = None,
    known: Mapping[str, Raw] | None = None,
) -> Summary:
    """Add references to a library. Files that it has already are passed over.

    Args:
        folder: The library.
        references: Files with sequences and names.
        checklist: The one that the library was built with, if it was built with one.
        settings: What is said about the files.
        parts: As for the build.
        progress: Is told how far it is.
        known: By the address of a picture, the vector that its encoder has made of it before.
    """
    folder = Path(folder)
    with only_writer(Library.open(folder).folder):
        header = Library.open(folder).header
        _check_checklist(folder, header, checklist)
        files = [existing(path, "reference") for path in references]
        settings = continued(header, settings or Settings(), folder)
        job = replace(Job.of(checklist, settings, parts, progress), known=known or {})
        done = _extend(folder, header, files, job)
        for left in (folder / "editions").iterdir():
            if left != folder / done.header["edition"]:
                shutil.rmtree(left, ignore_errors=True)
    return summary_of(folder, done)


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


def new_place(out: Path | str) -> Path:
    """Return where a build goes, if nothing is there."""
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        more = "; `merian library add` adds to it" if (out / HEADER).exists() else ""
        raise InputError(f"{out}: is there already{more}. Name a new folder")
    check_outside(out)
    return out


@dataclass(frozen=True)
class Job:
    """What is asked of a build, whatever it is of.

    Attributes:
        checklist: What the names are matched to.
        settings: What is said about the files.
        parts: What else is built.
        tell: Is told how far it is.
        known: By the address of a picture, its vector, where that is there already.
    """

    checklist: Taxonomy | None
    settings: Settings
    parts: Sequence[Part]
    tell: Progress
    known: Mapping[str, Raw] = field(default_factory=dict)

    @staticmethod
    def of(
        checklist: Taxonomy | None,
        settings: Settings | None,
        parts: Sequence[Part],
        progress: Progress | None,
    ) -> Job:
        """Fill in what was not given."""
        return Job(checklist, settings or Settings(), parts, progress or (lambda _what, _n: None))


def _extend(folder: Path, header: Mapping[str, Any], files: Sequence[Path], job: Job) -> Extended:
    """Read files, and write what they bring."""
    fresh, known = unknown(files, header.get("segments", ()), job.settings)
    if not fresh:
        return Extended(header, None, known, ())
    # All are looked at before anything is read, so that a wrong one costs nothing.
    readings = readings_of([*fresh], job.settings, job.checklist)
    (folder / "segments").mkdir(exist_ok=True)
    number = f"{len(header.get('segments', ())):03}"
    with new_folder(folder / "segments" / number) as in_segment:
        work = in_segment / "work"
        work.mkdir()
        before = [open_segment(folder / entry["folder"]) for entry in header.get("segments", ())]
        with gathering(readings, work, job.settings, job.tell, before) as gathered:
            asked = Asked(job.settings.marker)
            done = write_part(folder, header, in_segment, fresh, gathered, asked, job)
        del gathered  # it holds files of the work folder
        shutil.rmtree(work)
    write_json(folder / HEADER, done.header)
    return replace(done, known=known)


def write_part(
    folder: Path,
    header: Mapping[str, Any],
    in_segment: Path,
    inputs: Mapping[Path, str],
    gathered: Gathered,
    asked: Asked,
    job: Job,
) -> Extended:
    """Write a segment and an edition; the header that names them is the caller's to write.

    Args:
        folder: The library.
        header: What it says so far.
        in_segment: Where the new segment lies until it is in its place; there is a work folder.
        inputs: The files that were read, with the hashes of their content.
        gathered: What was read.
        asked: Who is taken in.
        job: What is asked.
    """
    earlier, encoder = list(header.get("segments", ())), header.get("encoder")
    folders = [folder / entry["folder"] for entry in earlier]
    former = former_of(header)
    number, settings = f"{len(earlier):03}", job.settings
    (folder / "editions").mkdir(exist_ok=True)
    notes: list[str] = []
    vectors: PictureVectors | None = None
    with new_folder(folder / "editions" / number) as in_edition:
        before = [open_segment(path) for path in folders]
        if settings.screening is not None:
            screening, indexes = settings.screening, [open_index(path) for path in folders]

            def suspects(reasons: Sequence[str | None]) -> Mapping[int, str]:
                job.tell("looking for suspects", len(gathered))
                found, told = find_suspects(gathered, reasons, screening, before, indexes, job.tell)
                notes.extend(told)
                return found

            asked = replace(asked, suspects=suspects)
        if isinstance(gathered, GatheredPictures):
            place = place_encoder(folder, encoder, settings.encoder)
            vectors = PictureVectors(
                gathered, place, in_segment / "work", settings.processes, job.tell, job.known
            )
            asked = replace(asked, suspects=vectors.suspects)
        witnesses = _witnesses(folder, encoder, in_segment, inputs, job, notes)
        job.tell("naming", len(gathered))
        work = in_segment / "work"
        segment, names, rejects = segment_of(gathered, before, job.checklist, asked, work)
        job.tell("writing", segment.records)
        write_segment(in_segment, segment)
        write_rejects(in_segment / REJECTS, rejects)
        write_edition(in_edition, edition_of([*before, segment], names), names)
        conflicts = conflicts_of(
            [*before, segment], names, job.checklist is None, settings.pictures
        )
        if conflicts:
            write_conflicts(in_edition / CONFLICTS, conflicts)
        set_aside = by_reason(rejects)
        if gathered.without_sequence and not asked.marked:
            set_aside[gathered.lacking] = gathered.without_sequence
        own = of_segment(
            number, in_segment, segment, inputs, settings.as_dict(), set_aside, witnesses
        )
        del segment
        lock = job.checklist.lock if job.checklist is not None else None
        header = header_of([*earlier, own], in_edition, number, lock, settings.pictures)
        library = assemble(folder, header, [*folders, in_segment], in_edition)
        made = vectors.of if vectors is not None else None
        header = with_encoder(library, in_segment, encoder, settings.encoder, job.tell, made)
        told = {"counts": counts_of(library), **({"former": former} if earlier else {})}
        header = {**header, **told}
        if conflicts:
            header["conflicts"] = dict(Counter(conflict.kind for conflict in conflicts))
        library = replace(library, header=header, hash=header["hash"])
        # Further parts stand on the finished store, and are there when the library is.
        for part in job.parts:
            header = {**header, **(part(library, in_segment, in_edition, job.tell) or {})}
            library = replace(library, header=header)
    return Extended(header, own, (), [*gathered.notes, *notes])


def _witnesses(
    folder: Path,
    encoder: Mapping[str, Any] | None,
    in_segment: Path,
    inputs: Mapping[Path, str],
    job: Job,
    notes: list[str],
) -> int:
    """Write the witnesses of a segment, where they are looked at; return how many there are."""
    settings = job.settings
    if not settings.witnesses:
        return 0
    place = place_encoder(folder, encoder, settings.encoder)
    readings = picture_readings([*inputs], settings)
    found, told = take_witnesses(readings, in_segment, place, settings.processes, job.tell)
    notes += told
    return found


def summary_of(folder: Path, done: Extended) -> Summary:
    """Return what was done, for the user."""
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
