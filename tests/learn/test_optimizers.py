"""What torch and a trainer ask of an optimizer, for each that preconditions matrices."""

from __future__ import annotations

import copy
import io
import math

import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from merian.errors import InputError  # noqa: E402
from merian.learn.kl_shampoo import KLShampoo  # noqa: E402
from merian.learn.parameters import is_matrix, parameter_groups  # noqa: E402
from merian.learn.precision import narrow_, new_rest, widen  # noqa: E402
from merian.learn.shampoo import Shampoo  # noqa: E402
from merian.learn.soap import SOAP  # noqa: E402

torch.set_num_threads(1)


def kl_soap(params, **options):
    return KLShampoo(params, kl_soap=True, **options)


def paper(params, **options):
    return KLShampoo(params, paper=True, **options)


METHODS = [KLShampoo, kl_soap, paper, SOAP, Shampoo]


class Network(torch.nn.Module):
    """Parameters of every kind: table, matrices, convolutions of 3 and 4 sides, vectors, head."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = torch.nn.Embedding(11, 6)
        self.mix = torch.nn.Conv1d(6, 8, 3, padding=1)
        self.depthwise = torch.nn.Conv1d(8, 8, 3, padding=1, groups=8)
        self.image = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.up = torch.nn.Linear(8, 10)
        self.down = torch.nn.Linear(10, 8)
        self.norm = torch.nn.LayerNorm(8)
        self.gain = torch.nn.Parameter(torch.ones(()))
        self.heads = torch.nn.ModuleDict({"species": torch.nn.Linear(8, 5)})

    def forward(self, tokens):
        x = self.mix(self.embedding(tokens).mT)
        x = (x + self.image(self.depthwise(x)[:, None]).mean(1)).mT
        x = self.norm(x + self.gain * self.down(torch.relu(self.up(x))))
        return self.heads["species"](x.mean(1))


def batch(number):
    generator = torch.Generator().manual_seed(1000 + number)
    tokens = torch.randint(11, (16, 9), generator=generator)
    return tokens, tokens.sum(1) % 5


def train(network, optimizer, numbers):
    loss = math.nan
    for number in numbers:
        tokens, labels = batch(number)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(tokens).float(), labels)
        loss.backward()
        optimizer.step()
        loss = loss.item()
    return loss


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def saved(optimizer):
    """A state that has been through a file."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_learns(method):
    network = Network()
    optimizer = method(parameter_groups(network), lr=1e-2)
    before = weights(network)
    first = train(network, optimizer, [0])
    last = train(network, optimizer, [0] * 60)
    assert last < 0.3 * first
    assert all(not torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_is_bit_equal(method, kind):
    network = Network().to(kind)
    optimizer = method(parameter_groups(network), lr=1e-2, refresh=4, block=8)
    network.down.weight.requires_grad_(False)
    train(network, optimizer, range(5))
    network.down.weight.requires_grad_(True)
    train(network, optimizer, range(5, 11))
    middle, state = weights(network), saved(optimizer)
    train(network, optimizer, range(11, 20))

    other = Network(seed=1).to(kind)
    other.load_state_dict(middle)
    resumed = method(parameter_groups(other), lr=5.0)  # the saved options come with the state
    resumed.load_state_dict(state)
    again = resumed.state_dict()["state"]
    for index, values in state["state"].items():
        assert all(torch.equal(v, again[index][k]) for k, v in values.items())
        assert all(v.dtype == again[index][k].dtype for k, v in values.items())
    train(other, resumed, range(11, 20))
    assert same(weights(network), weights(other))


def test_state_is_flat_tensors_of_full_precision():
    network = Network().bfloat16()
    optimizer = KLShampoo(parameter_groups(network))
    train(network, optimizer, range(2))
    for values in optimizer.state_dict()["state"].values():
        assert all(isinstance(value, torch.Tensor) for value in values.values())
        kinds = {key: value.dtype for key, value in values.items()}
        assert kinds.pop("rest") == torch.int16
        assert set(kinds.values()) == {torch.float32}


def test_small_steps_of_bfloat16_are_not_lost():
    for shape in [(4, 4), (4,)]:
        parameter = torch.nn.Parameter(torch.full(shape, 1.0, dtype=torch.bfloat16))
        full = torch.nn.Parameter(torch.full(shape, 1.0))
        one, other = (KLShampoo([p], lr=1e-4, weight_decay=0.0) for p in (parameter, full))
        generator = torch.Generator().manual_seed(0)
        for _ in range(200):
            gradient = torch.rand(shape, generator=generator).bfloat16()
            parameter.grad, full.grad = gradient, gradient.float()
            one.step()
            other.step()
        assert torch.equal(widen(parameter, one.state[parameter]["rest"]), full)
        assert (parameter < 0.999).all()
        parameter.data.fill_(2.0)  # whoever writes the weights is not overruled
        one.step()
        assert ((parameter - 2).abs() < 0.02).all()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_a_rest_holds_what_rounding_takes(kind):
    parameter = torch.zeros(1000, dtype=kind)
    rest = new_rest(parameter)
    weight = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    narrow_(parameter, rest, weight)
    assert torch.equal(parameter, weight.to(kind))
    assert torch.equal(widen(parameter, rest), weight)


@pytest.mark.parametrize("method", METHODS)
def test_parameters_without_a_gradient_wait_and_can_come_later(method):
    network = Network()
    optimizer = method(parameter_groups(network))
    network.up.requires_grad_(False)
    before = weights(network)
    train(network, optimizer, range(7))
    assert torch.equal(network.up.weight, before["up.weight"])
    assert network.up.weight not in optimizer.state or not optimizer.state[network.up.weight]
    network.up.requires_grad_(True)
    train(network, optimizer, range(7, 10))
    assert not torch.equal(network.up.weight, before["up.weight"])
    assert optimizer.state[network.up.weight]["step"] == (
        3 if method in {KLShampoo, kl_soap, Shampoo} else 2
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_group_can_be_added_late_and_options_are_a_group_s_own(method):
    network, extra = Network(), torch.nn.Parameter(torch.ones(3, 4))
    optimizer = method(network.parameters())
    train(network, optimizer, range(3))
    optimizer.add_param_group({"params": [extra], "lr": 0.0})
    for _ in range(3):
        extra.grad = torch.randn(3, 4)
        optimizer.step()
    assert (extra == 1).all()
    optimizer.param_groups[1]["lr"] = 0.1
    optimizer.step()
    assert not (extra == 1).any()


@pytest.mark.parametrize("method", METHODS)
def test_schedulers_and_tensor_rates_steer_both_parts(method):
    ends = []
    for rate in (0.01, torch.tensor(0.01)):
        network = Network()
        optimizer = method(parameter_groups(network), lr=rate, weight_decay=0.0, adam_lr=0.02)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: float(n < 4))
        for number in range(7):
            if number == 4:
                still = weights(network)
            train(network, optimizer, [number])
            scheduler.step()
        assert same(weights(network), still)
        ends.append(still)
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=1e-6)


