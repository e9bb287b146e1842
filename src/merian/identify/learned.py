"""What a library's encoder has learned by name, and so cannot be asked about as something new.

Simulated novelty takes a species away and asks about its records. An encoder that was taught this
species sees them nearer to each other, and farther from all else, than it would see those of a
species that it has never met. Weights and promises that were learnt on such answers would trust it
too much. So such records are not asked; where too few are left, nothing can be promised. Of an
aligned model that goes for what it says of pictures; barcodes are then named without its vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.promise import ENOUGH
from merian.library import Library
from merian.library.encoder import names_learned
from merian.library.reading import Progress
from merian.taxonomy import MAIN_RANKS

__all__ = ["Learned", "check_enough", "genera_of", "learned_of", "let_speak"]


@dataclass(frozen=True)
class Learned:
    """What an encoder has learned of a library.

    Attributes:
        rungs: bool; which taxa and unnamed groups it has learned by name.
        entries: bool; whose records may have been among those that it learned from.
    """

    rungs: NDArray[np.bool_]
    entries: NDArray[np.bool_]


def learned_of(library: Library, ladder: Ladder) -> Learned | None:
    """Return what the encoder of a library has learned by name; None if no names at all."""
    names = names_learned(library)
    if not names:
        return None
    rungs = _rungs(library, ladder, names)
    # An entry counts as learned if its lowest name is, of those that the encoder could be taught:
    # one that is named to a genus alone may have been an example of this genus.
    ranks = [rank for rank in MAIN_RANKS if rank in names]
    lowest = MAIN_RANKS.index(ranks[-1]) if ranks else len(MAIN_RANKS)
    entries = np.zeros(len(ladder.path), bool)
    open_ = np.ones(len(ladder.path), bool)
    for place in range(len(ladder.ranks) - 1, -1, -1):
        if MAIN_RANKS.index(ladder.ranks[place]) > lowest:
            continue
        rung = ladder.path[:, place]
        entries |= open_ & rungs[rung]
        open_ &= ladder.node[rung] < 0
    return Learned(rungs, entries)


def _rungs(
    library: Library, ladder: Ladder, names: Mapping[str, Sequence[str]]
) -> NDArray[np.bool_]:
    """Return which rungs have a name that was learned, whatever synonym of it that was."""
    taxonomy, nodes, groups = library.taxonomy, set(), set()
    numbers = {name: number for number, name in enumerate(library.group_name)}
    for found in names.values():
        for name in found:
            nodes.update(taxonomy.accepted[taxonomy.find(name.replace("_", " "))].tolist())
            if name in numbers:
                groups.add(numbers[name])
    learned = np.isin(ladder.node, sorted(nodes)) & (ladder.node >= 0)
    return learned | (np.isin(ladder.group, sorted(groups)) & (ladder.group >= 0))


def genera_of(ladder: Ladder, path: NDArray[np.int32]) -> int:
    """Return how many genera there are among some paths."""
    return len(np.unique(path[:, max(0, len(ladder.ranks) - 2)]))


def let_speak(
    library: Library, _segment: Path, _edition: Path, _progress: Progress
) -> dict[str, Any] | None:
    """Decide whether an aligned model may be a part of the evidence of barcodes, for the header."""
    told = library.header.get("encoder") or {}
    if library.kind != "barcode" or "modalities" not in told:
        return None
    ladder = ladder_of(library)
    learned = learned_of(library, ladder)
    speaks = told["tells_names"]
    speaks &= learned is None or genera_of(ladder, ladder.path[~learned.entries]) >= ENOUGH
    return {"encoder": {**told, "speaks": speaks}}


def check_enough(library: Library, ladder: Ladder, asked: NDArray[np.int64], needed: int) -> None:
    """Make sure that enough genera can be asked of an encoder that learned names."""
    genera = genera_of(ladder, ladder.path[asked])
    if genera >= needed:
        return
    told = library.header["encoder"]
    raise InputError(
        f"the encoder {told['name']} ({told['id']}) has learned by name what the references are: "
        f"{genera} genera are left on which to learn how far it can be trusted with what is new, "
        f"and {needed} are needed. Give an encoder that learned without names, as "
        "barcode-spectrum, or train it on records of other species"
    )
