"""How a determination came about, told from its trace and its library.

The path down the tree and where it ended, what else it may be, the references it was held against
with the letters in which they differ, and what to look at next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merian.identify.determination import Match, Outcome, Trace
from merian.identify.layout import Layout, bits_of, laid_over, lay, letters
from merian.identify.rivals import Barcode, Rival
from merian.identify.settle import Observation, doubt_of, settle
from merian.identify.wording import outcome_in_words
from merian.library import Library, Reference
from merian.taxonomy import MAIN_RANKS, Taxonomy
from merian.taxonomy.ranks import RANK_NUMBER

__all__ = ["Difference", "Explanation", "Neighbour", "Step", "explain"]

_RIVALS = 8  # outcomes that are held against each other; the others together are rarely 1 %
_SHARE = 0.005  # of the probability; less is no rival
_REFERENCES = 5  # of each, the nearest


@dataclass(frozen=True, slots=True)
class Step:
    """A taxon on the way down.

    Attributes:
        rank: Its rank.
        name: Its name.
        probability: That the record belongs to it.
        threshold: What is needed to stand on it, or None where nobody stands.
        stands: Whether it is, or is above, what is stood by.
    """

    rank: str
    name: str
    probability: float
    threshold: float | None
    stands: bool


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A near reference, and where it comes from.

    Attributes:
        match: How near it is.
        records: How many records stand behind it.
        reference: The first of them.
    """

    match: Match
    records: int
    reference: Reference


@dataclass(frozen=True, slots=True)
class Difference:
    """A place at which no reference of one name has what one of the other has.

    Attributes:
        place: In the query, from 1.
        query: What the query has there.
        first: What the references of the first name have.
        second: What those of the second have.
        agrees: Whom the query agrees with: "first", "second", "both" or "neither".
    """

    place: int
    query: str
    first: str
    second: str
    agrees: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that `merian explain` tells.

    Attributes:
        trace: The answer, and what it was made from.
        outcomes: All that it may be, each once, the most probable first.
        path: The taxa down to the best guess.
        stopped: Where it stopped and why, in one or two sentences.
        neighbours: The references, the nearest first.
        layouts: The query beside the nearest reference, and the nearest of the rival.
        compared: The two names whose references are compared, if there are two.
        differences: The places at which they differ.
        doubt: The chance that two guesses are not one and the same named species.
        best: The observation that would settle it best.
        observations: All that were reckoned.
    """

    trace: Trace
    outcomes: Sequence[Outcome]
    path: Sequence[Step]
    stopped: str
    neighbours: Sequence[Neighbour]
    layouts: Sequence[tuple[Neighbour, Layout]]
    compared: tuple[str, ...]
    differences: Sequence[Difference]
    doubt: float
    best: Observation
    observations: Sequence[Observation]


def explain(trace: Trace, library: Library) -> Explanation:
    """Explain an answer.

    Args:
        trace: Of `Identifier.trace`.
        library: That of the identifier.
    """
    trace = replace(trace, outcomes=_merged(trace.outcomes))
    neighbours = [_neighbour(library, match) for match in trace.matches]
    beside, compared = _beside(trace, neighbours)
    rivals, barcode = _rivals(trace, library)
    best, reckoned = settle(trace.determination, rivals, barcode)
    path = _path(trace)
    pairs = [(one, lay(trace.sequence, library.sequence(one.match.entry))) for one in beside]
    return Explanation(
        trace,
        trace.outcomes,
        path,
        _stopped(trace, path, library.taxonomy),
        neighbours,
        [(one, layout) for one, layout in pairs if layout is not None],
        compared,
        _differences(trace, library, compared),
        doubt_of(rivals),
        best,
        reckoned,
    )


def _merged(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return outcomes that are the same in words as one: ranks without a name make several."""
    found: dict[tuple[str, str, bool, str], Outcome] = {}
    for one in outcomes:
        key = (one.rank, one.name, one.new, one.group)
        before = found[key].probability if key in found else 0.0
        found[key] = replace(one, probability=before + one.probability)
    return sorted(found.values(), key=lambda one: -one.probability)


def called(outcome: Outcome) -> str:
    """Return what the references of an outcome are called, as in `Match.name`."""
    return f"{outcome.name} ({outcome.group})" if outcome.group else outcome.name


# -- the path -------------------------------------------------------------------------------------


def _lineage(taxonomy: Taxonomy, outcome: Outcome) -> dict[str, str]:
    """Return the names of an outcome's taxon and of those above, by rank."""
    above = [] if outcome.node < 0 else taxonomy.path(outcome.node)
    return {taxonomy.rank_of(node): taxonomy.name_of(node) for node in above}


def _path(trace: Trace) -> list[Step]:
    ranks = [rank for rank, _, _ in trace.path]
    stood = trace.determination.rank
    last = ranks.index(stood) if stood in ranks else -1
    return [
        Step(rank, name, probability, _needed(trace, rank), number <= last)
        for number, (rank, name, probability) in enumerate(trace.path)
    ]


def _needed(trace: Trace, rank: str) -> float | None:
    """Return the probability needed to stand at a rank; None where none is enough."""
    threshold = trace.thresholds.get(rank)
    return None if threshold is None or threshold > 1 else threshold


