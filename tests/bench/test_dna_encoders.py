"""The bench of encoders on invented barcodes: all of its road, and that nobody cheats on it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.bench.encoder_rows import SMALL, halves, made_rows, settings  # noqa: E402

from merian.bench import encoder_speed, find_bench, measure  # noqa: E402
from merian.bench.encoder_arms import (  # noqa: E402
    ABLATION,
    ARMS,
    FINE_TUNED,
    SELF_SUPERVISED,
    SPECTRUM,
)
from merian.bench.encoder_bins import BINS  # noqa: E402
from merian.bench.encoder_controls import (  # noqa: E402
    answered,
    controls_there,
    is_answered,
)
from merian.bench.encoder_names import words_of_split  # noqa: E402
from merian.bench.encoder_parts import PARTS  # noqa: E402
from merian.bench.encoder_scores import rightly  # noqa: E402
from merian.bench.encoder_splits import open_split, write_split  # noqa: E402
from merian.bench.encoder_training import (  # noqa: E402
    Training,
    pack_split,
    read_learned,
    train_here,
)
from merian.errors import InputError, MerianError, NotFoundError  # noqa: E402
from merian.learn import open_pack, read_recipe  # noqa: E402

QUICK = ("optimizer.learning_rate=0.01", "training.average=0.5", "data.any_frame=false")


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


def shares(figures):
    return {name: f for name, f in figures.items() if str(f["unit"]).startswith("%")}


def test_open_and_closed_are_trained_asked_and_compared(work, monkeypatch):
    both = ["6-mer 1-NN", "merian identify"]
    monkeypatch.setattr("merian.bench.encoder_study.controls_there", lambda: both)
    figures = measure("dna-encoders", settings(work, only="open,closed")).figures
    for arm in ("self-supervised", "fine-tuned", "spectrum", "untrained"):
        for how in ("1-NN", "softmax 10-NN"):
            assert f"open its1: genus, {arm} {how}" in figures
            assert f"open its1: genus, {arm} {how} less 6-mer 1-NN, the best control" in figures
    assert "open its1: genus, self-supervised 1-NN less untrained 1-NN" in figures
    for method in (
        "fine-tuned",
        "linear probe",
        "spectrum, heads",
        "spectrum, linear probe",
        *both,
    ):
        assert f"closed its1: species, {method}" in figures
    less = [name for name in figures if name.startswith("closed") and "the best control" in name]
    assert len(less) == 6
    for name, figure in shares(figures).items():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 100, name
    for control in both:
        words = figures[f"closed its1: species, {control}"]
        assert words["value"] > 90  # species are 6 % apart, records 1 %
        assert words["n"] == len(halves("closed")[1])
    assert "| closed its1: species, fine-tuned |" in (work / "table.md").read_text(encoding="utf-8")


def test_ways_of_learning_are_compared_over_seeds(work):
    figures = measure("dna-encoders", settings(work, only="pretraining")).figures
    runs = (work / "runs").glob("coi_mixed_0-BERT-*")
    assert len({run.name.split("-")[2] for run in runs}) == 2
    sizes = [
        figures[f"pretraining coi: {arm}, weights of the encoder"]["value"]
        for arm in ("BERT", "MAE", "causal")
    ]
    assert sizes[0] == sizes[1]
    key = "pretraining coi: genus, MAE less BERT, 1-NN"
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
    # Fitted to few barcodes it has few directions: average linkage then takes strays for groups.
    assert figures["bins coi: AMI, spectrum, ward linkage, number given"]["value"] > 80
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


def test_changes_for_every_recipe_leave_the_spectrum_what_it_is(work):
    split = open_split(work / "splits" / "its1_closed_0")
    made = Training(split, SPECTRUM, 0, 2, SMALL).recipe().tables()
    plain = read_recipe("barcode-spectrum").tables()
    assert made["data"] == plain["data"]
    assert made["encoder"] == plain["encoder"]
    assert made["training"]["batch"] == 8


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


def test_an_installed_control_finds_the_right_reference(work):
    split = open_split(work / "splits" / "its1_closed_0")
    for name in controls_there():
        names = answered(split, name)
        right = np.array(names["species"]) == split.truth("species")
        assert right.mean() > 0.9, name
    with pytest.raises(NotFoundError, match="no control is called"):
        answered(split, "guessing")


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
