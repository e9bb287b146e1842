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
from dataclasses import astuple, dataclass

import nameparser

from merian.taxonomy.parallel import in_two_processes
from merian.taxonomy.vocabulary import LIFE_STAGES, NEED_A_PARSER, PARTS, PLACEHOLDERS, REMARKS

__all__ = ["Label", "bare_name", "bare_names", "read_label", "read_labels"]

_PLAIN = re.compile(r"[A-Z][a-z]+(?:-[a-z]+)?(?: [a-z]{2,}(?:-[a-z]+)?){0,2}")
_CONCEPT = re.compile(r"\bBOLD:[A-Z]{3}\d{4}\b|\bSH\d{6,}\.\d{2}FU\b")
_MARKER = re.compile(r"^(?:[dkpcofgs]__|[dkpcofgs]:)(?=[A-Z])")
_EITHER = re.compile(r"([A-Z][a-z-]+) ([a-z-]+ ?/ ?[a-z-]+)")  # one of two species
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ufeff]+")

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
    read = in_two_processes("merian.taxonomy.names:_read_fields", [texts[i] for i in hard])
    for i, fields in zip(hard, read, strict=True):
        labels[i] = Label(*fields)
    return [label for label in labels if label is not None]


def _read_plain(text: str) -> Label | None:
    """Read a name that needs no parser: capitalised, one to three plain words."""
    if not _PLAIN.fullmatch(text):
        return None
    words = text.split(" ")
    if words[0].lower() in PLACEHOLDERS:
        return Label(text, kind="placeholder")
    if any(word in LIFE_STAGES or word in PARTS or word in REMARKS for word in words[1:]):
        return None
    if not NEED_A_PARSER.isdisjoint(words):
        return None
    rank = (None, "species", None)[len(words) - 1]
    return Label(text, name=text, rank=rank, kind="scientific")


def _read_slowly(text: str) -> Label:
    """Read any label: first what stands beside the name, then the name."""
    rest = _MARKER.sub("", _CONTROL.sub(" ", text).strip())
    rest = " ".join(rest.replace("_", " ").split())
    found = _CONCEPT.search(rest)
    concept = found.group() if found else None
    if found:
        rest = " ".join((rest[: found.start()] + " " + rest[found.end() :]).split())
        rest = rest.strip("()[]|,; ")
        if not rest or rest.lower() in PLACEHOLDERS:
            return Label(text, concept=concept, kind="identifier")
    rest, stage, part, remarks = _take_age_and_part(rest)
    words = rest.split()
    if not words:
        kind = "placeholder" if stage or part or remarks else "none"
        return Label(text, None, None, None, remarks, stage, part, concept, kind)
    if words[0].lower().strip("?") in PLACEHOLDERS and words[0].lower() != "x":
        return Label(text, None, None, None, remarks, stage, part, concept, "placeholder")
    name = _parse(rest)
    qualifier = "; ".join(q for q in (name.qualifier, remarks) if q) or None
    return Label(
        text, name.name, name.rank, name.authorship, qualifier, stage, part, concept, name.kind
    )


def _read_fields(texts: list[str]) -> list[tuple[str | None, ...]]:
    """Read labels into plain fields, which pass from one process to another."""
    return [astuple(_read_slowly(text)) for text in texts]


def _take_age_and_part(text: str) -> tuple[str, str | None, str | None, str | None]:
    """Split ``Copepoda nauplii`` and EcoTaxa's ``nauplii<Copepoda`` into taxon and the rest."""
    if "<" in text and ">" not in text:
        # EcoTaxa writes the child first and its parent behind the sign.
        child, _, parent = (piece.strip() for piece in text.partition("<"))
        text = child if child[:1].isupper() else f"{parent} {child}"
    words = text.split()
    stage = part = None
    remarks: list[str] = []
    kept: list[str] = []
    for position, word in enumerate(words):
        bare = word.strip("(),;:").lower()
        beside = position > 0 or len(words) == 1
        if beside and word[:1].islower() | word.startswith("("):
            if stage is None and bare in LIFE_STAGES:
                stage = LIFE_STAGES[bare]
                continue
            if part is None and bare in PARTS:
                part = PARTS[bare]
                continue
            if bare in REMARKS and not (bare in {"group", "aggregate"} and position > 1):
                remarks.append(bare)
                continue
        kept.append(word)
    return " ".join(kept), stage, part, " ".join(remarks) or None


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
        return Label(text, either[1], "genus", qualifier=either[2], kind="informal")
    try:
        parsed = nameparser.parse(text)
    except nameparser.UnparsableNameError as error:
        kind = {"FORMULA": "hybrid", "IDENTIFIER": "identifier"}.get(error.name_type)
        kind = kind or ("virus" if error.code == "VIRUS" else "placeholder")
        return Label(text, kind=kind, concept=text if kind == "identifier" else None)
    if isinstance(parsed, nameparser.Informal):
        return Label(text, name=parsed.taxon, qualifier=parsed.phrase, kind="informal")
    canonical = (parsed.canonical_name_minimal() or "").strip(chr(34)).removeprefix("Candidatus ")
    if not canonical:
        return Label(text, kind="placeholder")
    doubts = parsed.epithet_qualifier or {}
    if doubts:
        return _qualified(text, parsed, doubts)
    rank = parsed.rank.lower().replace("_", " ")
    return Label(
        text,
        name=canonical,
        rank=None if rank in {"unranked", "infraspecific name"} else rank,
        authorship=parsed.authorship_complete(),
        kind="scientific",
    )


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
