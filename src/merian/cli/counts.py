"""``merian counts``: how many of each kind samples hold, with the errors of the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen

__all__ = ["counts"]

_SHOWN = 30


def counts(
    source: Path,
    /,
    *,
    sample: str = "",
    rank: str = "",
    answer: str = "",
    truth: str = "",
    count: str = "",
    probability: str = "",
    missed: Path | None = None,
    precision: float = 0.1,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    quiet: screen.Quiet = False,
) -> None:
    """Tell how many of each kind samples hold, with intervals that admit wrong answers.

    What people validated tells how often each kind is answered as what, and that corrects the
    counts of all samples. Which things they looked at may hang on their answer and sample, not on
    how they look. Without any, the answers' own probabilities count.

    Args:
        source: A catalogue, in which machines named things and people some of them; or a CSV, TSV
            or Parquet file with a row for each thing. Columns are found by their names if not told.
        sample: The column of the sample; of a catalogue the term, eventID if not given.
        rank: Of a catalogue, the rank at which things are counted.
        answer: The column of what is answered.
        truth: The column of what people say it is; empty where nobody looked, none for no thing.
        count: A column of how many things a row is.
        probability: The column of how probable the answer is.
        missed: A table with the columns kind, found and missed: what a detector found and missed
            where somebody counted by hand. These are added.
        precision: Of the counts that are wanted, as a share; so many more to validate is told.
        seed: Of what is drawn.
        out: A folder for the tables and a page.
        quiet: Print the answer and nothing else.
    """
    from merian.identify.answered import AnswerColumns, read_counts, read_recall
    from merian.identify.composition import compose, more_to_validate
    from merian.report.counted import PAGE, count_rows, write_counted

    columns = AnswerColumns(sample, answer, truth, count, probability)
    with screen.working("Counting", quiet):
        read = read_counts(source, columns, rank=rank, unnamed=True)
        recall, said = read_recall(missed, read.kinds) if missed is not None else (None, "")
        found = compose(read, recall, seed)
        wanted = more_to_validate(found, precision)
    head, rows = count_rows(found)
    screen.print_table(head, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        print(f"and {len(rows) - _SHOWN:,} more" + ("" if out else "; -o writes them all"))
    if said:
        screen.say(said, quiet)
    looked, things = int(read.seen.sum()), int(read.seen.sum() + read.unseen.sum())
    screen.say(f"{looked:,} of {things:,} things were validated", quiet)
    if found.agree > 1.1:
        screen.say("these counts are not certain: too little is known to part some kinds", quiet)
    screen.say(f"{int(wanted.sum()):,} more to validate to know each within {precision:.0%}", quiet)
    if out is not None:
        write_counted(found, wanted, precision, source, out)
        screen.say(f"tables in {out}; look at {out / PAGE}", quiet)
