"""The space in which groups are sought: unit vectors as they are, their main directions, or UMAP's.

All are of rows of unit length. Main directions (PCA) are those of the covariance, found from all
rows by blocks, so that nothing as large as the rows is made beside them. UMAP is fed by the shared
graph of neighbours and by one seed. The graph has a space of its own, which needs no extra: the
slow directions of a walk from neighbour to neighbour, each as long as the walk takes to forget it.
Like UMAP's, it sees what hangs together rather than what is near on a straight line; the number of
groups is judged there.

References: McInnes, Healy & Melville, UMAP, arXiv 1802.03426; Lowe et al., arXiv 2406.02465 (that
groups are found better in its space; here rows are brought to unit length before); Coifman & Lafon,
Diffusion maps, 2006; Zelnik-Manor & Perona, Self-tuning spectral clustering, NIPS 2004.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.discover.graph import NeighbourGraph, neighbour_graph
from merian.errors import InputError, MissingExtraError
from merian.threads import one_blas_thread

__all__ = ["SPACES", "graph_space", "main_directions", "reduced", "umap_space"]

Array = NDArray[Any]

SPACES = ("none", "pca", "umap")
_BLOCK = 4096
_DENSE = 400  # rows; all directions of so few are found at once
_FORGETS = 1.05  # so that what is not joined at all is 20 times as far, and not infinitely


def reduced(
    unit: Array, how: str, *, dim: int = 50, graph: NeighbourGraph | None = None, seed: int = 0
) -> NDArray[np.float32]:
    """Return rows in the space in which groups are sought.

    Args:
        unit: float32[n, d]; rows of unit length.
        how: none, pca or umap.
        dim: Dimensions of the space, fewer where the rows have fewer.
        graph: Neighbours of these rows, for UMAP; made if not given.
        seed: For UMAP.
    """
    if how not in SPACES:
        raise InputError(f"no space is called {how!r}; there are {', '.join(SPACES)}")
    if how == "none" or len(unit) < 3:
        return unit
    if how == "pca":
        return main_directions(unit, dim)
    return umap_space(unit, dim, graph=graph, seed=seed)


def main_directions(rows: Array, dim: int) -> NDArray[np.float32]:
    """Return rows along the directions in which they differ most (PCA), those first.

    The sign of a direction is such that its largest part is positive, so that it is the same
    everywhere.
    """
    n, width = rows.shape
    if min(n, width) <= dim and width <= n:
        dim = width
    with one_blas_thread():
        middle = rows.mean(axis=0, dtype=np.float64)
        spread = np.zeros((width, width))
        for start in range(0, n, _BLOCK):
            block = rows[start : start + _BLOCK] - middle
            spread += block.T @ block
        value, direction = np.linalg.eigh(spread)
        kept = np.argsort(-value, kind="stable")[: min(dim, n - 1, width)]
        direction = direction[:, kept]
        largest = np.abs(direction).argmax(axis=0)
        direction = direction * np.sign(direction[largest, np.arange(len(kept))])
        found = np.empty((n, len(kept)), np.float32)
        for start in range(0, n, _BLOCK):
            found[start : start + _BLOCK] = (rows[start : start + _BLOCK] - middle) @ direction
    return found


def graph_space(graph: NeighbourGraph, dim: int) -> NDArray[np.float64]:
    """Return rows along the slow directions of a walk on the graph of neighbours.

    Args:
        graph: Of rows that are all there.
        dim: How many directions, fewer where there are fewer rows.
    """
    from scipy.sparse import coo_array, diags_array  # noqa: PLC0415 - half a second
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh  # noqa: PLC0415

    n, count = graph.nearest.shape
    there = graph.nearest >= 0
    one = np.repeat(np.arange(n), count)[there.ravel()]
    other, far = graph.nearest[there], graph.distance[there].astype(np.float64)
    # How far is far differs from place to place: by the middle one of each row's neighbours.
    scale = np.where(there, graph.distance, np.nan)
    own = np.maximum(np.nanmedian(scale.astype(np.float64), axis=1), 1e-9)
    weight = np.exp(-(far**2) / (own[one] * own[other]))
    walk = coo_array((weight, (one, other)), shape=(n, n)).tocsr()
    walk = walk.maximum(walk.T)
    root = 1 / np.sqrt(np.maximum(np.asarray(walk.sum(axis=1)).ravel(), 1e-300))
    even = diags_array(root) @ walk @ diags_array(root)
    wanted = min(dim + 1, n - 1)
    with one_blas_thread():
        if n <= _DENSE:
            value, vector = np.linalg.eigh(even.toarray())
        else:
            begin = np.random.default_rng(0).normal(size=n)
            try:
                value, vector = eigsh(even, k=wanted, which="LA", v0=begin, tol=1e-6)
            except ArpackNoConvergence as error:  # what it has found is as good
                value, vector = error.eigenvalues, error.eigenvectors
    kept = np.argsort(-value, kind="stable")[1:wanted]  # the first is the same everywhere
    value = np.clip(value[kept], 0.0, 1.0)
    found: NDArray[np.float64] = vector[:, kept] * root[:, None] * (value / (_FORGETS - value))
    return found


def umap_space(
    unit: Array, dim: int, *, graph: NeighbourGraph | None = None, seed: int = 0
) -> NDArray[np.float32]:
    """Return rows in UMAP's space, from the shared graph.

    Raises:
        MissingExtraError: The extra `map` is not installed.
    """
    try:
        import umap  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("a space by UMAP", "map") from error
    import warnings  # noqa: PLC0415 - with it alone

    if graph is None:
        graph = neighbour_graph(unit, min(15, len(unit) - 1))
    n = len(unit)
    # UMAP counts a row among its own neighbours.
    near = np.concatenate([np.arange(n, dtype=np.int32)[:, None], graph.nearest], axis=1)
    far = np.concatenate([np.zeros((n, 1), np.float32), graph.distance], axis=1)
    count = int((near >= 0).all(axis=0).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread, and that it is not fast
        return np.asarray(
            umap.UMAP(
                n_neighbors=count, n_components=min(dim, max(2, n - 2)), min_dist=0.0,
                metric="euclidean", random_state=seed, n_jobs=1,
                init="spectral" if n > 4 * dim else "random",
                precomputed_knn=(near[:, :count], far[:, :count], None),
                force_approximation_algorithm=True,
            ).fit_transform(unit), np.float32,
        )  # fmt: skip
