"""A run that was killed, stopped or cut short ends as one that never was."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from safetensors.torch import load_file  # noqa: E402
from tests.learn import tiny  # noqa: E402

from merian.errors import FormatError, InputError  # noqa: E402
from merian.learn.run_log import read_log  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BALLAST = 400_000  # numbers that make a checkpoint slow enough to be caught at
OPTIONS = json.dumps({"ballast": BALLAST})
STEPS = 60


def start(run: Path, *changes: str) -> subprocess.Popen:
    """Start the tiny task in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.learn.tiny", str(run), OPTIONS, *changes],
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=ROOT,
    )  # fmt: skip


def wait_for(child: subprocess.Popen, condition, seconds: float = 60) -> None:
    stop = time.monotonic() + seconds
    while not condition():
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < stop
        time.sleep(0.0005)


def weights(run: Path) -> dict:
    return load_file(run / "model" / "weights.safetensors")


def told(run: Path) -> list[dict]:
    """The lines of the log but for the clock."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_log(run)]


def assert_same(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert told(one) == told(other)
    assert (one / "result.json").read_bytes() == (other / "result.json").read_bytes()


def test_killed_twice_it_ends_with_the_same_weights_as_an_unbroken_run(tmp_path):
    changes = (f"training.steps={STEPS}", "training.checkpoint=2")
    train(tiny.recipe(tmp_path, *changes), tiny.task(ballast=BALLAST), tmp_path / "whole")
    broken = tmp_path / "broken"

    child = start(broken, *changes)  # killed at some moment of its training
    wait_for(child, (broken / "log.jsonl").exists)
    time.sleep(random.random() * 0.3)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert not (broken / "result.json").exists()

    child = start(broken, *changes)  # killed while it writes a checkpoint
    parts = broken / "checkpoints"
    left = {p.name for p in parts.glob(".*.part")}  # of the first one, if it was writing too
    wait_for(child, lambda: any(p.name not in left for p in parts.glob(".*.part")))
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert not (broken / "result.json").exists()

    child = start(broken, *changes)
    out, err = child.communicate(timeout=60)
    assert out.split() == [str(STEPS), "steps", "False", "0"], err
    assert_same(tmp_path / "whole", broken)
    assert not list(parts.glob(".*"))
    assert train(tiny.recipe(tmp_path, *changes), tiny.task(ballast=BALLAST), broken).before


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path):
    changes = ("training.steps=40", "training.checkpoint=1000", "training.log=7")
    train(tiny.recipe(tmp_path, *changes), tiny.task(), tmp_path / "whole")

    def press(progress):
        if progress.step == 11:
            os.kill(os.getpid(), signal.SIGINT)

    recipe = tiny.recipe(tmp_path, *changes)
    done = train(recipe, tiny.task(), tmp_path / "broken", watch=press)
    assert (done.ended, done.step) == ("stopped", 12)  # the step under way was ended
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    done = train(recipe, tiny.task(), tmp_path / "broken")
    assert (done.ended, done.step) == ("steps", 40)
    assert_same(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.parametrize("kind", ["adamw", "muon", "soap", "shampoo", "kl-shampoo", "kl-soap"])
def test_every_optimizer_goes_on_where_it_was(tmp_path, kind):
    changes = (f'optimizer.kind="{kind}"', "training.steps=14", "training.checkpoint=5")
    recipe = tiny.recipe(tmp_path, *changes)
    train(recipe, tiny.task(), tmp_path / "whole")
    stop_at(recipe, tmp_path / "broken", 7)
    train(recipe, tiny.task(), tmp_path / "broken")
    assert_same(tmp_path / "whole", tmp_path / "broken")


class BrokenOff(Exception):  # noqa: N818 it is no error
    """Breaks a run off without a word, as a killed process would be."""


def stop_at(recipe, run: Path, step: int, **options) -> None:
    def watch(progress):
        if progress.step == step:
            raise BrokenOff

    with pytest.raises(BrokenOff):
        train(recipe, tiny.task(**options), run, watch=watch)


def test_readers_beside_it_change_nothing(tmp_path):
    train(tiny.recipe(tmp_path), tiny.task(), tmp_path / "alone")
    recipe = tiny.recipe(tmp_path, "training.workers=1")
    train(recipe, tiny.task(), tmp_path / "readers")
    assert_same(tmp_path / "alone", tmp_path / "readers")


def test_a_run_goes_on_with_other_readers_and_not_with_another_recipe_or_task(tmp_path):
    recipe = tiny.recipe(tmp_path)
    stop_at(recipe, tmp_path / "run", 6)
    other = tiny.recipe(tmp_path, "optimizer.learning_rate=0.02", "training.seed=1")
    with pytest.raises(InputError, match=r"learning_rate was 0\.01 and is 0\.02.*seed was 0 and"):
        train(other, tiny.task(), tmp_path / "run")
    with pytest.raises(InputError, match=r"model\.parameters was \d+ and is \d+"):
        train(recipe, tiny.task(width=8), tmp_path / "run")
    free = tiny.recipe(tmp_path, "training.checkpoint=3", "training.keep=5")
    assert train(free, tiny.task(), tmp_path / "run").step == 24


def test_a_damaged_checkpoint_is_named_and_the_one_before_serves(tmp_path):
    recipe = tiny.recipe(tmp_path)
    train(recipe, tiny.task(), tmp_path / "whole")
    stop_at(recipe, tmp_path / "run", 10)
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    (newest / "model.safetensors").write_bytes(b"\x08\0\0")
    with pytest.raises(FormatError, match=f"Remove the folder .*{newest.name}"):
        train(recipe, tiny.task(), tmp_path / "run")
    (newest / "state.json").write_text('{"merian": ')
    with pytest.raises(FormatError, match=f"Remove the folder .*{newest.name}"):
        train(recipe, tiny.task(), tmp_path / "run")
    newest.rename(tmp_path / "away")
    train(recipe, tiny.task(), tmp_path / "run")
    assert_same(tmp_path / "whole", tmp_path / "run")


def test_only_the_last_checkpoints_are_kept_and_no_pickle_is_written(tmp_path):
    train(tiny.recipe(tmp_path, "training.keep=3"), tiny.task(), tmp_path / "run")
    names = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step-000000016", "step-000000020", "step-000000024"]
    kinds = {p.suffix for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert kinds == {".safetensors", ".json", ".jsonl", ".toml"}


def test_a_full_disk_is_told_and_the_checkpoint_before_stays(tmp_path):
    recipe = tiny.recipe(tmp_path)
    train(recipe, tiny.task(ballast=BALLAST), tmp_path / "whole")
    stop_at(recipe, tmp_path / "run", 5, ballast=BALLAST)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))  # a checkpoint has more
    try:
        with pytest.raises(InputError, match=r"step-000000008: the checkpoint could not be writ"):
            train(recipe, tiny.task(ballast=BALLAST), tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000000004"]
    train(recipe, tiny.task(ballast=BALLAST), tmp_path / "run")
    assert_same(tmp_path / "whole", tmp_path / "run")


def test_a_log_that_lost_lines_is_told(tmp_path):
    recipe = tiny.recipe(tmp_path)
    stop_at(recipe, tmp_path / "run", 6)
    (tmp_path / "run" / "log.jsonl").write_text("")
    with pytest.raises(FormatError, match=r"log\.jsonl: the checkpoint knows"):
        train(recipe, tiny.task(), tmp_path / "run")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text(json.dumps({"step": 1}) + "\n")
    with pytest.raises(InputError, match=r"holds log\.jsonl and no run\.json"):
        train(tiny.recipe(tmp_path), tiny.task(), tmp_path / "run")
