"""Choosing between usages of the same spelling, by context and never by luck.

Context excludes: a candidate in another kingdom than the label says is not meant, whatever its
spelling (a diatom and the comb jellies are both *Ctenophora*). What is left must be one taxon,
or lie on one line of the tree, or the name is a homonym and nothing is chosen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from merian.errors import NotFoundError
from merian.taxonomy.names import Label
from merian.taxonomy.ranks import RANK_NUMBER, RANKS, UNRANKED, read_rank
from merian.taxonomy.tree import CODES, FIRST_SYNONYM_STATUS, NONE, STATUSES, Node, Taxonomy

__all__ = ["Choice", "Hints", "choose", "same_author"]

_SPECIES = RANK_NUMBER["species"]
_FAMILY = RANK_NUMBER["family"]
# Only these weaken a name enough to leave it for another taxon's.
_WEAK = frozenset({STATUSES.index("ambiguous synonym"), STATUSES.index("misapplied")})
_SUBGENUS = RANK_NUMBER["subgenus"]
# NCBI's names for the two kingdoms that all others call by another.
_SAME_KINGDOM = {
    "Animalia": "Metazoa", "Metazoa": "Animalia",
    "Plantae": "Viridiplantae", "Viridiplantae": "Plantae",
}  # fmt: skip
_PENALTY = {"misapplied": 10, "doubtful": 5, "ambiguous synonym": 4, "provisionally accepted": 1}


_PARTICLES = frozenset(
    "de da do dos du des del della la le las van von vom der den ten ter zu zur et in ex".split()
)


@dataclass(frozen=True)
class Hints:
    """The context of a name.

    Attributes:
        rank: Number of its rank.
        authorship: Its author.
        code: Number of its nomenclatural code.
        higher: Names above it: rank number -> taxa of that name and rank in the checklist.
        within: Taxa that the label itself names above it.
    """

    rank: int | None = None
    authorship: str | None = None
    code: int | None = None
    higher: Mapping[int, tuple[Node, ...]] = field(default_factory=dict)
    within: tuple[Node, ...] = ()

    @staticmethod
    def read(
        taxonomy: Taxonomy,
        *,
        rank: str | None = None,
        authorship: str | None = None,
        code: str | None = None,
        higher: Mapping[str, str] | None = None,
    ) -> Hints:
        """Look up the words of a context in the checklist. What it does not hold is no hint."""
        number = read_rank(rank) if rank else None
        if rank and number is None:
            raise NotFoundError(f"there is no rank {rank!r}; there are {', '.join(RANKS[1:])}")
        if code and code.lower() not in CODES:
            raise NotFoundError(f"there is no code {code!r}; there are {', '.join(CODES[1:])}")
        above: dict[int, tuple[Node, ...]] = {}
        for word, name in (higher or {}).items():
            level = RANK_NUMBER.get(word)
            if level is None:
                raise NotFoundError(f"there is no rank {word!r}; there are {', '.join(RANKS[1:])}")
            taxa = _taxa_called(taxonomy, name or "", level)
            if taxa:
                above[level] = taxa
        return Hints(
            number or None, authorship or None, CODES.index(code.lower()) if code else None, above
        )

    def with_label(self, taxonomy: Taxonomy, label: Label) -> Hints:
        """Return the hints with what the label itself shows, where nothing else was said."""
        within: set[int] = set()
        if label.above:
            within = {int(n) for n in taxonomy.accepted[taxonomy.find(label.above)]}
        rank = self.rank
        if rank is None and label.rank is not None:
            rank = RANK_NUMBER.get(label.rank)
        authorship = self.authorship or label.authorship
        return replace(self, rank=rank, authorship=authorship, within=tuple(sorted(within)))


def _taxa_called(taxonomy: Taxonomy, name: str, level: int) -> tuple[Node, ...]:
    """Return the taxa that a word of the context means: of its rank, else of no stated rank."""
    name = " ".join(name.split())
    for spelling in (name, name.capitalize(), _SAME_KINGDOM.get(name.capitalize(), "")):
        nodes = {int(n) for n in taxonomy.accepted[taxonomy.find(spelling)]}
        for rank in (level, UNRANKED):
            if taxa := sorted(n for n in nodes if taxonomy.rank[n] == rank):
                return tuple(taxa)
    return ()


@dataclass(frozen=True)
class Choice:
    """What was chosen, or why nothing was.

    Attributes:
        node: The usage, or -1.
        score: Its confidence before the spelling is judged.
        others: Usages that the same name could also mean.
        refused: Usages that the context excludes.
        homonym: Whether several taxa are left and nothing decides.
        why: What decided, in words.
    """

    node: Node
    score: int = 0
    others: tuple[Node, ...] = ()
    refused: tuple[Node, ...] = ()
    homonym: bool = False
    why: str = ""


def choose(taxonomy: Taxonomy, nodes: Iterable[int], hints: Hints) -> Choice:
    """Choose the one usage that is meant."""
    nodes = sorted({int(node) for node in nodes})
    if not nodes:
        return Choice(NONE)
    why_not = {node: _contradiction(taxonomy, node, hints) for node in nodes}
    left = [node for node in nodes if not why_not[node]]
    refused = tuple(node for node in nodes if why_not[node])
    if not left:
        return Choice(NONE, refused=refused, why=why_not[nodes[0]])
    agreement = {node: _agreement(taxonomy, node, hints) for node in left}
    best = max(agreement.values())
    left = [node for node in left if agreement[node] == best]
    left = _by_authorship(taxonomy, left, hints.authorship)
    strong = [node for node in left if taxonomy.status[node] not in _WEAK]
    left = strong or left
    node, why = _one_of(taxonomy, left)
    others = tuple(n for n in left if n != node)
    if node == NONE:
        return Choice(NONE, others=tuple(left), refused=refused, homonym=True)
    status = STATUSES[taxonomy.status[node]]
    score = 98 + min(best, 2) - _PENALTY.get(status, 0) - (4 if others else 0)
    if refused:
        why = why or "the context decides between homonyms"
    theirs = taxonomy.authorship[node]
    asked = hints.authorship
    if asked and theirs and not same_author(asked, theirs):
        score -= 6
        why = "; ".join(filter(None, [why, f"the checklist's author is {theirs}"]))
    return Choice(node, score, others, refused, why=why)


def _contradiction(taxonomy: Taxonomy, node: Node, hints: Hints) -> str:
    """Return in which respect the context excludes a usage, or nothing."""
    rank = int(taxonomy.rank[node])
    if hints.rank and rank not in (UNRANKED, hints.rank) and not _ranks_agree(rank, hints.rank):
        return f"as a {RANKS[rank]}, not a {RANKS[hints.rank]}"
    code = int(taxonomy.code[node])
    if hints.code and code and code != hints.code:
        return f"under the {CODES[code]} code"
    taxon = int(taxonomy.accepted[node])
    if hints.within and hints.rank == _SUBGENUS and not _is_under(taxonomy, taxon, hints.within):
        return f"not in {taxonomy.name_of(hints.within[0])}"
    path = taxonomy.path(taxon)
    above = {int(taxonomy.rank[n]): n for n in path}
    for level, meant in hints.higher.items():
        there = above.get(level)
        if there is not None and there not in meant:
            return f"in the {RANKS[level]} {taxonomy.name_of(there)}"
        # The context's taxon does not stand above it and has no counterpart of its rank: then
        # they must at least be in the same part of the tree.
        if there is None and len(meant) == 1 and level < (rank or 255):
            shared = taxonomy.lowest_common_ancestor(taxon, meant[0])
            if int(shared) == NONE and len(path) > 1:
                return f"in another tree than {taxonomy.name_of(meant[0])}"
    return ""


def _is_under(taxonomy: Taxonomy, taxon: Node, above: Iterable[Node]) -> bool:
    return any(bool(taxonomy.is_ancestor(node, taxon)) for node in above)


def _ranks_agree(found: int, asked: int) -> bool:
    """Return whether two ranks may be the same thing in other words: all below species are."""
    return found >= _SPECIES and asked >= _SPECIES


def _agreement(taxonomy: Taxonomy, node: Node, hints: Hints) -> int:
    """Return in how many respects the context confirms a usage."""
    taxon = int(taxonomy.accepted[node])
    confirmed = sum(_is_under(taxonomy, taxon, meant) for meant in hints.higher.values())
    confirmed += int(_is_under(taxonomy, taxon, hints.within))
    return confirmed + int(bool(hints.rank) and int(taxonomy.rank[node]) == hints.rank)


def _by_authorship(taxonomy: Taxonomy, nodes: list[Node], authorship: str | None) -> list[Node]:
    """Keep the usages of this author, if there are any."""
    if not authorship or len(nodes) < 2:
        return nodes
    same = [n for n in nodes if same_author(authorship, taxonomy.authorship[n])]
    return same or nodes


def _author_key(text: str) -> tuple[str, bool, str]:
    """Return the first author's letters, whether they are an abbreviation, and the year."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    year = re.search(r"\b1[5-9]\d\d|\b20\d\d", plain)
    for found in re.finditer(r"([a-z]{2,}|\bl\b)(\.?)", plain):
        # "van der", "de" and "d'" say nothing of the person.
        if found[1] not in _PARTICLES:
            # Müller is written Muller and Mueller.
            name = re.sub(r"(?<=[aou])e", "", found[1])
            return name, bool(found[2]), year.group() if year else ""
    return "", False, year.group() if year else ""


