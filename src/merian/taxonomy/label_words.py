"""What the words of a raw label are: names, ages and parts, parents, and the rest.

Labels of image collections are no names: "nectophore_Abylopsis tetragona", "zoea<Brachyura",
"LClass_Ra.25.Radiolaria_2". They are cut into words at blanks, underscores, dots and slashes; what
stands behind EcoTaxa's sign ``<`` is the parent, which is context and no claim. Which words are
names is for a checklist to say: a name here is a whole word, or two, never the beginning of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from merian.taxonomy.vocabulary import LIFE_STAGES, PARTS, PLACEHOLDERS, REMARKS

__all__ = ["ANIMAL_WORDS", "LabelWords", "key_of", "read_words"]

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BETWEEN = re.compile(r"[\s_<]+")

# Ages and parts that any taxon may have; the others say themselves which group is meant.
_OF_ANY = frozenset(
    "egg embryo larva juvenile adult subadult cyst spore part head body tail leg".split()
)
# Ages and parts that only animals have.
ANIMAL_WORDS = frozenset(
    "larva nauplius zoea megalopa copepodite calyptopis furcilia cyprid veliger trochophore "
    "pluteus bipinnaria brachiolaria auricularia tornaria actinotroch planula ephyra pupa nymph "
    "imago comb leg wing antenna tentacle nectophore bract eudoxid gonophore siphonula "
    "elytron".split()
)
_STOP = frozenset(
    "lclass temp group type form cell cells mixed unkn unid undet or and with without in on of "
    "to from like-".split()
)


@dataclass(frozen=True)
class LabelWords:
    """The words of a label.

    Attributes:
        label: It, character by character.
        names: The names in it that say what it is, the more exact ones alone.
        wider: Names in it that stand above those.
        parents: Names behind ``<``, from the nearest.
        stages: Ages and parts, each in its plain form.
        rest: Words that are neither.
        doubt: Whether it says cf., aff. or "or".
    """

    label: str
    names: tuple[str, ...]
    wider: tuple[str, ...]
    parents: tuple[str, ...]
    stages: tuple[str, ...]
    rest: tuple[str, ...]
    doubt: bool

    @property
    def bare(self) -> bool:
        """Whether it is one name and nothing that could narrow it."""
        return len(self.names) == 1 and not self.rest and not self.telling

    @property
    def telling(self) -> tuple[str, ...]:
        """The ages and parts that say themselves which group is meant."""
        return tuple(stage for stage in self.stages if stage not in _OF_ANY)

    @property
    def placeholder(self) -> bool:
        """Whether it holds words for "nothing known" and no other."""
        words = [word.lower() for word in _WORD.findall(self.label.replace("_", " "))]
        said = [word for word in words if word not in _STOP]
        return "<" not in self.label and bool(said) and all(w in PLACEHOLDERS for w in said)


def key_of(label: str) -> str:
    """Return a label as it is compared between sources: case, blanks, ``_`` and ``<`` are one."""
    return _BETWEEN.sub(" ", label).strip().casefold()


def read_words(
    label: str, known: Callable[[str, bool], bool], above: Callable[[str, str], bool]
) -> LabelWords:
    """Read the words of a label.

    Args:
        label: The label.
        known: Whether a word or two are a name; the second argument says if it was written large.
        above: Whether the first name stands above the second.
    """
    first, *behind = label.split("<")
    found, stages, rest = _scan(first, known)
    parents: list[str] = []
    for segment in behind:
        names, more, others = _scan(segment, known)
        parents += names or [word for word in others if word[:1].isupper()]
        stages += more
    lowest = [n for n in found if not any(n != m and above(n, m) for m in found)]
    wider = [n for n in found if n not in lowest]
    words = {word.lower() for word in _WORD.findall(first)}
    return LabelWords(
        label, tuple(dict.fromkeys(lowest)), tuple(dict.fromkeys(wider)), tuple(parents),
        tuple(dict.fromkeys(stages)), tuple(rest), bool(words & {"cf", "aff", "cfr", "or"}),
    )  # fmt: skip


def _scan(text: str, known: Callable[[str, bool], bool]) -> tuple[list[str], list[str], list[str]]:
    """Return the names, the ages and parts, and the other words of one segment."""
    names: list[str] = []
    stages: list[str] = []
    rest: list[str] = []
    words = _WORD.findall(text.replace("_", " "))
    if len(words) > 1 and all(word.isupper() and len(word) > 1 for word in words):
        words = [words[0].capitalize(), *(word.lower() for word in words[1:])]  # all in capitals
    at = 0
    while at < len(words):
        word = words[at]
        small = word.lower()
        pair = f"{word.capitalize()} {words[at + 1]}" if at + 1 < len(words) else ""
        large = word[:1].isupper()
        if pair and words[at + 1].islower() and len(word) > 2 and known(pair, large):
            names.append(pair)
            at += 2
            continue
        at += 1
        if small in LIFE_STAGES or small in PARTS:
            stages.append(LIFE_STAGES.get(small) or PARTS[small])
        elif small in PLACEHOLDERS or small in REMARKS or small in _STOP:
            continue
        elif len(word) > 3 and known(word.capitalize(), large):
            names.append(word.capitalize())
        elif len(word) > 1:
            rest.append(word)
    return names, stages, rest
