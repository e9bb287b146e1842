"""The headers of FASTA files: seven ways to write a lineage in one line, and none.

Every reference database packs the name of a sequence into its header in its own way. Which way is
found by trying all on the first headers; it can be forced. A name that stands for no taxon
(``unidentified``, ``Incertae_sedis``, ``Thersamonia_X``) leaves its rank empty; the label stays
as it came in ``verbatimIdentification``.

======== =================================================================================
sintax   ``>ID;tax=k:Animalia,p:Arthropoda,...,s:Genus_species,t:BOLD:AAA0000;`` (vsearch)
unite    ``>Name|Accession|SH0000000.10FU|refs|k__Fungi;...;s__Genus_species``, or
         ``>Accession|k__Fungi;...;s__Genus_species|SH0000000.09FU``
midori   ``>Accession.1.<1.>658###root_1;Eukaryota_2759;...;Genus species_12345``
coidb    ``>PROCESSID Animalia;Arthropoda;...;Genus;Genus species;BOLD:AAA0000``
bold     ``>PROCESSID|Genus species|COI-5P|Accession``
qiime    ``>ID k__Animalia;p__Arthropoda;...;s__Genus species``
dada2    ``>Animalia;Arthropoda;...;Genus;Genus species;`` (assignTaxonomy: no ids)
species  ``>ID Genus species`` (DADA2's addSpecies)
bare     ``>ID and any description``
======== =================================================================================

References: https://drive5.com/usearch/manual/tax_annot.html, https://unite.ut.ee/repository.php,
https://www.reference-midori.info, https://github.com/insect-biome-atlas/coidb,
https://benjjneb.github.io/dada2/training.html, https://docs.qiime2.org
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from merian.errors import InputError, did_you_mean

__all__ = [
    "FLAVOURS",
    "SEVEN",
    "Flavour",
    "find_flavour",
    "flavour_of",
    "is_placeholder",
    "lineage_terms",
]

Terms = Mapping[str, str]

SEVEN = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
_LETTERS = {
    "k": "kingdom", "p": "phylum", "c": "class", "o": "order", "f": "family",
    "sf": "subfamily", "tr": "tribe", "g": "genus", "s": "species",
}  # fmt: skip
# A domain stands above the ranks that have a column, and some files put it in the kingdom's.
_NO_KINGDOM = frozenset({"eukaryota", "eukarya"})

_PLACEHOLDER = re.compile(
    r"""^(?:
        | na | none | nan | null | unk\.? | \? | -
        | (?:.*[ ])? (?:unidentified|unclassified|unassigned|unresolved|unknown|uncultured
                       |undetermined|not[ ]classified|metagenome|environmental[ ]sample)
          (?:[ .].*)?
        | (?:.*[ ])? incertae[ ]sedis (?:[ ].*)?
        | gs\d+ (?:[ ].*)?
        | .* [ ] x+                                # coidb: the parent's name and _X, _XX
        | (?:.*[ ])? (?:gen|sp|spp|indet)\.? (?:[ ].*)?
        | (?:.*[ ])? (?:cf|aff|nr)\.? [ ] .*       # a qualifier: not this species, but near it
        | (?:phylum|class|order|family|genus)[ ](?:.*[ ])? .+  # MIDORI2: a rank that is missing
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_TAXON_ID = re.compile(r"^(.*?)_(\d+)$")
# INSDC's accessions, RefSeq's with an underscore, and those of UNITE's own archive.
_ACCESSION = re.compile(
    r"^(?:[A-Z]\d{5}|[A-Z]{2}\d{6}|[A-Z]{2}\d{8}|[A-Z]{2}_\d{6,9}|UDB\d{6,8})(?:\.\d+)?$"
)
_BIN = re.compile(r"^BOLD:[A-Z]{3}\d{4}$")
_KINDS = frozenset({"refs", "reps", "refs_singleton", "reps_singleton"})
_HYPOTHESIS = re.compile(r"^SH\d+\.\d+FU$")


@lru_cache(maxsize=1 << 16)
def is_placeholder(name: str) -> bool:
    """Return whether a label stands for no taxon."""
    return _PLACEHOLDER.match(name.replace("_", " ").strip()) is not None


def lineage_terms(names: Mapping[str, str]) -> dict[str, str]:
    """Return the terms of a lineage: rank columns, lowest name, and the label as it came.

    Args:
        names: rank -> label, from high to low.
    """
    terms: dict[str, str] = {}
    for rank, label in names.items():
        if label:
            terms["verbatimIdentification"] = label
        clean = " ".join(label.replace("_", " ").split())
        if is_placeholder(clean) or (rank == "kingdom" and clean.lower() in _NO_KINGDOM):
            continue
        if rank == "species":
            clean = _binomial(clean, terms.get("genus", ""))
        if clean:
            terms[rank] = terms["scientificName"] = clean
            terms["taxonRank"] = rank
    return terms


def _binomial(label: str, genus: str) -> str:
    """Return the full name of a species from a label that may hold the epithet alone."""
    if " " not in label and label[:1].islower():
        return f"{genus} {label}" if genus else ""
    words = label.split()
    # A hybrid formula is a name of four words or more; of a longer other name two are the species.
    return label if " x " in label or "×" in label else " ".join(words[:2] if words[1:] else [])


@dataclass(frozen=True)
class Flavour:
    """One way to write a header.

    Attributes:
        name: What the user types.
        title: What a person calls it.
        read: header -> terms; None for a header that is not of this flavour.
    """

    name: str
    title: str
    read: Callable[[str], Terms | None]


def _prefixed(text: str, between: str, mark: str) -> dict[str, str] | None:
    """Read ``k__Fungi;p__Ascomycota`` or ``k:Fungi,p:Ascomycota`` into letter -> label."""
    found: dict[str, str] = {}
    for part in text.strip().strip(between).split(between):
        letters, there, label = part.strip().partition(mark)
        if not there or not letters.isalpha() or len(letters) > 2:
            return None
        found[letters.lower()] = label.strip()
    return found


def _ranked(found: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Return rank -> label and the NCBI number of the lowest taxon, where labels carry one."""
    plain = {_LETTERS[k]: v for k, v in found.items() if k in _LETTERS}
    return _numbered(plain)


def _numbered(names: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Cut ``_2759`` off labels, if all have such a number."""
    given = {rank: label for rank, label in names.items() if label}
    split = {rank: _TAXON_ID.match(label) for rank, label in given.items()}
    if not given or not all(split.values()):
        return dict(names), ""
    cut = {rank: match[1] for rank, match in split.items() if match}
    numbers = [match[2] for match in split.values() if match]
    return cut, f"NCBI:txid{numbers[-1]}"


@lru_cache(maxsize=1 << 16)
def _lineage(text: str, between: str, mark: str) -> Terms | None:
    """Read a lineage with prefixes. A species has many sequences, so most are met again."""
    found = _prefixed(text, between, mark)
    if found is None:
        return None
    names, number = _ranked(found)
    concept = found.get("t", "") or found.get("sh", "") or number
    return MappingProxyType(lineage_terms(names) | _if_given(taxonConceptID=concept))


def _if_given(**terms: str) -> dict[str, str]:
    return {term: value for term, value in terms.items() if value}


def _accession(identifier: str) -> dict[str, str]:
    """Return the id, and the accession in a public archive that it is or starts with."""
    parts = identifier.split(".")
    first = parts[0] if len(parts) > 2 else identifier  # MIDORI2: AB000001.1.<1.>658
    found = first if _ACCESSION.match(first) else ""
    return {"occurrenceID": identifier} | _if_given(associatedSequences=found)


def _read_sintax(header: str) -> Terms | None:
    identifier, there, lineage = header.partition(";tax=")
    terms = _lineage(lineage.rstrip("; "), ",", ":") if there else None
    if not identifier or terms is None:
        return None
    # vsearch writes ;size=12 in front, UNITE's own SINTAX release |SH... behind the accession.
    name, _, _ = identifier.partition(";size=")
    return {**_accession(name), **terms}


def _read_unite(header: str) -> Terms | None:
    parts = header.split("|")
    places = [i for i, part in enumerate(parts) if part.startswith(("k__", "d__"))]
    if not places or len(parts) < 2 or places[0] == 0:
        return None
    terms = _lineage(parts[places[0]], ";", "__")
    if terms is None:
        return None
    others = [part for i, part in enumerate(parts) if i != places[0]]
    concept = next((part for part in others if _HYPOTHESIS.match(part)), "")
    accession = next((part for part in others if _ACCESSION.match(part)), "")
    kind = next((part for part in others if part in _KINDS), "")
    # A release with kinds begins with the name; the other kind of file begins with the id.
    given = others[1:] if kind else others
    identifier = accession or next(p for p in (*given, header) if p)
    return {"occurrenceID": identifier, **terms} | _if_given(
        taxonConceptID=concept,
        associatedSequences=accession,
        sequenceRemarks=kind,
        targetGene="ITS",
    )


def _read_midori(header: str) -> Terms | None:
    identifier, there, lineage = header.partition("###")
    if not there:
        # The release for the RDP classifier has a tab there.
        identifier, there, lineage = header.partition("\t")
    labels = lineage.strip().strip(";").split(";")
    if not there or not labels[0].lower().startswith("root") or len(labels) < 3:
        return None
    names = dict(zip(("domain", *SEVEN[1:]), labels[1:], strict=False))
    cut, number = _numbered(names)
    cut.pop("domain", None)
    return _accession(identifier) | lineage_terms(cut) | _if_given(taxonConceptID=number)


def _read_coidb(header: str) -> Terms | None:
    identifier, there, lineage = header.partition(" ")
    labels = lineage.strip().strip(";").split(";")
    bin_uri = labels.pop() if _BIN.match(labels[-1]) else ""
    if not there or len(labels) != len(SEVEN) or "__" in labels[0]:
        return None
    terms = lineage_terms(dict(zip(SEVEN, labels, strict=True)))
    return {"occurrenceID": identifier, **terms} | _if_given(
        taxonConceptID=bin_uri, targetGene="COI-5P" if bin_uri else ""
    )


_MARKER = re.compile(r"^(?:COI|COX|COII|ITS|rbcL|matK|18S|28S|16S|12S|CYTB|trn|psb|EF1)", re.I)


def _read_bold(header: str) -> Terms | None:
    parts = header.split("|")
    if not 3 <= len(parts) <= 5 or not parts[0] or not _MARKER.match(parts[2]):
        return None
    accession = parts[3].strip() if len(parts) > 3 else ""
    label = parts[1].strip()
    known = label and not is_placeholder(label) and " " in label
    terms = lineage_terms({"genus": label.split()[0], "species": label}) if known else {}
    return {"occurrenceID": parts[0].strip(), **terms} | _if_given(
        verbatimIdentification=label,
        targetGene=parts[2].strip(),
        associatedSequences=accession if accession != "SUPPRESSED" else "",
    )


def _read_qiime(header: str) -> Terms | None:
    identifier, there, lineage = header.replace("\t", " ", 1).partition(" ")
    begins = lineage.lstrip().startswith(("k__", "d__", "sk__", "p__"))
    terms = _lineage(lineage, ";", "__") if there and begins else None
    if not identifier or terms is None:
        return None
    return {**_accession(identifier), **terms}


def _read_dada2(header: str) -> Terms | None:
    labels = header.strip().split(";")
    if len(labels) < 4 or " " in labels[0] or "|" in labels[0] or "=" in header:
        return None
    if all("__" in label for label in labels if label):
        found = _prefixed(header, ";", "__")
        return lineage_terms(_ranked(found)[0]) if found else None
    labels = labels[:-1] if not labels[-1] else labels
    if len(labels) > len(SEVEN):
        return None
    return lineage_terms(_numbered(dict(zip(SEVEN, labels, strict=False)))[0])


_SPECIES = re.compile(r"^(\S+)\s+([A-Z][a-z-]+ [a-z][a-z-]+(?: [a-z][a-z-]+)?)$")


def _read_species(header: str) -> Terms | None:
    match = _SPECIES.match(header)
    if not match:
        return None
    label = match[2]
    return _accession(match[1]) | lineage_terms({"genus": label.split()[0], "species": label}) | {
        "verbatimIdentification": label
    }  # fmt: skip


def _read_bare(header: str) -> Terms | None:
    identifier, _, description = header.strip().partition(" ")
    if not identifier:
        return None
    return _accession(identifier) | _if_given(sequenceRemarks=description.strip())


# From the most to the least particular: of two that fit as many headers, the first is taken.
FLAVOURS: Sequence[Flavour] = (
    Flavour("sintax", "SINTAX", _read_sintax),
    Flavour("unite", "UNITE", _read_unite),
    Flavour("midori", "MIDORI2", _read_midori),
    Flavour("coidb", "coidb", _read_coidb),
    Flavour("bold", "BOLD", _read_bold),
    Flavour("qiime", "QIIME", _read_qiime),
    Flavour("dada2", "DADA2 assignTaxonomy", _read_dada2),
    Flavour("species", "DADA2 addSpecies", _read_species),
    Flavour("bare", "ids without a lineage", _read_bare),
)


def flavour_of(name: str) -> Flavour:
    """Return the flavour of that name."""
    known = {flavour.name: flavour for flavour in FLAVOURS}
    if name not in known:
        raise InputError(
            f"no FASTA header is called {name!r}; there are {', '.join(known)}."
            + did_you_mean(name, known)
        )
    return known[name]


def find_flavour(headers: Iterable[str]) -> tuple[Flavour, int, int]:
    """Return the flavour that fits most headers, how many it fits, and how many there are.

    A flavour that fits less than half of them is no flavour: the headers are then bare.
    """
    sample = list(headers)
    fits = {f.name: sum(f.read(header) is not None for header in sample) for f in FLAVOURS[:-1]}
    best = max(FLAVOURS[:-1], key=lambda f: fits[f.name])
    if 2 * fits[best.name] < len(sample) or not sample:
        return FLAVOURS[-1], len(sample), len(sample)
    return best, fits[best.name], len(sample)
