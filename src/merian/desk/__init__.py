"""The desk: a web page of one's own machine at which people look at specimens and correct them.

The door of the room: `serve` opens the desk of a catalogue. The page is plain HTML with a little
JavaScript of ours; it loads nothing from elsewhere and works with the network off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merian.desk.serving import serve

__all__ = ["serve"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: the server needs an extra."""
    if name != "serve":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from merian.desk.serving import serve  # noqa: PLC0415

    return serve
