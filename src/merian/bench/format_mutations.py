"""Damages done to files, as disks, mail, spreadsheets and ill will do them; the same for a seed."""

from __future__ import annotations

import gzip
import io
import random
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["MUTATIONS", "copy_of", "damage"]

_ABSURD = (
    b"1000000000000", b"-1", b"nan", b"1e308", b"-1e308", b"inf", b"0", b"9" * 400, b"", b"1e-320",
    b"4294967295", b"18446744073709551616", b"0x7f", b"1,5", b"\xd9\xa3",
)  # fmt: skip
_BINARY = (2**31 - 1, 2**32 - 1, 2**63 - 1, 10**12, 0, 2**64 - 1, 65_535)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_DELIMITERS = (b",", b"\t", b";", b"|", b" ", b"\n", b"\r\n", b'"', b"'", b":", b"=", b"<", b"{")
_MAGIC = (b"PK\x03\x04", b"\x1f\x8b\x08", b"\x89HDF\r\n\x1a\n", b"PAR1", b"<?xml ", b"\xff\xfe",
          b"\xef\xbb\xbf", b"MATLAB 5.0", b"[" * 5_000, b"{\"a\":" * 5_000)  # fmt: skip
_SOME = 2_000  # matches that one is chosen from

Chance = random.Random


def _place(chance: Chance, content: bytes) -> int:
    """Return a place in a content: its two ends, which hold the most, are chosen often."""
    size = len(content)
    if not size:
        return 0
    end = min(size, 400)
    return chance.choice(
        (chance.randrange(size), chance.randrange(end), size - 1 - chance.randrange(end))
    )


