"""Fusion: what several kinds of evidence say of one record, put together.

Each library answers for its own tree: a species that it has, or something that it lacks under a
taxon. In the joint tree (see `joint`) an outcome is one of these for every library: a species that
only the barcodes have is, to the pictures, something new under its genus. What a library says of it
is the logarithm of how many times more probable it is than it was before anybody looked; the score
of an outcome is the logarithm of its prior, and the weighted sum of these. A library that was not
asked adds nothing, and none can rule out what it did not think of: a small share of its posterior
always lies on its prior. Several pictures of one specimen are no independent witnesses, so the mean
of what they say counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify import strata
from merian.identify.joint import Joint
from merian.identify.ladder import ROOT, Ladder

__all__ = ["Said", "Witness", "fuse", "outcomes_of", "prior_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

_DOUBT = 1e-3  # of each posterior, the share that lies on the prior


@dataclass(frozen=True, eq=False)
class Witness:
    """What one library says of a record, in the rungs of the joint tree.

    Attributes:
        library: Its number.
        rung: Of each outcome that it thinks of; each once, in ascending order.
        probability: Of each.
        absent: A rung under which, itself included, the library is taken to have nothing: of
            simulated records; ROOT for none.
        piece: Whether it was asked about a piece of a barcode.
    """

    library: int
    rung: Ints
    probability: Floats
    absent: int = ROOT
    piece: bool = False

    @staticmethod
    def of(
        joint: Joint,
        library: int,
        rung: Ints,
        probability: Floats,
        absent: int = ROOT,
        *,
        piece: bool = False,
    ) -> Witness:
        """Bring outcomes of a library into the joint tree; what stands at one rung is one."""
        found, number = np.unique(joint.to[library][rung], return_inverse=True)
        total = np.zeros(len(found))
        np.add.at(total, number.reshape(-1), probability)
        return Witness(library, found, total, absent, piece)


@dataclass(frozen=True, eq=False)
class Said:
    """The outcomes of a record in the joint tree.

    Attributes:
        rung: int32; the root is ROOT, and last.
        told: float64[outcomes, libraries]; the logarithm of how many times more probable each
            library makes it; 0 of one that was not asked.
    """

    rung: Ints
    told: Floats


def prior_of(ladder: Ladder, own: NDArray[np.bool_], mix: Floats) -> Floats:
    """Return the logarithm of the prior of all outcomes, by rung, and last of the root.

    The strata have the shares of the mix, and within one all outcomes are equally probable.

    Args:
        ladder: Of the joint tree.
        own: bool[rungs]; which taxa there are.
        mix: The shares of the strata.
    """
    stratum = strata.of_outcomes(ladder.ranks)[np.append(ladder.rank, -1)]
    there = np.append(own, True)
    size = np.bincount(stratum[there], minlength=len(mix))
    share = np.where(size > 0, mix, 0)
    found: Floats = np.log(share / share.sum() / np.maximum(size, 1) + 1e-300)[stratum]
    return found


def outcomes_of(ladder: Ladder, witnesses: Sequence[Witness]) -> Ints:
    """Return all that a record may be: what any witness thinks of, and all that stands above."""
    asked = np.unique(np.concatenate([witness.rung for witness in witnesses]))
    above = np.unique(ladder.paths(asked[asked != ROOT]))
    named = (ladder.node[above] >= 0) | (ladder.group[above] >= 0)
    return np.append(above[(above != ROOT) & named], ROOT).astype(np.int32)


def fuse(joint: Joint, witnesses: Sequence[Witness], priors: Sequence[Floats]) -> Said:
    """Return what witnesses say of each outcome of a record.

    Args:
        joint: The joint tree.
        witnesses: One at least; several of a library count by their mean.
        priors: Of each library, of its own outcomes (see `prior_of`).
    """
    outcome = outcomes_of(joint.ladder, witnesses)
    told = np.zeros((len(outcome), len(joint.to)))
    count = np.bincount([witness.library for witness in witnesses], minlength=len(joint.to))
    for witness in witnesses:
        here = _meant(joint, witness, outcome)
        at = np.minimum(np.searchsorted(witness.rung, here), len(witness.rung) - 1)
        share = np.where(witness.rung[at] == here, witness.probability[at], 0.0)
        ratio = share / np.exp(priors[witness.library][here])
        told[:, witness.library] += np.log((1 - _DOUBT) * ratio + _DOUBT) / count[witness.library]
    return Said(outcome, told)


def _meant(joint: Joint, witness: Witness, outcome: Ints) -> Ints:
    """Return what each outcome is to a library: the lowest taxon that it has at or above it."""
    found = joint.base[witness.library][outcome]
    if witness.absent != ROOT:
        ladder = joint.ladder
        rank = int(ladder.rank[witness.absent])
        gone = ladder.paths(found)[:, rank] == witness.absent
        under = joint.base[witness.library][ladder.parent[witness.absent]]
        found = np.where((found != ROOT) & gone, under, found)
    return found.astype(np.int32)
