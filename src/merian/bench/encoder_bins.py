"""BINs found again from vectors, with the true number of clusters and without it.

The BINs of the COI reference are halved. The encoder learns from the barcodes of one half, and
whatever distance a clustering needs is chosen on it; scored is the other half, which shares no BIN
with it. The papers give a clustering the true number, which nobody has. The controls need none.

References: Millan Arias et al., BarcodeBERT, 2026 (the protocol with the true number); Rognes et
al., VSEARCH, PeerJ 2016 (its clusters); Ratnasingham & Hebert, PLoS ONE 2013 (what a BIN is).
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.barcode import clean
from merian.bench.encoder_arms import SELF_SUPERVISED, SPECTRUM, UNTRAINED
from merian.bench.encoder_controls import six_mers
from merian.bench.encoder_scores import Figures
from merian.bench.encoder_splits import (
    RANKS,
    Split,
    is_written,
    open_split,
    plain_name,
    write_split,
)
from merian.bench.encoder_study import Part, Study
from merian.bench.yardstick import Row, Task, load_yardstick, quietly
from merian.discover import Dendrogram, by_average, ward
from merian.errors import NotFoundError
from merian.learn.agreement import adjusted_mutual_information, adjusted_rand_index
from merian.metabarcoding.clusters import cluster, near_pairs

__all__ = ["BINS", "bins_split", "leaders", "left_out_interval", "split_bins"]

_SHARE_ALIKE = 0.025  # of the bases, within a BIN: what vsearch and our own clusters are given
_STEPS = 60  # distances that are tried
_GROUPS, _T_GROUPS = 20, 2.093  # of BINs that are left out in turn; Student's t of 19
_UNIT = "x 100, of barcodes in BINs"
_ARMS = (SELF_SUPERVISED, SPECTRUM, UNTRAINED)

Floats = NDArray[np.float32]
Labels = NDArray[np.signedinteger[Any]]


def bins_split(yardstick: Path, folder: Path, seed: int) -> Split:
    """Return the two halves of the COI reference, with the BIN in the place of the species."""
    if is_written(folder):
        return open_split(folder)
    ruler = load_yardstick(yardstick)
    with quietly(), ruler.opened(ruler.find(ruler.DATA / _TABLE)) as stream:
        rows = [
            (row["processid"], clean(row["nucleotides"]), _names(row))
            for row in csv.DictReader(stream, delimiter="\t")
            if row["bin"]
        ]
    first: dict[str, Row] = {}
    for row in rows:  # each sequence once
        first.setdefault(row[1], row)
    return write_split(folder, *split_bins([*first.values()], seed))


_TABLE = Path("dna/coi_reference/coi_reference.tsv")


def _names(row: Mapping[str, str]) -> list[str]:
    return [*(plain_name(row[rank]) for rank in RANKS[:-1]), plain_name(row["bin"])]


def split_bins(rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
    """Return the rows of one half of the BINs, and of the other."""
    bins = sorted({row[2][-1] for row in rows})
    if len(bins) < 2:
        raise NotFoundError(f"{len(bins)} BINs among {len(rows)} barcodes; two or more expected")
    chance = np.random.default_rng(seed).permutation(len(bins))
    learned = {bins[place] for place in chance[: len(bins) // 2].tolist()}
    return (
        [row for row in rows if row[2][-1] in learned],
        [row for row in rows if row[2][-1] not in learned],
    )


def leaders(vectors: Floats, distance: float) -> Labels:
    """Return the cluster of each vector: that of the nearest leader within a distance, or its own.

    Args:
        vectors: In the order in which they come.
        distance: 1 less the cosine.
    """
    unit = _unit(vectors)
    heads = np.empty_like(unit)
    found, count = np.empty(len(unit), np.int64), 0
    for number, vector in enumerate(unit):
        cosines = heads[:count] @ vector
        best = int(cosines.argmax()) if count else -1
        if best < 0 or cosines[best] < 1 - distance:
            best, count = count, count + 1
            heads[best] = vector
        found[number] = best
    return found


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length == 0, 1, length), np.float32)


def _figures(study: Study, split: Split) -> Figures:
    """Cluster the half that was not learned from in several ways, and hold it against the BINs."""
    labels, truth = (
        np.unique(names, return_inverse=True)[1]
        for names in (split.labels("species"), split.truth("species"))
    )
    vectors = {arm: study.learned(split, arm) for arm in _ARMS}
    pairs = {arm: (one.references, one.queries) for arm, one in vectors.items()}
    references, queries = ([text for text, _ in rows] for rows in (split.references, split.queries))
    pairs["6-mer"] = (six_mers(references), six_mers(queries))
    figures: Figures = {}
    for name, (learned, asked) in pairs.items():
        told = np.isfinite(learned).all(axis=1)
        for how, clusters in _clustered(learned[told], labels[told], asked, truth):
            figures |= _agreement(f"{name}, {how}", clusters, truth)
    figures |= _agreement("our clusters at 2.5 %", _own(queries), truth)
    if study.peers and shutil.which("vsearch"):
        figures |= _agreement("vsearch cluster_fast 0.975", _by_vsearch(queries), truth)
    figures["BINs"] = {"value": int(truth.max()) + 1, "n": len(truth)}
    return figures


def _clustered(
    learned: Floats, labels: Labels, asked: Floats, truth: Labels
) -> Iterator[tuple[str, Labels]]:
    """Yield each way of clustering and what it makes of the vectors that are asked."""
    asked = np.nan_to_num(asked)
    for method in ("average", "ward"):
        tree, own = _tree(asked, method), _tree(learned, method)
        yield f"{method} linkage, number given", tree.into(int(truth.max()) + 1)
        yield f"{method} linkage, distance learned", tree.at(_best(own.heights, own.at, labels))
    spread = _tree(learned, "average").heights
    at = _best(spread, partial(leaders, learned), labels)
    yield "leaders, distance learned", leaders(asked, at)


def _tree(vectors: Floats, method: str) -> Dendrogram:
    """Return the tree of unit vectors: average linkage by 1 less the cosine, Ward's by squares."""
    unit = _unit(vectors).astype(np.float64)
    if method == "ward":
        return ward(unit)
    return by_average(np.maximum(1 - unit @ unit.T, 0))


