"""The network that reads texts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from merian.errors import InputError  # noqa: E402
from merian.learn.encoders import build_encoder, find_kind  # noqa: E402
from merian.learn.encoding import described, features, width_of  # noqa: E402
from merian.text import learn_words  # noqa: E402
from merian.text.transformer import TextConfig, TextTransformer  # noqa: E402

LINEAGES = ["Insecta Diptera Sciaridae", "Insecta", "Insecta Hymenoptera Apidae Apis mellifera"]
WORDS = learn_words(LINEAGES, 30)


def rows(texts, more=0):
    read = [WORDS.encode(text) for text in texts]
    most = max(map(len, read)) + more
    tokens = torch.from_numpy(np.stack([np.pad(r, (0, most - len(r))) for r in read]))
    return {"tokens": tokens, "keep": tokens != 0}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TextTransformer(TextConfig(WORDS.size, positions=80, width=32, layers=2)).eval()


def test_a_text_hangs_on_nothing_that_stands_beside_it(network):
    with torch.no_grad():
        together = features(network, rows(LINEAGES, more=5))
        for number, text in enumerate(LINEAGES):
            torch.testing.assert_close(features(network, rows([text]))[0], together[number])
    assert together.shape == (3, width_of(network))


def test_texts_of_like_length_read_together_give_the_same(network):
    """As in training; the gradients too, and a text without words among them."""
    chance = np.random.default_rng(0)
    texts = [" ".join(chance.choice(LINEAGES, chance.integers(1, 5))) for _ in range(90)]
    batch = rows(texts, more=3)
    batch["keep"][5] = False
    found = {}
    for training in (False, True):
        network.double().train(training).zero_grad()
        vectors = features(network, batch)
        (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors)).sum().backward()
        gradients = [p.grad.clone() for p in network.parameters()]
        found[training] = [vectors.detach(), *gradients]
    for asked, got in zip(*found.values(), strict=True):
        torch.testing.assert_close(got, asked, atol=1e-9, rtol=1e-9)


def test_the_order_of_words_counts(network):
    with torch.no_grad():
        one, other = features(network, rows(["Apis mellifera", "mellifera Apis"]))
    assert (one - other).abs().max() > 1e-4


def test_its_card_builds_it_again(network):
    card = described(network)
    assert card["kind"] == "text-transformer"
    assert find_kind(card["kind"]).modality == "text"
    again = build_encoder(card)
    assert described(again) == card
    again.load_state_dict(network.state_dict())
    with torch.no_grad():
        found, asked = (features(n.eval(), rows(LINEAGES)) for n in (again, network))
    assert torch.equal(found, asked)


def test_it_is_small_as_it_stands():
    network = build_encoder({"kind": "text-transformer", "vocabulary": 2257})
    assert (network.width, network.config.positions) == (128, 48)
    assert sum(p.numel() for p in network.parameters()) < 1_000_000
    with pytest.raises(InputError, match="as `TextWords` has it"):
        build_encoder({"kind": "text-transformer"})
