"""A metabarcoding run: identify the features of a table, reckon, and write one folder.

The features are identified as `merian identify` does, in chunks that are kept beside the folder
until all is done: a run that was killed is continued by the same command. The folder is complete or
absent, the same input gives the same bytes, and a run that is there is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from merian.errors import InputError
from merian.files import check_outside, content_hash, new_folder
from merian.identify.chunks import work_on
from merian.identify.job import (
    Progress,
    answer_all,
    check_one,
    hash_of,
    mix_of_queries,
    write_all,
)
from merian.identify.panel import Panel
from merian.identify.promise import Choice
from merian.identify.queries import Query
from merian.library.reading import Reject
from merian.library.shelf import open_shelf
from merian.metabarcoding.features import Features
from merian.metabarcoding.naming import named
from merian.metabarcoding.publish import write_occurrences
from merian.metabarcoding.reckoning import Distances, Reckoning, reckon
from merian.metabarcoding.samples import DNA_TERMS, Sheet, read_sheet
from merian.metabarcoding.tables import write_tables
from merian.stamp import run_id, stamp

__all__ = ["FORMAT", "Metabarcoded", "metabarcode"]

FORMAT, VERSION = "merian-metabarcoding", "1.0"
STAMP, ANSWERS = "metabarcoding.merian.json", "answers.tsv"

Page = Callable[[Path], None]


@dataclass(frozen=True)
class Metabarcoded:
    """What was done.

    Attributes:
        out: The folder.
        run: The id of the run.
        samples: How many.
        features: How many were asked.
        answered: How many have an answer.
        reads: How many there are.
        reads_standing: By rank stood by ("" for none, "set aside"), how many.
        clusters: How many clusters of what has no species' name.
        occurrences: How many are ready to be published.
        controls: Names of the samples that are controls.
        missing: Samples that are not on the sheet.
        unread: Samples on the sheet that are not in the table.
        set_aside: By reason, how many features and rows.
        promise: The promise in plain words.
        novelty: The mix that it is for, or None for any.
        notes: What the user should know.
        distances: Of the clusters.
        done_before: Whether all of it was there already.
    """

    out: Path
    run: str
    samples: int
    features: int
    answered: int
    reads: int
    reads_standing: Mapping[str, int]
    clusters: int
    occurrences: int
    controls: Sequence[str]
    missing: Sequence[str]
    unread: Sequence[str]
    set_aside: Mapping[str, int]
    promise: Sequence[str]
    novelty: Sequence[float] | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    distances: Mapping[str, float] = field(default_factory=dict)
    done_before: bool = False


def metabarcode(
    features: Features,
    library: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    sheet: Path | str | None = None,
    sheet_terms: Mapping[str, str] | None = None,
    said: Mapping[str, str] | None = None,
    choice: Choice | None = None,
    estimate: bool = False,
    distances: Distances | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    page: Page = lambda _folder: None,
) -> Metabarcoded:
    """Identify the features of a table and write what the samples hold.

    Args:
        features: The table and its sequences.
        library: The library, or several.
        out: The folder to write.
        sheet: The sheet of samples.
        sheet_terms: Column of the sheet -> term, where its name does not tell.
        said: Terms of DNA derived data that hold for all samples.
        choice: What is promised.
        estimate: Whether the mix of novelty is estimated from the features.
        distances: Of the clusters.
        processes: How many at most.
        progress: Is told how far it is.
        page: Writes a page into the folder, from what stands in it.
    """
    out, choice, distances = Path(out), choice or Choice(), distances or Distances()
    tell = progress or (lambda _what, _count: None)
    said = _checked(said or {})
    _check_place(out)
    table = features.table
    samples = Sheet(None, {}, {}, [], [])
    if sheet is not None:
        samples = read_sheet(sheet, table.samples, sheet_terms)
    shelf = open_shelf(library)
    if estimate:
        check_one(shelf)
    run = run_id(
        "metabarcode",
        {
            "inputs": features.fingerprint,
            "reading": features.said,
            "sheet": content_hash(sheet) if sheet is not None else None,
            "sheet_terms": dict(sheet_terms or {}),
            "samples": [*table.samples],
            "said": said,
            "library": hash_of(shelf),
            "choice": asdict(choice),
            "estimate": estimate,
            "distances": asdict(distances),
        },
    )
    if before := _done_before(out, run):
        return before
    panel = Panel.open(shelf, choice, in_full=True)
    sequences = [""] * len(table.features)
    with work_on(out, run) as work:
        if estimate:
            mix = mix_of_queries(work, panel, features, tell)
            panel = Panel.open(shelf, replace(choice, novelty=mix), in_full=True)
        stream = _watched(features.read(work.folder), features.numbers, sequences)
        chunks = answer_all(stream, panel, work, processes, tell)
        answers = named(work.answers(chunks), features.numbers, panel.identifiers)
        sequences = [
            text if taxon >= 0 else ""
            for text, taxon in zip(sequences, answers.stands.tolist(), strict=True)
        ]
        found = reckon(table, sequences, answers, distances, [*shelf.values()], tell)
        tell("writing", 0)
        with new_folder(out) as folder:
            identified = write_all(work, chunks, panel, folder / ANSWERS, run, estimate)
            write_tables(folder, found, samples)
            hashes = {name: one.library.hash for name, one in panel.identifiers.items()}
            count = write_occurrences(folder, found, samples, said, hashes)
            notes = [*features.notes, *samples.notes]
            if features.surplus:
                notes.append(f"sequences that are of no feature of the table: {features.surplus:,}")
            if features.repeated:
                many = f"{features.repeated:,}"
                notes.append(f"sequences of features that had one before, which counts: {many}")
            done = Metabarcoded(
                out=out,
                run=run,
                samples=len(table.samples),
                features=len(table.features),
                answered=identified.queries,
                reads=int(table.reads.sum()),
                reads_standing=_standing(found),
                clusters=len(found.cluster_ids),
                occurrences=count,
                controls=[s for s in table.samples if s in samples.controls],
                missing=samples.missing,
                unread=samples.unread,
                set_aside=identified.set_aside,
                novelty=identified.novelty,
                promise=identified.promise,
                notes=notes,
                distances=asdict(distances),
            )
            _write_stamp(folder, done)
            page(folder)
            _write_stamp(folder, done)  # of the page too
    return done


def _checked(said: Mapping[str, str]) -> dict[str, str]:
    """Return terms that hold for all samples, if they are terms."""
    for term in said:
        if term not in DNA_TERMS:
            raise InputError(
                f"--set {term}=...: expected distance, genus_distance, rows, or a term of DNA "
                f"derived data: {', '.join(DNA_TERMS[:6])} ..."
            )
    return dict(sorted(said.items()))


def _check_place(out: Path) -> None:
    """Say so if something else stands where the folder will be."""
    if not out.exists():
        return
    check_outside(out)
    if not out.is_dir():
        raise InputError(f"{out}: is a file; give the name of a folder to write")
    before = _stamped(out)
    others = sorted({path.name for path in out.iterdir()} - {*before, *([STAMP] if before else [])})
    if others:
        raise InputError(
            f"{out}: is a folder with other things in it, which would be replaced, such as "
            f"{others[0]}; name a new one"
        )
    changed = [
        name
        for name, digest in before.items()
        if (out / name).is_file() and content_hash(out / name) != digest
    ]
    if changed:  # occurrence.tsv is there to be completed by hand
        raise InputError(
            f"{out / changed[0]}: was changed since it was written, and would be replaced; name "
            "another folder, or move the file away"
        )


def _watched(
    stream: Iterator[Query | Reject], numbers: Mapping[str, int], sequences: list[str]
) -> Iterator[Query | Reject]:
    """Note the sequence of each feature that passes by."""
    for item in stream:
        if isinstance(item, Query):
            sequences[numbers[item.id]] = item.sequence
        yield item


def _standing(found: Reckoning) -> dict[str, int]:
    """Return how many reads stand at each rank."""
    taxa = found.named.taxa
    summed: dict[str, int] = {}
    for taxon in np.unique(found.named.stands).tolist():
        rank = taxa.rank(taxon) if taxon >= 0 else "set aside"
        reads = int(found.reads[found.named.stands == taxon].sum())
        summed[rank] = summed.get(rank, 0) + reads
    return dict(sorted(summed.items()))


def _stamped(out: Path) -> dict[str, str]:
    """Return the files that a run before wrote into a folder, and their hashes."""
    try:
        content = json.loads((out / STAMP).read_text(encoding="utf-8"))
        ours = content["merian"]["format"] == FORMAT
        return dict(content["files"]) if ours else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_stamp(folder: Path, done: Metabarcoded) -> None:
    """Write what was done, and the hash of every file."""
    kept = {name: value for name, value in vars(done).items() if name not in ("out", "run")}
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != STAMP)
    hashes = {path.name: content_hash(path) for path in files}
    content: dict[str, Any] = {"merian": stamp(FORMAT, VERSION, done.run), **kept, "files": hashes}
    del content["done_before"]
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / STAMP).write_text(text, encoding="utf-8", newline="\n")


def _done_before(out: Path, run: str) -> Metabarcoded | None:
    """Return what was done, if the very same was done before and is still there."""
    try:
        content = json.loads((out / STAMP).read_text(encoding="utf-8"))
        if content["merian"]["run"] != run or content["merian"]["format"] != FORMAT:
            return None
        for name, expected in content["files"].items():
            if not (out / name).is_file() or content_hash(out / name) != expected:
                return None
    except (OSError, ValueError, KeyError):
        return None
    told = {k: v for k, v in content.items() if k not in ("merian", "files")}
    return Metabarcoded(out=out, run=run, done_before=True, **told)
