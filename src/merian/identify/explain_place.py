"""What place and date said of one barcode: of which outcome, and how strongly.

Place and date are weighed beside what the barcode says (see `consensus`). Here the two are laid
side by side for one record: what each outcome was worth by the barcode alone, by how much its odds
were multiplied, how near it was met, and what it is worth then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from merian.errors import InputError
from merian.formats import Options
from merian.identify.fusion import Witness
from merian.identify.place_evidence import Spot
from merian.identify.posterior import as_usual
from merian.identify.record_panel import RecordPanel
from merian.identify.record_parts import Part
from merian.identify.records import Record, Records
from merian.identify.spots import with_spots
from merian.identify.strata import expanded

__all__ = ["PlaceSaid", "PlaceWord", "place_said", "spot_of_record"]

_SHOWN = 8  # outcomes


@dataclass(frozen=True)
class PlaceWord:
    """What place and date said of one outcome.

    Attributes:
        name: Of the taxon.
        rank: Its rank.
        new: Whether it is something under the taxon that no library has.
        alone: How probable it is by the barcode alone.
        times: By how much place and date multiplied its odds.
        nearest: How far the nearest record of the taxon is, in km; None where there is none.
        probability: How probable it is with place and date.
    """

    name: str
    rank: str
    new: bool
    alone: float
    times: float
    nearest: float | None
    probability: float


@dataclass(frozen=True)
class PlaceSaid:
    """What place and date said of a record.

    Attributes:
        latitude: Where it was found.
        longitude: The same.
        words: The outcomes, the likeliest first.
        explanation: Of the answer with place and date, in words.
        flags: Of that answer.
    """

    latitude: float
    longitude: float
    words: tuple[PlaceWord, ...]
    explanation: str
    flags: tuple[str, ...]


def spot_of_record(path: Path, id: str, options: Options, format: str | None) -> Spot | None:
    """Return where and when a record was found, as its file or catalogue tells it."""
    records = Records((path,), options, format)
    with TemporaryDirectory(prefix="merian-") as name:
        work = Path(name) / "records"
        for one in with_spots(records.read(work), lambda: records.catalogues(work)):
            if isinstance(one, Record) and one.id == id:
                return one.spot
    return None


def place_said(panel: RecordPanel, library: str, sequence: str, spot: Spot) -> PlaceSaid:
    """Lay side by side what a barcode says, and what it says with its place and date.

    Args:
        panel: The libraries, with sightings.
        library: Which of them answered.
        sequence: The barcode.
        spot: Where and when it was found.
    """
    consensus, identifier = panel.consensus, panel.identifiers[library]
    if consensus.place is None:
        raise InputError("no list of sightings was given")
    answers, posterior, length = identifier.weigh([sequence])
    usual = as_usual(posterior, identifier.ladder, expanded(panel.choice.novelty))
    part = Part(library, "", "", answers[0], posterior, usual, 0, bool(length[0]))
    number = [*panel.identifiers].index(library)
    witnesses = [Witness.of(consensus.joint, number, *part.usually)]
    alone, both = consensus.posterior(witnesses), consensus.posterior(witnesses, spot)
    chosen = np.argsort(-np.maximum(alone.probability, both.probability), kind="stable")[:_SHOWN]
    chosen = chosen[np.argsort(-both.probability[chosen], kind="stable")]
    rungs = [int(both.rung[place]) for place in chosen]
    times = consensus.told_by_place(witnesses, spot, rungs)
    ladder = consensus.joint.ladder
    words = tuple(
        PlaceWord(
            _called(panel, rung),
            ladder.ranks[ladder.rank[rung]] if rung >= 0 else "",
            rung < 0 or bool(ladder.rank[rung] < len(ladder.ranks) - 1),
            float(alone.probability[place]),
            float(factor),
            consensus.place.nearest(spot, rung),
            float(both.probability[place]),
        )
        for place, rung, factor in zip(chosen, rungs, times, strict=True)
    )
    answer = _answer(panel, sequence, spot)
    return PlaceSaid(spot[0], spot[1], words, str(answer["explanation"]), _flags(answer["flags"]))


def _called(panel: RecordPanel, rung: int) -> str:
    joint = panel.consensus.joint
    ladder = joint.ladder
    while rung >= 0:
        if ladder.group[rung] >= 0:
            return joint.groups[int(ladder.group[rung])]
        if ladder.node[rung] >= 0:
            return joint.names[int(ladder.node[rung])]
        rung = int(ladder.parent[rung])  # a stand-in has no name
    return ""


def _answer(panel: RecordPanel, sequence: str, spot: Spot) -> dict[str, Any]:
    """Return the answer as `merian identify --place` gives it."""
    asked = {"barcodes": [["", sequence, ""]], "pictures": [], "spot": list(spot)}
    (line,) = panel.answers([json.dumps(asked)])
    found: dict[str, Any] = json.loads("{" + line + "}")
    return found


def _flags(told: str | Sequence[str] | None) -> tuple[str, ...]:
    return tuple(told.split(";") if isinstance(told, str) else told or ()) if told else ()
