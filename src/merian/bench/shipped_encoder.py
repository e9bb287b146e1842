"""The encoder of barcodes that ships: its corpus, its training and its card, to be made again.

``merian bench shipped-encoder --data FOLDER --out FOLDER`` writes the corpus with a note on every
source, packs it, trains one recipe after the other (each begins with the weights of the one before)
and, with ``--package``, writes weights and card as the package keeps them in
src/merian/learn/shipped. What is there already is not made again. The figures are of sequences that
are held out of the corpus, and the encoder is never scored on the bench, whose sources it learned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merian.bench.encoder_corpus import write_corpus
from merian.errors import InputError
from merian.files import write_json

__all__ = ["NAME", "WORKING", "run"]

NAME = "shipped-encoder"
WORKING = ("out", "package")  # settings that do not decide the data

_CORPUS, _SOURCES = "corpus.fasta", "sources.json"


def run(
    *,
    data: Path = Path("../shared/data"),
    out: Path = Path("shipped-encoder"),
    recipes: str = "barcode-spectrum",
    trained: Path | None = None,
    package: Path | None = None,
    only: str = "",
) -> dict[str, dict[str, object]]:
    """Make the corpus, train on it, and write what ships.

    Args:
        data: The folder that holds dna/ and multimodal/.
        out: A folder to work in; it is kept.
        recipes: Names or files, with commas between: each begins with the weights of the last.
        trained: A run that learned from the pack elsewhere, to be taken instead of training.
        package: The folder to write weights and card into.
        only: "corpus" or "pack" to stop there.
    """
    if only not in {"", "corpus", "pack"}:
        raise InputError(f"--only {only}: corpus or pack expected")
    sources = _corpus(data, out)
    figures = _counted(sources)
    if only == "corpus":
        return figures
    first, *more = [name for name in recipes.split(",") if name] or ["barcode-spectrum"]
    pack = _packed(out, first)
    if only == "pack":
        return figures
    last = _elsewhere(trained, pack) if trained else _trained(out, pack, [first, *more])
    figures |= _held_out(last)
    if package is not None:
        from merian.learn.shipping import ship  # noqa: PLC0415 - it loads torch

        size = ship(last, package, sources)
        figures["size"] = {"value": round(size / 1e6, 2), "unit": "MB"}
    return figures


def _corpus(data: Path, out: Path) -> list[dict[str, Any]]:
    """Write the corpus and what is to be said of its sources, if they are not there."""
    told = out / _SOURCES
    if not (out / _CORPUS).is_file() or not told.is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_json(told, write_corpus(data, out / _CORPUS))
    found: list[dict[str, Any]] = json.loads(told.read_text(encoding="utf-8"))
    return found


def _counted(sources: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, object]]:
    used = [source for source in sources if source["used"]]
    return {
        "sources": {"value": len(used), "n": len(sources), "unit": "folders"},
        "records": {"value": sum(source["records"] for source in used)},
        "sequences": {"value": sum(source["sequences"] for source in used)},
    }


def _packed(out: Path, recipe: str) -> Path:
    from merian.learn.pack_gather import Asked  # noqa: PLC0415 - not for the corpus alone
    from merian.learn.packing import make_pack  # noqa: PLC0415
    from merian.learn.recipe import read_recipe  # noqa: PLC0415

    folder = out / "pack"
    make_pack([out / _CORPUS], folder, Asked("barcodes", valid=read_recipe(recipe).data.valid))
    return folder


def _trained(out: Path, pack: Path, recipes: Sequence[str]) -> Path:
    """Train one recipe after the other, and return the last run."""
    from merian.learn.building import build_task  # noqa: PLC0415 - loads torch
    from merian.learn.pack import open_pack  # noqa: PLC0415
    from merian.learn.recipe import read_recipe  # noqa: PLC0415
    from merian.learn.trainer import train  # noqa: PLC0415

    share = float(open_pack(pack).header["valid"])
    last: Path | None = None
    for number, name in enumerate(recipes, 1):
        changes = [f"encoder.from={json.dumps(str(last))}"] if last else []
        recipe = read_recipe(name, changes)
        recipe = replace(recipe, data=replace(recipe.data, valid=share))
        folder = out / f"run-{number}"
        done = train(recipe, build_task(recipe, pack), folder)
        if done.ended == "stopped":
            raise InputError(f"{folder}: stopped and saved; the same command goes on")
        last = folder
    assert last is not None
    return last


def _elsewhere(run: Path, pack: Path) -> Path:
    """Return a run that is done, and that learned from the corpus which its card will tell of."""
    from merian.learn.pack import open_pack  # noqa: PLC0415 - not for the corpus alone
    from merian.learn.saved import model_folder, read_card  # noqa: PLC0415 - loads torch

    folder = model_folder(run)
    if folder is None or not (run / "result.json").is_file():
        raise InputError(f"--trained {run}: is no run that is done; give the --out of merian train")
    learned = ((read_card(folder).get("data") or {}).get("pack") or {}).get("hash")
    held = open_pack(pack).header["hash"]
    if learned != held:
        raise InputError(
            f"--trained {run}: learned from the pack {learned}, and {pack} is {held}; the card "
            "would tell of other sources than those it learned from"
        )
    return run


def _held_out(run: Path) -> dict[str, dict[str, object]]:
    """Return the figures of a run on what was held out of its pack."""
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return {
        f"held out: {name}": {key: told[key] for key in ("value", "low", "high")}
        for name, told in sorted(result["figures"].items())
    }
