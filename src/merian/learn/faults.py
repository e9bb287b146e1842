"""What stops a run: where it was, and what to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from merian.errors import InputError
from merian.files import write_json
from merian.learn.recipe import TrainingPart

__all__ = ["fault", "told_plainly", "write_fault"]

_TOLD = 8  # ids that an error names
_FILE = "failed.json"


def write_fault(run: Path, step: int, what: str, ids: Sequence[str]) -> None:
    """Write down the whole batch."""
    write_json(run / _FILE, {"step": step, "what": what, "ids": [*ids]})


def fault(run: Path, step: int, what: str, ids: Sequence[str]) -> InputError:
    """Return the error that stops the run."""
    more = f" and {len(ids) - _TOLD} more (all are in {_FILE})" if len(ids) > _TOLD else ""
    return InputError(
        f"{run}: step {step + 1}: {what} is not a finite number; the batch held "
        f"{', '.join(ids[:_TOLD])}{more}. Look at these records; or try, in a new folder, a lower "
        "optimizer.learning_rate, a longer schedule.warm_up, a smaller training.clip, or "
        "training.precision=float32. The last checkpoint is as it was"
    )


@contextmanager
def told_plainly(training: TrainingPart) -> Iterator[None]:
    """Tell what the user can put right as such: too little memory, a reader that was ended."""
    try:
        yield
    except torch.OutOfMemoryError:
        size = -(-training.batch // training.pieces)
        raise InputError(
            f"the device has no room for a piece of {size} examples; give training.pieces="
            f"{2 * training.pieces}, in a new folder, which cuts the batch in smaller pieces and "
            "changes little else"
        ) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(
            "a process that reads was ended; if memory was short, give a smaller training.workers. "
            "The same command goes on from the last checkpoint"
        ) from None
