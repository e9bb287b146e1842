"""A panel: the library that answers, or several, each asked what is for it.

Where there are several, one a marker, a query goes to the library of the gene that its file names;
where none is named, or more than one library is of it, to the one whose references account for
most of it (`merian.library.neighbours.resemblance`). What is like none of them is not answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from merian.errors import InputError
from merian.identify.answers import answer_line
from merian.identify.chunks import NONE
from merian.identify.identifier import Identifier
from merian.identify.promise import Choice
from merian.identify.queries import Query
from merian.library import Library
from merian.library.neighbours import Finder, finder_of, resemblance
from merian.library.shelf import genes_of, same_gene

__all__ = ["Panel", "open_answerer", "picked", "picker", "reopened"]

Answerer = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Panel:
    """Libraries that answer.

    Attributes:
        identifiers: By the name of the library.
        in_full: Whether answers carry all outcomes, for who reckons on with them.
    """

    identifiers: Mapping[str, Identifier]
    in_full: bool = False

    @staticmethod
    def open(shelf: Mapping[str, Library], choice: Choice, in_full: bool = False) -> Panel:
        """Open libraries for answers."""
        opened = {name: Identifier.open(library, choice) for name, library in shelf.items()}
        return Panel(opened, in_full)

    @property
    def several(self) -> bool:
        """Whether there is more than one library."""
        return len(self.identifiers) > 1

    @property
    def choice(self) -> Choice:
        """What was chosen, the same for all."""
        return next(iter(self.identifiers.values())).choice

    def arguments(self) -> tuple[str, ...]:
        """Return what `open_answerer` needs to open the same in another process."""
        opened = self.identifiers
        folders = [(name, str(one.library.folder)) for name, one in opened.items()]
        hashes = [one.library.hash for one in opened.values()]
        said = {"choice": asdict(self.choice), "in_full": self.in_full}
        return json.dumps(folders), json.dumps(hashes), json.dumps(said)

    def promise(self) -> list[str]:
        """Say in plain words what is promised, for each library."""
        return [
            f"{name}: {line}" if self.several else line
            for name, one in self.identifiers.items()
            for line in one.promised()
        ]

    def strata(self) -> list[dict[str, object]]:
        """Return how simulated answers fared in each stratum, for each library."""
        return [
            {**asdict(stratum), **({"library": name} if self.several else {})}
            for name, one in self.identifiers.items()
            for stratum in one.promise.strata
        ]

    def answerer(self) -> Answerer:
        """Return what answers texts, as `merian.identify.queries.Query.asked` gives them.

        An answer is a line of JSON without id and brackets, or `chunks.NONE` and the reason why
        there is none.
        """
        if not self.several:
            ((name, one),) = self.identifiers.items()
            return lambda asked: self._answers(one, name, [text.split()[-1] for text in asked])
        pick = picker({name: one.library for name, one in self.identifiers.items()})
        return lambda asked: self._of_several(asked, [pick(text) for text in asked])

    def _of_several(self, asked: Sequence[str], picked: Sequence[str]) -> list[str]:
        names = ", ".join(self.identifiers)
        found = [f"{NONE}It is like nothing in any library: {names}." for _ in asked]
        for name, one in self.identifiers.items():
            mine = [place for place, chosen in enumerate(picked) if chosen == name]
            answers = self._answers(one, name, [asked[place].split()[-1] for place in mine])
            for place, answer in zip(mine, answers, strict=True):
                found[place] = answer
        return found

    def _answers(self, one: Identifier, name: str, sequences: Sequence[str]) -> list[str]:
        if not sequences:
            return []
        told: dict[str, object] = {"library": name} if self.several else {}
        if not self.in_full:
            return [answer_line(found, told) for found in one.identify(sequences)]
        found, posterior, _ = one.weigh(sequences)
        lines = []
        for number, answer in enumerate(found):
            part = slice(posterior.offset[number], posterior.offset[number + 1])
            outcomes = zip(
                posterior.rung[part].tolist(), posterior.probability[part].tolist(), strict=True
            )
            kept = [[rung, round(share, _DECIMALS)] for rung, share in outcomes if share >= _LEAST]
            reverse = bool(answer.matches and answer.matches[0].reverse)
            more = {"node": answer.node, "reverse": reverse, "outcomes": kept}
            lines.append(answer_line(answer, {**told, **more}))
        return lines


_LEAST, _DECIMALS = 1e-4, 6  # of the outcomes that are carried


def picker(shelf: Mapping[str, Library]) -> Callable[[str], str]:
    """Return what says which library a text is for; "" for none."""
    finders: dict[str, Finder] = {name: finder_of(library) for name, library in shelf.items()}
    genes = {name: genes_of(name, library) for name, library in shelf.items()}

    def pick(text: str) -> str:
        marker, _, sequence = text.rpartition(" ")
        gene = same_gene(marker)
        of_gene = [name for name in finders if gene and gene in genes[name]]
        if len(of_gene) == 1:
            return of_gene[0]
        told = {name: resemblance(finders[name], sequence) for name in of_gene or finders}
        best = max(told, key=lambda name: told[name])  # of equals the one given first
        return best if told[best] else ""

    return pick


def picked(shelf: Mapping[str, Library], query: Query) -> str:
    """Return the name of the library that answers a query."""
    if len(shelf) == 1:
        return next(iter(shelf))
    name = picker(shelf)(query.asked)
    if not name:
        raise InputError(f"it is like nothing in any library: {', '.join(shelf)}")
    return name


def open_answerer(folders: str, expected: str, settings: str) -> Answerer:
    """Open libraries in a process of their own.

    Args:
        folders: Names and folders, as JSON.
        expected: The hash of each.
        settings: The choice, and whether in full.
    """
    said = json.loads(settings)
    shelf, choice = reopened(folders, expected, said["choice"])
    return Panel.open(shelf, choice, said["in_full"]).answerer()


def reopened(
    folders: str, expected: str, chosen: Mapping[str, Any]
) -> tuple[dict[str, Library], Choice]:
    """Return libraries, and what was chosen, as another process had them."""
    told = dict(chosen)
    if told["novelty"] is not None:
        told["novelty"] = tuple(told["novelty"])
    shelf = {name: Library.open(folder) for name, folder in json.loads(folders)}
    for library, hash in zip(shelf.values(), json.loads(expected), strict=True):
        if library.hash != hash:
            raise InputError(f"{library.folder}: has changed meanwhile; give the command again")
    return shelf, Choice(**told)
