"""Where the voices on one record contradict each other, and the strongest such places first.

A voice is what one kind of evidence says: a barcode by a library, a picture, a label, a place. Two
voices contradict each other at the highest rank at which both name a taxon and the names differ.
Names above a taxon on which both agree are not compared: who agrees on the genus and not on its
order has another classification, and no other animal. A voice that holds something new for more
probable than its best guess names nothing at that rank.

How strong it is: the product of the two probabilities, which is how probable it is that both voices
mean what they say, if they err by themselves. A contradiction says that something is wrong (a
label, a tube, a reference, a coordinate), and not what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from merian.catalogue import RANKS
from merian.formats.delimited import write_delimited
from merian.taxonomy import STATUSES

if TYPE_CHECKING:
    from merian.taxonomy import Taxonomy

__all__ = [
    "COLUMNS",
    "LEAST",
    "PLACE",
    "Contradiction",
    "Same",
    "Voice",
    "contradictions",
    "ranked",
    "same_taxon",
    "spelt_alike",
    "taxa_named",
    "words",
    "write_disagreements",
]

LEAST = 0.2
"""The least strength that is told: what two voices have that are 45 % sure each."""

PLACE = "place"
"""The kind of voice that names no taxon, but a distance."""

COLUMNS = ("id", "strength", "rank", "a", "name_a", "p_a", "b", "name_b", "p_b", "words")

Same = Callable[[str, str, str], bool]
"""Whether two names at a rank are one taxon: rank, a name, another."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one kind of evidence says about a record.

    Attributes:
        kind: "barcode", "picture", "label" or another word.
        source: The library or the person, or "".
        names: By rank, the best guess.
        probabilities: By rank, that this guess is right.
        new: By rank, that it is something that the evidence does not know; None for a voice that
            knows all names.
    """

    kind: str
    source: str
    names: Mapping[str, str]
    probabilities: Mapping[str, float]
    new: Mapping[str, float] | None = None

    def says(self, rank: str) -> bool:
        """Return whether it names a taxon at a rank, sooner than something new."""
        new = self.new.get(rank, 0.0) if self.new else 0.0
        return bool(self.names.get(rank)) and self.probabilities.get(rank, 0.0) > new


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two voices that cannot both be right.

    Attributes:
        id: Of the record.
        rank: The highest at which they differ.
        kind_a: The kind of the one.
        name_a: What it says there.
        p_a: How sure it is.
        kind_b: The kind of the other.
        name_b: What that says; of a place, how far it is from where.
        p_b: How sure it is.
        strength: How much it matters, 0 to 1.
        source_a: The library or the person of the one.
        source_b: Those of the other.
    """

    id: str
    rank: str
    kind_a: str
    name_a: str
    p_a: float
    kind_b: str
    name_b: str
    p_b: float
    strength: float
    source_a: str = field(default="")
    source_b: str = field(default="")


def spelt_alike(_rank: str, a: str, b: str) -> bool:
    """Return whether two names are the same letters."""
    return a.casefold() == b.casefold()


def taxa_named(taxonomy: Taxonomy, rank: str | None, name: str) -> set[int]:
    """Return the taxa that a name may mean, at a rank or at any; not what it was misapplied to."""
    return {
        int(taxonomy.accepted[node])
        for node in taxonomy.find(name)
        if STATUSES[taxonomy.status[node]] != "misapplied"
        and (rank is None or taxonomy.rank_of(int(node)) == rank)
    }


def same_taxon(taxonomy: Taxonomy) -> Same:
    """Return a comparison of names by a checklist: synonyms of one taxon are the same."""

    @lru_cache(maxsize=1 << 16)
    def taxa(rank: str, name: str) -> frozenset[int]:
        return frozenset(taxa_named(taxonomy, rank, name) or taxa_named(taxonomy, None, name))

    def same(rank: str, a: str, b: str) -> bool:
        return spelt_alike(rank, a, b) or not taxa(rank, a).isdisjoint(taxa(rank, b))

    return same


def contradictions(
    record: str, voices: Sequence[Voice], same: Same = spelt_alike, least: float = LEAST
) -> list[Contradiction]:
    """Return where the voices on a record contradict each other, each pair once.

    Args:
        record: Its id.
        voices: What is said about it.
        same: Whether two names are one taxon; by their letters if not given.
        least: The strength below which nothing is told.
    """
    found = []
    for a, b in combinations(voices, 2):
        rank = _parting(a, b, same)
        if rank is None:
            continue
        p_a, p_b = a.probabilities[rank], b.probabilities[rank]
        if p_a * p_b >= least:
            found.append(
                Contradiction(
                    record, rank, a.kind, a.names[rank], p_a, b.kind, b.names[rank], p_b,
                    p_a * p_b, a.source, b.source,
                )
            )  # fmt: skip
    return found


def _parting(a: Voice, b: Voice, same: Same) -> str | None:
    """Return the rank at which two voices part, below the last taxon that both name."""
    both = [rank for rank in RANKS if a.says(rank) and b.says(rank)]
    alike = [same(rank, a.names[rank], b.names[rank]) for rank in both]
    below = both[len(both) - alike[::-1].index(True) :] if True in alike else both
    return below[0] if below else None


def ranked(found: Iterable[Contradiction]) -> list[Contradiction]:
    """Return contradictions, the strongest first; of equal ones that at the higher rank."""

    def key(one: Contradiction) -> tuple[object, ...]:
        return (
            -round(one.strength, 6), RANKS.index(one.rank), one.id, one.kind_a, one.source_a,
            one.kind_b, one.source_b, one.name_a, one.name_b,
        )  # fmt: skip

    return sorted(found, key=key)


def words(one: Contradiction) -> str:
    """Return a contradiction as one sentence."""
    a, b = _called(one)
    said = f"{a[0].upper()}{a[1:]} says {one.rank} {one.name_a} ({_percent(one.p_a)})"
    if one.kind_b == PLACE:
        return f"{said}, but it was found {one.name_b}."
    return f"{said}, {b} {one.name_b} ({_percent(one.p_b)})."


def _called(one: Contradiction) -> tuple[str, str]:
    """Return what two voices are called: by their sources too where they are of one kind."""
    a, b = f"the {one.kind_a}", f"the {one.kind_b}"
    if one.kind_a != one.kind_b:
        return a, b
    return tuple(  # type: ignore[return-value]  # there are two
        f"{kind} by {source}" if source else kind
        for kind, source in ((a, one.source_a), (b, one.source_b))
    )


def _percent(share: float) -> str:
    """Return a share in percent; 100 % is only what is whole."""
    return f"{round(100 * share) if share == 1 else min(round(100 * share), 99)} %"


def write_disagreements(path: Path, rows: Iterable[Contradiction]) -> int:
    """Write contradictions into a TSV, complete or not at all; return how many there are.

    Args:
        path: The file.
        rows: In the order in which they are to stand, see `ranked`.
    """
    return write_delimited(
        path,
        COLUMNS,
        (
            (
                one.id, f"{one.strength:.4f}", one.rank, one.kind_a, one.name_a, f"{one.p_a:.4f}",
                one.kind_b, one.name_b, f"{one.p_b:.4f}", words(one),
            )
            for one in rows
        ),
        "\t",
    )  # fmt: skip
