"""``merian export``: write a catalogue as one file of a known format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen


def export(
    catalogue: Path,
    /,
    *,
    format: str,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    quiet: screen.Quiet = False,
) -> None:
    """Write a catalogue in another format.

    Args:
        catalogue: The folder of the catalogue.
        format: The format to write; `merian formats` shows which can be written.
        out: The file to write.
        quiet: Print the answer and nothing else.
    """
    from merian.catalogue import Catalogue
    from merian.formats import find_format, write_path

    find_format(format)  # a wrong name is told before a catalogue is looked for
    with (
        screen.working(f"Writing {out}", quiet),
        Catalogue.open(catalogue, read_only=True) as opened,
    ):
        rows = write_path(opened, out, format)
    print(f"{rows:,} rows in {out}")
