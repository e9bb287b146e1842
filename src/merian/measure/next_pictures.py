"""The pictures that a person should check next: few, of every group, the doubtful ones first.

Groups take turns, so that no common species takes the whole budget. Within a group the pictures
with codes come first, the more urgent and the more of them the earlier; but a share of the budget
is drawn without looking at codes, since a bias that is measured on doubtful pictures alone is not
that of all. How sure a program is of itself is not asked: it says little about its errors.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from merian.catalogue.checks import literal
from merian.database import connect
from merian.errors import InputError
from merian.files import existing
from merian.measure.codes import CODES, worst_first
from merian.measure.corrections import HISTORY
from merian.measure.run import FORMAT, HEADER
from merian.measure.written import MEASUREMENTS
from merian.stamp import check_stamp

__all__ = ["Next", "next_pictures"]

_MEMORY = "1GB"


@dataclass(frozen=True)
class Next:
    """A picture that should be checked.

    Attributes:
        image: Its name.
        group: Of most of its specimens.
        specimens: How many it has.
        codes: What is doubtful in it, the most urgent first.
        drawn: Whether it was drawn without looking at codes.
    """

    image: str
    group: str
    specimens: int
    codes: tuple[str, ...]
    drawn: bool


def next_pictures(
    folder: Path, count: int = 50, *, drawn: float = 0.25, seed: int = 0
) -> list[Next]:
    """Return the pictures of a run that should be checked next.

    Args:
        folder: What `merian measure` wrote.
        count: How many pictures.
        drawn: The share of them that is drawn whatever their codes.
        seed: Of drawing.
    """
    existing(folder, "folder of measurements")
    check_stamp(folder / HEADER, FORMAT, 1)
    if count < 1:
        raise InputError(f"--count {count}: expected 1 or more")
    if not 0 <= drawn <= 1:
        raise InputError(f"--drawn {drawn:g}: expected a share from 0 to 1")
    with TemporaryDirectory(prefix="merian-next-") as work:
        con = connect(memory=_MEMORY, spill=Path(work))
        try:
            rows = con.execute(_IMAGES.format(table=literal(str(folder / MEASUREMENTS)))).fetchall()
        finally:
            con.close()
    done = _corrected(folder)
    pictures = [_Picture(image, group or "", specimens, worst_first((codes or "").split(";")))
                for image, group, specimens, codes in rows if image not in done]  # fmt: skip
    blind = round(count * drawn)
    random = sorted(pictures, key=lambda one: _digest(one.image, seed))
    taken = {one.image for one in _by_turns(random, blind)}
    urgent = sorted((one for one in pictures if one.image not in taken and one.codes), key=_urgency)
    chosen = [(one, False) for one in _by_turns(urgent, count - len(taken))]
    named = {one.image for one, _ in chosen} | taken
    more = [one for one in random if one.image not in named]
    chosen += [(one, True) for one in random if one.image in taken]
    chosen += [(one, True) for one in _by_turns(more, count - len(chosen))]
    return [Next(one.image, one.group, one.specimens, one.codes, blind) for one, blind in chosen]


_IMAGES = """
SELECT image, arg_max("group", many), sum(many), string_agg(codes, ';')
FROM (SELECT image, "group", count(DISTINCT specimen) AS many,
          string_agg(DISTINCT codes, ';') AS codes
      FROM read_csv({table}, delim = '\t', quote = '', escape = '', header = true,
                    all_varchar = true) GROUP BY ALL)
GROUP BY image ORDER BY image
"""


@dataclass(frozen=True)
class _Picture:
    image: str
    group: str
    specimens: int
    codes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", tuple(c for c in self.codes if c and c != "corrected"))


def _urgency(one: _Picture) -> tuple[int, int, str]:
    order = [*CODES]
    worst = order.index(one.codes[0]) if one.codes[0] in order else len(order)
    return worst, -len(one.codes), one.image


def _by_turns(pictures: list[_Picture], count: int) -> Iterator[_Picture]:
    """Yield pictures, one of each group in turn, in the order that they have."""
    groups: dict[str, list[_Picture]] = {}
    for one in pictures:
        groups.setdefault(one.group, []).append(one)
    waiting = [iter(group) for group in groups.values()]
    left = count
    while waiting and left > 0:
        still = []
        for group in waiting:
            following = next(group, None)
            if following is None:
                continue
            still.append(group)
            if left > 0:
                yield following
                left -= 1
        waiting = still


def _digest(image: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {image}".encode(), digest_size=8).digest()


def _corrected(folder: Path) -> set[str]:
    """Return the pictures on which somebody has mended something."""
    file = folder / HISTORY
    if not file.is_file():
        return set()
    with file.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["image"] for row in rows}
