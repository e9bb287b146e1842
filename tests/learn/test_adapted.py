"""A frozen tower with a small network behind it."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from merian.barcode.bert import BarcodeBert, BertConfig  # noqa: E402
from merian.barcode.tokens import KmerTokens  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.adapted import Adapted, AdaptedConfig, evened  # noqa: E402
from merian.learn.encoders import build_encoder, modality_of  # noqa: E402
from merian.learn.encoding import EncoderAlone, described, features  # noqa: E402
from merian.learn.saved import load_model, save_model  # noqa: E402
from merian.place.network import PlaceConfig, PlaceNetwork  # noqa: E402

torch.set_num_threads(1)
WORDS = KmerTokens(2)


def bert():
    torch.manual_seed(0)
    config = BertConfig(WORDS.size, positions=20, width=16, layers=1, dropout=0.3)
    return BarcodeBert(config)


def lite(**more):
    torch.manual_seed(0)
    return build_encoder({"kind": "efficientnet-lite0", "width": 0.25, "depth": 0.4, **more})


@pytest.fixture
def adapted():
    return Adapted(bert(), AdaptedConfig(hidden=24, layers=2))


def barcodes(n=6):
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, WORDS.size, (n, 12), generator=generator)
    return {"tokens": tokens, "keep": torch.ones_like(tokens).bool()}


def stirred(adapted):
    """As after training: what is behind is no longer nothing."""
    torch.manual_seed(3)
    for parameter in adapted.adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return adapted


def test_it_begins_as_its_tower(adapted):
    found = features(adapted, barcodes())
    told = features(adapted.tower, barcodes())
    cosines = functional.cosine_similarity(found, told)
    torch.testing.assert_close(cosines, torch.ones(6))
    torch.testing.assert_close(found.norm(dim=1), torch.full((6,), 4.0))  # the root of 16


def test_kept_vectors_give_what_the_items_give(adapted):
    stirred(adapted)
    asked = features(adapted, barcodes())
    kept = features(adapted.tower, barcodes())
    # As they are, and as an encoder returns them: of unit length.
    for vectors in (kept, functional.normalize(kept, dim=1), kept.double()):
        torch.testing.assert_close(features(adapted, {"vectors": vectors}), asked)
    with pytest.raises(InputError, match="vectors of 8 numbers; the tower makes 16"):
        adapted.mapped(torch.zeros(2, 8))


def test_only_what_is_behind_learns(adapted):
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    adapted.train()
    step = torch.optim.AdamW(adapted.parameters(), 0.1)
    for _ in range(2):  # in the first the maps before the last have no gradient
        step.zero_grad()
        features(adapted, barcodes())[:, 0].sum().backward()
        step.step()
    moved = {n for n, t in adapted.state_dict().items() if not torch.equal(t, before[n])}
    assert moved == {name for name in before if name.startswith("adapter.")}
    assert all(p.grad is None for p in adapted.tower.parameters())


def test_the_tower_never_trains(adapted):
    """Its dropout and the running means of its norms stay as they are."""
    adapted.train()
    assert adapted.adapter.training and not adapted.tower.training
    assert torch.equal(features(adapted, barcodes()), features(adapted, barcodes()))
    seen = Adapted(lite(), AdaptedConfig()).train()
    state = {name: tensor.clone() for name, tensor in seen.tower.state_dict().items()}
    features(seen, {"pixels": torch.zeros(2, 32, 32, 3, dtype=torch.uint8)})
    assert all(torch.equal(tensor, state[n]) for n, tensor in seen.tower.state_dict().items())


def test_the_size_in_life_is_told_where_the_tower_takes_it():
    batch = {"pixels": torch.full((2, 32, 32, 3), 9, dtype=torch.uint8), "mm": torch.ones(2, 2)}
    told, plain = (Adapted(lite(millimetres=m), AdaptedConfig()).eval() for m in (True, False))
    assert hasattr(told, "size") and not hasattr(plain, "size")
    torch.nn.init.normal_(next(p for p in told.tower.size.parameters() if p.ndim > 1))
    large = {**batch, "mm": batch["mm"] * 50}
    assert not torch.equal(features(told, batch), features(told, large))
    assert torch.equal(features(plain, batch), features(plain, large))
    # What belongs to the tower is written once.
    assert not any(name.startswith("size") for name in told.state_dict())


def test_places_go_through(adapted):
    located = Adapted(PlaceNetwork(PlaceConfig(width=8, hidden=8)), AdaptedConfig())
    assert features(located, {"place": torch.tensor([[1.0, 2.0, 3.0]])}).shape == (1, 8)


@pytest.mark.parametrize(
    ("tower", "modality"),
    [
        (bert, "barcode"),
        (lite, "image"),
        (lambda: PlaceNetwork(PlaceConfig(width=8)), "place"),
        (lambda: Adapted(bert(), AdaptedConfig()), "barcode"),
    ],
    ids=["barcode", "image", "place", "twice"],
)
def test_its_card_builds_it_again(tower, modality):
    made = tower()
    adapted = Adapted(made, AdaptedConfig(hidden=5, dropout=0.1))
    card = described(adapted)
    assert card["kind"] == "adapted"
    assert card["tower"] == described(made)
    assert modality_of(card) == modality
    again = build_encoder(card)
    assert described(again) == card
    again.load_state_dict(adapted.state_dict())


def test_it_is_saved_and_loaded_as_any_encoder(adapted, tmp_path):
    stirred(adapted).eval()
    preprocessing = {"k": 2, "stride": None, "bases": 40}
    alone = EncoderAlone(adapted, "encoder")
    save_model(tmp_path / "m", alone, {"preprocessing": preprocessing})
    eye = load_model(tmp_path / "m", "cpu", "float32")
    assert (eye.modality, eye.dim) == ("barcode", 16)
    sequence = "ACGTTGCAACGGTTAACCGGATATCGCGTTAACGTACGTA" * 4
    tokens = torch.from_numpy(WORDS.encode(sequence[:40]))[None]
    with torch.no_grad():
        asked = functional.normalize(adapted.pooled(tokens), dim=1)
    torch.testing.assert_close(torch.from_numpy(eye.encode([sequence])), asked)


def test_what_it_is_not_told_is_said():
    with pytest.raises(InputError, match="say what its tower is"):
        build_encoder({"kind": "adapted"})
    with pytest.raises(InputError, match="tower is 'vit'; expected a table"):
        build_encoder({"kind": "adapted", "tower": "vit"})
    with pytest.raises(InputError, match="layers of the encoder is -1"):
        AdaptedConfig(layers=-1)
    assert modality_of({"kind": "another"}) is None


def test_axes_are_evened_and_no_more_than_there_are():
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(50, 4)) * [10, 3, 1, 0.1]).astype(np.float32)
    mean, turn = evened(vectors, 6, 1.0)
    seen = (vectors - mean) @ turn
    np.testing.assert_allclose(np.cov(seen[:, :4].T, bias=True), np.eye(4) * seen[:, 0].var(),
                               atol=0.02)  # fmt: skip
    assert not seen[:, 4:].any()


def test_the_main_axes_of_a_tower_are_fitted_kept_and_loaded(tmp_path):
    tower = bert()
    seen = features(tower, barcodes(40)).detach().numpy()
    adapted = Adapted(tower, AdaptedConfig(hidden=8, axes=5, power=1.0))
    adapted.fit(seen)
    found = features(adapted, {"vectors": torch.from_numpy(seen)})
    assert found.shape == (40, adapted.width) == (40, 5)
    spread = np.cov(found.detach().numpy().T)
    np.testing.assert_allclose(spread, np.eye(5) * spread[0, 0], atol=0.02 * spread[0, 0])
    told = described(adapted)
    again = build_encoder(told)
    again.load_state_dict(adapted.state_dict())
    torch.testing.assert_close(features(again, barcodes()), features(adapted, barcodes()))
    assert not any(name in ("mean", "turn") for name, _ in adapted.named_parameters())
