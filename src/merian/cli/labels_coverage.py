"""``merian labels coverage``: which local species no library or model here can name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.identify.coverage import Known
    from merian.identify.sightings import Near

__all__ = ["coverage"]

_LISTED = 10  # species shown before the rest is only counted


def coverage(
    list: Path,
    /,
    *,
    library: Annotated[tuple[Path, ...], Parameter(name=("--library", "-l"))] = (),
    model: tuple[Path, ...] = (),
    taxonomy: Path | None = None,
    near: str | None = None,
    km: float = 100,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    quiet: screen.Quiet = False,
) -> None:
    """Say which species of a region no library or model here can name.

    Args:
        list: The species: a table of names with or without counts, places and dates, a Darwin Core
            download, or the folder of a catalogue.
        library: A library, of barcodes or of pictures, or a folder with several in it. Once or
            more often.
        model: A model that names pictures or barcodes by itself, as `merian train` left it. Once or
            more often.
        taxonomy: A checklist whose synonyms and families count too.
        near: Only what was found near this place: latitude and longitude, as 52.1,5.2.
        km: How near, in kilometres.
        out: The table to write, tab-separated: a row for each species, the worst first.
        quiet: Print the answer and nothing else.
    """
    from merian.identify.coverage import cover, write_coverage
    from merian.identify.sightings import read_sightings
    from merian.taxonomy import Taxonomy

    circle = _near(near, km)
    known = _known(library, model)
    checklist = Taxonomy.open(taxonomy) if taxonomy is not None else None
    with screen.working(f"Reading {list}", quiet):
        sightings = read_sightings(list, circle)
        found = cover(sightings, known, checklist)
    for note in sightings.notes:
        screen.say(f"note: {note}", quiet)
    if found.left_out:
        left_out = screen.counted(found.left_out, "name")
        screen.say(f"note: {left_out} of the list are of no species, and left out", quiet)
    total = sum(one.records for one in found.species)
    species, records = len(found.species), screen.counted(total, "record")
    print(f"{species:,} species with {records}; the lowest rank that can be named:")
    rows = [("anything", *row) for row in _rows(found.by_rank(), species, total)]
    for kind in found.kinds if len(found.kinds) > 1 else ():
        rows += [(kind, *row) for row in _rows(found.by_rank(kind), species, total)]
    screen.print_table(("by", "named at", "species", "records", "of records"), rows)
    lacking = [one for one in found.species if one.best != "species"]
    if lacking:
        print(f"{len(lacking):,} cannot be named to species; those with most records:")
        first = sorted(lacking, key=lambda one: (-one.records, one.name))[:_LISTED]
        columns = ("species", "records", "named at", "closest there")
        shown = [
            (screen.printable(one.name), one.records, one.best or "nothing", one.closest or None)
            for one in first
        ]
        screen.print_table(columns, shown)
    if out is not None:
        write_coverage(found, out)
        print(screen.printable(f"all of them, the worst first: {out}"))


def _rows(
    counts: dict[str, tuple[int, int]], species: int, total: int
) -> list[tuple[str, int, int, str]]:
    return [
        (rank or "nothing", count, many, f"{100 * many / max(total, 1):.1f} %")
        for rank, (count, many) in counts.items()
        if species
    ]


def _near(near: str | None, km: float) -> Near | None:
    """Read a place."""
    from merian.identify.sightings import Near

    if near is None:
        return None
    if not km > 0:
        raise InputError(f"--km {km:g}: expected more than 0")
    try:
        latitude, longitude = (float(part) for part in near.split(","))
    except ValueError:
        raise InputError(f"--near {near}: expected latitude,longitude, as 52.1,5.2") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise InputError(f"--near {near}: is not on the globe; latitude comes first")
    return Near(latitude, longitude, km)


def _known(library: tuple[Path, ...], model: tuple[Path, ...]) -> list[Known]:
    """Open what there is."""
    from merian.identify.coverage import of_library, of_model
    from merian.library.shelf import open_shelf

    shelf = open_shelf(library, pictures=True) if library else {}
    known = [of_library(name, one) for name, one in shelf.items()]
    if model:
        from merian.learn.saved import read_card

        known += [of_model(folder.name, read_card(folder)) for folder in model]
    return known
