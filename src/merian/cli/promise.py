"""``merian promise``: check what was promised on records of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from merian.cli import screen

if TYPE_CHECKING:
    from merian.identify.check import Check, Figure

__all__ = ["app"]

app = App(name="promise", help="Check what was promised on records of your own.")


@app.command(sort_key=1)
def check(
    truth: Path,
    /,
    *,
    answers: Annotated[Path, Parameter(name=("--answers", "-a"))],
    library: Annotated[tuple[Path, ...], Parameter(name=("--library", "-l"))] = (),
    alpha: float | None = None,
    json: bool = False,
) -> None:
    """Hold answers against records whose names you have validated.

    An answer is wrong if it is neither the true taxon nor one above it; one that says nothing is
    never wrong. Every genus counts as one, however many records it has.

    Args:
        truth: A table with a column id and one for each rank that is known, or id and species.
        answers: What `merian identify` has written.
        library: The library that answered: then what it lacks is told apart from what it has. Where
            several did, give them as merian identify was given them.
        alpha: What was promised; read from the stamp beside the answers if not given.
        json: Print JSON.
    """
    from dataclasses import asdict

    from merian.identify.check import check_promise, read_truth
    from merian.identify.job import stamp_of
    from merian.library.shelf import open_shelf

    said = {k: v for k, v in stamp_of(answers).items() if k in ("alpha", "novelty", "by_rank")}
    if alpha is not None:
        said["alpha"] = alpha
    opened = open_shelf(library, pictures=True) if library else None
    done = check_promise(read_truth(truth), answers, library=opened, promise=said)
    if json:
        screen.print_json(asdict(done))
        return
    _print_check(done)


def _print_check(done: Check) -> None:
    """Print the figures and what they mean."""
    promised = "whatever is new among the records"
    if done.novelty is not None:
        promised = f"in the mix {', '.join(f'{100 * share:g} %' for share in done.novelty)} alone"
    print(f"promised: at most {100 * done.alpha:g} % of answers are wrong, {promised}\n")
    columns = ("wrong answers", "answers", "genera", "wrong", "share %", "95 % interval", "")
    screen.print_table(columns, [_line(figure) for figure in (done.overall, *done.strata)])
    print("\nOf the answers that stop at a rank:")
    screen.print_table(("rank", *columns[1:]), [_line(figure) for figure in done.stops])
    print(
        "\nThe share is the mean over genera; of the answers that stop at a rank, that of answers."
        "\nThe interval is what is found when genera are drawn again."
    )
    if done.unanswered:
        print(f"validated records without an answer: {done.unanswered:,}")
    if done.undecided:
        print(
            f"answers left out, at a rank that the validated name does not tell: {done.undecided:,}"
        )
    if done.unplaced:
        print(f"answers of which it is not known what the library lacks: {done.unplaced:,}")


def _line(figure: Figure) -> tuple[object, ...]:
    """Return a figure as a row."""
    if figure.error is None or figure.low is None or figure.high is None:
        return (figure.name, 0, 0, 0, None, "", "")
    return (
        figure.name,
        figure.records,
        figure.genera,
        figure.wrong,
        round(100 * figure.error, 2),
        f"{100 * figure.low:.1f} to {100 * figure.high:.1f}",
        figure.verdict,
    )
