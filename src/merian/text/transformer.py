"""A small transformer that reads a text: the words of a lineage, or of an account.

It is the transformer that reads barcodes, in another size: learned positions, norms before the
halves of a block, nobody looks at padding, and the mean over the words that are kept. So a text's
vector hangs on nothing that stands beside it.

Texts differ in length far more than barcodes do. So in training on a CPU those of like length are
read together, which leaves most of the padding out; the numbers are the same but for the last bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from merian.barcode.bert import BarcodeBert, BertConfig

__all__ = ["TextConfig", "TextTransformer"]

_ALIKE = 32  # texts that are read together


@dataclass(frozen=True)
class TextConfig(BertConfig):
    """What makes one of the family.

    Attributes:
        vocabulary: Words, as `TextWords.size` counts them.
        positions: The most words of a text.
        width: Of the hidden states, and of a text's vector.
        layers: Blocks.
        heads: Of the attention; they share the width.
    """

    positions: int = 48
    width: int = 128
    layers: int = 2


class TextTransformer(BarcodeBert):
    """Words in; `pooled` gives float[b, width], one vector for a text."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width]: the mean over the words that are kept, or as `pool_cls` says."""
        if keep is None or not self.training or tokens.is_cuda or len(tokens) <= _ALIKE:
            return super().pooled(tokens, keep)
        places = torch.arange(1, tokens.shape[1] + 1, device=keep.device)
        reach = (keep * places).amax(1)  # up to the last word that is kept
        order = reach.argsort(stable=True)
        parts = []
        for first in range(0, len(order), _ALIKE):
            rows = order[first : first + _ALIKE]
            most = max(int(reach[rows[-1]]), 1)
            parts.append(super().pooled(tokens[rows, :most], keep[rows, :most]))
        return torch.cat(parts)[order.argsort()]
