"""What a library learns about itself when it is built, and where that is kept.

    barcode.safetensors  the weights of what describes the outcomes, the scale of every taxon, and
                         the simulated queries as models score them that have not seen their genera
    barcode.json         in words: of what library, from how much, with what loss

It is part of an edition, since every addition changes what is near to what.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError
from merian.files import write_json
from merian.identify import strata
from merian.identify.barcode import OF_KIN, OF_ROOT_KIN, Clades, Simulated, describe
from merian.identify.described import Described
from merian.identify.distances import Distances, distances_of, nearest_of
from merian.identify.fitting import fit, log_probabilities, score, taken
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.novelty import Episodes, simulate
from merian.identify.simulations import Simulations
from merian.library import Library
from merian.library.reading import Progress
from merian.stamp import run_id, stamp
from merian.tensors import map_tensors, write_tensors

__all__ = [
    "FOLDS", "Cases", "Learnt", "cases_of", "cross_fitted", "genus_rank", "learn_barcodes",
    "open_learnt", "records_of", "share_of_species", "true_outcomes", "usual_weights",
]  # fmt: skip

_ARRAYS, _CARD = "barcode.safetensors", "barcode.json"
_FORMAT, _VERSION = "merian-barcode-evidence", "1.0"
FOLDS = 8
"""How many times weights are fitted without some genera, to judge these."""
_PIECE = 0.3  # of what a whole record counts, as most queries are whole
_ALIKE = 3.0  # the episodes of one record say as much as one in so many of independent ones
_NEGLIGIBLE = 1e-6  # the probability of an outcome that a promise need not know of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Learnt:
    """What a library has learnt about itself.

    Attributes:
        clades: What holds of its taxa.
        weights: Of what describes the outcomes, by rank from the highest, then of the root.
        simulated: What promises are chosen on.
    """

    clades: Clades
    weights: Sequence[Floats]
    simulated: Simulations


@dataclass(frozen=True)
class Cases:
    """Simulated queries, ready to be learnt from.

    Attributes:
        described: Their outcomes.
        true: The place of the true outcome of each.
        importance: Of each.
        scale: Of every rung of the library (see `barcode.Clades`).
    """

    described: Described
    true: NDArray[np.int64]
    importance: Floats
    scale: Floats


def cases_of(library: Library, ladder: Ladder, episodes: Episodes) -> Cases:
    """Describe simulated queries."""
    inner, lowest = _distances(episodes, ladder)
    clades = _clades(library, ladder, inner, lowest)
    simulated = Simulated(episodes.own, episodes.level, inner, lowest)
    described = describe(episodes.neighbours, len(episodes), clades, simulated)
    true = true_outcomes(described, episodes.true)
    return Cases(described, true, _importance(library, ladder, episodes), clades.scale)


def learn_barcodes(library: Library, _segment: Path, edition: Path, progress: Progress) -> None:
    """Fit the evidence of barcodes to a library that is being built."""
    ladder = ladder_of(library)
    episodes = simulate(library, ladder, progress)
    progress("learning how far names can be trusted", len(episodes))
    cases = cases_of(library, ladder, episodes)
    described, true, importance = cases.described, cases.true, cases.importance
    usual = usual_weights(ladder.ranks, kin=episodes.neighbours.kin is not None)
    if not 0 < np.count_nonzero(episodes.stratum) < len(episodes):
        # From what is known alone nothing is learnt about what is new, nor the other way round.
        importance = np.zeros(len(episodes))
    weights = fit(described, true, importance, usual)
    genus = ladder.path[episodes.own, genus_rank(ladder)]

    def fitted(part: Described, own: NDArray[np.int64], worth: Floats) -> list[Floats]:
        # From the weights of all genera, since the search ends at the same ones but sooner.
        return fit(part, own, worth, usual, weights)

    scores = cross_fitted(described, true, importance, _fold_of(genus), fitted)
    log = log_probabilities(scores, described.offset)
    loss = float(importance @ -log[true] / importance.sum()) if importance.any() else None
    # A promise is about names, so what has none does not count for it; nor does what is assumed.
    named = (ladder.group[ladder.path[episodes.own, -1]] < 0) & ~episodes.assumed
    keep = ((log > np.log(_NEGLIGIBLE)) | (described.rung < 0)) & named[described.query]
    size = np.bincount(described.query[keep], minlength=len(episodes))[named]
    weight = _shares(library, ladder, episodes)
    arrays = {
        "scale": cases.scale,
        "offset": np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        "rung": described.rung[keep],
        "score": scores[keep].astype(np.float32),
        "stratum": episodes.stratum[named],
        "genus": genus[named].astype(np.int32),
        "weight": weight[named].astype(np.float32),
        "true": episodes.true[named].astype(np.int32),
        "length": described.length[named],
        "own": ladder.path[episodes.own, -1][named].astype(np.int32),
    }
    for name, found in zip((*ladder.ranks, "root"), weights, strict=True):
        arrays[f"weights.{name}"] = found
    write_tensors(edition / _ARRAYS, arrays, f"{_FORMAT} {_VERSION}")
    write_json(edition / _CARD, _card(library, ladder, episodes, loss))


def open_learnt(library: Library, ladder: Ladder) -> Learnt:
    """Open what a library has learnt."""
    path = library.edition_folder / _ARRAYS
    if not path.exists():
        raise FormatError(
            "has not learnt how far its names can be trusted, as an earlier version made it; "
            "build it anew",
            path=library.folder,
        )
    arrays = map_tensors(path)
    weights = [arrays[f"weights.{name}"] for name in (*ladder.ranks, "root")]
    return Learnt(
        Clades(ladder, records_of(library, ladder), arrays["scale"], library.lengths()),
        weights,
        Simulations.among(arrays),
    )


def usual_weights(ranks: Sequence[str], *, kin: bool = False) -> list[Floats]:
    """Return the weights that stand where a library is too small to say anything itself.

    Args:
        ranks: Of the library, from the highest.
        kin: Whether it has an encoder. What vectors are worth only a library can say: usually 0.
    """
    text = resources.files("merian.identify").joinpath("usual_weights.json").read_text("utf-8")
    kept = json.loads(text)["weights"]
    # All ranks above the class are told apart by nothing but how little they say.
    names = [*(rank if rank in kept else "phylum" for rank in ranks[:-1]), "species", "root"]
    found = [np.array(kept[name], np.float64) for name in names]
    if not kin:
        return found
    return [
        np.append(weight, np.zeros(OF_ROOT_KIN if name == "root" else OF_KIN))
        for name, weight in zip(names, found, strict=True)
    ]


def genus_rank(ladder: Ladder) -> int:
    """Return the rank whose taxa are judged by weights that were not fitted on them."""
    ranks = ladder.ranks
    return ranks.index("genus") if "genus" in ranks else max(0, len(ranks) - 2)


def records_of(library: Library, ladder: Ladder) -> NDArray[np.int64]:
    """Return how many records are of each rung of the lowest rank."""
    return np.bincount(
        ladder.path[:, -1], library.multiplicity.astype(np.float64), minlength=len(ladder)
    ).astype(np.int64)


def _distances(episodes: Episodes, ladder: Ladder) -> tuple[Distances, Distances]:
    """Return the distances among the children of rungs, and among the entries of the lowest."""
    near, lowest = episodes.neighbours, len(ladder.ranks) - 1
    distance = near.mismatches / np.maximum(near.overlap, 1)
    own, level = episodes.own[near.query], episodes.level[near.query]
    # How far apart taxa are is told by whole sequences.
    level = np.where(episodes.piece[near.query], -1, level)
    child, sibling, far = [], [], []
    for rank in range(lowest):
        here = level == rank
        here &= ladder.path[near.entry, rank] == ladder.path[own, rank]
        child.append(ladder.path[own[here], rank + 1])
        sibling.append(ladder.path[near.entry[here], rank + 1])
        far.append(distance[here])
    nothing = np.empty(0, np.int32)
    among = nearest_of(
        np.concatenate([nothing, *child]),
        np.concatenate([nothing, *sibling]),
        np.concatenate([np.empty(0), *far]),
        len(ladder),
    )
    ranks = len(ladder.ranks)
    inner = distances_of(among, ladder.parent, len(ladder), ladder.rank, ranks)
    here = (level == lowest) & (ladder.path[near.entry, lowest] == ladder.path[own, lowest])
    entries = nearest_of(own[here], near.entry[here], distance[here], len(ladder.path))
    within = distances_of(entries, ladder.path[:, -1], len(ladder), ladder.rank, ranks)
    return inner, within


def _clades(library: Library, ladder: Ladder, inner: Distances, lowest: Distances) -> Clades:
    every, nothing = np.arange(len(ladder)), np.full(len(ladder), -1)
    scale = np.where(
        ladder.rank == len(ladder.ranks) - 1,
        lowest.average(every, nothing),
        inner.average(every, nothing),
    )
    return Clades(ladder, records_of(library, ladder), scale, library.lengths())


def true_outcomes(described: Described, true: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the place of the true outcome of each episode: as low as there is one.

    Args:
        described: The episodes.
        true: By episode and rank, the true rung; -2 for what is left out.
    """
    found = described.places[-1].copy()  # the root, unless something better is among the rest
    query = described.query
    for rank, places in enumerate(described.places[:-1]):
        owner = query[places]
        right = described.rung[places] == true[owner, rank]
        found[owner[right]] = places[right]
    return found


