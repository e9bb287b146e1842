"""A small transformer that reads a text: the words of a lineage, or of an account.

It is the transformer that reads barcodes, in another size: learned positions, norms before the
halves of a block, nobody looks at padding, and the mean over the words that are kept. So a text's
vector hangs on nothing that stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from merian.barcode.bert import BarcodeBert, BertConfig

__all__ = ["TextConfig", "TextTransformer"]


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
    layers: int = 3


class TextTransformer(BarcodeBert):
    """Words in; `pooled` gives float[b, width], one vector for a text."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
