"""A trained model in a newer version of the checklist that its classes are named in.

Only the card changes, and no weight: what the classes are called, how outputs are added up where
taxa were lumped, and what is no longer told where one was split (see `moved_heads`). The id of the
encoder stays, and with it every vector. The card keeps what was done, and the names that were
learned, since an encoder that has met a species has met it under any name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merian.errors import InputError
from merian.files import write_json
from merian.learn.learned_names import KEY, learned_names, names_together
from merian.learn.rank_labels import RankLabels
from merian.stamp import check_stamp
from merian.taxonomy.migration import Move, Use
from merian.taxonomy.tree import NONE, Taxonomy

__all__ = ["model_moved_by", "move_model", "names_in_model"]

_CONSISTENT = ("infer-sum", "softmax-tree")

_CARD, _FORMAT = "card.json", "merian-model"  # as `saved` has them, which needs torch


def _read(path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the card of a model, or of the model of a run."""
    file = path / _CARD if (path / _CARD).is_file() else path / "model" / _CARD
    card = check_stamp(file, _FORMAT, 1)
    heads = (card.get("objective") or {}).get("heads") or {}
    if "labels" not in heads:
        raise InputError(f"{path}: is a model without classes of ranks, so that it names nothing")
    return file, card


def _labels(card: Mapping[str, Any]) -> tuple[RankLabels, RankLabels, list[list[int]] | None]:
    """Return the classes that were learned, those told now, and the places of the former."""
    heads = card["objective"]["heads"]
    learned = RankLabels.of_card(heads["labels"])
    moved = heads.get("moved")
    if moved is None:
        return learned, learned, None
    return learned, RankLabels.of_card(moved["labels"]), moved["place"]


def names_in_model(path: Path, old: Taxonomy) -> list[Use]:
    """Return the classes of a model that is named in a checklist."""
    _, card = _read(path)
    lock = card["merian"]["taxonomy"]
    if lock != old.lock.as_dict():
        if any(did["to"] == lock and did["from"] == old.lock.as_dict()
               for did in card.get("migrations", ())):  # fmt: skip
            return []
        said = (
            f"the checklist {lock['checklist']} {lock['version']} ({lock['hash']})"
            if lock
            else ("no checklist")
        )
        raise InputError(f"{path}: its classes are named in {said}, and not in {old.lock}")
    _, labels, _ = _labels(card)
    return [
        Use(f"rank {rank}", "", name, rank, count)
        for rank, names, counts in zip(labels.ranks, labels.names, labels.counts, strict=True)
        for name, count in zip(names, counts, strict=True)
    ]


def model_moved_by(path: Path, mark: str) -> bool:
    """Return whether a plan was carried out on a model."""
    return any(did["plan"] == mark for did in _read(path)[1].get("migrations", ()))


def move_model(path: Path, moves: Sequence[Move], old: Taxonomy, new: Taxonomy, mark: str) -> str:
    """Rewrite the card of a model, complete or not at all; return in words what was done."""
    file, card = _read(path)
    learned, labels, places = _labels(card)
    by = {(m.use.rank, m.use.name): m for m in moves}
    lineages = _lineages(labels, by, old, new)
    own = _own(learned, labels, places)
    consistent = card["objective"]["heads"]["kind"] in _CONSISTENT
    made, place = _placed(learned, labels, lineages, own, consistent)
    empty = [rank for rank, names in zip(labels.ranks, made["names"], strict=True) if not names]
    if empty:
        raise InputError(
            f"{path}: nothing would be left that it can tell at the rank {empty[0]}; decide in the "
            "plan, with keep or an id"
        )
    before, after = labels.starts[-1], sum(map(len, made["names"]))
    did = {
        "plan": mark, "from": old.lock.as_dict(), "to": new.lock.as_dict(),
        "classes": [before, after], "stay": sum(move.node == NONE for move in moves),
    }  # fmt: skip
    told = names_together([learned_names(card), card.get(KEY) or {}])
    if told:
        now = dict(zip(labels.ranks, made["names"], strict=True))
        card[KEY] = names_together([told, now])
    card["objective"]["heads"]["moved"] = {"labels": made, "place": place}
    card["merian"]["taxonomy"] = new.lock.as_dict()
    card["migrations"] = [*card.get("migrations", ()), did]
    write_json(file, card)
    text = f"{before:,} classes are now {after:,}; no weight was changed"
    if not consistent:
        text += "; each rank of these heads answers by itself, and does so as it was trained"
    return text


