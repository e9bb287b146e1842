"""``merian bench``: measure this program on this machine."""

from __future__ import annotations

from pathlib import Path

from merian.cli import screen


def bench(
    name: str | None = None,
    /,
    *,
    json: Path | None = None,
    quiet: screen.Quiet = False,
    **settings: str,
) -> None:
    """Measure this program on this machine.

    Without a name, lists what can be measured.

    Args:
        name: What to measure.
        json: Write the figures into this file too.
        quiet: Print the answer and nothing else.
        settings: A setting of the bench, such as --rows 1000.
    """
    from merian.bench import benches, measure

    if name is None:
        screen.print_table(
            ("bench", "measures"), [(b.name, b.measures) for b in benches().values()]
        )
        return
    with screen.working(f"Measuring {name}", quiet):
        result = measure(name, settings)
    columns = ("figure", "value", "low", "high", "n", "unit")
    rows = [
        (figure, f["value"], f["low"], f["high"], f["n"], f["unit"])
        for figure, f in result.figures.items()
    ]
    filled = [i for i in range(len(columns)) if any(row[i] is not None for row in rows)]
    screen.print_table([columns[i] for i in filled], [[row[i] for i in filled] for row in rows])
    if json is not None:
        result.save(json)
        screen.say(f"The figures are in {json}.", quiet)
