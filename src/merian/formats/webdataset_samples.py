"""The samples of a tar file as rows: what its small files say, and where its pictures lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from merian.catalogue.schema import record_terms
from merian.catalogue.sources import Chunk, Reject
from merian.containers import BadAddressError, TarFile, member_address, tar_files
from merian.formats.image_folder import SUFFIXES
from merian.formats.table_terms import guess
from merian.pictures import BadPictureError, facts

__all__ = ["KNOWN", "Shard", "ShardRecords", "extension_of"]

KNOWN = frozenset({"cls", "txt", "text", "caption", "json", "id", "__key__"})
"""The endings that are read, beside those of pictures."""

_SMALL = 1 << 20  # bytes of a file that is no picture
_LARGE = 1 << 28  # and of one that is
_REMARK = 10_000  # characters of what has no place of its own
_CHUNK = 1_000
_PICTURE = ("accessURI", "contentHash", "format", "pixelXDimension", "pixelYDimension")
# What the packs of Merian say of their pictures.
_PACK = {"id": "mediaID", "record": "occurrenceID"}
_TERMS = frozenset(record_terms())


def extension_of(name: str) -> tuple[str, str]:
    """Return the name of a sample, with its folder, and the ending in lower case."""
    folder, slash, file = name.rpartition("/")
    key, _, kind = file.partition(".")
    return f"{folder}{slash}{key}", kind.lower()


@dataclass(frozen=True)
class Shard:
    """A tar file and how it is read.

    Attributes:
        file: It.
        root: The folder of the data set.
        split: The part of a split that it is.
        names: The names of classes by number.
        look: Whether pictures are looked at.
        as_label: Whether a text is a label and no caption.
    """

    file: Path
    root: Path
    split: str | None
    names: tuple[str, ...]
    look: bool
    as_label: bool


@dataclass
class _Sample:
    """The files of a sample."""

    key: str
    line: int
    files: dict[str, TarFile] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)

    @property
    def pictures(self) -> list[TarFile]:
        """The pictures; one with a plain ending before those with a word before it."""
        found = [
            (("." in kind), place, one)
            for place, (kind, one) in enumerate(self.files.items())
            if f".{kind.rpartition('.')[2]}" in SUFFIXES
        ]
        return [one for _, _, one in sorted(found, key=lambda item: item[:2])]


@dataclass(frozen=True)
class _Told:
    """What the small files of a sample say."""

    terms: Mapping[str, str]
    measured: Mapping[str, str]
    rejects: tuple[tuple[str, str, str], ...]  # ending, reason, content


@dataclass(frozen=True)
class ShardRecords:
    """Rows of one table from the samples of a shard, anew each time they are asked for.

    Attributes:
        shard: It.
        table: ``record``, ``measurement``, or ``media`` for the further pictures of a sample.
    """

    shard: Shard
    table: str = "record"

    def __iter__(self) -> Iterator[Chunk | Reject]:
        make: Callable[[IO[bytes], _Sample], Iterator[dict[str, object] | Reject]]
        make = {"record": self._record, "media": self._media,
                "measurement": self._measured}[self.table]  # fmt: skip
        rows: list[dict[str, object]] = []
        try:
            with self.shard.file.open("rb") as stream:
                for sample in self._samples():
                    for found in [sample] if isinstance(sample, Reject) else make(stream, sample):
                        if not isinstance(found, Reject):
                            rows.append(found)
                        elif self.table == "record" or found.term == "accessURI":
                            yield found  # what stands in the small files is told once
                    if len(rows) >= _CHUNK:
                        yield _chunk(rows)
                        rows = []
        except OSError as error:
            if self.table == "record":
                yield Reject(self.shard.file, None, f"cannot be read ({error.strerror or error})")
        if rows:
            yield _chunk(rows)

    def _samples(self) -> Iterator[_Sample | Reject]:
        """Return the samples of the shard; at a damage, what stood before it and the reason."""
        sample: _Sample | None = None
        known: set[str] = set()
        line = 0
        try:
            for one in tar_files(self.shard.file):
                key, kind = extension_of(one.name)
                if sample is None or key != sample.key:
                    if sample is not None:
                        yield sample
                    line += 1
                    sample = _Sample(key, line)
                    if key in known:
                        yield Reject(
                            self.shard.file, line, "the files of a sample stand apart", key
                        )
                        sample = None
                        continue
                    known.add(key)
                if kind in sample.files:
                    sample.twice.append(kind)
                else:
                    sample.files[kind] = one
        except BadAddressError as bad:
            if sample is not None:
                yield sample
            yield Reject(self.shard.file, line + 1, f"what follows cannot be read: {bad}")
            return
        if sample is not None:
            yield sample

    # -- rows -------------------------------------------------------------------------------------

    def _record(self, stream: IO[bytes], sample: _Sample) -> Iterator[dict[str, object] | Reject]:
        shard = self.shard
        told = self._told(stream, sample)
        for kind, reason, content in told.rejects:
            yield Reject(shard.file, sample.line, reason, content, kind, "value")
        for kind in sample.twice:
            yield Reject(shard.file, sample.line, "stands twice in the sample", sample.key, kind,
                         "value")  # fmt: skip
        row: dict[str, object] = {"line": sample.line, "occurrenceID": self._identifier(sample)}
        if shard.split:
            row["split"] = shard.split
        pictures = sample.pictures
        if pictures:
            row["basisOfRecord"] = "MachineObservation"
            found = self._look(stream, pictures[0])
            if isinstance(found, str):
                yield Reject(shard.file, sample.line, found, pictures[0].name, "accessURI", "value")
            else:
                row |= found
        own = dict(told.terms)
        if not pictures and "mediaRemarks" in own:
            said = (own.get("occurrenceRemarks", ""), own.pop("mediaRemarks"))
            own["occurrenceRemarks"] = "; ".join(filter(None, said))
        yield row | own

    def _media(self, stream: IO[bytes], sample: _Sample) -> Iterator[dict[str, object] | Reject]:
        further = sample.pictures[1:]
        if not further:
            return
        named = self._told(stream, sample).terms.get("occurrenceID")
        for one in further:
            found = self._look(stream, one)
            if isinstance(found, str):
                yield Reject(self.shard.file, sample.line, found, one.name, "accessURI", "value")
                continue
            kind = extension_of(one.name)[1]
            yield {
                "line": sample.line, "occurrenceID": named or self._identifier(sample), **found,
                "mediaRemarks": f".{kind} of the sample",
            }  # fmt: skip

    def _measured(self, stream: IO[bytes], sample: _Sample) -> Iterator[dict[str, object] | Reject]:
        told = self._told(stream, sample)
        identifier = told.terms.get("occurrenceID") or self._identifier(sample)
        for name, value in told.measured.items():
            yield {
                "line": sample.line, "occurrenceID": identifier, "measurementType": name,
                "measurementValue": value,
            }  # fmt: skip

    def _identifier(self, sample: _Sample) -> str:
        shard = self.shard
        place = shard.file.relative_to(shard.root).as_posix().removesuffix(".tar")
        return f"{shard.root.name}/{place}/{sample.key}"

    def _look(self, stream: IO[bytes], one: TarFile) -> dict[str, object] | str:
        """Return what is known of a picture, or why it is none."""
        address = member_address(self.shard.file, one.name)
        if not self.shard.look:
            return {"accessURI": address}
        if one.size > _LARGE:
            return f"is of {one.size:,} bytes, which no picture is"
        stream.seek(one.first)
        content = stream.read(one.size)
        try:
            told = facts(content)
        except BadPictureError as bad:
            return str(bad)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        values = (address, digest, told.mime, told.width, told.height)
        return dict(zip(_PICTURE, values, strict=True))

    # -- small files ------------------------------------------------------------------------------

    def _told(self, stream: IO[bytes], sample: _Sample) -> _Told:
        """Read the small files of a sample."""
        terms: dict[str, str] = {}
        measured: dict[str, str] = {}
        rejects: list[tuple[str, str, str]] = []
        # What the JSON says in words stands above the number of a class.
        for kind, one in sorted(sample.files.items(), key=lambda item: item[0] != "json"):
            if kind not in KNOWN:
                continue
            if one.size > _SMALL:
                rejects.append((kind, f"has {one.size:,} bytes; 1 MiB at most expected", one.name))
                continue
            stream.seek(one.first)
            text = stream.read(one.size).decode("utf-8", "replace").strip("\ufeff\0 \r\n\t")
            if kind == "json":
                problem = _read_json(text, terms, measured)
                if problem:
                    rejects.append((kind, problem, text[:1000]))
            elif kind == "cls":
                self._class(text, terms, measured, rejects)
            elif kind in {"txt", "text", "caption"}:
                term = "verbatimIdentification" if self.shard.as_label else "mediaRemarks"
                terms.setdefault(term, text)
            elif text:
                measured.setdefault(kind, text)
        return _Told(terms, measured, tuple(rejects))

    def _class(
        self, text: str, terms: dict[str, str], measured: dict[str, str],
        rejects: list[tuple[str, str, str]],
    ) -> None:  # fmt: skip
        """Take the class of a sample as its label, unless the JSON has a label in words."""
        label = text
        names = self.shard.names
        if text.isascii() and text.isdecimal() and names:
            number = int(text[:9])
            label = names[number] if number < len(names) else ""
            if not label:
                rejects.append(("cls", f"class {text} has no name: {len(names)} are named", text))
        if label == "-1" or not label:
            return
        if terms.setdefault("verbatimIdentification", label) != label:
            measured.setdefault("cls", text)


def _read_json(text: str, terms: dict[str, str], measured: dict[str, str]) -> str:
    """Take what a JSON file says; return what is wrong with it, or ""."""
    try:
        told = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        return f"is no JSON{place}"
    if not isinstance(told, dict):
        return "is JSON, but no object"
    packed = "record" in told and "id" in told
    nested = []
    for name, value in told.items():
        if value is None or value == "":
            continue
        if isinstance(value, dict | list):
            nested.append(name)
            continue
        word = str(value).lower() if isinstance(value, bool) else str(value)
        term = _PACK[name] if packed and name in _PACK else guess(name)
        if (
            term is None
            or term == "accessURI"
            or term not in _TERMS
            or terms.setdefault(term, word) != word
        ):
            measured[name] = word
    if nested:
        try:
            numbers = json.loads(text)  # this time as such
        except ValueError:  # of too many digits
            return "holds a number that cannot be read"
        rest = json.dumps({name: numbers[name] for name in nested}, ensure_ascii=False)
        if len(rest) > _REMARK:
            return f"holds lists and objects of {len(rest):,} characters, which are left"
        before = terms.get("occurrenceRemarks")
        terms["occurrenceRemarks"] = f"{before}; {rest}" if before else rest
    return ""


def _chunk(rows: list[dict[str, object]]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
