"""Reading labels: what a written name says, and what it only hints at.

Scientific names are parsed by GBIF's own parser. Around it stands what real labels carry beside
a name, each put where it belongs: barcode clusters (``BOLD:AAA1234``) and species hypotheses
(``SH1234567.10FU``) are concepts, ``cf.`` and ``sp. 1`` are qualifiers, ``nauplii`` is a life
stage, ``head`` is a part, ``detritus`` is a placeholder. Nothing is thrown away, and nothing is
claimed that the label leaves open: *Calanus cf. finmarchicus* is the genus *Calanus*, qualified.

Reference: https://github.com/gbif/name-parser-rust
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import nameparser

from merian.processes import in_processes
from merian.taxonomy.beside import take_beside
from merian.taxonomy.ranks import RANK_NUMBER
from merian.taxonomy.vocabulary import LIFE_STAGES, NEED_A_PARSER, PARTS, PLACEHOLDERS, REMARKS

__all__ = ["Label", "bare_name", "bare_names", "read_label", "read_labels"]

_PLAIN = re.compile(r"[A-Z][a-z]+(?:-[a-z]+)?(?: [a-z]{2,}(?:-[a-z]+)?){0,2}")
# One of two: "Aus bus/cus", "Aus bus or Aus cus", "Aus/Bus", "Aus & Bus".
_EITHER = re.compile(
    r"([A-Z][a-z-]+)(?: ([a-z-]{2,}))?(?: ?/ ?| (?:or|and|et|and/or|&|[+]) )(?:([A-Z][a-z-]+)\b)?.*"
)
_TWO_OPEN = re.compile(r"\bspp?\b.*\b[A-Z][a-z]{3,}\b.*\bspp?\b")
_ONE_CASE = re.compile(r"([A-Za-z-]{3,}) ([A-Za-z-]{3,}) (\(?[^\W\d_]{2}.*\d{4}\)?)")
_DOTTED = re.compile(r"([A-Z][a-z]{2,})\.([a-z]{3,})")  # as R writes it
_PARTICLES = frozenset(
    "de da do dos du des del della di la le las les van von vom der den ten ter ver zu zur zum "
    "auf y e et al ex in and apud non nec not sensu emend auct auctt hort f fil filius bis st "
    "af ap el ben bin ibn".split()
)
_COPEPODITE = re.compile(r"C(?:[1-6]|I{1,3}|IV|VI?)(?:-C?\w+)?\.?")

_QUALIFIED_PARTS = ("GENERIC", "INFRAGENERIC", "SPECIFIC", "INFRASPECIFIC")


@dataclass(frozen=True)
class Label:
    """What a label says.

    Attributes:
        verbatim: The label, character by character.
        name: The canonical name that it supports: no author, qualifier, marker or accent.
        rank: The rank of ``name``, where the label itself shows it.
        authorship: The author of the name.
        qualifier: ``cf. finmarchicus``, ``sp. 1``, ``?`` ...
        life_stage: ``larva``, ``nauplius`` ...
        part: ``head``, ``wing`` ...
        concept: A BIN or a species hypothesis.
        kind: scientific, informal, hybrid, virus, identifier, placeholder or none.
        above: A higher taxon that the label names too: the genus of a subgenus, a parent.
    """

    verbatim: str
    name: str | None = None
    rank: str | None = None
    authorship: str | None = None
    qualifier: str | None = None
    life_stage: str | None = None
    part: str | None = None
    concept: str | None = None
    kind: str = "none"
    above: str | None = None


def read_label(text: str) -> Label:
    """Return what one label says."""
    plain = _read_plain(text)
    return plain if plain is not None else _read_slowly(text)


def read_labels(texts: Sequence[str]) -> list[Label]:
    """Return what many labels say, in their order. Read distinct labels only: it is slower.

    Plain names are read at once; the others are parsed, in two processes when there are many.
    """
    labels = [_read_plain(text) for text in texts]
    hard = [i for i, label in enumerate(labels) if label is None]
    read = in_processes("merian.taxonomy.names:_read_fields", [texts[i] for i in hard])
    for i, fields in zip(hard, read, strict=True):
        labels[i] = Label(*fields)
    return [label for label in labels if label is not None]


def _read_plain(text: str) -> Label | None:
    """Read a name that needs no parser: capitalised, one to three plain words."""
    if not _PLAIN.fullmatch(text):
        return None
    words = text.split(" ")
    first = words[0].lower()
    if first in PLACEHOLDERS and len(words) == 1:
        return Label(text, kind="placeholder")
    if first in PLACEHOLDERS or first in LIFE_STAGES or first in PARTS:
        return None
    if any(word in LIFE_STAGES or word in PARTS or word in REMARKS for word in words[1:]):
        return None
    if not NEED_A_PARSER.isdisjoint(words):
        return None
    rank = (None, "species", None)[len(words) - 1]
    return Label(text, name=text, rank=rank, kind="scientific")


def _read_slowly(text: str) -> Label:
    """Read any label: first what stands beside the name, then the name."""
    beside = take_beside(text)
    rest = beside.rest
    remarks = " ".join(beside.remarks) or None
    known = Label(
        text, qualifier=remarks, life_stage=beside.life_stage, part=beside.part,
        concept=beside.concept,
    )  # fmt: skip
    first = rest.split(" ", 1)[0].lower().strip("?")
    empty = not rest or rest.lower() in PLACEHOLDERS
    if empty and beside.concept:
        return replace(known, kind="identifier")
    if not rest:
        told = beside.life_stage or beside.part or remarks
        return replace(known, kind="placeholder" if told else "none")
    if first in PLACEHOLDERS and first != "x":
        return replace(known, kind="placeholder")
    name = _parse(rest)
    qualifier = "; ".join(q for q in (name.qualifier, remarks) if q) or None
    return replace(
        known,
        name=name.name,
        rank=name.rank,
        authorship=name.authorship,
        qualifier=qualifier,
        concept=beside.concept or name.concept,
        kind=name.kind,
        above=(name.above or beside.above) if name.name else None,
    )


def _read_fields(texts: list[str]) -> list[tuple[str | None, ...]]:
    """Read labels into plain fields, which pass from one process to another."""
    return [astuple(_read_slowly(text)) for text in texts]


def bare_names(texts: list[str]) -> list[tuple[str, str | None, str]]:
    """Read many names of a checklist; see `bare_name`."""
    return [bare_name(text) for text in texts]


def bare_name(text: str) -> tuple[str, str | None, str]:
    """Return a checklist's name as canonical name, author and name without author.

    A checklist is believed: what is not a scientific name stays as it is written.
    """
    try:
        parsed = nameparser.parse(text)
    except nameparser.UnparsableNameError:
        return text, None, text
    if isinstance(parsed, nameparser.Informal):
        return text, None, text
    canonical = (parsed.canonical_name_minimal() or text).strip('"').removeprefix("Candidatus ")
    shown = parsed.canonical_name_without_authorship() or canonical
    return canonical, parsed.authorship_complete(), shown


def _parse(text: str) -> Label:
    """Read a name with GBIF's parser."""
    if either := _EITHER.fullmatch(text):
        shared = either[1] if either[3] in (None, either[1]) else None
        said = text[len(shared) + 1 :] if shared else text
        return Label(text, shared, "genus" if shared else None, qualifier=said, kind="informal")
    try:
        parsed = nameparser.parse(_usual_case(text))
    except nameparser.UnparsableNameError as error:
        kind = {"FORMULA": "hybrid", "IDENTIFIER": "identifier"}.get(error.name_type)
        kind = kind or ("virus" if error.code == "VIRUS" else "placeholder")
        if kind == "identifier" and not any(letter.isdigit() for letter in text):
            kind = "placeholder"
        return Label(text, kind=kind, concept=text if kind == "identifier" else None)
    if isinstance(parsed, nameparser.Informal):
        if _TWO_OPEN.search(parsed.phrase or ""):
            return Label(text, qualifier=text, kind="informal")
        if not (parsed.taxon or "")[:1].isalpha():
            return Label(text, qualifier=parsed.phrase, kind="placeholder")
        return Label(text, name=parsed.taxon, qualifier=parsed.phrase, kind="informal")
    canonical = (parsed.canonical_name_minimal() or "").strip(chr(34)).removeprefix("Candidatus ")
    if not canonical:
        return Label(text, kind="placeholder")
    doubts = parsed.epithet_qualifier or {}
    if doubts:
        return _qualified(text, parsed, doubts)
    return _scientific(text, parsed, canonical)


