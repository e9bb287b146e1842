"""Joining layers of the environment to the events of a catalogue, as measurements.

Each value is a measurement of its event, with its unit, the layer's name, file and hash, and the
cell that it is of. Places are looked up once each, however many events are there. A run is named
after the layers and what was imported before: the same join done twice adds nothing, and after a
further import it is done again for what is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.catalogue.checks import literal
from merian.catalogue.sources import Chunk, Reading, Rows
from merian.catalogue.store import Catalogue
from merian.catalogue.summary import Summary
from merian.database import connect
from merian.errors import InputError
from merian.files import content_hash
from merian.place.layers import Layer, Sampled, open_layers, sample

__all__ = ["join_layers"]

_BLOCK = 200_000

_EVENTS = """
SELECT eventID, decimalLatitude AS latitude, decimalLongitude AS longitude,
    split_part(eventDate, '/', 1) AS date,
    (minimumDepthInMeters + coalesce(maximumDepthInMeters, minimumDepthInMeters)) / 2 AS depth
FROM event WHERE decimalLatitude IS NOT NULL AND decimalLongitude IS NOT NULL ORDER BY eventID
"""


def join_layers(
    catalogue: Catalogue, paths: Sequence[Path | str], *, bilinear: bool = False
) -> tuple[Summary, dict[str, int]]:
    """Join layers to all events with coordinates.

    Args:
        catalogue: The catalogue, open for writing.
        paths: Files or folders with layers.
        bilinear: Between the four cells around, else of the cell that the place is in.

    Returns:
        What was written, and by layer how many events got a value.
    """
    layers = [layer for path in paths for layer in open_layers(path)]
    if not layers:
        raise InputError("give layers to join: merian place join CATALOGUE LAYER...")
    names = [layer.name for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"several layers are called {', '.join(twice)}; give one of each, or other names"
        )
    files = sorted({layer.path for layer in layers})
    hashes = {file: content_hash(file) for file in files}
    found = dict.fromkeys(names, 0)
    runs = catalogue.query(
        "SELECT string_agg(runID, ' ' ORDER BY runID) FROM run WHERE verb <> 'place join'"
    ).value()
    with TemporaryDirectory(prefix="merian-join-") as made:
        # The catalogue cannot be read while it is written to.
        events = Path(made) / "events.parquet"
        catalogue.write_table(_EVENTS, events)
        rows = Rows(files[0], "measurement", _chunks(events, layers, hashes, bilinear, found))
        summary = catalogue.ingest(
            Reading("layers", [rows], files),
            verb="place join",
            arguments={"layers": names, "bilinear": bilinear, "events": str(runs or "")},
        )
    return summary, found


def _chunks(
    file: Path,
    layers: Sequence[Layer],
    hashes: dict[Path, str],
    bilinear: bool,
    found: dict[str, int],
) -> Iterator[Chunk]:
    """Return the measurements, some events at a time."""
    line = 0
    con = connect(memory="500MB")
    asked_rows = con.execute(f"SELECT * FROM read_parquet({literal(file)})")
    while rows := asked_rows.fetchmany(_BLOCK):
        events, north, east, dates, depths = zip(*rows, strict=True)
        asked = np.array([north, east, [np.nan if d is None else d for d in depths]], np.float64)
        when = np.array([_date(d) for d in dates], "datetime64[s]")
        both = np.concatenate([asked, when.astype(np.float64)[None]])
        both[3, np.isnat(when)] = np.nan
        places, back = np.unique(both, axis=1, return_inverse=True)
        times = np.full(places.shape[1], "NaT", "datetime64[s]")
        known = ~np.isnan(places[3])
        times[known] = places[3, known].astype(np.int64).astype("datetime64[s]")
        for layer in layers:
            got = sample(
                layer, places[0], places[1], time=times, depth=places[2], bilinear=bilinear
            )
            at = back.reshape(-1)
            there = np.flatnonzero(~np.isnan(got.values[at]))
            if not len(there):
                continue
            found[layer.name] += len(there)
            cells = _cells(got)
            how = f"{layer.path.name} {hashes[layer.path]}, " + (
                "between the cells around" if bilinear else "the cell around the place"
            )
            values = [float(f"{got.values[at[i]]:.7g}") for i in there.tolist()]
            yield {
                "line": list(range(line + 1, line + len(there) + 1)),
                "eventID": [events[i] for i in there.tolist()],
                "measurementType": [layer.name] * len(there),
                "measurementValue": [f"{value:g}" if value == float(f"{value:g}") else repr(value)
                                     for value in values],
                "measurementUnit": [layer.unit or None] * len(there),
                "measurementMethod": [how] * len(there),
                "measurementRemarks": [cells[at[i]] for i in there.tolist()],
            }  # fmt: skip
            line += len(there)


def _date(text: Any) -> np.datetime64:
    """Return when an event began; nothing where no day is told."""
    try:
        return np.datetime64(str(text)[:19].rstrip("Z"), "s") if len(str(text)) >= 10 else _NEVER
    except ValueError:
        return _NEVER


_NEVER = np.datetime64("NaT", "s")


def _cells(got: Sampled) -> list[str]:
    """Return the cells in words."""
    times: NDArray[Any] = got.time
    words = []
    for y, x, t, z in zip(
        got.latitude.tolist(), got.longitude.tolist(), times, got.depth.tolist(), strict=True
    ):
        text = f"cell {y:.6g}, {x:.6g}"
        text += "" if np.isnat(t) else f", {np.datetime_as_string(t, 's')}"
        words.append(text if np.isnan(z) else f"{text}, {z:g} m deep")
    return words
