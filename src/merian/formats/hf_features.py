"""What a Hugging Face data set tells of its columns: in its files, in its README, in their names.

A Parquet file holds the features of its columns as JSON under the key ``huggingface``:
``{"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type":
"ClassLabel"}}}}``. The README (the "card") begins with YAML between two lines ``---``, where the
same names stand under ``class_label``, beside the licence and what the data set is called. Of that
YAML no more is read than this, line by line: it is written by a program in one shape.

Reference: https://huggingface.co/docs/hub/datasets-cards, https://huggingface.co/docs/datasets
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from merian.formats.delimited import head_text

__all__ = ["SPLITS", "Card", "Features", "features_of", "read_card", "split_of"]

SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
"""What the parts of a split are called -> what a catalogue calls them."""

_CARD = 1 << 20  # characters of a README that are looked at
_NUMBERED = re.compile(r"([\w.-]+?)-\d{5}-of-\d{5}", re.ASCII)
_ITEM = re.compile(r"(\s*)(- )?\s*(['\"]?)([^'\":]+)\3:\s*(.*)")
_BARE = re.compile(r"\s*- (.+)")


@dataclass(frozen=True)
class Features:
    """What is told of columns.

    Attributes:
        classes: column -> the names of its classes, by number.
        pictures: The columns that hold pictures.
        others: The columns that hold something else in a struct of bytes: sound, films.
    """

    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Card:
    """What a README tells.

    Attributes:
        title: What the data set is called.
        license: Its licence, if it names one.
        classes: column -> the names of its classes, by number.
        doubtful: Columns whose classes differ between the configurations that it describes.
    """

    title: str = ""
    license: str = ""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    doubtful: tuple[str, ...] = ()


def features_of(text: str) -> Features:
    """Return what the JSON in a file tells; nothing if it is damaged."""
    try:
        told = json.loads(text)["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return Features()
    if not isinstance(told, dict):
        return Features()
    kinds = {name: one.get("_type") for name, one in told.items() if isinstance(one, dict)}
    classes = {
        name: tuple(map(str, names))
        for name, kind in kinds.items()
        if kind == "ClassLabel" and isinstance(names := told[name].get("names"), list)
    }
    return Features(
        classes,
        frozenset(name for name, kind in kinds.items() if kind == "Image"),
        frozenset(name for name, kind in kinds.items() if kind in {"Audio", "Video", "Pdf"}),
    )


def split_of(file: Path, root: Path) -> str | None:
    """Return the part of a split that the name of a file tells, or that of a folder above it."""
    stem = file.name.rpartition(".")[0]
    numbered = _NUMBERED.fullmatch(stem)
    if numbered:
        return SPLITS.get(numbered[1].lower(), numbered[1])
    above = file.parent.relative_to(root).parts if file.is_relative_to(root) else ()
    for name in (stem, *reversed(above)):
        words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in SPLITS]
        if words:
            return SPLITS[words[0]]
    return None


# -- the README ---------------------------------------------------------------------------------


def read_card(path: Path) -> Card:
    """Return what a README tells; nothing where there is none."""
    lines = head_text(path, _CARD).splitlines()
    if not lines or lines[0].strip() != "---":
        return Card()
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), len(lines))
    front = lines[1:end]
    plain = {
        found[4]: _scalar(found[5])
        for line in front
        if (found := _ITEM.fullmatch(line)) and not found[1] and not found[2]
    }
    classes: dict[str, tuple[str, ...]] = {}
    doubtful: set[str] = set()
    for name, names in _classes(front):
        if classes.setdefault(name, names) != names:
            doubtful.add(name)
    return Card(plain.get("pretty_name", ""), _license(front, plain.get("license", "")),
                {k: v for k, v in classes.items() if k not in doubtful},
                tuple(sorted(doubtful)))  # fmt: skip


def _license(front: list[str], told: str) -> str:
    """Return the licence, which may stand on lines of its own; of several it is not known."""
    if not told:
        place = next((i for i, line in enumerate(front) if line.strip() == "license:"), None)
        behind = front[place + 1 :] if place is not None else []
        bare = []
        for line in behind:
            found = _BARE.fullmatch(line)
            if found is None or ":" in line:
                break
            bare.append(_scalar(found[1]))
        told = bare[0] if len(bare) == 1 else ""
    return "" if told.startswith("[") or told in {"other", "unknown"} else told


def _classes(front: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the columns with classes: ``- name: X``, and below it ``class_label`` and ``names``.

    The names stand one a line, with their number before them or as a list.
    """
    column, waits = "", False
    place = 0
    while place < len(front):
        found = _ITEM.fullmatch(front[place])
        place += 1
        if found is None:
            continue
        if found[2] and found[4] == "name":
            column, waits = _scalar(found[5]), False
        elif found[4] == "class_label":
            waits = True
        elif found[4] == "names" and waits and column:
            names: list[str] = []
            while place < len(front) and (name := _name(front[place], found[1], len(names))):
                names.append(name)
                place += 1
            yield column, tuple(names)
            waits = False


def _name(line: str, indent: str, number: int) -> str:
    """Return the name of the class with this number, if the line holds it."""
    found = _ITEM.fullmatch(line)
    if found and not found[2] and len(found[1]) > len(indent) and found[4] == str(number):
        return _scalar(found[5])
    bare = _BARE.fullmatch(line)
    if bare and len(line) - len(line.lstrip()) >= len(indent) and not _ITEM.fullmatch(bare[1]):
        return _scalar(bare[1])
    return ""


def _scalar(text: str) -> str:
    """Return a text of YAML without its quotes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text.partition(" #")[0].rstrip()
