"""What a library learns about pictures when it is built, and where that is kept.

    picture.safetensors  the `likeness` and every entry's vector as it has them, the weights of what
                         describes the outcomes, and the simulated pictures as models score them
                         that have not seen their genera
    picture.json         in words: of what library, from how much, with what loss

As with barcodes (see `learning`) it is part of an edition. A library of pictures learns it from its
own, and one of barcodes from witnesses (see `learning_across`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError
from merian.files import write_json
from merian.identify import strata
from merian.identify.described import Described
from merian.identify.fitting import fit, log_probabilities
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.learned import check_enough, learned_of
from merian.identify.learning import (
    FOLDS,
    cross_fitted,
    genus_rank,
    share_of_species,
    true_outcomes,
)
from merian.identify.likeness import Likeness, likeness_of
from merian.identify.picture import FEATURES
from merian.identify.picture_novelty import PictureEpisodes, fold_of, simulate_pictures
from merian.identify.promise import ENOUGH
from merian.identify.simulations import Simulations
from merian.library import Library
from merian.library.reading import Progress
from merian.library.vectors import Kinship
from merian.stamp import run_id, stamp
from merian.tensors import map_tensors, write_tensors

__all__ = [
    "FittedPictures", "LearntPictures", "fitted_pictures", "importance_of", "is_learnt",
    "learn_pictures", "of_all_ranks", "open_learnt_pictures", "usual_picture_weights",
    "write_learnt",
]  # fmt: skip

_USUAL = "usual_picture_weights.json"
_ARRAYS, _CARD = "picture.safetensors", "picture.json"
_FORMAT, _VERSION = "merian-picture-evidence", "1.0"
_ALIKE = 3.0  # the episodes of one picture say as much as one in so many of independent ones
_NEGLIGIBLE = 1e-6  # the probability of an outcome that a promise need not know of
_OWN_PULL = 50.0  # of the weights of one rank towards those of all ranks above species

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearntPictures:
    """What a library has learnt about pictures.

    Attributes:
        likeness: In which taxa are parted.
        alike: int16[entries, directions]; every entry's vector as that has it, of length 4,000.
        weights: Of what describes the outcomes, by rank from the highest, then of the root.
        simulated: What promises are chosen on.
        centre: float32[dim]; what the vectors of pictures have in common, where the library is not
            of pictures.
    """

    likeness: Likeness
    alike: NDArray[np.int16]
    weights: Sequence[Floats]
    simulated: Simulations
    centre: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class FittedPictures:
    """What was learnt from simulated pictures.

    Attributes:
        weights: As of `LearntPictures`.
        simulated: The same.
        loss: On genera that the weights have not seen; None where nothing was learnt.
    """

    weights: Sequence[Floats]
    simulated: Simulations
    loss: float | None


def learn_pictures(library: Library, _segment: Path, edition: Path, progress: Progress) -> None:
    """Fit the evidence of pictures to a library that is being built."""
    ladder = ladder_of(library)
    kinship = Kinship.open(library)
    assert kinship is not None, "a library of pictures has an encoder"
    vectors = np.concatenate([np.asarray(rows) for rows in kinship.vectors])
    learned = learned_of(library, ladder)
    what = "asking it about its own pictures"
    episodes = simulate_pictures(
        vectors, ladder, library.individuals, learned, lambda done: progress(what, done)
    )
    if learned is not None:
        check_enough(library, ladder, np.unique(episodes.own), ENOUGH)
    progress("learning how far names can be trusted", len(episodes))
    found = fitted_pictures(ladder, episodes)
    likeness = likeness_of(vectors, ladder.path[:, -1])
    write_learnt(
        library, edition, LearntPictures(
            likeness, likeness.whole(vectors), found.weights, found.simulated
        ), episodes, {"loss_on_other_genera": found.loss},
    )  # fmt: skip


def write_learnt(
    library: Library,
    edition: Path,
    learnt: LearntPictures,
    episodes: PictureEpisodes,
    more: Mapping[str, object],
) -> None:
    """Write what was learnt into an edition that is not in its place yet.

    Args:
        library: As it will be.
        edition: Where the edition lies for now.
        learnt: What was learnt.
        episodes: From what.
        more: What else the card is to say.
    """
    ladder, likeness = ladder_of(library), learnt.likeness
    arrays: dict[str, NDArray[Any]] = {
        "likeness.centre": likeness.centre, "likeness.map": likeness.map, "alike": learnt.alike,
    }  # fmt: skip
    arrays |= vars(learnt.simulated)
    if learnt.centre is not None:
        arrays["centre"] = learnt.centre
    for name, found in zip((*ladder.ranks, "root"), learnt.weights, strict=True):
        arrays[f"weights.{name}"] = found
    write_tensors(edition / _ARRAYS, arrays, f"{_FORMAT} {_VERSION}")
    write_json(edition / _CARD, {**_card(library, ladder, episodes), **more})


def is_learnt(library: Library) -> bool:
    """Return whether a library has learnt about pictures, as those that answer have."""
    return (library.edition_folder / _ARRAYS).exists()


def open_learnt_pictures(library: Library) -> LearntPictures:
    """Open what a library has learnt about pictures."""
    path = library.edition_folder / _ARRAYS
    if not is_learnt(library):
        raise FormatError(
            "has not learnt how far its names can be trusted, as an earlier version made it; "
            "build it anew",
            path=library.folder,
        )
    arrays = map_tensors(path)
    names = (*ladder_of(library).ranks, "root")
    return LearntPictures(
        Likeness(np.array(arrays["likeness.centre"]), np.array(arrays["likeness.map"])),
        arrays["alike"],
        [np.array(arrays[f"weights.{name}"]) for name in names],
        Simulations.among(arrays),
        np.array(arrays["centre"]) if "centre" in arrays else None,
    )


def usual_picture_weights() -> list[Floats]:
    """Return the weights that stand where a library is too small to say anything itself.

    They are those of any rank above species, of species, and of the root.
    """
    text = resources.files("merian.identify").joinpath(_USUAL).read_text("utf-8")
    kept = json.loads(text)["weights"]
    return [np.array(kept[kind], np.float64) for kind in ("above", "species", "root")]


def fitted_pictures(ladder: Ladder, episodes: PictureEpisodes) -> FittedPictures:
    """Learn from simulated pictures; they are scored by weights that are not theirs."""
    described = episodes.described
    true = true_outcomes(described, episodes.true)
    genus, own = episodes.path[:, genus_rank(ladder)], episodes.path[:, -1]
    share = share_of_species(own, episodes.stratum, np.ones(len(episodes)))
    importance = importance_of(episodes.stratum, share)

    usual = usual_picture_weights()
    start: list[list[Floats]] = []  # where the search begins: it ends at the same, but sooner

    def fitted(part: Described, own: NDArray[np.int64], worth: Floats) -> list[Floats]:
        # First what holds at all ranks, drawn towards what is usual; then each rank towards that.
        both = start or [usual, []]
        together = fit(of_all_ranks(part), own, worth, usual, both[0])
        drawn = [*(together[0] for _ in ladder.ranks[1:]), *together[1:]]
        found = fit(part, own, worth, drawn, both[1] or None, _OWN_PULL)
        start[:] = start or [together, found]
        return found

    weights = fitted(described, true, importance)
    scores = cross_fitted(described, true, importance, fold_of(genus, FOLDS), fitted)
    log = log_probabilities(scores, described.offset)
    loss = float(importance @ -log[true] / importance.sum()) if importance.any() else None
    keep = (log > np.log(_NEGLIGIBLE)) | (described.rung < 0)
    size = np.bincount(described.query[keep], minlength=len(episodes))
    simulated = Simulations(
        np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        described.rung[keep],
        scores[keep].astype(np.float32),
        episodes.stratum,
        genus.astype(np.int32),
        share.astype(np.float32),
        episodes.true.astype(np.int32),
        described.length,
        own.astype(np.int32),
    )
    return FittedPictures(weights, simulated, loss)


def importance_of(stratum: NDArray[np.int8], share: Floats) -> Floats:
    """Return the importance of each episode: the strata as they usually are."""
    found = share.copy()
    for number, usual in enumerate(strata.USUAL):
        here = stratum == number
        if here.any():
            found[here] *= usual / found[here].sum()
    if len(found):
        found *= len(found) / _ALIKE / found.sum()
    if not 0 < np.count_nonzero(stratum) < len(stratum):
        # From what is known alone nothing is learnt about what is new, nor the other way round.
        found[:] = 0
    return found


def of_all_ranks(described: Described) -> Described:
    """Return the same outcomes, with all ranks above species as one kind.

    A library has few orders, and what was learnt of them alone would not hold for another one.
    """
    *above, species, root = zip(described.places, described.features, strict=True)
    none = (np.empty(0, np.int64), np.empty((0, len(FEATURES["above"]))))
    places, features = map(np.concatenate, zip(*(above or [none]), strict=True))
    order = np.argsort(places, kind="stable")  # those of a query stand together, as fitting needs
    return Described(
        described.offset,
        described.rung,
        described.length,
        (places[order], species[0], root[0]),
        (features[order], species[1], root[1]),
    )


def _card(library: Library, ladder: Ladder, episodes: PictureEpisodes) -> dict[str, object]:
    """Return what was learnt, in words."""
    run = run_id("learn pictures", {"library": library.hash, "version": _VERSION})
    counts = np.bincount(strata.grouped(episodes.stratum), minlength=len(strata.NAMES))
    encoder = library.header["encoder"]
    return {
        "merian": stamp(_FORMAT, _VERSION, run, library.taxonomy.lock.as_dict()),
        "library": library.hash,
        "encoder": {key: encoder[key] for key in ("id", "name")},
        "ranks": [*ladder.ranks],
        "records_asked": len(np.unique(episodes.own)),
        "simulated": dict(zip(strata.NAMES, counts.tolist(), strict=True)),
    }
