"""``merian formats``: which files Merian reads and writes."""

from __future__ import annotations

from merian.cli import screen


def formats(name: str | None = None, /, *, json: bool = False) -> None:
    """Show which files can be read and written.

    Args:
        name: Print the whole specification of this format.
        json: Print JSON.
    """
    import inspect
    import sys

    from merian.formats import find_format
    from merian.formats import formats as all_formats

    if name is not None:
        found = find_format(name)
        module = sys.modules[found.read.__module__]
        print(f"{found.name}: {found.title}\n")
        print(inspect.getdoc(module) or "")
        print(f"\n{_proof(found.tested_on)}")
        return
    rows = [
        {
            "format": f.name,
            "title": f.title,
            "reads": True,
            "writes": f.write is not None,
            "tested_on": f.tested_on,
        }
        for f in all_formats().values()
    ]
    if json:
        screen.print_json(rows)
        return
    screen.print_table(
        ("format", "what it is", "reads", "writes", "proof"),
        [
            (r["format"], r["title"], "yes", "yes" if r["writes"] else "", _short(r["tested_on"]))
            for r in rows
        ],
    )


def _short(tested_on: object) -> str:
    """Return what the reader was tested on, in a few words."""
    return "tested on real files" if tested_on else "from the specification only"


def _proof(tested_on: str) -> str:
    """Return what the reader was tested on, in a sentence."""
    if tested_on:
        return f"Tested on real files: {tested_on}."
    return "Written from the specification only: no real file was at hand to test it on."
