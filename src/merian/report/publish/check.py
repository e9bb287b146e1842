"""Checking what is to be published, or what others have published, as GBIF would judge it.

An archive or a data package, a folder or a zip. Everything is told at once, the gravest first. A
table for EcoTaxa is judged as EcoTaxa's import does.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from merian.errors import FormatError
from merian.files import existing
from merian.formats.dwc_dp_open import DESCRIPTOR, descriptor_of
from merian.report.publish.check_archive import check_archive
from merian.report.publish.check_ecotaxa import check_ecotaxa, is_ecotaxa
from merian.report.publish.check_package import check_package
from merian.report.publish.findings import Findings
from merian.report.publish.looking import Looking
from merian.unpacking import Scratch, unzip

__all__ = ["check"]


def check(path: Path, today: str, most: int = 20) -> Findings:
    """Check an archive or a data package.

    Args:
        path: A folder, a zip, ``meta.xml`` or ``datapackage.json``; or what `publish` wrote.
        today: The day after which dates lie in the future, ISO 8601.
        most: How many findings of each kind are told one by one.
    """
    path = existing(path, "archive, data package or folder")
    findings = Findings(str(path), most)
    with Looking(findings, today) as looking:
        inside = [path / "dwc-dp", path / "dwc-a.zip"] if path.is_dir() else []
        if inside and all(part.exists() for part in inside):
            for part in inside:
                _look(part, looking)
        else:
            _look(path, looking)
    return findings


def _look(path: Path, looking: Looking) -> None:
    if path.name == DESCRIPTOR or descriptor_of(path) or (path / DESCRIPTOR).is_file():
        check_package(path, looking)
    elif not (path / "meta.xml").is_file() and is_ecotaxa(path):
        check_ecotaxa(path, looking.findings)
    elif path.is_dir():
        check_archive(path, looking)
    elif path.name.lower() == "meta.xml":
        check_archive(path.parent, looking)
    elif zipfile.is_zipfile(path):
        scratch = Scratch("check")
        try:
            unzip(path, scratch.folder)
            check_archive(scratch.folder, looking)
        finally:
            scratch.close()
    else:
        raise FormatError(
            "is no Darwin Core Archive, data package or table for EcoTaxa: a folder or a zip with "
            f"meta.xml, {DESCRIPTOR} or ecotaxa*.tsv is expected",
            path=path,
        )
