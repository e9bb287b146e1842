"""The columns of Planktonzilla-17M and the terms that they are.

Reference: https://github.com/Inria-Chile/planktonzilla, the columns of its consolidated table.
"""

from __future__ import annotations

__all__ = ["SURE"]

SURE = frozenset({"dataset", "original_label", "proposed_label", "plankton", "root_class"})
