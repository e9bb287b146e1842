"""What a label says against what it is put under: longer names, descendants, other branches.

The taxon may be what the label says, a synonym of it, or above it. It may not be below it ("a
family filed as one species of it"), nor a longer name that begins alike (Cladocera as
Cladoceramus), nor something in another branch. A checklist that does not hold both names says
nothing; one that agrees with the map is enough to let a label pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from merian.audit.label_case import DOUBT, ERROR, NOTE, Case, lineage_text
from merian.audit.label_witness import (
    Place,
    Witness,
    kingdom_of,
    shared_names,
    transferred,
)
from merian.taxonomy.label_map import LabelTarget
from merian.taxonomy.label_words import LabelWords

__all__ = ["Relation", "against_target", "relation"]

_STEM = 5  # letters that an adjective shares with its name: "myctophids", Myctophidae
_WAY = 3  # names on a way up, to say in what branch it is
# A longer word that is only another form of a name: the family of a genus, an English plural.
_ENDINGS = ("idae", "inae", "oidea", "aceae", "ales", "ida", "iida", "ae", "a", "es", "s", "ea")


@dataclass(frozen=True)
class Relation:
    """How a target stands to a name.

    Attributes:
        kind: same, above, below, beside, elsewhere or unknown.
        place: Where a checklist has the name, as evidence.
        shared: The lowest name of the target's lineage that is above the name too.
    """

    kind: str
    place: Place | None = None
    shared: str = ""


def relation(witness: Witness, name: str, target: LabelTarget) -> Relation:
    """Return how a target stands to a name."""
    folded, lowest = name.casefold(), target.name.casefold()
    lineage = [n.casefold() for n in target.lineage.values()]
    if folded == lowest:
        return Relation("same")
    if folded in lineage:
        return Relation("below")
    if transferred(folded, lowest):
        return Relation("same")
    if witness.map_has_above(target.name, name):
        return Relation("above")
    places = witness.places(name)
    for place in places:
        if lowest in (n.casefold() for n in place.path):
            return Relation("same" if place.name.casefold() == lowest else "above", place)
    found = [_by_place(witness, place, target) for place in places]
    order = ("above", "below", "beside", "elsewhere", "unknown")
    # The first that shares most; a checklist that agrees with the map is enough.
    found.sort(key=lambda r: (order.index(r.kind), not r.shared))
    return found[0] if found else Relation("unknown")


def _by_place(witness: Witness, place: Place, target: LabelTarget) -> Relation:
    """Return how a target stands to a name by one place of it."""
    taxonomy = witness.taxonomies[place.number]
    theirs = taxonomy.find(target.name)
    if any(bool(taxonomy.is_ancestor(int(node), place.node)) for node in theirs):
        return Relation("above", place)
    if any(bool(taxonomy.is_ancestor(place.node, int(node))) for node in theirs):
        return Relation("below", place)
    if len(place.path) < _WAY:
        return Relation("unknown")
    common = shared_names(target.lineage.values(), place)
    mine, other = kingdom_of(target.lineage.values()), kingdom_of(place.path)
    if not common and mine and other and mine != other:
        return Relation("elsewhere", place)
    if len(theirs) and (common or mine == other):
        shared = [n for n in target.lineage.values() if n.casefold() in common]
        return Relation("beside", place, shared[-1] if shared else "")
    return Relation("unknown")


def against_target(witness: Witness) -> Iterator[Case]:
    """Find labels that are put under something else than they say."""
    for key, target in witness.labels.targets.items():
        if not target.lineage:
            continue
        words = witness.words(target.label)
        names = words.names or words.parents[:1]
        if not names:
            yield from _unknown_word(words, key, target)
            continue
        # A species that no checklist has under this genus may have been moved from it.
        whole = f"{names[0]} {words.rest[0]}".casefold() if words.rest else ""
        if transferred(whole, target.name.casefold()):
            continue
        found = [(name, relation(witness, name, target)) for name in names]
        if any(r.kind in ("same", "above") for _, r in found):
            continue
        for name, how in found:
            case = _judged(words, name, how, key, target)
            if case:
                yield case
                break


def _judged(
    words: LabelWords, name: str, how: Relation, key: tuple[str, str], target: LabelTarget
) -> Case | None:  # fmt: skip
    """Return what is to be said of one name and its target."""
    told = f"; {how.place.told()}" if how.place else ""
    if _begins_alike(name, target.name) and how.kind != "below":
        return _case(
            "longer-name", ERROR, name, key, target, name,
            f"{name} is a name of its own{told}; {target.name} only begins like it",
        )  # fmt: skip
    if how.kind == "below":
        return _finer(words, name, key, target, told)
    if how.kind == "elsewhere" and how.place:
        # A word that a checklist has as a genus alone may be an old name of a higher group.
        other = how.place.rank in ("genus", "subgenus") and target.rank not in ("genus", "species")
        return _case(
            "branch", DOUBT if other else ERROR, name, key, target, how.place.told(),
            f"no checklist has {name} in {kingdom_of(target.lineage.values())}{told}",
        )  # fmt: skip
    if how.kind == "beside" and how.place:
        depth = list(target.lineage.values()).index(how.shared) if how.shared else -1
        near = depth >= len(target.lineage) - 2 and depth > 1
        # Phyla of animals are the same everywhere; those of protists are not.
        sure = depth < 1 and kingdom_of(how.place.path) in ("Animalia", "Plantae")
        return _case(
            "branch", ERROR if sure else DOUBT, name, key, target, how.place.told(),
            f"{target.name} is not above {name}{told}; they have "
            f"{how.shared or 'only the kingdom'} in common",
        ) if not near or " " in name else _case(
            "branch", NOTE, name, key, target, how.place.told(),
            f"{target.name} and {name} stand side by side in {how.shared}{told}; they may be "
            "synonyms that the checklist does not know",
        )  # fmt: skip
    return None


def _finer(
    words: LabelWords, name: str, key: tuple[str, str], target: LabelTarget, told: str
) -> Case | None:
    """Return what is to be said of a target below the name, unless other words explain it."""
    lineage = list(target.lineage.values())
    folded = [n.casefold() for n in lineage]
    at = folded.index(name.casefold()) + 1 if name.casefold() in folded else 0
    finer = " ".join(folded[at:])
    loose = [word.casefold() for word in words.rest]
    if any(len(w) >= _STEM and w[:_STEM] in finer for w in loose) or words.telling:
        return None
    epithet = folded[-1].split(" ")[-1]
    if target.rank == "species" and epithet in loose:
        return None
    if words.rest or words.parents:
        what = words.rest[0] if words.rest else f"{words.label.split('<')[0]}<"
        return _case(
            "descendant", DOUBT, words.label, key, target, name,
            f"{target.name} is below {name}, and {what!r} does not say why{told}",
        )  # fmt: skip
    return _case(
        "descendant", ERROR, name, key, target, name,
        f"{target.name} is one of the taxa below {name}{told}",
    )  # fmt: skip


def _unknown_word(words: LabelWords, key: tuple[str, str], target: LabelTarget) -> Iterator[Case]:
    """Find words that are no names, put under a genus or species that begins alike."""
    if target.rank not in ("genus", "species"):
        return
    genus = target.lineage.get("genus", target.name)
    for word in re.findall(r"[^\W\d_]{4,}", words.label.replace("_", " ")):
        if _begins_alike(word, genus):
            common = word not in words.rest
            yield _case(
                "longer-name", ERROR if common else DOUBT, word, key, target, "",
                f"{word} is {'a common word' if common else 'known to no checklist'}; {genus} only "
                "begins like it",
            )  # fmt: skip
            return


def _case(
    check: str, severity: int, says: str, key: tuple[str, str], target: LabelTarget, better: str,
    evidence: str,
) -> Case:  # fmt: skip
    return Case(check, severity, says, lineage_text(target), better, evidence, (key,))


def _begins_alike(name: str, longer: str) -> bool:
    """Return whether the second is a longer word that begins with the first, and no form of it."""
    a, b = name.casefold(), longer.casefold().split(" ")[0]
    return " " not in a and b != a and b.startswith(a) and b[len(a) :] not in _ENDINGS
