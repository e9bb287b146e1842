"""Matching: what is found, what is refused, and why."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest

from merian import processes as processes_module
from merian.errors import InputError, NotFoundError
from merian.taxonomy import (
    CAUSES,
    Match,
    Taxonomy,
    match_name,
    match_names,
    match_table,
    save_taxonomy,
)
from merian.taxonomy.candidates import same_author

from .makers import ANIMALS_AND_DIATOMS, make


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return make(ANIMALS_AND_DIATOMS)[0]


def answer(match: Match) -> tuple[str, str | None, str | None]:
    """Type, id of the usage, cause."""
    return (
        match.match_type,
        match.taxonomy.ids[match.node] if match.node >= 0 else None,
        match.cause,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Calanus finmarchicus", ("EXACT", "s1", None)),
        ("Calanus finmarchicus (Gunnerus, 1770)", ("EXACT", "s1", None)),
        ("CALANUS FINMARCHICUS", ("EXACT", "s1", None)),
        ("calanus finmarchicus", ("EXACT", "s1", None)),
        ("Calanus_finmarchicus", ("EXACT", "s1", None)),
        ("copepoda", ("EXACT", "c1", None)),
        ("Calanus borealis", ("EXACT", "y2", None)),
        ("Calanus finmarchicos", ("VARIANT", "s1", None)),
        ("Calanus finmarchica", ("VARIANT", "s1", None)),
        ("Callanus finmarchicus", ("VARIANT", "s1", None)),
        ("Kalanus finmarchicus", ("VARIANT", "s1", None)),
        # A single word that is nearly a name is not enough; see the context below.
        ("Calanidea", ("NONE", None, "low confidence")),
        ("Calanus Finmarchicus", ("EXACT", "s1", None)),
        ("Callanus finmarchicos", ("VARIANT", "s1", None)),
        ("Calanus finmarchikus", ("VARIANT", "s1", None)),
        ("Calanus vinmarchicus", ("HIGHERRANK", "g1", None)),
        ("unidentified Calanidae", ("EXACT", "f1", None)),
        ("larvae_Copepoda", ("EXACT", "c1", None)),
        ("copepoda_nauplii", ("EXACT", "c1", None)),
        ("spiky<Copepoda", ("EXACT", "c1", None)),
        ("Calanus finmarchicus/glacialis", ("EXACT", "g1", None)),
        ("Calanus finmarchicus Calanus glacialis", ("EXACT", "g1", None)),
        ("Calanus/Neocalanus", ("NONE", None, "not in the checklist")),
        ("Calanus finmarchicus complex", ("HIGHERRANK", "g1", None)),
        ("Calanus 'Peace'", ("EXACT", "g1", None)),
        ("Ctenophora<Chromista", ("EXACT", "g3", None)),
        ("Animalia; Ctenophora", ("EXACT", "p1", None)),
        ("Calanus (Morphia)", ("HIGHERRANK", "g1", None)),
        ("Calanus cf. finmarchicus", ("EXACT", "g1", None)),
        ("Calanus sp.", ("EXACT", "g1", None)),
        ("Calanus sp. 1", ("EXACT", "g1", None)),
        ("Copepoda nauplii", ("EXACT", "c1", None)),
        ("Calanus hyperboreus", ("HIGHERRANK", "g1", None)),
        ("Calanus finmarchicus borealis", ("HIGHERRANK", "s1", None)),
        ("Calanus", ("EXACT", "g1", None)),
        # A prefix is never a match.
        ("Cala", ("NONE", None, "not in the checklist")),
        ("Calanid", ("NONE", None, "not in the checklist")),
        ("Copepo", ("NONE", None, "not in the checklist")),
        ("Ctenophora pulch", ("HIGHERRANK", "g3", None)),
        # Homonyms are never guessed.
        ("Ctenophora", ("NONE", None, "homonym")),
        ("Morphia", ("NONE", None, "homonym")),
        ("Morphia alba", ("NONE", None, "homonym")),
        ("Ctenophora pulchella", ("EXACT", "s4", None)),
        ("detritus", ("NONE", None, "placeholder")),
        ("unidentified", ("NONE", None, "placeholder")),
        ("", ("NONE", None, "no name")),
        ("BOLD:AAA1234", ("NONE", None, "not in the checklist")),
        ("Vulpes vulpes", ("NONE", None, "not in the checklist")),
    ],
)
def test_one_name(
    taxonomy: Taxonomy, name: str, expected: tuple[str, str | None, str | None]
) -> None:
    match = match_name(taxonomy, name)
    assert expected == answer(match)
    assert match.cause is None or match.cause in CAUSES
    assert 0 <= match.confidence <= 100
    assert (match.confidence > 0) == (match.node >= 0)


def test_context_decides_between_homonyms(taxonomy: Taxonomy) -> None:
    def asked(name: str, **context: str) -> tuple[str, str | None, str | None]:
        words = {k: context.pop(k) for k in ("rank", "authorship", "code") if k in context}
        return answer(match_name(taxonomy, name, **words, higher=context))

    assert asked("Ctenophora", kingdom="Animalia") == ("EXACT", "p1", None)
    assert asked("Ctenophora", kingdom="Chromista") == ("EXACT", "g3", None)
    assert asked("Ctenophora", rank="genus") == ("EXACT", "g3", None)
    assert asked("Ctenophora", rank="phylum") == ("EXACT", "p1", None)
    assert asked("Ctenophora", authorship="Eschscholtz 1829") == ("EXACT", "p1", None)
    assert asked("Morphia", code="botanical") == ("EXACT", "g5", None)
    assert asked("Morphia alba", kingdom="Animalia") == ("HIGHERRANK", "g4", None)
    # A context that is not in the checklist decides nothing.
    assert asked("Morphia", kingdom="Fungi") == ("NONE", None, "homonym")


def test_context_excludes_a_name_of_another_kingdom(taxonomy: Taxonomy) -> None:
    """Comb jellies are no diatoms, even where only one of the two is in the checklist."""
    match = match_name(taxonomy, "Ctenophora pulchella", higher={"kingdom": "Animalia"})
    assert answer(match) == ("HIGHERRANK", "k1", None)
    assert [taxonomy.ids[n] for n in match.alternatives] == ["s4"]
    match = match_name(taxonomy, "Calanus", higher={"kingdom": "Chromista", "phylum": "Ochrophyta"})
    assert answer(match) == ("HIGHERRANK", "p3", None)


def test_what_only_the_context_names(taxonomy: Taxonomy) -> None:
    match = match_name(
        taxonomy, "Xus yus", higher={"kingdom": "Animalia", "class": "Copepoda", "family": ""}
    )
    assert answer(match) == ("HIGHERRANK", "c1", None)
    # A context that contradicts itself names nothing.
    match = match_name(taxonomy, "Xus yus", higher={"kingdom": "Chromista", "class": "Copepoda"})
    assert answer(match) == ("NONE", None, "not in the checklist")


def test_wrong_words_are_errors(taxonomy: Taxonomy) -> None:
    with pytest.raises(NotFoundError, match="no rank 'kingdon'"):
        match_name(taxonomy, "Aus", higher={"kingdon": "Animalia"})
    with pytest.raises(NotFoundError, match="no code 'zoo'"):
        match_name(taxonomy, "Aus", code="zoo")
    with pytest.raises(NotFoundError, match="no rank 'specie'"):
        match_name(taxonomy, "Aus", rank="specie")


def test_a_single_word_needs_more_than_its_spelling(taxonomy: Taxonomy) -> None:
    """Genera one letter apart are mostly different animals."""
    alone = match_name(taxonomy, "Calanidea")
    assert alone.alternatives == (taxonomy.find("Calanidae")[0],)
    wide = match_name(taxonomy, "Calannus", higher={"class": "Copepoda"})
    assert answer(wide) == ("HIGHERRANK", "c1", None)
    near = match_name(taxonomy, "Calannus", higher={"family": "Calanidae"})
    assert answer(near) == ("VARIANT", "g1", None)
    by_author = match_name(taxonomy, "Calannus Leach, 1816")
    assert answer(by_author) == ("VARIANT", "g1", None)
    assert match_name(taxonomy, "Calannus Smith, 1999").match_type == "NONE"


def test_ages_and_names_that_look_alike() -> None:
    """The checklist knows a butterfly from a barnacle's age; an age is no daisy."""
    insects, _ = make(
        [
            ("1", None, None, "Morpho", "Fabricius, 1807", "genus", "accepted"),
            ("2", "1", None, "Morpho cypris", "Westwood, 1851", "species", "accepted"),
            ("3", None, None, "Nauplius", "Cass.", "genus", "accepted"),
            ("4", None, None, "Cirripedia", "", "class", "accepted"),
        ]
    )
    assert answer(match_name(insects, "Morpho cypris")) == ("EXACT", "2", None)
    assert answer(match_name(insects, "Cirripedia cypris")) == ("EXACT", "4", None)
    assert answer(match_name(insects, "Nauplius")) == ("EXACT", "3", None)
    age = match_name(insects, "nauplius")
    assert answer(age) == ("NONE", None, "placeholder")
    assert age.alternatives == (insects.find("Nauplius")[0],)
    batch = match_names(insects, ["Morpho cypris", "Cirripedia cypris", "nauplius"], {})
    assert batch.match_type.tolist() == ["EXACT", "EXACT", "NONE"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("L.", "Linnaeus, 1758", True),
        ("L.", "Latreille, 1802", False),
        ("Linn.", "(Linné, 1758)", True),
        ("Kütz.", "Kützing, 1844", True),
        ("Smith", "Smithson, 1900", False),
        ("van Beneden", "van Duzee", False),
        ("O.F. Müller, 1776", "(Mueller, 1776)", True),
        ("de Geer, 1775", "DeGeer", False),
        ("Smith, 1900", "Smith, 1901", False),
        ("", "Smith", False),
    ],
)
def test_authors(one: str, other: str, same: bool) -> None:
    assert same_author(one, other) is same
    assert same_author(other, one) is same


