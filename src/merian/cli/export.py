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
    split: str | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Write a catalogue in another format.

    Args:
        catalogue: The folder of the catalogue.
        format: The format to write; `merian formats` shows which can be written.
        out: The file to write.
        split: A split that `merian split` made: NAME:PART+PART writes the records of these parts
            alone, NAME all that is not set aside. The part stands where the format has a place for
            it (bioscan-5m, coco, cvat, hf-parquet).
        quiet: Print the answer and nothing else.
    """
    from merian.catalogue import Catalogue
    from merian.formats import find_format, write_path

    chosen = find_format(format)  # a wrong name is told before a catalogue is looked for
    with (
        screen.working(f"Writing {out}", quiet),
        Catalogue.open(catalogue, read_only=True, part=split) as opened,
    ):
        rows = write_path(opened, out, format)
    print(f"{rows:,} rows in {out}")
    if split is not None and ":" not in split and not chosen.tells_parts:
        screen.say(
            f"{format} has no place for the part that a record is in, so all parts stand in "
            f"one; --split {split}:PART writes one by itself",
            quiet,
        )
