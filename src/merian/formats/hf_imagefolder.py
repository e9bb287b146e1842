"""A folder of pictures with a table of what is known of them, as Hugging Face loads it.

::

    README.md                    the card: names of classes, licence, title
    train/metadata.csv           or metadata.jsonl, metadata.parquet; beside the pictures or above
    train/Copepoda/0001.png      a folder may still be the class, where the table has no label
    test/metadata.csv

A table has a column ``file_name`` with the place of a picture from its own folder on, or
``file_names``, a list of several, or ``left_file_name``, ``mask_file_name``; the first is the
picture of the record and the others are further ones. The other columns are mapped by
``--map column=term`` or by their names, as those of any table; what is left becomes a measurement
called like its column, and lists and objects stand in the remarks. The part of the split is that of
the folder. Every picture is looked at; one that is missing, leads out of the folder or cannot be
read is told, and its row is kept. Pictures that no table names are counted and left: without a
table, `image-folder` reads them. A record is called like its picture, from the folder's name on.

Reference: https://huggingface.co/docs/datasets/image_load, "ImageFolder"
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath

import duckdb
from PIL import Image

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing, write_text
from merian.formats.delimited import Head, column, literal
from merian.formats.hf_features import SPLITS, Card, read_card
from merian.formats.hf_metadata import METADATA, Metadata, Row, look_at, open_metadata
from merian.formats.hf_parquet import with_labels
from merian.formats.image_folder import SUFFIXES
from merian.formats.registry import Format, Options
from merian.formats.table_mapping import NULLS, complete_names, map_columns
from merian.parquet import new_session, run_on

__all__ = ["FORMAT"]

_DEEP = 3  # folders down to which tables are looked for
_LOOKED_AT = 100  # folders that are looked into to know what a folder is
_CHUNK = 2_000
_REMARK = 10_000  # characters


def _tables(root: Path, most: int | None = None) -> Iterator[Path]:
    """Return the tables of pictures below a folder, in order; of so many folders at most."""
    for folder, below, files in islice(os.walk(root), most):
        deep = len(Path(folder).relative_to(root).parts) >= _DEEP
        below[:] = [] if deep else sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder) / name for name in METADATA if name in files)


def _sniff(path: Path) -> int:
    """Return 3 where a table names the files of pictures."""
    if not path.is_dir():
        return 0
    for number, table in enumerate(_tables(path, _LOOKED_AT)):
        if open_metadata(table, quiet=True).pictures:
            return 3
        if number == 4:
            break
    return 0


def _lacks(path: Path) -> str:
    if not path.is_dir():
        return ""
    table = next(_tables(path, _LOOKED_AT), None)
    if table is None or open_metadata(table, quiet=True).pictures:
        return ""
    return f"has no column file_name in {table.relative_to(path).as_posix()}"


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "folder of pictures").absolute()
    if not path.is_dir():
        raise FormatError("is a file; a folder with pictures and their table is expected",
                          path=path)  # fmt: skip
    tables = list(_tables(path))
    if not tables:
        raise FormatError(f"holds no table of its pictures ({', '.join(METADATA)})", path=path)
    card = read_card(path / "README.md")
    sources: list[Rows] = []
    notes: list[str] = []
    named = _Named(path)
    opened = [open_metadata(file) for file in tables]
    everywhere = {name for table in opened for name in table.columns}
    for table in opened:
        file = table.file
        if not table.pictures:
            raise FormatError(
                "has no column file_name, which says where the pictures are; its columns are "
                f"{', '.join(table.plain[:12])}", path=file, line=1,
            )  # fmt: skip
        # A column that the user maps may be in some of the tables.
        said = {name: term for name, term in options.mapping.items()
                if name in table.plain or name not in everywhere}  # fmt: skip
        plan = _plan(path, table, card, replace(options, mapping=said))
        notes += [note for note in plan.notes if note not in notes]
        sources.append(Rows(file, "record", _Records(plan, named, notes, file == tables[-1])))
        if plan.left:
            sources.append(Rows(file, "measurement", _Measured(plan)))
        if table.several:
            sources.append(Rows(file, "media", _Further(plan)))
    return Reading("hf-imagefolder", sources, (path,), notes)


@dataclass(frozen=True)
class _Plan:
    """How a table is read.

    Attributes:
        root: The folder of the data set.
        table: The table.
        terms: term -> SQL over its columns.
        left: Columns that become measurements.
        classes: column -> the names of its classes.
        identified: Whether a column has the ids.
        notes: What was made of the columns.
    """

    root: Path
    table: Metadata
    terms: Mapping[str, str]
    left: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    identified: bool
    notes: tuple[str, ...]

    def evaluate(self, rows: list[Row]) -> list[tuple[str | None, ...]]:
        """Return the terms of rows."""
        if not self.terms:
            return [()] * len(rows)
        session = new_session()
        names = self.table.plain
        marks = ", ".join(f"c{place}" for place in range(len(names)))
        nulls = ", ".join(literal(text) for text in NULLS)
        shown = ", ".join(
            f"CASE WHEN c{place} NOT IN ('', {nulls}) THEN c{place} END AS {column(name)}"
            for place, name in enumerate(names)
        )
        run_on(session, f"CREATE TEMP TABLE batch (n BIGINT, {marks.replace(',', ' VARCHAR,')} "
               "VARCHAR)")  # fmt: skip
        texts = [self._texts(row) for row in rows]
        columns = [[one[place] for one in texts] for place in range(len(names))]
        unnested = ", ".join("unnest(?::VARCHAR[])" for _ in names)
        run_on(session, f"INSERT INTO batch SELECT unnest(range(?)), {unnested}",
               [len(rows), *columns])  # fmt: skip
        terms = ", ".join(f"CAST(({sql}) AS VARCHAR)" for sql in self.terms.values())
        return run_on(session, f"SELECT {terms} FROM (SELECT n, {shown} FROM batch) ORDER BY n")

    def _texts(self, row: Row) -> list[str | None]:
        texts = []
        for name in self.table.plain:
            text = row.values.get(name)
            names = self.classes.get(name)
            if names and text and text.isascii() and text.isdecimal():
                number = int(text[:9])
                text = names[number] if number < len(names) else text
            texts.append(text)
        return texts

    def identifier(self, row: Row, given: str | None) -> str:
        """Return the id of a record: its own, or that of its picture."""
        if given:
            return given
        if not row.pictures:
            place = self.table.file.relative_to(self.root).as_posix()
            return f"{self.root.name}/{place}:{row.line}"
        inside = self.table.file.parent.relative_to(self.root)
        return (PurePosixPath(self.root.name) / inside / row.pictures[0][1]).as_posix()


def _plan(root: Path, table: Metadata, card: Card, options: Options) -> _Plan:
    head = Head(table.file, "", ",", "", 0, table.plain, (), ())
    mapping = map_columns(head, with_labels(options, head, {}))
    terms, left = mapping.terms, mapping.left
    if "accessURI" in terms:
        left.append(mapping.columns["accessURI"])
        del terms["accessURI"]
    if card.title:
        terms.setdefault("datasetName", literal(card.title))
    if card.license:
        terms.setdefault("license", literal(card.license))
    terms.setdefault("basisOfRecord", "'MachineObservation'")
    complete_names(terms, options.marker)
    notes = [f"pictures: {', '.join(table.pictures)}"]
    if mapping.said or mapping.guessed:
        notes.append(f"mapped: {', '.join([*mapping.said, *mapping.guessed])}")
    if left:
        notes.append(f"kept as measurements: {', '.join(left)}")
    return _Plan(root, table, terms, tuple(left), card.classes, "occurrenceID" in terms,
                 tuple(notes))  # fmt: skip


@dataclass
class _Named:
    """The pictures that were named so far, to tell of the others."""

    root: Path
    files: set[str] = field(default_factory=set)

    def others(self) -> int:
        """Return how many pictures lie in the folder that no table has named."""
        return sum(
            Path(name).suffix.lower() in SUFFIXES and str(Path(folder, name)) not in self.files
            for folder, _, files in os.walk(self.root)
            for name in files
            if not name.startswith(".")
        )  # fmt: skip


def _batches(table: Metadata) -> Iterator[list[Row] | Reject]:
    rows: list[Row] = []
    for row in table.rows():
        if isinstance(row, Reject):
            yield row
            continue
        rows.append(row)
        if len(rows) == _CHUNK:
            yield rows
            rows = []
    if rows:
        yield rows


@dataclass(frozen=True)
class _Records:
    """The records of a table with their first picture, anew each time they are asked for."""

    plan: _Plan
    named: _Named
    notes: list[str]
    last: bool

    def __iter__(self) -> Iterator[Chunk | Reject]:
        for rows in _batches(self.plan.table):
            if isinstance(rows, Reject):
                yield rows
                continue
            made = []
            for row, values in zip(rows, _evaluated(self.plan, rows), strict=True):
                terms: dict[str, object] = dict(zip(self.plan.terms, values, strict=True))
                terms["occurrenceID"] = self.plan.identifier(row, _given(terms))
                yield from self._fill(row, terms)
                made.append({"line": row.line, **terms})
            names = dict.fromkeys(name for one in made for name in one)
            yield {name: [one.get(name) for one in made] for name in names}
        if self.last:
            others = self.named.others()
            note = f"pictures that no table names are left: {others}"
            if others and note not in self.notes:
                self.notes.append(note)

    def _fill(self, row: Row, terms: dict[str, object]) -> Iterator[Reject]:
        """Add the picture, the class and the part of the split that a row's files tell."""
        plan = self.plan
        inside = plan.table.file.parent.relative_to(plan.root).parts
        for _, name in row.pictures:
            self.named.files.add(str(plan.table.file.parent / name))
        if row.pictures:
            kind, name = row.pictures[0]
            found = look_at(plan.table.file.parent / name, plan.root)
            if isinstance(found, str):
                yield Reject(plan.table.file, row.line, found, name, kind, "value")
            else:
                terms |= found
            inside += PurePosixPath(name).parts[:-1]
            above = [part for part in inside if part.lower() not in {*SPLITS, "data", ".", ".."}]
            if above and not terms.get("verbatimIdentification"):
                terms["verbatimIdentification"] = above[-1]
        split = next((SPLITS[part.lower()] for part in inside if part.lower() in SPLITS), None)
        if split and not terms.get("split"):
            terms["split"] = split
        if len(row.remark) > _REMARK:
            reason = f"lists and objects of {len(row.remark):,} characters are left"
            yield Reject(plan.table.file, row.line, reason, row.remark, scope="value")
        elif row.remark:
            terms["occurrenceRemarks"] = "; ".join(
                str(part) for part in (terms.get("occurrenceRemarks"), row.remark) if part
            )


