"""Traits that evolve along the tree: why relatives look alike, and by how much.

Continuous traits follow an Ornstein-Uhlenbeck process (Hansen 1997, doi:10.2307/2411186) whose
clock runs at different speeds at different depths of the tree: families part far, species of a
genus little. Its values are squeezed into the range of the trait. The sort of body is that of the
order; patterns jump now and then (Lewis 2001, doi:10.1080/106351501753462876).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import erf

import numpy as np
from numpy.typing import NDArray

from merian.world.biota import Biota

__all__ = ["ENDS", "KINDS", "Traits", "evolve_traits", "individual", "measures", "span"]

# The sorts of body of each plan; the trait `kind` is a number in these.
KINDS = (
    ("beetle", "fly", "wasp", "bug", "moth", "spider", "dragonfly", "cricket"),
    ("copepod", "water flea", "medusa", "diatom", "radiolarian", "dinoflagellate", "arrow worm"),
    ("branching", "fan", "massive", "brain", "tubes", "plates"),
)

# The landmarks between which each length is taken.
ENDS: dict[str, tuple[str, str]] = {
    "body_length_mm": ("head_tip", "abdomen_tip"),
    "body_width_mm": ("width_left", "width_right"),
    "elytra_length_mm": ("elytra_base", "elytra_tip"),
    "wing_length_mm": ("wing_base", "wing_tip"),
    "antenna_length_mm": ("antenna_base", "antenna_tip"),
    "height_mm": ("height_low", "height_high"),
    "width_mm": ("width_left", "width_right"),
    "diameter_mm": ("diameter_first", "diameter_second"),
}

# name: lowest and highest mean of a species, spread of individuals as a share of that range.
_CONTINUOUS: dict[str, tuple[float, float, float]] = {
    "dimorphism": (-0.12, 0.12, 0.0),
    "width": (0.0, 1.0, 0.025),
    "head": (0.0, 1.0, 0.021),
    "chest": (0.0, 1.0, 0.021),
    "waist": (0.0, 1.0, 0.021),
    "peak": (0.0, 1.0, 0.021),
    "pointed": (0.0, 1.0, 0.021),
    "antenna_length": (0.0, 1.0, 0.021),
    "antenna_curve": (-1.0, 1.0, 0.042),
    "antenna_club": (0.0, 1.0, 0.021),
    "limb_length": (0.0, 1.0, 0.021),
    "limb_thickness": (0.0, 1.0, 0.021),
    "hind_limb": (0.0, 1.0, 0.021),
    "wing_length": (0.0, 1.0, 0.018),
    "wing_width": (0.0, 1.0, 0.018),
    "wing_tip": (0.0, 1.0, 0.018),
    "wing_spread": (0.0, 1.0, 0.049),
    "wing_smoke": (0.0, 1.0, 0.028),
    "veins": (0.0, 1.0, 0.014),
    "tail_length": (0.0, 1.0, 0.028),
    "tail_spread": (0.0, 1.0, 0.028),
    "count": (0.0, 1.0, 0.021),
    "hair": (0.0, 1.0, 0.028),
    "grooves": (0.0, 1.0, 0.014),
    "gloss": (0.0, 1.0, 0.028),
    "clarity": (0.0, 1.0, 0.035),
    "relief": (0.0, 1.0, 0.028),
    "lobes": (0.0, 1.0, 0.035),
    "fork_angle": (0.0, 1.0, 0.035),
    "fork_count": (0.0, 1.0, 0.042),
    "taper": (0.0, 1.0, 0.035),
    "eye": (0.0, 1.0, 0.014),
    "eye_hue": (0.0, 1.0, 0.014),
    "saturation": (0.12, 0.9, 0.042),
    "lightness": (0.1, 0.62, 0.035),
    "second_saturation": (0.15, 0.95, 0.042),
    "second_lightness": (0.05, 0.85, 0.035),
    "limb_light": (-0.3, 0.3, 0.028),
    "head_light": (-0.22, 0.22, 0.028),
    "frequency": (0.0, 1.0, 0.014),
    "contrast": (-0.25, 1.0, 0.049),
    "phase": (0.0, 1.5, 0.021),
    "edge": (0.0, 1.0, 0.028),
}
_HUES = ("hue", "second_hue")
_HUE_SPREAD = 0.014
_INDIVIDUAL = 1.7  # multiplies the spreads of individuals above
_SIZE_SPREAD = 0.1
# Median length in mm and spread of its logarithm.
_SIZES = ((7.0, 0.75), (0.9, 0.8), (160.0, 0.55))
# Hues in turns at equal steps of their quantiles: what beetles, plankton and corals offer.
_PALETTES = (
    (0.01, 0.04, 0.06, 0.075, 0.09, 0.11, 0.14, 0.22, 0.38, 0.58),
    (0.0, 0.05, 0.1, 0.14, 0.2, 0.35, 0.5, 0.56, 0.62, 0.95),
    (-0.12, -0.04, 0.02, 0.05, 0.075, 0.1, 0.13, 0.2, 0.45, 0.72),
)
_PATTERNS = 8

# Speed of the clock below a height: within genera, between genera, between families.
_CLOCK_HEIGHTS = (0.0, 0.16, 0.36, 1.0)
_CLOCK_TIMES = (0.0, 0.38, 0.72, 3.0)
_JUMP = 1.3  # changes of pattern per unit of the clock


@dataclass(frozen=True)
class Traits:
    """What the species look like.

    Attributes:
        names: Of the traits.
        mean: float32[n, k] of each species.
        spread: float32[n, k], the standard deviation of its individuals.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]


