"""Distinct sequences, numbered as they are met, one after the other in a file.

What is kept in memory is a hash of 128 bits for each, and where it begins. Of pictures there is the
hash alone.
"""

from __future__ import annotations

import hashlib
from array import array
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distinct"]


class Distinct:
    """Sequences, each written once.

    Attributes:
        starts: Where each begins in the file, and where the last ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[bytes] = path.open("wb")
        self._number: dict[bytes, int] = {}
        self.starts = array("q", [0])

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def number(self, sequence: str) -> int:
        """Return the number of a clean sequence; the first time, write it."""
        data = sequence.encode("ascii")
        return self.keyed(hashlib.blake2b(data, digest_size=16).digest(), data)

    def keyed(self, key: bytes, data: bytes = b"") -> int:
        """Return the number of what has a hash of 128 bits; the first time, write its data."""
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self._number)
            self._stream.write(data)
            self.starts.append(self.starts[-1] + len(data))
        return number

    def digests(self) -> NDArray[np.uint64]:
        """Return the hash of each as two numbers: uint64[distinct, 2]."""
        joined = np.frombuffer(b"".join(self._number), dtype="<u8")
        return joined.reshape(-1, 2).astype(np.uint64)

    def text(self) -> NDArray[np.uint8]:
        """Return them all, mapped from their file."""
        if not self._stream.closed:
            self._stream.flush()
        if not self.starts[-1]:
            return np.empty(0, np.uint8)
        return np.memmap(self._path, dtype=np.uint8, mode="r")
