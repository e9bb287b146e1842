"""What `merian taxonomy migrate` can move: catalogues, libraries, models and maps of labels.

Each kind tells its uses of a checklist, whether a plan was carried out on it already, and carries
one out: wholly or not at all. How is the matter of the room that the thing belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from merian.errors import InputError
from merian.files import existing

if TYPE_CHECKING:
    from merian.taxonomy import Taxonomy
    from merian.taxonomy.migration import Move, Use

__all__ = ["Target", "target_of"]

Tell = Callable[[str, int], None]


@dataclass(frozen=True)
class Target:
    """Something that holds names.

    Attributes:
        path: Where it is.
        kind: What it is, in a word.
        uses: Returns its uses of the older version.
        done: Returns whether a plan of this hash was carried out.
        apply: Carries a plan out: moves, older and newer version, its hash; returns what was done.
    """

    path: Path
    kind: str
    uses: Callable[[Taxonomy], Sequence[Use]]
    done: Callable[[str], bool]
    apply: Callable[[Sequence[Move], Taxonomy, Taxonomy, str, Tell], str]


def target_of(path: Path) -> Target:
    """Return what lies at a path, as something to be migrated."""
    existing(path, "catalogue, library, model or map of labels")
    if (path / "catalogue.duckdb").is_file():
        return _catalogue(path)
    if (path / "library.json").is_file():
        return _library(path)
    from merian.taxonomy.moving_labels import is_map

    if is_map(path):
        return _map(path)
    if path.is_dir() and any((path / part / "card.json").is_file() for part in (".", "model")):
        return _model(path)
    raise InputError(
        f"{path}: is neither a catalogue, a library, a model nor a map of labels (a table with the "
        "columns taxonID and scientificName), and nothing else names taxa of a checklist"
    )


def _catalogue(path: Path) -> Target:
    from merian.catalogue import Catalogue

    def uses(old: Taxonomy) -> Sequence[Use]:
        with Catalogue.open(path, read_only=True) as opened:
            return opened.names_used(old.lock)

    def done(mark: str) -> bool:
        with Catalogue.open(path, read_only=True) as opened:
            return opened.moved_by(mark)

    def apply(moves: Sequence[Move], old: Taxonomy, new: Taxonomy, mark: str, tell: Tell) -> str:
        tell(f"writing {path}", len(moves))
        with Catalogue.open(path) as opened:
            summary = opened.move_names(moves, old, new, mark)
        count = summary.added.get("identification", 0)
        return f"{count:,} identifications were said again; the old ones are kept"

    return Target(path, "catalogue", uses, done, apply)


def _map(path: Path) -> Target:
    from merian.taxonomy.moving_labels import map_moved_by, move_map, names_in_map

    def apply(moves: Sequence[Move], old: Taxonomy, new: Taxonomy, mark: str, tell: Tell) -> str:
        tell(f"writing {path}", len(moves))
        moved, stay = move_map(path, moves, old, new, mark)
        return f"{moved:,} rows were rewritten, {stay:,} stay"

    return Target(
        path, "map of labels", lambda old: names_in_map(path, old.lock),
        lambda mark: map_moved_by(path, mark), apply,
    )  # fmt: skip


def _library(path: Path) -> Target:
    from merian.identify import PARTS, PICTURE_PARTS
    from merian.library import Library
    from merian.library.moving import library_moved_by, move_library, names_in_library

    def apply(moves: Sequence[Move], old: Taxonomy, new: Taxonomy, mark: str, tell: Tell) -> str:
        parts = PICTURE_PARTS if Library.open(path).kind == "picture" else PARTS
        return move_library(path, moves, old, new, mark, parts, tell)

    return Target(
        path, "library", lambda old: names_in_library(path, old),
        lambda mark: library_moved_by(path, mark), apply,
    )  # fmt: skip


def _model(path: Path) -> Target:
    from merian.learn.moving import model_moved_by, move_model, names_in_model

    def apply(moves: Sequence[Move], old: Taxonomy, new: Taxonomy, mark: str, tell: Tell) -> str:
        tell(f"writing {path}", len(moves))
        return move_model(path, moves, old, new, mark)

    return Target(
        path, "model", lambda old: names_in_model(path, old),
        lambda mark: model_moved_by(path, mark), apply,
    )  # fmt: skip
