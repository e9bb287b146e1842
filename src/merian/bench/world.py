"""How real the synthetic world is: as hard as nature for methods that need no training.

Worlds with many barcodes and one with pictures are made, or one that is there is measured. Against
each other stand what a nearest neighbour makes of real COI barcodes, what ImageNet features make
of specimen photographs, what Otsu's threshold cuts out of them, and the same here. The figures of
the pictures' features need the extra `models` and are left out without it.
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

import numpy as np

from merian.bench.pictures import column, picture_figures, rows_of
from merian.bench.realism import Figure, share_figure
from merian.bench.splits import Labelled, barcode_figures
from merian.world import Settings, make_world

__all__ = ["barcodes_of", "place_figure", "run"]

# Our reading of real data by the same protocol: barcodes of coi_reference, three seeds.
PEERS = {
    "real COI barcodes": {
        "species of the known": [94.4, 95.2],
        "genus of the unknown": [84.2, 90.7],
        "unknown identical to a named species": [2.2, 4.7],
    }
}

_BINOMIAL = re.compile(r"[A-Z][a-z-]+ [a-z-]+")


def run(
    *,
    species: int = 800,
    specimens: int = 4000,
    worlds: int = 6,
    pictures: int = 1000,
    seed: int = 0,
    level: int = 2,
    folder: Path | None = None,
) -> dict[str, dict[str, object]]:
    """Make the worlds and measure them.

    Args:
        species: Of each world.
        specimens: Of those with barcodes.
        worlds: How many have barcodes, each with a seed of its own: the figures of one hang on its
            few large genera.
        pictures: Specimens of the one with pictures.
        seed: Of the first world, and of the splits.
        level: Of nuisance and errors.
        folder: A world that is there already, in place of all.
    """
    figures: dict[str, Figure] = {}
    rows: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:

        def world(number: int, count: int, drawn: bool) -> Path:
            if folder is not None:
                return folder
            place = Path(made, f"{number}-{drawn}")
            settings = Settings(
                species=species, specimens=count, seed=seed + number, level=level, trays=0,
                quadrats=0, pictures=drawn,
            )  # fmt: skip
            make_world(place, settings)
            return place

        places = [world(number, specimens, False) for number in range(1 if folder else worlds)]
        figures |= barcode_figures([barcodes_of(place) for place in places], seed)
        by_label = [barcodes_of(place, labelled=True) for place in places]
        figures |= {
            f"{name}, as labelled": figure
            for name, figure in barcode_figures(by_label, seed, vsearch=False).items()
        }
        figures["place and month"] = place_figure(places[0])
        start = time.perf_counter()
        drawn = world(0, pictures, True)
        seconds = time.perf_counter() - start
        if folder is None:
            speed = round(1000 * seconds / pictures, 1)
            rows["a thousand pictures"] = {
                "value": speed, "n": pictures, "unit": "s, and all else of their world; 256 px",
            }  # fmt: skip
        if (drawn / "images").is_dir():
            figures |= picture_figures(drawn)
    return {name: figure.row() for name, figure in figures.items()} | rows


def barcodes_of(world: Path, labelled: bool = False) -> list[Labelled]:
    """Return the barcodes of described species.

    Args:
        world: The folder of a world.
        labelled: With the names that stand on the labels, be they wrong, in place of the true
            ones, and the barcodes of others from swapped tubes. Synonyms are led to the accepted
            names, and doubtful or misspelt names left out: that is done before anybody compares.
    """
    found = []
    accepted = {
        row[column]: row
        for column in ("synonym", "species")
        for row in rows_of(world / "truth" / "species.csv")
    }
    truth = {row["processid"]: row for row in rows_of(world / "truth" / "specimens.csv")}
    for row in rows_of(world / "specimens.csv"):
        true = truth[row["processid"]]
        if not row["dna_barcode"] or not _BINOMIAL.fullmatch(row["species"]):
            continue
        if labelled:
            name = accepted.get(row["species"])
            if name is not None:
                found.append(Labelled(row["dna_barcode"], name["genus"], name["species"]))
        elif true["withheld"] == "none" and not true["tube_of"]:
            found.append(Labelled(row["dna_barcode"], true["genus"], true["species"]))
    return found


def place_figure(world: Path, share: float = 0.1) -> Figure:
    """Return how often a species is in the top tenth by what others were found there and then.

    The odd records tell how common each species is at a site and in a month, the even ones are
    asked. Zeros are smoothed with how common it is at all.
    """
    dates = {row["processid"]: row["event_date"] for row in rows_of(world / "specimens.csv")}
    rows = [
        row for row in rows_of(world / "truth" / "specimens.csv")
        if not row["copy_of"] and len(dates[row["processid"]]) >= 7
    ]  # fmt: skip
    species = np.array([int(row["species_number"]) for row in rows])
    site = np.unique(column(rows, "site"), return_inverse=True)[1]
    month = np.array([int(dates[row["processid"]][5:7]) - 1 for row in rows])
    known = np.arange(len(rows)) % 2 == 1
    kinds = int(species.max()) + 1
    at_all = (np.bincount(species[known], minlength=kinds) + 0.5) / known.sum()
    asked = np.flatnonzero(~known)
    score = np.log(at_all)[None, :].repeat(len(asked), axis=0)
    for cell in (site, month):
        table = np.zeros((int(cell.max()) + 1, kinds))
        np.add.at(table, (cell[known], species[known]), 1)
        table += 5 * at_all
        score += np.log(table / table.sum(axis=1, keepdims=True) / at_all)[cell[asked]]
    own = score[np.arange(len(asked)), species[asked]]
    before = (score > own[:, None]).sum(axis=1)
    return share_figure(
        before < share * kinds, "% of specimens, in the top tenth", column(rows, "genus")[asked]
    )
