"""What trained heads call the queries of a split, in the words of the split.

A pack reads names as names, so a class may be called otherwise than the references that it was
learned from; an answer is written with the name that most of these carry in the split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merian.bench.encoder_splits import RANKS, Split
from merian.learn import Ranks, build_encoder, build_objective, load_model, open_pack
from merian.learn.heads import RankHeads, lineage
from merian.learn.looking import NetworkEncoder
from merian.learn.saved import load_weights, model_folder

__all__ = ["name_queries", "words_of_split"]


class _Named(nn.Module):
    """An encoder whose vector is the probability of each class of each rank."""

    def __init__(self, encoder: Any, heads: RankHeads) -> None:
        super().__init__()
        self.encoder, self.heads = encoder, heads

    def pooled(self, tokens: Tensor, keep: Tensor) -> Tensor:
        """Return float[b, classes of all ranks]."""
        found: Tensor = torch.cat(self.heads(self.encoder.pooled(tokens, keep)), dim=1).exp()
        return found


def name_queries(split: Split, run: Path) -> dict[str, list[str]]:
    """Return rank -> the name of each query, "" for none; nothing where no names were learned."""
    encoder, folder = load_model(run), model_folder(run)
    assert folder is not None
    told = encoder.card["objective"]
    if told["kind"] != Ranks.kind:
        return {}
    objective: Any = build_objective(told, build_encoder(told["encoder"]))
    objective.load_state_dict(load_weights(folder))
    labels = objective.heads.labels
    naming = NetworkEncoder(
        network=_Named(objective.encoder, objective.heads), name="names", modality="barcode",
        dim=labels.starts[-1], space=encoder.space, id=encoder.id, card=encoder.card,
        preprocessing=encoder.card["preprocessing"],
    )  # fmt: skip
    # Scaled to unit length, which leaves what is most probable of a rank as it is.
    shares = torch.from_numpy(naming.encode([sequence for sequence, _ in split.queries]))
    codes = lineage(torch.split(shares.nan_to_num(), list(labels.sizes), dim=1), labels).numpy()
    codes[torch.isnan(shares).any(1).numpy()] = -1
    words = words_of_split(split)
    found = {}
    for place, rank in enumerate(labels.ranks):
        called = [words[rank].get(name, name) for name in labels.names[place]] + [""]
        found[rank] = [called[code] for code in codes[:, place].tolist()]
    if "genus" not in found and "species" in found:
        found["genus"] = _genera_of(split, found["species"])
    return found


def words_of_split(split: Split) -> dict[str, dict[str, str]]:
    """Return rank -> class -> what most references of the class are called in the split."""
    pack = open_pack(split.folder / "pack").part("train")
    rows = np.array([int(record[1:]) for record in pack.records(np.arange(len(pack)))])
    found: dict[str, dict[str, str]] = {}
    for rank in (rank for rank in RANKS if rank in pack.header["classes"]):
        names, given = pack.names(rank), split.labels(rank)[rows]
        counts: dict[str, Counter[str]] = {}
        for code, label in zip(pack.labels(rank).tolist(), given.tolist(), strict=True):
            if code >= 0 and label:
                counts.setdefault(names[code], Counter())[label] += 1
        found[rank] = {name: _commonest(count) for name, count in counts.items()}
    return found


def _commonest(count: Mapping[str, int]) -> str:
    return min(count, key=lambda label: (-count[label], label))


def _genera_of(split: Split, species: Sequence[str]) -> list[str]:
    """Return the genus of each species, as its references have it."""
    genus = dict(zip(split.labels("species").tolist(), split.labels("genus").tolist(), strict=True))
    return [genus.get(name, "") for name in species]
