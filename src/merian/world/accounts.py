"""What the books say: a text for each species, genus and family, as authors write them.

Sizes, colours, structures, season, places, and with what a species is confused. Authors have seen a
few specimens, leave out what they hold for unimportant, and have not come to every species.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.formats.delimited import write_delimited
from merian.world.biota import RANKS, Biota
from merian.world.ranges import DAYS, Ranges
from merian.world.traits import Traits
from merian.world.wording import Character, characters, kind_of, size_range

__all__ = ["look_alikes", "write_accounts"]

_FAMILY, _GENUS, _SPECIES = (RANKS.index(rank) for rank in ("family", "genus", "species"))
_MISSING = {_SPECIES: 0.12, _GENUS: 0.2, _FAMILY: 0.05}
_LEFT_OUT = 0.22  # of the characters
_ALIKE = 0.68  # of the usual distance of unrelated species
_SEEN = 0.5  # deviation of an author's series from the mean, in those of individuals
_MONTHS = "January February March April May June July August September October November December"
_DAYS_TO_MONTH = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
_HABITATS = (
    ("On land", "Terrestrial", "Inland and on coasts"),
    ("In open water", "Pelagic", "Taken in plankton nets"),
    ("On hard ground in shallow water", "Attached, in shallow sea", "On reefs"),
)


def write_accounts(
    biota: Biota,
    traits: Traits,
    ranges: Ranges,
    folder: Path,
    rng: np.random.Generator,
    described: NDArray[np.intp] | None = None,
) -> None:
    """Write accounts.csv: scientificName, rank, text, and similar, whose names "|" parts.

    Args:
        biota: Gives names and relatives.
        traits: Gives looks.
        ranges: Gives places and seasons.
        folder: Where the table goes.
        rng: Draws the authors.
        described: Numbers of the species that have been described; of others nothing is said.
    """
    known = np.arange(len(biota)) if described is None else np.sort(np.asarray(described))
    # What an author knows of a species is a short series.
    noise = rng.standard_normal(traits.mean.shape).astype(np.float32)
    seen = traits.mean + _SEEN * traits.spread * noise
    values = {int(i): dict(zip(traits.names, map(float, seen[i]), strict=True)) for i in known}
    size = traits.names.index("log_length") if "log_length" in traits.names else -1
    writer = _Writer(biota, ranges, values, traits.spread[:, size], rng)
    alike = look_alikes(biota, traits, known)
    rows = []
    for rank in (_FAMILY, _GENUS):
        for taxon in np.unique(biota.taxon[known, rank]).tolist():
            members = [int(i) for i in known if biota.taxon[i, rank] == taxon]
            if rng.random() >= _MISSING[rank]:
                text = writer.of_group(rank, members)
                rows.append((biota.names[rank][taxon], RANKS[rank], text, ""))
    for species in known.tolist():
        text, similar = writer.of_species(species, alike[species])
        if rng.random() >= _MISSING[_SPECIES]:
            names = "|".join(biota.name(other, _SPECIES) for other in similar)
            rows.append((biota.name(species, _SPECIES), RANKS[_SPECIES], text, names))
    columns = ("scientificName", "rank", "text", "similar")
    write_delimited(folder / "accounts.csv", columns, rows, ",")


def look_alikes(biota: Biota, traits: Traits, known: NDArray[np.intp]) -> dict[int, list[int]]:
    """Return for each of the species up to three of its family that look most like it.

    The distance is taken over all traits, each in deviations over the species of its body plan. A
    species that stands far apart has none.
    """
    found: dict[int, list[int]] = {}
    for plan in np.unique(biota.plan[known]):
        own = known[biota.plan[known] == plan]
        mean = traits.mean[own].astype(np.float64)
        scaled = (mean - mean.mean(axis=0)) / (mean.std(axis=0) + 1e-9)
        family = biota.taxon[own, _FAMILY]
        for row, species in enumerate(own.tolist()):
            distance = np.sqrt(np.mean((scaled - scaled[row]) ** 2, axis=1))
            strangers = family != family[row]
            usual = float(np.median(distance[strangers])) if strangers.any() else np.inf
            distance[row] = np.inf
            distance[strangers] = np.inf
            near = np.argsort(distance, kind="stable")[:3]
            limit = min(_ALIKE * usual, 1.8 * distance[near[0]])
            found[species] = [int(own[i]) for i in near if distance[i] <= limit]
    return found


class _Writer:
    """Authors: they choose what to say and how."""

    def __init__(
        self,
        biota: Biota,
        ranges: Ranges,
        values: dict[int, dict[str, float]],
        spread: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> None:
        self._biota, self._ranges, self._rng = biota, ranges, rng
        self._values, self._spread = values, spread
        self._season = ranges.season()
        self._characters = {
            species: characters(int(biota.plan[species]), own) for species, own in values.items()
        }
        table = np.array([list(own.values()) for own in values.values()])
        names = list(next(iter(values.values()))) if values else []
        self._scale = dict(zip(names, table.std(axis=0) + 1e-9, strict=True)) if values else {}

    def of_species(self, species: int, alike: Sequence[int]) -> tuple[str, list[int]]:
        """Return the account of a species, and the look-alikes that it names."""
        said = [c for c in self._characters[species] if self._rng.random() >= _LEFT_OUT]
        parts = [self._opening(species, said), self._details(said)]
        where = [self._habitat(species), self._months(species)]
        if self._rng.random() < 0.5:
            where.reverse()
        similar = [other for other in alike if self._rng.random() < 0.9]
        closing = [self._compare(species, other) for other in similar]
        if self._rng.random() < 0.15:  # the old style begins with where it was found
            parts, where = where, parts
        return " ".join(part for part in (*parts, *where, *closing) if part), similar

    def of_group(self, rank: int, members: Sequence[int]) -> str:
        """Return the account of a genus or a family: what most of its species share."""
        plan = int(self._biota.plan[members[0]])
        kind = kind_of(plan, self._values[members[0]])
        count: dict[str, int] = {}
        for species in members:
            for character in self._characters[species]:
                count[character.phrase] = count.get(character.phrase, 0) + 1
        ranked = sorted(count, key=lambda phrase: (-count[phrase], phrase))
        shared = [phrase for phrase in ranked if count[phrase] > 0.6 * len(members)][:6]
        shared = [phrase for phrase in shared if self._rng.random() >= _LEFT_OUT]
        below = "genera" if rank == _FAMILY else "species"
        number = len({int(self._biota.taxon[i, rank + 1]) for i in members})
        sentence = _many(plan, kind)
        if "log_length" in self._values[members[0]]:
            lengths = sorted((self._values[i]["log_length"], i) for i in members)
            small, large = lengths[0][1], lengths[-1][1]
            low = size_range(self._values[small], float(self._spread[small])).partition("–")
            high = size_range(self._values[large], float(self._spread[large])).partition("–")
            unit = low[2].partition(" ")[2]
            sentence += f" from {low[0]} {unit} to {high[2]}"
        if shared:
            sentence += "; usually " + _listed(shared)
        known = "one" if number == 1 else str(number)
        one = {"genera": "genus", "species": "species"}[below] if number == 1 else below
        return f"{sentence}. {known.capitalize()} {one} described."

    def _opening(self, species: int, said: Sequence[Character]) -> str:
        plan = int(self._biota.plan[species])
        own = self._values[species]
        kind = kind_of(plan, own)
        noun = f"{kind.removesuffix('s')} colony" if plan == 2 else kind
        by_topic = {character.topic: character.phrase for character in said}
        adjectives = [by_topic[topic] for topic in ("shape", "colour") if topic in by_topic]
        size = ""
        if "log_length" in own:
            size = size_range(own, float(self._spread[species]))
        style = int(self._rng.integers(3))
        described = ", ".join([*adjectives, ""]).rstrip(", ")
        article = "An" if (described or noun)[0] in "aeiou" else "A"
        body = f"{described} {noun}".strip()
        pattern = by_topic.get("pattern", "")
        if style == 0:
            text = f"{article} {body}" + (f" of {size}" if size else "")
            return text + (f", {pattern}." if pattern else ".")
        if style == 1:
            text = f"Length {size}. " if size else ""
            return f"{text}{body[0].upper()}{body[1:]}" + (f" {pattern}." if pattern else ".")
        text = f"{body[0].upper()}{body[1:]}" + (f" {pattern}" if pattern else "")
        return text + (f"; {size} long." if size else ".")

    def _details(self, said: Sequence[Character]) -> str:
        phrases = [c.phrase for c in said if c.topic not in ("shape", "colour", "pattern")]
        if not phrases:
            return ""
        order = self._rng.permutation(len(phrases)).tolist()
        text = _listed([phrases[i] for i in order])
        return f"{text[0].upper()}{text[1:]}."

    def _habitat(self, species: int) -> str:
        weight = self._ranges.weight[species].astype(np.float64)
        plan = int(self._biota.plan[species])
        words = _HABITATS[plan][int(self._rng.integers(3))]
        provinces: dict[str, float] = {}
        for name, share in zip(self._ranges.province, weight.tolist(), strict=True):
            provinces[name] = provinces.get(name, 0.0) + share
        named = sorted(provinces, key=lambda name: (-provinces[name], name))[:3]
        named = [name for name in named if provinces[name] > 0.15] or named[:1]
        text = f"{words}; known from {_listed(named)}"
        order = np.argsort(self._ranges.elevation, kind="stable")
        share = np.cumsum(weight[order])
        low, high = (
            float(self._ranges.elevation[order[np.searchsorted(share, q * share[-1])]])
            for q in (0.15, 0.85)
        )
        if self._rng.random() < 0.7:
            if plan == 0:
                text += f", at {_rounded(low)}–{_rounded(high)} m"
            elif plan == 2:
                text += f", in {_rounded(-high)}–{_rounded(-low)} m"
        return text + "."

    def _months(self, species: int) -> str:
        if self._rng.random() < 0.15:
            return ""
        if not np.isfinite(self._ranges.breadth[species]):
            return ("All the year.", "In every month.", "")[int(self._rng.integers(3))]
        common = np.flatnonzero(self._season[species] > 0.6)
        gap = np.flatnonzero(np.diff(common) > 1)
        first, last = (
            (common[0], common[-1]) if not gap.size else (common[gap[-1] + 1], common[gap[0]])
        )
        if common.size > 0.85 * DAYS:
            return "All the year."
        start, end = (_month(int(day)) for day in (first, last))
        if start == end:
            return f"In {start}."
        style = int(self._rng.integers(3))
        return (f"{start} to {end}.", f"Seen from {start} to {end}.", f"Adults {start}–{end}.")[
            style if self._biota.plan[species] == 0 else style % 2
        ]

    def _compare(self, species: int, other: int) -> str:
        """Return how a look-alike differs: in the character that differs most, if any does."""
        name = self._biota.name(other, _SPECIES)
        mine = {c.topic: c for c in self._characters[species]}
        best, difference = None, 0.0
        for theirs in self._characters[other]:
            here = mine.get(theirs.topic)
            if here is None or here.phrase == theirs.phrase:
                continue
            apart = max(self._apart(species, other, trait) for trait in theirs.traits)
            if apart > difference:
                best, difference = (here.phrase, theirs.phrase), apart
        larger = self._apart(species, other, "log_length") if "log_length" in self._scale else 0.0
        style = int(self._rng.integers(3))
        if larger > max(difference, 0.25):
            sign = self._values[other]["log_length"] > self._values[species]["log_length"]
            size = size_range(self._values[other], float(self._spread[other]))
            return f"{name} is similar but {'larger' if sign else 'smaller'} ({size})."
        if best is None:
            return f"Hardly to be told from {name}."
        here_is, there_is = best
        return (
            f"Easily confused with {name}: that is {there_is}, this {here_is}.",
            f"Similar: {name} ({there_is}; here {here_is}).",
            f"Differs from {name} as follows: {here_is}, not {there_is}.",
        )[style]

    def _apart(self, species: int, other: int, trait: str) -> float:
        gap = abs(self._values[species][trait] - self._values[other][trait])
        return float(gap / self._scale[trait])


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _many(plan: int, kind: str) -> str:
    """Return the plural of a sort of body, as a sentence begins."""
    if plan == 2:
        return (
            f"Colonies in the form of {kind}"
            if kind.endswith("s")
            else f"{kind} colonies".capitalize()
        )
    return kind.capitalize().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


def _rounded(metres: float) -> int:
    return round(metres) if metres < 20 else round(metres / 10) * 10


def _month(day: int) -> str:
    return _MONTHS.split()[int(np.searchsorted(_DAYS_TO_MONTH, day, side="right")) - 1]
