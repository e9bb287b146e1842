"""A folder that can be pushed to the Hugging Face Hub: a card and tables in Parquet.

A table has a row for each picture, or for each record where there are none: the name that stands
with its ranks, the place, the licence. There is one table for each part of a published split.
Pictures that were copied lie in it too; see `merian.report.publish.pictures`.

Reference: https://huggingface.co/docs/hub/datasets-cards, .../datasets/image_dataset
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from merian.catalogue.media import ADDRESS, PARENT, SUBJECT, THING
from merian.catalogue.schema import RANKS
from merian.formats.about import About
from merian.formats.delimited import literal
from merian.formats.flat import rows
from merian.report.publish.licences import Licence, hub_name

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["card", "write_tables"]

_UNTITLED = "Records of a Merian catalogue"
_RANKED = ", ".join(f'i."{rank}"' for rank in RANKS)
_NAMED = (
    f"i.scientificName, i.taxonRank, i.verbatimIdentification, {_RANKED}, i.taxonConceptID, "
    "i.agentType, i.identificationVerificationStatus, i.probability, i.dateIdentified"
)
_PLACED = "e.eventDate, e.decimalLatitude, e.decimalLongitude, e.countryCode"
_PICTURES = f"""
SELECT x.mediaID, {SUBJECT} AS occurrenceID, {ADDRESS} AS accessURI, x.derivedFromMediaID,
    x.xFrac, x.yFrac, x.widthFrac, x.heightFrac, x.regionOutline, x.pixelsPerMillimetre,
    x.pixelXDimension, x.pixelYDimension, x.subjectPart, {_NAMED}, {_PLACED}, o.lifeStage, o.sex,
    o.datasetName, o.split, x.license, x.rightsHolder
FROM media x {PARENT} {THING}
LEFT JOIN occurrence o ON o.occurrenceID = {SUBJECT}
LEFT JOIN determination i ON i.occurrenceID = {SUBJECT}
LEFT JOIN event e ON e.eventID = o.eventID
"""
_RECORDS = f"""
SELECT o.occurrenceID, {_NAMED}, {_PLACED}, o.lifeStage, o.sex, o.datasetName, o.split,
    s.targetGene, s.sequence
FROM occurrence o LEFT JOIN determination i USING (occurrenceID)
LEFT JOIN event e ON e.eventID = o.eventID
LEFT JOIN (SELECT occurrenceID, min(targetGene) AS targetGene, arg_min(sequence, targetGene || nucleotideSequenceID) AS sequence
    FROM sequence GROUP BY occurrenceID) s ON s.occurrenceID = o.occurrenceID
"""  # noqa: E501


def write_tables(catalogue: Catalogue, folder: Path) -> dict[str, int]:
    """Write a table for each part of the split; return the rows of each."""
    pictures = next(rows(catalogue, "SELECT count(*) FROM media"))[0]
    source = _PICTURES if pictures else _RECORDS
    parts = [p for (p,) in rows(catalogue, "SELECT DISTINCT split FROM occurrence ORDER BY 1")]
    key = "mediaID" if pictures else "occurrenceID"
    counts: dict[str, int] = {}
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, members in _named(parts).items():
        told = " OR ".join(
            "split IS NULL" if part is None else f"split = {literal(part)}" for part in members
        )
        sql = f"SELECT * FROM ({source}) WHERE {told or 'true'} ORDER BY {key}"
        count = catalogue.write_table(sql, folder / "data" / f"{name}.parquet")
        if count:
            counts[name] = count
        else:
            (folder / "data" / f"{name}.parquet").unlink()
    return counts


def _named(parts: Sequence[object]) -> dict[str, list[str | None]]:
    """Return the names under which the Hub takes parts of a split, with the parts."""
    given = [str(part) for part in parts if part is not None]
    if not given:
        return {"train": [None]}
    found: dict[str, list[str | None]] = {}
    for part in given:
        name = re.sub(r"\W+", "_", part).strip("_") or "part"
        found.setdefault({"val": "validation"}.get(name, name), []).append(part)
    # A record of no part (a frame that shows several, say) is told apart.
    found.setdefault("unassigned", []).append(None)
    return found


def card(
    about: About,
    licence: Licence,
    counts: Mapping[str, int],
    licences: Mapping[Licence, int],
    text: str,
) -> str:
    """Return the card of the data set: YAML for the Hub, then the text for people."""
    total = sum(counts.values())
    sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"),
             (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))  # fmt: skip
    size = next((name for most, name in sizes if total < most), "n>10M")
    whole = {**licences, licence: 1}
    task = "image-classification" if licences else "other"
    lines = [
        "---",
        f"license: {hub_name(whole)}",
        f"pretty_name: {json.dumps(about.title or _UNTITLED, ensure_ascii=False)}",
        f"task_categories:\n- {task}",
        f"size_categories:\n- {size}",
        "tags:", "- biology", "- biodiversity", "- taxonomy", "- darwin-core",
        "configs:", "- config_name: default", "  data_files:",
        *(f"  - split: {name}\n    path: data/{name}.parquet" for name in counts),
        "---",
        "",
    ]  # fmt: skip
    return "\n".join(lines) + text
