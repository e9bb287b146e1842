"""A lineage as text, in several wordings.

A network that has read one wording alone knows taxa by that wording alone; so training draws one
of them each time. A rank without a name is left out: no caption says that something is not known,
since thousands of records would share that caption. Names of several wordings:

    names    Animalia Arthropoda Insecta Hymenoptera Apidae Apis mellifera
    ranks    kingdom Animalia, phylum Arthropoda, ..., genus Apis, species Apis mellifera
    lowest   Apis mellifera
    family   Apis mellifera, family Apidae, order Hymenoptera
    photo    a photo of Apis mellifera
    account  the names, and the first sentences of what is written of the taxon

References: Radford and others, CLIP, arXiv:2103.00020 (a sentence around the name); Stevens and
others, BioCLIP, arXiv:2311.18803 (wordings of a lineage, mixed).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from merian.errors import InputError, did_you_mean
from merian.taxonomy.vocabulary import NOT_KNOWN

__all__ = ["WORDINGS", "any_wording", "known_names", "worded"]

_NOT_KNOWN = {*NOT_KNOWN, "unk", ""}
_ABOVE = ("family", "order")
_FIRST = 240  # letters of an account; sentences beyond are left out
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")


def worded(names: Mapping[str, Any], wording: str, vernacular: str = "", account: str = "") -> str:
    """Return a lineage as text; empty where nothing of it is known.

    Args:
        names: By rank, from high to low; a species by its whole name.
        wording: One of WORDINGS.
        vernacular: What people call it; said behind the lowest name, or not at all if empty.
        account: What is written of it, for the wording that says so; without it that is the names.
    """
    if wording not in _WORDINGS:
        raise InputError(
            f"no wording is called {wording!r}; there are {', '.join(WORDINGS)}."
            + did_you_mean(wording, WORDINGS)
        )
    known = known_names(names)
    if not known:
        return ""
    text = _WORDINGS[wording](known)
    if vernacular.strip():
        text += f" ({vernacular.strip()})" if wording in {"lowest", "photo"} else (
            f", {vernacular.strip()}"
        )  # fmt: skip
    first = _first_sentences(account) if wording == "account" else ""
    return f"{text}. {first}" if first else text


def any_wording(
    names: Mapping[str, Any],
    random: np.random.Generator,
    account: str = "",
    vernacular: str = "",
    wordings: tuple[str, ...] = (),
) -> str:
    """Return a lineage in a wording that is drawn, each as likely.

    Args:
        names: By rank, from high to low; a species by its whole name.
        random: Draws.
        account: What is written of it; without it, that wording is not drawn.
        vernacular: What people call it; said every other time.
        wordings: To draw from; all of them if none are given.
    """
    of = [name for name in wordings or WORDINGS if account.strip() or name != "account"]
    wording = of[int(random.integers(len(of)))] if of else "names"
    called = vernacular if random.random() < 0.5 else ""
    return worded(names, wording, called, account)


def known_names(names: Mapping[str, Any]) -> dict[str, str]:
    """Return the names that are names, without blanks around them, in the order of the ranks."""
    found = {rank: " ".join(str(name or "").split()) for rank, name in names.items()}
    return {rank: name for rank, name in found.items() if name.lower() not in _NOT_KNOWN}


def _names(known: Mapping[str, str]) -> str:
    """Say a name only once: that of the genus begins the name of the species."""
    row = list(known.values())
    behind = [*row[1:], ""]
    return " ".join(
        name for name, next_one in zip(row, behind, strict=True)
        if next_one != name and not next_one.startswith(f"{name} ")
    )  # fmt: skip


def _ranks(known: Mapping[str, str]) -> str:
    return ", ".join(f"{rank} {name}" for rank, name in known.items())


def _lowest(known: Mapping[str, str]) -> str:
    return list(known.values())[-1]


def _family(known: Mapping[str, str]) -> str:
    lowest = list(known)[-1]
    above = [f"{rank} {known[rank]}" for rank in _ABOVE if rank in known and rank != lowest]
    return ", ".join([known[lowest], *above])


def _photo(known: Mapping[str, str]) -> str:
    return f"a photo of {_lowest(known)}"


def _first_sentences(account: str) -> str:
    """Return the sentences of an account that begin and end within the first letters of it."""
    text = " ".join(account.split())
    found = ""
    for sentence in _SENTENCE.split(text):
        longer = f"{found} {sentence}".strip()
        if len(longer) > _FIRST:
            break
        found = longer
    return found or text[:_FIRST].rpartition(" ")[0] or text[:_FIRST]


_WORDINGS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "names": _names,
    "ranks": _ranks,
    "lowest": _lowest,
    "family": _family,
    "photo": _photo,
    "account": _names,
}
WORDINGS = tuple(_WORDINGS)
