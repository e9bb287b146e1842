"""Sequences that were read badly: out of frame, of another gene, or on the other strand.

What `merian library build --screen` sets aside is looked for by the same means (see
`merian.library.frames` and `merian.library.relatives`), chimeras apart: stop codons and shifts in
genes that make a protein, and sequences that are far from all others there. Two things more show
in a reference as a whole. Where its records tell their genes, one may lie among those of another.
And most were brought to one strand: one that has the other does no harm here, where both strands
are compared, but it does wherever a program reads one only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from merian.audit.clusters import linked
from merian.audit.doubted import lone_rows
from merian.audit.findings import Finding
from merian.audit.near import Near
from merian.audit.records import PLACE, Records
from merian.library.frames import read_groups
from merian.library.frames_loops import OPEN, SHIFTED
from merian.library.index import open_indexes
from merian.library.relatives import Flocks, Known, beside, is_shifted
from merian.library.relatives import Near as Relatives
from merian.library.screening import FAR, INDEL, SHIFT, STOPS

__all__ = ["TURNED", "misread"]

TURNED = "on the other strand than the sequences near it"

_WORTH = 100  # sequences; of fewer none can be called far from all
_NEAREST = 8  # relatives by which a sequence joins a flock
_KIN = 0.05  # from relatives that must agree in the length of a gene
_ONE_GENE = 0.3  # up to which sequences of one gene hang together
_ENOUGH = 20  # sequences, for a gene to have a home
_ONE_STRAND = 0.25  # up to which a strand is told without doubt
_MOST, _LEAST = 2 / 3, 4  # of sequences that hang together, on the strand that counts as theirs

Numbers = npt.NDArray[np.int64]


def misread(records: Records, near: Near) -> tuple[Finding, set[int]]:
    """Return what was read badly, and the entries that are of another gene."""
    markers = records.markers
    sequences = records.sequences
    groups = [
        " ".join(filter(None, (marker, records.name(phylum)))) or "no phylum"
        for marker, phylum in zip(markers, records.at_rank("phylum").tolist(), strict=True)
    ]
    frames = read_groups(sequences.text, sequences.start, groups)
    why: dict[int, str] = {}
    for entry in np.flatnonzero(frames.state).tolist():
        why[entry] = SHIFT if frames.state[entry] == SHIFTED else STOPS
    known = _known(records)
    for entry in _slipped(known, near, frames.coding & (frames.state == OPEN)):
        why[entry] = INDEL
    for entry in _turned(near, len(markers)):
        why.setdefault(entry, TURNED)
    other = dict.fromkeys(_far(known, near, frames.coding), FAR)
    other |= _among(near, markers)
    rows = [
        row
        for entry, reason in sorted((why | other).items())
        for row in lone_rows(records, near, entry, reason, markers[entry])
    ]
    finding = Finding(
        name="misread",
        title="Other genes, strands and broken frames",
        advice=(
            "Stop codons or shifts in a gene that makes a protein: a pseudogene, or read badly; "
            "look at the trace, else leave it out, as `merian library build --screen` does. "
            "Another gene: give it its marker, or leave it out. On the other strand: turn it; "
            "Merian compares both strands, other programs do not."
        ),
        noun="record",
        count=len(rows),
        columns=("why", "label_name", "marker", *PLACE, "nearest", "example"),
        rows=rows,
        shown=("why", "record", "line", "label_name", "marker", "nearest", "example"),
    )
    return finding, set(other)


def _known(records: Records) -> Known:
    """Return the sequences as those see them who look for relatives."""
    library = records.library
    return Known(
        [segment.text for segment in library.segments],
        [segment.start for segment in library.segments],
        open_indexes(library),
        [""] * len(library),
    )


def _slipped(known: Known, near: Near, good: npt.NDArray[np.bool_]) -> list[int]:
    """Return the entries that lost or gained bases, not in threes, against their relatives."""
    pairs = np.flatnonzero((near.distance <= _KIN) & good[near.entry] & good[near.other])
    pairs = pairs[np.lexsort((near.other[pairs], near.distance[pairs], near.entry[pairs]))]
    entries, first, count = np.unique(near.entry[pairs], return_index=True, return_counts=True)
    found = []
    for entry, at in zip(entries[count > 1].tolist(), first[count > 1].tolist(), strict=True):
        text = known.letters(entry)
        if is_shifted(known, text, beside(known, text, near.other[pairs[at : at + 2]].tolist())):
            found.append(entry)
    return found


def _far(known: Known, near: Near, coding: npt.NDArray[np.bool_]) -> list[int]:
    """Return the entries of genes that make a protein which are far from all others there."""
    if len(coding) < _WORTH:
        return []
    flocks = Flocks(np.arange(len(coding), dtype=np.int32))
    for entry in np.flatnonzero(coding).tolist():
        pairs = near.of(entry)
        best = np.argsort(near.distance[pairs], kind="stable")[:_NEAREST] + pairs.start
        flocks.join(
            entry, Relatives(near.other[best].tolist(), (1 - near.distance[best]).tolist(), [], [])
        )
    return flocks.strangers(known)


def _among(near: Near, markers: Sequence[str]) -> dict[int, str]:
    """Return the entries that lie among sequences of another marker than their own.

    The home of a marker is where most of its sequences hang together, so that two names of one
    gene have one home, and spacers, of which every family is on its own, have no other's.
    """
    counts = Counter(filter(None, markers))
    if len(counts) < 2:
        return {}
    label = linked(near, len(markers), _ONE_GENE)
    places: dict[str, Counter[int]] = {name: Counter() for name in counts}
    for name, place in zip(markers, label.tolist(), strict=True):
        if name:
            places[name][place] += 1
    homes = {
        name: min(held, key=lambda place: (-held[place], place))
        for name, held in places.items()
        if counts[name] >= _ENOUGH
    }
    owner: dict[int, str] = {}
    for name in sorted(homes, key=lambda name: (-counts[name], name)):
        owner.setdefault(homes[name], name)
    return {
        entry: f"among sequences of {owner[place]}"
        for entry, (name, place) in enumerate(zip(markers, label.tolist(), strict=True))
        if name in homes and place in owner and homes[name] != place
    }


def _turned(near: Near, count: int) -> list[int]:
    """Return the entries that have the other strand than most of those they hang together with.

    Each sequence stands there twice, as it is and turned, and what agrees in the strand is joined:
    so those that are joined to the first of a group as they are have its strand.
    """
    from merian.audit.link_loops import link  # noqa: PLC0415 - loads numba

    close = np.flatnonzero(near.distance <= _ONE_STRAND)
    one, other = near.entry[close], near.other[close]
    turn = np.where(near.reverse[close], count, 0).astype(np.int32)
    twice = link(
        np.concatenate([one, one + np.int32(count)]),
        np.concatenate([other + turn, other + np.int32(count) - turn]),
        2 * count,
    )
    as_is, turned = twice[:count], twice[count:]
    group = np.minimum(as_is, turned)
    plus = np.bincount(group, as_is < turned, minlength=2 * count)[group]
    minus = np.bincount(group, as_is > turned, minlength=2 * count)[group]
    mine, those = np.where(as_is < turned, [plus, minus], [minus, plus])
    told = (as_is != turned) & (those >= _LEAST) & (those > _MOST * (mine + those))
    found: list[int] = np.flatnonzero(told).tolist()
    return found
