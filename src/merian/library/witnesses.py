"""Witnesses: pictures of named records, by which a library of barcodes learns what pictures say.

The encoder of such a library is an aligned model (see `towers`). What its references show beside
their barcodes, and other named pictures that are given with them, goes through the tower of
pictures. No witness is an entry, and no answer is given by one. What they are for: to ask the
library about pictures whose names are known (see `merian.identify.learning_across`).

    segments/000/witnesses.ID.safetensors   their vectors, by the id of the model; the id of the
                                            record of each, its address, and what it is named to
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.catalogue import Delimited, Reading, Rows
from merian.errors import FormatError
from merian.formats import read_path
from merian.formats.fasta import Sequences
from merian.library.from_catalogue import is_catalogue, read_catalogue
from merian.library.gather import Numbers
from merian.library.naming import lineage_of
from merian.library.picture_vectors import PictureVectors
from merian.library.pictures import GatheredPictures
from merian.library.reading import Progress, cluster_of
from merian.library.settings import Settings
from merian.library.store import Library
from merian.library.towers import model_id, open_tower
from merian.library.turns import in_turn
from merian.library.vectors import Raw
from merian.taxonomy.strings import Strings
from merian.tensors import map_tensors, write_tensors

__all__ = [
    "WITNESSES", "Witnesses", "open_witnesses", "picture_readings", "renamed_witnesses",
    "take_witnesses", "witness_namings",
]  # fmt: skip

WITNESSES = "witnesses.*.safetensors"
_FORMAT = "merian-witnesses 1.0"
_MOST = 5_000  # that a segment brings; more take long to embed and say little more
_STRINGS = ("id", "address", "naming", "concept")
_SPARED = "others of its kind are enough"


@dataclass(frozen=True, eq=False)
class Witnesses:
    """Pictures of named records.

    Attributes:
        vectors: float16[n, dim]; as the tower of pictures sees each.
        id: Of the record of each.
        address: Where each is (see `merian.image.addresses`).
        naming: What each is named to (see `merian.library.naming`).
        concept: Its BIN or species hypothesis, or "".
    """

    vectors: Raw
    id: Sequence[str]
    address: Sequence[str]
    naming: Sequence[str]
    concept: Sequence[str]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.vectors)


def picture_readings(paths: Sequence[Path], settings: Settings) -> list[tuple[Path, Reading]]:
    """Return what there is to read of pictures among sources of sequences."""
    found = []
    for path in paths:
        if is_catalogue(path):
            try:
                found.append((path, read_catalogue(path, pictures=True)))
            except FormatError:  # it holds none
                continue
        else:
            reading = read_path(path, settings.options, settings.format)
            if any(_may_show(source) for source in reading.sources):
                found.append((path, reading))
    return found


def _may_show(source: object) -> bool:
    """Return whether a source may name pictures."""
    if isinstance(source, Delimited):
        return any("accessURI" in feed.terms for feed in source.feeds)
    return not (isinstance(source, Rows) and isinstance(source.chunks, Sequences))


def take_witnesses(
    readings: Sequence[tuple[Path, Reading]],
    segment: Path,
    encoder: Path,
    processes: int | None,
    tell: Progress,
) -> tuple[int, list[str]]:
    """Embed the named pictures of sources, and write them into a segment.

    Args:
        readings: The sources.
        segment: Where the segment lies for now; it has a work folder.
        encoder: The folder of the aligned model.
        processes: How many embed at most; as many as the machine has cores if None.
        tell: Is told how far it is.

    Returns:
        How many there are, and what the user should know.
    """
    work = segment / "work" / "pictures"
    work.mkdir()
    gathered = GatheredPictures(work)
    with gathered:
        for path, reading in readings:
            tell(f"looking at the pictures of {path.name}", 0)
            gathered.take(reading, tell)
        vectors = PictureVectors(gathered, encoder, work, processes, tell)
        chosen = _chosen(gathered)
        reasons: list[str | None] = [_SPARED] * len(gathered)
        for record in chosen.tolist():
            reasons[record] = None
        bad = {**vectors.suspects(reasons), **gathered.why}
        kept = np.sort([record for record in chosen.tolist() if record not in bad]).astype(np.int64)
        if len(kept):
            numbers = np.array(gathered.sequence, np.int64)[kept]
            raw = vectors.rows(gathered.digests()[numbers], open_tower(encoder, "image").dim)
            _write(segment, encoder, gathered, kept, raw)
    notes = [f"{why} (no witness)" for _, why in sorted(bad.items())]
    if len(notes) > 1:
        notes = [f"{len(notes):,} pictures cannot be witnesses; the first: {notes[0]}"]
    return len(kept), notes


def _chosen(gathered: GatheredPictures) -> NDArray[np.int64]:
    """Return the records whose pictures are embedded: named ones, of each kind one, then more."""
    namings = [any(lineage_of(naming)) for naming in gathered.namings.strings()]
    named = np.array([namings[n] for n in gathered.naming], bool)
    there = named & (np.array(gathered.sequence, np.int64) >= 0)
    kinds = Numbers()
    pairs = zip(gathered.naming, gathered.concept, strict=True)
    kind = np.array([kinds(f"{naming} {concept}") for naming, concept in pairs], np.int64)
    return in_turn(kind, there, _MOST)


def _write(
    segment: Path, encoder: Path, gathered: GatheredPictures, kept: NDArray[np.int64], raw: Raw
) -> None:
    """Write the witnesses of a segment."""
    namings, concepts = [*gathered.namings.strings()], [*gathered.concepts.strings()]
    labels = [*gathered.labels.strings()]
    rows = kept.tolist()
    told = {
        "id": gathered.ids.strings().select(kept),
        "address": gathered.accessions.strings().select(kept),
        "naming": Strings.of(namings[gathered.naming[row]] for row in rows),
        # Of barcodes, too, only clusters tell the unnamed apart.
        "concept": Strings.of(
            cluster_of(concepts[gathered.concept[row]], labels[gathered.label[row]]) for row in rows
        ),
    }
    arrays: dict[str, NDArray[Any]] = {"vector": raw}
    for name in _STRINGS:
        arrays |= told[name].arrays(name)
    write_tensors(segment / WITNESSES.replace("*", model_id(encoder) or ""), arrays, _FORMAT)


def open_witnesses(library: Library) -> Witnesses | None:
    """Open the witnesses of a library; None where it has none."""
    told: Mapping[str, Any] = library.header.get("encoder") or {}
    name = WITNESSES.replace("*", str(told.get("model")))
    files = [folder / name for folder in library.segment_folders if (folder / name).is_file()]
    if not files:
        return None
    parts = [map_tensors(file) for file in files]
    texts = {
        name: [text for arrays in parts for text in Strings.among(arrays, name)]
        for name in _STRINGS
    }
    return Witnesses(np.concatenate([arrays["vector"] for arrays in parts]), **texts)


def witness_namings(library: Library) -> dict[str, int]:
    """Return what the witnesses of a library are named to, and how many are."""
    files = [file for folder in library.segment_folders for file in sorted(folder.glob(WITNESSES))]
    counts: dict[str, int] = {}
    for file in files:
        for naming in Strings.among(map_tensors(file), "naming"):
            counts[naming] = counts.get(naming, 0) + 1
    return counts


def renamed_witnesses(source: Path, segment: Path, renamed: Mapping[str, str]) -> None:
    """Write the witnesses of a segment into another, under other names."""
    for file in sorted(source.glob(WITNESSES)):
        arrays = dict(map_tensors(file))
        names = Strings.of(renamed[naming] for naming in Strings.among(arrays, "naming"))
        write_tensors(segment / file.name, arrays | names.arrays("naming"), _FORMAT)
