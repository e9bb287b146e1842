"""Vision transformers: pictures as words of a few pixels, each of which looks at all others.

One network for the family: with a vector for the whole picture or the mean of its patches, with
registers, with layers whose share is scaled (LayerScale), with places that are learned and drawn
out to another size, or turned into angles (DINOv3), and with CLIP's norm before and map after. What
is on follows from the configuration, so that published weights fit as they are.

References: Dosovitskiy and others, An image is worth 16x16 words, arXiv:2010.11929; Touvron and
others, Going deeper with image transformers (LayerScale), arXiv:2103.17239; Radford and others,
CLIP, arXiv:2103.00020; Oquab and others, DINOv2, arXiv:2304.07193; Darcet and others, Vision
transformers need registers, arXiv:2309.16588; Simeoni and others, DINOv3, arXiv:2508.10104.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError
from merian.image.millimetres import SizeInput

__all__ = ["CONFIGS", "PIXELS", "Block", "ViTConfig", "VisionTransformer", "place_waves"]

PIXELS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
"""What is taken from the three colours, as shares of 255, and what they are divided by."""

_POOLS = ("cls", "mean")
_PLACES = ("learned", "turned")
_ACTIVATIONS = ("gelu", "quick-gelu")


@dataclass(frozen=True)
class ViTConfig:
    """What makes one of the family; as it stands, ViT-S/16.

    Attributes:
        image_size: Height and width of the pictures that its places were learned on.
        patch: Height and width of a patch, in pixels.
        width: Numbers of a word.
        layers: Blocks.
        heads: Of the attention.
        hidden: Numbers between the two maps of a block.
        pool: cls, the vector of the whole picture, or mean, that of its patches.
        cls: Whether there is a vector for the whole picture.
        registers: Vectors without a place, where a network puts what is of no place.
        layer_scale: What blocks add is scaled from the start by this; 0 for no scale at all.
        places: learned, or turned: angles in the attention, as in DINOv3.
        cls_place: Whether the vector of the whole picture has a learned place too.
        smooth: Whether places that are drawn out smaller are averaged.
        norm_before: Whether words are normed before the blocks, as in CLIP.
        norm_pooled: Whether the last norm is of what is pooled, and not of every word.
        project: Numbers that a last map makes of a picture, as in CLIP; 0 for none.
        activation: gelu, or the quick-gelu of the first CLIP.
        epsilon: Of the norms.
        patch_bias: Whether the map of the patches adds a vector.
        pixels: Which mean and spread pictures are brought to: imagenet, half or clip.
        millimetres: Whether it is told how large a picture is in life.
    """

    image_size: int = 224
    patch: int = 16
    width: int = 384
    layers: int = 12
    heads: int = 6
    hidden: int = 1536
    pool: str = "cls"
    cls: bool = True
    registers: int = 0
    layer_scale: float = 0.0
    places: str = "learned"
    cls_place: bool = True
    smooth: bool = True
    norm_before: bool = False
    norm_pooled: bool = False
    project: int = 0
    activation: str = "gelu"
    epsilon: float = 1e-6
    patch_bias: bool = True
    pixels: str = "imagenet"
    millimetres: bool = False

    def __post_init__(self) -> None:
        whole = (self.image_size, self.patch, self.width, self.layers, self.heads, self.hidden)
        if min(whole) < 1 or self.registers < 0 or self.project < 0 or self.epsilon <= 0:
            raise InputError("a vision transformer has sizes of 1 or more and an epsilon above 0")
        if self.image_size % self.patch or self.width % self.heads:
            raise InputError(
                f"pictures of {self.image_size} pixels in patches of {self.patch}, width "
                f"{self.width} in {self.heads} heads; both have to come out even"
            )
        if self.places == "turned" and self.width // self.heads % 4:
            raise InputError(
                f"heads of {self.width // self.heads} numbers; turned places need a multiple of 4"
            )
        for name, allowed in (("pool", _POOLS), ("places", _PLACES), ("pixels", tuple(PIXELS)),
                              ("activation", _ACTIVATIONS)):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}; {', '.join(allowed)} expected"
                )
        if self.pool == "cls" and not self.cls:
            raise InputError("pool is 'cls' and there is no such vector; take pool = mean")


CONFIGS = {
    "small": ViTConfig(),
    "base": ViTConfig(width=768, heads=12, hidden=3072),
    "large": ViTConfig(width=1024, layers=24, heads=16, hidden=4096),
}


class Block(nn.Module):
    """Attention, then two maps; each normed before, and added to what came in."""

    scale_attention: nn.Parameter | None
    scale_words: nn.Parameter | None

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.quick = config.heads, config.activation == "quick-gelu"
        self.norm_attention = nn.LayerNorm(width, eps=config.epsilon)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_words = nn.LayerNorm(width, eps=config.epsilon)
        self.up = nn.Linear(width, config.hidden)
        self.down = nn.Linear(config.hidden, width)
        self.scale_attention = self.scale_words = None
        if config.layer_scale:
            self.scale_attention, self.scale_words = (
                nn.Parameter(torch.full((width,), config.layer_scale)) for _ in range(2)
            )

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return [n, t, width] of the same."""
        n, t, width = x.shape
        found = self.qkv(self.norm_attention(x)).view(n, t, 3, self.heads, width // self.heads)
        query, key, value = found.permute(2, 0, 3, 1, 4)  # each [n, heads, t, head]
        if turns is not None:
            query, key = _turned(query, turns), _turned(key, turns)
        seen = functional.scaled_dot_product_attention(query, key, value)
        y = self.out(seen.transpose(1, 2).reshape(n, t, width))
        x = x + (y if self.scale_attention is None else y * self.scale_attention)
        y = self.up(self.norm_words(x))
        y = self.down(y * torch.sigmoid(1.702 * y) if self.quick else functional.gelu(y))
        return x + (y if self.scale_words is None else y * self.scale_words)


class VisionTransformer(nn.Module):
    """The network. `features` gives a vector of a picture, `states` the words it is made of."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.project or config.width
        side = config.image_size // config.patch
        self.patches = nn.Conv2d(
            3, config.width, config.patch, config.patch, bias=config.patch_bias
        )
        if config.cls:
            self.cls = nn.Parameter(torch.zeros(config.width))
        if config.registers:
            self.registers = nn.Parameter(torch.zeros(config.registers, config.width))
        if config.places == "learned":
            own = int(config.cls and config.cls_place)
            self.positions = nn.Parameter(torch.zeros(own + side * side, config.width))
        self.norm_in = (
            nn.LayerNorm(config.width, eps=config.epsilon) if config.norm_before else nn.Identity()
        )
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm_out = nn.LayerNorm(config.width, eps=config.epsilon)
        if config.project:
            self.project = nn.Linear(config.width, config.project, bias=False)
        self._begin()
        if config.millimetres:
            self.size = SizeInput(self.width)  # which begins as zero

    def _begin(self) -> None:
        """Draw the first weights as the authors of the network do."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for name in ("cls", "registers", "positions"):
            if hasattr(self, name):
                nn.init.trunc_normal_(getattr(self, name), std=0.02)

    def states(self, images: Tensor, shown: Tensor | None = None) -> Tensor:
        """Return [n, prefix + patches, width], the words after the last block and its norm.

        Args:
            images: [n, 3, h, w], pixels as (value - 127) / 128; sides are multiples of a patch.
            shown: int64[n, some], the patches that it sees, counted row by row; the others leave
                it, and what is returned has only these. All of them if not given.
        """
        if images.shape[-2] % self.config.patch or images.shape[-1] % self.config.patch:
            raise InputError(
                f"pictures of {list(images.shape[-2:])} pixels; multiples of {self.config.patch} "
                "expected"
            )
        x = self.patches(self.colours(images))  # [n, width, rows, columns]
        rows, columns = x.shape[-2:]
        x = x.flatten(2).transpose(1, 2)  # [n, patches, width]
        own: Tensor | float = 0.0
        if self.config.places == "learned":
            own, places = self._placed(rows, columns)
            x = x + places
        if shown is not None:
            x = x.gather(1, shown[:, :, None].expand(-1, -1, x.shape[-1]))
        before = [(self.cls + own)[None]] if self.config.cls else []
        before += [self.registers] if self.config.registers else []
        words = [part.expand(len(x), *part.shape) for part in before]
        x = self.norm_in(torch.cat([*words, x], 1))
        turns = self._turns(rows, columns, x) if self.config.places == "turned" else None
        if turns is not None and shown is not None:  # [n, 1, some, head]: each has its own patches
            turns = turns[0][shown][:, None], turns[1][shown][:, None]
        for block in self.blocks:
            x = block(x, turns)
        return x if self.config.norm_pooled else self.norm_out(x)

    def features(self, images: Tensor, sides: Tensor | None = None) -> Tensor:
        """Return [n, width] for [n, 3, h, w], pixels as (value - 127) / 128.

        Args:
            images: The pictures.
            sides: Their sides in mm, [n, 2], where it is told (`millimetres`).
        """
        states = self.states(images)
        first = int(self.config.cls) + self.config.registers
        pooled = states[:, 0] if self.config.pool == "cls" else states[:, first:].mean(1)
        if self.config.norm_pooled:
            pooled = self.norm_out(pooled)
        if self.config.project:
            pooled = self.project(pooled)
        return self.size(pooled, sides) if self.config.millimetres else pooled

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        return self.features(images)

    def colours(self, images: Tensor) -> Tensor:
        """Return pixels with the mean and the spread that the network learned on."""
        mean, spread = (
            torch.tensor(part, device=images.device).view(3, 1, 1)
            for part in PIXELS[self.config.pixels]
        )
        return (images * 128 + (127 - 255 * mean)) / (255 * spread)

    def _placed(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Return the place of the whole picture, and those of patches, drawn out to so many."""
        own = int(self.config.cls and self.config.cls_place)
        side = self.config.image_size // self.config.patch
        places = self.positions[own:]
        if (rows, columns) != (side, side):
            grid = places.float().view(1, side, side, -1).permute(0, 3, 1, 2)
            grid = functional.interpolate(
                grid, (rows, columns), mode="bicubic", antialias=self.config.smooth
            )
            places = grid.permute(0, 2, 3, 1).flatten(0, 2).to(places.dtype)
        return self.positions[:own].sum(0), places

    def _turns(self, rows: int, columns: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return sines and cosines, [patches, head], of the angles that places turn by."""
        quarter = self.config.width // self.config.heads // 4
        periods = 100.0 ** (torch.arange(quarter, device=x.device) / quarter)
        down, right = (
            2 * (torch.arange(many, device=x.device) + 0.5) / many - 1 for many in (rows, columns)
        )
        places = torch.cartesian_prod(down, right)  # [patches, 2], from -1 to 1
        angles = (2 * math.pi * places[:, :, None] / periods).flatten(1).repeat(1, 2)
        return angles.sin(), angles.cos()


def _turned(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the words of patches, the last ones of [n, heads, t, head], by angles."""
    sine, cosine = turns
    before = x.shape[-2] - sine.shape[-2]
    words = x[..., before:, :]
    one, other = words.float().chunk(2, -1)
    turned = words * cosine + torch.cat([-other, one], -1) * sine
    return torch.cat([x[..., :before, :], turned.to(x.dtype)], -2)


def place_waves(rows: int, columns: int, width: int) -> Tensor:
    """Return float[rows * columns, width]: places as waves of row and column, which nobody learns.

    Half of the numbers tell the column and half the row, each as sines and cosines of periods from
    2 pi to 20,000 pi patches.

    Reference: Vaswani and others, 2017, arXiv:1706.03762, in two dimensions as in
    arXiv:2111.06377.
    """
    if width % 4:
        raise InputError(f"places of {width} numbers; a multiple of 4 expected")
    quarter = width // 4
    slower = 10_000.0 ** -(torch.arange(quarter) / quarter)
    down, right = (torch.arange(many)[:, None] * slower for many in (rows, columns))
    waves = [torch.cat([angles.sin(), angles.cos()], 1) for angles in (right, down)]
    across = waves[0][None].expand(rows, columns, -1)
    along = waves[1][:, None].expand(rows, columns, -1)
    return torch.cat([across, along], 2).flatten(0, 1)
