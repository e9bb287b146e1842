"""Two processes under torchrun do what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from safetensors.torch import load_file  # noqa: E402
from tests.learn import tiny  # noqa: E402

from merian.learn.run_log import read_log  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 6  # square matrices with gradients of full rank; else rounding decides on some directions
OPTIONS = json.dumps({"width": WIDTH})


def torchrun(
    run: Path, *changes: str, module: str = "tests.learn.tiny", options: str = OPTIONS
) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        "-m", module, str(run), options, *changes,
    ]  # fmt: skip
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_two_processes_give_what_one_gives_and_one_goes_on_with_it(tmp_path):
    changes = ('optimizer.kind="kl-shampoo"', "training.pieces=4", "training.batch=16")
    alone = train(tiny.recipe(tmp_path, *changes), tiny.task(width=WIDTH), tmp_path / "alone")
    done = torchrun(tmp_path / "two", *changes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["24", "steps", "False", "0"] * 2
    one, two = (load_file(tmp_path / r / "model" / "weights.safetensors") for r in ("alone", "two"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)
    logs = [read_log(tmp_path / run) for run in ("alone", "two")]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]]
    for first, second in zip(*logs, strict=True):
        if "loss" in first:
            assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
            assert first["right"] == pytest.approx(second["right"])
    figures = logs[1][-1]["valid"]["loss"]
    assert figures["value"] == pytest.approx(alone.figures["loss"]["value"], rel=1e-4)
    assert figures["n"] == 40

    # What two have begun, one can end: a checkpoint holds the whole of the optimizer's state.
    run = tmp_path / "two"
    (run / "result.json").unlink()
    (run / "checkpoints" / "step-000000024").rename(tmp_path / "away")
    assert train(tiny.recipe(tmp_path, *changes), tiny.task(width=WIDTH), run).step == 24
    again = load_file(run / "model" / "weights.safetensors")
    for name in two:
        torch.testing.assert_close(again[name], two[name], rtol=1e-4, atol=1e-5)


def test_what_the_first_process_refuses_ends_all(tmp_path):
    train(tiny.recipe(tmp_path), tiny.task(width=WIDTH), tmp_path / "run")
    done = torchrun(tmp_path / "run", "training.seed=5")
    assert done.returncode != 0
    assert "recipe.training.seed was 0 and is 5" in done.stderr
