from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.identify.biota import biota, drifted, library_of

from merian.errors import FormatError
from merian.identify import PARTS, Identifier, strata
from merian.identify.barcode import Simulated, describe
from merian.identify.ladder import ladder_of
from merian.identify.learning import _clades, _distances, open_learnt, usual_weights
from merian.identify.novelty import simulate
from merian.library import Library, add_to_library, build_library
from merian.library.index import write_index
from merian.library.neighbours import find, finder_of

RANKS = ["kingdom", "family", "genus", "species"]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    return library_of(tmp_path_factory.mktemp("biota"), biota())


def silent(*_: object) -> None:
    pass


def test_every_entry_stands_on_one_rung_at_every_rank(library):
    ladder = ladder_of(library)
    assert list(ladder.ranks) == RANKS
    assert (ladder.path >= 0).all()
    for rank in range(1, len(RANKS)):
        assert (ladder.parent[ladder.path[:, rank]] == ladder.path[:, rank - 1]).all()
    assert ladder.children[:-1].sum() + ladder.children[-1] == len(ladder)
    assert (ladder.paths(ladder.path[:, -1]) == ladder.path).all()


def test_missing_ranks_have_stand_ins_that_unite_nothing(tmp_path):
    base = biota(1, 1, 1, 1)[0].sequence
    rows = [
        ("a;tax=k:Animalia,g:Aus,s:Aus_bus;", base),
        ("b;tax=k:Animalia,g:Cus,s:Cus_dus;", base[:-1] + "A"),
        ("c;tax=k:Animalia,f:Fidae;", base[:-2] + "CC"),
        ("d;tax=k:Animalia,f:Fidae,g:Eus,s:Eus_sp._1;", base[:-2] + "GG"),
    ]
    path = tmp_path / "r.fasta"
    path.write_text("".join(f">{key}\n{text}\n" for key, text in rows))
    made = build_library([path], tmp_path / "lib", parts=PARTS).library
    ladder = ladder_of(made)
    family = ladder.ranks.index("family")
    a, b, c, d = ladder.path[:, family].tolist()
    assert a != b
    assert c == d
    assert ladder.node[a] == ladder.node[b] == -1
    assert ladder.node[c] >= 0
    assert (ladder.group[ladder.path[[2, 3], -1]] >= 0).all()


def test_each_record_is_asked_with_ever_more_left_out(library):
    ladder = ladder_of(library)
    episodes = simulate(library, ladder, silent)
    assert len(np.unique(episodes.own)) == len(library)
    near = episodes.neighbours
    lowest = len(RANKS) - 1
    for number in range(len(episodes)):
        own, level = episodes.own[number], episodes.level[number]
        seen = near.entry[near.query == number]
        assert own not in seen or level > lowest
        if level < lowest:
            assert ladder.path[own, level + 1] not in ladder.path[seen, level + 1]
        there = min(level, lowest)
        assert (episodes.true[number, : there + 1] == ladder.path[own, : there + 1]).all()
        assert (episodes.true[number, there + 1 :] == -2).all()
    assert set(strata.grouped(episodes.stratum).tolist()) == {0, 1, 2, 3}


def test_a_simulated_query_sees_what_a_library_without_it_would_show(tmp_path):
    """All but the share of words, which are weighed as in the whole library."""
    records = biota(3, 3, 3, 2, seed=8)
    whole = library_of(tmp_path / "whole", records)
    ladder = ladder_of(whole)
    episodes = simulate(whole, ladder, silent)
    inner, lowest = _distances(episodes, ladder)
    clades = _clades(whole, ladder, inner, lowest)
    simulated = Simulated(episodes.own, episodes.level, inner, lowest)
    described = describe(episodes.neighbours, len(episodes), clades, simulated)
    genus = RANKS.index("genus")
    own = next(e for e in range(len(whole)) if whole.records_of(e)[0].id == "bba0")
    number = int(np.flatnonzero((episodes.own == own) & (episodes.level == genus))[0])
    left = [r for r in records if r.id[:3] != "bba"]
    part = library_of(tmp_path / "part", left)
    finder, small = finder_of(part), ladder_of(part)
    near = find(finder, whole.sequence(own))[0]
    again = describe(near, 1, open_learnt(part, small).clades)
    words = {10, 11, 12}
    for rank in range(len(RANKS)):
        ours = described.query[described.places[rank]] == number
        ours = described.features[rank][ours]
        theirs = again.features[rank]
        assert ours.shape == theirs.shape
        same = [c for c in range(ours.shape[1]) if c not in words and not _is_scale(rank, c)]
        assert np.sort(ours[:, same], axis=0) == pytest.approx(
            np.sort(theirs[:, same], axis=0), abs=1e-9
        )


def _is_scale(rank: int, column: int) -> bool:
    """Scales of other clades are shrunk to averages over the whole library."""
    return column in {13, 14} or (rank == len(RANKS) - 1 and column in {21, 22})


