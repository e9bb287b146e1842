"""A loss or a gradient that is no number: where it was, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merian.errors import InputError
from merian.files import write_json

__all__ = ["fault", "write_fault"]

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
