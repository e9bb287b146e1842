"""Labels whose name stands for taxa in different branches, and plain words that are genera too.

*Ctenophora* is a phylum of animals, a genus of diatoms and one of crane flies. A label that says
nothing more has to be read with what else is known: its parent, its age or part ("larva" is no
diatom), the rank (a plain word is rather the phylum than a genus), and what the source holds
besides. Where these speak against the target it is an error; where nothing speaks, a person has to
say what was meant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from merian.audit.label_case import DOUBT, ERROR, NOTE, Case, lineage_text
from merian.audit.label_witness import Place, Witness, kingdom_of, shared_names
from merian.taxonomy.label_map import LabelTarget
from merian.taxonomy.label_words import ANIMAL_WORDS, LabelWords
from merian.taxonomy.ranks import RANK_NUMBER
from merian.taxonomy.vocabulary import LIFE_STAGES, PARTS

__all__ = ["Sources", "homonyms", "plain_words"]

_RARE, _USUAL = 0.1, 0.5  # of a source's labels
_LARGE = 0.8  # of a source's labels are written large where names are
_ENOUGH = 8  # labels of a source, to say what is usual in it
_SOME = 3  # labels that make a branch a usual one
_ORDER, _GENUS = RANK_NUMBER["order"], RANK_NUMBER["genus"]


@dataclass(frozen=True)
class Sources:
    """What the sources of a map hold.

    Attributes:
        kingdoms: source -> kingdom -> distinct taxa.
        names: source -> name -> distinct taxa below it or equal.
        large: source -> share of names that are written large.
    """

    kingdoms: dict[str, Counter[str]]
    names: dict[str, Counter[str]]
    large: dict[str, float]

    @classmethod
    def of(cls, witness: Witness) -> Sources:
        """Count what the sources of a map hold."""
        kingdoms: dict[str, Counter[str]] = defaultdict(Counter)
        names: dict[str, Counter[str]] = defaultdict(Counter)
        written: dict[str, list[bool]] = defaultdict(list)
        seen: set[tuple[str, str, str]] = set()
        for (source, label), target in witness.labels.targets.items():
            said = witness.words(label).names
            if said and said[0].casefold() in label.casefold():
                at = label.casefold().index(said[0].casefold())
                written[source].append(label[at].isupper())
            if not target.lineage or (source, target.rank, target.name) in seen:
                continue
            seen.add((source, target.rank, target.name))
            kingdoms[source][kingdom_of(target.lineage.values())] += 1
            names[source].update(name.casefold() for name in target.lineage.values())
        large = {source: sum(marks) / len(marks) for source, marks in written.items()}
        return cls(kingdoms, names, large)

    def share(self, source: str, kingdom: str) -> float | None:
        """Return which part of a source's taxa a kingdom has; None where there are too few."""
        counts = self.kingdoms.get(source, Counter())
        total = counts.total()
        return counts[kingdom] / total if total >= _ENOUGH and kingdom else None


def homonyms(witness: Witness, sources: Sources) -> Iterator[Case]:
    """Find labels whose name is that of several taxa and that do not say which."""
    partners = _words_beside(witness)
    for key, target in witness.labels.targets.items():
        if not target.lineage or target.explained:
            continue
        words = witness.words(target.label)
        names = [n for n in words.names or words.parents[:1] if n == target.name]
        if not names or " " in names[0]:
            continue
        branches = _branches(witness.places(names[0]))
        case = _judged(witness, sources, words, partners, branches, key, target)
        if case:
            yield case


