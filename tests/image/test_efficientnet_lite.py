"""The networks with published weights, against the published code."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from merian.errors import InputError, MissingExtraError, NotFoundError

NAMES = ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]


@pytest.fixture(scope="module")
def lite():
    pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")
    from merian.image import efficientnet_lite

    return efficientnet_lite


def weights(lite, name):
    try:
        return lite.weights_file(name)
    except (MissingExtraError, NotFoundError) as missing:
        pytest.skip(str(missing))


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in [(224, 224), (96, 200)] * 3
    ]


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_features_equal_the_published_code(lite, name):
    import torch

    reference_code = pytest.importorskip(
        "efficientnet_lite_pytorch",
        reason="efficientnet-lite-pytorch, the oracle, is not installed",
    )
    file = weights(lite, name)
    reference = reference_code.EfficientNet.from_name(name)
    reference.load_state_dict(torch.load(file, weights_only=True))
    reference.eval()
    model = lite.load_pretrained(name)
    size = lite.CONFIGS[name].image_size
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        pooled = reference.extract_features(images).mean(dim=(2, 3))
        assert torch.allclose(model.features(images), pooled, atol=1e-4)
        assert torch.allclose(model(images), reference(images), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_networks_have_the_published_sizes(lite, name):
    count = sum(p.numel() for p in lite.EfficientNetLite(lite.CONFIGS[name]).parameters())
    assert round(count / 1e6, 1) == {"0": 4.7, "1": 5.4, "2": 6.1}[name[-1]]


@pytest.mark.parametrize("shape", [(1, 3, 61, 97), (2, 3, 32, 32)])
def test_any_size_goes_in(lite, shape):
    import torch

    model = lite.EfficientNetLite(lite.CONFIGS["efficientnet-lite0"]).eval()
    with torch.inference_mode():
        assert model.features(torch.zeros(shape)).shape == (shape[0], 1280)


def test_image_features_are_unit_and_do_not_depend_on_the_batch(lite, pictures):
    from merian.image import image_features

    weights(lite, "efficientnet-lite0")
    found = image_features(pictures)
    assert found.shape == (6, 1280)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found, image_features(pictures, batch=4), atol=1e-5)
    assert np.array_equal(found[2:4], image_features(pictures[2:4]))
    assert image_features([]).shape == (0, 1280)


def test_a_picture_of_another_kind_is_refused(lite):
    from merian.image import image_features

    weights(lite, "efficientnet-lite0")
    with pytest.raises(InputError, match=r"picture 1 is float64\[4, 4\]; uint8"):
        image_features([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4))])


def test_an_unknown_network_is_named_with_those_there_are(lite):
    with pytest.raises(NotFoundError, match="there are efficientnet-lite0"):
        lite.load_pretrained("efficientnet-lite9")


def test_without_torch_the_error_names_the_extra():
    code = (
        "import sys, numpy as np\n"
        "sys.modules['torch'] = None\n"
        "from merian.image import image_features\n"
        "from merian.errors import MissingExtraError\n"
        "try: image_features([np.zeros((9, 9, 3), np.uint8)])\n"
        "except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "merian[models]"' in done.stdout
