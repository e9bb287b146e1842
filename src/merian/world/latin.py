"""Names for invented taxa, made by the rules by which real ones are made.

A family is named after one of its genera, an epithet agrees with the gender of its genus, an
epithet occurs in many genera. Some generic names are used twice, in different phyla: real ones are
(Ctenophora is a fly, a diatom and a phylum), and a program that does not know it will mix them up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["AUTHORS", "name_taxa"]

AUTHORS = (
    "Merian", "Graff", "Marell", "Ostertag", "Vinke", "Sandrart", "Auroux", "Commelin", "Witsen",
    "Block", "Herolt", "Petiver", "Vincent", "Ruysch", "Leeuw", "Seba", "Mulder", "Sluyter",
)  # fmt: skip

_ONSETS = (
    "b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "ch", "cr", "dr",
    "gl", "gn", "ph", "pl", "pr", "sc", "sp", "st", "th", "tr", "x",
)  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "y", "ae", "eu", "io")
_CODAS = ("", "", "", "", "l", "n", "r", "s", "m")
# Ending and gender of a generic name, and what stands before "idae".
_ENDINGS = (
    ("us", "m"), ("a", "f"), ("um", "n"), ("is", "f"), ("ella", "f"), ("ops", "m"), ("ia", "f"),
    ("ina", "f"), ("odes", "m"), ("ium", "n"),
)  # fmt: skip
_STEMS = (
    "rubr", "nigr", "alb", "flav", "fusc", "pallid", "obscur", "nitid", "punctat", "striat",
    "fasciat", "maculat", "spinos", "hirsut", "glabr", "minut", "robust", "elongat", "brev",
    "gracil", "parv", "magn", "cornut", "dentat", "serrat", "undulat", "annulat", "ornat",
    "elegant", "modest", "vari", "dubi", "inexpectat", "solitari", "commun", "marin", "litoral",
    "montan", "silvestr", "palustr", "insular", "boreal", "austral", "oriental",
    "occidental", "vern",
    "aestiv", "autumn", "nocturn", "aure", "argente", "viridi", "caerule", "purpure", "rose",
    "ferrugine", "cinere", "brunne", "lute", "candid", "tenu", "crass", "plan", "convex",
    "truncat", "acut", "obtus", "bifid", "trilob", "quadrat", "simil", "affin", "propinqu",
    "vagant", "pelagic", "profund", "superb", "mirabil", "insign", "notat", "signat", "lineat",
    "reticulat", "granulat", "rugos", "laevigat", "sulcat", "carinat", "velutin", "hyalin",
)  # fmt: skip
_THIRD = frozenset(
    "brev gracil commun litoral silvestr palustr insular boreal austral oriental occidental viridi "
    "tenu simil mirabil insign affin".split()
)
_SUFFIXES = {  # per body plan: class, order
    0: ("cerata", "ptera"),
    1: ("plancta", "oida"),
    2: ("zoa", "aria"),
}
_HOMONYMS = 0.02


def name_taxa(
    taxon: NDArray[np.int32], plans: Sequence[NDArray[np.int8]], rng: np.random.Generator
) -> tuple[tuple[str, ...], ...]:
    """Name the taxa of every rank from phylum to species.

    Args:
        taxon: For each species and rank the number of its taxon.
        plans: For each rank the body plan of each taxon.
        rng: Draws the names.
    """
    taken: set[str] = set()
    phyla = tuple(_new(("phora", "poda", "stoma")[int(p)], taken, rng) for p in plans[0])
    classes = tuple(_new(_SUFFIXES[int(p)][0], taken, rng) for p in plans[1])
    orders = tuple(_new(_SUFFIXES[int(p)][1], taken, rng) for p in plans[2])
    genera, genders = _genera(plans[4], taken, rng)
    families = []
    for family in range(len(plans[3])):
        types = np.unique(taxon[taxon[:, 3] == family, 4])
        stem = _stem(genera[int(types[0])])
        name = f"{stem}idae"
        while name in taken:  # a homonym among the type genera: families must differ
            stem += "in"
            name = f"{stem}idae"
        taken.add(name)
        families.append(name)
    species = _species(taxon[:, 4], genera, genders, rng)
    return phyla, classes, orders, tuple(families), tuple(genera), species


def _new(ending: str, taken: set[str], rng: np.random.Generator) -> str:
    """Return a new capitalised word with that ending."""
    while True:
        syllables = [
            str(rng.choice(_ONSETS)) + str(rng.choice(_VOWELS))
            for _ in range(1 + int(rng.random() < 0.6) + int(rng.random() < 0.15))
        ]
        body = str(rng.choice(_CODAS)).join(syllables)
        if ending[0] in "aeiou":
            body += str(rng.choice(_ONSETS[:14]))
        elif body[-1] not in "aeio":
            continue
        name = (body + ending).capitalize()
        if name not in taken:
            taken.add(name)
            return name


def _genera(
    plans: NDArray[np.int8], taken: set[str], rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Return names and genders of genera; a few names are used in two phyla."""
    names: list[str] = []
    genders: list[str] = []
    used: set[int] = set()
    for number, plan in enumerate(plans):
        elsewhere = np.flatnonzero(plans[:number] != plan)
        first = int(rng.choice(elsewhere)) if elsewhere.size else -1
        if first >= 0 and first not in used and rng.random() < _HOMONYMS:
            used.update((first, number))
            names.append(names[first])
            genders.append(genders[first])
            continue
        ending, gender = _ENDINGS[int(rng.integers(len(_ENDINGS)))]
        names.append(_new(ending, taken, rng))
        genders.append(gender)
    return names, genders


def _stem(genus: str) -> str:
    for ending in sorted((e for e, _ in _ENDINGS), key=len, reverse=True):
        if genus.endswith(ending):
            return genus.removesuffix(ending)
    return genus


def _species(
    genus: NDArray[np.int32], genera: list[str], genders: list[str], rng: np.random.Generator
) -> tuple[str, ...]:
    names: list[str] = []
    taken: set[str] = set()
    for number in genus.tolist():
        while True:
            name = f"{genera[number]} {_epithet(genders[number], rng)}"
            if name not in taken:
                break
        taken.add(name)
        names.append(name)
    return tuple(names)


def _epithet(gender: str, rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.12:  # after a person
        return str(rng.choice(AUTHORS)).lower() + ("i" if rng.random() < 0.6 else "ae")
    if kind < 0.25:  # after a place
        place = str(rng.choice(_ONSETS)) + str(rng.choice(_VOWELS)) + str(rng.choice(_ONSETS[:14]))
        place += str(rng.choice(("", "an", "or", "al", "in")))
        return place + ("ense" if gender == "n" else "ensis")
    stem = str(rng.choice(_STEMS))
    if kind > 0.8:  # a compound
        stem = str(rng.choice(_STEMS)) + "i" + stem
        stem = stem.replace("ii", "i")
    if any(stem.endswith(s) for s in _THIRD):
        return stem.removesuffix("i") + ("e" if gender == "n" else "is")
    if stem.endswith(("elegant", "vagant")):
        return stem.removesuffix("t") + "s"
    return stem + {"m": "us", "f": "a", "n": "um"}[gender]
