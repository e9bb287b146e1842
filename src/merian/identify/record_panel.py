"""A panel for records: each picture and barcode is answered by its library, then all together.

What one library says of one picture or barcode is an answer of its own, and where a record has more
than one of these the consensus of them is another (see `consensus`). A picture that cannot be read
is set aside with its reason; the rest of its record is answered. Where no library of pictures was
given, those of barcodes are asked about pictures that have learnt to (see `learning_across`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.identify import strata
from merian.identify.answers import answer_line
from merian.identify.chunks import NONE
from merian.identify.consensus import PLACE, Consensus
from merian.identify.determination import Determination
from merian.identify.fusion import Witness
from merian.identify.identifier import Identifier
from merian.identify.learning_across import answers_pictures, refusal
from merian.identify.panel import picker, reopened
from merian.identify.picture_evidence import PictureEvidence
from merian.identify.place_evidence import PlaceEvidence, Spot
from merian.identify.place_words import with_place
from merian.identify.posterior import as_usual, chains_of
from merian.identify.promise import Choice, stands
from merian.identify.record_parts import Part, in_a_cell, says, unknown
from merian.identify.sightings import Sightings, read_sightings
from merian.identify.telling import Found, Teller, rounded
from merian.identify.together import Decided
from merian.identify.unpacking import Unpacker
from merian.image.addresses import Region, address_of
from merian.library import Library
from merian.library.stored_vectors import StoredVectors, stored_vectors
from merian.library.vectors import raw_vectors
from merian.pictures import BadPictureError

__all__ = ["RecordPanel", "open_record_answerer"]

_TOLD = 3  # references of each kind of evidence in a consensus
_AT_ONCE = 8  # pictures that are in memory together

_Wanted = tuple[int, str, Region | None, float | None, str]  # record, address ... id


class RecordPanel:
    """Libraries of barcodes and of pictures that answer about records.

    Attributes:
        shelf: The libraries by name.
        identifiers: By the name of the library; of one of barcodes that is asked about pictures
            there are two.
        choice: What was chosen.
    """

    shelf: Mapping[str, Library]
    identifiers: dict[str, Identifier]
    choice: Choice

    def __init__(
        self,
        shelf: Mapping[str, Library],
        choice: Choice,
        told: Mapping[tuple[int, ...], Decided] | None = None,
        sightings: Sightings | None = None,
        stored: Path | None = None,
    ) -> None:
        """Open libraries for answers.

        Args:
            shelf: By name.
            choice: What is chosen.
            told: What another process has learnt of some of them together.
            sightings: Where and when taxa were met, if place and date are evidence too.
            stored: Where vectors of pictures lie that are taken, as `stored_vectors` has it.
        """
        self.choice, self.shelf, self._stored = choice, shelf, stored
        self.identifiers = {name: Identifier(one, choice) for name, one in shelf.items()}
        self._known: dict[str, StoredVectors | None] = {}
        self._called = {name: name for name in shelf}
        if not any(one.kind == "picture" for one in shelf.values()):
            self._ask_across()
        of = {n: one.evidence.kind for n, one in self.identifiers.items()}
        self._barcodes = [name for name, kind in of.items() if kind == "barcode"]
        self._eyes = {
            name: one.evidence
            for name, one in self.identifiers.items()
            if isinstance(one.evidence, PictureEvidence)
        }
        self._pictures = [*self._eyes]
        self._number = {name: number for number, name in enumerate(self.identifiers)}
        evidence = {name: one.evidence for name, one in self.identifiers.items()}
        self.consensus = Consensus(evidence, choice, told)
        joint = self.consensus.joint
        if sightings is not None:
            libraries = [one.library for one in self.identifiers.values()]
            self.consensus.place = PlaceEvidence(sightings, joint, libraries)
        self._teller = Teller(
            joint.ladder, joint.names.__getitem__, joint.groups.__getitem__, choice.alpha
        )
        self._pick: Callable[[str], str] | None = None
        if len(self._barcodes) > 1:
            self._pick = picker({name: shelf[name] for name in self._barcodes})

    def _ask_across(self) -> None:
        """Ask libraries of barcodes about pictures, where they have learnt what these tell."""
        across = {name: one for name, one in self.shelf.items() if answers_pictures(one)}
        for name, library in across.items():
            own = f"pictures by {name}"
            while own in self.identifiers:
                own += "'"
            self._called[own] = name
            self.identifiers[own] = Identifier(library, self.choice, PictureEvidence(library))

    def arguments(self) -> tuple[str, ...]:
        """Return what `open_record_answerer` needs to open the same in another process."""
        folders = [(name, str(library.folder)) for name, library in self.shelf.items()]
        hashes = [library.hash for library in self.shelf.values()]
        for numbers in self._usual_numbers():
            self.consensus.decided(numbers)
        told = [[key, asdict(value)] for key, value in self.consensus.told.items()]
        said = {"choice": asdict(self.choice), "told": told}
        if self.consensus.place is not None:
            sightings = self.consensus.place.sightings
            said |= {"place": str(sightings.path), "place_hash": sightings.hash}
        if self._stored is not None:
            said |= {"stored": str(self._stored)}
        return json.dumps(folders), json.dumps(hashes), json.dumps(said)

    def promise(self) -> list[str]:
        """Say in plain words what is promised: by each library, and for the consensus."""
        several = len(self.identifiers) > 1
        lines = [
            f"{name}: {line}" if several else line
            for name, one in self.identifiers.items()
            for line in one.promised()
        ]
        for names in self._usual_sets():
            both = [self._number[name] for name in names]
            told = self.consensus.together(both).whole[0].lines()
            lines += [f"{' and '.join(names)} together: {line}" for line in told]
        if self.consensus.place is not None:
            names = [*self.identifiers]
            for both in self._usual_numbers():
                if PLACE in both:
                    who = " and ".join(names[number] for number in both if number != PLACE)
                    told = self.consensus.together(both).promise(piece=False).lines()
                    lines += [f"{who} with place and date: {line}" for line in told]
        return lines

    def _usual_numbers(self) -> list[list[int]]:
        """Return the numbers of libraries that answer together, and those with place and date."""
        sets = [[self._number[name] for name in names] for names in self._usual_sets()]
        if self.consensus.place is None:
            return sets
        alone = [[self._number[name]] for name in self._barcodes]
        alone += [[self._number[self._pictures[0]]]] if len(self._pictures) == 1 else []
        return sets + [[*numbers, PLACE] for numbers in [*sets, *alone]]

    def _usual_sets(self) -> list[list[str]]:
        """Return which libraries answer together: all of pictures, alone and with a barcode's."""
        pictures = self._pictures
        alone = [pictures] if len(pictures) > 1 else []
        return alone + [[barcode, *pictures] for barcode in self._barcodes if pictures]

    def strata(self) -> list[dict[str, object]]:
        """Return how simulated answers fared in each stratum, for each library."""
        return [
            {**asdict(stratum), "library": name}
            for name, one in self.identifiers.items()
            for stratum in one.promise.strata
        ]

    def answers(self, asked: Sequence[str]) -> list[str]:
        """Return answers to records, as `merian.identify.records.Record.asked` gives them.

        An answer is a line of JSON without brackets: the columns of an answer table, with
        ``evidence``, ``library``, ``item`` and ``picture``; ``parts``, the single answers as rows
        of the same columns; ``aside``, what could not be read and why. Or it is `chunks.NONE` and a
        reason.
        """
        records = [json.loads(text) for text in asked]
        parts: list[list[Part]] = [[] for _ in records]
        aside: list[list[list[str]]] = [[] for _ in records]
        self._ask_barcodes(records, parts, aside)
        self._ask_pictures(records, parts, aside)
        spots = [tuple(record["spot"]) if record.get("spot") else None for record in records]
        if self.consensus.place is None:
            spots = [None] * len(spots)
        return [self._line(*both) for both in zip(parts, aside, spots, strict=True)]

    # -- barcodes -------------------------------------------------------------------------------

    def _ask_barcodes(
        self,
        records: Sequence[Mapping[str, Any]],
        parts: list[list[Part]],
        aside: list[list[list[str]]],
    ) -> None:
        asked: dict[str, list[tuple[int, str, str]]] = {name: [] for name in self._barcodes}
        for number, record in enumerate(records):
            for marker, sequence, key in record["barcodes"]:
                name = self._picked(f"{marker} {sequence}" if marker else sequence)
                if name:
                    asked[name].append((number, key, sequence))
                elif self._barcodes:
                    told = ", ".join(self._barcodes)
                    aside[number].append(["", f"it is like nothing in any library: {told}"])
                else:
                    aside[number].append(["", "no library of barcodes was given"])
        for name, rows in asked.items():
            if rows:
                self._ask(name, [(n, key, "") for n, key, _ in rows], [r[2] for r in rows], parts)

    def _picked(self, text: str) -> str:
        """Return the library that is for a barcode, or ""."""
        if self._pick is not None:
            return self._pick(text)
        return self._barcodes[0] if self._barcodes else ""

    def _ask(
        self,
        name: str,
        rows: Sequence[tuple[int, str, str]],
        queries: Sequence[Any],
        parts: list[list[Part]],
    ) -> None:
        one = self.identifiers[name]
        answers, posterior, length = one.weigh(queries)
        usual = as_usual(posterior, one.ladder, strata.expanded(self.choice.novelty))
        for place, ((number, key, picture), answer) in enumerate(zip(rows, answers, strict=True)):
            piece = bool(length[place])
            parts[number].append(Part(name, key, picture, answer, posterior, usual, place, piece))

    # -- pictures -------------------------------------------------------------------------------

    def _ask_pictures(
        self,
        records: Sequence[Mapping[str, Any]],
        parts: list[list[Part]],
        aside: list[list[list[str]]],
    ) -> None:
        wanted: list[_Wanted] = []
        for number, record in enumerate(records):
            for address, region, scale, _, key in record["pictures"]:
                if self._pictures:
                    wanted.append((number, address, region, scale, key))
                else:
                    aside[number].append([address, self._no_eyes()])
        if not wanted:
            return
        seen = self._seen(wanted, aside)
        for name, own in self._eyes.items():
            rows = seen[own.eye_id]
            if rows:
                queries = own.queries(np.stack([vector for *_, vector in rows]))
                self._ask(name, [row[:3] for row in rows], queries, parts)

    def _no_eyes(self) -> str:
        """Return why pictures are not answered."""
        return f"no library of pictures was given; {refusal(self.shelf)}"

    def _seen(
        self, wanted: Sequence[_Wanted], aside: list[list[list[str]]]
    ) -> dict[str, list[tuple[int, str, str, NDArray[np.float16]]]]:
        """Return by encoder the record, id, address and vector of each picture that can be read.

        What is stored is not looked at. Few are read at a time: unpacked they are large.
        """
        opened = {own.eye_id: own for own in self._eyes.values()}  # of one kind but one
        vectors = {id: self._before(id, [one[4] for one in wanted]) for id in opened}
        left = [at for at in range(len(wanted)) if any(at not in had for had in vectors.values())]
        unpack = Unpacker()
        for first in range(0, len(left), _AT_ONCE):
            held: list[int] = []
            items: list[Any] = []
            bad: dict[tuple[int, str, str], None] = {}
            for at in left[first : first + _AT_ONCE]:
                try:
                    items.append(unpack(*wanted[at][1:4]))
                    held.append(at)
                except BadPictureError as why:
                    bad[wanted[at][0], wanted[at][1], str(why)] = None
            for id, own in opened.items() if items else ():
                rejects: list[tuple[int, str]] = []
                made = raw_vectors(own.eye, items, rejects)
                bad |= {(*wanted[held[row]][:2], why): None for row, why in rejects}
                gone = {row for row, _ in rejects}
                vectors[id] |= {at: made[row] for row, at in enumerate(held) if row not in gone}
            for number, address, reason in bad:
                aside[number].append([address, reason])
        return {
            id: [(one[0], one[4], address_of(one[1], one[2]), vectors[id][at])
                 for at, one in enumerate(wanted) if at in vectors[id]]
            for id in opened
        }  # fmt: skip

    def _before(self, encoder: str, media: Sequence[str]) -> dict[int, NDArray[np.float16]]:
        """Return the vectors of pictures that are there already, by their places."""
        if self._stored is None:
            return {}
        if encoder not in self._known:
            self._known[encoder] = stored_vectors(self._stored, encoder)
        there = self._known[encoder]
        found = there.of(media) if there is not None else []
        return {at: vector for at, vector in enumerate(found) if vector is not None}

    # -- together -------------------------------------------------------------------------------

    def _line(
        self, parts: Sequence[Part], aside: Sequence[Sequence[str]], spot: Spot | None
    ) -> str:
        if not parts:
            reasons = "; ".join(reason for _, reason in aside) or "there is nothing to ask about"
            return f"{NONE}{reasons}"
        told: dict[str, object] = {"parts": [], "aside": aside}
        if len(parts) == 1 and spot is None:
            (part,) = parts
            lacking = unknown(self.identifiers[part.library].ladder, *part.outcomes)
            return answer_line(part.answer, {**self._own(part), "unknown": lacking, **told})
        answer = self._together(parts, spot)
        libraries = ";".join(dict.fromkeys(self._called[part.library] for part in parts))
        picture = next((part.picture for part in parts if part.picture), "")
        own = {
            "evidence": "consensus", "library": libraries, "item": None,
            "picture": in_a_cell(picture),
        }  # fmt: skip
        rows = [self._row(part) for part in parts]
        return answer_line(answer, {**own, **told, "parts": rows})

    def _own(self, part: Part) -> dict[str, Any]:
        return {
            "evidence": part.answer.evidence, "library": self._called[part.library],
            "item": part.item, "picture": in_a_cell(part.picture),
        }  # fmt: skip

    def _row(self, part: Part) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(f"{{{answer_line(part.answer, self._own(part))}}}")
        ladder = self.identifiers[part.library].ladder
        return {**row, "unknown": unknown(ladder, *part.outcomes)}

    def _together(self, parts: Sequence[Part], spot: Spot | None) -> Determination:
        """Return the consensus of several answers, or of one with its place."""
        consensus, joint = self.consensus, self.consensus.joint
        witnesses = [
            Witness.of(joint, self._number[part.library], *part.usually, piece=part.piece)
            for part in parts
        ]
        posterior = rounded(consensus.posterior(witnesses, spot))
        chains = chains_of(posterior, joint.ladder)
        numbers = [one.library for one in witnesses]
        decided = consensus.decided(numbers if spot is None else [*numbers, PLACE])
        depth = stands(chains, joint.ladder, decided.thresholds(witnesses))
        matches = [m for part in parts for m in part.answer.matches[:_TOLD]]
        found = Found("consensus", matches, says=[says(part) for part in parts])
        answer = self._teller.determination(posterior, chains, int(depth[0]), 0, found)
        if spot is None or consensus.place is None:
            return answer
        best = self._teller.named_above(int(chains.rung[0, max(int(depth[0]) - 1, 0)]))
        (times,) = consensus.told_by_place(witnesses, spot, [best])
        return with_place(answer, consensus.place, spot, best, float(times))


def open_record_answerer(
    folders: str, expected: str, settings: str
) -> Callable[[Sequence[str]], list[str]]:
    """Open libraries in a process of their own; see `merian.identify.panel.open_answerer`."""
    said = json.loads(settings)
    shelf, choice = reopened(folders, expected, said["choice"])
    told = {tuple(key): Decided(**value) for key, value in said["told"]}
    sightings = read_sightings(said["place"]) if "place" in said else None
    if sightings is not None and sightings.hash != said["place_hash"]:
        raise InputError(f"{sightings.path}: has changed meanwhile; give the command again")
    stored = Path(said["stored"]) if "stored" in said else None
    return RecordPanel(shelf, choice, told, sightings, stored).answers
