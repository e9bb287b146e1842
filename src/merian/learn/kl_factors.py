"""The mathematics of KL-Shampoo on a batch of equal blocks; nothing here knows of an optimizer.

A gradient G of a block with sides d_1 ... d_n is taken as a draw from a normal distribution with
covariance S_1 (x) ... (x) S_n, the one nearest to E[g g^T] in Kullback-Leibler divergence (Lin and
others 2025, arXiv 2509.03378). The factors obey S_i = d_i / N E[W_i W_i^T], where W_i is G whitened
in every mode but i; each is an exponential average of that, all modes read the others' old values
(Jacobi), and the weights move along M whitened in every mode (the exponent is -1/2).

A factor is held in its own basis: S_i = Q_i T_i Q_i^T, with eigenvalues lam_i as an average of
diag(W_i W_i^T) in whatever basis was current. The gradient is rotated once a step and everything is
done there: the momentum is stored rotated, and W_i W_i^T goes to T_i as it is. That is the same
recursion as with S_i and an unrotated momentum, at 3 products of matrices a mode instead of 5. At a
refresh Q_i becomes the Q of S_i Q_i = Q_i T_i (a warm orthogonal iteration), and T_i, M follow.

Keys of a block's state: momentum, and for each mode i basis_i (d, d), factor_i (T_i, its upper
triangle in tiles) and eigenvalues_i (d). A mode without a factor has one eigenvalue. KL-SOAP has
square, the average of the squared gradient in the basis, and divides by its root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import prod

import torch
from torch import Tensor

__all__ = [
    "Rule",
    "accumulate",
    "bases_of",
    "eigenvectors",
    "full",
    "layout",
    "pack",
    "refresh",
    "rotate",
    "start",
    "step",
    "unfold",
]

State = dict[str, Tensor]
TILES = 4  # of a triangle along a side: 5/8 of the square is stored, and computed
TINY = 1e-30  # stands for zero where something is divided by it
SMALLEST_TILE = 32  # smaller products are not worth a call


@dataclass(frozen=True)
class Rule:
    """The constants of a step.

    Attributes:
        betas: How much of the momentum, and of the statistics, is kept at a step.
        eps: Added to the root of the product of eigenvalues; relative to their means, unless paper.
        paper: The published constants, which know no scale: eigenvalues start at 0.1, and are at
            least 1 / max(10, min(d, 4000))^2.
        floor: An eigenvalue is at least this share of its mode's mean.
        damping: Added to the second moment, as a share of its mean (absolute in the paper).
        soap: Whether Adam in the basis takes the place of the eigenvalues.
        nesterov: Whether the step looks ahead: the momentum is averaged with this gradient again.
        cap: The largest root mean square of a block's update; 0 for no cap.
    """

    betas: tuple[float, float] = (0.9, 0.9)
    eps: float = 1e-8
    paper: bool = False
    floor: float = 1e-4
    damping: float = 0.0
    soap: bool = False
    nesterov: bool = True
    cap: float = 0.0


def layout(
    block: tuple[int, ...], factored: tuple[bool, ...], soap: bool
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of one block's state."""
    shapes: dict[str, tuple[int, ...]] = {"momentum": block}
    if soap:
        shapes["square"] = block
    for i, (side, has) in enumerate(zip(block, factored, strict=True)):
        shapes[f"eigenvalues_{i}"] = (side,) if has else (1,)
        if has:
            shapes[f"basis_{i}"] = (side, side)
            shapes[f"factor_{i}"] = (sum(h * w for h, w in tiles(side)),)
    return shapes


# Products and packed triangles.


def rotate(x: Tensor, bases: list[Tensor | None]) -> Tensor:
    """Return x [b, d_1 ... d_n] with every mode i multiplied by the transpose of bases[i].

    Each product takes the first mode to the end, so that after n of them the order is back.
    """
    shape = x.shape
    for side, basis in zip(shape[1:], bases, strict=True):
        turned = x.reshape(shape[0], side, -1).mT
        x = turned if basis is None else torch.bmm(turned, basis)
    return x.reshape(shape)


