"""A Hugging Face data set of pictures, in Parquet files.

One file, or a folder of them, as it lies on the hub and as `datasets` writes it with
``to_parquet``::

    README.md                           the card: licence, title, names of classes
    data/train-00000-of-00012.parquet   the part of the split stands in the name, or in that of a
    data/test-00000-of-00001.parquet    folder above: default/train/0000.parquet

A column of pictures is a struct of ``bytes`` and ``path``, or plain bytes. The pictures stay where
they are: ``train-00000-of-00012.parquet!/image/17`` is the 18th. Each is looked at while it is
read, as those of a folder are, so that one that is damaged is told and twins are found by their
hash; ``--set look=no`` leaves that, which is some three times as fast. A row whose picture cannot
be read is kept without it.

A column of classes holds numbers; their names stand in the file (the key ``huggingface``) or in the
card. -1 is "no class". Where neither names them the numbers are kept as labels, with a note. Other
columns are mapped by ``--map column=term`` or by their names, as those of a table; a label may be
called ``label``, ``labels`` or ``target``. What is left with one value a row becomes a measurement
called like its column; lists, structs and bytes that are no picture are named and left. Without a
column of ids a row is called ``folder/file.parquet:row``, its row counted from 0.

A folder with several configurations (folders with files of their own) is refused, since they often
hold the same pictures: ``--set config=NAME`` names one. What ``save_to_disk`` wrote is Arrow and is
not read. Files without pictures are read too.

Written are the columns of records with their standing name and each of their pictures in a row of
its own, in row groups of 100 rows and files of 400 MB, with features that `datasets` decodes:
``image`` is an Image, ``label`` a ClassLabel of what was written on the labels, what was measured
on records has columns of its own. A region is cut out and becomes a picture of its own, which tells
where it lay in the larger one (``derivedFromMediaID``, ``xFrac`` ...) and its outline there. What
else was said of a record, before the name that stands or beside it, is the column
``identifications``: a list of objects in JSON, whose keys are terms. Records that are in no part of
a split stand in ``train``. The card is not written; the publisher writes it.

Reference: https://huggingface.co/docs/datasets/image_load,
https://huggingface.co/docs/hub/datasets-data-files-configuration
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from PIL import Image

from merian.catalogue.schema import record_terms
from merian.catalogue.sources import Reading, Rows
from merian.errors import FormatError, InputError
from merian.files import existing, write_text
from merian.formats.delimited import Head, column, head_bytes, literal
from merian.formats.hf_columns import OURS
from merian.formats.hf_features import SPLITS, Card, read_card, split_of
from merian.formats.hf_history import HistoryRows
from merian.formats.hf_rows import (
    MAGIC,
    MeasuredRows,
    ParquetTable,
    PictureRows,
    TableRows,
    open_table,
    quiet_columns,
)
from merian.formats.hf_write import write_set
from merian.formats.planktonzilla_terms import SURE
from merian.formats.registry import Format, Options
from merian.formats.table_mapping import TableMapping, complete_names, map_columns
from merian.parquet import fetch

__all__ = ["FORMAT", "files_of", "first_file", "with_labels"]

_MOST = 20_000  # files of one data set
_LOOKED_AT = 100  # folders that are looked into to know what a folder is
_LABELS = ("label", "labels", "target", "targets")
_CAPTIONS = ("caption", "captions", "text")
_ARROW = "holds Arrow files of save_to_disk; write it again with to_parquet()"


def first_file(path: Path) -> Path | None:
    """Return the first Parquet file of a data set, or None; never raises."""
    try:
        if path.is_file():
            return path if head_bytes(path, 4) == MAGIC else None
        return next(_walk(path, _LOOKED_AT), None) if path.is_dir() else None
    except (OSError, ValueError):
        return None


def _walk(root: Path, most: int | None = None) -> Iterator[Path]:
    """Return the Parquet files below a folder, in order, three folders deep.

    Args:
        root: It.
        most: How many folders are looked into; all if not given.
    """
    for folder, below, files in islice(os.walk(root), most):
        deep = len(Path(folder).relative_to(root).parts) >= 3
        below[:] = [] if deep else sorted(n for n in below if not n.startswith((".", "__")))
        for name in sorted(files):
            if name.endswith(".parquet") and not name.startswith("."):
                yield Path(folder) / name


def _sniff(path: Path) -> int:
    """Return 3 for a data set with pictures, 1 for other Parquet files."""
    file = first_file(path)
    if file is None or (path / "pack.json").is_file():
        return 0
    columns = quiet_columns(file)
    if not columns:
        return 0
    if set(columns) >= SURE:
        return 1  # those of planktonzilla have a reader of their own
    return 3 if any('"bytes" BLOB' in k or "(bytes BLOB" in k for k in columns.values()) else 1


def _lacks(path: Path) -> str:
    if path.is_dir():
        told = ("dataset_info.json", "state.json", "dataset_dict.json")
        return _ARROW if any((path / name).is_file() for name in told) else ""
    if path.suffix == ".parquet" and path.is_file() and head_bytes(path, 4) != MAGIC:
        return "does not begin with PAR1"
    return ""


def files_of(path: Path, options: Options) -> list[Path]:
    """Return the files of a data set: of the configuration that is meant, if it has several."""
    path = existing(path, "data set").absolute()
    if path.is_file():
        return [path]
    files = []
    for file in _walk(path):
        files.append(file)
        if len(files) > _MOST:
            raise FormatError(f"holds more than {_MOST:,} Parquet files; give a folder of it",
                              path=path)  # fmt: skip
    if not files:
        why = _lacks(path) or "holds no file that ends in .parquet"
        raise FormatError(why, path=path)
    by_config: dict[str, list[Path]] = {}
    for file in files:
        by_config.setdefault(_config(file.relative_to(path).parts[:-1]), []).append(file)
    named = options.extra.get("config", "")
    if named:
        if named not in by_config:
            known = ", ".join(name for name in by_config if name) or "none"
            raise InputError(f"{path}: has no configuration {named!r}; there are {known}")
        return by_config[named]
    if len(by_config) > 1:
        listed = ", ".join(name or "files without one" for name in by_config)
        raise FormatError(
            f"holds several configurations ({listed}), which may hold the same pictures; name one "
            "with --set config=NAME",
            path=path,
        )
    return files


def _config(above: tuple[str, ...]) -> str:
    """Return the configuration that a file is of: the first folder that is no part of a split."""
    return next(
        (name for name in above if name not in {"data", "default"} and name.lower() not in SPLITS),
        "",
    )


def _read(path: Path, options: Options) -> Reading:
    files = files_of(path, options)
    root = path.absolute() if path.is_dir() else files[0].parent
    card_at = next((p for p in (root, root.parent) if (p / "README.md").is_file()), None)
    card = read_card(card_at / "README.md") if card_at else Card()
    look = options.extra.get("look", "yes").lower() not in {"no", "false", "0"}
    sources: list[Rows] = []
    notes: dict[str, None] = {}
    for file in files:
        table = open_table(file)
        for source, told in _of_file(table, root, card, options, look):
            sources.append(source)
            notes |= dict.fromkeys(told)
    inputs = [*files, *([card_at / "README.md"] if card_at and path.is_dir() else [])]
    counted = f"{len(files)} Parquet file{'s' * (len(files) > 1)}"
    return Reading("hf-parquet", sources, inputs, (counted, *notes))


def _of_file(
    table: ParquetTable, root: Path, card: Card, options: Options, look: bool
) -> Iterator[tuple[Rows, list[str]]]:
    """Return what there is to read in one file, with notes."""
    own, own_measured, history = _own_notes(table)
    names = tuple(one.name for one in table.plain if one.name not in own_measured
                  and one.name != history)  # fmt: skip
    head = Head(table.file, "", ",", "", 0, names, (), ())
    mapping = map_columns(head, with_labels(options, head, own))
    classes = {**card.classes, **table.features.classes}
    classes = {name: told for name, told in classes.items() if name in names}
    notes = _name_labels(mapping, table, classes)
    terms = mapping.terms
    picture = next(iter(table.pictures), "")
    if picture and "accessURI" in terms:
        mapping.left.append(mapping.columns["accessURI"])
        del terms["accessURI"]
    _complete(terms, table, root, card, picture, options, bool(own))
    notes += _tell(mapping, table, card)
    rows = TableRows(table, terms, classes)
    yield Rows(table.file, "record", PictureRows(rows, picture, look) if picture else rows), notes
    for further in list(table.pictures)[1:]:
        alone = TableRows(table, {"occurrenceID": terms["occurrenceID"]}, {})
        yield Rows(table.file, "media", PictureRows(alone, further, look, needed=True)), []
    measured = {**{name: (name, "") for name in mapping.left}, **own_measured}
    if measured:
        of = MeasuredRows(table, terms["occurrenceID"], measured, classes)
        yield Rows(table.file, "measurement", of), []
    if history:
        yield Rows(table.file, "identification",
                   HistoryRows(table, terms["occurrenceID"], history)), []  # fmt: skip


def with_labels(options: Options, head: Head, own: Mapping[str, str]) -> Options:
    """Return what the user says, what the file says, and what columns of labels are called."""
    said = {name: term for name, term in own.items() if name in head.columns} | dict(
        options.mapping
    )
    for names, term in ((_LABELS, "verbatimIdentification"), (_CAPTIONS, "mediaRemarks")):
        found = next((name for name in names if name in head.columns), None)
        if found and found not in said and term not in said.values():
            said[found] = term
    return Options(said, options.images, options.marker, options.extra)


def _name_labels(
    mapping: TableMapping, table: ParquetTable, classes: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """Take a column of classes as the label where there is no other; tell of bare numbers."""
    left = [name for name in mapping.left if name in classes]
    if "verbatimIdentification" not in mapping.terms and left:
        mapping.left.remove(left[0])
        mapping.take("verbatimIdentification", column(left[0]), left[0])
    name = mapping.columns.get("verbatimIdentification", "")
    kind = next((one.kind for one in table.plain if one.name == name), "")
    if name in classes or not kind.endswith(("INT", "INTEGER")):
        return []
    return [f"{name} holds numbers, and neither the file nor a README says what they mean"]


def _complete(
    terms: dict[str, str], table: ParquetTable, root: Path, card: Card, picture: str,
    options: Options, own: bool,
) -> None:  # fmt: skip
    """Add what a record needs and the columns do not hold."""
    if "occurrenceID" not in terms:
        place = table.file.relative_to(root).as_posix()
        terms["occurrenceID"] = f"{literal(f'{root.name}/{place}:')} || file_row_number"
    split = split_of(table.file, root)
    if split:
        terms.setdefault("split", literal(split))
    if card.title:
        terms.setdefault("datasetName", literal(card.title))
    if picture:
        terms.setdefault("basisOfRecord", "'MachineObservation'")
        if card.license:
            terms.setdefault("license", literal(card.license))
    else:
        terms.pop("mediaRemarks", None)
    if not own:  # what we wrote says all that it means
        complete_names(terms, options.marker)


def _own_notes(table: ParquetTable) -> tuple[dict[str, str], dict[str, tuple[str, str]], str]:
    """Return what our own writer noted.

    That is column -> term, column -> what was measured and its unit, and the column of further
    identifications.
    """
    try:
        told = json.loads(table.notes.get(OURS, "{}"))
        names = {one.name for one in table.plain}
        terms = {
            str(name): str(term)
            for name, term in told.get("terms", {}).items()
            if name in names and term in record_terms()
        }
        measured = {
            str(name): (str(kind), str(unit))
            for name, (kind, unit) in told.get("measured", {}).items()
            if name in names
        }
        history = told.get("history", "")
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}, {}, ""
    return terms, measured, history if history in names else ""


def _tell(mapping: TableMapping, table: ParquetTable, card: Card) -> list[str]:
    notes = []
    if table.pictures:
        notes.append(f"pictures: {', '.join(table.pictures)} (they stay in the files)")
    if mapping.said or mapping.guessed:
        notes.append(f"mapped: {', '.join([*mapping.said, *mapping.guessed])}")
    if mapping.left:
        notes.append(f"kept as measurements: {', '.join(mapping.left)}")
    if table.idle:
        notes.append(f"lists, structs and bytes are left: {', '.join(table.idle)}")
    if card.doubtful:
        notes.append(f"the README names classes of {', '.join(card.doubtful)} in several ways; "
                     "none is taken")  # fmt: skip
    return notes


def _fake(folder: Path, seed: int) -> Path:
    """Write two parts of a split, with a card that names the classes, and some faults."""
    root = folder / f"moths{seed}"
    (root / "data").mkdir(parents=True, exist_ok=True)
    write_text(root / "README.md", _CARD)
    for part, count in (("train", 8), ("test", 4)):
        listed = []
        for number in range(count):
            held = io.BytesIO()
            shade = (37 * seed + 11 * number + 5 * count) % 256
            Image.new("RGB", (20 + number, 16), (shade, 90, number)).save(held, "PNG")
            content = held.getvalue()[:60] if number == 5 else held.getvalue()
            listed.append(
                f"({{'bytes': from_hex('{content.hex()}'), 'path': '{part}{number}.png'}}, "
                f"{number % 4 - 1}, {50 + number + seed / 8}, 'trap {seed}-{number % 2}', "
                f"'2021-0{1 + number}-03', [0.5, {number}])"
            )
        rows = f"(VALUES {', '.join(listed)}) t(image, label, latitude, site, date, embedding)"
        file = root / "data" / f"{part}-00000-of-00001.parquet"
        fetch(f"COPY (SELECT * FROM {rows}) TO {literal(str(file))} (FORMAT parquet)")
    return root


_CARD = """---
license: cc-by-4.0
pretty_name: "Moths: a fake"
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': Lepidoptera
          '1': Noctua pronuba
          '2': 'it''s empty'
  splits:
  - name: train
    num_examples: 8
---
# Moths
"""


FORMAT = Format(
    name="hf-parquet",
    title="Hugging Face data set of pictures in Parquet files",
    sniff=_sniff,
    read=_read,
    write=write_set,
    fake=_fake,
    lacks=_lacks,
    suffix=".parquet",
    tested_on="beetle measurements of beetle-traits (1,806 rows without pictures)",
    tells_parts=True,
)
