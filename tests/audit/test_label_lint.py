"""A label map is held against checklists, against its labels' own words, and against itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from merian.audit.label_case import CHECKS, DOUBT, ERROR, NOTE
from merian.audit.label_counts import read_counts
from merian.audit.label_diff import RELATIONS, compare_maps
from merian.audit.label_lint import LabelLint, lint_labels
from merian.audit.label_witness import Witness, kingdom_of, read_homonyms, transferred
from merian.cli import main
from merian.errors import FormatError, InputError, NotFoundError
from merian.taxonomy import Taxonomy, read_checklist
from merian.taxonomy.label_map import RANKS, read_label_map
from merian.taxonomy.label_words import key_of

HEADER = (
    "Dataset", "Raw_Labels", "Kingdom", "Phylum", "Class", "Order", "Family", "Genus", "Species",
    "proposed_label", "plankton", "living", "root_class", "qualifier", "aphia_ID", "NCBI_ID",
)  # fmt: skip

COMB = "animalia ctenophora tentaculata"
DIATOM = "chromista heterokontophyta bacillariophyceae fragilariales fragilariaceae ctenophora"
FLEA = "animalia arthropoda branchiopoda"
SHELL = "animalia mollusca bivalvia pteriida inoceramidae cladoceramus"
COPEPOD = "animalia arthropoda copepoda calanoida"
TRIPOS = "chromista myzozoa dinophyceae gonyaulacales ceratiaceae tripos"
NEO = TRIPOS.replace("tripos", "neoceratium")

CHECKLIST = """ID,parentID,status,rank,scientificName
1,,accepted,kingdom,Animalia
2,1,accepted,phylum,Arthropoda
3,2,accepted,class,Branchiopoda
4,3,accepted,order,Cladocera
5,2,accepted,class,Copepoda
6,5,accepted,order,Calanoida
7,6,accepted,family,Calanidae
8,7,accepted,genus,Calanus
9,8,accepted,species,Calanus finmarchicus
10,1,accepted,phylum,Ctenophora
11,10,accepted,class,Tentaculata
12,,accepted,kingdom,Chromista
13,12,accepted,phylum,Heterokontophyta
14,13,accepted,class,Bacillariophyceae
15,14,accepted,genus,Ctenophora
16,14,accepted,genus,Karenia
17,1,accepted,phylum,Mollusca
18,17,accepted,class,Gastropoda
19,18,accepted,genus,Helix
20,8,synonym,genus,Cetochilus
21,2,accepted,class,Diplopoda
22,21,accepted,genus,Siphonophora
"""


NAMES = ("Cladocera", "Branchiopoda", "Arthropoda", "Animalia", "Copepoda")


def row(source: str, label: str, lineage: str = "", kind: str = "living", **more: str) -> list[str]:
    names = lineage.split()
    called = " ".join(names[5:]) or (names[-1] if names else label)
    cells = dict.fromkeys(HEADER, "") | {
        "Dataset": source, "Raw_Labels": label, "proposed_label": called, "root_class": kind,
        "plankton": "True", "living": str(kind == "living"),
    }  # fmt: skip
    cells |= dict(zip(("Kingdom", *(r.capitalize() for r in RANKS[1:])), names, strict=False))
    return list((cells | more).values())


def write(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *rows])
    return path


@pytest.fixture(scope="session")
def checklist(tmp_path_factory: pytest.TempPathFactory) -> Taxonomy:
    path = tmp_path_factory.mktemp("checklist") / "NameUsage.csv"
    path.write_text(CHECKLIST, encoding="utf-8")
    return read_checklist(path, title="Small")[0]


def found(done: LabelLint, check: str) -> list[tuple[str, int]]:
    return [(f.case.says, f.case.severity) for f in done.found if f.case.check == check]


def severity(done: LabelLint, check: str) -> list[int]:
    return [number for _, number in found(done, check)]


@pytest.fixture(name="lint")
def lint_fixture(tmp_path: Path, checklist: Taxonomy):  # type: ignore[no-untyped-def]
    def run(*rows: list[str], known: bool = True, **more: Path) -> LabelLint:
        path = write(tmp_path / "map.csv", *rows)
        return lint_labels(path, taxonomies=[checklist] if known else [], **more)

    return run


def test_a_map_that_is_right_has_no_finding(lint) -> None:
    done = lint(
        row("a", "Calanoida", COPEPOD),
        row("a", "Calanus finmarchicus", f"{COPEPOD} calanidae calanus finmarchicus"),
        row("a", "Calanus", COPEPOD),
        row("a", "nauplii<Calanoida", COPEPOD, qualifier="larvae"),
        row("b", "Cetochilus", f"{COPEPOD} calanidae calanus"),
        row("b", "Cladocera", FLEA),
        row("b", "Ctenophora<Animalia", "animalia ctenophora"),
        row("b", "detritus", kind="detritus"),
    )
    assert [f.case for f in done.found if f.case.severity > NOTE] == []


def test_a_longer_name_is_no_match(lint) -> None:
    assert found(lint(row("a", "Cladocera", SHELL)), "longer-name") == [("Cladocera", ERROR)]
    done = lint(row("a", "LClass_shell", f"{SHELL.rsplit(' ', 2)[0]} shellidae shelleyomorpha"))
    assert found(done, "longer-name") == [("shell", ERROR)]
    # The family of a genus begins like it, and is above.
    assert not lint(row("a", "Calanus", f"{COPEPOD} calanidae")).found


def test_a_homonym_asks_for_context(lint) -> None:
    done = lint(row("a", "Ctenophora", DIATOM), row("b", "part<Ctenophora", DIATOM))
    assert found(done, "homonym") == [("Ctenophora", ERROR)]
    (case,) = [f.case for f in done.found if f.case.check == "homonym"]
    assert set(case.keys) == {("a", "Ctenophora"), ("b", "part<Ctenophora")}
    assert "names a phylum" in case.evidence
    assert "Animalia > Ctenophora" in case.better


def test_a_parent_in_the_label_decides_between_homonyms(lint) -> None:
    assert not found(lint(row("a", "Ctenophora<Bacillariophyceae", DIATOM)), "homonym")
    done = lint(row("a", "Ctenophora<Animalia", DIATOM))
    assert severity(done, "homonym") == [ERROR]


def test_the_age_of_an_animal_speaks_against_a_diatom(lint) -> None:
    done = lint(row("a", "larvae_Ctenophora", DIATOM))
    (case,) = [f.case for f in done.found if f.case.check == "homonym"]
    assert "larva" in case.evidence


def test_gbifs_list_counts_where_the_source_speaks_against_the_map(lint, tmp_path: Path) -> None:
    homonyms = tmp_path / "homonyms.txt"
    homonyms.write_text("count\tkingdom\tcanonical_name\n2\t1\tGENUS\tEphemera\n")
    assert read_homonyms(homonyms)["ephemera"][0].kingdom == "Animalia"
    names = "abcdefghijklmnopqrstuvwx"
    diatoms = [
        row("sea", f"Genus{n}", f"chromista heterokontophyta bacillariophyceae x y genus{n}")
        for n in names
    ]
    mayfly = row(
        "sea", "Ephemera", "animalia arthropoda hexapoda ephemeroptera ephemeridae ephemera"
    )
    done = lint(*diatoms, mayfly, homonym_list=homonyms)
    assert ("Ephemera", DOUBT) in found(done, "prior")


@pytest.mark.parametrize(
    ("label", "lineage", "expected"),
    [
        ("Calanidae", f"{COPEPOD} calanidae calanus finmarchicus", [ERROR]),
        ("small_Calanidae_thing", f"{COPEPOD} calanidae calanus", [DOUBT]),
        ("copepod_calanidae_finmarch", f"{COPEPOD} calanidae calanus finmarchicus", []),
        ("CALANUS  FINMARCHICUS", f"{COPEPOD} calanidae calanus finmarchicus", []),
        ("Neoceratium lineatum", f"{TRIPOS} lineatus", []),
    ],
)
def test_a_target_is_never_below_its_label(lint, label, lineage, expected) -> None:
    assert severity(lint(row("a", label, lineage)), "descendant") == expected


def test_a_doubt_is_not_lost(lint) -> None:
    done = lint(row("a", "Calanus_cf._finmarchicus", f"{COPEPOD} calanidae calanus finmarchicus"))
    assert found(done, "policy") == [("cf.", NOTE)]


def test_another_branch_needs_a_checklist_that_has_both(lint) -> None:
    rows = [row("a", "Calanus", "animalia mollusca gastropoda"), row("a", "Xus", COPEPOD)]
    assert found(lint(*rows), "branch") == [("Calanus", ERROR)]
    assert not found(lint(*rows, known=False), "branch")


def test_one_label_goes_to_one_target(lint) -> None:
    done = lint(
        row("a", "part<Copepoda", FLEA), row("b", "part_Copepoda", COPEPOD),
        row("a", "Calanoida", COPEPOD), row("b", "calanoida", COPEPOD.rsplit(" ", 1)[0]),
        row("a", "other", kind="artefact"), row("b", "other", kind="detritus"),
    )  # fmt: skip
    assert sorted(severity(done, "contradiction")) == [NOTE, DOUBT, ERROR]
    assert key_of("part<Copepoda") == key_of("Part_ copepoda")


def test_one_taxon_has_one_name(lint) -> None:
    done = lint(
        row("a", "Neoceratium", NEO), row("b", "Neoceratium teres", f"{TRIPOS} teres"),
        row("c", "Tripos", TRIPOS), known=False,
    )  # fmt: skip
    assert found(done, "synonym") == [("Neoceratium", ERROR)]


def test_a_group_whose_members_a_checklist_has_in_another_is_the_same(lint) -> None:
    names = ("Calanidae", "Calanus", "Calanoida", "Copepoda")
    rows = [
        row("a", name, f"animalia crustacea {name.lower()}") for name in names
    ] + [row("b", "Branchiopoda", FLEA)]  # fmt: skip
    known = [f.case for f in lint(*rows).found if f.case.check == "synonym"]
    assert [(case.says, case.better, case.severity) for case in known] == [
        ("Arthropoda", "Crustacea", DOUBT)
    ]


def test_a_name_has_one_parent_and_one_rank(lint) -> None:
    done = lint(
        row("a", "Calanidae", f"{COPEPOD} calanidae"),
        row("b", "Calanidae", f"{FLEA} x calanidae"),
        row("b", "Cryptus", "chromista cryptophyta cryptophyta"),
    )  # fmt: skip
    assert ("Calanidae", ERROR) in found(done, "parents")
    assert ("Cryptophyta", DOUBT) in found(done, "parents")


def test_a_plain_word_is_no_genus(lint) -> None:
    snail = "animalia mollusca gastropoda stylommatophora helicidae helix"
    names = [row("a", name, FLEA) for name in NAMES]
    assert found(lint(*names, row("a", "helix", snail)), "no-taxon") == [("helix", ERROR)]
    # Where all names are written small, a small word says nothing.
    small = [row("a", name.lower(), FLEA) for name in NAMES]
    assert not found(lint(*small, row("a", "helix", snail)), "no-taxon")
    assert severity(lint(row("a", "other_living", COPEPOD)), "no-taxon") == [DOUBT]
    assert not found(lint(row("a", "dead<house", COPEPOD)), "no-taxon")


def test_an_id_returns_its_name(lint, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    names = ["Calanidae", "Calanus", "Calanoida", "Copepoda", "Branchiopoda", "Helix"]
    ids.write_text("name,aphia_id\n" + "".join(f"{n},{i}\n" for i, n in enumerate(names, 1)))
    rows = [
        row("a", "Calanidae", f"{COPEPOD} calanidae", aphia_ID="1.0"),
        row("a", "Calanus", f"{COPEPOD} calanidae calanus", aphia_ID="1"),  # that of the family
        row("a", "Calanoida", COPEPOD, aphia_ID="3"),
        row("a", "Copepoda", COPEPOD.rsplit(" ", 1)[0], aphia_ID="4"),
        row("a", "Branchiopoda", FLEA, aphia_ID="5"),
        row("a", "Cladocera", FLEA, aphia_ID="6"),
    ]
    done = lint(*rows, ids=[ids])
    (case,) = [f.case for f in done.found if f.case.check == "id"]
    assert case.severity == ERROR
    assert case.better == "Helix"
    with pytest.raises(FormatError, match="expected a name"):
        ids.write_text("a,b\n1,2\n")
        lint(*rows, ids=[ids])


def test_ids_are_held_against_each_other_without_a_checklist(lint) -> None:
    done = lint(
        row("a", "Calanus", f"{COPEPOD} calanidae calanus", NCBI_ID="7"),
        row("a", "Helix", "animalia mollusca gastropoda x y helix", NCBI_ID="7"), known=False,
    )  # fmt: skip
    assert severity(done, "id") == [DOUBT]


def test_flags_of_habitat_and_of_fossils(lint, tmp_path: Path) -> None:
    flags, where = tmp_path / "flags.csv", tmp_path / "where.csv"
    flags.write_text(
        "scientificName,isMarine,isTerrestrial,isExtinct\n"
        "Cladoceramus,1,0,1\nHelix,0,1,0\nCalanus,1,0,0\nCalanidae,1,,0\n"
    )
    where.write_text("source,habitat\na,marine\n")
    rows = [
        row("a", "Inoceramus", SHELL), row("a", "Calanus", f"{COPEPOD} calanidae calanus"),
        row("a", "Helices", "animalia mollusca gastropoda x y helix"),
    ]  # fmt: skip
    done = lint(*rows, flags=flags, where=where)
    assert found(done, "habitat") == [("Cladoceramus", ERROR), ("Helix", ERROR)]
    # Without the table of habitats five taxa with flags are needed to say what is usual.
    assert found(lint(*rows, flags=flags), "habitat") == [("Cladoceramus", ERROR)]
    where.write_text("source,habitat\na,moon\n")
    with pytest.raises(FormatError, match="moon"):
        lint(*rows, flags=flags, where=where)


def test_counts_are_an_upper_bound_where_labels_share_one(tmp_path: Path) -> None:
    path = write(
        tmp_path / "map.csv", row("a", "x", FLEA), row("a", "y", FLEA), row("b", "z", FLEA)
    )
    counts = tmp_path / "samples.json"
    counts.write_text(json.dumps({"counts": [
        {"dataset": "a", "proposed_label": "branchiopoda", "root_class": "living", "n": 7},
        {"dataset": "b", "proposed_label": "branchiopoda", "root_class": "living", "n": 2},
        {"dataset": "c", "proposed_label": "none", "root_class": "living", "n": 1},
    ]}))  # fmt: skip
    table = read_counts(read_label_map(path), counts)
    assert (table.of([("a", "x")]).number, table.of([("a", "x")]).at_most) == (7, True)
    assert str(table.of([("a", "x"), ("a", "y"), ("b", "z")])) == "9"
    assert (table.total, table.unused) == (9, 1)
    by_label = tmp_path / "by_label.tsv"
    by_label.write_text("source\tlabel\tn\na\tx\t3\na\ty\t4\n")
    exact = read_counts(read_label_map(path), by_label)
    assert str(exact.of([("a", "x")])) == "3"
    counts.write_text("{}")
    with pytest.raises(FormatError, match="no list of objects"):
        read_counts(read_label_map(path), counts)


def test_the_worst_stand_first(lint, tmp_path: Path) -> None:
    counts = tmp_path / "counts.csv"
    counts.write_text("source,label,n\na,Cladocera,5\na,Calanidae,9\na,other_living,99\n")
    done = lint(
        row("a", "Cladocera", SHELL), row("a", "Calanidae", f"{COPEPOD} calanidae calanus"),
        row("a", "other_living", COPEPOD), counts=counts,
    )  # fmt: skip
    assert [f.images.number for f in done.found] == [9, 5, 99]
    order = [-f.case.severity for f in done.found]
    assert order == sorted(order)
    assert {f.case.check for f in done.found} <= set(CHECKS)


def test_small_parts() -> None:
    assert kingdom_of(["root", "Eukaryota", "Metazoa"]) == kingdom_of(["Animalia"]) == "Animalia"
    assert kingdom_of(["Nowhere"]) == ""
    assert transferred("neoceratium breve", "tripos brevis")
    assert transferred("cymbulia peroni", "cymbulia peronii")
    assert not transferred("calanus minor", "calanus minuta")
    assert not transferred("calanus finmarchicus", "calanus helgolandicus")
    assert not transferred("calanus", "tripos")


def test_two_maps_are_compared(tmp_path: Path, checklist: Taxonomy) -> None:
    a = write(
        tmp_path / "a.csv", row("s", "Ctenophora", DIATOM), row("s", "Cladocera", SHELL),
        row("s", "Calanidae", f"{COPEPOD} calanidae"), row("s", "part", COPEPOD),
        row("s", "Cetochilus", f"{COPEPOD} calanidae cetochilus"), row("s", "mine", FLEA),
        row("s", "bubble", kind="artefact"),
    )  # fmt: skip
    b = write(
        tmp_path / "b.csv", row("s", "Ctenophora", "animalia ctenophora"),
        row("t", "Cladocera", FLEA),
        row("s", "Calanidae", COPEPOD), row("s", "part", COPEPOD, kind="detritus"),
        row("s", "Cetochilus", f"{COPEPOD} calanidae calanus"), row("s", "theirs", FLEA),
        row("s", "bubble", kind="artefact"), row("t", "else", FLEA),
    )  # fmt: skip
    done = compare_maps(a, b, taxonomies=[checklist])
    by = {pair.label: pair.relation for pair in done.pairs}
    # In the source of one name its labels count, so that "Cladocera" of t is another.
    assert by == {
        "Ctenophora": "same name, different branch", "Calanidae": "first finer", "part": "policy",
        "Cetochilus": "synonym", "mine": "only in first", "theirs": "only in second",
        "bubble": "same", "else": "only in second",
    } | {"Cladocera": by["Cladocera"]}  # fmt: skip
    assert done.contradictions >= 1
    assert set(by.values()) <= set(RELATIONS)
    with pytest.raises(InputError, match="no source q"):
        compare_maps(a, b, same={"q": "s"})
    other = write(tmp_path / "c.csv", row("s", "Cladocera", FLEA), row("s", "mine", COPEPOD))
    by = {pair.label: pair.relation for pair in compare_maps(a, other).pairs}
    assert (by["Cladocera"], by["mine"]) == ("different branch", "side by side")
    # A map does not differ from itself, and the other way round nothing else is found.
    assert {p.relation for p in compare_maps(a, a).pairs} == {"same"}
    swap = {"first finer": "second finer", "only in first": "only in second"}
    back = {pair.label: pair.relation for pair in compare_maps(b, a, taxonomies=[checklist]).pairs}
    assert back["Calanidae"] == swap["first finer"]
    assert back["theirs"] == "only in first"


def test_the_command_line(tmp_path: Path, checklist: Taxonomy, capsys) -> None:
    checklist.save(tmp_path / "small")
    path = write(tmp_path / "map.csv", row("a", "Cladocera", SHELL), row("a", "<b>&", FLEA))
    words = ["labels", "lint", str(path), "--taxonomy", str(tmp_path / "small")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "longer-name" in told
    assert main([*words, "--strict"]) == 1
    table = (tmp_path / "out" / "findings.tsv").read_text()
    page = (tmp_path / "out" / "labels.html").read_text()
    assert "Cladoceramus only begins like it" in table
    assert "<b>&" not in page
    assert "http" not in page.split("</style>")[1]
    first = (tmp_path / "out" / "labels.json").read_bytes(), table
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    again = (tmp_path / "out" / "labels.json").read_bytes(), table
    assert first == again
    assert main(["labels", "diff", str(path), str(path), "-o", str(tmp_path / "d.tsv")]) == 0
    assert (tmp_path / "d.tsv").read_text().startswith("relation\timages")
    capsys.readouterr()
    for bad in (["labels", "lint", str(tmp_path / "none.csv")], [*words, "--out", str(path)]):
        assert main(bad) == 2
        error = capsys.readouterr().err
        assert error.startswith("merian: error: ")
        assert error.count("\n") == 1
    assert main(["labels", "lint", str(tmp_path)]) == 2


def test_a_missing_map_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        lint_labels(tmp_path / "none.csv")


def test_the_real_map_shows_what_is_known_of_it(shared: Path) -> None:
    folder = shared / "plankton" / "planktonzilla"
    done = lint_labels(
        folder / "planktonzilla_taxonomy.csv",
        taxonomies=[read_checklist(shared / "taxonomy" / "ecotaxa" / "ecotaxa_taxonomy.tsv")[0]],
        homonym_list=shared / "taxonomy/gbif_checklistbank/checklistbank-nub/homonyms.txt",
    )
    assert done.counts.total == 17_404_047
    worst = {(f.case.check, f.case.says) for f in done.found if f.case.severity == ERROR}
    assert ("longer-name", "Cladocera") in {(f.case.check, f.case.says) for f in done.found}
    assert {("homonym", "Ctenophora"), ("longer-name", "shell"),
            ("descendant", "Metridinidae"), ("contradiction", "other_living"),
            ("synonym", "Neoceratium")} <= worst  # fmt: skip
    (comb,) = [f for f in done.found if (f.case.check, f.case.says) == ("homonym", "Ctenophora")]
    plain = [key for key in done.labels.targets if key[1] == "Ctenophora"]
    assert plain
    assert set(plain) <= set(comb.case.keys)
    assert done.faults < 0.1 * len(done.labels.targets)


def test_every_label_of_a_witness_is_read_once(tmp_path: Path, checklist: Taxonomy) -> None:
    labels = read_label_map(write(tmp_path / "map.csv", row("a", "Calanus_sp", COPEPOD)))
    words = Witness(labels, [checklist]).words("Calanus_sp")
    assert words.names == ("Calanus",)
    assert words.bare


OWN = """source\tlabel\tcount\tkind\tscientificName\ttaxonRank\tstatus\tby\treason\tchecklist
a\ttuft\t7\ttaxon\tAcartia\tgenus\taccepted\t\t\tBees | 1 | 00ff00ff
b\tcopepod\t1\ttaxon\tCalanus\tgenus\taccepted\t\t\tBees | 1 | 00ff00ff
b\ttuft\t5\t{kind}\t{name}\t\t{status}\t{by}\t{reason}\tBees | 1 | 00ff00ff
"""


@pytest.mark.parametrize(
    ("second", "found"),
    [
        ({"kind": "detritus"}, 1),
        ({"kind": "detritus", "by": "M. S.", "reason": "strands in b"}, 0),
        ({"kind": "detritus", "reason": "proposed by the name"}, 1),
        ({"kind": "unsure"}, 0),
        ({"kind": "detritus", "status": "rejected"}, 0),
    ],
)
def test_a_map_of_our_own_may_say_why(tmp_path: Path, second: dict[str, str], found: int) -> None:
    given = {"kind": "taxon", "name": "", "status": "accepted", "by": "", "reason": ""} | second
    path = tmp_path / "map.tsv"
    path.write_text(OWN.format(**given))
    done = lint_labels(path)
    assert [f.images.number for f in done.found if f.case.check == "contradiction"] == [12] * found
    assert done.counts.total == 13
