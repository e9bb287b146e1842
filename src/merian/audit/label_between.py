"""What the rows of a label map say against one another.

The same label in two sources goes to the same target, or there is a reason. A name has one parent.
A taxon has one name: where labels that say *Neoceratium* are put under *Tripos* in some rows and
under *Neoceratium* in others, its pictures lie in two classes, whatever a checklist says. Eggs are
kept or they are not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from merian.audit.label_case import DOUBT, ERROR, NOTE, Case, lineage_text
from merian.audit.label_witness import Witness, kingdom_of
from merian.taxonomy.label_map import LEVEL, LabelTarget
from merian.taxonomy.label_words import key_of

__all__ = ["contradictions", "parents", "policies", "synonyms"]

_MEMBERS, _MOST = 4, 0.7  # of a group that a checklist has inside another
_PART = 0.1  # of the labels of one kind that are treated otherwise
_SHARED_EPITHETS = 2  # species of one epithet, to say that two genera are one

Key = tuple[str, str]


def contradictions(witness: Witness) -> Iterator[Case]:
    """Find labels that different sources put under different things."""
    groups: dict[str, list[LabelTarget]] = defaultdict(list)
    telling = {t.source for t in witness.labels.targets.values() if t.lineage}
    for target in witness.labels.targets.values():
        if target.source in telling:  # a source without any lineage contradicts none
            groups[key_of(target.label)].append(target)
    for group in groups.values():
        under: dict[tuple[str, ...], list[LabelTarget]] = defaultdict(list)
        for target in group:
            under[_thing(target)].append(target)
        explained = sum(any(t.explained for t in members) for members in under.values())
        if explained and len(under) - explained < 2:
            continue  # somebody has written why the others differ
        if len(under) < 2 or len({t.source for t in group}) < 2:
            continue
        severity, why = _how(list(under), witness, group[0].label)
        told = "; ".join(
            f"{', '.join(sorted({t.source for t in members}))}: {lineage_text(members[0])}"
            + (
                f" [{members[0].qualifier}]"
                if members[0].qualifier not in ("", "full_body")
                else ""
            )
            for members in sorted(under.values(), key=lambda m: -len(m))
        )
        usual = max(under.values(), key=len)
        yield Case(
            "contradiction", severity, group[0].label, f"{len(under)} targets",
            lineage_text(usual[0]) if len(usual) * 2 > len(group) else "",
            f"{why}: {told}", tuple((t.source, t.label) for t in group),
        )  # fmt: skip


def _thing(target: LabelTarget) -> tuple[str, ...]:
    """Return what a target is, to compare it with another."""
    if target.lineage:
        return (target.name.casefold(), kingdom_of(target.lineage.values()) or "taxon")
    return ("", target.kind)


def _how(things: list[tuple[str, ...]], witness: Witness, label: str) -> tuple[int, str]:
    """Return how bad it is that a label has these targets."""
    names = [thing[0] for thing in things if thing[0]]
    if len(names) < len(things):
        if witness.words(label).placeholder and not names:
            return NOTE, "one source's kind of remains is another's"
        if names:
            return ERROR, "a taxon in one source and none in another"
        return NOTE, "different kinds of things that are no taxa"
    ends = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    if all(witness.is_above(a, b) or witness.is_above(b, a) for a, b in ends):
        return DOUBT, "finer in one source than in another"
    return ERROR, "different taxa, neither above the other"


def parents(witness: Witness) -> Iterator[Case]:
    """Find names that stand under two parents, or at two ranks."""
    above: dict[tuple[str, str], dict[str, list[Key]]] = defaultdict(lambda: defaultdict(list))
    at_rank: dict[str, dict[str, list[Key]]] = defaultdict(lambda: defaultdict(list))
    for key, target in witness.labels.targets.items():
        before = ""
        for rank, name in target.lineage.items():
            above[rank, name][before].append(key)
            at_rank[name][rank].append(key)
            before = name
    for (rank, name), by_parent in above.items():
        if len(by_parent) > 1:
            few = min(by_parent.values(), key=len)
            most = max((len(keys), parent) for parent, keys in by_parent.items())[1]
            told = ", ".join(f"{p or 'nothing'} ({len(k)} labels)" for p, k in by_parent.items())
            yield Case(
                "parents", ERROR, name, f"{rank} {name}",
                most,
                f"stands under {told}", tuple(few),
            )  # fmt: skip
    for name, ranks in at_rank.items():
        if len(ranks) > 1 and not next(iter(ranks)).startswith(LEVEL):
            few = min(ranks.values(), key=len)
            told = ", ".join(f"{rank} ({len(keys)} labels)" for rank, keys in ranks.items())
            yield Case("parents", DOUBT, name, name, "", f"stands as {told}", tuple(few))


def synonyms(witness: Witness) -> Iterator[Case]:
    """Find taxa that the map holds under two names."""
    pairs: dict[tuple[str, str], tuple[int, str]] = {}
    for name, accepted, why in (*_by_checklist(witness), *_by_the_map(witness)):
        pairs.setdefault((name, accepted), (ERROR, why))
    for one, other, why in (*_by_epithets(witness), *_by_members(witness)):
        # Neither is known to be the accepted one: the finding is about the fewer labels.
        few = len(witness.uses[one.casefold()]) <= len(witness.uses[other.casefold()])
        name, accepted = (one, other) if few else (other, one)
        if (name, accepted) not in pairs and (accepted, name) not in pairs:
            pairs[name, accepted] = (DOUBT, why)
    for (name, accepted), (severity, why) in pairs.items():
        keys = tuple(dict.fromkeys(witness.uses[name.casefold()]))
        number = len(witness.uses[accepted.casefold()])
        yield Case(
            "synonym", severity, name, f"{name} ({len(keys)} labels)", accepted,
            f"{why}; {number} labels are put under {accepted}", keys,
        )  # fmt: skip


def _names(witness: Witness) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the names of the map with their rank and what is above."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for target in witness.labels.targets.values():
        names = tuple(target.lineage.values())
        for depth, (rank, name) in enumerate(target.lineage.items()):
            found.setdefault(name, (rank, names[:depth]))
    return found


def _by_checklist(witness: Witness) -> Iterator[tuple[str, str, str]]:
    """Find synonyms that a checklist knows and the map holds beside the accepted name."""
    names = _names(witness)
    folded = {name.casefold(): name for name in names}
    for name, (_, above) in names.items():
        places = witness.places(name)
        if any(p.name.casefold() == name.casefold() for p in places):
            continue  # one checklist at least has it as accepted
        for place in places:
            other = folded.get(place.name.casefold())
            taxonomy = witness.taxonomies[place.number]
            if not other or not taxonomy.is_synonym(place.node) or other in above:
                continue
            if names[other][0] == names[name][0]:
                yield name, other, f"{place.checklist} has it as a synonym"
                break


def _by_the_map(witness: Witness) -> Iterator[tuple[str, str, str]]:
    """Find genera that the map renames in some rows and keeps in others."""
    moved: dict[tuple[str, str], list[str]] = defaultdict(list)
    genera = {t.lineage["genus"] for t in witness.labels.targets.values() if "genus" in t.lineage}
    for target in witness.labels.targets.values():
        said = [word for word in target.label.replace("_", " ").split(" ") if word]
        genus = target.lineage.get("genus")
        for word in said[:1] if genus else ():
            if (
                word.capitalize() in genera
                and word.capitalize() != genus
                and target.rank == "species"
            ):
                epithet = target.name.split(" ")[-1]
                if epithet in (w.lower() for w in said[1:]):
                    moved[word.capitalize(), genus or ""].append(target.label)
    for (old, new), labels in moved.items():
        yield old, new, f"the map itself puts {labels[0]!r} under {new}"


def _by_epithets(witness: Witness) -> Iterator[tuple[str, str, str]]:
    """Find two genera of a family with several epithets in common."""
    epithets: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, (rank, above) in _names(witness).items():
        if rank == "species" and len(above) > 1:
            epithets[above[-2]][above[-1]].add(name.split(" ")[-1])
    for genera in epithets.values():
        ordered = sorted(genera, key=lambda g: (len(witness.uses[g.casefold()]), g))
        for i, few in enumerate(ordered):
            for many in ordered[i + 1 :]:
                both = sorted(genera[few] & genera[many])
                if len(both) >= _SHARED_EPITHETS:
                    yield few, many, f"both have the epithets {', '.join(both[:3])}"


def _by_members(witness: Witness) -> Iterator[tuple[str, str, str]]:
    """Find two groups side by side of which a checklist has the one's members in the other."""
    names = _names(witness)
    beside: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    members: dict[str, set[str]] = defaultdict(set)
    for name, (rank, above) in names.items():
        if rank in ("phylum", "class", "order", "family"):
            beside[rank, above].append(name)
        for upper in above:
            members[upper].add(name)
    for group in beside.values():
        folded = {name.casefold(): name for name in group}
        for name in group if len(group) > 1 else ():
            for number, taxonomy in enumerate(witness.taxonomies):
                inside: Counter[str] = Counter()
                known = 0
                for member in members[name]:
                    paths = [p.path for p in witness.places(member) if p.number == number]
                    ways = {n.casefold() for path in paths for n in path}
                    known += bool(paths)
                    inside.update(folded[n] for n in ways & set(folded))
                other, number_in = max(inside.items(), key=lambda p: (p[1], p[0]), default=("", 0))
                if other not in ("", name) and number_in >= max(_MEMBERS, _MOST * known):
                    yield (
                        name,
                        other,
                        (
                            f"{taxonomy.lock.checklist} has {number_in} of the {known} members of "
                            f"{name} that it knows in {other}"
                        ),
                    )
                    break


