"""Barcodes evolved along a genealogy: the 658 bases of COI between the Folmer primers.

Mutation is that of animal mitochondria, rich in A and T and in transitions, and the same at every
site; what makes codon positions differ is selection. A mutation that makes a stop codon (of the
invertebrate mitochondrial code) never lasts; one that changes the amino acid lasts with a
probability of its codon's own, small for most. So third positions saturate first, second ones
hardly change, and composition, code and protein look as they do in nature. The line begins with
the protein that this region has in insects.

Reference: Hasegawa, Kishino and Yano 1985, doi:10.1007/BF02101694 (mutation); Folmer et al. 1994
(the region); NCBI translation table 5.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from merian.world.genealogy import Genealogy

__all__ = ["LENGTH", "as_text", "evolve"]

LENGTH = 658
_FRAME = 1  # the first base is the last but two of a codon that began in the primer

_PROTEIN = (
    "TLYFIFGAWAGMVGTSLSLLIRAELGNPGSLIGDDQIYNVIVTAHAFIMIFFMVMPIMIGGFGNWLVPLMLGAPDMAFPRMNNMSFWLLPPSLTLL"
    "LSSSIVENGAGTGWTVYPPLSSNIAHGGASVDLAIFSLHLAGISSILGAVNFITTVINMRSNGMTFDRMPLFVWAVVITALLLLLSLPVLAGAITM"
    "LLTDRNLNTSFFDPAGGGDPILYQHLF"
)

# Frequencies of A, C, G, T to which mutation tends, for each body plan, and how much more often a
# transition happens than a transversion.
_BASES = np.array([[0.39, 0.10, 0.08, 0.43], [0.31, 0.17, 0.13, 0.39], [0.28, 0.16, 0.18, 0.38]])
_TRANSITIONS = 5.0
_RATE = 5.5  # mutations a site, from the root to the present
_CLOCK_SPREAD = 0.4
_STEP = 0.04  # mutations a site in one step: selection then sees them one by one, nearly

# Codons are numbered 16 a + 4 b + c with A, C, G, T as 0 to 3.
_CODE = "KNKNTTTTSSSSMIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSSWCWCLFLF"
_AMINO_ACID = np.frombuffer(_CODE.encode(), dtype=np.uint8)
_STOP = ord("*")
_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)
_CHUNK = 4096


def evolve(
    genealogy: Genealogy,
    plan_of_branch: NDArray[np.int8],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return the bases of every specimen, 0 to 3 for A, C, G, T: an array of specimens by 658.

    Args:
        genealogy: Of the specimens.
        plan_of_branch: The body plan of each node of the tree of species.
        rng: Draws everything.
    """
    parent, height, branch = genealogy.parent, genealogy.height, genealogy.branch
    m = (len(parent) + 1) // 2
    clock = np.exp(rng.normal(0, _CLOCK_SPREAD, size=len(plan_of_branch)))
    tolerance = _tolerance(rng)
    state = np.zeros((len(parent), LENGTH), dtype=np.uint8)
    root = len(parent) - 1
    state[root] = _root(rng)
    depth = np.zeros(len(parent), dtype=np.int32)
    for node in range(root - 1, -1, -1):
        depth[node] = depth[parent[node]] + 1
    order = np.argsort(depth, kind="stable")
    bounds = np.searchsorted(depth[order], np.arange(1, depth.max() + 2))
    plan = plan_of_branch[branch]
    length = np.zeros(len(parent))
    length[:root] = height[parent[:root]] - height[:root]
    length *= clock[branch] * _RATE
    for start, stop in pairwise(bounds.tolist()):
        for low in range(start, stop, _CHUNK):
            nodes = order[low : min(low + _CHUNK, stop)]
            state[nodes] = _descend(
                state[parent[nodes]], length[nodes], plan[nodes], tolerance, rng
            )
    return state[:m]


def _root(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Translate the protein back, with codons as frequent as mutation makes them."""
    bases = _BASES.mean(axis=0)
    weight = bases[:, None, None] * bases[None, :, None] * bases[None, None, :]
    codons = []
    for letter in _PROTEIN.encode():
        chance = np.where(letter == _AMINO_ACID, weight.ravel(), 0)
        codons.append(rng.choice(64, p=chance / chance.sum()))
    codon = np.array(codons)
    row = np.zeros(LENGTH, dtype=np.uint8)
    row[_FRAME:] = np.column_stack([codon // 16, codon // 4 % 4, codon % 4]).ravel()
    return row


def _tolerance(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return for each codon how probably a change of its amino acid lasts: mostly hardly ever."""
    return np.minimum(rng.gamma(0.35, 0.15, size=(LENGTH - _FRAME) // 3), 0.8)


def _descend(
    bases: NDArray[np.uint8],
    length: NDArray[np.float64],
    plan: NDArray[np.int8],
    tolerance: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Let each row mutate for its length, in steps so short that few sites mutate twice."""
    steps = max(1, int(np.ceil(length.max(initial=0.0) / _STEP)))
    # All rows take as many steps as the longest: the number must not hang on the other rows of a
    # chunk, but it does not change what a row is drawn from, only how finely.
    for _ in range(steps):
        bases = _step(bases, length / steps, plan, tolerance, rng)
    return bases


def _step(
    bases: NDArray[np.uint8],
    length: NDArray[np.float64],
    plan: NDArray[np.int8],
    tolerance: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Mutate a few sites of each row and keep what selection keeps."""
    rows, sites = len(bases), bases.shape[1]
    # The sites that mutate are drawn by their number: they are few.
    count = rng.poisson(length * sites)
    row = np.repeat(np.arange(rows), count)
    site = rng.integers(sites, size=len(row))
    old = bases[row, site]
    frequency = _BASES[plan[row]]  # [events, 4]
    transition = np.array([2, 3, 0, 1], dtype=np.uint8)[old]
    weight = frequency.copy()
    events = np.arange(len(row))
    weight[events, transition] *= _TRANSITIONS
    weight[events, old] = 0
    # Rates differ by the base that mutates: those that leave seldom are passed over.
    leaving = weight.sum(axis=1)
    stays = rng.random(len(row)) > leaving / _TRANSITIONS
    bound = np.cumsum(weight, axis=1) / leaving[:, None]
    new = (rng.random(len(row))[:, None] > bound[:, :3]).sum(axis=1).astype(np.uint8)
    changed = bases.copy()
    changed[row[~stays], site[~stays]] = new[~stays]
    return _select(bases, changed, tolerance, rng)


def _select(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    tolerance: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Undo changes of codons that make a stop, or an amino acid that does not last."""
    rows = len(before)
    old = before[:, _FRAME:].reshape(rows, -1, 3)
    new = after[:, _FRAME:].reshape(rows, -1, 3)
    row, codon = np.nonzero((old != new).any(axis=2))
    scale = np.array([16, 4, 1])
    was = _AMINO_ACID[(old[row, codon] * scale).sum(axis=1)]
    now = _AMINO_ACID[(new[row, codon] * scale).sum(axis=1)]
    lost = (now == _STOP) | ((was != now) & (rng.random(len(row)) > tolerance[codon]))
    new[row[lost], codon[lost]] = old[row[lost], codon[lost]]
    result = after.copy()
    result[:, _FRAME:] = new.reshape(rows, -1)
    return result


def as_text(bases: NDArray[np.uint8]) -> str:
    """Return the letters of a row of bases; 4 is N."""
    return _LETTERS[bases].tobytes().decode("ascii")
