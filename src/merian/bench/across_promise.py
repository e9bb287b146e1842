"""Whether pictures can be named by a library of barcodes alone, and whether the promise holds.

In a world, a model is aligned on the specimens of half of the genera, by the recipe
`records-aligned`. A library of barcodes is built with it: of these specimens, and of those of other
genera, whose pictures are its witnesses. Some of these other genera, and some species, are left
out of it. Then all other specimens are asked, by their pictures alone. What the model was taught is
counted apart. Errors are means over genera, with 95 % intervals of these drawn again.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from merian.bench.asked_records import (
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
from merian.errors import InputError, MissingExtraError
from merian.formats import Options
from merian.identify import PARTS
from merian.identify.learning_across import answers_pictures, refusal
from merian.library import Library, Settings, build_library
from merian.world import Settings as WorldSettings
from merian.world import make_world

__all__ = ["NAME", "WORKING", "run"]

NAME = "across-promise"
WORKING = ("work", "processes")

_MAP = {"id": "occurrenceID", "image": "accessURI"}
_SHOWN = ("order", "family", "genus", "species")
_KNOWN = 0.6  # of the specimens of a species that are references


def run(
    *,
    species: int = 800,
    records: int = 4500,
    level: int = 2,
    epochs: float = 30.0,
    size: int = 128,
    seed: int = 51,
    alpha: float = 0.05,
    work: Path | None = None,
    processes: int = 2,
) -> Figures:
    """Align a model, build a library of barcodes with it, and ask it about pictures.

    Args:
        species: Of the world.
        records: Of the world.
        level: Of nuisance: 1 a studio, 2 a collection, 3 the field.
        epochs: Of the training.
        size: Of a picture in pixels.
        seed: Of the world, of what is left out, and of the training.
        alpha: The share of wrong answers that is promised not to be exceeded.
        work: Where all of it is kept; a temporary folder if not given.
        processes: How many work at a time.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("merian bench across-promise", "models")
    place = nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="merian-bench-")
    with place as made:
        kept = Path(str(made))
        world = kept / "world"
        if not (world / "specimens.csv").exists():
            settings = WorldSettings(
                species=species, specimens=records, seed=seed, level=level, labels="full",
                size=size, trays=0, quadrats=0,
            )  # fmt: skip
            make_world(world, settings, processes=processes)
        rows = [row for row in specimens(world) if row["image"]]
        taught, reference, asked = _parts(rows, seed)
        model = _aligned(kept, taught, world / "images", epochs, seed)
        library = _library(kept / "barcodes", reference, world / "images", model, processes)
        opened = Library.open(library)
        if not answers_pictures(opened):
            raise InputError(refusal({str(library): opened}))
        answers = asked_about(
            kept / "answers.tsv", asked, world / "images", [library], alpha, processes,
            without=("sequence",),
        )  # fmt: skip
        return _counted(answers, asked, taught, reference)


def _parts(rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Return what is learned from, what has its barcode in the library, and what is asked."""
    random = np.random.default_rng(seed)
    learned = drawn(random, {row["genus"] for row in rows}, 0.5)
    others = {row["genus"] for row in rows} - learned
    without = drawn(random, others, 0.2)
    names = {row["species"] for row in rows if row["genus"] in others - without}
    left_out = drawn(random, names, 0.2)
    taught: list[Row] = []
    reference: list[Row] = []
    asked: list[Row] = []
    for row in rows:
        known = random.random() < _KNOWN and bool(row["sequence"])
        if not known or row["genus"] in without or row["species"] in left_out:
            asked.append(row)
            continue
        reference.append(row)
        if row["genus"] in learned:
            taught.append(row)
    return taught, reference, asked


def _aligned(work: Path, rows: Sequence[Row], images: Path, epochs: float, seed: int) -> Path:
    """Train the model, if it is not there."""
    from merian.learn.building import build_task  # noqa: PLC0415 - torch is an extra
    from merian.learn.pack_gather import Asked  # noqa: PLC0415
    from merian.learn.packing import make_pack  # noqa: PLC0415
    from merian.learn.recipe import read_recipe  # noqa: PLC0415
    from merian.learn.trainer import train  # noqa: PLC0415

    table = work / "taught.csv"
    write_rows(table, rows, without=())
    asked = Asked("records", valid=0.1, options=Options(_MAP, images))
    pack = make_pack([table], work / "pack", asked).pack
    changes = [f"training.epochs={epochs}", f"training.seed={seed}", "training.device=cpu"]
    recipe = read_recipe("records-aligned", changes)
    train(recipe, build_task(recipe, pack.folder), work / "run")
    return work / "run"


def _library(folder: Path, rows: Sequence[Row], images: Path, model: Path, processes: int) -> Path:
    """Build a library of barcodes with the model, if it is not there."""
    if not (folder / "library.json").exists():
        table = folder.with_suffix(".csv")
        write_rows(table, rows, without=())
        settings = Settings(options=Options(_MAP, images), encoder=str(model), processes=processes)
        build_library([table], folder, settings=settings, parts=PARTS)
    return folder


def _counted(
    answers: Sequence[dict[str, object]],
    asked: Sequence[Row],
    taught: Sequence[Row],
    reference: Sequence[Row],
) -> Figures:
    """Return errors and depths, by what the library lacks and what the model was taught."""
    truth = {row["id"]: row for row in asked}
    lineage = {row["id"]: row for row in reference}
    names = {row["species"] for row in reference}
    genera = {row["genus"] for row in reference}
    learned = {row["genus"] for row in taught}
    judged = []
    for row in answers:
        own = truth[str(row["id"])]
        stratum = "species absent" if own["genus"] in genera else "genus absent"
        stratum = "species present" if own["species"] in names else stratum
        stratum += ", genus taught" if own["genus"] in learned else ""
        judged.append(Judged(row, own, stratum))
    untaught = [one for one in judged if one.truth["genus"] not in learned]
    found = figures("pictures by barcodes", judged, "genus")
    found |= figures("pictures by barcodes, nothing taught", untaught, "genus")
    found |= depths("pictures by barcodes, nothing taught, all", untaught)
    for kind in sorted({one.stratum for one in judged}):
        found |= _nearest(kind, [one for one in judged if one.stratum == kind], lineage)
    return {name: row for name, row in found.items() if row["n"]}


def _nearest(kind: str, judged: Sequence[Judged], lineage: Mapping[str, Row]) -> Figures:
    """Return how often the nearest barcode is of the true taxon: an answer that never says no."""
    found: Figures = {}
    nearest = [lineage.get(str(one.row["nearest"]).split(";")[0], {}) for one in judged]
    for rank in _SHOWN:
        right = [row.get(rank) == one.truth[rank] for row, one in zip(nearest, judged, strict=True)]
        found[f"nearest barcode, {kind}: of the same {rank}"] = {
            "value": round(100 * float(np.mean(right)), 1), "n": len(right), "unit": "%",
        }  # fmt: skip
    return found
