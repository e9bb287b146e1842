"""The evidence of pictures, by a library of them or by one of barcodes that sees pictures.

See `picture` for what describes an outcome, and `learning_across` for how a picture is compared
with barcodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.identify.determination import Match
from merian.identify.evidence import Asked
from merian.identify.fitting import score
from merian.identify.gallery import Gallery, gallery_of
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.learning_across import answers_pictures, refusal
from merian.identify.learning_pictures import LearntPictures, open_learnt_pictures
from merian.identify.likeness import cosines, unit
from merian.identify.picture import describe_pictures
from merian.identify.promise import Choice, Promise, promise_of
from merian.identify.simulations import Simulations
from merian.library import Library
from merian.library.towers import open_tower
from merian.library.vectors import Kinship, Raw, scaled

__all__ = ["PictureEvidence"]

_TOLD = 10  # references that are kept of the near ones
_TOGETHER = 32  # queries whose cosines are reckoned at a time

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Near:
    """The references nearest to each query: entries, and both cosines to them."""

    entry: NDArray[np.int64]  # [queries, told]
    alike: Floats
    seen: Floats


class PictureEvidence:
    """What a library says of pictures (see `evidence.Evidence`).

    Attributes:
        eye_id: What its encoder of pictures is known by.
    """

    kind = "picture"
    usual_length = 0.0

    def __init__(self, library: Library) -> None:
        if library.kind != "picture" and not answers_pictures(library):
            raise InputError(f"it answers no pictures; {refusal({str(library.folder): library})}")
        self.library = library
        self.ladder: Ladder = ladder_of(library)
        self._learnt: LearntPictures = open_learnt_pictures(library)
        self.simulated: Simulations = self._learnt.simulated
        kinship = Kinship.open(library)
        assert kinship is not None, "a library that answers pictures has an encoder"
        told = library.header["encoder"]
        self._encoder = kinship.encoder
        self.eye_id = str(told.get("model", told["id"]))
        self._centre = kinship.centre if self._learnt.centre is None else self._learnt.centre
        self._gallery: Gallery = gallery_of(self.ladder, library.individuals)
        order = self._gallery.entry
        vectors = np.concatenate([np.asarray(rows) for rows in kinship.vectors])
        self._seen = vectors[order].astype(np.float32)
        self._alike = self._learnt.alike[order].astype(np.float32)
        self._lengths = self._gallery.lengths(self._gallery.sums(unit(self._alike)))

    @cached_property
    def eye(self) -> Any:
        """The encoder of pictures, in 32 bits on a CPU."""
        return open_tower(self._encoder, "image")

    def queries(self, raw: Raw) -> list[NDArray[np.int16]]:
        """Return what is asked of pictures, of their vectors as `eye` makes them."""
        return [*scaled(raw, self._centre)]

    def ask(self, queries: Sequence[Any]) -> Asked:
        """Find what is near to pictures.

        Args:
            queries: As `queries` returns them.
        """
        parts = [
            self._ask(np.stack(queries[first : first + _TOGETHER]))
            for first in range(0, len(queries), _TOGETHER)
        ]
        offsets, begin = [np.zeros(1, np.int64)], 0
        for part in parts:
            offsets.append(part.offset[1:] + begin)
            begin += int(part.offset[-1])
        near = _Near(
            np.concatenate([part.near.entry for part in parts]),
            np.concatenate([part.near.alike for part in parts]),
            np.concatenate([part.near.seen for part in parts]),
        )
        return Asked(
            np.concatenate(offsets),
            np.concatenate([part.rung for part in parts]),
            np.concatenate([part.length for part in parts]),
            np.concatenate([part.scores for part in parts]),
            near,
        )

    def _ask(self, vectors: NDArray[np.int16]) -> Asked:
        # In whole numbers: a row has the same bytes whatever stands beside it.
        seen = cosines(vectors, self._seen)
        alike = cosines(self._learnt.likeness.whole(vectors), self._alike)
        described = describe_pictures(self._gallery, alike, seen, self._lengths)
        scores = score(described, self._learnt.weights)
        place = np.argsort(-alike, axis=1, kind="stable")[:, :_TOLD]
        row = np.arange(len(place))[:, None]
        near = _Near(self._gallery.entry[place], alike[row, place], seen[row, place])
        return Asked(described.offset, described.rung, described.length, scores, near)

    def matches(self, asked: Asked, number: int, count: int | None) -> list[Match]:
        """Return the references nearest to a picture, the nearest first."""
        near: _Near = asked.near
        entries = near.entry[number].tolist()[:count]
        return [
            self._match(entry, float(alike), float(seen))
            for entry, alike, seen in zip(
                entries, near.alike[number], near.seen[number], strict=False
            )
        ]

    def _match(self, entry: int, alike: float, seen: float) -> Match:
        record = int(self.library.record[self.library.first_record[entry]])
        name = self.library.name_of(entry)
        return Match(entry, self.library.reference(record).id, name, alike, 0, 0, False, seen)

    def nearest_species(self, asked: Asked, number: int) -> Sequence[tuple[str, str, int]]:
        """Return the species of the nearest reference: name, genus, and how many it has."""
        path = self.ladder.path[asked.near.entry[number, 0]]
        rung = int(path[-1])
        if self.ladder.group[rung] >= 0 or self.ladder.node[rung] < 0:
            return []
        above = int(self.ladder.node[path[-2]]) if len(path) > 1 else -1
        taxonomy = self.library.taxonomy
        genus = taxonomy.name_of(above) if above >= 0 else ""
        pictures = int((self.ladder.path[:, -1] == rung).sum())
        return [(taxonomy.name_of(int(self.ladder.node[rung])), genus, pictures)]

    def promises(self, choice: Choice) -> tuple[Promise, ...]:
        """Return what is promised for one picture."""
        return (promise_of(self.simulated, self.ladder, choice),)

    def lines(self, promises: Sequence[Promise]) -> list[str]:
        """Say in plain words what is promised."""
        encoder = self.library.header["encoder"]
        told = f"pictures are seen by {encoder['name']} ({self.eye_id})"
        if self.library.kind != "picture":
            told += " and compared with barcodes"
        return [*promises[0].lines(), told]