def test_the_rest_is_stepped_as_torch_steps_it():
    network, twin = Network(), Network()
    ours = KLShampoo(twin.parameters(), lr=0.01, kind="adamw", adam_lr=0.02, adam_betas=(0.8, 0.9))
    theirs = torch.optim.AdamW(network.parameters(), lr=0.02, betas=(0.8, 0.9), weight_decay=0.01)
    train(network, theirs, range(6))
    train(twin, ours, range(6))
    assert same(weights(network), weights(twin))


@pytest.mark.parametrize("method", METHODS)
def test_a_closure_is_called_with_gradients_on(method):
    network = Network()
    optimizer = method(parameter_groups(network))
    tokens, labels = batch(0)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(tokens), labels)
        loss.backward()
        return loss

    with torch.no_grad():
        losses = [optimizer.step(closure).item() for _ in range(20)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_to_maximize_is_to_minimize_the_negative(method):
    up, down = Network(), Network()
    climbing = method(parameter_groups(up), maximize=True)
    falling = method(parameter_groups(down))
    for number in range(4):
        tokens, labels = batch(number)
        for network, optimizer, sign in ((up, climbing, -1), (down, falling, 1)):
            optimizer.zero_grad()
            (sign * torch.nn.functional.cross_entropy(network(tokens), labels)).backward()
            optimizer.step()
    assert same(weights(up), weights(down))


@pytest.mark.parametrize("method", METHODS)
def test_sparse_and_complex_are_refused(method):
    table = torch.nn.Embedding(5, 4, sparse=True)
    optimizer = method([("table", table.weight)])
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(InputError, match="the gradient of the parameter table is sparse"):
        optimizer.step()
    with pytest.raises(InputError, match="complex64; only real"):
        method([torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.complex64))])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lr": -1.0}, "lr is -1.0"),
        ({"betas": (0.9, 1.0)}, "expected two numbers"),
        ({"refresh": 0}, "refresh is 0"),
        ({"kind": "muon"}, "one of auto, matrix, adamw"),
        ({"floor": -0.1}, "floor is -0.1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        KLShampoo([torch.nn.Parameter(torch.zeros(2, 2))], **options)


def test_a_state_of_another_model_is_refused():
    one, other = (torch.nn.Parameter(torch.ones(shape)) for shape in ((4, 6), (5, 6)))
    optimizer, second = KLShampoo([one]), KLShampoo([other])
    one.grad, other.grad = torch.randn(4, 6), torch.randn(5, 6)
    optimizer.step()
    second.load_state_dict(optimizer.state_dict())
    with pytest.raises(InputError, match="saved for another model"):
        second.step()


def test_a_state_of_another_optimizer_is_refused():
    weight = torch.nn.Parameter(torch.ones(4, 6))
    weight.grad = torch.randn(4, 6)
    plain, soap = torch.optim.AdamW([weight]), SOAP([weight])
    plain.step()
    with pytest.raises(InputError, match=r"no .*refresh.*: it was saved by another optimizer"):
        KLShampoo([weight]).load_state_dict(plain.state_dict())
    soap.step()
    with pytest.raises(InputError, match=r"no .*floor.*: it was saved by another optimizer"):
        KLShampoo([weight]).load_state_dict(soap.state_dict())
    shampoo = Shampoo([weight])
    shampoo.load_state_dict(soap.state_dict())  # the same options, and other tensors
    with pytest.raises(InputError, match="has no root_0, root_1: it was saved by another"):
        shampoo.step()


_KINDS = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("before", _KINDS)
@pytest.mark.parametrize("after", _KINDS)
def test_a_state_goes_on_with_parameters_of_another_type(method, before, after):
    torch.manual_seed(0)
    old = [torch.nn.Parameter(torch.randn(shape).to(before)) for shape in ((6, 5), (7,))]
    optimizer = method(old, lr=1e-3)
    for _ in range(4):
        for parameter in old:
            parameter.grad = torch.randn(parameter.shape).to(before)
        optimizer.step()
    # float32 parameters with the same state say where the others should go.
    found = []
    for kind in (after, torch.float32):
        new = [torch.nn.Parameter(p.detach().clone().to(after).to(kind)) for p in old]
        resumed = method(new, lr=1e-3)
        resumed.load_state_dict(optimizer.state_dict())
        torch.manual_seed(1)
        for _ in range(8):
            for parameter in new:
                parameter.grad = torch.randn(parameter.shape).to(after).to(kind)
            resumed.step()
        found.append(new)
    grain = {torch.bfloat16: 2**-8, torch.float16: 2**-11}.get(after, 1e-6)
    for ours, wide in zip(*found, strict=True):
        torch.testing.assert_close(
            ours.float(), wide.detach().float(), rtol=2 * grain, atol=grain * 2e-2 + 1e-6
        )


@pytest.mark.parametrize("method", METHODS)
def test_state_that_was_moved_away_is_taken_in_again(method):
    network, twin = Network(), Network()
    optimizers = [method(parameter_groups(n)) for n in (network, twin)]
    for n, optimizer in zip((network, twin), optimizers, strict=True):
        train(n, optimizer, range(4))
    for values in optimizers[0].state.values():  # as some do to make room between steps
        for key in values:
            values[key] = values[key].clone()
    for n, optimizer in zip((network, twin), optimizers, strict=True):
        train(n, optimizer, range(4, 9))
    assert same(weights(network), weights(twin))


def test_a_copied_optimizer_steps_its_own_copy():
    network = Network()
    optimizer = SOAP(parameter_groups(network))
    train(network, optimizer, range(3))
    twin, second = copy.deepcopy((network, optimizer))
    train(network, optimizer, range(3, 6))
    train(twin, second, range(3, 6))
    assert same(weights(network), weights(twin))


def test_parameters_are_told_apart():
    groups = parameter_groups(Network())
    matrices = {name for name, _ in groups[0]["params"]}
    assert matrices == {"mix.weight", "up.weight", "down.weight"}
    assert groups[1]["weight_decay"] == 0
    assert len(groups[1]["params"]) + 3 == len(list(Network().parameters()))


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("blocks.0.attention.query.weight", (8, 8), True),
        ("decoder.blocks.0.up.weight", (8, 8), True),
        ("decoder.weight", (9, 8), False),
        ("heads.genus.weight", (9, 8), False),
        ("heads.decoder.blocks.1.attention.query.weight", (8, 8), True),
        ("heads.decoder.positions.weight", (9, 8), False),
        ("encoder.pos_embed", (1, 7, 8), False),
        ("mixer.A_log", (4, 8), False),
        ("conv.weight", (8, 1, 3, 3), False),
        ("conv.weight", (8, 4, 3, 3), True),
        ("norm.weight", (8,), False),
        ("scale", (1, 8, 1), False),
        (None, (8, 8), True),
    ],
)
def test_names_and_shapes_decide(name, shape, expected):
    assert is_matrix(name, shape) == expected
