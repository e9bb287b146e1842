"""MAE on pictures: the encoder sees a quarter of the patches, and a decoder draws the others.

Hidden patches leave the encoder altogether, so that it never sees a mask, which it will not meet
when it is used, and works on a quarter of the words. In the decoder, which is small and is thrown
away after training, a mask stands where a patch was hidden. What is drawn are pixels, each patch
brought to mean 0 and variance 1 within itself; the loss is the mean squared error over the hidden
patches alone.

Reference: He and others, Masked autoencoders are scalable vision learners, CVPR 2022,
arXiv:2111.06377.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from merian.errors import InputError
from merian.image.vit import Block, VisionTransformer, ViTConfig, place_waves
from merian.learn.encoding import described, pixels_of
from merian.learn.masked import reconstruction_loss
from merian.learn.task import Batch, Examples, Indices, Objective, Outcome

__all__ = ["HiddenPatches", "PictureAutoencoder", "begin_places", "patches_of"]

_HEAD = 32  # numbers of a head of the decoder, as published


class HiddenPatches:
    """Pictures of which some patches are hidden, as many of each. They can be pickled.

    A batch also holds ``masked`` bool[b, patches], row by row.

    Args:
        examples: Pictures of one size.
        patches: How many each has.
        share: How many of them are hidden, one at least, and one at least is not.
    """

    def __init__(self, examples: Examples, patches: int, share: float) -> None:
        if patches < 2:
            raise InputError(f"pictures of {patches} patches; some are hidden, so 2 or more needed")
        self.examples, self.patches = examples, patches
        self.hidden = min(max(round(share * patches), 1), patches - 1)
        self.shards: Sequence[int] = examples.shards

    def names(self, indices: Indices) -> list[str]:
        """Return the records of some examples."""
        return self.examples.names(indices)

    def batch(self, indices: Indices, random: np.random.Generator) -> Batch:
        """Read some pictures, and draw what is hidden of them."""
        found = self.examples.batch(indices, random)
        masked = np.zeros((len(indices), self.patches), bool)
        for row in masked:
            row[random.permutation(self.patches)[: self.hidden]] = True
        return {**found, "masked": torch.from_numpy(masked)}


class Decoder(nn.Module):
    """What is left of a picture in, the pixels of every patch out.

    Args:
        encoder: Whose states are read.
        width: Numbers of a word.
        layers: Blocks.
    """

    def __init__(self, encoder: VisionTransformer, width: int, layers: int) -> None:
        super().__init__()
        if width % _HEAD:
            raise InputError(f"the decoder's width is {width}; a multiple of {_HEAD} expected")
        config = ViTConfig(width=width, heads=width // _HEAD, hidden=4 * width)
        self.read = nn.Linear(encoder.config.width, width)
        self.mask = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(layers))
        self.norm_out = nn.LayerNorm(width, eps=config.epsilon)
        self.draw = nn.Linear(width, 3 * encoder.config.patch**2)
        nn.init.normal_(self.mask, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, states: Tensor, shown: Tensor, rows: int, columns: int) -> Tensor:
        """Return float[n, patches, 3 * patch ** 2].

        Args:
            states: float[n, prefix + some, width], what the encoder made of the patches it saw.
            shown: int64[n, some], which these were.
            rows: Patches from top to bottom.
            columns: Patches from left to right.
        """
        read = self.read(states)
        prefix = read.shape[1] - shown.shape[1]
        n, width = len(read), read.shape[-1]
        every = self.mask.to(read.dtype).expand(n, rows * columns, width)
        words = every.scatter(1, shown[:, :, None].expand(-1, -1, width), read[:, prefix:])
        words = words + place_waves(rows, columns, width).to(words)
        x = torch.cat([read[:, :prefix], words], 1)
        for block in self.blocks:
            x = block(x, None)
        drawn: Tensor = self.draw(self.norm_out(x))[:, prefix:]
        return drawn


def patches_of(pictures: Tensor, patch: int) -> Tensor:
    """Return float[n, patches, patch ** 2 * 3] of pictures float[n, 3, h, w], row by row."""
    n, colours, high, wide = pictures.shape
    cut = pictures.reshape(n, colours, high // patch, patch, wide // patch, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


class PictureAutoencoder(Objective):
    """Draw the patches of pictures that the encoder did not see.

    The batch has "pixels" uint8[b, h, w, 3] and "masked" bool[b, patches], as many of each picture.

    Args:
        encoder: A VisionTransformer; places that it learns should begin as waves (`begin_places`)
            where it begins from chance, as published.
        width: Of the decoder.
        layers: Blocks of the decoder.
        normalise: Whether a patch is brought to mean 0 and variance 1 before it is drawn.
        about: The encoder's part of the card, where `described` cannot tell it.
    """

    kind = "masked-patches"
    encoder: VisionTransformer

    def __init__(
        self,
        encoder: nn.Module,
        *,
        width: int = 512,
        layers: int = 8,
        normalise: bool = True,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, VisionTransformer):
            raise InputError(f"{self.kind} needs a vit; other encoders cannot leave patches out")
        self.encoder = encoder
        self.heads = nn.ModuleDict({"decoder": Decoder(encoder, width, layers)})
        self.normalise = normalise
        self.told = {"width": width, "layers": layers, "normalise": normalise}
        self.about = dict(described(encoder) if about is None else about)

    def forward(self, batch: Batch) -> Outcome:
        """Return the mean squared error over the hidden patches of a batch."""
        pictures, masked = pixels_of(batch), batch["masked"]
        config = self.encoder.config
        rows, columns = (side // config.patch for side in pictures.shape[-2:])
        if masked.shape != (len(pictures), rows * columns):
            raise InputError(
                f"masked {list(masked.shape)}; a column for each of {rows * columns} patches "
                "expected"
            )
        some = int((~masked[0]).sum())
        # The patches in sight first, in their order; all pictures have as many.
        shown = masked.int().argsort(dim=1, stable=True)[:, :some]
        states = self.encoder.states(pictures, shown)
        if config.norm_pooled:  # then it has normed no word
            states = self.encoder.norm_out(states)
        drawn = self.heads["decoder"](states, shown, rows, columns)
        wanted = patches_of(self.encoder.colours(pictures), config.patch)
        loss = reconstruction_loss(drawn, wanted, masked, normalise=self.normalise)
        return Outcome(loss, weight=float(len(pictures)))

    def card(self) -> dict[str, Any]:
        """Return all that it takes to build this objective again."""
        return {"kind": self.kind, "encoder": self.about, "heads": self.told}

    @classmethod
    def of_card(cls, card: Mapping[str, Any], encoder: nn.Module) -> Self:
        """Build it around an encoder, without the weights."""
        return cls(encoder, about=card["encoder"], **card["heads"])


def begin_places(encoder: VisionTransformer) -> None:
    """Let places that are to be learned begin as waves."""
    config = encoder.config
    if config.places != "learned" or config.width % 4:
        return
    side = config.image_size // config.patch
    with torch.no_grad():
        encoder.positions.zero_()
        encoder.positions[-side * side :] = place_waves(side, side, config.width)
