"""Groups of barcodes by identity against BINs, beside vsearch: agreement, time and memory.

Each different barcode of the COI reference that has a BIN is grouped once. No number of groups is
given, and no setting was chosen on this reference: the distance is that of BINs in the literature,
the rest was chosen on invented worlds (`merian.discover.sequences`). vsearch is run on the same
sequences with the same number of threads at 97, 97.5 and 98 % identity, and compared is the best of
the three. Beside wall seconds stand seconds of the processor, which other work on the machine does
not change as much; compiling is done before.

The interval leaves out a twentieth of the BINs in turn, and so does that of the difference. With a
folder of ``merian world make`` its barcodes are grouped too, for time and memory at any size.

References: Rognes et al., VSEARCH, PeerJ 2016; Ratnasingham & Hebert, PLoS ONE 2013.
"""

from __future__ import annotations

import csv
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.barcode import clean
from merian.bench.encoder_bins import left_out_interval
from merian.bench.encoder_scores import Figures
from merian.bench.yardstick import PLACE, load_yardstick, quietly
from merian.discover.sequences import Identity, by_identity
from merian.learn.agreement import adjusted_mutual_information, adjusted_rand_index

__all__ = ["NAME", "WORKING", "run"]

NAME = "clustering-barcodes"
WORKING = ("threads",)

_TABLE = Path("dna/coi_reference/coi_reference.tsv")
_IDENTITIES = (0.97, 0.975, 0.98)
_UNIT = "x 100, of barcodes in BINs"

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class _Grouped:
    """What a method made of the sequences.

    Attributes:
        label: Of each; what was left alone is a group of its own.
        wall: Seconds.
        cpu: Seconds of the processor, over all threads.
    """

    label: Labels
    wall: float
    cpu: float


def run(
    yardstick: Path = PLACE, threads: int = 2, peers: bool = True, world: Path | None = None
) -> Figures:
    """Group barcodes and hold the groups against BINs.

    Args:
        yardstick: The script beside the real data.
        threads: Of both programs.
        peers: Whether vsearch is run too; it is left out where it is not installed.
        world: A folder of `merian world make`, to be grouped for time and memory.
    """
    by_identity(_warming())
    figures: Figures = {}
    if world is not None:
        figures |= _of_world(world, threads)
    sequences, truth = _reference(yardstick)
    figures["BINs"] = {"value": int(truth.max()) + 1, "n": len(truth)}
    found = {"merian": _ours(sequences, Identity(tree=False), threads)}
    found["merian, single linkage alone"] = _ours(
        sequences, Identity(tree=False, silhouette=2.0), threads
    )
    if peers and shutil.which("vsearch"):
        rivals = {
            f"vsearch {100 * at:g} %": _by_vsearch(sequences, at, threads) for at in _IDENTITIES
        }
        figures |= _beside(found["merian"], rivals, truth)
        found |= rivals
    elif peers:
        print("vsearch is not installed: measured without it", file=sys.stderr)  # noqa: T201
    for name, one in found.items():
        figures |= _told(name, one, truth)
    return figures


def _reference(yardstick: Path) -> tuple[list[str], Labels]:
    """Return each different barcode that has a BIN, and the BIN that has it first."""
    ruler = load_yardstick(yardstick)
    first: dict[str, str] = {}
    with quietly(), ruler.opened(ruler.find(ruler.DATA / _TABLE)) as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["bin"]:
                first.setdefault(clean(row["nucleotides"]), row["bin"])
    return [*first], np.unique([*first.values()], return_inverse=True)[1].astype(np.int64)


def _warming() -> list[str]:
    """Return sequences that go through all that is compiled."""
    chance = np.random.default_rng(0)
    root = chance.integers(4, size=(5, 600))
    rows = np.repeat(root, 8, axis=0)
    turned = chance.random(rows.shape) < 0.005
    rows[turned] = chance.integers(4, size=int(turned.sum()))
    return ["".join("ACGT"[base] for base in row) for row in rows.tolist()]


def _ours(sequences: Sequence[str], settings: Identity, threads: int) -> _Grouped:
    wall, cpu = time.perf_counter(), time.process_time()
    label = by_identity(sequences, settings, threads).label.astype(np.int64)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    alone = label < 0
    label[alone] = label.max() + 1 + np.arange(alone.sum())
    return _Grouped(label, wall, cpu)


