"""What goes into a pack: barcodes, pictures or whole records of catalogues.

Files are taken into a catalogue first, so that whatever `merian import` reads can be packed, with
the same checks and the same reading of labels. Everything is gathered in one database on the disk,
so that memory does not grow with the number of records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.splits.chosen import divided
from merian.errors import InputError
from merian.files import content_hash, existing
from merian.learn.pack_items import COUNTS, ITEMS, NEITHER
from merian.stamp import run_id

if TYPE_CHECKING:
    from merian.formats import Options
    from merian.taxonomy import Taxonomy

__all__ = [
    "MEMORY",
    "Asked",
    "Gathered",
    "NothingThereError",
    "Progress",
    "gather",
    "is_catalogue",
    "items_sql",
    "licences_of",
    "run_of",
]

Progress = Callable[[str, int], None]
"""Is told what is being done, and how many are done."""

MEMORY = "600MB"
_NEITHER = "has neither a picture nor a barcode"


class NothingThereError(InputError):
    """The sources hold nothing of the kinds that are meant.

    Attributes:
        why: What was set aside, and why, to end an error with; empty where nothing was.
        found: What the sources hold else, with tables of no items.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        kinds: Sequence[str],
        why: str,
        found: Gathered | None = None,
    ) -> None:
        super().__init__(f"{', '.join(map(str, sources))}: no {' and no '.join(kinds)} there{why}")
        self.why, self.found = why, found


@dataclass(frozen=True)
class Asked:
    """What decides a pack, besides its sources.

    Attributes:
        kind: ``barcodes``, ``pictures`` or ``records``; None for the one that there is.
        shard_size: Examples of a shard; None for what suits the kind.
        valid: The share of contents that is held out where no published split says.
        format: Of the files; None for what they look like.
        options: What is said about the files.
        taxonomy: What the names of files are matched to.
        split: A split of the catalogues, ``NAME`` or ``NAME:PART+PART``; of its parts alone is
            packed. None for the split that the records came with.
    """

    kind: str | None = None
    shard_size: int | None = None
    valid: float = 0.05
    format: str | None = None
    options: Options | None = None
    taxonomy: Taxonomy | None = None
    split: str | None = None


@dataclass
class Gathered:
    """What the sources hold.

    Attributes:
        kind: ``barcodes``, ``pictures`` or ``records``.
        tables: A Parquet file of items for each source.
        sources: What each source was.
        rejects: File, line, record and reason of what was set aside on the way.
        locks: The checklists that the names were matched to.
    """

    kind: str
    tables: list[Path] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[tuple[str, str, str, str]] = field(default_factory=list)
    locks: list[dict[str, str]] = field(default_factory=list)


def is_catalogue(path: Path) -> bool:
    """Return whether a path is the folder of a catalogue."""
    return (path / "catalogue.duckdb").is_file()


def run_of(sources: Sequence[Path], asked: Asked) -> str:
    """Return the id of the run that makes a pack: a hash of what decides it."""
    held = []
    for source in sources:
        if is_catalogue(existing(source)):
            with Catalogue.open(source, read_only=True, memory=MEMORY) as opened:
                held.append([run for (run,) in opened.query("SELECT runID FROM run ORDER BY 1")])
        else:
            held.append([source.name, content_hash(source)])
    given = asked.options
    said = vars(given) if given is not None else {}
    return run_id("pack", {
        "sources": held, "kind": asked.kind, "shard_size": asked.shard_size, "valid": asked.valid,
        "format": asked.format, "options": {k: str(v) for k, v in said.items() if v},
        "taxonomy": str(asked.taxonomy.lock) if asked.taxonomy else None,
        **({"split": asked.split} if asked.split else {}),
    })  # fmt: skip


