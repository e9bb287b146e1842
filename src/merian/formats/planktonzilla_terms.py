"""The columns of Planktonzilla-17M and the terms that they are.

Reference: https://github.com/Inria-Chile/planktonzilla, the columns of its consolidated table.
"""

from __future__ import annotations

from collections.abc import Collection

from merian.formats.delimited import column, literal

__all__ = ["COLUMNS", "INSTRUMENTS", "MEASURED", "PARTS", "SURE", "terms_of_columns"]

SURE = frozenset({"dataset", "original_label", "proposed_label", "plankton", "root_class"})
COLUMNS = (
    "image", "dataset", "original_label", "original_path", "Kingdom", "Phylum", "Class", "Order",
    "Family", "Genus", "Species", "proposed_label", "plankton", "root_class", "qualifier",
    "wikidata_ID", "ecotaxa_ID", "aphia_ID", "NCBI_ID", "BOLD_ID", "Latitude", "Longitude",
    "Depth_min", "Depth_max", "Temperature", "Humidity", "ObjID", "timestamp", "license",
    "license_url",
)  # fmt: skip
INSTRUMENTS = {
    "global_uvp5": "UVP5", "whoi": "IFCB", "jedioceans": "CPICS", "zooscan": "ZooScan",
    "zoocamnet": "ZooCAM", "uvp6net": "UVP6", "isiisnet": "ISIIS", "flowcamnet": "FlowCam",
    "planktoscope": "PlanktoScope", "medplanktonset": "IFCB", "syke_ifcb_2022": "IFCB",
    "planktonset1.0": "ISIIS-2", "sykezooscan2024": "ZooScan",
    "zoolake": "Dual Scripps Plankton Camera", "lensless": "lensless microscope",
}  # fmt: skip
"""The instrument of each collection, as its makers tell it."""

PARTS = {
    "part": "part", "part_head": "head", "part_tail": "tail", "part_tentacle": "tentacle",
    "part_leg": "leg", "part_carapace": "carapace", "part_skin": "skin", "part_trunk": "trunk",
}  # fmt: skip
"""Words of ``qualifier`` -> the part of the body that is shown."""

MEASURED = {
    "Temperature": ("temperature within the instrument", "°C"),
    "Humidity": ("humidity within the instrument", "%"),
}

_RANKS = ("Kingdom", "Phylum", "Class", "Order", "Family", "Genus")
_STAGES = {"larvae": "larva", "egg": "egg"}
_PLAIN = {
    "dataset": "datasetName", "original_label": "verbatimIdentification",
    "Latitude": "decimalLatitude", "Longitude": "decimalLongitude",
    "Depth_min": "minimumDepthInMeters", "Depth_max": "maximumDepthInMeters",
    "timestamp": "eventDate", "license": "license",
}  # fmt: skip
_REMARKED = ("proposed_label", "root_class", "plankton", "qualifier", "wikidata_ID", "aphia_ID",
             "NCBI_ID", "BOLD_ID", "ecotaxa_ID")  # fmt: skip


def _choice(name: str, words: dict[str, str]) -> str:
    """Return the SQL of what the words of a column mean; NULL for others."""
    cases = " ".join(f"WHEN {literal(a)} THEN {literal(b)}" for a, b in words.items())
    return f"CASE {column(name)} {cases} END"


def _name(rank: str) -> str:
    """Return the SQL of a name: the first letter is a capital."""
    name = column(rank)
    return f"upper(left({name}, 1)) || lower(substr({name}, 2))"


def _without_float(name: str) -> str:
    return f"regexp_replace({column(name)}, '^([0-9]+)[.]0+$', '\\1')"


def _remark(names: Collection[str]) -> str:
    parts = ", ".join(
        f"{literal(f'{name} ')} || nullif({_without_float(name)}, '')"
        for name in _REMARKED
        if name in names
    )
    return f"'by the table of Planktonzilla: ' || nullif(concat_ws('; ', {parts}), '')"


def terms_of_columns(names: Collection[str], identifier: str, split: str | None) -> dict[str, str]:
    """Return term -> SQL over the columns that are there.

    Args:
        names: The columns.
        identifier: SQL of the id of a record.
        split: The part of a split that the file is.
    """
    terms = {
        "occurrenceID": identifier,
        "basisOfRecord": "'MachineObservation'",
        **{term: column(name) for name, term in _PLAIN.items() if name in names},
        **{rank.lower(): _name(rank) for rank in _RANKS if rank in names},
        "captureDevice": _choice("dataset", INSTRUMENTS),
    }
    if "original_label" not in names:
        terms["verbatimIdentification"] = column("proposed_label")
    if {"Genus", "Species"} <= set(names):
        terms["species"] = f"{_name('Genus')} || ' ' || lower(nullif({column('Species')}, ''))"
    if "qualifier" in names:
        terms["lifeStage"] = _choice("qualifier", _STAGES)
        terms["subjectPart"] = _choice("qualifier", PARTS)
        terms["identificationQualifier"] = _choice("qualifier", {"like": "like"})
    if "ObjID" in names:
        terms["occurrenceRemarks"] = f"'EcoTaxa object ' || nullif({_without_float('ObjID')}, '')"
    if any(name in names for name in _REMARKED):
        terms["identificationRemarks"] = _remark(names)
    if split:
        terms["split"] = literal(split)
    return terms
