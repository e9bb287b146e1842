"""One finding about a label map, and how findings are ordered.

How bad a finding is follows from its evidence alone: "error" where the map contradicts a checklist,
the label's own words or itself; "doubt" where the evidence speaks against it and could be read
otherwise; "note" where a person has to say what was meant and nothing is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from merian.taxonomy.label_map import LabelTarget

__all__ = ["CHECKS", "DOUBT", "ERROR", "NOTE", "SEVERITIES", "Case", "lineage_text", "merged"]

NOTE, DOUBT, ERROR = 1, 2, 3
SEVERITIES = {ERROR: "error", DOUBT: "doubt", NOTE: "note"}

# The name of each check, what it finds and what to do; in the order of their letters.
CHECKS = {
    "longer-name": (
        "A longer name that begins alike",
        "The label is a name of its own and was put under a longer one, as a search for the "
        "beginning of a name does. Put it under its own name.",
    ),
    "homonym": (
        "A name of several taxa, without context",
        "The name stands for taxa in different branches and the label does not say which. Write "
        "the parent behind it, or give the reason beside the target.",
    ),
    "descendant": (
        "Finer than the label says",
        "A label may be put under what it says or above, never below: pictures of other members "
        "would carry a wrong name. Put it under the wider taxon.",
    ),
    "branch": (
        "Another branch than that of the name",
        "No checklist has the label's name where the map puts it. Look at the place given.",
    ),
    "contradiction": (
        "One label, several targets",
        "The same words are put under different things by different sources. Say why, or make "
        "them one.",
    ),
    "synonym": (
        "One thing under two names",
        "Pictures of one taxon lie in two classes. Put them under the accepted name.",
    ),
    "parents": (
        "A name with two parents",
        "The lineages of the map are no tree there. Give the name one parent.",
    ),
    "habitat": (
        "Does not live where the pictures were taken",
        "Habitat or age of the taxon speak against the source. Look for a homonym, or a longer "
        "name.",
    ),
    "prior": (
        "A stranger among the source's labels",
        "The branch is found in this source (or in the whole map) only here, and nothing confirms "
        "the name there.",
    ),
    "id": (
        "An identifier of something else",
        "The identifier belongs to another name than the target's, or to several. Look it up by "
        "name and lineage again.",
    ),
    "no-taxon": (
        "A word that is no taxon",
        "The label is a plain word or a placeholder and was put under a taxon that it does not "
        "name.",
    ),
    "policy": (
        "A question of policy",
        "Labels of one kind (eggs, parts, larvae) are kept in some rows and left out in others, or "
        "their doubt is lost. Decide once.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A finding.

    Attributes:
        check: A key of `CHECKS`.
        severity: `ERROR`, `DOUBT` or `NOTE`.
        says: What the label says.
        under: What it is put under.
        better: What it should be, where the evidence names it.
        evidence: Why.
        keys: The labels that it is about, (source, label).
    """

    check: str
    severity: int
    says: str
    under: str
    better: str
    evidence: str
    keys: tuple[tuple[str, str], ...]

    @property
    def severity_word(self) -> str:
        """How bad it is, in a word."""
        return SEVERITIES[self.severity]


def lineage_text(target: LabelTarget) -> str:
    """Return where a target stands, in words."""
    way = " > ".join(target.lineage.values())
    return way or f"{target.called} ({target.kind})"


def merged(cases: Iterable[Case]) -> list[Case]:
    """Put findings of one check about the same name and target together."""
    found: dict[tuple[str, str, str], Case] = {}
    for case in cases:
        key = (case.check, case.says.casefold(), case.under)
        before = found.get(key)
        if before is None:
            found[key] = case
            continue
        worse = case if case.severity > before.severity else before
        keys = tuple(dict.fromkeys((*before.keys, *case.keys)))
        found[key] = replace(worse, keys=keys)
    return list(found.values())
