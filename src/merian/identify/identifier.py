"""The identifier: a library that answers what a barcode is, and how sure that is.

Answers to one query depend on the library and the choice alone, not on what else is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.barcode import describe
from merian.identify.by_length import lines_of, promises_of
from merian.identify.determination import Determination, Match, Outcome, Trace
from merian.identify.fitting import score
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.learning import Learnt, open_learnt
from merian.identify.posterior import Chains, Posterior, chains_of, mix_of, posterior_of
from merian.identify.promise import Choice, Promise, stands
from merian.identify.wording import Case, describe_case
from merian.library import Library
from merian.library.neighbours import Finder, Neighbours, find, finder_of, joined

__all__ = ["Identifier"]

_TOLD = 5  # references in a determination
_DECIMALS = 12  # of probabilities; the rest hangs on the order of a sum


@dataclass(frozen=True)
class _Asked:
    """What was found for queries: the neighbours, and the scores of all outcomes."""

    neighbours: Neighbours
    first: NDArray[np.int64]  # where the neighbours of each query begin
    offset: NDArray[np.int64]
    rung: NDArray[np.int32]
    length: NDArray[np.int8]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class _Answered:
    """What queries are: how probable each outcome is, the best guesses, and how far they hold."""

    asked: _Asked
    posterior: Posterior
    chains: Chains
    depth: NDArray[np.int64]


class Identifier:
    """A library that answers, in the way that was chosen.

    Attributes:
        library: The library.
        choice: What was chosen.
        promise: What is promised for whole barcodes.
    """

    library: Library
    choice: Choice
    promise: Promise

    def __init__(self, library: Library, choice: Choice) -> None:
        self.library, self.choice = library, choice
        self.ladder: Ladder = ladder_of(library)
        self._finder: Finder = finder_of(library)
        self._learnt: Learnt = open_learnt(library, self.ladder)
        self._mix = strata.expanded(choice.novelty)
        self._promises = promises_of(self._learnt.simulated, self.ladder, choice)
        self.promise = self._promises[0]

    @staticmethod
    def open(library: Library | Path | str, choice: Choice | None = None) -> Identifier:
        """Open a library for answers."""
        opened = library if isinstance(library, Library) else Library.open(library)
        return Identifier(opened.of_kind("barcode"), choice or Choice())

    def promised(self) -> list[str]:
        """Say in plain words what is promised, for whole barcodes and for pieces."""
        lines = lines_of(self._promises)
        if encoder := self.library.header.get("encoder"):
            lines.append(
                f"vectors of {encoder['name']} ({encoder['id']}) are a part of the evidence"
            )
        return lines

    def identify(self, queries: Sequence[str]) -> list[Determination]:
        """Return what each query is.

        Args:
            queries: Clean sequences, as `merian.barcode.read_query` returns them.
        """
        return self.weigh(queries)[0] if queries else []

    def weigh(self, queries: Sequence[str]) -> tuple[list[Determination], Posterior]:
        """Return what each query is, and how probable everything is that it may be.

        Args:
            queries: One at least, as for `identify`.
        """
        found = self._answer(queries)
        answers = [self._determination(found, number) for number in range(len(queries))]
        return answers, found.posterior

    def estimate_novelty(self, queries: Sequence[str]) -> tuple[float, float, float, float]:
        """Return the mix of strata under which these queries are most probable.

        The shares of those whose species is in the library, and whose species, genus, family is
        not.
        """
        asked = self._ask(queries)
        mix = mix_of(asked.scores, asked.offset, asked.rung, self.ladder)
        present, species, genus = (round(float(share), 4) for share in mix[:3])
        return present, species, genus, round(1 - present - species - genus, 4)

    def trace(self, query: str) -> Trace:
        """Return how the answer to one query comes about."""
        found = self._answer([query])
        posterior, chains = found.posterior, found.chains
        order = np.argsort(-posterior.probability, kind="stable")
        outcomes = [
            self._outcome(int(posterior.rung[i]), float(posterior.probability[i])) for i in order
        ]
        path = [
            (rank, self._name(rung), float(support))
            for rank, rung, support in zip(
                self.ladder.ranks, chains.rung[0].tolist(), chains.support[0].tolist(), strict=True
            )
            if rung >= 0 and self.ladder.node[rung] >= 0
        ]
        return Trace(
            query,
            self._determination(found, 0),
            path,
            self._promises[int(found.asked.length[0])].thresholds,
            outcomes,
            self._matches(found.asked, 0, None),
        )

    def _ask(self, queries: Sequence[str]) -> _Asked:
        """Find what is near to queries, and score what each may be."""
        kin = self._finder.kin_of(queries)
        found = [
            find(self._finder, query, number=n, kin=near)[0]
            for n, (query, near) in enumerate(zip(queries, kin, strict=True))
        ]
        neighbours = joined(found)
        described = describe(neighbours, len(queries), self._learnt.clades)
        scores = score(described, self._learnt.weights)
        first = np.cumsum([0, *(len(near) for near in found)])
        return _Asked(neighbours, first, described.offset, described.rung, described.length, scores)

    def _answer(self, queries: Sequence[str]) -> _Answered:
        """Find out what queries are, and how far down that is promised."""
        asked = self._ask(queries)
        whole = posterior_of(asked.scores, asked.offset, asked.rung, self.ladder, self._mix)
        posterior = replace(whole, probability=np.round(whole.probability, _DECIMALS))
        chains = chains_of(posterior, self.ladder)
        thresholds = np.array([[*promise.thresholds.values()] for promise in self._promises])
        depth = stands(chains, self.ladder, thresholds[asked.length])
        return _Answered(asked, posterior, chains, depth)

    def _name(self, rung: int) -> str:
        node = int(self.ladder.node[rung]) if rung >= 0 else -1
        return self.library.taxonomy.name_of(node) if node >= 0 else ""

    def _named_above(self, rung: int) -> int:
        """Return the next rung, from one upwards, that has a name."""
        while rung >= 0 and self.ladder.node[rung] < 0:
            rung = int(self.ladder.parent[rung])
        return rung

    def _outcome(self, rung: int, probability: float) -> Outcome:
        ladder = self.ladder
        group = int(ladder.group[rung]) if rung >= 0 else -1
        lowest = rung >= 0 and int(ladder.rank[rung]) == len(ladder.ranks) - 1
        named = self._named_above(rung)
        return Outcome(
            ladder.ranks[int(ladder.rank[named])] if named >= 0 else "",
            self._name(named),
            not lowest,
            self.library.group_name[group] if group >= 0 else "",
            probability,
            int(ladder.node[named]) if named >= 0 else -1,
        )

    def _matches(self, asked: _Asked, number: int, count: int | None) -> list[Match]:
        """Return the references near to a query, the nearest first."""
        near = asked.neighbours
        rows = np.arange(asked.first[number], asked.first[number + 1])
        distance = near.mismatches[rows] / np.maximum(near.overlap[rows], 1)
        order = np.lexsort((near.entry[rows], -near.overlap[rows], distance))
        return [self._match(near, int(row)) for row in rows[order][:count]]

    def _match(self, near: Neighbours, row: int) -> Match:
        entry = int(near.entry[row])
        mismatches, overlap = int(near.mismatches[row]), int(near.overlap[row])
        record = int(self.library.record[self.library.first_record[entry]])
        return Match(
            entry,
            self.library.reference(record).id,
            self.library.name_of(entry),
            1 - mismatches / overlap,
            overlap,
            mismatches,
            bool(near.reverse[row]),
            None if near.kin is None else float(near.kin[row]),
        )

    def _determination(self, found: _Answered, number: int) -> Determination:
        """Put into words what was found for one query."""
        rungs, support = found.chains.rung[number], found.chains.support[number]
        ranks = self.ladder.ranks
        names, probabilities = {}, {}
        for rank, rung, share in zip(ranks, rungs.tolist(), support.tolist(), strict=True):
            if rung >= 0 and self.ladder.node[rung] >= 0:
                names[rank], probabilities[rank] = self._name(rung), share
        depth = int(found.depth[number])
        at = self._named_above(int(rungs[depth - 1])) if depth else -1
        case = self._case(found, number, at)
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
            alpha=self.choice.alpha,
        )

    def _case(self, found: _Answered, number: int, at: int) -> Case:
        """Gather what is to be said of one query that stands at a rung."""
        ladder, posterior = self.ladder, found.posterior
        begin, stop = posterior.offset[number], posterior.offset[number + 1]
        shares, rungs = posterior.probability[begin:stop], posterior.rung[begin:stop]
        order = np.argsort(-shares, kind="stable")[:2]
        best, *rest = (self._outcome(int(rungs[i]), float(shares[i])) for i in order)
        rank = int(ladder.rank[at]) if at >= 0 else -1
        species = ladder.rank[rungs] == len(ladder.ranks) - 1
        species &= rungs >= 0
        named = species & (ladder.group[rungs] < 0)
        return Case(
            rank=ladder.ranks[rank] if at >= 0 else "",
            name=self._name(at),
            probability=float(found.chains.support[number, rank]) if at >= 0 else 1.0,
            best=best,
            runner_up=rest[0] if rest else None,
            present=float(shares[named].sum()),
            unnamed=float(shares[species & ~named].sum()),
            matches=self._matches(found.asked, number, _TOLD),
            species=self._nearest_species(found.asked, number),
            usual_length=self._learnt.clades.usual_length,
            unmet=len(rungs) == 1,
        )

    def _nearest_species(self, asked: _Asked, number: int) -> Sequence[tuple[str, str, int]]:
        """Return the species that are nearest, all equally: name, genus, and how many records."""
        near = asked.neighbours
        rows = np.arange(asked.first[number], asked.first[number + 1])
        if not len(rows):
            return []
        distance = near.mismatches[rows] / near.overlap[rows]
        entries = near.entry[rows[distance == distance.min()]]
        records = self._learnt.clades.records
        found = {}
        for path in self.ladder.path[entries].tolist():
            if self.ladder.group[path[-1]] < 0:
                genus = self._name(path[-2]) if len(path) > 1 else ""
                found[self._name(path[-1])] = (genus, int(records[path[-1]]))
        return [(name, *said) for name, said in sorted(found.items())]
