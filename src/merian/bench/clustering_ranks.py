"""BIOSCAN-5M's question of clusters: how well images, barcodes and both agree with every rank.

Vectors of pictures and of barcodes, and both one after the other brought to unit length again, are
joined to one tree by Ward. It is cut at the true number of names of a rank, as that study does, and
once at a number that is found; AMI is with the names of each rank and with the BINs. Controls are
raw pixels, words of six bases, and vsearch's clusters at three thresholds.

On worlds, barcodes are seen by the encoder that ships. It has learned from the real sets here, so
these are seen by words of six bases alone. No real set here has a picture and a barcode of the same
specimen: pictures and BINs of BIOSCAN-5M are not among them.

Reference: Gharaee et al. 2024, BIOSCAN-5M, arXiv:2406.12723.
"""

from __future__ import annotations

import csv
import gzip
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.barcode import clean
from merian.bench.encoder_controls import six_mers
from merian.bench.paired_world import PairedSettings, paired_world
from merian.files import existing
from merian.learn.agreement import adjusted_mutual_information

__all__ = ["RANKS", "Ranked", "Specimens", "by_vsearch", "ranked", "real_barcodes", "world"]

RANKS = ("order", "family", "genus", "species", "BIN")
THRESHOLDS = (97.0, 97.5, 98.0)
_IMAGE, _DNA, _BOTH = "image", "DNA", "image + DNA"
_SIXES = "DNA, six-mers"

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Specimens:
    """Specimens with names, and what is known of each.

    Attributes:
        name: Of the set.
        names: Rank -> a name for each; "" where there is none.
        sequences: The barcodes; "" where there is none.
        vectors: What is seen: name of it -> float32[n, d], rows of unit length.
    """

    name: str
    names: Mapping[str, Sequence[str]]
    sequences: Sequence[str]
    vectors: Mapping[str, Floats]


@dataclass(frozen=True)
class Ranked:
    """How one way of clustering agrees with the names of one rank.

    Attributes:
        set: Of specimens.
        seen: What was clustered.
        rank: One of `RANKS`.
        number: Whether the true number was given, or one found.
        ami: The agreement.
        low: Of its interval: specimens are drawn again.
        high: The same.
        clusters: How many.
        classes: Names at the rank.
        n: Specimens that have one.
    """

    set: str
    seen: str
    rank: str
    number: str
    ami: float
    low: float
    high: float
    clusters: int
    classes: int
    n: int


