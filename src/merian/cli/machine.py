"""What this machine is and what is installed on it, for ``merian doctor``.

Every question may fail on some machine in the world, and then its answer is unknown and never
an error. torch is asked about the accelerator only where it is installed already.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

__all__ = ["EXTRAS", "Package", "accelerator", "cores", "folder", "memory", "packages"]

# Each extra, and what it is for.
EXTRAS = {
    "models": "neural encoders for pictures and barcodes",
    "vision": "finding and measuring things in pictures",
    "app": "the review page in the browser",
    "index": "search in very large reference libraries",
    "map": "maps of embeddings",
    "biom": "feature tables of QIIME 2",
    "ifcb": "class scores of an Imaging FlowCytobot",
    "layers": "layers of the environment in NetCDF",
    "fast": "faster small networks without a GPU",
    "hub": "models and data from the Hugging Face Hub",
    "cluster": "many machines",
    "track": "curves of a training run",
    "docs": "building these pages",
    "test": "running the tests",
}

_REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)(?:\[[^]]*\])?(?P<bounds>[^;]*)(?:;(?P<marker>.*))?$")
_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Package:
    """One package that Merian may use.

    Attributes:
        name: The package.
        extra: The extra that brings it, or None for one that Merian cannot do without.
        version: What is installed, or None.
        fits: Whether that is a version that Merian was made for.
        bounds: The versions that it was made for.
    """

    name: str
    extra: str | None
    version: str | None
    fits: bool
    bounds: str


def packages() -> list[Package]:
    """Return every package that Merian declares, with what is installed of it."""
    found = []
    try:
        declared = requires("merian") or []
    except PackageNotFoundError:  # run from a folder of sources that was never installed
        return []
    for line in declared:
        match = _REQUIREMENT.match(line.replace(" ", ""))
        if match is None or match["name"] == "merian":
            continue
        extra = _EXTRA.search(match["marker"] or "")
        try:
            have: str | None = version(match["name"])
        except PackageNotFoundError:
            have = None
        bounds = match["bounds"].strip("()")
        fits = have is not None and _fits(have, bounds)
        found.append(Package(match["name"], extra and extra[1], have, fits, bounds))
    return found


def _fits(have: str, bounds: str) -> bool:
    """Return whether a version lies within ``>=1.2,<2``."""

    def release(text: str) -> tuple[int, ...]:
        numbers = re.match(r"\d+(?:\.\d+)*", text)
        parts = [int(n) for n in numbers[0].split(".")] if numbers else []
        return tuple(parts + [0] * (6 - len(parts)))

    return all(
        release(have) >= release(bound) if sign == ">=" else release(have) < release(bound)
        for sign, bound in _BOUND.findall(bounds)
    )


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> int | None:
    """Return the bytes of memory that this process may use: the machine's, or its container's."""
    whole = _windows_memory() if sys.platform == "win32" else _unix_memory()
    limits = (
        Path("/sys/fs/cgroup/memory.max"),
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    )
    for limit in limits:
        try:
            whole = min(whole or sys.maxsize, int(limit.read_text()))
        except (OSError, ValueError):  # no container, or "max"
            continue
    return whole


def _unix_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _windows_memory() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        """MEMORYSTATUSEX of the Windows API."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "a", "b", "c", "d", "e", "f")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    try:
        windll = getattr(ctypes, "windll")  # noqa: B009 - mypy knows it on Windows alone
        windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    except (AttributeError, OSError):
        return None
    return int(status.total)


def accelerator() -> str | None:
    """Return the GPU's name, or None where none was found."""
    program = shutil.which("nvidia-smi")
    if program:
        question = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        try:
            answer = subprocess.run(  # noqa: S603 - a fixed question to the driver's own program
                question, capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            pass
        else:
            if answer.stdout.strip():
                return "; ".join(answer.stdout.strip().splitlines())
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        torch: Any = importlib.import_module("torch")
        if torch.cuda.is_available():
            return str(torch.cuda.get_device_name(0))
        return f"Apple {platform.machine()} (mps)" if torch.backends.mps.is_available() else None
    except Exception:  # a torch that does not load is no reason to fail here
        return None


def folder(path: Path) -> dict[str, str | bool | int | None]:
    """Return whether a file can be made in a folder, by making one, and how much room there is."""
    try:
        with tempfile.TemporaryFile(dir=path):
            may_write = True
    except OSError:
        may_write = False
    try:
        whole, free = str(path.resolve()), shutil.disk_usage(path).free
    except OSError:  # the folder was taken away under our feet
        return {"path": str(path), "writable": may_write, "free_bytes": None}
    return {"path": whole, "writable": may_write, "free_bytes": free}
