"""The identifier: a library that answers what a barcode or a picture is, and how sure that is.

Answers to one query depend on the library and the choice alone, not on what else is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.barcode_evidence import BarcodeEvidence
from merian.identify.determination import Determination, Trace
from merian.identify.evidence import Asked, Evidence
from merian.identify.ladder import Ladder
from merian.identify.picture_evidence import PictureEvidence
from merian.identify.posterior import Chains, Posterior, chains_of, mix_of, posterior_of
from merian.identify.promise import Choice, Promise, stands
from merian.identify.telling import Found, Teller, rounded
from merian.library import Library

__all__ = ["Identifier", "evidence_of"]

_TOLD = 5  # references in a determination


@dataclass(frozen=True)
class _Answered:
    """What queries are: how probable each outcome is, the best guesses, and how far they hold."""

    asked: Asked
    posterior: Posterior
    chains: Chains
    depth: NDArray[np.int64]


def evidence_of(library: Library) -> Evidence:
    """Return the evidence of a library, of its kind."""
    return PictureEvidence(library) if library.kind == "picture" else BarcodeEvidence(library)


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

    def __init__(self, library: Library, choice: Choice, evidence: Evidence | None = None) -> None:
        """Get ready to answer.

        Args:
            library: What answers.
            choice: What is chosen.
            evidence: Of what it is asked about, if that is not what it holds.
        """
        self.library, self.choice = library, choice
        self.evidence: Evidence = evidence or evidence_of(library)
        self.ladder: Ladder = self.evidence.ladder
        taxonomy, groups = library.taxonomy, library.group_name
        self._teller = Teller(self.ladder, taxonomy.name_of, groups.__getitem__, choice.alpha)
        self._mix = strata.expanded(choice.novelty)
        self._promises = self.evidence.promises(choice)
        self.promise = self._promises[0]

    @staticmethod
    def open(library: Library | Path | str, choice: Choice | None = None) -> Identifier:
        """Open a library for answers."""
        opened = library if isinstance(library, Library) else Library.open(library)
        return Identifier(opened.of_kind("barcode"), choice or Choice())

    def promised(self) -> list[str]:
        """Say in plain words what is promised."""
        return self.evidence.lines(self._promises)

    def identify(self, queries: Sequence[Any]) -> list[Determination]:
        """Return what each query is.

        Args:
            queries: Clean sequences, as `merian.barcode.read_query` returns them; or vectors of
                pictures, as `PictureEvidence.queries` makes them.
        """
        return self.weigh(queries)[0] if queries else []

    def weigh(
        self, queries: Sequence[Any]
    ) -> tuple[list[Determination], Posterior, NDArray[np.int8]]:
        """Return what each query is, how probable all is that it may be, and which promise held.

        Args:
            queries: One at least, as for `identify`.
        """
        found = self._answer(queries)
        answers = [self._determination(found, number) for number in range(len(queries))]
        return answers, found.posterior, found.asked.length

    def estimate_novelty(self, queries: Sequence[Any]) -> tuple[float, float, float, float]:
        """Return the mix of strata under which these queries are most probable.

        The shares of those whose species is in the library, and whose species, genus, family is
        not.
        """
        asked = self.evidence.ask(queries)
        mix = mix_of(asked.scores, asked.offset, asked.rung, self.ladder)
        present, species, genus = (round(float(share), 4) for share in mix[:3])
        return present, species, genus, round(1 - present - species - genus, 4)

    def trace(self, query: str) -> Trace:
        """Return how the answer to one query comes about."""
        found = self._answer([query])
        posterior, chains, teller = found.posterior, found.chains, self._teller
        order = np.argsort(-posterior.probability, kind="stable")
        outcomes = [
            teller.outcome(int(posterior.rung[i]), float(posterior.probability[i])) for i in order
        ]
        path = [
            (rank, teller.name(rung), float(support))
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
            self.evidence.matches(found.asked, 0, None),
        )

    def _answer(self, queries: Sequence[Any]) -> _Answered:
        """Find out what queries are, and how far down that is promised."""
        asked = self.evidence.ask(queries)
        posterior = rounded(
            posterior_of(asked.scores, asked.offset, asked.rung, self.ladder, self._mix)
        )
        chains = chains_of(posterior, self.ladder)
        thresholds = np.array([[*promise.thresholds.values()] for promise in self._promises])
        depth = stands(chains, self.ladder, thresholds[asked.length])
        return _Answered(asked, posterior, chains, depth)

    def _determination(self, found: _Answered, number: int) -> Determination:
        """Put into words what was found for one query."""
        evidence = self.evidence
        told = Found(
            evidence.kind,
            evidence.matches(found.asked, number, _TOLD),
            evidence.nearest_species(found.asked, number),
            evidence.usual_length,
        )
        return self._teller.determination(
            found.posterior, found.chains, int(found.depth[number]), number, told
        )
