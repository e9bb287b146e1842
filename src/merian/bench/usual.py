"""The usual weights of what describes a barcode's outcomes: fitted on invented worlds.

A library that is too small to learn from falls back on them (see `merian.identify.fitting`). They
are fitted on several worlds at once; on one more world, which is not among these, they are compared
with weights that know nothing and with its own. With ``--out`` they are written; the package keeps
them in src/merian/identify/usual_weights.json.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.files import write_text
from merian.identify.described import joined_described
from merian.identify.fitting import fit, log_probabilities, score
from merian.identify.ladder import ladder_of
from merian.identify.learning import Cases, cases_of
from merian.identify.novelty import simulate
from merian.library import build_library
from merian.library.index import write_index
from merian.world import Settings, make_world

__all__ = ["run"]

_LABELS = ("museum", "full")  # in turn: what is named decides what can be matched without a name
_DIGITS = 4

Floats = NDArray[np.float64]


def run(
    *,
    worlds: int = 6,
    species: int = 500,
    specimens: int = 3000,
    seed: int = 11,
    out: Path | None = None,
) -> dict[str, dict[str, object]]:
    """Fit the weights and compare them.

    Args:
        worlds: How many the weights are fitted on.
        species: Of each world.
        specimens: Of each.
        seed: Of the first; the one for comparison is the next after the last.
        out: Where to write the weights.
    """
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        found = []
        ranks: Sequence[str] = ()
        for number in range(worlds + 1):
            settings = Settings(
                species=species, specimens=specimens, seed=seed + number, level=2, trays=0,
                quadrats=0, pictures=False, labels=_LABELS[number % len(_LABELS)],
            )  # fmt: skip
            ranks, cases = _cases(Path(made, str(number)), settings)
            found.append(cases)
    last = found.pop()
    usual = [weight.round(_DIGITS) for weight in _fitted(found)]
    if out is not None:
        write_text(out, _as_json(dict(zip((*ranks, "root"), usual, strict=True))))
    count = len(last.true)
    return {
        name: {"value": round(_loss(last, weights), 3), "n": count, "unit": "nats, another world"}
        for name, weights in (
            ("knowing nothing", _none(last)),
            ("usual weights", usual),
            ("its own weights", _fitted([last])),
        )
    }


def _cases(folder: Path, settings: Settings) -> tuple[Sequence[str], Cases]:
    """Make a world and a library of it, and ask the library about itself."""
    make_world(folder / "world", settings)
    library = build_library([folder / "world"], folder / "library", parts=[write_index]).library
    ladder = ladder_of(library)
    return ladder.ranks, cases_of(library, ladder, simulate(library, ladder, lambda *_: None))


def _fitted(cases: Sequence[Cases]) -> list[Floats]:
    """Return the weights that fit several worlds at once."""
    first = np.cumsum([0, *(len(part.described.rung) for part in cases)])[:-1]
    ranks = len(cases[0].described.places) - 1
    whole = joined_described([part.described for part in cases], ranks)
    true = np.concatenate([part.true + at for part, at in zip(cases, first, strict=True)])
    importance = np.concatenate([part.importance for part in cases])
    return fit(whole, true, importance, _none(cases[0]))


def _none(cases: Cases) -> list[Floats]:
    return [np.zeros(rows.shape[1]) for rows in cases.described.features]


def _loss(cases: Cases, weights: Sequence[Floats]) -> float:
    """Return the mean loss of simulated queries."""
    log = log_probabilities(score(cases.described, weights), cases.described.offset)
    return float(cases.importance @ -log[cases.true] / cases.importance.sum())


def _as_json(weights: dict[str, Floats]) -> str:
    """Return the weights, one line a rank, so that a change can be read."""
    rows = [f'  "{name}": {values.tolist()}' for name, values in weights.items()]
    return '{\n "made": "merian bench usual",\n "weights": {\n' + ",\n".join(rows) + "\n }\n}\n"
