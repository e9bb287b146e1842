"""Pictures that lie beside the tables that name them: relative addresses, made whole.

What `merian publish --media copy` writes names its pictures from where the tables lie, so that the
package can be moved. Of the tables of others a relative address is taken for a file only if its
first folder is there; any other is kept as it is, since it may mean anything.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from merian.formats.delimited import literal

__all__ = ["made_whole"]

_MOST = 10_000  # what is looked at in a folder


def made_whole(sql: str, folder: Path) -> str:
    """Return the SQL of an address that is absolute where it means a file beside the tables.

    Args:
        sql: The address as it stands.
        folder: Where the tables lie; the folder above it is looked at too.
    """
    folder = folder.absolute()
    inside, above = _folders(folder), _folders(folder.parent)
    parts = []
    for mark, root, names in (("../", folder.parent, above), ("", folder, inside)):
        if names:
            first = f"split_part(substr({sql}, {len(mark) + 1}), '/', 1)"
            listed = ", ".join(map(literal, names))
            # The rest may lead no further up, nor be empty.
            parts.append(
                f"WHEN starts_with({sql}, {literal(mark)}) AND {first} IN ({listed}) "
                f"AND NOT contains(substr({sql}, {len(mark) + 1}), '../') AND contains("
                f"substr({sql}, {len(mark) + 1}), '/') "
                f"THEN {literal(root.as_posix() + '/')} || substr({sql}, {len(mark) + 1})"
            )
    return f"CASE {' '.join(parts)} ELSE {sql} END" if parts else sql


def _folders(folder: Path) -> list[str]:
    """Return the folders in a folder that may hold pictures."""
    try:
        with os.scandir(folder) as found:
            listed = list(islice(found, _MOST))
        return sorted(e.name for e in listed if e.name[0] not in "._" and e.is_dir())
    except OSError:
        return []
