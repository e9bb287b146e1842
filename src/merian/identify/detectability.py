"""What a sample's DNA list says of a taxon: how often it is listed where it is, and where not.

A list is no mask: DNA misses what is there, and lists what nobody sees. Of samples whose content is
known it is learnt how probable the list has a taxon that is there (its detectability) and one that
is not, both as logistic regressions whose numbers are sums down the tree: what is listed anyway,
and how much likelier it is listed where it is. Each step down is held back by a normal prior, so a
taxon that few samples tell of has what its parent has. How far steps may go is chosen by how well
samples that were left out are foretold. Where nobody knows whether a taxon is there, that is filled
in by expectation, so that lists alone tell how common listing is.

The evidence of a taxon is log P(list | it is there) / P(list), and is 0 for a sample with no list.

References: MacKenzie et al., Ecology 2002 (detection), Royle & Link, Ecology 2006 (false
detection); Dempster, Laird & Rubin, JRSS B 1977.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.special import expit

from merian.errors import InputError

__all__ = ["Detectability", "Listings", "Steps", "choose_steps", "learn_detectability", "weighed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROOT = 2.0  # of a logit; the prior's spread of what all taxa have in common
_COMMON, _LIKELIER = (0.5, 1.0, 2.0, 4.0), (0.25, 0.5, 1.0, 2.0)
_FOLDS, _ROUNDS, _NEAR = 5, 100, 1e-4
_STEPS, _ENOUGH = 40, 1e-8
_CERTAIN = 1e-3  # nothing is surer than this


@dataclass(frozen=True, eq=False)
class Listings:
    """Samples, what is there, and what their lists have.

    Attributes:
        samples: Their names.
        kinds: Taxa that things are named as.
        paths: The taxa above each kind, from the top.
        present: float64[samples, kinds]; how probable the kind is there; NaN where nobody knows.
        listed: float64[samples, kinds]; 1 where it is listed, 0 where not; NaN without a list.
    """

    samples: Sequence[str]
    kinds: Sequence[str]
    paths: Sequence[tuple[str, ...]]
    present: Floats
    listed: Floats

    def only(self, chosen: NDArray[np.bool_]) -> Listings:
        """Return some of the samples."""
        names = [name for name, kept in zip(self.samples, chosen, strict=True) if kept]
        return replace(
            self, samples=names, present=self.present[chosen], listed=self.listed[chosen]
        )

    @property
    def both(self) -> NDArray[np.bool_]:
        """Of which samples something tells both what is there and what is listed."""
        lacking = np.isnan(self.present).all(axis=1) | np.isnan(self.listed).all(axis=1)
        return np.asarray(~lacking, bool)

    def folds(self, many: int) -> Ints:
        """Return int64[samples]: in which of several parts each is left out.

        Samples that tell both are dealt out first: however they stand among the others, no part
        has them all if there are two.
        """
        order = np.argsort(~self.both, kind="stable")
        fold = np.empty(len(order), np.int64)
        fold[order] = np.arange(len(order)) % many
        return fold


@dataclass(frozen=True)
class Steps:
    """How far numbers may go from those of the parent, as spreads of logits.

    Attributes:
        common: Of how common a taxon and its listing are.
        likelier: Of how much likelier it is listed where it is.
    """

    common: float
    likelier: float


@dataclass(frozen=True, eq=False)
class Detectability:
    """How DNA lists tell of taxa.

    Attributes:
        kinds: The taxa.
        paths: The taxa above each.
        prevalence: float64[kinds]; in how many samples it is.
        found: float64[kinds]; how probably it is listed where it is.
        false: float64[kinds]; and where it is not.
        samples: float64[kinds, 2]; in how many samples it was there, and was not.
        steps: What was learnt with.
    """

    kinds: Sequence[str]
    paths: Sequence[tuple[str, ...]]
    prevalence: Floats
    found: Floats
    false: Floats
    samples: Floats
    steps: Steps

    @property
    def usual(self) -> Floats:
        """How probably each is listed, there or not."""
        all_: Floats = self.prevalence * self.found + (1 - self.prevalence) * self.false
        return all_

    def evidence(self, listed: Floats) -> Floats:
        """Return float64[samples, kinds]: log P(list | the kind is there) / P(list).

        Args:
            listed: float64[samples, kinds], as in `Listings`.
        """
        has = np.log(self.found / self.usual)
        lacks = np.log((1 - self.found) / (1 - self.usual))
        said: Floats = np.where(np.isnan(listed), 0.0, np.where(listed > 0, has, lacks))
        return said

    def presence(self, listed: Floats) -> Floats:
        """Return float64[samples, kinds]: how probably each is there, by the list alone."""
        found: Floats = self.prevalence * np.exp(self.evidence(listed))
        return np.clip(found, _CERTAIN, 1 - _CERTAIN)


def weighed(chances: Floats, evidence: Floats) -> Floats:
    """Return what pictures say of things, with what the lists of their samples say.

    Args:
        chances: float64[things, kinds]; the probabilities by the pictures.
        evidence: float64[things, kinds]; of the sample of each.
    """
    logs = np.log(np.maximum(chances, 1e-300)) + evidence
    told = np.exp(logs - logs.max(axis=1, keepdims=True))
    found: Floats = told / told.sum(axis=1, keepdims=True)
    return found


def choose_steps(known: Listings, folds: int = _FOLDS) -> Steps:
    """Return the steps with which samples that are left out are foretold best.

    Args:
        known: Samples; of these, those of which somebody knows what is there.
        folds: How many parts the samples are left out in.
    """
    looked = np.asarray(~np.isnan(known.present).all(axis=1), bool)
    told = known.only(looked)
    many = min(folds, len(told.samples))
    best = Steps(_COMMON[1], _LIKELIER[0])
    if many < 2 or int(told.both.sum()) < 2:
        return best
    fold = told.folds(many)

    def loss(steps: Steps) -> float:
        parts = ((told.only(fold != out), told.only(fold == out)) for out in range(many))
        # Rounded, so that the order settles what is as good as equal.
        return round(sum(_surprise(learn_detectability(a, steps), b) for a, b in parts), 6)

    best = min((replace(best, common=common) for common in _COMMON), key=loss)
    return min((replace(best, likelier=likelier) for likelier in _LIKELIER), key=loss)


def _surprise(by: Detectability, asked: Listings) -> float:
    """Return -log p of what is there and what is listed, in samples that it did not see."""
    loss = 0.0
    for there, chance in ((asked.present, by.found), (1 - asked.present, by.false)):
        say = np.where(asked.listed > 0, np.log(chance), np.log1p(-chance))
        loss -= float(np.nansum(np.where(np.isnan(asked.listed), 0, there * say)))
    say = asked.present * np.log(by.prevalence) + (1 - asked.present) * np.log1p(-by.prevalence)
    return loss - float(np.nansum(say))


def learn_detectability(known: Listings, steps: Steps | None = None) -> Detectability:
    """Return how lists tell of taxa, from samples of which something is known.

    Args:
        known: The samples.
        steps: How far numbers may go from the parent's; chosen if not given.
    """
    unknown = np.isnan(known.present)
    if unknown.all() or np.isnan(known.listed).all():
        raise InputError(
            "no sample tells both what is there and what its DNA list has, so that nothing can be "
            "learnt of how they go together"
        )
    steps = steps or choose_steps(known)
    tree = _tree(known)
    # Of a kind that is there, and of one that is not: what is listed anyway, and what is added.
    both = sparse.bmat([[tree, tree], [tree, None]], "csr")
    held = _held_back(tree.shape[1], steps)
    lists = ~np.isnan(known.listed)
    listed = np.where(lists, known.listed, 0.0)
    # A first guess of what nobody knows: as common as where somebody does.
    seen = np.where(unknown, 0.0, known.present).sum() / max(1, int((~unknown).sum()))
    there = np.where(unknown, seen, known.present)
    at = np.zeros(2 * tree.shape[1]), np.zeros(tree.shape[1])
    before: Floats | None = None
    for _ in range(_ROUNDS if unknown.any() else 1):
        # Cells of each kind: there and listed, there and not, not there and listed, neither.
        cells = np.stack([
            (lists * there * listed).sum(0), (lists * there * (1 - listed)).sum(0),
            (lists * (1 - there) * listed).sum(0), (lists * (1 - there) * (1 - listed)).sum(0),
        ])  # fmt: skip
        at = (
            _fit(both, cells[[0, 2]].ravel(), cells[[1, 3]].ravel(), np.concatenate(held), at[0]),
            _fit(tree, there.sum(0), (1 - there).sum(0), held[0], at[1]),
        )
        found, false, prevalence = _told(tree, *at)
        if not unknown.any() or (before is not None and np.abs(before - found).max() < _NEAR):
            break
        before = found
        yes = np.where(listed > 0, found, 1 - found) * prevalence
        no = np.where(listed > 0, false, 1 - false) * (1 - prevalence)
        by_list = np.where(lists, yes / (yes + no), prevalence)
        there = np.where(unknown, by_list, known.present)
    sure = np.where(unknown | ~lists, 0.0, np.nan_to_num(known.present))
    absent = np.where(unknown | ~lists, 0.0, 1 - np.nan_to_num(known.present))
    counted = np.stack([sure.sum(0), absent.sum(0)], axis=1)
    return Detectability(known.kinds, known.paths, prevalence, found, false, counted, steps)


def _told(tree: sparse.csr_matrix, listing: Floats, share: Floats) -> tuple[Floats, Floats, Floats]:
    """Return how probably kinds are listed where they are and are not, and how common they are."""
    base = tree @ listing[: tree.shape[1]]
    # What is there is never less likely to be listed for it.
    more = np.maximum(tree @ listing[tree.shape[1] :], 0.0)
    found, false, prevalence = expit(base + more), expit(base), expit(tree @ share)
    low, high = _CERTAIN, 1 - _CERTAIN
    return np.clip(found, low, high), np.clip(false, low, high), np.clip(prevalence, low, high)


def _tree(known: Listings) -> sparse.csr_matrix:
    """Return float64[kinds, nodes]: the nodes on each kind's path; the first is above them all."""
    place: dict[tuple[str, ...], int] = {(): 0}
    row, column = [], []
    for number, (kind, above) in enumerate(zip(known.kinds, known.paths, strict=True)):
        path = (*(name for name in above if name), kind)
        for end in range(len(path) + 1):
            row.append(number)
            column.append(place.setdefault(path[:end], len(place)))
    ones = np.ones(len(row))
    return sparse.csr_matrix((ones, (row, column)), shape=(len(known.kinds), len(place)))


