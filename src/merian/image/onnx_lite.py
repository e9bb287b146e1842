"""EfficientNet-Lite as an ONNX graph, which onnxruntime runs several times as fast on a CPU.

The graph is written here, byte by byte, from the network itself: the format is a few nested
messages of protocol buffers, and no package is needed to write it. Norms are folded into the
convolutions before them, in 64 bits, and padding is laid down for one size of pictures.

Reference: ONNX, onnx.proto (IR version 8) and operators of opset 13; protocol buffers, encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.image.efficientnet_lite import EfficientNetLite, padding

__all__ = ["OnnxLite", "onnx_bytes", "runs_here"]

Floats = NDArray[np.float32]

_IR, _OPSET = 8, 13
_FLOAT, _INT, _INTS = 1, 2, 7  # kinds of attributes; floats of 32 bits are kind 1 of tensors too
_IN, _OUT, _LOW, _HIGH = "images", "features", "zero", "six"


def runs_here() -> bool:
    """Return whether onnxruntime is installed (the extra `fast`)."""
    try:
        import onnxruntime  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return False
    return True


class OnnxLite:
    """A network that onnxruntime runs, on one thread."""

    def __init__(self, network: EfficientNetLite, size: int) -> None:
        import onnxruntime  # noqa: PLC0415 - an extra

        asked = onnxruntime.SessionOptions()
        asked.intra_op_num_threads = asked.inter_op_num_threads = 1
        asked.log_severity_level = 3  # errors alone
        self._session: Any = onnxruntime.InferenceSession(
            onnx_bytes(network, size), asked, providers=["CPUExecutionProvider"]
        )

    def features(self, images: Floats) -> Floats:
        """Return float32[n, 1280] for float32[n, 3, size, size], pixels as (value - 127) / 128."""
        found: Floats = self._session.run([_OUT], {_IN: images})[0]
        return found


def onnx_bytes(network: EfficientNetLite, size: int) -> bytes:
    """Return the content of an ONNX file that makes features of pictures of one size.

    Args:
        network: Its weights are copied.
        size: Height and width of the pictures.
    """
    if network.config.millimetres:
        raise InputError("a network that is told sizes in life is not written as ONNX")
    graph = _Graph(size)
    x = graph.convolution(_IN, network.stem)
    for block in network.blocks:
        y = x if not hasattr(block.expand, "conv") else graph.convolution(x, block.expand)
        y = graph.convolution(graph.convolution(y, block.depthwise), block.project)
        x = graph.node("Add", [x, y]) if block.residual else y
    x = graph.node("GlobalAveragePool", [graph.convolution(x, network.head)])
    graph.node("Flatten", [x], _OUT)
    opset = _text(1, "") + _number(2, _OPSET)
    return _number(1, _IR) + _text(2, "merian") + _message(7, graph.content()) + _message(8, opset)


class _Graph:
    """The nodes of a graph, in order, and the tensors that they need."""

    def __init__(self, size: int) -> None:
        self._size = size  # of the pictures
        self._sizes = {_IN: size}  # of what each node makes
        self._nodes: list[bytes] = []
        self._tensors = [_tensor(_LOW, np.zeros((), np.float32)),
                         _tensor(_HIGH, np.full((), 6, np.float32))]  # fmt: skip

    def node(
        self, kind: str, inputs: Sequence[str], name: str | None = None, attributes: bytes = b""
    ) -> str:
        """Add a node and return the name of what it makes."""
        name = name or f"x{len(self._nodes)}"
        told = b"".join(_text(1, each) for each in inputs) + _text(2, name)
        self._nodes.append(_message(1, told + _text(4, kind) + attributes))
        self._sizes[name] = self._sizes.get(inputs[0], 1)
        return name

    def convolution(self, x: str, layer: Any) -> str:
        """Add a convolution with its norm, and what cuts off above six."""
        name, size = f"x{len(self._nodes)}", self._sizes[x]
        more = padding(size, layer.kernel, layer.stride)
        weight, bias = _folded(layer)
        self._tensors += [_tensor(f"{name}.w", weight), _tensor(f"{name}.b", bias)]
        pads = [more // 2, more // 2, more - more // 2, more - more // 2]
        told = b"".join((
            _integers("kernel_shape", [layer.kernel] * 2), _integers("pads", pads),
            _integers("strides", [layer.stride] * 2), _integer("group", layer.conv.groups),
        ))  # fmt: skip
        made = self.node("Conv", [x, f"{name}.w", f"{name}.b"], name, told)
        self._sizes[made] = -(-size // layer.stride)
        return self.node("Clip", [made, _LOW, _HIGH]) if layer.relu else made

    def content(self) -> bytes:
        """Return the graph as a message."""
        return b"".join((
            *self._nodes, _text(2, "efficientnet-lite"), *self._tensors,
            _message(11, _value(_IN, ["n", 3, self._size, self._size])),
            _message(12, _value(_OUT, ["n", 1280])),
        ))  # fmt: skip


def _numbers(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().double().numpy())


def _folded(layer: Any) -> tuple[Floats, Floats]:
    """Return weight and bias of a convolution with the norm behind it."""
    norm = layer.norm
    scale = _numbers(norm.weight) / np.sqrt(_numbers(norm.running_var) + norm.eps)
    weight = _numbers(layer.conv.weight) * scale[:, None, None, None]
    bias = _numbers(norm.bias) - _numbers(norm.running_mean) * scale
    return weight.astype(np.float32), bias.astype(np.float32)


# -- messages -------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _integer(name: str, value: int) -> bytes:
    return _message(5, _text(1, name) + _number(3, value) + _number(20, _INT))


def _integers(name: str, values: Sequence[int]) -> bytes:
    told = b"".join(_number(8, value) for value in values)
    return _message(5, _text(1, name) + told + _number(20, _INTS))


def _tensor(name: str, values: Floats) -> bytes:
    shape = b"".join(_number(1, side) for side in values.shape)
    raw = np.ascontiguousarray(values, "<f4").tobytes()
    return _message(5, shape + _number(2, _FLOAT) + _text(8, name) + _message(9, raw))


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sides = b"".join(
        _message(1, _text(2, side) if isinstance(side, str) else _number(1, side)) for side in shape
    )
    tensor = _number(1, _FLOAT) + _message(2, sides)
    return _text(1, name) + _message(2, _message(1, tensor))
