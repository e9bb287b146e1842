"""The demonstration: all of it, or nothing."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merian import demo
from merian.catalogue import Catalogue
from merian.cli import main
from merian.demo import make_demo
from merian.errors import InputError, MissingExtraError
from merian.world import Settings, make_world

# The whole one takes half a minute; a page of the documentation runs it.
SMALL = Settings(species=60, specimens=150, seed=1679, size=64, trays=1, quadrats=1)
TINY = Settings(species=20, specimens=40, seed=1, size=64, trays=0, quadrats=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "merian-demo"
    make_demo(folder, world=SMALL)
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world to be copied by what is not about how it is drawn."""
    folder = tmp_path_factory.mktemp("drawn") / "world"
    make_world(folder, TINY)
    return folder


@pytest.fixture
def small(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(folder: Path, world: Settings, progress: object) -> None:
        assert world == TINY
        shutil.copytree(drawn, folder)

    def absent(*_: object) -> None:
        raise MissingExtraError("looking at pictures", "models")

    monkeypatch.setattr(demo, "WORLD", TINY)
    monkeypatch.setattr(demo, "make_world", copied)
    monkeypatch.setattr(demo, "see_records", absent)  # as where the extra is not installed


def rows(path: Path, delimiter: str = "\t") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.split("<body>")[1]).split())


def test_it_leaves_a_whole_folder(made):
    names = {path.name for path in made.iterdir() if not path.name.endswith(".merian.json")}
    assert names == {
        "answers.tsv", "asked.tsv", "catalogue", "catalogue.html", "clusters", "library", "looks",
        "matches.tsv", "measured.tsv", "measures", "names.tsv", "queries.tsv",
        "records.disagreements.tsv", "records.evidence.tsv", "records.tsv", "references.tsv",
        "report.html", "taxonomy", "tray", "world",
    }  # fmt: skip
    assert [p.name for p in made.parent.iterdir()] == ["merian-demo"]


def truth_of(made: Path) -> dict[str, dict[str, str]]:
    return {r["processid"]: r for r in rows(made / "world" / "truth" / "specimens.csv", ",")}


def test_barcodes_are_identified_by_a_library_of_the_training_records(made):
    """The answers, held against the truth by another road than the page's."""
    truth = truth_of(made)
    seen = {r["processid"]: r for r in rows(made / "world" / "specimens.csv", ",")}
    references = rows(made / "references.tsv")
    assert {seen[r["occurrenceID"]]["split"] for r in references} == {"train", "val"}
    assert all(r["species"] for r in references)
    answers = rows(made / "answers.tsv")
    asked = {r["processid"] for r in seen.values() if r["split"].startswith("test")}
    assert {a["id"] for a in answers} == {key for key in asked if seen[key]["dna_barcode"]}
    wrong = [a for a in answers if a["rank"] and truth[a["id"]][a["rank"]] != a["name"]]
    assert len(answers) > 20
    assert len(wrong) <= 0.1 * len(answers)
    for answer in answers:
        assert {seen[key]["split"] for key in answer["nearest"].split(";")} <= {"train", "val", ""}


def test_answers_are_identifications_of_the_catalogue(made):
    named = {a["id"]: a for a in rows(made / "answers.tsv") if a["name"]}
    with Catalogue.open(made / "catalogue", read_only=True) as catalogue:
        found = catalogue.query(
            "SELECT s.occurrenceID, i.scientificName, i.taxonRank, i.probability "
            "FROM identification i JOIN sequence s USING (nucleotideSequenceID) "
            "WHERE i.agentType = 'machine' AND i.nucleotideSequenceID IS NOT NULL"
        ).fetch()
    assert {(key, name, rank) for key, name, rank, _ in found} == {
        (key, a["name"], a["rank"]) for key, a in named.items()
    }
    assert all(0 < probability <= 1 for *_, probability in found)


