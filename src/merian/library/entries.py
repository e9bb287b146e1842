"""From what was gathered to a segment: who is taken in, and which records are one entry.

An entry is a sequence under a name: its node, and where that is no species, its unnamed group.
Records that agree in all three stand behind one entry, also behind one that an earlier segment
brought.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.barcode import MINIMUM_BASES
from merian.errors import InputError
from merian.library.amplicon import NO_AMPLICONS
from merian.library.edition import Names, leads_of, named_as
from merian.library.gather import Gathered, Numbers
from merian.library.naming import lineage_of
from merian.library.reading import Reject
from merian.library.segment import Segment
from merian.taxonomy import NONE, Taxonomy
from merian.taxonomy.strings import Strings

__all__ = ["Asked", "NothingLeftError", "by_reason", "segment_of", "without_marker"]

NAMELESS = "no name at any rank"
NO_MARKER = "its marker is not said"
KNOWN = "it is in the library already, from the same source"
ELSEWHERE = "it is of another library"  # one for each marker: told there and not here

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """Who is taken in.

    Attributes:
        marker: The one gene; all if None.
        marked: Whether the file must say the gene.
        suspects: Tells, of why records are set aside already, which others are to be, and why.
    """

    marker: str | None = None
    marked: bool = False
    suspects: Callable[[Sequence[str | None]], Mapping[int, str]] | None = None


def segment_of(
    gathered: Gathered,
    earlier: Sequence[Segment],
    checklist: Taxonomy | None,
    asked: Asked,
    work: Path,
) -> tuple[Segment, Names, list[Reject]]:
    """Make a segment of what was gathered.

    Args:
        gathered: What was read.
        earlier: The segments that the library has.
        checklist: What the names are matched to, if anything.
        asked: Who is taken in.
        work: A folder for what does not fit into memory.

    Returns:
        The segment, the names of all segments, and what was set aside.
    """
    reasons = _reasons(gathered, checklist is not None, asked.marker, asked.marked)
    for record in _known(gathered, earlier):
        reasons[record] = reasons[record] or KNOWN
    if asked.suspects is not None:
        for record, reason in asked.suspects(reasons).items():
            reasons[record] = reason
    sequence, naming = _longs(gathered.sequence), _longs(gathered.naming)
    kept = np.flatnonzero(np.array([reason is None for reason in reasons], dtype=bool))
    if not len(kept):
        raise _nothing_left(gathered, reasons, asked.marked)
    # Only names that are used: others would put taxa without references into the tree.
    namings, own = _used(gathered.namings.strings(), naming[kept])
    tables = [(segment.namings, segment.naming) for segment in earlier]
    names = Names([*tables, (namings, own)], checklist)
    placed = names.nodes(len(earlier))[own] != NONE
    for record in kept[~placed].tolist():
        reasons[record] = "none of its names is in the checklist"
    kept, own = kept[placed], own[placed]
    if not len(kept):
        raise _nothing_left(gathered, reasons, asked.marked)
    concepts = [*gathered.concepts.strings()]
    told = [concepts[c] for c in _longs(gathered.concept)[kept].tolist()]
    keys = names.groups(len(earlier), own, told)
    nodes = names.nodes(len(earlier))[own]
    entry, lead = _number_entries(sequence[kept], nodes, keys)
    sequences = sequence[kept][lead]
    digest = gathered.digests()[sequences]
    old = _find_old(digest, nodes[lead], [keys[i] for i in lead.tolist()], earlier, names)
    fresh = old == NONE
    before = sum(segment.entries for segment in earlier)
    number = np.where(fresh, before - 1 + np.cumsum(fresh), old)
    text, start = _texts(gathered, sequences[fresh], work)
    segment = Segment(
        text=text,
        start=start,
        digest=digest[fresh],
        record_entry=number[entry].astype(np.int32),
        naming=own,
        concept=_ints(gathered.concept, kept),
        label=_ints(gathered.label, kept),
        marker=_ints(gathered.marker, kept),
        file=_ints(gathered.file, kept),
        line=_longs(gathered.line)[kept],
        id=gathered.ids.strings().select(kept),
        accession=gathered.accessions.strings().select(kept),
        namings=namings,
        concepts=gathered.concepts.strings(),
        labels=gathered.labels.strings(),
        markers=gathered.markers.strings(),
        files=gathered.files.strings(),
    )
    return segment, names, _rejects(gathered, reasons, asked.marked)


# -- who is taken in ----------------------------------------------------------------------------


def by_reason(rejects: Iterable[Reject]) -> dict[str, int]:
    """Count what was set aside by reason.

    Particulars are left out: what stands between quotes (an id), and behind a colon.
    """
    plain = (re.sub(r""" (['"]).*\1""", "", reject.reason) for reject in rejects)
    # A colon may stand in a bracket, of which no half is left.
    counts = Counter(re.sub(r" \([^)]*$", "", reason.split(":")[0]) for reason in plain)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _reasons(
    gathered: Gathered, matched: bool, marker: str | None, marked: bool
) -> list[str | None]:
    """Return why each record is set aside, or None."""
    nameless: list[str | None] = []
    for naming in gathered.namings.strings():
        *ranked, unranked = lineage_of(naming)
        if any(ranked) or (unranked and matched):
            nameless.append(None)
        elif unranked:
            nameless.append("a name without a rank, of which only a checklist knows the place")
        else:
            nameless.append(NAMELESS)
    unsaid = NO_MARKER if marked else None
    elsewhere = ELSEWHERE if marked else "another marker: "
    other = [
        unsaid
        if not found
        else (elsewhere if marked else elsewhere + found)
        if marker and found.lower() != marker.lower()
        else None
        for found in gathered.markers.strings()
    ]
    short = f"shorter than {MINIMUM_BASES} called bases"
    told = zip(gathered.marker, gathered.sequence, gathered.naming, strict=True)
    why = gathered.why
    return [
        other[m] or why.get(record) or (short if s < 0 else nameless[n])
        for record, (m, s, n) in enumerate(told)
    ]


def _rejects(
    gathered: Gathered, reasons: Sequence[str | None], marked: bool = False
) -> list[Reject]:
    """Return all that was set aside, file by file and line by line.

    Of what has no marker, no library of one tells.
    """
    told_elsewhere = (ELSEWHERE, NO_MARKER) if marked else ()
    files, ids = [*gathered.files.strings()], gathered.ids.strings()
    found = [
        Reject(files[gathered.file[record]], gathered.line[record], ids[record], reason)
        for record, reason in enumerate(reasons)
        if reason is not None and reason not in told_elsewhere
    ]
    place = {name: number for number, name in enumerate(files)}
    return sorted(
        [*(() if marked else gathered.rejects), *found],
        key=lambda r: (place.get(r.file, len(place)), r.line or 0, r.id, r.reason),
    )


class NothingLeftError(InputError):
    """No reference could be taken in; ``rejects`` says why of each."""

    rejects: Sequence[Reject] = ()


def _nothing_left(gathered: Gathered, reasons: list[str | None], marked: bool) -> NothingLeftError:
    """Return what to say when no reference can be taken in."""
    rejects = _rejects(gathered, reasons, marked)
    counts = by_reason(rejects)
    if gathered.without_sequence and not marked:
        counts[gathered.lacking] = gathered.without_sequence
    told = "; ".join(f"{why} ({count:,})" for why, count in counts.items())
    files = ", ".join(gathered.files.strings())
    advice = "Expected nucleotides, each with a name; --pictures takes in pictures"
    if gathered.lacking == "no picture":
        advice = (
            "Expected pictures with names: a folder for each species, a table with a column of "
            "files (--map column=accessURI), or a catalogue. Names without a rank (Copepoda) need "
            "--taxonomy, which knows their place"
        )
    elif NAMELESS in counts:
        advice = (
            "A reference needs a lineage: `merian formats fasta` says which headers are read, and "
            "--map says which columns of a table hold names"
        )
    if any(why in counts for why in NO_AMPLICONS):
        advice = (
            "Were the primers cut off already? Then build without --primers. They are given as "
            "they are ordered, 5' to 3', the forward one first; --primer-mismatches allows more"
        )
    error = NothingLeftError(f"{files}: no reference could be taken in: {told}. {advice}")
    error.rejects = rejects
    return error


def without_marker(gathered: Gathered) -> list[Reject]:
    """Return what no library of one marker tells: it has none, or was set aside before."""
    unsaid = [not marker for marker in gathered.markers.strings()]
    return _rejects(gathered, [NO_MARKER if unsaid[m] else None for m in gathered.marker])


# -- which records are one entry ----------------------------------------------------------------


def _number_entries(
    sequence: Longs, nodes: NDArray[np.int32], keys: list[str | None]
) -> tuple[Longs, Longs]:
    """Return the entry of each record, and the first record of each entry, in that order."""
    number = Numbers()
    key = np.array([NONE if k is None else number(k) for k in keys], dtype=np.int64)
    order = np.lexsort((key, nodes, sequence))  # stable: records of an entry stay in order
    changes = np.zeros(len(order), dtype=bool)
    changes[:1] = True
    for column in (sequence, nodes, key):
        changes[1:] |= column[order[1:]] != column[order[:-1]]
    lead = order[changes]
    rank = np.empty(len(lead), dtype=np.int64)
    rank[np.argsort(lead)] = np.arange(len(lead))
    entry = np.empty(len(order), dtype=np.int64)
    entry[order] = rank[np.cumsum(changes) - 1]
    return entry, np.sort(lead)


def _known(gathered: Gathered, earlier: Sequence[Segment]) -> list[int]:
    """Return the records that came before from a source of the same name, as they are now.

    A catalogue grows between two additions; what was in it must not count twice.
    """
    files = [*gathered.files.strings()]
    told: set[tuple[str, str, str, int, int]] = set()
    digest = np.concatenate([np.empty((0, 2), np.uint64), *(part.digest for part in earlier)])
    for segment in earlier:
        names, namings = [*segment.files], [*segment.namings]
        again = [number for number, name in enumerate(names) if name in files]
        for row in np.flatnonzero(np.isin(segment.file, again)).tolist():
            high, low = digest[segment.record_entry[row]].tolist()
            naming = namings[segment.naming[row]]
            told.add((names[segment.file[row]], segment.id[row], naming, high, low))
    if not told:
        return []
    ids, namings = gathered.ids.strings(), [*gathered.namings.strings()]
    own = gathered.digests().tolist()
    return [
        record
        for record, number in enumerate(gathered.sequence)
        if number >= 0
        and (files[gathered.file[record]], ids[record], namings[gathered.naming[record]],
             *own[number]) in told
    ]  # fmt: skip


def _find_old(
    digest: NDArray[np.uint64],
    nodes: NDArray[np.int32],
    keys: list[str | None],
    earlier: Sequence[Segment],
    names: Names,
) -> Longs:
    """Return for each new entry the entry of an earlier segment that is the same, or -1."""
    found = np.full(len(digest), NONE, dtype=np.int64)
    if not earlier:
        return found
    known = np.concatenate([segment.digest for segment in earlier])
    maybe = np.isin(known[:, 0], digest[:, 0])
    record, first_record = leads_of(earlier)
    same: dict[tuple[int, int, int, str | None], int] = {}
    leads = named_as(earlier, names, record[first_record[:-1]])
    for entry, (node, key, _, _) in enumerate(leads):
        if maybe[entry]:
            same.setdefault((int(known[entry, 0]), int(known[entry, 1]), node, key), entry)
    for entry, ((high, low), node, key) in enumerate(
        zip(digest.tolist(), nodes.tolist(), keys, strict=True)
    ):
        found[entry] = same.get((high, low, node, key), NONE)
    return found


def _texts(gathered: Gathered, sequences: Longs, work: Path) -> tuple[NDArray[np.uint8], Longs]:
    """Return the sequences of the entries one after the other, and where each begins."""
    text, starts = gathered.text(), _longs(gathered.starts)
    if len(sequences) == len(starts) - 1 and bool((np.diff(sequences) == 1).all()):
        return text, starts  # each distinct sequence once: as it lies on the disk
    if not starts[-1] or not len(sequences):  # pictures have no text
        return np.empty(0, np.uint8), np.zeros(len(sequences) + 1, np.int64)
    begin, stop = starts[sequences], starts[sequences + 1]
    with (work / "entries").open("wb") as stream:
        for first, last in zip(begin.tolist(), stop.tolist(), strict=True):
            stream.write(text[first:last].data)
    start = np.concatenate([[0], np.cumsum(stop - begin)]).astype(np.int64)
    return np.memmap(work / "entries", dtype=np.uint8, mode="r"), start


def _used(strings: Strings, rows: Longs) -> tuple[Strings, NDArray[np.int32]]:
    """Return only those strings that some row has, and the rows by their new numbers."""
    kept, new = np.unique(rows, return_inverse=True)
    return strings.select(kept), new.reshape(-1).astype(np.int32)


def _longs(numbers: Sequence[int]) -> Longs:
    return np.array(numbers, dtype=np.int64)


def _ints(numbers: Sequence[int], kept: Longs) -> NDArray[np.int32]:
    return np.array(numbers, dtype=np.int32)[kept]