def policies(witness: Witness) -> Iterator[Case]:
    """Find ages and parts that are kept in some rows and left out in others, and lost doubts."""
    doubted = tuple(
        key for key, target in witness.labels.targets.items()
        if target.rank == "species" and witness.words(target.label).doubt
        and target.qualifier != "like"
    )  # fmt: skip
    if doubted:
        yield Case(
            "policy", NOTE, "cf.", "the species itself", "the genus",
            f"{len(doubted)} labels say cf., aff. or \"or\", which is sure of the genus alone, as "
            f"{doubted[0][1]!r} of {doubted[0][0]}", doubted,
        )  # fmt: skip
    groups: dict[str, dict[bool, list[Key]]] = defaultdict(lambda: defaultdict(list))
    for key, target in witness.labels.targets.items():
        if target.lineage and target.qualifier and target.kept is not None:
            groups[target.qualifier][target.kept].append(key)
    for qualifier, by_flag in groups.items():
        few = min(by_flag.values(), key=len)
        if len(by_flag) == 2 and len(few) >= _PART * sum(map(len, by_flag.values())):
            yield Case(
                "policy", NOTE, qualifier, f"qualifier {qualifier}", "",
                f"{len(by_flag[True])} labels are kept and {len(by_flag[False])} are left out; "
                f"among the fewer is {few[0][1]!r} of {few[0][0]}", tuple(few),
            )  # fmt: skip
