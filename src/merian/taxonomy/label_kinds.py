"""Words of image labels that name no taxon: for what is not alive, and for what says nothing.

In the spellings of instruments and collections: EcoTaxa's categories, IFCB's, ISIIS's, ZooLake's.
They speak only where a label names no taxon of the checklist: ``fiber<Bacillariophyta`` is a
diatom.
"""

from __future__ import annotations

import re

__all__ = ["MULTIPLE", "NOTHING", "dead_kind", "words_of"]

DETRITUS = frozenset(
    "detritus detrital detritic fiber fibers fibre fibres snow faeces feces fecal faecal pellet "
    "pellets debris filament filaments filamentous fluff fluffy mucus slime floc flocs clay "
    "aggregate aggregates exuvia exuviae molt molts moult feather feathers hair scale scales "
    "wood leaf leaves carcass particle particles".split()
)
ARTEFACT = frozenset(
    "artefact artefacts artifact artifacts bubble bubbles badfocus focus focused unfocused blur "
    "blurry blurred dark darksphere darkrods turbid reflection reflections shadow shadows scratch "
    "scratches smudge smudges noise background calibration glare ghost ghosts flare lens empty "
    "blank streak streaks".split()
)
INERT = frozenset(
    "bead beads plastic plastics microplastic microplastics crystal crystals cristal cristals "
    "mineral minerals sand dirt sediment sediments glass paint glitter stone stones gravel "
    "metal rope litter trash".split()
)
MULTIPLE = frozenset(
    "multiple multiples mix mixed mixture colony colonial chain chains aggregate group pair "
    "several cluster clusters".split()
)
# What says nothing of what was seen.
NOTHING = frozenset(
    "other others unknown unknowns unk unkn unclassified unidentified undetermined undefined "
    "unassigned unsorted misc miscellaneous temporary temp tmp tocheck othertocheck check to test "
    "todo living not-living notliving not organism organisms object objects thing things class "
    "category group type shape sphere rods stick sticks blob blobs none nan na n/a null x "
    "morphotype morph indet undef and".split()
)
# What tells a thing also beside words that nobody knows; the others may describe an organism.
_SURE = frozenset(
    "detritus detrital detritic fiber fibers fibre fibres snow faeces feces fecal faecal pellet "
    "pellets debris mucus exuvia exuviae artefact artefacts artifact artifacts bubble bubbles "
    "badfocus aggregates".split()
) | (INERT - {"glass", "crystal", "stone", "dirt", "metal"})
_CODE = re.compile(r"[a-z]{0,2}\d+[a-z]?|[a-z]|\W*")


def words_of(label: str) -> list[str]:
    """Return the words of a label, small; EcoTaxa's sign and any punctuation part them."""
    spaced = re.sub(r"(?<=[a-zß-ÿ])(?=[A-Z])", " ", label)
    return [word for word in re.split(r"[^\w-]+|_", spaced.lower()) if word]


def dead_kind(label: str) -> str | None:
    """Return what kind of thing a label without a taxon is of, or None where it does not say.

    The kind is detritus, artefact or inert, by the words for these, the one nearest to being a
    thing first: a plastic fibre is inert. It is placeholder where no word says anything.
    """
    words = words_of(label)
    said = DETRITUS | ARTEFACT | INERT | NOTHING | MULTIPLE
    all_known = all(word in said or _CODE.fullmatch(word) for word in words)
    for kind, known in (("inert", INERT), ("detritus", DETRITUS), ("artefact", ARTEFACT)):
        if any(word in known and (all_known or word in _SURE) for word in words):
            return kind
    return "placeholder" if all_known else None
