"""Learning from corrections at the desk: first what would change, then, if asked for, the change.

What happens is what `merian learn` does, by the same functions. As the desk holds the catalogue,
its tables are copied for the libraries to be asked about; that and the asking are done beside the
desk, which goes on answering. What was told is applied only as long as nothing else has been
decided since: else it would not be what somebody has looked at.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from merian.catalogue import Catalogue, Reading
from merian.catalogue.checks import literal
from merian.catalogue.ingest import ingest
from merian.catalogue.summary import Summary
from merian.desk.board import take_in
from merian.desk.desk import Desk
from merian.errors import InputError, MerianError
from merian.identify.correcting import Trial, apply, trial
from merian.taxonomy import Taxonomy

__all__ = ["Learning", "libraries_of"]

_COPIED = ("event", "occurrence", "material", "media", "sequence", "identification", "run")
_NONE = (
    "no library is known here; open the desk with --library, or put libraries into the folder "
    "`libraries` of the catalogue"
)


def libraries_of(catalogue: Path) -> list[Path]:
    """Return the libraries that lie in a catalogue."""
    return sorted(file.parent for file in (catalogue / "libraries").glob("*/library.json"))


class _Stopped(BaseException):
    """The desk closes."""


class Learning:
    """What libraries would say with the corrections of a desk.

    Attributes:
        libraries: They.
        state: idle, working, told or applied.
        step: While it works, what is being done.
        count: How much of that is done.
        fault: Why the last try came to nothing, or "".
        tried: What was tried, where that is told.
        appended: How many identifications were appended, where it was applied.
    """

    def __init__(self, desk: Desk, libraries: Sequence[Path], checklist: Taxonomy | None) -> None:
        self._desk, self.libraries, self._checklist = desk, [*libraries], checklist
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stack: ExitStack | None = None
        self._copy = Path()
        self._change, self._closing = -1, False
        self.state, self.step, self.fault = "idle", "", ""
        self.count, self.appended = 0.0, 0
        self.tried: Trial | None = None

    @property
    def stale(self) -> bool:
        """Whether something was decided since it was tried."""
        return self._change != self._desk.change

    def told(self) -> dict[str, Any]:
        """Return where it stands, for the page that waits."""
        return {"state": self.state, "step": self.step, "count": int(self.count),
                "fault": self.fault}  # fmt: skip

    def act(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to try, or apply what was tried."""
        if told.get("do") == "try":
            self._begin()
        elif told.get("do") == "apply":
            self._apply()
        else:
            raise InputError("expected to try or to apply")
        return self.told()

    def close(self) -> None:
        """Stop what is being tried, let what is being applied end, and leave nothing behind."""
        self._closing = True
        with self._lock:  # from here on nothing begins
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._lock:
            self._forget()

    # -- trying -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self.libraries:
            raise InputError(_NONE)
        with self._lock:
            if self.state == "working" or self._closing:
                return
            # The state first: a page that is made meanwhile shows no trial that is gone.
            self.state, self.step, self.count, self.fault = "working", "copying", 0, ""
            self._forget()
            self._thread = threading.Thread(target=self._try, name="learning")
            self._thread.start()

    def _try(self) -> None:
        stack = ExitStack()
        try:
            work = stack.enter_context(tempfile.TemporaryDirectory(dir=self._desk.work))
            self._copy = Path(work, self._desk.catalogue.path.name)
            self._change = _copied(self._desk, self._copy)
            self.tried = stack.enter_context(trial(
                self._copy, self.libraries, checklist=self._checklist, progress=self._tell,
                stored=self._desk.embeddings or self._desk.catalogue.path,
            ))  # fmt: skip
            self._stack, self.state = stack, "told"
        except BaseException as error:  # whatever it is, the page that waits has to be told
            stack.close()
            told = _of_the_disk(error) if isinstance(error, OSError) else str(error)
            expected = isinstance(error, MerianError | OSError | _Stopped)
            where = str(self._desk.catalogue.path)
            self.fault = (
                told.replace(str(self._copy), where) if expected
                else f"this is a fault of Merian: {error!r}"
            )  # fmt: skip
            self.tried, self.state = None, "idle"
            if not expected:
                raise

    def _tell(self, what: str, count: float) -> None:
        if self._closing:
            raise _Stopped
        self.step, self.count = what, count

    def _forget(self) -> None:
        self.tried = None
        if self._stack is not None:
            self._stack.close()
            self._stack = None

    # -- applying ---------------------------------------------------------------------------------

    def _apply(self) -> None:
        with self._lock:
            if self.state != "told" or self.tried is None or not self.tried.taken:
                raise InputError("first see what would change")
            with self._desk.writing():
                if self.stale:
                    raise InputError(
                        "something was decided since; see again what would change, then apply it"
                    )
                try:
                    summary = apply(self.tried, self._copy, into=self._take)
                except OSError as error:
                    raise InputError(_of_the_disk(error)) from error
            self.appended = summary.added.get("identification", 0) if summary is not None else 0
            self.state = "applied"
            self._forget()

    def _take(self, reading: Reading, arguments: Mapping[str, object]) -> Summary:
        """Take answers into the catalogue that the desk holds, and show them."""
        desk = self._desk
        with desk.cursor() as con:
            summary = ingest(
                con, desk.work / "learning", reading, verb="identify", arguments=arguments
            )
            desk.likeness.moved(con, take_in(con, summary.run))
        return summary


def _of_the_disk(error: OSError) -> str:
    """Return in a sentence what a disk refuses."""
    where = error.filename or "this machine"
    return (
        f"{where}: {error.strerror or error}; make room there, or let it be written to, and see "
        "again what would change"
    )


def _copied(desk: Desk, folder: Path) -> int:
    """Copy what libraries are asked about; return the state of the desk that it shows."""
    Catalogue.create(folder).close()
    with desk.quiet() as con:
        con.execute(f"ATTACH {literal(folder / 'catalogue.duckdb')} AS lesson").fetchall()
        try:
            for table in _COPIED:
                con.execute(
                    f"INSERT INTO lesson.main.{table} BY NAME SELECT * FROM catalogue.main.{table}"
                ).fetchall()
        finally:
            con.execute("DETACH lesson").fetchall()
        return desk.change
