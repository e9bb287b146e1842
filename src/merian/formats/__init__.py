"""The file formats: what goes into a catalogue and comes out of it.

Each format is one file of this folder (see `merian.formats.registry`). `read_path` is the usual
way in: it finds the format of a path and says what is there to be read.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from merian.catalogue.sources import Reading
from merian.errors import FormatError, InputError
from merian.files import existing
from merian.formats.registry import Format, Options, find_format, formats, near, sniff
from merian.stamp import run_id, stamp, stamp_beside
from merian.unpacking import UNREADABLE

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["Format", "Options", "find_format", "formats", "read_path", "sniff", "write_path"]


def read_path(
    path: Path | str, options: Options | None = None, format: str | None = None
) -> Reading:
    """Return what there is to read at a path.

    Args:
        path: A file or a folder.
        options: What the user says about it.
        format: The name of its format; without it the format is found from the content.

    Raises:
        MerianError: If nothing is there, no format knows it, or it is not what it claims to be.
    """
    path = existing(path)
    chosen = find_format(format) if format else sniff(path)
    # Any table is a table: what else it might have been meant as is told with it.
    told = near(path).rstrip() if chosen.name == "table" and not format else ""
    try:
        reading = chosen.read(path, options or Options())
        return replace(reading, notes=(*reading.notes, told)) if told else reading
    except FormatError as error:
        if told:
            raise FormatError(f"{error}. {told}") from None
        raise
    except UNREADABLE as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=path) from None


def write_path(catalogue: Catalogue, path: Path | str, format: str) -> int:
    """Write a catalogue in a format, with a stamp beside it, and return the number of rows.

    Args:
        catalogue: The catalogue.
        path: The file to write.
        format: The name of a format that can be written.
    """
    chosen, path = find_format(format), Path(path)
    if chosen.write is None:
        writers = ", ".join(f.name for f in formats().values() if f.write)
        raise InputError(
            f"the format {format} can be read and not written; what can be written: {writers}"
        )
    rows = chosen.write(catalogue, path)
    runs = list(catalogue.query("SELECT runID, taxonomyLock FROM run ORDER BY runID"))
    locks = {str(lock) for _, lock in runs if lock}
    lock = json.loads(locks.pop()) if len(locks) == 1 else None
    asked: dict[str, object] = {"format": format, "runs": [run for run, _ in runs]}
    if catalogue.part is not None:
        asked["part"] = catalogue.part
    stamp_beside(path, stamp(format, "1.0", run_id("export", asked), lock))
    return rows
