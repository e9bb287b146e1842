"""A measured child: its time and its memory are its own, not those of what prepared its data."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

__all__ = ["Measured", "run_child"]


@dataclass(frozen=True)
class Measured:
    """Wall seconds, the peak of the largest process in gigabytes, and what it printed."""

    seconds: float
    peak: float
    output: str


def run_child(module: str, *arguments: str) -> Measured:
    """Run ``python -m module arguments`` and measure it, start of Python included."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, module, output)
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return Measured(time.perf_counter() - start, usage.ru_maxrss / unit, output)