def gather(sources: Sequence[Path], asked: Asked, work: Path, step: Progress) -> Gathered:
    """Write the items of all sources into the work folder."""
    places = [_as_catalogue(source, asked, work, step) for source in sources]
    kind = asked.kind or _kind_of(places, sources)
    found = Gathered(kind)
    bare_tables: list[Path] = []
    for number, (source, place) in enumerate(zip(sources, places, strict=True)):
        step(f"reading {source}", 0)
        table = work / f"items{number:05}.parquet"
        with Catalogue.open(place, read_only=True, memory=MEMORY) as opened:
            sql = ITEMS[kind]
            if asked.split is not None:
                sql = divided(sql, opened.splits(), asked.split, "record", "id, record")
            rows = opened.write_table(sql, table)
            runs = [run for (run,) in opened.query("SELECT runID FROM run ORDER BY runID")]
            locks = opened.query("SELECT DISTINCT taxonomyLock FROM run ORDER BY 1")
            found.locks += [json.loads(str(lock)) for (lock,) in locks if lock]
            if place != source:
                found.rejects += _rejects(opened)
            if kind == "records":
                bare = opened.query(NEITHER)
                found.rejects += [("", "", str(record), _NEITHER) for (record,) in bare]
        (found.tables if rows else bare_tables).append(table)
        found.sources.append({"path": str(source), kind: rows, "runs": runs})
    if not found.tables:
        found.tables = bare_tables
        raise NothingThereError(sources, (kind,), _why(found.rejects), found)
    return found


def _as_catalogue(source: Path, asked: Asked, work: Path, step: Progress) -> Path:
    """Return the folder of a catalogue that holds a source."""
    if is_catalogue(existing(source)):
        return source
    if (source / "pack.json").is_file():
        raise InputError(f"{source}: is a pack already; give it to `merian train` as it is")
    from merian.formats import read_path  # noqa: PLC0415 - all formats, for files alone

    place = work / f"catalogue{len(list(work.glob('catalogue*')))}"
    reading = read_path(source, asked.options, asked.format)
    with Catalogue.create(place, memory=MEMORY) as made:
        made.ingest(reading, taxonomy=asked.taxonomy, progress=step)
    return place


def _kind_of(places: Sequence[Path], sources: Sequence[Path]) -> str:
    """Return the one kind of things that the sources hold."""
    counts = dict.fromkeys(COUNTS, 0)
    rejects = []
    for place, source in zip(places, sources, strict=True):
        with Catalogue.open(place, read_only=True, memory=MEMORY) as opened:
            for kind, sql in COUNTS.items():
                counts[kind] += int(str(opened.query(sql).value()))
            rejects += _rejects(opened) if place != source else []
    held = [kind for kind, count in counts.items() if count]
    if len(held) != 1:
        told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        raise InputError(
            f"{', '.join(map(str, sources))}: {told}: "
            + (
                "say which is meant with --kind; records are both, side by side"
                if held
                else "nothing is there; pictures on the web do not count, since nothing is fetched"
            )
            + ("" if held else _why(rejects))
        )
    return held[0]


def _rejects(opened: Catalogue) -> list[tuple[str, str, str, str]]:
    """Return what an import has set aside, but for values that a pack has no use for."""
    found = opened.query(
        "SELECT file, line, left(content, 100), reason FROM rejects "
        "WHERE scope = 'row' OR term IN ('sequence', 'accessURI') ORDER BY rejectID"
    )
    return [(str(f), "" if n is None else str(n), _cell(c), _cell(r)) for f, n, c, r in found]


def _why(rejects: Sequence[tuple[str, str, str, str]]) -> str:
    """Return how many were set aside and why the first was, to end an error with."""
    if not rejects:
        return ""
    file, line, _, reason = rejects[0]
    where = f"line {line}" if line else Path(file).name
    return f"; {len(rejects):,} set aside, the first ({where}): {reason}"


def _cell(value: object) -> str:
    return " ".join(str(value or "").split())


def items_sql(tables: Sequence[Path]) -> str:
    """Return the SQL of all items, each once: two sources may hold the same.

    A picture of one record may have the id of the barcode of another, and both stay.
    """
    read = ", ".join(literal(table) for table in tables)
    return (
        f"SELECT * EXCLUDE (filename) FROM read_parquet([{read}], filename = true) "
        "QUALIFY row_number() OVER (PARTITION BY id, record ORDER BY filename) = 1"
    )


def licences_of(counts: Mapping[str | None, int]) -> dict[str, int]:
    """Return how many items have which licence, as a card tells it."""
    return {licence or "not said": n for licence, n in sorted(counts.items(), key=str)}
