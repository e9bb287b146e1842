"""A network that is only asked, and no longer trained, in fewer bits: faster on most processors.

bfloat16: products of matrices in 16 bits, twice to seven times as fast where the processor does
    them by itself. Weights are made narrow once and not at every batch; the numbers are those of
    autocast.
int8: weights of linear layers in 8 bits with a scale for each row, and what comes in with a scale
    for each word. So a word's result hangs on nothing beside it, as it would with one scale for a
    whole batch. Faster where the processor adds products of bytes (AVX-512 VNNI and later) and has
    nothing for bfloat16.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from merian.errors import InputError

__all__ = ["PRECISIONS", "Int8Linear", "choose_precision", "has_bfloat16", "lighter"]

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
_LARGEST = 127.0
_LEAST = 1e-30  # no scale is zero
_ROWS = 256  # that are worked on at a time, so that they stay in the cache


def has_bfloat16(device: str) -> bool:
    """Return whether a processor reckons with bfloat16 by itself, which is twice as fast."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)


def choose_precision(asked: str, device: str, modality: str) -> str:
    """Return the precision that is meant, or say why it cannot be had.

    Args:
        asked: One of PRECISIONS.
        device: cpu, or cuda with or without a number.
        modality: barcode or image.
    """
    kind = device.partition(":")[0]
    if asked == "auto":
        # A small convolution is no faster in 16 bits on a CPU, and less exact.
        wide = modality == "barcode" or kind == "cuda"
        return "bfloat16" if wide and has_bfloat16(kind) else "float32"
    if asked not in PRECISIONS:
        raise InputError(f"a precision of {asked!r}; {', '.join(PRECISIONS)} expected")
    if asked == "int8" and (kind != "cpu" or not hasattr(torch, "_int_mm")):
        raise InputError(
            "int8 is for CPUs, and for a torch that multiplies matrices of bytes; bfloat16 is the "
            "fast one here"
        )
    return asked


def lighter(network: nn.Module, precision: str) -> nn.Module:
    """Return a network for a precision; the one that is given stays as it is.

    In bfloat16 it is to be used under autocast.
    """
    if precision == "float32":
        return network
    found = copy.deepcopy(network)
    for module in [*found.modules()]:
        for name, child in [*module.named_children()]:
            if type(child) is not nn.Linear:
                continue
            if precision == "int8":
                setattr(module, name, Int8Linear(child))
            else:
                child.to(torch.bfloat16)
    return found


class Int8Linear(nn.Module):
    """A linear layer whose product of matrices is of bytes."""

    bytes: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1).clamp(min=_LEAST) / _LARGEST
        self.register_buffer("bytes", (weight / scale[:, None]).round().to(torch.int8).T)
        self.register_buffer("scale", scale)
        self.bias = None if linear.bias is None else linear.bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """Return float32[..., out] of float[..., in]."""
        rows = x.reshape(-1, x.shape[-1])
        found = torch.empty(len(rows), len(self.scale), device=x.device)
        for first in range(0, len(rows), _ROWS):
            self._few(rows[first : first + _ROWS].float(), found[first : first + _ROWS])
        return found.view(*x.shape[:-1], -1)

    def _few(self, rows: Tensor, found: Tensor) -> None:
        """Fill float32[n, out] from float32[n, in]."""
        scale = rows.abs().amax(1, keepdim=True).clamp_(min=_LEAST).div_(_LARGEST)
        whole = (rows / scale).round_().to(torch.int8)
        product: Any = torch._int_mm(whole, self.bytes)  # exact: 3072 * 127 * 127 fit 32 bits
        torch.mul(product, scale, out=found)
        found.mul_(self.scale)
        if self.bias is not None:
            found.add_(self.bias)
