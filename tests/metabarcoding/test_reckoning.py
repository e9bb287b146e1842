"""What is reckoned: clusters, pools, presence and draws, each held against another way."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from merian.barcode import align
from merian.errors import FormatError
from merian.formats.feature_table import FeatureTable
from merian.metabarcoding.clusters import cluster, near_pairs, stable_id
from merian.metabarcoding.draws import richness
from merian.metabarcoding.naming import Named, Outcomes, Taxa
from merian.metabarcoding.pools import pools_of
from merian.metabarcoding.presence import presences
from merian.metabarcoding.samples import read_sheet
from merian.nucleotides import reverse_complement

LINE = ("Animalia", "Arthropoda", "Insecta", "Diptera", "Aidae", "Aus")


def silent(_what: str, _count: float) -> None:
    pass


@pytest.fixture(scope="module")
def sequences() -> list[str]:
    """Families of sequences from near to far."""
    chance = random.Random(3)
    found = []
    for _ in range(25):
        root = chance.choices("ACGT", k=300)
        for share in (0, 0.01, 0.02, 0.05, 0.12):
            text = [chance.choice("ACGT") if chance.random() < share else c for c in root]
            found.append("".join(text))
    return found


def test_pairs_are_those_that_alignment_finds(sequences):
    one, other, far = near_pairs(sequences, 0.08, silent)
    found = dict(zip(zip(one.tolist(), other.tolist(), strict=True), far.tolist(), strict=True))
    for a, text in enumerate(sequences):
        near = align(text, sequences[a + 1 :])
        for place, (n, m) in enumerate(zip(near.overlap, near.mismatches, strict=True)):
            if n and m / n <= 0.08:
                assert found.pop((a, a + 1 + place)) == pytest.approx(m / n)
    assert not found


def test_clusters_are_within_the_distance_and_no_order_decides(sequences):
    edges = near_pairs(sequences, 0.1, silent)
    reads = np.arange(len(sequences))[::-1].astype(np.int64) % 7
    heads = cluster(sequences, reads, edges, 0.03)
    assert all(heads[head] == head for head in heads)
    for number, head in enumerate(heads.tolist()):
        if number != head:
            found = align(sequences[number], [sequences[head]])
            assert found.mismatches[0] / found.overlap[0] <= 0.03
            assert reads[head] >= reads[number]
    # Heads are further from each other than the distance.
    one, other, far = edges
    both = (heads[one] == one) & (heads[other] == other)
    assert (far[both] > 0.03).all()
    order = list(range(len(sequences)))
    random.Random(1).shuffle(order)
    again = [sequences[n] for n in order]
    turned = cluster(again, reads[order], near_pairs(again, 0.1, silent), 0.03)
    assert [sequences[heads[n]] for n in order] == [again[head] for head in turned.tolist()]
    group = np.arange(len(sequences), dtype=np.int32)
    assert (cluster(sequences, reads, edges, 0.1, group) == group).all()


def test_a_name_of_a_sequence_hangs_on_its_letters_alone():
    text = "ACGTTGCA" * 9 + "AAC"
    assert stable_id(text) == stable_id(reverse_complement(text)) != stable_id(text + "A")
    assert stable_id(text) == "u" + stable_id(text)[1:]
    assert len(stable_id(text)) == 13


# -- what features may be ------------------------------------------------------------------------


def named(*features: list[tuple[str, bool, float]]) -> Named:
    """Features by their outcomes: a species' epithet or "" for the genus, new, probability."""
    taxa = Taxa()
    rows = [
        (taxa.number((*LINE, f"Aus {name}") if name else LINE), new, p)
        for feature in features for name, new, p in feature
    ]  # fmt: skip
    outcomes = Outcomes(
        np.cumsum([0, *map(len, features)]).astype(np.int64),
        np.array([p for *_, p in rows]), np.array([t for t, *_ in rows], np.int32),
        np.full(len(rows), -1, np.int32), np.array([new for _, new, _ in rows]),
    )  # fmt: skip
    count = len(features)
    return Named(taxa, np.zeros(count, np.int32), np.zeros(count, bool), [""] * count,
                 [{}] * count, outcomes)  # fmt: skip


def table(samples: list[list[int]], features: int) -> FeatureTable:
    entries = [(s, f) for s, found in enumerate(samples) for f in sorted(found)]
    return FeatureTable(
        Path("t"), [f"f{n}" for n in range(features)], [""] * features, [0] * features,
        [f"S{n}" for n in range(len(samples))], np.array([f for _, f in entries], np.int32),
        np.array([s for s, _ in entries], np.int32), np.ones(len(entries), np.int64), [], [],
    )  # fmt: skip


