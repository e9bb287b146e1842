"""From a posterior to a determination: the name that is stood by, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from merian.identify.determination import Determination, Match, Outcome
from merian.identify.ladder import Ladder
from merian.identify.posterior import Chains, Posterior
from merian.identify.wording import Case, describe_case

__all__ = ["Found", "Teller", "rounded"]

_DECIMALS = 12  # of probabilities; the rest hangs on the order of a sum


def rounded(posterior: Posterior) -> Posterior:
    """Return a posterior without what hangs on the order of a sum."""
    return replace(posterior, probability=np.round(posterior.probability, _DECIMALS))


@dataclass(frozen=True)
class Found:
    """What an answer stands on.

    Attributes:
        kind: Of the evidence, or "consensus".
        matches: The nearest references, the nearest first.
        species: The species that are nearest, all equally: name, genus, records.
        usual_length: Bases of a usual reference.
        says: Of a consensus, what each kind of evidence says, in words.
    """

    kind: str
    matches: Sequence[Match]
    species: Sequence[tuple[str, str, int]] = field(default=())
    usual_length: float = 0.0
    says: Sequence[str] = field(default=())


@dataclass(frozen=True, eq=False)
class Teller:
    """Puts what was found into words, in the names of a tree.

    Attributes:
        ladder: The tree.
        node_name: Returns the name of a node of its rungs.
        group_name: Returns that of an unnamed group.
        alpha: The share of wrong answers that is promised not to be exceeded.
    """

    ladder: Ladder
    node_name: Callable[[int], str]
    group_name: Callable[[int], str]
    alpha: float

    def name(self, rung: int) -> str:
        """Return the name of a rung, or ""."""
        node = int(self.ladder.node[rung]) if rung >= 0 else -1
        return self.node_name(node) if node >= 0 else ""

    def named_above(self, rung: int) -> int:
        """Return the next rung, from one upwards, that has a name."""
        while rung >= 0 and self.ladder.node[rung] < 0:
            rung = int(self.ladder.parent[rung])
        return rung

    def outcome(self, rung: int, probability: float) -> Outcome:
        """Return an outcome, given its rung."""
        ladder = self.ladder
        group = int(ladder.group[rung]) if rung >= 0 else -1
        lowest = rung >= 0 and int(ladder.rank[rung]) == len(ladder.ranks) - 1
        named = self.named_above(rung)
        return Outcome(
            ladder.ranks[int(ladder.rank[named])] if named >= 0 else "",
            self.name(named),
            not lowest,
            self.group_name(group) if group >= 0 else "",
            probability,
            int(ladder.node[named]) if named >= 0 else -1,
        )

    def determination(
        self, posterior: Posterior, chains: Chains, depth: int, number: int, found: Found
    ) -> Determination:
        """Return what one query is.

        Args:
            posterior: Of several queries.
            chains: Their best guesses.
            depth: How many ranks down the one stands.
            number: Which one it is.
            found: What the answer stands on.
        """
        rungs, support = chains.rung[number], chains.support[number]
        names, probabilities = {}, {}
        for rank, rung, share in zip(
            self.ladder.ranks, rungs.tolist(), support.tolist(), strict=True
        ):
            if rung >= 0 and self.ladder.node[rung] >= 0:
                names[rank], probabilities[rank] = self.name(rung), share
        at = self.named_above(int(rungs[depth - 1])) if depth else -1
        case = self._case(posterior, chains, number, at, found)
        said = describe_case(case)
        return Determination(
            node=int(self.ladder.node[at]) if at >= 0 else -1,
            rank=case.rank,
            name=case.name,
            probability=case.probability,
            names=names,
            probabilities=probabilities,
            runner_up=said.runner_up,
            runner_up_probability=case.runner_up.probability if case.runner_up else 0.0,
            group=case.best.group,
            verdict=said.verdict,
            flags=said.flags,
            explanation=said.explanation,
            matches=case.matches,
            alpha=self.alpha,
            evidence=found.kind,
        )

    def _case(
        self, posterior: Posterior, chains: Chains, number: int, at: int, found: Found
    ) -> Case:
        """Gather what is to be said of one query that stands at a rung."""
        ladder = self.ladder
        begin, stop = posterior.offset[number], posterior.offset[number + 1]
        shares, rungs = posterior.probability[begin:stop], posterior.rung[begin:stop]
        order = np.argsort(-shares, kind="stable")[:2]
        best, *rest = (self.outcome(int(rungs[i]), float(shares[i])) for i in order)
        rank = int(ladder.rank[at]) if at >= 0 else -1
        species = ladder.rank[rungs] == len(ladder.ranks) - 1
        species &= rungs >= 0
        named = species & (ladder.group[rungs] < 0)
        return Case(
            rank=ladder.ranks[rank] if at >= 0 else "",
            name=self.name(at),
            probability=float(chains.support[number, rank]) if at >= 0 else 1.0,
            best=best,
            runner_up=rest[0] if rest else None,
            present=float(shares[named].sum()),
            unnamed=float(shares[species & ~named].sum()),
            matches=found.matches,
            species=found.species,
            usual_length=found.usual_length,
            unmet=len(rungs) == 1,
            kind=found.kind,
            says=found.says,
        )