def _held_back(nodes: int, steps: Steps) -> tuple[Floats, Floats]:
    """Return how much each number of the tree is held back: 1 over the prior's variance."""
    common, likelier = np.full(nodes, steps.common**-2), np.full(nodes, steps.likelier**-2)
    common[0] = likelier[0] = _ROOT**-2
    return common, likelier


def _fit(design: sparse.csr_matrix, yes: Floats, no: Floats, held: Floats, start: Floats) -> Floats:
    """Return the numbers of a logistic regression on counts, by Newton's steps.

    Args:
        design: float64[cells, numbers].
        yes: float64[cells]; how often it was so.
        no: How often it was not.
        held: float64[numbers]; 1 over the prior's variance.
        start: Where to begin.
    """

    def loss(at: Floats) -> float:
        odds = design @ at
        said = yes @ np.logaddexp(0, -odds) + no @ np.logaddexp(0, odds)
        return float(said + 0.5 * held @ at**2)

    at, value = start, loss(start)
    for _ in range(_STEPS):
        chance = expit(design @ at)
        down = design.T @ ((yes + no) * chance - yes) + held * at
        bent = design.T @ sparse.diags_array((yes + no) * chance * (1 - chance)) @ design
        step = splu((bent + sparse.diags_array(held)).tocsc()).solve(down)
        for _ in range(_STEPS):
            new = loss(at - step)
            if new <= value:
                break
            step = step / 2
        else:
            return at  # as exact as the numbers are
        gain, at, value = value - new, at - step, new
        if gain < _ENOUGH * (1 + abs(value)):
            break
    return at
