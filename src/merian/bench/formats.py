"""Whether damaged files of every format are read or refused with a reason, and never worse.

Small files in the real layout are damaged in ways that are the same for a seed: bits flip, ends are
missing, encodings and delimiters are others, numbers are absurd, lines are lost, doubled or moved,
files of a folder are gone. Each is looked at, read to its end, and every few imported, by a process
with a limit of time for each file and of memory. Anything but an error that says what is wrong is a
failure; it is told with its seed, and done again by ``--format NAME --replay SEED``.
"""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.formats import find_format, formats

__all__ = ["Failure", "Outcome", "run", "try_format"]

WORKING = ("workers",)

_COMMAND = (sys.executable, "-m", "merian.bench.format_trial")
_START = 120.0  # seconds until a process has begun with its first file
_AGAIN = 4.0  # times as long is waited for a file that is tried by itself
_PATIENCE = 6  # times as long for a process that has hardly worked


@dataclass(frozen=True)
class Failure:
    """A damaged file that was neither read nor refused."""

    format: str
    seed: int
    why: str
    detail: str = ""

    def __str__(self) -> str:
        return (
            f"{self.format}: {self.why}\n"
            f"  again: merian bench formats --format {self.format} --replay {self.seed}\n"
            + "".join(f"  {line}\n" for line in self.detail.splitlines())
        )


@dataclass
class Outcome:
    """How the damaged files of one format went.

    Attributes:
        name: Of the format.
        counts: Files by outcome: read, refused, failed.
        rejects: Rows and values that were set aside with a reason.
        failures: What was worse.
        last: What was said of the last file.
    """

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    rejects: int = 0
    failures: list[Failure] = field(default_factory=list)
    last: str = ""


def run(
    *,
    mutations: int = 10_000,
    seed: int = 0,
    format: str = "",
    replay: int = -1,
    seconds: float = 5.0,
    gigabytes: float = 2.0,
    imports: int = 10,
    workers: int = 0,
) -> dict[str, dict[str, object]]:
    """Read damaged files.

    Args:
        mutations: Damaged files of each format.
        seed: Of the first; the others follow.
        format: Only of this one.
        replay: Only the damage of this seed, told in full; needs a format.
        seconds: The longest that one file may take.
        gigabytes: The most memory that a process may use beside what it has at its start.
        imports: Every so many-th is imported into a catalogue; 0 for none.
        workers: Processes at a time; one for each core if 0.
    """
    if replay >= 0:
        if not format:
            raise InputError("--replay needs --format: the same seed damages each in its own way")
        seed, mutations, imports = replay, 1, 1
    names = [find_format(format).name] if format else list(formats())
    count = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(
            lambda name: try_format(name, seed, mutations, seconds, gigabytes, imports), names
        ))  # fmt: skip
    for outcome in found:
        for failure in outcome.failures:
            sys.stderr.write(str(failure))
    if replay >= 0:
        sys.stderr.write(f"{found[0].name} {seed}: {found[0].last}\n")
    figures: dict[str, dict[str, object]] = {}
    for one in found:
        figures |= _figures(one)
    failed = sum(len(one.failures) for one in found)
    files = sum(sum(one.counts.values()) for one in found)
    return figures | {"failures": {"value": failed, "n": files, "unit": "files"}}


def _figures(one: Outcome) -> dict[str, dict[str, object]]:
    files = sum(one.counts.values())
    told = {"read": "read", "refused with a reason": "refused", "failures": "failed"}
    figures: dict[str, dict[str, object]] = {
        f"{one.name} {words}": {"value": one.counts[key], "n": files, "unit": "files"}
        for words, key in told.items()
    }
    figures[f"{one.name} set aside"] = {
        "value": one.rejects, "n": one.counts["read"], "unit": "rows and values",
    }  # fmt: skip
    return figures


