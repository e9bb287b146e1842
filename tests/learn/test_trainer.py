"""The loop: every example once an epoch, exact means, and a clear end."""

from __future__ import annotations

import json
import math
import os
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from safetensors.torch import load_file  # noqa: E402
from tests.learn import tiny  # noqa: E402

from merian.errors import InputError  # noqa: E402
from merian.learn.averaging import Average  # noqa: E402
from merian.learn.feeding import Row  # noqa: E402
from merian.learn.looks import figures_of  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402
from merian.learn.run_log import read_log  # noqa: E402
from merian.learn.task import Outcome, Task  # noqa: E402
from merian.learn.trainer import train  # noqa: E402
from merian.report.training import write_run  # noqa: E402


@pytest.mark.parametrize("batch", [1, 7, 8, 30, 75])
def test_every_example_is_seen_once_an_epoch_whatever_the_batch(batch):
    row = Row((10, 11, 9), seed=3, window=2, batch=batch, pieces=2)
    seen = np.concatenate([row.indices(step) for step in range(-(-90 // batch))])[:90]
    for epoch in range(3):
        assert sorted(seen[epoch * 30 : epoch * 30 + 30].tolist()) == list(range(30))
    assert seen[:30].tolist() != seen[30:60].tolist()
    cut = [piece.indices for piece in row.of_step(1)]
    assert np.concatenate(cut).tolist() == row.indices(1).tolist()
    assert row.epoch(30) == batch


def test_pieces_change_nothing_but_rounding(tmp_path):
    """Accumulated gradients are those of the whole batch, also where the pieces are not equal."""
    ends = []
    for pieces in (1, 3):
        recipe = tiny.recipe(tmp_path, f"training.pieces={pieces}", "training.average=0.5")
        task = tiny.task(dropout=0.0)
        task = Task(task.objective, Still(), task.valid, {})
        train(recipe, task, tmp_path / f"run{pieces}")
        ends.append(load_file(tmp_path / f"run{pieces}" / "model" / "weights.safetensors"))
    for name in ends[0]:
        torch.testing.assert_close(ends[0][name], ends[1][name], rtol=1e-4, atol=1e-5)


class Still(tiny.Points):
    """Points without noise."""

    def batch(self, indices, random):
        return super().batch(indices, np.random.default_rng(0)) | {
            "points": torch.tensor(self.points[indices], dtype=torch.float32)
        }


def test_a_step_is_the_one_of_torch_itself(tmp_path):
    """Two steps of the trainer against a plain loop over the same batches."""
    changes = ("training.steps=2", "training.pieces=1", "schedule.warm_up=0.0",
               'schedule.kind="constant"', "optimizer.weight_decay=0")  # fmt: skip
    recipe = tiny.recipe(tmp_path, *changes)
    task = tiny.task(dropout=0.0)
    plain = tiny.task(dropout=0.0).objective
    row = Row((10, 11, 9), seed=0, window=2, batch=8, pieces=1)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0)
    losses, average = [], Average(plain, 0.9)
    for step in range(2):
        optimizer.zero_grad()
        loss = plain(Still().batch(row.indices(step), None)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
        average.follow(plain, step + 1)
        losses.append(loss.item())
    seen = []
    train(recipe, Task(task.objective, Still(), task.valid, {}), tmp_path / "run",
          watch=lambda progress: seen.append(progress.loss))  # fmt: skip
    assert seen == pytest.approx(losses, rel=1e-5)
    for name, tensor in task.objective.state_dict().items():
        torch.testing.assert_close(tensor, plain.state_dict()[name], rtol=1e-4, atol=1e-6)
    saved = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    for name, tensor in average.tensors.items():
        torch.testing.assert_close(saved[name], tensor, rtol=1e-4, atol=1e-6)


def test_patience_ends_a_run_with_the_best_weights(tmp_path):
    changes = ("training.steps=400", "training.patience=3", "training.validate=4",
               "optimizer.learning_rate=0.05")  # fmt: skip
    recipe = tiny.recipe(tmp_path, *changes)
    done = train(recipe, tiny.task(), tmp_path / "run")
    looks = [line for line in read_log(tmp_path / "run") if "valid" in line]
    values = [line["valid"]["loss"]["value"] for line in looks]
    best = int(np.argmin(values))
    assert done.ended == "patience"
    assert done.step == looks[best + 3]["step"] == looks[-1]["step"] < 400
    assert done.figures["loss"]["value"] == values[best]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["weights_of_step"] == looks[best]["step"]
    # A run of all its steps with a patience keeps the best weights as well, and says of which step.
    kept = tiny.recipe(tmp_path, "training.patience=99", "training.metric=right",
                       "training.better=lower")  # fmt: skip
    train(kept, tiny.task(), tmp_path / "kept")
    result_kept = json.loads((tmp_path / "kept" / "result.json").read_text())
    assert result_kept["weights_of_step"] < result_kept["step"] == 24
    write_run(tmp_path / "kept")
    words = (tmp_path / "kept" / "card.md").read_text()
    assert f"weights are those of step {result_kept['weights_of_step']:,}, where right" in words
    # The weights that were saved are those that gave the figure.
    objective = tiny.task().objective
    objective.load_state_dict(load_file(tmp_path / "run" / "model" / "weights.safetensors"))
    with torch.no_grad():
        valid, chance = tiny.Points((40,), seed=1), np.random.default_rng(0)
        loss = objective.eval()(valid.batch(np.arange(40), chance)).loss
    assert float(loss) == pytest.approx(values[best], abs=0.05)  # the noise is another


def test_a_figure_that_is_not_there_is_told(tmp_path):
    recipe = tiny.recipe(tmp_path, "training.metric=wrong", "training.patience=1")
    with pytest.raises(InputError, match="metric is 'wrong'; the figures are loss, right"):
        train(recipe, tiny.task(), tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").iterdir())  # told before the first step
    right = tiny.recipe(tmp_path, "training.metric=right", "training.patience=9")
    assert train(right, tiny.task(), tmp_path / "run").step == 24  # nothing is lost: it may begin
    assert read_recipe(tmp_path / "run" / "recipe.toml").training.metric == "right"
    with pytest.raises(InputError, match="holds a run that began otherwise"):
        train(tiny.recipe(tmp_path), tiny.task(), tmp_path / "run")
    recipe = tiny.recipe(tmp_path, "training.patience=1")
    with pytest.raises(InputError, match="there are none"):
        train(recipe, tiny.task(valid=False), tmp_path / "run2")


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_records(tmp_path):
    recipe = tiny.recipe(tmp_path, "training.checkpoint=1")
    with pytest.raises(InputError, match=r"step 4: the loss is not .*P4.*learning_rate"):
        train(recipe, tiny.task(bad=4), tmp_path / "run")
    failed = json.loads((tmp_path / "run" / "failed.json").read_text())
    row = Row((10, 11, 9), seed=0, window=2, batch=8, pieces=2)
    bad = next(p for p in row.of_step(3) if 4 in p.indices)
    assert failed["ids"] == [f"P{i}" for i in bad.indices]
    kept = [p.name for p in sorted((tmp_path / "run" / "checkpoints").iterdir())]
    assert kept == ["step-000000002", "step-000000003"]
    weights = load_file(tmp_path / "run" / "checkpoints" / kept[-1] / "model.safetensors")
    assert all(torch.isfinite(t).all() for t in weights.values())


class Steep(tiny.Eighths):
    """The loss is a number, and its gradient is none."""

    def forward(self, batch):
        found = super().forward(batch)
        nothing = (self.heads.weight.sum() * 0.0).abs().sqrt()
        return Outcome(found.loss + nothing, found.figures, found.weight)


def test_a_gradient_that_is_no_number_stops_too(tmp_path):
    task = Task(Steep(), tiny.Points(), None, {})
    with pytest.raises(InputError, match=r"step 1: the gradient is not a finite number"):
        train(tiny.recipe(tmp_path), task, tmp_path / "run")


def test_bfloat16_learns_and_the_weights_stay_float32(tmp_path):
    changes = ("training.precision=bfloat16", "training.steps=60", "training.average=0.5")
    done = train(tiny.recipe(tmp_path, *changes), tiny.task(), tmp_path / "run")
    assert done.figures["loss"]["value"] < 1.8
    saved = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}


def test_the_process_is_left_as_it_was(tmp_path):
    torch.set_num_threads(2)
    try:
        train(tiny.recipe(tmp_path, "training.steps=2"), tiny.task(), tmp_path / "run")
        assert torch.get_num_threads() == 2
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(1)


def test_the_interval_of_a_figure_holds_what_it_should():
    """Of normal groups the bootstrap's 95 % interval holds the truth about so often."""
    random = np.random.default_rng(0)
    held, rounds = 0, 300
    for _ in range(rounds):
        seen = [(i, {"x": (float(v), 1.0)}) for i, v in enumerate(random.normal(size=50))]
        figure = figures_of(seen, 1)["x"]
        held += figure["low"] <= 0 <= figure["high"]
    assert 0.89 <= held / rounds <= 0.98
    weighted = figures_of([(0, {"x": (1.0, 3.0)}), (1, {"x": (5.0, 1.0), "y": (2.0, 0.0)})], 1)
    assert weighted["x"] == {"value": 2.0, "low": None, "high": None, "n": 4.0}
    assert weighted["y"]["value"] is None


class Unsure(tiny.Eighths):
    """A figure that is no number, beside a loss that is one."""

    def forward(self, batch):
        found = super().forward(batch)
        return Outcome(found.loss, {"odd": torch.tensor(math.nan)}, found.weight)


def test_a_figure_that_is_no_number_is_told_as_none(tmp_path):
    recipe = tiny.recipe(tmp_path)
    done = train(recipe, Task(Unsure(), tiny.Points(), tiny.Points(), {}), tmp_path / "run")
    assert done.figures["odd"]["value"] is None
    assert done.figures["loss"]["value"] > 0
    assert "NaN" not in "".join(p.read_text() for p in (tmp_path / "run").glob("*.json*"))


def test_a_file_where_the_run_would_stand_is_told(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(InputError, match="run: is a file"):
        train(tiny.recipe(tmp_path), tiny.task(), tmp_path / "run")


class Large(tiny.Eighths):
    """Finds no room, as a GPU would."""

    def forward(self, batch):
        raise torch.OutOfMemoryError("CUDA out of memory")


class Killed(tiny.Points):
    """Whoever reads is killed, as a machine does that has no memory left."""

    def batch(self, indices, random):
        os.kill(os.getpid(), signal.SIGKILL)


def test_too_little_memory_is_told_with_what_to_do(tmp_path):
    task = Task(Large(), tiny.Points(), None, {})
    with pytest.raises(InputError, match=r"a piece of 4 examples; give training\.pieces=4"):
        train(tiny.recipe(tmp_path), task, tmp_path / "run")
    recipe = tiny.recipe(tmp_path, "training.workers=1")
    with pytest.raises(InputError, match="a process that reads was ended"):
        train(recipe, Task(tiny.Eighths(), Killed(), None, {}), tmp_path / "run2")


def test_progress_tells_how_far_it_is(tmp_path):
    told = []
    train(tiny.recipe(tmp_path), tiny.task(), tmp_path / "run", watch=told.append)
    assert [p.step for p in told] == list(range(1, 25))
    assert told[-1].left == 0
    assert all(p.rate > 0 and math.isfinite(p.loss) for p in told)


def test_two_starts_in_one_folder_are_refused(tmp_path):
    import fcntl

    (tmp_path / "run").mkdir()
    handle = os.open(tmp_path / "run", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(InputError, match="another process is writing"):
            train(tiny.recipe(tmp_path), tiny.task(), tmp_path / "run")
    finally:
        os.close(handle)
