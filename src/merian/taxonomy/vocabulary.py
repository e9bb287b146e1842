"""Words that stand beside names on labels: ages, parts of bodies, and what is no name at all.

In the spellings that instruments and people use. A word here is never taken for an epithet.
"""

from __future__ import annotations

__all__ = [
    "ALSO_GENERA",
    "LIFE_STAGES",
    "NEED_A_PARSER",
    "NOT_KNOWN",
    "OPEN_WORDS",
    "PARTS",
    "PLACEHOLDERS",
    "REMARKS",
]

# What stands in a column of a rank where the taxon there is not known.
NOT_KNOWN = (
    "none", "na", "n/a", "nan", "null", "not_classified", "not classified", "unclassified",
    "unknown", "unidentified", "undetermined", "unassigned", "indet", "indet.", "incertae sedis",
    "-", "?",
)  # fmt: skip

PLACEHOLDERS = frozenset(
    "unclassified unidentified unknown undetermined undefined unassigned uncultured unnamed "
    "environmental metagenome none null nan na n/a no-name other others blank empty artefact "
    "artefacts artifact artifacts detritus bubble bubbles debris fiber fibre fibers fibres "
    "badfocus darksphere dark turbid living not-living organism organisms object temporary "
    "multiple to-check unsorted background not ambiguous indeterminate incertae indet indet. "
    "sp sp. spp spp. gen. unk unk. - -- ? . x".split()
)


def _spelled(words: dict[str, str]) -> dict[str, str]:
    """Turn ``what it means: how it is written`` around."""
    return {spelling: meaning for meaning, all_ in words.items() for spelling in all_.split()}


# Words that follow a taxon and tell its age.
LIFE_STAGES = _spelled(
    {
        "egg": "egg eggs egg-sac ovum ova oocyte",
        "embryo": "embryo embryos",
        "larva": "larva larvae larval larve larves",
        "nauplius": "nauplius nauplii naupliar metanauplius metanauplii",
        "zoea": "zoea zoeae zoeas protozoea metazoea",
        "megalopa": "megalopa megalopae",
        "copepodite": "copepodite copepodites copepodid copepodids",
        "calyptopis": "calyptopis calyptopsis",
        "furcilia": "furcilia",
        "cyprid": "cyprid cypris",
        "veliger": "veliger veligers",
        "trochophore": "trochophore trochophora",
        "pluteus": "pluteus plutei ophiopluteus echinopluteus",
        "bipinnaria": "bipinnaria",
        "brachiolaria": "brachiolaria",
        "auricularia": "auricularia",
        "tornaria": "tornaria",
        "actinotroch": "actinotroch actinotrocha",
        "cyphonautes": "cyphonaute cyphonautes",
        "planula": "planula planulae",
        "ephyra": "ephyra ephyrae",
        "phyllosoma": "phyllosoma",
        "leptocephalus": "leptocephali leptocephalus",
        "pupa": "pupa pupae pupal",
        "nymph": "nymph nymphs",
        "imago": "imago imagines",
        "juvenile": "juvenile juveniles juv juv. young immature",
        "subadult": "subadult sub-adult",
        "adult": "adult adults ad.",
        "cyst": "cyst cysts",
        "spore": "spore spores",
    }
)

PARTS = _spelled(
    {
        "part": "part parts partial fragment fragments piece pieces",
        "head": "head heads",
        "body": "body bodies trunk",
        "comb": "comb combs",
        "spicule": "spicule spicules",
        "tail": "tail tails",
        "leg": "leg legs",
        "wing": "wing wings",
        "antenna": "antenna antennae",
        "tentacle": "tentacle tentacles",
        "bract": "bract bracts",
        "nectophore": "nectophore nectophores",
        "eudoxid": "eudoxid eudoxie eudoxia",
        "gonophore": "gonophore gonophores",
        "siphonula": "siphonula",
        "elytron": "elytron elytra",
        "shell": "shell shells",
        "exuvia": "exuvia exuviae molt moult exoskeleton",
        "faecal pellet": "pellet pellets",
    }
)

# Words that qualify what was seen and are neither age nor part.
REMARKS = frozenset(
    "like multiple chain colony colonial aggregate dead broken pair group female females male "
    "males ♀ ♂ other others mix mixed single unknown unidentified undetermined environmental "
    "sample".split()
)

# Words that say of the taxon behind them only that nothing closer is known.
OPEN_WORDS = frozenset(
    "unidentified unclassified unknown undetermined uncultured unassigned other others "
    "indeterminate like multiple dead".split()
)

# Ages and parts whose word is also the name of a genus, or an epithet: *Pluteus* is a mushroom,
# *Morpho cypris* a butterfly, *Ovula ovum* a cowrie. Written alone and large, or before an
# epithet, such a word is a name; behind a name, the checklist decides.
ALSO_GENERA = frozenset(
    "nauplius cypris pluteus auricularia ephyra planula pupa imago zoea megalopa phyllosoma "
    "leptocephalus tornaria bipinnaria brachiolaria eudoxia siphonula actinotrocha trochophora "
    "furcilia calyptopis ovum antenna embryo nympha".split()
)

# Plain words that are no epithet, or stand before what is no plain name.
NEED_A_PARSER = frozenset(
    "sp spp cf cfr confer aff indet nr near prox gen ssp subsp var virus viroid phage Candidatus "
    "species complex agg gr or and et in of det nomen spec".split()
)