def _by_vsearch(sequences: Sequence[str], identity: float, threads: int) -> _Grouped:
    label = np.full(len(sequences), -1, np.int64)
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        records = (f">{number}\n{text}\n" for number, text in enumerate(sequences))
        (Path(made) / "asked").write_text("".join(records), encoding="ascii")
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            f"vsearch --cluster_fast asked --id {identity} --threads {threads} --quiet "
            "--uc clusters".split(),
            cwd=made, check=True,
        )  # fmt: skip
        wall = time.perf_counter() - wall
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        for line in (Path(made) / "clusters").read_text(encoding="ascii").splitlines():
            kind, number, *_, name, _ = line.split("\t")
            if kind in "SH":
                label[int(name)] = int(number)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Grouped(label, wall, cpu)


def _beside(ours: _Grouped, rivals: dict[str, _Grouped], truth: Labels) -> Figures:
    """Return by how much our groups agree better than the best of the rivals', and how fast."""
    scores = {name: adjusted_mutual_information(one.label, truth) for name, one in rivals.items()}
    name = max(scores, key=lambda key: scores[key])
    best = rivals[name]

    def ahead(rows: Labels, bins: Labels) -> float:
        mine = adjusted_mutual_information(ours.label[rows], bins)
        return mine - adjusted_mutual_information(best.label[rows], bins)

    value, half = left_out_interval(ahead, np.arange(len(truth)), truth)
    quickest = min(one.wall for one in rivals.values())
    times = {
        "wall seconds, the best of vsearch by merian": best.wall / ours.wall,
        "wall seconds, the quickest of vsearch by merian": quickest / ours.wall,
        "processor seconds, the best of vsearch by merian": best.cpu / ours.cpu,
    }
    return {
        f"AMI, merian less the best of vsearch ({name})": {
            "value": round(100 * value, 3), "low": round(100 * (value - half), 3),
            "high": round(100 * (value + half), 3), "n": len(truth), "unit": _UNIT,
        },
        **{name: {"value": round(value, 2)} for name, value in times.items()},
    }  # fmt: skip


def _told(name: str, one: _Grouped, truth: Labels) -> Figures:
    figures: Figures = {}
    for called, measure in (("AMI", adjusted_mutual_information), ("ARI", adjusted_rand_index)):
        value, half = left_out_interval(measure, one.label, truth)
        figures[f"{called}, {name}"] = {
            "value": round(100 * value, 3), "low": round(100 * (value - half), 3),
            "high": round(100 * min(value + half, 1.0), 3), "n": len(truth), "unit": _UNIT,
        }  # fmt: skip
    figures[f"groups, {name}"] = {"value": len(np.unique(one.label)), "n": len(truth)}
    figures[f"wall seconds, {name}"] = {"value": round(one.wall, 2), "unit": "s"}
    figures[f"processor seconds, {name}"] = {"value": round(one.cpu, 2), "unit": "s"}
    return figures


def _of_world(world: Path, threads: int) -> Figures:
    """Return time and memory of the barcodes of a world, each different one once, and the AMI."""
    with (world / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        texts = [row["dna_barcode"] for row in csv.DictReader(stream)]
    with (world / "truth" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        names = [row["species"] for row in csv.DictReader(stream)]
    first: dict[str, str] = {}
    for text, name in zip(texts, names, strict=True):
        if text:
            first.setdefault(text, name)
    found = _ours([*first], Identity(), threads)
    truth = np.unique([*first.values()], return_inverse=True)[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "world, AMI with the true species": {
            "value": round(100 * adjusted_mutual_information(found.label, truth), 3),
            "n": len(first), "unit": "x 100",
        },
        "world, groups": {"value": len(np.unique(found.label)), "n": len(first)},
        "world, wall seconds with the tree": {"value": round(found.wall, 1), "unit": "s"},
        "world, processor seconds with the tree": {"value": round(found.cpu, 1), "unit": "s"},
        "world, peak of memory": {
            "value": round(peak / (1e9 if sys.platform == "darwin" else 1e6), 2), "unit": "GB",
        },
    }  # fmt: skip
