"""From a vector for each word to one for the barcode."""

from __future__ import annotations

from torch import Tensor

__all__ = ["mean_over_words"]


def mean_over_words(hidden: Tensor, keep: Tensor | None) -> Tensor:
    """Return float[b, width], the mean of float[b, t, width] over the words that are kept."""
    if keep is None:
        return hidden.mean(1)
    weight = keep.to(hidden.dtype)[:, :, None]
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