def _usual_case(text: str) -> str:
    """Return a name in capitals, all small, or with a dot for a space, as names are written."""
    if dotted := _DOTTED.fullmatch(text):
        return f"{dotted[1]} {dotted[2]}"
    if (text.isupper() or text.islower()) and (whole := _ONE_CASE.fullmatch(text)):
        return f"{whole[1].capitalize()} {whole[2].lower()} {whole[3].title()}"
    words = text.split(" ")
    if len(words) == 2 and words[0].istitle() and words[1].isupper() and len(words[1]) > 3:
        return f"{words[0]} {words[1].lower()}" if words[1].isalpha() else text
    return text


def _scientific(text: str, parsed: nameparser.ParsedName, canonical: str) -> Label:
    """Read a full name: what the parser could not place becomes the qualifier."""
    author = parsed.authorship_complete()
    beside = [parsed.phrase, parsed.taxonomic_note]
    if parsed.cultivar_epithet:
        beside.append(f"'{parsed.cultivar_epithet}'")
    words = canonical.split(" ")
    if author and not _is_author(author, words[0]):
        beside.append(author)
        if re.search(r"\b[A-Z][a-z]{3,} [a-z]{3,}", author):
            # Two names in one label: only a genus that both share is sure.
            shared = words[0] if words[0] in author else None
            only = "genus" if shared else None
            return Label(text, shared, only, qualifier=text, kind="informal")
        author = None
    if len(words) > 1 and len(words[1]) == 1:
        return Label(text, words[0], "genus", qualifier=text[len(words[0]) + 1 :], kind="informal")
    above = None
    rank: str | None = parsed.rank.lower().replace("_", " ")
    if parsed.infrageneric_epithet and len(words) == 1:
        above = parsed.genus
        rank = None if (above or "").endswith(("idae", "aceae")) else "subgenus"
    elif len(words) == 1 and RANK_NUMBER.get(rank or "", 0) >= RANK_NUMBER["species"]:
        rank = None
    elif len(words) == 2 and RANK_NUMBER.get(rank or "", 0) > RANK_NUMBER["species"]:
        rank = "species"
    return Label(
        text,
        name=canonical,
        rank=None if rank in {"unranked", "infraspecific name"} else rank,
        authorship=author,
        qualifier="; ".join(word for word in beside if word) or None,
        kind="scientific",
        above=above,
    )


