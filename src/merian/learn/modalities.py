"""The objective that brings several modalities of a record into one space.

Each modality has an encoder and a linear map to the common space; every pair of modalities, or
every pair with one of them, is contrasted both ways, and pairs count alike. A record may lack any
of them. Under several processes each contrasts its own rows with those of all, so that their mean
is the loss of the whole batch; pieces of a batch are one batch too, as `whole_batch` has it.

Reference for all bound to one: Girdhar et al., ImageBind, CVPR 2023, arXiv:2305.05665.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, permutations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.learn.aligned import SEVERAL
from merian.learn.contrastive import Pairs, Temperature, info_nce, pairs_of, sigmoid_loss
from merian.learn.encoding import described, features, width_of
from merian.learn.full_precision import full
from merian.learn.gather import Share, gathered
from merian.learn.task import Batch, Outcome, WholeObjective

__all__ = ["SHARES", "Contrastive"]

SHARES = ("taxon", "pass", "record")

_FACTS = ("ids", "labels", "present")
_LOSSES = {"info-nce": info_nce, "sigmoid": sigmoid_loss}


class Contrastive(WholeObjective):
    """Bring the modalities of a record together.

    The batch has for each modality what its encoder takes, under "modality.tokens" and so on;
    "present" bool[b, modalities], if some lack some; "labels" int64[b, ranks], -1 where not known;
    "ids" int64[b], if records may be there more than once.

    Args:
        encoders: By modality.
        width: Of the common space.
        loss: info-nce, or sigmoid.
        share: What records of a taxon are to each other: "taxon", all are asked for; "pass", they
            are passed over; "record", rivals as any others, as in plain InfoNCE, also where their
            names are the same words. True and False are the first two.
        rank: The rank of the taxon, as a column of "labels"; None to leave labels out.
        scale: What cosines are multiplied by, at the start.
        about: The encoders' part of the card by modality, where `described` cannot tell it.
        bound_to: The modality that all others are contrasted with; None for every pair.
    """

    kind = "contrastive"
    encoder: nn.ModuleDict

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        width: int = 256,
        *,
        loss: str = "info-nce",
        share: str | bool = "taxon",
        rank: int | None = -1,
        scale: float | None = None,
        about: Mapping[str, Any] | None = None,
        bound_to: str | None = None,
    ) -> None:
        super().__init__()
        if isinstance(share, bool):  # as cards had it
            share = "taxon" if share else "pass"
        _check(encoders, loss, share, bound_to)
        self.about = {
            name: dict(described(encoder) if about is None else about[name])
            for name, encoder in encoders.items()
        }
        self.modalities, self.width, self.loss = tuple(encoders), width, loss
        self.share, self.rank, self.bound_to = share, rank, bound_to
        self.contrasts = [
            pair
            for pair in combinations(self.modalities, 2)
            if bound_to is None or bound_to in pair
        ]
        # The starts that the papers give; the bias makes up for the many negatives.
        start, bias = (1 / 0.07, None) if loss == "info-nce" else (10.0, -10.0)
        self.start = start if scale is None else float(scale)
        self.encoder = nn.ModuleDict(encoders)
        self.heads = nn.ModuleDict(
            {n: nn.Linear(width_of(e), width, bias=False) for n, e in encoders.items()}
        )
        self.heads["temperature"] = Temperature(self.start, bias)

    def vectors(self, batch: Batch, modality: str) -> Tensor:
        """Return unit vectors float[b, width] of one modality."""
        within = {
            name.removeprefix(f"{modality}."): tensor
            for name, tensor in batch.items()
            if name.startswith(f"{modality}.")
        }
        if not within:
            raise InputError(f"a batch of {', '.join(sorted(batch))} has nothing of {modality}")
        mapped = self.heads[modality](features(self.encoder[modality], within))
        return functional.normalize(full(mapped), dim=1)

    def rows(self, batch: Batch) -> dict[str, Tensor]:
        """Return unit vectors float[b, width] by modality."""
        return {name: self.vectors(batch, name) for name in self.modalities}

    def facts(self, batch: Batch) -> Batch:
        """Return what tells which rows belong together, and which are there."""
        return {name: batch[name] for name in _FACTS if name in batch}

    def outcome(self, rows: Mapping[str, Tensor], facts: Batch) -> Outcome:
        """Return the mean over the pairs of modalities of their losses.

        A figure "met a-b" is how often the nearest that counts is one that is asked for.
        """
        own, first = rows, next(iter(rows.values()))
        # Validation is any one process's affair.
        share = Share(len(first), first.device, alone=not self.training)
        every = {name: gathered(each, share) for name, each in own.items()}
        pairs = self._pairs(facts, share, first.device)
        losses, asked = [], []
        figures: dict[str, Tensor] = {}
        weights: dict[str, float] = {}
        for one, other in self.contrasts:
            ways = [
                self._one_way(own[a], every[b], pairs[a, b], share)
                for a, b in ((one, other), (other, one))
            ]
            losses.append((ways[0][0] + ways[1][0]) / 2)
            asked.append(ways[0][1] + ways[1][1])
            name = f"{one}-{other}"
            figures[f"loss {name}"] = losses[-1].detach()
            figures[f"met {name}"] = (ways[0][2] + ways[1][2]) / asked[-1].clamp(min=1)
            weights |= dict.fromkeys((f"loss {name}", f"met {name}"), float(asked[-1]))
        there = torch.stack(asked) > 0
        loss = torch.stack(losses).sum() / there.sum().clamp(min=1)
        return Outcome(loss, figures, weight=float(sum(asked)), weights=weights)

    def _pairs(
        self, facts: Batch, share: Share, device: torch.device
    ) -> dict[tuple[str, str], Pairs]:
        """Return what our rows are to the rows of all, by the modalities of both."""
        n = share.rows
        ids = facts.get("ids", torch.arange(share.start, share.start + n, device=device))
        taxa = torch.full((n,), -1, device=device)
        if self.rank is not None and self.share != "record" and "labels" in facts:
            taxa = facts["labels"][:, self.rank].contiguous()
        here = facts.get("present", torch.ones(n, len(self.modalities), device=device)).bool()
        if here.shape != (n, len(self.modalities)):
            raise InputError(
                f"present {list(here.shape)}; [{n}, {len(self.modalities)}] expected, a column for "
                f"each of {', '.join(self.modalities)}"
            )
        all_ids, all_taxa = gathered(ids, share), gathered(taxa, share)
        there = gathered(here.to(torch.int64), share).bool()
        own = ids[:, None] == all_ids[None]
        same = (taxa[:, None] == all_taxa[None]) & (taxa >= 0)[:, None]
        column = {name: i for i, name in enumerate(self.modalities)}
        return {
            (a, b): pairs_of(
                own, same, here[:, column[a]], there[:, column[b]], self.share != "pass"
            )
            for pair in self.contrasts
            for a, b in permutations(pair)
        }

    def _one_way(
        self, rows: Tensor, columns: Tensor, pairs: Pairs, share: Share
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return our part of the loss, how many rows ask, and how many of them meet."""
        with torch.autocast(rows.device.type, enabled=False):  # 8 bits are too few for cosines
            logits = self.heads["temperature"](rows @ columns.T)
        summed, asking = _LOSSES[self.loss](logits, pairs)
        asking = share.total(asking)
        best = logits.detach().masked_fill(~pairs.counts, float("-inf")).argmax(1, keepdim=True)
        met = share.total((pairs.wanted.gather(1, best) > 0).sum())
        return share.world * summed / asking.clamp(min=1), asking, met

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again."""
        heads = {
            "width": self.width,
            "loss": self.loss,
            "share": self.share,
            "rank": self.rank,
            "scale": self.start,
            "bound_to": self.bound_to,
        }
        encoder = {"kind": SEVERAL, SEVERAL: self.about}
        return {"kind": self.kind, "encoder": encoder, "heads": heads}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: nn.Module) -> Contrastive:
        """Build it around encoders in a module dict, without the weights."""
        if not isinstance(encoder, nn.ModuleDict):
            raise InputError(f"{type(encoder).__name__}; a dict of encoders by modality expected")
        about = card["encoder"][SEVERAL]
        return cls({name: encoder[name] for name in about}, about=about, **card["heads"])


def _check(encoders: Mapping[str, nn.Module], loss: str, share: str, bound_to: str | None) -> None:
    """Refuse what cannot be contrasted."""
    if len(encoders) < 2:
        raise InputError(f"{len(encoders)} modalities; two or more expected")
    if loss not in _LOSSES:
        raise InputError(f"no contrast is called {loss!r}; there are {', '.join(_LOSSES)}")
    if share not in SHARES:
        raise InputError(f"share is {share!r}; expected one of {', '.join(SHARES)}")
    if bound_to is not None and bound_to not in encoders:
        raise InputError(
            f"bound_to is {bound_to!r}, and the modalities are {', '.join(encoders)}; name one of "
            "them, or leave it out for every pair"
        )
