"""How well audits find what is wrong: grades of BAGS, planted wrong labels, BINs and leaks.

Species are graded and held against the graded set of BAGS. In real references one record in a
hundred is given another species' label, and the audit is asked for it; the real data has wrong
labels of its own, and they count against the precision as if they were right. In real COI BINs are
swapped and badly read sequences added (see `planted_bins`). At last a test with planted leaks of
every kind is held against a large training set, as a whole process on two cores.
"""

from __future__ import annotations

import csv
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from merian.audit import audit_reference
from merian.bench.child import on_cores, run_child
from merian.bench.planted_bins import audit_planted
from merian.bench.plants import HOW, KINDS, plant_labels, write_labelled, write_leaks
from merian.bench.yardstick import PLACE, SOURCES, chosen, load_yardstick, quietly
from merian.errors import NotFoundError

__all__ = ["WORKING", "run"]

WORKING = ("out",)  # settings that do not decide the data

GRADED = Path("../shared/data/dna/coi_palaemonidae_bags/Palaemonidae.tsv")
BINNED = Path("../shared/data/dna/coi_reference/coi_reference.tsv.gz")

Figures = dict[str, dict[str, object]]


def run(
    *,
    yardstick: Path = PLACE,
    graded: Path = GRADED,
    bins: Path | None = None,
    sources: str = "insects,coi",
    seeds: str = "0,1,2",
    share: float = 0.01,
    real: bool = True,
    binned: Path = BINNED,
    swapped: int = 40,
    added: int = 20,
    train: int = 1_000_000,
    test: int = 100_000,
    each: int = 1_000,
    cores: int = 2,
    out: Path | None = None,
    seed: int = 0,
) -> Figures:
    """Measure all three.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        graded: The graded set of BAGS.
        bins: How many species a BIN holds in all of BOLD, as BAGS has it, if it is at hand.
        sources: In which labels are planted, with commas between.
        seeds: Of the planted labels; none to leave these out.
        share: Of the records that get a wrong label.
        real: Whether to measure on real data.
        binned: Real COI with BINs, as a table.
        swapped: How many BINs are swapped with any other, and as many with one of the same genus;
            0 to leave BINs and badly read sequences out.
        added: How many badly read sequences of each kind are added.
        train: How many synthetic training records; 0 to leave leaks out.
        test: How many test records.
        each: How many of them are leaks of each kind.
        cores: On which all run.
        out: A folder for what is made; a temporary one if not given.
        seed: Of the leaks, and of the BINs.
    """
    figures: Figures = {}
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-"))
        stack.enter_context(on_cores(cores))
        folder = Path(out or made)
        folder.mkdir(parents=True, exist_ok=True)
        # The leaks first: a child counts the memory of its parent until it has started.
        if train:
            figures |= _leaks(folder, train, test, each, seed)
        if real:
            if swapped:
                figures |= audit_planted(binned, yardstick, folder, swapped, added, seed)
            figures |= _grades(graded, bins)
            numbers = [int(text) for text in seeds.split(",") if text]
            for source in chosen(sources, SOURCES, "source") if numbers else ():
                figures |= _mislabels(yardstick, folder, source, numbers, share)
    return figures


def _leaks(folder: Path, train: int, test: int, each: int, seed: int) -> Figures:
    """Plant leaks of each kind in a test, and let the command find them."""
    references, asked, found = folder / "references.fasta", folder / "test.fasta", folder / "leak"
    if not references.is_file():
        run_child("merian.bench.references", str(folder), str(train), "10", str(seed))
    write_leaks(references, asked, train, test, each, seed)
    measured = run_child(
        "merian", "audit", "leak", str(references), str(asked), "-o", str(found), "--quiet"
    )
    told = {
        table: {row["test_record"]: row for row in _rows(found / f"{table}.tsv")}
        for table in ("exact", "contained", "near", "specimen")
    }
    size = f"{train:,} against {test:,}"
    figures: Figures = {
        f"leak, {size}": _figure(measured.seconds, test, "s, whole process"),
        f"leak, {size}, peak memory": _figure(measured.peak, 1, "GB, larger process"),
    }
    for kind, (name, tables) in enumerate(KINDS.items()):
        # By its id a leak is known; one of the id has that of the training record.
        mark = "R" if name == "id" else f"k{kind}_"
        hits = sum(key.startswith(mark) for table in tables for key in told[table])
        figures[f"leak: {name}"] = _figure(100 * hits / each, each, "% of planted found")
    unrelated = test - each * len(KINDS)
    wrong = len({key for rows in told.values() for key in rows if key.startswith("u_")})
    figures["leak: told of what is none"] = _figure(wrong, unrelated, "test records")
    return figures


