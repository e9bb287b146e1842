"""Where a run takes place: the device, the precision, and the other processes under `torchrun`.

The same recipe runs in one process and in several. `torchrun` says in the environment how many
there are; they speak by NCCL on GPUs and by gloo on CPUs. Process 0 alone writes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed

from merian.errors import InputError
from merian.learn.task import Batch

__all__ = ["Place", "place", "seed_all"]

T = TypeVar("T")

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Place:
    """A device, and this process's number among those that train together.

    Attributes:
        device: Where tensors lie.
        precision: float32 or bfloat16.
        rank: The number of this process, from 0.
        world: How many processes there are.
    """

    device: torch.device
    precision: str
    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        if self.precision == "float32":
            return nullcontext()
        context: AbstractContextManager[Any] = torch.autocast(self.device.type, torch.bfloat16)
        return context

    def put(self, batch: Batch) -> Batch:
        """Return a batch on the device."""
        fast = self.device.type == "cuda"
        return {name: tensor.to(self.device, non_blocking=fast) for name, tensor in batch.items()}

    def summed(self, values: Tensor) -> Tensor:
        """Return the sum of a float64 tensor over all processes."""
        if self.world > 1:
            values = values.to(self.device)
            distributed.all_reduce(values)
        return values.cpu()

    def gathered(self, items: list[T]) -> list[T]:
        """Return the items of all processes, in the order of the processes."""
        if self.world == 1:
            return items
        parts: list[Any] = [None] * self.world
        distributed.all_gather_object(parts, items)
        return [item for part in parts for item in part]

    def first(self, work: Callable[[], T]) -> T:
        """Let process 0 do something, and let all have the answer, or the error."""
        if self.world == 1:
            return work()
        told: list[Any] = [None, None]
        error = None
        if self.writes:
            try:
                told[0] = work()
            except Exception as fault:
                error = fault
                told[1] = str(fault)
        distributed.broadcast_object_list(told, src=0)
        if error is not None:
            raise error
        if told[1] is not None:
            raise InputError(told[1])
        answer: T = told[0]
        return answer


@contextmanager
def place(device: str, precision: str) -> Iterator[Place]:
    """Set up this process for training, and leave it as it was.

    Args:
        device: auto, cpu or cuda.
        precision: auto, float32 or bfloat16.
    """
    chosen = _device(device)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    threads = torch.get_num_threads()
    exact = torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    for name in _THREADS:
        os.environ.setdefault(name, "1")  # for the processes that read
    started = False
    try:
        if chosen.type == "cpu":
            torch.set_num_threads(1)
        else:
            _make_exact(chosen)
        if world > 1 and not distributed.is_initialized():
            # Imported once a group is there, this module keeps the group for good as a default of
            # its functions. The group's threads then outlive it and may abort at the very end.
            import_module("torch.distributed.nn.functional")

            distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
            started = True
        yield Place(chosen, _precision(precision, chosen), rank, world)
    finally:
        if started:
            distributed.destroy_process_group()
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(exact, warn_only=warn)


def _device(device: str) -> torch.device:
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise InputError(
            "training.device is cuda, and this torch sees no GPU; leave it at auto, or see what "
            "`merian doctor` prints"
        )
    if device == "cpu" or not there:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def _make_exact(device: torch.device) -> None:
    """Make a GPU give the same sums each time, so that a resumed run is the unbroken one."""
    torch.cuda.set_device(device)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)


def _precision(precision: str, device: torch.device) -> str:
    """Return the precision; by itself bfloat16 where the processor multiplies it."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = _cpu_has("_is_avx512_bf16_supported") or _cpu_has("_is_amx_tile_supported")
    return "bfloat16" if able else "float32"


def _cpu_has(question: str) -> bool:
    """Ask torch about the processor; an older one may not know the question."""
    ask = getattr(torch.cpu, question, None)
    return bool(ask and ask())


def seed_all(*numbers: int) -> None:
    """Seed every generator of chance by some numbers.

    It is done before every piece of a batch, by the step and the piece: so chance hangs on neither
    the number of processes nor on when a run was broken off, and there is no state of it to save.
    """
    state = np.random.SeedSequence(numbers).generate_state(2)
    torch.manual_seed(int(state[0]))
    np.random.seed(int(state[1]))
    random.seed(int(state[1]))
