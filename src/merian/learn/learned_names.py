"""Which names an encoder has learned, as its card tells.

An encoder that learned to tell species apart has seen these very species. How it fares on them says
nothing of how it fares on species that it has not seen, so whoever simulates what is new has to
know. Heads on a frozen encoder teach it nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["KEY", "learned_names", "names_together"]

KEY = "learned_names"
"""Where a card tells the names that its encoder learned before: in a run that it started with."""


def learned_names(card: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names that an encoder has learned, sorted, by rank; none of most encoders.

    Args:
        card: Of a model (see `merian.learn.saved`).
    """
    of_heads = (dict(zip(told["ranks"], told["names"], strict=True)) for told in _labels(card))
    before = (told.get(KEY) or {} for told in (card, card.get("data") or {}))
    return names_together([*of_heads, *before])


def names_together(told: Iterable[Mapping[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Return all names that are told by rank, each once, sorted."""
    found: dict[str, set[str]] = {}
    for each in told:
        for rank, names in each.items():
            found.setdefault(rank, set()).update(names)
    return {rank: sorted(names) for rank, names in found.items()}


def _labels(card: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the classes of the heads that have changed the encoder."""
    heads = (card.get("objective") or {}).get("heads") or {}
    frozen = bool((heads.get("options") or {}).get("frozen"))
    for told in (heads, heads.get("auxiliary") or {}):
        if "labels" in told and not frozen:
            yield told["labels"]
