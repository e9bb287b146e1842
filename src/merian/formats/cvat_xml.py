"""The XML of CVAT, one shape at a time.

Only one shape with its attributes is held, however many a picture has. A file comes from a
stranger: it may declare no entities, an element may not be larger than 16 MB nor nested without
bound. A zip that CVAT made, with ``annotations.xml`` and the pictures in it, is read where it lies.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple
from xml.parsers import expat

from merian.errors import FormatError
from merian.files import open_binary
from merian.unpacking import UNREADABLE_ZIP

__all__ = ["IN_ZIP", "SHAPES", "Element", "Picture", "Shape", "walk"]

IN_ZIP = "annotations.xml"
SHAPES = frozenset({
    "box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton", "tag",
})  # fmt: skip
_BLOCK = 1 << 18
_LARGEST = 1 << 24
_DEEPEST = 24
_LONGEST_TEXT = 1 << 20


class Picture(NamedTuple):
    """An ``<image>``: its line and attributes."""

    line: int
    attributes: Mapping[str, str]


@dataclass
class Shape:
    """What is drawn on a picture, or on a frame of a video.

    Attributes:
        line: Where it begins.
        kind: The name of its element.
        attributes: Those of the element.
        said: Its ``<attribute>`` elements, by name.
        parts: The points of a skeleton.
        tracked: Whether it is on a frame of a video.
    """

    line: int
    kind: str
    attributes: Mapping[str, str]
    said: dict[str, str] = field(default_factory=dict)
    parts: list[Mapping[str, str]] = field(default_factory=list)
    tracked: bool = False


class Element(NamedTuple):
    """A text within ``<meta>``: the names of the elements that it is in, and itself."""

    path: tuple[str, ...]
    text: str


def walk(path: Path) -> Iterator[Picture | Shape | Element]:
    """Return what a file holds, in its order; the shapes of a picture follow it.

    Raises:
        FormatError: If it is no XML, not CVAT's, cut short, or declares entities.
    """
    reader = _Reader(path)
    try:
        with _opened(path) as stream:
            while block := stream.read(_BLOCK):
                yield from reader.feed(block)
            yield from reader.feed(b"", last=True)
    except UNREADABLE_ZIP as no:
        raise FormatError(f"is damaged or cannot be read ({no})", path=path) from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if not zipfile.is_zipfile(path):
        with open_binary(path) as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as packed:
        if IN_ZIP not in packed.namelist():
            raise FormatError(f"is a zip without {IN_ZIP}, which CVAT's have", path=path)
        with packed.open(IN_ZIP) as inside:
            yield inside


class _Reader:
    """Turns events of the parser into pictures, shapes and texts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[Picture | Shape | Element] = []
        self.stack: list[str] = []
        self.shape: Shape | None = None
        self.named: str | None = None
        self.text: list[str] = []
        self.length = self.unheard = 0
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._take
        self.parser = parser

    def feed(self, block: bytes, last: bool = False) -> list[Picture | Shape | Element]:
        """Return what became whole with a block."""
        self.unheard += len(block)
        try:
            self.parser.Parse(block, last)
        except expat.ExpatError as error:
            told = expat.errors.messages[error.code]
            raise self._wrong(f"is no well-formed XML ({told})", error.lineno) from None
        except (LookupError, ValueError) as error:  # an encoding that nobody knows
            raise self._wrong(f"is in an encoding that cannot be read ({error})") from None
        if self.unheard > _LARGEST:
            raise self._wrong("holds an element that is larger than 16 MB")
        found, self.found = self.found, []
        return found

    def _wrong(self, what: str, line: int | None = None) -> FormatError:
        return FormatError(what, path=self.path, line=line or self.parser.CurrentLineNumber)

    def _refuse(self, *_: Any) -> None:
        raise self._wrong(
            "declares a document type or entities; CVAT's files need none, and they can be used "
            "for harm. Delete the declaration if you trust the file"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.unheard = 0
        line = self.parser.CurrentLineNumber
        if not self.stack and name != "annotations":
            raise self._wrong(f"its root is <{name[:40]}>; CVAT's is <annotations>")
        if len(self.stack) > _DEEPEST:
            raise self._wrong("is nested too deeply")
        self.stack.append(name)
        self.text, self.length = [], 0
        above = self.stack[-2] if len(self.stack) > 1 else ""
        if name == "image" and len(self.stack) == 2:
            self.found.append(Picture(line, attributes))
        elif self.shape is not None:
            if name == "attribute" and above == self.shape.kind:
                self.named = attributes.get("name", "")
            elif name == "points" and self.shape.kind == "skeleton":
                self.shape.parts.append(attributes)
        elif above in {"image", "track"} and len(self.stack) == 3:
            self.shape = Shape(line, name, attributes, tracked=above == "track")

    def _take(self, text: str) -> None:
        self.length += len(text)
        if self.length > _LONGEST_TEXT:
            raise self._wrong("holds a text of more than a million characters")
        self.unheard = 0
        self.text.append(text)

    def _end(self, name: str) -> None:
        self.unheard = 0
        text = "".join(self.text)
        if self.shape is not None:
            if len(self.stack) == 3:
                self.found.append(self.shape)
                self.shape = None
            elif name == "attribute" and self.named is not None:
                self.shape.said.setdefault(self.named, text)
                self.named = None
        elif self.stack[1:2] == ["meta"] and text.strip():
            self.found.append(Element(tuple(self.stack[2:]), text.strip()))
        self.text, self.length = [], 0
        self.stack.pop()
