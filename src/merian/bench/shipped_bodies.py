"""A network that finds bodies, as it may ship: its drawn trays, its training and its card.

``merian bench shipped-bodies --out FOLDER`` draws trays and specimens of forty worlds, trains
the recipe `instances` on them and, with ``--package``, writes weights and card as the package keeps
them in src/merian/learn/shipped, where none is yet. What is there is not made again. No real
picture is among them, so every real one is unseen; of drawn ones, worlds with other seeds are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merian.bench.drawn_trays import write_training
from merian.errors import InputError

__all__ = ["DECODING", "NAME", "WORKING", "run", "ship_bodies"]

NAME = "shipped-bodies"
WORKING = ("out", "package")  # settings that do not decide the data

_USE = (
    "Finding the bodies in photographs of trays, traps and drawers, each with its outline and a "
    "score: `merian tray PHOTO --finder learned`."
)
_LIMITS = (
    "It gives no names.",
    "No photograph was among what it has learned from. What lies beside a tray it may take for a "
    "body: on two photographs that somebody has looked at it is behind the finder that goes by "
    "colour.",
    "It has learned from drawn pictures alone, of insects and plankton on plain grounds. What does "
    "not look like them (worms, snails, fish, leaves) may be missed.",
    "It knows bodies of about 15 to 400 pixels; photographs are brought to that scale by the size "
    "of what the classical finder sees.",
    "Of two bodies that lie across each other with more than half covered one is often lost.",
)
DECODING = {"core": 0.4, "far": 1.2, "score": 0.7}
"""What is taken for a body: chosen on worlds 21 to 23."""


def run(
    *,
    out: Path = Path("shipped-bodies"),
    worlds: int = 40,
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
    files.sort(key=lambda file: file.name != "trays.coco.json")  # trays first, then specimens
    figures: dict[str, dict[str, object]] = {"files": {"value": len(files), "unit": "COCO files"}}
    if only == "draw":
        return figures
    run_ = trained or _trained(out, files)
    if package is not None:
        figures["size"] = {
            "value": round(ship_bodies(run_, package, DECODING) / 1e6, 2),
            "unit": "MB",
        }
    return figures


def _trained(out: Path, files: list[Path]) -> Path:
    from merian.bench.drawn_networks import trained_on  # noqa: PLC0415 - it loads torch
    from merian.learn.instance_pack import make_instance_pack  # noqa: PLC0415

    return trained_on("instances", make_instance_pack, files, out)


def ship_bodies(run: Path | str, out: Path | str, decoding: dict[str, Any] | None = None) -> int:
    """Write the network of a run as it ships, complete or not at all; return its bytes.

    Args:
        run: A run that is done, or the folder of a model.
        out: The folder to write.
        decoding: What is taken for a body, where that is not the usual (`Decoding`).
    """
    from merian.bench.drawn_networks import shipped_card  # noqa: PLC0415 - it loads torch
    from merian.learn.encoding import EncoderAlone, described  # noqa: PLC0415
    from merian.learn.instance_building import load_instance_network  # noqa: PLC0415
    from merian.learn.saved import WEIGHTS, save_model  # noqa: PLC0415
    from merian.learn.shelf import BODIES  # noqa: PLC0415

    network, card = load_instance_network(run)
    told = shipped_card(
        network, card, name=BODIES, use=_USE, limits=_LIMITS, bench=NAME,
        source="drawn trays and single specimens of Merian's own worlds",
    )  # fmt: skip
    if decoding:
        told["decoding"] = decoding
    save_model(out, EncoderAlone(network, "instances", described(network)), told, half=True)
    return (Path(out) / WEIGHTS).stat().st_size
