"""The distinct labels of a collection, with how often each occurs: what a map of labels is made of.

They come from a catalogue (what identifications said when they came, by data set), from a folder of
pictures sorted into folders named after classes (Copepoda__6666/12.png), from a table with a column
of labels, or from a map of labels, which is such a table too. The labels of a folder, or of a table
without a column of sources, are of no source: a map of them holds for every source, unless told.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from merian.catalogue import Catalogue
from merian.catalogue.schema import quoted
from merian.database import connect
from merian.errors import FormatError, InputError
from merian.files import existing
from merian.formats.folders import visible_files
from merian.formats.image_folder import SUFFIXES
from merian.taxonomy.label_map import read_label_map
from merian.taxonomy.name_table import read_name_table
from merian.taxonomy.propose import RawLabel

__all__ = ["read_labels_of"]

_MEMORY = "1GB"
# How columns are called in the tables of others, the surest first.
_LABEL = ("label", "raw_labels", "original_label", "verbatimidentification", "class", "class_name",
          "category", "object_annotation_category", "taxon", "scientificname")  # fmt: skip
_SOURCE = ("source", "dataset", "datasetname", "collection")
_COUNT = ("count", "n", "images", "records", "number")

_OF_A_CATALOGUE = """
SELECT coalesce(o.datasetName, '') AS source, i.verbatimIdentification AS label, count(*)
FROM identification i
LEFT JOIN sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
LEFT JOIN media m ON i.mediaID = m.mediaID
LEFT JOIN material t ON i.materialEntityID = t.materialEntityID
LEFT JOIN occurrence o
    ON o.occurrenceID = coalesce(i.occurrenceID, s.occurrenceID, m.occurrenceID, t.occurrenceID)
WHERE i.verbatimIdentification IS NOT NULL AND i.replacesIdentificationID IS NULL
GROUP BY ALL ORDER BY ALL
"""


def read_labels_of(
    path: Path, *, label: str | None = None, source: str | None = None
) -> list[RawLabel]:
    """Return the distinct labels of a catalogue, a folder of pictures, or a table.

    Args:
        path: Where they are.
        label: The column of a table that holds them; found by its name if not given.
        source: What those are of that say nothing of it.
    """
    path = existing(path, "catalogue, folder or table")
    if (path / "catalogue.duckdb").is_file():
        found = _of_catalogue(path)
    elif path.is_dir():
        found = _of_folder(path)
    else:
        found = _of_table(path, label)
    if not found:
        raise InputError(f"{path}: holds no label")
    return [RawLabel(raw.source or source or "", raw.label, raw.count) for raw in found]


def _of_catalogue(path: Path) -> list[RawLabel]:
    with Catalogue.open(path, read_only=True) as catalogue:
        return [
            RawLabel(str(source), str(label), int(str(count)))
            for source, label, count in catalogue.query(_OF_A_CATALOGUE)
        ]


def _of_folder(path: Path) -> list[RawLabel]:
    """Return the folders that hold pictures; one of Panaiotis's maps is a folder too."""
    times = Counter(
        file.parent.name
        for file in visible_files(path)
        if file.suffix.lower() in SUFFIXES and file.parent != path
    )
    if times:
        return [RawLabel("", label, count) for label, count in sorted(times.items())]
    try:
        targets = read_label_map(path).targets.values()
    except FormatError:
        raise InputError(
            f"{path}: holds no pictures in folders named after classes, and is no catalogue"
        ) from None
    return [RawLabel(target.source, target.label, target.count) for target in targets]


def _of_table(path: Path, label: str | None) -> list[RawLabel]:
    with tempfile.TemporaryDirectory(prefix="merian-labels-") as folder:
        con = connect(memory=_MEMORY, spill=Path(folder) / "spill")
        try:
            columns = read_name_table(con, path, Path(folder))
            names = {name.strip().lstrip("\ufeff").lower(): name for name in columns}
            if label is not None and label.lower() not in names:
                raise InputError(f"{path}: has no column {label}; it has {', '.join(columns)}")
            column = names[label.lower()] if label else _first(names, _LABEL)
            if column is None:
                raise InputError(
                    f"{path}: none of its columns ({', '.join(columns)}) is called as one of "
                    "labels is; say which holds them, with --label COLUMN"
                )
            source, count = _first(names, _SOURCE), _first(names, _COUNT)
            sums = f"sum(try_cast({quoted(count)} AS BIGINT))" if count else "count(*)"
            where = f"coalesce(CAST({quoted(source)} AS VARCHAR), '')" if source else "''"
            text = f"CAST({quoted(column)} AS VARCHAR)"
            rows = con.execute(
                f"SELECT {where}, {text}, {sums}::BIGINT FROM asked WHERE trim({text}) <> '' "
                "GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        finally:
            con.close()
    return [RawLabel(*row) for row in rows]


def _first(names: dict[str, str], wanted: tuple[str, ...]) -> str | None:
    return next((names[name] for name in wanted if name in names), None)
