"""EfficientNet-Lite as an ONNX graph, read back and reckoned; by onnxruntime too if it is there."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.errors import InputError, MissingExtraError  # noqa: E402
from merian.image.efficientnet_lite import EfficientNetLite, LiteConfig  # noqa: E402
from merian.image.onnx_lite import OnnxLite, onnx_bytes, runs_here  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.engines import choose_engine  # noqa: E402

SIZE = 45  # odd, so that the padding differs on the two sides


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = EfficientNetLite(LiteConfig(0.25, 0.4, SIZE, 0.0, 0))
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 1.5)
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made.eval()


def fields(message):
    """Read a message of protocol buffers: pairs of a field's number and its value."""
    place, found = 0, []

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        number, kind = divmod(varint(), 8)
        value = varint()
        if kind == 2:
            value, place = message[place : place + value], place + value
        else:
            assert kind == 0
        found.append((number, value))
    assert place == len(message)
    return found


def one(message, number):
    (found,) = [value for n, value in fields(message) if n == number]
    return found


def many(message, number):
    return [value for n, value in fields(message) if n == number]


def reckoned(content, images):
    """Reckon a graph node by node, with operators as their reference states them."""
    graph = one(content, 7)
    held = {}
    for tensor in many(graph, 5):
        raw = one(tensor, 9)
        values = np.array(struct.unpack(f"<{len(raw) // 4}f", raw), np.float32)
        assert one(tensor, 2) == 1
        held[one(tensor, 8)] = torch.from_numpy(values).reshape(many(tensor, 1))
    (inside,), (outside,) = many(graph, 11), many(graph, 12)
    held[one(inside, 1)] = images
    for node in many(graph, 1):
        given = [held[name] for name in many(node, 1)]
        told = {one(a, 1): many(a, 8) or many(a, 3) for a in many(node, 5)}
        kind = one(node, 4)
        if kind == b"Conv":
            top, left, below, right = told[b"pads"]
            seen = torch.nn.functional.pad(given[0], (left, right, top, below))
            assert told[b"kernel_shape"] == list(given[1].shape[2:])
            (groups,) = told[b"group"]
            made = torch.nn.functional.conv2d(
                seen, given[1], given[2], told[b"strides"], groups=groups
            )
        elif kind == b"Clip":
            made = torch.minimum(torch.maximum(given[0], given[1]), given[2])
        elif kind == b"Add":
            made = given[0] + given[1]
        elif kind == b"GlobalAveragePool":
            made = given[0].mean((2, 3), keepdim=True)
        else:
            assert kind == b"Flatten"
            made = given[0].flatten(1)
        held[one(node, 2)] = made
    return held[one(outside, 1)]


def test_the_graph_makes_the_features_of_the_network(network):
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        wanted = network.features(images)
        found = reckoned(onnx_bytes(network, SIZE), images)
    assert float(wanted.std()) > 0.05
    assert torch.allclose(found, wanted, atol=1e-4)
    assert onnx_bytes(network, SIZE) == onnx_bytes(network, SIZE)


@pytest.mark.skipif(not runs_here(), reason="onnxruntime is not installed (the extra `fast`)")
def test_onnxruntime_makes_them_too(network):
    images = torch.randn(3, 3, SIZE, SIZE)
    with torch.inference_mode():
        wanted = network.features(images).numpy()
    assert np.allclose(OnnxLite(network, SIZE).features(images.numpy()), wanted, atol=1e-4)


def test_which_engine_runs_a_network(network, monkeypatch):
    vit = build_encoder({"kind": "vit", "image_size": 16, "width": 12, "layers": 1})
    auto = ("auto", network, "cpu", "auto", "float32")
    monkeypatch.setattr("merian.image.onnx_lite.runs_here", lambda: True)
    assert choose_engine(*auto) == "onnxruntime"
    assert choose_engine("auto", network, "cpu", "float32", "float32") == "torch"  # as was asked
    assert choose_engine("auto", network, "cuda", "auto", "float32") == "torch"
    assert choose_engine("auto", vit, "cpu", "auto", "float32") == "torch"
    assert choose_engine("onnxruntime", network, "cpu", "float32", "float32") == "onnxruntime"
    with pytest.raises(InputError, match="onnxruntime runs EfficientNet-Lite on a CPU"):
        choose_engine("onnxruntime", vit, "cpu", "auto", "float32")
    with pytest.raises(InputError, match="the engine is 'jax'; auto, torch, onnxruntime"):
        choose_engine("jax", vit, "cpu", "auto", "float32")
    monkeypatch.setattr("merian.image.onnx_lite.runs_here", lambda: False)
    assert choose_engine(*auto) == "torch"
    with pytest.raises(MissingExtraError, match=r"merian\[fast\]"):
        choose_engine("onnxruntime", network, "cpu", "auto", "float32")


def test_whether_onnxruntime_is_there_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert not runs_here()
