"""The verb for maps of labels, end to end: proposed, edited, applied, repaired, shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue
from merian.cli import main

CHECKLIST = """ID,parentID,status,rank,scientificName
1,,accepted,kingdom,Animalia
2,1,accepted,phylum,Arthropoda
3,2,accepted,subclass,Copepoda
4,3,accepted,genus,Calanus
5,1,accepted,phylum,Ctenophora
6,,accepted,genus,Ctenophora
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a taxonomy, and pictures of three classes in a catalogue."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checklist").mkdir()
    (tmp_path / "checklist" / "NameUsage.csv").write_text(CHECKLIST)
    assert main(["taxonomy", "build", "checklist", "-o", "tax", "-q"]) == 0
    for number, name in enumerate(("nauplii_Copepoda", "Ctenophora", "Ctenophora", "bubble")):
        file = tmp_path / "classes" / name / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 40 * number).save(file)
    assert main(["import", "classes", "--into", "sea", "-q"]) == 0
    return tmp_path


def stands() -> list[tuple[object, ...]]:
    with Catalogue.open("sea", read_only=True) as opened:
        return opened.query(
            "SELECT verbatimIdentification, scientificName, kingdom FROM determination ORDER BY ALL"
        ).fetch()


def test_a_map_is_proposed_from_each_kind_of_source(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "labels.csv").write_text("class\nnauplii_Copepoda\nCtenophora\nCtenophora\nbubble\n")
    for source in ("classes", "sea", "labels.csv"):
        capsys.readouterr()
        assert (
            main(["labels", "propose", source, "--taxonomy", "tax", "-o", f"{source}.tsv", "-q"])
            == 0
        )
        told = capsys.readouterr().out.split()
        assert told[:2] == ["3", "labels"]
        rows = [
            line.split("\t")[:5]
            for line in Path(f"{source}.tsv").read_text("utf-8").splitlines()[1:]
        ]
        assert rows == [
            ["", "Ctenophora", "2", "unsure", ""],
            ["", "bubble", "1", "artefact", ""],
            ["", "nauplii_Copepoda", "1", "taxon", "Copepoda"],
        ]


def test_the_road_from_a_catalogue_to_its_names(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["labels", "propose", "sea", "--taxonomy", "tax", "-o", "m.tsv", "-q"]) == 0
    assert main(["labels", "apply", "sea", "m.tsv", "-q"]) == 0
    assert stands()[-1] == ("nauplii_Copepoda", "Copepoda", "Animalia")
    errata = "source,label,scientificName,taxonRank,by,reason\n,Ctenophora,Ctenophora,phylum,{},x\n"
    (place / "bad.csv").write_text(errata.format(""))
    (place / "good.csv").write_text(errata.format("me"))
    again = ["labels", "apply", "sea", "m.tsv", "--taxonomy", "tax"]
    assert main([*again, "--errata", "bad.csv"]) == 0
    heard = capsys.readouterr()
    assert "nothing to write" in heard.out
    assert "an erratum without by" in heard.err
    assert main([*again, "--errata", "good.csv"]) == 0
    assert stands()[:2] == [("Ctenophora", "Ctenophora", "Animalia")] * 2
    assert main(["labels", "show", "m.tsv", "-o", "m.html", "--errata", "good.csv", "-q"]) == 0
    assert "Every label is decided" in Path("m.html").read_text("utf-8")


WRONG = [
    (["propose", "--taxonomy", "tax", "-o", "m.tsv"], "say whose labels"),
    (["propose", "gone", "--taxonomy", "tax", "-o", "m.tsv"], "no such catalogue, folder or"),
    (["propose", "tax", "--taxonomy", "tax", "-o", "m.tsv"], "no pictures in folders named"),
    (["propose", "sea", "--taxonomy", "tax", "-o", "odd.csv"], "is there already"),
    (["propose", "odd.csv", "--taxonomy", "tax", "-o", "m.tsv"], "with --label COLUMN"),
    (["propose", "odd.csv", "--label", "c", "--taxonomy", "tax", "-o", "m"], "no column c"),
    (["propose", "empty.csv", "--taxonomy", "tax", "-o", "m.tsv"], "is empty"),
    (["apply", "sea", "odd.csv"], "has no column"),
    (["apply", "sea", "gone.tsv"], "no such map of labels"),
    (["apply", "tax", "odd.csv"], "has no column"),
    (["show", "empty.csv"], "begins with no row of columns' names; is it empty?"),
]


def test_what_cannot_be_done_is_told_in_a_line(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "odd.csv").write_text("a,b\n1,2\n")
    (place / "empty.csv").write_text("")
    for words, told in WRONG:
        capsys.readouterr()
        assert main(["labels", *words]) == 2, words
        assert told in capsys.readouterr().err, words
