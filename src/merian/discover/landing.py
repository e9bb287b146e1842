"""Where a cluster stands in the tree: under the lowest taxon that its members support together.

Two numbers say so, and neither takes the members for independent witnesses: specimens of one
unknown species mislead a library in the same way, so multiplying what they say would only add
confidence that is not there.

- How probable a taxon is: the mean of what its members give it. That is the probability that a
  member drawn at random belongs to it. It never grows on the way down, and that of sisters sums to
  no more than that of their parent, as with each member.
- Whether it is stood by: more than half of the members stand by it or by something below it, each
  as `merian identify` has promised. If a parent that a share q of the members stands by is wrong
  for the cluster, a share q of them is wrong. So where at most alpha of all answers are wrong, at
  most alpha / q of the records come to lie under a wrong parent, whatever the members have in
  common (Markov's inequality); with half of them, twice alpha.

Below what is stood by nothing is said but best guesses with their probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.discover.standing import RANKS, Standing

__all__ = ["AGREE", "Guess", "Landing", "land"]

AGREE = 0.5
"""More than this share of the members has to stand by the parent."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The taxon that the members make most probable at a rank, under the one above."""

    rank: str
    name: str
    probability: float
    standing: float


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a cluster stands.

    Attributes:
        path: The best guess at each rank, from high to low; the first ``depth`` of them hold.
        depth: How many of them are stood by.
    """

    path: tuple[Guess, ...]
    depth: int

    @property
    def parent(self) -> Guess | None:
        """The lowest taxon that is stood by, or None for the root."""
        return self.path[self.depth - 1] if self.depth else None

    @property
    def lineage(self) -> dict[str, str]:
        """The names that are stood by, by rank."""
        return {guess.rank: guess.name for guess in self.path[: self.depth]}


def land(said: Standing, members: NDArray[np.int64], agree: float = AGREE) -> Landing:
    """Return where a cluster stands.

    Args:
        said: What is said of all records.
        members: The places of those of the cluster.
        agree: The share of members beyond which a taxon is stood by.
    """
    name, probability = said.name[members], said.probability[members].astype(np.float64)
    depth = said.depth[members]
    within = np.ones(len(members), bool)  # those whose path is the one chosen so far
    path: list[Guess] = []
    stood, held = 0, True
    bound = 1.0
    for rank, called in enumerate(RANKS):
        here = within & (name[:, rank] >= 0)
        if not here.any():
            continue
        # The names of this rank alone, as all names of all records may be very many.
        numbers, which = np.unique(name[here, rank], return_inverse=True)
        names = [said.names[number] for number in numbers.tolist()]
        mass = np.bincount(which, probability[here, rank])
        standing = np.bincount(which, depth[here] >= rank)
        # What more stand by goes before what is more probable, so that the path holds.
        order = sorted(
            range(len(names)),
            key=lambda n: (
                -standing[n] if standing[n] > agree * len(members) else 0,
                -mass[n],
                names[n],
            ),
        )
        share = float(standing[order[0]]) / len(members)
        bound = min(bound, float(mass[order[0]]) / len(members))
        best = int(numbers[order[0]])
        path.append(Guess(called, said.names[best], bound, share))
        # A lineage that lacks this rank says nothing against what is below.
        lacking = int((within & (name[:, rank] < 0) & (depth > rank)).sum()) / len(members)
        held = held and share + lacking > agree
        stood = len(path) if held and share > agree else stood
        # A member that has no name at this rank may still agree below it.
        within &= (name[:, rank] == best) | (name[:, rank] < 0)
    return Landing(tuple(path), stood)
