"""Place as evidence: what it is worth is learnt, the promise is kept, and nothing is ruled out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from merian.cli import main
from merian.errors import InputError
from merian.identify.answers import read_answers
from merian.identify.consensus import PLACE, Consensus
from merian.identify.coverage import KINDS, cover, of_library, of_model, write_coverage
from merian.identify.identifier import Identifier
from merian.identify.place_evidence import COLUMNS, PlaceEvidence
from merian.identify.place_words import with_place
from merian.identify.presence import BOUND
from merian.identify.promise import Choice
from merian.identify.record_panel import RecordPanel
from merian.identify.sightings import read_sightings
from merian.library import Library
from merian.taxonomy import Taxonomy

from .conftest import Small

HOMES = {family: (40.0 - 15 * n, 10.0 + 20 * n) for n, family in enumerate("abcdef")}


def species_of(small: Small) -> list[str]:
    library = Library.open(small.library)
    nodes = np.unique(library.taxonomy.at_rank(library.node, "species"))
    return [library.taxonomy.name_of(int(node)) for node in nodes]


def write_list(path: Path, species: list[str], seed: int = 1, told: bool = True) -> Path:
    """Thirty visits to each species: at home, or anywhere if places tell nothing."""
    chance = np.random.default_rng(seed)
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["species", "decimalLatitude", "decimalLongitude", "eventDate"])
        for name in species:
            for _ in range(30):
                home = HOMES[name[1]] if told else HOMES[chance.choice([*HOMES])]
                y, x = home + chance.normal(0, 2, 2)
                rows.writerow(
                    [name, round(y, 4), round(x, 4), f"2020-{chance.integers(1, 13):02}-09"]
                )
    return path


@pytest.fixture(scope="module")
def met(small, tmp_path_factory) -> Path:
    return write_list(tmp_path_factory.mktemp("met") / "met.csv", species_of(small))


def learnt(small: Small, path: Path) -> Consensus:
    library = Library.open(small.library)
    one = Identifier(library, Choice())
    found = Consensus({"lib": one.evidence}, Choice())
    found.place = PlaceEvidence(read_sightings(path), found.joint, [library])
    return found


def test_a_place_is_weighed_bounded_and_promised_for(small, met, tmp_path):
    noise = write_list(tmp_path / "noise.csv", species_of(small), told=False)
    says, says_not = (learnt(small, path).together((0, PLACE)) for path in (met, noise))
    assert len(says.worth) == 2 + COLUMNS
    # What the library says was weighed when it was built.
    assert says.worth[:2] == pytest.approx([1, 1], abs=1e-3)
    assert np.abs(says_not.worth[2:]).sum() < 0.5
    for worth in (says.worth, says_not.worth):
        halves = np.abs(worth[-COLUMNS:]).reshape(2, -1).sum(axis=1) * BOUND
        assert (halves <= np.log(100) + 1e-9).all()  # no odds change a hundredfold
    # The promise is chosen with place in it, and no simulated stratum is worse than promised.
    for together in (says, says_not):
        for promise in (*together.whole, *together.pieces):
            assert all(stratum.error <= 0.05 for stratum in promise.strata if stratum.genera >= 5)


@pytest.fixture(scope="module")
def answered(small, met, tmp_path_factory) -> dict[str, dict[str, object]]:
    """The same queries at home, far away, without a place; and without any list."""
    folder = tmp_path_factory.mktemp("answered")
    text = small.queries.read_text().split(">")[1:]
    asked = dict(one.split() for one in text)
    chosen = [key for key in asked if key[1] in "abc" and key[2] in "ab"][:6]
    with (folder / "asked.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "sequence", "decimalLatitude", "decimalLongitude", "eventDate"])
        for key in chosen:
            home = HOMES[key[0]]
            rows.writerow([f"{key} home", asked[key], *home, "2021-06-01"])
            rows.writerow([f"{key} far", asked[key], -60, -100, "2021-06-01"])
            rows.writerow([f"{key} away", asked[key], *HOMES["f" if key[0] == "a" else "a"], ""])
            rows.writerow([f"{key} nowhere", asked[key], "", "", ""])
    found = {}
    for name, more in (("with", ["--place", str(met)]), ("without", [])):
        out = folder / f"{name}.tsv"
        words = ["identify", str(folder / "asked.csv"), "--library", str(small.library)]
        assert main([*words, "-o", str(out), "--processes", "1", "--quiet", *more]) == 0
        found |= {f"{name} {row['id']}": row for row in read_answers(out)}
    return found


def test_answers_say_what_place_and_date_added(answered):
    home = [row for key, row in answered.items() if key.startswith("with ") and "home" in key]
    assert len(home) == 6
    for row in home:
        assert row["evidence"] == "consensus"
        assert "; place and date in June: " in row["explanation"]
        assert "; nearest record " in row["explanation"]
        assert "out_of_place" not in (row["flags"] or "")


def test_explain_says_what_the_place_said(small, met, tmp_path, capsys):
    text = small.queries.read_text().split(">")[1:]
    key, sequence = next(one.split() for one in text if one[1] in "abc" and one[2] in "ab")
    asked = tmp_path / "asked.csv"
    away = HOMES["f" if key[0] == "a" else "a"]
    with asked.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "sequence", "decimalLatitude", "decimalLongitude", "eventDate"])
        rows.writerow(["home", sequence, *HOMES[key[0]], "2021-06-01"])
        rows.writerow(["away", sequence, *away, "2021-06-01"])
        rows.writerow(["nowhere", sequence, "", "", ""])
    words = ["--library", str(small.library), "--query", str(asked), "--place", str(met), "-q"]
    found = {}
    for name in ("home", "away", "nowhere"):
        assert main(["explain", name, *words, "--json"]) == 0
        found[name] = json.loads(capsys.readouterr().out)["place"]
    assert found["nowhere"] is None
    first = {name: found[name]["words"][0] for name in ("home", "away")}
    assert first["home"]["times"] > 1 > first["away"]["times"]
    assert first["home"]["nearest"] < 500 < first["away"]["nearest"]
    # What is said is what was answered: alone the same, together by the place.
    alone = [
        {w["name"]: w["alone"] for w in one["words"]} for one in (found["home"], found["away"])
    ]
    shared = alone[0].keys() & alone[1].keys()
    assert shared
    assert all(alone[0][name] == pytest.approx(alone[1][name]) for name in shared)
    assert "place and date in June" in found["home"]["explanation"]
    assert main(["explain", "home", *words]) == 0
    told = capsys.readouterr().out
    assert "What the place says (" in told and "With its place: " in told
    assert main(["explain", "nowhere", *words]) == 0
    assert "nowhere has no place" in capsys.readouterr().out
    assert main(["explain", "--sequence", sequence, "-l", str(small.library),
                 "--place", str(met)]) == 2  # fmt: skip
    assert "give its id and --query FILE" in capsys.readouterr().err


def test_a_place_that_speaks_against_an_answer_is_flagged(small, met):
    found = learnt(small, met)
    (answer,) = Identifier.open(small.library).identify([small.queries.read_text().split()[1]])
    ladder = found.joint.ladder
    rung = int(np.flatnonzero(ladder.rank == len(ladder.ranks) - 1)[0])
    spot = (*HOMES["a"], 3)
    told = with_place(answer, found.place, spot, rung, 0.1)
    assert "out_of_place" in told.flags and "in February: /10; nearest record" in told.explanation
    told = with_place(answer, found.place, spot, rung, 3.0)
    assert "out_of_place" not in told.flags and "x3; nearest record" in told.explanation
    assert with_place(answer, found.place, spot, -1, 0.1) == answer


def test_a_place_rules_nothing_out(answered):
    for key, row in answered.items():
        if key.startswith("with ") and "away" in key:
            plain = answered[key.replace("with ", "without ")]
            assert row["species"] == plain["species"]
            assert row["p_species"] > 0.2


def test_what_has_no_place_is_answered_as_ever(answered):
    for key, row in answered.items():
        if key.startswith("with ") and "nowhere" in key:
            plain = answered[key.replace("with ", "without ")]
            assert {k: v for k, v in plain.items() if k in row} == {
                k: v for k, v in row.items() if k in plain
            }
        if key.startswith("with ") and "far" in key:  # nobody looked there: nothing is added
            plain = answered[key.replace("with ", "without ")]
            assert row["p_species"] == pytest.approx(plain["p_species"], abs=0.02)


def test_another_process_answers_the_same(small, met):
    from merian.identify.record_panel import open_record_answerer

    panel = RecordPanel(
        {"lib": Library.open(small.library)}, Choice(), sightings=read_sightings(met)
    )
    sequence = small.queries.read_text().split()[1]
    asked = f'{{"barcodes": [["", "{sequence}", "s"]], "pictures": [], "spot": [40, 10, 3]}}'
    assert any("with place and date: " in line for line in panel.promise())
    other = open_record_answerer(*panel.arguments())
    assert other([asked]) == panel.answers([asked])


def test_a_list_of_names_alone_counts_too(small, tmp_path):
    every = species_of(small)
    names = [name for name in every if name[1] in "abc"]
    path = tmp_path / "region.csv"
    path.write_text("name\n" + "".join(f"{name}\n" for name in [*names, "Gaaus novus"]))
    found = learnt(small, path)
    place = found.place
    assert not place.placed and place.matched == len(names)
    ladder = found.joint.ladder
    species = np.flatnonzero((ladder.rank == len(ladder.ranks) - 1) & (ladder.node >= 0))
    rows = place.rows([(0.0, 0.0, -1)], np.zeros(len(species), np.int64), species)
    listed = np.array([found.joint.names[ladder.node[rung]] in names for rung in species])
    assert rows[listed, 0].min() > 0 > rows[~listed, 0].max()
    assert np.abs(rows).max() <= BOUND
    assert found.together((0, PLACE)).worth[2] > 0


def test_a_list_of_something_else_says_so(small, tmp_path):
    path = tmp_path / "birds.csv"
    path.write_text("species\nTurdus merula\n")
    with pytest.raises(InputError, match="none of its 1 taxa is a species of the library"):
        learnt(small, path)


# -- coverage -------------------------------------------------------------------------------------

LOCAL = (
    "species,family,order,count\nGaaus saus,Faidae,Diptera,5\nGaaus novus L.,Faidae,Diptera,9\n"
    "Novus novus,Faidae,Diptera,2\nAlter alter,Novidae,Diptera,4\nAlius alius,Aliidae,Aliptera,1\n"
    "Gaaus,Faidae,Diptera,3\nGaus beta,Faidae,Diptera,7\n"
)


@pytest.fixture
def local(tmp_path) -> Path:
    path = tmp_path / "local.csv"
    path.write_text(LOCAL)
    return path


def test_what_no_library_can_name_is_told_worst_first(small, local, tmp_path, capsys):
    out = tmp_path / "out.tsv"
    assert main(["labels", "coverage", str(local), "-l", str(small.library), "-o", str(out)]) == 0
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [(row["species"], row["named_at"], row["records"]) for row in rows] == [
        ("Alius alius", "class" if rows[0]["named_at"] == "class" else "", "1"),
        ("Alter alter", "order", "4"),
        ("Gaus beta", "family", "7"),
        ("Novus novus", "family", "2"),
        ("Gaaus novus", "genus", "9"),
        ("Gaaus saus", "species", "5"),
    ]
    assert rows[4]["closest"].startswith("Gaaus s") and rows[4]["shares"] == "genus Gaaus"
    assert rows[5]["closest"] == "" and rows[5]["known_by"] == "lib"
    told = capsys.readouterr()
    assert "6 species with 28 records" in told.out and "Gaaus novus" in told.out
    assert "1 name of the list are of no species" in told.err


def test_synonyms_count_and_kinds_are_told_apart(small, local, tmp_path):
    checklist = tmp_path / "taxon.txt"
    checklist.write_text(
        "taxonID\tparentNameUsageID\tacceptedNameUsageID\ttaxonomicStatus\ttaxonRank\t"
        "scientificName\n1\t\t\taccepted\tgenus\tGaaus\n2\t1\t\taccepted\tspecies\t"
        "Gaaus saus\n3\t\t2\tsynonym\tspecies\tGaus beta\n"
    )
    words = ["taxonomy", "build", str(checklist), "-o", str(tmp_path / "tax"), "--quiet"]
    assert main(words) == 0
    card = {
        "objective": {
            "heads": {"labels": {"ranks": ["family", "species"],
                                 "names": [["Aliidae"], ["Gaaus_novus"]]}}
        }
    }  # fmt: skip
    known = [of_library("lib", Library.open(small.library)), of_model("eye", card)]
    found = cover(read_sightings(local), known, Taxonomy.open(tmp_path / "tax"))
    by_name = {one.name: one for one in found.species}
    beta = by_name["Gaus beta"]
    assert (beta.best, beta.known_as) == ("species", "Gaaus saus")
    novus = by_name["Gaaus novus"]
    assert novus.named_at == {"barcodes": "genus", "models": "species"}
    assert (novus.best, novus.known_by) == ("species", "eye")
    assert by_name["Alius alius"].named_at["models"] == "family"
    assert found.kinds == (KINDS[0], KINDS[2])
    assert sum(count for count, _ in found.by_rank().values()) == len(found.species) == 6
    assert write_coverage(found, tmp_path / "x.tsv") == 6


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--library FOLDER"),
        (["-l", "LIB", "--near", "52"], "latitude,longitude"),
        (["-l", "LIB", "--near", "5,152"], "names no taxon within"),
        (["-l", "LIB", "--near", "152,5"], "not on the globe"),
        (["-l", "LIB", "--near", "1,1", "--km", "0"], "more than 0"),
    ],
    ids=["nothing", "half a place", "no row", "off the globe", "no radius"],
)
def test_wrong_words_are_told_in_one_line(small, local, capsys, more, said):
    words = [str(small.library) if word == "LIB" else word for word in more]
    assert main(["labels", "coverage", str(local), *words]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error
