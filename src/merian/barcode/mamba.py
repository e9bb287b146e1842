"""BarcodeMamba: a reader of barcodes whose cost grows with their length, and not with its square.

A block keeps a state that fades, h_t = exp(a_t) h_(t-1) + x_t B_t, and reads it, y_t = h_t C_t,
with a_t = dt_t A below zero. What comes in decides by dt_t how much is forgotten and taken up.
The recurrence is computed in chunks, by products of matrices: within a chunk every word looks back
at every other through its fading, and only one state goes from chunk to chunk. Parameters are named
as in `mamba_ssm.Mamba2`, so that published weights fit.

References: Dao and Gu, Transformers are SSMs, ICML 2024, arXiv:2405.21060; Gao and others,
BarcodeMamba, arXiv:2412.11084, and BarcodeMamba+, arXiv:2512.15931.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.barcode.pooling import mean_over_words
from merian.errors import InputError
from merian.sizes import check_sizes

__all__ = ["BarcodeMamba", "Mamba2", "MambaConfig", "scan"]

_LEAST = {"hidden": 0} | dict.fromkeys(
    ("vocabulary", "width", "layers", "state", "window", "expand", "head", "chunk"), 1
)
_SLOWEST, _FASTEST, _SHORTEST = 1e-3, 0.1, 1e-4  # of the first steps of time
_FIRST_RATES = (1.0, 16.0)  # of fading


@dataclass(frozen=True)
class MambaConfig:
    """What makes one of the family.

    Attributes:
        vocabulary: Words, as the tokens count them.
        width: Of the hidden states.
        layers: Blocks.
        state: Numbers that are remembered for each channel.
        window: Words that the convolution before the recurrence sees.
        expand: The channels of the recurrence, as a multiple of the width.
        head: Channels that fade together.
        hidden: The width inside the feed-forward half; 0 is four times the width.
        both_ways: Read from either end with the same weights and add: for hidden words.
        dropout: Of the words that come in.
        chunk: Words that are computed together; it changes the speed and nothing else.
    """

    vocabulary: int
    width: int = 192
    layers: int = 2
    state: int = 64
    window: int = 4
    expand: int = 2
    head: int = 48
    hidden: int = 0
    both_ways: bool = False
    dropout: float = 0.0
    chunk: int = 64

    def __post_init__(self) -> None:
        check_sizes(self, _LEAST)
        if self.expand * self.width % self.head:
            raise InputError(
                f"{self.expand * self.width} channels cannot be parted into heads of {self.head}"
            )


def scan(x: Tensor, fading: Tensor, write: Tensor, read: Tensor, chunk: int) -> Tensor:
    """Return y_t = C_t h_t of the recurrence h_t = exp(a_t) h_(t-1) + x_t B_t, in float32.

    Args:
        x: float[b, t, heads, channels], what is taken up.
        fading: float[b, t, heads], a, nowhere above zero.
        write: float[b, t, state], B.
        read: float[b, t, state], C.
        chunk: Words that are computed together.
    """
    b, t, heads, channels = x.shape
    count = -(-t // chunk)
    chunk = -(-t // count)  # even chunks, so that little is added
    more = count * chunk - t
    if more:  # what is added takes up nothing and fades nothing
        x, fading = (functional.pad(v, (0,) * (2 * v.ndim - 4) + (0, more)) for v in (x, fading))
        write, read = (functional.pad(v, (0, 0, 0, more)) for v in (write, read))
    x = x.float().reshape(b, count, chunk, heads, channels)  # b c q h p
    since = fading.float().reshape(b, count, chunk, heads).cumsum(2)  # b c q h
    write = write.float().reshape(b, count, chunk, -1)  # b c q n
    read = read.float().reshape(b, count, chunk, -1)

    # Within a chunk. What heads share is multiplied once, and not once for each.
    faded: Any = _Faded
    seen: Tensor = faded.apply(read @ write.mT, since.transpose(2, 3).contiguous())  # b c h q q
    y = (seen @ x.transpose(2, 3)).transpose(2, 3)  # b c q h p

    left = (since[:, :, -1:] - since).exp()  # what is left of each word at the chunk's end
    gathered = (x * left[..., None]).flatten(3).mT @ write  # b c hp n
    whole = since[:, :, -1].exp()[..., None, None]  # b c h 1 1
    carried = gathered.new_zeros(b, heads, channels, gathered.shape[-1])
    before = []
    each = gathered.view(b, count, heads, channels, -1).unbind(1)
    for kept, added in zip(whole.unbind(1), each, strict=True):
        before.append(carried)
        carried = kept * carried + added
    states = torch.stack(before, 1).flatten(2, 3)  # b c hp n
    y = y + (read @ states.mT).view(x.shape) * since.exp()[..., None]
    return y.reshape(b, t + more, heads, channels)[:, :t]


class _Faded(torch.autograd.Function):
    """How much of each word the later ones of its chunk read, faded by what lies between.

    Its gradient is written out: left to itself, torch goes over tensors of q times q numbers, the
    largest of all, nearly twice as often.
    """

    @staticmethod
    def forward(context: Any, both: Tensor, since: Tensor) -> Tensor:
        """Return float[b, c, h, q, q] of what reading and writing share and of the fading.

        Args:
            context: Keeps what the gradient needs.
            both: float[b, c, q, q].
            since: float[b, c, h, q], the fading from the chunk's start on.
        """
        size = since.shape[-1]
        ahead = torch.ones(size, size, dtype=torch.bool, device=since.device).triu(1)
        left = since[..., :, None] - since[..., None, :]
        left.masked_fill_(ahead, -math.inf).exp_()
        found = both[:, :, None] * left
        context.save_for_backward(left, found)
        context.dtype = both.dtype
        return found

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both."""
        left, found = context.saved_tensors
        change = grads[0] * found
        return (grads[0] * left).sum(2).to(context.dtype), change.sum(-1) - change.sum(-2)


