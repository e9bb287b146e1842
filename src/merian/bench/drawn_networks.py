"""Networks that learn from drawn pictures and may ship: their training and their cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

__all__ = ["shipped_card", "trained_on"]

_OF_THE_RECIPE = ("about", "needs", "gave")  # what it says of itself, and not of a network


def trained_on(
    name: str,
    make_pack: Callable[..., object],
    files: list[Path],
    out: Path,
    changes: Sequence[str] = (),
    run: str = "run",
) -> Path:
    """Train a recipe on COCO files, and return the folder of the run.

    Args:
        name: Of the recipe.
        make_pack: Makes its pack.
        files: The COCO files.
        out: A folder for pack and run; what is there already is not made again.
        changes: What is changed in the recipe, as table.key=value.
        run: What the folder of the run is called.
    """
    from merian.learn.building import build_task  # noqa: PLC0415 - heavy
    from merian.learn.recipe import read_recipe  # noqa: PLC0415
    from merian.learn.trainer import train  # noqa: PLC0415

    recipe = read_recipe(name, changes)
    make_pack(files, out / "pack", valid=recipe.data.valid)
    train(recipe, build_task(recipe, out / "pack"), out / run)
    return out / run


def shipped_card(
    network: nn.Module,
    card: Mapping[str, Any],
    *,
    name: str,
    use: str,
    limits: Sequence[str],
    source: str,
    bench: str,
    beside: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return what the card of a network that ships says.

    Args:
        network: It.
        card: That of its run.
        name: What it is called.
        use: What it is for.
        limits: What it cannot do.
        source: What it has learned from.
        bench: The bench that draws that.
        beside: Other sources, each with its name, where it is from and its licence.
    """
    training, recipe = dict(card.get("training") or {}), dict(card.get("recipe") or {})
    # Where weights lay that it began with says nothing to others.
    recipe["encoder"] = {k: v for k, v in recipe.get("encoder", {}).items() if k != "from"}
    return {
        "name": name,
        "preprocessing": card.get("preprocessing") or card["data"]["preprocessing"],
        "licence": "Apache-2.0",
        "use": use,
        "limits": [*limits],
        "parameters": sum(p.numel() for p in network.parameters()),
        # What ships already says where it is from.
        "sources": card.get("sources") or [
            {"name": source, "from": f"merian bench {bench} --only draw", "licence": "Apache-2.0",
             "bodies": (card.get("data") or {}).get("pack", {}).get("examples")},
            *(dict(one) for one in beside)],
        "recipe": {k: v for k, v in recipe.items() if k not in _OF_THE_RECIPE},
        "training": {**{k: v for k, v in training.items() if k != "figures"}, "held_out_figures":
                     training.get("figures") or training.get("held_out_figures", {})},
    }  # fmt: skip
