"""A catalogue that holds nothing but some parts of a split: views that stand before its tables.

A part is written by whatever writes a catalogue. So it is not the writers that know of splits: a
connection gets temporary views by the names of the tables, which hold the records of the part and
what hangs on them, and every query is then about these alone. `split` of an occurrence is the part
that the split puts it in, and no longer the one that it came with.

With a record goes what tells of it: its events and those above, the things that it is a part of or
was taken from, the picture that a region was cut from. Where such a picture is itself of a record
that is not in the part, it comes without saying so: its file is needed, its name would leak.
"""

from __future__ import annotations

from collections.abc import Sequence

from merian.catalogue.checks import literal
from merian.catalogue.media import SUBJECT, THING
from merian.catalogue.query import STORED
from merian.catalogue.splits.store import Stored, part_names

__all__ = ["part_views"]

_MAIN = STORED

_OF_MEDIA = f"SELECT {SUBJECT} AS subject, x.* FROM media x {THING}"
_OF_SEQUENCE = f"SELECT {SUBJECT} AS subject, x.* FROM sequence x {THING}"

_IN = "(SELECT recordID FROM part_record)"

_VIEWS = {
    "occurrence": f"""
SELECT o.* REPLACE (r.part AS split) FROM {_MAIN}.occurrence o
JOIN part_record r ON r.recordID = o.occurrenceID
""",
    "event": f"""
WITH RECURSIVE kept(eventID) AS (
    SELECT eventID FROM occurrence WHERE eventID IS NOT NULL
    UNION
    SELECT e.parentEventID FROM kept k JOIN {_MAIN}.event e ON e.eventID = k.eventID
    WHERE e.parentEventID IS NOT NULL
)
SELECT * FROM {_MAIN}.event WHERE eventID IN (SELECT eventID FROM kept)
""",
    "material": f"""
WITH RECURSIVE kept(materialEntityID) AS (
    SELECT materialEntityID FROM {_MAIN}.material WHERE occurrenceID IN {_IN}
    UNION
    SELECT unnest([t.isPartOfMaterialEntityID, t.derivedFromMaterialEntityID])
    FROM kept k JOIN {_MAIN}.material t ON t.materialEntityID = k.materialEntityID
)
SELECT * REPLACE (if(occurrenceID IN {_IN}, occurrenceID, NULL) AS occurrenceID)
FROM {_MAIN}.material WHERE materialEntityID IN (SELECT materialEntityID FROM kept)
""",
    "media": f"""
WITH RECURSIVE own AS (
    SELECT x.mediaID FROM {_MAIN}.media x
    LEFT JOIN {_MAIN}.material t ON t.materialEntityID = x.materialEntityID
    WHERE coalesce({SUBJECT}, x.mediaID) IN {_IN}
), kept(mediaID) AS (
    SELECT mediaID FROM own
    UNION
    SELECT x.derivedFromMediaID FROM kept k JOIN {_MAIN}.media x ON x.mediaID = k.mediaID
    WHERE x.derivedFromMediaID IS NOT NULL
)
SELECT m.* REPLACE (
    if(o.mediaID IS NULL, NULL, m.occurrenceID) AS occurrenceID,
    if(o.mediaID IS NULL, NULL, m.materialEntityID) AS materialEntityID
) FROM {_MAIN}.media m LEFT JOIN own o ON o.mediaID = m.mediaID
WHERE m.mediaID IN (SELECT mediaID FROM kept)
""",
    "sequence": f"""
SELECT x.* FROM {_MAIN}.sequence x
LEFT JOIN {_MAIN}.material t ON t.materialEntityID = x.materialEntityID
WHERE coalesce({SUBJECT}, x.nucleotideSequenceID) IN {_IN}
""",
    "identification": f"""
SELECT i.* FROM {_MAIN}.identification i
LEFT JOIN ({_OF_MEDIA}) m ON m.mediaID = i.mediaID
LEFT JOIN ({_OF_SEQUENCE}) s ON s.nucleotideSequenceID = i.nucleotideSequenceID
LEFT JOIN material t ON t.materialEntityID = i.materialEntityID
WHERE coalesce(i.occurrenceID, m.subject, s.subject, t.occurrenceID, i.mediaID,
    i.nucleotideSequenceID) IN {_IN}
OR (t.materialEntityID IS NOT NULL AND t.occurrenceID IS NULL)
""",
    "measurement": f"""
SELECT x.* FROM {_MAIN}.measurement x
LEFT JOIN ({_OF_MEDIA}) m ON m.mediaID = x.mediaID
LEFT JOIN material t ON t.materialEntityID = x.materialEntityID
WHERE coalesce(x.occurrenceID, m.subject, t.occurrenceID, x.mediaID) IN {_IN}
OR (x.occurrenceID IS NULL AND x.mediaID IS NULL AND (
    (t.materialEntityID IS NOT NULL AND t.occurrenceID IS NULL)
    OR (x.materialEntityID IS NULL AND x.eventID IN (SELECT eventID FROM event))
))
""",
    "determination": f"SELECT * FROM {_MAIN}.determination WHERE occurrenceID IN {_IN}",
    "placement": f"SELECT * FROM {_MAIN}.placement WHERE recordID IN {_IN}",
    "clusterMember": f"SELECT * FROM {_MAIN}.clusterMember WHERE recordID IN {_IN}",
}  # in this order: some stand on those before


def part_views(splits: Sequence[Stored], asked: str) -> dict[str, str]:
    """Return the views by which a connection sees nothing but some parts, in order of making.

    Args:
        splits: Those of the catalogue.
        asked: ``NAME:PART+PART``, or ``NAME`` for all that is not set aside.
    """
    split, parts = part_names(list(splits), asked)
    if ":" not in asked:
        parts = [part for part in parts if split.parts[part]["role"] != "aside"]
    listed = ", ".join(literal(part) for part in parts)
    records = (
        f"SELECT recordID, part FROM {_MAIN}.placement "
        f"WHERE splitName = {literal(split.name)} AND part IN ({listed})"
    )
    return {"part_record": records, **_VIEWS}
