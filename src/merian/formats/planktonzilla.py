"""Planktonzilla-17M: plankton of 15 collections in Parquet files, with one taxonomy.

A Hugging Face data set (see `hf-parquet`) whose columns are::

    image dataset original_label original_path Kingdom Phylum Class Order Family Genus Species
    proposed_label plankton root_class qualifier wikidata_ID ecotaxa_ID aphia_ID NCBI_ID BOLD_ID
    Latitude Longitude Depth_min Depth_max Temperature Humidity ObjID timestamp license license_url

``dataset`` is the collection (whoi, zooscan, ...), from which the instrument follows; there is no
column for it. ``original_label`` is the label as it came and stays so. The lineage is in lower
case, ``Species`` is the epithet alone; both become names. It was put to the label by a hand-made
table, whose known faults (homonyms of another kingdom, a family under one of its species) are in it
too: the lineage is what Planktonzilla says, and the remark says so. ``qualifier`` gives the stage
(larvae, egg), the part of the body (part_tail), or ``like``; the other words, what the label is
called and what kind of thing it is stand in the remark of the identification. The identifiers stand
there too, without the ``.0`` of a table of floats: they were searched by name from the species up
to the kingdom, so that they may be those of a taxon above, and are no identity.

``Temperature`` and ``Humidity`` are those within the housing of an IFCB and not of the sea; they
become measurements. Where ``Latitude`` is that of jedioceans, one place stands for all. A date has
no time of day. Words for "nothing" ("None", "nan") are nothing. ``license_url`` says the same as
``license``. Without ``original_path`` a row is called by its file and number.

The table of labels, ``planktonzilla_taxonomy.csv``, holds no records and is refused here;
`merian.taxonomy.label_map` reads it.

Reference: https://github.com/Inria-Chile/planktonzilla, arXiv:2606.00080
"""

from __future__ import annotations

import io
import random
from pathlib import Path

from PIL import Image

from merian.catalogue.sources import Reading, Rows
from merian.errors import FormatError
from merian.files import existing
from merian.formats.delimited import column, first_given, literal, peek_columns
from merian.formats.hf_features import split_of
from merian.formats.hf_parquet import files_of, first_file
from merian.formats.hf_rows import (
    MeasuredRows,
    ParquetTable,
    PictureRows,
    TableRows,
    open_table,
    quiet_columns,
)
from merian.formats.planktonzilla_terms import (
    COLUMNS,
    INSTRUMENTS,
    MEASURED,
    PARTS,
    SURE,
    terms_of_columns,
)
from merian.formats.registry import Format, Options
from merian.parquet import fetch

__all__ = ["FORMAT"]

_MAP = frozenset({"Dataset", "Raw_Labels", "proposed_label", "root_class"})


def _sniff(path: Path) -> int:
    if path.is_file() and peek_columns(path, ",") >= _MAP:
        return 3
    file = first_file(path)
    return 3 if file and set(quiet_columns(file)) >= SURE else 0


def _lacks(path: Path) -> str:
    file = first_file(path)
    here = set(quiet_columns(file)) if file else set()
    missing = sorted(SURE - here)
    if not missing or 2 * len(missing) > len(SURE):
        return ""
    return f"has no column{'s' * (len(missing) > 1)} {', '.join(missing)}"


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "data set of Planktonzilla")
    if path.is_file() and peek_columns(path, ",") >= _MAP:
        raise FormatError(
            "is the table of labels of Planktonzilla, which says what a label of a collection "
            "means; it holds no records. Import the data set itself (its Parquet files); "
            "merian.taxonomy.label_map reads this table",
            path=path,
            line=1,
        )
    files = files_of(path, options)
    root = path.absolute() if path.is_dir() else files[0].parent
    look = options.extra.get("look", "yes").lower() not in {"no", "false", "0"}
    sources: list[Rows] = []
    notes = {f"{len(files)} Parquet file{'s' * (len(files) > 1)}": None}
    for file in files:
        table = open_table(file)
        sources += _of_file(table, root, look)
        unknown = [c.name for c in table.plain if c.name not in COLUMNS]
        unknown += [name for name in table.idle if name not in COLUMNS]
        if unknown:
            told = f"columns that Planktonzilla does not have are ignored: {', '.join(unknown)}"
            notes[told] = None
    return Reading("planktonzilla", sources, files, tuple(notes))


