"""``merian place``: what a place is like, and layers of the environment for a catalogue."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from merian.cli import screen

__all__ = ["app"]

app = App(name="place", help="Tell what a place is like, and join layers of the environment.")


@app.command(sort_key=1)
def tell(latitude: float, longitude: float, /, *, json: bool = False) -> None:
    """Tell land or sea, country, water, climate and distance to the coast of a place.

    Write -- before numbers below zero: merian place tell -- -33.9 18.4

    Args:
        latitude: Degrees north.
        longitude: Degrees east.
        json: Print JSON.
    """
    from merian.errors import InputError
    from merian.place import maps
    from merian.place.countries import countries
    from merian.place.near import coast_distance

    land = int(maps.land(latitude, longitude))
    if land < 0:
        raise InputError(
            f"{latitude}, {longitude}: no place on earth; -90 to 90 and -180 to 360 are expected"
        )
    code = str(maps.country(latitude, longitude))
    away = float(coast_distance(latitude, longitude))
    found = {
        "land": bool(land),
        "country": code,
        "name": countries()[code].name if code else "",
        "water": str(maps.sea(latitude, longitude)),
        "climate": str(maps.climate(latitude, longitude)),
        "coast_km": round(away) if away < 200 else None,
    }
    if json:
        screen.print_json(found)
        return
    coast = f"{away:,.0f} km" if away < 200 else "200 km or more"
    rows = [
        ("land or sea", "land" if land else "sea"),
        ("country", f"{found['name']} ({code})" if code else "none"),
        ("water", found["water"] or "none"),
        ("climate", found["climate"] or "none"),
        ("to the coast", coast),
    ]
    screen.print_table(("what", "here"), rows)


@app.command(sort_key=2)
def join(
    catalogue: Path,
    /,
    *layers: Path,
    bilinear: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Join layers of the environment to the events of a catalogue, as measurements.

    GeoTIFFs and ESRI ASCII grids in degrees, NetCDF, folders of such, and what `merian world make`
    writes. A layer with times or depths is looked up at those of the event. What is missing stays
    missing. The same join given twice does nothing the second time.

    Args:
        catalogue: The folder of the catalogue.
        layers: Files or folders.
        bilinear: Between the four cells around, else of the cell that the place is in.
        quiet: Print the answer and nothing else.
    """
    from merian.catalogue import Catalogue
    from merian.catalogue.environment import join_layers

    with screen.working("Joining", quiet), Catalogue.open(catalogue) as opened:
        summary, found = join_layers(opened, layers, bilinear=bilinear)
    if summary.done_before:
        screen.say("these layers were joined before; nothing was added", quiet)
    screen.print_table(("layer", "events with a value"), list(found.items()))
