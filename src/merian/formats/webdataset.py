"""WebDataset: tar files in which the files of one name are one sample.

One shard, or a folder of them::

    train-000000.tar     a folder above, or the name, may tell the part of the split
        000017.jpg       the picture; what stands up to the first dot is the sample's name
        000017.cls       its class, a number or a word
        000017.txt       a caption; a label with --set text=label
        000017.json      what else is known of it
        000017.seg.png   further pictures, such as masks
    classnames.txt       the names of classes by number, one a line (also classes.txt)

The pictures stay in the tar, which must not be packed (``.tar.gz`` is refused: nothing in it can be
found without unpacking all). Only headers and small files are read, and pictures one by one, which
are looked at; ``--set look=no`` leaves that. In the JSON a key that is called like a term, or as
people write it, is that term; numbers and words under other keys become measurements, lists and
objects stand in the remarks. A record is called ``folder/shard/sample``, unless the JSON has an id.
Files with other endings (.npy, .pth) are counted and left.

The packs of Merian are read too: their folder, or a shard of it. There ``id`` is the picture's,
``record`` the record's, and ``label`` the label of the class.

The files of a sample must stand together. A file whose name stands twice in a sample is set aside;
so is what stands behind a damage, up to the end of its shard.

Reference: https://github.com/webdataset/webdataset; POSIX.1-2008, pax, ustar Interchange Format
"""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from merian.catalogue.sources import Reading, Rows
from merian.containers import BadAddressError, tar_files
from merian.errors import FormatError
from merian.files import existing, new_file, write_text
from merian.formats.delimited import head_text
from merian.formats.hf_features import split_of
from merian.formats.image_folder import SUFFIXES
from merian.formats.registry import Format, Options
from merian.formats.webdataset_samples import (
    KNOWN,
    Shard,
    ShardRecords,
    extension_of,
)

__all__ = ["FORMAT"]

_MOST = 100_000  # shards
_SNIFFED = 200  # files of a tar that are looked at
_NAMES = ("classnames.txt", "classes.txt")
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


def _shards(path: Path) -> Iterator[Path]:
    """Return the shards at a path, two folders deep, in order; never raises."""
    try:
        if path.is_file():
            if path.suffix == ".tar":
                yield path
        elif path.is_dir():
            for pattern in ("*.tar", "*/*.tar"):
                yield from sorted(p for p in path.glob(pattern) if not p.name.startswith("."))
    except (OSError, ValueError):
        return


def _sniff(path: Path) -> int:
    """Return 3 where the first tar has a picture with a file of the same name beside it."""
    shard = next(_shards(path), None)
    if shard is None:
        return 0
    kinds: dict[str, set[str]] = {}
    try:
        for number, one in enumerate(tar_files(shard)):
            key, kind = extension_of(one.name)
            kinds.setdefault(key, set()).add("picture" if f".{kind}" in SUFFIXES else kind)
            if number == _SNIFFED:
                break
    except BadAddressError:
        pass
    pictures = [kind for kind in kinds.values() if "picture" in kind]
    beside = any(len(kind) > 1 for kind in pictures)
    if beside or any("json" in kind and len(kind) == 1 for kind in kinds.values()):
        return 3
    return 2 if pictures else 0


def _lacks(path: Path) -> str:
    if path.is_file() and path.name.endswith((".tar.gz", ".tgz", ".tar.zst", ".tar.bz2")):
        return "is packed; unpack it to a plain .tar"
    if path.is_dir() and next(path.glob("*.tar.gz"), None):
        return "holds packed tar files; unpack them to plain .tar"
    return ""


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "tar or folder of tars").absolute()
    if path.is_file():
        _refuse(path)
    files = []
    for file in [path] if path.is_file() else _shards(path):
        files.append(file)
        if len(files) > _MOST:
            raise FormatError(f"holds more than {_MOST:,} shards; give a folder of it", path=path)
    if not files:
        raise FormatError(_lacks(path) or "holds no file that ends in .tar", path=path)
    root = path if path.is_dir() else path.parent
    names = _class_names(root)
    look = options.extra.get("look", "yes").lower() not in {"no", "false", "0"}
    as_label = options.extra.get("text", "") == "label"
    kinds: Counter[str] = Counter()
    sources = []
    for file in files:
        here, several = _kinds(file)
        kinds.update(here)
        shard = Shard(file, root, split_of(file, root), names, look, as_label)
        sources.append(Rows(file, "record", ShardRecords(shard)))
        if here["json"] or here["cls"]:
            sources.append(Rows(file, "measurement", ShardRecords(shard, "measurement")))
        if several:
            sources.append(Rows(file, "media", ShardRecords(shard, "media")))
    if not kinds:
        raise FormatError("is no tar with files in it, or damaged from the start", path=files[0])
    notes = _notes(files, kinds)
    if kinds["cls"] and not names:
        notes.append("classes that are numbers have no names: no classnames.txt lies beside them")
    return Reading("webdataset", sources, _inputs(files, root), notes)


