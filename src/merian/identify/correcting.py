"""What people have corrected, taken into a library: tried on a copy, told, and only then applied.

The names that a person has validated at the desk become references beside those of the library. A
copy of it is given them, which learns anew from simulated novelty how far its names can be
trusted: clusters, distances, weights and promise are of the whole, and nothing is trained. Then the
barcodes of the catalogue are asked of both, and where the two say otherwise stands in a table. Only
when that is asked for the copy takes the library's place, and what has changed is appended to the
catalogue: each such identification replaces what the library said before, and nothing that a person
has said.

A record that the library holds already is passed over if it has this name there; under another it
is set aside, since two names for one barcode would only tell that they contradict each other.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.catalogue import RANKS, Catalogue
from merian.catalogue.schema import quoted
from merian.errors import InputError
from merian.formats.delimited import write_delimited
from merian.identify.answers import read_answers
from merian.identify.into_catalogue import append_answers
from merian.identify.job import Identified, identify_files
from merian.identify.queries import Queries
from merian.library import Library, add_to_library
from merian.library.settings import Settings
from merian.taxonomy import MAIN_RANKS, Taxonomy

__all__ = ["COLUMNS", "Change", "Trial", "apply", "corrections_of", "trial", "write_changes"]

COLUMNS = ("id", "what", "rank_before", "name_before", "p_before", "rank", "name", "p")

_NAMES = ", ".join(f"d.{quoted(rank)}" for rank in RANKS)
_VALIDATED = f"""
SELECT coalesce(s.occurrenceID, t.occurrenceID) AS record, s.nucleotideSequenceID AS key,
    s.sequence, s.targetGene, d.scientificName, d.taxonRank, {_NAMES}
FROM sequence s LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
JOIN determination d ON d.occurrenceID = coalesce(s.occurrenceID, t.occurrenceID)
JOIN run r ON r.runID = d.runID
WHERE s.sequence IS NOT NULL AND d.agentType = 'human'
    AND r.verb IN ('review', 'discover')
    AND d.identificationVerificationStatus = 'ValidatedByHuman'
    AND d.identificationQualifier IS NULL AND coalesce(d.genus, d.species) IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY record ORDER BY length(s.sequence) DESC, key) = 1
ORDER BY record
"""
_TERMS = ("occurrenceID", "sequence", "targetGene", "scientificName", "taxonRank", *RANKS)

Progress = Callable[[str, int], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A barcode of which the library says something else with the corrections."""

    id: str
    what: str
    before: Mapping[str, Any]
    now: Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """A library with the corrections, beside the one without.

    Attributes:
        library: The library.
        copy: That with the corrections; it is gone when the trial ends, unless it was applied.
        taken: How many corrections are new to it.
        known: How many it has already.
        contrary: Records that it has under another name: id, its name, the corrected one.
        before: What the library says.
        now: What the copy says.
        changes: Where these differ, of records that no person has validated.
    """

    library: Path
    copy: Path
    taken: int
    known: int
    contrary: Sequence[tuple[str, str, str]]
    before: Identified | None = None
    now: Identified | None = None
    changes: Sequence[Change] = ()

    @property
    def counted(self) -> Mapping[str, int]:
        """How many answers change in which way."""
        return dict(Counter(one.what for one in self.changes).most_common())


def corrections_of(catalogue: Path) -> list[Row]:
    """Return the barcodes whose name a person has validated at the desk, with their lineage."""
    with Catalogue.open(catalogue, read_only=True) as opened:
        found = opened.query(_VALIDATED)
        return [dict(zip(found.columns, row, strict=True)) for row in found]


