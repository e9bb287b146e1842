"""What the verbs print, and where: answers on stdout, everything about them on stderr.

Names come from other people's files, so nothing in them is ever read as markup or sent to the
terminal as a control sequence. Progress shows after a second, only where somebody watches.
"""

from __future__ import annotations

import io
import json
import math
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from merian.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = [
    "Quiet", "Working", "counted", "pairs", "print_json", "print_table", "printable",
    "printable_lines", "say", "speak_utf8", "working",
]  # fmt: skip

Quiet = Annotated[
    bool,
    Parameter(name=("--quiet", "-q"), negative=()),
]

_PATIENCE = 1.0  # seconds before progress shows
_WIDE = 10_000  # columns of a page that no one looks at: a file or another program


def speak_utf8() -> None:
    """Write UTF-8 whatever the locale says: names have accents, and LANG=C is common."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def printable(value: object) -> str:
    """Return a value in one line, without characters that steer a terminal."""
    text = "" if value is None else str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def printable_lines(text: str) -> str:
    """Return a text of several lines without characters that steer a terminal."""
    return "\n".join(printable(line) for line in text.splitlines())


def counted(number: int, word: str) -> str:
    """Return a number with its word: 1 row, 2 rows."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def say(text: str, quiet: bool = False) -> None:
    """Print a remark about the answer, on stderr."""
    if not quiet:
        print(printable_lines(text), file=sys.stderr)


def print_json(value: object) -> None:
    """Print a value as JSON, the same bytes for the same value; what is no number is null."""
    print(json.dumps(_finite(value), indent=1, ensure_ascii=False, default=str))


def _finite(value: object) -> object:
    """Return a value as JSON can hold it: it knows neither NaN nor infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """Print a table for the eye; numbers stand to the right."""
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        values = [row[number] for row in cells if row[number] is not None]
        numeric = bool(values) and all(isinstance(v, int | float) for v in values)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(_cell(value)) for value in row))
    if sys.stdout.isatty():
        _console(sys.stdout).print(table)
        return
    page = io.StringIO()
    _console(page).print(table)
    print("\n".join(line.rstrip() for line in page.getvalue().splitlines()))


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Read the values of an option that is given as name=value, once or more often."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"{option} {text}: expected name=value, as in {option} a=b")
        found[name.strip()] = value.strip()
    return found


def _cell(value: object) -> str:
    """Return what stands in a cell."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else printable(value)


def _console(stream: Any) -> Console:
    """Return a console that reads nothing into the text. Away from a terminal no line breaks."""
    from rich.console import Console

    return Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        width=None if stream.isatty() else _WIDE,
        soft_wrap=not stream.isatty(),
    )


class Working:
    """Progress of a job that may be long. Call it with what is done and, if known, the whole."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.done = 0.0
        self.total: float | None = None
        self._progress: Progress | None = None
        self._timer = threading.Timer(_PATIENCE, self._show)
        self._timer.daemon = True

    def __call__(self, done: float, total: float | None = None) -> None:
        """Note how far the job is."""
        self.done, self.total = done, total
        if self._progress is not None:
            self._progress.update(
                self._progress.task_ids[0], completed=done, total=total, shown=f"{done:,.0f}"
            )

    def tell(self, what: str) -> None:
        """Note what is being done, in words."""
        self.what = what
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=printable(what))

    def step(self, what: str, done: float, total: float | None = None) -> None:
        """Note what is being done, and how far it is."""
        self.tell(what)
        self(done, total)

    def _show(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[shown]}"),
            TimeElapsedColumn(),
            console=_console(sys.stderr),
            transient=True,
        )
        progress.add_task(
            printable(self.what), completed=int(self.done), total=self.total, shown=""
        )
        progress.start()
        self._progress = progress

    def start(self) -> None:
        """Begin to wait for the moment from which progress is worth showing."""
        self._timer.start()

    def stop(self) -> None:
        """Take the progress off the screen."""
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()
        if self._progress is not None:
            self._progress.stop()


@contextmanager
def working(what: str, quiet: bool = False) -> Iterator[Working]:
    """Show progress on stderr while the block runs, if it runs long and somebody watches."""
    job = Working(what)
    if quiet or not sys.stderr.isatty():
        yield job
        return
    job.start()
    try:
        yield job
    finally:
        job.stop()
