"""The middle of a cluster, how wide it is, what lies beside it, and the nearest named species.

Distances of sequences are the share of columns that differ in an alignment, those of vectors one
less the cosine. Of a large cluster some members spread evenly over its ids are compared, the same
ones each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.barcode import align, nearest
from merian.discover.subjects import Subjects
from merian.library import Library
from merian.library.neighbours import Finder, find, finder_of
from merian.library.vectors import Kinship

__all__ = ["Kin", "Middle", "Nearest", "beside", "kin_of", "middle_of"]

_COMPARED = 60  # members of which each is compared with each
_MEASURED = 1000  # members whose distance to the medoid is measured
SPREAD = 12
"""Members that are shown: the medoid, then each time the one farthest from those before."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Middle:
    """What a cluster is like.

    Attributes:
        medoid: The place of the member in its middle.
        spread: Places of members, the medoid first, then those that differ most.
        mean: The mean distance to the medoid.
        widest: The greatest.
    """

    medoid: int
    spread: tuple[int, ...]
    mean: float
    widest: float


@dataclass(frozen=True)
class Nearest:
    """The named species nearest to a cluster.

    Attributes:
        name: Its name; "" where only the id of the reference is known.
        reference: The id of the reference.
        distance: To the medoid.
        measure: barcode or picture.
    """

    name: str
    reference: str
    distance: float
    measure: str


def _evenly(members: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return some of the members, evenly over all."""
    if len(members) <= count:
        return members
    return members[np.linspace(0, len(members) - 1, count).round().astype(np.int64)]


def _apart(subjects: Subjects, one: int, others: Sequence[int]) -> Floats:
    """Return the distances of a member to others; 1 where the two cannot be compared."""
    if subjects.vector is not None and not np.isnan(subjects.vector[one]).any():
        cosines = subjects.vector[others].astype(np.float64) @ subjects.vector[one]
        return np.asarray(np.nan_to_num(np.maximum(1 - cosines, 0.0), nan=1.0), np.float64)
    if subjects.sequence:
        pairs = align(subjects.sequence[one], [subjects.sequence[n] for n in others])
        return (1 - pairs.identity).astype(np.float64)
    return np.ones(len(others))


def middle_of(subjects: Subjects, members: NDArray[np.int64]) -> Middle:
    """Return what a cluster is like.

    Args:
        subjects: All records.
        members: The places of its members, ascending.
    """
    some = _evenly(members, _COMPARED)
    every = np.array([_apart(subjects, int(one), some.tolist()) for one in some])
    at = int(np.lexsort((some, np.round(every.sum(axis=1), 9)))[0])
    chosen = [at]
    least = every[at].copy()
    while len(chosen) < min(SPREAD, len(some)):
        least[chosen] = -1
        far = int(np.lexsort((some, -np.round(least, 9)))[0])
        chosen.append(far)
        least = np.minimum(least, every[far])
    medoid = int(some[at])
    measured = _evenly(members, _MEASURED)
    measured = measured[measured != medoid]
    far_off = _apart(subjects, medoid, measured.tolist()) if len(measured) else np.zeros(1)
    return Middle(
        medoid, tuple(int(some[n]) for n in chosen), float(far_off.mean()), float(far_off.max())
    )


def beside(subjects: Subjects, medoids: Sequence[int]) -> list[tuple[int, float] | None]:
    """Return of each medoid which other one is nearest, and how far; None where it is alone."""
    if len(medoids) < 2:
        return [None] * len(medoids)
    if subjects.vector is not None and not np.isnan(subjects.vector[medoids]).any():
        return _beside_by_vector(subjects.vector[medoids].astype(np.float64))
    if not subjects.sequence:
        return [None] * len(medoids)
    texts = [subjects.sequence[n] for n in medoids]
    found = nearest(texts, texts, count=2)
    near: list[tuple[int, float] | None] = []
    for place in range(len(medoids)):
        row = [
            (float(identity), int(other))
            for other, identity in zip(
                found.index[place].tolist(), found.identity[place].tolist(), strict=True
            )
            if other not in (-1, place)
        ]
        near.append((row[0][1], 1 - row[0][0]) if row else None)
    return near


def _beside_by_vector(vectors: Floats) -> list[tuple[int, float] | None]:
    near: list[tuple[int, float] | None] = []
    for first in range(0, len(vectors), 1024):
        cosines = vectors[first : first + 1024] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, rows + first] = -2
        best = cosines.argmax(axis=1)
        far = np.maximum(1 - cosines[rows, best], 0.0)
        near += [*zip(best.tolist(), far.tolist(), strict=True)]
    return near


class Kin:
    """Libraries that are asked for the named species nearest to a record."""

    def __init__(self, libraries: Mapping[str, Library]) -> None:
        """Open what is searched."""
        self._finders = [finder_of(one) for one in libraries.values() if one.kind == "barcode"]
        self._kinships = [
            (one, kinship)
            for one in libraries.values()
            if one.kind == "picture" and (kinship := Kinship.open(one)) is not None
        ]

    def nearest(self, subjects: Subjects, place: int) -> Nearest | None:
        """Return the named species nearest to a record: by its barcode if it has one."""
        text = subjects.sequence[place] if subjects.sequence else ""
        found = [near for finder in self._finders if text
                 for near in (_by_barcode(finder, text),) if near]  # fmt: skip
        if not found and subjects.vector is not None:
            vector = subjects.vector[place : place + 1]
            found = [
                near for library, kinship in self._kinships
                if library.header["encoder"]["id"] == subjects.encoder
                and not np.isnan(vector).any()
                for near in (_by_picture(library, kinship, vector),) if near
            ]  # fmt: skip
        return min(found, key=lambda near: (near.distance, near.name)) if found else None


def kin_of(libraries: Mapping[str, Library]) -> Kin | None:
    """Return what finds the nearest named species; None where there is no library."""
    return Kin(libraries) if libraries else None


def _by_barcode(finder: Finder, text: str) -> Nearest | None:
    library = finder.library
    (found,) = find(finder, text)
    named = library.is_named()[found.entry]
    if not named.any():
        return None
    distance = found.mismatches[named] / np.maximum(found.overlap[named], 1)
    entries = found.entry[named]
    at = int(np.lexsort((entries, -found.overlap[named], distance))[0])
    entry = int(entries[at])
    name, record = library.name_of(entry), library.records_of(entry)[0].id
    return Nearest(name, record, float(distance[at]), "barcode")


def _by_picture(library: Library, kinship: Kinship, vector: NDArray[np.float32]) -> Nearest | None:
    cosines = kinship.of_vectors(vector)[0]
    cosines = np.where(library.is_named(), cosines, -2)
    entry = int(cosines.argmax()) if len(cosines) else -1
    if entry < 0 or cosines[entry] < -1:
        return None
    name, record = library.name_of(entry), library.records_of(entry)[0].id
    return Nearest(name, record, float(1 - cosines[entry]), "picture")
