"""The demonstration: all of it, or nothing."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merian import demo
from merian.cli import main
from merian.demo import make_demo
from merian.errors import InputError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "merian-demo"
    make_demo(folder)
    return folder


def answers(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "matches.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {(row["scientificName"], row["kingdom"]): row for row in rows}


def test_it_leaves_a_whole_folder(made):
    names = sorted(path.name for path in made.iterdir())
    assert names == ["catalogue", "files", "matches.tsv", "matches.tsv.merian.json", "names.tsv",
                     "names.tsv.merian.json", "report.html", "taxonomy"]  # fmt: skip
    assert [p.name for p in made.parent.iterdir()] == ["merian-demo"]


def test_the_names_are_matched_as_a_taxonomist_would(made):
    found = answers(made)

    def answer(name: str, kingdom: str = "Animalia") -> tuple[str, str]:
        row = found[name, kingdom]
        return row["matchType"], row["acceptedName"] or row["cause"]

    assert answer("Apis mellifera") == ("EXACT", "Apis mellifera")
    assert answer("Apis melifera") == ("VARIANT", "Apis mellifera")
    assert answer("Apis mellifica") == ("EXACT", "Apis mellifera")
    assert answer("Apis mellifera Linnaeus, 1758", "") == ("EXACT", "Apis mellifera")
    assert answer("Bombus terestris") == ("VARIANT", "Bombus terrestris")
    assert answer("Bombus cf. lapidarius") == ("EXACT", "Bombus")
    assert answer("Bombus ruderarius") == ("HIGHERRANK", "Bombus")
    assert answer("Osmia rufa") == ("EXACT", "Osmia bicornis")
    assert answer("Stegomyia aegypti") == ("EXACT", "Aedes aegypti")
    assert answer("Ctenophora", "") == ("NONE", "homonym")
    assert answer("Ctenophora", "Chromista") == ("EXACT", "Ctenophora")
    assert found["Ctenophora", "Chromista"]["matched_phylum"] == "Bacillariophyta"
    assert answer("unidentified", "") == ("NONE", "placeholder")
    assert answer("Sasquatchus giganteus", "") == ("NONE", "not in the checklist")


def test_the_page_tells_what_was_set_aside_and_why(made):
    page = (made / "report.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page.split("<body>")[1]).split())
    assert "95.2" in text
    assert "2019-31-08" in text
    assert "drawer.csv" in text
    assert "homonym" in text
    assert "Demonstration checklist 1" in text
    assert str(made.parent) not in page


def test_the_same_demonstration_is_the_same_bytes(made, tmp_path):
    make_demo(tmp_path / "again")
    for name in ("matches.tsv", "names.tsv", "report.html", "taxonomy/taxonomy.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes(), name


def test_the_verb_says_where_the_page_is_and_what_to_do_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    assert str(tmp_path / "merian-demo" / "report.html") in text
    commands = [line.strip() for line in text.splitlines() if line.startswith("  merian ")]
    assert len(commands) == 3
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
    assert (tmp_path / "thesis" / "chapter.txt").read_text(encoding="utf-8") == "one"


@pytest.mark.parametrize(
    ("step", "error"), [("_page", KeyboardInterrupt), ("save_taxonomy", OSError)]
)
def test_what_goes_wrong_leaves_nothing_new(tmp_path, monkeypatch, step, error):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(demo, step, fail)
    with pytest.raises(error):
        make_demo(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []

    old = tmp_path / "old"
    old.mkdir()
    (old / "report.html").write_text("the old one", encoding="utf-8")
    with pytest.raises(error):
        make_demo(old, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert (old / "report.html").read_text(encoding="utf-8") == "the old one"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_demonstration_can_be_made_again(tmp_path, blow):
    code = "import sys; from merian.cli import main; sys.exit(main(['demo']))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    folder = tmp_path / "merian-demo"
    end = time.monotonic() + 60
    while not (folder / "taxonomy").exists():
        assert time.monotonic() < end
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(blow)
    child.wait(60)
    if blow == signal.SIGINT:
        assert child.returncode == 130
        assert list(tmp_path.iterdir()) == []
    else:
        assert (folder / demo._UNFINISHED).exists()
    make_demo(folder)
    assert (folder / "report.html").is_file()
    assert not (folder / demo._UNFINISHED).exists()
