"""Quadrats: square frames on the sea floor, photographed, with the labels that people give them.

A picture has many labels, and each is a path in one of three trees: names of taxa, growth forms in
the manner of CATAMI (Althaus et al. 2015, doi:10.1371/journal.pone.0141039), substrates. Some stand
at points, some for the whole picture; a campaign uses the trees that it needs, and an annotator
stops where certainty ends. What covers how much is truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.formats.delimited import write_delimited
from merian.world.biota import Biota
from merian.world.drawing.noise import blur
from merian.world.drawing.scenery import blend, common
from merian.world.drawing.seafloor import ALGAE, Frame, add_algae, add_frame, floor, under_water
from merian.world.photograph import cut_out
from merian.world.pictures import write_picture
from merian.world.seafloor_labels import TREES, Annotator, Place
from merian.world.traits import KINDS, Traits, individual

__all__ = ["Quadrat", "draw_quadrat", "write_quadrats"]

Floats = NDArray[np.float32]

_COLONY = 2
_SIDE_MM = 500.0
_LARGEST = 0.45  # of the picture's side; a colony that is older grows out of any frame
_TRIES, _HIDING = 40, 0.2  # how much of a colony may lie over others


@dataclass(frozen=True)
class Quadrat:
    """A picture of the sea floor and what is where in it.

    Attributes:
        image: The picture.
        px_per_mm: Its scale, from the frame.
        inside: What lies within the frame.
        ground: For each pixel its ground, as in seafloor.GROUNDS, also under what grows on it.
        living: For each pixel 0 for nothing, 1 + the number in seafloor.ALGAE, or
            1 + the number of algae + the number of a colony.
        species: Of each colony.
    """

    image: NDArray[np.uint8]
    px_per_mm: float
    inside: NDArray[np.bool_]
    ground: NDArray[np.uint8]
    living: NDArray[np.int16]
    species: tuple[int, ...]

    def colony(self, living: int) -> int:
        """Return the species of what lives at a pixel, or -1."""
        return self.species[living - 1 - len(ALGAE)] if living > len(ALGAE) else -1


def draw_quadrat(
    species: NDArray[np.int32],
    biota: Biota,
    traits: Traits,
    rng: np.random.Generator,
    *,
    size: int = 1000,
    level: int = 2,
) -> Quadrat:
    """Let colonies of these species grow in a quadrat and photograph it.

    Args:
        species: One number a colony; each has the body plan of colonies.
        biota: Gives the body plans.
        traits: Gives the looks.
        rng: Draws the floor, the colonies and the water.
        size: Height and width of the picture.
        level: Of the water and the light, 1 to 3.
    """
    px_per_mm = 0.86 * size / _SIDE_MM * rng.uniform(0.93, 1.0)
    image, ground = floor(size, size, px_per_mm, rng)
    living = add_algae(image, ground, px_per_mm, rng).astype(np.int16)
    grown = []
    drawn = sorted(
        ((int(i), individual(traits, int(i), rng)) for i in species),
        key=lambda pair: pair[1]["log_length"],
    )
    largest = np.log(_LARGEST * size / px_per_mm)
    for number, own in drawn[::-1]:  # the small ones stand between and over the large
        own["log_length"] = min(own["log_length"], largest)
        angle = float(rng.uniform(0, 360))
        body = cut_out(int(biota.plan[number]), own, rng, px_per_mm, angle, level)
        rgb, alpha, cover = body.rgb, body.alpha, body.mask
        at = _free(living, cover, rng)
        if at is None:
            continue
        grown.append(number)
        _grow(image, living, (rgb, alpha, cover), at, len(ALGAE) + len(grown))
    centre = size / 2 + rng.normal(0, 0.006 * size, size=2)
    frame = Frame(
        float(centre[0]),
        float(centre[1]),
        _SIDE_MM / 2 * px_per_mm,
        float(rng.normal(0, 0.012 * level)),
        11 * px_per_mm,
    )
    add_frame(image, frame, px_per_mm)
    inside = frame.outside(size, size)[0] < 0
    picture = under_water(image, level, rng)
    return Quadrat(picture, px_per_mm, inside, ground, living, tuple(grown))


def _free(
    living: NDArray[np.int16], cover: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return top and left of a place where a colony hides little of others, or None."""
    size = len(living)
    height, width = cover.shape
    for _ in range(_TRIES):
        top = int(rng.uniform(0, size) - height / 2)
        left = int(rng.uniform(0, size) - width / 2)
        here, part = common(living.shape, top, left, cover.shape)
        shown = cover[part]
        if shown.any() and np.mean(living[here][shown] > len(ALGAE)) < _HIDING:
            return top, left
    return None


def _grow(
    image: Floats,
    living: NDArray[np.int16],
    body: tuple[Floats, Floats, NDArray[np.bool_]],
    at: tuple[int, int],
    number: int,
) -> None:
    """Paint a colony with its shadow, and enter it among what lives."""
    rgb, alpha, cover = body
    top, left = at
    reach = max(3, round(0.035 * max(alpha.shape)))
    shadow = blur(np.pad(alpha, 3 * reach), reach)
    dark = np.zeros(3, np.float32)
    blend(image, top - 2 * reach, left - round(2.3 * reach), dark, shadow * np.float32(0.5))
    blend(image, top, left, rgb, alpha)
    here, part = common(living.shape, top, left, cover.shape)
    living[here][cover[part]] = number