def _given(terms: Mapping[str, object]) -> str | None:
    found = terms.get("occurrenceID")
    return str(found) if found else None


def _evaluated(plan: _Plan, rows: list[Row]) -> list[tuple[str | None, ...]]:
    try:
        return plan.evaluate(rows)
    except duckdb.Error as error:
        told = str(error).splitlines()[0][:200]
        raise FormatError(f"cannot be mapped ({told})", path=plan.table.file) from None


@dataclass(frozen=True)
class _Measured:
    """What the columns without a term hold."""

    plan: _Plan

    def __iter__(self) -> Iterator[Chunk | Reject]:
        for row, identifier in _identified(self.plan):
            told = [(name, row.values.get(name)) for name in self.plan.left]
            told = [(name, value) for name, value in told if value and value not in (*NULLS, "NA")]
            if told:
                yield {
                    "line": [row.line] * len(told), "occurrenceID": [identifier] * len(told),
                    "measurementType": [name for name, _ in told],
                    "measurementValue": [value for _, value in told],
                }  # fmt: skip


@dataclass(frozen=True)
class _Further:
    """The further pictures of records."""

    plan: _Plan

    def __iter__(self) -> Iterator[Chunk | Reject]:
        for row, identifier in _identified(self.plan):
            for kind, name in row.pictures[1:]:
                found = look_at(self.plan.table.file.parent / name, self.plan.root)
                if isinstance(found, str):
                    yield Reject(self.plan.table.file, row.line, found, name, kind, "value")
                    continue
                told = {"line": row.line, "occurrenceID": identifier, **found, "mediaRemarks": kind}
                yield {term: [value] for term, value in told.items()}


