"""``merian split``: which records are learned from, which choose, and which test."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.catalogue.splits import Plan, Stored

__all__ = ["split"]

_WARNING = (
    "this split is drawn record by record and LEAKS: what hangs together stands in several parts. "
    "A score on it says more than is true; it is here to be compared with"
)


def split(
    catalogue: Path,
    /,
    *,
    name: str | None = None,
    by: tuple[str, ...] = (),
    preset: str | None = None,
    parts: str | None = None,
    folds: int | None = None,
    seed: int = 0,
    rank: str | None = None,
    least: int = 3,
    cut: tuple[str, ...] = (),
    metres: tuple[str, ...] = (),
    equal_barcodes: bool = False,
    report: str | None = None,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Divide records into parts to learn from and to test with, and say what leaks.

    No group that is named with --by is in two parts; each taxon is divided by the shares as far as
    the groups allow. The split is kept in the catalogue with its seed and the reason of every
    record, and is never overwritten: the same command does nothing. `merian pack --split NAME`
    packs it, and `merian library build --split NAME:train` builds from a part of it.

    Args:
        catalogue: The folder of the catalogue.
        name: What it is to be called; if not given, after what it is made by.
        by: A group that stays whole: specimen, barcode, bin, sample, cruise, picture, instrument,
            date, date=DAYS, distance=KM, block=KM, or any column of the tables. Once or more often:
            what hangs together by any of them stays together.
        preset: random (by record: it leaks), dates, published, bioscan-5m, clibd or benthicnet.
        parts: Names and shares: train=80,val=10,test=10 if not given.
        folds: So many parts of equal size instead, each of which is a test once.
        seed: Of what is drawn; the same seed draws the same.
        rank: The rank by which taxa are divided; the lowest name of each record if not given.
        least: Taxa with fewer records are not divided: they go to train.
        cut: For --preset dates: the day from which on the next part begins. Once or twice.
        metres: For --preset benthicnet: thin=2.5, together=50 or apart=10. Once or more often.
        equal_barcodes: Only barcodes of equal letters are one; not those that lie within others.
        report: Make nothing: look closely at this split, which is there.
        out: A folder for tables of what leaks, of the taxa and of the reasons, and a page.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from merian.catalogue import Catalogue

    if report is not None:
        with Catalogue.open(catalogue, read_only=True) as opened:
            named = {one.name: one for one in opened.splits()}
        made = named.get(report) or _missing(report, list(named))
    else:
        plan = _plan(name, by, preset, parts, folds, seed, rank, least, cut, metres, equal_barcodes)
        from merian.audit.held import joined
        from merian.audit.near_barcodes import near_barcodes

        with (
            screen.working(f"Dividing {catalogue}", quiet) as job,
            Catalogue.open(catalogue) as opened,
        ):
            made = opened.split(plan, contained=joined, near=near_barcodes, progress=job.step)
    if made.done_before:
        screen.say(f"{made.name}: is there already, made of the same in the same way", quiet)
    if made.settings["preset"] == "random":
        screen.say(f"warning: {_WARNING}", False)
    if json:
        from dataclasses import asdict

        screen.print_json(asdict(made))
    else:
        _print(made, quiet)
    if out is not None:
        _write(catalogue, made.name, out, quiet)


def _missing(name: str, known: list[str]) -> Stored:
    from merian.errors import did_you_mean

    there = f"there are {', '.join(known)}" if known else "the catalogue has none"
    raise InputError(
        f"--report {name}: there is no such split; {there}.{did_you_mean(name, known)}"
    )


def _plan(
    name: str | None,
    by: tuple[str, ...],
    preset: str | None,
    parts: str | None,
    folds: int | None,
    seed: int,
    rank: str | None,
    least: int,
    cut: tuple[str, ...],
    metres: tuple[str, ...],
    equal_barcodes: bool,
) -> Plan:
    """Return what is asked."""
    from merian.catalogue.splits import PARTS, Plan, parts_of
    from merian.catalogue.splits import folds as in_folds

    preset = preset or "groups"
    divided = preset in ("groups", "random")
    if (parts or folds) and not divided:
        raise InputError(f"--preset {preset} has parts of its own; leave --parts and --folds away")
    if parts and folds:
        raise InputError("give --parts or --folds, not both")
    if cut and preset != "dates":
        raise InputError("--cut is for --preset dates")
    shares = in_folds(folds) if folds else parts_of(parts) if parts else PARTS
    called = name or _called(preset, by, folds)
    if preset == "random" and "random" not in called:
        called = f"random-{called}"
    return Plan(
        name=called,
        preset=preset,
        by=tuple(one.strip() for text in by for one in text.split(",")),
        parts=shares if divided else (),
        seed=seed,
        rank=rank,
        least=least,
        contained=not equal_barcodes,
        cuts=cut,
        metres=_metres(metres, preset),
    )


def _called(preset: str, by: tuple[str, ...], folds: int | None) -> str:
    if preset == "random":
        return f"random-by-record{f'-{folds}-folds' if folds else ''}"
    if preset != "groups":
        return preset
    return "+".join(text.replace(",", "+") for text in by) + (f"-{folds}-folds" if folds else "")


def _metres(given: tuple[str, ...], preset: str) -> dict[str, float]:
    """Read distances."""
    known = ("thin", "together", "apart")
    if given and preset != "benthicnet":
        raise InputError("--metres is for --preset benthicnet")
    found = {}
    for key, text in screen.pairs("--metres", given).items():
        try:
            found[key] = float(text)
        except ValueError:
            found[key] = 0.0
        if key not in known or not 0 < found[key] < 1e6:
            raise InputError(
                f"--metres {key}={text}: expected one of {', '.join(known)}, and a number above 0"
            )
    return found


def _print(made: Stored, quiet: bool) -> None:
    """Print the parts and what leaks."""
    print(screen.printable(f"{made.name}: {made.records:,} records, {made.method}, "
                           f"seed {made.seed}\n"))  # fmt: skip
    asked = any(told["asked"] for told in made.parts.values())
    rows = [
        (part, told["role"], told["records"], f"{100 * told['records'] / made.records:.1f} %",
         *([f"{100 * told['asked']:.1f} %"] if asked else []))
        for part, told in made.parts.items()
    ]  # fmt: skip
    screen.print_table(("part", "to", "records", "share", *(["asked"] if asked else [])), rows)
    print()
    screen.print_table(
        ("in several parts", "groups", "of", "records that leak", "of", ""),
        [
            (k.kind, k.shared, k.groups, k.records, k.tested, f"{100 * k.share:.1f} %")
            for k in made.leaks
            if k.tested
        ],
    )
    for leak in made.leaks:
        if leak.note:
            screen.say(f"{leak.kind}: {leak.note}", quiet)
    for note in made.notes:
        screen.say(f"note: {note}", quiet)


def _write(catalogue: Path, name: str, out: Path, quiet: bool) -> None:
    """Write the tables and the page of a split."""
    from merian.catalogue import Catalogue
    from merian.report.divided import PAGE, write_divided

    with Catalogue.open(catalogue, read_only=True) as opened:
        found = opened.report(name)
    write_divided(found, out)
    screen.say(f"\nThe page is {shlex.quote(str(out / PAGE))}; the tables lie beside it.", quiet)