def unit(vectors: NDArray[np.floating]) -> Floats:
    """Return rows of unit length; a row of nothing stays so."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)


def both(one: Floats, other: Floats) -> Floats:
    """Return two vectors of a specimen after each other, of unit length again."""
    return unit(np.concatenate([unit(one), unit(other)], axis=1))


def world(work: Path, settings: PairedSettings, processes: int, name: str) -> Specimens:
    """Return the specimens of a drawn world that have a barcode, as four encoders see them.

    Args:
        work: Where it is drawn; it is kept.
        settings: What it is made of.
        processes: How many draw.
        name: What it is called.
    """
    from merian.bench.clustering_sets import world_rows  # noqa: PLC0415
    from merian.image.transforms import square  # noqa: PLC0415
    from merian.learn.saved import load_model  # noqa: PLC0415 - loads torch
    from merian.pictures import decode  # noqa: PLC0415

    folder = work / name.replace(" ", "-")
    drawn = paired_world(folder, settings, processes)
    some = np.flatnonzero([len(text) >= 200 for text in drawn.sequences])
    sequences = [drawn.sequences[row] for row in some.tolist()]
    shipped = load_model("barcode-small", "cpu", "float32").encode(sequences)
    kept = np.isfinite(shipped).all(axis=1)
    some, shipped = some[kept], unit(shipped[kept])
    sequences = [drawn.sequences[row] for row in some.tolist()]
    files = [file for file, _ in world_rows(folder)]
    pixels = np.stack([square(decode(files[row].read_bytes()), 32) for row in some.tolist()])
    image = unit(drawn.vectors[some])
    ranks = ("phylum", "class", "order", "family", "genus", "species")
    return Specimens(
        name,
        {rank: drawn.names[some, place].tolist() for place, rank in enumerate(ranks)},
        sequences,
        {
            _IMAGE: image, _DNA: shipped, _BOTH: both(image, shipped),
            _SIXES: unit(np.sqrt(six_mers(sequences))),
            "pixels": unit(pixels.reshape(len(some), -1).astype(np.float32) - 127),
        },
    )  # fmt: skip


def real_barcodes(name: str, table: Path, most: int, seed: int) -> Specimens:
    """Return some real barcodes with a BIN, one of each sequence, as words of six bases.

    Args:
        name: Of the set.
        table: As `SOURCE.txt` beside it tells; columns of BOLD or plain ranks.
        most: How many, by chance.
        seed: Of the chance.
    """
    file = existing(table, "table of barcodes")
    first: dict[str, dict[str, str]] = {}
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row.get("bin") or row.get("bin_uri"):
                first.setdefault(clean(row["nucleotides"]).strip("N"), row)
    texts = sorted(first)
    chosen = np.sort(np.random.default_rng([seed, 9]).permutation(len(texts))[:most])
    sequences = [texts[row] for row in chosen.tolist()]
    rows = [first[text] for text in sequences]
    names = {
        rank: [row.get(rank) or row.get(f"{rank}_name") or "" for row in rows]
        for rank in RANKS[:-1]
    }
    names["BIN"] = [row.get("bin") or row.get("bin_uri") or "" for row in rows]
    return Specimens(name, names, sequences, {_SIXES: unit(np.sqrt(six_mers(sequences)))})


def ranked(asked: Specimens, rounds: int, seed: int) -> list[Ranked]:
    """Return the agreement of all that was seen with all ranks that have names.

    Args:
        asked: The specimens.
        rounds: How often they are drawn again for the intervals.
        seed: Of these draws.
    """
    from merian.discover.clustering import group  # noqa: PLC0415 - compiled when first used

    found: list[Ranked] = []
    for seen, vectors in asked.vectors.items():
        tree = group(vectors, "ward", seed=seed, support=False)
        one = tree.label
        for rank, names, classes in _named(asked):
            for how, label in (("true number", tree.cut(classes)), ("found number", one)):
                found.append(_agreement((asked.name, seen, rank, how), label, names, rounds, seed))
    if shutil.which("vsearch") and any(asked.sequences):
        for threshold in THRESHOLDS:
            near = by_vsearch(asked.sequences, threshold)
            for rank, names, _ in _named(asked):
                told = (asked.name, f"vsearch {threshold:g} %", rank, "found number")
                found.append(_agreement(told, near, names, rounds, seed))
    return found


def _named(asked: Specimens) -> Iterator[tuple[str, NDArray[np.str_], int]]:
    """Yield the ranks at which there are two names or more, and less than specimens."""
    for rank in RANKS:
        names = np.array(asked.names.get(rank, [""]))
        classes = len(np.unique(names[names != ""]))
        if 1 < classes < len(names):
            yield rank, names, classes


def _agreement(
    told: tuple[str, str, str, str], label: NDArray[np.integer], names: NDArray[np.str_],
    rounds: int, seed: int,
) -> Ranked:  # fmt: skip
    """Return AMI over the specimens that have a name at the rank."""
    some = np.flatnonzero(names != "")
    truth = np.unique(names[some], return_inverse=True)[1]
    inside = np.unique(np.asarray(label)[some], return_inverse=True)[1]
    random = np.random.default_rng([seed, 10])
    ami = adjusted_mutual_information(inside, truth)
    again = np.array([
        adjusted_mutual_information(inside[rows], truth[rows])
        for rows in (random.integers(len(some), size=len(some)) for _ in range(rounds))
    ])  # fmt: skip
    # What is drawn twice agrees with itself, which lifts all draws: their spread counts.
    low, high = np.quantile(again - again.mean() + ami, [0.025, 0.975])
    return Ranked(
        *told, ami, float(low), float(high),
        int(inside.max()) + 1, int(truth.max()) + 1, len(some),
    )  # fmt: skip


def by_vsearch(sequences: Sequence[str], percent: float) -> Numbers:
    """Return the clusters of vsearch; what it does not take is a cluster of its own.

    Args:
        sequences: The barcodes.
        percent: Of identity, from which on two are one cluster.
    """
    found = np.arange(len(sequences)) + len(sequences)
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        records = (f">{row}\n{text}\n" for row, text in enumerate(sequences) if text)
        Path(made, "asked").write_text("".join(records), encoding="ascii")
        subprocess.run(
            f"vsearch --cluster_fast asked --id {percent / 100} --threads 1 --quiet "
            "--uc clusters".split(),
            cwd=made, check=True,
        )  # fmt: skip
        for line in Path(made, "clusters").read_text(encoding="ascii").splitlines():
            kind, number, *_, name, _ = line.split("\t")
            if kind in "SH":
                found[int(name)] = int(number)
    return found.astype(np.int64)
