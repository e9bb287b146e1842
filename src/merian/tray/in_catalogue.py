"""The bodies of photographs as rows of a catalogue.

A photograph is a picture and an event; a body is an occurrence and a region of that picture, with
its outline, and what was measured of it stands beside it. Ids are hashes of the photograph's
content and of where a body lies, so the same photograph is written once. A photograph that the
catalogue has already keeps its own row, found by its address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from merian.catalogue import Catalogue, Chunk, Reading, Rows
from merian.catalogue.checks import literal
from merian.formats.outlines import polygon_outline
from merian.identify.into_catalogue import append_answers
from merian.measure.in_catalogue import write_rows
from merian.measure.stage import Stage
from merian.tray.naming import Named

__all__ = ["write_bodies"]

_BATCH = 5_000
_PHOTOS = """
SELECT shot, address, media, width, height, scale, relative FROM shot ORDER BY shot
"""
_BODIES = """
SELECT h.address, h.media, h.width, h.height, s.record, s.region, s.x, s.y, s.w, s.h, s.outline
FROM specimen s JOIN shot h USING (shot) ORDER BY s.n
"""


def write_bodies(folder: Path, stage: Stage, run: str, named: Named | None) -> int:
    """Write photographs, bodies, measurements and names into a catalogue.

    Args:
        folder: The catalogue.
        stage: What was found.
        run: The id of the run.
        named: What bodies are called.

    Returns:
        How many bodies are new in it.
    """
    with Catalogue.open(folder) as opened:
        known = _known(opened, [str(row[1]) for row in stage.rows(_PHOTOS)])
        before = int(str(opened.query("SELECT count(*) FROM occurrence").value()))
        sources = tuple(
            Rows(folder / "catalogue.duckdb", table, rows)
            for table, rows in (
                ("event", _chunks(_events(stage))),
                ("media", _chunks(_media(stage, known))),
                ("occurrence", _chunks(_occurrences(stage))),
            )
        )
        opened.ingest(Reading("tray", sources, ()), verb="tray", arguments={"run": run})
        added = int(str(opened.query("SELECT count(*) FROM occurrence").value())) - before
    write_rows(folder, stage, run)
    if named is not None and named.answers:
        append_answers(folder, named.found)
    return added


def _known(catalogue: Catalogue, addresses: list[str]) -> dict[str, str]:
    """Return the ids of pictures that are there already, by their addresses."""
    wanted = {form: one for one in addresses for form in (one, _absolute(one))}
    listed = ", ".join(literal(one) for one in sorted(wanted))
    sql = (
        "SELECT accessURI, min(mediaID) FROM media WHERE derivedFromMediaID IS NULL "
        f"AND accessURI IN ({listed}) GROUP BY 1"
    )
    return {wanted[str(uri)]: str(media) for uri, media in catalogue.query(sql)} if listed else {}


def _absolute(address: str) -> str:
    return Path(address).absolute().as_posix()


def _events(stage: Stage) -> Iterator[dict[str, object]]:
    for shot, _, media, *_ in stage.rows(_PHOTOS):
        yield {"line": shot + 1, "eventID": media, "eventType": "photograph of a tray"}


def _media(stage: Stage, known: dict[str, str]) -> Iterator[dict[str, object]]:
    """Yield the photographs that are new, and all regions."""
    empty = dict.fromkeys((
        "occurrenceID", "derivedFromMediaID", "accessURI", "pixelXDimension", "pixelYDimension",
        "xFrac", "yFrac", "widthFrac", "heightFrac", "regionOutline", "pixelsPerMillimetre",
        "pixelsPerMillimetreUncertainty",
    ))  # fmt: skip
    for shot, address, media, width, height, scale, relative in stage.rows(_PHOTOS):
        if address not in known:
            yield empty | {
                "line": shot + 1, "mediaID": media, "accessURI": _absolute(address),
                "pixelXDimension": width, "pixelYDimension": height, "pixelsPerMillimetre": scale,
                "pixelsPerMillimetreUncertainty": relative,
            }  # fmt: skip
    for line, row in enumerate(stage.rows(_BODIES), 1):
        address, photo, width, height, record, media, x, y, w, h, outline = row
        yield empty | {
            "line": line, "mediaID": media, "occurrenceID": record,
            "derivedFromMediaID": known.get(address, photo),
            "xFrac": x / width, "yFrac": y / height, "widthFrac": w / width,
            "heightFrac": h / height, "regionOutline": polygon_outline(json.loads(outline)),
        }  # fmt: skip


def _occurrences(stage: Stage) -> Iterator[dict[str, object]]:
    for line, (_, photo, _, _, record, *_) in enumerate(stage.rows(_BODIES), 1):
        yield {
            "line": line, "occurrenceID": record, "eventID": photo,
            "basisOfRecord": "MachineObservation", "occurrenceStatus": "present",
        }  # fmt: skip


def _chunks(rows: Iterator[dict[str, object]]) -> Iterator[Chunk]:
    """Return rows as columns."""
    while some := [*islice(rows, _BATCH)]:
        yield {name: [row[name] for row in some] for name in some[0]}