def test_the_page_holds_the_answers_against_the_truth(made):
    page = (made / "report.html").read_text(encoding="utf-8")
    text = text_of(page)
    assert "records in one catalogue 150" in text
    answers, truth = rows(made / "answers.tsv"), truth_of(made)
    wrong = sum(bool(a["rank"]) and truth[a["id"]][a["rank"]] != a["name"] for a in answers)
    assert f"of the answers are wrong {100 * wrong / len(answers):.1f} %" in text
    assert re.search(rf"\ball {len(answers)}( \d+){{4}} {wrong} \d+ \d+ ", text)
    assert "Checklist of an invented world 1" in text
    assert page.count('src="data:image/jpeg;base64,') > 10
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert str(made.parent) not in page


def test_records_are_named_by_picture_barcode_and_both(made):
    """The counts on the page, by another road than the page's."""
    truth = truth_of(made)
    said = [*rows(made / "records.evidence.tsv"), *rows(made / "records.tsv")]
    text = text_of((made / "report.html").read_text(encoding="utf-8"))
    for kind, words in (("picture", "pictures alone"), ("barcode", "barcodes alone"),
                        ("consensus", "both together")):  # fmt: skip
        some = [row for row in said if row["evidence"] == kind]
        wrong = sum(bool(r["rank"]) and truth[r["id"]][r["rank"]] != r["name"] for r in some)
        assert len(some) > 50
        assert wrong <= 0.1 * len(some)
        assert re.search(rf"{words} {len(some)}( \d+){{5}} {wrong} ", text), kind
    with Catalogue.open(made / "catalogue", read_only=True) as catalogue:
        kinds = dict(catalogue.query(
            "SELECT identificationType, count(*) FROM identification "
            "WHERE agentType = 'machine' GROUP BY ALL"
        ).fetch())  # fmt: skip
    assert kinds["media"] > 20
    assert kinds["consensus"] > 20


def test_the_unnamed_are_grouped_some_measured_and_the_tray_counted(made):
    truth = truth_of(made)
    with Catalogue.open(made / "catalogue", read_only=True) as catalogue:
        members = catalogue.query("SELECT clusterCode, recordID FROM clusterMember").fetch()
    of: dict[str, list[str]] = {}
    for code, record in members:
        of.setdefault(str(code), []).append(truth[str(record)]["species"])
    pure = sum(len(set(species)) == 1 for species in of.values())
    text = text_of((made / "report.html").read_text(encoding="utf-8"))
    assert f" groups {len(of)} " in text
    assert f"groups hold one species of the truth and no other {pure} " in text
    assert pure >= 0.6 * len(of) > 3
    measured = [r for r in rows(made / "measures" / "measurements.tsv") if r["trait"] == "feret"]
    assert len(measured) > 10
    assert all(r["unit"] == "mm" and r["id"] in truth for r in measured)
    assert {row["photo"] for row in rows(made / "tray" / "instances.tsv")} == {"tray-0001.jpg"}


def test_without_the_extra_pictures_are_left_out_and_the_page_says_so(tmp_path, small):
    make_demo(tmp_path / "bare")
    text = text_of((tmp_path / "bare" / "report.html").read_text(encoding="utf-8"))
    assert "that needs the extra &#34;models&#34;" in text
    assert not (tmp_path / "bare" / "looks").exists()
    assert (tmp_path / "bare" / "clusters").is_dir()


def test_the_page_promises_no_more_than_it_can(made):
    """So small a world has too few genera to learn from, and the page says so."""
    text = text_of((made / "report.html").read_text(encoding="utf-8"))
    assert "genera to learn from, 40 are needed" in text or "No promise: " in text
    assert "no: too few genera" in text
    assert "too few genera to say (40 are needed)" in text


def test_the_page_says_what_the_wrongly_named_are(made):
    truth = truth_of(made)
    answers = {a["id"]: a for a in rows(made / "answers.tsv")}
    trained = {r["species"] for r in rows(made / "references.tsv")}
    text = text_of((made / "report.html").read_text(encoding="utf-8"))
    shown = re.findall(
        r"(W1679-\d{6}) in truth ([A-Z][a-z]+ [a-z]+)(, which the library lacks)?[^.]*\. "
        r"Merian says (?:no name|(\w+) ([\w ]+?)) [A-Z]",
        text,
    )
    assert len(shown) == len(re.findall(r"W1679-\d{6} in truth", text)) > 0
    for record, species, lacking, rank, name in shown:
        assert truth[record]["species"] == species
        assert bool(lacking) == (species not in trained)
        assert (rank, name) == (answers[record]["rank"], answers[record]["name"])


