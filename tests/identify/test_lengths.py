"""Pieces of barcodes: what they are, how they are simulated, and what is promised for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.identify.biota import biota, library_of
from tests.identify.test_promise import error_by_stratum, ladder_with, simulated

from merian.identify import Identifier
from merian.identify.by_length import lines_of, promises_of
from merian.identify.ladder import Ladder, ladder_of
from merian.identify.lengths import LONGEST, SHORTEST, lengths_of
from merian.identify.novelty import _piece, simulate
from merian.identify.promise import Choice, Promise
from merian.identify.simulations import Simulations


def joined(parts: list[Simulations]) -> Simulations:
    """Simulated queries of several lengths, the first whole."""
    size = np.concatenate([np.diff(part.offset) for part in parts])
    names = ("rung", "score", "stratum", "genus", "weight", "true")
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    length = np.repeat(np.arange(len(parts)), [len(part.stratum) for part in parts])
    return Simulations(np.append(0, np.cumsum(size)), *columns, length.astype(np.int8))


def test_a_query_is_a_piece_of_its_nearest_reference():
    overlap = np.array([658, 400, 399, 200, 199, 180, 100])
    reference = np.array([658, 16_000, 658, 658, 658, 200, 658])
    assert lengths_of(overlap, reference).tolist() == [0, 0, 1, 1, 2, 0, 2]


def test_pieces_are_asked_with_the_same_left_out(tmp_path):
    library = library_of(tmp_path, biota())
    ladder = ladder_of(library)
    episodes = simulate(library, ladder, lambda *_: None)
    whole, piece = (
        {*zip(episodes.own[here].tolist(), episodes.level[here].tolist(), strict=True)}
        for here in (~episodes.piece, episodes.piece)
    )
    assert piece
    assert piece <= whole


def test_a_piece_is_from_anywhere_in_its_entry():
    sequence = "".join(np.random.default_rng(3).choice(list("ACGT"), 658))
    pieces = [_piece(sequence, entry) for entry in range(300)]
    assert all(piece in sequence for piece in pieces)
    sizes = np.array([len(piece) for piece in pieces])
    assert sizes.min() >= SHORTEST
    assert sizes.max() <= LONGEST
    assert 0.4 < (sizes < 200).mean() < 0.6
    starts = np.array([sequence.index(piece) for piece in pieces])
    assert 0.4 < (starts / (658 - sizes)).mean() < 0.6
    assert {_piece(sequence[:120], entry) for entry in range(300)} == {None}


def error_at(promise: Promise, ladder: Ladder, wild: float) -> float:
    """The error where it is worst, on genera that the promise was not chosen on."""
    found = [
        error_by_stratum(simulated(ladder, seed, wild=wild), ladder, promise.thresholds)[0]
        for seed in range(20, 24)
    ]
    return max(np.mean([each[stratum] for each in found]) for stratum in found[0])


def test_a_promise_is_kept_at_each_length_where_they_err_differently():
    ladder = ladder_with(400)
    wild = (0, 1, 2.5)
    parts = [simulated(ladder, seed, wild=shift) for seed, shift in enumerate(wild)]
    promises = promises_of(joined(parts), ladder, Choice(0.1))
    needed = [promise.thresholds["genus"] for promise in promises]
    assert needed[0] < needed[2]
    assert needed == sorted(needed)
    for promise, shift in zip(promises, wild, strict=True):
        assert error_at(promise, ladder, shift) < 0.14
    assert error_at(promises[0], ladder, wild[-1]) > 0.2


def test_what_holds_for_pieces_is_said():
    ladder = ladder_with(120)
    parts = [simulated(ladder, seed) for seed in (1, 2, 3)]
    every = lines_of(promises_of(joined(parts), ladder, Choice()))
    assert every[-1] == (
        "it holds for pieces of 200 to 400 bases and pieces of 100 to 200 by themselves too; "
        "below 100 bases not"
    )
    few = [parts[0], parts[1], parts[2].taken(parts[2].genus < 20)]
    told = lines_of(promises_of(joined(few), ladder, Choice()))
    assert "no promise for pieces of 100 to 200: too few genera to learn from" in told
    assert told[-1].startswith("it holds for pieces of 200 to 400 bases by themselves too")
    rare = parts[1].taken((parts[1].stratum == 0) | (parts[1].genus < 20))
    told = lines_of(promises_of(joined([parts[0], rare, parts[2]]), ladder, Choice()))
    assert any(line.startswith("none of its own for pieces of 200 to 400 bases") for line in told)
    nothing = parts[0].taken(parts[0].genus < 5)
    assert len(lines_of(promises_of(nothing, ladder, Choice()))) == 1


def test_pieces_that_were_not_simulated_need_what_the_whole_needs():
    ladder = ladder_with(120)
    whole, *pieces = promises_of(simulated(ladder, 4), ladder, Choice())
    for piece in pieces:
        assert not piece.holds
        for rank, threshold in whole.thresholds.items():
            assert piece.thresholds[rank] >= threshold


def test_a_piece_stands_where_its_own_threshold_lets_it(tmp_path):
    records = biota(6, 4, 3, 3)
    identifier = Identifier.open(library_of(tmp_path, records))
    trace = identifier.trace(records[0].sequence)
    piece = identifier.trace(records[0].sequence[40:180])
    for rank, threshold in trace.thresholds.items():
        assert piece.thresholds[rank] >= threshold
    strict = [replace(p, thresholds=dict.fromkeys(p.thresholds, 1.1)) for p in identifier._promises]
    identifier._promises = (identifier._promises[0], *strict[1:])
    assert identifier.identify([records[0].sequence])[0].rank == trace.determination.rank != ""
    assert identifier.identify([records[0].sequence[40:180]])[0].rank == ""


@pytest.mark.parametrize("length", [100, 250])
def test_a_piece_of_a_reference_finds_its_genus(tmp_path, length):
    records = biota(6, 4, 3, 3)
    identifier = Identifier.open(library_of(tmp_path, records))
    for record in records[::17]:
        found = identifier.identify([record.sequence[20 : 20 + length]])[0]
        assert found.names["genus"] == record.genus
