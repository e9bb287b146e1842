"""MAE on pictures: hidden patches leave the encoder, and only they are drawn and counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from tests.learn.packs import pictures  # noqa: E402

from merian.errors import InputError  # noqa: E402
from merian.image.efficientnet_lite import CONFIGS, EfficientNetLite  # noqa: E402
from merian.image.vit import PIXELS, VisionTransformer, ViTConfig, place_waves  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.objectives import build_objective  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.picture_autoencoder import PictureAutoencoder  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402
from merian.learn.run_log import read_log  # noqa: E402
from merian.learn.saved import load_model  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

SMALL = {"image_size": 16, "patch": 4, "width": 16, "layers": 2, "heads": 2, "hidden": 32}


def autoencoder(seed=1, normalise=True, **more):
    torch.manual_seed(seed)
    network = VisionTransformer(ViTConfig(**{**SMALL, **more}))
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return PictureAutoencoder(network, width=32, layers=1, normalise=normalise).eval()


def batch(n=3, size=16, hidden=11, seed=0):
    random = np.random.default_rng(seed)
    masked = np.zeros((n, (size // 4) ** 2), bool)
    for row in masked:
        row[random.permutation(row.size)[:hidden]] = True
    pixels = random.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    return {"pixels": torch.from_numpy(pixels), "masked": torch.from_numpy(masked)}


def by_formula(objective, one):
    """The loss as the paper tells it: one picture after the other, patch by patch."""
    encoder, decoder = objective.encoder, objective.heads["decoder"]
    mean, spread = (np.array(part) for part in PIXELS["imagenet"])
    kernel = encoder.patches.weight.detach().double().numpy()
    errors = []
    for pixels, masked in zip(one["pixels"].numpy(), one["masked"].numpy(), strict=True):
        coloured = (pixels / 255 - mean) / spread
        side = len(pixels) // 4
        cut = [coloured[4 * r : 4 * r + 4, 4 * c : 4 * c + 4]
               for r in range(side) for c in range(side)]  # fmt: skip
        words = []
        for at in np.flatnonzero(~masked):
            word = np.einsum("wcij,ijc->w", kernel, cut[at])
            words.append(torch.from_numpy(word).float() + encoder.patches.bias
                         + encoder.positions[1 + at])  # fmt: skip
        x = torch.stack([encoder.cls + encoder.positions[0], *words])[None]
        for block in encoder.blocks:
            x = block(x, None)
        read = decoder.read(encoder.norm_out(x))[0]
        every = [decoder.mask] * (side * side)
        for state, at in zip(read[1:], np.flatnonzero(~masked), strict=True):
            every[at] = state
        x = torch.cat([read[:1], torch.stack(every) + place_waves(side, side, 32)])[None]
        for block in decoder.blocks:
            x = block(x, None)
        drawn = decoder.draw(decoder.norm_out(x))[0, 1:]
        for at in np.flatnonzero(masked):
            wanted = cut[at].reshape(-1)
            if objective.normalise:
                wanted = (wanted - wanted.mean()) / np.sqrt(wanted.var(ddof=1) + 1e-6)
            errors.append(((drawn[at].detach().numpy() - wanted) ** 2).mean())
    return np.mean(errors)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_loss_is_that_of_the_formula(normalise):
    objective, one = autoencoder(normalise=normalise), batch()
    with torch.no_grad():
        assert float(objective(one).loss) == pytest.approx(by_formula(objective, one), rel=1e-5)


def test_what_is_hidden_has_no_part_in_what_is_drawn():
    objective, one = autoencoder(), batch()
    seen = []
    objective.heads["decoder"].draw.register_forward_hook(lambda *told: seen.append(told[2]))
    hidden = one["masked"].view(3, 4, 4).repeat_interleave(4, 1).repeat_interleave(4, 2)
    other = torch.where(hidden[..., None], 255 - one["pixels"], one["pixels"])
    with torch.no_grad():
        losses = [float(objective({**one, "pixels": p}).loss) for p in (one["pixels"], other)]
    assert torch.equal(seen[0], seen[1])
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    "more",
    [
        {"pool": "mean", "cls": False}, {"registers": 2, "layer_scale": 0.1, "places": "turned"},
        {"norm_before": True, "norm_pooled": True, "project": 5, "activation": "quick-gelu"},
    ],
)  # fmt: skip
def test_of_patches_that_are_all_seen_the_encoder_makes_what_it_makes_of_a_picture(more):
    encoder = autoencoder(**more).encoder
    pixels = (torch.randint(0, 256, (2, 3, 16, 16)).float() - 127) / 128
    order = torch.stack([torch.randperm(16) for _ in range(2)])
    before = int(encoder.config.cls) + encoder.config.registers
    with torch.no_grad():
        whole, some = encoder.states(pixels), encoder.states(pixels, order)
    assert torch.allclose(some[:, :before], whole[:, :before], atol=1e-5)
    for row in range(2):
        assert torch.allclose(some[row, before:], whole[row, before:][order[row]], atol=1e-5)


def test_every_weight_learns_and_the_card_builds_it_again():
    objective, one = autoencoder(pool="mean").train(), batch()
    objective(one).loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in objective.parameters())
    card = json.loads(json.dumps(objective.card()))
    again = build_objective(card, VisionTransformer(objective.encoder.config))
    again.load_state_dict(objective.state_dict())
    assert torch.equal(again.eval()(one).loss, objective.eval()(one).loss)
    assert again.card() == objective.card()


def test_waves_tell_every_place_from_all_others():
    waves = place_waves(5, 7, 16)
    assert waves.shape == (35, 16)
    apart = torch.cdist(waves, waves) + 9 * torch.eye(35)
    assert apart.min() > 0.1
    column, row = 3, 2
    wanted = [f(at / 10_000 ** (i / 4)) for at in (column, row)
              for f in (np.sin, np.cos) for i in range(4)]  # fmt: skip
    assert np.allclose(waves[7 * row + column], wanted, atol=1e-6)


def test_what_does_not_go_together_is_told():
    with pytest.raises(InputError, match="needs a vit; other encoders cannot"):
        PictureAutoencoder(EfficientNetLite(CONFIGS["efficientnet-lite0"]))
    with pytest.raises(InputError, match="width is 40; a multiple of 32"):
        PictureAutoencoder(VisionTransformer(ViTConfig(**SMALL)), width=40)
    with pytest.raises(InputError, match=r"a column for each of 16 patches expected"):
        autoencoder()(batch() | {"masked": torch.zeros(3, 9, dtype=torch.bool)})


CHANGES = ("data.size=16", *(f"encoder.{key}={value}" for key, value in SMALL.items()),
           "training.batch=4", "objective.decoder_width=32")  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return make_pack([pictures(folder / "photos", 24)], folder / "pack").pack.folder


def test_a_recipe_learns_and_another_begins_with_its_encoder(pack, tmp_path):
    more = ("training.steps=40", "encoder.layers=1", "optimizer.learning_rate=0.01")
    recipe = read_recipe("picture-mae", [*CHANGES, *more, "training.log=1"])
    task = build_task(recipe, pack)
    begun = task.train.batch(np.arange(4), np.random.default_rng(0))
    assert begun["masked"].sum(1).tolist() == [12] * 4  # three quarters of sixteen
    train(recipe, task, tmp_path / "run")
    losses = [line["loss"] for line in read_log(tmp_path / "run") if "loss" in line]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:3])

    eye = load_model(tmp_path / "run")
    vectors = eye.encode([np.full((9, 20, 3), 7, np.uint8), None])
    assert vectors.shape == (2, 16)
    assert np.isfinite(vectors[0]).all()
    assert np.isnan(vectors[1]).all()
    for name in ("picture-mae", "picture-ranks"):
        more = [f"encoder.from={tmp_path / 'run'}", "data.size=16", "training.batch=4"]
        more += CHANGES[-1:] if name == "picture-mae" else []
        again = build_task(read_recipe(name, [*more, "training.steps=2"]), pack)
        own = again.objective.encoder.state_dict()
        assert all(torch.equal(own[k], t.cpu()) for k, t in eye.network.state_dict().items())
        train(read_recipe(name, [*more, "training.steps=2"]), again, tmp_path / name)
        assert (tmp_path / name / "model" / "card.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.size=18", "data.size is 18, and a patch of the encoder has 4 pixels"),
        ("encoder.frozen=true", "masked-patches trains the encoder; leave it out"),
    ],
)
def test_a_recipe_that_cannot_be_built_says_why(pack, change, message):
    with pytest.raises(InputError, match=message):
        build_task(read_recipe("picture-mae", [*CHANGES, change]), pack)
