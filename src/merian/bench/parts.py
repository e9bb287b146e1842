"""Benches of several parts: one of them by its name, or all for which the data are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from merian.errors import NotFoundError

__all__ = ["measured_parts"]

Figures = dict[str, dict[str, Any]]


def measured_parts(part: str, known: Mapping[str, Callable[[], Figures]]) -> Figures:
    """Return the figures of a part, or of all, each then called after its part.

    Args:
        part: The name of one, or all.
        known: What measures each. One whose data are not there is left out of all.
    """
    if part != "all":
        if part not in known:
            raise NotFoundError(f"no part {part!r}; there are {', '.join(known)} and all")
        return known[part]()
    figures: Figures = {}
    for name, measured in known.items():
        try:
            figures |= {f"{name}: {figure}": values for figure, values in measured().items()}
        except NotFoundError:
            continue
    return figures
