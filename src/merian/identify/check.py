"""Checking the promise on records whose names a user has validated.

The same measure as in `merian.identify.promise`: an answer is wrong if it is neither the true
taxon nor one above it, the root is never wrong, and a genus counts as one, whatever the number of
its records. The interval is a bootstrap over genera. Where the library is given, records are told
apart by what it has of them, and its tree says what stands above a name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError, InputError
from merian.files import existing, open_text
from merian.formats.delimited import read_head
from merian.formats.fasta_headers import is_placeholder
from merian.formats.table_terms import guess
from merian.identify import strata
from merian.identify.answers import read_answers
from merian.identify.promise import ENOUGH
from merian.library import Library
from merian.taxonomy import MAIN_RANKS

__all__ = ["Check", "Figure", "Truth", "check_promise", "read_truth"]

_IDS = ("occurrenceID", "nucleotideSequenceID", "materialEntityID", "catalogNumber")
_STOPS = ("species", "genus", "family")  # as in the promise
_DRAWS = 2_000
_AT_A_TIME = 100
_SEED = 20_260_101

Floats = NDArray[np.float64]
Names = Mapping[str, frozenset[str]]


# -- the truth ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """What a record is.

    Attributes:
        id: Of the record.
        names: By rank, its name; ranks that are not told are absent.
    """

    id: str
    names: Mapping[str, str]


def read_truth(path: Path | str) -> list[Truth]:
    """Read a table of validated records: a column of ids, and one for each rank that is known.

    A species alone tells its genus. Names that name nothing ("sp.", "unidentified") are passed
    over.
    """
    path = existing(path, "table of validated records")
    head = read_head(path)
    places = {guess(name): place for place, name in reversed([*enumerate(head.columns)])}
    keys = [place for place, name in enumerate(head.columns) if name.lower() == "id"]
    keys += [places[term] for term in _IDS if term in places]
    columns = {rank: places[rank] for rank in MAIN_RANKS if rank in places}
    if not keys or not columns:
        raise FormatError(
            "expected a column id and one for each rank (or species alone); its columns are "
            + ", ".join(head.columns[:12]),
            path=path,
            line=head.header_lines,
        )
    key, found = keys[0], []
    for row in _rows(path, head.encoding, head.delimiter, head.quote, head.header_lines):
        cells = dict(enumerate(cell.strip() for cell in row))
        names = {rank: _plain(cells.get(place, "")) for rank, place in columns.items()}
        if cells.get(key):
            found.append(Truth(cells[key], _completed(names)))
    if not found:
        raise FormatError("holds no record with an id", path=path)
    return found


def _rows(
    path: Path, encoding: str, delimiter: str, quote: str, passed_over: int
) -> Iterator[list[str]]:
    with open_text(path, encoding) as stream:
        for _ in range(passed_over):
            stream.readline()
        if quote:
            yield from csv.reader(stream, delimiter=delimiter, quotechar=quote)
        else:
            yield from csv.reader(stream, delimiter=delimiter, quoting=csv.QUOTE_NONE)


def _plain(name: str) -> str:
    """Return a name with blanks, or nothing for what is none."""
    plain = " ".join(name.replace("_", " ").split())
    return "" if not plain or is_placeholder(plain) else plain


def _completed(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names that are there: the full binomial, and the genus that it tells."""
    found = {rank: name for rank, name in names.items() if name}
    species, genus = found.get("species", ""), found.get("genus", "")
    if species and " " not in species:
        if species[0].islower() and genus:
            found["species"] = f"{genus} {species}"
        else:
            del found["species"]
    elif species and not genus:
        found["genus"] = species.split()[0]
    return found


class _Tree:
    """What a library knows of names."""

    def __init__(self, library: Library) -> None:
        self._taxonomy = library.taxonomy
        taxa = np.arange(self._taxonomy.taxa, dtype=np.int32)
        self._ranks = {rank: self._taxonomy.at_rank(taxa, rank) for rank in MAIN_RANKS}

    def taxa(self, names: Mapping[str, str], rank: str) -> list[int]:
        """Return the taxa of the name at a rank; homonyms are several."""
        if rank not in names:
            return []
        nodes = self._taxonomy.accepted[self._taxonomy.find(names[rank])]
        return [int(node) for node in np.unique(nodes[self._ranks[rank][nodes] == nodes])]

    def above(self, node: int) -> dict[str, str]:
        """Return the names on the way from the root to a taxon."""
        found = {rank: int(nodes[node]) for rank, nodes in self._ranks.items()}
        return {rank: self._taxonomy.name_of(n) for rank, n in found.items() if n >= 0}


