"""Pictures of a catalogue in SQL: where each is, what it shows, and how large it is in life.

In all of it ``x`` is a row of media, ``p`` the picture that it is a region of, and ``t`` the thing
in a collection that it shows. The tables of an import that is under way have the same names.
"""

from __future__ import annotations

__all__ = ["ADDRESS", "PARENT", "SCALE", "SUBJECT", "THING", "box"]

PARENT = "LEFT JOIN media p ON p.mediaID = x.derivedFromMediaID"
THING = "LEFT JOIN material t ON t.materialEntityID = x.materialEntityID"
SUBJECT = "coalesce(x.occurrenceID, t.occurrenceID)"
ADDRESS = "coalesce(x.accessURI, p.accessURI)"

# A region that has no file of its own is cut from the other picture, with its scale.
SCALE = (
    "if(x.accessURI IS NULL, coalesce(x.pixelsPerMillimetre, p.pixelsPerMillimetre), "
    "x.pixelsPerMillimetre)"
)

_SIDES = ("xFrac", "yFrac", "widthFrac", "heightFrac")


def box(*names: str) -> str:
    """Return the SQL of what is cut out: left, top, width and height, by these names.

    A file that was cut from another picture tells where it lay there, and is itself shown whole.
    """
    cut = "x.accessURI IS NULL OR x.derivedFromMediaID IS NULL"
    sides = zip(_SIDES, names or _SIDES, strict=True)
    return ", ".join(f"if({cut}, x.{side}, NULL) AS {name}" for side, name in sides)
