"""What stands beside a name on a label, taken off before the name is read.

A label carries more than a name: a barcode cluster, an age, a part of the body, the sex, the
parent that EcoTaxa writes behind a sign, an id of the software that exported it, quotes, HTML.
Each is put where it belongs, and what is left is handed to the parser of names. Marks of doubt
are brought to one spelling (``cfr.``, ``Cf.`` and ``(cf.)`` all become ``cf.``), so that no mark
is taken for an epithet or an author.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from merian.taxonomy.vocabulary import ALSO_GENERA, LIFE_STAGES, OPEN_WORDS, PARTS, REMARKS

__all__ = ["Beside", "take_beside"]

_TAG = re.compile(r"</?(?:i|em|b|strong|sup|sub|span)\b[^<>]*>", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ufeff]+")
_MARKER = re.compile(r"^(?:[dkpcofgs]__|[dkpcofgs]:)(?=[A-Z])")
_EXPORT_ID = re.compile(r"(?<=\w)__\d+$")  # EcoTaxa's folders: Copepoda__6666
_BIN = re.compile(r"\bBOLD[:_ ]?([A-Z]{3}\d{4})\b", re.IGNORECASE)
_HYPOTHESIS = re.compile(r"\bSH\d{6,}\.\d{2}FU\b|\bUDB\d{6,}\b", re.IGNORECASE)
_QUOTES = ("''", '""', "‘’", "“”", "«»", "„“", "‹›")
_UPWARD = re.compile(r"[A-Z][\w -]*(?:\s*[;|>]\s*(?:[dkpcofgs]__)?[A-Z][\w -]*)+")
# "Fungi gen. Incertae sedis", "Culicidae gen. et sp. indet.": the group is all that is said.
_NO_LOWER = re.compile(
    r"(?:phy|cls|ord|fam|gen)\.? (?:et |& )?(?:(?:n|nov)\. ?)?(?:sp|incertae|indet)\b.*"
    r"|det\. .*|ssp\.?$",
    re.IGNORECASE,
)
_FAMILY = re.compile(r"[A-Z][a-z]+(?:idae|aceae|phyceae)")
_NUMBERED = re.compile(r"(spp?)\.?(\d+)", re.IGNORECASE)
_DOUBT = {
    "cf": "cf.", "cfr": "cf.", "c.f": "cf.", "confer": "cf.", "aff": "aff.", "nr": "nr.",
    "near": "nr.", "prox": "nr.", "sp": "sp.", "spp": "spp.", "indet": "indet.",
}  # fmt: skip
_GROUP = frozenset("complex agg aggregate group gr".split())


@dataclass
class Beside:
    """A label taken apart.

    Attributes:
        rest: What may be a name.
        concept: A barcode cluster or a species hypothesis.
        life_stage: Its age.
        part: The part of the body.
        above: A higher taxon that is named with it.
        remarks: All else, in order.
    """

    rest: str
    concept: str | None = None
    life_stage: str | None = None
    part: str | None = None
    above: str | None = None
    remarks: list[str] = field(default_factory=list)


def take_beside(text: str) -> Beside:
    """Take off a label what is no name."""
    found = Beside(_tidy(text))
    _take_concept(found)
    _take_parent(found)
    _take_words(found)
    if hit := re.search(rf"(?<=\S) (?:{_NO_LOWER.pattern})", found.rest, re.IGNORECASE):
        found.remarks.insert(0, hit.group().strip())
        found.rest = found.rest[: hit.start()]
    words = [_one_spelling(word, i) for i, word in enumerate(found.rest.split())]
    if len(words) == 2 and _FAMILY.fullmatch(words[1]) and words[0][:1].isupper():
        found.above = found.above or words.pop()
    if len(words) > 2 and words[-1].strip(".").lower() in _GROUP:
        words[-1] = "agg."
    if len(words) > 2 and words[1] == "gr.":
        words[1] = "ex gr."
    found.rest = " ".join(words)
    return found


def _tidy(text: str) -> str:
    """Return a label in one line, without markup, quotes around it or an exporter's id."""
    if "&" in text:
        text = html.unescape(text)
    text = " ".join(_CONTROL.sub(" ", _TAG.sub("", text)).split())
    for pair in _QUOTES:
        if len(text) > 2 and text[0] == pair[0] and text[-1] == pair[1]:
            text = text[1:-1].strip()
    text = _EXPORT_ID.sub("", _MARKER.sub("", text))
    return " ".join(text.replace("_", " ").split())


