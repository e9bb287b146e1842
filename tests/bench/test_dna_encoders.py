"""The bench of encoders on invented barcodes: all of its road, and that nobody cheats on it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from merian.bench import encoder_speed, find_bench, measure  # noqa: E402
from merian.bench.bioscan import bioscan_split  # noqa: E402
from merian.bench.encoder_arms import ABLATION, ARMS, FINE_TUNED, SELF_SUPERVISED  # noqa: E402
from merian.bench.encoder_bins import BINS, leaders, left_out_interval, split_bins  # noqa: E402
from merian.bench.encoder_controls import (  # noqa: E402
    answered,
    controls_there,
    is_answered,
    six_mers,
)
from merian.bench.encoder_names import words_of_split  # noqa: E402
from merian.bench.encoder_parts import PARTS  # noqa: E402
from merian.bench.encoder_scores import difference, k_nearest, rightly, share, verdict  # noqa: E402
from merian.bench.encoder_splits import duplicates, open_split, write_split  # noqa: E402
from merian.bench.encoder_training import (  # noqa: E402
    Training,
    pack_split,
    read_learned,
    train_here,
)
from merian.bench.linkage import by_average, by_ward  # noqa: E402
from merian.errors import FormatError, InputError, MerianError, NotFoundError  # noqa: E402
from merian.formats.bioscan5m import COLUMNS  # noqa: E402
from merian.learn import adjusted_mutual_information, open_pack, read_recipe  # noqa: E402
from merian.nucleotides import reverse_complement  # noqa: E402

SMALL = (
    "encoder.width=24", "encoder.hidden=32", "encoder.layers=1", "data.k=3", "training.batch=8",
    "optimizer.kind=adamw",
)  # fmt: skip
QUICK = ("optimizer.learning_rate=0.01", "training.average=0.5", "data.any_frame=false")
LETTERS = "abcdefghij"


def made_rows(seed=0, genera=5, species=3, records=4, length=240):
    """Rows of the yardstick: genera in two families, species 6 % apart, records 1 %."""
    rng = np.random.default_rng(seed)

    def changed(sequence, share):
        other = rng.choice(list("ACGT"), len(sequence))
        return np.where(rng.random(len(sequence)) < share, other, sequence)

    rows, root = [], rng.choice(list("ACGT"), length)
    for genus in range(genera):
        stem, family = changed(root, 0.3), f"F{'ab'[genus % 2]}idae"
        last = f"Genus{LETTERS[genus]}"
        for kind in range(species):
            own = changed(stem, 0.08)
            names = ["Arthropoda", "Insecta", "Diptera", family, last, f"{last}_sp{LETTERS[kind]}x"]
            for _ in range(records):
                rows.append((f"x{len(rows)}", "".join(changed(own, 0.013)), names))
    return rows


def halves(kind):
    """References and queries of a split of each kind."""
    rows = made_rows()
    if kind == "bins":
        return split_bins(rows, 0)
    new = [row for row in rows if row[2][-1].endswith("_spcx")]
    known = [row for row in rows if not row[2][-1].endswith("_spcx")]
    asked = known[::4]
    references = [row for row in known if row not in asked]
    if kind == "open":
        return known, new
    if kind == "closed":
        return [*references, *new[1::2]], [*asked, *new[::2]]
    return references, [*asked, *new]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A working folder with an invented split of every task of the bench."""
    folder = tmp_path_factory.mktemp("work")
    for task in {task for part in (*PARTS.values(), BINS) for task in part.tasks[-1:]}:
        write_split(folder / "splits" / task.name, *halves(task.kind))
    return folder


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Each part asks one source, and one control, so that the tests are quick."""
    monkeypatch.setattr("merian.bench.encoder_study.controls_there", lambda: ["6-mer 1-NN"])
    few = {name: replace(part, tasks=part.tasks[-1:]) for name, part in PARTS.items()}
    monkeypatch.setattr("merian.bench.dna_encoders.PARTS", few)


def settings(work, **more):
    return {
        "work": str(work), "steps": "2", "changes": ";".join(SMALL), "processes": "0",
        "peers": "no", "seeds": "2", **more,
    }  # fmt: skip


def shares(figures):
    return {name: f for name, f in figures.items() if str(f["unit"]).startswith("%")}


def test_open_and_closed_are_trained_asked_and_compared(work, monkeypatch):
    both = ["6-mer 1-NN", "merian identify"]
    monkeypatch.setattr("merian.bench.encoder_study.controls_there", lambda: both)
    figures = measure("dna-encoders", settings(work, only="open,closed")).figures
    for arm in ("self-supervised", "fine-tuned", "untrained"):
        for how in ("1-NN", "softmax 10-NN"):
            assert f"open its1: genus, {arm} {how}" in figures
            assert f"open its1: genus, {arm} {how} less 6-mer 1-NN, the best control" in figures
    assert "open its1: genus, self-supervised 1-NN less untrained 1-NN" in figures
    for method in ("fine-tuned", "linear probe", *both):
        assert f"closed its1: species, {method}" in figures
    less = [name for name in figures if name.startswith("closed") and "the best control" in name]
    assert len(less) == 3
    for name, figure in shares(figures).items():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 100, name
    for control in both:
        words = figures[f"closed its1: species, {control}"]
        assert words["value"] > 90  # species are 6 % apart, records 1 %
        assert words["n"] == len(halves("closed")[1])
    assert "| closed its1: species, fine-tuned |" in (work / "table.md").read_text(encoding="utf-8")


def test_ways_of_learning_are_compared_over_seeds(work):
    figures = measure("dna-encoders", settings(work, only="pretraining")).figures
    runs = (work / "runs").glob("its1_mixed_0-BERT-*")
    assert len({run.name.split("-")[2] for run in runs}) == 2
    sizes = [
        figures[f"pretraining its1: {arm}, weights of the encoder"]["value"]
        for arm in ("BERT", "MAE", "causal")
    ]
    assert sizes[0] == sizes[1]
    key = "pretraining its1: genus, MAE less BERT, 1-NN"
    assert figures[key]["unit"].startswith("points; BarcodeMAE's claim ")
    assert figures[f"{key}, over seeds"]["n"] == 2
    asked = sum(row[2][-1].endswith("_spcx") for row in halves("mixed")[1])
    assert figures[key]["n"] == asked


def test_the_arms_of_pretraining_have_as_many_weights_as_each_other():
    from merian.learn import build_encoder

    def size(arm):
        made = read_recipe(ARMS[arm].recipe, ARMS[arm].changes).tables()
        said = {k: v for k, v in made["encoder"].items() if k not in ("from", "frozen")}
        positions = {} if said["kind"] == "barcode-mamba" else {"positions": 110}
        said = {k: v for k, v in said.items() if v is not None}
        network = build_encoder({**said, "vocabulary": 4**6 + 3, **positions})
        return sum(p.numel() for p in network.parameters())

    assert size("BERT") == size("MAE")
    assert size("causal") == pytest.approx(size("BERT"), rel=0.05)


def test_fungi_bins_and_the_ablation_have_their_figures(work):
    figures = measure("dna-encoders", settings(work, only="fungi,bins,ablation")).figures
    assert figures["fungi its1: open, dropped"]["value"] == 0  # nothing is planted here
    assert "fungi its1: open, genus, self-supervised 1-NN" in figures
    for rank in ("species", "genus"):
        for arm in ABLATION:
            assert f"ablation its1: {rank}, {arm}" in figures
        assert f"ablation its1: {rank}, Mamba+ less Mamba+ without pretraining" in figures
    bins = len({row[2][-1] for row in halves("bins")[1]})
    assert figures["bins coi: BINs"]["value"] == bins
    for way in ("average linkage, number given", "ward linkage, number given"):
        assert figures[f"bins coi: clusters, self-supervised, {way}"]["value"] == bins
    assert figures["bins coi: AMI, 6-mer, average linkage, distance learned"]["value"] > 80
    assert figures["bins coi: AMI, our clusters at 2.5 %"]["value"] > 80


def test_every_arm_of_the_ablation_takes_one_thing_away():
    whole = read_recipe(ARMS[ABLATION[0]].recipe, ARMS[ABLATION[0]].changes).tables()
    differ = {}
    for name in ABLATION[1:]:
        own = read_recipe(ARMS[name].recipe, ARMS[name].changes).tables()
        differ[name] = {
            f"{table}.{key}"
            for table in ("data", "encoder", "objective", "optimizer", "schedule", "training")
            for key in whole[table] | own[table]
            if whole[table].get(key) != own[table].get(key)
        }
    assert differ == {
        "Mamba+ without pretraining": set(),
        "Mamba+ without smoothing": {"objective.smoothing"},
        "Mamba+ without weights": {"objective.power"},
        "Mamba+ species head alone": {"objective.ranks"},
    }
    assert ARMS["Mamba+ without pretraining"].start is None
    assert all(ARMS[name].start for name in ABLATION if "pretraining" not in name)


def test_what_is_done_is_not_done_again(work):
    split = open_split(work / "splits" / "its1_closed_0")
    training = Training(split, SELF_SUPERVISED, 0, 2, SMALL)
    run = train_here(training, work / "runs")
    before = (run / "bench" / "vectors.safetensors").stat().st_mtime_ns
    assert train_here(training, work / "runs") == run
    assert (run / "bench" / "vectors.safetensors").stat().st_mtime_ns == before
    others = [
        Training(split, SELF_SUPERVISED, 1, 2, SMALL),
        Training(split, SELF_SUPERVISED, 0, 3, SMALL),
        Training(split, SELF_SUPERVISED, 0, 2, (*SMALL, "objective.share=0.3")),
        Training(open_split(work / "splits" / "its1_open_0"), SELF_SUPERVISED, 0, 2, SMALL),
    ]
    assert len({training.name, *(other.name for other in others)}) == 5


def test_children_do_the_same_as_this_process(work, tmp_path):
    write_split(tmp_path / "splits" / "its1_closed_0", *halves("closed"))
    more = {"only": "closed", "processes": "2"}
    there = measure("dna-encoders", settings(tmp_path, **more)).figures
    here = measure("dna-encoders", settings(work, only="closed")).figures
    assert there == here


def test_what_a_child_complains_of_is_told(work):
    wrong = {"changes": ";".join((*SMALL, "training.batch=0")), "only": "closed"}
    with pytest.raises(MerianError, match=r"training\.batch"):
        measure("dna-encoders", settings(work, **wrong))


def test_no_child_outlives_a_bench_that_was_killed():
    code = "from merian.bench.child import end_with_parent as e; import time; e(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        child.stdin.close()  # what the end of the parent does
        assert child.wait(30) == 1


def test_no_query_gets_into_a_pack(work):
    for folder in sorted((work / "splits").iterdir()):
        split = open_split(folder)
        pack = open_pack(pack_split(split))
        packed = set(pack.read(np.arange(len(pack))))
        assert packed == {sequence for sequence, _ in split.references}
        assert packed.isdisjoint(sequence for sequence, _ in split.queries)


def test_names_of_a_pack_are_turned_back_into_those_of_the_split(tmp_path):
    rows = made_rows()
    odd = [("y", rows[0][1][::-1], [*rows[0][2][:4], "Aus", "Aus_bus_var__cus"])]
    split = write_split(tmp_path / "s", [*rows, *odd, *odd[:0]], rows[:1])
    pack_split(split)
    words = words_of_split(split)
    assert words["genus"]["Genusa"] == "Genusa"
    assert "Aus_bus_var__cus" in words["species"].values()
    assert set(words["species"].values()) <= set(split.labels("species"))


def test_trained_heads_name_species_that_are_easy(tmp_path):
    rows = made_rows(genera=2, species=2, records=8)
    split = write_split(tmp_path / "s", rows[::2], rows[1::2])
    training = Training(split, FINE_TUNED, 0, 60, (*SMALL, *QUICK))
    train_here(training.start, tmp_path)
    run = train_here(training, tmp_path)
    learned = read_learned(run)
    right = rightly(split, "species", learned.names["species"], split.asked("species"))
    assert np.nanmean(right) > 0.7
    genus = [name.rpartition("_")[0] for name in learned.names["species"]]
    assert learned.names["genus"] == genus  # a lineage does not contradict itself


# -- duplicates -----------------------------------------------------------------------------------


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


# -- controls -------------------------------------------------------------------------------------


def test_six_mers_are_counted():
    found = six_mers(["AAAAAAAC", "ACGTNACGTAC", "ACG"])
    assert found.sum(axis=1).tolist() == [3, 1, 0]
    assert found[0, 0] == 2
    assert found[0, 1] == 1


def test_an_installed_control_finds_the_right_reference(work):
    split = open_split(work / "splits" / "its1_closed_0")
    for name in controls_there():
        names = answered(split, name)
        right = np.array(names["species"]) == split.truth("species")
        assert right.mean() > 0.9, name
    with pytest.raises(NotFoundError, match="no control is called"):
        answered(split, "guessing")


# -- clusters -------------------------------------------------------------------------------------


def plain_tree(distances, ward):
    """Join the two nearest of all clusters, again and again; the oracle."""
    members = {i: [i] for i in range(len(distances))}
    while len(members) > 1:
        apart = {
            (a, b): ward_cost(distances, one, other)
            if ward
            else distances[np.ix_(one, other)].mean()
            for (a, one), (b, other) in combinations(members.items(), 2)
        }
        a, b = min(apart, key=apart.get)
        far = apart[a, b]
        members[a] += members.pop(b)
        yield far, [sorted(m) for m in members.values()]


def ward_cost(points, one, other):
    """The distance of Ward's method, from the means of two clusters of points."""
    gap = points[one].mean(0) - points[other].mean(0)
    return np.sqrt(2 * len(one) * len(other) / (len(one) + len(other)) * (gap**2).sum())


