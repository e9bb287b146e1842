"""What is measured: definitions of traits, as data with a version.

Two widths of one beetle differ by a fifth where one was taken across the elytra and the other
where they were spread. So a value carries the id and the version of its definition, and a
definition is a few words in a file that can be read, cited and added to: which landmarks or which
shape, how, in which pose, and how far apart two careful people are who follow it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.files import existing

__all__ = ["CHANNELS", "DIMENSIONS", "LANDMARKS", "PARTS", "Definition", "chosen", "definitions",
           "landmark_names"]  # fmt: skip

DIMENSIONS = {
    "chord": 1, "path": 1, "feret": 1, "min_feret": 1, "rectangle_length": 1,
    "rectangle_width": 1, "midline": 1, "across": 1, "perimeter": 1, "ellipse_major": 1,
    "ellipse_minor": 1, "moment_major": 1, "moment_minor": 1, "area": 2, "sphere": 3,
    "ellipsoid": 3, "cylinder": 3, "cone": 3, "rotational": 3, "circularity": 0,
    "aspect_ratio": 0, "roundness": 0, "solidity": 0, "colour": 0,
}  # fmt: skip
"""How each kind is measured, and of which power of a length it is."""

UNITS = ("", "mm", "mm2", "mm3")
PARTS = ("whole", "body", "elytra")
CHANNELS = ("red", "green", "blue", "lightness", "a", "b")
LANDMARKS = (
    "head_tip", "abdomen_tip", "width_left", "width_right", "elytra_base", "elytra_tip",
    "elytra_left", "elytra_right",
)  # fmt: skip
"""Landmarks that are found; others can be set by hand."""

_FORMAT, _MAJOR = "merian-traits", "1"
_KEYS = {"version", "says", "how", "part", "landmarks", "unit", "pose", "spread", "usual",
         "aliases", "colour"}  # fmt: skip
_ID = re.compile(r"[a-z][a-z0-9_]{0,59}")
_MOST = 500  # definitions of a file


@dataclass(frozen=True)
class Definition:
    """How a trait is measured.

    Attributes:
        id: Its name.
        version: Of the definition; values of two versions are not compared.
        says: In words.
        how: A key of DIMENSIONS.
        part: What of the specimen a shape is taken of: one of PARTS.
        landmarks: Of a chord or a path, in order.
        unit: Of the value where the scale is known.
        pose: What has to be so.
        spread: Standard uncertainty of what is meant, as a share of the value.
        usual: Whether it is measured if nothing is asked for.
        aliases: Other names for the very same.
        colour: Mean or median, and the channel.
    """

    id: str
    version: str
    says: str
    how: str
    part: str = "whole"
    landmarks: tuple[str, ...] = ()
    unit: str = ""
    pose: str = ""
    spread: float = 0.0
    usual: bool = False
    aliases: tuple[str, ...] = ()
    colour: tuple[str, str] = ("", "")

    @property
    def dimension(self) -> int:
        """Of which power of a length it is."""
        return DIMENSIONS[self.how]

    @property
    def pixel_unit(self) -> str:
        """Its unit where no scale is known."""
        return ("", "px", "px2", "px3")[self.dimension]

    @property
    def cited(self) -> str:
        """Its id and version."""
        return f"{self.id} {self.version}"


@cache
def _own() -> dict[str, Definition]:
    text = resources.files("merian.measure").joinpath("definitions.toml").read_text("utf-8")
    return _read(text, Path("definitions.toml"))


def definitions(path: Path | None = None) -> dict[str, Definition]:
    """Return all definitions by their id, with those of a file.

    Args:
        path: A TOML file as ours; it adds and never changes what is here.
    """
    found = dict(_own())
    if path is None:
        return found
    try:
        text = existing(path, "file of definitions").read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text in UTF-8; a TOML file is expected") from None
    taken = {name for one in found.values() for name in (one.id, *one.aliases)}
    for one in _read(text, path).values():
        if same := taken.intersection((one.id, *one.aliases)):
            raise InputError(
                f"{path}: [{one.id}]: {min(same)} is defined already; choose another name, so that "
                "values of both can be told apart"
            )
        found[one.id] = one
        taken.update((one.id, *one.aliases))
    return found


def chosen(known: Mapping[str, Definition], names: Sequence[str]) -> tuple[Definition, ...]:
    """Return the definitions of some names or aliases; the usual ones where none is given."""
    if not names:
        return tuple(one for one in known.values() if one.usual)
    by_name = {name: one for one in known.values() for name in (one.id, *one.aliases)}
    if unknown := [name for name in names if name not in by_name]:
        raise InputError(
            f"--traits {unknown[0]}: no such trait; there are {', '.join(known)}. Others can be "
            "defined in a file: --definitions"
        )
    return tuple(dict.fromkeys(by_name[name] for name in names))


def landmark_names(wanted: Sequence[Definition]) -> tuple[str, ...]:
    """Return the landmarks of definitions, each once."""
    return tuple(dict.fromkeys(name for one in wanted for name in one.landmarks))


def _read(text: str, path: Path) -> dict[str, Definition]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: is no TOML: {error}") from None
    told, version = content.pop("format", None), str(content.pop("format_version", ""))
    if told != _FORMAT or version.partition(".")[0] != _MAJOR:
        raise InputError(
            f'{path}: begins with neither format = "{_FORMAT}" nor format_version = "{_MAJOR}.0"; '
            "expected both, and then a table for each trait"
        )
    if not content or len(content) > _MOST:
        raise InputError(f"{path}: has {len(content)} definitions; 1 to {_MOST} are expected")
    return {name: _one(name, table, f"{path}: [{name}]") for name, table in content.items()}


def _one(name: str, table: Any, where: str) -> Definition:
    """Return a definition, or say what is wrong with it."""
    if not isinstance(table, dict):
        raise InputError(f"{where}: is a value; a table is expected")
    if not _ID.fullmatch(name):
        raise InputError(f"{where}: a name of small letters, digits and _ is expected")
    if unknown := sorted(set(table) - _KEYS):
        raise InputError(f"{where}: no such setting: {unknown[0]}; there are "
                         f"{', '.join(sorted(_KEYS))}")  # fmt: skip
    _check_texts(table, where)
    how, part, unit = table["how"], table.get("part", "whole"), table.get("unit", "")
    for key, value, known in (("how", how, tuple(DIMENSIONS)), ("part", part, PARTS)):
        if value not in known:
            raise InputError(f"{where}: {key} is {value!r}; one of {', '.join(known)} is expected")
    if unit != (expected := UNITS[DIMENSIONS[how]]):
        raise InputError(f"{where}: unit is {unit!r}; of {how} it is {expected!r}")
    lists = {}
    for key in ("landmarks", "aliases", "colour"):
        lists[key] = table.get(key, [])
        if not (isinstance(lists[key], list) and all(isinstance(v, str) for v in lists[key])):
            raise InputError(f"{where}: {key} is {table[key]!r}; a list of texts is expected")
    _check_lists(how, lists, where)
    spread = table.get("spread", 0.0)
    if isinstance(spread, bool) or not isinstance(spread, int | float) or not 0 <= spread < 1:
        raise InputError(f"{where}: spread is {spread!r}; a share from 0 to below 1 is expected")
    if not isinstance(table.get("usual", False), bool):
        raise InputError(f"{where}: usual is {table['usual']!r}; true or false is expected")
    colour = lists["colour"] or ["", ""]
    return Definition(
        name, table["version"], table["says"], how, part, tuple(lists["landmarks"]), unit,
        table.get("pose", ""), float(spread), table.get("usual", False), tuple(lists["aliases"]),
        (colour[0], colour[1]),
    )  # fmt: skip


def _check_texts(table: Mapping[str, Any], where: str) -> None:
    for key in ("version", "says", "how"):
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise InputError(f"{where}: lacks {key}, a text")
    for key in ("part", "unit", "pose"):
        if not isinstance(table.get(key, ""), str):
            raise InputError(f"{where}: {key} is {table[key]!r}; a text is expected")


def _check_lists(how: str, lists: Mapping[str, Sequence[str]], where: str) -> None:
    """Say whether there are the landmarks and colours that what is measured asks for."""
    count = len(lists["landmarks"])
    good = {"chord": count == 2, "path": 2 <= count <= 100}.get(how, count == 0)
    if not good or len(set(lists["landmarks"])) != count:
        wanted = {"chord": "two", "path": "two or more, each once,"}.get(how, "no")
        raise InputError(f"{where}: has {count} landmarks; of {how}, {wanted} are expected")
    colour = lists["colour"]
    fine = len(colour) == 2 and colour[0] in ("mean", "median") and colour[1] in CHANNELS
    if (how == "colour") != fine or (how != "colour" and colour):
        raise InputError(
            f'{where}: colour is {list(colour)}; ["mean" or "median", one of '
            f"{', '.join(CHANNELS)}] is expected where how is colour, and nothing elsewhere"
        )
