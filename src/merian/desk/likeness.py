"""What is alike by the vectors that were stored with a catalogue: outliers, neighbours, the pinned.

The vectors are those of `merian embed`, or those that `merian discover` has left in the folder
``runs`` of the catalogue; nothing is computed from pixels here. A record's vector is the mean of
its pictures'. An outlier lies far from the middle of all that go by its name: 1 less the cosine,
the record itself left out of the middle. The middles are sums, so that a decision moves two of them
and not all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.desk.board import BOARD
from merian.errors import InputError

__all__ = ["Likeness"]

_CHUNK = 8_192  # vectors worked on at a time
_LEAST = 3  # that go by a name, for there to be a middle
_WIDENED = 500_000_000  # numbers that are kept as float32, which is quicker than the half of it

Floats = NDArray[np.float32]


class Likeness:
    """Vectors of the records of a board.

    Attributes:
        where: The folder that they were read from; None where there are none.
    """

    def __init__(self, vectors: NDArray[Any], row: NDArray[np.int64],
                 where: Path | None, count: int) -> None:  # fmt: skip
        self._vectors: NDArray[Any] = vectors
        self._row, self.where = row, where
        self._count = count
        self._name: NDArray[np.int64] = np.full(count, -1, np.int64)
        self._numbers: dict[str, int] = {}
        self._sum: list[Floats] = []
        self._size: list[int] = []
        self._pinned: tuple[int, Floats] | None = None

    @staticmethod
    def open(
        con: duckdb.DuckDBPyConnection, catalogue: Path, given: Path | None, work: Path
    ) -> Likeness:
        """Read the vectors of a catalogue's records, and find its outliers.

        Args:
            con: The catalogue with its board.
            catalogue: Its folder.
            given: A folder of `merian embed`; one in ``runs`` is looked for if not given.
            work: The catalogue's work folder.
        """
        (count,) = con.execute(f"SELECT count(*) FROM {BOARD}").fetchall()[0]
        where = given or _stored(catalogue)
        if where is None:
            return Likeness(np.empty((0, 0), np.float16), np.full(count, -1), None, count)
        vectors: NDArray[Any]
        vectors, row = _read(con, where, int(count))
        if 0 < vectors.size <= _WIDENED:
            vectors = _widened(vectors, work / "vectors.f32")
        if given is not None and not (row >= 0).any():
            raise InputError(f"{given}: holds no vector of a record of {catalogue}")
        made = Likeness(vectors, row, where, int(count))
        made._begin(con)
        return made

    def __bool__(self) -> bool:
        return bool((self._row >= 0).any())

    # -- outliers -------------------------------------------------------------------------------

    def _begin(self, con: duckdb.DuckDBPyConnection) -> None:
        names = con.execute(
            f"SELECT place - 1, scientificName FROM {BOARD} WHERE scientificName IS NOT NULL"
        ).fetchnumpy()
        text, which = np.unique(np.asarray(names["scientificName"], object).astype(str),
                                return_inverse=True)  # fmt: skip
        self._numbers = {name: number for number, name in enumerate(text.tolist())}
        self._name[next(iter(names.values()))] = which
        width = self._vectors.shape[1]
        sums = np.zeros((len(text), width), np.float32)
        size = np.zeros(len(text), np.int64)
        places = np.flatnonzero((self._row >= 0) & (self._name >= 0))
        for begin in range(0, len(places), _CHUNK):
            part = places[begin : begin + _CHUNK]
            order = np.argsort(self._name[part], kind="stable")
            part = part[order]
            numbers, first = np.unique(self._name[part], return_index=True)
            sums[numbers] += np.add.reduceat(self._of(part), first, axis=0)
            size += np.bincount(self._name[part], minlength=len(text))
        self._sum, self._size = [*sums], size.tolist()
        self._write(con, places)

    def moved(self, con: duckdb.DuckDBPyConnection, records: Sequence[str]) -> None:
        """Move the middles of the names that records have left and got."""
        if not self:
            return
        rows = con.execute(
            f"SELECT place - 1, scientificName FROM {BOARD} "
            "WHERE record IN (SELECT unnest(?::VARCHAR[]))", [[*records]],
        ).fetchall()  # fmt: skip
        for place, name in rows:
            vector = self._of(np.array([place]))[0]
            known = self._row[place] >= 0
            former = self._name[place]
            if former >= 0 and known:
                self._sum[former] = self._sum[former] - vector
                self._size[former] -= 1
            now = -1
            if name is not None:
                now = self._numbers.setdefault(name, len(self._sum))
                if now == len(self._sum):
                    self._sum.append(np.zeros(self._vectors.shape[1], np.float32))
                    self._size.append(0)
                if known:
                    self._sum[now] = self._sum[now] + vector
                    self._size[now] += 1
            self._name[place] = now
        self._write(con, np.array([place for place, _ in rows], np.int64))

    def _write(self, con: duckdb.DuckDBPyConnection, places: NDArray[np.int64]) -> None:
        """Write how far records lie from the middle of their name."""
        far = np.full(len(places), np.nan, np.float32)
        for begin in range(0, len(places), _CHUNK):
            part = places[begin : begin + _CHUNK]
            vectors, number = self._of(part), self._name[part]
            size = np.array([self._size[n] if n >= 0 else 0 for n in number])
            good = (self._row[part] >= 0) & (size >= _LEAST)
            if good.any():
                middles = np.stack([self._sum[n] for n in number[good]]) - vectors[good]
                length = np.linalg.norm(middles, axis=1) * np.linalg.norm(vectors[good], axis=1)
                with np.errstate(invalid="ignore", divide="ignore"):
                    cosine = (middles * vectors[good]).sum(axis=1) / length
                far[begin : begin + len(part)][good] = 1 - cosine
        con.register("far", {"place": places + 1, "outlier": far})
        con.execute(
            f"UPDATE {BOARD} SET outlier = if(isnan(far.outlier), NULL, far.outlier) "
            "FROM far WHERE board.place = far.place"
        ).fetchall()
        con.unregister("far")

    # -- what is like one -----------------------------------------------------------------------

    def has(self, place: int) -> bool:
        """Return whether a record, by its place on the board, has a vector."""
        return bool(self) and 1 <= place <= self._count and bool(self._row[place - 1] >= 0)

    def to(self, place: int) -> Floats:
        """Return float32[records]: the cosine of each record to one; NaN where it has no vector."""
        if self._pinned is not None and self._pinned[0] == place:
            return self._pinned[1]
        found = np.full(self._count, np.nan, np.float32)
        if self.has(place):
            one = self._of(np.array([place - 1]))[0]
            known = self._row >= 0
            found[known] = self._times(one)[self._row[known]]
        self._pinned = (place, found)
        return found

    def _times(self, one: Floats) -> Floats:
        """Return the product of every vector with one: at once where nothing has to be widened."""
        if self._vectors.dtype == np.float32:
            return np.asarray(self._vectors) @ one
        return np.concatenate([
            self._vectors[begin : begin + _CHUNK].astype(np.float32) @ one
            for begin in range(0, len(self._vectors), _CHUNK)
        ])  # fmt: skip

    def _of(self, places: NDArray[np.int64]) -> Floats:
        """Return the vectors of records by their places from 0; zeros where there is none."""
        row = self._row[places]
        found = self._vectors[np.maximum(row, 0)].astype(np.float32)
        found[row < 0] = 0
        return found


def _widened(vectors: NDArray[np.float16], file: Path) -> NDArray[np.float32]:
    """Return vectors as float32, in a file that is mapped and not held in memory."""
    wide = np.memmap(file, np.float32, "w+", shape=vectors.shape)
    for begin in range(0, len(vectors), _CHUNK):
        wide[begin : begin + _CHUNK] = vectors[begin : begin + _CHUNK]
    return wide


def _stored(catalogue: Path) -> Path | None:
    """Return the vectors that lie in a catalogue: of pictures before others, the newest."""
    found = [file.parent for file in (catalogue / "runs").glob("vectors-*/index.json")]
    found.sort(key=lambda folder: (
        "vectors-pictures" in folder.name, (folder / "index.json").stat().st_mtime, folder.name
    ))  # fmt: skip
    return found[-1] if found else None


def _read(
    con: duckdb.DuckDBPyConnection, where: Path, count: int
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Return vectors of unit length, and the row of each record's among them."""
    from merian.learn.embeddings import open_embeddings  # noqa: PLC0415 - not for a desk without

    opened = open_embeddings(where)
    records = opened.records()
    vectors = opened.vectors()
    con.register("item", {"record": np.array(["", *records], object),
                          "at": np.arange(-1, len(records))})  # fmt: skip
    found = con.execute(
        f"SELECT b.place - 1 AS place, item.at FROM item JOIN {BOARD} b USING (record) "
        "WHERE item.at >= 0 ORDER BY 1, 2"
    ).fetchnumpy()
    con.unregister("item")
    place, at = np.asarray(found["place"], np.int64), np.asarray(found["at"], np.int64)
    good = ~np.isnan(vectors[at]).any(axis=1) if len(at) else np.zeros(0, bool)
    place, at = place[good], at[good]
    row = np.full(count, -1, np.int64)
    own, first = np.unique(place, return_index=True)
    row[own] = at[first]
    several = np.flatnonzero(np.bincount(place, minlength=count) > 1)
    if len(several):
        # The mean of several goes into the row of the first, which is no one else's.
        vectors = vectors.copy()
        begin = np.searchsorted(place, several)
        for one, start in zip(several.tolist(), begin.tolist(), strict=True):
            stop = int(np.searchsorted(place, one, "right"))
            mean = vectors[at[start:stop]].astype(np.float32).mean(axis=0)
            vectors[row[one]] = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float16)
    return vectors, row
