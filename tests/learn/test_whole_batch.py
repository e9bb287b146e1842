"""A batch in pieces is learnt as one, where the loss is of the whole."""

from __future__ import annotations

import gc
import json
import weakref

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from safetensors.torch import load_file  # noqa: E402
from tests.learn import tiny, towers  # noqa: E402
from tests.learn.test_trainer_processes import torchrun  # noqa: E402

from merian.errors import InputError  # noqa: E402
from merian.learn.devices import Place  # noqa: E402
from merian.learn.feeding import Row  # noqa: E402
from merian.learn.modalities import Contrastive  # noqa: E402
from merian.learn.run_log import read_log  # noqa: E402
from merian.learn.task import Task  # noqa: E402
from merian.learn.trainer import train  # noqa: E402
from merian.learn.whole_batch import Surrogate, cut, learn_whole, outcome_of  # noqa: E402

HERE = Place(torch.device("cpu"), "float32")
CASES = {
    "info-nce": {},
    "sigmoid": {"loss": "sigmoid"},
    "two modalities": {"names": "ab"},
    "two modalities, sigmoid": {"names": "ab", "loss": "sigmoid"},
    "passed over": {"share": "pass"},
    "plain": {"share": "record"},
    "bound": {"bound_to": "b"},
    "at the highest temperature": {"scale": 100.0},
}


def chance(number):
    torch.manual_seed(100 + number)


def in_pieces(made, parts, here=HERE):
    outcome, odd = learn_whole(made, Surrogate(made), parts, here, chance)
    assert odd == []
    return outcome


def by_definition(made, parts):
    """The gradient of the loss of all rows, with all that made them kept."""
    found = []
    for number, part in enumerate(parts):
        chance(number)
        found.append(made.rows(part))
    rows = {name: torch.cat([each[name] for each in found]) for name in found[0]}
    facts = [made.facts(part) for part in parts]
    outcome = made.outcome(rows, {n: torch.cat([f[n] for f in facts]) for n in facts[0]})
    (outcome.loss * outcome.weight).backward()
    return outcome


def assert_same(outcome, expected, one, other, rtol):
    assert outcome.loss.item() == pytest.approx(expected.loss.item(), rel=rtol)
    assert outcome.weight == expected.weight > 0
    assert outcome.weights == expected.weights
    assert outcome.figures.keys() == expected.figures.keys()
    for name, figure in outcome.figures.items():
        assert figure.item() == pytest.approx(expected.figures[name].item(), rel=rtol)
    wanted = dict(other.named_parameters())
    for name, parameter in one.named_parameters():
        scale = wanted[name].grad.abs().max().item()
        torch.testing.assert_close(
            parameter.grad, wanted[name].grad, rtol=rtol, atol=rtol * max(scale, 1e-3)
        )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_pieces_have_the_gradient_of_the_whole(case, dropout):
    options = {**CASES[case], "dropout": dropout}
    for dtype, rtol in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        one, other = (towers.objective(**options).to(dtype) for _ in range(2))
        batch = towers.batch(13, options.get("names", "abc"))
        parts = cut(batch, 4)
        assert sorted(len(part["labels"]) for part in parts) == [3, 3, 3, 4]
        outcome = in_pieces(one, parts)
        assert_same(outcome, by_definition(other, parts), one, other, rtol)
        assert "heads.temperature.log_scale" in dict(one.named_parameters())
        if not dropout:
            plain = towers.objective(**options).to(dtype)
            expected = plain(batch)
            (expected.loss * expected.weight).backward()
            assert_same(outcome, expected, one, plain, rtol)


def test_a_piece_by_itself_would_teach_something_else():
    """What the test above would not see if rows were no rivals."""
    batch = towers.batch(12)
    whole, alone = towers.objective(), towers.objective()
    in_pieces(whole, cut(batch, 4))
    for part in cut(batch, 4):
        outcome = alone(part)
        (outcome.loss * outcome.weight).backward()
    one, other = (made.heads["a"].weight.grad.flatten() for made in (whole, alone))
    assert torch.cosine_similarity(one, other, dim=0).item() < 0.95


