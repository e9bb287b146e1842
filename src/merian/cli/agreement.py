"""``merian agreement``: how far measurements of the same things agree, and why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.measure.agreement import Agreement

__all__ = ["agreement"]


def agreement(
    table: Path,
    /,
    *,
    subject: str = "",
    rater: str = "",
    method: str = "",
    trait: str = "",
    value: tuple[str, ...] = (),
    pixels: tuple[str, ...] = (),
    unit: str = "",
    image: str = "",
    image_pattern: str = "",
    rounds: int = 1000,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Tell how far several people or methods agree on what they measured.

    Bias, MAE, RMSE, limits of agreement, concordance and ICC, with intervals drawn by picture.
    Where pixels are known, the error is parted into the scale, another definition of what is
    measured, and the placement of the ends.

    Args:
        table: A CSV, TSV or Parquet file with a row for each measurement, or for each thing and
            person; or the folder of a catalogue. Columns are found by their names if not told.
        subject: The column of what was measured.
        rater: The column of who measured.
        method: The column of how; two ways of one person count as two.
        trait: The column of what of it was measured, where a row is one measurement.
        value: A column of values, or several, one a trait: length_mm.
        pixels: The column of the same in pixels; as often as --value.
        unit: A unit, or a column of units.
        image: The column of the picture.
        image_pattern: A regular expression whose first group is the picture, in that column or, if
            there is none, in that of what was measured: "(.+)_[0-9]+".
        rounds: How often pictures are drawn again for the intervals.
        seed: Of drawing.
        out: A folder for the tables and a page.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from merian.measure.agreement import agreement as agree
    from merian.measure.ratings import Columns, read_ratings

    if rounds < 1:
        raise InputError(f"--rounds {rounds}: expected 1 or more")
    columns = Columns(subject, rater, method, trait, value, pixels, unit, image, image_pattern)
    with screen.working("Comparing", quiet):
        found = [
            agree(ratings, rounds=rounds, seed=seed) for ratings in read_ratings(table, columns)
        ]
    if json:
        screen.print_json([_plain(one) for one in found])
    else:
        for one in found:
            _print(one, quiet)
    if out is not None:
        from merian.report.agreed import PAGE, write_agreed

        write_agreed(found, table, out)
        screen.say(f"tables in {out}; look at {out / PAGE}", quiet)


def _print(one: Agreement, quiet: bool) -> None:
    ratings = one.ratings
    rows = []
    for pair in one.pairs:
        for scale, figures in (("own", pair.own), ("shared", pair.shared)):
            if figures:
                rows.append((
                    ratings.trait, f"{pair.one} - {pair.other}", scale, f"{figures['bias'].n:,}",
                    *(f"{figures[name].value:.3f}" for name in ("bias", "mae", "rmse", "ccc")),
                ))  # fmt: skip
    head = ("trait", "pair", "scale", "n", f"bias {ratings.unit}".strip(), "MAE", "RMSE",
            "concordance")  # fmt: skip
    screen.print_table(head, rows)
    if one.together is not None:
        icc = [f"ICC(2,1) {one.together.own['icc'].value:.3f}"]
        if one.together.shared:
            icc.append(f"{one.together.shared['icc'].value:.3f} with one scale")
        screen.say(f"{ratings.trait}: {', '.join(icc)}", quiet)
    if not ratings.images:
        screen.say("no pictures are told (--image), so intervals are drawn thing by thing", quiet)
    if ratings.aside:
        screen.say(f"{len(ratings.aside):,} set aside: {ratings.aside[0].reason}", quiet)
    if one.doubts:
        screen.say(f"{len(one.doubts):,} to be looked at again", quiet)


def _plain(one: Agreement) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "trait": one.ratings.trait,
        "unit": one.ratings.unit,
        "things": len(one.ratings.subjects),
        "images": len(one.ratings.images),
        "pairs": [asdict(pair) for pair in one.pairs],
        "together": asdict(one.together) if one.together else None,
        "doubts": [asdict(doubt) for doubt in one.doubts],
        "set_aside": [asdict(aside) for aside in one.ratings.aside],
    }
