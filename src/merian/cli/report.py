"""``merian report``: one page about a catalogue, a library, a run or a bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

_PAGE = Path("report.html")
_MARK = b'<meta name="generator" content="Merian '
_HEAD = 4096  # bytes of a page in which its mark stands


def report(
    what: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    json: Path | None = None,
    against: Path | None = None,
    wanted: tuple[str, ...] = (),
    quiet: screen.Quiet = False,
) -> None:
    """Write a page with plots about a catalogue, a library, a run or a bench.

    The page is one file that needs nothing else: for the screen, a phone or paper. What it is about
    is found out by what is in it.

    Args:
        what: The folder of a catalogue, of a library or of a run (identify, measure, tray,
            discover, train), a table of answers, or the JSON that `merian bench NAME --json` wrote.
        out: The page to write; report.html where you are, if not given.
        json: Write the same in numbers into this file too.
        against: Of answers, the catalogue whose names they are held against; the one in which they
            lie, if not given.
        wanted: Of a bench, what a figure was to reach: --wanted "species of the known >= 90". Once
            or more often.
        quiet: Print the answer and nothing else.
    """
    from merian.files import write_json, write_text
    from merian.report.overview import report_on

    page = out or _PAGE
    _check(page, out is None)
    for given in filter(None, (page, json)):
        for read in filter(None, (what, against)):
            inside = read.is_dir() and read.resolve() in given.resolve().parents
            if given.resolve() == read.resolve() or (inside and given.exists()):
                raise InputError(f"{given}: is what the report is about; give another name")
    if json is not None and json.resolve() == page.resolve():
        raise InputError(f"{json}: is where the page goes; give the JSON another name")
    with screen.working(f"Reporting on {what}", quiet) as job:
        found = report_on(
            what, against=against, wanted=wanted, tell=lambda step: job.step(step, 0, None)
        )
        write_text(page, found.html())
        if json is not None:
            write_json(json, found.as_dict())
    for note in found.notes:
        screen.say(f"note: {note}", quiet)
    shown = [section.title for section in found.sections]
    print(screen.printable(f"{what}, {found.kind}: {screen.counted(len(shown), 'section')}"))
    print(screen.printable(f"the page: {page}"))
    if json is not None:
        print(screen.printable(f"in numbers: {json}"))


def _check(page: Path, ours: bool) -> None:
    """Say so if the page would replace something else."""
    if page.is_dir():
        raise InputError(f"{page}: is a folder; give the name of a page to write")
    if ours and page.is_file():
        with page.open("rb") as stream:
            if _MARK not in stream.read(_HEAD):
                raise InputError(f"{page}: is no page of Merian's; name another with --out")
