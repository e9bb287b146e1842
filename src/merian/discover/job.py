"""The job of `merian discover`: read, group, name, and write what is known, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.discover import in_catalogue
from merian.discover.folder import check_decisions, check_folder, read_folder, write_run
from merian.discover.middles import kin_of
from merian.discover.run import Discovered, Method, Progress, discover
from merian.discover.source import Given, Source, opened
from merian.errors import InputError
from merian.files import new_folder
from merian.library.from_catalogue import is_catalogue
from merian.library.shelf import open_shelf
from merian.stamp import run_id

__all__ = ["Asked", "Done", "Pages", "run_discover"]

Pages = Callable[[Discovered, Given, Path, int, str], None]
"""Writes pages into a folder: what was found, of what, where, how many cards, and the run."""


@dataclass(frozen=True)
class Asked:
    """What a user asks for.

    Attributes:
        source: What is grouped.
        method: How.
        libraries: Where the nearest named species is looked up.
        out: The folder to write; None for the usual one of a catalogue.
        everything: Whether records that stand by a species are grouped too.
    """

    source: Source
    method: Method
    libraries: Sequence[Path] = ()
    out: Path | None = None
    everything: bool = False


@dataclass(frozen=True)
class Done:
    """What was done.

    Attributes:
        found: What was found.
        out: Where it stands.
        appended: Identifications written into a catalogue; None where there is none.
        notes: What the user should know.
    """

    found: Discovered
    out: Path
    appended: int | None
    notes: Sequence[str]


def run_discover(asked: Asked, pages: Pages, cards: int, progress: Progress) -> Done:
    """Do what is asked.

    Args:
        asked: It.
        pages: Writes the pages.
        cards: How many clusters get a page.
        progress: Is told how far it is.
    """
    progress("reading", 0, None)
    if asked.out is not None:
        check_folder(asked.out)
    elif asked.source.path.exists() and not is_catalogue(asked.source.path):
        raise InputError("say where tables and pages go: -o FOLDER")
    shelf = open_shelf(asked.libraries, pictures=True) if asked.libraries else {}
    given = opened(asked.source, progress)
    out = asked.out or (given.catalogue and given.catalogue / "runs" / "discover")
    assert out is not None
    former = in_catalogue.kept(given.catalogue) if given.catalogue else read_folder(out)
    check_decisions(out, former)
    method = asked.method.of(given.subjects)
    settings = {**method.settings, "all": asked.everything}
    hashes = {**given.hashes, **{f"library {name}": one.hash for name, one in shelf.items()}}
    run = run_id("discover", {"settings": settings, "inputs": hashes})
    found = discover(
        given.subjects, given.said, method, former, kin_of(shelf), run, asked.everything, progress
    )
    progress("writing", 0, None)
    appended = None
    with new_folder(out) as folder:
        write_run(found, folder, run, hashes)
        pages(found, given, folder, cards, run)
        check_decisions(out, former)  # again, as people may have decided something meanwhile
        if given.catalogue is not None:
            # Last, and in one transaction: what fails before it has changed nothing.
            appended = in_catalogue.keep(found.registry, given.catalogue, run, settings, hashes)
    return Done(found, out, appended, given.notes)
