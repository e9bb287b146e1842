"""The report of a training run: its own page, gathered as the other reports are."""

from __future__ import annotations

from pathlib import Path

from merian.report.overview.parts import Report
from merian.report.training import read_run, run_sections

__all__ = ["of_training"]


def of_training(folder: Path) -> Report:
    """Gather the report of a training run."""
    run = read_run(folder)
    return Report(
        "training run", f"The run {run.folder.absolute().name}", run.recipe.about,
        run_sections(run), run.result["merian"],
    )  # fmt: skip
