"""How well groups that nobody named are classes: encoders, clusterers, ranks, worlds, and speed.

``--part study`` clusters pictures of six sets as ten encoders see them, and judges three claims of
the study of zero-shot clustering; ``bioscan`` holds images, barcodes and both against every rank;
``corals`` asks how many kinds are found among 620 corals of 14; ``scatter`` moves the page of
50,000 points in a browser; ``barcodes``, ``world`` and ``speed`` are the figures of `merian
discover`.

References: Lowe et al., arXiv:2406.02465; Gharaee et al., BIOSCAN-5M, arXiv:2406.12723.
"""

from __future__ import annotations

import csv
import importlib.util
import inspect
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from merian.bench.clustering_claims import Claim, claims_of, proxy
from merian.bench.clustering_encoders import ENCODERS, Eye, home_pack, open_eye, vectors_of
from merian.bench.clustering_page import sentence, write_page
from merian.bench.clustering_ranks import Ranked, Specimens, ranked, real_barcodes, world
from merian.bench.clustering_sets import (
    HOME,
    SETS,
    ClusterSet,
    home_rest,
    picture_set,
    sampled,
)
from merian.bench.clustering_study import FOUND, TRUE, Scored, grouped, scored
from merian.bench.paired_world import PairedSettings
from merian.errors import InputError, MissingExtraError, NotFoundError
from merian.files import new_file
from merian.learn.agreement import adjusted_mutual_information
from merian.report.scatter import Scatter, places_of, write_scatter
from merian.stamp import run_id, stamp

__all__ = ["NAME", "WORKING", "run"]

NAME = "clustering"
WORKING = ("data", "work", "out", "processes")

_OURS = ("study", "bioscan", "corals", "scatter")
_ELSEWHERE = ("barcodes", "world", "speed")
_INSECTS = Path("multimodal/bold_insect_coi/bold_coi_784species_cap30.tsv.gz")
_REFERENCE = Path("dna/coi_reference/coi_reference.tsv.gz")
_DRAWN = PairedSettings(species=60, each=6, level=2)
_CORALS = 14
_CLASSES, _PICTURES = 18, 180

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Asked:
    """What was asked of the bench, and what was left out of it."""

    data: Path
    work: Path
    out: Path | None
    encoders: tuple[str, ...]
    sets: tuple[str, ...]
    classes: int
    pictures: int
    minutes: float
    seeds: int
    rounds: int
    barcodes: int
    points: int
    seed: int
    processes: int
    run: str
    absent: dict[str, str]


def run(
    *,
    part: str = "study,bioscan,corals",
    data: Path = Path("../shared/data"),
    encoders: str = "",
    sets: str = "",
    classes: int = _CLASSES,
    pictures: int = _PICTURES,
    whole: bool = False,
    minutes: float = 2.0,
    seeds: int = 3,
    rounds: int = 100,
    barcodes: int = 1500,
    points: int = 50_000,
    seed: int = 0,
    processes: int = 1,
    work: Path | None = None,
    out: Path | None = None,
) -> Figures:
    """Return the figures of the parts that are asked for.

    Args:
        part: study, bioscan, corals, scatter, barcodes, world, speed, with commas between; or all.
        data: The folder that holds plankton/, benthic/, multimodal/, packages/ and dna/.
        encoders: Which, with commas between; all if empty. See `ENCODERS`.
        sets: Of pictures, with commas between; all if empty.
        classes: Of a set, at most.
        pictures: Of a set, about.
        whole: Whether sets are taken whole instead.
        minutes: Of one processor that each of the three encoders that learn here takes.
        seeds: How many, of what clusterers draw.
        rounds: Of the bootstrap.
        barcodes: Real ones of each source, at most.
        points: Of the page that is moved in a browser.
        seed: The first.
        processes: How many draw worlds.
        work: Where vectors, trainings and clusters are kept. A temporary folder if not given.
        out: A folder for the page, the tables and the points of each set.
    """
    every = (*_OURS, *_ELSEWHERE)
    parts = every if part == "all" else tuple(filter(None, part.split(",")))
    names = _chosen(encoders, ENCODERS, "encoder"), _chosen(sets, (*SETS, "world"), "set")
    if not parts or set(parts) - set(every):
        raise InputError(f"--part {part}: some of {', '.join(every)} expected, or all")
    if seeds < 1 or rounds < 20 or minutes <= 0:
        raise InputError("1 seed, 20 rounds and some minutes, or more, expected")
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("merian bench clustering", "models")
    most = (10**9, 10**9) if whole else (classes, pictures)
    number = run_id("clustering", {"parts": parts, "sets": names, "most": most, "seed": seed,
                                   "minutes": minutes, "seeds": seeds})  # fmt: skip
    place = nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="merian-bench-")
    with place as made:
        asked = _Asked(
            data, Path(str(made)), out, *names, *most, minutes, seeds, rounds, barcodes, points,
            seed, processes, number, {},
        )  # fmt: skip
        rows = _study(asked) if "study" in parts else []
        claims = claims_of(rows, rounds, seed) if rows else []
        ranks = _ranks(asked) if "bioscan" in parts else []
        figures = _study_figures(rows, claims, asked) | _rank_figures(ranks)
        if "corals" in parts:
            figures |= _or_absent("corals", asked, lambda: _corals(asked))
        if "scatter" in parts:
            from merian.bench.clustering_browser import frame_figures  # noqa: PLC0415

            figures |= frame_figures(points, 200, seed)
        for name in _ELSEWHERE:
            if name in parts:
                figures |= _or_absent(name, asked, partial(_part, name, asked))
    if out is not None and (rows or ranks):
        _write(out, rows, claims, ranks, asked)
    figures["left out"] = {"value": len(asked.absent), "unit": "; ".join(
        f"{name}: {why}" for name, why in asked.absent.items()) or "nothing"}  # fmt: skip
    return figures


