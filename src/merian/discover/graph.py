"""The nearest neighbours of every vector: found once, kept, and used by all that asks for them.

Vectors are brought to unit length first, so that distances are those of the angle. A row that is
not there (NaN) has no neighbours and is nobody's. A graph is kept under a hash of its vectors: the
same vectors find it again, others never do.

Up to 40,000 rows it is exact, by blocks of products. Above, rows are shared out to cells around
means, and only the cells nearest to a row's own are looked through, as in an inverted file (Jégou,
Douze & Schmid, Product quantization for nearest neighbor search, IEEE TPAMI 2011). Neighbours are
found in float32 and their distances reckoned in float64, in one order whatever the threads; which
of two is nearer, where rounding cannot tell, is left open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import FormatError, InputError
from merian.files import new_folder, write_json
from merian.stamp import check_stamp, run_id, stamp
from merian.tensors import map_tensors, write_tensors
from merian.threads import one_blas_thread

__all__ = ["NeighbourGraph", "hash_of", "neighbour_graph", "open_graph", "unit_rows"]

Array = NDArray[Any]
Progress = Callable[[int, int], object]

FORMAT, VERSION = "merian-neighbours", "1.0"
_ARRAYS, _STAMP = "neighbours.safetensors", "neighbours.json"
_ROWS, _COLUMNS = 128, 4096  # of a block of products
_MORE = 6  # are listed by float32, so that the nearest by float64 are among them
EXACT = 40_000  # rows; above, cells are looked through
_PER_CELL, _PROBED = 250, 16  # rows of a cell about, and cells that are looked through


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The nearest neighbours of rows of unit length.

    Attributes:
        nearest: int32[n, k]; not itself, nearest first; -1 where there are not so many.
        distance: float32[n, k]; Euclid's between unit vectors, 0 to 2; infinite where there is no
            neighbour.
        key: The hash of the vectors.
    """

    nearest: NDArray[np.int32]
    distance: NDArray[np.float32]
    key: str = ""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.nearest)

    def save(self, folder: Path | str) -> None:
        """Write the graph as a folder, complete or not at all; one that is there is replaced."""
        with new_folder(folder) as part:
            arrays = {"nearest": self.nearest, "distance": self.distance}
            write_tensors(part / _ARRAYS, arrays, f"{FORMAT} {VERSION}")
            run = run_id("discover", {"vectors": self.key, "count": self.nearest.shape[1]})
            write_json(
                part / _STAMP,
                {
                    "merian": stamp(FORMAT, VERSION, run),
                    "vectors": self.key,
                    "rows": len(self),
                    "count": self.nearest.shape[1],
                },
            )


def open_graph(folder: Path | str, vectors: ArrayLike | None = None) -> NeighbourGraph:
    """Open a graph that was saved; its arrays are mapped.

    Args:
        folder: Where it is.
        vectors: What it should be of; another graph is refused.

    Raises:
        FormatError: It is not a graph, or one of other vectors.
    """
    folder = Path(folder)
    told = check_stamp(folder / _STAMP, FORMAT, 1)
    arrays = map_tensors(folder / _ARRAYS)
    shape = (told.get("rows"), told.get("count"))
    if any(arrays.get(name, np.empty(0)).shape != shape for name in ("nearest", "distance")):
        raise FormatError("its arrays are not of the shape that is told of them", path=folder)
    if vectors is not None and hash_of(np.asarray(vectors)) != told.get("vectors"):
        raise FormatError(
            "is the graph of other vectors; name another folder, or remove it", path=folder
        )
    return NeighbourGraph(arrays["nearest"], arrays["distance"], str(told["vectors"]))


def hash_of(vectors: Array) -> str:
    """Return the hash of vectors: their numbers, type and shape."""
    found = hashlib.blake2b(f"{vectors.dtype.str} {vectors.shape}".encode(), digest_size=16)
    for start in range(0, len(vectors), _COLUMNS):
        found.update(np.ascontiguousarray(vectors[start : start + _COLUMNS]).data.cast("B"))
    return found.hexdigest()


