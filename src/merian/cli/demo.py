"""``merian demo``: see all of it work on a small world."""

from __future__ import annotations

from pathlib import Path

from merian.cli import screen


def demo(
    out: Path = Path("merian-demo"), /, *, force: bool = False, quiet: screen.Quiet = False
) -> None:
    """Make a small world with a known truth, name what is in it, and write a page about it.

    Args:
        out: The folder to make.
        force: Replace the folder if it is there.
        quiet: Print the answer and nothing else.
    """
    from merian.demo import make_demo

    with screen.working("Making the demonstration", quiet) as job:
        made = make_demo(out, force=force, progress=job.step)
    print(screen.printable_lines(made.as_text()))