def _chosen(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    found = tuple(name.strip() for name in text.split(",") if name.strip()) or tuple(known)
    if odd := [name for name in found if name not in known]:
        raise InputError(f"no {what} is called {odd[0]!r}; there are {', '.join(known)}")
    return found


def _or_absent(name: str, asked: _Asked, figures: Callable[[], Figures]) -> Figures:
    """Return figures, or none where their data are not there; then it is said why."""
    try:
        return figures()
    except (NotFoundError, MissingExtraError) as error:
        asked.absent[name] = str(error)
        return {}


def _part(name: str, asked: _Asked) -> Figures:
    """Return the figures of a part that is a module of its own, with the settings that it has."""
    try:
        module = importlib.import_module(f"merian.bench.clustering_{name}")
    except ModuleNotFoundError as error:
        raise NotFoundError(f"the part {name} is not there ({error})") from None
    known = inspect.signature(module.run).parameters
    given = {"data": asked.data, "seed": asked.seed, "processes": asked.processes}
    told = module.run(**{key: value for key, value in given.items() if key in known})
    return {f"{name}: {figure}": dict(values) for figure, values in told.items()}


# -- the study -------------------------------------------------------------------------------------


def _study(asked: _Asked) -> list[Scored]:
    """Look at all sets with all encoders, cluster and score."""
    wholes = {}
    for name in asked.sets:
        try:
            wholes[name] = picture_set(name, asked.data, asked.work, asked.processes)
        except NotFoundError as error:
            asked.absent[name] = str(error)
    some = {
        name: sampled(one, asked.classes, asked.pictures, asked.seed)
        for name, one in wholes.items()
    }

    def pack() -> Path:
        if HOME not in wholes:
            raise NotFoundError(f"{HOME}, whose other pictures it learns from, is not among the "
                                "sets")  # fmt: skip
        return home_pack(home_rest(wholes[HOME], some[HOME]), asked.work)

    rows: list[Scored] = []
    for name in asked.encoders:
        try:
            eye = open_eye(name, asked.seed, pack, asked.work, asked.minutes)
        except NotFoundError as error:
            eye = str(error)
        if isinstance(eye, str):
            asked.absent[name] = eye
            continue
        for own in some.values():
            rows += _one(eye, own, asked)
    return rows


def _one(eye: Eye, own: ClusterSet, asked: _Asked) -> list[Scored]:
    """Return what all clusterers make of a set as an encoder sees it."""
    vectors = vectors_of(eye, own, asked.work)
    seeds = range(asked.seed, asked.seed + asked.seeds)
    found, space = grouped(vectors, len(own.names), seeds, asked.work)
    if asked.out is not None and eye.name == "Lite0":
        places, how = places_of(vectors, seed=asked.seed)
        groups = found["Ward", FOUND, asked.seed].tolist()
        write_scatter(
            asked.out / f"points-{own.name}.html",
            Scatter(
                f"{own.name}, as {eye.name} sees it", places, [file.name for file in own.files],
                {"cluster": [str(one) if one >= 0 else "" for one in groups],
                 "label": [own.names[one] for one in own.labels.tolist()]},
                f"Clusters: Ward, found number; {how}.", own.picture,
            ),
            stamp=stamp("merian-scatter", "1.0", asked.run),
        )  # fmt: skip
    return scored((own.name, eye.name), vectors, own.labels, found, space, asked.rounds, asked.seed)


def _study_figures(rows: Sequence[Scored], claims: Sequence[Claim], asked: _Asked) -> Figures:
    """Return AMI by one clusterer with and without the number, correlations, and claims."""
    figures: Figures = {}
    for row in rows:
        if (row.clusterer, row.number) in (("Ward", TRUE), ("HDBSCAN, UMAP", FOUND)):
            figures[f"{row.set}, {row.encoder}: AMI, {row.clusterer}, {row.number}"] = _figure(
                row.ami, row.low, row.high, None, f"without noise {row.inside:.3f}"
            )
    spaces: tuple[tuple[str, Callable[[Scored], float]], ...] = (
        ("in UMAP's space", lambda row: row.silhouette),
        ("in the space of the vectors", lambda row: row.own_silhouette),
    )
    for number in ("", TRUE, FOUND):
        some = [row for row in rows if number in ("", row.number)]
        for name, of in spaces:
            value, low, high, n = proxy(some, of, asked.rounds, asked.seed)
            if n:
                told = f"rank correlation of AMI and silhouette {name}"
                figures[f"{told}, {number}" if number else told] = _figure(
                    value, low, high, n, "Spearman, mean of sets"
                )
    for place, claim in enumerate(claims, 1):
        figures[f"claim {place}: {claim.verdict}"] = _figure(
            claim.value, claim.low, claim.high, claim.n, claim.says
        )
    return figures


def _figure(value: float, low: float, high: float, n: int | None, unit: str) -> dict[str, Any]:
    ends = (None if np.isnan(end) else round(float(end), 4) for end in (low, high))
    found: dict[str, Any] = dict(zip(("low", "high"), ends, strict=True))
    return {"value": round(float(value), 4), **found, "n": n, "unit": unit}


# -- the other parts -------------------------------------------------------------------------------


def _ranks(asked: _Asked) -> list[Ranked]:
    """Return the agreement with every rank, of worlds and of real barcodes."""
    sources: dict[str, Callable[[], Specimens]] = {
        "drawn world": lambda: world(asked.work, _DRAWN, asked.processes, "drawn world"),
        "COI reference": lambda: real_barcodes(
            "COI reference", asked.data / _REFERENCE, asked.barcodes, asked.seed
        ),
        "insects of BOLD": lambda: real_barcodes(
            "insects of BOLD", asked.data / _INSECTS, asked.barcodes, asked.seed
        ),
    }
    found: list[Ranked] = []
    for name, make in sources.items():
        try:
            found += ranked(make(), asked.rounds, asked.seed)
        except NotFoundError as error:
            asked.absent[name] = str(error)
    return found


def _rank_figures(rows: Sequence[Ranked]) -> Figures:
    return {
        f"{row.set}, {row.rank}: {row.seen}, {row.number}": _figure(
            row.ami, row.low, row.high, row.n, f"AMI, {row.clusters} clusters"
        )
        for row in rows
        if row.rank in ("species", "BIN") or row.number == TRUE
    }


def _corals(asked: _Asked) -> Figures:
    """Return how many groups are found among all corals, by settings that never saw them."""
    from merian.discover.clustering import group  # noqa: PLC0415 - scikit-learn takes seconds

    corals = picture_set("corals", asked.data, asked.work)
    eye = open_eye("Lite0", asked.seed, lambda: asked.work, asked.work, asked.minutes)
    if isinstance(eye, str):
        raise NotFoundError(eye)
    vectors = vectors_of(eye, corals, asked.work)
    figures: Figures = {}
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("as it is set", {}), ("main axes", {"reduce": "pca"}), ("UMAP", {"reduce": "umap"}),
    )  # fmt: skip
    for name, more in ways:
        try:
            found = group(vectors, seed=asked.seed, **more)
        except MissingExtraError as error:
            asked.absent[f"corals, {name}"] = str(error)
            continue
        ami = adjusted_mutual_information(found.label, corals.labels)
        figures[f"corals: groups found, {name}"] = {
            "value": found.count, "n": len(corals),
            "unit": f"of {_CORALS} kinds; AMI {ami:.3f}",
        }  # fmt: skip
    return figures


def _write(
    out: Path, rows: Sequence[Scored], claims: Sequence[Claim], ranks: Sequence[Ranked],
    asked: _Asked,
) -> None:  # fmt: skip
    """Write the page, the sentences of the claims and both tables."""
    out.mkdir(parents=True, exist_ok=True)
    write_page(out / "clustering.html", rows, claims, ranks, asked.absent, asked.run)
    with new_file(out / "claims.txt", text=True) as stream:
        stream.writelines(f"{sentence(claim)}\n" for claim in claims)
    for name, kind, table in (("study", Scored, rows), ("ranks", Ranked, ranks)):
        columns = [one.name for one in fields(kind) if one.name != "drawn"]
        with new_file(out / f"{name}.tsv", text=True) as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([getattr(row, column) for column in columns] for row in table)