def write_quadrats(
    folder: Path,
    truth_folder: Path,
    biota: Biota,
    traits: Traits,
    names: Sequence[str],
    count: int,
    level: int,
    rng: np.random.Generator,
    *,
    size: int = 1000,
    cuts: int = 1,
) -> None:
    """Write pictures, quadrats.csv with their labels, and points.csv and cover.csv of the truth.

    Args:
        folder: Where pictures and labels go.
        truth_folder: Where the truth goes.
        biota: Which species there are, and how common they are.
        traits: What they look like.
        names: For each species the lowest name that anybody has given it.
        count: How many quadrats.
        level: Of the water, the light and the annotators' doubts, 1 to 3.
        rng: Seeds each quadrat, so that it does not depend on the others.
        size: Height and width of the pictures.
        cuts: Into how many rows and columns a picture is cut, each piece labelled by itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = traits.mean[:, traits.names.index("kind")]
    forms = [
        KINDS[_COLONY][int(k)] if p == _COLONY else ""
        for k, p in zip(kind, biota.plan, strict=True)
    ]
    labels: list[tuple[Any, ...]] = []
    points: list[tuple[Any, ...]] = []
    covers: list[tuple[Any, ...]] = []
    for number, seed in enumerate(rng.integers(2**62, size=count).tolist(), 1):
        chance = np.random.default_rng(seed)
        quadrat = draw_quadrat(
            _community(biota, chance), biota, traits, chance, size=size, level=level
        )
        annotator = Annotator(biota, names, forms, level, chance)
        for piece, part in enumerate(_pieces(quadrat, cuts), 1):
            file = f"quadrat-{number:04d}{f'-{piece}' if cuts > 1 else ''}.jpg"
            write_picture(folder / file, part.image)
            shares = _shares(part, annotator)
            for place, (x, y) in _points(part, chance, cuts * cuts):
                labels += [(file, x, y, *label) for label in annotator.at_point(place)]
                known = place.species >= 0
                points.append(
                    (
                        file, x, y, place.species if known else "",
                        biota.name(place.species, 5) if known else "",
                        *(" > ".join(annotator.true_path(tree, place)) for tree in TREES[1:]),
                    )
                )  # fmt: skip
            labels += [(file, "", "", *label) for label in annotator.of_picture(shares)]
            covers += [
                (file, tree, " > ".join(path), f"{100 * share:.3f}")
                for (tree, path), share in shares.items()
            ]
    write_delimited(folder / "quadrats.csv", ("image", "x", "y", "tree", "label"), labels, ",")
    write_delimited(
        truth_folder / "points.csv",
        ("image", "x", "y", "species_number", "species", "growth_form", "substrate"),
        points,
        ",",
    )
    write_delimited(truth_folder / "cover.csv", ("image", "tree", "label", "percent"), covers, ",")


def _community(biota: Biota, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return the species of each colony of a quadrat: a few species, of each some."""
    able = np.flatnonzero(biota.plan == _COLONY)
    share = biota.abundance[able] ** 0.6
    richness = min(len(able), int(rng.integers(3, 10)))
    here = rng.choice(able, size=richness, replace=False, p=share / share.sum())
    share = biota.abundance[here] ** 0.5 * rng.gamma(1.0, size=richness)
    colonies = int(rng.integers(4, 22))
    return rng.choice(here, size=colonies, p=share / share.sum()).astype(np.int32)


def _pieces(quadrat: Quadrat, cuts: int) -> Iterable[Quadrat]:
    """Cut a quadrat into rows and columns."""
    if cuts == 1:
        yield quadrat
        return
    ends = np.linspace(0, len(quadrat.image), cuts + 1).round().astype(int).tolist()
    parts = [slice(low, high) for low, high in pairwise(ends)]
    for y in parts:
        for x in parts:
            yield replace(
                quadrat, image=quadrat.image[y, x], inside=quadrat.inside[y, x],
                ground=quadrat.ground[y, x], living=quadrat.living[y, x],
            )  # fmt: skip


def _points(
    quadrat: Quadrat, rng: np.random.Generator, pieces: int
) -> Iterable[tuple[Place, tuple[int, int]]]:
    """Draw 20 to 50 points within the frame, or a piece's part of them; return what is there."""
    cells = np.flatnonzero(quadrat.inside)
    count = min(-(-int(rng.integers(20, 51)) // pieces), len(cells))
    for cell in np.sort(rng.choice(cells, size=count, replace=False)).tolist():
        y, x = divmod(int(cell), quadrat.inside.shape[1])
        yield _place(quadrat, int(quadrat.ground[y, x]), int(quadrat.living[y, x])), (x, y)


def _place(quadrat: Quadrat, ground: int, living: int) -> Place:
    return Place(quadrat.colony(living), living - 1 if 0 < living <= len(ALGAE) else -1, ground)


def _shares(quadrat: Quadrat, annotator: Annotator) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return for each tree and full path its share of the floor within the frame."""
    ground, living = quadrat.ground[quadrat.inside], quadrat.living[quadrat.inside]
    pairs, counts = np.unique(np.column_stack([ground, living]), axis=0, return_counts=True)
    shares: dict[tuple[str, tuple[str, ...]], float] = {}
    for (under, alive), pixels in zip(pairs.tolist(), counts.tolist(), strict=True):
        place = _place(quadrat, under, alive)
        for tree in TREES:
            path = annotator.true_path(tree, place)
            if path:
                key = (tree, path)
                shares[key] = shares.get(key, 0.0) + pixels / len(ground)
    return dict(sorted(shares.items()))