def share_of_species(species: NDArray[np.int32], stratum: NDArray[Any], many: Floats) -> Floats:
    """Return what each episode weighs in its stratum: species alike, in each its records alike.

    Args:
        species: The lowest rung of each.
        stratum: Of each, a whole number.
        many: How many records stand behind each.
    """
    key = stratum.astype(np.int64) * (int(species.max(initial=0)) + 1) + species
    number = np.unique(key, return_inverse=True)[1]
    found: Floats = many / np.bincount(number, many)[number] if len(key) else many
    return found


def _shares(library: Library, ladder: Ladder, episodes: Episodes) -> Floats:
    """Return the same of barcodes. Whole ones and pieces have strata of their own."""
    stratum = episodes.stratum.astype(np.int64) * 2 + episodes.piece
    many = library.multiplicity[episodes.own].astype(np.float64)
    return share_of_species(ladder.path[episodes.own, -1], stratum, many)


def _importance(library: Library, ladder: Ladder, episodes: Episodes) -> Floats:
    """Return the importance of each episode: the strata as they usually are, whole or pieces."""
    found = _shares(library, ladder, episodes)
    for piece, worth in ((False, 1.0), (True, _PIECE)):
        alike = episodes.piece == piece
        for stratum, share in enumerate(strata.USUAL):
            here = alike & (episodes.stratum == stratum)
            if here.any():
                found[here] *= share / found[here].sum()
        if alike.any():
            found[alike] *= worth * np.count_nonzero(alike) / _ALIKE / found[alike].sum()
    return found