def test_context_in_other_words(taxonomy: Taxonomy) -> None:
    """Small letters, NCBI's name of the animals, and a synonym of a higher taxon."""
    for kingdom in ("animalia", " Animalia ", "ANIMALIA", "Metazoa"):
        match = match_name(taxonomy, "Ctenophora", higher={"kingdom": kingdom})
        assert answer(match) == ("EXACT", "p1", None)
    renamed, _ = make(
        [*ANIMALS_AND_DIATOMS, ("y9", None, "k2", "Stramenopila", "", "kingdom", "synonym")]
    )
    match = match_name(renamed, "Ctenophora", higher={"kingdom": "Stramenopila"})
    assert answer(match) == ("EXACT", "g3", None)


def test_another_author_is_said(taxonomy: Taxonomy) -> None:
    match = match_name(taxonomy, "Calanus finmarchicus Smith, 1999")
    assert answer(match) == ("EXACT", "s1", None)
    assert "the checklist's author is (Gunnerus, 1770)" in match.note
    assert match.confidence < match_name(taxonomy, "Calanus finmarchicus").confidence


def test_shape_is_that_of_gbif(taxonomy: Taxonomy) -> None:
    found = match_name(taxonomy, "Calanus borealis").as_dict()
    assert found["usage"] == {
        "key": "y2",
        "name": "Calanus borealis Lubbock, 1854",
        "canonicalName": "Calanus borealis",
        "authorship": "Lubbock, 1854",
        "rank": "SPECIES",
        "code": None,
        "status": "SYNONYM",
    }
    assert found["acceptedUsage"]["key"] == "s1"
    assert found["synonym"] is True
    assert [c["rank"] for c in found["classification"]] == [
        "KINGDOM", "PHYLUM", "CLASS", "FAMILY", "GENUS", "SPECIES",
    ]  # fmt: skip
    assert found["diagnostics"]["matchType"] == "EXACT"
    assert found["taxonomy"] == taxonomy.lock.as_dict()
    none = match_name(taxonomy, "Ctenophora").as_dict()
    assert "usage" not in none
    assert none["diagnostics"]["issues"] == ["homonym"]
    assert [a["key"] for a in none["diagnostics"]["alternatives"]] == ["p1", "g3"]


