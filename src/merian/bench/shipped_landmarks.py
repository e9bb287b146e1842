"""A network that places landmarks, as it ships: its drawn specimens, its training and its card.

``merian bench shipped-landmarks --out FOLDER`` draws insects of eighteen worlds, trains the recipe
`landmarks` on them and, with ``--package``, writes weights and card as the package keeps them in
src/merian/learn/shipped. Its card has the errors of its landmarks in pictures of other worlds, as
`merian measure` finds and looks at specimens.

With ``--painted FOLDER`` it goes on with pinned carabids whose parts others painted (BeetleFlow),
beside freshly drawn insects; these pictures are then unseen no more, and ``--unseen FILE`` gives
its card the errors that networks trained alike had on pictures that they had not seen, as ``merian
bench traits --part painted --json FILE`` writes them. Without ``--painted`` no real picture is
among what it learns from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from merian.bench.drawn_specimens import write_worlds
from merian.bench.painted_specimens import FILE, painted_names
from merian.bench.placed_errors import drawn_errors
from merian.errors import InputError
from merian.learn.landmark_errors import ACROSS, ALONG

__all__ = ["NAME", "WORKING", "run", "ship_landmarks"]

NAME = "shipped-landmarks"
WORKING = ("out", "package")  # settings that do not decide the data

_USE = (
    "Landmarks and outlines of single specimens of insects seen from above, beside the classical "
    "ones: `merian measure PICTURES --landmarks learned`."
)
_DRAWN_ALONE = (
    "It has learned from drawn insects alone, on plain grounds and on grounds with text and grain; "
    "no photograph was among them. Errors of landmarks on its card are those on drawn ones that it "
    "had not seen."
)
_PAINTED_TOO = "Photographs that it has learned from are {count} pinned ground beetles alone. "
_OF_DRAWN = (
    "Errors of landmarks on its card are those on drawn insects that it had not seen; for "
    "photographs believe the figures of networks that had not seen them (`merian bench traits "
    "--part painted`)."
)
_OF_UNSEEN = (
    "Errors of landmarks on its card are those of networks that were trained alike, on painted "
    "photographs that they had not seen."
)
_SOURCE = {
    "name": "BeetleFlow (Imageomics): pinned ground beetles of NEON DP1.10022.001, parts painted",
    "from": "https://github.com/Imageomics/BeetleFlow, doi:10.57967/hf/8716",
    "licence": "CC BY 4.0",
    "path": FILE,
}
_THREE_PARTS = (
    "Trained in three parts: on drawn insects of the first source; then on painted specimens "
    "beside 720 freshly drawn insects, five windows of eight painted, for 1,080 steps at a "
    "learning rate of 0.002; and on these once more, as its recipe tells."
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
    unseen: Path | None = None,
    package: Path | None = None,
    only: str = "",
) -> dict[str, dict[str, object]]:
    """Draw what is learned from, train, and write what ships.

    Args:
        out: A folder to work in; it is kept.
        worlds: How many are drawn.
        count: Insects of each.
        trained: A run that was trained elsewhere, or the name of a network that ships, to be taken
            instead of training on drawn ones.
        painted: The folder of painted specimens (beetleflow_parts) to go on with.
        unseen: Figures of networks that were trained alike and had not seen what they are told of.
        package: The folder to write weights and card into.
        only: "draw" to stop there.
    """
    if only not in {"", "draw"}:
        raise InputError(f"--only {only}: draw expected")
    if unseen is not None and painted is None:
        raise InputError("--unseen tells of networks that learn from painted specimens: --painted")
    errors = {} if unseen is None else _errors_of(unseen)
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
        errors = errors or drawn_errors(run_, out / "asked")
        history = _THREE_PARTS if pictures else ""
        size = ship_landmarks(run_, package, history, pictures, errors, unseen is not None)
        figures["size"] = {"value": round(size / 1e6, 2), "unit": "MB"}
    return figures


def _errors_of(file: Path) -> dict[str, dict[str, object]]:
    """Return how far each landmark is off, as a bench has written it."""
    try:
        figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
        told = [name for name in figures if name.startswith((f"{ALONG} ", f"{ACROSS} "))]
        errors = {name: dict(figures[name]) for name in told}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"--unseen {file}: no figures of a bench ({error})") from error
    if not errors:
        raise InputError(f"--unseen {file}: no errors of landmarks; traits --part painted has them")
    return errors


def _gone_on(painted: Path, pictures: list[str], run_: Path, out: Path) -> Path:
    """Train on painted specimens beside fresh drawn ones, from the weights of a run."""
    from merian.bench.traits_painted import fine_tuned, fresh  # noqa: PLC0415 - it trains

    return fine_tuned(painted, pictures, fresh(out / "fresh"), out / "painted", run_)


def _trained(out: Path, files: list[Path]) -> Path:
    from merian.bench.drawn_networks import trained_on  # noqa: PLC0415 - it loads torch
    from merian.learn.landmark_pack import make_landmark_pack  # noqa: PLC0415

    return trained_on("landmarks", make_landmark_pack, files, out)


def ship_landmarks(
    run: Path | str,
    out: Path | str,
    history: str = "",
    painted: Sequence[str] = (),
    errors: Mapping[str, Mapping[str, object]] | None = None,
    photographs: bool = False,
) -> int:
    """Write the network of a run as it ships, complete or not at all; return its bytes.

    Args:
        run: A run that is done, or the folder of a model.
        out: The folder to write.
        history: How it was trained, where one run of the recipe was not all.
        painted: The painted pictures that it has learned from.
        errors: How far its landmarks are off, if that was measured in use.
        photographs: Whether that was in painted photographs, with networks like it.
    """
    from merian.bench.drawn_networks import shipped_card  # noqa: PLC0415 - it loads torch
    from merian.learn.landmark_building import load_landmark_network  # noqa: PLC0415
    from merian.learn.landmark_objective import Landmarks  # noqa: PLC0415
    from merian.learn.saved import WEIGHTS, save_model  # noqa: PLC0415
    from merian.learn.shelf import DRAWN_PLACES, PLACES  # noqa: PLC0415

    network, card = load_landmark_network(run)
    of_painted = [{**_SOURCE, "bodies": len(painted), "pictures": [*painted]}] if painted else []
    grounds = _DRAWN_ALONE
    if painted:
        grounds = _PAINTED_TOO.format(count=len(painted)) + (
            _OF_UNSEEN if photographs else _OF_DRAWN
        )
    told = shipped_card(
        network, card, name=PLACES if painted else DRAWN_PLACES, use=_USE,
        limits=(_LIMITS[0], grounds, *_LIMITS[1:]), bench=NAME,
        source="drawn insects of Merian's own worlds", beside=of_painted,
    )  # fmt: skip
    if history := history or card.get("history", ""):
        told["history"] = history
    if painted:
        told["sources"][0].pop("bodies")  # its pack has the painted ones too, many times over
    if errors:  # instead of those of single looks in training
        held_out = told["training"]["held_out_figures"]
        kept = {name: one for name, one in held_out.items() if not name.startswith("off ")}
        told["training"]["held_out_figures"] = kept | dict(errors)
    objective = Landmarks(network, card["objective"]["heads"]["names"])
    save_model(out, objective, told, half=True)
    return (Path(out) / WEIGHTS).stat().st_size