def _fold_of(genus: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return by which fold each episode is judged: those of a genus together."""
    genera, number = np.unique(genus, return_inverse=True)
    found: NDArray[np.int64] = (np.random.default_rng(0).permutation(len(genera)) % FOLDS)[number]
    return found


def cross_fitted(
    described: Described,
    true: NDArray[np.int64],
    importance: Floats,
    fold: NDArray[np.int64],
    fitted: Callable[[Described, NDArray[np.int64], Floats], Sequence[Floats]],
) -> Floats:
    """Return the scores of outcomes by weights that were fitted on other genera.

    Args:
        described: Simulated queries.
        true: The place of the true outcome of each.
        importance: Of each.
        fold: Of each, one of `FOLDS`; a genus is in one of them.
        fitted: Returns weights, given the first three of some queries.
    """
    scores = np.zeros(len(described.rung))
    of_outcome = np.repeat(fold, np.diff(described.offset))
    for turn in range(FOLDS):
        others = fold != turn
        if others.all():
            continue
        part = taken(described, others)
        moved = true[others] - described.offset[:-1][others] + part.offset[:-1]
        weights = fitted(part, moved, importance[others])
        here = of_outcome == turn
        scores[here] = score(described, weights)[here]
    return scores


def _card(
    library: Library, ladder: Ladder, episodes: Episodes, loss: float | None
) -> dict[str, object]:
    """Return what was learnt, in words."""
    run = run_id("learn barcodes", {"library": library.hash, "version": _VERSION})
    counts = np.bincount(strata.grouped(episodes.stratum), minlength=len(strata.NAMES))
    encoder = library.encoder
    return {
        "merian": stamp(_FORMAT, _VERSION, run, library.taxonomy.lock.as_dict()),
        "library": library.hash,
        **({"encoder": {key: encoder[key] for key in ("id", "name")}} if encoder else {}),
        "ranks": [*ladder.ranks],
        "records_asked": len(np.unique(episodes.own)),
        "simulated": dict(zip(strata.NAMES, counts.tolist(), strict=True)),
        "loss_on_other_genera": loss,
    }
