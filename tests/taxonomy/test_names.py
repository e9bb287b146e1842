"""What is read in a label."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.taxonomy import Label, read_label, read_labels
from merian.taxonomy import parallel as parallel_module


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
        ("unclassified Copepoda", {"kind": "placeholder"}),
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
    monkeypatch.setattr(parallel_module, "_WORTH_A_PROCESS", 5)
    monkeypatch.setattr(parallel_module.os, "cpu_count", lambda: 2)
    assert alone == read_labels(texts)
    assert alone == [read_label(text) for text in texts]