def _flip(chance: Chance, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 8, 40)) if content else 0):
        changed[_place(chance, content)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwrite(chance: Chance, content: bytes) -> bytes:
    at = _place(chance, content)
    piece = chance.randbytes(chance.choice((1, 4, 64)))
    return content[:at] + piece + content[at + len(piece) :]


def _truncate(chance: Chance, content: bytes) -> bytes:
    return content[: _place(chance, content)]


def _behead(chance: Chance, content: bytes) -> bytes:
    return content[_place(chance, content) :]


def _insert(chance: Chance, content: bytes) -> bytes:
    at = _place(chance, content)
    piece = chance.choice((chance.randbytes(20), b"\0" * 16, content[:200], b"A" * 100_000,
                           *_MAGIC))  # fmt: skip
    return content[:at] + piece + content[at:]


def _zeros(chance: Chance, content: bytes) -> bytes:
    at = _place(chance, content)
    number = chance.choice((1, 4, 512))
    return content[:at] + b"\0" * number + content[at + chance.choice((0, number)) :]


def _encode(chance: Chance, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    kind = chance.choice(("utf-16", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp037", "utf-7"))
    if kind in {"latin-1", "cp1252"}:
        text = text.replace("e", "é").replace("u", "ü")
    return text.encode(kind, "replace")


def _delimiters(chance: Chance, content: bytes) -> bytes:
    there = [one for one in _DELIMITERS if one in content]
    if not there:
        return _overwrite(chance, content)
    old = chance.choice(there)
    new = chance.choice([one for one in _DELIMITERS if one != old])
    return content.replace(old, new, chance.choice((1, 5, -1)))


def _numbers(chance: Chance, content: bytes) -> bytes:
    """Put an absurd number where a number stands: in one place, or wherever the same stands."""
    found = list(_NUMBER.finditer(content, 0, 1 << 20))[:_SOME]
    if not found:
        return _overwrite(chance, content)
    one = chance.choice(found)
    new = chance.choice(_ABSURD)
    if chance.random() < 0.2:
        return content.replace(one[0], new, 1_000)
    return content[: one.start()] + new + content[one.end() :]


def _binary_number(chance: Chance, content: bytes) -> bytes:
    at = _place(chance, content)
    size = chance.choice((2, 4, 8))
    value = chance.choice(_BINARY) % (1 << (8 * size))
    piece = value.to_bytes(size, chance.choice(("little", "big")))
    return content[:at] + piece + content[at + size :]


def _lines(chance: Chance, content: bytes) -> bytes:
    """Double, drop, swap, join or move lines."""
    lines = content.split(b"\n")
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.randrange(6)
    if kind == 0:
        lines[at:at] = [lines[at]] * chance.choice((1, 3, 500))
    elif kind == 1:
        del lines[at : at + chance.choice((1, 2, 10))]
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        lines[at : at + 2] = [b"".join(lines[at : at + 2])]
    elif kind == 4:
        chance.shuffle(lines)
    else:
        lines.insert(at, b"")
    return b"\n".join(lines)


def _words(chance: Chance, content: bytes) -> bytes:
    """Put one word of the file in the place of another."""
    found = list(re.finditer(rb"\w{2,40}", content[: 1 << 20]))[:_SOME]
    if len(found) < 2:
        return _flip(chance, content)
    one, other = chance.sample(found, 2)
    new = chance.choice((other[0], b"", one[0] * 200, b"../../../etc/passwd", b"\xf0\x9f\xa6\x8b"))
    return content[: one.start()] + new + content[one.end() :]


def _pack(_chance: Chance, content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


MUTATIONS: Sequence[Callable[[Chance, bytes], bytes]] = (
    _flip, _flip, _overwrite, _truncate, _behead, _insert, _zeros, _encode, _delimiters, _numbers,
    _numbers, _binary_number, _binary_number, _lines, _lines, _words, _pack,
)  # fmt: skip
"""What is done to the content of a file; what is done most stands more than once."""


def _within(chance: Chance, content: bytes) -> tuple[bytes, list[str]]:
    """Damage a member of a packed file and pack all again; a member may be packed itself."""
    if content.startswith(b"\x1f\x8b"):
        changed, done = _changed(chance, gzip.decompress(content))
        return gzip.compress(changed, mtime=0), done
    made = io.BytesIO()
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
            members = old.infolist()
            chosen = chance.choice([m for m in members if not m.filename.endswith("/")])
            done = []
            for member in members:
                inner = old.read(member)
                if member is chosen:
                    inner, done = _changed(chance, inner)
                new.writestr(member, inner)
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as old_tar, \
                tarfile.open(fileobj=made, mode="w") as new_tar:  # fmt: skip
            files = [member for member in old_tar.getmembers() if member.isfile()]
            picked = chance.choice(files)
            done = []
            for file in files:
                stream = old_tar.extractfile(file)
                inner = stream.read() if stream else b""
                if file is picked:
                    inner, done = _changed(chance, inner)
                file.size = len(inner)
                new_tar.addfile(file, io.BytesIO(inner))
    return made.getvalue(), done


def _is_packed(content: bytes) -> bool:
    return content.startswith((b"PK\x03\x04", b"\x1f\x8b")) or content[257:262] == b"ustar"


def _changed(chance: Chance, content: bytes) -> tuple[bytes, list[str]]:
    """Damage a content, or what is packed in it, once or more often; tell what was done."""
    if _is_packed(content) and chance.random() < 0.6:
        with suppress(Exception):  # what is no sound archive is damaged as it stands
            changed, done = _within(chance, content)
            return changed, [f"within: {what}" for what in done]
    done = []
    for _ in range(chance.choice((1, 1, 2, 4))):
        way = chance.choice(MUTATIONS)
        content = way(chance, content)
        done.append(way.__name__.strip("_"))
    return content, done


def damage(path: Path, seed: str) -> list[str]:
    """Damage a file, or files of a folder, and return what was done.

    Args:
        path: It.
        seed: The same seed does the same damage to the same files.
    """
    chance = random.Random(seed)  # noqa: S311  nothing secret
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    done = []
    for file in chance.sample(files, min(len(files), chance.choice((1, 1, 1, 2, 3)))):
        name = file.name if file == path else file.relative_to(path).as_posix()
        if file != path and chance.random() < 0.04:
            done.append(f"{name}: {_misplace(chance, file)}")
            continue
        content, what = _changed(chance, file.read_bytes())
        done += [f"{name}: {one}" for one in what]
        file.write_bytes(content)
    return done


def _misplace(chance: Chance, file: Path) -> str:
    """Take a file of a folder away, empty it, or put a folder or a link in its place."""
    kind = chance.choice(("gone", "empty", "folder", "link to itself"))
    file.unlink()
    if kind == "empty":
        file.write_bytes(b"")
    elif kind == "folder":
        file.mkdir()
    elif kind == "link to itself":
        file.symlink_to(file.name)
    return kind


def copy_of(path: Path, folder: Path) -> Path:
    """Copy a fake, a file or a folder, and return the copy."""
    target = folder / path.name
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)
    return target
