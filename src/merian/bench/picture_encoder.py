"""How fast the encoder of pictures that ships is, beside its package's own model, and how equal.

All arms run in one go and take turns, each as as many processes as there are cores to use, with one
thread each; see `merian.bench.encoder_speed`. What is told is the median rate of a core by its
processor time, so that what else the machine does weighs little.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from merian.bench.encoder_speed import race, rate_figure, times_figure
from merian.errors import InputError, MissingExtraError

NAME = "picture-encoder"
WORKING = ("cores",)

_UNIT = "pictures a second and core"


def run(rounds: int = 5, cores: int = 2) -> dict[str, dict[str, Any]]:
    """Return rates, how many times as fast ours is, and the largest difference of any feature.

    Args:
        rounds: How often each arm runs; the median counts.
        cores: Processes of an arm that work at the same time.
    """
    if rounds < 1 or cores < 1:
        raise InputError("1 round or more, on 1 core or more")
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("merian bench picture-encoder", "models")
    from merian.bench import picture_arms  # noqa: PLC0415 - torch is an extra
    from merian.image.onnx_lite import runs_here  # noqa: PLC0415

    peer, ours, fast = picture_arms.NAMES
    arms = [peer, ours, *([fast] if runs_here() else [])]
    wanted = picture_arms.vectors_of_package()
    rates = race(arms, lambda _what: None, rounds=rounds, cores=cores, module=picture_arms.__name__)
    figures: dict[str, dict[str, Any]] = {}
    for name, found in rates.items():
        figures[name] = rate_figure(found, _UNIT)
    for name in arms[1:]:
        figures[f"{name}: times as fast as {peer}"] = times_figure(rates[name], rates[peer])
        engine = "torch" if name == ours else "onnxruntime"
        figures[f"{name}: largest difference"] = {
            "value": float(f"{_difference(wanted, engine):.2g}"), "n": wanted.size,
            "unit": "of a feature",
        }  # fmt: skip
    return figures


def _difference(wanted: Any, engine: str) -> float:
    """Return how far our features are from those of the package, before they are of unit length."""
    import torch  # noqa: PLC0415 - an extra

    from merian.bench.picture_arms import NETWORK, pictures  # noqa: PLC0415
    from merian.image.efficientnet_lite import load_pretrained  # noqa: PLC0415
    from merian.learn.engines import onnx_features  # noqa: PLC0415

    network = load_pretrained(NETWORK)
    look = network.features if engine == "torch" else onnx_features(network, 224)
    images = (torch.from_numpy(pictures()).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        found = torch.cat([look(one[None]) for one in images])
    return float(np.abs(found.numpy() - wanted).max())
