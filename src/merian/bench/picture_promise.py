"""Whether the promise holds for pictures, and for what pictures and barcodes say together.

In a world, one library is built of pictures and one of barcodes. Some genera and some species are
in neither, some species in one alone; the other specimens are asked, by picture and barcode. Of
ISIIS (121 classes of plankton), a library is built of half of the pictures of most classes, and
the rest is asked, with the classes that it lacks. An answer is wrong if it is neither the true
taxon nor one above it; errors are means over genera (of ISIIS: classes), with 95 % intervals of
these drawn again.

A picture takes a thirtieth of a second of a core, and is looked at once in each draw.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from merian.bench.asked_records import (
    RANKS,
    Figures,
    Judged,
    Row,
    asked_about,
    depths,
    drawn,
    figures,
    specimens,
    write_rows,
)
from merian.errors import InputError
from merian.files import existing
from merian.formats import Options
from merian.identify import PARTS, PICTURE_PARTS
from merian.library import Settings, build_library
from merian.world import Settings as WorldSettings
from merian.world import make_world

__all__ = ["NAME", "WORKING", "run"]

NAME = "picture-promise"
WORKING = ("out", "processes")

_PLACE = Path("../shared/data/plankton/isiis_planktonset1")
_LINEAGES = Path("../shared/data/plankton/planktonzilla/planktonzilla_taxonomy.csv")
_SOURCE = "planktonset1.0"
_STRATA = ("species present", "species absent", "genus absent")


def run(
    *,
    isiis: Path = _PLACE,
    lineages: Path = _LINEAGES,
    world: Path | None = None,
    species: int = 400,
    specimens: int = 3000,
    seed: int = 31,
    draws: int = 3,
    alpha: float = 0.05,
    parts: str = "world,isiis",
    out: Path | None = None,
    processes: int = 2,
) -> Figures:
    """Build the libraries, ask them and count wrong answers.

    Args:
        isiis: The folder of ISIIS, a folder for each class.
        lineages: The table of Planktonzilla with the lineages of its classes.
        world: A world that is there already; one is made if not given.
        species: Of the world.
        specimens: Of the world.
        seed: Of the world, and of what is held out first.
        draws: How many times something is held out of the world.
        alpha: The share of wrong answers that is promised not to be exceeded.
        parts: What is asked, with commas between: world, isiis.
        out: Where the libraries and answers are kept; a temporary folder if not given.
        processes: How many work at a time.
    """
    found: Figures = {}
    with ExitStack() as stack:
        work = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-")))
        work.mkdir(parents=True, exist_ok=True)
        if "world" in parts:
            place = world
            if place is None:
                settings = WorldSettings(
                    species=species, specimens=specimens, seed=seed, level=2, labels="full",
                    trays=0, quadrats=0,
                )  # fmt: skip
                place = work / "world"
                if not (place / "specimens.csv").exists():
                    make_world(place, settings, processes=processes)
            found |= _of_world(place, work, seed, draws, alpha, processes)
        if "isiis" in parts:
            found |= _of_isiis(existing(isiis), existing(lineages), work, seed, alpha, processes)
    return found


# -- a world ------------------------------------------------------------------------------------


def _of_world(
    world: Path, work: Path, seed: int, draws: int, alpha: float, processes: int
) -> Figures:
    """Return the figures of several draws of what is held out, taken together."""
    rows = [*specimens(world)]
    judged: dict[str, list[Judged]] = {"picture": [], "barcode": [], "consensus": []}
    of_both: dict[str, list[Judged]] = {kind: [] for kind in judged}
    for draw in range(draws):
        place = work / f"world-{draw}"
        place.mkdir(exist_ok=True)
        answers, truth, strata = _draw(rows, world, place, seed + draw, alpha, processes)
        both = {row["id"] for row in answers if row["evidence"] == "consensus"}
        for row in answers:
            key, kind = str(row["id"]), str(row["evidence"])
            one = Judged(row, truth[key], strata[kind][key])
            judged[kind].append(one)
            if key in both:
                of_both[kind].append(one)
    found: Figures = {}
    for kind, some in judged.items():
        found |= figures(f"world, {kind}", some, "genus")
    for kind, some in of_both.items():
        found |= depths(f"world, {kind} of records with both", some)
    return found


def _draw(
    rows: Sequence[Row], world: Path, work: Path, seed: int, alpha: float, processes: int
) -> tuple[list[dict[str, object]], dict[str, Row], dict[str, dict[str, str]]]:
    """Return the answers of one draw, the truth, and by kind what its libraries lack of each."""
    random = np.random.default_rng(seed)
    genera = drawn(random, {row["genus"] for row in rows}, 0.15)
    names = {row["species"] for row in rows if row["genus"] not in genera}
    order = random.permutation(sorted(names)).tolist()
    count = len(order)
    neither, barcodes, pictures = (
        set(order[a * count // 100 : b * count // 100]) for a, b in ((0, 15), (15, 30), (30, 45))
    )
    reference: list[Row] = []
    asked: list[Row] = []
    for row in rows:
        known = row["genus"] not in genera and row["species"] not in neither
        (reference if known and random.random() < 0.6 else asked).append(row)
    libraries = [
        _library(
            work / "pictures", [r for r in reference if r["species"] not in barcodes],
            world / "images", pictures=True, processes=processes,
        ),
        _library(
            work / "barcodes", [r for r in reference if r["species"] not in pictures],
            world / "images", pictures=False, processes=processes,
        ),
    ]  # fmt: skip
    looks = {r["species"] for r in reference if r["species"] not in barcodes and r["image"]}
    codes = {r["species"] for r in reference if r["species"] not in pictures and r["sequence"]}
    answers = asked_about(
        work / "answers.tsv", asked, world / "images", libraries, alpha, processes
    )
    truth = {row["id"]: row for row in asked}
    held = {"picture": looks, "barcode": codes, "consensus": looks | codes}
    strata = {
        kind: {key: _stratum(row, own) for key, row in truth.items()} for kind, own in held.items()
    }
    return answers, truth, strata


def _stratum(row: Row, held: set[str]) -> str:
    if row["species"] in held:
        return _STRATA[0]
    genera = {name.split()[0] for name in held}
    return _STRATA[1] if row["genus"] in genera else _STRATA[2]


# -- ISIIS --------------------------------------------------------------------------------------


def _of_isiis(
    folder: Path, lineages: Path, work: Path, seed: int, alpha: float, processes: int
) -> Figures:
    rows = [*_plankton(folder, lineages)]
    random = np.random.default_rng(seed)
    new = drawn(random, {row["label"] for row in rows}, 0.25)
    reference: list[Row] = []
    asked: list[Row] = []
    for row in rows:
        known = row["label"] not in new and random.random() < 0.5
        (reference if known else asked).append(row)
    library = _library(work / "isiis-pictures", reference, folder, pictures=True,
                       processes=processes)  # fmt: skip
    answers = asked_about(work / "isiis-answers.tsv", asked, folder, [library], alpha, processes)
    truth = {row["id"]: row for row in asked}
    judged = [
        Judged(row, own, "class absent" if own["label"] in new else "class present")
        for row in answers
        for own in [truth[str(row["id"])]]
    ]
    return figures("ISIIS, picture", judged, "label")


def _plankton(folder: Path, lineages: Path) -> Iterator[Row]:
    """Return the pictures of ISIIS with their lineages; what does not live is a kingdom too."""
    with lineages.open(encoding="utf-8", newline="") as stream:
        told = {r["Raw_Labels"]: r for r in csv.DictReader(stream) if r["Dataset"] == _SOURCE}
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    if not files:
        raise InputError(f"{folder}: holds no pictures; expected a folder for each class")
    for file in files:
        label = file.parent.name
        row = told[label]
        names = {rank: row[rank.capitalize()].capitalize() for rank in RANKS}
        if names["species"]:
            names["species"] = f"{names['genus']} {names['species'].lower()}"
        names["kingdom"] = names["kingdom"] or "Inanimata"
        yield {"id": f"{label}/{file.stem}", "image": str(file.relative_to(folder)),
               "label": label, **names}  # fmt: skip


# -- asking -------------------------------------------------------------------------------------


def _library(
    folder: Path, rows: Sequence[Row], images: Path, *, pictures: bool, processes: int
) -> Path:
    """Build a library, if it is not there."""
    if (folder / "library.json").exists():
        return folder
    table = folder.with_suffix(".csv")
    skipped = "sequence" if pictures else "image"
    write_rows(table, rows, without=(skipped,))
    mapping = {"id": "occurrenceID"} | ({"image": "accessURI"} if pictures else {})
    settings = Settings(
        options=Options(mapping, images if pictures else None), pictures=pictures,
        processes=processes,
    )  # fmt: skip
    build_library([table], folder, settings=settings, parts=PICTURE_PARTS if pictures else PARTS)
    return folder