def _stopped(trace: Trace, path: Sequence[Step], taxonomy: Taxonomy) -> str:
    """Return where it stopped and why."""
    below = next((step for step in path if not step.stands), None)
    above = [step for step in path if step.stands]
    if below is None:
        if not above:
            return "It stands nowhere: the library has nothing that is like it."
        last = above[-1]
        if last.threshold is None:
            return f"It stands at the {last.rank}, the last name on its path."
        return (
            f"It stands at the {last.rank}, the last name on its path: {last.probability:.3f} is "
            f"not below the {last.threshold:.3f} that are needed."
        )
    where = f"It stops at the {above[-1].rank}" if above else "It stands nowhere"
    needed = f"where {below.threshold:.3f} are needed" if below.threshold is not None else (
        "where nobody stands"
    )  # fmt: skip
    first = f"{where}: {below.name} has {below.probability:.3f}, {needed} to stand."
    others = [
        f"{one.probability:.3f} are on {outcome_in_words(one)}"
        for one in trace.outcomes
        if _lineage(taxonomy, one).get(below.rank) != below.name and one.probability >= _SHARE
    ]
    return f"{first} Of the rest, {' and '.join(others[:2])}." if others else first


# -- the references -------------------------------------------------------------------------------


def _neighbour(library: Library, match: Match) -> Neighbour:
    records = library.records_of(match.entry)
    return Neighbour(match, len(records), records[0])


def _beside(
    trace: Trace, neighbours: Sequence[Neighbour]
) -> tuple[list[Neighbour], tuple[str, ...]]:
    """Return the nearest reference and that of the best rival of another name, and both names."""
    if not neighbours:
        return [], ()
    first = neighbours[0]
    by_name: dict[str, Neighbour] = {}
    for one in neighbours:
        by_name.setdefault(one.match.name, one)
    by_chance = [called(o) for o in trace.outcomes if not o.new and called(o) in by_name]
    others = [n for n in (*by_chance, *by_name) if n != first.match.name]
    if not others:
        return [first], (first.match.name,)
    return [first, by_name[others[0]]], (first.match.name, others[0])


def _differences(trace: Trace, library: Library, compared: Sequence[str]) -> list[Difference]:
    """Return the places of the query at which the references of two names differ."""
    if len(compared) < 2:
        return []
    bits = [
        np.bitwise_or.reduce(
            laid_over(trace.sequence, [library.sequence(e) for e in _nearest(trace, name)]), axis=0
        )
        for name in compared
    ]
    first, second = bits
    query = bits_of(trace.sequence)
    differ = (first > 0) & (second > 0) & ((first & second) == 0)
    found = []
    for place in np.flatnonzero(differ).tolist():
        mine, one, other = int(query[place]), int(first[place]), int(second[place])
        agrees = {(True, True): "both", (True, False): "first", (False, True): "second"}.get(
            (bool(mine & one), bool(mine & other)), "neither"
        )
        found.append(
            Difference(place + 1, trace.sequence[place], letters(one), letters(other), agrees)
        )
    return found


def _nearest(trace: Trace, name: str) -> list[int]:
    """Return the entries of the nearest references of a name."""
    return [match.entry for match in trace.matches if match.name == name][:_REFERENCES]


# -- the rivals -----------------------------------------------------------------------------------


def _rivals(trace: Trace, library: Library) -> tuple[list[Rival], Barcode]:
    """Return the most probable outcomes with what the library has of them, and what was read."""
    if not trace.matches:
        anchor, marker = trace.sequence, ""
    else:
        nearest = trace.matches[0].entry
        anchor, marker = library.sequence(nearest), library.records_of(nearest)[0].marker
    lengths, rivals = [], []
    for outcome in trace.outcomes[:_RIVALS]:
        if outcome.probability < _SHARE:
            continue
        entries = _entries(library, outcome)
        own = [] if outcome.new else _nearest(trace, called(outcome)) or entries[:_REFERENCES]
        sequences = [library.sequence(entry) for entry in own]
        lengths += [len(sequence) for sequence in sequences]
        rivals.append(
            Rival(
                words=outcome_in_words(outcome),
                rank=outcome.rank,
                name=outcome.name,
                new=outcome.new,
                group=outcome.group,
                probability=outcome.probability,
                lineage=_lineage(library.taxonomy, outcome),
                bits=laid_over(anchor, sequences),
                records=int(library.multiplicity[entries].sum()),
                species=_species(library.taxonomy, outcome.node),
                markers=frozenset(_markers(library, entries)),
            )
        )
    read = laid_over(anchor, [trace.sequence])[0] > 0
    return rivals, Barcode(read, int(np.median(lengths or [len(anchor)])), marker)


def _entries(library: Library, outcome: Outcome) -> list[int]:
    """Return the entries of a species or an unnamed group; none of what is not in the library."""
    if outcome.new or outcome.node < 0:
        return []
    found: list[int] = np.flatnonzero(library.node == outcome.node).tolist()
    if not outcome.group:
        return [entry for entry in found if library.unnamed[entry] < 0]
    return [
        entry
        for entry in found
        if library.unnamed[entry] >= 0
        and library.group_name[int(library.unnamed[entry])] == outcome.group
    ]


def _markers(library: Library, entries: Iterable[int]) -> set[str]:
    return {one.marker for entry in entries for one in library.records_of(entry)}


def _species(taxonomy: Taxonomy, node: int) -> int:
    """Return how many species there are under a taxon, or under the root."""
    first, stop = (0, taxonomy.taxa) if node < 0 else (node, int(taxonomy.end[node]))
    return int((taxonomy.rank[first:stop] == RANK_NUMBER[MAIN_RANKS[-1]]).sum())
