"""Whether a network for landmarks that also learns from painted specimens is better on others.

Pinned carabids with painted parts (`merian.bench.painted_specimens`) are dealt to four folds. For
each a network that has learned from drawn insects alone goes on with the pictures of the other
folds and with freshly drawn insects, so that it does not forget these; and what it says of the
pictures of the fold, which it has not seen, is measured as in `merian.bench.traits_masks`. Figures
are of all folds together, beside the classical way in the same run.

How far landmarks are from painted ones, along the body and across it, is told by the name of each,
as a share of the largest distance between landmarks. Cards of networks that have learned from all
of the pictures take their errors from there (`merian.bench.shipped_landmarks`).

The first fold are the four pictures that settings are chosen on: rates and shares of this too were
chosen there; steps are as many as the loss in training fell for. They are told apart; which others
are together their names decide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from merian.bench.drawn_specimens import write_worlds
from merian.bench.painted_specimens import (
    FILE,
    has_learned_painted,
    painted_landmarks,
    painted_names,
    read_colours,
    write_painted,
)
from merian.bench.placed_errors import errors_in_pictures
from merian.bench.traits_masks import CHOSEN_PICTURES, Figures, figures_by_picture
from merian.errors import InputError
from merian.learn.shelf import DRAWN_PLACES
from merian.measure.placing import Placer, placer

__all__ = ["ROUNDS", "fine_tuned", "folds_of", "fresh", "painted_figures"]

ROUNDS = (
    ("optimizer.learning_rate=0.002", "training.steps=1080", "training.validate=1080"),
    ("optimizer.learning_rate=0.001", "training.steps=600", "training.validate=600",
     "training.seed=1"),
)  # fmt: skip
"""What is changed in the recipe `landmarks` in each of two rounds, one after the other."""

_FRESH = 2100  # the first world of those freshly drawn: what ships has learned from earlier ones
_WORLDS, _COUNT = 12, 60
_SHARE = 1.6  # painted windows for one that is drawn


def painted_figures(
    folder: Path,
    seed: int,
    out: Path | None = None,
    start: str = DRAWN_PLACES,
    folds: int = 4,
    rounds: Sequence[Sequence[str]] = ROUNDS,
    drawn: tuple[int, int] = (_WORLDS, _COUNT),
) -> Figures:
    """Train a network for each fold, and return the figures of all pictures.

    Args:
        folder: With images and masks.
        seed: Of the draws for intervals.
        out: A folder for the networks, which is kept; a later call goes on there.
        start: The network whose weights each fold begins with. It has learned from none of them.
        folds: How many, with that of the pictures that settings are chosen on.
        rounds: What is changed in the recipe, round by round.
        drawn: How many worlds, and how many insects of each.
    """
    from merian.learn.landmark_building import load_landmark_network  # noqa: PLC0415 - torch

    if has_learned_painted(load_landmark_network(start)[1]):
        raise InputError(
            f"{start} has learned from painted specimens, so that none is left to measure with it; "
            "give one that has learned from drawn ones alone with --landmarks"
        )
    with TemporaryDirectory(prefix="merian-painted-") as made:
        place = out or Path(made)
        files = fresh(place / "drawn", *drawn)
        names = painted_names(folder)
        networks: dict[str, Placer] = {}
        for number, held in enumerate(folds_of(names, folds)):
            learned = [name for name in names if name not in held]
            run = fine_tuned(folder, learned, files, place / f"fold-{number}", start,
                             rounds)  # fmt: skip
            network = placer(str(run))
            assert network is not None  # only the classical way is none
            networks |= dict.fromkeys(held, network)
        return figures_by_picture(folder, seed, networks) | _errors(folder, networks)


def _errors(folder: Path, networks: Mapping[str, Placer]) -> Figures:
    """Return how far landmarks are from painted ones."""
    return errors_in_pictures(
        (read_colours(folder / "images" / name),
         painted_landmarks(read_colours(folder / "masks" / name)), network)
        for name, network in networks.items()
    )  # fmt: skip


def fresh(out: Path, worlds: int = _WORLDS, count: int = _COUNT) -> list[Path]:
    """Draw the insects that are learned from beside painted specimens; return their COCO files.

    Args:
        out: The folder to make.
        worlds: How many worlds.
        count: Insects of each.
    """
    return [*write_worlds(out, worlds, count, first=_FRESH)]


def folds_of(names: Sequence[str], folds: int) -> list[list[str]]:
    """Return the pictures of each fold: first those that settings are chosen on.

    Args:
        names: Of all pictures.
        folds: How many.
    """
    chosen = [name for name in names if Path(name).stem in CHOSEN_PICTURES]
    others = sorted((name for name in names if name not in chosen), key=_hash)
    apart = folds - bool(chosen)
    if not 1 <= apart <= len(others) or len(names) < 2 or folds < 2:
        raise InputError(f"{folds} folds of {len(names)} pictures; 2 to {len(others)} expected")
    dealt = [sorted(others[start::apart]) for start in range(apart)]
    return [chosen, *dealt] if chosen else dealt


def _hash(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def fine_tuned(
    folder: Path,
    names: Sequence[str],
    drawn: Sequence[Path],
    out: Path,
    start: Path | str,
    rounds: Sequence[Sequence[str]] = ROUNDS,
) -> Path:
    """Train on painted specimens beside drawn ones, and return the folder of the last run.

    Args:
        folder: With images and masks.
        names: Of the painted pictures to learn from.
        drawn: COCO files of drawn insects.
        out: A folder for all that is made; what is there already is not made again.
        start: The network whose weights the first round begins with.
        rounds: What is changed in the recipe, round by round.
    """
    from merian.bench.drawn_networks import trained_on  # noqa: PLC0415 - it loads torch
    from merian.learn.landmark_pack import make_landmark_pack  # noqa: PLC0415

    listed = sum(file.read_text(encoding="utf-8").count('"image_id"') for file in drawn)
    times = max(1, round(_SHARE * listed / len(names)))
    painted = out / "painted" / FILE
    if not painted.is_file():
        write_painted(folder, names, painted.parent, times)
    # The drawn ones first: the order of landmarks is theirs, as the weights have it.
    for number, changes in enumerate(rounds, 1):
        start = trained_on(
            "landmarks", make_landmark_pack, [*drawn, painted], out,
            (f"encoder.from={start}", *changes), "run" if number == 1 else f"run-{number}",
        )  # fmt: skip
    return Path(start)
