"""What a library of barcodes learns about pictures, where its encoder is an aligned model.

A picture and the barcodes then have vectors in one space. What their nearness is worth is learnt
on witnesses (see `merian.library.witnesses`): pictures whose names are known are asked of the
barcodes, first without the barcode of the same specimen, then without its species, its genus and so
on up, as a library of pictures is asked about its own (see `picture_novelty`). So what is said of a
picture, and what is promised, has been tried on real pictures against these very barcodes.

Pictures lie elsewhere in the space than barcodes do, all of them to the same side (Liang et al.
2022, arXiv:2203.02053); so what pictures have in common is taken from them, and not what barcodes
have. Whether a `likeness` that is learnt from the witnesses is worth more than the space as it is
hangs on how well the model was aligned, so both are tried, and that with the lower loss on genera
that its weights have not seen is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify.ladder import Ladder, ladder_of
from merian.identify.learned import Learned, genera_of, learned_of
from merian.identify.learning_pictures import (
    FittedPictures,
    LearntPictures,
    fitted_pictures,
    write_learnt,
)
from merian.identify.likeness import likeness_of, plain_likeness
from merian.identify.picture_novelty import PictureEpisodes, Questions, simulate_pictures
from merian.identify.promise import ENOUGH
from merian.image.addresses import apart
from merian.library import Library
from merian.library.naming import LINEAGE, lineage_of
from merian.library.reading import Progress
from merian.library.vectors import Kinship, scaled
from merian.library.witnesses import Witnesses, open_witnesses

__all__ = ["answers_pictures", "learn_across", "refusal", "sees_pictures"]

_ACROSS = "across"  # where the header says whether it answers pictures, and if not, why
_SPECIES = LINEAGE.index("species")
_ASKING = "asking it about pictures of named records"
_LIKENESSES = {"none": False, "of witnesses": True}


@dataclass(frozen=True, eq=False)
class _Placed:
    """Witnesses beside the entries of a library.

    Attributes:
        rung: int32[witnesses]; the lowest rung of each; -1 of what the library has no barcode of.
        individual: int64[witnesses]; the specimen of each.
        of_entry: int64[entries]; the specimen of each entry, if no other stands behind it.
    """

    rung: NDArray[np.int32]
    individual: NDArray[np.int64]
    of_entry: NDArray[np.int64]


def sees_pictures(library: Library) -> bool:
    """Return whether the encoder of a library of barcodes sees pictures."""
    return _ACROSS in library.header


def answers_pictures(library: Library) -> bool:
    """Return whether a library of barcodes answers pictures."""
    return bool((library.header.get(_ACROSS) or {}).get("answers"))


def refusal(shelf: Mapping[str, Library]) -> str:
    """Return why libraries of barcodes answer no pictures, and what to do about it."""
    why: dict[str, list[str]] = {}
    for name, library in shelf.items():
        said = library.header.get(_ACROSS)
        why.setdefault(_BARCODES if said is None else str(said["why"]), []).append(name)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in why.items())


def learn_across(
    library: Library, _segment: Path, edition: Path, progress: Progress
) -> dict[str, Any] | None:
    """Fit the evidence of pictures to a library of barcodes, and say for the header what it is."""
    told = library.header.get("encoder") or {}
    if library.kind != "barcode" or "image" not in told.get("modalities", ()):
        return None
    ladder, witnesses = ladder_of(library), open_witnesses(library)
    if witnesses is None:
        return {_ACROSS: {"answers": False, "witnesses": 0, "why": _WITHOUT}}
    if not told["tells_names"]:
        return {_ACROSS: {"answers": False, "witnesses": len(witnesses), "why": _UNTOLD}}
    learned = learned_of(library, ladder)
    placed = _placed(library, ladder, witnesses)
    centre = witnesses.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    questions = _questions(ladder, scaled(witnesses.vectors, centre), placed, learned)
    # A promise is about names, so what has none does not count for it.
    genera = genera_of(ladder, questions.path[questions.may & questions.above])
    said = {"witnesses": len(witnesses), "asked": int(questions.may.sum()), "genera": genera}
    if genera < ENOUGH:
        return {_ACROSS: {"answers": False, **said, "why": _too_few(genera, placed, learned)}}
    kinship = Kinship.open(library)
    assert kinship is not None, "it has an encoder"
    vectors = np.concatenate([np.asarray(rows) for rows in kinship.vectors])
    tried: dict[str, tuple[FittedPictures, PictureEpisodes]] = {}
    for name, whitened in _LIKENESSES.items():
        episodes = simulate_pictures(
            vectors, ladder, placed.of_entry, learned, lambda done: progress(_ASKING, done),
            questions, whitened,
        )  # fmt: skip
        progress("learning what pictures tell of barcodes", len(episodes))
        tried[name] = fitted_pictures(ladder, episodes), episodes
    losses = {name: found.loss for name, (found, _) in tried.items()}
    best = min(losses, key=lambda name: np.inf if (loss := losses[name]) is None else loss)
    found, episodes = tried[best]
    likeness = (
        likeness_of(questions.vectors, questions.path[:, -1])
        if _LIKENESSES[best]
        else plain_likeness(vectors.shape[1])
    )
    named = found.simulated.taken(ladder.group[found.simulated.own] < 0)
    learnt = LearntPictures(likeness, likeness.whole(vectors), found.weights, named, centre)
    more = {**said, "likeness": best, "loss_on_other_genera": losses}
    write_learnt(library, edition, learnt, episodes, more)
    return {_ACROSS: {"answers": True, **said, "likeness": best}}


# -- which witness is what ------------------------------------------------------------------------


def _questions(
    ladder: Ladder, vectors: NDArray[np.int16], placed: _Placed, learned: Learned | None
) -> Questions:
    """Return the witnesses that the library has barcodes of, as questions."""
    kept = np.flatnonzero(placed.rung >= 0)
    rung = placed.rung[kept]
    may = np.ones(len(kept), bool)
    if learned is not None:
        taught = np.zeros(len(ladder), bool)
        taught[ladder.path[:, -1]] = learned.entries
        may &= ~taught[rung]
    return Questions(
        vectors[kept], ladder.paths(rung), placed.individual[kept], may, ladder.group[rung] < 0
    )


def _placed(library: Library, ladder: Ladder, witnesses: Witnesses) -> _Placed:
    """Find out what each witness is in the tree of the barcodes, and of which specimen."""
    entries, alone = _specimens(library)
    number: dict[str, int] = {key: place for place, key in enumerate(entries)}
    species: dict[str, int] = {}
    groups = {
        name: group for group, name in enumerate(library.group_name) if name not in number
    }  # a group that is called by the id of a record is that record's alone
    rung_of_group = np.full(len(library.group_name) + 1, -1, np.int32)
    rung_of_group[ladder.group] = np.arange(len(ladder))
    rung_of_group[-1] = -1
    rung = np.full(len(witnesses), -1, np.int32)
    individual = np.empty(len(witnesses), np.int64)
    told = zip(witnesses.id, witnesses.address, witnesses.naming, witnesses.concept, strict=True)
    for row, (key, address, naming, concept) in enumerate(told):
        stem = PurePath(apart(address)[0]).stem
        known = key if key in entries else stem if stem in entries else key
        individual[row] = number.setdefault(known, len(number))
        name = lineage_of(naming)[_SPECIES]
        if name:
            if name not in species:
                species[name] = _rung_of(library, ladder, name)
            rung[row] = species[name]
        elif concept in groups:
            rung[row] = rung_of_group[groups[concept]]
        if rung[row] < 0 and key in entries:
            own = np.unique(ladder.path[entries[key], -1])
            # What a barcode is called counts where the picture has no name of its own.
            if len(own) == 1 and (not name or ladder.group[own[0]] >= 0):
                rung[row] = own[0]
    free = len(number) + np.arange(len(library))
    of_entry = np.array([number[key] if key else -1 for key in alone], np.int64)
    return _Placed(rung, individual, np.where(of_entry < 0, free, of_entry))


def _specimens(library: Library) -> tuple[dict[str, list[int]], list[str]]:
    """Return the entries of each record by its id, and of each entry the only id behind it."""
    entries: dict[str, list[int]] = {}
    alone: list[str | None] = [None] * len(library)
    for segment in library.segments:
        for key, entry in zip(segment.id, segment.record_entry.tolist(), strict=True):
            entries.setdefault(key, []).append(entry)
            alone[entry] = key if alone[entry] in (None, key) else ""
    return entries, [key or "" for key in alone]


def _rung_of(library: Library, ladder: Ladder, species: str) -> int:
    """Return the rung of a species by its name; -1 where the library has none, or several."""
    taxonomy = library.taxonomy
    nodes = np.unique(taxonomy.accepted[taxonomy.find(species.replace("_", " "))])
    lowest = ladder.rank == len(ladder.ranks) - 1
    found = np.flatnonzero(lowest & (ladder.node >= 0) & np.isin(ladder.node, nodes))
    return int(found[0]) if len(found) == 1 else -1


# -- why not --------------------------------------------------------------------------------------

_BARCODES = (
    "barcodes alone, and no encoder that sees pictures; `merian library build PICTURES -o LIBRARY "
    "--pictures` makes a library of pictures, and a model that aligns both (--encoder RUN), with "
    "pictures of named records, lets one of barcodes see them"
)
_UNTOLD = (
    "the card of its encoder does not tell which names it was taught (learned_names), so it cannot "
    "be known what is new to it; build it anew with a run of `merian train`, whose card does"
)
_WITHOUT = (
    "its encoder sees pictures, but none was given of named records, by which it could learn how "
    "far a picture can be trusted; build it anew from a catalogue, or a table, that names the "
    "pictures of references beside their barcodes, or give folders of named pictures with them"
)


def _too_few(genera: int, placed: _Placed, learned: Learned | None) -> str:
    """Say why it cannot be learnt how far pictures can be trusted."""
    there = int((placed.rung >= 0).sum())
    taught = ""
    if learned is not None:
        taught = " that its encoder was not taught by name"
    return (
        f"of the {len(placed.rung):,} pictures of named records that were given, {there:,} are of "
        f"taxa that it has barcodes of; {genera} genera{taught} are among them, and {ENOUGH} are "
        "needed to learn how far a picture can be trusted; build it anew with pictures of more "
        "genera, or with an encoder that was trained on records of other species"
    )
