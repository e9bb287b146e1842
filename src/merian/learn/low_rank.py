"""LoRA: a trained encoder learns on by a product of two thin matrices beside some of its maps.

The map W x becomes W x + alpha / r B (A x), where A has r rows, B r columns, and W stays as it is.
B begins as zero, so that the first outputs are those of the encoder. After training the product is
added to W: what is written is a plain encoder again, as fast and as large as before.

Reference: Hu and others, arXiv:2106.09685; CLIBD, ICLR 2025, arXiv:2405.17537 (queries and values).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.errors import InputError

__all__ = ["LowRank", "add_low_rank", "fold_low_rank", "folded_state"]

_FUSED = {"qkv": ("query", "key", "value")}  # maps that are several in one, and their names


class LowRank(nn.Module):
    """A linear map with thin matrices beside it.

    Args:
        linear: The map, which stays as it is.
        rank: Rows of A and columns of B.
        alpha: The product is scaled by alpha / rank.
        parts: Which of the equal parts of what comes out get a product.
        of: How many such parts there are.
    """

    def __init__(
        self,
        linear: nn.Linear,
        rank: int,
        alpha: float,
        parts: Sequence[int] = (0,),
        of: int = 1,
    ) -> None:
        super().__init__()
        self.linear, self.scale, self.parts, self.of = linear, alpha / rank, tuple(parts), of
        like, wide, high = linear.weight.data, linear.in_features, linear.out_features // of
        self.a = nn.ParameterList(like.new_empty(rank, wide) for _ in self.parts)
        self.b = nn.ParameterList(like.new_zeros(high, rank) for _ in self.parts)
        for matrix in self.a:
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., out] of [..., in]."""
        found = list(self.linear(x).chunk(self.of, -1))
        for part, a, b in zip(self.parts, self.a, self.b, strict=True):
            found[part] = found[part] + self.scale * functional.linear(functional.linear(x, a), b)
        return torch.cat(found, -1) if self.of > 1 else found[0]

    @torch.no_grad()
    def weight(self) -> Tensor:
        """Return the map's weight with the products added to it."""
        found = self.linear.weight.detach().clone()
        rows = found.chunk(self.of)
        for part, a, b in zip(self.parts, self.a, self.b, strict=True):
            rows[part].add_(self.scale * (b.float() @ a.float()))
        return found


def add_low_rank(
    network: nn.Module,
    rank: int = 4,
    names: Sequence[str] = ("query", "value"),
    alpha: float | None = None,
) -> list[str]:
    """Freeze a network, put thin matrices beside some of its maps, and return their names.

    Args:
        network: An encoder; it is changed.
        rank: Of the products.
        names: Last parts of the names of linear maps. Of a map `qkv`, which makes queries, keys
            and values at once, query, key and value are its thirds.
        alpha: The products are scaled by alpha / rank; by 1 if not given.
    """
    if rank < 1:
        raise InputError(f"products of rank {rank}; 1 or more expected")
    if any(isinstance(module, LowRank) for module in network.modules()):
        raise InputError("the network has products of low rank already; fold them first")
    wanted: list[tuple[str, list[int], int]] = []
    there: set[str] = set()
    for name, module in network.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        last = name.rpartition(".")[2]
        within = _FUSED.get(last, (last,))
        there |= {last, *within}
        parts = [0] if last in names else [i for i, part in enumerate(within) if part in names]
        if parts:
            wanted.append((name, parts, 1 if last in names else len(within)))
    unknown = [name for name in names if name not in there]
    if unknown or not wanted:
        raise InputError(
            f"{type(network).__name__} has no linear map called {' or '.join(unknown) or 'so'}; "
            f"there are {', '.join(sorted(there)) or 'none'}"
        )
    network.requires_grad_(False)
    for name, parts, of in wanted:
        linear = network.get_submodule(name)
        assert isinstance(linear, nn.Linear)  # it was found above
        _put(network, name, LowRank(linear, rank, rank if alpha is None else alpha, parts, of))
    return [name for name, _, _ in wanted]


def fold_low_rank(network: nn.Module) -> list[str]:
    """Add the products to the maps that they stand beside, and return the names of these.

    The network is changed, and is a plain one again.
    """
    found = [(name, m) for name, m in network.named_modules() if isinstance(m, LowRank)]
    for name, beside in found:
        beside.linear.weight.data = beside.weight()
        _put(network, name, beside.linear)
    return [name for name, _ in found]


def folded_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the state of a network as it were if it was folded; the network stays as it is."""
    state = dict(network.state_dict())
    for name, module in network.named_modules():
        if isinstance(module, LowRank):
            within = f"{name}." if name else ""
            state = {key: t for key, t in state.items() if not key.startswith(within)}
            state[f"{within}weight"] = module.weight()
            if module.linear.bias is not None:
                state[f"{within}bias"] = module.linear.bias.detach()
    return state


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module where another one is."""
    above, _, last = name.rpartition(".")
    setattr(network.get_submodule(above), last, module)