def _judged(
    witness: Witness, sources: Sources, words: LabelWords, partners: dict[str, set[str]],
    branches: Sequence[Sequence[Place]], key: tuple[str, str], target: LabelTarget,
) -> Case | None:  # fmt: skip
    """Return what is to be said of one label whose name may be a homonym."""
    name, mine = target.name, kingdom_of(target.lineage.values())
    scores = [max(witness.fits(target, place) for place in branch) for branch in branches]
    chosen = scores.index(max(scores)) if scores and max(scores) > 0 else -1
    others = [branch for number, branch in enumerate(branches) if number != chosen]
    listed = [
        h for h in witness.homonyms.get(name.casefold(), ())
        if h.kingdom and h.kingdom != mine and h.rank == "genus"
    ]  # fmt: skip
    if len(branches) == 1 and max(scores) == 0:
        others = []  # a lineage that says nothing contradicts nothing
    if not others and not listed:
        return None
    context = [n for n in (*words.parents, *words.wider) if n.casefold() != name.casefold()]
    if any(n.casefold() in (m.casefold() for m in target.lineage.values()) for n in context):
        return None
    told = [f"the map has it in {lineage_text(target)}"]
    told += [max(branch, key=lambda p: len(p.path)).told() for branch in others]
    told += [f"GBIF lists {h.count} of it in {h.kingdom}" for h in listed]
    kingdoms = {kingdom_of(p.path) for b in others for p in b} | {h.kingdom for h in listed}
    reasons = _against(
        sources, words, partners, others, kingdoms - {mine, ""}, key, target, context
    )
    better = max(others[0], key=lambda p: len(p.path)).told() if others else ""
    if chosen < 0 and others and _far(witness, target, others):
        reasons.append((ERROR, "no checklist has it in the kingdom where the map puts it"))
    severity = max((weight for weight, _ in reasons), default=NOTE)
    if sum(weight == DOUBT for weight, _ in reasons) > 1:
        severity = ERROR
    if severity == NOTE and not others:
        return None  # GBIF's list alone knows no place, and nothing else speaks against the map
    evidence = "; ".join([*(reason for _, reason in reasons), *told[:4]])
    return Case("homonym", severity, name, lineage_text(target), better, evidence, (key,))


def _against(
    sources: Sources, words: LabelWords, partners: dict[str, set[str]],
    others: Sequence[Sequence[Place]], kingdoms: set[str], key: tuple[str, str],
    target: LabelTarget, context: Sequence[str],
) -> list[tuple[int, str]]:  # fmt: skip
    """Return what speaks for another taxon of the name, each with its weight."""
    source, name = key[0], target.name
    mine = kingdom_of(target.lineage.values())
    found: list[tuple[int, str]] = []
    for place in (p for branch in others for p in branch):
        said = [n for n in context if n.casefold() in place.names]
        if said:
            found.append((ERROR, f"the label says {said[0]}, which is above the other"))
            break
    animal = sorted((set(words.stages) | partners.get(name, set())) & ANIMAL_WORDS)
    if mine != "Animalia" and animal and "Animalia" in kingdoms:
        found.append((ERROR, f"labels of this name speak of its {animal[0]}"))
    low = RANK_NUMBER.get(target.rank, 0) >= _GENUS
    wide = [
        p for branch in others for p in branch
        if 0 < RANK_NUMBER.get(p.rank, 0) <= _ORDER or (p.rank == "unranked" and len(p.path) <= 3)
    ]  # fmt: skip
    if low and wide:
        rank = wide[0].rank if wide[0].rank != "unranked" else "higher group"
        found.append((ERROR, f"the same word names a {rank}, and the target is a {target.rank}"))
    found += _alone(sources, others, key, target)
    share = sources.share(source, mine) if _few(sources, source, target) else None
    usual = [(sources.share(source, other) or 0.0, other) for other in sorted(kingdoms)]
    if share is not None and share <= _RARE and usual and max(usual)[0] >= _USUAL:
        most, other = max(usual)
        found.append((
            ERROR, f"{most:.0%} of the taxa of {source} are {other} and {share:.0%} are {mine}",
        ))  # fmt: skip
    return found


def _few(sources: Sources, source: str, target: LabelTarget) -> bool:
    """Return whether a source has next to nothing else of the target's class."""
    mine = target.lineage.get("class") or target.lineage.get("phylum") or ""
    return sources.names.get(source, Counter())[mine.casefold()] <= 1


