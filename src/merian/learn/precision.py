"""Full-precision weights behind parameters of 16 bits.

A step of 0.1 % is lost in a bfloat16 weight, which has 8 bits. So the optimizer keeps what rounding
took away, and steps the sum of both in float32. The rest, not a second copy of the weight, is what
is kept: whoever writes a parameter (an average, a checkpoint) is not overruled by the optimizer.
Stochastic rounding would need no memory, but random numbers that must be resumed as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fitted", "narrow_", "new_rest", "widen"]

_AVERAGES = ("average", "square")  # of AdamW: as wide as the weight it steps


def new_rest(parameter: Tensor) -> Tensor | None:
    """Return an empty rest: none for 32 bits and more, 16 bits for bfloat16, else a float32."""
    if parameter.dtype == torch.bfloat16:
        return torch.zeros(parameter.shape, dtype=torch.int16, device=parameter.device)
    if parameter.dtype.itemsize < 4:
        return torch.zeros(parameter.shape, dtype=torch.float32, device=parameter.device)
    return None


def widen(parameter: Tensor, rest: Tensor | None) -> Tensor:
    """Return the weight in full: the parameter itself where it has no rest, else a new float32."""
    if rest is None:
        return parameter
    if rest.dtype == torch.int16:  # a bfloat16 is the upper half of a float32
        upper = parameter.contiguous().view(torch.int16).to(torch.int32) << 16
        return (upper + rest).view(torch.float32)
    return parameter.float() + rest


def narrow_(parameter: Tensor, rest: Tensor | None, weight: Tensor) -> None:
    """Round a full weight into the parameter, and what that takes away into the rest."""
    if rest is None:
        return
    parameter.copy_(weight)
    if rest.dtype == torch.int16:
        upper = parameter.contiguous().view(torch.int16).to(torch.int32) << 16
        # An exact half that was rounded down is 32768, one more than fits: one unit of 2^16 lost.
        rest.copy_((weight.contiguous().view(torch.int32) - upper).clamp_(max=32767))
    else:
        rest.copy_(weight - parameter.float())


def fitted(values: dict[str, Tensor], parameter: Tensor) -> dict[str, Tensor]:
    """Return a saved state for a parameter that may be of another type than it was.

    The rest of another type says nothing of this one, and begins anew.
    """
    if not values:
        return values
    wide = torch.promote_types(parameter.dtype, torch.float32)
    found = {
        key: value.to(wide) if key in _AVERAGES and "momentum" not in values else value
        for key, value in values.items()
    }
    rest, had = new_rest(parameter), found.pop("rest", None)
    if rest is not None:
        found["rest"] = had if had is not None and had.dtype == rest.dtype else rest
    return found
