"""Splits: no group in two parts, shares as far as groups allow, and always the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merian.audit.held import joined
from merian.catalogue import Catalogue
from merian.catalogue.splits import Plan, folds, parts_of
from merian.catalogue.splits.bioscan5m import bioscan5m, drawn, is_placeholder, most_tested
from merian.catalogue.splits.clibd import clibd
from merian.catalogue.splits.groups import BARCODE, declared
from merian.catalogue.splits.near import EARTH, linked, on_the_globe
from merian.catalogue.splits.stratify import at_random, stratified
from merian.errors import CatalogueError, InputError
from merian.nucleotides import reverse_complement

GROUPED = Plan(name="x", by=("barcode",))
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def packed(numbers: list[int]) -> np.ndarray:
    """Numbers from 0 on without gaps."""
    return np.unique(np.array(numbers), return_inverse=True)[1].reshape(-1).astype(np.int32)


records = st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 6)), min_size=1, max_size=120).map(
    lambda rows: (packed([p for p, _ in rows]), np.array([t for _, t in rows], np.int32))
)


@FEW
@given(records, st.integers(0, 3), st.booleans())
def test_no_piece_is_in_two_parts_and_all_are_placed(given_records, seed, folded):
    piece, label = given_records
    parts = folds(4) if folded else GROUPED.parts
    placed = stratified(Plan(name="x", by=("bin",), parts=parts, seed=seed), piece, label)
    assert ((placed.part >= 0) & (placed.part < len(parts))).all()
    assert len({(p, q) for p, q in zip(piece, placed.part, strict=True)}) == len(set(piece))
    assert all(0 <= r < len(placed.reasons) for r in placed.reason)


@FEW
@given(st.lists(st.integers(10, 60), min_size=1, max_size=12), st.integers(0, 5))
def test_single_records_are_cut_by_the_shares(sizes, seed):
    label = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    placed = stratified(
        Plan(name="x", by=("specimen",), seed=seed), np.arange(len(label), dtype=np.int32), label
    )
    share = np.bincount(placed.part, minlength=3) / len(label)
    assert np.abs(share - [0.8, 0.1, 0.1]).max() <= 2 / len(label) + 0.01
    for taxon, size in enumerate(sizes):
        own = np.bincount(placed.part[label == taxon], minlength=3)
        assert np.abs(own - size * np.array([0.8, 0.1, 0.1])).max() < 2


def test_rare_taxa_and_those_in_one_piece_are_learned_from():
    label = np.array([0] * 2 + [1] * 30 + [2] * 30, np.int32)
    piece = packed([0, 1] + [2] * 30 + list(range(3, 33)))
    placed = stratified(Plan(name="x", by=("barcode",), least=3), piece, label)
    assert set(placed.part[label == 0]) == set(placed.part[label == 1]) == {0}
    told = [placed.reasons[r] for r in placed.reason]
    assert told[0] == "its taxon has fewer than 3 records: to train"
    assert told[5] == "all records of its taxon hang together: to train"
    assert Counter(placed.part[label == 2])[2] >= 3


def test_whole_taxa_are_dealt_where_most_hang_together():
    label = np.repeat(np.arange(40), 20).astype(np.int32)
    placed = stratified(Plan(name="x", by=("bin",)), label.copy(), label)
    assert np.bincount(placed.part, minlength=3).tolist() == [640, 80, 80]
    assert "whole taxa are dealt" in placed.notes[-1]


def test_a_random_split_says_that_it_leaks():
    placed = at_random(Plan(name="r", preset="random"), 1000)
    assert np.bincount(placed.part).tolist() == [800, 100, 100]
    assert "LEAKS" in placed.reasons[0]


@FEW
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=40),
       st.sampled_from([0.002, 5.0, 700.0, 4000.0]), st.floats(1e-6, 1.0))  # fmt: skip
def test_places_are_linked_as_single_linkage_says(at, kilometres, spread):
    lat, lon = (np.array(one) * spread for one in zip(*at, strict=True))
    point = on_the_globe(lat, lon)
    far = np.linalg.norm(point[:, None] - point[None], axis=2)
    chord = 2 * EARTH * np.sin(kilometres / EARTH / 2)
    if (np.abs(far - chord) < 1e-7).any():
        return  # a tie, which rounding decides
    near = far <= chord
    for _ in range(len(at).bit_length() + 1):
        near = (near.astype(int) @ near.astype(int)) > 0
    group = linked(lat, lon, kilometres)
    assert np.array_equal(group[:, None] == group[None], near)


@pytest.mark.parametrize(
    ("species", "genus", "expected"),
    [
        ("Psychoda alternata", "Psychoda", False),
        ("Psychoda sp. 11GMK", "Psychoda", True),
        ("Psychoda Malaise6921", "Psychoda", True),
        ("Psychoda mallaisze", "Psychoda", True),
        ("megaselia nigra", "Megaselia", True),
        ("Megaselia BOLDa", "Megaselia", True),
        ("Megaselia cf nigra?", "Megaselia", True),
        ("Megaselia aff nigra", "Megaselia", True),
        ("Megaselia n sp", "Megaselia", True),
        ("Aus bus", "gelechGen1", True),
        ("Aus bus", "unassigned Ausinae", False),
        ("Affinisia bus", "Affinisia", False),
    ],
)
def test_placeholders_are_what_the_published_rule_says(species, genus, expected):
    assert is_placeholder(species, genus) is expected


def test_the_numbers_of_the_published_test_rule():
    assert [most_tested(n) for n in (7, 8, 11, 12, 92, 1000)] == [0, 4, 4, 5, 25, 25]


@FEW
@given(st.lists(st.integers(1, 30), min_size=3, max_size=30).map(sorted), st.integers(0, 9))
def test_what_is_drawn_keeps_its_bounds(sizes, seed):
    size = np.array(sizes)
    n, b = int(size.sum()), len(sizes)
    target, most = most_tested(n), 4 + (n - 8) // 3
    taken = drawn(size, target, 3, most, 1 + (b - 2) // 3, np.random.default_rng(seed))
    assert len(set(taken)) == len(taken) <= 1 + (b - 2) // 3 < b
    assert len(taken) == 0 or 3 <= size[taken].sum() <= max(most, 3)


named = st.lists(st.tuples(st.integers(0, 25), st.integers(-1, 5)), min_size=1, max_size=200).map(
    lambda rows: (packed([p for p, _ in rows]), np.array([t for _, t in rows], np.int32))
)
NAMES = ["Aus bus", "Aus cus", "Aus sp. 1", "Aus sp. 2", "Bus sp. 3", "Dus eus"]
GENERA = ["Aus", "Bus", "Dus"]
OF = np.array([0, 0, 0, 0, 1, 2, -1])


@FEW
@given(named, st.integers(0, 3))
def test_bioscan_5m_keeps_unseen_species_out_of_what_is_seen(given_records, seed):
    piece, species = given_records
    kinds = species[species >= 0]
    names, code = np.unique(kinds, return_inverse=True)
    own = np.full(len(species), -1, np.int32)
    own[species >= 0] = code.reshape(-1)
    placed = bioscan5m(
        Plan(name="x", preset="bioscan-5m", seed=seed), piece,
        (own, [NAMES[i] for i in names]), (OF[species].astype(np.int32), GENERA),
    )  # fmt: skip
    where = [placed.parts[p].name for p in placed.part]
    parts = defaultdict(set)
    for part, kind in zip(where, species, strict=True):
        parts[int(kind)].add(part)
    assert len({(p, q) for p, q in zip(piece, where, strict=True)}) == len(set(piece))
    for kind, found in parts.items():
        unseen = found & {"key_unseen", "val_unseen", "test_unseen"}
        if kind in (0, 1, 5):
            assert found <= {"train", "val", "test"}
            assert "train" in found
        elif kind == 4:
            assert found <= {"other_heldout", "train"}
        elif kind >= 0 and unseen:
            assert not found & {"train", "val", "test"}
            assert (species == kind).sum() >= 8
    for kind in {0, 1, 5} & set(parts):
        tested = sum(w == "test" and s == kind for w, s in zip(where, species, strict=True))
        assert tested <= max(3, 4 + max(0, int((species == kind).sum()) - 8) // 3)


@FEW
@given(named, st.integers(0, 3))
def test_clibd_asks_no_unseen_species_that_was_learned(given_records, seed):
    piece, species = given_records
    if species.max() < 0:
        return
    placed = clibd(Plan(name="x", preset="clibd", seed=seed), piece, species)
    where = [placed.parts[p].name for p in placed.part]
    assert len({(p, q) for p, q in zip(piece, where, strict=True)}) == len(set(piece))
    for kind in set(species.tolist()) - {-1}:
        found = {w for w, s in zip(where, species, strict=True) if s == kind}
        seen = {"train_seen", "seen_keys", "val_seen", "test_seen"}
        for unseen in ("val_unseen", "test_unseen"):
            if unseen in found:
                assert found <= {unseen, f"{unseen}_keys", "shared"}
                assert f"{unseen}_keys" in found
        assert not (found & seen) or "train_seen" in found


def test_barcodes_within_others_are_one():
    rng = np.random.default_rng(5)
    whole = ["".join(rng.choice(list("ACGT"), 200)) for _ in range(3)]
    turned = whole[0][::-1].translate(str.maketrans("ACGT", "TGCA"))
    both = whole[1][:90] + whole[2][:90]  # holds parts of two
    barcodes = [*whole, turned[20:120], whole[1][10:70], both, whole[2][5:80]]
    group = joined(barcodes, np.arange(len(barcodes)))
    assert group[0] == group[3] != group[1]
    assert group[1] == group[4] == group[5] == group[6] == group[2]


def test_a_barcode_is_the_lesser_of_its_strands_without_n_at_its_ends():
    rng = np.random.default_rng(8)
    letters = [("A", "CG"), ("ACGT", "ACGT"), ("ACGTN", "RYSWKMBDHVN")]
    texts = []
    for length in (1, 2, 5, 15, 16, 17, 31, 32, 33, 40, 200):
        for some, few in letters * 8:
            text = "".join(rng.choice(list(some), length))
            middle = "".join(rng.choice(list(few), length % 4))
            # With equal ends only the middle tells which strand comes first.
            texts += [text, text + middle + reverse_complement(text), f"NN{text}{middle}N"]
    with duckdb.connect() as con:
        found = con.execute(
            f"SELECT {BARCODE} FROM (SELECT unnest(?::VARCHAR[]) AS sequence) x", [texts]
        ).fetchall()
    bare = [text.strip("N") for text in texts]
    assert [one for (one,) in found] == [min(t, reverse_complement(t)) for t in bare]


def rows(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Records whose barcodes, samples and places repeat."""
    rng = np.random.default_rng(seed)
    barcodes = ["".join(rng.choice(list("ACGT"), 120)) for _ in range(count // 3)]
    found = []
    for number in range(count):
        species = int(rng.integers(0, 6))
        found.append({
            "occurrenceID": f"r{number:04}",
            "scientificName": f"Aus {'bcdfgh'[species]}us", "family": "Aidae",
            "sequence": barcodes[int(rng.integers(len(barcodes)))], "targetGene": "COI-5P",
            "eventID": f"e{number // 7}",
            "eventDate": f"20{10 + number % 9}-0{1 + number % 9}-11",
            "decimalLatitude": str(round(10 + (number // 7) * 0.5, 4)), "decimalLongitude": "5",
            "datasetName": f"cruise {number % 4}", "split": ("train", "test")[number % 2],
        })  # fmt: skip
    return found


def parts(catalogue: Catalogue, name: str) -> dict[str, str]:
    sql = f"SELECT recordID, part FROM placement WHERE splitName = '{name}'"
    return {str(record): str(part) for record, part in catalogue.query(sql)}


def test_a_split_is_kept_and_the_same_whatever_the_order_and_the_threads(tmp_path: Path, make):
    table = rows(150)
    digests = []
    for number, (order, threads) in enumerate(((table, 1), (table[::-1], 2))):
        with Catalogue.create(tmp_path / f"c{number}", threads=threads) as made:
            made.ingest(make(order))
            split = made.split(Plan(name="one", by=("barcode", "specimen")), contained=joined)
            digests.append((split.digest, parts(made, "one")))
            assert sum(part["records"] for part in split.parts.values()) == 150
            leaks = {leak.kind: leak for leak in split.leaks}
            assert leaks["barcode"].shared == 0
            assert leaks["cruise"].shared > 0
    assert digests[0] == digests[1]


def test_a_split_is_never_overwritten(catalogue: Catalogue, make) -> None:
    catalogue.ingest(make(rows(60)))
    plan = Plan(name="one", by=("barcode",))
    first = catalogue.split(plan)
    again = catalogue.split(plan)
    assert again.done_before
    assert again.digest == first.digest
    with pytest.raises(CatalogueError, match=r"never overwritten \(seed was 0, now 1\)"):
        catalogue.split(Plan(name="one", by=("barcode",), seed=1))
    catalogue.ingest(make([{"occurrenceID": "new", "scientificName": "Aus bus"}]))
    with pytest.raises(CatalogueError, match="it placed 60 records, and the catalogue has 61"):
        catalogue.split(plan)
    assert catalogue.query("SELECT count(*) FROM placement").value() == 60
    found = catalogue.info().splits
    assert [(one.name, sum(one.parts.values())) for one in found] == [("one", 60)]


def test_a_random_split_leaks_and_a_published_one_is_measured(catalogue: Catalogue, make) -> None:
    catalogue.ingest(make(rows(150)))
    for preset in ("random", "published"):
        split = catalogue.split(Plan(name=preset, preset=preset))
        leaks = {leak.kind: leak for leak in split.leaks}
        own = parts(catalogue, preset)
        learned = {part for part, told in split.parts.items() if told["role"] == "learn"}
        barcodes = defaultdict(list)
        for record in rows(150):
            barcodes[record["sequence"]].append(own[record["occurrenceID"]])
        expected = sum(
            sum(part not in learned for part in found)
            for found in barcodes.values() if learned & set(found)
        )  # fmt: skip
        assert leaks["barcode"].records == expected > 0
    assert catalogue.report("random").pairs[0][0] in ("specimen", "barcode")


def test_dates_are_cut_and_what_lies_over_a_cut_is_set_aside(catalogue: Catalogue, make) -> None:
    catalogue.ingest(make([
        {"occurrenceID": "a", "eventDate": "2014-05-01", "eventID": "1"},
        {"occurrenceID": "b", "eventDate": "2015-01-01", "eventID": "2"},
        {"occurrenceID": "c", "eventDate": "2015", "eventID": "3"},
        {"occurrenceID": "d", "eventDate": "2014-12-30/2015-01-02", "eventID": "4"},
        {"occurrenceID": "e"},
    ]))  # fmt: skip
    catalogue.split(Plan(name="d", preset="dates", cuts=("2015-01-01",)))
    assert parts(catalogue, "d") == {
        "a": "train", "b": "test", "c": "test", "d": "aside", "e": "train",
    }  # fmt: skip


def test_no_tested_picture_of_the_seabed_is_near_what_is_learned(catalogue: Catalogue, make):
    rng = np.random.default_rng(1)
    table = []
    for transect in range(4):
        for step in range(160):
            table.append({  # noqa: PERF401 - a row is long
                "occurrenceID": f"t{transect}-{step:03}",
                "scientificName": f"Aus {'bcd'[int(rng.integers(3))]}us",
                "decimalLatitude": f"{-43 + step * 0.7 / 111_195:.7f}",  # a picture each 0.7 m
                "decimalLongitude": f"{147 + transect * 30 / 81_000:.7f}",
                "eventDate": "2012-01-01", "eventTime": f"{10 + step // 60}:{step % 60:02}",
                "datasetName": f"transect {transect}",
            })  # fmt: skip
    catalogue.ingest(make(table))
    split = catalogue.split(Plan(name="b", preset="benthicnet", metres={"together": 15.0}))
    own = parts(catalogue, "b")
    place = {r["occurrenceID"]: r for r in table}
    at = {
        part: on_the_globe(*(np.array([float(place[k][c]) for k, p in own.items() if p == part])
                             for c in ("decimalLatitude", "decimalLongitude")))
        for part in ("train", "test", "buffer")
    }  # fmt: skip
    far = np.linalg.norm(at["train"][:, None] - at["test"][None], axis=2) * 1000
    assert far.min() > 10
    kept = np.concatenate(list(at.values()))
    apart = np.linalg.norm(kept[:, None] - kept[None], axis=2) * 1000 + 1e9 * np.eye(len(kept))
    assert apart.min() >= 2.5
    assert split.parts["thinned"]["records"] > 300
    assert split.parts["test"]["records"] >= 0.1 * len(kept)


@pytest.mark.parametrize(
    ("plan", "match"),
    [
        (Plan(name="x"), "say what must not be divided"),
        (Plan(name="x", by=("barcod",)), "Did you mean barcode"),
        (Plan(name="x", by=("distance",)), "how far"),
        (Plan(name="x", by=("distance=5days",)), "unit"),
        (Plan(name="x", by=("bin=3",)), "expected distance=KM"),
        (Plan(name="x y", by=("bin",)), "without blanks"),
        (Plan(name="x", preset="bioscan"), "Did you mean bioscan-5m"),
        (Plan(name="x", preset="dates"), "dates to cut at"),
        (Plan(name="x", by=("bin",), rank="clan"), "expected one of kingdom"),
    ],
)
def test_what_cannot_be_done_is_told(catalogue: Catalogue, make, plan: Plan, match: str) -> None:
    catalogue.ingest(make(rows(7)))
    with pytest.raises(InputError, match=match):
        catalogue.split(plan)
    assert catalogue.splits() == []


def test_an_empty_catalogue_has_nothing_to_divide(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="no records to divide"):
        catalogue.split(Plan(name="x", by=("bin",)))


@pytest.mark.parametrize("text", ["train", "train=0,test=1", "a=1,a=1", "a=1", "a b=1,c=2"])
def test_parts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--parts"):
        parts_of(text)


def test_shares_and_groups_are_read() -> None:
    assert [(p.name, p.share, p.role) for p in parts_of("train=3,hold=1")] == [
        ("train", 0.75, "learn"), ("hold", 0.25, "test"),
    ]  # fmt: skip
    assert declared("distance=500m") == ("distance", 0.5)
    assert declared("date=30") == ("date", 30.0)


def test_a_catalogue_before_splits_gets_their_tables(tmp_path: Path) -> None:
    path = tmp_path / "old"
    Catalogue.create(path).close()
    with duckdb.connect(path / "catalogue.duckdb") as con:
        con.execute("DROP TABLE split").fetchall()
        con.execute("DROP TABLE placement").fetchall()
    told = path / "merian.json"
    told.write_text(told.read_text().replace('"format_version": "1.3"', '"format_version": "1.1"'))
    with Catalogue.open(path, read_only=True) as opened:
        assert opened.splits() == []
        assert opened.query("SELECT count(*) FROM placement").value() == 0
