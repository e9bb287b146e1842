"""A model of several encoders: each is loaded by itself, and all share a space."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from safetensors.torch import load_file, save_file  # noqa: E402

from merian.barcode.tokens import KmerTokens  # noqa: E402
from merian.barcode.vocabulary import preprocessing_of  # noqa: E402
from merian.errors import FormatError, InputError  # noqa: E402
from merian.learn import load_model, save_model  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.modalities import Contrastive  # noqa: E402
from merian.learn.saved import WEIGHTS  # noqa: E402
from merian.text.words import TextWords  # noqa: E402

WORDS = KmerTokens(3, None, 90)
TEXTS = TextWords((), 24)
ITEMS = {
    "image": [np.random.default_rng(n).integers(0, 256, (40, 30, 3), np.uint8) for n in range(3)],
    "barcode": ["ACGTTGCAAC" * 5, "TTTACGGGAT" * 8, "CCATGCAATG" * 7],
    "text": ["Apis mellifera", "a photo of a beetle", "Diptera"],
    "place": [(52.1, 4.3, 180.0), (-33.9, 151.2, None), (0.0, -179.5, 1)],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    vit = {"width": 12, "layers": 1, "heads": 2, "hidden": 24, "patch": 8, "image_size": 16}
    encoders = {
        "image": build_encoder({"kind": "vit", **vit}),
        "barcode": build_encoder(
            {"kind": "barcode-bert", "vocabulary": WORDS.size, "positions": WORDS.length,
             "width": 16, "layers": 1, "heads": 2, "hidden": 16}
        ),
        "text": build_encoder(
            {"kind": "text-transformer", "vocabulary": TEXTS.size, "positions": 24, "width": 16,
             "heads": 2, "hidden": 16}
        ),
        "place": build_encoder({"kind": "place-fourier", "width": 8, "hidden": 16}),
    }  # fmt: skip
    objective = Contrastive(encoders, 10).eval()
    preprocessing = {
        "image": {"size": 16}, "barcode": preprocessing_of(WORDS),
        "text": TEXTS.preprocessing(), "place": {"place": "degrees"},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("aligned") / "model"
    save_model(folder, objective, {"name": "four", "preprocessing": preprocessing})
    return folder, objective


def wanted(objective, modality):
    """Return what the objective itself makes of the items."""
    found = []
    for item in ITEMS[modality]:
        batch = {}
        if modality == "image":
            from PIL import Image

            from merian.image.transforms import square

            batch = {"image.pixels": torch.from_numpy(square(Image.fromarray(item), 16))[None]}
        elif modality == "place":
            place = [np.nan if x is None else x for x in item]
            batch = {"place.place": torch.tensor([place], dtype=torch.float32)}
        else:
            words = torch.from_numpy((WORDS if modality == "barcode" else TEXTS).encode(item))[None]
            keep = torch.ones_like(words, dtype=torch.bool)
            batch = {f"{modality}.tokens": words, f"{modality}.keep": keep}
        with torch.no_grad():
            found.append(objective.vectors(batch, modality)[0].numpy())
    return np.stack(found)


@pytest.mark.parametrize("modality", [*ITEMS])
def test_each_encoder_gives_what_the_objective_gave(model, modality):
    folder, objective = model
    eye = load_model(folder, "cpu", "float32", modality=modality)
    assert (eye.modality, eye.dim) == (modality, 10)
    found = eye.encode(ITEMS[modality])
    np.testing.assert_allclose(found, wanted(objective, modality), atol=2e-6)
    alone = np.concatenate([eye.encode([item]) for item in ITEMS[modality]])
    assert alone.tobytes() == found.tobytes()


def test_all_share_a_space_and_each_has_its_id(model):
    eyes = [load_model(model[0], "cpu", "float32", modality=each) for each in ITEMS]
    assert len({eye.space for eye in eyes}) == 1
    assert len({eye.id for eye in eyes}) == len(eyes)


def test_which_one_is_meant_has_to_be_said(model):
    with pytest.raises(InputError, match="image, barcode, text, place; say which"):
        load_model(model[0], "cpu")
    with pytest.raises(InputError, match="none of 'sound'"):
        load_model(model[0], "cpu", modality="sound")
    with pytest.raises(InputError, match="is an encoder of barcode, and not of image"):
        load_model("barcode-small", "cpu", modality="image")


@pytest.mark.parametrize(
    ("modality", "item", "why"),
    [
        ("text", "  ", "nothing to read"),
        ("place", (91.0, 0.0, 3), "expected"),
        ("place", (None, None, None), "neither the place nor the day"),
        ("place", "here", "expected"),
        ("place", None, "missing"),
    ],
)
def test_what_cannot_be_read_is_set_aside(model, modality, item, why):
    rejects = []
    eye = load_model(model[0], "cpu", "float32", modality=modality)
    found = eye.encode([ITEMS[modality][0], item], rejects)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[0]).all()
    assert rejects[0][0] == 1
    assert why in rejects[0][1]


def test_weights_that_do_not_fit_are_told(model, tmp_path):
    import json
    import shutil

    from merian.files import content_hash

    shutil.copytree(model[0], tmp_path / "model")
    weights = load_file(tmp_path / "model" / WEIGHTS)
    save_file({k: t for k, t in weights.items() if "heads.text" not in k},
              tmp_path / "model" / WEIGHTS)  # fmt: skip
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    card["weights"]["hash"] = content_hash(tmp_path / "model" / WEIGHTS)
    (tmp_path / "model" / "card.json").write_text(json.dumps(card))
    with pytest.raises(FormatError, match="does not fit to its card"):
        load_model(tmp_path / "model", "cpu", modality="text")
