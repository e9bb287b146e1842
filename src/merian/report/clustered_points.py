"""Clusters as points of one page to move in: what lies near what, with a picture under the pointer.

Only what has a vector has a place. The names of clusters are the colours; the parent and the best
guess at each rank can be chosen instead.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from merian.discover.folder import FORMAT, VERSION
from merian.discover.run import Discovered
from merian.discover.standing import RANKS
from merian.image.addresses import apart, pixels_of, read_file
from merian.pictures import decode
from merian.report.scatter import Scatter, Written, places_of, write_scatter
from merian.stamp import stamp

__all__ = ["PAGE", "write_points"]

PAGE = "points.html"
_DECODED = 256  # pixels of the shorter side that a thumbnail needs at most


def write_points(found: Discovered, folder: Path, run: str) -> Written | None:
    """Write the page of points; nothing is written where nothing has a vector.

    Args:
        found: What was found.
        folder: Where to.
        run: The id of the run.
    """
    subjects = found.subjects
    if subjects.vector is None:
        return None
    there = np.flatnonzero(~np.isnan(subjects.vector).any(axis=1))
    if len(there) < 2:
        return None
    places, how = places_of(subjects.vector[there], seed=found.method.seed)
    ids = [subjects.ids[at] for at in there.tolist()]
    registry = found.registry
    current = [registry.current(found.code[one]) if one in found.code else "" for one in ids]
    whole = {code: registry.whole(code) for code in set(current) if code}
    columns = {
        "cluster": [whole[code].name if code else "" for code in current],
        "stands under": [whole[code].parent if code else "" for code in current],
    }
    names = found.said.names
    for number, rank in enumerate(RANKS):
        guesses = found.said.name[there, number].tolist()
        if any(guess >= 0 for guess in guesses):
            columns[f"best guess: {rank}"] = [names[g] if g >= 0 else "" for g in guesses]

    def picture(at: int) -> Image.Image | None:
        addresses = subjects.files.get(ids[at], ())
        if not addresses:
            return None
        place, region = apart(addresses[0])
        image = decode(read_file(place), None if region else _DECODED)
        return image if region is None else image.crop(pixels_of(image.size, region))

    what = Scatter("What has no name yet", places, ids, columns, f"Clusters; {how}.", picture)
    return write_scatter(folder / PAGE, what, stamp=stamp(FORMAT, VERSION, run))
