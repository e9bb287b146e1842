"""Losses of guessing what was hidden: masked words, words to come, dropped patches.

Means are over what was hidden, in 32 bits also under autocast. Where nothing was hidden the loss
is 0 and still has a gradient, of zeros.

References: Devlin et al., BERT, NAACL 2019, arXiv:1810.04805; He et al., Masked autoencoders are
scalable vision learners, CVPR 2022, arXiv:2111.06377; Millan Arias et al., BarcodeMAE, 2025,
arXiv:2502.18405.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from merian.errors import InputError
from merian.learn.full_precision import full

__all__ = [
    "masked_cross_entropy",
    "next_word_loss",
    "reconstruction_loss",
    "word_cross_entropy",
]


def word_cross_entropy(logits: Tensor, words: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of some words; 0 of none.

    Args:
        logits: float[n, vocabulary].
        words: int64[n]; the right ones.
        smoothing: Share of a target that is spread over the whole vocabulary.
    """
    _same("logits and words", logits.shape[:-1], words.shape)
    total = functional.cross_entropy(
        full(logits), words, reduction="sum", label_smoothing=smoothing
    )
    return total / max(len(words), 1)


def masked_cross_entropy(
    logits: Tensor,
    words: Tensor,
    masked: Tensor,
    keep: Tensor | None = None,
    masked_share: float = 1.0,
) -> Tensor:
    """Return share * CE(masked words) + (1 - share) * CE(words in sight).

    Args:
        logits: float[b, t, vocabulary].
        words: int64[b, t]; as they were before they were hidden.
        masked: bool[b, t].
        keep: bool[b, t]; False where there is only padding, which never counts.
        masked_share: 1 for the masked alone, the usual choice.
    """
    _same("logits and words", logits.shape[:-1], words.shape)
    _same("words and mask", words.shape, masked.shape)
    if keep is not None:
        _same("words and what is kept", words.shape, keep.shape)
        masked, seen = masked & keep, ~masked & keep
    else:
        seen = ~masked
    loss = word_cross_entropy(logits[masked], words[masked])
    if masked_share == 1:
        return loss
    return masked_share * loss + (1 - masked_share) * word_cross_entropy(logits[seen], words[seen])


def next_word_loss(logits: Tensor, words: Tensor, keep: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy of each word given those before it.

    Args:
        logits: float[b, t, vocabulary]; what stands at i is a guess of the word at i + 1.
        words: int64[b, t].
        keep: bool[b, t]; a guess counts where both words are kept.
    """
    _same("logits and words", logits.shape[:-1], words.shape)
    if keep is None:
        return word_cross_entropy(logits[:, :-1].flatten(0, 1), words[:, 1:].flatten())
    _same("words and what is kept", words.shape, keep.shape)
    counts = keep[:, 1:] & keep[:, :-1]
    return word_cross_entropy(logits[:, :-1][counts], words[:, 1:][counts])


def reconstruction_loss(
    drawn: Tensor, patches: Tensor, dropped: Tensor, normalise: bool = False, eps: float = 1e-6
) -> Tensor:
    """Return the mean squared error over the patches that the encoder did not see.

    Args:
        drawn: float[b, t, d]; what the decoder makes of each patch.
        patches: float[b, t, d]; what they are.
        dropped: bool[b, t].
        normalise: Whether a patch is first brought to mean 0 and variance 1, within itself.
        eps: Added to the variance, so that a patch of one colour stays finite.
    """
    _same("what is drawn and the patches", drawn.shape, patches.shape)
    _same("patches and what is dropped", patches.shape[:-1], dropped.shape)
    wanted = full(patches[dropped])  # [n, d]
    if normalise:
        mean = wanted.mean(-1, keepdim=True)
        # As published: divided by d - 1.
        spread = (wanted - mean).square().sum(-1, keepdim=True) / max(wanted.shape[-1] - 1, 1)
        wanted = (wanted - mean) / (spread + eps).sqrt()
    error = (full(drawn[dropped]) - wanted).square()
    return error.sum() / max(error.numel(), 1)


def _same(what: str, one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Stop where shapes differ; torch would stretch one silently."""
    if tuple(one) != tuple(other):
        raise InputError(f"{what} are {list(one)} and {list(other)}; the same shape expected")
