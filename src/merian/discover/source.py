"""From what a user gives to what is grouped, and what is said of it.

A source is a catalogue, embeddings, or anything with sequences in it that `merian import` reads. Of
a catalogue the barcodes are grouped, or the pictures where few of its records have a barcode; their
vectors come from stored embeddings, or are made on the way and kept beside the catalogue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merian.discover import in_catalogue
from merian.discover.run import Progress
from merian.discover.standing import Standing, of_answers
from merian.discover.subjects import Subjects, from_embeddings, from_sequences, is_embeddings
from merian.errors import InputError, MissingExtraError
from merian.files import content_hash, existing
from merian.formats import Options
from merian.identify.queries import Queries
from merian.library.from_catalogue import is_catalogue

__all__ = ["Given", "Source", "opened"]

_KINDS = ("barcodes", "pictures", "both")


@dataclass(frozen=True)
class Source:
    """What a user gives.

    Attributes:
        path: A catalogue, embeddings, or a file or folder of sequences.
        answers: A table of answers about its records; None where a catalogue says it, or nobody.
        embeddings: Vectors of a catalogue's records; None if they are to be made.
        encoder: What makes them.
        kind: barcodes, pictures or both, of a catalogue; found if None.
        sequences: Whether a catalogue's barcodes are compared as they are, without vectors.
        options: How a file is read.
        format: Its format.
        processes: How many make vectors.
    """

    path: Path
    answers: Path | None = None
    embeddings: Path | None = None
    encoder: str | None = None
    kind: str | None = None
    sequences: bool = True
    options: Options | None = None
    format: str | None = None
    processes: int = 1


@dataclass(frozen=True, eq=False)
class Given:
    """What there is to group.

    Attributes:
        subjects: The records.
        said: What is said of them, or None.
        catalogue: The catalogue that they are of, or None.
        hashes: Of everything that was read.
        notes: What the user should know.
    """

    subjects: Subjects
    said: Standing | None
    catalogue: Path | None
    hashes: dict[str, str]
    notes: Sequence[str] = ()


def opened(source: Source, progress: Progress) -> Given:
    """Read what is to be grouped."""
    path = existing(source.path, "catalogue, embeddings or file of sequences")
    notes: list[str] = []
    catalogue = path if is_catalogue(path) else None
    if catalogue is not None:
        subjects = _of_catalogue(source, path, progress)
    elif wrong := [
        word
        for word, given in (("--embeddings", source.embeddings), ("--by", source.kind),
                            ("--encoder", source.encoder))
        if given is not None
    ]:  # fmt: skip
        word = wrong[0]
        raise InputError(
            f"{word} is for catalogues, and {path} is none; give the vectors themselves"
        )
    elif is_embeddings(path):
        subjects = from_embeddings(path)
    else:
        subjects = _of_file(source, path, notes)
    said = None
    if source.answers is not None:
        said = of_answers(source.answers, subjects.ids, subjects.called)
        if not (said.depth >= 0).any() and not (said.name >= 0).any():
            notes.append(f"{source.answers}: names none of these records; are they the same ids?")
    elif catalogue is not None:
        said = in_catalogue.said_in(path, subjects)
    hashes = {path.name: _digest(subjects)}
    if source.answers is not None:
        hashes[source.answers.name] = content_hash(source.answers)
    return Given(subjects, said, catalogue, hashes, notes)


def _of_file(source: Source, path: Path, notes: list[str]) -> Subjects:
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"{path}: is empty; there is nothing to group")
    queries = Queries([path], source.options, source.format)
    notes += queries.notes
    subjects = from_sequences(queries)
    if not subjects.ids:
        why = subjects.aside[0][3] if subjects.aside else "it has none"
        raise InputError(f"{path}: holds no sequence that can be grouped ({why})")
    return subjects


def _of_catalogue(source: Source, path: Path, progress: Progress) -> Subjects:
    """Return the records of a catalogue by the evidence that was asked for."""
    if source.kind not in (None, *_KINDS):
        raise InputError(f"--by {source.kind}: expected one of {', '.join(_KINDS)}")
    barcodes = in_catalogue.sequences_in(path)
    shown = in_catalogue.pictures_of(path)
    kind = source.kind
    if kind is None:
        kind = "barcodes" if barcodes.ids and 2 * len(barcodes) >= len(shown) else "pictures"
    needed = ["barcodes"] if kind != "pictures" else []
    needed += ["pictures"] if kind != "barcodes" else []
    if source.embeddings is not None:  # they stand for what they were made of
        needed = ["barcodes"] if kind == "both" else []
    for what in needed:
        if not (barcodes.ids if what == "barcodes" else shown):
            raise InputError(f"{path}: the catalogue holds no {what}, and so nothing to group")
    if kind == "both":
        seen = (from_embeddings(source.embeddings) if source.embeddings is not None
                else _embedded(source, path, "pictures", progress))  # fmt: skip
        found = in_catalogue.together(barcodes, seen)
    elif source.embeddings is not None:
        found = from_embeddings(source.embeddings)
    elif kind == "barcodes" and source.sequences and source.encoder is None:
        found = barcodes
    else:
        found = _embedded(source, path, kind, progress)
    return in_catalogue.with_evidence(found, barcodes, shown)


def _embedded(source: Source, path: Path, kind: str, progress: Progress) -> Subjects:
    """Make the vectors of a catalogue's records, or take those that were made before."""
    try:
        from merian.learn.embedding import embed  # noqa: PLC0415 - loads torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(f"grouping by vectors of {kind}", "models") from None
    from merian.learn.pack_gather import Asked  # noqa: PLC0415 - loads torch

    called = hashlib.blake2b(
        f"{source.encoder} {in_catalogue.evidence_hash(path, kind)}".encode(), digest_size=6
    ).hexdigest()
    out = path / "runs" / f"vectors-{kind}-{called}"
    embed(
        path, out, source.encoder, asked=Asked(kind), processes=source.processes,
        progress=lambda what, done, whole: progress(what, done, whole or None),
    )  # fmt: skip
    return from_embeddings(out)


def _digest(subjects: Subjects) -> str:
    """Return the hash of what is grouped, whatever the order of its rows."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update("\n".join(subjects.ids).encode())
    digest.update("\n".join(subjects.sequence).encode())
    if subjects.vector is not None:
        digest.update(np.ascontiguousarray(subjects.vector).tobytes())
    return digest.hexdigest()