def _of_file(table: ParquetTable, root: Path, look: bool) -> list[Rows]:
    names = {one.name for one in table.plain}
    if "dataset" not in names or not names & {"original_label", "proposed_label"}:
        raise FormatError(
            "has no columns dataset and original_label, which Planktonzilla has", path=table.file
        )
    place = f"{literal(f'{root.name}/{table.file.relative_to(root).as_posix()}:')}"
    path = first_given(("original_path",), names)
    own = f"{place} || file_row_number"
    named = f"{column('dataset')} || '/' || {path}"
    identifier = f"coalesce({named}, {own})" if path else own
    terms = terms_of_columns(names, identifier, split_of(table.file, root))
    classes = {k: v for k, v in table.features.classes.items() if k in names}
    rows = TableRows(table, terms, classes)
    pictures = "image" if "image" in table.pictures else next(iter(table.pictures), "")
    found = [Rows(table.file, "record",
                  PictureRows(rows, pictures, look) if pictures else rows)]  # fmt: skip
    measured = {name: told for name, told in MEASURED.items() if name in names}
    if measured:
        of = MeasuredRows(table, identifier, measured, classes)
        found.append(Rows(table.file, "measurement", of))
    return found


_LINEAGES = (
    ("animalia", "cnidaria", "hydrozoa", "siphonophorae", "abylidae", "abylopsis", "tetragona"),
    ("animalia", "arthropoda", "copepoda", "calanoida", "", "", ""),
    ("", "", "", "", "", "", ""),
)


def _fake(folder: Path, seed: int) -> Path:
    """Write a part of the data set, with its floats for identifiers and its words for nothing."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"planktonzilla{seed}"
    (root / "data").mkdir(parents=True, exist_ok=True)
    listed = [_fake_row(chance, number) for number in range(12)]
    file = root / "data" / "train-00000-of-00001.parquet"
    fetch(
        f"COPY (SELECT * FROM (VALUES {', '.join(listed)}) t({', '.join(map(column, COLUMNS))})) "
        f"TO {literal(str(file))} (FORMAT parquet)"
    )
    return root


def _fake_row(chance: random.Random, number: int) -> str:
    dataset = chance.choice(sorted(INSTRUMENTS))
    lineage = _LINEAGES[number % 3]
    held = io.BytesIO()
    Image.new("L", (18 + number, 25), chance.randrange(256)).save(held, "PNG")
    leaf = next((name for name in reversed(lineage) if name), "bubble")
    qualifier = chance.choice(["full_body", *sorted(PARTS), "larvae", "egg", "like", "mix"])
    whole = [
        f"{{'bytes': from_hex('{held.getvalue().hex()}'), 'path': NULL}}", literal(dataset),
        literal(f"{qualifier}<{leaf}"), literal(f"{leaf}/{number}.png"), *map(literal, lineage),
        literal(leaf), str(bool(lineage[0])).lower(),
        "'living'" if lineage[0] else "'artefact'", literal(qualifier if lineage[0] else ""),
        "'Q1931947'" if lineage[0] else "'None'", "'321;322'",
        f"'{135400 + number}.0'" if lineage[0] else "'nan'", "'316209.0'", "'461338.0'",
        f"{chance.uniform(-60, 60):.4f}::FLOAT", f"{chance.uniform(-170, 170):.4f}::FLOAT",
        "5::FLOAT", f"{5 + number}::FLOAT", "21.5::FLOAT" if number % 4 == 0 else "NULL::FLOAT",
        "'nan'::FLOAT", f"'{1000 + number}'", f"'2018-07-{number + 1:02}'", "'cc-by-4.0'",
        "'https://creativecommons.org/licenses/by/4.0/'",
    ]  # fmt: skip
    return f"({', '.join(whole)})"


FORMAT = Format(
    name="planktonzilla",
    title="Planktonzilla-17M in Parquet files",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
)