def _take_concept(found: Beside) -> None:
    text = found.rest
    hit = _BIN.search(text) or _HYPOTHESIS.search(text)
    if hit:
        bin_letters = hit.group(1) if hit.re is _BIN else None
        found.concept = f"BOLD:{bin_letters.upper()}" if bin_letters else hit.group().upper()
        text = " ".join((text[: hit.start()] + " " + text[hit.end() :]).split())
        found.rest = text.strip("()[]|,; ")


def _take_parent(found: Beside) -> None:
    """Read EcoTaxa's ``child<Parent``, and a line of groups from the widest down."""
    text = found.rest
    if re.search(r"<\s*[^\W\d]", text) and ">" not in text:
        child, _, parent = (piece.strip() for piece in text.partition("<"))
        if child[:1].isupper():
            found.rest, found.above = child, parent if parent[:1].isupper() else None
            return
        # A child that begins small is a shape, an age or a part, and never an epithet.
        inner = Beside(child)
        _take_words(inner)
        found.rest, found.life_stage, found.part = parent, inner.life_stage, inner.part
        found.remarks += [*([inner.rest] if inner.rest else []), *inner.remarks]
        if not parent[:1].isupper():
            found.rest = ""
            found.remarks.append(parent)
    elif _UPWARD.fullmatch(text):
        pieces = [_MARKER.sub("", p.strip()) for p in re.split(r"[;|>]", text)]
        pieces = [re.sub(r"^[dkpcofgs] (?=[A-Z])", "", p) for p in pieces]
        found.rest, found.above = pieces[-1], pieces[-2]
    elif " > " in text:  # a path whose pieces hold anything: Substrate > Sand / mud (<2mm)
        above, _, found.rest = text.rpartition(" > ")
        found.above = above.rpartition(" > ")[2]


def _take_words(found: Beside) -> None:
    """Take the words of the vocabulary before and behind the name."""
    words = found.rest.split()
    known = [_known(word) for word in words]
    only_known = len(words) > 1 and all(known)
    kept: list[str] = []
    after = False  # behind an age or a part, small words describe it
    for position, word in enumerate(words):
        bare = word.strip("(),;:[].").lower()
        small = word[:1].islower() or word[:1] in "(["
        if kept:
            take = small and (known[position] or _in_brackets(word)) and bare not in _GROUP
            describes = after and (small or not word[0].isalpha())
        else:
            before_taxon = small and words[position + 1 : position + 2][:1] != []
            before_taxon = before_taxon and words[position + 1][0].isupper()
            genus = bare in ALSO_GENERA and not (only_known or before_taxon)
            genus = genus and (not small or len(words) > 1)
            take = known[position] and not genus and (small or bare not in REMARKS)
            take = take or _opens(words, position)
            describes = bare in {"of", "-"} and position > 0
        if not (take or describes):
            kept.append(word)
            continue
        after = after or (bool(kept) and (bare in LIFE_STAGES or bare in PARTS))
        _put(found, word, bare)
    found.rest = " ".join(kept)


def _known(word: str) -> bool:
    bare = word.strip("(),;:[].").lower()
    return bare in LIFE_STAGES or bare in PARTS or bare in REMARKS


def _in_brackets(word: str) -> bool:
    return re.fullmatch(r"[(\[][a-z]{4,}[)\]]", word) is not None


def _opens(words: list[str], position: int) -> bool:
    """Return whether a word such as ``unidentified`` or ``other`` stands before a taxon."""
    if words[position].lower() not in OPEN_WORDS or position + 1 == len(words):
        return False
    return re.match(r"[A-Z][a-z]{3,}", words[position + 1]) is not None


def _put(found: Beside, word: str, bare: str) -> None:
    """Put a word that is no part of the name into its field."""
    if bare in LIFE_STAGES and found.life_stage is None:
        found.life_stage = LIFE_STAGES[bare]
    elif bare in PARTS and found.part is None:
        found.part = PARTS[bare]
    elif bare not in {"of", "-", ""}:
        found.remarks.append(bare if bare in REMARKS else word.strip("(),;:[]"))


def _one_spelling(word: str, position: int) -> str:
    """Return marks of doubt in the spelling that the parser knows."""
    if position == 0:
        return word
    bare = word.strip("().").lower()
    if bare in _DOUBT and (word.islower() or word.isupper() or "." in word):
        return bare if bare in {"sp", "spp"} and "." not in word else _DOUBT[bare]
    if number := _NUMBERED.fullmatch(word):
        return f"{number[1].lower()}. {number[2]}"
    if word == "gr":
        return "gr."
    return "sp." if word in {"species", "spec."} else word
