"""The usual weights of what describes a picture's outcomes: fitted on invented worlds.

A library of pictures that is too small to learn from falls back on them, as one of barcodes does on
those of `merian.bench.usual`. They are fitted on several worlds at once; on one more world they are
compared with weights that know nothing. With ``--out`` they are written; the package keeps them in
src/merian/identify/usual_picture_weights.json.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.files import write_json
from merian.formats import Options
from merian.identify.described import Described, joined_described
from merian.identify.fitting import fit, log_probabilities, score
from merian.identify.ladder import ladder_of
from merian.identify.learning import share_of_species, true_outcomes
from merian.identify.learning_pictures import importance_of, of_all_ranks
from merian.identify.picture import FEATURES
from merian.identify.picture_novelty import simulate_pictures
from merian.library import Library, build_library
from merian.library import Settings as LibrarySettings
from merian.library.vectors import Kinship
from merian.world import Settings, make_world

__all__ = ["NAME", "WORKING", "run"]

NAME = "usual-pictures"
WORKING = ("work", "processes")

_DIGITS = 3
_KINDS = ("above", "species", "root")

Floats = NDArray[np.float64]
Cases = tuple[Described, NDArray[np.int64], Floats]


def run(
    *,
    worlds: int = 2,
    species: int = 300,
    specimens: int = 1500,
    seed: int = 41,
    work: Path | None = None,
    out: Path | None = None,
    processes: int = 2,
) -> dict[str, dict[str, object]]:
    """Fit the weights and compare them.

    Args:
        worlds: How many the weights are fitted on.
        species: Of each world.
        specimens: Of each.
        seed: Of the first; the one for comparison is the next after the last.
        work: Where the worlds and their libraries are kept; a temporary folder if not given.
        out: Where to write the weights.
        processes: How many work at a time.
    """
    with ExitStack() as stack:
        place = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-")))
        place.mkdir(parents=True, exist_ok=True)
        found = []
        for number in range(worlds + 1):
            settings = Settings(
                species=species, specimens=specimens, seed=seed + number, level=2, labels="full",
                trays=0, quadrats=0,
            )  # fmt: skip
            library = _library(place / f"world{number}", settings, processes)
            found.append(_cases(library))
    nothing = [np.zeros(len(FEATURES[kind])) for kind in _KINDS]
    weights = _fitted(found[:-1], nothing)
    if out is not None:
        told = {
            kind: [round(float(w), _DIGITS) for w in own]
            for kind, own in zip(_KINDS, weights, strict=True)
        }
        write_json(out, {"features": {k: [*FEATURES[k]] for k in told}, "weights": told})
    held = found[-1]
    figures: dict[str, dict[str, object]] = {}
    for name, tried in (("knowing nothing", nothing), ("usual", weights), ("its own", None)):
        own = tried if tried is not None else _fitted([held], nothing)
        figures[f"loss, weights {name}"] = {
            "value": round(_loss(held, own), 3), "n": len(held[1]), "unit": "nats a picture",
        }  # fmt: skip
    return figures


def _library(place: Path, settings: Settings, processes: int) -> Library:
    """Make a world and a library of its pictures, without evidence; or open it."""
    if not (place / "specimens.csv").exists():
        make_world(place, settings, processes=processes)
    folder = place.with_name(f"{place.name}-library")
    if not folder.exists():
        told = LibrarySettings(
            options=Options({}, place / "images"), pictures=True, processes=processes
        )
        build_library([place], folder, settings=told)
    return Library.open(folder)


def _cases(library: Library) -> Cases:
    """Ask a library about its own pictures; all ranks above species are one kind of outcome."""
    ladder = ladder_of(library)
    kinship = Kinship.open(library)
    assert kinship is not None
    vectors = np.concatenate([np.asarray(rows) for rows in kinship.vectors])
    episodes = simulate_pictures(vectors, ladder, library.individuals, None, lambda _done: None)
    true = true_outcomes(episodes.described, episodes.true)
    share = share_of_species(
        ladder.path[episodes.own, -1], episodes.stratum, np.ones(len(episodes))
    )
    importance = importance_of(episodes.stratum, share)
    return of_all_ranks(episodes.described), true, importance


def _fitted(cases: Sequence[Cases], usual: Sequence[Floats]) -> list[Floats]:
    together = joined_described([case[0] for case in cases], 2)
    begin = np.cumsum([0, *(len(case[0].rung) for case in cases)])
    true = np.concatenate([case[1] + first for case, first in zip(cases, begin, strict=False)])
    return fit(together, true, np.concatenate([case[2] for case in cases]), usual)


def _loss(case: Cases, weights: Sequence[Floats]) -> float:
    described, true, importance = case
    log = log_probabilities(score(described, weights), described.offset)
    return float(importance @ -log[true] / importance.sum())