def try_format(
    name: str, seed: int, mutations: int, seconds: float, gigabytes: float, imports: int,
    command: Sequence[str] = _COMMAND,
) -> Outcome:  # fmt: skip
    """Read damaged files of one format, in processes that are ended where they hang.

    Args:
        name: Of the format.
        seed: Of the first damage.
        mutations: How many.
        seconds: As in `run`; so are the next two.
        gigabytes: The same.
        imports: The same.
        command: What starts such a process.
    """
    outcome = Outcome(name)
    first, end = seed, seed + mutations
    while first < end:
        last = first - 1
        trial = _Trial(command, name, first, end - first, imports, gigabytes)
        for told in trial.told(seconds):
            last = told["seed"]
            _count(outcome, told)
        if trial.left is not None:
            last = max(last, trial.left)
            _count(outcome, _alone(command, name, last, trial.why, seconds, gigabytes, imports))
        elif last < end - 1:
            raise RuntimeError(f"the process of {name} ended early: {trial.errors()}")
        first = last + 1
    return outcome


def _alone(
    command: Sequence[str], name: str, seed: int, why: str, seconds: float, gigabytes: float,
    imports: int,
) -> dict[str, Any]:  # fmt: skip
    """Try a file again by itself: a busy machine may have been what took so long."""
    every = 1 if imports and seed % imports == 0 else 0
    trial = _Trial(command, name, seed, 1, every, gigabytes)
    for told in trial.told(_AGAIN * seconds):
        if "hang" in why:
            return told
        return {"seed": seed, "outcome": "failed", "why": f"{why}, though not when read alone"}
    return {"seed": seed, "outcome": "failed", "why": trial.why or why, "trace": trial.errors()}


def _count(outcome: Outcome, told: dict[str, Any]) -> None:
    outcome.counts[told["outcome"]] += 1
    outcome.last = f"{told['outcome']} {told.get('why', '')}".rstrip()
    outcome.rejects += told.get("rejects", 0)
    if told["outcome"] == "failed":
        detail = "\n".join([*told.get("damage", ()), told.get("trace", "")])
        outcome.failures.append(Failure(outcome.name, told["seed"], told["why"], detail))


class _Trial:
    """A process that reads damaged files, and what it says."""

    def __init__(
        self, command: Sequence[str], name: str, first: int, count: int, imports: int,
        gigabytes: float,
    ) -> None:  # fmt: skip
        self.left: int | None = None
        """The seed at which the process hung or died."""
        self.why = ""
        self._errors: list[str] = []
        self._child = subprocess.Popen(
            [*command, name, str(first), str(count), str(imports), str(gigabytes)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def errors(self) -> str:
        """Return the end of what the process wrote to its standard error."""
        return "".join(self._errors)[-1500:]

    def told(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Return the outcomes, as long as none takes too long."""
        lines: queue.Queue[str] = queue.Queue()
        threads = [
            threading.Thread(target=self._read, args=(lines,), daemon=True),
            threading.Thread(target=self._hear, daemon=True),
        ]
        for thread in threads:
            thread.start()
        begun: int | None = None
        try:
            while True:
                line = self._next(lines, seconds, begun is None)
                if line is None:
                    self.left, self.why = begun, f"hang: more than {seconds:g} s"
                    return
                if not line:
                    code = self._child.wait()
                    if begun is not None:
                        self.left, self.why = begun, f"crash: the process ended with {code}"
                    return
                told = json.loads(line)
                begun = told["seed"]
                if told["outcome"] != "begun":
                    yield told
                    begun = None
        finally:
            self._child.kill()
            self._child.wait()
            for thread in threads:
                thread.join()
            for stream in (self._child.stdout, self._child.stderr):
                if stream is not None:
                    stream.close()

    def _next(self, lines: queue.Queue[str], seconds: float, starts: bool) -> str | None:
        """Return the next line; None where it takes too long.

        On a busy machine a process may have had little of the time: what it worked counts, and it
        is waited several times as long for one that hardly did.
        """
        start = self._worked()
        for _ in range(1 if starts else _PATIENCE):
            try:
                return lines.get(timeout=_START if starts else seconds)
            except queue.Empty:
                worked = self._worked() - start
                if math.isnan(worked) or worked >= seconds / 2:
                    return None
        return None

    def _worked(self) -> float:
        """Return the seconds that the process has worked; without end where that is not known."""
        try:
            told = Path(f"/proc/{self._child.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return math.inf
        user, system = told.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _read(self, lines: queue.Queue[str]) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            lines.put(line)
        lines.put("")

    def _hear(self) -> None:
        assert self._child.stderr is not None
        self._errors.extend(self._child.stderr)
