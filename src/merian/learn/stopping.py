"""Ctrl-C and the end of a machine's time: ask the loop to stop, and let it save first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Wish", "hear_stops"]


class Wish:
    """Whether somebody wants the run to stop."""

    def __init__(self) -> None:
        self.stop = False


@contextmanager
def hear_stops() -> Iterator[Wish]:
    """Take the signals to stop as a wish. A second Ctrl-C is obeyed at once.

    Only the main thread of a program hears signals; elsewhere nobody wishes anything.
    """
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def hear(number: int, _frame: FrameType | None) -> None:
        if wish.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        wish.stop = True

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
