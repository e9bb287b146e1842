"""Loops compiled by numba, for what numpy would take too long for.

They are compiled once for a machine and kept, beside their file or in the user's cache. To load
numba and them takes half a second, so what needs a module of such loops imports it in a function.
What is kept of a loop is made anew when its own file changes: loops call none of another file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numba
from numba import types

__all__ = ["compiled", "readable"]

Function = TypeVar("Function")

_njit: Any = numba.njit  # its types know no list of arguments


def readable(kind: Any, dimensions: int = 1, layout: Literal["A", "C"] = "C") -> Any:
    """Return the type of an array that is not written to: it may be mapped from a file."""
    return types.Array(kind, dimensions, layout, readonly=True)


def compiled(*signature: Any) -> Callable[[Function], Function]:
    """Compile a function, for these types or for those that it is called with by another one.

    Other threads run while it does.
    """

    def compiled_for(function: Function) -> Function:
        try:
            found: Function = _njit(*signature, cache=True, nogil=True)(function)
        except RuntimeError:  # there is no folder to keep it in
            found = _njit(*signature, nogil=True)(function)
        return found

    return compiled_for
