"""The card of a library."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from merian.cli import main
from merian.identify import PARTS
from merian.identify.clades import HOLDS, NOT_SHOWN, TOO_FEW, promise_by_clade
from merian.identify.ladder import ladder_of
from merian.identify.promise import ENOUGH
from merian.library import Library, build_library
from merian.report.library_card import card_of, clade_rank
from merian.report.library_card_page import markdown_of, page_of

from .library.conftest import bases, lineage


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    """Two families, a barcode that two species share, unnamed ones; a file with a package."""
    folder = tmp_path_factory.mktemp("card")
    rows = [
        ("a1", lineage("Aus bus"), bases(1)), ("a2", lineage("Aus bus"), bases(1)),
        ("a3", lineage("Aus bus"), bases(2)), ("a4", lineage("Aus cus"), bases(1)),
        ("a5", lineage("Aus dus"), bases(3)), ("a6", lineage("Aus sp. 3"), bases(4)),
        ("b1", lineage("Bus bus", "Bus", "Bidae"), bases(5)),
        ("b2", lineage("", "", "Bidae"), bases(6)), ("x", lineage("Aus bus"), "ACGT"),
    ]  # fmt: skip
    for name, own in (("one.v1.fasta", rows[:5]), ("two.fasta", rows[5:])):
        text = "".join(f">{key};tax={names};\n{s}\n" for key, names, s in own)
        (folder / name).write_text(text)
    package = {"title": "Barcodes", "version": "1", "licenses": [{"name": "CC-BY-4.0"}],
               "resources": [{"path": "one.v1.fasta"}]}  # fmt: skip
    (folder / "datapackage.json").write_text(json.dumps(package))
    paths = [folder / "one.v1.fasta", folder / "two.fasta"]
    return build_library(paths, folder / "lib", parts=PARTS).library


def test_the_card_counts_what_the_library_holds(library):
    card = card_of(library, "family")
    families = {row["name"]: row for row in card["clades"]["family"]}
    first = families["Aidae"]
    assert first["above"] == "Arthropoda"
    assert (first["references"], first["named_to_species"], first["species"]) == (6, 5, 3)
    assert (first["genera"], first["unnamed_groups"]) == (1, 1)
    assert (first["species_with_one_record"], first["species_that_share_a_barcode"]) == (2, 2)
    assert families["Bidae"]["species"] == 1
    assert families["Bidae"]["unnamed_groups"] == 1
    assert card["records_per_species"] == {"1": 3, "2": 0, "3 to 5": 1, "6 to 10": 0, "over 10": 0}
    assert card["shared_barcodes"] == 2
    assert card["set_aside"] == {"shorter than 50 called bases": 1}
    assert card["lengths"]["median"] == 120


def test_it_says_where_it_comes_from_and_by_what_licence(library):
    one, two = card_of(library)["sources"]
    assert (one["file"], one["references"], one["licence"], one["title"]) == (
        "one.v1.fasta", 5, "CC-BY-4.0", "Barcodes"
    )  # fmt: skip
    assert (two["file"], two["references"], "licence" in two) == ("two.fasta", 3, False)


def test_a_small_library_promises_nothing_on_its_card(library):
    card = card_of(library)
    assert not card["promise"]["holds"]
    page = page_of(card)
    assert "No promise" in page
    assert "Aidae" in page
    assert "CC-BY-4.0" in page
    assert "not said" in page
    text = markdown_of(card)
    assert text.startswith("# The library lib\n")
    assert "| Aidae |" in text or "| Arthropoda |" in text


def test_the_clades_that_are_told_are_as_many_as_a_page_can_show(library):
    assert clade_rank(library, ladder_of(library).ranks) == "family"


def test_a_clade_has_a_figure_of_its_own_where_it_has_genera_enough():
    """Answers at the family are right; those at the genus are wrong in one family."""
    from merian.identify.ladder import Ladder
    from merian.identify.promise import Promise
    from merian.identify.simulations import Simulations

    sizes = (ENOUGH, ENOUGH, 5)
    genera = sum(sizes)
    family = np.repeat(np.arange(3), sizes)
    rank = np.concatenate([np.zeros(3), np.ones(genera), np.full(genera, 2)]).astype(np.int8)
    parent = np.concatenate([np.full(3, -1), family, np.arange(3, 3 + genera)]).astype(np.int32)
    nothing = np.full(len(rank), -1, np.int32)
    species = np.arange(3 + genera, 3 + 2 * genera)
    path = np.stack([family, np.arange(3, 3 + genera), species], axis=1).astype(np.int32)
    ladder = Ladder(("family", "genus", "species"), path, rank, parent, np.arange(len(rank)),
                    nothing, np.bincount(np.where(parent < 0, len(rank), parent)))  # fmt: skip
    true = path.copy()
    true[family == 1] = [1, 99, 99]  # of the second family each answer is another genus
    simulated = Simulations(
        np.arange(genera + 1), species.astype(np.int32), np.zeros(genera, np.float32),
        np.zeros(genera, np.int8), path[:, 1], np.ones(genera, np.float32), true,
        *[np.zeros(genera, np.int8)] * (len(Simulations.__dataclass_fields__) - 7),
    )  # fmt: skip
    promise = Promise(0.05, None, False, dict.fromkeys(ladder.ranks, 0.5), (), {}, True)
    found = promise_by_clade(simulated, ladder, promise, "family")
    told = {rung: strata["species present"] for rung, strata in found.items()}
    assert Counter(t.verdict for t in told.values()) == {HOLDS: 1, NOT_SHOWN: 1, TOO_FEW: 1}
    assert (told[0].verdict, told[0].error, told[0].species) == (HOLDS, 0.0, 1.0)
    assert (told[1].verdict, told[1].error, told[1].genera) == (NOT_SHOWN, 1.0, ENOUGH)
    assert told[2].verdict == TOO_FEW
    assert found[0]["genus absent"].genera == 0


def test_the_verb_writes_a_page_markdown_or_json(library, tmp_path, capsys):
    lib = str(library.folder)
    for name, begins in (("c.html", "<!doctype html>"), ("c.md", "# The library"), ("c.json", "{")):
        assert main(["library", "card", lib, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().startswith(begins)
        again = (tmp_path / name).read_bytes()
        assert main(["library", "card", lib, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes() == again
    assert capsys.readouterr().out.count("the card of") == 6
    assert main(["library", "card", lib]) == 0
    assert capsys.readouterr().out.startswith("# The library")
    assert main(["library", "card", lib, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["merian"]["format"] == "merian-library-card"
    assert json.loads((tmp_path / "c.json").read_text()) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "no such library"),
        (["LIB", "-o", "card.txt"], "expected a name that ends with .html"),
        (["LIB", "--rank", "tribe"], "expected one of"),
        (["LIB", "--alpha", "2"], "expected a share"),
    ],
)
def test_what_the_user_can_put_right_is_told(words, told, library, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [str(library.folder) if word == "LIB" else word for word in words]
    assert main(["library", "card", *given]) == 2
    assert told in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
