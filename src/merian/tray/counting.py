"""How many of each kind there are in photographs, with the errors of finding and of naming.

What somebody has validated is a table with the columns photo, instance and truth: what a body is,
or none for what is no body. A row without an instance is a body that was missed. A photograph of
which every body has a truth counts for how much is found: there, what was found and what was missed
are both known. One in which nothing was found tells nothing: nobody need have looked at it. Where
no photograph is so, nothing is known of what was missed, and that is said.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merian.errors import InputError
from merian.files import existing, find_encoding, open_text
from merian.formats.delimited import write_delimited
from merian.identify.answered import AnswerColumns, FoundAndMissed, read_counts
from merian.identify.composition import Composition, Counts, Recall, compose
from merian.measure.stage import Stage
from merian.tray.naming import Named

__all__ = ["BODY", "Counted", "Validated", "check_photographs", "count_bodies",
           "read_validated"]  # fmt: skip

BODY = "body"
"""What a body is called where no library names it."""

_NONE = "none"
_MOST_BYTES = 1 << 28
_BODIES = "SELECT s.n, h.image, s.number FROM specimen s JOIN shot h USING (shot) ORDER BY s.n"


@dataclass(frozen=True)
class Validated:
    """What somebody has said of photographs.

    Attributes:
        truth: By photograph and instance, what it is; "none" for no body.
        missed: By photograph, the kinds of the bodies that were missed.
    """

    truth: dict[tuple[str, int], str]
    missed: dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class Counted:
    """How many there are.

    Attributes:
        found: By photograph and name, how many were found.
        composition: What they are likely to be; None where nothing tells how often that is wrong.
        recall: What is known of what was missed; None where nothing is.
        notes: What has to be said of the counts.
        refused: Why what was asked for could not be counted, and counts are of what was found.
    """

    found: dict[tuple[str, str], int]
    composition: Composition | None
    recall: Recall | None
    notes: tuple[str, ...]
    refused: str = ""


def read_validated(path: Path) -> Validated:
    """Read a table of what somebody has validated."""
    if existing(path, "table of what was validated").stat().st_size > _MOST_BYTES:
        raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MiB")
    truth: dict[tuple[str, int], str] = {}
    missed: dict[str, list[str]] = {}
    with open_text(path, find_encoding(path)) as stream:
        head = stream.readline()
        delimiter = "\t" if "\t" in head else ";" if ";" in head and "," not in head else ","
        names = [name.strip().lower() for name in
                 next(csv.reader([head.lstrip("\ufeff")], delimiter=delimiter), [])]  # fmt: skip
        for name in ("photo", "instance", "truth"):
            if name not in names:
                raise InputError(
                    f"{path}: has no column {name}; expected photo, instance and truth, as "
                    "instances.tsv has the first two. What was found and missed by kind is --missed"
                )
        for line, row in enumerate(csv.reader(stream, delimiter=delimiter), 2):
            cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
            said, place = cells.get("truth", ""), cells.get("instance", "")
            if not said:
                continue  # nobody has looked
            photo = cells.get("photo", "")
            if not place:
                missed.setdefault(photo, []).append(said)
            elif place.isascii() and place.isdecimal():
                truth[photo, int(place)] = said
            else:
                raise InputError(
                    f"{path}:{line}: the instance is {place!r}; a whole number is expected, or "
                    "nothing for a body that was missed"
                )
    return Validated(truth, missed)


def check_photographs(said: Validated, names: Iterable[str]) -> None:
    """Say so if somebody speaks of a photograph that is not looked at, before any is.

    Args:
        said: What somebody has said.
        names: Of the photographs.
    """
    spoken = {photo for photo, _ in said.truth} | {*said.missed}
    for photo in sorted(spoken.difference(names)):
        raise InputError(
            f"what was validated is of {photo!r}, which is none of the photographs; they are "
            "called as in instances.tsv"
        )


def count_bodies(
    stage: Stage,
    work: Path,
    named: Named | None,
    *,
    rank: str = "",
    validated: Validated | None = None,
    missed: FoundAndMissed | None = None,
    seed: int = 0,
) -> Counted:
    """Count the bodies of photographs.

    Args:
        stage: The bodies.
        work: A folder for a table that is not kept.
        named: What they are called; None where no library was given.
        rank: At which they are counted; by the names that are stood by, if not given.
        validated: What somebody has said of them.
        missed: What is found and missed of each kind.
        seed: Of what is drawn.
    """
    said = validated or Validated({}, {})
    found: Counter[tuple[str, str]] = Counter()

    def rows() -> Iterator[tuple[object, ...]]:
        for n, image, number in stage.rows(_BODIES):
            name, share = (BODY, None) if named is None else named.at(n, rank)
            found[image, name] += 1
            truth = said.truth.get((image, number), "")
            # With one kind, and nothing said of it, a body is taken to be one.
            sure = 1.0 if named is None and not said.truth else share
            yield image, name, truth, "" if sure is None else sure

    table = work / "things.tsv"
    columns = ("sample", "answer", "truth", "probability")
    write_delimited(table, columns, rows(), "\t")
    try:
        _check_known(stage, said)
        return _counted(stage, table, columns, found, named is not None, said, missed, seed)
    except InputError as error:  # what was found took hours, and is not to be lost for this
        why = str(error).removeprefix(f"{table}: ")
        note = f"Counts are of what was found, as more could not be counted: {why}"
        return Counted(dict(found), None, None, (note,), why)


def _counted(
    stage: Stage,
    table: Path,
    columns: tuple[str, str, str, str],
    found: Counter[tuple[str, str]],
    named: bool,
    said: Validated,
    missed: FoundAndMissed | None,
    seed: int,
) -> Counted:
    """Count the bodies of a table of them, with all that is known of errors."""
    if not found:
        return Counted({}, None, None, ())
    counts = read_counts(table, AnswerColumns(*columns[:3], "", columns[3]), unnamed=True)
    notes: list[str] = []
    recall = None
    if missed is not None:
        recall, note = missed.of(counts.kinds)
        notes += [note] * bool(note)
    if recall is None:
        counts, recall = _recall(stage, said, counts, notes)
    if recall is None:
        notes.append(
            "How many bodies were missed is not known: counts are of what was found. Validate "
            "every body of a few photographs and list those that were missed (--validated), or "
            "give --missed."
        )
    if not named and not said.truth and recall is None:
        return Counted(dict(found), None, None, tuple(notes))
    if counts.doubts is None and not counts.seen.any():
        notes.append("Nothing tells how often the names are wrong, so counts have no interval.")
        return Counted(dict(found), None, recall, tuple(notes))
    return Counted(dict(found), compose(counts, recall, seed), recall, tuple(notes))


def _check_known(stage: Stage, said: Validated) -> None:
    """Say so if somebody speaks of a body or a photograph that is not there."""
    known = {(image, number) for _, image, number in stage.rows(_BODIES)} if said.truth else set()
    for photo, number in sorted(said.truth):
        if (photo, number) not in known:
            raise InputError(
                f"what was validated names instance {number} of {photo!r}, which was not found; "
                "was another finder, or another photograph, looked at?"
            )
    images = {image for (image,) in stage.rows("SELECT image FROM shot")} if said.missed else set()
    for photo in sorted(said.missed):
        if photo not in images:
            raise InputError(f"a body was missed in {photo!r}, which was not looked at")


def _recall(
    stage: Stage, said: Validated, counts: Counts, notes: list[str]
) -> tuple[Counts, Recall | None]:
    """Return what is known of what was missed, from photographs that were validated as a whole."""
    left = {image: 0 for (image,) in stage.rows("SELECT image FROM shot")}
    for _, image, number in stage.rows(_BODIES):
        left[image] += (image, number) not in said.truth
    looked = {image for image, _ in said.truth}
    whole = {image for image, more in left.items() if not more and image in looked}
    lost = sum(len(kinds) for photo, kinds in said.missed.items() if photo not in whole)
    if lost:
        notes.append(
            f"{lost:,} bodies that were missed are listed of photographs of which not every body "
            "was validated, or none was found: they cannot be counted on."
        )
    there: Counter[str] = Counter()
    for (photo, _), kind in said.truth.items():
        there[kind] += photo in whole and kind.lower() != _NONE
    gone = Counter(kind for photo in sorted(whole) for kind in said.missed.get(photo, ()))
    new = [kind for kind in sorted({*there, *gone}) if kind not in counts.kinds
           and kind.lower() != _NONE]  # fmt: skip
    counts = _with_kinds(counts, new)
    found = np.array([there[kind] for kind in counts.kinds], np.int64)
    missed = np.array([gone[kind] for kind in counts.kinds], np.int64)
    recall = Recall(found, missed)
    return counts, recall if recall.counted else None


def _with_kinds(counts: Counts, new: Sequence[str]) -> Counts:
    """Return counts with kinds that were only ever missed."""
    if not new:
        return counts
    more = np.zeros((len(counts.samples), len(new), len(counts.answers)), np.int64)
    doubts = counts.doubts
    if doubts is not None:
        doubts = np.concatenate([doubts, np.zeros((len(new), len(counts.answers)))])
    return Counts(
        counts.samples, [*counts.kinds, *new], counts.answers, counts.unseen,
        np.concatenate([counts.seen, more], axis=1), doubts,
    )  # fmt: skip
