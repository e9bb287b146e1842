"""A taxonomy on the disk: a folder that opens in an instant.

    taxonomy.lock        what checklist this is, in which version, with which hash
    taxonomy.json        the stamp, counts, and the words behind the numbers
    taxonomy.safetensors the arrays, mapped into memory when the folder is opened
    problems.tsv         what did not fit when it was built, with file, line and reason

The numbers of ranks, statuses and codes are those of the words in ``taxonomy.json``; a file of
an earlier list of words is read with its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from merian.errors import FormatError, InputError
from merian.files import existing, new_folder, write_json, write_text
from merian.stamp import check_stamp, run_id, stamp
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.ranks import RANKS
from merian.taxonomy.strings import NamePool, Strings
from merian.taxonomy.tree import CODES, STATUSES, Taxonomy
from merian.tensors import map_tensors

if TYPE_CHECKING:
    from merian.taxonomy.build import BuildReport

__all__ = ["content_lock", "open_taxonomy", "save_taxonomy"]

_FORMAT, _VERSION = "merian-taxonomy", "1.0"
_TENSORS, _HEADER, _LOCK, _PROBLEMS = (
    "taxonomy.safetensors", "taxonomy.json", "taxonomy.lock", "problems.tsv",
)  # fmt: skip
_STRINGS = ("ids", "authorship", "retired_ids")
_WORDS = {"rank": RANKS, "status": STATUSES, "code": CODES}


def _arrays(taxonomy: Taxonomy) -> dict[str, NDArray[Any]]:
    """Return all arrays of a taxonomy by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for field in fields(taxonomy):
        value = getattr(taxonomy, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = value
    for name in _STRINGS:
        arrays |= getattr(taxonomy, name).arrays(name)
    pool = taxonomy.names
    words, first = pool.first_words
    arrays |= pool.strings.arrays("names") | words.arrays("words")
    arrays |= {"names.hashes": pool.hashes, "names.hash_row": pool.hash_row, "words.first": first}
    return arrays


def content_lock(taxonomy: Taxonomy) -> Taxonomy:
    """Return the taxonomy with the hash of its content in its lock."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{taxonomy.lock.checklist}\0{taxonomy.lock.version}\0".encode())
    for name, array in sorted(_arrays(taxonomy).items()):
        digest.update(f"{name}:{array.dtype.str}:{len(array)}\0".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return replace(taxonomy, lock=replace(taxonomy.lock, hash=digest.hexdigest()))


def save_taxonomy(
    taxonomy: Taxonomy, folder: Path | str, report: BuildReport | None = None
) -> None:
    """Write a taxonomy to a folder, complete or not at all. One already there is replaced."""
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _HEADER).exists():
        raise InputError(f"{folder}: is a folder with other things in it; name a new one")
    run = run_id("taxonomy", taxonomy.lock.as_dict())
    with new_folder(folder) as part:
        arrays = {name: np.ascontiguousarray(a) for name, a in _arrays(taxonomy).items()}
        # One key alone: the library writes several in an order of its own.
        save_file(arrays, part / _TENSORS, metadata={"format": f"{_FORMAT} {_VERSION}"})
        taxonomy.lock.write(part / _LOCK, run)
        write_json(
            part / _HEADER,
            {
                "merian": stamp(_FORMAT, _VERSION, run, taxonomy.lock.as_dict()),
                "taxa": taxonomy.taxa,
                "synonyms": len(taxonomy) - taxonomy.taxa,
                "problems": report.by_reason() if report else {},
                **{name: list(words) for name, words in _WORDS.items()},
            },
        )
        if report and report.problems:
            write_text(part / _PROBLEMS, _problem_table(report))


def _problem_table(report: BuildReport) -> str:
    rows = ["file\tline\tid\treason\tcontent"]
    for problem in report.problems:
        values = (problem.file, problem.line, problem.id, problem.reason, problem.content)
        rows.append("\t".join(" ".join(str(v).split()) if v is not None else "" for v in values))
    return "\n".join(rows) + "\n"


def open_taxonomy(folder: Path | str) -> Taxonomy:
    """Open a saved taxonomy. Its arrays stay in the file until they are used."""
    folder = existing(folder, "taxonomy folder")
    if not (folder / _HEADER).is_file():
        raise FormatError(
            "is not a taxonomy; make one with `merian taxonomy build CHECKLIST -o FOLDER`",
            path=folder,
        )
    header = check_stamp(folder / _HEADER, _FORMAT, 1)
    arrays = map_tensors(folder / _TENSORS)
    for name, words in _WORDS.items():
        if header[name] != list(words):
            lookup = np.array([words.index(w) if w in words else 0 for w in header[name]], np.uint8)
            arrays[name] = lookup[arrays[name]]
    pool = NamePool(
        Strings.among(arrays, "names"), arrays["names.hashes"], arrays["names.hash_row"]
    )
    # What `cached_property` would compute lies in the file.
    pool.__dict__["first_words"] = Strings.among(arrays, "words"), arrays["words.first"]
    parts: dict[str, Any] = {f.name: arrays[f.name] for f in fields(Taxonomy) if f.name in arrays}
    for name in _STRINGS:
        parts[name] = Strings.among(arrays, name)
    lock = TaxonomyLock.read(folder / _LOCK)
    return Taxonomy(**parts, names=pool, lock=lock, folder=folder.resolve())