def dirty_names(taxonomy: Taxonomy, count: int) -> list[tuple[str, str | None, str | None]]:
    """Names in many states, with a kingdom and a rank or without."""
    rng = random.Random(3)
    names = [taxonomy.name_of(n) for n in range(len(taxonomy))] + ["Vulpes vulpes", "egg", ""]
    rows = []
    for _ in range(count):
        name = rng.choice(names)
        at = rng.randrange(1, max(len(name), 2))
        made = rng.choice(
            [name, name, name.upper(), name[:at] + name[at + 1 :], name[:at], f"{name} sp.",
             f"{name} Smith, 1900", name.replace(" ", " cf. "), f" {name}", f"{name} alba"]
        )  # fmt: skip
        kingdom = rng.choice([None, None, "Animalia", "Chromista", "Fungi"])
        rows.append((made, kingdom, rng.choice([None, None, "genus", "species", "nonsense"])))
    return rows


def one_by_one(
    taxonomy: Taxonomy, rows: list[tuple[str, str | None, str | None]]
) -> list[tuple[str, int, int, str | None]]:
    found = []
    for name, kingdom, rank in rows:
        known = rank if rank != "nonsense" else None
        match = match_name(taxonomy, name, rank=known, higher={"kingdom": kingdom or ""})
        found.append((match.match_type, match.node, match.confidence, match.cause))
    return found


