"""What goes into a pack: the sequences or pictures of catalogues, with the names that stand.

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
from merian.catalogue.media import ADDRESS, PARENT, SCALE, SUBJECT, THING
from merian.catalogue.schema import quoted
from merian.errors import InputError
from merian.files import content_hash, existing
from merian.learn.pack_labels import CELLS
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

_NAMES = ", ".join(f"if(coalesce(r.verb = 'identify', false), NULL, d.{quoted(c)}) AS {quoted(c)}"
                   for c in CELLS)  # fmt: skip
_JOINS = f"""
    {THING}
    LEFT JOIN occurrence o ON o.occurrenceID = {SUBJECT}
    LEFT JOIN determination d ON d.occurrenceID = {SUBJECT}
    LEFT JOIN run r ON r.runID = d.runID
"""

# Both give the columns id, record, content, split and those of `CELLS`; the rest is their own.
_ITEMS = {
    "barcodes": f"""
SELECT x.nucleotideSequenceID AS id, coalesce({SUBJECT}, x.nucleotideSequenceID) AS record,
    o.split, CAST(NULL AS VARCHAR) AS content, x.targetGene AS marker, x.sequence,
    CAST(NULL AS VARCHAR) AS license, {_NAMES}
FROM sequence x {_JOINS} WHERE x.sequence IS NOT NULL ORDER BY id
""",
    "pictures": f"""
SELECT x.mediaID AS id, coalesce({SUBJECT}, x.mediaID) AS record, o.split,
    x.contentHash AS content, {ADDRESS} AS address,
    x.xFrac AS x, x.yFrac AS y, x.widthFrac AS w, x.heightFrac AS h,
    {SCALE} AS px_per_mm, x.license, {_NAMES}
FROM media x {PARENT} {_JOINS}
WHERE {ADDRESS} IS NOT NULL ORDER BY id
""",
}
_COUNT = {
    "barcodes": "SELECT count(*) FROM sequence WHERE sequence IS NOT NULL",
    "pictures": "SELECT count(*) FROM media WHERE accessURI NOT LIKE '%://%'",
}


class NothingThereError(InputError):
    """The sources hold nothing of the kinds that are meant.

    Attributes:
        why: What was set aside, and why, to end an error with; empty where nothing was.
    """

    def __init__(self, sources: Sequence[Path], kinds: Sequence[str], why: str) -> None:
        super().__init__(f"{', '.join(map(str, sources))}: no {' and no '.join(kinds)} there{why}")
        self.why = why


@dataclass(frozen=True)
class Asked:
    """What decides a pack, besides its sources.

    Attributes:
        kind: ``barcodes`` or ``pictures``; None for the one that there is.
        shard_size: Examples of a shard; None for what suits the kind.
        valid: The share of contents that is held out where no published split says.
        format: Of the files; None for what they look like.
        options: What is said about the files.
        taxonomy: What the names of files are matched to.
    """

    kind: str | None = None
    shard_size: int | None = None
    valid: float = 0.05
    format: str | None = None
    options: Options | None = None
    taxonomy: Taxonomy | None = None


@dataclass
class Gathered:
    """What the sources hold.

    Attributes:
        kind: ``barcodes`` or ``pictures``.
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
    })  # fmt: skip


def gather(sources: Sequence[Path], asked: Asked, work: Path, step: Progress) -> Gathered:
    """Write the items of all sources into the work folder."""
    places = [_as_catalogue(source, asked, work, step) for source in sources]
    kind = asked.kind or _kind_of(places, sources)
    found = Gathered(kind)
    for number, (source, place) in enumerate(zip(sources, places, strict=True)):
        step(f"reading {source}", 0)
        table = work / f"items{number:05}.parquet"
        with Catalogue.open(place, read_only=True, memory=MEMORY) as opened:
            rows = opened.write_table(_ITEMS[kind], table)
            runs = [run for (run,) in opened.query("SELECT runID FROM run ORDER BY runID")]
            locks = opened.query("SELECT DISTINCT taxonomyLock FROM run ORDER BY 1")
            found.locks += [json.loads(str(lock)) for (lock,) in locks if lock]
            if place != source:
                found.rejects += _rejects(opened)
        if rows:
            found.tables.append(table)
        found.sources.append({"path": str(source), kind: rows, "runs": runs})
    if not found.tables:
        raise NothingThereError(sources, (kind,), _why(found.rejects))
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
    counts = dict.fromkeys(_COUNT, 0)
    rejects = []
    for place, source in zip(places, sources, strict=True):
        with Catalogue.open(place, read_only=True, memory=MEMORY) as opened:
            for kind, sql in _COUNT.items():
                counts[kind] += int(str(opened.query(sql).value()))
            rejects += _rejects(opened) if place != source else []
    held = [kind for kind, count in counts.items() if count]
    if len(held) != 1:
        told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        raise InputError(
            f"{', '.join(map(str, sources))}: {told}: "
            + (
                "say which is meant with --kind"
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
    """Return the SQL of all items, each once: two sources may hold the same."""
    read = ", ".join(literal(table) for table in tables)
    return (
        f"SELECT * EXCLUDE (filename) FROM read_parquet([{read}], filename = true) "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY filename) = 1"
    )


def licences_of(counts: Mapping[str | None, int]) -> dict[str, int]:
    """Return how many items have which licence, as a card tells it."""
    return {licence or "not said": n for licence, n in sorted(counts.items(), key=str)}