@contextmanager
def trial(
    catalogue: Path,
    library: Path,
    *,
    checklist: Taxonomy | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Trial]:
    """Try a library with the corrections of a catalogue.

    Args:
        catalogue: Whose people have corrected, and whose barcodes are asked again.
        library: Of barcodes.
        checklist: The one that it was built with, if it was built with one.
        processes: How many at most.
        progress: Is told how far it is.
    """
    from merian.identify import PARTS  # noqa: PLC0415 - the door imports this room's files

    tell: Callable[[str, Any], None] = progress or (lambda _what, _count: None)
    opened = Library.open(library).of_kind("barcode")
    told = corrections_of(catalogue)
    if not told:
        raise InputError(
            f"{catalogue}: no barcode has a name that a person has validated at the desk; "
            "`merian review` opens it"
        )
    fresh, known, contrary = _against(opened, told)
    folder = opened.folder
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.learning-", dir=folder.parent) as made:
        copy = Path(made, "library")
        base = Trial(folder, copy, len(fresh), known, contrary)
        if not fresh:
            yield base
            return
        # Nothing in a library is written over, so that its files can be shared.
        shutil.copytree(folder, copy, copy_function=_linked)
        file = Path(made, "corrections.csv")
        _write(file, fresh)
        add_to_library(
            copy, [file], checklist=checklist, parts=PARTS, progress=tell,
            settings=Settings(format="table"),
        )  # fmt: skip
        tell("asking the library", 0)
        before = identify_files(Queries([catalogue]), folder, Path(made, "before.tsv"),
                                processes=processes, progress=tell)  # fmt: skip
        tell("asking it with the corrections", 0)
        now = identify_files(Queries([catalogue]), copy, Path(made, "now.tsv"),
                             processes=processes, progress=tell)  # fmt: skip
        aside = {row["record"] for row in told} | {row["key"] for row in told}
        changes = [*_changes(before.out, now.out, aside)]
        yield Trial(folder, copy, len(fresh), known, contrary, before, now, changes)


def apply(tried: Trial, catalogue: Path, progress: Progress | None = None) -> int:
    """Put the copy in the library's place, and append what has changed; return how many.

    The library is changed first: should this be stopped before its end, the same command finds the
    corrections in it, and `merian identify` appends what it says.
    """
    if tried.now is None or tried.before is None:
        return 0
    aside = tried.copy.with_name("former")
    try:
        tried.library.rename(aside)
        tried.copy.rename(tried.library)
    except BaseException:  # Ctrl-C too: what is beside it goes when the trial ends
        if aside.exists() and not tried.library.exists():
            aside.rename(tried.library)
        raise
    summary = append_answers(
        catalogue, tried.now, progress, only={one.id for one in tried.changes},
        instead_of=tried.before.library,
    )  # fmt: skip
    return 0 if summary is None else summary.added.get("identification", 0)


def write_changes(file: Path, changes: Sequence[Change]) -> None:
    """Write a table of what changes."""
    rows = (
        (one.id, one.what, one.before["rank"], one.before["name"], one.before["p"],
         one.now["rank"], one.now["name"], one.now["p"])
        for one in changes
    )  # fmt: skip
    write_delimited(file, COLUMNS, rows, "," if file.suffix.lower() == ".csv" else "\t")


def _against(library: Library, told: Sequence[Row]) -> tuple[list[Row], int, list[Any]]:
    """Return the corrections that a library lacks, how many it has, and those against it."""
    wanted = {str(key): row for row in told for key in (row["record"], row["key"])}
    there: dict[str, str] = {}
    for entry in range(len(library)):
        for one in library.records_of(entry):
            if one.id in wanted:
                there[str(wanted[one.id]["record"])] = library.name_of(entry)
    fresh, known, contrary = [], 0, []
    for row in told:
        name = there.get(str(row["record"]))
        if name is None:
            fresh.append(row)
        elif name == row["scientificName"]:
            known += 1
        else:
            contrary.append((str(row["record"]), name, str(row["scientificName"])))
    return fresh, known, contrary


def _write(file: Path, rows: Sequence[Row]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(_TERMS)
        table.writerows([row["record"], *(row[term] for term in _TERMS[1:])] for row in rows)


def _linked(source: str, to: str) -> str:
    """Share a file where the disk can, else copy it."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)
    return to


def _changes(before: Path, now: Path, aside: set[object]) -> Iterator[Change]:
    """Return where two tables of answers about the same barcodes differ."""
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
