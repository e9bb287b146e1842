"""KL-Shampoo against the published recursion, and what it must be whatever the gradients are."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from merian.learn import kl_factors  # noqa: E402
from merian.learn.blocks import cut  # noqa: E402
from merian.learn.kl_shampoo import KLShampoo  # noqa: E402

torch.set_num_threads(1)


def turn(x, bases, back=False):
    """Multiply every mode of x by the transpose of a basis, or by the basis itself."""
    for i, q in enumerate(bases):
        x = np.moveaxis(np.tensordot(q if back else q.T, x, (1, i)), 0, i)
    return x


def unfold(x, i):
    return np.moveaxis(x, i, 0).reshape(x.shape[i], -1)


def along(v, i, order):
    return v.reshape([-1 if j == i else 1 for j in range(order)])


def oracle(weights, gradients, *, lr, betas, k, eps, decay, kappa, soap=False):
    """The published recursion in float64, as it is written: S itself, and momentum unrotated."""
    b1, b2 = betas
    w, first = weights.copy(), gradients[0]
    n, modes = w.size, range(w.ndim)
    s = [(1 - b2) * w.shape[i] / n * unfold(first, i) @ unfold(first, i).T for i in modes]
    q = [np.linalg.eigh(a)[1][:, ::-1] for a in s]
    lam = [np.full(d, 0.1) for d in w.shape]
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients[1:], 1):
        m = b1 * m + (1 - b1) * g
        p = turn(g, q)
        v = b2 * v + (1 - b2) * p**2
        r = 1.0
        for i in modes:
            r = r * along(lam[i] ** -0.5, i, w.ndim)
        r = 1 / (np.sqrt(v) + eps) if soap else r / (1 + eps * r)
        u = turn(turn(m, q) * r, q, back=True)
        new = []
        for i, d in enumerate(w.shape):
            others, white = p, kappa
            for j in modes:
                if j != i:
                    others = others * along(lam[j] ** -0.5, j, w.ndim)
                    white *= np.mean(1 / lam[j])
            y = q[i] @ unfold(others, i)
            s[i] = b2 * s[i] + (1 - b2) * d / n * y @ y.T
            delta = (unfold(others, i) ** 2).mean(1) + white
            new.append(np.maximum(b2 * lam[i] + (1 - b2) * delta, max(10, min(d, 4000)) ** -2.0))
        lam = new
        if t % k == 0:
            q = [np.linalg.qr(a @ b)[0] for a, b in zip(s, q, strict=True)]
        w = (w - lr * u) * (1 - lr * decay)
    return w


def correlated(shape, count, seed=0):
    """Gradients with a Kronecker covariance that is well conditioned."""
    rng = np.random.default_rng(seed)
    mixes = [np.eye(d) + rng.normal(size=(d, d)) / (2 * d**0.5) for d in shape]
    return [turn(rng.normal(size=shape), mixes) for _ in range(count)]


def stepped(weights, gradients, **options):
    """The weights after an optimizer has seen some gradients."""
    parameter = torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32))
    optimizer = KLShampoo([parameter], **options)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    return parameter.detach().double().numpy()


@pytest.mark.parametrize("kappa", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(10, 10), (5, 6, 7), (3, 4, 3, 5)])
def test_paper_is_the_published_recursion(shape, kappa):
    weights = np.random.default_rng(1).normal(size=shape)
    gradients = correlated(shape, 101)
    constants = {"lr": 5e-3, "betas": (0.9, 0.98), "eps": 1e-8}
    expected = oracle(weights, gradients, **constants, k=10, decay=0.01, kappa=kappa)
    got = stepped(weights, gradients, **constants, paper=True, damping=kappa)
    assert np.abs(expected - weights).max() > 0.1
    assert np.abs(expected - got).max() < 1e-5


def test_kl_soap_is_adam_in_the_basis():
    weights = np.random.default_rng(1).normal(size=(9, 9))
    gradients = correlated((9, 9), 101)
    constants = {"lr": 5e-3, "betas": (0.9, 0.98), "eps": 1e-8}
    # Adam's squares stay where they are when the basis turns, so only one turn can be exact.
    expected = oracle(weights, gradients, **constants, k=50, decay=0.01, kappa=0.0, soap=True)
    got = stepped(weights, gradients, **constants, paper=True, kl_soap=True, refresh=50)
    assert np.abs(expected - got).max() < 1e-5


def test_the_factors_of_matrix_normal_gradients_are_found():
    rng = np.random.default_rng(3)
    shape = (6, 8)
    roots = [np.eye(d) + 0.4 * rng.normal(size=(d, d)) for d in shape]
    state = {
        key: torch.zeros((1, *size))
        for key, size in kl_factors.layout(shape, (True, True), soap=False).items()
    }
    rule = kl_factors.Rule(betas=(0.9, 0.995))
    draws = torch.from_numpy(rng.normal(size=(4000, *shape))).float()
    left, right = (torch.from_numpy(root).float() for root in roots)
    for t, draw in enumerate(draws):
        gradient = (left @ draw @ right.T)[None]
        if t == 0:
            kl_factors.start(state, gradient, rule)
        kl_factors.step(state, gradient, rule)
        if t % 10 == 0:
            kl_factors.refresh(state)
    found = []
    for i in range(2):
        basis, values = state[f"basis_{i}"][0], state[f"eigenvalues_{i}"][0]
        found.append((basis * values) @ basis.T)
        whole = kl_factors.full(state[f"factor_{i}"], shape[i])[0]
        assert torch.dist(basis @ whole @ basis.T, found[i]) < 0.1 * found[i].norm()
    expected = torch.kron(left @ left.T, right @ right.T)
    assert torch.dist(torch.kron(*found), expected) < 0.1 * expected.norm()


def moves(gradients, **options):
    shape = gradients[0].shape
    return stepped(np.zeros(shape), gradients, weight_decay=0.0, lr=1.0, **options)


@pytest.mark.parametrize("shape", [(7, 7), (6, 9), (4, 5, 3)])
@pytest.mark.parametrize("scale", [1e-10, 1e-4, 1e6])
def test_the_scale_of_the_loss_does_not_matter(shape, scale):
    if shape == (6, 9):  # rounding decides the null space of 9 x 9 from 6 rows: keep it the same
        scale = 4.0 ** round(np.log(scale) / np.log(4))
    gradients = correlated(shape, 30)
    expected = moves(gradients)
    assert np.abs(expected).max() > 1
    assert moves([scale * g for g in gradients]) == pytest.approx(expected, rel=1e-2, abs=2e-3)


def test_the_paper_does_depend_on_the_scale():
    gradients = correlated((7, 7), 30)
    small = moves([1e-6 * g for g in gradients], paper=True)
    assert np.abs(small).max() < 0.01 * np.abs(moves(gradients, paper=True)).max()


@pytest.mark.parametrize("shape", [(8, 8), (4, 5, 3)])
def test_the_axes_of_the_weights_do_not_matter(shape):
    rng = np.random.default_rng(5)
    axes = [np.linalg.qr(rng.normal(size=(d, d)))[0] for d in shape]
    gradients = correlated(shape, 40)
    turned = moves([turn(g, axes) for g in gradients])
    assert turn(turned, axes, back=True) == pytest.approx(moves(gradients), rel=1e-2, abs=2e-3)


def hard(kind, seed=0):
    rng = np.random.default_rng(seed)
    gradients = [rng.normal(size=(12, 20)) for _ in range(60)]
    if kind == "zero":
        return [0 * g for g in gradients]
    if kind == "late":
        return [0 * g if t < 25 else g for t, g in enumerate(gradients)]
    if kind == "rank one":
        left, right = rng.normal(size=12), rng.normal(size=20)
        return [g[0, 0] * np.outer(left, right) for g in gradients]
    if kind == "dead row":
        return [g * (np.arange(12) % 3 > 0)[:, None] for g in gradients]
    if kind == "woken row":
        return [g * ((np.arange(12) > 0) | (t > 50))[:, None] for t, g in enumerate(gradients)]
    assert kind == "spike"
    return [1e5 * g if t == 30 else g for t, g in enumerate(gradients)]


@pytest.mark.parametrize("soap", [False, True])
@pytest.mark.parametrize("kind", ["zero", "late", "rank one", "dead row", "woken row", "spike"])
def test_hard_gradients_make_steps_of_the_usual_size(kind, soap):
    parameter = torch.nn.Parameter(torch.zeros(12, 20))
    optimizer = KLShampoo([parameter], lr=1.0, weight_decay=0.0, kl_soap=soap, damping=1e-6)
    for gradient in hard(kind):
        parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        before = parameter.detach().clone()
        optimizer.step()
        step = parameter.detach() - before
        assert torch.isfinite(step).all()
        # Adam's squares do not turn with the basis, so after a spike KL-SOAP steps further.
        assert step.square().mean().sqrt() < (5 if soap else 3)
    state = optimizer.state[parameter]
    assert all(torch.isfinite(value).all() for value in state.values())
    if kind == "zero":
        assert (parameter == 0).all()
    if kind == "dead row":
        assert (parameter[::3].abs() < (0.1 if soap else 1e-3)).all()


def test_a_cap_bounds_the_step():
    gradients = [np.full((4, 4), 1.0) + np.eye(4)] * 30
    assert np.abs(moves(gradients[:9])).max() > 3
    one = moves(gradients[:1], cap=0.01)
    assert (one**2).mean() ** 0.5 == pytest.approx(0.01, rel=1e-3)


def test_a_refresh_each_step_is_the_eigenbasis_in_the_limit():
    state = {
        key: torch.zeros((1, *size))
        for key, size in kl_factors.layout((6, 6), (True, True), soap=False).items()
    }
    gradient = torch.from_numpy(np.array(correlated((6, 6), 1))).float()
    kl_factors.start(state, torch.eye(6)[None], kl_factors.Rule())
    kl_factors.step(state, gradient, kl_factors.Rule())
    for _ in range(300):
        kl_factors.refresh(state)
    whole = kl_factors.full(state["factor_0"], 6)[0]
    assert (whole - whole.diag().diag()).abs().max() < 1e-5 * whole.abs().max()
    eye = state["basis_0"][0].T @ state["basis_0"][0]
    assert torch.dist(eye, torch.eye(6)) < 1e-5


@pytest.mark.parametrize("side", [2, 31, 32, 33, 100, 300])
def test_packed_triangles_are_symmetric_matrices(side):
    w = torch.randn(3, side, 5, generator=torch.Generator().manual_seed(0))
    packed = torch.zeros(3, *kl_factors.layout((side, 5), (True, True), soap=False)["factor_0"])
    kl_factors.accumulate(packed, w, 0.5, 2.0)
    kl_factors.accumulate(packed, w, 0.5, 2.0)
    whole = kl_factors.full(packed, side)
    assert torch.allclose(whole, 3 * w @ w.mT, atol=1e-4)
    again = torch.zeros_like(packed)
    kl_factors.pack(whole, again)
    assert torch.equal(kl_factors.full(again, side), whole)


@pytest.mark.parametrize(
    ("shape", "options", "block", "count"),
    [
        ((64, 256), {"block": 64}, (64, 64), 4),
        ((10, 7), {"block": 4}, (4, 4), 6),
        ((1, 8, 1, 6), {}, (8, 6), 1),
        ((5, 8, 6), {"stacked": True, "block": 4}, (4, 3), 20),
        ((8, 3, 3, 3), {"flat": True}, (8, 27), 1),
        ((8, 3, 3, 3), {}, (8, 3, 3, 3), 1),
        ((40, 9), {"largest": 30, "block": 5}, (40, 5), 2),
        ((40, 50), {"largest": 30, "block": 25}, (20, 25), 4),
        ((512, 128), {"square": True}, (128, 128), 4),
        ((512, 128), {"square": True, "block": 100}, (86, 64), 12),
        ((300, 9), {"square": True}, (60, 9), 5),
        ((512, 128), {"square": True, "block": 0}, (512, 128), 1),
        ((64, 32, 3, 3), {"square": True}, (64, 32, 3, 3), 1),
    ],
)
def test_blocks_are_even_and_come_back(shape, options, block, count):
    plan = cut(shape, **{"block": 1024, "largest": 8192, **options})
    assert (plan.block, plan.count) == (block, count)
    tensor = torch.randn(shape)
    blocks = torch.full((count, *block), torch.nan)
    plan.split(tensor, blocks)
    assert torch.isfinite(blocks).all()
    assert torch.equal(plan.join(blocks), tensor)


def test_blocks_are_stepped_each_by_itself():
    gradients = correlated((12, 12), 25)
    whole = moves(gradients, block=6)
    for rows in (slice(0, 6), slice(6, 12)):
        for columns in (slice(0, 6), slice(6, 12)):
            part = moves([g[rows, columns] for g in gradients])
            assert whole[rows, columns] == pytest.approx(part, abs=1e-4)


def test_equal_shapes_together_are_each_one_alone():
    # Squares: of others a factor has a null space at first, whose basis is left to rounding.
    gradients = [correlated((8, 8), 30, seed) for seed in range(4)]
    parameters = [torch.nn.Parameter(torch.zeros(8, 8)) for _ in gradients]
    optimizer = KLShampoo(parameters, lr=1.0, weight_decay=0.0)
    for now in zip(*gradients, strict=True):
        for parameter, gradient in zip(parameters, now, strict=True):
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    for parameter, own in zip(parameters, gradients, strict=True):
        assert parameter.detach().numpy() == pytest.approx(moves(own), abs=1e-4)


def test_stacked_matrices_are_each_one_alone():
    stacks = [correlated((8, 8), 30, seed) for seed in range(3)]
    together = moves([np.stack(now) for now in zip(*stacks, strict=True)], stacked=True)
    for matrix, own in zip(together, stacks, strict=True):
        assert matrix == pytest.approx(moves(own), abs=1e-4)


def test_a_long_side_goes_without_a_factor():
    gradients = correlated((6, 40), 200)
    parameter = torch.nn.Parameter(torch.zeros(6, 40))
    optimizer = KLShampoo([parameter], largest=30, betas=(0.9, 0.98))
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    state = optimizer.state[parameter]
    assert "basis_1" not in state
    assert state["eigenvalues_1"].shape == (1, 1)
    basis, values = state["basis_0"][0], state["eigenvalues_0"][0] * state["eigenvalues_1"][0]
    recent = np.mean([g @ g.T / 40 for g in gradients[-100:]], axis=0)
    assert ((basis * values) @ basis.T).numpy() == pytest.approx(recent, abs=0.15 * recent.max())


def test_a_transformer_block_takes_four_to_five_floats_a_parameter():
    def floats(width, block):
        shapes = [(width, width)] * 4 + [(4 * width, width), (width, 4 * width)]
        plans = [cut(shape, block=block, largest=8192) for shape in shapes]
        sizes = [kl_factors.layout(plan.block, plan.factored, False) for plan in plans]
        total = sum(
            plan.count * sum(int(np.prod(size)) for size in layout.values())
            for plan, layout in zip(plans, sizes, strict=True)
        )
        return total / sum(a * b for a, b in shapes)

    assert 4 < floats(768, 1024) < 4.5  # half of SOAP's 9
    assert 4 < floats(1024, 1024) < 4.3
    layers = [torch.nn.Parameter(torch.randn(96, 4 * 96)), torch.nn.Parameter(torch.randn(96, 96))]
    optimizer = KLShampoo(layers, block=96)
    for layer in layers:
        layer.grad = torch.randn_like(layer)
    optimizer.step()
    counted = sum(v.numel() for p in layers for v in optimizer.state[p].values())
    assert 4 < counted / sum(p.numel() for p in layers) < 5


def test_a_quadratic_that_is_hard_for_adam_is_solved():
    generator = torch.Generator().manual_seed(0)
    scale = torch.logspace(0, 2, 16)
    axes = [torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q for _ in range(2)]
    goal = torch.randn(16, 16, generator=generator)

    def loss(w):
        left, right = ((q * scale.sqrt()) @ q.T for q in axes)
        return (left @ (w - goal) @ right).square().mean()

    final = {}
    for name in ("adamw", "kl"):
        best = np.inf
        for rate in (0.003, 0.01, 0.03):
            w = torch.nn.Parameter(torch.zeros(16, 16))
            if name == "kl":
                optimizer = KLShampoo([w], lr=rate, weight_decay=0.0)
            else:
                optimizer = torch.optim.AdamW([w], lr=rate, weight_decay=0.0)
            for step in range(300):
                for group in optimizer.param_groups:
                    group["lr"] = rate * (1 - step / 300)
                optimizer.zero_grad()
                loss(w).backward()
                optimizer.step()
            best = min(best, loss(w.detach()).item())
        final[name] = best
    assert final["kl"] < 0.1 * final["adamw"]


def test_a_copy_goes_its_own_way():
    parameter = torch.nn.Parameter(torch.zeros(5, 6))
    optimizer = KLShampoo([parameter])
    parameter.grad = torch.ones(5, 6)
    optimizer.step()
    twin = copy.deepcopy(optimizer)
    other = twin.param_groups[0]["params"][0]
    optimizer.step()
    assert not torch.equal(parameter, other)
    other.grad = torch.ones(5, 6)
    twin.step()
    assert torch.equal(parameter, other)


def test_bases_stay_orthogonal():
    parameter = torch.nn.Parameter(torch.zeros(12, 12))
    optimizer = KLShampoo([parameter], refresh=1)
    for gradient in correlated((12, 12), 600):
        parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    basis = optimizer.state[parameter]["basis_0"][0]
    assert torch.dist(basis.T @ basis, torch.eye(12)) < 1e-5