def _best(
    heights: NDArray[np.float64], clustering: Callable[[float], Labels], labels: Labels
) -> float:
    """Return the distance at which a clustering agrees best with the labels; of equals the least.

    Tried are the heights at which clusters of the tree join, evenly among them.
    """
    tried = np.unique(np.quantile(heights, np.linspace(0.02, 0.999, _STEPS)))
    scores = [adjusted_mutual_information(clustering(float(at)), labels) for at in tried]
    return float(tried[int(np.argmax(scores))])


def _own(sequences: Sequence[str]) -> Labels:
    """Return clusters by our own search and alignment."""
    edges = near_pairs(sequences, _SHARE_ALIKE, lambda *_: None)
    length = np.array([len(text) for text in sequences], np.int64)  # the longest begin, as vsearch
    return cluster(sequences, length, edges, _SHARE_ALIKE).astype(np.int64)


def _by_vsearch(sequences: Sequence[str]) -> Labels:
    """Return vsearch's clusters, with the distance that its users take."""
    found = np.full(len(sequences), -1, np.int64)
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        records = (f">{number}\n{text}\n" for number, text in enumerate(sequences))
        (Path(made) / "asked").write_text("".join(records), encoding="ascii")
        subprocess.run(
            f"vsearch --cluster_fast asked --id {1 - _SHARE_ALIKE} --threads 1 --quiet "
            "--uc clusters".split(),
            cwd=made, check=True,
        )  # fmt: skip
        for line in (Path(made) / "clusters").read_text(encoding="ascii").splitlines():
            kind, number, *_, name, _ = line.split("\t")
            if kind in "SH":
                found[int(name)] = int(number)
    return found


def _agreement(name: str, clusters: Labels, truth: Labels) -> Figures:
    """Return AMI and ARI with their intervals over BINs, and how many clusters there are."""
    figures: Figures = {}
    for called, measure in (
        ("AMI", adjusted_mutual_information),
        ("ARI", adjusted_rand_index),
    ):
        value, half = left_out_interval(measure, clusters, truth)
        figures[f"{called}, {name}"] = {
            "value": round(100 * value, 3), "low": round(100 * (value - half), 3),
            "high": round(100 * min(value + half, 1.0), 3), "n": len(truth), "unit": _UNIT,
        }  # fmt: skip
    figures[f"clusters, {name}"] = {"value": len(np.unique(clusters)), "n": len(truth)}
    return figures


def left_out_interval(
    measure: Callable[[Labels, Labels], float], clusters: Labels, truth: Labels
) -> tuple[float, float]:
    """Return an agreement and half of its interval, by leaving out a twentieth of the BINs in turn.

    No bootstrap: a BIN drawn twice is one of twice the size, and larger BINs agree better.
    """
    bins = np.unique(truth, return_inverse=True)[1]
    group = np.random.default_rng(0).permutation(int(bins.max()) + 1)[bins] % _GROUPS
    parts = [group != left for left in np.unique(group).tolist()]
    some = np.array([measure(clusters[part], truth[part]) for part in parts if part.any()])
    spread = float(np.sqrt((len(some) - 1) / len(some) * ((some - some.mean()) ** 2).sum()))
    return measure(clusters, truth), _T_GROUPS * spread


BINS = Part((Task("coi", "bins", 0),), _ARMS, _figures, controls=False)