def test_the_same_demonstration_is_the_same_bytes(made, tmp_path):
    make_demo(tmp_path / "again", world=SMALL)
    # Where pictures lie is part of the ids that they have in a catalogue.
    told = [
        [{**row, "item": "", "picture": ""} for row in rows(place / "records.tsv")]
        for place in (made, tmp_path / "again")
    ]
    assert told[0] == told[1]
    for name in ("answers.tsv", "matches.tsv", "names.tsv", "report.html",
                 "taxonomy/taxonomy.safetensors"):  # fmt: skip
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes(), name


def test_the_verb_says_where_the_page_is_and_what_to_do_next(tmp_path, monkeypatch, capsys, small):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    assert str(tmp_path / "merian-demo" / "report.html") in text
    commands = [line.strip() for line in text.splitlines() if line.startswith("  merian ")]
    assert len(commands) == 5
    assert commands.pop(0).startswith("merian review ")  # it goes on until it is stopped
    for command in commands:
        words = re.findall(r'"([^"]*)"|(\S+)', command)
        assert main([a or b for a, b in words][1:]) == 0
    capsys.readouterr()

    assert main(["demo"]) == 2
    told = capsys.readouterr().err
    assert "is there already" in told
    assert "--force" in told
    (tmp_path / "merian-demo" / "names.tsv").unlink()
    assert main(["demo", "--force"]) == 0
    assert (tmp_path / "merian-demo" / "names.tsv").is_file()


def test_force_does_not_remove_what_is_no_demonstration(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one", encoding="utf-8")
    with pytest.raises(InputError, match="is no demonstration"):
        make_demo(tmp_path / "thesis", force=True)
    (tmp_path / "thesis" / "report.html").write_text("of my own", encoding="utf-8")
    with pytest.raises(InputError, match="is no demonstration"):
        make_demo(tmp_path / "thesis", force=True)
    assert (tmp_path / "thesis" / "chapter.txt").read_text(encoding="utf-8") == "one"


def test_an_empty_folder_will_do_but_not_the_one_we_are_in(tmp_path, monkeypatch, small, capsys):
    folder = tmp_path / "what I found"
    folder.mkdir()
    assert main(["demo", str(folder)]) == 0
    assert f"merian info '{folder}" in capsys.readouterr().out
    for place, verb in ((folder, ["demo"]), (folder / "world", ["world", "make"])):
        monkeypatch.chdir(place)
        assert main([*verb, ".", "--force"]) == 2
        assert "is where you are" in capsys.readouterr().err
    assert (folder / "report.html").is_file()
    assert (folder / "world" / "world.json").is_file()


@pytest.mark.parametrize(
    ("step", "error"), [("tell_story", KeyboardInterrupt), ("name_barcodes", OSError)]
)
def test_what_goes_wrong_leaves_nothing_new(tmp_path, monkeypatch, small, step, error):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(demo, step, fail)
    with pytest.raises(error):
        make_demo(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []

    old = tmp_path / "old"
    old.mkdir()
    (old / "report.html").write_text("the old one", encoding="utf-8")
    (old / "world").mkdir()
    (old / "world" / "world.json").touch()
    with pytest.raises(error):
        make_demo(old, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert (old / "report.html").read_text(encoding="utf-8") == "the old one"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_demonstration_can_be_made_again(tmp_path, small, blow):
    code = "import sys; from merian.cli import main; sys.exit(main(['demo']))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    folder = tmp_path / "merian-demo"
    end = time.monotonic() + 60
    while not any(folder.glob("world/*")) and not any(folder.glob(".world.*/images/*.jpg")):
        assert time.monotonic() < end
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(blow)
    child.wait(60)
    if blow == signal.SIGINT:
        assert child.returncode == 130
        assert list(tmp_path.iterdir()) == []
    else:
        assert (folder / demo._UNFINISHED).exists()
    time.sleep(1)  # what drew for it ends when it sees that it is alone
    make_demo(folder, world=TINY)
    assert (folder / "report.html").is_file()
    assert not (folder / demo._UNFINISHED).exists()
