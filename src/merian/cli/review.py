"""``merian review``: look at a catalogue in the browser, and correct it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

__all__ = ["review"]

_LARGEST_PORT = 65_535


def review(
    catalogue: Path,
    /,
    *,
    by: str = "",
    port: int = 8390,
    host: str = "127.0.0.1",
    taxonomy: Path | None = None,
    embeddings: Path | None = None,
    library: Annotated[list[Path] | None, Parameter(name=("--library", "-l"))] = None,
    quiet: screen.Quiet = False,
) -> None:
    """Open the desk of a catalogue: look at pictures by name, accept, correct, undo.

    A page in the browser of this machine; nothing is loaded from elsewhere. Every decision is
    appended to the catalogue with who, when and why, and is on the disk when the page says so.
    Stop it with Ctrl-C. While it is open no other process can use the catalogue.

    Args:
        catalogue: The folder of the catalogue.
        by: Who sits at the desk; can be told on the page too.
        port: Where to listen; 0 for any that is free.
        host: The address to listen at. One that other machines can reach makes an address with a
            token in it: whoever has that may correct the catalogue.
        taxonomy: A checklist, whose names are offered beside those of the catalogue.
        embeddings: What `merian embed` made of the catalogue, to sort by likeness. If not given,
            what `merian discover` has left in it.
        library: One that learns from what is decided; may be given several times. If not given,
            those in the folder libraries of the catalogue.
        quiet: Print the address and nothing else.
    """
    from merian.desk import serve

    if not 0 <= port <= _LARGEST_PORT:
        raise InputError(f"--port {port}: expected 0 to {_LARGEST_PORT}")

    def opened(address: str, records: int) -> None:
        if not quiet:
            print(screen.printable(f"{catalogue}: {screen.counted(records, 'record')} at the desk"))
        print(address, flush=True)
        if "token=" in address:
            screen.say("note: whoever has this address may correct the catalogue; the way there "
                       "is not encrypted", quiet)  # fmt: skip
        screen.say("stop it with Ctrl-C", quiet)

    serve(
        catalogue, host=host, port=port, by=by, taxonomy=taxonomy, embeddings=embeddings,
        libraries=library or (), opened=opened,
        step=lambda what: screen.say(f"{catalogue}: {what} ...", quiet),
    )  # fmt: skip
