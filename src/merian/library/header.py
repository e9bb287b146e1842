"""What ``library.json`` says: which folders count, what they hold, what they were made of."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merian.files import content_hash
from merian.library.edition import ENTRIES, TAXONOMY
from merian.library.segment import RECORDS, SEQUENCES, Segment
from merian.library.store import FORMAT, VERSION, Library
from merian.library.witnesses import WITNESSES
from merian.stamp import run_id, stamp
from merian.taxonomy import MAIN_RANKS, RANKS, Taxonomy, TaxonomyLock

__all__ = ["counts_of", "former_of", "hash_together", "header_of", "of_segment"]


def of_segment(
    number: str,
    folder: Path,
    segment: Segment,
    inputs: Mapping[Path, str],
    settings: Mapping[str, Any],
    set_aside: Mapping[str, int],
    witnesses: int = 0,
) -> dict[str, Any]:
    """Return what the header says of one segment.

    Args:
        number: Its number, as its folder is called.
        folder: Where it lies for now.
        segment: The segment.
        inputs: The files that it was made of, with the hashes of their content.
        settings: What was said about them.
        set_aside: How many references were set aside, by reason.
        witnesses: How many pictures it has brought beside its barcodes.
    """
    asked = {"inputs": sorted(inputs.values()), "settings": settings}
    held = [folder / SEQUENCES, folder / RECORDS, *sorted(folder.glob(WITNESSES))]
    packages = {os.fspath(path): told for path in inputs if (told := package_of(path))}
    return {
        "folder": f"segments/{number}",
        "run": run_id("library", asked),
        "entries": segment.entries,
        "records": segment.records,
        **({"witnesses": witnesses} if witnesses else {}),
        "hash": hash_together(content_hash(file) for file in held),
        "settings": dict(settings),
        "inputs": {os.fspath(path): digest for path, digest in inputs.items()},
        "set_aside": dict(set_aside),
        **({"packages": packages} if packages else {}),
    }


def package_of(path: Path) -> dict[str, str]:
    """Return what a data package says of a file: its title, version and licence.

    BOLD puts such a ``datapackage.json`` beside its snapshots
    (https://specs.frictionlessdata.io/data-package/).
    """
    try:
        told = json.loads((path.parent / "datapackage.json").read_text(encoding="utf-8"))
        resources = [Path(str(r.get("path") or r["name"])).name for r in told["resources"]]
        licences = [str(one.get("name") or one["title"]) for one in told.get("licenses", ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    stems = [name.removesuffix(".gz").rsplit(".", 1)[0] for name in resources]
    if not any(path.name.startswith(stem) for stem in stems):
        return {}
    found = {"title": told.get("title"), "version": told.get("version")}
    found["licence"] = ", ".join(licences)
    return {name: str(text) for name, text in found.items() if text}


def header_of(
    segments: Sequence[Mapping[str, Any]],
    edition: Path,
    number: str,
    checklist: TaxonomyLock | None,
    pictures: bool = False,
) -> dict[str, Any]:
    """Return the header of a library, but for its counts.

    Args:
        segments: What it says of each segment.
        edition: Where the edition lies for now.
        number: As the folder of the edition will be called.
        checklist: The lock of the whole checklist that the names were matched to.
        pictures: Whether it is a library of pictures; of one of sequences nothing is said.
    """
    lock = Taxonomy.open(edition / TAXONOMY).lock
    whole = checklist.as_dict() if checklist is not None else None
    made_of = [str(entry["hash"]) for entry in segments]
    asked = {"segments": [entry["run"] for entry in segments], "checklist": whole}
    return {
        "merian": stamp(FORMAT, VERSION, run_id("library", asked), lock.as_dict()),
        **({"kind": "picture"} if pictures else {}),
        "hash": hash_together([*made_of, content_hash(edition / ENTRIES), lock.hash]),
        "checklist": whole,
        "edition": f"editions/{number}",
        "segments": list(segments),
    }


def former_of(header: Mapping[str, Any]) -> list[str]:
    """Return the hashes that a library had, of the header that is replaced; the last one last.

    By them it is known which answers are of the same library, as it was then.
    """
    return [*header.get("former", ()), *([str(header["hash"])] if "hash" in header else [])]


def hash_together(digests: Iterable[str]) -> str:
    """Return one hash of several."""
    return hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()


def counts_of(library: Library) -> dict[str, Any]:
    """Count what a library holds."""
    taxonomy = library.taxonomy
    taxa = np.bincount(taxonomy.rank[: taxonomy.taxa], minlength=len(RANKS)).tolist()
    named = np.bincount(taxonomy.rank[library.node], library.multiplicity, minlength=len(RANKS))
    markers: Counter[str] = Counter()
    for segment in library.segments:
        used = np.bincount(segment.marker, minlength=len(segment.markers)).tolist()
        markers.update(dict(zip(segment.markers, used, strict=True)))
    digest = np.concatenate([segment.digest for segment in library.segments])
    held: dict[str, int] = {f"{library.holds}s": len(np.unique(digest.view("u8,u8")))}
    if library.kind == "picture":
        held["individuals"] = len(np.unique(library.individuals))
    return {
        "entries": len(library),
        "records": library.records,
        **held,
        "unnamed_groups": len(library.group_name),
        "taxa": {rank: taxa[RANKS.index(rank)] for rank in MAIN_RANKS if taxa[RANKS.index(rank)]},
        "named_to": {RANKS[rank]: int(n) for rank, n in enumerate(named.tolist()) if n},
        "markers": {marker: n for marker, n in sorted(markers.items()) if marker and n},
    }