@pytest.mark.parametrize("ward", [False, True])
def test_trees_are_those_of_joining_the_nearest_again_and_again(ward):
    points = np.random.default_rng(3).normal(size=(25, 3))
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    tree = by_ward(points) if ward else by_average(distances)
    for number, (far, groups) in enumerate(plain_tree(points if ward else distances, ward)):
        assert tree.heights[number] == pytest.approx(far)
        for labels in (tree.into(24 - number), tree.at(far + 1e-9)):
            found = [np.flatnonzero(labels == c).tolist() for c in np.unique(labels)]
            assert sorted(found) == sorted(groups)
    with pytest.raises(InputError, match="26 clusters of 25 items"):
        tree.into(26)


def test_a_leader_takes_in_what_is_near():
    vectors = np.array([[1, 0], [0.99, 0.05], [0, 1], [0.05, 0.99], [0.7, 0.7]], np.float32)
    assert leaders(vectors, 0.01).tolist() == [0, 0, 1, 1, 2]
    assert leaders(vectors, 1.0).tolist() == [0, 0, 0, 0, 0]
    assert leaders(vectors, -1.0).tolist() == [0, 1, 2, 3, 4]


def test_the_interval_of_an_agreement_holds_it_and_narrows():
    rng = np.random.default_rng(0)
    halves = []
    for bins in (40, 400):
        truth = np.repeat(np.arange(bins), 4)
        clusters = np.where(
            rng.random(len(truth)) < 0.1, rng.integers(bins, size=len(truth)), truth
        )
        value, half = left_out_interval(adjusted_mutual_information, clusters, truth)
        assert value == adjusted_mutual_information(clusters, truth)
        assert 0 < half < 0.2
        halves.append(half)
    assert halves[1] < halves[0] / 2


