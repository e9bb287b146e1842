"""What the numbers of a network's configuration may be; said in one line where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merian.errors import InputError

__all__ = ["check_sizes"]


def check_sizes(config: Any, least: Mapping[str, int]) -> None:
    """Refuse sizes below the least, and a dropout that is no share.

    Args:
        config: A dataclass with these sizes, and `dropout`.
        least: The least each may be.
    """
    for name, limit in least.items():
        if getattr(config, name) < limit:
            raise InputError(
                f"{name} of the encoder is {getattr(config, name)}; expected at least {limit}"
            )
    if not 0 <= config.dropout < 1:
        raise InputError(
            f"dropout of the encoder is {config.dropout:g}; expected a share from 0 to below 1"
        )
