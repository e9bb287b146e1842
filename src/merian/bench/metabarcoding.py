"""How far richness and presence hold in made samples of real barcodes of known species.

The tasks are the yardstick's own of the kind `mixed`: half of what is asked is of species, or whole
genera, that the library lacks. Each sample draws species of the queries, of each one sequence to
four, and reads from a log-normal distribution. So it is known what each sample holds, while no
sequence of it is in the library. An interval covers if the true number lies in it; presence is
calibrated if of all taxa with a probability near p, a share of p is there. Names are compared as
the references of the task spell them.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from merian.barcode import read_query
from merian.bench.answers import library_of
from merian.bench.yardstick import PLACE, SOURCES, chosen, load_yardstick, rows_of, write_task
from merian.identify import Choice
from merian.metabarcoding import metabarcode, open_features

__all__ = ["WORKING", "run"]

WORKING = ("out", "processes")

_KINDS = {
    "species": (5, None), "species named": (5, True), "species unnamed": (5, False),
    "genera": (4, None), "genera named": (4, True), "genera unnamed": (4, False),
}  # fmt: skip
_MOST = 4  # sequences of one species in a sample
_BINS = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0001)

Figures = dict[str, dict[str, object]]


@dataclass(frozen=True)
class _Made:
    """Samples of which it is known what they hold.

    Attributes:
        table: The file.
        species: By sample, the names of its species by the yardstick's ranks.
        there: By place among the ranks, the names that the references have.
    """

    table: Path
    species: Mapping[str, Sequence[Sequence[str]]]
    there: Mapping[int, frozenset[str]]


def run(
    *,
    yardstick: Path = PLACE,
    out: Path | None = None,
    sources: str = "coi,its1",
    seeds: str = "0,1,2",
    samples: int = 40,
    estimate: bool = False,
    processes: int = 2,
) -> Figures:
    """Make samples, identify them, and hold them against what they are made of.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        out: Where tasks, libraries and results are kept. A temporary folder if not given.
        sources: Of the data, with commas between.
        seeds: Of the tasks, with commas between.
        samples: Of each task.
        estimate: Whether the mix of novelty is estimated from the features.
        processes: How many.
    """
    ruler = load_yardstick(yardstick)
    figures: Figures = {}
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-"))
        folder = Path(out or made).absolute()
        for source in chosen(sources, SOURCES, "source"):
            rows = rows_of(ruler, source)
            counts: dict[str, list[tuple[float, int, int, int]]] = defaultdict(list)
            sure: dict[str, list[tuple[float, bool]]] = defaultdict(list)
            seconds = 0.0
            for seed in (int(text) for text in seeds.split(",")):
                place = folder / f"{source}_mixed_{seed}"
                found = _make(ruler, rows, place, seed, samples)
                library = library_of(place, place / "library", keep=True)
                begin = time.perf_counter()
                features = open_features(found.table)
                result = place / ("result_batch" if estimate else "result")
                metabarcode(
                    features, library.folder, result,
                    choice=Choice(), estimate=estimate, processes=processes,
                )  # fmt: skip
                seconds += time.perf_counter() - begin
                _compare(result, found, counts, sure)
            figures |= _summed_up(source, counts, sure)
            figures[f"{source}: seconds"] = {"value": round(seconds, 1), "unit": "s"}
    return figures


def _make(
    ruler: ModuleType,
    rows: Sequence[tuple[str, str, list[str]]],
    place: Path,
    seed: int,
    samples: int,
) -> _Made:
    """Write a task and a table of samples of its queries."""
    reference, query = ruler.make(rows, "mixed", seed)
    write_task(ruler, place, reference, query)
    sequences: dict[str, tuple[str, ...]] = {}
    for _, text, names in query:
        clean, reason = read_query(text)
        if not reason:
            # A sequence that two species share is counted as of the first: nothing parts them.
            sequences.setdefault(clean, tuple(names))
    by_species: dict[tuple[str, ...], list[int]] = defaultdict(list)
    order = sorted(sequences)
    for number, text in enumerate(order):
        by_species[sequences[text]].append(number)
    rng = np.random.default_rng(7000 + seed)
    species = sorted(by_species)
    reads = np.zeros((len(order), samples), np.int64)
    held = {}
    for sample in range(samples):
        picked = rng.choice(len(species), int(rng.integers(10, 61)), replace=False)
        held[f"S{sample}"] = [species[which] for which in picked.tolist()]
        for which in picked.tolist():
            own = by_species[species[which]]
            many = int(rng.integers(1, min(len(own), _MOST) + 1))
            for number in rng.choice(own, many, replace=False).tolist():
                reads[number, sample] = 1 + int(rng.lognormal(4, 1.5))
    table = place / "table.tsv"
    with table.open("w", encoding="ascii") as stream:
        stream.write("\t".join(["id", "sequence", *held]) + "\n")
        for number in np.flatnonzero(reads.any(axis=1)).tolist():
            cells = map(str, reads[number].tolist())
            stream.write("\t".join([f"F{number}", order[number], *cells]) + "\n")
    there = {rank: frozenset(names[rank] for *_, names in reference) for rank in (4, 5)}
    return _Made(table, held, there)


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)


def _compare(
    result: Path,
    made: _Made,
    counts: dict[str, list[tuple[float, int, int, int]]],
    sure: dict[str, list[tuple[float, bool]]],
) -> None:
    """Hold a result against the truth."""
    for row in _read(result / "richness.tsv"):
        for kind, (rank, known) in _KINDS.items():
            names = {names[rank] for names in made.species[row["sample"]]}
            if known is not None:
                names = {name for name in names if (name in made.there[rank]) == known}
            key = kind.replace(" ", "_")
            ends = int(row[f"{key}_low"]), int(row[f"{key}_high"])
            counts[kind].append((float(row[key]), *ends, len(names)))
    for row in _read(result / "presence.tsv"):
        if row["rank"] in ("species", "genus"):
            rank = 5 if row["rank"] == "species" else 4
            names = {names[rank] for names in made.species[row["sample"]]}
            name = row["name"].replace(" ", "_")
            sure[row["rank"]].append((float(row["presence"]), name in names))


def _summed_up(
    source: str,
    counts: Mapping[str, Sequence[tuple[float, int, int, int]]],
    sure: Mapping[str, Sequence[tuple[float, bool]]],
) -> Figures:
    figures: Figures = {}
    for kind, rows in counts.items():
        table = np.array(rows)
        mean, low, high, true = table.T
        covered = (low <= true) & (true <= high)
        figures[f"{source}: {kind}, covered"] = _share(covered)
        figures[f"{source}: {kind}, mean less true"] = {
            "value": round(float((mean - true).mean()), 2), "n": len(rows), "unit": "taxa",
        }  # fmt: skip
        figures[f"{source}: {kind}, width"] = {
            "value": round(float((high - low).mean()), 2), "n": len(rows), "unit": "taxa",
        }  # fmt: skip
        figures[f"{source}: {kind}, true"] = {
            "value": round(float(true.mean()), 2), "n": len(rows), "unit": "taxa",
        }  # fmt: skip
    for rank, pairs in sure.items():
        said = np.array([p for p, _ in pairs])
        there = np.array([t for _, t in pairs], bool)
        places = np.digitize(said, _BINS) - 1
        off = 0.0
        for place in np.unique(places).tolist():
            here = places == place
            off += abs(float(said[here].sum()) - float(there[here].sum()))
            name = f"{_BINS[place]:g} to {min(_BINS[place + 1], 1):g}"
            figures[f"{source}: presence of {rank}, {name}, said"] = {
                "value": round(100 * float(said[here].mean()), 1), "unit": "%",
            }  # fmt: skip
            figures[f"{source}: presence of {rank}, {name}, there"] = _share(there[here])
        figures[f"{source}: presence of {rank}, calibration error"] = {
            "value": round(100 * off / len(pairs), 2), "n": len(pairs), "unit": "%",
        }  # fmt: skip
    return figures


def _share(hits: NDArray[np.bool_]) -> dict[str, object]:
    """Return a share with two standard errors."""
    share = float(hits.mean())
    error = 2 * float(np.sqrt(share * (1 - share) / len(hits)))
    return {
        "value": round(100 * share, 1), "low": round(100 * max(share - error, 0), 1),
        "high": round(100 * min(share + error, 1), 1), "n": len(hits), "unit": "%",
    }  # fmt: skip
