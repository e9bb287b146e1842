"""Proposed maps: labels taken apart, names to the letter, homonyms where something decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.taxonomy import Taxonomy, read_checklist
from merian.taxonomy.label_kinds import dead_kind
from merian.taxonomy.label_map import LabelTarget, read_label_map
from merian.taxonomy.propose import RawLabel, propose

CHECKLIST = """ID,parentID,status,rank,scientificName,authorship
1,,accepted,kingdom,Animalia,
2,1,accepted,phylum,Arthropoda,
3,2,accepted,subclass,Copepoda,
31,3,accepted,order,Calanoida,
4,31,accepted,genus,Calanus,"Leach, 1816"
41,4,accepted,species,Calanus finmarchicus,"(Gunnerus, 1770)"
5,1,accepted,phylum,Mollusca,
51,5,accepted,genus,Helix,
52,5,accepted,genus,Cladoceramus,
6,1,accepted,phylum,Ctenophora,
61,6,accepted,genus,Beroe,
7,,accepted,kingdom,Chromista,
8,7,accepted,phylum,Bacillariophyta,
9,8,accepted,genus,Ctenophora,
91,8,accepted,genus,Asterionella,
10,7,accepted,genus,Tripos,
11,10,synonym,genus,Neoceratium,
12,1,accepted,phylum,Cnidaria,
13,12,accepted,order,Siphonophorae,
14,13,accepted,family,Abylidae,
15,14,accepted,genus,Abylopsis,
16,15,accepted,species,Abylopsis tetragona,
17,1,accepted,phylum,Chordata,
18,17,accepted,genus,Ciliata,
"""


@pytest.fixture(scope="module")
def taxonomy(tmp_path_factory: pytest.TempPathFactory) -> Taxonomy:
    folder = tmp_path_factory.mktemp("checklist")
    (folder / "NameUsage.csv").write_text(CHECKLIST, encoding="utf-8")
    return read_checklist(folder)[0]


def one(taxonomy: Taxonomy, label: str, *others: str) -> LabelTarget:
    """The row of one label, among others of its source."""
    raws = [RawLabel("s", text) for text in (label, *others)]
    return next(target for target in propose(taxonomy, raws) if target.label == label)


@pytest.mark.parametrize(
    ("label", "name", "beside"),
    [
        ("Copepoda", "Copepoda", {}),
        ("nauplii<Copepoda", "Copepoda", {"life_stage": "nauplius"}),
        ("egg_Calanus", "Calanus", {"life_stage": "egg"}),
        ("part<Copepoda", "Copepoda", {"part": "part"}),
        ("tail_Copepoda", "Copepoda", {"part": "tail"}),
        ("multiple<Copepoda", "Copepoda", {"multiple": True}),
        ("Copepoda_multiple", "Copepoda", {"multiple": True}),
        ("like<Copepoda", "Copepoda", {"like": True}),
        ("dead<Copepoda", "Copepoda", {"remarks": "dead"}),
        ("Copepoda__6666", "Copepoda", {}),
        ("eudoxie_Abylopsis tetragona", "Abylopsis tetragona", {"part": "eudoxid"}),
        ("Calanus_cf._finmarchicus", "Calanus", {"doubt": "cf. finmarchicus"}),
        ("Calanus_spp", "Calanus", {"doubt": "spp"}),
        ("Calanus hyperboreus", "Calanus", {"doubt": "hyperboreus"}),
        ("Neoceratium", "Tripos", {}),
        ("copepoda", "Copepoda", {}),
        ("copepod_calanoid_eggs", "Calanoida", {"life_stage": "egg"}),
        ("siphonophore_abylidae_abylopsis", "Abylopsis", {}),
        ("Ctenophora<Bacillariophyta", "Ctenophora", {}),
        ("fiber<Bacillariophyta", "Bacillariophyta", {}),
    ],
)
def test_a_label_is_taken_apart(
    taxonomy: Taxonomy, label: str, name: str, beside: dict[str, object]
) -> None:
    found = one(taxonomy, label)
    empty = {"life_stage": "", "part": "", "multiple": False, "like": False, "doubt": ""}
    assert (found.kind, found.name) == ("living", name)
    assert {k: getattr(found, k) for k in empty | beside} == empty | beside
    assert found.reason
    assert found.status == "proposed"
    assert list(found.lineage)[-1] == found.rank


def test_the_parent_in_the_label_decides_between_homonyms(taxonomy: Taxonomy) -> None:
    found = one(taxonomy, "Ctenophora<Bacillariophyta")
    assert (found.taxon_id, found.lineage["kingdom"]) == ("9", "Chromista")
    assert "within Bacillariophyta" in found.reason


def test_a_homonym_without_context_stays_open_with_its_candidates(taxonomy: Taxonomy) -> None:
    found = one(taxonomy, "Ctenophora")
    assert (found.kind, found.name, found.taxon_id) == ("unsure", "", "")
    assert "6 Ctenophora (phylum" in found.candidates
    assert "9 Ctenophora (genus" in found.candidates


ANIMALS = [f"{form}Calanus" for form in ("egg_", "larvae_", "part_", "head_", "tail_", "leg_",
                                         "juvenile_", "adult_", "nauplii_", "dead_")]  # fmt: skip


def test_the_other_labels_of_a_source_decide_between_homonyms(taxonomy: Taxonomy) -> None:
    found = one(taxonomy, "Ctenophora", *ANIMALS)
    assert found.taxon_id == "6"
    assert "10 of 10 other labels of its source" in found.reason
    assert "9 Ctenophora" in found.candidates  # told, though decided
    assert one(taxonomy, "Ctenophora", *ANIMALS[:9]).kind == "unsure"  # too few
    assert one(taxonomy, "Ctenophora", *ANIMALS, "Asterionella", "Tripos").kind == "unsure"


@pytest.mark.parametrize("label", ["Cladocera", "Calanuss", "Cope", "Calan"])
def test_neither_a_beginning_nor_another_spelling_is_a_match(
    taxonomy: Taxonomy, label: str
) -> None:
    assert one(taxonomy, label).kind == "unsure"


def test_a_small_word_is_a_genus_only_where_genera_are_written_small(taxonomy: Taxonomy) -> None:
    open_ = one(taxonomy, "helix", "Calanus", "Beroe", "Asterionella")
    assert (open_.kind, open_.name) == ("unsure", "")
    assert "Helix" in open_.candidates
    assert one(taxonomy, "helix", "calanus", "beroe").name == "Helix"


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("detritus", "detritus"), ("fiber<detritus", "detritus"), ("Marine_snow", "detritus"),
        ("bubble", "artefact"), ("badfocus<artefact", "artefact"), ("fiber_plastic", "inert"),
        ("t001", "placeholder"), ("other<living", "placeholder"), ("othertocheck", "placeholder"),
        ("unknown", "placeholder"), ("mix", "placeholder"), ("zzyzx", "unsure"),
        ("dark_zzyzx", "unsure"), ("top-bottom", "unsure"),
    ],
)  # fmt: skip
def test_what_is_no_taxon_is_told_apart(taxonomy: Taxonomy, label: str, kind: str) -> None:
    found = one(taxonomy, label)
    assert (found.kind, found.name, dict(found.lineage)) == (kind, "", {})


def test_the_prefix_and_the_codes_of_a_source_are_no_name(taxonomy: Taxonomy) -> None:
    labels = [f"LClass_{text}" for text in ("Co.12.Copepoda_2", *ANIMALS)]
    found = one(taxonomy, *labels)
    assert (found.label, found.name) == ("LClass_Co.12.Copepoda_2", "Copepoda")


def test_the_stranger_of_a_source_is_marked(taxonomy: Taxonomy) -> None:
    many = [*ANIMALS, *(label.replace("Calanus", "Copepoda") for label in ANIMALS)]
    assert "only label of its source in Chordata" in one(taxonomy, "Ciliata", *many).remarks
    assert not one(taxonomy, "Calanus", *many).remarks


def test_the_order_of_the_labels_changes_nothing(taxonomy: Taxonomy) -> None:
    raws = [RawLabel("s", label) for label in ["Ctenophora", *ANIMALS, "helix", "t001"]]
    assert propose(taxonomy, raws) == propose(taxonomy, raws[::-1] + raws)


def test_words_that_are_neither_known_nor_codes_leave_a_label_open() -> None:
    assert dead_kind("light<fluffy") is None
    assert dead_kind("") == "placeholder"


def test_what_is_proposed_for_real_labels_agrees_with_the_published_map(shared: Path) -> None:
    """Where both name a taxon, one is the other or above it, but for known faults and synonyms."""
    published = read_label_map(shared / "plankton" / "planktonzilla" / "planktonzilla_taxonomy.csv")
    checklist = read_checklist(shared / "taxonomy" / "ncbi_2024_09" / "ncbi_taxonomy_subset.tsv.gz")
    found = propose(checklist[0], [RawLabel(*key) for key in published.targets])
    assert len(found) == 1485
    both = on_one_line = 0
    for target in found:
        theirs = published.targets[target.source, target.label]
        if target.name and theirs.name:
            both += 1
            on_one_line += target.name in theirs.lineage.values() or (
                theirs.name in target.lineage.values()
            )
    assert both > 900
    assert on_one_line / both > 0.9
    wrong = {("zoocamnet", "Cladocera"): "Cladoceramus"}
    for key, theirs_name in wrong.items():
        assert published.targets[key].name == theirs_name
        assert next(t for t in found if (t.source, t.label) == key).name == "Cladocera"
