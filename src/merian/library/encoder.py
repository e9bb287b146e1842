"""The encoder of a library: it lies in its folder, so that the library can be copied and added to.

    encoder/            a model as `merian train` leaves one (see `merian.learn.saved`), and what
                        the vectors of all entries of the build have in common
    segments/000/vectors.ID.safetensors   the vectors of its entries (see `vectors`)

A library has one encoder or none, for as long as it lives. `barcode-spectrum` is none that was
trained: it is fitted to the references of the build, without their names.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from merian.errors import InputError
from merian.library.reading import Progress
from merian.library.store import Library
from merian.library.vectors import write_vectors

__all__ = ["check_encoder", "encoder_said", "names_learned", "same_encoder", "with_encoder"]

FOLDER = "encoder"
_FITTED = "barcode-spectrum"
_FITTED_TO = 20_000  # entries at most; more say little more
_FILES = ("card.json", "weights.safetensors")


def _saved() -> Any:
    """Return what reads models, or say which extra is missing."""
    from merian.learn import load_model, saved  # noqa: PLC0415 - torch, for who asks alone

    assert load_model is saved.load_model  # asked for first: this is what tells of the extra
    return saved


def check_encoder(given: str) -> None:
    """Make sure, before anything is read, that an encoder can be had, and is one of barcodes."""
    saved = _saved()
    if saved.model_folder(given) is None and given == _FITTED:
        return
    eye = saved.load_model(given, "cpu", "float32")
    if eye.modality != "barcode":
        raise InputError(
            f"--encoder {given}: it turns pictures into vectors, and the library is of barcodes; "
            f"give a run of `merian train` on barcodes, or {_FITTED}"
        )


def encoder_said(given: str) -> dict[str, str]:
    """Return what was said of the encoder, for the header: as it was given, and its id."""
    saved = _saved()
    folder = saved.model_folder(given)
    told = {"given": given}
    return told if folder is None else {**told, "id": saved.read_card(folder)["id"]}


def same_encoder(header: Mapping[str, Any], given: str, folder: Path) -> None:
    """Make sure that the encoder that is given for an addition is the one of the library."""
    told = header.get("encoder")
    if told is None:
        raise InputError(
            f"{folder}: was built without an encoder; add to it without --encoder, or build it "
            "anew with one"
        )
    check_encoder(given)
    asked = encoder_said(given)
    if asked.get("id", told["id"] if told["fitted"] else None) != told["id"]:
        found = f" ({asked['id']})" if "id" in asked else ""
        raise InputError(
            f"{folder}: its vectors are those of {told['name']} ({told['id']}), not of "
            f"{given}{found}; add to it without --encoder, which takes its own, or build it anew"
        )


def with_encoder(
    library: Library,
    segment: Path,
    before: Mapping[str, Any] | None,
    given: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """Embed what is new in a library, and return its header with its encoder in it.

    Args:
        library: As it will be; its last segment is the new one.
        segment: Where that lies for now.
        before: What the header said of an encoder.
        given: What was asked for; None for none, or for the one that there is.
        progress: Is told how far it is.
    """
    header = dict(library.header)
    if before is None and given is None:
        return header
    saved = _saved()
    place = library.folder / FOLDER
    if before is None and given is not None:
        _place(library, place, given, progress)
    eye = saved.load_model(place, "cpu", "float32")
    if before is not None and eye.id != before["id"]:
        raise InputError(
            f"{place}: holds the encoder {eye.id}, and the library was embedded by "
            f"{before['id']}; copy it again, or build the library anew"
        )
    write_vectors(library.segments[-1], segment, eye, place, progress)
    header["encoder"] = before or _told(eye)
    # What an encoder says decides the answers, so it is a part of what the library holds.
    both = f"{header['hash']}\n{eye.id}"
    header["hash"] = hashlib.blake2b(both.encode(), digest_size=16).hexdigest()
    return header


def _place(library: Library, place: Path, given: str, progress: Progress) -> None:
    """Put the encoder into a library that is being built."""
    found = _saved().model_folder(given)
    if found is not None:
        place.mkdir()
        for name in _FILES:
            shutil.copyfile(found / name, place / name)
        return
    if given != _FITTED:
        raise InputError(
            f"--encoder {given}: its weights come with another package and cannot be copied into "
            f"the library; give a run of `merian train` on barcodes, or {_FITTED}"
        )
    from merian.learn.fitted import fit_spectrum  # noqa: PLC0415 - torch

    drawn = np.random.default_rng(0).permutation(len(library))[:_FITTED_TO]
    progress("fitting the encoder", len(drawn))
    texts = [library.sequence(entry) for entry in drawn.tolist()]
    fit_spectrum(place, texts, {"library": library.hash})


def _told(eye: Any) -> dict[str, Any]:
    """Return what the header says of an encoder."""
    from merian.learn.learned_names import learned_names  # noqa: PLC0415

    fitted = eye.card["objective"].get("kind") == "fitted"
    names = {rank: len(found) for rank, found in learned_names(eye.card).items()}
    return {"id": eye.id, "name": eye.name, "dim": eye.dim, "folder": FOLDER,
            "fitted": fitted, "learned_names": names}  # fmt: skip


def names_learned(library: Library) -> dict[str, list[str]]:
    """Return the names that a library's encoder has learned, by rank; none without an encoder."""
    told = library.header.get("encoder")
    if not told or not told["learned_names"]:
        return {}
    from merian.learn.learned_names import learned_names  # noqa: PLC0415

    return learned_names(_saved().read_card(library.folder / told["folder"]))
