"""What a check finds: each thing with its place, how grave it is, and how often it was seen.

The codes are GBIF's where GBIF has one (https://techdocs.gbif.org/en/data-processing/), so that
what is told here can be looked up there.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SEVERITIES", "Finding", "Findings", "Kind"]

SEVERITIES = ("error", "warning", "info")
"""From the gravest: what is refused, what is probably wrong, what is worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: One of `SEVERITIES`.
        code: What kind of thing it is.
        file: The file in which it stands.
        line: Its line, counted from 1; None for the whole file.
        term: The term whose value it is.
        value: The value.
        message: What is wrong and what to do.
    """

    severity: str
    code: str
    file: str
    message: str
    line: int | None = None
    term: str = ""
    value: str = ""


@dataclass(frozen=True)
class Kind:
    """All findings of one kind in one file."""

    severity: str
    code: str
    file: str
    term: str
    count: int
    message: str


class Findings:
    """What a check found, the gravest first. Of each kind only the first are kept, all are counted.

    Attributes:
        path: What was checked.
        rows: How many rows were looked at, by file.
    """

    def __init__(self, path: str, most: int = 20) -> None:
        self.path, self.most = path, most
        self.rows: dict[str, int] = {}
        self._kinds: dict[tuple[str, str, str, str], tuple[int, str]] = {}
        self._kept: list[Finding] = []
        self._counted: dict[tuple[str, str, str, str], int] = {}

    def add(self, *found: Finding, count: int | None = None) -> None:
        """Note findings of one kind; ``count`` is how many there are if not all are handed over."""
        for finding in found:
            key = (finding.severity, finding.code, finding.file, finding.term)
            before, message = self._kinds.get(key, (0, finding.message))
            self._kinds[key] = (before + 1, message)
            kept = self._counted.get(key, 0)
            if kept < self.most:
                self._kept.append(finding)
                self._counted[key] = kept + 1
        if count is not None and found:
            self._kinds[key] = (before + 1 + count - len(found), message)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds, the gravest first and then the most frequent."""
        made = [Kind(*key, *rest) for key, rest in self._kinds.items()]
        return sorted(made, key=lambda k: (SEVERITIES.index(k.severity), -k.count, k.code, k.file))

    @property
    def found(self) -> list[Finding]:
        """The findings that were kept, in the order of their kinds and lines."""
        order = {(k.severity, k.code, k.file, k.term): i for i, k in enumerate(self.kinds)}
        return sorted(
            self._kept, key=lambda f: (order[f.severity, f.code, f.file, f.term], f.line or 0)
        )

    def count(self, severity: str) -> int:
        """Return how many there are of a severity."""
        return sum(kind.count for kind in self.kinds if kind.severity == severity)