def test_records_that_stand_in_two_pieces_know_each_other():
    one, other = towers.objective().double(), towers.objective().double()
    batch = {**towers.batch(12), "ids": torch.arange(12) % 4}
    outcome = in_pieces(one, cut(batch, 3))
    expected = other(batch)
    (expected.loss * expected.weight).backward()
    assert_same(outcome, expected, one, other, 1e-10)
    without = towers.objective().double()(towers.batch(12))
    assert without.loss.item() != pytest.approx(expected.loss.item(), rel=1e-3)


def test_what_is_frozen_gets_no_gradient():
    one, other = towers.objective().double(), towers.objective().double()
    for made in (one, other):
        made.encoder["a"].requires_grad_(False)
        made.heads["a"].requires_grad_(False)
    in_pieces(one, cut(towers.batch(12), 3))
    outcome = other(towers.batch(12))
    (outcome.loss * outcome.weight).backward()
    for name, parameter in one.named_parameters():
        wanted = dict(other.named_parameters())[name].grad
        assert (parameter.grad is None) == (wanted is None) == (".a." in name or "heads.a" in name)
        if wanted is not None:
            torch.testing.assert_close(parameter.grad, wanted, rtol=1e-10, atol=1e-12)


class Wide(towers.Tower):
    """A tower whose inside is far larger than its rows."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.wide = torch.nn.Sequential(
            torch.nn.Linear(8, 1024), torch.nn.GELU(), torch.nn.Linear(1024, 8)
        )

    def pooled(self, tokens, keep):
        self.calls += 1
        return self.wide(self.words(tokens)).mean(1)


def peak_of(learn):
    """The most bytes that are kept at any time for a way back."""
    live = most = 0

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor

    def gone(size):
        nonlocal live
        live -= size

    def pack(tensor):
        nonlocal live, most
        kept = Kept(tensor)
        size = tensor.numel() * tensor.element_size()
        live += size
        most = max(most, live)
        weakref.finalize(kept, gone, size)
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        learn()
    gc.collect()
    assert live == 0
    return most


def test_memory_is_that_of_a_piece_and_not_of_the_batch():
    made = Contrastive({n: Wide() for n in "ab"}, 8, about={n: towers.ABOUT[n] for n in "ab"})

    def whole(n):
        outcome = made(towers.batch(n, "ab"))
        (outcome.loss * outcome.weight).backward()

    def pieces(n, count):
        in_pieces(made, cut(towers.batch(n, "ab"), count))

    undivided = peak_of(lambda: whole(32))
    assert peak_of(lambda: whole(64)) > 1.9 * undivided
    piece = peak_of(lambda: pieces(32, 8))
    assert piece < undivided / 6
    assert peak_of(lambda: pieces(64, 16)) < 1.05 * piece


def recipe(folder, *changes):
    return tiny.recipe(folder, "training.batch=12", "training.validate=12", *changes)


def wide_task():
    about = {n: towers.ABOUT[n] for n in "abc"}
    return Task(Contrastive({n: Wide() for n in "abc"}, 8, about=about), towers.Records(32), None)


@pytest.mark.parametrize(("pieces", "passes"), [(1, 1), (4, 8)])
def test_an_undivided_batch_costs_one_pass(tmp_path, pieces, passes):
    task = wide_task()
    train(recipe(tmp_path, "training.steps=1", f"training.pieces={pieces}"), task, tmp_path / "run")
    assert task.objective.encoder["a"].calls == passes


def assert_alike(one, other):
    """Two logs say the same, but for rounding and the time that it took."""
    assert [line.keys() for line in one] == [line.keys() for line in other]
    for first, second in zip(one, other, strict=True):
        for name in first.keys() - {"seconds", "valid"}:
            assert second[name] == pytest.approx(first[name], rel=1e-6), name
        for name, figure in first.get("valid", {}).items():
            for key in ("value", "n"):
                assert second["valid"][name][key] == pytest.approx(figure[key], rel=1e-6), name


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs with the same batches, in one piece and in five of unequal sizes."""
    folder = tmp_path_factory.mktemp("runs")
    for pieces in (1, 5):
        changes = (f"training.pieces={pieces}",)
        train(recipe(folder, *changes), towers.task(loss="sigmoid"), folder / f"{pieces}")
    return folder