def _refuse(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(512)
    if start.startswith(_PACKED):
        raise FormatError("is packed; unpack it to a plain .tar first", path=path)
    if len(start) < 512:
        raise FormatError("is no tar: it is shorter than a header (512 bytes)", path=path)


def _kinds(file: Path) -> tuple[Counter[str], bool]:
    """Return how many files of each ending a shard has, and whether a sample has two pictures.

    What stands behind a damage is told when the rows are read.
    """
    kinds: Counter[str] = Counter()
    several, last = False, ""
    try:
        for one in tar_files(file):
            key, kind = extension_of(one.name)
            kinds[kind] += 1
            if _is_picture(kind):
                several, last = several or key == last, key
    except BadAddressError:
        pass
    return kinds, several


def _is_picture(kind: str) -> bool:
    return f".{kind.rpartition('.')[2]}" in SUFFIXES


def _class_names(root: Path) -> tuple[str, ...]:
    for name in _NAMES:
        lines = head_text(root / name, 1 << 20).splitlines()
        if lines:
            return tuple(line.strip() for line in lines)
    return ()


def _inputs(files: list[Path], root: Path) -> list[Path]:
    return [*files, *(root / name for name in _NAMES if (root / name).is_file())]


def _notes(files: list[Path], kinds: Counter[str]) -> list[str]:
    pictures = sum(count for kind, count in kinds.items() if _is_picture(kind))
    notes = [f"{len(files)} shard{'s' * (len(files) > 1)}, {pictures} pictures"]
    others = {k: n for k, n in kinds.items() if k not in KNOWN and not _is_picture(k)}
    if others:
        listed = ", ".join(f".{kind} {count}" if kind else f"(none) {count}"
                           for kind, count in sorted(others.items())[:20])  # fmt: skip
        notes.append(f"files with other endings are left: {listed}")
    return notes


def _fake(folder: Path, seed: int) -> Path:
    """Write two shards with classes, captions and JSON, and some faults."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"plankton{seed}"
    for shard in range(2):
        with (
            new_file(root / f"train-{shard:06}.tar") as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as packed,
        ):
            for number in range(6):
                for name, content in _fake_sample(chance, seed, 6 * shard + number):
                    told = tarfile.TarInfo(name)
                    told.size = len(content)
                    packed.addfile(told, io.BytesIO(content))
    write_text(root / "classnames.txt", "Copepoda\nAppendicularia\nNoctiluca scintillans\n")
    return root


def _fake_sample(chance: random.Random, seed: int, number: int) -> Iterator[tuple[str, bytes]]:
    key = f"{number:06}"
    held = io.BytesIO()
    Image.new("L", (20 + number, 16), (37 * seed + 11 * number) % 256).save(held, "PNG")
    content = held.getvalue()
    yield f"{key}.png", content[:40] if number == 4 else content
    yield f"{key}.cls", str(number % 4 - 1 if number % 4 else 0).encode()
    yield f"{key}.txt", f"a thing of 2021, number {number}".encode()
    told = {
        "decimalLatitude": round(chance.uniform(-60, 60), 4),
        "lon": round(chance.uniform(-170, 170), 4),
        "area": chance.randint(20, 900),
        "boxes": [[1, 2, 3, number]],
    }
    text = json.dumps(told)
    yield f"{key}.json", text.encode()[: 9 if number == 7 else None]
    if number % 5 == 0:
        yield f"{key}.npy", b"\x93NUMPY"


FORMAT = Format(
    name="webdataset",
    title="WebDataset: samples in tar files, and the packs of Merian",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
)
