"""``merian world``: a synthetic biota with a known truth."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from merian.cli import screen

app = App(name="world", help="Make a synthetic biota with a known truth.")


@app.command
def make(
    out: Path,
    /,
    *,
    species: int = 200,
    specimens: int = 1000,
    seed: int = 0,
    level: int = 2,
    labels: str = "museum",
    barcodes: Path | None = None,
    size: int = 256,
    trays: int = 2,
    quadrats: int = 4,
    pictures: Annotated[bool, Parameter(negative="--no-pictures")] = True,
    processes: int = 2,
    force: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Make a world: specimens with barcodes, pictures, places and labels, and what is true of them.

    The folder is one that `merian import` reads. The same settings and seed make the same bytes.

    Args:
        out: The folder to make.
        species: How many species there are. Those that are rare may not be among the specimens.
        specimens: How many records.
        seed: Another seed makes another world.
        level: How hard it is: 1 a careful studio, 2 a good collection, 3 the field.
        labels: Which names the records have: museum (species 85 % of what has been described),
            bioscan (species 9 %, genus 24 %, family 96 % of all, as published for BIOSCAN-5M;
            fewer families where a common one has not been described) or full.
        barcodes: Real sequences with their lineages, in any format that can be imported: the
            world has their taxa and barcodes, with invented bodies.
        size: Width and height of a picture, in pixels.
        trays: How many bulk photographs with many bodies.
        quadrats: How many pictures of the seafloor.
        pictures: Draw a picture of each specimen.
        processes: How many draw at a time.
        force: Replace a world that is there.
        quiet: Print the answer and nothing else.
    """
    from merian.world import Settings, make_world

    settings = Settings(
        species=species, specimens=specimens, seed=seed, level=level, labels=labels, size=size,
        trays=trays, quadrats=quadrats, pictures=pictures,
    )  # fmt: skip
    with screen.working("Making a world", quiet) as job:
        counts = make_world(
            out, settings, barcodes=barcodes, force=force, processes=processes, progress=job.step
        )
    held = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    command = f"merian import {shlex.quote(str(out))} --into CATALOGUE"
    print(screen.printable_lines(f"{out}: {held}\nRead it: {command}"))
