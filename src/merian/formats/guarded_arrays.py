"""Arrays out of .mat (MATLAB 5) and HDF5 files, read by a process that may die of them.

The libraries that read these files trust them: a damaged byte may make them take all memory, run
without end, or end the process. So another process reads. It may take some memory, and as long as
a file of its size can need; if it dies, the file is damaged, and the next file gets a new process.
Numbers come back as arrays and texts as lists; what else a file holds is named.

References: MAT-File Format, The MathWorks, R2022b (Level 5); HDF5 File Format Specification 3.0
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError, MissingExtraError

__all__ = ["HDF5", "MATLAB", "Arrays", "read_arrays", "serve"]

HDF5, MATLAB = b"\x89HDF\r\n\x1a\n", b"MATLAB 5.0 MAT-file"

_LARGEST_FILE = 1 << 29
_MOST_VALUES = 1 << 25  # of one array: 30,000 pictures times 1,000 classes
_MOST_TEXT = 1 << 24
_MEMORY = 3 << 30
_SECONDS = 3  # of work for any file, and one more
_BYTES_A_SECOND = 1 << 23  # for so many bytes
_ASLEEP = 10  # times as long by the clock: a busy machine, a slow disk
_CHILD = "from merian.formats.guarded_arrays import serve; serve()"
_HEADER = struct.Struct("<Q")
_TOO_LONG = {-signal.SIGPROF, -signal.SIGALRM} if sys.platform != "win32" else set[int]()
# Threads of the linear algebra would take most of the memory before anything is read.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Arrays:
    """What a file holds.

    Attributes:
        numbers: By name; the parts of a name in HDF5 stand between ``/``.
        texts: The same.
        told: What the file tells of itself: the attributes of HDF5, the first line of a .mat.
        others: The names of what is neither.
    """

    numbers: Mapping[str, NDArray[Any]]
    texts: Mapping[str, list[str]]
    told: Mapping[str, str]
    others: list[str]


def read_arrays(path: Path) -> Arrays:
    """Read all arrays of a file.

    Raises:
        FormatError: If it is damaged, no such file, or too large.
        MissingExtraError: If the package that reads it is not installed.
    """
    with path.open("rb") as stream:
        first = stream.read(len(MATLAB))
    package = "h5py" if first.startswith(HDF5) else "scipy" if first == MATLAB else ""
    if not package:
        what = "is empty" if not first else "is neither HDF5 nor a .mat of MATLAB 5"
        raise FormatError(f"{what}; get a fresh copy", path=path)
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(f"{path}: reading it", "ifcb")
    if path.stat().st_size > _LARGEST_FILE:
        raise FormatError(f"has more than {_LARGEST_FILE >> 20:,} MiB", path=path)
    with _ASKING:
        answer = _ask(path)
    if isinstance(answer, str):
        raise FormatError(f"is damaged or cannot be read ({answer})", path=path)
    return answer


# -- the process that asks ----------------------------------------------------------------------

_ASKING = threading.Lock()
_children: dict[int, subprocess.Popen[bytes]] = {}


def _ask(path: Path) -> Arrays | str:
    child = _children.get(os.getpid())
    if child is None or child.poll() is not None:
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
        )  # fmt: skip
        _children[os.getpid()] = child
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(str(path.absolute())).encode() + b"\n")
        child.stdin.flush()
        return _answer(child.stdout)
    except (OSError, EOFError):
        _children.pop(os.getpid(), None)
        _end(child)
        if child.returncode in _TOO_LONG:
            return "reading it has no end"
        return f"reading it ended with {child.returncode}"


def _answer(stream: IO[bytes]) -> Arrays | str:
    head = json.loads(_exactly(stream, _HEADER.unpack(_exactly(stream, _HEADER.size))[0]))
    if "error" in head:
        return str(head["error"])
    numbers = {}
    for name, shape in head["numbers"].items():
        content = _exactly(stream, 8 * math.prod(shape))
        numbers[name] = np.frombuffer(content, "<f8").reshape(shape)
    return Arrays(numbers, head["texts"], head["told"], head["others"])


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _end(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout):
        assert stream is not None
        with suppress(OSError):
            stream.close()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@atexit.register
def _end_all() -> None:
    child = _children.pop(os.getpid(), None)
    if child is not None:
        _end(child)


# -- the process that reads ---------------------------------------------------------------------


def serve() -> None:
    """Be the other process: read one file after the other until there are no more names."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        path = Path(json.loads(line))
        with suppress(OSError):
            _alarm(_SECONDS + path.stat().st_size // _BYTES_A_SECOND)
        _reply(path)
        _alarm(0)


def _alarm(seconds: int) -> None:
    """End this process after so long, even within a library, where no Python handler would."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.alarm(_ASLEEP * seconds)


def _reply(path: Path) -> None:
    numbers: dict[str, NDArray[Any]] = {}
    try:
        with path.open("rb") as stream:
            is_hdf5 = stream.read(len(HDF5)) == HDF5
        head = _read_hdf5(path, numbers) if is_hdf5 else _read_mat(path, numbers)
    except Exception as error:  # whatever a library makes of damaged bytes
        numbers.clear()
        told = (str(error).splitlines() or [""])[0][:200]
        head = {"error": f"{type(error).__name__}: {told}" if told else type(error).__name__}
    text = json.dumps({**head, "numbers": {name: v.shape for name, v in numbers.items()}}).encode()
    out = sys.stdout.buffer
    out.write(_HEADER.pack(len(text)) + text)
    for values in numbers.values():
        out.write(np.ascontiguousarray(values, "<f8").tobytes())
    out.flush()


def _checked(name: str, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > _MOST_VALUES:
        raise ValueError(f"{name} is said to have {math.prod(shape):,} values")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


class _Texts:
    """Texts with an end: what a file says may be endless."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[str]] = {}
        self.left = _MOST_TEXT

    def add(self, name: str, texts: Iterator[str]) -> None:
        found = self.by_name.setdefault(name, [])
        for text in texts:
            self.left -= len(text) + 1
            if self.left < 0:
                raise ValueError(f"{name} holds too much text")
            found.append(text)


def _read_hdf5(path: Path, numbers: dict[str, NDArray[Any]]) -> dict[str, object]:
    import h5py  # noqa: PLC0415 - an extra

    texts, told, others = _Texts(), dict[str, str](), list[str]()
    with h5py.File(path, "r") as stream:
        _attributes("", stream, texts, told)
        for name in stream:
            found = stream[name]
            _attributes(f"{name}/", found, texts, told)
            if not isinstance(found, h5py.Dataset) or found.shape is None:
                others.append(name)
                continue
            _checked(name, found.shape)
            if found.dtype.kind in "OS":
                texts.add(name, (_text(value) for value in np.ravel(found[()])))
            elif found.dtype.kind in "biuf":
                numbers[name] = np.asarray(found[()], np.float64)
                told[f"{name}/kind"] = found.dtype.str
            else:
                others.append(name)
    return {"texts": texts.by_name, "told": told, "others": others}


def _attributes(place: str, found: Any, texts: _Texts, told: dict[str, str]) -> None:
    for key in found.attrs:
        value = found.attrs[key]
        if isinstance(value, np.ndarray):
            texts.add(f"{place}{key}", (_text(one) for one in np.ravel(value)))
        else:
            told[f"{place}{key}"] = _text(value)[:1000]


def _read_mat(path: Path, numbers: dict[str, NDArray[Any]]) -> dict[str, object]:
    from scipy.io import loadmat  # noqa: PLC0415 - an extra

    texts, others = _Texts(), list[str]()
    found = loadmat(path, verify_compressed_data_integrity=True)
    told = {"header": _text(found.get("__header__", ""))[:200]}
    for name, value in found.items():
        if name.startswith("__"):
            continue
        values = np.asarray(value)
        _checked(name, values.shape)
        if values.dtype.kind in "biuf":
            numbers[name] = values.astype(np.float64)
        elif values.dtype.kind == "U":
            texts.add(name, (_text(one) for one in values.ravel()))
        elif values.dtype.kind == "O":
            # A cell holds an array of one text, or of none where it is empty.
            cells = (np.asarray(cell).ravel() for cell in values.ravel(order="F"))
            texts.add(name, (_text(cell[0]) if cell.size else "" for cell in cells))
        else:
            others.append(name)
    return {"texts": texts.by_name, "told": told, "others": others}
