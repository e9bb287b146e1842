"""``merian info``: what a catalogue holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from merian.cli import screen

if TYPE_CHECKING:
    from merian.catalogue import Info


def info(catalogue: Path, /, *, json: bool = False) -> None:
    """Show what a catalogue holds.

    Args:
        catalogue: The folder of the catalogue.
        json: Print JSON.
    """
    from dataclasses import asdict

    from merian.catalogue import Catalogue

    with Catalogue.open(catalogue, read_only=True) as opened:
        found = opened.info()
    if json:
        screen.print_json(asdict(found))
        return
    print(f"{screen.printable(found.path)}\n")
    screen.print_table(("table", "rows"), list(found.tables.items()))
    print()
    screen.print_table(("what is known", ""), _known(found))
    for title, counts in (("marker", found.markers), ("set aside", found.rejects)):
        if counts:
            print()
            screen.print_table((title, "rows"), list(counts.items()))
    if found.splits:
        print()
        screen.print_table(
            ("split", "how", "seed", "records"),
            [
                (s.name, s.method, str(s.seed), ", ".join(f"{p} {n:,}" for p, n in s.parts.items()))
                for s in found.splits
            ],
        )
    # Each decision at the desk is a run, and there may be very many.
    decided = [run for run in found.runs if run.verb == "review"]
    runs = [run for run in found.runs if run.verb != "review"]
    if found.runs:
        rows = [(run.id, ", ".join(run.inputs), run.finished) for run in runs]
        if decided:
            rows.append((screen.counted(len(decided), "review"), "", decided[-1].finished))
        print()
        screen.print_table(("run", "input", "finished"), rows)


def _known(found: Info) -> list[tuple[str, str]]:
    """Return what the records say, in words."""
    lines = [("records with a name", f"{found.identified:,}")]
    lines += [(f"distinct names, {rank}", f"{n:,}") for rank, n in found.names.items() if n]
    if found.dates:
        lines.append(("dates", " to ".join(found.dates)))
    if found.box:
        west, south, east, north = found.box
        lines.append(("latitude", f"{south:.4f} to {north:.4f}"))
        lines.append(("longitude", f"{west:.4f} to {east:.4f}"))
    for lock in found.taxonomies:
        lines.append(
            ("names matched to", f"{lock['checklist']} {lock['version']} ({lock['hash']})")
        )
    return lines
