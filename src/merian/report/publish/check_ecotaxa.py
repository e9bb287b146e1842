"""Checking tables for EcoTaxa, by EcoTaxa's own rules for an import."""

from __future__ import annotations

from pathlib import Path

from merian.formats.ecotaxa_rules import check as judged
from merian.formats.registry import find_format
from merian.report.publish.findings import Finding, Findings

__all__ = ["check_ecotaxa", "is_ecotaxa"]

_CODE = "ECOTAXA_REFUSES"


def is_ecotaxa(path: Path) -> bool:
    """Return whether a table, a folder or a zip is one for EcoTaxa."""
    return any(find_format(name).sniff(path) > 1 for name in ("ecotaxa", "planktoscope"))


def check_ecotaxa(path: Path, findings: Findings) -> None:
    """Note everything that EcoTaxa would refuse, with file, line and column."""
    for one in judged(path):
        found = Finding(
            "error", _CODE, str(one.file), one.reason, one.line, one.column, one.content
        )
        findings.add(found)
