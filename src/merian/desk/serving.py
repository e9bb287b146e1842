"""Opening the desk: who holds the catalogue, where it listens, and when it closes."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from merian.catalogue import Catalogue
from merian.errors import CatalogueError, InputError, MissingExtraError
from merian.library import Library
from merian.taxonomy import Taxonomy

__all__ = ["serve"]

_MEMORY = "1GB"


def serve(
    path: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    by: str = "",
    taxonomy: Path | None = None,
    embeddings: Path | None = None,
    libraries: Sequence[Path] = (),
    opened: Callable[[str, int], None] | None = None,
    step: Callable[[str], None] | None = None,
) -> None:
    """Open the desk of a catalogue, until it is stopped.

    Args:
        path: The catalogue. It is held: nobody else can write or read it meanwhile.
        host: Where to listen; an address that others can reach needs the token of the address.
        port: At which port; a free one if 0.
        by: Who sits there.
        taxonomy: A checklist for names that the catalogue does not have.
        embeddings: Vectors that `merian embed` made of it; those in it if not given.
        libraries: Which learn from what is decided; those in it if not given.
        opened: Is told the address and the number of records when pages are answered.
        step: Is told what is being done until then.
    """
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from merian.desk.pages import application  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("uvicorn", "starlette", "h11", "anyio"):
            raise
        raise MissingExtraError("merian review", "app") from None
    from merian.desk.desk import Desk  # noqa: PLC0415 - loads numpy
    from merian.desk.guard import Guard, is_loopback  # noqa: PLC0415
    from merian.desk.learning import Learning, libraries_of  # noqa: PLC0415

    tell, tell_address = step or (lambda _: None), opened or (lambda _address, _records: None)
    checklist = Taxonomy.open(taxonomy) if taxonomy is not None else None
    for library in libraries:  # a wrong one is told at once
        Library.open(library)
    # Ctrl-C is the usual way to close a desk; whoever ends it otherwise means the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        contextlib.closing(_listening(host, port)) as listening,
    ):
        tell("reading the catalogue")
        with _held(path) as catalogue:
            desk = Desk(catalogue, by, checklist, embeddings)
            learning = Learning(desk, libraries or libraries_of(path), checklist)
            token = "" if is_loopback(host) else secrets.token_urlsafe(18)
            secret = secrets.token_urlsafe(24)
            names = {host, socket.gethostname().lower()} if token else {host}
            guarded = Guard(application(desk, secret, learning), names, token, secret)
            config = uvicorn.Config(
                guarded, log_level="error", access_log=False, server_header=False,
                date_header=False, timeout_graceful_shutdown=2, lifespan="off",
            )  # fmt: skip
            shown = f"[{host}]" if ":" in host else host
            if host in ("0.0.0.0", "::"):  # noqa: S104 - only what was asked for is compared
                shown = socket.gethostname()
            address = f"http://{shown}:{listening.getsockname()[1]}/"
            told = address + (f"?token={token}" if token else "")
            server = _telling(uvicorn.Server, config, lambda: tell_address(told, desk.records))
            with contextlib.closing(learning):
                server.run(sockets=[listening])


def _telling(kind: Any, config: Any, ready: Callable[[], None]) -> Any:
    """Return a server that says when it answers."""

    class Telling(kind):  # type: ignore[misc]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready()

    return Telling(config)


def _held(path: Path) -> Catalogue:
    """Open a catalogue for as long as the desk is open."""
    try:
        return Catalogue.open(path, memory=_MEMORY)
    except CatalogueError as error:
        if "in use by" not in str(error):
            raise
        raise CatalogueError(
            f"{error}. The desk holds the catalogue while it is open, and so does `merian import`"
        ) from None


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except (OSError, OverflowError) as error:
        made.close()
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"--host {host} --port {port}: cannot listen there ({why}); give another --port, "
            "or --port 0 for one that is free"
        ) from None
    made.listen(128)
    return made
