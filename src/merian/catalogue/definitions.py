"""The tables of a catalogue as SQL that makes them, and the view of the names that stand now."""

from __future__ import annotations

from merian.catalogue.schema import AS_WRITTEN, REJECTS, RUN, TABLES, Table, quoted

__all__ = [
    "DETERMINATION", "STANDING", "STANDS_FIRST", "definition", "definitions", "own_answer",
]  # fmt: skip

# Barcodes are packed at once, and hashes not at all, since nothing makes them smaller. DuckDB
# would try every method on each first, which takes three times as long.
_PACKED = {("sequence", "sequence"): " USING COMPRESSION zstd"} | {
    (name, TABLES[name].key): " USING COMPRESSION uncompressed"
    for name in ("media", "sequence", "identification", "measurement")
}

# Which identification stands first: a human's stands above a machine's, then of machines the
# cluster that something without a name was put into, then the later one (also where a human has
# named a whole cluster before), then the consensus above single evidence.
STANDS_FIRST = """
        agentType = 'human' DESC NULLS LAST,
        coalesce(identificationType = 'cluster' AND agentType <> 'human', false) DESC,
        regexp_extract(dateIdentified, '^[0-9]{4}.*') DESC NULLS LAST,
        identificationType = 'consensus' DESC NULLS LAST,
        identificationID
"""

# Identifications ``i`` that no other says again: in a newer checklist, or as a map of labels reads
# their label.
STANDING = (
    "i.identificationID NOT IN (SELECT replacesIdentificationID FROM identification "
    "WHERE replacesIdentificationID IS NOT NULL)"
)

# What stands by each occurrence now. A name given to a picture, a sequence or a thing in a
# collection is a name of its occurrence.
DETERMINATION = f"""
CREATE OR REPLACE VIEW determination AS
WITH named AS (
    SELECT coalesce(i.occurrenceID, s.occurrenceID, m.occurrenceID, t.occurrenceID) AS subject, i.*
    FROM identification i
    LEFT JOIN sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
    LEFT JOIN media m ON i.mediaID = m.mediaID
    LEFT JOIN material t ON i.materialEntityID = t.materialEntityID
    WHERE {STANDING}
)
SELECT subject AS occurrenceID, * EXCLUDE (subject, occurrenceID)
FROM named
WHERE subject IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY subject
    ORDER BY {STANDS_FIRST}
) = 1
"""


def own_answer(names: str, run: str) -> str:
    """Return the SQL of whether a name is an answer of Merian itself, which is no evidence.

    One that a migration or the desk has said again is still one; such an answer reads no label,
    which tells it from a name that a map of labels gave.

    Args:
        names: The identification.
        run: The run that wrote it, or NULL.
    """
    return (
        f"coalesce({run}.verb = 'identify' "
        f"OR ({run}.verb = 'discover' AND {names}.agentType = 'machine') "
        f"OR ({run}.verb IN ('migrate', 'review') "
        f"AND {names}.agentType = 'machine' AND {names}.verbatimIdentification IS NULL "
        f"AND {names}.identifiedBy LIKE 'Merian %'), false)"
    )


def definitions() -> list[str]:
    """Return the SQL that makes the tables of a new catalogue.

    There are no indexes: uniqueness is held by the import, which is many times faster so. Every
    row of the world carries the run that wrote it.
    """
    made = []
    for table in (*TABLES.values(), RUN, REJECTS):
        columns = [
            f"{quoted(f.name)} {f.type}" + _PACKED.get((table.name, f.name), "")
            for f in table.fields
        ]
        if table is not RUN:
            columns.append("runID VARCHAR")
        made.append(f"CREATE TABLE {table.name} ({', '.join(columns)})")
    return [*made, *(definition(table) for table in AS_WRITTEN), DETERMINATION]


def definition(table: Table) -> str:
    """Return the SQL that makes a table that is written as it stands, where it is not there."""
    columns = ", ".join(f"{quoted(f.name)} {f.type}" for f in table.fields)
    return f"CREATE TABLE IF NOT EXISTS {quoted(table.name)} ({columns})"
