"""Zero-shot clustering: how well groups of pictures are classes, by encoder, clusterer and set.

Every encoder sees every set; its vectors, of unit length, are clustered as they are, along their
main axes and in UMAP's space, with the true number of classes and with one that is found. Agreement
is AMI: what a clusterer calls noise is one more cluster, or (`without noise`) is left out. Three
seeds of UMAP and k-means are averaged; intervals are of pictures drawn again, the same for all.

Reference: Lowe et al., Zero-shot clustering of embeddings with self-supervised learned encoders,
arXiv:2406.02465.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian import __version__
from merian.learn.agreement import adjusted_mutual_information
from merian.tensors import map_tensors, write_tensors

__all__ = ["CLUSTERERS", "FOUND", "TRUE", "Scored", "grouped", "scored", "silhouette"]

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]

TRUE, FOUND = "true number", "found number"
CLUSTERERS = {
    "k-means": ("k-means", "none"), "Ward": ("ward", "none"), "Ward, PCA": ("ward", "pca"),
    "HDBSCAN": ("hdbscan", "none"), "k-means, UMAP": ("k-means", "umap"),
    "Ward, UMAP": ("ward", "umap"), "HDBSCAN, UMAP": ("hdbscan", "umap"),
}  # fmt: skip
"""Name -> method and space. HDBSCAN finds its own number, k-means is given the true one alone."""
_SMALLEST = 5  # members of a group of HDBSCAN
_DIM = 50
Name = tuple[str, str, int]
"""Clusterer, how the number came about, and seed."""


@dataclass(frozen=True)
class Scored:
    """What one way of clustering made of one set as one encoder sees it.

    Attributes:
        set: Of pictures.
        encoder: Which one.
        clusterer: One of `CLUSTERERS`.
        number: `TRUE` or `FOUND`.
        ami: Noise as one more cluster; the mean over seeds.
        low: Of its interval.
        high: The same.
        inside: AMI of what is in a cluster.
        noise: Share that is in none.
        clusters: How many, the mean over seeds.
        classes: How many there are.
        silhouette: In UMAP's space, or in that of the vectors where there is none.
        own_silhouette: In the space of the vectors.
        drawn: float64[rounds]; AMI of pictures drawn again.
    """

    set: str
    encoder: str
    clusterer: str
    number: str
    ami: float
    low: float
    high: float
    inside: float
    noise: float
    clusters: float
    classes: int
    silhouette: float
    own_silhouette: float
    drawn: NDArray[np.float64]


def grouped(
    unit: Floats, classes: int, seeds: range, work: Path
) -> tuple[dict[Name, Labels], Floats | None]:
    """Return clusters by all clusterers, made once and kept, and UMAP's space of the first seed.

    Args:
        unit: float32[n, d], rows of unit length.
        classes: The true number.
        seeds: Of what is drawn.
        work: Where clusters are kept.
    """
    told = hashlib.blake2b(np.ascontiguousarray(unit).tobytes(), digest_size=8)
    told.update(repr([__version__, 2, classes, seeds, _has_umap()]).encode())
    kept = work / "groups" / f"{told.hexdigest()}.safetensors"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        spaces: dict[int, Floats] = {}
        made: dict[str, NDArray[Any]] = {
            " | ".join(map(str, name)): label
            for name, label in _all(unit, classes, seeds, spaces)
        }  # fmt: skip
        if spaces:
            made["space"] = spaces[seeds[0]]
        part = kept.with_suffix(".part")
        write_tensors(part, made, "merian-bench-groups 1")
        part.replace(kept)
    found: dict[Name, Labels] = {}
    space = None
    for name, array in map_tensors(kept).items():
        if name == "space":
            space = np.array(array)
            continue
        clusterer, number, seed = name.split(" | ")
        found[clusterer, number, int(seed)] = np.array(array, np.int32)
    return found, space


def _has_umap() -> bool:
    return importlib.util.find_spec("umap") is not None


def _all(
    unit: Floats, classes: int, seeds: range, spaces: dict[int, Floats]
) -> Iterator[tuple[Name, Labels]]:
    """Yield the clusters by each clusterer; UMAP's spaces are left in the last argument."""
    from merian.discover.clustering import group  # noqa: PLC0415 - scikit-learn takes seconds
    from merian.discover.spaces import reduced  # noqa: PLC0415

    for name, (method, how) in CLUSTERERS.items():
        if how == "umap" and not _has_umap():
            continue
        chance = how == "umap" or method == "k-means"
        for seed in seeds if chance else seeds[:1]:
            if how == "umap":
                if seed not in spaces:
                    spaces[seed] = reduced(unit, how, dim=_DIM, seed=seed)
                space = spaces[seed]
            else:
                space = reduced(unit, how, dim=_DIM, seed=seed)
            if method == "ward":  # with its number as `merian discover` finds it
                tree = group(unit, method, None, how, seed, dim=_DIM, support=False)
                yield (name, TRUE, seed), tree.cut(classes)
                yield (name, FOUND, seed), tree.label
            else:
                number, label = _clusters(space, method, classes, seed)
                yield (name, number, seed), label.astype(np.int32)


