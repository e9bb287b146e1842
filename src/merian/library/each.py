"""One library for each marker, out of the same files: OUT/COI-5P, OUT/28S and so on.

Each is a whole library. All is read once. What does not say its marker is in none of them; it is
listed, with what could not be read at all, in OUT/rejects.tsv.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merian.errors import InputError
from merian.files import existing, new_folder, write_json
from merian.library.build import Extended, Job, Part, Summary, new_place, summary_of, write_part
from merian.library.entries import Asked, NothingLeftError, by_reason, without_marker
from merian.library.gather import Gathered
from merian.library.reading import Progress, Reject
from merian.library.segment import REJECTS, write_rejects
from merian.library.settings import Settings, checked
from merian.library.sources import gathering, readings_of, unknown
from merian.library.store import HEADER
from merian.taxonomy import Taxonomy

__all__ = ["Each", "build_each"]


@dataclass(frozen=True)
class Each:
    """What a build of one library for each marker did.

    Attributes:
        libraries: What was done for each marker.
        empty: The markers of which nothing could be taken in, and why.
        set_aside: How many references are in none of them, by reason.
        rejects: Where these are listed.
        notes: What the user should know.
    """

    libraries: Mapping[str, Summary]
    empty: Mapping[str, str]
    set_aside: Mapping[str, int]
    rejects: Path
    notes: Sequence[str]


def build_each(
    references: Sequence[Path | str],
    out: Path | str,
    *,
    checklist: Taxonomy | None = None,
    settings: Settings | None = None,
    parts: Sequence[Part] = (),
    progress: Progress | None = None,
) -> Each:
    """Build a library for each marker.

    Args:
        references: As for `build_library`.
        out: The folder to make, in which the libraries are.
        checklist: As for `build_library`.
        settings: What is said about the files, but for a marker.
        parts: As for `build_library`.
        progress: As for `build_library`.
    """
    out = new_place(out)
    settings = checked(settings or Settings(), each=True)
    job = Job.of(checklist, settings, parts, progress)
    fresh, _ = unknown([existing(path, "reference") for path in references], (), job.settings)
    readings = readings_of([*fresh], job.settings, checklist)
    done: dict[str, Extended] = {}
    empty: dict[str, str] = {}
    left: list[Reject] = []
    with new_folder(out) as folder:
        work = folder / "work"
        work.mkdir()
        with gathering(readings, work, job.settings, job.tell) as gathered:
            places = _places(gathered)
            if not places:
                files = ", ".join(map(str, fresh))
                raise InputError(
                    f"{files}: no reference says of which marker it is; build one library, with "
                    "--marker to say which it is of"
                )
            for marker, name in places.items():
                try:
                    done[name] = _build(folder / name, marker, fresh, gathered, job)
                except NothingLeftError as error:
                    empty[name] = str(error)
                    left.extend(error.rejects)
                    shutil.rmtree(folder / name)
            if not done:
                raise InputError("; ".join(empty.values()))
            rejects, notes = [*without_marker(gathered), *left], gathered.notes
            rejects.sort(key=lambda r: (r.file, r.line or 0, r.id, r.reason))
            set_aside = by_reason(rejects)
            if gathered.without_sequence:
                set_aside["no sequence"] = gathered.without_sequence
        del gathered  # it holds files of the work folder
        shutil.rmtree(work)
        write_rejects(folder / REJECTS, rejects)
    libraries = {name: summary_of(out / name, one) for name, one in done.items()}
    return Each(libraries, empty, set_aside, out / REJECTS, notes)


def _build(
    folder: Path, marker: str, inputs: Mapping[Path, str], gathered: Gathered, job: Job
) -> Extended:
    """Build the library of one marker."""
    (folder / "segments").mkdir(parents=True)
    job = replace(job, settings=replace(job.settings, marker=marker))
    with new_folder(folder / "segments" / "000") as in_segment:
        (in_segment / "work").mkdir()
        done = write_part(folder, {}, in_segment, inputs, gathered, Asked(marker, True), job)
        shutil.rmtree(in_segment / "work")
    write_json(folder / HEADER, done.header)
    return replace(done, notes=done.notes[len(gathered.notes) :])


def _places(gathered: Gathered) -> dict[str, str]:
    """Return each marker, as most references spell it, and the name of its folder."""
    names = [*gathered.markers.strings()]
    counts = Counter(names[number] for number in gathered.marker)
    spelled: dict[str, str] = {}
    for marker, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if marker:
            spelled.setdefault(marker.lower(), marker)
    places: dict[str, str] = {}
    taken = {"work", REJECTS}
    for marker in sorted(spelled.values()):
        name = re.sub(r"[^\w.-]+", "_", marker).strip("._") or "marker"
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        places[marker] = name
    return places
