"""What every written file says about itself: format, version, run, taxonomy.

A run's id is a hash of what was asked and of what it was asked of, not of the clock: the same
command on the same input has the same id, and writes the same bytes. JSON files hold the stamp
under ``"merian"``; a table, which has no place for it, gets a file beside it named
``<table>.merian.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian import __version__
from merian.errors import FormatError
from merian.files import existing, write_json

__all__ = ["check_stamp", "run_id", "stamp", "stamp_beside"]


def run_id(verb: str, inputs: Mapping[str, object]) -> str:
    """Return the id of a run: the verb and a hash of everything that decides its result."""
    text = json.dumps({"merian": __version__, "verb": verb, **inputs}, sort_keys=True, default=str)
    return f"{verb}-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def stamp(
    format_name: str, format_version: str, run: str, taxonomy: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the stamp of one file. ``taxonomy`` is the lock of the names in it."""
    return {
        "format": format_name,
        "format_version": format_version,
        "merian": __version__,
        "run": run,
        "taxonomy": dict(taxonomy) if taxonomy else None,
    }


def stamp_beside(
    path: Path | str, value: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> Path:
    """Write the stamp of a table beside it, with what else is to be said, and return where."""
    beside = Path(f"{path}.merian.json")
    write_json(beside, {"merian": dict(value), **(more or {})})
    return beside


def check_stamp(path: Path | str, format_name: str, major: int) -> dict[str, Any]:
    """Read a JSON file of ours and make sure that it is the expected format and major version."""
    path = existing(path, "file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(f"not a JSON file ({error})", path=path) from None
    found = content.get("merian") if isinstance(content, dict) else None
    if not isinstance(found, dict) or found.get("format") != format_name:
        raise FormatError(f"expected a file of format {format_name!r} with its stamp", path=path)
    if str(found["format_version"]).split(".")[0] != str(major):
        raise FormatError(
            f"written as {format_name} {found['format_version']} by Merian {found['merian']}; "
            f"this Merian reads {major}.x. Make it again, or install a matching version",
            path=path,
        )
    return dict(content)
