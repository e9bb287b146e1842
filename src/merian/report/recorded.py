"""What the page of a run about records has besides: their pictures, and what contradicts itself.

The pictures are made small and put into the page, so that it still shows them where the files are
not. One that cannot be read leaves a grey box with its name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import duckdb
from PIL import Image

from merian.catalogue.checks import literal
from merian.errors import FormatError
from merian.files import open_text
from merian.identify.record_job import beside
from merian.image.addresses import Region, apart, pixels_of, read_file
from merian.pictures import BadPictureError, decode
from merian.report.answer_table import named, rows_of
from merian.report.page import Gallery, Section, Table, Text, Thumbnail

__all__ = ["contradictions", "gallery", "of_records"]

_PICTURES = 60
_SIDE = 160  # pixels of the longer side of a small picture
_QUALITY = 80
_CONTRADICTIONS = 20

# Each name in turn gives one record, the names that were met most often first.
_CHOSEN = """
WITH seen AS (
    SELECT *, id IN (SELECT id FROM contradicted) AS torn,
        id IN (SELECT id FROM look UNION ALL SELECT id FROM contradicted) AS unsure,
        count(*) OVER (PARTITION BY name, rank) AS met
    FROM answer WHERE picture <> ''
), turned AS (
    SELECT *, row_number() OVER (
        PARTITION BY name, rank ORDER BY unsure DESC, torn DESC, p_species NULLS FIRST, id
    ) AS turn
    FROM seen
), chosen AS (
    SELECT * FROM turned ORDER BY turn, unsure DESC, met DESC, name, rank, id LIMIT {most}
)
SELECT id, name, rank, p, evidence, flags, torn, picture FROM chosen
ORDER BY unsure DESC, name, rank, turn
"""


def of_records(told: Mapping[str, Any]) -> bool:
    """Return whether records were asked about, and not barcodes alone.

    Args:
        told: What stands beside the table about its run.
    """
    return isinstance(told.get("disagreements"), int)


# -- pictures -------------------------------------------------------------------------------------


def gallery(con: duckdb.DuckDBPyConnection, answers: Path) -> Section:
    """Return small pictures of records, those that need a look first.

    Args:
        con: With the views ``answer`` and ``look``.
        answers: The table of answers.
    """
    _open_contradicted(con, beside(answers)[1])
    ((there,),) = rows_of(con, "SELECT count(*) FROM answer WHERE picture <> ''")
    rows = rows_of(con, _CHOSEN.format(most=_PICTURES))
    if not rows:
        return Section("What they look like", [])
    shown = f"Records with a picture: {there:,}."
    if there > len(rows):
        shown = f"{len(rows):,} of {there:,} records with a picture: each name gives one in turn."
    return Section(
        "What they look like",
        [
            Text(f"{shown} Those that need a look come first."),
            Gallery("Records with a picture", _thumbnails(rows)),
        ],
    )


def _open_contradicted(con: duckdb.DuckDBPyConnection, listed: Path) -> None:
    """Make the table ``contradicted``: the ids of records that contradict themselves."""
    con.execute("CREATE TABLE contradicted (id VARCHAR)")
    if not listed.is_file():
        return
    source = f"read_csv({literal(listed)}, delim='\t', quote='', header=true, all_varchar=true)"
    try:
        con.execute(
            f"INSERT INTO contradicted SELECT DISTINCT id FROM {source} WHERE id IS NOT NULL"
        )
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise FormatError(f"is no list of contradictions ({reason})", path=listed) from None


def _thumbnails(rows: list[tuple[Any, ...]]) -> list[Thumbnail]:
    # Records that were cut from one picture have it opened once.
    opened = lru_cache(maxsize=1)(_opened)
    small: dict[str, tuple[bytes, str]] = {}
    for address in sorted({str(row[-1]) for row in rows}):
        place, region = apart(address)
        try:
            small[address] = _small(opened(place, None if region else _SIDE), region), ""
        except BadPictureError as bad:
            small[address] = b"", f"{PurePath(place).name}: {bad}"
    return [
        Thumbnail(
            small[picture][0],
            id,
            named(name, rank) or "no name",
            _remark(rank if name else "", p, evidence, flags, torn),
            small[picture][1],
        )
        for id, name, rank, p, evidence, flags, torn, picture in rows
    ]


def _remark(rank: str, p: float | None, evidence: str, flags: str, torn: bool) -> str:
    """Return rank and probability, the kind of evidence, and what to look at."""
    share = "" if p is None else f", {100 if p >= 1 else min(round(100 * p), 99)} %"
    told = [f"{rank}{share}"] if rank else []
    look = [flag for flag in flags.split(";") if flag] + ["contradicted"] * torn
    return " · ".join([*told, *([evidence] if evidence else []), *look])


def _opened(place: str, least: int | None) -> Image.Image:
    """Return a picture, smaller than it is where no more is needed than `least` pixels a side."""
    return decode(read_file(place), least)


def _small(image: Image.Image, region: Region | None) -> bytes:
    """Return a picture, or a region of it, as a small JPEG."""
    small = image.copy() if region is None else image.crop(pixels_of(image.size, region))
    small.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


# -- contradictions -------------------------------------------------------------------------------


def contradictions(answers: Path, told: Mapping[str, Any]) -> Section:
    """Return the strongest contradictions, and how many there are.

    Args:
        answers: The table of answers.
        told: What stands beside it about its run.
    """
    title, count = "Contradictions", int(told["disagreements"])
    listed = beside(answers)[1]
    if not count:
        return Section(title, [Text("No evidence, label or place contradicts another.")])
    if not listed.is_file():
        return Section(title, [Text(f"There are {count:,}. Their list, {listed.name}, is gone.")])
    with open_text(listed) as stream:
        found = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = [
            [row["id"], row["words"], float(row["strength"])]
            for row in islice(found, _CONTRADICTIONS)
        ]
    are = "is 1 contradiction" if count == 1 else f"are {count:,} contradictions"
    return Section(
        title,
        [
            Text(
                f"There {are}, listed in {listed.name}, the strongest first. Each says that "
                "something is wrong, and not what: a label, a tube, a reference or a coordinate."
            ),
            Table(["record", "what contradicts", "strength"], rows, more=count - len(rows)),
        ],
    )
