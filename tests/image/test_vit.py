"""Vision transformers and what is told of size in life; their vectors are held against formulas
where published weights are read (tests/learn/test_published_pictures.py)."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.errors import InputError  # noqa: E402
from merian.image.efficientnet_lite import EfficientNetLite, LiteConfig  # noqa: E402
from merian.image.millimetres import SizeInput, millimetres  # noqa: E402
from merian.image.vit import CONFIGS, VisionTransformer, ViTConfig  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.encoding import described, features  # noqa: E402

SMALL = {"image_size": 16, "patch": 4, "width": 16, "layers": 2, "heads": 2, "hidden": 32}


@pytest.mark.parametrize(("name", "millions"), [("small", 21.7), ("base", 85.8), ("large", 303.3)])
def test_the_networks_have_the_published_sizes(name, millions):
    with torch.device("meta"):
        network = VisionTransformer(CONFIGS[name])
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == millions


@pytest.mark.parametrize(
    "more",
    [
        {"pool": "mean"}, {"cls": False, "pool": "mean"}, {"registers": 3},
        {"layer_scale": 1e-5, "places": "turned"}, {"cls_place": False},
        {"norm_before": True, "project": 5, "norm_pooled": True, "activation": "quick-gelu"},
    ],
)  # fmt: skip
def test_every_switch_learns_and_takes_other_sizes(more):
    torch.manual_seed(0)
    network = build_encoder({"kind": "vit", **SMALL, **more})
    pixels = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    found = features(network, {"pixels": pixels})
    assert found.shape == (2, more.get("project", 16))
    found.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    assert network.features(torch.zeros(1, 3, 8, 20)).shape[0] == 1
    again = build_encoder(described(network))
    again.load_state_dict(network.state_dict())
    assert torch.equal(features(again, {"pixels": pixels}), found)


def test_places_that_are_drawn_out_keep_what_they_say():
    torch.manual_seed(0)
    network = VisionTransformer(ViTConfig(**SMALL))
    ramp = torch.linspace(-1, 1, 4)
    with torch.no_grad():
        network.positions[1:] = ramp.repeat_interleave(4)[:, None]  # what row it is
    _, places = network._placed(8, 4)
    rows = places[:, 0].view(8, 4)
    assert torch.allclose(rows, rows[:, :1].expand(8, 4), atol=1e-6)
    assert (rows[1:, 0] > rows[:-1, 0]).all()
    assert torch.allclose(rows.mean(), torch.tensor(0.0), atol=1e-6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"patch": 5}, "pictures of 16 pixels in patches of 5"),
        ({"heads": 3}, "both have to come out even"),
        ({"heads": 8, "places": "turned"}, "heads of 2 numbers; turned places"),
        ({"cls": False}, "pool is 'cls' and there is no such vector"),
        ({"activation": "relu"}, "activation is 'relu'; gelu, quick-gelu expected"),
        ({"layers": 0}, "sizes of 1 or more"),
    ],
)
def test_what_cannot_be_built_is_told(more, message):
    with pytest.raises(InputError, match=message):
        build_encoder({"kind": "vit", **SMALL, **more})


def test_a_picture_of_no_whole_patches_is_told():
    with pytest.raises(InputError, match=r"pictures of \[18, 16\] pixels; multiples of 4"):
        VisionTransformer(ViTConfig(**SMALL)).features(torch.zeros(1, 3, 18, 16))


def test_scales_are_those_of_the_papers():
    assert build_encoder({"kind": "vit", "scale": "base", "layers": 1}).config.width == 768
    with pytest.raises(InputError, match="scale is 'huge'; small, base, large expected"):
        build_encoder({"kind": "vit", "scale": "huge"})
    sizes = {3: (1.2, 1.4, 280), 4: (1.4, 1.8, 300)}
    for number, (width, depth, size) in sizes.items():
        config = build_encoder({"kind": f"efficientnet-lite{number}"}).config
        assert (config.width, config.depth, config.image_size) == (width, depth, size)


def test_millimetres_are_sides_over_the_scale():
    found = millimetres([100, 30, 10, 10], [50, 60, 10, 10], [10, 20, np.nan, 0])
    assert np.array_equal(found[:2], np.array([[10, 5], [3, 1.5]], np.float32))
    assert np.isnan(found[2:]).all()
    assert np.array_equal(millimetres(8, 4, 2.0), np.array([4, 2], np.float32))


@pytest.mark.parametrize("kind", ["vit", "lite"])
def test_size_changes_nothing_until_it_is_learned(kind):
    torch.manual_seed(0)
    network = (
        VisionTransformer(ViTConfig(**SMALL, millimetres=True))
        if kind == "vit"
        else EfficientNetLite(LiteConfig(0.25, 0.1, 32, 0, 0, millimetres=True)).eval()
    )
    pixels = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    sides = torch.tensor([[2.0, 1.0], [math.nan, math.nan], [200.0, 100.0]])
    without = features(network, {"pixels": pixels})
    assert torch.equal(features(network, {"pixels": pixels, "mm": sides}), without)
    features(network, {"pixels": pixels, "mm": sides}).sum().backward()
    assert network.size.map.weight.grad.abs().sum() > 0


def test_size_alone_can_name():
    torch.manual_seed(0)
    sides = 10 ** (torch.rand(400, 1) * 4 - 2) * torch.tensor([[1.0, 0.7]])
    label = (sides[:, 0].log10().floor() + 2).long()  # four decades
    asked, head = SizeInput(4), torch.nn.Identity()
    steps = torch.optim.Adam(asked.parameters(), 0.1)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(head(asked(torch.zeros(400, 4), sides)), label)
        steps.zero_grad()
        loss.backward()
        steps.step()
    named = asked(torch.zeros(400, 4), sides).argmax(1) == label
    assert named.float().mean() > 0.9
    unknown = asked(torch.zeros(2, 4), torch.tensor([[math.nan, 1.0], [0.0, 0.0]]))
    assert torch.equal(unknown[0], unknown[1])
    assert torch.isfinite(unknown).all()
