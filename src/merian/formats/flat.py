"""What the writers share: a catalogue as flat rows, one for each occurrence.

A file of records has one name, one thing and one place for each specimen. Of several
identifications the one that stands is written, as the view ``determination`` gives it. All is in
the order of the ids, so that the same catalogue gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["FIRST_MATERIAL", "FIRST_MEDIA", "NAMED", "SEQUENCES", "STANDING", "rows"]

# Identifications by the occurrence that they are of, whatever evidence they hang on.
NAMED = """
SELECT coalesce(i.occurrenceID, t.occurrenceID, p.occurrenceID, s.occurrenceID) AS subject, i.*
FROM identification i
LEFT JOIN material t ON t.materialEntityID = i.materialEntityID
LEFT JOIN media p ON p.mediaID = i.mediaID
LEFT JOIN sequence s ON s.nucleotideSequenceID = i.nucleotideSequenceID
"""

# The one that stands.
STANDING = "SELECT occurrenceID AS subject, * EXCLUDE (occurrenceID) FROM determination"

FIRST_MATERIAL = """
SELECT * FROM material WHERE occurrenceID IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY occurrenceID ORDER BY materialEntityID) = 1
"""

FIRST_MEDIA = """
SELECT * FROM media WHERE occurrenceID IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY occurrenceID ORDER BY mediaID) = 1
"""

# Sequences by occurrence, with their place among those of the same occurrence.
SEQUENCES = """
SELECT *,
    row_number() OVER (PARTITION BY subject ORDER BY targetGene, nucleotideSequenceID) AS place,
    count(*) OVER (PARTITION BY subject) AS places
FROM (
    SELECT coalesce(s.occurrenceID, t.occurrenceID) AS subject, s.*
    FROM sequence s LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
    WHERE s.sequence IS NOT NULL
)
"""


def rows(catalogue: Catalogue, sql: str) -> Iterator[tuple[object, ...]]:
    """Return the rows of a query, a few thousand at a time."""
    return iter(catalogue.query(sql))