Lineage = dict[str, str]  # rank -> name, of the ranks of the model


def _lineages(
    labels: RankLabels, by: Mapping[tuple[str, str], Move], old: Taxonomy, new: Taxonomy
) -> list[Lineage]:
    """Return of each class what it and what is above it are called now."""
    found: list[Lineage] = []
    for rank, (word, names) in enumerate(zip(labels.ranks, labels.names, strict=True)):
        for name, above in zip(names, labels.parents[rank], strict=True):
            move = by.get((word, name))
            if move is None or move.row == NONE:  # no name of the checklist: a BIN
                found.append({**(found[above] if above >= 0 else {}), word: name})
            elif move.node != NONE:
                found.append(_named(new, move.node, labels.ranks))
            elif move.kind == "split" and not move.decision:
                found.append(_named(new, move.above, labels.ranks))
            else:
                found.append({**_named(new, move.above, labels.ranks), word: move.sensu(old.lock)})
    return found


def _named(new: Taxonomy, node: int, ranks: Sequence[str]) -> Lineage:
    if node == NONE:
        return {}
    at = {rank: int(new.at_rank(np.array([node]), rank)[0]) for rank in ranks}
    return {rank: new.name_of(row) for rank, row in at.items() if row != NONE}


def _own(learned: RankLabels, labels: RankLabels, places: list[list[int]] | None) -> list[int]:
    """Return of each learned class the class that it is told as, as a node; -1 for none."""
    if places is None:
        return list(range(learned.starts[-1]))
    lowest = [-1] * learned.starts[-1]
    for start, row in zip(labels.starts, places, strict=False):
        for node, at in enumerate(row):
            lowest[node] = start + at if at >= 0 else lowest[node]
    return lowest


def _placed(
    learned: RankLabels,
    labels: RankLabels,
    lineages: Sequence[Lineage],
    own: Sequence[int],
    consistent: bool,
) -> tuple[dict[str, Any], list[list[int]]]:
    """Return the classes as they are now, and the places of those that were learned."""
    nodes = learned.starts[-1]
    tips = set(range(nodes)) - set(learned.above.tolist())
    level = [rank for rank, size in enumerate(learned.sizes) for _ in range(size)]
    told: list[Lineage] = []
    for node in range(nodes):
        line = dict(lineages[own[node]]) if own[node] >= 0 else {}
        if consistent:
            line = line if node in tips else {}
        else:
            word = learned.ranks[level[node]]
            line = {word: line[word]} if word in line else {}
        told.append(line)
    ranks = labels.ranks
    names = [sorted({line[rank] for line in told if rank in line}) for rank in ranks]
    index = [{name: n for n, name in enumerate(each)} for each in names]
    place = [
        [index[r][line[rank]] if rank in line else -1 for line in told]
        for r, rank in enumerate(ranks)
    ]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in names])]).tolist()
    parents: list[list[int]] = [[-1] * len(each) for each in names]
    for line in lineages:
        for r, rank in enumerate(ranks):
            at = index[r].get(line.get(rank, ""))
            if at is None:
                continue
            for upper in reversed(range(r)):
                above = index[upper].get(line.get(ranks[upper], ""))
                if above is not None:
                    parents[r][at] = starts[upper] + above
                    break
    counts = [[0] * len(each) for each in names]
    sizes = [count for each in learned.counts for count in each]
    for node in range(nodes):
        # A record counts at every rank once: by the class that was learned there.
        at = place[level[node]][node]
        line = lineages[own[node]] if own[node] >= 0 else {}
        name = line.get(ranks[level[node]])
        at = index[level[node]].get(name, -1) if name is not None else at
        if at >= 0:
            counts[level[node]][at] += sizes[node]
    made = {"ranks": list(ranks), "names": names, "parents": parents, "counts": counts,
            "conflicts": learned.conflicts}  # fmt: skip
    return made, place
