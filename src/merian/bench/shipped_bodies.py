"""A network that finds bodies, as it may ship: its drawn trays, its training and its card.

``merian bench shipped-bodies --out FOLDER`` draws trays and specimens of eight worlds, trains
the recipe `instances` on them and, with ``--package``, writes weights and card as the package keeps
them in src/merian/learn/shipped, where none is yet. What is there is not made again. No real
picture is among them, so every real one is unseen; of drawn ones, worlds with other seeds are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merian.bench.drawn_trays import write_training
from merian.errors import InputError

__all__ = ["NAME", "WORKING", "run", "ship_bodies"]

NAME = "shipped-bodies"
WORKING = ("out", "package")  # settings that do not decide the data

_USE = (
    "Finding the bodies in photographs of trays, traps and drawers, each with its outline and a "
    "score: `merian tray PHOTO --finder learned`."
)
_LIMITS = (
    "It gives no names.",
    "It has learned from drawn pictures alone, of insects and plankton on plain grounds. What does "
    "not look like them (worms, snails, fish, leaves) may be missed.",
    "It knows bodies of about 15 to 400 pixels; photographs are brought to that scale by the size "
    "of what the classical finder sees.",
    "Of two bodies that lie across each other with more than half covered one is often lost.",
)


def run(
    *,
    out: Path = Path("shipped-bodies"),
    worlds: int = 8,
    trained: Path | None = None,
    package: Path | None = None,
    only: str = "",
) -> dict[str, dict[str, object]]:
    """Draw what is learned from, train, and write what ships.

    Args:
        out: A folder to work in; it is kept.
        worlds: How many are drawn; each has three trays and 24 single specimens.
        trained: A run that was trained elsewhere, to be taken instead of training.
        package: The folder to write weights and card into.
        only: "draw" to stop there.
    """
    if only not in {"", "draw"}:
        raise InputError(f"--only {only}: draw expected")
    files = [*write_training(out / "drawn", worlds)]
    figures: dict[str, dict[str, object]] = {"files": {"value": len(files), "unit": "COCO files"}}
    if only == "draw":
        return figures
    run_ = trained or _trained(out, files)
    if package is not None:
        figures["size"] = {"value": round(ship_bodies(run_, package) / 1e6, 2), "unit": "MB"}
    return figures


def _trained(out: Path, files: list[Path]) -> Path:
    from merian.learn.building import build_task  # noqa: PLC0415 - it loads torch
    from merian.learn.instance_pack import make_instance_pack  # noqa: PLC0415
    from merian.learn.recipe import read_recipe  # noqa: PLC0415
    from merian.learn.trainer import train  # noqa: PLC0415

    recipe = read_recipe("instances")
    make_instance_pack(files, out / "pack", valid=recipe.data.valid)
    train(recipe, build_task(recipe, out / "pack"), out / "run")
    return out / "run"


def ship_bodies(run: Path | str, out: Path | str, decoding: dict[str, Any] | None = None) -> int:
    """Write the network of a run as it ships, complete or not at all; return its bytes.

    Args:
        run: A run that is done, or the folder of a model.
        out: The folder to write.
        decoding: What is taken for a body, where that is not the usual (`Decoding`).
    """
    from merian.learn.encoding import EncoderAlone, described  # noqa: PLC0415 - it loads torch
    from merian.learn.instance_building import load_instance_network  # noqa: PLC0415
    from merian.learn.saved import WEIGHTS, save_model  # noqa: PLC0415
    from merian.learn.shelf import BODIES  # noqa: PLC0415

    network, card = load_instance_network(run)
    training = dict(card.get("training") or {})
    alone = EncoderAlone(network, "instances", described(network))
    told: dict[str, Any] = {
        "name": BODIES,
        "preprocessing": card["preprocessing"],
        "licence": "Apache-2.0",
        "use": _USE,
        "limits": [*_LIMITS],
        "parameters": sum(p.numel() for p in network.parameters()),
        "sources": [{"name": "drawn trays and single specimens of Merian's own worlds",
                     "from": "merian bench shipped-bodies --only draw", "licence": "Apache-2.0",
                     "bodies": (card.get("data") or {}).get("pack", {}).get("examples")}],
        "recipe": card.get("recipe"),
        "training": {**training, "held_out_figures": training.pop("figures", {})},
        **({"decoding": decoding} if decoding else {}),
    }  # fmt: skip
    told["training"].pop("figures", None)
    save_model(out, alone, told, half=True)
    return (Path(out) / WEIGHTS).stat().st_size