class GatedNorm(nn.Module):
    """Root-mean-square norm of what a gate lets through."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        """Return x times the gate's SiLU, of root mean square one, times the weight."""
        gated = x.float() * functional.silu(gate.float())
        return gated * (gated.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * self.weight


class Mamba2(nn.Module):
    """The mixer of a block; its parameters are called as in mamba_ssm."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.config = config
        inner = config.expand * config.width
        heads = inner // config.head
        mixed = inner + 2 * config.state
        self.in_proj = nn.Linear(config.width, inner + mixed + heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, config.window, groups=mixed)
        self.dt_bias = nn.Parameter(_first_steps(heads))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(*_FIRST_RATES).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = GatedNorm(inner)
        self.out_proj = nn.Linear(inner, config.width, bias=False)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, t, width].

        Args:
            x: float[b, t, width].
            keep: bool[b, t], False where there is only padding, on either side; it leaves no
                trace in the state.
        """
        config = self.config
        inner = config.expand * config.width
        if keep is not None:
            x = x * keep[:, :, None]
        parts = [inner, inner + 2 * config.state, len(self.D)]
        gate, mixed, steps = torch.split(self.in_proj(x), parts, dim=-1)
        mixed = functional.pad(mixed.mT, (config.window - 1, 0))  # none looks ahead
        mixed = functional.silu(self.conv1d(mixed)).mT
        taken, write, read = torch.split(mixed, [inner, config.state, config.state], dim=-1)
        steps = functional.softplus(steps.float() + self.dt_bias)  # b t h
        if keep is not None:
            steps = steps * keep[:, :, None]
        taken = taken.float().reshape(*taken.shape[:2], -1, config.head)  # b t h p
        fading = -steps * self.A_log.float().exp()
        y = scan(taken * steps[..., None], fading, write, read, config.chunk)
        y = (y + taken * self.D[:, None]).flatten(2)
        return self.out_proj(self.norm(y, gate).to(x.dtype))


class MambaBlock(nn.Module):
    """The mixer, then each word by itself; the sum is kept in 32 bits."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        hidden = config.hidden or 4 * config.width
        self.both_ways = config.both_ways
        self.norm = nn.LayerNorm(config.width)
        self.mixer = Mamba2(config)
        self.norm2 = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, hidden)
        self.down = nn.Linear(hidden, config.width)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Return float[b, t, width]."""
        inside = self.norm(x)
        mixed = self.mixer(inside, keep)
        if self.both_ways:
            turned = None if keep is None else keep.flip(1)
            mixed = mixed + self.mixer(inside.flip(1), turned).flip(1)
        x = x + mixed
        return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))


class BarcodeMamba(nn.Module):
    """Words in, a vector for every word out, which knows those before it, or with both_ways all."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(MambaBlock(config) for _ in range(config.layers))
        self.norm_out = nn.LayerNorm(config.width)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                # so that the sum of all blocks starts as wide as one
                ends = name.endswith(("out_proj.weight", "down.weight"))
                std = 0.02 / math.sqrt(2 * config.layers) if ends else 0.02
                nn.init.normal_(weight, std=std)
            elif name.endswith(("up.bias", "down.bias")):
                nn.init.zeros_(weight)

    def forward(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, t, width].

        Args:
            tokens: int64[b, t].
            keep: bool[b, t], False where there is only padding; None if there is none.
        """
        x = self.dropout(self.words(tokens))
        for block in self.blocks:
            x = block(x, keep)
        return self.norm_out(x)

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width]: the mean over the words that are kept."""
        return mean_over_words(self(tokens, keep), keep)


def _first_steps(heads: int) -> Tensor:
    """Draw steps of time evenly by their logarithm, as softplus will give them back."""
    low, high = math.log(_SLOWEST), math.log(_FASTEST)
    steps = torch.empty(heads).uniform_(low, high).exp().clamp(min=_SHORTEST)
    return steps + torch.log(-torch.expm1(-steps))
