"""The lock: which checklist, in which version, names refer to.

A name means something only within a checklist. The lock goes into everything that is written,
so that names can be compared, and later migrated, knowing what they were.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from merian.files import write_json
from merian.stamp import check_stamp, stamp

__all__ = ["TaxonomyLock"]

_FORMAT, _VERSION = "taxonomy.lock", "1.0"


@dataclass(frozen=True)
class TaxonomyLock:
    """A checklist's title, its version, and the hash of what it holds."""

    checklist: str
    version: str
    hash: str

    def as_dict(self) -> dict[str, str]:
        """Return the lock as it is written into other files."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.checklist} {self.version} ({self.hash})".replace("  ", " ")

    def write(self, path: Path | str, run: str) -> None:
        """Write a ``taxonomy.lock`` file."""
        write_json(path, {"merian": stamp(_FORMAT, _VERSION, run), **self.as_dict()})

    @staticmethod
    def read(path: Path | str) -> TaxonomyLock:
        """Read a ``taxonomy.lock`` file."""
        content = check_stamp(path, _FORMAT, 1)
        return TaxonomyLock(content["checklist"], content["version"], content["hash"])