def test_halves_share_no_bin():
    learned, asked = split_bins(made_rows(), 0)
    one, other = ({row[2][-1] for row in rows} for rows in (learned, asked))
    assert one.isdisjoint(other)
    assert abs(len(one) - len(other)) <= 1
    with pytest.raises(NotFoundError, match="two or more"):
        split_bins(made_rows(genera=1, species=1), 0)


# -- BIOSCAN-5M -----------------------------------------------------------------------------------


def bioscan_table(path, mark=","):
    """A table in BIOSCAN-5M's layout of invented barcodes; some rows of no use."""
    references, queries = halves("mixed")
    rows = [("train", row) for row in references]
    rows += [("test_unseen" if r[2][-1].endswith("_spcx") else "test", r) for r in queries]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter=mark)
        writer.writeheader()
        for number, (part, (key, sequence, names)) in enumerate(rows):
            lineage = dict(
                zip(("phylum", "class", "order", "family", "genus", "species"), names, strict=True)
            )
            filled = sequence + "N" * (number % 3)
            writer.writerow({"processid": key, "dna_barcode": filled, "split": part, **lineage})
        first = rows[0][1]
        writer.writerow({"processid": "p1", "dna_barcode": first[1], "split": "pretrain"})
        wrong = {"split": "train", "genus": "Aus", "species": "Aus bus"}
        writer.writerow({"processid": "bad", "dna_barcode": "ACGT", **wrong})
        writer.writerow({"processid": "copy", "dna_barcode": first[1] + "NN", "split": "train",
                         "genus": first[2][4], "species": first[2][5]})  # fmt: skip
    return path


