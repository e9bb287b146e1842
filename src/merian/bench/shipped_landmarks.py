"""A network that places landmarks, as it ships: its drawn specimens, its training and its card.

``merian bench shipped-landmarks --out FOLDER`` draws insects of eighteen worlds, trains the recipe
`landmarks` on them and, with ``--package``, writes weights and card as the package keeps them in
src/merian/learn/shipped. With ``--painted FOLDER`` it goes on with pinned carabids whose parts
others painted (BeetleFlow), beside freshly drawn insects; these pictures are then unseen no more.
Without it no real picture is among what it learns from. Of drawn ones, worlds with other seeds are
unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merian.bench.drawn_specimens import write_worlds
from merian.bench.painted_specimens import FILE, painted_names
from merian.errors import InputError

__all__ = ["NAME", "WORKING", "run", "ship_landmarks"]

NAME = "shipped-landmarks"
WORKING = ("out", "package")  # settings that do not decide the data

_USE = (
    "Landmarks and outlines of single specimens of insects seen from above, beside the classical "
    "ones: `merian measure PICTURES --landmarks learned`."
)
_DRAWN_ALONE = (
    "It has learned from drawn insects alone, on plain grounds and on grounds with text and grain; "
    "no photograph was among them. Errors of landmarks on its card are those on drawn ones."
)
_PAINTED_TOO = (
    "Photographs that it has learned from are {count} pinned ground beetles alone. Errors of "
    "landmarks on its card are those on drawn insects; for photographs believe the figures of "
    "networks that had not seen them (`merian bench traits --part painted`)."
)
_SOURCE = {
    "name": "BeetleFlow (Imageomics): pinned ground beetles of NEON DP1.10022.001, parts painted",
    "from": "https://github.com/Imageomics/BeetleFlow, doi:10.57967/hf/8716",
    "licence": "CC BY 4.0",
    "path": FILE,
}
_TWO_PARTS = (
    "Trained in two parts: on drawn insects of the first source; then, as its recipe tells, on "
    "painted specimens beside 360 freshly drawn insects, five windows of eight painted."
)
_LIMITS = (
    "It gives no names.",
    "Insects seen from the side, curled up or in pieces it has not seen.",
    "Where it is not sure, landmarks are those that the outline gives.",
)


def run(
    *,
    out: Path = Path("shipped-landmarks"),
    worlds: int = 18,
    count: int = 120,
    trained: Path | None = None,
    painted: Path | None = None,
    package: Path | None = None,
    only: str = "",
) -> dict[str, dict[str, object]]:
    """Draw what is learned from, train, and write what ships.

    Args:
        out: A folder to work in; it is kept.
        worlds: How many are drawn.
        count: Insects of each.
        trained: A run that was trained elsewhere, to be taken instead of training on drawn ones.
        painted: The folder of painted specimens (beetleflow_parts) to go on with.
        package: The folder to write weights and card into.
        only: "draw" to stop there.
    """
    if only not in {"", "draw"}:
        raise InputError(f"--only {only}: draw expected")
    files: list[Path] = []
    if only == "draw" or trained is None:
        files = [*write_worlds(out / "drawn", worlds, count)]
    figures: dict[str, dict[str, object]] = {"files": {"value": len(files), "unit": "COCO files"}}
    if only == "draw":
        return figures
    run_ = trained or _trained(out, files)
    pictures = [] if painted is None else painted_names(painted)
    if painted is not None:
        run_ = _gone_on(painted, pictures, run_, out)
    if package is not None:
        size = ship_landmarks(run_, package, _TWO_PARTS if pictures else "", pictures)
        figures["size"] = {"value": round(size / 1e6, 2), "unit": "MB"}
    return figures


def _gone_on(painted: Path, pictures: list[str], run_: Path, out: Path) -> Path:
    """Train on painted specimens beside fresh drawn ones, from the weights of a run."""
    from merian.bench.traits_painted import TOLD, fine_tuned, fresh  # noqa: PLC0415 - it trains

    changes = (f"encoder.from={run_}", *TOLD)
    return fine_tuned(painted, pictures, fresh(out / "fresh"), out / "painted", changes)


def _trained(out: Path, files: list[Path]) -> Path:
    from merian.bench.drawn_networks import trained_on  # noqa: PLC0415 - it loads torch
    from merian.learn.landmark_pack import make_landmark_pack  # noqa: PLC0415

    return trained_on("landmarks", make_landmark_pack, files, out)


def ship_landmarks(
    run: Path | str, out: Path | str, history: str = "", painted: Sequence[str] = ()
) -> int:
    """Write the network of a run as it ships, complete or not at all; return its bytes.

    Args:
        run: A run that is done, or the folder of a model.
        out: The folder to write.
        history: How it was trained, where one run of the recipe was not all.
        painted: The painted pictures that it has learned from.
    """
    from merian.bench.drawn_networks import shipped_card  # noqa: PLC0415 - it loads torch
    from merian.learn.landmark_building import load_landmark_network  # noqa: PLC0415
    from merian.learn.landmark_objective import Landmarks  # noqa: PLC0415
    from merian.learn.saved import WEIGHTS, save_model  # noqa: PLC0415
    from merian.learn.shelf import PLACES  # noqa: PLC0415

    network, card = load_landmark_network(run)
    of_painted = [{**_SOURCE, "bodies": len(painted), "pictures": [*painted]}] if painted else []
    grounds = _PAINTED_TOO.format(count=len(painted)) if painted else _DRAWN_ALONE
    told = shipped_card(
        network, card, name=PLACES, use=_USE, limits=(_LIMITS[0], grounds, *_LIMITS[1:]),
        bench=NAME, source="drawn insects of Merian's own worlds", beside=of_painted,
    )  # fmt: skip
    if history:
        told["history"] = history
    if painted:
        told["sources"][0].pop("bodies")  # its pack has the painted ones too, many times over
    objective = Landmarks(network, card["objective"]["heads"]["names"])
    save_model(out, objective, told, half=True)
    return (Path(out) / WEIGHTS).stat().st_size
