"""Small typed TOML: a table becomes a frozen dataclass, and a dataclass becomes a table again.

What a key may hold stands beside its field, in `key`. An error names the key, its line, what was
expected and the key that was perhaps meant.
"""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from merian.errors import FormatError, did_you_mean

__all__ = ["Source", "described", "fill", "key", "to_toml", "written"]

T = TypeVar("T")

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Source:
    """Where a table stands, for errors: a file, or what was said on the command line."""

    path: Path | str
    text: str = ""

    def line(self, table: str, name: str | None = None) -> int | None:
        """Return the line of a key, or of its table; None where it is not in the file."""
        current = ""
        found = None
        for number, line in enumerate(self.text.splitlines(), 1):
            if match := re.match(r"\s*\[([^\]]+)\]", line):
                current = match[1].strip()
                if current == table and name is None:
                    return number
            elif current == table and name and re.match(rf'\s*"?{re.escape(name)}"?\s*=', line):
                found = number
        return found

    def error(self, message: str, table: str, name: str | None = None) -> FormatError:
        """Return an error at a key."""
        return FormatError(message, path=self.path, line=self.line(table, name))


def key(
    about: str,
    default: Any = MISSING,
    *,
    choices: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    only: Sequence[str] = (),
) -> Any:
    """Return the field of a key.

    Args:
        about: What it means, in a few words.
        default: Its value where it is not given; without one it must be given.
        choices: What it may be.
        low: The least it may be.
        high: The most it may be.
        above: What it must be above.
        only: The kinds of the table that know it; all of them if not given.
    """
    limits = {"low": low, "high": high, "above": above}
    metadata = {"about": about, "choices": tuple(choices), "only": tuple(only), **limits}
    return field(default=default, metadata=metadata)


def name_of(part: Field[Any]) -> str:
    """Return what a field is called in a file; `from_` is called from."""
    return part.name.rstrip("_")


def fill(kind: type[T], values: Mapping[str, Any], table: str, source: Source) -> T:
    """Return the dataclass that a table describes.

    Args:
        kind: A dataclass with fields made by `key`.
        values: The table.
        table: Its name; empty for the keys above all tables.
        source: Where it stands.
    """
    assert is_dataclass(kind)
    hints = typing.get_type_hints(kind)
    known = {name_of(part): part for part in fields(kind)}
    where = f"[{table}]" if table else "the recipe"
    for name in values:
        if name not in known:
            raise source.error(
                f"{where} has no key {name!r}.{did_you_mean(name, known)} "
                f"It knows {', '.join(known)}",
                table,
                name,
            )
    found = {}
    own = values.get("kind", known["kind"].default) if "kind" in known else None
    for name, part in known.items():
        only = part.metadata.get("only")
        if name in values and only and own not in (*only, MISSING):
            raise source.error(
                f"{table}.{name} is a key of {', '.join(only)} and not of {own}; leave it out",
                table,
                name,
            )
        if name in values:
            found[part.name] = _checked(part, hints[part.name], values[name], table, source)
        elif part.default is MISSING and part.default_factory is MISSING:
            about = part.metadata.get("about", "")
            raise source.error(f"{where} needs the key {name!r} ({about})", table)
    return kind(**found)


def _checked(part: Field[Any], hint: Any, value: Any, table: str, source: Source) -> Any:
    """Return a value as its field wants it."""
    name = name_of(part)
    shown = f"{table}.{name}" if table else name
    converted = _converted(hint, value)
    if converted is MISSING:
        raise source.error(f"{shown} is {_shown(value)}; expected {_expected(hint)}", table, name)
    limits = part.metadata
    choices = limits.get("choices") or ()
    if choices and converted not in choices:
        raise source.error(
            f"{shown} is {_shown(value)}; expected one of {', '.join(choices)}."
            f"{did_you_mean(str(value), choices)}",
            table,
            name,
        )
    for number in converted if isinstance(converted, tuple) else (converted,):
        if isinstance(number, int | float) and not _within(number, limits):
            raise source.error(
                f"{shown} is {_shown(value)}; expected {_range(limits)}", table, name
            )
    return converted


def _within(number: float, limits: Mapping[str, Any]) -> bool:
    low, high, above = limits.get("low"), limits.get("high"), limits.get("above")
    return (
        math.isfinite(number)
        and (low is None or number >= low)
        and (high is None or number <= high)
        and (above is None or number > above)
    )


def _range(limits: Mapping[str, Any]) -> str:
    words = [
        f"{word} {limits[name]:g}"
        for name, word in (("low", "at least"), ("above", "above"), ("high", "at most"))
        if limits.get(name) is not None
    ]
    return "a finite number" + (f", {' and '.join(words)}" if words else "")


def _converted(hint: Any, value: Any) -> Any:
    """Return a value of the type that is hinted, or MISSING where it is of another."""
    if isinstance(hint, types.UnionType):
        for option in typing.get_args(hint):
            if option is not type(None) and (got := _converted(option, value)) is not MISSING:
                return got
        return MISSING
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if not isinstance(value, list | tuple):
            return MISSING
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) != len(value):
            return MISSING
        items = [_converted(k, v) for k, v in zip(kinds, value, strict=True)]
        return MISSING if any(item is MISSING for item in items) else tuple(items)
    if hint is float and type(value) is int:
        return float(value)
    return value if type(value) is hint else MISSING


def _expected(hint: Any) -> str:
    """Return a type in words."""
    if isinstance(hint, types.UnionType):
        options = [o for o in typing.get_args(hint) if o is not type(None)]
        return " or ".join(_expected(option) for option in options)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        count = "" if inner[-1] is Ellipsis else f"{len(inner)} "
        return f"a list of {count}values, each {_expected(inner[0])}"
    return _WORDS[hint]


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def written(part: Any) -> dict[str, Any]:
    """Return a table's values as its file has them: without what is None or not of its kind."""
    found = {}
    for each in fields(part):
        value, only = getattr(part, each.name), each.metadata.get("only")
        if value is not None and not (only and part.kind not in only):
            found[name_of(each)] = value
    return found


def described(kind: type[Any]) -> Iterator[tuple[str, str, str]]:
    """Tell each key of a table: its name, its value where none is given, and what it means."""
    for part in fields(kind):
        if "about" not in part.metadata:
            continue
        default = "*must be given*" if part.default is MISSING else f"`{_shown(part.default)}`"
        about = part.metadata["about"]
        if part.metadata["only"]:
            about = f"*{', '.join(part.metadata['only'])}*: {about}"
        if part.metadata["choices"]:
            about += ": " + ", ".join(part.metadata["choices"])
        yield name_of(part), "" if default == "`null`" else default, about


def to_toml(tables: Mapping[str, Any], above: str = "") -> str:
    """Write values and tables as TOML; what is None is left out.

    Args:
        tables: By name.
        above: The name of the table that they stand in.
    """
    lines = [_assignment(k, v) for k, v in tables.items() if v is not None and not _is_table(v)]
    text = "".join(f"{line}\n" for line in lines)
    for name, table in tables.items():
        if _is_table(table):
            inner = to_toml(table, f"{above}{name}.")
            head = "" if table and all(map(_is_table, table.values())) else f"\n[{above}{name}]\n"
            text += head + inner
    return text


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _assignment(name: str, value: Any) -> str:
    return f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, float):
        return repr(value)
    # JSON's strings, numbers and booleans are TOML's too, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
