"""Suspects among references: what was read badly, is no such gene, or is two things in one.

Each is set aside with its reason, as whatever else cannot be taken in; nothing is mended. What is
looked for is told in `frames` and `relatives`. The relatives of a sequence are the other sequences
of the build and, for an addition, those that the library has; a name is never held against a
sequence, since that a species is far from its genus may be its name's fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from merian.barcode import WordIndex, build_index
from merian.library.frames import check_code, read_groups
from merian.library.naming import LINEAGE, lineage_of
from merian.library.relatives import Flocks, Known, chimera, is_shifted, near

if TYPE_CHECKING:
    from merian.library.gather import Gathered
    from merian.library.reading import Progress
    from merian.library.segment import Segment

__all__ = ["REASONS", "Screening", "find_suspects"]

STOPS = "stop codons in its reading frame (a pseudogene, or read badly)"
SHIFT = "its reading frame shifts (a base lost or doubled, or a pseudogene)"
INDEL = "bases lost or gained, not in threes, against its nearest relatives"
CHIMERA = "chimera-like"
FAR = "far from every other reference (another gene, or no target)"
REASONS = (STOPS, SHIFT, INDEL, CHIMERA, FAR)

_WORTH = 100  # sequences; of fewer none can be called far from all
_MANY = 500

_PHYLUM, _FAMILY, _GENUS = (LINEAGE.index(rank) for rank in ("phylum", "family", "genus"))


@dataclass(frozen=True)
class Screening:
    """How suspects are looked for.

    Attributes:
        code: The genetic code by its number at the NCBI; found from the sequences if None.
    """

    code: int | None = None

    @staticmethod
    def of(code: int | None) -> Screening:
        """Read what a user has given."""
        return Screening(check_code(code) if code is not None else None)

    def as_dict(self) -> dict[str, Any]:
        """Return what was said, for the header."""
        return {"code": self.code}

    @staticmethod
    def of_dict(said: Mapping[str, Any]) -> Screening:
        """Return what a header says."""
        return Screening(said["code"])


def find_suspects(
    gathered: Gathered,
    reasons: Sequence[str | None],
    screening: Screening,
    earlier: Sequence[Segment],
    indexes: Sequence[WordIndex],
    progress: Progress,
) -> tuple[dict[int, str], list[str]]:
    """Return why records are suspect, and what was found of reading frames.

    Args:
        gathered: What was read.
        reasons: Why records are set aside already, or None.
        screening: How suspects are looked for.
        earlier: What the library has.
        indexes: Of the earlier segments.
        progress: Is told how far it is.
    """
    sequence = np.array(gathered.sequence, np.int64)
    free = np.array([reason is None for reason in reasons], bool) & (sequence >= 0)
    numbers, lead = np.unique(sequence[free], return_index=True)
    if not len(numbers):
        return {}, []
    lead = np.flatnonzero(free)[lead]
    text, start = gathered.packed(numbers)
    lineages = [lineage_of(naming) for naming in gathered.namings.strings()]
    own = [lineages[gathered.naming[record]] for record in lead.tolist()]
    markers = [*gathered.markers.strings()]
    groups = [
        " ".join(filter(None, (markers[gathered.marker[record]], line[_PHYLUM]))) or "no phylum"
        for record, line in zip(lead.tolist(), own, strict=True)
    ]
    frames = read_groups(text, start, groups, screening.code)
    found: dict[int, str] = {}
    for place in np.flatnonzero(frames.state).tolist():
        found[place] = STOPS if frames.state[place] == 2 else SHIFT
    # What is broken is no relative to judge others by.
    good = np.setdiff1d(np.arange(len(numbers)), [*found])
    text, start = gathered.packed(numbers[good])
    families = [own[place][_FAMILY] or own[place][_GENUS] for place in good.tolist()]
    known = Known(
        [text, *(segment.text for segment in earlier)],
        [start, *(segment.start for segment in earlier)],
        [build_index(text, start), *indexes],
        [*families, *(name for segment in earlier for name in _families(segment))],
    )
    for place, reason in _by_relatives(known, len(good), frames.coding[good], progress).items():
        found[int(good[place])] = reason
    of_sequence = {int(numbers[place]): reason for place, reason in found.items()}
    suspects = {
        record: of_sequence[gathered.sequence[record]]
        for record in np.flatnonzero(free).tolist()
        if gathered.sequence[record] in of_sequence
    }
    return suspects, list(frames.notes)


def _by_relatives(
    known: Known, count: int, coding: npt.NDArray[np.bool_], progress: Progress
) -> dict[int, str]:
    """Return which of the first sequences their relatives tell against."""
    found: dict[int, str] = {}
    group = np.arange(len(known.family), dtype=np.int32)
    flocks = Flocks(group)
    for place in range(count):
        if place % _MANY == 0:
            progress("looking for suspects", place)
        text = known.letters(place)
        relatives = near(known, text, place, group)
        if coding[place]:
            flocks.join(place, relatives)
        if coding[place] and is_shifted(known, text, relatives):
            found[place] = INDEL
        elif (parents := chimera(known, text, place, group, relatives)) is not None:
            left, right, at = parents
            found[place] = (
                f"{CHIMERA}: {known.family[left]} up to base {at:,} of {len(text):,}, "
                f"{known.family[right]} from there"
            )
    if len(group) >= _WORTH:
        found |= dict.fromkeys(flocks.strangers(known), FAR)
    return found


def _families(segment: Segment) -> list[str]:
    """Return the family of each entry that a segment has brought, or its genus, or ""."""
    lineages = [lineage_of(naming) for naming in segment.namings]
    names = [line[_FAMILY] or line[_GENUS] for line in lineages]
    found = [""] * segment.entries
    if not segment.entries:
        return found
    first = int(segment.record_entry.max()) + 1 - segment.entries
    pairs = zip(segment.record_entry.tolist(), segment.naming.tolist(), strict=True)
    for entry, naming in pairs:
        if entry >= first:
            found[entry - first] = found[entry - first] or names[naming]
    return found
