"""A world whose pictures and barcodes both show where a species stands, and a model that sees it.

Every taxon has numbers of its own, and a species has the sum of those above it. A picture has them
as the colours of its squares, and a barcode as which of two bases stands in each of its places that
differ. The maps of both towers to the common space are fitted to other species than those of the
tests.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from merian.barcode.spectrum import BarcodeSpectrum, SpectrumConfig
from merian.learn.encoders import build_encoder
from merian.learn.encoding import described
from merian.learn.modalities import Contrastive
from merian.learn.saved import load_model, save_model

RANKS = ("kingdom", "family", "genus", "species")
NUMBERS, STEPS, APART = 12, 9, 5  # of a taxon; thresholds of each; bases from place to place
VIT = {"image_size": 16, "patch": 16, "width": 128, "layers": 1, "heads": 2, "hidden": 64}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Specimen:
    """One specimen, and what can be seen of it."""

    id: str
    names: tuple[str, ...]
    barcode: str
    pixels: np.ndarray


def barcode_of(numbers: np.ndarray, chance: np.random.Generator) -> str:
    """Which of two bases stands at a place tells whether a number is above a threshold."""
    bases = np.array(list("ACGT"))
    high = numbers[:, None] > np.linspace(-2.5, 2.5, STEPS)[None]
    letters = np.random.default_rng(9).integers(0, 4, (NUMBERS, STEPS, APART))
    letters[:, :, APART // 2] = (letters[:, :, APART // 2] + high) % 4
    drift = chance.integers(1, 4, letters.shape) * (chance.random(letters.shape) < 0.002)
    return "".join(bases[(letters + drift) % 4].reshape(-1))


def picture_of(numbers: np.ndarray, chance: np.random.Generator, noise: float) -> np.ndarray:
    """Sixteen squares; each number is a colour of four of them."""
    seen = (numbers + noise * chance.normal(size=NUMBERS)).reshape(4, 3)
    squares = np.repeat(np.repeat(seen.reshape(2, 2, 3), 2, axis=0), 2, axis=1)
    pixels = np.kron(squares, np.ones((4, 4, 1))) * 32 + 128 + chance.normal(0, 4, (16, 16, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def world(
    families: int, genera: int, species: int, each: int, seed: int = 0, noise: float = 0.15
) -> list[Specimen]:
    """Specimens of a world, named by the numbers of their taxa."""
    chance = np.random.default_rng(seed)
    found = []
    for f in range(families):
        of_family = chance.normal(size=NUMBERS)
        for g in range(genera):
            of_genus = of_family + 0.8 * chance.normal(size=NUMBERS)
            for s in range(species):
                numbers = of_genus + 0.5 * chance.normal(size=NUMBERS)
                family = f"F{LETTERS[seed]}{LETTERS[f]}"
                genus = f"{family}{LETTERS[g]}us"
                names = ("Animalia", f"{family}idae", genus, f"{genus} s{LETTERS[s]}us")
                found += [
                    Specimen(
                        f"{family}{LETTERS[g]}{LETTERS[s]}{n}", names, barcode_of(numbers, chance),
                        picture_of(numbers, chance, noise),
                    )
                    for n in range(each)
                ]  # fmt: skip
    return found


def _fitted(rows: np.ndarray, wanted: np.ndarray) -> torch.Tensor:
    """The linear map that brings rows nearest to what is wanted."""
    ridge = 1e-3 * np.trace(rows.T @ rows) / rows.shape[1] * np.eye(rows.shape[1])
    return torch.tensor(np.linalg.solve(rows.T @ rows + ridge, rows.T @ wanted).T).float()


def aligned_model(folder: Path, **card: object) -> Path:
    """A model of two towers whose maps are fitted to species of another world."""
    torch.manual_seed(0)
    towers = {
        "image": build_encoder({"kind": "vit", **VIT}),
        "barcode": BarcodeSpectrum(SpectrumConfig(width=256, patterns="1111")),
    }
    about = {name: described(tower) for name, tower in towers.items()}
    model = Contrastive(towers, NUMBERS, about=about)
    told = {
        "name": "both",
        "preprocessing": {
            "image": {"size": 16}, "barcode": {"k": 1, "stride": None, "bases": 700},
        },
        "learned_names": {},
        **card,
    }  # fmt: skip
    chance = np.random.default_rng(77)
    numbers = 1.4 * chance.normal(size=(600, NUMBERS))
    items = {
        "image": [picture_of(one, chance, 0.0) for one in numbers],
        "barcode": [barcode_of(one, chance) for one in numbers],
    }
    for name, seen in items.items():
        rows = _features(towers[name], name, seen, told["preprocessing"][name], folder)
        model.heads[name].weight.data = _fitted(rows, numbers)
    save_model(folder, model, told)
    return folder


def _features(tower, name, items, preprocessing, folder):
    """What a tower makes of items, before the map; of a scale that every item keeps."""
    from merian.learn.encoding import EncoderAlone

    alone = folder.with_name(f"{folder.name}-{name}")
    save_model(alone, EncoderAlone(tower, "test"), {"preprocessing": preprocessing})
    return load_model(alone, "cpu", "float32").encode(items).astype(np.float64)


def write(folder: Path, name: str, some: list[Specimen], *, blank=(), named=True) -> Path:
    """A table of specimens, and their pictures beside it.

    Args:
        folder: Where to.
        name: Of the table.
        some: What is written.
        blank: Columns that stay empty: barcode, picture.
        named: Whether their names are told.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for one in some:
        file = f"{one.id}.png"
        if "picture" not in blank:
            Image.fromarray(one.pixels).save(folder / "images" / file)
        row = {"id": one.id, "file": "" if "picture" in blank else file}
        row["sequence"] = "" if "barcode" in blank else one.barcode
        rows.append(row | (dict(zip(RANKS, one.names, strict=True)) if named else {}))
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
    return folder / f"{name}.csv"
