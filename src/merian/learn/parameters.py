"""Which parameters a matrix optimizer should precondition, and which AdamW should step.

Hidden matrices carry the structure that Kronecker factors describe. In an embedding or an output
head a row is a token or a class: its gradient is sparse, and the papers all leave both to AdamW,
with norms, biases, positions, depthwise convolutions and the small tensors of a state space.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["is_matrix", "parameter_groups"]

# Words in a parameter's name that speak of a table or of a state space, not of a map.
TABLES = ("embed", "position", "pos_", "token")
SPECIAL = {"A_log", "D", "dt_bias"}
HEADS = {"head", "heads", "lm_head", "classifier"}


def is_matrix(name: str | None, shape: tuple[int, ...]) -> bool:
    """Whether a matrix optimizer should precondition a parameter, by its name and shape.

    Without a name an embedding looks like any other matrix.
    """
    if sum(side > 1 for side in shape) < 2:
        return False
    if len(shape) > 2 and shape[1] == 1:  # depthwise: every channel has a filter of its own
        return False
    parts = (name or "").split(".")
    if parts[-1] in SPECIAL or (HEADS & set(parts) and "blocks" not in parts):
        return False  # a head with blocks is a network of its own, as the decoder of BarcodeMAE
    if parts[-2:-1] == ["decoder"]:  # one layer back to the vocabulary; a deep decoder has more
        return False
    return not any(word in part.lower() for part in parts for word in TABLES)


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Return the groups of a module's parameters, as (name, parameter) pairs, for any optimizer.

    The first has the kind "matrix": hidden matrices, and convolutions that mix channels. The last
    has the kind "adamw" and no weight decay: embeddings, heads, norms, biases and the like. A group
    that would be empty is left out, and so are frozen parameters: add their group when they thaw.
    """
    tables = {
        id(parameter)
        for child in module.modules()
        if isinstance(child, nn.Embedding | nn.EmbeddingBag)
        for parameter in child.parameters(recurse=False)
    }
    matrices: list[tuple[str, Tensor]] = []
    rest: list[tuple[str, Tensor]] = []
    for name, parameter in module.named_parameters():
        hidden = id(parameter) not in tables and is_matrix(name, tuple(parameter.shape))
        (matrices if hidden else rest).append((name, parameter))
    groups: list[dict[str, Any]] = [
        {"params": matrices, "kind": "matrix"},
        {"params": rest, "kind": "adamw", "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
