"""A determination: the node that Merian stands by, and all that it says about it.

Every table, export and page about names is written from these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Determination", "Match", "Outcome", "Trace"]


@dataclass(frozen=True, slots=True)
class Match:
    """A reference near to the query.

    Attributes:
        entry: Its number in the library.
        id: Of the first record behind it.
        name: What it is named to, with its unnamed group behind it.
        identity: Matches by columns of the alignment, 0 to 1.
        overlap: Columns of the alignment.
        mismatches: Columns that do not match.
        reverse: Whether it has the other strand.
        cosine: Of its vector to the query's; None where the library has no encoder.
    """

    entry: int
    id: str
    name: str
    identity: float
    overlap: int
    mismatches: int
    reverse: bool
    cosine: float | None = None


@dataclass(frozen=True, slots=True)
class Determination:
    """What one record is, as far as the evidence says.

    Attributes:
        node: The taxon stood by, in the library's taxonomy; -1 for the root, which says nothing.
        rank: Its rank, or "".
        name: Its name, or "".
        probability: That the record belongs to it.
        names: By rank, the best guess; absent where there is none.
        probabilities: By rank, that the best guess is right.
        runner_up: The best outcome beside that of the best guess, in words, or "".
        runner_up_probability: Its probability.
        group: The unnamed group that is the best guess at the lowest rank, or "".
        verdict: What is said about novelty, in plain words.
        flags: Single words for what a user should look at, in alphabetical order.
        explanation: One sentence.
        matches: The nearest references, the nearest first.
        alpha: The share of wrong answers that is promised not to be exceeded.
        evidence: Kind of evidence, or "consensus".
    """

    node: int
    rank: str
    name: str
    probability: float
    names: Mapping[str, str]
    probabilities: Mapping[str, float]
    runner_up: str
    runner_up_probability: float
    group: str
    verdict: str
    flags: tuple[str, ...]
    explanation: str
    matches: Sequence[Match]
    alpha: float
    evidence: str = "barcode"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that the record may be.

    Attributes:
        rank: Of the taxon.
        name: Of the taxon; "" for the root.
        new: Whether it is something that is not in the library, under that taxon.
        group: The unnamed group of the library that it is, or "".
        probability: Of this outcome.
        node: The taxon, -1 for the root.
    """

    rank: str
    name: str
    new: bool
    group: str
    probability: float
    node: int = -1


@dataclass(frozen=True, slots=True)
class Trace:
    """How a determination came about.

    Attributes:
        sequence: The query.
        determination: The answer.
        path: Rank, name and probability of each taxon on the way to the best guess.
        thresholds: By rank, the probability that is needed to stand there.
        outcomes: All that the record may be, the most probable first.
        matches: All references that were aligned, the nearest first.
    """

    sequence: str
    determination: Determination
    path: Sequence[tuple[str, str, float]]
    thresholds: Mapping[str, float]
    outcomes: Sequence[Outcome]
    matches: Sequence[Match]
