"""What is asked of a split: groups that stay whole, parts and their shares, or a preset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from merian.errors import InputError, did_you_mean

__all__ = ["PARTS", "PRESETS", "ROLES", "Part", "Plan", "checked", "folds", "parts_of"]

ROLES = ("learn", "tune", "test", "keys", "aside")
"""What a part is for: to learn from, to choose with, to test with, to answer with, for nothing."""

PRESETS = {
    "groups": "no declared group in two parts, each taxon divided by the shares",
    "random": "every record by itself: it LEAKS, and is here to be compared with",
    "dates": "what is dated before the first cut, between two, and after the last",
    "published": "the parts that the records came with",
    "bioscan-5m": "BIOSCAN-5M: pretrain, train, val, test and three parts of unseen species",
    "clibd": "CLIBD: seen and unseen species, with keys beside queries",
    "benthicnet": "BenthicNet: transects thinned, parts of the seabed with a distance between",
}
"""How records may be divided."""

_ROLE = {
    **dict.fromkeys(("train", "training", "pretrain"), "learn"),
    **dict.fromkeys(("val", "valid", "validation", "tune"), "tune"),
}


@dataclass(frozen=True)
class Part:
    """A part of a split.

    Attributes:
        name: What it is called.
        share: Of the records, as asked; 0 where a rule decides.
        role: What it is for, one of `ROLES`.
    """

    name: str
    share: float
    role: str


PARTS = (Part("train", 0.8, "learn"), Part("val", 0.1, "tune"), Part("test", 0.1, "test"))


@dataclass(frozen=True)
class Plan:
    """What is asked.

    Attributes:
        name: Of the split.
        preset: One of `PRESETS`.
        by: The groups of which none may be in two parts, such as ``barcode`` or ``distance=10``.
        parts: Into what, where the preset does not say.
        seed: Of what is drawn.
        rank: By which the taxa are divided; None for the lowest name of each record.
        least: Taxa with fewer records are not divided but learned from.
        contained: Whether a barcode that lies within another is the same barcode.
        cuts: Dates in ISO 8601 between the parts.
        metres: Distances of the preset, by name.
    """

    name: str
    preset: str = "groups"
    by: tuple[str, ...] = ()
    parts: tuple[Part, ...] = PARTS
    seed: int = 0
    rank: str | None = None
    least: int = 3
    contained: bool = True
    cuts: tuple[str, ...] = ()
    metres: dict[str, float] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """Return what decides the result."""
        said = asdict(self)
        said["parts"] = [[part.name, part.share, part.role] for part in self.parts]
        del said["name"]
        return said

    @property
    def first(self) -> int:
        """The part that learns, which takes what cannot be divided; -1 where there is none."""
        return next((i for i, part in enumerate(self.parts) if part.role == "learn"), -1)


def parts_of(text: str) -> tuple[Part, ...]:
    """Read ``train=80,val=10,test=10``: shares of any sum, of parts with any names."""
    found = []
    for item in text.split(","):
        name, sign, share = item.strip().partition("=")
        try:
            number = float(share)
        except ValueError:
            number = -1
        if not sign or not re.fullmatch(r"[\w.-]+", name) or not number > 0:
            raise InputError(
                f"--parts {text}: {item.strip()!r} is not a name and a share above 0; expected "
                "such as train=80,val=10,test=10"
            )
        found.append((name, number))
    names = [name for name, _ in found]
    if len(set(names)) < len(names) or len(names) < 2:
        raise InputError(f"--parts {text}: expected two parts or more, each named once")
    whole = sum(share for _, share in found)
    return tuple(
        Part(name, share / whole, _ROLE.get(name.lower(), "test")) for name, share in found
    )


def folds(count: int) -> tuple[Part, ...]:
    """Return parts of equal size, each of which is a test once."""
    if not 2 <= count <= 100:
        raise InputError(f"--folds {count}: expected 2 to 100")
    return tuple(Part(f"fold{number}", 1 / count, "test") for number in range(1, count + 1))


def checked(plan: Plan, known: Sequence[str]) -> Plan:
    """Return the plan if it can be done; what does not go together is told.

    Args:
        plan: What is asked.
        known: The groups that there are.
    """
    if plan.preset not in PRESETS:
        raise InputError(
            f"--preset {plan.preset}: there are {', '.join(PRESETS)}."
            + did_you_mean(plan.preset, PRESETS)
        )
    if plan.preset == "groups" and not plan.by:
        raise InputError(
            "say what must not be divided, such as --by barcode --by specimen, or which "
            f"--preset. Groups are {', '.join(known)}, and any column of the tables; presets are "
            f"{', '.join(PRESETS)}"
        )
    if not re.fullmatch(r"[\w.+=-]+", plan.name):
        raise InputError(
            f"--name {plan.name!r}: expected letters, digits and . _ + = - without blanks"
        )
    if plan.preset in ("random", "published", "benthicnet") and plan.by:
        raise InputError(f"--preset {plan.preset} knows no groups; leave --by away")
    if plan.preset == "dates" and not plan.cuts:
        raise InputError("--preset dates: give one or two dates to cut at, as in --cut 2020-01-01")
    if plan.least < 1:
        raise InputError(f"--least {plan.least}: expected 1 or more")
    return plan
