"""A library in a newer version of the checklist that its names were matched to.

What references are named to is rewritten in segments of their own, beside the old ones: a name that
moved has the lineage of the newer version, one that stays is no name of a species any more but a
provisional one under what is sure above it ("Aus bus sensu Checklist 1"), as the newer version may
mean something else by it. Then records are gathered into entries again, since lumped names may have
one sequence and split ones share it no more; sequences and vectors are taken over as they are.

A new edition is worked out and everything that is fitted to the tree is fitted again, the promise
too: an old promise over a new tree would be none. The header is written last, as with additions, so
that a killed migration has changed nothing, and readers see the old library until then.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.files import content_hash, new_folder, only_writer, write_json
from merian.library.build import Part
from merian.library.conflicts import CONFLICTS, conflicts_of, write_conflicts
from merian.library.edition import Names, edition_of, write_edition
from merian.library.header import counts_of, former_of, hash_together, header_of
from merian.library.index import INDEX, write_index
from merian.library.moved_names import moved_naming, naming_uses
from merian.library.reading import Progress
from merian.library.segment import (
    RECORDS,
    SEQUENCES,
    Segment,
    open_segment,
    write_records,
    write_segment,
)
from merian.library.store import HEADER, Library, assemble
from merian.library.vectors import rewrite_vectors
from merian.library.witnesses import WITNESSES, renamed_witnesses, witness_namings
from merian.taxonomy import Taxonomy
from merian.taxonomy.migration import Move, Use
from merian.taxonomy.strings import Strings

__all__ = ["library_moved_by", "move_library", "names_in_library"]

Longs = NDArray[np.int64]


def _opened(folder: Path, old: Taxonomy) -> Library:
    """Open a library whose names are those of a checklist."""
    library = Library.open(folder)
    told = library.header["checklist"]
    if told is None:
        raise InputError(
            f"{folder}: was built without a checklist, so that its names imply their own tree and "
            "there is nothing to migrate; build it anew with --taxonomy"
        )
    if told != old.lock.as_dict():
        raise InputError(
            f"{folder}: its names are those of {told['checklist']} {told['version']} "
            f"({told['hash']}), and not of {old.lock}"
        )
    return library


def _counts(library: Library) -> dict[str, int]:
    """Return how many records have each naming; witnesses count too."""
    counts: Counter[str] = Counter()
    for segment in library.segments:
        used = np.bincount(segment.naming, minlength=len(segment.namings)).tolist()
        counts.update(dict(zip(segment.namings, used, strict=True)))
    counts.update(witness_namings(library))
    return dict(sorted(counts.items()))


def names_in_library(folder: Path, old: Taxonomy) -> list[Use]:
    """Return the names of a checklist that the references of a library are matched to."""
    told = Library.open(folder).header
    if any(did["to"] == told["checklist"] and did["from"] == old.lock.as_dict()
           for did in told.get("migrations", ())):  # fmt: skip
        return []
    library = _opened(folder, old)
    return naming_uses(_counts(library), old)[0]


def library_moved_by(folder: Path, mark: str) -> bool:
    """Return whether a plan was carried out on a library."""
    return any(did["plan"] == mark for did in Library.open(folder).header.get("migrations", ()))


def move_library(
    folder: Path,
    moves: Sequence[Move],
    old: Taxonomy,
    new: Taxonomy,
    mark: str,
    parts: Sequence[Part],
    tell: Progress,
) -> str:
    """Move a library, and return in words what was done.

    Args:
        folder: The library.
        moves: What becomes of its names.
        old: The older version.
        new: The newer version.
        mark: The plan's hash.
        parts: What is fitted to a library when it is built.
        tell: Is told how far it is.
    """
    with only_writer(Library.open(folder).folder):
        library = _opened(folder, old)
        _, of_naming = naming_uses(_counts(library), old)
        by = {(m.use.id, m.use.name, m.use.rank): m for m in moves}
        renamed = {
            text: moved_naming(text, found, by[found.key], old.lock, new)
            for text, found in of_naming.items()
        }
        tell("naming", library.records)
        regrouped = _regrouped(library, renamed, new)
        done = _write(library, regrouped, renamed, (old, new), mark, moves, parts, tell)
        kept = {str(entry["folder"]) for entry in done["segments"]} | {str(done["edition"])}
        for left in (*(folder / "segments").iterdir(), *(folder / "editions").iterdir()):
            if left.relative_to(folder).as_posix() not in kept:
                shutil.rmtree(left, ignore_errors=True)
    changed = sum(text != now for text, now in renamed.items())
    return (
        f"{changed:,} of {len(renamed):,} names were rewritten, {len(regrouped.old_entry):,} "
        f"entries (before {len(library):,}); the promise, as all that hangs on the tree, was "
        "fitted again"
    )


# -- which records are one entry ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Regrouped:
    """The same records under new names.

    Attributes:
        segments: With their new namings and entries, but the sequences of the old ones.
        names: Of all of them.
        old_entry: By new entry, one that has its sequence.
        first: The number of the first entry of each segment, and of the next that will be.
    """

    segments: Sequence[Segment]
    names: Names
    old_entry: Longs
    first: Sequence[int]


def _regrouped(library: Library, renamed: Mapping[str, str], new: Taxonomy) -> _Regrouped:
    segments = []
    for segment in library.segments:
        now = [renamed[text] for text in segment.namings]
        distinct = sorted(set(now))
        place = {text: number for number, text in enumerate(distinct)}
        own = np.array([place[text] for text in now], dtype=np.int32)
        segments.append(replace(segment, namings=Strings.of(distinct), naming=own[segment.naming]))
    names = Names([(segment.namings, segment.naming) for segment in segments], new)
    digest = np.concatenate([segment.digest for segment in library.segments])
    number: dict[tuple[int, int, int, str | None], int] = {}
    old_entry: list[int] = []
    first, made = [0], []
    for part, segment in enumerate(segments):
        concepts = [*segment.concepts]
        told = [concepts[c] for c in segment.concept.tolist()]
        keys = names.groups(part, segment.naming, told)
        nodes = names.nodes(part)[segment.naming]
        lost = np.flatnonzero(nodes < 0)
        if len(lost):
            raise InputError(
                f"{library.folder}: {segment.namings[int(segment.naming[lost[0]])].split()!r} has "
                "no place in the newer version; decide it in the plan by naming a taxon"
            )
        entry = np.empty(segment.records, dtype=np.int64)
        pairs = digest[segment.record_entry].tolist()
        rows = zip(pairs, nodes.tolist(), keys, segment.record_entry.tolist(), strict=True)
        for row, ((high, low), node, key, before) in enumerate(rows):
            found = number.setdefault((high, low, node, key), len(number))
            if found == len(old_entry):
                old_entry.append(before)
            entry[row] = found
        first.append(len(old_entry))
        made.append(replace(segment, record_entry=entry.astype(np.int32)))
    return _Regrouped(made, names, np.array(old_entry, dtype=np.int64), first)


def _with_sequences(library: Library, segment: Segment, entries: Longs) -> Segment:
    """Return a segment with the sequences of these entries of the library as it was."""
    texts = [library.letters(entry) for entry in entries.tolist()]
    digest = np.concatenate([one.digest for one in library.segments])[entries]
    sizes = [len(text) for text in texts]
    return replace(
        segment,
        text=np.concatenate([np.empty(0, np.uint8), *texts]),
        start=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        digest=digest,
    )


# -- writing ------------------------------------------------------------------------------------


def _write(
    library: Library,
    made: _Regrouped,
    renamed: Mapping[str, str],
    versions: tuple[Taxonomy, Taxonomy],
    mark: str,
    moves: Sequence[Move],
    parts: Sequence[Part],
    tell: Progress,
) -> Mapping[str, Any]:
    """Write new segments and a new edition, and then the header that names them."""
    folder, old, new = library.folder, *versions
    told = []
    for place, segment in enumerate(made.segments):
        entries = made.old_entry[made.first[place] : made.first[place + 1]]
        before = library.header["segments"][place]
        name = f"segments/{place:03}-{mark[:8]}"
        with new_folder(folder / name) as part:
            _write_segment(library, place, segment, entries, part, renamed)
            held = [part / SEQUENCES, part / RECORDS, *sorted(part.glob(WITNESSES))]
            digest = hash_together(content_hash(file) for file in held)
        told.append({**before, "folder": name, "entries": len(entries), "hash": digest})
    number = f"{len(told) - 1:03}-{mark[:8]}"
    folders = [folder / str(entry["folder"]) for entry in told]
    with new_folder(folder / "editions" / number) as in_edition:
        segments = [open_segment(path) for path in folders]
        write_edition(in_edition, edition_of(segments, made.names), made.names)
        conflicts = conflicts_of(segments, made.names, False, library.kind == "picture")
        if conflicts:
            write_conflicts(in_edition / CONFLICTS, conflicts)
        header = header_of(told, in_edition, number, new.lock, library.kind == "picture")
        if encoder := library.header.get("encoder"):
            header["encoder"] = encoder
            header["hash"] = hash_together([str(header["hash"]), str(encoder["id"])])
        did = {
            "plan": mark, "from": old.lock.as_dict(), "to": new.lock.as_dict(),
            "names": len(moves), "stay": sum(move.node < 0 for move in moves),
            "promise": "fitted again to the new tree",
        }  # fmt: skip
        header["migrations"] = [*library.header.get("migrations", ()), did]
        header["former"] = former_of(library.header)
        moved = assemble(folder, header, folders, in_edition)
        header = {**header, "counts": counts_of(moved)}
        if conflicts:
            header["conflicts"] = dict(Counter(conflict.kind for conflict in conflicts))
        moved = replace(moved, header=header, hash=str(header["hash"]))
        for part_of in parts:
            if part_of is write_index:
                continue  # every segment has its own already
            header = {**header, **(part_of(moved, folders[-1], in_edition, tell) or {})}
            moved = replace(moved, header=header)
    write_json(folder / HEADER, header)
    return header


def _write_segment(
    library: Library,
    place: int,
    segment: Segment,
    entries: Longs,
    part: Path,
    renamed: Mapping[str, str],
) -> None:
    """Write a segment under its new names; what is the same is taken over."""
    source = library.segment_folders[place]
    before = np.arange(library.first_entry[place], library.first_entry[place + 1])
    same = len(before) == len(entries) and bool((before == entries).all())
    for file in sorted(source.iterdir()):
        ours = file.name == RECORDS or file.match(WITNESSES)  # a link must never be written to
        if file.is_file() and not ours and (same or file.suffix != ".safetensors"):
            _link(file, part / file.name)
    renamed_witnesses(source, part, renamed)
    if same:
        write_records(part, segment)
        return
    own = _with_sequences(library, segment, entries)
    write_segment(part, own)
    rewrite_vectors(library, entries, part)
    if (source / INDEX).exists():
        # Of the library only this segment is asked for.
        write_index(replace(library, segments=(own,)), part, part, lambda _what, _done: None)


def _link(source: Path, to: Path) -> None:
    """Take a file over without copying it, where the disk can."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copyfile(source, to)