def test_bioscans_own_split_is_asked(tmp_path):
    table = bioscan_table(tmp_path / "BIOSCAN_5M_Insect_Dataset_metadata.csv")
    figures = measure(
        "dna-encoders", settings(tmp_path / "work", data=str(tmp_path), yardstick="nowhere.py")
    ).figures
    assert {name.partition(":")[0] for name in figures} == {"closed bioscan", "open bioscan"}
    assert figures["closed bioscan: species, 6-mer 1-NN"]["value"] > 90
    references, queries = halves("mixed")
    split = open_split(tmp_path / "work" / "splits" / "bioscan_mixed_0")
    assert [s for s, _ in split.references] == [row[1] for row in references]
    assert len(split.queries) == len(queries)
    rejects = (tmp_path / "work/splits/bioscan_mixed_0/rejects.tsv").read_text().splitlines()
    assert len(rejects) == 2
    assert rejects[1].split("\t")[:3] == [
        str(table),
        str(len(references) + len(queries) + 3),
        "bad",
    ]


def test_a_table_with_tabs_is_read_and_what_is_none_is_told(tmp_path):
    table = bioscan_table(tmp_path / "metadata.tsv", "\t")
    split = bioscan_split(tmp_path, tmp_path / "split")
    assert len(split.references) == len(halves("mixed")[0])
    bioscan_table(tmp_path / "second.csv")
    with pytest.raises(NotFoundError, match="Give the file itself"):
        bioscan_split(tmp_path, tmp_path / "other")
    (tmp_path / "third.csv").write_text("processid,split\na,train\n", encoding="utf-8")
    with pytest.raises(FormatError, match="lacks the columns dna_barcode"):
        bioscan_split(tmp_path / "third.csv", tmp_path / "other")
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    with pytest.raises(FormatError, match="2 barcodes with species in the split train and 0"):
        bioscan_split(table, tmp_path / "other")


