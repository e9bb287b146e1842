"""What place and date add to barcodes, in cells of 500 km that the list of places has never seen.

Insects of BOLD with coordinates and dates, and an invented world. A record's fold is that of the
cube of 500 km that it lies in. The library, and the list of where and when species were met, are
made of the other folds, so that a place is always in a cell that was not met. A part of the species
is left out of the library; the list has them all the same. Whole barcodes are asked, and pieces of
150 bases. Beside barcodes alone and barcodes with place stands the published way in the same run: a
hard mask, by the list of species of the record's country in the other folds, over what the barcode
says.

The log score is that of the true outcome: the species, or "something new" under the lowest taxon
of it that the library has; none is taken to be less probable than 1 in 10,000. Intervals are of
cells drawn again.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.files import existing, open_text
from merian.formats.delimited import write_delimited
from merian.identify import PARTS, Choice
from merian.identify.consensus import PLACE, Consensus
from merian.identify.fusion import Witness
from merian.identify.identifier import Identifier
from merian.identify.ladder import ROOT
from merian.identify.place_evidence import PlaceEvidence, spot_of
from merian.identify.posterior import Posterior, chains_of
from merian.identify.presence import points
from merian.identify.promise import stands
from merian.identify.sightings import read_sightings
from merian.library import Library, build_library
from merian.world import Settings as WorldSettings
from merian.world import make_world

__all__ = ["WORKING", "run"]

WORKING = ("out",)

_DATA = Path("../shared/data/multimodal/bold_insect_coi/bold_coi_784species_cap30.tsv.gz")
_RANKS = ("phylum", "class", "order", "family", "genus", "species")
_COLUMNS = ("id", "sequence", *_RANKS, "latitude", "longitude", "date", "country")
_CELL_KM = 500.0
_PIECE = 150
_FLOOR = 1e-4
_DRAWS = 2000
_WAYS = ("barcode", "with place", "hard mask")

Row = Mapping[str, str]
Figures = dict[str, dict[str, float | int | str]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Judged:
    """How one query fared.

    Attributes:
        cell: The cube that it lies in.
        genus: The true one.
        known: What the library has of it: species, genus, or less.
        log: By way, the logarithm of the probability of the true outcome.
        wrong: By way, whether the answer is neither the true taxon nor one above it.
        named: By way, whether it names the species, rightly.
    """

    cell: int
    genus: str
    known: str
    log: tuple[float, ...]
    wrong: tuple[bool, ...]
    named: tuple[bool, ...]


def run(
    *,
    data: Path = _DATA,
    parts: str = "bold,world",
    folds: int = 3,
    asked: int = 400,
    each: int = 4,
    absent: float = 0.3,
    world_species: int = 500,
    world_specimens: int = 4000,
    alpha: float = 0.05,
    seed: int = 41,
    out: Path | None = None,
) -> Figures:
    """Ask with and without place.

    Args:
        data: Records of BOLD with their barcodes and places, as a table.
        parts: What is asked, with commas between: bold, world.
        folds: How many; each is asked of a library of the others.
        asked: Queries of a fold.
        each: Records of a species in a library, at most.
        absent: The share of species that is left out of the libraries.
        world_species: Of the invented world.
        world_specimens: The same.
        alpha: The share of wrong answers that is promised not to be exceeded.
        seed: Of what is drawn.
        out: Where libraries are kept; a temporary folder if not given.
    """
    wanted = parts.split(",")
    if unknown := set(wanted) - {"bold", "world"}:
        raise InputError(f"--parts {parts}: {', '.join(sorted(unknown))} is neither bold nor world")
    if folds < 2:
        raise InputError(f"--folds {folds}: expected 2 or more")
    found: Figures = {}
    with tempfile.TemporaryDirectory(prefix="merian-bench-place-") as scratch:
        folder = Path(out or scratch)
        for part in wanted:
            if part == "bold":
                rows = _of_bold(existing(data, "table of BOLD records"))
            else:
                rows = _of_world(folder / "world", world_species, world_specimens, seed)
            judged = _folds(folder / part, rows, folds, asked, each, absent, alpha, seed)
            for length, some in judged.items():
                found |= _figures(f"{part}, {length}", some)
    return found


# -- data -----------------------------------------------------------------------------------------


def _of_bold(path: Path) -> list[Row]:
    """Return the insects that have a place and a species."""
    with open_text(path) as stream:
        return [
            {
                "id": row["processid"], "sequence": row["nucleotides"].replace("-", ""),
                **{rank: row[f"{rank}_name"] for rank in _RANKS},
                "latitude": row["lat"], "longitude": row["lon"],
                "date": row["collectiondate"], "country": row["country"],
            }
            for row in csv.DictReader(stream, delimiter="\t")
            if row["lat"] and row["lon"] and row["species_name"] and row["genus_name"]
        ]  # fmt: skip


def _of_world(folder: Path, species: int, specimens: int, seed: int) -> list[Row]:
    """Return specimens under their true names, no copies and no barcodes of others."""
    if not (folder / "specimens.csv").exists():
        make_world(
            folder,
            WorldSettings(
                species=species, specimens=specimens, seed=seed, pictures=False, trays=0, quadrats=0
            ),
        )
    with (folder / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        told = {row["processid"]: row for row in csv.DictReader(stream)}
    found: list[Row] = []
    with (folder / "truth" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            own = told[row["processid"]]
            if row["copy_of"] or row["tube_of"] or not own["dna_barcode"] or not own["coord-lat"]:
                continue
            found.append(
                {
                    "id": row["processid"], "sequence": own["dna_barcode"],
                    **{rank: row[rank] for rank in _RANKS},
                    "latitude": own["coord-lat"], "longitude": own["coord-lon"],
                    "date": own["event_date"], "country": own["country"],
                }
            )  # fmt: skip
    return found


# -- folds ----------------------------------------------------------------------------------------


def _folds(
    folder: Path,
    rows: Sequence[Row],
    folds: int,
    asked: int,
    each: int,
    absent: float,
    alpha: float,
    seed: int,
) -> dict[str, list[_Judged]]:
    """Ask each fold of a library of the others."""
    random = np.random.default_rng(seed)
    place = np.array([[float(row["latitude"]), float(row["longitude"])] for row in rows])
    cube = np.floor(points(place[:, 0], place[:, 1]) / _CELL_KM).astype(np.int64)
    cell = np.unique(cube, axis=0, return_inverse=True)[1].reshape(-1)
    fold = (random.permutation(int(cell.max()) + 1) % folds)[cell]
    found: dict[str, list[_Judged]] = {"whole": [], f"{_PIECE} bp": []}
    for turn in range(folds):
        species = sorted({row["species"] for row in rows})
        gone = set(random.permutation(species)[: round(absent * len(species))].tolist())
        others = [row for row, own in zip(rows, fold, strict=True) if own != turn]
        mine = np.flatnonzero(fold == turn)
        mine = random.permutation(mine)[:asked]
        held: list[Row] = []
        count: dict[str, int] = {}
        for number in random.permutation(len(others)).tolist():
            name = others[number]["species"]
            count[name] = count.get(name, 0) + 1
            if name not in gone and count[name] <= each:
                held.append(others[number])
        at = folder / str(turn)
        at.mkdir(parents=True, exist_ok=True)
        _write(at / "references.csv", sorted(held, key=lambda row: row["id"]))
        _write(at / "met.csv", others)
        if not (at / "library").exists():
            build_library([at / "references.csv"], at / "library", parts=PARTS)
        ask = _Asker(at, others, alpha)
        starts = random.random(len(mine))
        for length in found:
            queries = [rows[n] for n in mine.tolist()]
            cut = None if length == "whole" else starts
            found[length] += ask(queries, cell[mine], cut)
    return found


def _write(path: Path, rows: Sequence[Row]) -> None:
    write_delimited(path, _COLUMNS, ([row[name] for name in _COLUMNS] for row in rows), ",")


class _Asker:
    """A library and a list, ready to be asked."""

    def __init__(self, folder: Path, met: Sequence[Row], alpha: float) -> None:
        choice = Choice(alpha)
        library = Library.open(folder / "library")
        self._one = Identifier(library, choice)
        self._promises = self._one.evidence.promises(choice)
        self._consensus = Consensus({"library": self._one.evidence}, choice)
        self._joint = self._consensus.joint
        sightings = read_sightings(folder / "met.csv")
        self._consensus.place = PlaceEvidence(sightings, self._joint, [library])
        ladder = self._joint.ladder
        self._rung = {
            (ladder.ranks[ladder.rank[rung]], self._joint.names[ladder.node[rung]]): rung
            for rung in np.flatnonzero(ladder.node >= 0).tolist()
        }
        self._listed: dict[str, set[int]] = {}
        for row in met:
            rung = self._rung.get(("species", row["species"]))
            if rung is not None:
                self._listed.setdefault(row["country"], set()).add(rung)

    def __call__(
        self, queries: Sequence[Row], cell: NDArray[np.int64], cut: Floats | None
    ) -> list[_Judged]:
        """Return how queries fare.

        Args:
            queries: The records.
            cell: Of each, the cube that it lies in.
            cut: Of each, where its piece begins, as a share; None for whole ones.
        """
        sequences = [row["sequence"] for row in queries]
        if cut is not None:
            sequences = [
                one[int(share * max(0, len(one) - _PIECE)) :][:_PIECE]
                for one, share in zip(sequences, cut.tolist(), strict=True)
            ]
        answers, posterior, length = self._one.weigh(sequences)
        # The last promise is of the shortest pieces.
        promise = self._promises[0 if cut is None else -1]
        needed = np.array([[*promise.thresholds.values()]])
        decided = self._consensus.decided([0, PLACE])
        found = []
        for number, (row, answer) in enumerate(zip(queries, answers, strict=True)):
            first, stop = posterior.offset[number : number + 2]
            witness = Witness.of(
                self._joint, 0, posterior.rung[first:stop], posterior.probability[first:stop],
                piece=bool(length[number]),
            )  # fmt: skip
            spot = spot_of(float(row["latitude"]), float(row["longitude"]), row["date"])
            own = Posterior(np.array([0, len(witness.rung)]), witness.rung, witness.probability)
            placed = self._consensus.posterior([witness], spot)
            masked = self._masked(own, row["country"])
            stood = [
                (answer.rank, answer.name),
                self._answer(placed, decided.thresholds([witness])),
                self._answer(masked, needed),
            ]
            found.append(self._judged(row, int(cell[number]), (own, placed, masked), stood))
        return found

    def _masked(self, own: Posterior, country: str) -> Posterior:
        """Return a posterior without the species that the list of a country does not have."""
        ladder = self._joint.ladder
        listed = self._listed.get(country, set())
        species = (own.rung >= 0) & (ladder.rank[own.rung] == len(ladder.ranks) - 1)
        out = species & ~np.isin(own.rung, sorted(listed))
        share = np.where(out, 0, own.probability)
        return Posterior(own.offset, own.rung, share / max(float(share.sum()), 1e-12))

    def _answer(self, posterior: Posterior, thresholds: Floats) -> tuple[str, str]:
        """Return rank and name that are stood by."""
        ladder = self._joint.ladder
        chains = chains_of(posterior, ladder)
        depth = int(stands(chains, ladder, thresholds)[0])
        rung = int(chains.rung[0, depth - 1]) if depth else ROOT
        while rung >= 0 and ladder.node[rung] < 0:
            rung = int(ladder.parent[rung])
        if rung < 0:
            return "", ""
        return ladder.ranks[ladder.rank[rung]], self._joint.names[ladder.node[rung]]

    def _judged(
        self,
        row: Row,
        cell: int,
        posteriors: Sequence[Posterior],
        stood: Sequence[tuple[str, str]],
    ) -> _Judged:
        """Return how one query fared."""
        known, true = "", ROOT
        for rank in _RANKS:
            if (rank, row[rank]) in self._rung:
                known, true = rank, self._rung[rank, row[rank]]
        logs = [
            float(np.log(max(_FLOOR, one.probability[one.rung == true].sum())))
            for one in posteriors
        ]
        told = known if known in ("species", "genus") else "less"
        wrong = tuple(bool(rank) and name != row[rank] for rank, name in stood)
        named = tuple(one == ("species", row["species"]) for one in stood)
        return _Judged(cell, row["genus"], told, tuple(logs), wrong, named)


# -- figures --------------------------------------------------------------------------------------


def _figures(name: str, judged: Sequence[_Judged]) -> Figures:
    """Return log scores, wrong answers and species named, of each way."""
    logs = np.array([one.log for one in judged])
    wrong = np.array([one.wrong for one in judged], np.float64)
    named = np.array([one.named for one in judged], np.float64)
    known = np.array([one.known for one in judged])
    cell = np.array([one.cell for one in judged])
    every = np.ones(len(judged), bool)
    found: Figures = {}

    def add(what: str, values: Floats, some: NDArray[np.bool_], unit: str, times: float) -> None:
        if some.any():
            found[f"{name}: {what}"] = _figure(values[some] * times, cell[some], unit)

    for way, label in enumerate(_WAYS):
        add(f"log score, {label}", logs[:, way], every, "nats", 1)
    add("log score gained by place", logs[:, 1] - logs[:, 0], every, "nats", 1)
    add("log score gained by place over the mask", logs[:, 1] - logs[:, 2], every, "nats", 1)
    for way, label in enumerate(_WAYS):
        add(f"named to the right species, {label}", named[:, way], known == "species", "%", 100)
    for way, label in enumerate(_WAYS):
        add(f"wrong, {label}", wrong[:, way], every, "%", 100)
        lacking = {"species": "species present", "genus": "species absent", "less": "genus absent"}
        for kind, told in lacking.items():
            add(f"wrong, {label}, {told}", wrong[:, way], known == kind, "%", 100)
    return found


def _figure(values: Floats, cell: NDArray[np.int64], unit: str) -> dict[str, float | int | str]:
    """Return a mean over queries with its interval: cells are drawn again."""
    number = np.unique(cell, return_inverse=True)[1].reshape(-1)
    total, count = np.bincount(number, values), np.bincount(number)
    random = np.random.default_rng(0)
    drawn = random.integers(len(count), size=(_DRAWS, len(count)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    digits = 3 if unit == "nats" else 2
    return {
        "value": round(float(values.mean()), digits), "low": round(float(low), digits),
        "high": round(float(high), digits),
        "n": len(values), "unit": unit,
    }  # fmt: skip