@cache
def tiles(side: int) -> list[tuple[int, int]]:
    """Return height and width of each tile of an upper triangle, from the top."""
    height = max(SMALLEST_TILE, -(-side // TILES))
    return [(min(height, side - top), side - top) for top in range(0, side, height)]


def _views(packed: Tensor, side: int) -> Iterator[tuple[int, Tensor]]:
    """The tiles of packed triangles [b, length] as matrices, each with the row where it starts."""
    top = place = 0
    for height, width in tiles(side):
        yield top, packed[:, place : place + height * width].view(-1, height, width)
        top, place = top + height, place + height * width


def accumulate(packed: Tensor, w: Tensor, keep: float, weight: float) -> None:
    """Let packed triangles become keep * T + weight * w w^T, for w [b, d, anything]."""
    for top, tile in _views(packed, w.shape[1]):
        rows = w[:, top : top + tile.shape[1]]
        tile.baddbmm_(rows, w[:, top:].mT, beta=keep, alpha=weight)


def full(packed: Tensor, side: int) -> Tensor:
    """Return the symmetric matrices of packed triangles."""
    square = packed.new_empty(packed.shape[0], side, side)
    for top, tile in _views(packed, side):
        bottom = top + tile.shape[1]
        square[:, top:bottom, top:] = tile
        square[:, bottom:, top:bottom] = tile[:, :, tile.shape[1] :].mT
    return square


def pack(square: Tensor, packed: Tensor) -> None:
    """Write the upper triangles of symmetric matrices into packed ones."""
    for top, tile in _views(packed, square.shape[1]):
        tile.copy_(square[:, top : top + tile.shape[1], top:])


def _along(values: Tensor, mode: int, order: int) -> Tensor:
    """[b, d] shaped so that it spreads along a mode of [b, d_1 ... d_n]."""
    return values.view(values.shape[0], *(-1 if j == mode else 1 for j in range(order)))


def unfold(x: Tensor, mode: int) -> Tensor:
    """[b, d_1 ... d_n] as [b, d_mode, the rest]; a view where that is possible."""
    if x.dim() == 3:
        return x if mode == 0 else x.mT
    return x.movedim(mode + 1, 1).reshape(x.shape[0], x.shape[mode + 1], -1)


def bases_of(state: State) -> list[Tensor | None]:
    """Return the basis of each mode; None where it has no factor."""
    return [state.get(f"basis_{i}") for i in range(state["momentum"].dim() - 1)]


def _eigenvalues(state: State, order: int) -> list[Tensor]:
    return [state[f"eigenvalues_{i}"] for i in range(order)]


# The recursion.


def start(state: State, gradient: Tensor, rule: Rule) -> None:
    """Set the state of new blocks from their first gradient; take no step.

    A basis is the eigenvectors of the gradient's Gram matrix, largest first. The eigenvalues start
    equal: at 0.1 in the paper, else at 0, and the next step sets them by the gradient's scale.
    """
    sides = gradient.shape[1:]
    size = prod(sides)
    for value in state.values():
        value.zero_()
    for i, side in enumerate(sides):
        if rule.paper:
            state[f"eigenvalues_{i}"].fill_(0.1)
        if f"basis_{i}" not in state:
            continue
        w = unfold(gradient, i)
        values, vectors = eigenvectors(torch.bmm(w, w.mT))
        state[f"basis_{i}"].copy_(vectors)
        if rule.paper:  # in the default the same gradient enters at the step that follows
            share = (1 - rule.betas[1]) * side / size
            pack(torch.diag_embed(values * share), state[f"factor_{i}"])


def eigenvectors(square: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, largest first, and vectors of symmetric matrices of any scale."""
    square = square.nan_to_num()
    scale = square.diagonal(dim1=1, dim2=2).amax(1).clamp_min(torch.finfo(square.dtype).tiny)
    square = square / scale[:, None, None]
    try:
        values, vectors = torch.linalg.eigh(square)
    except RuntimeError:  # it does not converge on some matrices with equal values
        values, vectors = (x.to(square.dtype) for x in torch.linalg.eigh(square.double()))
    return values.flip(-1) * scale[:, None], vectors.flip(-1)


def step(state: State, gradient: Tensor, rule: Rule) -> Tensor:
    """Return the direction of a step, and let the gradient enter the statistics.

    The paper divides by the eigenvalues from before this gradient. The default divides by those
    that know it, as Adam does: a gradient that comes suddenly cannot make a step of any size.
    """
    order = gradient.dim() - 1
    bases = bases_of(state)
    rotated = rotate(gradient, bases)
    ahead = state["momentum"].lerp_(rotated, 1 - rule.betas[0])
    if rule.nesterov and not rule.paper:
        ahead = ahead.lerp(rotated, 1 - rule.betas[0])
    if rule.paper and not rule.soap:
        whitened = _whiten(ahead, _eigenvalues(state, order), rule)
        _learn(state, rotated, rule)
    else:
        _awake(state, rotated)
        _learn(state, rotated, rule)
        if rule.soap:
            square = state["square"].mul_(rule.betas[1])
            square.addcmul_(rotated, rotated, value=1 - rule.betas[1])
            root = square.sqrt().add_(rule.eps)
            if (
                not rule.paper
            ):  # what rounding leaves where there is no gradient must not be scaled up
                root += _along(rule.floor * _rms(root), 0, order)
            whitened = ahead / root
        else:
            whitened = _whiten(ahead, _eigenvalues(state, order), rule)
    if rule.cap:
        rms = _rms(whitened).clamp_min(rule.cap)
        whitened *= _along(rule.cap / rms, 0, order)
    return rotate(whitened, [None if q is None else q.mT for q in bases])


def _rms(x: Tensor) -> Tensor:
    """The root mean square of each block, [b, 1]."""
    norm: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1, keepdim=True)
    return norm / x[0].numel() ** 0.5


def _awake(state: State, rotated: Tensor) -> None:
    """Give blocks that never had a gradient but zero eigenvalues by the scale of this one.

    The product of the means is then the mean square of the gradient, so that the first step has
    the size of every other, whatever the scale of the loss.
    """
    order = rotated.dim() - 1
    if not rotated.is_cuda and bool((state["eigenvalues_0"][:, 0] > 0).all()):
        return  # to look costs nothing here; on a GPU it would wait for all work before it
    first = _rms(rotated).pow(2 / order)
    for lam in _eigenvalues(state, order):
        lam.copy_(torch.where(lam[:, :1] > 0, lam, first))


def _whiten(x: Tensor, eigenvalues: list[Tensor], rule: Rule) -> Tensor:
    """Divide x by the root of the product of the eigenvalues."""
    order = len(eigenvalues)
    eps = torch.full_like(eigenvalues[0][:, :1], rule.eps)
    root = x.new_ones((1,) * x.dim())
    for i, lam in enumerate(eigenvalues):
        root = root * _along(lam.sqrt(), i, order)
    if not rule.paper:
        for lam in eigenvalues:
            eps *= lam.mean(1, keepdim=True).sqrt()
        eps += TINY  # a block that had only zeros
    whitened = x / root.add_(_along(eps, 0, order))
    return whitened.nan_to_num_(0.0, 0.0, 0.0) if rule.paper else whitened


def _learn(state: State, rotated: Tensor, rule: Rule) -> None:
    """Let a rotated gradient enter factors and eigenvalues; every mode reads the old ones."""
    sides = rotated.shape[1:]
    order, size, keep = len(sides), rotated[0].numel(), rule.betas[1]
    old = _eigenvalues(state, order)
    inverse = [lam.clamp_min(TINY).rsqrt() for lam in old]
    new = []
    for i, side in enumerate(sides):
        w = rotated
        for j in range(order):
            if j != i:
                w = w * _along(inverse[j], j, order)
        w = unfold(w, i)
        if f"factor_{i}" in state:
            accumulate(state[f"factor_{i}"], w, keep, (1 - keep) * side / size)
            delta = w.square().mean(2)
        else:
            delta = w.square().mean((1, 2))[:, None]
        if rule.damping:
            delta = delta + rule.damping * _spread(old, inverse, i, rule.paper)
        lam = old[i].lerp(delta, 1 - keep)
        if rule.paper:
            lam.clamp_(min=max(10, min(side, 4000)) ** -2.0)
        else:
            lam = torch.maximum(lam, rule.floor * lam.mean(1, keepdim=True))
        new.append(lam)
    for i, lam in enumerate(new):
        state[f"eigenvalues_{i}"].copy_(lam)


def _spread(old: list[Tensor], inverse: list[Tensor], mode: int, paper: bool) -> Tensor:
    """What a white second moment adds to the eigenvalues of a mode; of size 1, or of the mean's."""
    spread = torch.ones_like(old[mode][:, :1])
    for j, (lam, root) in enumerate(zip(old, inverse, strict=True)):
        if j != mode:
            spread = spread * root.square().mean(1, keepdim=True)
        if not paper:
            spread = spread * lam.mean(1, keepdim=True)
    return spread


def refresh(state: State, polish: bool = False) -> None:
    """Turn every basis one orthogonal iteration further, and what is held in it along with it.

    Args:
        state: The state of the blocks.
        polish: Whether to take away what rounding has added up in many turns: one step of Newton's
            iteration to the nearest orthogonal matrix.
    """
    turns: list[Tensor | None] = []
    for i, basis in enumerate(bases_of(state)):
        if basis is None:
            turns.append(None)
            continue
        # T = Z R gives Q T = (Q Z) R, and Z^T T Z = R Z, where R is a triangle.
        turn, triangle = torch.linalg.qr(full(state[f"factor_{i}"], basis.shape[1]))
        fresh = torch.bmm(basis, turn)
        if polish:
            fresh = 1.5 * fresh - 0.5 * torch.bmm(fresh, torch.bmm(fresh.mT, fresh))
        for top, tile in _views(state[f"factor_{i}"], basis.shape[1]):
            rows = triangle[:, top : top + tile.shape[1], top:]
            tile.copy_(torch.bmm(rows, turn[:, top:, top:]))
        basis.copy_(fresh)
        turns.append(turn)
    state["momentum"].copy_(rotate(state["momentum"], turns))
