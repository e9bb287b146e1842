"""The end points of a record's traits, as they stand and as somebody has moved them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from merian.catalogue.remeasured import append_measurements
from merian.desk.desk import Desk
from merian.errors import InputError
from merian.measure.by_hand import CORRECTED, Drawn, drawn_of, redrawn, row_of

__all__ = ["move", "traits_of"]

# A person's stands above a machine's, and the later above the earlier.
_ROWS = f"""
SELECT g.*, coalesce(g.measurementMethod LIKE '%; {CORRECTED}', false) AS corrected
FROM main.measurement g LEFT JOIN main.media m ON m.mediaID = g.mediaID
LEFT JOIN main.material t ON t.materialEntityID = coalesce(g.materialEntityID, m.materialEntityID)
LEFT JOIN main.run r ON r.runID = g.runID
WHERE coalesce(g.occurrenceID, m.occurrenceID, t.occurrenceID, g.mediaID) = ?
ORDER BY corrected DESC, r.startedAt DESC NULLS LAST, g.measurementID LIMIT 1000
"""


def traits_of(desk: Desk, record: str) -> tuple[list[Drawn], set[str]]:
    """Return the traits of a record that stand, and the ids of those that were corrected since."""
    standing: dict[tuple[str, int, str], Drawn] = {}
    by_hand: set[tuple[str, int, str]] = set()
    gone: set[str] = set()
    for row in desk.rows(_ROWS, [record]):
        one = drawn_of(row)
        if one is None:
            continue
        key = one.media, one.specimen, one.definition.id
        if key not in standing:
            standing[key] = one
            if row["corrected"]:
                by_hand.add(key)
        elif key in by_hand:
            gone.add(one.id)
    return [standing[key] for key in sorted(standing)], gone


def move(desk: Desk, told: Mapping[str, Any], by: str, why: str) -> dict[str, Any]:
    """Measure traits anew between points that were moved, and append that.

    Args:
        desk: It.
        told: record, media and specimen; points: by name, where they are now; seen: by trait, the
            measurement that was looked at, of all that were measured at the same size.
        by: Who did it.
        why: For what reason.
    """
    if not by.strip():
        raise InputError("say who sets this; it stands in the catalogue")
    by, why = " ".join(by.split())[:200], " ".join(why.replace(";", ",").split())
    points, seen = told.get("points"), told.get("seen")
    if not isinstance(points, dict) or not points or not isinstance(seen, dict):
        raise InputError("expected the points that were moved, and what was seen of each trait")
    try:
        now = {str(name): (float(x), float(y)) for name, (x, y) in points.items()}
    except (TypeError, ValueError):
        raise InputError("expected two numbers for each point") from None
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    with desk.writing(), desk.cursor() as con:
        traits, _ = traits_of(desk, str(told.get("record")))
        traits = [one for one in traits if one.media == told.get("media")
                  and one.specimen == told.get("specimen")]  # fmt: skip
        # A picture may have been measured at several sizes; the page shows those of one together.
        frames = {one.frame for one in traits if seen.get(one.definition.id) == one.id}
        traits = [one for one in traits if one.frame in frames]
        if len(frames) != 1 or {one.definition.id: one.id for one in traits} != seen:
            raise InputError("this was measured anew meanwhile, and nothing was written; load the "
                             "page again")  # fmt: skip
        rows = [row_of(one, new, moved, by, at, why) for one, new, moved in redrawn(traits, now)]
        run = append_measurements(con, rows, {"by": by, "why": why, "at": at})
    shown = ("measurementType", "measurementValueNumeric", "measurementLower", "measurementUpper",
             "measurementUnit")  # fmt: skip
    return {"run": run, "rows": [{term: row[term] for term in shown} for row in rows]}
