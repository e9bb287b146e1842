"""``merian explain``: how one answer came about, and what would settle it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from merian.cli import screen
from merian.cli.choosing import BATCH, choice_of, options_of
from merian.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from merian.formats import Options
    from merian.identify import Choice
    from merian.identify.determination import Determination
    from merian.identify.explain import Difference, Explanation, Neighbour
    from merian.identify.explain_place import PlaceSaid
    from merian.identify.layout import Layout
    from merian.identify.queries import Query
    from merian.library import Library

__all__ = ["explain"]

_SHOWN = 10  # outcomes and references
_PLACES = 12  # at which two names differ
_HARDLY = 0.001  # of the probability


def explain(
    id: str = "",
    /,
    *,
    library: Annotated[tuple[Path, ...], Parameter(name=("--library", "-l"))],
    query: Path | None = None,
    sequence: str = "",
    format: str | None = None,
    map: tuple[str, ...] = (),
    set: tuple[str, ...] = (),
    alpha: float = 0.05,
    novelty: str | None = None,
    promise: Literal["all", "rank"] = "all",
    place: Path | None = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Explain how one barcode was named, and what would settle it best.

    Give the options that `merian identify` was given, and the answer is the same.

    Args:
        id: The record's id, as it stands in the file.
        library: The folder of the library. Where several answered, give them as merian identify was
            given them.
        query: The file with the record: FASTA, a table, or whatever else `merian import` reads; or
            the folder of a catalogue.
        sequence: The barcode itself, instead of an id and a file.
        format: The format of the file; found from its content if not given.
        map: What a column means, as column=term: --map Sequenz=sequence. Once or more often.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        alpha: The share of wrong answers that may not be exceeded.
        novelty: How many records are of a species in the library, of a species that is not, of a
            genus that is not, of a family that is not: --novelty 0.7,0.2,0.08,0.02. Without it
            the promise holds for any mixture.
        promise: Whether it bounds the errors of all answers, or of those at each rank.
        place: The list of sightings that `merian identify --place` was given: what place and date
            of the record said, beside what its barcode says.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from merian.identify import Identifier
    from merian.identify.explain import explain as explained
    from merian.identify.panel import picked
    from merian.library.shelf import open_shelf

    if novelty == BATCH:
        raise InputError("--novelty batch: give the four shares that `merian identify` printed")
    choice = choice_of(alpha, novelty, promise)
    if place is not None and query is None:
        raise InputError("--place: the place stands in the record; give its id and --query FILE")
    with screen.working(f"Explaining {id or 'the sequence'}", quiet):
        asked = _asked(id, query, sequence, format, options_of(format, map, set))
        shelf = open_shelf(library)
        name = picked(shelf, asked)
        identifier = Identifier.open(shelf[name], choice)
        found = explained(identifier.trace(asked.sequence), identifier.library)
        said = None
        if place is not None and query is not None:
            options = options_of(format, map, set)
            said = _place_said(shelf, name, asked, choice, place, query, options, format)
    if len(shelf) > 1:
        screen.say(f"answered by the library {name}", quiet)
    if json:
        told = {"place": dataclasses.asdict(said) if said else None} if place else {}
        screen.print_json(_as_dict(id, found) | told)
        return
    _print(id or "the sequence", found)
    if place is not None:
        _print_place(id, said)


def _asked(
    id: str, query: Path | None, sequence: str, format: str | None, options: Options
) -> Query:
    """Return the barcode that is asked for."""
    from merian.identify.lookup import find_barcode, read_barcode
    from merian.identify.queries import Queries, Query

    if sequence and not query:
        return Query(id, read_barcode(sequence))
    if query is None or not id or sequence:
        raise InputError(
            "say which barcode: merian explain ID --library LIBRARY --query FILE, or --sequence "
            "ACGT... in place of the id and the file"
        )
    return find_barcode(Queries([query], options, format), id)


def _place_said(
    shelf: Mapping[str, Library], name: str, asked: Query, choice: Choice, place: Path,
    query: Path, options: Options, format: str | None,
) -> PlaceSaid | None:  # fmt: skip
    """Return what place and date said; None where the record has no place."""
    from merian.identify.explain_place import place_said, spot_of_record
    from merian.identify.record_panel import RecordPanel
    from merian.identify.sightings import read_sightings

    sightings = read_sightings(place)
    spot = spot_of_record(query, asked.id, options, format)
    if spot is None:
        return None
    panel = RecordPanel(shelf, choice, sightings=sightings)
    return place_said(panel, name, asked.sequence, spot)


def _print_place(id: str, said: PlaceSaid | None) -> None:
    print()
    if said is None:
        print(screen.printable(f"{id} has no place, so place and date say nothing of it."))
        return
    screen.print_table(
        ("barcode alone", "place and date", "nearest record", "together", "outcome"),
        [
            (f"{one.alone:.3f}", f"x{one.times:.2g}" if one.times >= 1 else f"/{1 / one.times:.2g}",
             "" if one.nearest is None else f"{one.nearest:,.0f} km", f"{one.probability:.3f}",
             f"something new in {one.name or 'the tree'}" if one.new else one.name)
            for one in said.words
        ],
        title=f"What the place says ({said.latitude:g}, {said.longitude:g})",
    )  # fmt: skip
    print(screen.printable(f"With its place: {said.explanation}"))
    if said.flags:
        print(screen.printable(f"flags: {', '.join(said.flags)}"))


def _print(id: str, found: Explanation) -> None:
    answer = found.trace.determination
    print(screen.printable(f"{id}: {answer.explanation}"))
    if answer.verdict:
        print(screen.printable(answer.verdict))
    if answer.flags:
        print(screen.printable(f"flags: {', '.join(answer.flags)}"))
    print()
    rows = [
        ("x" if one.stands else "", one.rank, one.name, f"{one.probability:.3f}",
         "" if one.threshold is None else f"{one.threshold:.3f}")
        for one in found.path
    ]  # fmt: skip
    screen.print_table(("", "rank", "name", "probability", "needed"), rows, title="The path")
    print(screen.printable(found.stopped))
    _print_outcomes(found)
    _print_neighbours(found)
    for one, layout in found.layouts:
        _print_layout(one, layout)
    _print_differences(found)
    _print_observations(found)


def _print_outcomes(found: Explanation) -> None:
    from merian.identify.wording import outcome_in_words

    outcomes = [one for one in found.outcomes if one.probability >= _HARDLY]
    print()
    screen.print_table(
        ("probability", "outcome"),
        [
            (f"{one.probability:.3f}", f"{'matches ' if one.group else ''}{outcome_in_words(one)}")
            for one in outcomes[:_SHOWN]
        ],
        title="What it may be",
    )
    left = len(found.outcomes) - min(len(outcomes), _SHOWN)
    if left:
        rest = 1 - sum(one.probability for one in outcomes[:_SHOWN])
        print(f"and {screen.counted(left, 'other')}, {max(rest, 0):.3f} together")


def _print_neighbours(found: Explanation) -> None:
    print()
    if not found.neighbours:
        print("No reference aligns with it.")
        return
    shown = found.neighbours[:_SHOWN]
    cosines = [[f"{one.match.cosine:.3f}"] for one in shown if one.match.cosine is not None]
    screen.print_table(
        (
            "reference", "name", "identity", "overlap", "mismatches", "strand",
            *(["cosine"] if cosines else []), "records", "from",
        ),
        [
            (
                one.match.id, one.match.name, f"{100 * one.match.identity:.2f} %",
                one.match.overlap, one.match.mismatches, "-" if one.match.reverse else "+",
                *cosine, one.records, f"{one.reference.file}:{one.reference.line}",
            )
            for one, cosine in zip(shown, cosines or [[]] * len(shown), strict=True)
        ],
        title="The nearest references",
    )  # fmt: skip
    if len(found.neighbours) > _SHOWN:
        print(f"and {len(found.neighbours) - _SHOWN:,} more")


def _print_layout(one: Neighbour, layout: Layout) -> None:
    """Print an alignment in blocks."""
    strand = ", which has the other strand" if layout.reverse else ""
    print(
        f"\nThe query and {screen.printable(one.match.id)} ({screen.printable(one.match.name)}"
        f"{strand})"
    )
    for begin, mine, end, marks, first, theirs, last in layout.blocks():
        print(f"\nquery     {begin:>6} {mine} {end}")
        print(f"{'':17}{marks}".rstrip())
        print(f"reference {first:>6} {theirs} {last}")


def _print_differences(found: Explanation) -> None:
    if len(found.compared) < 2:
        return
    first, second = (screen.printable(name) for name in found.compared)
    print()
    if not found.differences:
        print(f"The references of {first} and {second} differ nowhere in what was read.")
        return
    agrees = [one.agrees for one in found.differences]
    print(
        f"{first} and {second} differ at {screen.counted(len(agrees), 'place')} of the query. It "
        f"has what {first} has at {agrees.count('first')}, what {second} has at "
        f"{agrees.count('second')}."
    )
    screen.print_table(
        ("place", "query", first, second, "agrees with"),
        [
            (one.place, one.query, one.first, one.second, _whom(one, first, second))
            for one in found.differences[:_PLACES]
        ],
    )
    if len(agrees) > _PLACES:
        print(f"and {len(agrees) - _PLACES:,} more")


def _whom(one: Difference, first: str, second: str) -> str:
    return {"first": first, "second": second}.get(one.agrees, one.agrees)


def _print_observations(found: Explanation) -> None:
    print()
    screen.print_table(
        ("of the doubt", "would be settled by", "if"),
        [(f"{100 * one.settles:.0f} %", one.what, one.assumes) for one in found.observations],
        title=f"What could be looked at; the doubt is {found.doubt:.2f}",
    )
    best = found.best
    settles = (
        f", which would settle {100 * best.settles:.0f} % of the doubt" if best.settles else ""
    )
    print(
        "\nThe one observation that would settle it best: "
        f"{screen.printable(best.what)}{settles}. {screen.printable(best.why)}"
    )


def _as_dict(id: str, found: Explanation) -> dict[str, Any]:
    """Return an explanation as values of JSON."""
    from merian.identify.wording import outcome_in_words

    def plain(one: Any) -> dict[str, Any]:
        told = dataclasses.asdict(one)
        if told.get("cosine", 0) is None:  # the library has no encoder
            del told["cosine"]
        return told

    return {
        "id": id,
        "sequence": found.trace.sequence,
        "answer": _answer(found.trace.determination),
        "path": [plain(one) for one in found.path],
        "stopped": found.stopped,
        "outcomes": [{**plain(one), "words": outcome_in_words(one)} for one in found.outcomes],
        "references": [
            {**plain(one.match), "records": one.records, **plain(one.reference), "id": one.match.id}
            for one in found.neighbours
        ],
        "alignments": [
            {"id": one.match.id, **plain(layout), "marks": layout.marks}
            for one, layout in found.layouts
        ],
        "compared": found.compared,
        "differences": [plain(one) for one in found.differences],
        "doubt": found.doubt,
        "settled_best_by": plain(found.best),
        "observations": [plain(one) for one in found.observations],
    }


def _answer(answer: Determination) -> dict[str, Any]:
    fields = {field.name: getattr(answer, field.name) for field in dataclasses.fields(answer)}
    del fields["matches"], fields["node"]
    return fields | {
        "names": dict(answer.names),
        "probabilities": dict(answer.probabilities),
    }