def species(found: Named, name: str) -> int:
    return found.taxa.number((*LINE, f"Aus {name}"))


def test_presence_counts_a_cluster_once_and_clusters_as_independent():
    one = [("bus", False, 0.6), ("", True, 0.4)]
    found = named(one, one, [("bus", False, 0.5), ("cus", False, 0.5)], [("cus", False, 1.0)])
    pools = pools_of(found, np.array([0, 0, 2, 3], np.int32))
    assert pools.of.tolist() == [0, 0, 1, 2]
    results = [*presences(table([[0, 1], [0, 1, 2], [3], []], 4), pools)]
    said = [dict(zip(t.tolist(), p.tolist(), strict=True)) for t, p in results]
    bus, cus, genus = species(found, "bus"), species(found, "cus"), found.taxa.number(LINE)
    assert said[0][bus] == pytest.approx(0.6)
    assert said[0][genus] == pytest.approx(1.0)
    assert said[1][bus] == pytest.approx(1 - 0.4 * 0.5)
    assert said[1][cus] == pytest.approx(0.5)
    assert said[2][cus] == pytest.approx(1.0)
    assert bus not in said[2]
    assert said[3] == {}


def test_a_pool_has_the_mean_of_its_features():
    found = named(
        [("bus", False, 0.9), ("", True, 0.1)], [("bus", False, 0.7), ("cus", False, 0.3)],
        [("cus", False, 0.8), ("bus", False, 0.2)], [],
    )  # fmt: skip
    pools = pools_of(found, np.zeros(4, np.int32))
    assert pools.of.tolist() == [0, 0, 1, -1]
    first = slice(pools.outcomes.first[0], pools.outcomes.first[1])
    shares = dict(zip(pools.outcomes.taxon[first].tolist(), pools.outcomes.probability[first],
                      strict=True))  # fmt: skip
    assert shares == pytest.approx(
        {species(found, "bus"): 0.8, species(found, "cus"): 0.15, found.taxa.number(LINE): 0.05}
    )


def test_richness_of_what_is_sure_is_a_count():
    sure = [[(name, False, 1.0)] for name in ("bus", "bus", "cus", "dus")]
    found = named(*sure, [("", True, 1.0)], [("", True, 1.0)])
    heads = np.array([0, 1, 2, 3, 4, 5], np.int32)
    pools = pools_of(found, heads)
    counts = richness(
        table([[0, 1, 2], [3, 4, 5], []], 6), found.taxa, pools, [(heads, heads)],
        ([(0, 10**9)], [(0, 10**9)]),
    )  # fmt: skip
    assert counts["species"].mean.tolist() == [2, 3, 0]
    assert counts["species named"].low.tolist() == [2, 1, 0]
    assert counts["species unnamed"].high.tolist() == [0, 2, 0]
    assert counts["genera"].mean.tolist() == [1, 1, 0]


def test_richness_admits_wrong_names():
    doubt = [("bus", False, 0.5), ("cus", False, 0.5)]
    found = named(doubt, doubt, [("bus", False, 1.0)])
    apart, joined = np.array([0, 1, 2], np.int32), np.array([0, 0, 2], np.int32)
    none = ([(0, 10**9)], [(0, 10**9)])
    in_all = table([[0, 1, 2]], 3)
    one = richness(in_all, found.taxa, pools_of(found, apart), [(apart, apart)], none)["species"]
    # Each of two is cus half of the time: with bus, that is one species in a quarter of draws.
    assert one.mean[0] == pytest.approx(1.75, abs=0.08)
    assert (one.low[0], one.high[0]) == (1, 2)
    # Drawn together they are both bus, or both cus.
    one = richness(in_all, found.taxa, pools_of(found, joined), [(joined, joined)], none)["species"]
    assert one.mean[0] == pytest.approx(1.5, abs=0.08)