def _is_author(text: str, genus: str) -> bool:
    """Return whether this can be an author: names are written large, and hold no numbers."""
    words = re.findall(r"[^\W_][\w.'’-]*", text)
    for word in words:
        plain = word.strip(".'").lower()
        if plain in _PARTICLES or re.fullmatch(r"1[5-9]\d\d[a-z]?|20\d\d[a-z]?", plain):
            continue
        if word == genus or any(letter.isdigit() for letter in word):
            return False
        if word[0].islower() and not word.startswith(("d'", "d’", "l'", "o'")):
            return False
        if _COPEPODITE.fullmatch(word):
            return False
    return True


def _qualified(text: str, parsed: nameparser.ParsedName, doubts: dict[str, str]) -> Label:
    """Keep the name above the first part in doubt; the rest is its qualifier."""
    parts = {
        "GENERIC": parsed.genus or parsed.uninomial,
        "INFRAGENERIC": None,
        "SPECIFIC": parsed.specific_epithet,
        "INFRASPECIFIC": parsed.infraspecific_epithet,
    }
    sure: list[str] = []
    doubtful: list[str] = []
    for place in _QUALIFIED_PARTS:
        word = parts[place]
        if place in doubts:
            doubtful.append(doubts[place])
        if word:
            (doubtful if doubtful else sure).append(word)
    return Label(
        text,
        name=" ".join(sure) or None,
        rank=(None, "genus", "species")[len(sure)],
        qualifier=" ".join(doubtful),
        kind="informal",
    )
