"""What people have corrected, taken into libraries: tried on a copy, told, and only then applied.

The names that a person has validated at the desk become references beside those of the library. A
copy of it is given them, which learns anew from simulated novelty how far its names can be
trusted: clusters, distances, weights and promise are of the whole, and nothing is trained. Then the
records of the catalogue are asked of both, and where the two say otherwise stands in a table. Only
when that is asked for the copy takes the library's place, and what has changed is appended to the
catalogue: each such identification replaces what the library said before, and nothing that a person
has said.

Libraries of barcodes, of pictures, or both learn together: then it is records that are asked, by
all of their evidence. The vectors of pictures are those that were stored with the catalogue; only
what has none goes through the encoder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.catalogue import Reading
from merian.catalogue.summary import Summary
from merian.errors import InputError
from merian.files import only_writer
from merian.formats.delimited import write_delimited
from merian.identify.answers import read_answers
from merian.identify.corrections import Row, against, corrections_of, write_corrections
from merian.identify.into_catalogue import append_answers
from merian.identify.job import Identified, identify_files
from merian.identify.queries import Queries
from merian.identify.record_job import identify_records
from merian.identify.records import Records
from merian.image.addresses import address_of, region_of
from merian.library import Library, add_to_library
from merian.library.from_catalogue import is_catalogue
from merian.library.settings import Settings
from merian.library.stored_vectors import stored_vectors
from merian.library.vectors import Raw
from merian.taxonomy import MAIN_RANKS, Taxonomy

__all__ = ["COLUMNS", "Change", "Pupil", "Trial", "apply", "trial", "write_changes"]

COLUMNS = ("id", "what", "rank_before", "name_before", "p_before", "rank", "name", "p")

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Change:
    """A record of which the libraries say something else with the corrections."""

    id: str
    what: str
    before: Mapping[str, Any]
    now: Mapping[str, Any]


@dataclass(frozen=True)
class Pupil:
    """A library that learns.

    Attributes:
        library: It.
        copy: That with the corrections, gone when the trial ends unless it was applied; the library
            itself where it lacks none.
        taken: The records of which it lacks the correction.
        known: Those of which it has it already.
        contrary: Records that it has under another name: id, its name, the corrected one.
        hash: Of the library as it was tried.
    """

    library: Path
    copy: Path
    taken: frozenset[str]
    known: frozenset[str]
    contrary: Sequence[tuple[str, str, str]]
    hash: str


@dataclass(frozen=True)
class Trial:
    """Libraries with the corrections, beside those without.

    Attributes:
        pupils: The libraries.
        before: What they say.
        now: What the copies say.
        changes: Where these differ, of records that no person has validated.
    """

    pupils: Sequence[Pupil]
    before: Identified | None = None
    now: Identified | None = None
    changes: Sequence[Change] = ()

    @property
    def taken(self) -> int:
        """How many corrections, each once, a library lacks."""
        return len(self._lacking)

    @property
    def known(self) -> int:
        """How many are known already, and no library lacks them."""
        return len(frozenset().union(*(one.known for one in self.pupils)) - self._lacking)

    @property
    def _lacking(self) -> frozenset[str]:
        return frozenset().union(*(one.taken for one in self.pupils))

    @property
    def contrary(self) -> Sequence[tuple[str, str, str]]:
        """Records that one has under another name."""
        return [*dict.fromkeys(row for one in self.pupils for row in one.contrary)]

    @property
    def counted(self) -> Mapping[str, int]:
        """How many answers change in which way."""
        return dict(Counter(one.what for one in self.changes).most_common())


@contextmanager
def trial(
    catalogue: Path,
    libraries: Path | Sequence[Path],
    *,
    checklist: Taxonomy | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    stored: Path | None = None,
) -> Iterator[Trial]:
    """Try libraries with the corrections of a catalogue.

    Args:
        catalogue: Whose people have corrected, and whose records are asked again.
        libraries: Of barcodes, of pictures, or of both.
        checklist: The one that they were built with, if they were built with one.
        processes: How many at most.
        progress: Is told how far it is.
        stored: Where vectors of pictures lie, as `stored_vectors` takes it; in the catalogue if not
            given.
    """
    tell: Callable[[str, Any], None] = progress or (lambda _what, _count: None)
    from merian.learn.embeddings import open_embeddings  # noqa: PLC0415 - for this verb alone

    folders = [libraries] if isinstance(libraries, Path) else [*libraries]
    shelf = [Library.open(folder) for folder in folders]
    told = {kind: corrections_of(catalogue, kind) for kind in {one.kind for one in shelf}}
    if not any(told.values()):
        what = "no picture" if [*told] == ["picture"] else "no barcode"
        what = "no barcode and no picture" if len(told) > 1 else what
        raise InputError(
            f"{catalogue}: {what} has a name that a person has validated at the desk; "
            "`merian review` opens it"
        )
    place = (stored or catalogue).absolute()
    if not is_catalogue(place):
        open_embeddings(place)  # a wrong one is told at once
    with ExitStack() as stack:
        pupils = [
            _taught(stack, one, told[one.kind], place, checklist, processes, tell) for one in shelf
        ]
        if not any(one.taken for one in pupils):
            yield Trial(pupils)
            return
        made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-learning-")))
        sees = any(one.kind == "picture" for one in shelf)

        def ask(places: list[Path], out: Path) -> Identified:
            if sees:
                return identify_records(Records([catalogue]), places, out, processes=processes,
                                        progress=tell, stored=place)  # fmt: skip
            return identify_files(Queries([catalogue]), places, out, processes=processes,
                                  progress=tell)  # fmt: skip

        several = "libraries" if len(shelf) > 1 else "library"
        tell(f"asking the {several}", 0)
        before = ask([one.library for one in pupils], made / "before.tsv")
        tell("asking with the corrections", 0)
        now = ask([one.copy for one in pupils], made / "now.tsv")
        rows = [row for few in told.values() for row in few]
        aside = {row["record"] for row in rows} | {row["key"] for row in rows}
        yield Trial(pupils, before, now, [*_changes(before.out, now.out, aside)])


def _taught(
    stack: ExitStack,
    library: Library,
    told: Sequence[Row],
    stored: Path,
    checklist: Taxonomy | None,
    processes: int | None,
    tell: Callable[[str, Any], None],
) -> Pupil:
    """Give a copy of a library the corrections that it lacks."""
    from merian.identify import PARTS, PICTURE_PARTS  # noqa: PLC0415 - the door imports this room

    fresh, known, contrary = against(library, told)
    folder = library.folder
    if not fresh:
        return Pupil(folder, folder, frozenset(), known, contrary, library.hash)
    # Beside the library, whose place it may take.
    made = Path(stack.enter_context(
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.learning-", dir=folder.parent)
    ))  # fmt: skip
    copy = made / folder.name
    # Nothing in a library is written over, so that its files can be shared.
    shutil.copytree(folder, copy, copy_function=_linked)
    file = made / "corrections.csv"
    write_corrections(file, fresh)
    sees = library.kind == "picture"
    add_to_library(
        copy, [file], parts=PICTURE_PARTS if sees else PARTS, progress=tell,
        checklist=checklist if library.header["checklist"] else None,
        settings=Settings(format="table", processes=processes),
        known=_vectors(library, fresh, stored) if sees else None,
    )  # fmt: skip
    lacking = frozenset(str(row["record"]) for row in fresh)
    return Pupil(folder, copy, lacking, known, contrary, library.hash)


def _vectors(library: Library, rows: Sequence[Row], stored: Path) -> dict[str, Raw]:
    """Return the vectors of pictures that are there already, by their address."""
    there = stored_vectors(stored, str(library.header["encoder"]["id"]))
    if there is None:
        return {}
    return {
        address_of(str(row["accessURI"]), region_of(
            (row["xFrac"], row["yFrac"], row["widthFrac"], row["heightFrac"])
        )): vector
        for row, vector in zip(rows, there.of([str(row["key"]) for row in rows]), strict=True)
        if vector is not None
    }  # fmt: skip


def apply(
    tried: Trial,
    catalogue: Path,
    progress: Progress | None = None,
    into: Callable[[Reading, Mapping[str, object]], Summary] | None = None,
) -> Summary | None:
    """Put the copies in the libraries' places, and append what has changed; return what was.

    The libraries are changed first: should this be stopped before its end, the same command finds
    the corrections in them, and `merian identify` appends what they say.

    Args:
        tried: What was tried.
        catalogue: Which was asked.
        progress: Is told how far it is.
        into: Takes the answers in, where the catalogue is held; see `append_answers`.

    Raises:
        InputError: A library is another one than was tried, or somebody writes to it.
    """
    if tried.now is None or tried.before is None:
        return None
    with ExitStack() as held:
        for one in tried.pupils:  # all of them, before the first takes its place
            held.enter_context(only_writer(Library.open(one.library).folder))
            if Library.open(one.library).hash != one.hash:
                raise InputError(
                    f"{one.library}: the library has changed since; see again what would change"
                )
        for one in tried.pupils:
            if one.taken:
                _replaced(one)
    return append_answers(
        catalogue, tried.now, progress, only={one.id for one in tried.changes},
        instead_of=_lineage(tried), into=into,
    )  # fmt: skip


def _lineage(tried: Trial) -> dict[str, str]:
    """Return by each hash that a library has ever had the one that it has now."""
    there = [Library.open(one.library) for one in tried.pupils]
    return {was: one.hash for one in there for was in (*one.header.get("former", ()), one.hash)}


def _replaced(one: Pupil) -> None:
    aside = one.copy.with_name(f"{one.copy.name}.former")
    try:
        one.library.rename(aside)
        one.copy.rename(one.library)
    except BaseException:  # Ctrl-C too: what is beside it goes when the trial ends
        if aside.exists() and not one.library.exists():
            aside.rename(one.library)
        raise


def write_changes(file: Path, changes: Sequence[Change]) -> None:
    """Write a table of what changes."""
    rows = (
        (one.id, one.what, one.before["rank"], one.before["name"], one.before["p"],
         one.now["rank"], one.now["name"], one.now["p"])
        for one in changes
    )  # fmt: skip
    write_delimited(file, COLUMNS, rows, "," if file.suffix.lower() == ".csv" else "\t")


def _linked(source: str, to: str) -> str:
    """Share a file where the disk can, else copy it."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)
    return to


def _changes(before: Path, now: Path, aside: set[object]) -> Iterator[Change]:
    """Return where two tables of answers about the same records differ."""
    for old, new in zip(read_answers(before), read_answers(now), strict=True):
        assert old["id"] == new["id"]
        if old["id"] in aside or (old["rank"], old["name"]) == (new["rank"], new["name"]):
            continue
        yield Change(str(old["id"]), _what(old, new), old, new)


def _what(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return how an answer changes, in a word or two."""
    if not old["name"] or not new["name"]:
        return "named now" if new["name"] else "no longer named"
    below = MAIN_RANKS.index(new["rank"]) - MAIN_RANKS.index(old["rank"])
    if below > 0 and new[old["rank"]] == old["name"]:
        return "deeper"
    return "less deep" if below < 0 and old[new["rank"]] == new["name"] else "another name"
