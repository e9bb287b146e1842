"""Intervals for the yardstick's figures: bootstraps over genera.

Records of a genus stand or fall together, so genera are drawn, and with each all its queries. The
yardstick's own scorer gives the figures; what stands here gives each query's part in them, so that
a thousand draws cost a product of matrices. Drawn for all tools and for all seeds of a split alike,
the draws give the intervals of differences and of means too.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from merian.bench.yardstick import KNOWN

__all__ = ["STRATA", "Answered", "Draws", "drawn_figures", "read_answered"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Draws = NDArray[np.float64]
"""float64[rounds, genera]; how often each genus was drawn in each round."""

STRATA = ("species present", "species absent", "genus absent", "family absent")
_BINS = 10  # of the calibration error


@dataclass(frozen=True)
class Answered:
    """The queries of a task and one tool's answers to them.

    Attributes:
        genus: str[n]; the true one.
        known: int8[n]; how far down the library knows the query, a place in `KNOWN`.
        right: bool[n, ranks]; whether the best guess is the true name.
        fine: bool[n, ranks]; so, or there is no true name.
        depth: int8[n]; ranks stood by, from the highest.
        p_species: float64[n].
        of_family: bool[n]; whether there is a true family.
    """

    genus: NDArray[np.str_]
    known: NDArray[np.int8]
    right: Flags
    fine: Flags
    depth: NDArray[np.int8]
    p_species: Floats
    of_family: Flags

    def wrong(self) -> Flags:
        """Return which stand by any wrong name."""
        below = np.logical_and.accumulate(self.fine, axis=1)
        at = np.maximum(self.depth.astype(np.int64) - 1, 0)
        found: Flags = (self.depth > 0) & ~below[np.arange(len(at)), at]
        return found

    def errors(self) -> dict[str, tuple[float, float, int, int]]:
        """Return of each stratum the share of wrong answers: over genera, over queries; counts.

        A query that was not answered, or with the root alone, is not wrong.
        """
        found = {}
        for number, name in enumerate(STRATA):
            here = self.known == number
            if here.any():
                wrong = self.wrong()[here]
                genus = np.unique(self.genus[here], return_inverse=True)[1]
                of_genus = np.bincount(genus, wrong) / np.bincount(genus)
                shares = float(of_genus.mean()), float(wrong.mean())
                found[name] = (*shares, len(of_genus), len(wrong))
        return found


def read_answered(yardstick: ModuleType, folder: Path, answers: Path) -> Answered:
    """Read the truth of a task and an answer file."""
    ranks: Sequence[str] = yardstick.RANKS
    truth = _rows(folder / "truth.tsv")
    given = {row["id"]: row for row in _rows(answers)}
    rows = [given.get(row["id"], {}) for row in truth]
    right = np.array(
        [
            [g.get(r, "") == t[r] and t[r] != "" for r in ranks]
            for g, t in zip(rows, truth, strict=True)
        ]
    )
    unsaid = np.array([[t[r] in ("", "unk") for r in ranks] for t in truth])
    place = {rank: number + 1 for number, rank in enumerate(ranks)}
    return Answered(
        genus=np.array([t["genus"] for t in truth]),
        known=np.array([KNOWN.index(t["known"]) for t in truth], np.int8),
        right=right,
        fine=right | unsaid,
        depth=np.array([place.get(g.get("rank", ""), 0) for g in rows], np.int8),
        p_species=np.array([float(g.get("p_species") or 0) for g in rows]),
        of_family=~unsaid[:, ranks.index("family")],
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def drawn_figures(answered: Answered, genera: NDArray[np.str_], draws: Draws) -> dict[str, Floats]:
    """Return each figure in each draw, named as the yardstick names it.

    Args:
        answered: The answers of one tool to one task.
        genera: All genera that are drawn, sorted; some may have no query here.
        draws: Of these; a row of ones gives the figures themselves.
    """
    genus = np.searchsorted(genera, answered.genus)
    found = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, (part, whole, scale) in _shares(answered).items():
            over = draws @ np.bincount(genus, whole, minlength=len(genera))
            found[name] = scale * (draws @ np.bincount(genus, part, minlength=len(genera))) / over
    known = answered.known == 0
    if known.any() and not known.all():
        found["auroc_known_species"] = _aurocs(answered.p_species, known, genus, draws)
    if answered.p_species.any():
        found["ece_species"] = _calibration_errors(answered, genus, draws)
    return found


def _shares(answered: Answered) -> Mapping[str, tuple[Floats, Floats, float]]:
    """Return of each share what each query adds above and below the line, and its unit."""
    depth, known = answered.depth, answered.known == 0
    claimed, wrong = depth > 0, answered.wrong()
    lowest = answered.right.shape[1]
    species, genus, family = (answered.right[:, lowest - 1 - up] for up in range(3))
    pairs: dict[str, tuple[Flags, Flags]] = {
        "species_of_known": (species, known),
        "genus_of_known_genus": (genus, answered.known <= 1),
        "family": (family, answered.of_family),
        "stood_by_wrong": (wrong, claimed),
        "wrong_at_family": (wrong, depth == lowest - 2),
        "wrong_at_genus": (wrong, depth == lowest - 1),
        "wrong_at_species": (wrong, depth == lowest),
        "false_species_of_unknown": (depth == lowest, ~known),
        "species_named_of_known": ((depth == lowest) & species, known),
    }
    found = {
        name: ((part & whole).astype(np.float64), whole.astype(np.float64), 100.0)
        for name, (part, whole) in pairs.items()
        if whole.any()
    }
    if claimed.any():
        found["mean_depth"] = (depth.astype(np.float64), np.ones(len(depth)), 1.0)
    number = np.unique(answered.genus, return_inverse=True)[1]
    for stratum, name in enumerate(STRATA):
        here = (answered.known == stratum).astype(np.float64)
        if here.any():
            # One weight for each genus.
            weight = here / np.maximum(np.bincount(number, here), 1)[number]
            found[f"error, {name}"] = (weight * wrong, weight, 100.0)
    return found


def _aurocs(score: Floats, positive: Flags, genus: NDArray[np.intp], draws: Draws) -> Floats:
    """Return how often a positive scores above a negative, ties counting half, in percent."""
    level = np.unique(score, return_inverse=True)[1]
    found = np.empty(len(draws))
    for number, drawn in enumerate(draws):
        weight = drawn[genus]
        above = np.bincount(level, weight * positive)
        below = np.bincount(level, weight * ~positive)
        pairs = above.sum() * below.sum()
        won = above @ (np.cumsum(below) - below / 2)
        found[number] = 100 * won / pairs if pairs else np.nan
    return found


def _calibration_errors(answered: Answered, genus: NDArray[np.intp], draws: Draws) -> Floats:
    """Return how far probabilities are from the share that is right, in ten bins, in percent."""
    right = answered.right[:, -1]
    bins = np.clip((answered.p_species * _BINS).astype(np.int64), 0, _BINS - 1)
    cell = genus * _BINS + bins
    apart = np.bincount(cell, answered.p_species - right, minlength=draws.shape[1] * _BINS)
    size = np.bincount(genus, minlength=draws.shape[1])
    with np.errstate(invalid="ignore"):
        summed = np.abs(draws @ apart.reshape(-1, _BINS)).sum(axis=1)
        found: Floats = 100 * summed / (draws @ size)
    return found