def same_author(one: str, other: str) -> bool:
    """Compare authors; ``L.`` and ``Linn.`` are Linnaeus, and a year counts where both have it."""
    (a, a_short, a_year), (b, b_short, b_year) = _author_key(one), _author_key(other)
    if not a or not b or (a_year and b_year and a_year != b_year):
        return False
    linnaeus = [name == "l" or name.startswith("linn") for name in (a, b)]
    if any(linnaeus):
        return all(linnaeus)
    return a == b or (b_short and a.startswith(b)) or (a_short and b.startswith(a))


def _one_of(taxonomy: Taxonomy, nodes: list[Node]) -> tuple[Node, str]:
    """Return the usage that stands for all, or -1 if they mean different things."""
    taxa = sorted({int(taxonomy.accepted[n]) for n in nodes})
    if len(taxa) == 1:
        accepted = [n for n in nodes if n == taxa[0]]
        return (accepted or nodes)[0], ""
    if all(taxonomy.is_ancestor(taxa[0], n) for n in taxa):
        # A genus and its subgenus of the same name: the wider one is true of both.
        holders = [n for n in nodes if int(taxonomy.accepted[n]) == taxa[0]]
        return holders[0], "the wider of taxa with the same name"
    accepted = [n for n in nodes if taxonomy.status[n] < FIRST_SYNONYM_STATUS]
    shared = taxonomy.common_ancestor(taxa)
    if len(accepted) == 1 and shared != NONE and _FAMILY <= taxonomy.rank[shared] < 200:
        # An old homonym within the family, long since replaced: the living name is meant.
        return accepted[0], "an accepted name; the same spelling is also a synonym nearby"
    return NONE, ""
