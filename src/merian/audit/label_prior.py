"""What a source usually holds, as a prior: strangers among its labels.

That a taxon is rare in a source says little alone; most rare labels are right. It tells where the
name itself has no witness: no checklist has it in that kingdom, or it stands alone in its class and
differs by a letter or two from a name that many labels use.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rapidfuzz.distance import Levenshtein

from merian.audit.label_case import DOUBT, ERROR, NOTE, Case, lineage_text
from merian.audit.label_homonyms import Sources
from merian.audit.label_witness import Witness, kingdom_of

__all__ = ["strangers"]

_RARE, _USUAL = 0.05, 0.6  # of a source's taxa
_FEW = 2  # taxa of a class, in the whole map
_LETTERS, _FAR, _USED = 6, 2, 2  # of a name; letters between two; labels of the usual one


def strangers(witness: Witness, sources: Sources) -> Iterator[Case]:
    """Find labels in a branch that nothing else of the source or of the map is in."""
    classes: dict[str, set[str]] = defaultdict(set)
    used: dict[str, set[str]] = defaultdict(set)
    way: dict[str, tuple[str, ...]] = {}
    for target in witness.labels.targets.values():
        names = tuple(target.lineage.values())
        if "class" in target.lineage:
            classes[target.lineage["class"]].add(target.name)
        for depth, name in enumerate(names):
            used[name].add(target.label)
            way[name] = names[: depth + 1]
    for key, target in witness.labels.targets.items():
        if len(target.lineage) < 2:
            continue
        group = target.lineage.get("class", "")
        low = target.rank in ("genus", "species")
        lone = low and 0 < len(classes.get(group, ())) <= _FEW
        near = _nearly(target.label, target.name, used, way, group) if lone else ""
        if near:
            yield Case(
                "prior", ERROR, target.label, lineage_text(target), near,
                f"next to nothing else of the map is in {group}; {near} is "
                f"spelled nearly so, and {len(used[near])} labels are in it", (key,),
            )  # fmt: skip
            continue
        mine = kingdom_of(target.lineage.values())
        share = sources.share(key[0], mine)
        most = sources.kingdoms[key[0]].most_common(1)
        if share is None or share > _RARE or not most:
            continue
        usual = sources.share(key[0], most[0][0]) or 0.0
        places = [p for n in reversed(list(target.lineage.values())) for p in witness.places(n)]
        known = any(witness.fits(target, p) > 1 for p in places) or any(
            kingdom_of(p.path) == mine for p in witness.places(target.name)
        )
        held = sources.names[key[0]][group.casefold()]
        listed = witness.homonyms.get(target.name.casefold())
        several = low and group != "" and held <= 1 and bool(listed)
        if usual < _USUAL or (known and not lone and not several):
            continue
        why = "no checklist confirms the name there"
        if known:
            why = f"next to nothing else of the map is in {group}"
        if several and listed:
            why = (
                f"GBIF lists {listed[0].count} taxa of the name, and nothing else of {key[0]} is "
                f"in {group}"
            )
        yield Case(
            "prior", DOUBT if known or several or witness.places(target.name) else NOTE,
            target.label, lineage_text(target), "",
            f"{usual:.0%} of the taxa of {key[0]} are {most[0][0]} and {share:.0%} are {mine}; "
            f"{why}", (key,),
        )  # fmt: skip


def _nearly(
    label: str, name: str, used: dict[str, set[str]], way: dict[str, tuple[str, ...]], group: str
) -> str:
    """Return a name that many labels use, elsewhere, and that is spelled nearly as this one."""
    if " " in name or len(name) < _LETTERS or name.casefold() not in label.casefold():
        return ""
    for other, labels in sorted(used.items()):
        if other == name or len(labels) < _USED or (group and group in way[other]):
            continue
        if way[other][-1] == name or abs(len(other) - len(name)) > _FAR:
            continue
        if Levenshtein.distance(other.casefold(), name.casefold(), score_cutoff=_FAR) <= _FAR:
            return other
    return ""
