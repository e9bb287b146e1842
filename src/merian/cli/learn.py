"""``merian learn``: let a library learn from what people have corrected at the desk."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from merian.identify.correcting import Trial

__all__ = ["learn"]

_SHOWN = 20  # changes that are printed


def learn(
    catalogue: Path,
    /,
    *,
    library: Annotated[list[Path], Parameter(name=("--library", "-l"))],
    apply: bool = False,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    taxonomy: Path | None = None,
    embeddings: Path | None = None,
    processes: int | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Let libraries learn from what people have validated at the desk.

    The corrections become references, and what is promised is reckoned anew; nothing is trained.
    First it says which answers about the catalogue would change, and changes nothing. With --apply
    the libraries take them, and the new answers are appended to the catalogue. The vectors of
    pictures that `merian embed` has left in the catalogue's folder runs are not made again.

    Args:
        catalogue: The catalogue that was reviewed.
        library: The library that answered: of barcodes or of pictures. May be given several times,
            for those that answered together.
        apply: Do it.
        out: Write the changes as a table (.tsv, .csv) and, beside it, as a page.
        taxonomy: The taxonomy that they were built with, if they were built with one.
        embeddings: What `merian embed` made of the pictures of the catalogue; what lies in its
            folder runs if not given.
        processes: How many to use; as many as there are cores if not given.
        quiet: Print the answer and nothing else.
    """
    from merian.identify.correcting import apply as do
    from merian.identify.correcting import trial, write_changes
    from merian.taxonomy import Taxonomy

    libraries = ", ".join(map(str, library))
    if out is not None and out.suffix.lower() not in (".tsv", ".csv"):
        raise InputError(f"--out {out}: expected a name that ends with .tsv or .csv")
    checklist = Taxonomy.open(taxonomy) if taxonomy is not None else None
    with (
        screen.working(f"Learning from {catalogue}", quiet) as job,
        trial(catalogue, library, checklist=checklist, processes=processes,
              progress=job.step, stored=embeddings) as tried,
    ):  # fmt: skip
        _print(tried, libraries)
        if out is not None:
            from merian.report.learnt import write_learnt

            write_changes(out, tried.changes)
            page = out.with_suffix(".html")
            write_learnt(page, tried, str(catalogue), libraries)
            print(screen.printable(f"the changes: {out}, and as a page {page}"))
        if not tried.taken:
            return
        if not apply:
            given = [word for one in library for word in ("--library", str(one))]
            again = shlex.join(["merian", "learn", str(catalogue), *given])
            screen.say(f"nothing was changed; to do it: {again} --apply", quiet)
            return
        summary = do(tried, catalogue, job.step)
        appended = summary.added.get("identification", 0) if summary is not None else 0
        for one in tried.pupils:
            if one.taken:
                print(screen.printable(f"{one.library}: has learnt"))
        print(screen.printable(
            f"{catalogue}: {screen.counted(appended, 'identification')} appended"
        ))  # fmt: skip


def _print(tried: Trial, library: str) -> None:
    """Print what would change."""
    corrections = screen.counted(tried.taken, "correction")
    lack = "lack" if len(tried.pupils) > 1 else "lacks"
    print(screen.printable(f"{corrections} that {library} {lack}; {tried.known:,} known already"))
    if tried.contrary:
        print("set aside: the library holds these records under another name; build it anew")
        screen.print_table(("record", "in the library", "corrected"), tried.contrary[:_SHOWN])
    if not tried.taken:
        return
    count = len(tried.changes)
    print(f"{screen.counted(count, 'determination')} would change" + (":" if count else ""))
    if not count:
        return
    screen.print_table(("how", "answers"), [*tried.counted.items()])
    print()
    screen.print_table(
        ("id", "until now", "p", "then", "p"),
        [
            (one.id, _name(one.before), one.before["p"], _name(one.now), one.now["p"])
            for one in tried.changes[:_SHOWN]
        ],
    )
    if count > _SHOWN:
        print(f"and {count - _SHOWN:,} more; --out writes them all")


def _name(said: Mapping[str, Any]) -> str:
    return f"{said['rank']} {said['name']}" if said["name"] else "nothing"
