"""The log of a run: a JSON object a line, and no line twice or missing, however often it broke off.

A checkpoint knows how long the log was. A run that goes on cuts off what came after it, and
writes those lines again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian.errors import FormatError
from merian.files import existing

__all__ = ["RunLog", "read_log"]


class RunLog:
    """The open log of a run."""

    def __init__(self, path: Path, length: int) -> None:
        """Open a log.

        Args:
            path: The file.
            length: How many bytes of it are from before the checkpoint.
        """
        self.path = path
        if length and (not path.exists() or path.stat().st_size < length):
            raise FormatError(
                f"the checkpoint knows {length:,} bytes of it, and they are not there; put the "
                "file back, or begin anew in another folder",
                path=path,
            )
        with path.open("ab") as stream:
            stream.truncate(length)

    def write(self, line: Mapping[str, Any]) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")

    def length(self) -> int:
        """Force the log to the disk, and return how long it is."""
        with self.path.open("ab") as stream:
            os.fsync(stream.fileno())
            return stream.tell()


def read_log(run: Path | str) -> list[dict[str, Any]]:
    """Return the lines of a run's log; the last one may be half written while it goes on."""
    path = existing(Path(run) / "log.jsonl", "log")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
