"""Two processes that share the optimizer's work end where one that does it all ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from tests.learn.test_optimizers import Network, batch  # noqa: E402

from merian.learn.kl_shampoo import KLShampoo  # noqa: E402
from merian.learn.owners import share_out  # noqa: E402
from merian.learn.parameters import parameter_groups  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("float32", "bfloat16")
OPTIONS = {"lr": 1e-2, "refresh": 3, "block": 8}


def train(network, optimizer, numbers):
    """Steps on the same batches in every process, as if gradients had been averaged."""
    for number in numbers:
        tokens, labels = batch(number)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(tokens).float(), labels).backward()
        if number == 2:
            network.up.weight.grad = None
        optimizer.step()


def child(folder: Path) -> None:
    """One of two processes: five steps, all state to a file, and four steps from that state."""
    import torch.distributed as dist
    import torch.distributed.nn.functional  # before the group is there: see `place`

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found = {}
    for kind in KINDS:
        network = Network(seed=0).to(getattr(torch, kind))
        optimizer = KLShampoo(parameter_groups(network), **OPTIONS)
        train(network, optimizer, range(5))
        held = sum(v.numel() for values in optimizer.state.values() for v in values.values())
        whole = optimizer.full_state_dict()
        middle = {name: value.clone() for name, value in network.state_dict().items()}
        fresh = KLShampoo(parameter_groups(network), **OPTIONS)
        fresh.load_state_dict(optimizer.full_state_dict(everywhere=True))
        train(network, fresh, range(5, 9))
        final = network.state_dict()
        found[kind] = {"held": held, "whole": whole, "middle": middle, "final": final}
    torch.save(found, folder / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of two processes has found."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import sys; from pathlib import Path;"
        "from tests.learn.test_optimizers_processes import child;"
        "child(Path(sys.argv[1]))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            env={
                **os.environ, "PYTHONPATH": path, "RANK": str(rank), "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
            },
        )
        for rank in range(2)
    ]  # fmt: skip
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_end_where_one_does(both, kind):
    found = [process[kind] for process in both]
    network = Network(seed=0).to(getattr(torch, kind))
    optimizer = KLShampoo(parameter_groups(network), **OPTIONS)
    train(network, optimizer, range(5))
    alone = optimizer.state_dict()
    total = sum(v.numel() for values in alone["state"].values() for v in values.values())
    assert found[0]["held"] + found[1]["held"] == total
    assert max(part["held"] for part in found) < 0.8 * total  # each holds a share
    close = {"rtol": 1e-4, "atol": 1e-4} if kind == "float32" else {"rtol": 0.02, "atol": 1e-3}
    for part in found:
        for name, value in network.state_dict().items():
            assert torch.allclose(part["middle"][name], value, **close), name
    assert found[1]["whole"]["state"] == {}
    whole = found[0]["whole"]
    assert {n: set(v) for n, v in whole["state"].items()} == {
        n: set(v) for n, v in alone["state"].items()
    }

    # One process goes on from what two have saved, and ends where they end.
    other = Network(seed=1).to(getattr(torch, kind))
    other.load_state_dict(found[0]["middle"])
    resumed = KLShampoo(parameter_groups(other))
    resumed.load_state_dict(whole)
    train(other, resumed, range(5, 9))
    for name, value in other.state_dict().items():
        assert torch.equal(found[0]["final"][name], found[1]["final"][name])
        assert torch.allclose(found[0]["final"][name], value, **close), name


def test_work_is_shared_evenly_and_a_late_group_changes_nothing():
    costs = [[5, 50, 10, 20, 15], [40, 60, 1]]
    shares = share_out(costs, 2)
    assert shares == [[1, 0, 1, 1, 1], [1, 0, 1]]
    assert share_out(costs[:1], 2) == shares[:1]
    assert share_out([[3, 2, 1]], 1) == [[0, 0, 0]]
