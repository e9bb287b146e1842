"""The network that reads places and days."""

import pytest

torch = pytest.importorskip("torch")

from merian.errors import InputError  # noqa: E402
from merian.learn.encoders import build_encoder, find_kind  # noqa: E402
from merian.learn.encoding import described, features, width_of  # noqa: E402
from merian.place.network import PlaceConfig, PlaceNetwork  # noqa: E402

NAN = float("nan")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PlaceNetwork(PlaceConfig(width=16, hidden=32)).eval()


def located(network, *places):
    with torch.no_grad():
        return network.located(torch.tensor(places))


def test_the_globe_and_the_year_have_no_edge(network):
    one, other = located(network, (10.0, 180.0, 100.0), (10.0, -180.0, 100.0))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    one, other = located(network, (90.0, 0.0, 100.0), (90.0, 77.0, 100.0))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    dawn, dusk, summer = located(network, (5.0, 5.0, 0.5), (5.0, 5.0, 365.75), (5.0, 5.0, 180.0))
    torch.testing.assert_close(dawn, dusk, atol=1e-4, rtol=1e-4)
    assert (dawn - summer).abs().max() > 1e-2


def test_what_is_not_known_is_told_as_not_known(network):
    known = (10.0, 20.0, 100.0)
    nowhere = [(NAN, NAN, 100.0), (10.0, NAN, 100.0), (NAN, 3.0, 100.0)]
    rows = located(network, known, *nowhere, (10.0, 20.0, NAN), (NAN, NAN, NAN))
    assert rows.isfinite().all()
    assert torch.equal(rows[1], rows[2])
    assert torch.equal(rows[1], rows[3])
    apart = torch.cdist(rows, rows)
    assert all(apart[i, j] > 1e-3 for i in (0, 1, 4, 5) for j in (0, 1, 4, 5) if i != j)
    # Zero degrees are a place, and not the one that is not known.
    zero, none = located(network, (0.0, 0.0, 1.0), (NAN, NAN, 1.0))
    assert (zero - none).abs().max() > 1e-3


def test_nothing_that_is_not_known_spoils_a_gradient(network):
    network.located(torch.tensor([[NAN, NAN, NAN], [1.0, 2.0, NAN]])).sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_scales_are_those_that_were_asked_for():
    """Near places differ more at a fine scale than at a coarse one."""
    near = torch.tensor([[50.0, 10.0, 1.0], [50.5, 10.0, 1.0]])  # 56 km apart
    apart = []
    for scales in ("1", "16"):
        config = PlaceConfig(scales=scales, directions=64, waves=0)
        told = PlaceNetwork(config).told(near)
        apart.append(float((told[0] - told[1]).norm()))
    assert apart[1] > 8 * apart[0]


def test_a_card_draws_the_same_directions(network):
    torch.manual_seed(5)
    again, other = (
        build_encoder({**described(network), "seed": seed}) for seed in (network.config.seed, 1)
    )
    assert torch.equal(again.along, network.along)
    assert not torch.equal(other.along, network.along)
    assert described(again) == described(network)
    assert find_kind(described(network)["kind"]).modality == "place"
    batch = {"place": torch.tensor([[1.0, 2.0, 3.0]])}
    assert features(again, batch).shape == (1, width_of(again))


def test_it_learns_a_border():
    """Which of two species lives here: an island in the sea of the other, of 1,500 km."""
    chance = torch.Generator().manual_seed(0)
    places = torch.rand(600, 3, generator=chance) * torch.tensor([40.0, 40.0, 365.0])
    inside = ((places[:, :2] - 20).norm(dim=1) < 10).float()
    torch.manual_seed(0)
    network = PlaceNetwork(PlaceConfig(width=1, hidden=64))
    step = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.1)
    for _ in range(100):
        step.zero_grad()
        logits = network.located(places[:400])[:, 0]
        torch.nn.functional.binary_cross_entropy_with_logits(logits, inside[:400]).backward()
        step.step()
    with torch.no_grad():
        right = ((network.located(places[400:])[:, 0] > 0) == (inside[400:] > 0)).float().mean()
    most = max(float(inside[400:].mean()), 1 - float(inside[400:].mean()))
    assert right > 0.9 > most + 0.05


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"scales": "1 x"}, "scales are '1 x'"),
        ({"scales": "0"}, "numbers above 0"),
        ({"width": 0}, "width of the encoder is 0"),
        ({"dropout": 1.0}, "dropout of the encoder is 1"),
    ],
)
def test_sizes_that_are_none_are_refused(said, told):
    with pytest.raises(InputError, match=told):
        PlaceConfig(**said)