def _alone(
    sources: Sources, others: Sequence[Sequence[Place]], key: tuple[str, str], target: LabelTarget
) -> list[tuple[int, str]]:
    """Say if the source has nothing else of the target's class, and much of the other's."""
    mine = target.lineage.get("class") or target.lineage.get("phylum") or ""
    held = sources.names.get(key[0], Counter())
    if not mine or mine == target.name or not _few(sources, key[0], target):
        return []
    for place in (p for branch in others for p in branch):
        usual = [n for n in shared_names(place.path, place) if held[n] >= _SOME]
        usual = [n for n in usual if n not in (m.casefold() for m in target.lineage.values())]
        if usual:
            best = min(usual, key=lambda n: (held[n], n))
            return [(
                DOUBT, f"{key[0]} has nothing else of {mine} and {held[best]} taxa of "
                f"{best.capitalize()}",
            )]  # fmt: skip
    return []


def _far(witness: Witness, target: LabelTarget, others: Sequence[Sequence[Place]]) -> bool:
    """Return whether every place that is known is in another kingdom than the map's."""
    return all(witness.fits(target, p) < 0 and len(p.path) > 2 for branch in others for p in branch)


def _branches(places: Sequence[Place]) -> list[list[Place]]:
    """Put places of one name together that are the same taxon, or within one another."""
    found: list[list[Place]] = []
    for place in sorted(places, key=lambda p: (p.number, len(p.path))):
        best, most = -1, 0
        for number, branch in enumerate(found):
            for other in branch:
                if other.number == place.number:
                    inside = place.path[: len(other.path)] == other.path
                    near = len(other.path) if inside else 0
                else:
                    near = len(shared_names(place.path[:-1], other))
                    if not near and kingdom_of(place.path) == kingdom_of(other.path):
                        # Checklists seldom agree on what is between; the best of these is taken.
                        near = 2 if _high(place) == _high(other) else 1
                if near > most:
                    best, most = number, near
        if best < 0:
            if len(place.path) > 1:  # what has no parent may be anything
                found.append([place])
        else:
            found[best].append(place)
    return found


def _high(place: Place) -> bool:
    """Return whether a place may be that of a phylum or the like."""
    return place.rank == "unranked" or RANK_NUMBER.get(place.rank, 0) <= _ORDER


def _words_beside(witness: Witness) -> dict[str, set[str]]:
    """Return the ages and parts that labels have beside each name that stands alone in them."""
    found: dict[str, set[str]] = defaultdict(set)
    for target in witness.labels.targets.values():
        words = witness.words(target.label)
        for name in words.names or words.parents[:1]:
            found[name] |= set(words.stages)
    return found


def plain_words(witness: Witness, sources: Sources) -> Iterator[Case]:
    """Find plain words and placeholders that are put under a taxon."""
    for key, target in witness.labels.targets.items():
        words = witness.words(target.label)
        if not target.lineage or target.kind != "living":
            continue
        if words.placeholder and not words.parents and len(target.lineage) > 1:
            yield Case(
                "no-taxon", DOUBT, target.label, lineage_text(target), "no taxon",
                "the label says only that nothing is known", (key,),
            )  # fmt: skip
            continue
        age = target.name.casefold()
        if age in LIFE_STAGES | PARTS and {LIFE_STAGES.get(age), PARTS.get(age)} & set(
            words.stages
        ):
            yield Case(
                "no-taxon", DOUBT, target.label, lineage_text(target), "",
                f"{age} is the name of an age or a part; the genus is another thing", (key,),
            )  # fmt: skip
            continue
        word = target.label.strip()
        small = word.islower() and word.isalpha()
        if not small or word.capitalize() != target.name or words.stages:
            continue
        large = sources.large.get(key[0], 0.0)
        if large < _LARGE:
            continue
        held = sources.names.get(key[0], Counter())
        group = target.lineage.get("class", "its class")
        lone = held[group.casefold()] <= 1
        yield Case(
            "no-taxon", ERROR if lone else DOUBT, word, lineage_text(target), "no taxon",
            f"{word} is written small where {large:.0%} of the names of {key[0]} are written "
            f"large{f'; nothing else of {group} is in it' if lone else ''}",
            (key,),
        )  # fmt: skip
