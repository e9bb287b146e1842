"""``merian train``: train an encoder by a recipe, and go on where it was broken off."""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from merian.learn.progress import Progress, Trained
    from merian.learn.recipe import Recipe

__all__ = ["train"]

_EVERY = 30.0  # seconds from line to line where nobody watches
_STOPPED = 130  # 128 + SIGINT, what a shell expects


def train(
    recipe: str,
    /,
    *,
    data: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())] = (),
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    set: tuple[str, ...] = (),
    quiet: screen.Quiet = False,
) -> int:
    """Train an encoder by a recipe.

    The folder of the run holds the recipe as it ran, a log, checkpoints, and at the end the model,
    its card and a page with the curves. Killed, or stopped with Ctrl-C, it goes on with the same
    command. Under `torchrun -m merian train` it runs in several processes.

    Args:
        recipe: The name of a recipe, as `merian recipes` lists them, or a file.
        data: A pack that `merian pack` made; or catalogues and files, which are packed first.
        out: The folder of the run.
        set: Something to change in the recipe, as table.key=value (training.steps=100). Once or
            more often.
        quiet: Print the answer and nothing else.
    """
    from merian.learn.recipe import read_recipe

    asked = read_recipe(recipe, set)
    if not data:
        raise InputError("say what to learn from: merian train RECIPE --data SOURCE --out RUN")
    try:
        import torch  # noqa: F401 - an extra, without which nothing below is there
    except ModuleNotFoundError:
        raise MissingExtraError("training", "models") from None
    from merian.learn.building import build_task
    from merian.learn.trainer import train as train_task

    writes = os.environ.get("RANK", "0") == "0"
    quiet = quiet or not writes
    pack = _packed(asked, data, out, quiet)
    if pack in data and asked.data.kind not in ("instances", "landmarks"):
        asked = _of_pack(asked, pack, set)
    with screen.working(f"Preparing {out}", quiet) as job:
        task = build_task(
            asked, pack, lambda what, done, whole: job.step(what, done, whole or None)
        )
    with screen.working(f"Training {out}", quiet) as job:
        done = train_task(asked, task, out, watch=_Watcher(job, quiet))
    if not writes:
        return 0
    if done.ended == "stopped":
        screen.say(f"stopped and saved after step {done.step:,}; the same command goes on")
        return _STOPPED
    _print(done, out, quiet)
    return 0


def _packed(recipe: Recipe, data: tuple[Path, ...], out: Path, quiet: bool) -> Path:
    """Return the pack to learn from, made first where something else was given."""
    if len(data) == 1 and (data[0] / "pack.json").is_file():
        return data[0]
    if recipe.data.kind in ("instances", "landmarks"):
        return _packed_outlines(recipe, data, out, quiet)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "several processes need a pack that is there: make it with merian pack SOURCE --out "
            "PACK, and give --data PACK"
        )
    from merian.learn.pack_gather import Asked
    from merian.learn.packing import make_pack

    folder = out / "pack"
    with screen.working(f"Packing {folder}", quiet) as job:
        made = make_pack(data, folder, Asked(recipe.data.kind, valid=recipe.data.valid), job.step)
    aside = sum(made.set_aside.values())
    if aside and not made.done_before:
        listed = shlex.quote(str(folder / "rejects.tsv"))
        screen.say(f"note: {screen.counted(aside, 'record')} set aside; see {listed}", quiet)
    return folder


def _packed_outlines(recipe: Recipe, data: tuple[Path, ...], out: Path, quiet: bool) -> Path:
    """Return the pack of pictures with outlines, or landmarks, that a COCO file tells of."""
    from merian.learn.instance_pack import make_instance_pack
    from merian.learn.landmark_pack import make_landmark_pack

    folder, told = out / "pack", recipe.data
    with screen.working(f"Packing {folder}", quiet):
        if told.kind == "landmarks":
            header = make_landmark_pack(
                data, folder, valid=told.valid, categories=told.categories
            ).header
        else:
            header = make_instance_pack(
                data, folder, valid=told.valid, categories=told.categories, ignored=told.ignored
            ).header
    for why, count in sorted(header["set_aside"].items()):
        screen.say(f"note: {count:,} {why}: set aside", quiet)
    return folder


def _of_pack(recipe: Recipe, pack: Path, changes: tuple[str, ...]) -> Recipe:
    """Return the recipe with the share that was held out when its pack was made."""
    from merian.learn.pack import open_pack

    share = float(open_pack(pack).header["valid"])
    wanted = recipe.data.valid
    if wanted != share and any(change.startswith("data.valid") for change in changes):
        raise InputError(
            f"data.valid is {wanted:g}, and {pack} was packed with {share:g} held out; leave it "
            f"out, or make another with merian pack SOURCE --valid {wanted:g}"
        )
    return replace(recipe, data=replace(recipe.data, valid=share))


class _Watcher:
    """Tells how far a run is: on the screen, or a line now and then where nobody watches."""

    def __init__(self, job: screen.Working, quiet: bool) -> None:
        self.job, self.quiet = job, quiet
        self.told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Tell."""
        text = (
            f"loss {progress.loss:.4g}, {progress.rate:,.3g} examples a second, "
            f"{_left(progress.left)} left"
        )
        self.job.step(text, progress.step, progress.steps)
        now = time.monotonic()
        if not sys.stderr.isatty() and now - self.told >= _EVERY:
            self.told = now
            screen.say(f"step {progress.step:,} of {progress.steps:,}: {text}", self.quiet)


def _left(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print(done: Trained, out: Path, quiet: bool) -> None:
    """Print what came of it, and write the page and the card."""
    from merian.report.training import write_run

    write_run(out)
    if done.before:
        screen.say(f"{out}: was done before; nothing is left to do", quiet)
    early = ", stopped early" if done.ended == "patience" else ""
    print(screen.printable(f"{out}: {screen.counted(done.step, 'step')}{early}"))
    if done.figures:
        rows = [(n, f["value"], f["low"], f["high"]) for n, f in sorted(done.figures.items())]
        screen.print_table(("of what was held out", "value", "from", "to"), rows)
    shown = shlex.quote(str(out / "report.html"))
    print(screen.printable(f"the model: {out / 'model'}; how it went: {shown}"))