def _right_names(truth: Truth, trees: Sequence[_Tree]) -> Names:
    """Return by rank the names that are right: those told, and those of the libraries' trees."""
    found = {rank: {name.casefold()} for rank, name in truth.names.items()}
    for tree in trees:
        at_ranks = (tree.taxa(truth.names, rank) for rank in reversed(MAIN_RANKS))
        taxa = next(filter(None, at_ranks), [])
        for rank, name in tree.above(taxa[0]).items() if len(taxa) == 1 else ():
            found.setdefault(rank, set()).add(_plain(name).casefold())
    return {rank: frozenset(names) for rank, names in found.items()}


def _lacking(truth: Truth, trees: Sequence[_Tree]) -> int:
    """Return what all libraries lack of a record, as a place in `strata.NAMES`; -1 if not known."""
    known = [place for tree in trees if (place := _stratum(truth, tree)) >= 0]
    return min(known, default=-1)


def _stratum(truth: Truth, tree: _Tree) -> int:
    """Return what a library lacks of a record, as `_lacking` does."""
    for place, rank in enumerate(("species", "genus", "family")):
        if tree.taxa(truth.names, rank):
            # That the species is lacking is known only of a record with a species.
            told = place == 0 or MAIN_RANKS[MAIN_RANKS.index(rank) + 1] in truth.names
            return place if told else -1
    return len(strata.NAMES) - 1 if "family" in truth.names else -1