def evolve_traits(biota: Biota, rng: np.random.Generator) -> Traits:
    """Let traits evolve from the root to the species."""
    species = len(biota.plan)
    steps = _steps(biota)
    continuous = len(_CONTINUOUS) + len(_HUES) + 1
    drift = _drift(biota.parent, steps, continuous, rng)[:species]
    share = _normal_share(drift)
    mean: dict[str, NDArray[np.float64]] = {}
    spread: dict[str, NDArray[np.float64]] = {}
    kind = _kinds(biota, rng)
    mean["kind"], spread["kind"] = kind, np.zeros(species)
    size = np.array(_SIZES)[biota.plan]
    mean["log_length"] = np.log(size[:, 0]) + size[:, 1] * drift[:, 0]
    spread["log_length"] = np.full(species, _SIZE_SPREAD)
    for column, (name, (low, high, individual_share)) in enumerate(_CONTINUOUS.items(), 1):
        mean[name] = low + (high - low) * share[:, column]
        spread[name] = np.full(species, _INDIVIDUAL * individual_share * (high - low))
    for column, name in enumerate(_HUES, 1 + len(_CONTINUOUS)):
        palette = np.array(_PALETTES)
        knots = np.linspace(0, 1, palette.shape[1])
        hues = [np.interp(share[:, column], knots, row) for row in palette]
        mean[name] = np.choose(biota.plan, hues)
        spread[name] = np.full(species, _HUE_SPREAD)
    for name in ("pattern", "wing_pattern"):
        mean[name] = _jumps(biota.parent, steps, rng)[:species]
        spread[name] = np.zeros(species)
    return Traits(
        tuple(mean),
        np.column_stack(list(mean.values())).astype(np.float32),
        np.column_stack(list(spread.values())).astype(np.float32),
    )


def individual(traits: Traits, species: int, rng: np.random.Generator) -> dict[str, float]:
    """Draw one individual of a species; the sexes differ a little in size and lightness."""
    draw = traits.mean[species] + traits.spread[species] * rng.standard_normal(len(traits.names))
    values = dict(zip(traits.names, draw.tolist(), strict=True))
    sex = 1.0 if rng.random() < 0.5 else -1.0
    values["sex"] = sex
    values["log_length"] += sex * values["dimorphism"]
    values["lightness"] += sex * 0.25 * values["dimorphism"]
    return values


def measures(plan: int, traits: Mapping[str, float]) -> dict[str, float]:
    """Return the true lengths in mm, and counts, of an individual."""
    length = float(np.exp(traits["log_length"]))
    kind = KINDS[plan][round(traits["kind"])]
    if plan == 2:
        if kind in ("massive", "brain", "plates"):
            return {"diameter_mm": length}
        if kind == "tubes":
            return {"height_mm": length, "appendage_count": float(appendage_count(kind, traits))}
        return {"height_mm": length, "width_mm": length * colony_width(kind, traits)}
    width = insect_width(kind, traits) if plan == 0 else plankton_width(kind, traits)
    found = {"body_length_mm": length, "body_width_mm": length * width}
    if plan == 0:
        if kind != "spider":
            found["antenna_length_mm"] = length * antenna_length(kind, traits)
        if kind == "beetle":
            found["elytra_length_mm"] = length * elytra_length(traits)
        if kind in ("fly", "wasp", "moth", "dragonfly"):
            found["wing_length_mm"] = length * wing_length(kind, traits)
    elif kind in ("medusa", "radiolarian"):
        found["appendage_count"] = float(appendage_count(kind, traits))
    elif kind == "diatom":
        found["cell_count"] = float(appendage_count(kind, traits))
    return found


def span(value: float, low: float, high: float) -> float:
    """Return a place in a range for a trait from 0 to 1."""
    return low + (high - low) * min(max(value, 0.0), 1.0)