def test_clusters_that_are_too_many_are_taken_away_as_often_as_in_the_library():
    found = named(*[[("", True, 1.0)]] * 40)
    heads = (np.arange(40, dtype=np.int32) // 2) * 2
    pools = pools_of(found, heads)
    sample = table([[*range(40)]], 40)
    for split, expected in (((0, 10**9), 20.0), ((10**8, 10**9), 20 - 20 / 9)):
        counted = richness(sample, found.taxa, pools, [(heads, heads)], ([split], [(0, 10**9)]))
        assert counted["species"].mean[0] == pytest.approx(expected, abs=0.2)


# -- the sheet -----------------------------------------------------------------------------------


def test_a_sheet_under_any_headings(tmp_path):
    path = tmp_path / "sheet.tsv"
    path.write_text(
        "no\tSampleID\tcollection date\tLatitude\tSample_or_Control\tFwdPrimer\tprimer_forward\n"
        "#q2:types\tcategorical\tx\tx\tx\tx\tx\n"
        "1\t1-A\t2025-01-02\t52.1\tTrue Sample\t\tGGWACW\n"
        "2\tB\t2025-01-03\t52.2\tControl Sample\t\t\n"
        "3\tB\t2025-01-04\t52.2\t\t\t\n"
        "4\tZ\t2025-01-04\n"
    )
    sheet = read_sheet(path, ["X1.A", "B", "C"])
    assert sheet.terms["X1.A"] == {
        "eventDate": "2025-01-02", "decimalLatitude": "52.1", "pcr_primer_forward": "GGWACW"
    }  # fmt: skip
    assert sheet.controls == {"B": "Control Sample"}
    assert (sheet.missing, sheet.unread) == (["C"], ["Z"])
    told = " ".join(sheet.notes)
    assert "a second time" in told
    assert "X1.A (" not in told
    assert "1-A (X1.A)" in told
    with pytest.raises(FormatError, match="none of its columns holds the samples"):
        read_sheet(path, ["Q"])
    path.write_text("SampleID,date\n")
    with pytest.raises(FormatError, match="holds no row"):
        read_sheet(path, ["B"])


def test_a_crowd_is_one_cluster():
    chance = random.Random(8)
    root = chance.choices("ACGT", k=300)
    crowd = set()
    while len(crowd) < 150:
        text = [*root]
        for place in chance.sample(range(300), 2):
            text[place] = chance.choice("ACGT")
        crowd.add("".join(text))
    sequences = ["".join(root), *sorted(crowd - {"".join(root)})]
    reads = np.array([9, *[1] * (len(sequences) - 1)])
    heads = cluster(sequences, reads, near_pairs(sequences, 0.03, silent), 0.03)
    assert np.bincount(heads).max() > 0.9 * len(sequences)


def test_a_sheet_of_qiime(tmp_path):
    path = tmp_path / "metadata.tsv"
    path.write_text("#SampleID\tBarcode\tdate\n#q2:types\tcategorical\tcategorical\n"
                    "S1\tACGT\t2025-01-02\nS2\tACGG\t2025-01-03\n")  # fmt: skip
    sheet = read_sheet(path, ["S1", "S2"])
    assert [sheet.terms[s]["eventDate"] for s in ("S1", "S2")] == ["2025-01-02", "2025-01-03"]
    assert not sheet.missing


def test_what_is_said_to_be_no_control_is_none(tmp_path):
    path = tmp_path / "sheet.csv"
    kinds = {
        "A": "not a control", "B": "non-control", "C": "uncontrolled" , "D": "Rio Negro water",
        "E": "negligible", "F": "neg_1", "G": "NTC", "H": "PCR neg", "I": "Mock", "J": "ctrl",
        "K": "no",
    }  # fmt: skip
    path.write_text("sample,type\n" + "".join(f"{key},{kind}\n" for key, kind in kinds.items()))
    assert [*read_sheet(path, [*kinds]).controls] == [*"FGHIJ"]


def test_a_name_as_it_stands_goes_before_one_that_r_would_change(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text("sample,site\nS-1,other\nS.1,mine\n")
    sheet = read_sheet(path, ["S.1"])
    assert sheet.terms == {"S.1": {"locality": "mine"}}
    assert sheet.unread == ["S-1"]


def test_a_quote_left_open_in_a_sheet_is_told(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text('sample,site,type\nS1,"Old pond,water\nBlank,,blank\nS2,"x",water\n')
    with pytest.raises(FormatError, match=r"sheet\.csv:2: a quotation mark"):
        read_sheet(path, ["S1", "S2", "Blank"])


def test_places_that_are_not_on_earth_are_left_out(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text('sample,lat,lon\nS1,95.5,4.5\nS2,"52,01",200\nS3,-12.5,-180\n')
    sheet = read_sheet(path, ["S1", "S2", "S3"])
    assert sheet.terms == {
        "S1": {"decimalLongitude": "4.5"}, "S2": {},
        "S3": {"decimalLatitude": "-12.5", "decimalLongitude": "-180"},
    }  # fmt: skip
    assert len(sheet.notes) == 3


def test_a_column_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text("code,name\nS1,a\nS2,b\n")
    assert read_sheet(path, ["S1"], {"code": "id"}).missing == []
    with pytest.raises(FormatError, match="has no column 'nosuch'"):
        read_sheet(path, ["S1"], {"nosuch": "locality"})
    with pytest.raises(FormatError, match="none of its columns"):
        read_sheet(path, ["S1"], {"name": "id"})