# -- figures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A share of wrong answers.

    Attributes:
        name: Of what.
        records: How many answers it is of.
        genera: Of how many genera.
        wrong: How many are wrong.
        error: The share, 0 to 1; None where there is no answer.
        low: Lower end of its 95 % interval.
        high: Upper end.
        verdict: Whether it is as promised, in words; "" where nothing is promised.
    """

    name: str
    records: int
    genera: int
    wrong: int
    error: float | None
    low: float | None
    high: float | None
    verdict: str


@dataclass(frozen=True)
class Check:
    """How a promise fares.

    Attributes:
        alpha: What was promised.
        novelty: The mix that it was promised for; None for any.
        overall: Mean over genera of the share of wrong answers.
        strata: The same by what the library has of a record; empty without the library.
        stops: Of the answers that stop at each rank, the share that is wrong.
        unanswered: Validated records without an answer.
        undecided: Answers at a rank that the truth does not reach.
        unplaced: Answers whose stratum is not known, though the library is given.
    """

    alpha: float
    novelty: tuple[float, ...] | None
    overall: Figure
    strata: Sequence[Figure]
    stops: Sequence[Figure]
    unanswered: int
    undecided: int
    unplaced: int


def check_promise(
    truth: Sequence[Truth],
    answers: Path | str,
    *,
    library: Library | Mapping[str, Library] | None = None,
    promise: Mapping[str, Any] | None = None,
) -> Check:
    """Hold answers against the truth.

    Args:
        truth: What the records are.
        answers: The answer table.
        library: The library that answered, or all by their names; it tells the strata apart.
        promise: What was promised: alpha, novelty and by_rank, as in the stamp of the answers.
    """
    said = {"alpha": 0.05, "novelty": None, "by_rank": False, **(promise or {})}
    trees = _trees(library)
    wanted = {record.id: record for record in truth}
    judged: list[tuple[str, int, str, bool]] = []  # genus, stratum, rank stood by, wrong
    seen, undecided = set(), 0
    for row in read_answers(answers):
        if "rank" not in row:
            raise InputError(f"{answers}: has no column rank, which says where answers stand")
        record = wanted.get(row["id"])
        if record is None or record.id in seen:
            continue
        seen.add(record.id)
        rank = row.get("rank") or ""
        own = _trees_of(trees, row.get("library"), answers)
        wrong = _is_wrong(row, rank, _right_names(record, own))
        if wrong is None:
            undecided += 1
        else:
            judged.append((_genus(record), _lacking(record, own), rank, wrong))
    if not judged:
        raise InputError(
            f"{answers}: none of its {'ids is' if not seen else 'answers can be judged by what is'}"
            " among the validated records; are these the records that were asked about?"
        )
    table = _Table(judged)
    alpha, mix = float(said["alpha"]), said["novelty"]
    by_stratum = [
        table.by_genus(name, table.stratum == number, alpha if mix is None else None)
        for number, name in enumerate(strata.NAMES)
    ]
    return Check(
        alpha=alpha,
        novelty=tuple(mix) if mix is not None else None,
        overall=table.by_genus("all", np.ones(len(judged), bool), alpha),
        strata=by_stratum if trees else [],
        stops=[table.by_record(rank, alpha if said["by_rank"] else None) for rank in _STOPS],
        unanswered=len(wanted) - len(seen),
        undecided=undecided,
        unplaced=int((table.stratum < 0).sum()) if trees else 0,
    )


def _trees(library: Library | Mapping[str, Library] | None) -> dict[str, _Tree]:
    """Return the trees by the names of their libraries; one that is alone needs none."""
    if library is None:
        return {}
    shelf = {"": library} if isinstance(library, Library) else library
    return {name: _Tree(one) for name, one in shelf.items()}


def _trees_of(trees: Mapping[str, _Tree], name: str | None, answers: Path | str) -> list[_Tree]:
    """Return the trees of the libraries that gave an answer: of a consensus, several."""
    if not trees or (not name and len(trees) == 1):
        return [*trees.values()]
    names = (name or "").split(";")
    if not name or any(one not in trees for one in names):
        told = f"of a library {name!r}" if name else "that do not tell which library they are of"
        raise InputError(
            f"{answers}: holds answers {told}; given are {', '.join(trees)}. Give --library as it "
            "was given to merian identify"
        )
    return [trees[one] for one in names]


def _is_wrong(row: Mapping[str, Any], rank: str, right: Names) -> bool | None:
    """Return whether an answer is wrong; None where the truth does not reach its rank."""
    if not rank:
        return False
    if rank in right:
        return _plain(str(row.get("name") or row.get(rank) or "")).casefold() not in right[rank]
    place = MAIN_RANKS.index(rank) if rank in MAIN_RANKS else 0
    guessed = {r: _plain(str(row.get(r) or "")).casefold() for r in MAIN_RANKS}
    # What is wrong above is wrong, and what is right below is right above.
    if any(guessed[r] and r in right and guessed[r] not in right[r] for r in MAIN_RANKS[:place]):
        return True
    below = MAIN_RANKS[place + 1 :]
    return False if any(guessed[r] and guessed[r] in right.get(r, ()) for r in below) else None


def _genus(record: Truth) -> str:
    """Return what a record counts as: its genus, or what stands for one."""
    ranks = ("genus", "family", "order", "class", "phylum", "kingdom")
    told = next((rank for rank in ranks if rank in record.names), "")
    return f"{told} {record.names.get(told, record.id)}".casefold()


class _Table:
    """Judged answers as columns."""

    def __init__(self, judged: Sequence[tuple[str, int, str, bool]]) -> None:
        genera, places, ranks, wrong = zip(*judged, strict=True)
        self.genus = np.unique(np.array(genera), return_inverse=True)[1]
        self.stratum = np.array(places)
        self.rank = np.array(ranks)
        self.wrong = np.array(wrong, dtype=bool)

    def by_genus(self, name: str, here: NDArray[np.bool_], promised: float | None) -> Figure:
        """Return the mean over genera of the share that is wrong."""
        wrong, count = self._of_genera(here)
        share = wrong / count
        return self._figure(name, here, share, np.ones(len(share)), promised)

    def by_record(self, rank: str, promised: float | None) -> Figure:
        """Return the share that is wrong of the answers that stop at a rank."""
        here = self.rank == rank
        return self._figure(rank, here, *self._of_genera(here), promised)

    def _of_genera(self, here: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        _, number = np.unique(self.genus[here], return_inverse=True)
        count = np.bincount(number).astype(np.float64)
        wrong = np.bincount(number, self.wrong[here], minlength=len(count)).astype(np.float64)
        return wrong, count

    def _figure(
        self,
        name: str,
        here: NDArray[np.bool_],
        upper: Floats,
        lower: Floats,
        promised: float | None,
    ) -> Figure:
        """Return a ratio of sums over genera with its interval."""
        records, genera, wrong = int(here.sum()), len(upper), int(self.wrong[here].sum())
        if not records:
            return Figure(name, 0, 0, 0, None, None, None, "")
        error = float(upper.sum() / lower.sum())
        low, high = _interval(upper, lower)
        verdict = "" if promised is None else _verdict(error, low, genera, promised)
        return Figure(name, records, genera, wrong, error, low, high, verdict)


def _interval(upper: Floats, lower: Floats) -> tuple[float, float]:
    """Return the middle 95 % of a ratio of sums when genera are drawn again."""
    rng = np.random.default_rng(_SEED)
    genera = len(upper)
    drawn = []
    for _ in range(0, _DRAWS, _AT_A_TIME):
        times = rng.multinomial(genera, np.full(genera, 1 / genera), size=_AT_A_TIME)
        drawn.append((times @ upper) / (times @ lower))
    low, high = np.quantile(np.concatenate(drawn), (0.025, 0.975))
    return float(low), float(high)


def _verdict(error: float, low: float, genera: int, alpha: float) -> str:
    """Say whether a promise is kept."""
    if genera < ENOUGH:
        return f"too few genera to say ({ENOUGH} are needed)"
    if error <= alpha:
        return "kept"
    return "above, but within chance" if low <= alpha else "not kept"
