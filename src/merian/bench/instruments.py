"""Plankton of other instruments, asked of what was trained on ISIIS: which taxa both have.

Instruments have other classes, of other depth. A class of UVP6 or FlowCam is scored at the rank of
class, the lowest at which two of them still meet an ISIIS lineage, and only where ISIIS has that
class; what shares no more than a kingdom, or is no taxon, is left out. The table says which goes
where and why.

A picture is shown as it is, and once more made like those of ISIIS: UVP6 shows light things before
a dark ground, dim and small in the middle of the picture, ISIIS dark things that fill it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from merian.errors import InputError
from merian.files import content_hash

__all__ = ["INSTRUMENTS", "Instrument", "SharedTaxon", "made_like_isiis", "without_conflicts"]

_MARGIN = 0.15  # of the sides, around what is not ground
_GROUND = 26  # of 255: what differs less from the ground is ground


@dataclass(frozen=True)
class SharedTaxon:
    """What a class of an instrument is in the lineages of ISIIS.

    Attributes:
        taxon: At the rank of class; empty where nothing below a kingdom is shared.
        why: It is, or is not.
    """

    taxon: str
    why: str


@dataclass(frozen=True)
class Instrument:
    """A set of pictures and its classes.

    Attributes:
        name: Of the instrument.
        folder: With a folder for each class.
        classes: Name of the folder, up to a number that EcoTaxa appends, -> what it is.
    """

    name: str
    folder: str
    classes: dict[str, SharedTaxon]

    def of(self, folder: str) -> SharedTaxon:
        """Return what the class of a folder is."""
        name = folder.partition("__")[0]
        if name not in self.classes:
            raise InputError(
                f"{self.folder}: nothing is known of the class {folder!r}; there are "
                f"{', '.join(self.classes)}"
            )
        return self.classes[name]


_NO_TAXON = SharedTaxon("", "no taxon")
_CERCOZOA = SharedTaxon("", "of Cercozoa, of which ISIIS has none: only the kingdom is shared")

INSTRUMENTS = (
    Instrument("UVP6", "plankton/uvp6_uvpec/img_sample", {
        "Acantharea": SharedTaxon("acantharia", "the same class in another spelling"),
        "Aulacanthidae": _CERCOZOA,
        "Aulosphaeridae": _CERCOZOA,
        "Copepoda": SharedTaxon("copepoda", "the same; ISIIS has orders and genera of it"),
        "Trichodesmium": SharedTaxon("cyanophyceae", "the one genus of its class in both"),
        "badfocus": _NO_TAXON, "bubble": _NO_TAXON, "darksphere": _NO_TAXON,
        "detritus": _NO_TAXON, "fiber": _NO_TAXON,
    }),
    Instrument("FlowCam", "packages/pypi_planktonclass/demo-images", {
        "Actinoptychus": SharedTaxon("bacillariophyceae", "a diatom; the map has them all there"),
        "Bacillariophyceae": SharedTaxon("bacillariophyceae", "the same"),
        "Ciliophora": SharedTaxon("", "ISIIS has no ciliates: only the kingdom is shared"),
        "Dinoflagellata": SharedTaxon("dinophyceae", "their class in the map"),
        "Noctilucales": SharedTaxon("dinophyceae", "an order of it; ISIIS has its genus Noctiluca"),
        "Tripos": SharedTaxon("dinophyceae", "a genus of it; ISIIS has another order alone"),
    }),
)  # fmt: skip


def without_conflicts(files: tuple[Path, ...]) -> NDArray[np.bool_]:
    """Return bool[n]: which files do not stand, byte for byte, in a second folder as well."""
    folders: dict[str, set[str]] = {}
    hashes = [content_hash(file) for file in files]
    for file, digest in zip(files, hashes, strict=True):
        folders.setdefault(digest, set()).add(file.parent.name)
    return np.array([len(folders[digest]) == 1 for digest in hashes])


def made_like_isiis(image: Image.Image) -> Image.Image:
    """Return a picture with dark things before a white ground, cut to what is not ground."""
    grey = image.convert("L")
    pixels = np.asarray(grey)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = float(np.median(border))
    if ground < 128:
        grey, pixels, ground = ImageOps.invert(grey), 255 - pixels, 255 - ground
    depth = max(ground - float(np.quantile(pixels, 0.002)), 1.0)  # a few dead pixels do not count
    light = np.clip(255 - 255 * (ground - pixels.astype(np.float64)) / depth, 0, 255)
    found = Image.fromarray(light.astype(np.uint8))
    box = Image.fromarray((light < 255 - _GROUND).astype(np.uint8) * 255).getbbox()
    return found.crop(_wider(box, found.size)) if box else found


def _wider(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a box with a margin, as far as the picture goes."""
    x, y = (int(_MARGIN * (box[2] - box[0])) + 2, int(_MARGIN * (box[3] - box[1])) + 2)
    return (
        max(box[0] - x, 0), max(box[1] - y, 0),
        min(box[2] + x, size[0]), min(box[3] + y, size[1]),
    )  # fmt: skip