@pytest.mark.parametrize("folder", [False, True])
def test_a_batch_answers_as_one_by_one(
    taxonomy: Taxonomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    """Also in two processes, which need the taxonomy in a folder."""
    if folder:
        save_taxonomy(taxonomy, tmp_path / "t")
        taxonomy = Taxonomy.open(tmp_path / "t")
        monkeypatch.setattr(processes_module, "_WORTH_A_PROCESS", 50)
        monkeypatch.setattr(processes_module.os, "cpu_count", lambda: 2)
    rows = dirty_names(taxonomy, 400)
    names, kingdoms, ranks = (list(column) for column in zip(*rows, strict=True))
    answers = match_names(taxonomy, names, {"kingdom": kingdoms, "rank": ranks})
    found = list(
        zip(
            answers.match_type.tolist(),
            answers.node.tolist(),
            answers.confidence.tolist(),
            answers.cause.tolist(),
            strict=True,
        )
    )
    assert one_by_one(taxonomy, rows) == found


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".parquet"])
def test_a_table(taxonomy: Taxonomy, tmp_path: Path, suffix: str) -> None:
    rows = dirty_names(taxonomy, 300) * 3
    text = "record\tscientificName\tKingdom\ttaxonRank\n" + "".join(
        f"{i}\t{name}\t{kingdom or ''}\t{rank or ''}\n"
        for i, (name, kingdom, rank) in enumerate(rows)
    )
    source = tmp_path / "names.tsv"
    source.write_text(text)
    out = tmp_path / f"out{suffix}"
    summary = match_table(taxonomy, source, out)
    assert summary.rows == len(rows)
    read = duckdb.execute(
        'SELECT record, "matchType", confidence, cause, "usageKey" FROM '
        + (f"'{out}'" if suffix == ".parquet" else f"read_csv('{out}', all_varchar=true)")
    ).fetchall()
    expected = [
        (str(i), kind, str(confidence), cause, taxonomy.ids[node] if node >= 0 else None)
        for i, (kind, node, confidence, cause) in enumerate(
            one_by_one(taxonomy, [(name.strip(), k, r) for name, k, r in rows])
        )
    ]
    assert expected == [tuple(None if v is None else str(v) for v in row) for row in read]
    assert sum(summary.match_types.values()) == len(rows)
    assert sum(summary.causes.values()) == summary.match_types["NONE"]
    assert '"taxonomy"' in Path(f"{out}.merian.json").read_text()
    first = out.read_bytes()
    match_table(taxonomy, source, out)
    assert first == out.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {
        "names.tsv",
        out.name,
        f"{out.name}.merian.json",
    }


def test_a_table_that_cannot_be_used(taxonomy: Taxonomy, tmp_path: Path) -> None:
    source = tmp_path / "names.csv"
    source.write_text("name,family\nCalanus,Calanidae\n")
    with pytest.raises(NotFoundError, match="no column 'scientificName'; there are name, family"):
        match_table(taxonomy, source, tmp_path / "out.tsv")
    with pytest.raises(InputError, match=r"use \.tsv, \.csv or \.parquet"):
        match_table(taxonomy, source, tmp_path / "out.xlsx", column="name")
    with pytest.raises(NotFoundError, match=r"'famly' is no rank\. Did you mean"):
        match_table(
            taxonomy, source, tmp_path / "out.tsv", column="name", hints={"famly": "family"}
        )
    source.write_text("name,family\n")
    with pytest.raises(InputError, match="no rows"):
        match_table(taxonomy, source, tmp_path / "out.tsv", column="name")
    assert [p.name for p in tmp_path.iterdir()] == ["names.csv"]


def test_latin_1_and_quotes(taxonomy: Taxonomy, tmp_path: Path) -> None:
    source = tmp_path / "old.csv"
    source.write_bytes('name,author\nNeocalanus cristatus,"Krøyer, 1848"\n'.encode("latin-1"))
    match_table(taxonomy, source, tmp_path / "out.tsv", column="name")
    text = (tmp_path / "out.tsv").read_text()
    assert "Krøyer, 1848" in text
    assert "\tEXACT\t" in text