def insect_width(kind: str, traits: Mapping[str, float]) -> float:
    """Return the largest width of the body, in body lengths."""
    low, high = {
        "beetle": (0.27, 0.66), "fly": (0.24, 0.4), "wasp": (0.17, 0.34), "bug": (0.28, 0.62),
        "moth": (0.16, 0.3), "spider": (0.36, 0.66), "dragonfly": (0.1, 0.17),
        "cricket": (0.16, 0.32),
    }[kind]  # fmt: skip
    return span(traits["width"], low, high)


def antenna_length(kind: str, traits: Mapping[str, float]) -> float:
    """Return the distance from base to tip of an antenna, in body lengths."""
    low, high = {
        "beetle": (0.16, 0.95), "fly": (0.06, 0.2), "wasp": (0.25, 0.75), "bug": (0.25, 0.7),
        "moth": (0.3, 0.65), "dragonfly": (0.05, 0.1), "cricket": (0.35, 0.95),
    }[kind]  # fmt: skip
    return span(traits["antenna_length"] ** 1.3 if traits["antenna_length"] > 0 else 0, low, high)


def elytra_length(traits: Mapping[str, float]) -> float:
    """Return the length of a beetle's elytra, in body lengths."""
    return span(1 - traits["chest"], 0.56, 0.74)


def wing_length(kind: str, traits: Mapping[str, float]) -> float:
    """Return the distance from base to tip of a fore wing, in body lengths."""
    low, high = {"fly": (0.7, 1.1), "wasp": (0.6, 1.0), "moth": (0.75, 1.3)}.get(kind, (0.6, 0.9))
    return span(traits["wing_length"], low, high)


def plankton_width(kind: str, traits: Mapping[str, float]) -> float:
    """Return the largest width of the body, in body lengths."""
    low, high = {
        "copepod": (0.2, 0.4), "water flea": (0.5, 0.75), "medusa": (0.8, 1.7),
        "diatom": (0.11, 0.3), "radiolarian": (0.75, 1.0), "dinoflagellate": (0.3, 0.75),
        "arrow worm": (0.06, 0.12),
    }[kind]  # fmt: skip
    return span(traits["width"], low, high)


def colony_width(kind: str, traits: Mapping[str, float]) -> float:
    """Return the width in heights of a colony."""
    low, high = {"branching": (0.75, 1.35), "fan": (0.8, 1.4)}.get(kind, (0.6, 1.2))
    return span(traits["width"], low, high)


def appendage_count(kind: str, traits: Mapping[str, float]) -> int:
    """Return the number of tentacles, spines, tubes or cells."""
    low, high = {"medusa": (4, 40), "radiolarian": (6, 36), "tubes": (1, 7)}.get(kind, (3, 14))
    return round(span(traits["count"], low, high))


def _steps(biota: Biota) -> NDArray[np.float64]:
    """Return the time of the clock that each branch takes."""
    clock = np.interp(biota.height, _CLOCK_HEIGHTS, _CLOCK_TIMES)
    above = np.where(biota.parent >= 0, biota.parent, len(clock) - 1)
    return np.maximum(clock[above] - clock, 0)


def _generations(parent: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Return the nodes at each distance from the root, the root's children first."""
    depth = np.zeros(len(parent), dtype=np.int64)
    for node in range(len(parent) - 2, -1, -1):
        depth[node] = depth[parent[node]] + 1
    return [np.flatnonzero(depth == level) for level in range(1, int(depth.max()) + 1)]


def _drift(
    parent: NDArray[np.int32], steps: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return an Ornstein-Uhlenbeck process on the tree, at all nodes: mean 0, spread 1."""
    state = rng.standard_normal((len(parent), count))
    keep = np.exp(-steps)[:, None]
    for nodes in _generations(parent):
        fresh = np.sqrt(1 - keep[nodes] ** 2) * state[nodes]
        state[nodes] = keep[nodes] * state[parent[nodes]] + fresh
    return state


def _jumps(
    parent: NDArray[np.int32], steps: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the number of a pattern at each node, which jumps now and then."""
    fresh = rng.integers(0, _PATTERNS, len(parent)).astype(np.float64)
    jump = rng.random(len(parent)) < 1 - np.exp(-_JUMP * steps)
    for nodes in _generations(parent):
        fresh[nodes] = np.where(jump[nodes], fresh[nodes], fresh[parent[nodes]])
    return fresh


def _kinds(biota: Biota, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return each species' sort of body, that of its order; all sorts occur before one returns."""
    kind = np.zeros(len(biota.plan))
    for plan, sorts in enumerate(KINDS):
        own = np.flatnonzero(biota.plan == plan)
        orders = np.unique(biota.taxon[own, 2])
        turn = rng.permutation(len(sorts))
        rank = np.searchsorted(orders, biota.taxon[own, 2])
        kind[own] = turn[rank % len(sorts)]
    return kind


def _normal_share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal distribution function."""
    share: NDArray[np.float64] = 0.5 * (1 + np.vectorize(erf)(values / np.sqrt(2)))
    return share
