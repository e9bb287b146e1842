"""Simulated novelty: what the library says of its own records when a part of it is taken away.

A record is asked as if it were a query: with itself left out, with its species, its genus, its
family and its order left out. What is the right answer each time is known, so how far names can be
trusted is learnt from the library itself, clade by clade, and not from a rule for all of life. A
record that another one is equal to stays when one is left out, as it does in nature.

Each is asked whole and, since reads are often shorter than references, as a piece from anywhere in
it. What is known of whole barcodes does not hold for pieces: they agree with more of them.

A library with one record for most species cannot show how much the records of a species differ.
There it is assumed: the record is asked as if it were another one of its species, which differs
from it in a few bases. That is enough to learn from, but not to promise anything on.

Where the library has an encoder that learned names, what it has learned is not asked: it could not
be new to it (see `learned`).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.barcode.words import LENGTH
from merian.identify import strata
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.learned import Learned, check_enough, learned_of
from merian.identify.lengths import LONGEST, SHORTEST, WHOLE
from merian.library import Library
from merian.library.neighbours import Finder, Neighbours, Without, find, finder_of, joined
from merian.library.reading import Progress
from merian.library.store import assemble
from merian.library.turns import in_turn
from merian.library.vectors import Cosines
from merian.processes import in_processes

__all__ = ["Episodes", "chosen", "simulate"]

_RECORDS = 6_000  # asked at most; more take longer and say little more
_PIECES = 3_000  # of which pieces are asked too
_WORTH = 400  # records; with fewer a second process is not started
_SLICE = 100
_SEED = 0

# Below so many genera with a species of two records or more, the differences are assumed: half of
# a per cent of the bases in the mean, none for a third of the records.
_SHOWN = 40
_APART, _EQUAL = 0.0075, 1 / 3
_ASKING = "asking it about its own records"


@dataclass(frozen=True)
class Episodes:
    """Simulated queries.

    Attributes:
        neighbours: Of all; ``query`` is the number of the episode.
        own: int64; the entry that each is.
        level: int8; the rank under which its taxon is left out: of the lowest its entry, one more
            for nothing, where other records are equal to it.
        stratum: int8; what the library lacks (see `strata`).
        true: int32[episodes, ranks]; the rungs of the entry, -2 for what is left out.
        assumed: bool; whether it is assumed how the record differs from its own species.
        piece: bool; whether but a piece of the entry was asked.
    """

    neighbours: Neighbours
    own: NDArray[np.int64]
    level: NDArray[np.int8]
    stratum: NDArray[np.int8]
    true: NDArray[np.int32]
    assumed: NDArray[np.bool_]
    piece: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.own)


@dataclass(frozen=True)
class _Asker:
    """What is needed to ask a library about its own entries."""

    finder: Finder
    ladder: Ladder
    columns: tuple[NDArray[np.int32], ...]  # the rungs of all entries, rank by rank
    entries: NDArray[np.int64]  # how many entries are of each rung of the lowest rank
    assuming: bool  # whether it is assumed how much the records of a species differ
    learned: Learned | None  # what the encoder has learned by name, if it has


def simulate(library: Library, ladder: Ladder, progress: Progress) -> Episodes:
    """Ask a library about its own records.

    Args:
        library: With its index; it need not be in its place yet.
        ladder: Of the library.
        progress: Is told how many records were asked.
    """
    learned = learned_of(library, ladder) if library.encoder else None
    asked = chosen(ladder, learned, _RECORDS)
    if learned is not None:
        check_enough(library, ladder, asked, _SHOWN)
    assuming = not _shows(library, ladder, asked)
    where = json.dumps(
        {
            "assuming": assuming,
            "folder": str(library.folder),
            "header": dict(library.header),
            "segments": [str(folder) for folder in library.segment_folders],
            "edition": str(library.edition_folder),
        }
    )
    _OPEN[where] = _asker(library, ladder, assuming)
    try:
        answers = in_processes(
            "merian.identify.novelty:answers",
            [(entry, place < _PIECES) for place, entry in enumerate(asked.tolist())],
            where,
            worth=_WORTH,
            slice_of=_SLICE,
            progress=lambda done, of: progress(_ASKING, round(done / max(of, 1) * len(asked))),
        )
    finally:
        del _OPEN[where]
    own: list[int] = []
    level: list[int] = []
    piece: list[bool] = []
    parts: list[Neighbours] = []
    for entry, found in zip(asked.tolist(), answers, strict=True):
        for at, cut, columns in found:
            number = len(own)
            own.append(entry)
            level.append(at)
            piece.append(cut)
            parts.append(_neighbours(number, columns))
    own_ = np.array(own, np.int64)
    level_ = np.array(level, np.int8)
    lowest = len(ladder.ranks) - 1
    there = np.minimum(level_, lowest)
    true = ladder.path[own_].copy().reshape(len(own_), lowest + 1)
    true[np.arange(lowest + 1)[None, :] > there[:, None]] = -2
    empty = [""] * (6 if library.encoder else 5)
    neighbours = joined(parts) if parts else _neighbours(0, empty)
    single = (level_ > lowest) & (library.multiplicity[own_] == 1)
    stratum = strata.of_outcomes(ladder.ranks)[there]
    cut_ = np.array(piece, np.bool_)
    return Episodes(neighbours, own_, level_, stratum, true, single, cut_)


def chosen(ladder: Ladder, learned: Learned | None, most: int) -> NDArray[np.int64]:
    """Return the entries that are asked: of every species one, then of each another one.

    What stands in for a species because nothing below the genus is known is not asked.

    Args:
        ladder: Of the library.
        learned: What its encoder has learned by name, if it has.
        most: How many are asked at most.
    """
    lowest = ladder.path[:, -1]
    may = (ladder.node[lowest] >= 0) | (ladder.group[lowest] >= 0)
    if learned is not None:
        may &= ~learned.entries
    return in_turn(lowest, may, most)


def _shows(library: Library, ladder: Ladder, asked: NDArray[np.int64]) -> bool:
    """Return whether enough genera have a species of two records or more."""
    lowest = ladder.path[:, -1]
    several = np.bincount(lowest, library.multiplicity, minlength=len(ladder)) > 1
    shown = asked[several[lowest[asked]]]
    return len(np.unique(ladder.path[shown, max(0, len(ladder.ranks) - 2)])) >= _SHOWN


def _asker(library: Library, ladder: Ladder, assuming: bool) -> _Asker:
    columns = tuple(np.ascontiguousarray(ladder.path[:, r]) for r in range(len(ladder.ranks)))
    entries = np.bincount(columns[-1], minlength=len(ladder)).astype(np.int64)
    learned = learned_of(library, ladder) if library.encoder else None
    return _Asker(finder_of(library), ladder, columns, entries, assuming, learned)


_OPEN: dict[str, _Asker] = {}  # the library that this process is asking, by where it lies


_COLUMNS = {
    "entry": np.int32, "mismatches": np.int32, "overlap": np.int32, "shared": np.float32,
    "reverse": np.bool_, "kin": np.float32,
}  # fmt: skip

Answer = tuple[int, bool, list[str]]
"""An episode: its level, whether a piece was asked, and the columns of its neighbours."""


def answers(asked: list[tuple[int, bool]], where: str) -> list[list[Answer]]:
    """Return the episodes of entries.

    Args:
        asked: Entries of the library, and whether pieces of them are asked too.
        where: Its folders, which may not be in their place yet, as JSON.
    """
    if where not in _OPEN:
        said = json.loads(where)
        library = assemble(
            Path(said["folder"]),
            said["header"],
            [Path(folder) for folder in said["segments"]],
            Path(said["edition"]),
        )
        _OPEN[where] = _asker(library, ladder_of(library), said["assuming"])
    asker = _OPEN[where]
    plans = [_plan(asker, entry, pieces) for entry, pieces in asked]
    kin = asker.finder.kin_of([query for plan in plans for query in plan.queries])
    own = _own_kin(asker.finder, plans)
    return [_episodes(asker, plan, kin, own) for plan in plans]


@dataclass(frozen=True)
class _Plan:
    """What an entry is asked: itself whole and maybe a piece of it, and what is left out."""

    entry: int
    levels: Sequence[tuple[int, Without | None]]
    queries: Sequence[str]
    apart: bool  # whether it stands for another record of its species, the first time


def _plan(asker: _Asker, entry: int, pieces: bool) -> _Plan:
    levels = [*_levels(asker, entry)]
    if not levels:
        return _Plan(entry, (), (), False)
    whole = asker.finder.library.sequence(entry)
    piece = _piece(whole, entry) if pieces else None
    apart = levels[0][1] is None and asker.finder.library.multiplicity[entry] == 1
    return _Plan(entry, levels, (whole,) if piece is None else (whole, piece), bool(apart))


def _episodes(
    asker: _Asker, plan: _Plan, kin: Iterator[Cosines | None], own: Iterator[float]
) -> list[Answer]:
    """Ask about one entry, with ever more of the library taken away."""
    answers = []
    for number, query in enumerate(plan.queries):
        left_out = [one for _, one in plan.levels]
        found = find(asker.finder, query, left_out, kin=next(kin))
        if plan.apart:
            found[0] = _set_apart(found[0], plan.entry)
            if found[0].kin is not None:
                mine = found[0].entry == plan.entry
                near = np.where(mine, np.float32(next(own)), found[0].kin)
                found[0] = replace(found[0], kin=near)
        answers += [
            (level, number > 0, _columns(near))
            for (level, _), near in zip(plan.levels, found, strict=True)
        ]
    return answers


def _own_kin(finder: Finder, plans: Sequence[_Plan]) -> Iterator[float]:
    """Return how near entries are to themselves where they stand for another record.

    A copy is embedded in which as many bases are others as `_set_apart` says. Any bases are, in
    truth mostly those that change no protein: so the copy is rather too far than too near.
    """
    if finder.kinship is None:
        return iter(())
    asked = [(plan.entry, query) for plan in plans if plan.apart for query in plan.queries]
    copies = [_changed(query, entry) for entry, query in asked]
    return iter(finder.kinship.to(copies, [entry for entry, _ in asked]))


def _changed(sequence: str, entry: int) -> str:
    """Return a sequence with other bases at places that chance says."""
    chance = np.random.default_rng((_SEED, 2, entry))
    letters = [*sequence]
    count = min(round(_share_apart(entry) * len(letters)), len(letters))
    for place in chance.choice(len(letters), count, replace=False).tolist():
        letters[place] = chance.choice([base for base in "ACGT" if base != letters[place]])
    return "".join(letters)


def _piece(sequence: str, entry: int) -> str | None:
    """Return a stretch from anywhere in a sequence; None where it would be as good as the whole.

    Its length is drawn so that half as long ones are as frequent.
    """
    chance = np.random.default_rng((_SEED, 1, entry))
    length = round(float(np.exp(chance.uniform(np.log(SHORTEST), np.log(LONGEST)))))
    if length >= WHOLE * len(sequence):
        return None
    start = int(chance.integers(len(sequence) - length + 1))
    return sequence[start : start + length].strip("N")


def _columns(near: Neighbours) -> list[str]:
    """Return the columns of neighbours, as they pass from one process to another.

    Numbers of Python would take ten times the memory until all are brought together.
    """
    return [
        b64encode(np.ascontiguousarray(column, kind).tobytes()).decode("ascii")
        for name, kind in _COLUMNS.items()
        if (column := getattr(near, name)) is not None
    ]


def _levels(asker: _Asker, entry: int) -> Iterator[tuple[int, Without | None]]:
    """Return the levels that an entry can be asked at, and what is left out at each.

    Something new under a taxon can only be told where the taxon is still there without it. What
    an unnamed group would be without its records is not known.
    """
    ladder, lowest = asker.ladder, len(asker.ladder.ranks) - 1
    rungs = ladder.path[entry].tolist()
    if asker.finder.library.multiplicity[entry] > 1:
        yield lowest + 1, None
    elif asker.entries[rungs[lowest]] > 1:
        yield lowest, (None, entry)
    elif asker.assuming:
        yield lowest + 1, None
    if ladder.group[rungs[lowest]] >= 0:
        return
    for level in range(lowest - 1, -1, -1):
        absent = ladder.ranks[level + 1]
        if asker.learned is not None and asker.learned.rungs[rungs[level + 1]]:
            continue
        if absent in strata.ABSENT and ladder.children[rungs[level]] > 1:
            yield level, (asker.columns[level + 1], rungs[level + 1])


def _share_apart(entry: int) -> float:
    """Return in which share of its bases another record of its species differs from an entry."""
    chance = np.random.default_rng((_SEED, entry))
    return 0.0 if chance.random() < _EQUAL else float(chance.exponential(_APART))


def _set_apart(near: Neighbours, entry: int) -> Neighbours:
    """Return the neighbours of a record as if it were another one of its species."""
    own = near.entry == entry
    apart = np.rint(_share_apart(entry) * near.overlap).astype(np.int32)
    # Each base that differs takes the words with it that it is in.
    words = np.maximum(0, 1 - LENGTH * apart / np.maximum(near.overlap, 1))
    return replace(
        near,
        mismatches=np.where(own, near.mismatches + apart, near.mismatches).astype(np.int32),
        shared=np.where(own, near.shared * words, near.shared).astype(np.float32),
    )


def _neighbours(number: int, columns: Sequence[str]) -> Neighbours:
    found: list[Any] = [
        np.frombuffer(b64decode(column), kind)
        for column, kind in zip(columns, _COLUMNS.values(), strict=False)
    ]
    return Neighbours(np.full(len(found[0]), number, np.int32), *found)
