"""What a report is asked about, found out by what is in it.

A folder of Merian's has a file that says what it is; a table of answers has one beside it; the JSON
of a bench has its name and its figures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.files import existing
from merian.report.overview.parts import Report

__all__ = ["Report", "report_on"]

_TOLD = ".merian.json"
_CATALOGUE, _LIBRARY, _ANSWERS = "merian-catalogue", "merian-library", "merian-answers"
_MEASURED, _CLUSTERS, _TRAINED = "merian-measurements", "merian-clusters", "merian-run"
_TRAY = "merian-tray"

_EXPECTED = (
    "expected the folder of a catalogue, a library or a run (identify, measure, tray, discover, "
    "train), a table of answers, or the JSON of a bench"
)
_STAMP = re.compile(rb'\s*\{\s*"merian"\s*:\s*\{\s*"format"\s*:\s*"([a-z-]+)"')
_HEAD = 4096  # bytes in which a stamp stands
_LARGE = 1 << 28  # bytes: no bench writes so many

Tell = Callable[[str], None]


def report_on(
    path: Path | str,
    *,
    against: Path | None = None,
    wanted: Sequence[str] = (),
    tell: Tell = lambda _what: None,
) -> Report:
    """Gather the report about something.

    Args:
        path: A catalogue, a library, a run or the JSON of a bench.
        against: Of a run of answers, the catalogue whose names they are held against.
        wanted: Of a bench, what figures were to reach: "NAME >= 90".
        tell: Is told what is being done.
    """
    path = existing(path)
    kind, place = _kind_of(path)
    if against is not None and kind != _ANSWERS:
        raise InputError(f"--against is for answers, and {path} holds none; leave it out")
    if wanted and kind != "bench":
        raise InputError(f"--wanted is for the JSON of a bench, and {path} is none; leave it out")
    if kind == _CATALOGUE:
        from merian.report.overview.catalogue import of_catalogue  # noqa: PLC0415 - as asked for

        return of_catalogue(place, tell)
    if kind == _LIBRARY:
        from merian.report.overview.library import of_library  # noqa: PLC0415 - as above

        return of_library(place, tell)
    if kind == _ANSWERS:
        from merian.report.overview.answers import of_answers  # noqa: PLC0415 - as above

        return of_answers(place, against, tell)
    if kind == _MEASURED:
        from merian.report.overview.measured import of_measured  # noqa: PLC0415 - as above

        return of_measured(place, tell)
    if kind == _TRAY:
        from merian.report.overview.tray import of_tray  # noqa: PLC0415 - as above

        return of_tray(place, tell)
    if kind == _CLUSTERS:
        from merian.report.overview.clusters import of_clusters  # noqa: PLC0415 - as above

        return of_clusters(place, tell)
    if kind == _TRAINED:
        from merian.report.overview.trained import of_training  # noqa: PLC0415 - as above

        return of_training(place)
    from merian.report.overview.bench import of_bench  # noqa: PLC0415 - as above

    return of_bench(place, wanted)


def _kind_of(path: Path) -> tuple[str, Path]:
    """Return what something is, and what of it is to be read."""
    if path.is_dir():
        return _kind_of_folder(path)
    beside = Path(f"{path}{_TOLD}")
    if beside.is_file() and _format_of(beside) == _ANSWERS:
        return _ANSWERS, path
    found = _json(path)
    if isinstance(found, dict) and "bench" in found and isinstance(found.get("figures"), dict):
        return "bench", path
    raise InputError(f"{path}: is nothing that has a report; {_EXPECTED}")


def _kind_of_folder(path: Path) -> tuple[str, Path]:
    formats = {file: _format_of(file) for file in sorted(path.glob("*.json")) if file.is_file()}
    kinds = {kind: file for file, kind in formats.items() if kind}
    for kind in (_CATALOGUE, _LIBRARY, _MEASURED, _TRAY, _CLUSTERS, _TRAINED):
        if kind in kinds:
            return kind, path
    tables = [
        file.with_name(file.name.removesuffix(_TOLD))
        for file, kind in formats.items()
        if kind == _ANSWERS and ".evidence." not in file.name
    ]
    tables = [table for table in tables if table.is_file()]
    if len(tables) == 1:
        return _ANSWERS, tables[0]
    if tables:
        names = ", ".join(table.name for table in tables)
        raise InputError(f"{path}: holds several tables of answers ({names}); give one of them")
    pages = sorted(page.name for page in path.glob("*.html"))
    if kinds and pages:  # what its own verb has written already
        raise InputError(f"{path}: has its page already: {', '.join(pages)}")
    runs = path / "runs"
    raise InputError(
        f"{path}: is nothing that has a report; {_EXPECTED}"
        + (f". There are runs in {runs}" if runs.is_dir() else "")
    )


def _json(path: Path) -> Any:
    """Return what a JSON file holds; nothing where it is none."""
    if path.stat().st_size >= _LARGE:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None


def _format_of(path: Path) -> str:
    """Return which of our formats a JSON file says it is: its stamp comes first in it."""
    with path.open("rb") as stream:
        found = _STAMP.match(stream.read(_HEAD))
    return found[1].decode() if found else ""
