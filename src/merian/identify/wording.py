"""Answers in plain words: the verdict about novelty, the flags, and one sentence of explanation.

What a library lacks is never called new to science; it is "not in this library".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merian.identify.determination import Match, Outcome

__all__ = ["FLAGS", "Case", "Said", "describe_case", "percent"]

FLAGS = {
    "distant": "the nearest reference is less than 80 % identical",
    "equal": "species of more than one genus are equally near: a reference may be mislabelled",
    "novel": "it is most probably something that is not in the library",
    "no_match": "no reference shares enough with it to be aligned",
    "out_of_place": "place and date make it at least five times less likely; the label, or the "
    "place, may be wrong",
    "other_strand": "it was read on the other strand than the nearest reference",
    "shared_barcode": "two species or more are equally near, and the barcode cannot part them",
    "short": "less than half of a usual reference was compared",
    "single_reference": "the species is known from one record alone",
    "unnamed": "it matches references that have no species' name",
}

_DISTANT, _SHORT = 0.8, 0.5
_CLOSE = 0.97  # identity from which equally near species are worth a flag
_SEVERAL = 3  # names in a sentence


@dataclass(frozen=True)
class Case:
    """What is to be said of one query.

    Attributes:
        rank: Of the taxon stood by, or "".
        name: Of it.
        probability: Of it.
        best: The most probable outcome.
        runner_up: The next, if there is one.
        present: The probability that its species is named in the library.
        unnamed: The probability that it is of an unnamed group of the library.
        matches: The nearest references, the nearest first.
        species: The named species that are nearest, all equally: name, genus, records.
        usual_length: Bases of a usual reference.
        unmet: Whether nothing near was found.
        kind: Of the evidence: barcode, picture or consensus.
        says: Of a consensus, what each kind of evidence says.
    """

    rank: str
    name: str
    probability: float
    best: Outcome
    runner_up: Outcome | None
    present: float
    unnamed: float
    matches: Sequence[Match]
    species: Sequence[tuple[str, str, int]]
    usual_length: float
    unmet: bool
    kind: str = "barcode"
    says: Sequence[str] = ()


@dataclass(frozen=True)
class Said:
    """A case in words."""

    runner_up: str
    verdict: str
    flags: tuple[str, ...]
    explanation: str


def describe_case(case: Case) -> Said:
    """Put a case into words."""
    return Said(
        outcome_in_words(case.runner_up) if case.runner_up else "",
        _verdict(case),
        _flags(case),
        _explanation(case),
    )


def outcome_in_words(outcome: Outcome) -> str:
    """Return what a record may be, in words."""
    if outcome.group:
        return f"unnamed {outcome.group}" + (f" under {outcome.name}" if outcome.name else "")
    if not outcome.new:
        return outcome.name
    where = f" under {outcome.name}" if outcome.name else ""
    return f"something{where} that is not in this library"


def _verdict(case: Case) -> str:
    """Return what is said about novelty."""
    if case.unmet:
        return "nothing like it is in this library"
    absent = 1 - case.present - case.unnamed
    likely = max(case.present, case.unnamed, absent)
    sure = f"{percent(likely)}"
    if likely == case.present:
        return f"its species is in this library ({sure})"
    if likely == case.unnamed:
        return f"matches references without a species' name ({sure})"
    under = ""
    if case.best.new and case.best.name:
        under = f"; most probably under {case.best.name}"
    return f"its species is not in this library ({sure}){under}"


def _flags(case: Case) -> tuple[str, ...]:
    """Return what a user should look at."""
    if case.unmet:
        return ("no_match",)
    if case.kind == "consensus":
        new = {"novel": case.present + case.unnamed < 1 / 2, "unnamed": bool(case.best.group)}
        return tuple(sorted(flag for flag, holds in new.items() if holds))
    nearest = case.matches[0]
    genera = {genus for _, genus, _ in case.species}
    close = nearest.identity >= _CLOSE
    alone = len(case.species) == 1 and case.species[0][2] == 1 and case.rank == "species"
    barcode = case.kind == "barcode"
    true = {
        "distant": barcode and nearest.identity < _DISTANT,
        "equal": barcode and close and len(genera) > 1,
        "novel": case.present + case.unnamed < 1 / 2,
        "other_strand": nearest.reverse,
        "shared_barcode": barcode and close and len(case.species) > 1,
        "short": barcode and nearest.overlap < _SHORT * case.usual_length,
        "single_reference": alone and case.species[0][0] == case.name,
        "unnamed": bool(case.best.group),
    }
    return tuple(sorted(flag for flag, holds in true.items() if holds))


def _explanation(case: Case) -> str:
    """Return one sentence."""
    if case.unmet:
        return "No reference of the library shares enough with it to be aligned."
    stood = (
        f"{case.rank.capitalize()} {case.name} at {percent(case.probability)}"
        if case.name
        else "No name at any rank is sure enough"
    )
    if case.kind == "consensus":
        return f"{stood}: {'; '.join(case.says)}."
    nearest = case.matches[0]
    near = f"nearest is {nearest.name} ({nearest.id})"
    if case.kind == "barcode":
        near += f" with {percent(nearest.identity, 1)} of {nearest.overlap} bases"
    else:
        near += f", {nearest.identity:.2f} alike"
    return f"{stood}: {near}{_why_not_lower(case)}."


def _why_not_lower(case: Case) -> str:
    """Return why the answer goes no farther down, or what speaks against it."""
    if case.rank == "species":
        if case.runner_up is None or case.runner_up.probability < 0.005:
            return ""
        other = outcome_in_words(case.runner_up)
        return f"; against it, {other} at {percent(case.runner_up.probability)}"
    names = [name for name, _, _ in case.species]
    if len(names) > 1:
        shown = ", ".join(names[:_SEVERAL])
        more = f" and {len(names) - _SEVERAL} more" if len(names) > _SEVERAL else ""
        return f"; {shown}{more} are equally near"
    best = f"; most probable is {outcome_in_words(case.best)} at {percent(case.best.probability)}"
    if case.runner_up is None:
        return best
    other = outcome_in_words(case.runner_up)
    return f"{best}, then {other} at {percent(case.runner_up.probability)}"


def percent(share: float, digits: int = 0) -> str:
    """Return a share in percent; 100 % is only what is whole."""
    shown = f"{100 * share:.{digits}f}"
    if share < 1 and float(shown) == 100:
        shown = f"{100 - 10 ** -max(digits, 1):.{max(digits, 1)}f}"
        return f"over {shown} %"
    return f"{shown} %"
