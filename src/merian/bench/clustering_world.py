"""Unknown species of invented worlds found again: from pictures, from barcodes, from both.

Grouped are the records of species that the world withholds from its checklist and its labels: what
a perfect identification would leave without a name (the truth's own mark; what identify itself
leaves over is not asked here). Scored is each such species with five or more records.

A species **gets one cluster of purity 0.9** where the cluster that holds most of its records (a)
consists of it by nine tenths or more and (b) holds at least half of its records. The share with (b)
at three quarters and at nine tenths is told too. Records whose tubes were swapped, whose pictures
are empty or whose barcodes failed count as any other: what is left alone is in no cluster.

Barcodes are grouped by identity without a number of groups. Pictures have vectors of EfficientNet-
Lite0, with weights of ImageNet; they are grouped by Ward's tree into as many groups as the barcodes
gave, since the silhouette finds far fewer in them. So are both side by side, the barcodes as counts
of words of six. The settings were chosen on worlds of seeds 1 and 2.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.bench.encoder_controls import six_mers
from merian.bench.encoder_scores import Figures
from merian.bench.paired_world import made_vectors
from merian.discover.exact_ward import ward
from merian.discover.graph import unit_rows
from merian.discover.joined import FINER, beside_each_other, with_pictures
from merian.discover.sequences import Identity, by_identity
from merian.discover.tree import Labels
from merian.learn.bootstrap import mean_interval
from merian.world.make import Settings, make_world

__all__ = ["NAME", "WORKING", "found_again", "run"]

NAME = "clustering-world"
WORKING = ("folder", "processes")

_LEAST = 5  # records of a species that is scored
_PURITY, _SHARES = 0.9, (0.5, 0.75, 0.9)

Marks = NDArray[np.float64]


def run(
    folder: Path = Path("clustering-worlds"),
    seeds: str = "11,12,13,14,15",
    species: int = 250,
    specimens: int = 1500,
    level: int = 2,
    size: int = 128,
    processes: int = 2,
) -> Figures:
    """Group the unknown of some worlds.

    Args:
        folder: Where worlds and vectors are kept; what is there is not made again.
        seeds: Of the worlds.
        species: Of each.
        specimens: Of each.
        level: Of nuisance.
        size: Of a picture, in pixels.
        processes: How many draw and look.
    """
    marks: dict[str, list[Marks]] = {}
    groups: dict[str, list[int]] = {}
    of: list[NDArray[np.str_]] = []
    for seed in seeds.split(","):
        made = Settings(
            species=species, specimens=specimens, seed=int(seed), level=level, size=size,
            trays=0, quadrats=0,
        )  # fmt: skip
        world = folder / f"world-{int(seed)}"
        if not (world / "world.json").is_file():
            make_world(world, made, processes=processes)
        vectors = made_vectors(world, folder / f"vectors-{int(seed)}", processes=processes)
        names, sequences, unknown = _records(world)
        ways = _grouped([sequences[row] for row in unknown.tolist()], vectors[unknown])
        for way, label in ways.items():
            asked, pure, share = found_again(label, names[unknown])
            rows = [(pure >= _PURITY) & (share >= least) for least in _SHARES]
            marks.setdefault(way, []).append(np.array(rows, np.float64))
            groups.setdefault(way, []).append(int(label.max(initial=-1)) + 1)
        of.append(np.char.add(f"{seed} ", asked))
    figures: Figures = {"unknown species": {"value": sum(map(len, of))}}
    for way, parts in marks.items():
        table = np.concatenate(parts, axis=1)
        for place, least in enumerate(_SHARES):
            told = mean_interval(100 * table[place])
            figures[f"one pure cluster with {100 * least:g} % of the records, {way}"] = {
                "value": round(told.value, 1), "low": round(told.low, 1),
                "high": round(told.high, 1), "n": told.n, "unit": "% of unknown species",
            }  # fmt: skip
        figures[f"clusters, {way}"] = {"value": sum(groups[way])}
    return figures


def found_again(label: Labels, species: NDArray[np.str_]) -> tuple[NDArray[np.str_], Marks, Marks]:
    """Return the species with enough records, and what the cluster with most of each holds.

    Args:
        label: Of each record; -1 is in no cluster.
        species: Of each.

    Returns:
        The species; of the cluster that holds most of its records the share that is of it, and the
        share of its records that is there: 0 and 0 where none is in a cluster.
    """
    names, count = np.unique(species, return_counts=True)
    asked = names[count >= _LEAST]
    pure, share = np.zeros(len(asked)), np.zeros(len(asked))
    for place, name in enumerate(asked.tolist()):
        own = label[species == name]
        inside = own[own >= 0]
        if len(inside):
            held = np.bincount(inside)
            pure[place] = held.max() / (label == held.argmax()).sum()
            share[place] = held.max() / len(own)
    return asked, pure, share


def _grouped(sequences: list[str], vectors: NDArray[np.float16]) -> dict[str, Labels]:
    """Return the groups of records from barcodes, from pictures, and from both."""
    by_barcode = by_identity(sequences, Identity(tree=False))
    finer = by_identity(sequences, Identity(distance=FINER, tree=False))
    count = by_barcode.count
    pictures = vectors.astype(np.float32)
    words = six_mers(sequences)
    words[words.sum(axis=1) == 0] = np.nan
    both = beside_each_other({"image": pictures, "barcode": words})
    return {
        "image and barcode": with_pictures(by_barcode, pictures, finer).label,
        "barcode alone": by_barcode.label,
        "image alone": _cut(pictures, count),
        "image and barcode side by side": _cut(both, count),
    }


def _cut(vectors: NDArray[np.float32], count: int) -> Labels:
    unit, there = unit_rows(vectors)
    found = np.full(len(vectors), -1, np.int32)
    found[there] = ward(unit).into(min(count, len(there)))
    return found


def _records(world: Path) -> tuple[NDArray[np.str_], list[str], NDArray[np.int64]]:
    """Return true species and sequence of each record, and which are of withheld species."""
    with (world / "truth" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        truth = [*csv.DictReader(stream)]
    with (world / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        sequences = [row["dna_barcode"] for row in csv.DictReader(stream)]
    unknown = np.flatnonzero([row["withheld"] != "none" for row in truth])
    return np.array([row["species"] for row in truth]), sequences, unknown