def _clusters(space: Floats, method: str, classes: int, seed: int) -> tuple[str, NDArray[np.int64]]:
    """Return how the number came about, and the clusters in a space."""
    if method == "hdbscan":
        from sklearn.cluster import HDBSCAN  # noqa: PLC0415

        found = HDBSCAN(min_cluster_size=_SMALLEST, copy=True).fit(space.astype(np.float64))
        return FOUND, np.asarray(found.labels_, np.int64)
    from sklearn.cluster import KMeans  # noqa: PLC0415

    means = KMeans(classes, n_init=3, random_state=seed).fit(space)
    return TRUE, np.asarray(means.labels_, np.int64)


def scored(
    names: tuple[str, str], unit: Floats, truth: NDArray[np.int64], found: Mapping[Name, Labels],
    space: Floats | None, rounds: int, seed: int,
) -> list[Scored]:  # fmt: skip
    """Return what each way of clustering is worth.

    Args:
        names: Of the set and of the encoder.
        unit: The vectors.
        truth: The class of each picture.
        found: The clusters, see `grouped`.
        space: UMAP's.
        rounds: How often pictures are drawn again.
        seed: Of these draws: the same for all encoders of a set.
    """
    drawn = np.random.default_rng([seed, 7]).integers(len(truth), size=(rounds, len(truth)))
    rows = []
    for clusterer, number in dict.fromkeys((name[0], name[1]) for name in found):
        labels = [one for name, one in sorted(found.items()) if name[:2] == (clusterer, number)]
        again = np.array([
            adjusted_mutual_information(labels[turn % len(labels)][some], truth[some])
            for turn, some in enumerate(drawn)
        ])  # fmt: skip
        ami = _mean(labels, lambda one: adjusted_mutual_information(one, truth))
        # What is drawn twice agrees with itself, which lifts all draws: their spread counts.
        again += ami - again.mean()
        low, high = np.quantile(again, [0.025, 0.975])
        rows.append(Scored(
            *names, clusterer, number, ami, float(low), float(high),
            _mean(labels, lambda one: _inside(one, truth)),
            _mean(labels, lambda one: float((one < 0).mean())),
            _mean(labels, lambda one: float(one.max() + 1)),
            int(truth.max()) + 1,
            _mean(labels, lambda one: silhouette(unit if space is None else space, one)),
            _mean(labels, lambda one: silhouette(unit, one)), again,
        ))  # fmt: skip
    return rows


def _mean(labels: list[Labels], figure: Callable[[Labels], float]) -> float:
    return float(np.mean([figure(one) for one in labels]))


def _inside(label: Labels, truth: NDArray[np.int64]) -> float:
    """Return AMI of what is in a cluster; 0 where nothing is."""
    some = label >= 0
    return adjusted_mutual_information(label[some], truth[some]) if some.any() else 0.0


def silhouette(space: Floats, label: Labels) -> float:
    """Return the mean silhouette of what is in a cluster; 0 where there is but one."""
    some = np.flatnonzero(label >= 0)
    kinds, inside = np.unique(label[some], return_inverse=True)
    if not 1 < len(kinds) < len(some):
        return 0.0
    from merian.discover.number import silhouettes  # noqa: PLC0415

    return float(silhouettes(space[some], inside).mean())
