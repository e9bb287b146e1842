"""Plain controls that stand beside every encoder: words of six bases, vsearch, megablast, Merian.

Words of six bases are counted as they are, and less the mean of the references, which is one
subtraction and a much better control.

Each answers a split by itself, in a process of its own, and keeps its answers beside the split.
All but Merian answer with one reference, whose names are theirs; of equals the first one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian import __version__
from merian.barcode import clean
from merian.barcode.words import AMBIGUOUS, CODE, as_text, broken, words_at
from merian.bench.answers import Translation, library_of, queries_of
from merian.bench.child import end_with_parent
from merian.bench.encoder_splits import RANKS, RULER, Split, open_split
from merian.bench.splits import Labelled, vsearch_answers
from merian.errors import NotFoundError
from merian.files import write_json
from merian.identify import Choice, Identifier
from merian.learn.probes import nearest

__all__ = ["CONTROLS", "answered", "controls_there", "is_answered", "read_names", "six_mers"]

_K = 6
_BLOCK = 8192  # references whose words are counted at a time: 128 MB
_BATCH = 500

Numbers = NDArray[np.int64]
Floats = NDArray[np.float32]


def six_mers(sequences: Sequence[str]) -> Floats:
    """Return float32[n, 4096]: how often each word of six bases is in each sequence."""
    found = np.zeros((len(sequences), 4**_K), np.float32)
    for number, sequence in enumerate(sequences):
        code = CODE[as_text(clean(sequence))]
        words = words_at(code, _K).astype(np.int64)
        if (code == AMBIGUOUS).any():
            words = np.delete(words, broken(code, _K))
        found[number] = np.bincount(words, minlength=4**_K)
    return found


def _by_words(split: Split, centred: bool = False) -> Numbers:
    """Return the reference whose six-mers have the highest cosine to those of each query.

    Args:
        split: What is asked.
        centred: Whether the mean over the references is taken away first.
    """
    asked = six_mers([sequence for sequence, _ in split.queries])
    mean = _mean_words(split) if centred else np.zeros(4**_K, np.float32)
    best = np.full(len(asked), -1, np.int64)
    cosine = np.full(len(asked), -np.inf, np.float32)
    for first in range(0, len(split.references), _BLOCK):
        block = [sequence for sequence, _ in split.references[first : first + _BLOCK]]
        found = nearest(asked - mean, six_mers(block) - mean, 1)
        better = found.cosines[:, 0] > cosine
        best[better] = found.references[better, 0] + first
        cosine[better] = found.cosines[better, 0]
    return best


def _mean_words(split: Split) -> Floats:
    """Return how often each word of six bases is in a reference, in the mean."""
    total = np.zeros(4**_K)
    for first in range(0, len(split.references), _BLOCK):
        block = [sequence for sequence, _ in split.references[first : first + _BLOCK]]
        total += six_mers(block).sum(axis=0, dtype=np.float64)
    return (total / len(split.references)).astype(np.float32)


def _by_vsearch(split: Split) -> Numbers:
    """Return the reference of the highest identity, by usearch_global."""
    references, queries = (
        [Labelled(sequence, names[-2], names[-1]) for sequence, names in rows]
        for rows in (split.references, split.queries)
    )
    return vsearch_answers(references, queries).reference


def _by_megablast(split: Split) -> Numbers:
    """Return the reference of the highest bit score."""
    best = np.full(len(split.queries), -1, np.int64)
    bits = np.zeros(len(split.queries))
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        folder = Path(made)
        for name, rows in (("query", split.queries), ("reference", split.references)):
            records = (f">{number}\n{sequence}\n" for number, (sequence, _) in enumerate(rows))
            (folder / name).write_text("".join(records), encoding="ascii")
        run = partial(subprocess.run, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        run("makeblastdb -in reference -dbtype nucl -out reference".split())
        told = "-max_target_seqs 5 -num_threads 1 -out hits".split()
        asked = "blastn -task megablast -query query -db reference".split()
        run([*asked, *told, "-outfmt", "6 qseqid sseqid bitscore"])
        for line in (folder / "hits").read_text(encoding="ascii").splitlines():
            query, target, score = line.split("\t")
            if float(score) > bits[int(query)]:
                best[int(query)], bits[int(query)] = int(target), float(score)
    return best


def _of_references(split: Split, ask: Callable[[Split], Numbers]) -> dict[str, list[str]]:
    """Return the names of the reference that answers each query."""
    best = ask(split)
    return {rank: np.append(split.labels(rank), "")[best].tolist() for rank in RANKS}


def _by_merian(split: Split) -> dict[str, list[str]]:
    """Return the best guesses of `merian identify` by a library of the references."""
    library = library_of(split.folder, split.folder / f"library-{__version__}", keep=True)
    identifier = Identifier.open(library, Choice())
    translation = Translation(RULER, library, split.folder)
    ids, asked = queries_of(RULER, split.folder)
    assert len({*ids}) == len(ids)
    found = {rank: [""] * len(split.queries) for rank in RANKS}
    for first in range(0, len(asked), _BATCH):
        some = identifier.identify(asked[first : first + _BATCH])
        for name, determination in zip(ids[first : first + _BATCH], some, strict=True):
            names, _ = translation.row(determination)
            for rank, called in zip(RANKS, names, strict=True):
                found[rank][int(name[1:])] = called
    return found


CONTROLS: Mapping[str, Callable[[Split], dict[str, list[str]]]] = {
    "6-mer 1-NN": partial(_of_references, ask=_by_words),
    "centred 6-mer 1-NN": partial(_of_references, ask=partial(_by_words, centred=True)),
    "usearch_global": partial(_of_references, ask=_by_vsearch),
    "megablast": partial(_of_references, ask=_by_megablast),
    "merian identify": _by_merian,
}
_NEEDS = {"usearch_global": ("vsearch",), "megablast": ("blastn", "makeblastdb")}


def controls_there() -> list[str]:
    """Return the controls that can be asked on this machine."""
    return [name for name in CONTROLS if all(map(shutil.which, _NEEDS.get(name, ())))]


def _file(split: Split, control: str) -> Path:
    """Return where its answers lie; another version of Merian is asked again."""
    return split.folder / "answers" / f"{control.replace(' ', '-')}-{__version__}.json"


def is_answered(split: Split, control: str) -> bool:
    """Return whether a control has answered a split."""
    return _file(split, control).is_file()


def answered(split: Split, control: str) -> dict[str, list[str]]:
    """Ask a control, unless it was asked before, and return the names of each query by rank."""
    if control not in CONTROLS:
        raise NotFoundError(f"no control is called {control!r}; there are {', '.join(CONTROLS)}")
    if not is_answered(split, control):
        _file(split, control).parent.mkdir(exist_ok=True)
        write_json(_file(split, control), CONTROLS[control](split))
    return read_names(split, control)


def read_names(split: Split, control: str) -> dict[str, list[str]]:
    """Return what a control has answered."""
    found: dict[str, list[str]] = json.loads(_file(split, control).read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    end_with_parent()
    answered(open_split(Path(sys.argv[1])), sys.argv[2])