def test_a_split_is_asked_only_of_the_table_that_it_was_made_of(tmp_path):
    table = bioscan_table(tmp_path / "one.csv")
    first = bioscan_split(table, tmp_path / "split")
    assert bioscan_split(table, tmp_path / "split").queries == first.queries
    table.write_text(table.read_text(encoding="utf-8").replace("Genusa", "Aus"), encoding="utf-8")
    with pytest.raises(InputError, match="made of another table"):
        bioscan_split(table, tmp_path / "split")


def test_what_is_no_table_is_told_with_its_line(tmp_path):
    table = bioscan_table(tmp_path / "one.csv")
    lines = table.read_text(encoding="utf-8").splitlines()
    opened = "\n".join([*lines[:3], '"' + "A" * 140_000, *lines[3:]])
    table.write_text(opened + "\n", encoding="utf-8")
    with pytest.raises(FormatError, match="is a quote not closed"):
        bioscan_split(table, tmp_path / "split")
    few = "processid,split,genus,species,dna_barcode\nP1,train,Aus,Aus bus,AC!GT\n"
    table.write_text(few, encoding="utf-8")
    with pytest.raises(FormatError, match=r"1 set aside, the first \(line 2, P1\)"):
        bioscan_split(table, tmp_path / "split")


# -- the bench itself -----------------------------------------------------------------------------


def test_it_is_called_by_its_name_and_tells_of_wrong_settings(tmp_path):
    assert find_bench("dna-encoders").measures.endswith("beside plain controls.")
    with pytest.raises(NotFoundError, match="there is no part 'opened'"):
        measure("dna-encoders", {"only": "opened"})
    with pytest.raises(InputError, match="--seeds 0"):
        measure("dna-encoders", {"seeds": "0"})
    with pytest.raises(InputError, match="--steps 0"):
        measure("dna-encoders", {"steps": "0"})
    with pytest.raises(InputError, match="--processes -1"):
        measure("dna-encoders", {"processes": "-1"})
    with pytest.raises(InputError, match=r"sets training\.steps itself, by --steps"):
        measure("dna-encoders", {"changes": "training.steps = 3"})
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="is a file"):
        measure("dna-encoders", {"work": str(tmp_path / "file")})
    with pytest.raises(NotFoundError, match="yardstick is not there"):
        measure("dna-encoders", {"only": "bins", "yardstick": str(tmp_path / "none.py")})


def test_throughput_is_asked_alone_and_says_what_it_lacks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("merian.bench.encoder_speed._PEER", "no_such_package")
    monkeypatch.setattr(
        "merian.bench.encoder_speed.measure", partial(encoder_speed.measure, None, rounds=1,
                                                      cores=1, arms=["scan, in"])
    )  # fmt: skip
    figures = measure("dna-encoders", {"only": "throughput", "work": str(tmp_path)}).figures
    assert [*figures] == ["throughput: scan, in chunks"]
    assert "transformers is not installed" in capsys.readouterr().err


def test_controls_of_another_version_are_asked_again(tmp_path, monkeypatch):
    split = write_split(tmp_path / "its1_closed_0", *halves("closed"))
    answered(split, "6-mer 1-NN")
    assert is_answered(split, "6-mer 1-NN")
    monkeypatch.setattr("merian.bench.encoder_controls.__version__", "99.0")
    assert not is_answered(split, "6-mer 1-NN")


def test_figures_are_written_as_json(work, tmp_path):
    result = measure("dna-encoders", settings(work, only="closed"))
    result.save(tmp_path / "f.json")
    told = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert told["figures"] == dict(result.figures)
    assert any("published, other data" in name for name in told["peers"])