def _grades(graded: Path, bins: Path | None) -> Figures:
    """Grade the set of BAGS, and count where both agree."""
    if not graded.is_file():
        raise NotFoundError(
            f"{graded}: the graded set of BAGS is not there; name its place with --graded, or "
            "measure without real data"
        )
    theirs: dict[str, str] = {}
    records: dict[str, int] = {}
    for row in _rows(graded):
        if row["grade"] != "NA":
            theirs[row["species"]] = row["grade"]
            records[row["species"]] = records.get(row["species"], 0) + 1
    audit = audit_reference([graded], bins=bins)
    finding = next(finding for finding in audit.findings if finding.name == "grades")
    ours = {str(row[0]): str(row[1]) for row in finding.rows}
    alike = [name for name, grade in theirs.items() if ours.get(name) == grade]
    share = 100 * sum(records[name] for name in alike) / sum(records.values())
    # What BAGS says of species that share no BIN within the set hangs on all of BOLD.
    shared = {str(row[0]) for row in finding.rows if row[1] == "E"}
    within = [n for n, grade in theirs.items() if n in ours and (grade != "E" or n in shared)]
    right = sum(ours[name] == theirs[name] for name in within)
    return {
        "BAGS: species graded alike": _figure(
            100 * len(alike) / len(theirs), len(theirs), "% of species"
        ),
        "BAGS: records of these": _figure(share, sum(records.values()), "% of records"),
        "BAGS: graded alike, where a shared BIN is shared within the set": _figure(
            100 * right / len(within), len(within), "% of species"
        ),
    }


def _mislabels(
    yardstick: Path, folder: Path, source: str, seeds: list[int], share: float
) -> Figures:
    """Plant wrong labels in a source, and count how many are found."""
    ruler = load_yardstick(yardstick)
    with quietly():
        rows = ruler.named(list(ruler.sources()[source]()))
    file = folder / f"{source}.fasta"
    figures: Figures = {}
    write_labelled(rows, ruler.RANKS, file)
    before = _told(file).keys()
    figures[f"{source}: told as it is"] = _figure(len(before), len(rows), "records")
    for how in HOW:
        found: list[float] = []
        exact: list[float] = []
        fresh: list[float] = []
        right: list[float] = []
        for seed in seeds:
            planted = plant_labels(rows, share, how, seed)
            write_labelled(planted.rows, ruler.RANKS, file)
            told = _told(file)
            hits = [number for number in planted.names if number in told]
            found.append(100 * len(hits) / len(planted.names))
            exact.append(100 * len(hits) / max(len(told), 1))
            new = told.keys() - (before - planted.names.keys())
            fresh.append(100 * len(hits) / max(len(new), 1))
            named = sum(told[n] == planted.names[n].replace("_", " ") for n in hits)
            right.append(100 * named / max(len(hits), 1))
        name, count = f"{source}, swapped {how}", len(seeds) * round(share * len(rows))
        figures |= {
            f"{name}: found": _figure_of(found, count, "% of planted"),
            f"{name}: precision, planted ones alone": _figure_of(exact, count, "% of told"),
            f"{name}: precision, without what is told as it is": _figure_of(
                fresh, count, "% of told"
            ),
            f"{name}: right name": _figure_of(right, count, "% of found"),
        }
    return figures


def _told(file: Path) -> dict[int, str]:
    """Return the records whose labels are in doubt, and the name that fits better."""
    audit = audit_reference([file])
    found: dict[int, str] = {}
    for finding in audit.findings:
        if finding.name in ("mislabels", "foreign"):
            at, name = (finding.columns.index(c) for c in ("record", "fits_better"))
            found |= {int(str(row[at])): str(row[name]) for row in finding.rows}
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def _figure(value: float, n: int, unit: str) -> dict[str, object]:
    return {"value": float(f"{value:.4g}"), "n": n, "unit": unit}


def _figure_of(values: list[float], n: int, unit: str) -> dict[str, object]:
    """Return the mean over seeds; the interval is from the least to the largest."""
    ends = {"low": round(min(values), 2), "high": round(max(values), 2)}
    return {"value": round(float(np.mean(values)), 2), **ends, "n": n, "unit": unit}
