"""Small sources to pack: tables of barcodes, folders of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEAD = "processid,family,genus,species,sequence\n"


def bases(number: int, length: int = 300) -> str:
    """A sequence that belongs to a number."""
    return "".join(np.random.default_rng(number).choice(list("ACGT"), length))


def table(file: Path, rows: list[tuple[str, str, str]], head: str = HEAD) -> Path:
    """Write records: id, species and sequence."""
    file.write_text(
        head + "".join(f"{key},Aidae,{name.split(' ')[0]},{name},{s}\n" for key, name, s in rows)
    )
    return file


def records(count: int, start: int = 0) -> list[tuple[str, str, str]]:
    """Records of three species, each with a sequence of its own."""
    names = ("Aus bus", "Aus cus", "Dus eus")
    return [(f"r{i:04}", names[i % 3], bases(i)) for i in range(start, start + count)]


def pictures(folder: Path, count: int, size: tuple[int, int] = (40, 30)) -> Path:
    """A folder of pictures in two classes, every one another."""
    for i in range(count):
        where = folder / ("Copepoda", "detritus")[i % 2]
        where.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(where / f"{i:03}.{'png' if i % 3 else 'jpg'}")
    return folder
