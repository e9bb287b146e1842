"""One process that reads damaged files of a format, one after the other, and tells how it went.

It is a process of its own so that a hang, a crash or a hunger for memory ends nothing else: its
address space is limited, and whoever started it waits no longer than told for its next line.

Each line is JSON: ``{"seed": 17, "outcome": "read"}``, where an outcome is ``begun``, ``read``,
``refused`` (an error that Merian raises on purpose, with a reason) or ``failed`` (anything else).
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path

from merian.bench.format_mutations import copy_of, damage
from merian.catalogue import Catalogue, Reading
from merian.catalogue.sources import Reject, Rows
from merian.errors import MerianError
from merian.formats import Format, find_format, read_path, sniff
from merian.formats.registry import near

__all__ = ["limit_memory", "try_seeds"]

_FAKES = 5  # of a format, by their seeds
_MOST = 5_000_000  # rows of one file: no fake has as many, whatever is done to it
_KEPT = 1_500  # characters of a traceback


def limit_memory(more: float) -> None:
    """Let this process have so many gigabytes more than it has now, where the system can."""
    try:
        import resource  # noqa: PLC0415  not on every system

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        return
    limit = pages * resource.getpagesize() + int(more * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def try_seeds(
    name: str, seeds: range, imports: int, tell: Callable[[dict[str, object]], None]
) -> None:
    """Read the damaged files of these seeds.

    Args:
        name: Of the format.
        seeds: Which damages.
        imports: Every so many-th is imported into a catalogue; 0 for none.
        tell: Is given each outcome.
    """
    form = find_format(name)
    with tempfile.TemporaryDirectory(prefix="merian-fuzz-") as made:
        work = Path(made)

        @cache
        def fake(number: int) -> Path:
            folder = work / f"fake{number}"
            folder.mkdir()
            return form.fake(folder, number)

        for seed in seeds:
            tell({"seed": seed, "outcome": "begun"})
            with tempfile.TemporaryDirectory(dir=work) as folder:
                source = fake(1 + seed % _FAKES)
                whole = copy_of(_whole(source, work), Path(folder))
                path = whole / source.relative_to(_whole(source, work))
                # What lies beside a file belongs to it: pictures, a table of names.
                done = damage(whole if seed % 5 == 4 else path, f"{name} {seed}")
                try:
                    outcome = _try(form, path, seed, imports, Path(folder))
                except BaseException as error:  # whatever it is, it is what is looked for
                    told = "".join(traceback.format_exception(error))[-_KEPT:]
                    kind = "memory" if isinstance(error, MemoryError) else type(error).__name__
                    tell({"seed": seed, "outcome": "failed", "why": f"{kind}: {error}"[:300],
                          "damage": done, "trace": told})  # fmt: skip
                    if isinstance(error, KeyboardInterrupt | SystemExit):
                        raise
                else:
                    tell({"seed": seed, **outcome})


def _whole(source: Path, work: Path) -> Path:
    """Return all of a fake: the file that is given may lie within a folder of others."""
    return work / source.relative_to(work).parts[0]


def _try(form: Format, path: Path, seed: int, imports: int, work: Path) -> dict[str, object]:
    """Look at a file as `merian import` does; return how it went."""
    if not path.exists():
        return {"outcome": "refused", "why": "the file itself was taken away"}
    sure = form.sniff(path)
    if sure not in {0, 1, 2, 3}:
        raise AssertionError(f"sniff returned {sure!r}")
    lacking = form.lacks(path) if form.lacks else ""
    if not isinstance(lacking, str):
        raise AssertionError(f"lacks returned {lacking!r}")
    try:
        if seed % 7 == 0:
            near(path)
            sniff(path)
        reading = read_path(path, format=form.name)
        rows, rejects = _exhaust(reading)
        if imports and seed % imports == 0:
            with Catalogue.create(work / "catalogue", threads=1) as catalogue:
                catalogue.ingest(read_path(path, format=form.name))
    except MerianError as error:
        if not str(error).strip():
            raise AssertionError(f"{type(error).__name__} has no reason") from error
        return {"outcome": "refused", "why": str(error)[:300]}
    return {"outcome": "read", "rows": rows, "rejects": rejects}


def _exhaust(reading: Reading) -> tuple[int, int]:
    """Take all rows that Python makes; count them and what was set aside."""
    rows = rejects = 0
    for source in reading.sources:
        if not isinstance(source, Rows):
            continue
        for chunk in source.chunks:
            if isinstance(chunk, Reject):
                rejects += 1
                if not chunk.reason.strip():
                    raise AssertionError("a reject has no reason")
            else:
                sizes = {len(values) for values in chunk.values()}
                if len(sizes) != 1:
                    raise AssertionError(f"columns of {sorted(sizes)} rows in one chunk")
                rows += sizes.pop()
            if rows + rejects > _MOST:
                raise AssertionError(f"more than {_MOST:,} rows from a small file")
    return rows, rejects


def _warm(form: Format) -> None:
    """Read a whole file and import it, so that what is loaded once is not counted as hunger."""
    with tempfile.TemporaryDirectory(prefix="merian-fuzz-") as made:
        (Path(made) / "fake").mkdir()
        path = form.fake(Path(made) / "fake", 1)
        with Catalogue.create(Path(made) / "catalogue", threads=1) as catalogue:
            catalogue.ingest(read_path(path, format=form.name))


def _main(name: str, first: str, count: str, imports: str, gigabytes: str) -> None:
    _warm(find_format(name))
    limit_memory(float(gigabytes))
    seeds = range(int(first), int(first) + int(count))

    def tell(outcome: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()

    try_seeds(name, seeds, int(imports), tell)


if __name__ == "__main__":
    _main(*sys.argv[1:])
