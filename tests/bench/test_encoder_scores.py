"""What is dropped, counted and compared in the bench of encoders."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.bench.encoder_rows import made_rows  # noqa: E402

from merian.bench.encoder_controls import (  # noqa: E402
    six_mers,
)
from merian.bench.encoder_scores import difference, k_nearest, rightly, share, verdict  # noqa: E402
from merian.bench.encoder_splits import duplicates, write_split  # noqa: E402
from merian.nucleotides import reverse_complement  # noqa: E402


def test_copies_and_parts_of_references_are_dropped_on_either_strand(tmp_path):
    rows = made_rows()
    own, other = made_rows(seed=1), made_rows(seed=2)
    inner, names = rows[0][1][20:200], rows[0][2]
    queries = {
        "equal": rows[3][1],
        "other strand": reverse_complement(rows[4][1]),
        "within": inner,
        "within, other strand": reverse_complement(rows[5][1][10:180]),
        "around": own[0][1][:30] + rows[6][1] + own[1][1][:25],
        "around, other strand": reverse_complement(own[0][1][:30] + rows[7][1]),
        "one base apart": ("C" if rows[8][1][100] != "C" else "G").join(
            (rows[8][1][:100], rows[8][1][101:])
        ),
        "unrelated": other[0][1],
    }
    asked = [(key, sequence, names) for key, sequence in queries.items()]
    found = duplicates(write_split(tmp_path / "s", rows, asked))
    assert dict(zip(queries, found.tolist(), strict=True)) == {
        key: key not in ("one base apart", "unrelated") for key in queries
    }


# -- figures --------------------------------------------------------------------------------------


def test_differences_are_paired_over_queries():
    rng = np.random.default_rng(0)
    genus = np.repeat(np.arange(40).astype(str), 5)
    other = (rng.random(200) < 0.5).astype(float)
    one = other.copy()
    one[np.flatnonzero(other == 0)[:20]] = 1  # never worse: the paired interval lies above 0
    found = difference(one, other, genus)[""]
    assert found["value"] == pytest.approx(10)
    assert found["low"] > 0
    alone = [share(marks, genus, "%") for marks in (one, other)]
    assert alone[0]["low"] < alone[1]["high"]  # by themselves they cannot be told apart
    shuffled = rng.permutation(one)
    assert difference(shuffled, other, genus)[""]["low"] < 0


def test_a_query_that_is_not_asked_counts_nowhere():
    marks = np.array([1.0, 0.0, np.nan, np.nan])
    genus = np.array(["a", "b", "c", "d"])
    assert share(marks, genus, "%")["n"] == 2
    assert difference(marks, marks, genus)[""]["n"] == 2
    assert share(np.full(4, np.nan), genus, "%") == {}
    assert difference(np.full(4, np.nan), marks, genus) == {}


def test_what_is_always_right_is_not_certain():
    found = share(np.ones(60), np.repeat(np.arange(20), 3).astype(str), "%")
    assert found["value"] == found["high"] == 100
    assert found["low"] == pytest.approx(83.9, abs=0.1)  # Wilson's of 20 of 20


def test_several_seeds_have_an_interval_of_their_own():
    genus = np.arange(50).astype(str)
    one = [np.ones(50), np.ones(50), np.ones(50)]
    other = [np.zeros(50), np.zeros(50), np.where(np.arange(50) < 25, 1.0, 0.0)]
    found = difference(one, other, genus, "the claim")
    assert found[", over seeds"]["n"] == 3
    assert found[", over seeds"]["value"] == pytest.approx(100 * 2.5 / 3, abs=0.01)
    assert found[", over seeds"]["low"] < 40  # the seeds differ more than the queries do
    assert found[""]["low"] > 60
    assert found[""]["unit"] == "points; the claim confirmed"


def test_a_claim_is_confirmed_by_all_intervals_or_not_told():
    assert verdict([(0.1, 2), (1, 3)]) == "confirmed"
    assert verdict([(-2, -0.1), (-3, -1)]) == "refuted"
    assert verdict([(0.1, 2), (-1, 3)]) == "cannot be told"
    assert verdict([(float("nan"), float("nan"))]) == "cannot be told"


def test_the_nearest_reference_names_and_ten_outvote_it(tmp_path):
    rows = made_rows(genera=2, species=1, records=6)
    split = write_split(tmp_path / "s", rows, rows[:2])
    first, second = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    references = np.array([first] * 6 + [second] * 6, np.float32)
    references[6] = first + 0.001  # the nearest of the query, of the other genus
    references[0] = np.nan
    queries = np.array([first + 0.001, [np.nan, 0]], np.float32)
    assert k_nearest(split, references, queries, "genus") == ["Genusb", ""]
    assert k_nearest(split, references, queries, "genus", weighted=True) == ["Genusa", ""]


def test_what_has_no_name_is_never_right(tmp_path):
    rows = made_rows(genera=1, species=1, records=2)
    unnamed = [("u", rows[1][1], [*rows[0][2][:-1], ""])]
    split = write_split(tmp_path / "s", rows[:1], [*rows[1:], *unnamed])
    marks = rightly(split, "species", ["", ""], np.array([True, True]))
    assert marks.tolist() == [0, 0]


def test_six_mers_are_counted():
    found = six_mers(["AAAAAAAC", "ACGTNACGTAC", "ACG"])
    assert found.sum(axis=1).tolist() == [3, 1, 0]
    assert found[0, 0] == 2
    assert found[0, 1] == 1
