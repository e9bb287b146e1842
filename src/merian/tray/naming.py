"""Names of the bodies of a tray, by reference libraries, as `merian identify` gives them.

Each crop is a record with one picture, whose scale is that of its photograph; a body has the id by
which a catalogue knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.formats.delimited import write_delimited
from merian.identify import Choice
from merian.identify.answers import read_answers
from merian.identify.job import Identified
from merian.identify.record_job import identify_records
from merian.identify.records import Records
from merian.measure.stage import Stage
from merian.taxonomy import MAIN_RANKS
from merian.tray.crops import CROPS, crop_name, safe

__all__ = ["NAMES", "Named", "name_bodies", "write_names"]

NAMES = "names.tsv"
_COLUMNS = ("rank", "name", "p", "runner_up", "p_runner_up", "nearest", "flags", "explanation")
_SHOWN = """
SELECT s.n, h.shot, h.image, s.number, s.record, s.region, h.scale
FROM specimen s JOIN shot h USING (shot) ORDER BY s.n
"""


@dataclass(frozen=True)
class Named:
    """What bodies are called.

    Attributes:
        found: What was identified; its tables are gone when the tray is written.
        answers: By the number of a body, its answer; those that could not be read have none.
    """

    found: Identified
    answers: dict[int, dict[str, Any]]

    def at(self, body: int, rank: str = "") -> tuple[str, float | None]:
        """Return the name of a body and its probability: what is stood by, or at a rank."""
        row = self.answers.get(body)
        if row is None or not row["rank"]:
            return "", None
        if not rank:
            return str(row["name"] or ""), row["p"]
        if MAIN_RANKS.index(rank) > MAIN_RANKS.index(row["rank"]):
            return "", None
        return str(row[rank] or ""), row[f"p_{rank}"]


def name_bodies(
    stage: Stage,
    folder: Path,
    work: Path,
    libraries: tuple[Path, ...],
    choice: Choice,
    *,
    processes: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Named:
    """Name the crops of a tray.

    Args:
        stage: The bodies.
        folder: Where the crops are.
        work: A folder for tables that are not kept.
        libraries: Of pictures, or of barcodes that answer pictures.
        choice: What is promised.
        processes: How many at most.
        progress: Is told how far it is.
    """
    table = work / "crops.tsv"
    numbers: dict[str, int] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for n, shot, image, number, record, media, scale in stage.rows(_SHOWN):
            numbers[record] = n
            crop = folder / CROPS / safe(shot + 1, image) / crop_name(number)
            yield record, media, crop.absolute().as_posix(), scale or ""

    columns = ("occurrenceID", "mediaID", "accessURI", "pixelsPerMillimetre")
    if not write_delimited(table, columns, rows(), "\t"):
        return Named(_nothing(work), {})
    found = identify_records(
        Records([table]), libraries, work / "answers.jsonl", choice=choice, processes=processes,
        progress=progress,
    )  # fmt: skip
    answers = {numbers[row["id"]]: dict(row) for row in read_answers(found.out)}
    return Named(found, answers)


def _nothing(work: Path) -> Identified:
    return Identified(work, "", "", 0, {}, {}, None, 0.0, None, False, False, (), ())


def write_names(stage: Stage, named: Named, path: Path) -> int:
    """Write the answers about all bodies."""
    shares = [f"p_{rank}" for rank in MAIN_RANKS]

    def rows() -> Iterator[tuple[object, ...]]:
        for n, _, image, number, *_ in stage.rows(_SHOWN):
            row = named.answers.get(n, {})
            yield (image, number, *(row.get(name) for name in (*MAIN_RANKS, *shares, *_COLUMNS)))

    return write_delimited(
        path, ("photo", "instance", *MAIN_RANKS, *shares, *_COLUMNS), rows(), "\t"
    )  # fmt: skip
