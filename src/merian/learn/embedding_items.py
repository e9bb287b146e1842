"""What is to be embedded: the items of a pack, or of a list of sequences or pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from merian.catalogue.checks import literal
from merian.database import connect
from merian.learn.looking import SizedPicture
from merian.learn.pack import open_pack
from merian.learn.pack_pictures import BadPictureError, picture_bytes
from merian.pictures import facts, millimetres

__all__ = ["Few", "Items", "ListedItems", "PackedItems"]


class Few(NamedTuple):
    """Some items, each with the reason why there is none, or "", and the file it is from, or ""."""

    ids: list[str]
    records: list[str]
    items: list[Any]
    reasons: list[str]
    files: list[str]


class Items(Protocol):
    """What is to be embedded."""

    def read(self, first: int, stop: int) -> Few:
        """Return some of them."""
        ...


@dataclass(frozen=True)
class PackedItems:
    """The items of a pack."""

    folder: str
    part: str | None
    kind: str

    def read(self, first: int, stop: int) -> Few:
        """Return some of them."""
        pack = open_pack(self.folder, self.part)
        rows = np.arange(first, stop)
        none = [""] * len(rows)
        read = pack.sequences if self.kind == "barcodes" else pack.read
        items: list[Any] = [item or None for item in read(rows)]
        why = ["" if item else f"the record has no {self.kind[:-1]}" for item in items]
        if self.kind == "pictures" and pack.sized:
            items = list(map(_sized, items, pack.millimetres(rows).tolist()))
        return Few(pack.ids(rows), pack.records(rows), items, why, none)


@dataclass(frozen=True)
class ListedItems:
    """The items of a list: sequences, or where pictures are."""

    file: str
    kind: str

    def read(self, first: int, stop: int) -> Few:
        """Return some of them."""
        sql = (
            f"SELECT * EXCLUDE (place) FROM read_parquet({literal(self.file)}) "
            f"WHERE place >= {first} AND place < {stop} ORDER BY place"
        )
        with connect(threads=1) as con:
            rows = con.execute(sql).fetchall()
        ids, records = [row[0] for row in rows], [row[1] for row in rows]
        if self.kind == "barcodes":
            none = [""] * len(rows)
            return Few(ids, records, [row[2] for row in rows], none, none)
        return Few(ids, records, *_pictures_of(rows), [row[2] for row in rows])


def _sized(picture: Any, sides: Sequence[float]) -> Any:
    """Return a picture with its sides in mm, where they are known."""
    if picture is None or math.isnan(sides[0]):
        return picture
    return SizedPicture(picture, (sides[0], sides[1]))


def _pictures_of(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], list[str]]:
    """Return the files of pictures, or why there is none."""
    items: list[Any] = []
    reasons = []
    for _, _, address, *box, scale in rows:
        try:
            content = picture_bytes(address, box)
            told = facts(content) if scale else None
            sides = millimetres(told.width, told.height, scale).tolist() if told else [math.nan]
            items.append(_sized(content, sides))
            reasons.append("")
        except BadPictureError as error:
            items.append(None)
            reasons.append(str(error))
    return items, reasons
