"""A network that places landmarks, as it ships: its drawn specimens, its training and its card.

``merian bench shipped-landmarks --out FOLDER`` draws insects of eighteen worlds, trains the recipe
`landmarks` on them and, with ``--package``, writes weights and card as the package keeps them in
src/merian/learn/shipped. No real picture is among them, so every real one is unseen; of drawn ones,
worlds with other seeds are.
"""

from __future__ import annotations

from pathlib import Path

from merian.bench.drawn_specimens import write_worlds
from merian.errors import InputError

__all__ = ["NAME", "WORKING", "run", "ship_landmarks"]

NAME = "shipped-landmarks"
WORKING = ("out", "package")  # settings that do not decide the data

_USE = (
    "Landmarks and outlines of single specimens of insects seen from above, beside the classical "
    "ones: `merian measure PICTURES --landmarks learned`."
)
_LIMITS = (
    "It gives no names.",
    "It has learned from drawn insects alone, on plain grounds and on grounds with text and grain; "
    "no photograph was among them. Errors of landmarks on its card are those on drawn ones.",
    "Insects seen from the side, curled up or in pieces it has not seen.",
    "Where it is not sure, landmarks are those that the outline gives.",
)


def run(
    *,
    out: Path = Path("shipped-landmarks"),
    worlds: int = 18,
    count: int = 120,
    trained: Path | None = None,
    package: Path | None = None,
    only: str = "",
) -> dict[str, dict[str, object]]:
    """Draw what is learned from, train, and write what ships.

    Args:
        out: A folder to work in; it is kept.
        worlds: How many are drawn.
        count: Insects of each.
        trained: A run that was trained elsewhere, to be taken instead of training.
        package: The folder to write weights and card into.
        only: "draw" to stop there.
    """
    if only not in {"", "draw"}:
        raise InputError(f"--only {only}: draw expected")
    files = [*write_worlds(out / "drawn", worlds, count)]
    figures: dict[str, dict[str, object]] = {"files": {"value": len(files), "unit": "COCO files"}}
    if only == "draw":
        return figures
    run_ = trained or _trained(out, files)
    if package is not None:
        figures["size"] = {"value": round(ship_landmarks(run_, package) / 1e6, 2), "unit": "MB"}
    return figures


def _trained(out: Path, files: list[Path]) -> Path:
    from merian.bench.drawn_networks import trained_on  # noqa: PLC0415 - it loads torch
    from merian.learn.landmark_pack import make_landmark_pack  # noqa: PLC0415

    return trained_on("landmarks", make_landmark_pack, files, out)


def ship_landmarks(run: Path | str, out: Path | str, history: str = "") -> int:
    """Write the network of a run as it ships, complete or not at all; return its bytes.

    Args:
        run: A run that is done, or the folder of a model.
        out: The folder to write.
        history: How it was trained, where one run of the recipe was not all.
    """
    from merian.bench.drawn_networks import shipped_card  # noqa: PLC0415 - it loads torch
    from merian.learn.landmark_building import load_landmark_network  # noqa: PLC0415
    from merian.learn.landmark_objective import Landmarks  # noqa: PLC0415
    from merian.learn.saved import WEIGHTS, save_model  # noqa: PLC0415
    from merian.learn.shelf import PLACES  # noqa: PLC0415

    network, card = load_landmark_network(run)
    told = shipped_card(
        network, card, name=PLACES, use=_USE, limits=_LIMITS, bench=NAME,
        source="drawn insects of Merian's own worlds",
    )  # fmt: skip
    if history:
        told["history"] = history
    objective = Landmarks(network, card["objective"]["heads"]["names"])
    save_model(out, objective, told, half=True)
    return (Path(out) / WEIGHTS).stat().st_size
