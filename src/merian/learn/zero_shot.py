"""Naming by text alone: a class is what its name says, in several wordings.

The vector of a class is the mean of the unit vectors of its wordings, brought to unit length
again; what is asked goes to the class with the highest cosine. Classes may be held to those of a
list, as of a region. Probabilities are the softmax of the cosines times the temperature that was
learnt, so that they may be summed up a tree.

Reference: Radford et al., CLIP, ICML 2021, arXiv:2103.00020 (several wordings, averaged).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError

__all__ = ["class_vectors", "zero_shot_probabilities"]

Floats = NDArray[np.float64]
Encode = Callable[[Sequence[str]], ArrayLike]


def class_vectors(encode: Encode, texts: Sequence[Sequence[str]]) -> Floats:
    """Return float64[classes, d], of unit length.

    Args:
        encode: Texts -> float[n, d].
        texts: Of each class its wordings; one that stands twice counts once.
    """
    wordings = [list(dict.fromkeys(some)) for some in texts]
    if empty := [place for place, some in enumerate(wordings) if not some]:
        raise InputError(
            f"{len(empty)} of {len(wordings)} classes have no text, first class {empty[0]}; give "
            "each a wording, or leave it out"
        )
    every = list(dict.fromkeys(text for some in wordings for text in some))
    row = {text: place for place, text in enumerate(every)}
    vectors = _unit(np.asarray(encode(every), np.float64))
    return _unit(np.stack([vectors[[row[text] for text in some]].mean(0) for some in wordings]))


def zero_shot_probabilities(
    vectors: ArrayLike, classes: ArrayLike, *, scale: float = 1.0, allowed: ArrayLike | None = None
) -> Floats:
    """Return float64[n, classes]: the probability of each class; 0 of one that is not allowed.

    Args:
        vectors: float[n, d]; need not have unit length.
        classes: float[classes, d], as `class_vectors` makes them.
        scale: What cosines are multiplied by.
        allowed: int[k]; the classes that may answer. All if not given.
    """
    x, names = _unit(np.asarray(vectors, np.float64)), np.asarray(classes, np.float64)
    if x.ndim != 2 or names.ndim != 2 or x.shape[1] != names.shape[1]:
        raise InputError(
            f"vectors {list(x.shape)} and classes {list(names.shape)}; rows of the same width "
            "expected"
        )
    scores = scale * (x @ _unit(names).T)
    if allowed is not None:
        listed = np.unique(np.asarray(allowed, np.int64))
        if not len(listed) or listed[0] < 0 or listed[-1] >= len(names):
            raise InputError(
                f"{len(listed)} classes may answer; some of 0 to {len(names) - 1} expected"
            )
        shut = np.ones(len(names), bool)
        shut[listed] = False
        scores[:, shut] = -np.inf
    scores -= scores.max(1, keepdims=True)
    found: Floats = np.exp(scores)
    found /= found.sum(1, keepdims=True)
    return found


def _unit(x: Floats) -> Floats:
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    found: Floats = x / np.where(length > 0, length, 1)
    return found
