"""The consensus: what all evidence of a record says together, with a promise of its own.

That two libraries are each right as often as they promise says nothing about what they say
together. So what they have learnt on is paired: a simulated barcode and a simulated picture of one
species, of which both libraries lack as much, or of which only one has it. On these pairs it is
learnt what each kind of evidence is worth beside the other, and the promise is chosen on them; it
is kept in each of these cases by itself, whatever their mixture is, with whole barcodes and with
pieces of them. Where one library of barcodes answers both, it has a species or lacks it for both.
Given what a record is, its barcode is taken to say nothing about how its picture
looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.described import Described
from merian.identify.evidence import Evidence
from merian.identify.fitting import fit, score
from merian.identify.fusion import Said, Witness, fuse, prior_of
from merian.identify.joint import Joint, join
from merian.identify.ladder import ROOT
from merian.identify.learning import FOLDS, cross_fitted
from merian.identify.place_evidence import COLUMNS, PlaceEvidence, Spot
from merian.identify.posterior import Posterior, posterior_of
from merian.identify.presence import BOUND
from merian.identify.promise import Choice, Promise, promise_of
from merian.identify.simulations import Simulations
from merian.identify.together import Decided, Together

__all__ = ["PLACE", "Consensus"]

_PAIRS = 12_000  # simulated records at most, for each set of libraries
_DRAWS = 8  # of pairs of what libraries say of a species, where they were asked several times
_PULL = 20.0  # of the worth of evidence towards 1
_FAST = 1e6  # the same, of what is not weighed anew
_ALIKE = 3.0  # the records of one species say as much as one in so many of independent ones
_SEED = 0
_NEVER = 1.1  # no probability reaches it
PLACE = -1
"""Stands among the numbers of libraries where place and date are evidence too."""
_MOST = np.log(100.0)  # by how much a place may raise or lower a score

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Simulated:
    """A record that is simulated: what it is, and what each library says of it."""

    species: int
    absent: int  # what all libraries lack; ROOT if one has the species
    case: int
    witnesses: tuple[Witness, ...]


class Consensus:
    """Several libraries that answer about one record.

    Attributes:
        joint: Their tree.
        choice: What was chosen.
        told: What decides, by the numbers of libraries; with `PLACE` among them, of records whose
            place is known.
        place: What place and date say, if they are asked.
    """

    joint: Joint
    choice: Choice
    told: dict[tuple[int, ...], Decided]

    def __init__(
        self,
        evidence: Mapping[str, Evidence],
        choice: Choice,
        told: Mapping[tuple[int, ...], Decided] | None = None,
    ) -> None:
        """Join the trees.

        Args:
            evidence: By the name of the library.
            choice: What is chosen.
            told: What another process has learnt of some of them together.
        """
        self.told = dict(told or {})
        self._evidence = [*evidence.values()]
        self.choice = choice
        self.joint = join(
            [one.library for one in self._evidence], [one.ladder for one in self._evidence]
        )
        ladder = self.joint.ladder
        taxa = (ladder.node >= 0) | (ladder.group >= 0)
        self._priors = [
            prior_of(ladder, taxa & (base[:-1] == np.arange(len(ladder))), strata.USUAL)
            for base in self.joint.base
        ]
        self._prior = prior_of(ladder, taxa, strata.USUAL)
        self.place: PlaceEvidence | None = None
        self._mix = strata.expanded(choice.novelty)
        self._together = cache(self._learn)
        self._simulated_witnesses = cache(self._witnesses_of)

    def together(self, libraries: Sequence[int]) -> Together:
        """Return what is known of some libraries together; learnt when it is first asked."""
        return self._together(tuple(sorted(set(libraries))))

    def decided(self, libraries: Sequence[int]) -> Decided:
        """Return what decides the answers of some libraries together."""
        key = tuple(sorted(set(libraries)))
        if key not in self.told:
            found = self._together(key)
            needed = [
                [float(one) for one in found.promise(piece=piece).thresholds.values()]
                for piece in (False, True)
            ]
            self.told[key] = Decided(found.worth.tolist(), *needed)
        return self.told[key]

    def posterior(self, witnesses: Sequence[Witness], spot: Spot | None = None) -> Posterior:
        """Return what a record may be.

        Args:
            witnesses: What the libraries say of it.
            spot: Where and when it was found, if that is evidence too.
        """
        said = fuse(self.joint, witnesses, self._priors)
        rows = self._rows(said)[:, 1:]
        own = [witness.library for witness in witnesses]
        if self.place is not None and spot is not None:
            own.append(PLACE)
            number = np.zeros(len(said.rung), np.int64)
            rows = np.concatenate([rows, self.place.rows([spot], number, said.rung)], axis=1)
        worth = np.array(self.decided(own).worth)
        offset = np.array([0, len(said.rung)], np.int64)
        return posterior_of(rows @ worth, offset, said.rung, self.joint.ladder, self._mix)

    def told_by_place(
        self, witnesses: Sequence[Witness], spot: Spot, rungs: Sequence[int]
    ) -> Floats:
        """Return by how much place and date multiply the odds of taxa, as they are weighed."""
        if self.place is None:
            return np.ones(len(rungs))
        worth = np.array(self.decided([*(w.library for w in witnesses), PLACE]).worth)[-COLUMNS:]
        number = np.zeros(len(rungs), np.int64)
        told: Floats = np.exp(self.place.rows([spot], number, np.array(rungs, np.int32)) @ worth)
        return told

    def _rows(self, said: Said) -> Floats:
        """Return the numbers that describe outcomes: 1, the prior, and what each library says."""
        prior = self._prior[said.rung]
        return np.concatenate([np.ones((len(prior), 1)), prior[:, None], said.told], axis=1)

    # -- learning -------------------------------------------------------------------------------

    def _learn(self, numbers: tuple[int, ...]) -> Together:
        libraries = tuple(number for number in numbers if number != PLACE)
        place = self.place if PLACE in numbers else None
        usual = np.ones(2 + len(self._evidence))
        usual[0] = 0
        ladder = self.joint.ladder
        if len(libraries) == 1 and place is None:
            # Several pictures, or barcodes, by one library: they count by their mean, and are held
            # to what is promised for the least of one. That this is enough is not simulated.
            whole, *pieces = (
                replace(own, thresholds={r: own.thresholds.get(r, _NEVER) for r in ladder.ranks})
                for own in self._evidence[libraries[0]].promises(self.choice)
            )
            return Together(usual[1:], (whole,), tuple(pieces))
        records = self._simulate(libraries, place)
        if place is not None and place.placed:  # once without the site, once without its cube
            records = [one for one in records for _ in range(2)]
        said = [fuse(self.joint, one.witnesses, self._priors) for one in records]
        offset = np.cumsum([0, *(len(one.rung) for one in said)]).astype(np.int64)
        empty = np.empty((0, len(usual)))
        rung = np.concatenate([np.empty(0, np.int32), *(one.rung for one in said)]).astype(np.int32)
        rows = np.concatenate([empty, *(self._rows(one) for one in said)])
        case = np.array([one.case for one in records], np.int64)
        pull = np.full(len(usual), _PULL)
        if place is not None:
            if len(libraries) == 1:
                pull[1:] = _FAST  # what it says was weighed when it was built
            pull = np.append(pull, np.full(COLUMNS, _PULL))
            usual = np.append(usual, np.zeros(COLUMNS))  # what a place is worth a library must say
            drawn = place.draw(
                [one.species for one in records], [one.absent for one in records],
                np.arange(len(records)) % 2 > 0,
            )  # fmt: skip
            number = np.repeat(np.arange(len(records)), np.diff(offset))
            rows = np.concatenate([rows, place.simulated_rows(drawn, number, rung)], axis=1)
            case += drawn.block * _case(1 + len(libraries), ())
        described = Described(
            offset, rung, np.zeros(len(records), np.int8), (np.arange(offset[-1]),), (rows,)
        )
        true, stratum, genus, weight = self._truth(records, case)
        at_true = _places(described, true)
        importance = _importance(stratum, weight)

        def fitted(part: Described, own: NDArray[np.int64], worth: Floats) -> list[Floats]:
            (found,) = fit(part, own, worth, [usual], pull=pull)
            return [_bounded(found) if place is not None else found]

        (found,) = fitted(described, at_true, importance)
        genera, number = np.unique(genus, return_inverse=True)
        fold = (np.random.default_rng(_SEED).permutation(len(genera)) % FOLDS)[number.reshape(-1)]
        scores = cross_fitted(described, at_true, importance, fold, fitted)
        if len(genera) <= 1:
            scores = score(described, [usual])
        simulated = Simulations(
            offset, described.rung, scores.astype(np.float32), stratum, genus, weight, true,
            case.astype(np.int8),
        )  # fmt: skip
        return Together(found[1:], *self._promised(libraries, simulated))

    def _promised(
        self, libraries: tuple[int, ...], simulated: Simulations
    ) -> tuple[tuple[Promise, ...], tuple[Promise, ...]]:
        """Choose the promise of each case, with whole barcodes and with pieces.

        Whether a barcode is a piece is seen; the case is not, so each is as strict as those before.
        """
        promises: list[Promise] = []
        cases = {0, *(1 + alone for alone, _ in self._apart(libraries))}
        every = _case(1 + len(libraries), ())
        blocks = 2 if simulated.length.max(initial=0) >= every else 1  # a whole cube was left out
        asked = [case for case in range(blocks * every) if case % every // 2 in cases]
        whole = [case for case in asked if case % 2 == 0]
        barcodes = any(self._evidence[number].kind == "barcode" for number in libraries)
        pieces = [case for case in asked if case % 2] if barcodes else []
        for case in (*whole, *pieces):
            least = np.array([*promises[-1].thresholds.values()]) if promises else None
            part = simulated.taken(simulated.length == case)
            promises.append(promise_of(part, self.joint.ladder, self.choice, least))
        return tuple(promises[: len(whole)]), tuple(promises[len(whole) :])

    def _simulate(
        self, libraries: tuple[int, ...], place: PlaceEvidence | None
    ) -> list[_Simulated]:
        """Return records that the libraries are asked about together."""
        known = [self._simulated_witnesses(library) for library in libraries]
        shared = sorted(set.intersection(*(set(one) for one in known)))
        if place is not None:
            shared = [species for species in shared if place.has(species)]
        random = np.random.default_rng(_SEED)
        found: list[_Simulated] = []
        for species in random.permutation(np.array(shared, np.int64)).tolist():
            found += self._of_species(libraries, species, [one[species] for one in known], random)
            if len(found) >= _PAIRS:
                break
        return found

    def _apart(self, libraries: tuple[int, ...]) -> list[tuple[int, set[int]]]:
        """Return the places of what may alone have a species, each with all that then have it.

        Two kinds of evidence by one library have the same species.
        """
        by: dict[str, list[int]] = {}
        for place, number in enumerate(libraries):
            by.setdefault(self._evidence[number].library.hash, []).append(place)
        return [(ours[0], set(ours)) for ours in by.values()] if len(by) > 1 else []

    def _of_species(
        self,
        libraries: tuple[int, ...],
        species: int,
        known: Sequence[Mapping[int, Sequence[Witness]]],
        random: np.random.Generator,
    ) -> Iterator[_Simulated]:
        """Return the records of a species, by what the libraries lack of it."""

        def drawn(asked: Sequence[int]) -> Iterator[tuple[Witness, ...]]:
            lists = [one[absent] for one, absent in zip(known, asked, strict=True)]
            most = max(map(len, lists))
            turns = [random.permutation(len(some)).tolist() for some in lists]
            for draw in range(min(_DRAWS, most) if len(lists) > 1 else most):
                yield tuple(
                    some[turn[draw % len(some)]] for some, turn in zip(lists, turns, strict=True)
                )

        # What all lack is the same taxon, or it is one alone that has the species.
        every = [absent for absent in known[0] if all(absent in one for one in known)]
        for absent in every:
            for witnesses in drawn([absent] * len(known)):
                yield _Simulated(species, absent, _case(0, witnesses), witnesses)
        for alone, ours in self._apart(libraries):
            if not all(ROOT in known[number] for number in ours):
                continue
            others = [one for number, one in enumerate(known) if number not in ours]
            for absent in others[0]:
                if absent != ROOT and all(absent in one for one in others):
                    asked = [ROOT if n in ours else absent for n in range(len(known))]
                    for witnesses in drawn(asked):
                        case = _case(1 + alone, witnesses)
                        yield _Simulated(species, ROOT, case, witnesses)

    def _witnesses_of(self, library: int) -> dict[int, dict[int, list[Witness]]]:
        """Return what a library says of its simulated queries: by species, by what is absent."""
        evidence = self._evidence[library]
        simulated, own = evidence.simulated, evidence.ladder
        found: dict[int, dict[int, list[Witness]]] = {}
        if not len(simulated.own):
            return found
        posterior = posterior_of(
            simulated.score.astype(np.float64), simulated.offset, simulated.rung, own
        )
        path = own.paths(simulated.own)
        level = (simulated.true >= 0).sum(axis=1) - 1
        for number, (rungs, at) in enumerate(zip(path.tolist(), level.tolist(), strict=True)):
            # A stand-in is not there in the joint tree; the first that has a name is.
            below = [r for r in rungs[at + 1 :] if own.node[r] >= 0 or own.group[r] >= 0]
            absent = int(self.joint.to[library][below[0]]) if below else ROOT
            part = slice(int(posterior.offset[number]), int(posterior.offset[number + 1]))
            witness = Witness.of(
                self.joint, library, posterior.rung[part], posterior.probability[part], absent,
                piece=bool(simulated.length[number]),
            )  # fmt: skip
            species = int(self.joint.to[library][rungs[-1]])
            found.setdefault(species, {}).setdefault(absent, []).append(witness)
        return found

    def _truth(
        self, records: Sequence[_Simulated], case: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.int32], NDArray[np.float32]]:
        """Return the true rungs of records, their stratum, their genus and their weight."""
        ladder = self.joint.ladder
        ranks = len(ladder.ranks)
        species = np.array([one.species for one in records], np.int32)
        absent = np.array([one.absent for one in records], np.int32)
        path = ladder.paths(species)
        level = np.where(absent == ROOT, ranks, ladder.rank[absent]) - 1
        true = np.where(np.arange(ranks)[None, :] <= level[:, None], path, -2).astype(np.int32)
        stratum = strata.of_outcomes(ladder.ranks)[level]
        rank = ladder.ranks.index("genus") if "genus" in ladder.ranks else max(0, ranks - 2)
        # Species of a genus count alike in each case and stratum.
        key = (case * (ranks + 1) + stratum) * (len(ladder) + 1) + species
        number = np.unique(key, return_inverse=True)[1].reshape(-1)
        weight = (1 / np.bincount(number)[number]) if len(records) else np.empty(0)
        return true, stratum, path[:, rank], weight.astype(np.float32)


def _bounded(weights: Floats) -> Floats:
    """Return weights of which those of place and date move no score by more than `_MOST`."""
    found = weights.copy()
    of_each = np.abs(found[-COLUMNS:]).reshape(2, -1).sum(axis=1) * BOUND
    found[-COLUMNS:] *= np.repeat(np.minimum(1, _MOST / np.maximum(of_each, 1e-9)), COLUMNS // 2)
    return found


def _case(who: int, witnesses: Sequence[Witness]) -> int:
    """Return the number of a case: who has the species, and whether a barcode is but a piece."""
    return 2 * who + any(witness.piece for witness in witnesses)


def _places(described: Described, true: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the place of the true outcome of each record: as low as there is one."""
    found = described.offset[1:] - 1  # the root is the last outcome
    query = described.query
    for rank in range(true.shape[1]):
        right = np.flatnonzero(described.rung == true[query, rank])
        right = right[described.rung[right] >= 0]
        found[query[right]] = right
    return found


def _importance(stratum: NDArray[np.int8], weight: NDArray[np.float32]) -> Floats:
    """Return the importance of each record: the strata as they usually are."""
    found = weight.astype(np.float64)
    for number, usual in enumerate(strata.USUAL):
        here = stratum == number
        if here.any():
            found[here] *= usual / found[here].sum()
    if len(found):
        found *= len(found) / _ALIKE / found.sum()
    return found
