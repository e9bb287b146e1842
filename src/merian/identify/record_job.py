"""Identifying records of pictures and barcodes: from files and catalogues to tables of answers.

    OUT                       one row a record: the consensus, or the one answer that there is
    OUT.evidence.SUFFIX       what each picture and each barcode says, where a record has several
    OUT.disagreements.tsv     where barcode, picture, label and place contradict each other, ranked
    OUT.rejects.tsv           what was set aside

Beside the table lies its stamp. As with barcodes alone (see `job`), a job that was killed goes on
when it is given again, one that is complete is not done again, and the same input gives the same
bytes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from merian.catalogue import RANKS
from merian.errors import InputError
from merian.files import content_hash, new_file
from merian.identify.answers import FORMAT, RECORDS, VERSION, check_suffix, write_answers
from merian.identify.chunks import Work, answer_chunks, work_on
from merian.identify.disagreements import Voice, ranked, write_disagreements
from merian.identify.job import (
    Identified,
    Progress,
    done_before,
    hash_of,
    rejects_beside,
    write_rejects,
)
from merian.identify.promise import Choice
from merian.identify.record_panel import RecordPanel
from merian.identify.records import Records
from merian.identify.sightings import Sightings
from merian.identify.spots import with_spots
from merian.identify.told import disagreements
from merian.library import Library
from merian.library.shelf import open_shelf
from merian.stamp import run_id, stamp, stamp_beside
from merian.taxonomy import Taxonomy

__all__ = ["beside", "check_not_asked", "identify_records", "run_of_records", "written"]

_OPENER = "merian.identify.record_panel:open_record_answerer"
_CHUNK = 50  # records that are done or not done together; a picture takes long


def beside(out: Path) -> tuple[Path, Path]:
    """Return where the single answers, and the disagreements, of an answer table are."""
    return out.with_suffix(f".evidence{out.suffix}"), out.with_suffix(".disagreements.tsv")


def written(out: Path) -> tuple[Path, ...]:
    """Return all tables that are written."""
    return out, *beside(out), rejects_beside(out)


def identify_records(
    records: Records,
    library: Path | str | list[Path] | tuple[Path, ...],
    out: Path | str,
    *,
    choice: Choice | None = None,
    taxonomy: Taxonomy | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    sightings: Sightings | None = None,
    stored: Path | None = None,
) -> Identified:
    """Identify records and write the answers.

    Args:
        records: What is asked about.
        library: Folders of libraries of barcodes and of pictures, or a folder around them.
        out: The table; its suffix says how it is written.
        choice: What is promised.
        taxonomy: A checklist in which labels are looked up before they contradict anything.
        processes: How many at most; as many as the machine has cores if None.
        progress: Is told how far it is.
        sightings: Where and when taxa were met: makes place and date of records evidence.
        stored: Where vectors of pictures lie that are taken, as `stored_vectors` has it.
    """
    out, choice, tell = Path(out), choice or Choice(), progress or (lambda _what, _count: None)
    check_suffix(out)
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the name of a file to write")
    check_not_asked(records, out)
    shelf = open_shelf(library, pictures=True)
    tell("looking at the records", 0)
    run = run_of_records(records, shelf, choice, taxonomy, sightings)
    before = done_before(out, run)
    if before and all(path.is_file() for path in beside(out)):
        return before
    panel = RecordPanel(shelf, choice, sightings=sightings, stored=stored)
    with work_on(out, run) as work:
        chunks = _answer(records, panel, work, processes, tell)
        tell("writing", 0)
        return _write(work, chunks, panel, records, out, run, taxonomy)


def run_of_records(
    records: Records,
    shelf: Mapping[str, Library],
    choice: Choice,
    taxonomy: Taxonomy | None,
    sightings: Sightings | None = None,
) -> str:
    """Return the id of a run: a hash of everything that decides its result."""
    asked = {
        "records": records.fingerprint, "reading": records.said, "library": hash_of(shelf),
        "alpha": choice.alpha, "novelty": choice.novelty, "by_rank": choice.by_rank,
        "taxonomy": taxonomy.lock.as_dict() if taxonomy else None,
        **({"place": sightings.hash} if sightings else {}),
    }  # fmt: skip
    return run_id("identify-records", asked)


def check_not_asked(records: Records, out: Path) -> None:
    """Say so if what is to be written is a file that is asked about."""
    asked = {path.resolve() for path in records.paths}
    for path in written(out):
        if path.resolve() in asked:
            raise InputError(f"{path}: is asked about, and would be replaced; name another file")


def _answer(
    records: Records, panel: RecordPanel, work: Work, processes: int | None, tell: Progress
) -> int:
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        tell("identifying", done)

    most = max(1, processes or os.cpu_count() or 1)
    stream = records.read(work.folder / "records")
    if panel.consensus.place is not None:
        stream = with_spots(stream, lambda: records.catalogues(work.folder / "records"))
    return answer_chunks(
        stream, work, panel.answers, _OPENER, panel.arguments(), most, progress, _CHUNK,
        remembered=0,  # no two records are the same: each has ids of its own
    )  # fmt: skip


def _write(
    work: Work,
    chunks: int,
    panel: RecordPanel,
    records: Records,
    out: Path,
    run: str,
    taxonomy: Taxonomy | None,
) -> Identified:
    """Write all tables and, last, the stamp."""
    standing: Counter[str] = Counter()
    aside = work.folder / "aside.jsonl"
    voices = work.folder / "voices.jsonl"
    rows, parts = _parted(work, chunks, aside, voices)
    reasons = write_rejects(out, lambda: _set_aside(work, chunks, aside))

    def see(row: Mapping[str, Any]) -> None:
        standing[row["rank"] or ""] += 1

    shelf = panel.shelf
    locks = {name: library.taxonomy.lock.as_dict() for name, library in shelf.items()}
    mark = stamp(FORMAT, VERSION, run, None)
    single, contradicting = beside(out)
    write_answers([parts], single, mark, columns=RECORDS)
    catalogues = records.catalogues(work.folder / "records")
    found = disagreements(_voices(voices), catalogues, taxonomy)
    told = write_disagreements(contradicting, ranked(found))
    count = write_answers([rows], out, mark, see, RECORDS)
    choice = panel.choice
    done = Identified(
        out=out,
        run=run,
        library=hash_of(shelf),
        queries=count,
        standing=dict(sorted(standing.items())),
        set_aside=reasons,
        rejects=rejects_beside(out) if reasons else None,
        alpha=choice.alpha,
        novelty=choice.novelty,
        by_rank=choice.by_rank,
        estimated=False,
        promise=panel.promise(),
        strata=panel.strata(),
        libraries={name: library.hash for name, library in shelf.items()},
        disagreements=told,
    )
    kept = {name: value for name, value in vars(done).items() if name not in _NOT_KEPT}
    stamp_beside(out, mark, {**kept, "locks": locks, "hash": content_hash(out)})
    return done


_NOT_KEPT = ("out", "run", "rejects", "done_before")


def _parted(work: Work, chunks: int, aside: Path, voices: Path) -> tuple[Path, Path]:
    """Return the rows of records and those of single answers.

    Args:
        work: Where the answers are.
        chunks: How many there are.
        aside: Where what was set aside is kept.
        voices: Where it is kept what each single answer says.
    """
    rows, parts = work.folder / "rows.jsonl", work.folder / "parts.jsonl"
    with (
        new_file(rows, text=True) as all_rows,
        new_file(parts, text=True) as all_parts,
        new_file(aside, text=True) as all_aside,
        new_file(voices, text=True) as all_voices,
    ):
        for file in work.answers(chunks):
            with file.open(encoding="utf-8") as stream:
                for row in map(json.loads, stream):
                    key, single = row["id"], row.pop("parts")
                    said = [_voice(part) for part in single or [row]]
                    all_voices.write(_text([key, said]))
                    for part in single:
                        del part["unknown"]
                        all_parts.write(_text({"id": key, **part}))
                    for item, reason in row.pop("aside"):
                        all_aside.write(_text([item, None, key, reason]))
                    row.pop("unknown", None)
                    all_rows.write(_text(row))
    return rows, parts


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _set_aside(work: Work, chunks: int, aside: Path) -> Iterator[list[Any]]:
    """Return file, line, id and reason of all that was set aside."""
    yield from work.rejects(chunks)
    with aside.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def _voice(row: Mapping[str, Any]) -> list[Any]:
    """Return what an answer says, as `Voice` has it."""
    names = {rank: str(row[rank]) for rank in RANKS if row.get(rank)}
    shares = {rank: float(row[f"p_{rank}"]) for rank in names}
    return [row["evidence"], row["library"], names, shares, row["unknown"]]


def _voices(kept: Path) -> Iterator[tuple[str, list[Voice]]]:
    """Return what each record's pictures and barcodes say, record by record."""
    with kept.open(encoding="utf-8") as stream:
        for key, said in map(json.loads, stream):
            yield key, [Voice(*one) for one in said]
