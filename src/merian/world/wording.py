"""Words for what a species looks like, as the author of a key would choose them.

Each character is a phrase made from the values of a few traits. A phrase is kept together with
these traits, so that two species can be told apart by the character in which they differ most.
Traits that a species does not have give no phrase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from merian.world.traits import KINDS

__all__ = ["Character", "characters", "colour_name", "kind_of", "size_range"]

Values = Mapping[str, float]

_HUES = (
    (0.03, "red"), (0.075, "rust-red"), (0.105, "orange"), (0.15, "ochre"), (0.18, "yellow"),
    (0.26, "yellow-green"), (0.42, "green"), (0.50, "blue-green"), (0.60, "sky-blue"),
    (0.70, "blue"), (0.80, "violet"), (0.90, "purple"), (0.96, "pink"), (1.01, "red"),
)  # fmt: skip
_PATTERNS = (
    "", "with {} stripes along the body", "with {} bands across the body", "spotted with {}",
    "turning {} to one end", "with {} blotches", "margined with {}", "with {} chevrons",
)  # fmt: skip


@dataclass(frozen=True)
class Character:
    """One character of a species.

    Attributes:
        topic: What it is about; species are compared topic by topic.
        phrase: As it stands in a description.
        traits: Names of the traits that it says something about.
    """

    topic: str
    phrase: str
    traits: tuple[str, ...]


def kind_of(plan: int, values: Values) -> str:
    """Return the sort of body, or the name of the plan."""
    if "kind" not in values:
        return ("insect", "drifter", "colony")[plan]
    return KINDS[plan][min(max(round(values["kind"]), 0), len(KINDS[plan]) - 1)]


def colour_name(hue: float, saturation: float, lightness: float) -> str:
    """Return a colour in plain words; the hue is a turn."""
    if lightness < 0.12:
        return "black"
    if saturation < 0.17:
        return "dark grey" if lightness < 0.3 else "grey" if lightness < 0.6 else "whitish"
    name = next(name for upper, name in _HUES if hue % 1.0 < upper)
    if name in ("orange", "ochre", "rust-red") and lightness < 0.36:
        name = "brown"
    if lightness < 0.25:
        return f"dark {name}"
    return f"pale {name}" if lightness > 0.58 else name


def characters(plan: int, values: Values) -> list[Character]:
    """Return all characters of a species that its traits allow."""
    kind = kind_of(plan, values)
    makers = (_of_all, (_of_insects, _of_plankton, _of_colonies)[plan])
    found = []
    for make in makers:
        for topic, names, phrase in make(kind):
            if all(name in values for name in names):
                text = phrase(values)
                if text:
                    found.append(Character(topic, text, names))
    return found


_Maker = tuple[str, tuple[str, ...], Callable[[Values], str]]


def _grade(trait: str, *steps: str) -> Callable[[Values], str]:
    """Return a phrase by how large a trait from 0 to 1 is; the words stand at equal steps."""

    def phrase(values: Values) -> str:
        place = int(values[trait] * len(steps))
        return steps[min(max(place, 0), len(steps) - 1)]

    return phrase


def _extremes(trait: str, low: str, high: str) -> Callable[[Values], str]:
    """Return a phrase for what is remarkable only."""
    return lambda values: low if values[trait] < 0.22 else high if values[trait] > 0.78 else ""


def _colour(values: Values) -> str:
    name = colour_name(values["hue"], values["saturation"], values["lightness"])
    gloss = values.get("gloss", 0.5)
    return f"glossy {name}" if gloss > 0.75 else f"dull {name}" if gloss < 0.2 else name


def _pattern(values: Values) -> str:
    number = round(values["pattern"])
    if not 0 < number < len(_PATTERNS) or values["contrast"] < 0.2:
        return "without pattern"
    second = colour_name(
        values["second_hue"], values["second_saturation"], values["second_lightness"]
    )
    faint = "faint " if values["contrast"] < 0.45 else ""
    return _PATTERNS[number].format(faint + second)


def _of_all(_: str) -> list[_Maker]:
    pattern = ("pattern", "contrast", "second_hue", "second_saturation", "second_lightness")
    return [
        ("colour", ("hue", "saturation", "lightness"), _colour),
        ("pattern", pattern, _pattern),
    ]


def _limb_tone(values: Values) -> str:
    tone = values["limb_light"]
    return (
        "legs darker than the body" if tone < -0.12
        else "legs paler than the body" if tone > 0.12 else ""
    )  # fmt: skip


def _of_insects(kind: str) -> list[_Maker]:
    shape = _grade("width", "very slender", "slender", "moderately broad", "broad", "very broad")
    found: list[_Maker] = [
        ("shape", ("width",), shape),
        ("head", ("head",), _extremes("head", "head small", "head large")),
        ("hair", ("hair",), _extremes("hair", "bare", "densely hairy")),
        ("legs", ("limb_length",), _extremes("limb_length", "legs short", "legs long")),
        ("leg colour", ("limb_light",), _limb_tone),
    ]
    if kind != "spider":
        length = _grade("antenna_length", "short", "of middling length", "long", "very long")
        found.append(("antennae", ("antenna_length",), lambda values: "antennae " + length(values)))
        club = _extremes("antenna_club", "antennae thread-like", "antennae clubbed")
        found.append(("antennal club", ("antenna_club",), club))
    if kind == "beetle":
        furrow = _grade("grooves", "elytra smooth", "elytra finely furrowed", "elytra ribbed")
        found.append(("elytra", ("grooves",), furrow))
    if kind in ("fly", "wasp", "dragonfly"):
        smoke = _grade("wing_smoke", "wings clear", "wings faintly smoky", "wings smoky")
        found.append(("wings", ("wing_smoke",), smoke))
    if kind in ("fly", "wasp", "moth", "dragonfly"):
        reach = _extremes("wing_length", "wings short", "wings long")
        found.append(("wing length", ("wing_length",), reach))
        tip = _extremes("wing_tip", "wing tips rounded", "wing tips pointed")
        found.append(("wing tips", ("wing_tip",), tip))
    if kind in ("wasp", "spider"):
        waist = _extremes("waist", "waist hardly marked", "waist very narrow")
        found.append(("waist", ("waist",), waist))
    return found


def _of_plankton(kind: str) -> list[_Maker]:
    shape = _grade("width", "narrow", "rather narrow", "rather wide", "wide")
    clear = _grade("clarity", "opaque", "cloudy", "clear as glass")
    found: list[_Maker] = [
        ("shape", ("width",), shape),
        ("clarity", ("clarity",), clear),
    ]
    parts = {"medusa": "tentacles", "radiolarian": "spines", "diatom": "cells"}.get(kind)
    if parts:
        many = _grade("count", f"{parts} few", f"{parts} of middling number", f"{parts} many")
        found.append((parts, ("count",), many))
    if kind == "copepod":
        length = _grade("antenna_length", "short", "of middling length", "long")
        found.append(("antennae", ("antenna_length",), lambda values: "antennae " + length(values)))
    if kind in ("copepod", "water flea", "arrow worm", "dinoflagellate"):
        tail = _extremes("tail_length", "tail short", "tail long")
        found.append(("tail", ("tail_length",), tail))
    if kind in ("dinoflagellate", "radiolarian", "diatom"):
        relief = _extremes("relief", "surface smooth", "surface strongly sculptured")
        found.append(("surface", ("relief",), relief))
    return found


def _of_colonies(kind: str) -> list[_Maker]:
    relief = _grade("relief", "surface smooth", "surface rough", "surface deeply pitted")
    found: list[_Maker] = [("surface", ("relief",), relief)]
    if kind in ("branching", "fan"):
        angle = _grade("fork_angle", "upright", "spreading", "wide-spreading")
        found.append(("forks", ("fork_angle",), lambda values: f"branches {angle(values)}"))
        thick = _extremes("limb_thickness", "branches thin", "branches stout")
        found.append(("branches", ("limb_thickness",), thick))
        taper = _extremes("taper", "tips blunt", "tips pointed")
        found.append(("tips", ("taper",), taper))
    else:
        lobes = _extremes("lobes", "outline even", "outline deeply lobed")
        found.append(("outline", ("lobes",), lobes))
    if kind == "tubes":
        many = _extremes("count", "tubes few", "tubes many")
        found.append(("tubes", ("count",), many))
    return found


def size_range(values: Values, spread: float) -> str:
    """Return the range of lengths of an author's series, in mm or cm."""
    low, high = (float(np.exp(values["log_length"] + k * spread)) for k in (-1.7, 1.7))
    if low > 60:
        return f"{low / 10:.0f}–{high / 10:.0f} cm"
    digits = 0 if low >= 10 else 1 if low >= 1 else 2
    return f"{low:.{digits}f}–{high:.{digits}f} mm"