def unit_rows(vectors: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the rows that are there, brought to unit length, and which they are.

    A row with a number that is not finite is not there, nor is one of zeros, which has no
    direction.
    """
    rows = np.asarray(vectors)
    if rows.ndim != 2:
        raise InputError(f"vectors {list(rows.shape)}; a row for each item expected")
    length = np.empty(len(rows))
    for start in range(0, len(rows), _COLUMNS):
        block = rows[start : start + _COLUMNS].astype(np.float64)
        length[start : start + _COLUMNS] = np.sqrt((block**2).sum(axis=1))
    there = np.flatnonzero(np.isfinite(length) & (length > 0))
    found = np.empty((len(there), rows.shape[1]), np.float32)
    for start in range(0, len(there), _COLUMNS):
        some = there[start : start + _COLUMNS]
        found[start : start + _COLUMNS] = rows[some] / length[some, None]
    return found, there.astype(np.int64)


def neighbour_graph(
    vectors: ArrayLike,
    count: int = 15,
    *,
    folder: Path | str | None = None,
    progress: Progress | None = None,
) -> NeighbourGraph:
    """Return the nearest neighbours of every row.

    Args:
        vectors: float[n, d]; of any length; rows with NaN are not there.
        count: How many neighbours of each.
        folder: Where graphs are kept: opened from there if it is, saved there if not.
        progress: Is told how many rows are done, and of how many.
    """
    if count < 1:
        raise InputError(f"{count} neighbours; 1 or more expected")
    rows = np.asarray(vectors)
    key = hash_of(rows)
    place = None if folder is None else Path(folder) / f"neighbours-{key}-{count}"
    if place is not None and (place / _STAMP).exists():
        return open_graph(place)
    unit, there = unit_rows(rows)
    near = np.full((len(rows), count), -1, np.int32)
    far = np.full((len(rows), count), np.inf, np.float32)
    if len(there) > 1:
        near[there], far[there] = _found(unit, there, count, progress)
    graph = NeighbourGraph(near, far, key)
    if place is not None:
        graph.save(place)
    return graph


def _found(unit: Array, there: Array, count: int, progress: Progress | None) -> tuple[Array, Array]:
    """Return the neighbours of unit rows, by the numbers that the rows had, and distances."""
    search = _Search(unit, min(count + _MORE, len(unit) - 1))
    done = 0
    with one_blas_thread() as threads, ThreadPoolExecutor(threads) as pool:
        for rows in pool.map(search.look, *search.lots()):
            done += rows
            if progress is not None:
                progress(done, len(unit))
    near, far = search.near[:, :count], np.sqrt(search.far[:, :count])
    if near.shape[1] < count:
        pad = ((0, 0), (0, count - near.shape[1]))
        near = np.pad(near, pad, constant_values=-1)
        far = np.pad(far, pad, constant_values=np.inf)
    return np.where(near >= 0, there[near], -1).astype(np.int32), far.astype(np.float32)


class _Search:
    """Every row against all others, or against those of the cells around it."""

    def __init__(self, unit: Array, most: int) -> None:
        n = len(unit)
        self.unit, self.weight = unit, np.ones(n)
        self.near, self.far = np.full((n, most), -1, np.int32), np.full((n, most), np.inf)

    def lots(self) -> tuple[list[Array], list[Array | None]]:
        """Return rows that are looked at together, and among which others they are sought."""
        n = len(self.unit)
        if n <= EXACT:
            lots = np.array_split(np.arange(n, dtype=np.int32), -(-n // _ROWS))
            return lots, [None] * len(lots)
        from merian.discover.cells import gathered, means_of  # noqa: PLC0415 - they use this

        _, cell = np.unique(gathered(self.unit, n // _PER_CELL), return_inverse=True)
        size = np.bincount(cell)
        members = np.split(np.argsort(cell, kind="stable").astype(np.int32), np.cumsum(size)[:-1])
        means = means_of(self.unit, cell, len(size)).astype(np.float32)
        square = (means**2).sum(axis=1)
        rows: list[Array] = []
        among: list[Array | None] = []
        for number, inside in enumerate(members):
            gap = square - 2 * (means @ means[number])
            gap[number] = -np.inf  # its own stands first
            order = np.argsort(gap, kind="stable")
            enough = int(np.searchsorted(np.cumsum(size[order]), self.near.shape[1] + 1)) + 1
            others = np.concatenate([members[c] for c in order[: max(_PROBED, enough)].tolist()])
            for start in range(0, len(inside), 4 * _ROWS):
                some = inside[start : start + 4 * _ROWS]
                rows.append(some)
                among.append(np.concatenate([some, np.setdiff1d(others, some)]))
        return rows, among

    def look(self, rows: Array, among: Array | None) -> int:
        """Find the neighbours of some rows; they stand first among those that are looked at."""
        from merian.discover.ward_loops import nearest_of_block, settle  # noqa: PLC0415 - numba

        near = np.full((len(rows), self.near.shape[1]), -1, np.int32)
        far = np.full(near.shape, np.inf)
        own = self.unit[rows]
        there = self.unit if among is None else self.unit[among]
        numbers = rows if among is None else np.arange(len(rows), dtype=np.int32)
        square = np.ones(len(there), np.float32)  # of unit length
        for start in range(0, len(there), _COLUMNS):
            product = own @ there[start : start + _COLUMNS].T
            nearest_of_block(product, numbers, start, square, square, near, far)
        self.near[rows] = near if among is None else np.where(near >= 0, among[near], -1)
        self.far[rows] = far
        n = len(self.unit)
        settle(
            rows.copy(), self.unit, self.weight, self.near, self.far,
            np.empty(n), np.empty(n, np.int32), np.empty(n),
        )  # fmt: skip
        return len(rows)
