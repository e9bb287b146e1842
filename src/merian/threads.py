"""How many threads torch and numpy use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_blas_thread", "one_thread", "one_thread_each", "usable_cores"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread meanwhile: how a sum is shared out decides its last bits."""
    import torch  # noqa: PLC0415 - an extra

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Let numpy's products use one thread meanwhile, and say how many of our own may run.

    A product of one thread has the same bits whatever the machine does beside it. Blocks of a
    fixed size are then shared out to threads of our own.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    with threadpool_limits(limits=1, user_api="blas"):
        yield usable_cores()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let every library that shares its loops out to threads use one meanwhile."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    with threadpool_limits(limits=1):
        yield


def usable_cores(most: int | None = None) -> int:
    """Return how many cores this process may use, or fewer if so many are not wanted."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, most or cores or 1))
