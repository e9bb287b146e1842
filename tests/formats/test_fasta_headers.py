"""Every flavour of FASTA header, on headers of the published files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.errors import InputError
from merian.formats.fasta_headers import (
    FLAVOURS,
    SEVEN,
    find_flavour,
    flavour_of,
    is_placeholder,
)

HEADERS = [
    (
        "sintax",
        "BPALB370-17;tax=k:Animalia,p:Arthropoda,c:Insecta,o:Lepidoptera,f:Lycaenidae,"
        "g:Thersamonia,s:Thersamonia_X,t:BOLD:AAF7702",
        {"occurrenceID": "BPALB370-17", "genus": "Thersamonia", "taxonRank": "genus",
         "verbatimIdentification": "Thersamonia_X", "taxonConceptID": "BOLD:AAF7702"},
    ),
    (
        "sintax",
        "AB1.1.<1.>658;tax=k:Eukaryota_2759,p:Ascomycota_4890,c:Sordariomycetes_147550,"
        "o:Sordariales_5139,f:Podosporaceae_2822337,g:Podospora_5144,s:Podospora anserina_5145;",
        {"phylum": "Ascomycota", "species": "Podospora anserina",
         "taxonConceptID": "NCBI:txid5145"},
    ),
    (
        "sintax",
        "X80725_S000004313;tax=d:Bacteria,p:Proteobacteria,g:Escherichia/Shigella,s:Escherichia_coli",
        {"occurrenceID": "X80725_S000004313", "phylum": "Proteobacteria",
         "species": "Escherichia coli"},
    ),
    (
        "unite",
        "KY106088|k__Fungi;p__Ascomycota;c__Saccharomycetes;o__Saccharomycetales;"
        "f__Saccharomycetaceae;g__Zygotorulaspora;s__Zygotorulaspora_mrakii|SH1312607.09FU",
        {"occurrenceID": "KY106088", "associatedSequences": "KY106088", "targetGene": "ITS",
         "species": "Zygotorulaspora mrakii", "taxonConceptID": "SH1312607.09FU",
         "verbatimIdentification": "Zygotorulaspora_mrakii"},
    ),
    (
        "unite",
        "Fungi_sp|MT153947|SH1227329.10FU|reps|k__Fungi;p__unidentified;c__unidentified;"
        "o__unidentified;f__unidentified;g__unidentified;s__Fungi_sp",
        {"occurrenceID": "MT153947", "kingdom": "Fungi", "scientificName": "Fungi",
         "verbatimIdentification": "Fungi_sp", "sequenceRemarks": "reps"},
    ),
    (
        "midori",
        "KY290222.1.<1.>1539###root_1;Eukaryota_2759;Chordata_7711;Actinopteri_186623;"
        "Perciformes_8111;Serranidae_8214;Epinephelus_94232;Epinephelus coioides_94237",
        {"occurrenceID": "KY290222.1.<1.>1539", "associatedSequences": "KY290222",
         "phylum": "Chordata", "class": "Actinopteri", "species": "Epinephelus coioides",
         "taxonConceptID": "NCBI:txid94237"},
    ),
    (
        "midori",
        "MH535936.1.<1.>890\troot_1;Eukaryota_2759;phylum_class_order_family_genus_Amoebozoa "
        "sp._1892891;class_order_family_genus_Amoebozoa sp._1892891;order_family_genus_Amoebozoa "
        "sp._1892891;family_genus_Amoebozoa sp._1892891;genus_Amoebozoa sp._1892891;"
        "Amoebozoa sp._1892891",
        {"verbatimIdentification": "Amoebozoa sp."},
    ),
    (
        "qiime",
        "MH535936.1.<1.>890\tk__Eukaryota_2759;p__Discosea_555280;c__;o__;f__;g__;s__",
        {"phylum": "Discosea", "taxonRank": "phylum", "taxonConceptID": "NCBI:txid555280"},
    ),
    (
        "qiime",
        "abc123 d__Bacteria;p__Pseudomonadota;c__Gammaproteobacteria;o__Enterobacterales;"
        "f__Enterobacteriaceae;g__Escherichia;s__Escherichia coli",
        {"occurrenceID": "abc123", "species": "Escherichia coli"},
    ),
    (
        "coidb",
        "ABC123-10 Animalia;Arthropoda;Insecta;Diptera;Culicidae;Aedes;Aedes aegypti;BOLD:AAA4210",
        {"occurrenceID": "ABC123-10", "kingdom": "Animalia", "species": "Aedes aegypti",
         "taxonConceptID": "BOLD:AAA4210", "targetGene": "COI-5P"},
    ),
    (
        "bold",
        "ABEE117-17|Coelioxys elongata|COI-5P|KF123456",
        {"occurrenceID": "ABEE117-17", "species": "Coelioxys elongata", "genus": "Coelioxys",
         "targetGene": "COI-5P", "associatedSequences": "KF123456"},
    ),
    (
        "bold",
        "ABEE117-17|Coelioxys sp. 1|COI-5P",
        {"verbatimIdentification": "Coelioxys sp. 1", "targetGene": "COI-5P"},
    ),
    (
        "dada2",
        "Bacteria;Proteobacteria;Gammaproteobacteria;Enterobacterales;Enterobacteriaceae;"
        "Escherichia;",
        {"kingdom": "Bacteria", "genus": "Escherichia", "taxonRank": "genus"},
    ),
    ("species", "X80725_S000004313 Escherichia coli", {"species": "Escherichia coli"}),
    (
        "bare",
        "NC_001807.4 Homo sapiens mitochondrion, complete genome",
        {"occurrenceID": "NC_001807.4", "associatedSequences": "NC_001807.4",
         "sequenceRemarks": "Homo sapiens mitochondrion, complete genome"},
    ),
    ("bare", "3_(stripped)", {"occurrenceID": "3_(stripped)"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "header", "expected"), HEADERS)
def test_a_header_is_found_and_read(name: str, header: str, expected: dict[str, str]) -> None:
    flavour, fits, seen = find_flavour([header])
    assert (flavour.name, fits, seen) == (name, 1, 1)
    terms = flavour.read(header)
    assert terms is not None
    assert {term: terms.get(term) for term in expected} == expected


def test_a_missing_rank_of_midori_names_nothing() -> None:
    terms = flavour_of("midori").read(HEADERS[6][1])
    assert terms is not None
    assert not set(terms) & set(SEVEN)
    assert "scientificName" not in terms


def test_a_domain_is_no_kingdom() -> None:
    terms = flavour_of("sintax").read("A;tax=k:Eukaryota,p:Chordata;")
    assert terms is not None
    assert "kingdom" not in terms


@pytest.mark.parametrize(
    "label",
    ["unidentified", "Microbotryomycetes_ord_Incertae_sedis", "Incertae sedis", "GS01",
     "GS01_phy_Incertae_sedis", "Vishniacozyma_sp", "Fusarium sp.", "Fusarium sp. 3 XY",
     "Thersamonia_X", "Thersamonia_XX", "unresolved.Thersamonia", "uncultured fungus", "NA",
     "None", "not_classified", "genus_Amoebozoa sp.", "family_genus_Aus bus",
     "Aphaenogaster cf. rudis", "Ceratium spp."],
)  # fmt: skip
def test_a_placeholder_names_nothing(label: str) -> None:
    assert is_placeholder(label)


@pytest.mark.parametrize(
    "label",
    ["Aedes aegypti", "Zygotorulaspora_mrakii", "Spio", "Genista tinctoria", "Nannochloropsis",
     "Gsneria", "Spathius exarator", "Unio", "Saccharomyces_eubayanus_x_Saccharomyces_uvarum",
     "Ordensia", "Xx", "Navicula"],
)  # fmt: skip
def test_a_name_is_no_placeholder(label: str) -> None:
    assert not is_placeholder(label)


def test_the_epithet_alone_is_joined_to_its_genus() -> None:
    terms = flavour_of("dada2").read("Animalia;Arthropoda;Insecta;Diptera;Culicidae;Aedes;aegypti;")
    assert terms is not None
    assert terms["species"] == "Aedes aegypti"
    assert terms["verbatimIdentification"] == "aegypti"


def test_few_odd_headers_do_not_change_the_flavour() -> None:
    good = [f"A{n};tax=k:Animalia,g:Aedes,s:Aedes_aegypti;" for n in range(8)]
    flavour, fits, seen = find_flavour([*good, "odd", "odder header"])
    assert (flavour.name, fits, seen) == ("sintax", 8, 10)


def test_half_of_the_headers_are_not_enough() -> None:
    flavour, _, _ = find_flavour(["A;tax=k:Animalia;", "b", "c"])
    assert flavour.name == "bare"


def test_an_unknown_flavour_lists_the_known() -> None:
    with pytest.raises(InputError, match="Did you mean sintax"):
        flavour_of("sinttax")


@given(st.text(max_size=80))
def test_no_header_breaks_a_reader(header: str) -> None:
    for flavour in FLAVOURS:
        terms = flavour.read(header)
        assert terms is None or all(isinstance(value, str) and value for value in terms.values())
