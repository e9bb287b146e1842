"""Identifying files: from queries to an answer table, in several processes.

Beside the table lie a stamp (``OUT.merian.json``: the run, counts, the promise) and, where
anything was set aside, the list of it (``OUT.rejects.tsv``). A job that was killed is continued by
the same command; one that is complete is not done again. The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from merian.errors import InputError
from merian.files import content_hash
from merian.formats.delimited import write_delimited
from merian.identify.answers import (
    COLUMNS,
    FORMAT,
    SEVERAL,
    VERSION,
    check_suffix,
    write_answers,
)
from merian.identify.chunks import Work, answer_chunks, sample, work_on
from merian.identify.panel import Panel
from merian.identify.promise import Choice
from merian.identify.queries import Queries, Query
from merian.library import Library
from merian.library.reading import Reject
from merian.library.shelf import open_shelf
from merian.stamp import run_id, stamp, stamp_beside

__all__ = [
    "Identified",
    "Progress",
    "Readable",
    "answer_all",
    "check_not_asked",
    "check_one",
    "done_before",
    "hash_of",
    "identify_files",
    "mix_of_queries",
    "rejects_beside",
    "run_of",
    "stamp_of",
    "write_all",
    "write_rejects",
]

Progress = Callable[[str, float], None]
"""Is told what is being done, and how many queries are done."""


class Readable(Protocol):
    """What can be asked about: read anew each time, in order."""

    def read(self, work: Path) -> Iterator[Query | Reject]:
        """Return all queries, and between them what was set aside."""


OPENER = "merian.identify.panel:open_answerer"

_SAMPLED = 10_000  # distinct queries from which the mix of novelty is estimated


@dataclass(frozen=True)
class Identified:
    """What was done.

    Attributes:
        out: The answer table.
        run: The id of the run.
        library: The hash of the library; of several, of them all.
        queries: How many were answered.
        standing: By rank stood by ("" for none), how many.
        set_aside: By reason, how many.
        rejects: Where they are listed, if there are any.
        alpha: The share of wrong answers that is promised not to be exceeded.
        novelty: The mix of novelty that the promise is for, or None for any.
        by_rank: Whether the promise is for the answers at each rank too.
        estimated: Whether that mix was estimated from the queries.
        promise: The promise in plain words.
        strata: How simulated answers fared by what the library lacks (`Stratum`, by field).
        libraries: Where there are several, the hash of each, by name.
        disagreements: Of records of several kinds of evidence, how many were found; else None.
        done_before: Whether all of it was there already.
    """

    out: Path
    run: str
    library: str
    queries: int
    standing: Mapping[str, int]
    set_aside: Mapping[str, int]
    rejects: Path | None
    alpha: float
    novelty: tuple[float, float, float, float] | None
    by_rank: bool
    estimated: bool
    promise: Sequence[str]
    strata: Sequence[Mapping[str, object]]
    libraries: Mapping[str, str] = field(default_factory=dict)
    disagreements: int | None = None
    done_before: bool = False


def identify_files(
    queries: Queries,
    library: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    choice: Choice | None = None,
    estimate: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Identified:
    """Identify queries and write the answers.

    Args:
        queries: What is asked about.
        library: The folder of the library, or those of several, or the folder around these: each
            query is answered by the one that it is for.
        out: The table; its suffix says how it is written.
        choice: What is promised.
        estimate: Whether the mix of novelty is estimated from the queries.
        processes: How many at most; as many as the machine has cores if None.
        progress: Is told how far it is.
    """
    out, choice, tell = Path(out), choice or Choice(), progress or (lambda _what, _count: None)
    check_suffix(out)
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the name of a file to write")
    check_not_asked(queries, out)
    shelf = open_shelf(library)
    tell("looking at the queries", 0)
    run = run_of(queries, shelf, choice, estimate=estimate)
    if before := done_before(out, run):
        return before
    panel = Panel.open(shelf, choice)
    with work_on(out, run) as work:
        if estimate:
            mix = mix_of_queries(work, panel, queries, tell)
            panel = Panel.open(shelf, replace(choice, novelty=mix))
        chunks = answer_all(queries.read(work.folder), panel, work, processes, tell)
        tell("writing", 0)
        return write_all(work, chunks, panel, out, run, estimate)


def check_not_asked(queries: Queries, out: Path) -> None:
    """Say so if what is to be written, or what lies beside it, is a file of queries."""
    asked = {path.resolve() for path in queries.paths}
    for path in (out, rejects_beside(out)):
        if path.resolve() in asked:
            raise InputError(f"{path}: holds the queries, and would be replaced; name another file")


def run_of(
    queries: Queries, shelf: Mapping[str, Library], choice: Choice, *, estimate: bool
) -> str:
    """Return the id of a run: a hash of everything that decides its result."""
    if estimate:
        check_one(shelf)
    asked = {
        "inputs": queries.fingerprint,
        "reading": queries.said,
        "library": hash_of(shelf),
        "alpha": choice.alpha,
        "novelty": "batch" if estimate else choice.novelty,
        "by_rank": choice.by_rank,
    }
    return run_id("identify", asked)


def check_one(shelf: Mapping[str, Library]) -> None:
    """Say so if a mix cannot be estimated, as there are several libraries."""
    if len(shelf) > 1:
        raise InputError(
            "--novelty batch: each of several libraries meets a mix of its own; identify by one "
            "library at a time, or give the four shares"
        )


def hash_of(shelf: Mapping[str, Library]) -> str:
    """Return the hash of a library; of several, of all of them and their names."""
    if len(shelf) == 1:
        return next(iter(shelf.values())).hash
    told = json.dumps([[name, library.hash] for name, library in shelf.items()])
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def stamp_of(out: Path) -> dict[str, Any]:
    """Return what stands in the stamp beside an answer table; nothing where there is none."""
    try:
        content = json.loads(Path(f"{out}.merian.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = content.get("merian") if isinstance(content, dict) else None
    ours = isinstance(found, dict) and found.get("format") == FORMAT
    return content if ours else {}


def done_before(out: Path, run: str) -> Identified | None:
    """Return what was done, if the very same was done before and is still there."""
    content = stamp_of(out)
    if not out.is_file() or content.get("merian", {}).get("run") != run:
        return None
    if content.get("hash") != content_hash(out):
        return None
    rejects = rejects_beside(out)
    if content["set_aside"] and not rejects.is_file():
        return None
    return Identified(
        out=out,
        run=run,
        library=content["library"],
        queries=content["queries"],
        standing=content["standing"],
        set_aside=content["set_aside"],
        rejects=rejects if content["set_aside"] else None,
        alpha=content["alpha"],
        novelty=_four(content["novelty"]) if content["novelty"] else None,
        by_rank=content["by_rank"],
        estimated=content["estimated"],
        promise=content["promise"],
        strata=content["strata"],
        libraries=content.get("libraries") or {},
        disagreements=content.get("disagreements"),
        done_before=True,
    )


def rejects_beside(out: Path) -> Path:
    """Return where what was set aside is listed."""
    return Path(f"{out}.rejects.tsv")


# -- answering ----------------------------------------------------------------------------------


def mix_of_queries(
    work: Work, panel: Panel, queries: Readable, tell: Progress
) -> tuple[float, float, float, float]:
    """Return the mix of novelty among the queries, estimated once for each job."""
    if "novelty" not in work.notes:
        tell("estimating how much is new", 0)
        some = sample(queries.read(work.folder), _SAMPLED)
        if not some:
            raise InputError("no query can be identified, so no mix can be estimated from them")
        (identifier,) = panel.identifiers.values()
        work.note("novelty", list(identifier.estimate_novelty(some)))
    return _four(work.notes["novelty"])


def _four(shares: Sequence[float]) -> tuple[float, float, float, float]:
    known, species, genus, family = shares
    return known, species, genus, family


def answer_all(
    stream: Iterable[Query | Reject],
    panel: Panel,
    work: Work,
    processes: int | None,
    tell: Progress,
) -> int:
    """Answer all queries in chunks, and return how many chunks there are."""
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        tell("identifying", done)

    most = max(1, processes or os.cpu_count() or 1)
    return answer_chunks(stream, work, panel.answerer(), OPENER, panel.arguments(), most, progress)


# -- writing ------------------------------------------------------------------------------------


def write_all(
    work: Work, chunks: int, panel: Panel, out: Path, run: str, estimated: bool = False
) -> Identified:
    """Write the list of what was set aside, the table and, last, the stamp."""
    standing: Counter[str] = Counter()

    def see(row: Mapping[str, Any]) -> None:
        standing[row["rank"] or ""] += 1

    reasons = write_rejects(out, lambda: work.rejects(chunks))
    shelf, choice = {n: one.library for n, one in panel.identifiers.items()}, panel.choice
    locks = {name: library.taxonomy.lock.as_dict() for name, library in shelf.items()}
    several = len(shelf) > 1
    mark = stamp(FORMAT, VERSION, run, None if several else next(iter(locks.values())))
    kinds = SEVERAL if several else COLUMNS
    count = write_answers(work.answers(chunks), out, mark, see, kinds)
    found = Identified(
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
        estimated=estimated,
        promise=panel.promise(),
        strata=panel.strata(),
        libraries={name: library.hash for name, library in shelf.items()} if several else {},
    )
    more = {"locks": locks} if several else {}
    kept = {name: value for name, value in vars(found).items() if name not in _NOT_KEPT}
    stamp_beside(out, mark, {**kept, **more, "hash": content_hash(out)})
    return found


_NOT_KEPT = ("out", "run", "rejects", "disagreements", "done_before")


def write_rejects(out: Path, rows: Callable[[], Iterable[Sequence[Any]]]) -> dict[str, int]:
    """List what was set aside beside a table, and return how many for each kind of reason.

    Args:
        out: The table.
        rows: Returns file, line, id and reason of each, anew each time.
    """
    reasons = Counter(_kind_of_reason(row[3]) for row in rows())
    rejects = rejects_beside(out)
    if reasons:
        shown = lambda cell: "" if cell is None else " ".join(str(cell).split())  # noqa: E731
        columns = ("file", "line", "id", "reason")
        write_delimited(rejects, columns, rows(), "\t", shown)
    else:
        rejects.unlink(missing_ok=True)
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _kind_of_reason(reason: str) -> str:
    """Return a reason without its particulars."""
    return re.split(r":| \(", reason, maxsplit=1)[0].rstrip(".")
