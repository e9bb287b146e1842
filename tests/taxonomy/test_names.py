"""What is read in a label."""

# ruff: noqa: E501  (a label and what it says belong on one line)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian import processes as processes_module
from merian.taxonomy import Label, read_label, read_labels


def said(label: Label) -> dict[str, str]:
    """What a label says, without what it leaves open."""
    return {k: v for k, v in vars(label).items() if v is not None and k != "verbatim"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Calanus finmarchicus", {"name": "Calanus finmarchicus", "rank": "species", "kind": "scientific"}),
        ("CALANUS FINMARCHICUS", {"name": "Calanus finmarchicus", "rank": "species", "kind": "scientific"}),
        ("Zygotorulaspora_mrakii", {"name": "Zygotorulaspora mrakii", "rank": "species", "kind": "scientific"}),
        ("s__Foo_bar", {"name": "Foo bar", "rank": "species", "kind": "scientific"}),
        ("Copepoda", {"name": "Copepoda", "kind": "scientific"}),
        ("Homo sapiens Linnaeus, 1758", {"name": "Homo sapiens", "rank": "species", "authorship": "Linnaeus, 1758", "kind": "scientific"}),
        ("Abies alba subsp. nigra", {"name": "Abies alba nigra", "rank": "subspecies", "kind": "scientific"}),
        ("Culex (Culex) pipiens L.", {"name": "Culex pipiens", "rank": "species", "authorship": "L.", "kind": "scientific"}),
        ("Viola × odorata", {"name": "Viola odorata", "rank": "species", "kind": "scientific"}),
        # Doubt stays doubt: the name is what is left without it.
        ("Calanus cf. finmarchicus", {"name": "Calanus", "rank": "genus", "qualifier": "cf. finmarchicus", "kind": "informal"}),
        ("Calanus aff. finmarchicus", {"name": "Calanus", "rank": "genus", "qualifier": "aff. finmarchicus", "kind": "informal"}),
        ("Aus bus cf. cus", {"name": "Aus bus", "rank": "species", "qualifier": "cf. cus", "kind": "informal"}),
        ("?Aus bus", {"qualifier": "? Aus bus", "kind": "informal"}),
        ("Calanus finmarchicus/glacialis", {"name": "Calanus", "rank": "genus", "qualifier": "finmarchicus/glacialis", "kind": "informal"}),
        ("Calanus sp.", {"name": "Calanus", "qualifier": "sp.", "kind": "informal"}),
        ("Calanus sp. 1", {"name": "Calanus", "qualifier": "sp. 1", "kind": "informal"}),
        ("Insecta indet.", {"name": "Insecta", "kind": "informal"}),
        # Concepts beside a name.
        ("Tanytarsus sp. BOLD:AAB1234", {"name": "Tanytarsus", "qualifier": "sp.", "concept": "BOLD:AAB1234", "kind": "informal"}),
        ("BOLD:AAA1234", {"concept": "BOLD:AAA1234", "kind": "identifier"}),
        ("SH1312607.09FU", {"concept": "SH1312607.09FU", "kind": "identifier"}),
        # Age and part are fields, never part of the name.
        ("Copepoda nauplii", {"name": "Copepoda", "life_stage": "nauplius", "kind": "scientific"}),
        ("nauplii<Copepoda", {"name": "Copepoda", "life_stage": "nauplius", "kind": "scientific"}),
        ("part<Siphonophorae", {"name": "Siphonophorae", "part": "part", "kind": "scientific"}),
        ("Copepoda (juvenile)", {"name": "Copepoda", "life_stage": "juvenile", "kind": "scientific"}),
        ("Trichodesmium multiple", {"name": "Trichodesmium", "qualifier": "multiple", "kind": "scientific"}),
        ("egg", {"life_stage": "egg", "kind": "placeholder"}),
        # What is no name says so.
        ("detritus", {"kind": "placeholder"}),
        ("not_classified", {"kind": "placeholder"}),
        ("Incertae sedis", {"kind": "placeholder"}),
        ("Unidentified", {"kind": "placeholder"}),
        ("unclassified Copepoda", {"name": "Copepoda", "qualifier": "unclassified", "kind": "scientific"}),
        ("Fungi_gen_Incertae_sedis", {"name": "Fungi", "qualifier": "gen Incertae sedis", "kind": "scientific"}),
        ("Culicidae gen. et sp. indet.", {"name": "Culicidae", "qualifier": "gen. et sp. indet.", "kind": "scientific"}),
        ("larval fish", {"life_stage": "larva", "kind": "placeholder"}),
        ("acantharia_protist_halo", {"kind": "placeholder"}),
        # A word is an epithet where it is no age, and an age where it is no epithet.
        ("Culex pipiens female", {"name": "Culex pipiens", "rank": "species", "qualifier": "female", "kind": "scientific"}),
        ("Culex pipiens egg raft", {"name": "Culex pipiens", "rank": "species", "life_stage": "egg", "qualifier": "raft", "kind": "scientific"}),
        ("larva of Culex pipiens", {"name": "Culex pipiens", "rank": "species", "life_stage": "larva", "kind": "scientific"}),
        ("bract_Abylopsis tetragona", {"name": "Abylopsis tetragona", "rank": "species", "part": "bract", "kind": "scientific"}),
        ("species", {"qualifier": "species", "kind": "placeholder"}),
        ("Palaemon ssp.", {"name": "Palaemon", "qualifier": "ssp.", "kind": "scientific"}),
        ("zoea_Decapoda", {"name": "Decapoda", "life_stage": "zoea", "kind": "scientific"}),
        ("trunk_Appendicularia", {"name": "Appendicularia", "part": "body", "kind": "scientific"}),
        ("other_Crustacea", {"name": "Crustacea", "qualifier": "other", "kind": "scientific"}),
        ("Pluteus cervinus", {"name": "Pluteus cervinus", "rank": "species", "kind": "scientific"}),
        ("Pluteus larva", {"life_stage": "pluteus", "qualifier": "larva", "kind": "placeholder"}),
        ("Egg", {"life_stage": "egg", "kind": "placeholder"}),
        ("Chaetoceros_other", {"name": "Chaetoceros", "qualifier": "other", "kind": "scientific"}),
        ("spiky<Acantharia", {"name": "Acantharia", "qualifier": "spiky", "kind": "scientific"}),
        ("dark<fluffy", {"qualifier": "dark fluffy", "kind": "placeholder"}),
        ("Insecta<Hexapoda", {"name": "Insecta", "above": "Hexapoda", "kind": "scientific"}),
        ("Insecta > Diptera", {"name": "Diptera", "above": "Insecta", "kind": "scientific"}),
        ("Substrate > Soft (loose) > Sand / mud (<2mm)", {"name": "Sand", "rank": "genus", "qualifier": "/ mud (<2mm)", "above": "Soft (loose)", "kind": "informal"}),
        ("Biota > Rock / shell > Ecklonia radiata", {"name": "Ecklonia radiata", "rank": "species", "above": "Rock / shell", "kind": "scientific"}),
        ("Bacteriastrum_Mediophyceae", {"name": "Bacteriastrum", "above": "Mediophyceae", "kind": "scientific"}),
        ("Culex (Neoculex)", {"name": "Neoculex", "rank": "subgenus", "above": "Culex", "kind": "scientific"}),
        # Doubt in any spelling; what follows it is no author and no epithet.
        ("Culex c.f. pipiens", {"name": "Culex", "rank": "genus", "qualifier": "cf. pipiens", "kind": "informal"}),
        ("Culex cfr. pipiens", {"name": "Culex", "rank": "genus", "qualifier": "cf. pipiens", "kind": "informal"}),
        ("Culex (cf.) pipiens", {"name": "Culex", "rank": "genus", "qualifier": "cf. pipiens", "kind": "informal"}),
        ("Culex near pipiens", {"name": "Culex", "rank": "genus", "qualifier": "nr. pipiens", "kind": "informal"}),
        ("Culex gr. pipiens", {"name": "Culex", "rank": "genus", "qualifier": "ex gr. pipiens", "kind": "informal"}),
        ("Culex pipiens complex", {"name": "Culex pipiens", "rank": "species aggregate", "kind": "scientific"}),
        ("CULEX SP.", {"name": "Culex", "qualifier": "sp.", "kind": "informal"}),
        ("Culex sp1", {"name": "Culex", "qualifier": "sp. 1", "kind": "informal"}),
        ("Aedes sp. JL-2020", {"name": "Aedes", "qualifier": "sp. JL-2020", "kind": "informal"}),
        # Of two names only what both share is sure.
        ("Culex pipiens/Culex torrentium", {"name": "Culex", "rank": "genus", "qualifier": "pipiens/Culex torrentium", "kind": "informal"}),
        ("Chaetoceros_protuberans_Chaetoceros_didymus", {"name": "Chaetoceros", "rank": "genus", "qualifier": "Chaetoceros protuberans Chaetoceros didymus", "kind": "informal"}),
        ("Apis or Bombus", {"qualifier": "Apis or Bombus", "kind": "informal"}),
        ("Proboscia_spp._Rhizosolenia_spp", {"qualifier": "Proboscia spp. Rhizosolenia spp", "kind": "informal"}),
        # Nothing is thrown away, and nothing is an author that cannot be one.
        ("Calanus finmarchicus C5", {"name": "Calanus finmarchicus", "rank": "species", "qualifier": "C5", "kind": "scientific"}),
        ("Escherichia coli K-12", {"name": "Escherichia coli", "rank": "species", "qualifier": "K-12", "kind": "scientific"}),
        ("Culex pipiens s.l.", {"name": "Culex pipiens", "rank": "species", "qualifier": "s.l.", "kind": "scientific"}),
        ("Apis m. mellifera", {"name": "Apis", "rank": "genus", "qualifier": "m. mellifera", "kind": "informal"}),
        ("Rosa 'Peace'", {"name": "Rosa", "qualifier": "'Peace'", "kind": "scientific"}),
        ("CULEX PIPIENS LINNAEUS, 1758", {"name": "Culex pipiens", "rank": "species", "authorship": "Linnaeus, 1758", "kind": "scientific"}),
        ("Adalia bipunctata de Geer", {"name": "Adalia bipunctata", "rank": "species", "authorship": "de Geer", "kind": "scientific"}),
        ("Culex.pipiens", {"name": "Culex pipiens", "rank": "species", "kind": "scientific"}),
        ("'Culex pipiens'", {"name": "Culex pipiens", "rank": "species", "kind": "scientific"}),
        ("&lt;i&gt;Culex  pipiens&lt;/i&gt;", {"name": "Culex pipiens", "rank": "species", "kind": "scientific"}),
        # The number that EcoTaxa's folders carry is of its software, and no name's.
        ("Copepoda__6666", {"name": "Copepoda", "kind": "scientific"}),
        ("badfocus__4444", {"kind": "placeholder"}),
        ("Culex_sp_BOLD_AAA1234", {"name": "Culex", "qualifier": "sp", "concept": "BOLD:AAA1234", "kind": "informal"}),
        ("Abies alba × Abies nigra", {"kind": "hybrid"}),
        ("Tobacco mosaic virus", {"kind": "virus"}),
        ("", {"kind": "none"}),
        ("   ", {"kind": "none"}),
    ],
)  # fmt: skip
def test_labels(text: str, expected: dict[str, str]) -> None:
    label = read_label(text)
    assert expected == said(label)
    assert text == label.verbatim


@given(st.text(max_size=40))
def test_any_text_is_read(text: str) -> None:
    label = read_label(text)
    assert text == label.verbatim
    assert label.name is None or "\n" not in label.name


def test_two_processes_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "Calanus cf. finmarchicus",
        "Homo sapiens L.",
        "detritus",
        "Aus bus",
        "Culex sp. 3",
    ] * 4
    alone = read_labels(texts)
    monkeypatch.setattr(processes_module, "_WORTH_A_PROCESS", 5)
    monkeypatch.setattr(processes_module.os, "cpu_count", lambda: 2)
    assert alone == read_labels(texts)
    assert alone == [read_label(text) for text in texts]