def test_a_run_in_pieces_is_the_undivided_run(trained):
    one, five = (load_file(trained / n / "model" / "weights.safetensors") for n in "15")
    start = towers.task(loss="sigmoid").objective.state_dict()
    for name in one:
        torch.testing.assert_close(five[name], one[name], rtol=1e-6, atol=1e-8)
        assert not torch.equal(one[name], start[name]), name
    logs = [read_log(trained / n) for n in "15"]
    assert {"loss a-b", "met a-c", "gradient"} <= logs[0][0].keys()
    assert_alike(*logs)


def test_a_look_takes_batches_as_large_as_those_of_training(trained):
    """28 are held out: two batches of 12; 4 fill none."""
    task = towers.task(loss="sigmoid")
    task.objective.load_state_dict(load_file(trained / "1" / "model" / "weights.safetensors"))
    made = task.objective.eval()
    row = Row((14, 14), seed=0, window=2, batch=12, pieces=1)
    outcomes = [made(task.valid.batch(row.indices(step), None)) for step in range(2)]
    weight = sum(outcome.weight for outcome in outcomes)
    loss = sum(outcome.loss.item() * outcome.weight for outcome in outcomes) / weight
    for n in "15":
        told = json.loads((trained / n / "result.json").read_text())["figures"]
        assert told["loss"]["value"] == pytest.approx(loss, rel=1e-6)
        assert told["loss"]["n"] == weight
        assert told["loss"]["low"] is None  # of two batches there is no interval
    parts = cut(task.valid.all, 5)
    assert outcome_of(made, parts, HERE).loss.item() == pytest.approx(
        made(task.valid.all).loss.item(), rel=1e-10
    )


def test_two_processes_with_two_pieces_each_learn_what_one_learns(tmp_path):
    changes = ("training.batch=12", "training.pieces=4", "training.steps=6")
    options = {"loss": "sigmoid", "dropout": 0.2}
    train(tiny.recipe(tmp_path, *changes), towers.task(**options), tmp_path / "alone")
    done = torchrun(
        tmp_path / "two", *changes, module="tests.learn.towers", options=json.dumps(options)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["6", "steps", "False", "0"] * 2
    one, two = (load_file(tmp_path / r / "model" / "weights.safetensors") for r in ("alone", "two"))
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-6, atol=1e-8)
    assert_alike(*(read_log(tmp_path / run) for run in ("alone", "two")))


def test_statistics_of_a_piece_are_refused(tmp_path):
    def normed(kept):
        torch.manual_seed(0)
        encoders = {"a": towers.Tower(), "b": towers.Normed(kept)}
        made = Contrastive(encoders, 8, about={n: towers.ABOUT[n] for n in "ab"})
        records = towers.Records(32)
        records.all = towers.batch(32, "ab")
        return Task(made, records, None)

    two = recipe(tmp_path, "training.pieces=2", "training.steps=1")
    with pytest.raises(InputError, match=r"encoder\.b\.norm normalises by the statistics of a pie"):
        train(two, normed(kept=False), tmp_path / "batch")
    assert train(two, normed(kept=True), tmp_path / "kept").step == 1
    one = recipe(tmp_path, "training.pieces=1", "training.steps=1")
    assert train(one, normed(kept=False), tmp_path / "one").step == 1


def test_a_loss_that_is_no_number_names_the_records_of_the_piece(tmp_path):
    task = wide_task()
    bad = Row((16, 16), seed=0, window=2, batch=12, pieces=4).of_step(0)[2].indices

    class Spoilt(towers.Records):
        def batch(self, indices, random):
            found = super().batch(indices, random)
            if set(indices) & {bad[0]}:
                found["b.tokens"][:] = 15
            return found

    with torch.no_grad():
        task.objective.encoder["b"].words.weight[15] = torch.nan
    records = Spoilt(32)
    records.all["b.tokens"].clamp_(max=14)
    with pytest.raises(InputError, match="step 1: the loss is not a finite number"):
        train(
            recipe(tmp_path, "training.pieces=4"),
            Task(task.objective, records, None),
            tmp_path / "run",
        )
    told = json.loads((tmp_path / "run" / "failed.json").read_text())
    assert told["ids"] == [f"R{i}" for i in bad]


def test_sixteen_bits_learn_in_pieces(tmp_path):
    changes = ("training.precision=bfloat16", "training.pieces=3",
               "training.average=0.5")  # fmt: skip
    run = train(recipe(tmp_path, *changes), wide_task(), tmp_path / "run")
    lines = [line for line in read_log(run.folder) if "loss" in line]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
