"""What a user may say about references, and what of it a library keeps for its additions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.files import content_hash
from merian.formats import Options
from merian.library.amplicon import Primers
from merian.library.encoder import (
    PICTURE_ENCODER,
    check_encoder,
    encoder_said,
    same_encoder,
    takes_witnesses,
)
from merian.library.screening import Screening

__all__ = ["Settings", "checked", "continued"]


@dataclass(frozen=True)
class Settings:
    """What a user may say about references.

    Attributes:
        format: Of all files; found from their content if None.
        options: What is said about them (columns of tables and the like).
        marker: The one gene to take in; all if None.
        names: A table with the names of the sequences of FASTA files.
        primers: Between which the references are cut.
        screening: How suspects are looked for; None for not at all.
        encoder: Whose vectors are kept beside the sequences; None for none.
        pictures: Whether it is the pictures that are taken in, and not the sequences.
        processes: How many embed pictures at most; as many as the machine has cores if None.
        split: Parts of a split of the catalogues, ``NAME:PART``; nothing else is taken in.
        witnesses: Whether pictures are looked at beside the sequences. The encoder decides it: see
            `merian.library.witnesses`.
    """

    format: str | None = None
    options: Options = field(default_factory=Options)
    marker: str | None = None
    names: Path | None = None
    primers: Primers | None = None
    screening: Screening | None = None
    encoder: str | None = None
    pictures: bool = False
    processes: int | None = None
    split: str | None = None
    witnesses: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return what was said, for the header."""
        names = self.names
        said = {
            "format": self.format,
            "map": dict(self.options.mapping),
            "marker": self.marker,
            "set": dict(self.options.extra),
            "names": {"file": str(names), "hash": content_hash(names)} if names else None,
            "primers": self.primers.as_dict() if self.primers else None,
            "screening": self.screening.as_dict() if self.screening else None,
            "encoder": encoder_said(self.encoder) if self.encoder else None,
            "images": str(self.options.images) if self.options.images else None,
            "split": self.split,
        }
        return {name: value for name, value in said.items() if value}


def checked(settings: Settings, each: bool = False) -> Settings:
    """Return the settings of a build; what does not go together is told.

    Args:
        settings: What was said.
        each: Whether a library for each marker is meant.
    """
    if settings.pictures:
        senseless = {
            "--primers": settings.primers is not None,
            "--screen": settings.screening is not None,
            "--marker": settings.marker is not None,
            "--names": settings.names is not None,
            "--each-marker": each,
        }
        given = [option for option, said in senseless.items() if said]
        if given:
            raise InputError(f"{', '.join(given)}: for sequences; a library of pictures has none")
        settings = replace(settings, encoder=settings.encoder or PICTURE_ENCODER)
    if settings.encoder is not None:
        check_encoder(settings.encoder, settings.pictures)
    sees = not settings.pictures and takes_witnesses(settings.encoder, None)
    return replace(settings, witnesses=sees)


def continued(header: Mapping[str, Any], settings: Settings, folder: Path) -> Settings:
    """Return the settings of an addition: primers, screening, encoder are those of the build."""
    pictures = header.get("kind") == "picture"
    sees = not pictures and takes_witnesses(None, header.get("encoder"))
    settings = replace(settings, pictures=pictures, witnesses=sees)
    if settings.pictures:
        checked(replace(settings, encoder=None))
    if settings.encoder is not None:
        same_encoder(header, settings.encoder, folder)
    first = dict(header["segments"][0]["settings"]) if header.get("segments") else None
    if first is None:
        return settings
    kept = Primers.of_dict(first["primers"]) if "primers" in first else None
    if settings.primers is not None and settings.primers != kept:
        was = f"cut with {kept.forward} {kept.reverse}" if kept else "not cut"
        raise InputError(
            f"{folder}: its references were {was}; add to it without --primers, which does the "
            "same, or build another library"
        )
    screened = Screening.of_dict(first["screening"]) if "screening" in first else None
    if settings.screening is not None and settings.screening != screened:
        was = "in another way" if screened else "not"
        raise InputError(
            f"{folder}: its references were {was} screened; add to it without --screen, which does "
            "the same, or build another library"
        )
    return replace(settings, primers=kept, screening=screened, encoder=None)
