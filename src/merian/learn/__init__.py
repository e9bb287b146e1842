"""Learning: losses, heads, optimizers, the trainer, packs and probes.

Most of it needs the extra `models`. This door can be imported without it: what stands behind a
name is loaded when the name is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from merian.errors import MissingExtraError

# A name of this door, and the module where it lives.
_MODULES: dict[str, str] = {
    "Asked": "pack_gather",
    "Augmentation": "examples",
    "Contrastive": "modalities",
    "InferSum": "heads",
    "KLShampoo": "kl_shampoo",
    "MaskedTokens": "objectives",
    "Masking": "examples",
    "MultiHead": "heads",
    "Pack": "pack",
    "PackedBarcodes": "examples",
    "PackedPictures": "examples",
    "RankLabels": "rank_labels",
    "Ranks": "objectives",
    "Recoded": "recoded",
    "SOAP": "soap",
    "Shampoo": "shampoo",
    "SoftmaxTree": "heads",
    "build_heads": "heads",
    "build_objective": "objectives",
    "check_pack": "pack",
    "epoch_order": "order",
    "make_pack": "packing",
    "open_pack": "pack",
    "parameter_groups": "parameters",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605 the names are loaded when asked for


def __getattr__(name: str) -> Any:
    """Load what stands behind a name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("learning", "models") from None
    return getattr(module, name)