def test_records_that_others_are_equal_to_stay_when_one_is_left_out(tmp_path):
    records = biota(2, 2, 2, 2)
    twin = next(r for r in records if r.id == "aaa0")
    doubled = [*records, type(twin)("twin", *list(vars(twin).values())[1:])]
    library = library_of(tmp_path, doubled)
    ladder = ladder_of(library)
    episodes = simulate(library, ladder, silent)
    entry = int(np.flatnonzero(library.multiplicity == 2)[0])
    mine = np.flatnonzero((episodes.own == entry) & (episodes.stratum == 0))
    assert episodes.level[mine].tolist() == [len(ladder.ranks)] * 2
    assert episodes.piece[mine].tolist() == [False, True]
    near = episodes.neighbours
    assert entry in near.entry[near.query == mine[0]]


def test_what_is_learnt_is_the_same_whatever_the_processes(tmp_path, monkeypatch):
    records = biota(3, 2, 2, 2)
    one = library_of(tmp_path / "one", records)
    monkeypatch.setattr("merian.identify.novelty._WORTH", 4)
    two = library_of(tmp_path / "two", records)
    name = "barcode.safetensors"
    assert (one.edition_folder / name).read_bytes() == (two.edition_folder / name).read_bytes()


def test_an_addition_learns_anew(tmp_path):
    records = biota(3, 2, 2, 2)
    first = [r for r in records if r.family != "Fcidae"]
    library = library_of(tmp_path, first)
    query = next(r for r in records if r.family == "Fcidae").sequence
    before = Identifier.open(library).identify([query])[0]
    assert before.names.get("family") != "Fcidae" or before.rank in ("", "kingdom")
    more = tmp_path / "more.fasta"
    more.write_text("".join(r.as_fasta() for r in records if r.family == "Fcidae"))
    grown = add_to_library(library.folder, [more], parts=PARTS).library
    after = Identifier.open(grown).identify([query])[0]
    assert after.names["family"] == "Fcidae"
    at_once = library_of(tmp_path / "once", records)
    there = Identifier.open(at_once).identify([query])[0]
    assert after.names == there.names
    assert after.probabilities == pytest.approx(there.probabilities, abs=0.02)


def test_a_library_without_what_answers_need_says_so(tmp_path):
    path = tmp_path / "r.fasta"
    path.write_text("".join(r.as_fasta() for r in biota(1, 1, 2, 1)))
    bare = build_library([path], tmp_path / "bare").library
    with pytest.raises(FormatError, match="build it anew"):
        Identifier.open(bare)
    indexed = build_library([path], tmp_path / "indexed", parts=[write_index]).library
    with pytest.raises(FormatError, match="build it anew"):
        Identifier.open(indexed)


def test_the_card_says_what_was_learnt(library):
    card = json.loads((library.edition_folder / "barcode.json").read_text())
    assert card["library"] == library.hash
    assert card["ranks"] == RANKS
    assert card["records_asked"] == len(library)
    assert 0 < card["loss_on_other_genera"] < 5


def test_the_usual_weights_fit_what_is_described(library):
    ladder = ladder_of(library)
    near = find(finder_of(library), library.sequence(0))[0]
    described = describe(near, 1, open_learnt(library, ladder).clades)
    for rows, weight in zip(described.features, usual_weights(ladder.ranks), strict=True):
        assert rows.shape[1] == len(weight)


def test_a_library_with_one_record_a_species_still_knows_them(tmp_path):
    records = biota(5, 4, 3, 2, seed=4)
    library = library_of(tmp_path, [r for r in records if r.id[-1] == "0"])
    identifier = Identifier.open(library)
    asked = [r for r in records if r.id[-1] == "1"]
    found = identifier.identify([r.sequence for r in asked])
    right = [a.names.get("species") == r.species for a, r in zip(found, asked, strict=True)]
    assert np.mean(right) > 0.95
    assert np.mean([a.probabilities["species"] for a in found]) > 0.7
    lacking = identifier.promise.strata[0]
    assert lacking.genera == 0
    assert not lacking.promised


def test_a_library_of_unnamed_records_does_not_unlearn_what_is_new(tmp_path):
    records = [
        replace(r, species=f"{r.genus} sp. {'abc'.index(r.id[2])}")
        for r in biota(4, 3, 3, 3, seed=6)
    ]
    library = library_of(tmp_path, [r for r in records if r.id[0] != "d"])
    found = Identifier.open(library).identify([r.sequence for r in records if r.id[0] == "d"])
    assert np.mean([a.probabilities.get("family", 0) for a in found]) < 0.5
    kept = open_learnt(library, ladder_of(library)).weights
    for ours, usual in zip(kept, usual_weights(ladder_of(library).ranks), strict=True):
        assert ours == pytest.approx(usual)


def test_the_smallest_libraries_answer(tmp_path):
    import random

    one = biota(1, 1, 1, 1)
    found = Identifier.open(library_of(tmp_path / "one", one)).identify(
        [one[0].sequence, drifted(random.Random(1), one[0].sequence, 0.9)]
    )
    assert found[0].names["species"] == one[0].species
    assert found[0].probabilities["species"] > found[1].probabilities.get("species", 0)
