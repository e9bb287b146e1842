"""Each picture of a collection looked at once, by several processes, into a table on the disk.

A picture is read and decoded once. Its bytes and its pixels are hashed, what is seen of the object
is measured (`merian.image.quality`), and its look kept (`merian.image.likeness`). What cannot be
decoded is told apart: a file that begins like a picture and ends too early was cut off on its way,
anything else is unreadable. Regions of one picture come one after the other, so that the picture
is decoded once for all of them.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from PIL import Image

from merian.catalogue.checks import literal
from merian.image.addresses import Region, pixels_of, read_file, region_of
from merian.image.likeness import LENGTH, look_of
from merian.image.quality import see
from merian.library.reading import Progress
from merian.pictures import BadPictureError, decode, facts
from merian.processes import in_order

__all__ = ["look_at_all", "open_looks"]

_BATCH = 64  # pictures that a process is asked at once
_COLUMNS = {
    "n": "BIGINT", "trouble": "VARCHAR", "reason": "VARCHAR", "bytes": "VARCHAR",
    "pixels": "VARCHAR", "width": "BIGINT", "height": "BIGINT", "contrast": "DOUBLE",
    "stands_out": "DOUBLE", "blur": "DOUBLE", "scattered": "DOUBLE", "cut": "DOUBLE",
    "covers": "DOUBLE", "mean": "DOUBLE", "spread": "DOUBLE", "look": "BIGINT",
}  # fmt: skip
_CUT_SHORT = ("cut short", "truncated")  # our own word, and Pillow's


def look_at_all(
    con: duckdb.DuckDBPyConnection, work: Path, processes: int | None, progress: Progress
) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Look at the pictures of the table ``item``, in its order, and make the table ``seen``.

    Args:
        con: Holds ``item``, with n, address and x, y, w, h.
        work: A folder for what does not fit into memory.
        processes: How many; as many as there are cores if None.
        progress: Is told how far it is.

    Returns:
        int8[looks, LENGTH], mapped into memory; ``seen`` tells which picture has which.
    """
    table, looks = work / "seen.tsv", work / "looks.bin"
    count, kept, done = processes or os.cpu_count() or 1, 0, 0
    with table.open("w", encoding="utf-8", newline="") as stream, looks.open("wb") as kept_looks:
        rows = csv.writer(stream, delimiter="\t", lineterminator="\n")
        for numbers, answers in in_order(
            open_looks(), "merian.audit.picture_looks:open_looks", (), _batches(con), count
        ):
            for number, (*told, look) in zip(numbers, answers, strict=True):
                rows.writerow([number, *told, kept if look else None])
                if look:
                    kept_looks.write(base64.b64decode(look))
                    kept += 1
            done += len(numbers)
            progress("looking at pictures", done)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in _COLUMNS.items())
    con.execute(
        f"CREATE TABLE seen AS SELECT * FROM read_csv({literal(table)}, delim = '\t', "
        f"header = false, auto_detect = false, quote = '\"', columns = {{{columns}}})"
    )
    if not kept:
        return np.empty((0, LENGTH), np.int8)
    return np.memmap(looks, np.int8, "r", shape=(kept, LENGTH))


def _batches(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[list[int], list[Any]]]:
    """Return the numbers of pictures, and where they are, some at a time."""
    rows = con.cursor().execute("SELECT n, address, x, y, w, h FROM item ORDER BY n")
    while batch := rows.fetchmany(_BATCH):
        yield [row[0] for row in batch], [list(row[1:]) for row in batch]


def open_looks() -> Callable[[list[Any]], list[Any]]:
    """Return what looks at pictures; it keeps the last file, for the regions that follow."""
    last: list[Any] = ["", b"", None]  # address, content, picture

    def ask(items: list[Any]) -> list[Any]:
        return [_one(last, address, region_of(box)) for address, *box in items]

    return ask


def _one(last: list[Any], address: str, region: Region | None) -> list[Any]:
    """Look at one picture; see `_COLUMNS`, without the number and with the look itself."""
    try:
        if last[0] != address:
            last[:] = ["", b"", None]
            content = read_file(address)
            last[:] = [address, content, _decoded(content)]
    except BadPictureError as bad:
        told = str(bad)
        trouble = "cut off" if any(word in told for word in _CUT_SHORT) else "unreadable"
        return [trouble, " ".join(told.split()), *([None] * 13), ""]
    _, content, image = last
    digest = hashlib.blake2b(content, digest_size=16)
    if region is not None:
        image = image.crop(pixels_of(image.size, region))
        digest.update(str(region).encode())
    return ["", "", digest.hexdigest(), *_measured(image)]


def _decoded(content: bytes) -> Image.Image:
    """Return a picture; one whose file has lost its end is none, though the rest may show."""
    image = decode(content)
    facts(content)
    return image


def _measured(image: Image.Image) -> list[Any]:
    """Return what is known of the pixels of a picture."""
    pixels = hashlib.blake2b(image.tobytes(), digest_size=16)
    pixels.update(str(image.size).encode())
    seen, look = see(image), look_of(image)
    told = [round(value, 6) for value in vars(seen).values()]
    found: list[Any] = [pixels.hexdigest(), *image.size, *told]
    if look is None:
        return [*found, None, None, ""]
    waves = base64.b64encode(look.waves.tobytes()).decode()
    return [*found, round(look.mean, 3), round(look.spread, 3), waves]