def _identified(plan: _Plan) -> Iterator[tuple[Row, str]]:
    place = list(plan.terms).index("occurrenceID") if plan.identified else None
    for rows in _batches(plan.table):
        if isinstance(rows, Reject):
            continue  # it was told with the records
        for row, values in zip(rows, _evaluated(plan, rows), strict=True):
            yield row, plan.identifier(row, None if place is None else values[place])


def _fake(folder: Path, seed: int) -> Path:
    """Write two parts of a split, one with a CSV and one with JSON lines, and some faults."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"snails{seed}"
    lines = {"train": ["file_name,species,lat,shell_mm"], "test": []}
    for number in range(8):
        part = "test" if number % 4 == 3 else "train"
        name = f"{('Cepaea', 'Helix')[number % 2]}/{number}.png"
        file = root / part / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16 + number, 12), (41 * seed + 13 * number) % 256).save(file)
        lat, size = round(chance.uniform(40, 60), 3), chance.randint(5, 40)
        if part == "train":
            lines[part].append(f"{name},Cepaea nemoralis,{lat},{size if number % 3 else 'NA'}")
        else:
            lines[part].append(f'{{"file_name": "{name}", "label": "Helix pomatia", "lat": {lat}, '
                               f'"objects": {{"bbox": [[1, 2, 3, {number}]]}}}}')  # fmt: skip
    lines["train"].append("Helix/gone.png,Helix pomatia,48.1,30")
    write_text(root / "train" / "metadata.csv", "\n".join(lines["train"]) + "\n")
    write_text(root / "test" / "metadata.jsonl", "\n".join(lines["test"]) + "\n{broken\n")
    return root


FORMAT = Format(
    name="hf-imagefolder",
    title="Hugging Face folder of pictures with metadata.csv, .jsonl or .parquet",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
)
