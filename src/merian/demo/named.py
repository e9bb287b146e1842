"""The section on barcodes: what was promised, how it was kept, and what a rule of 97 % does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from merian.demo.answers import STRATA, Answer, Answers
from merian.demo.thumbs import thumb
from merian.report import (
    Figures,
    Histogram,
    Name,
    Note,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
)
from merian.report.page import Part

__all__ = ["tell_barcodes"]

_PAIRS = 4
_WRONG = 6  # species whose answers are wrong, in the table


def tell_barcodes(answers: Answers, pictures: Mapping[str, Path]) -> Section:
    """Return the section.

    Args:
        answers: The answers beside the truth.
        pictures: By record.
    """
    each = answers.each
    new = [a for a in each if a.stratum]
    wrong = [a for a in each if a.wrong]
    of_new = [a for a in new if a.ruled]
    return Section(
        "What the barcodes say",
        [
            Text(
                f"{answers.references} records with the names of {answers.species} species became "
                f"a library, and {len(each)} barcodes were asked. {len(each) - len(new)} are of "
                f"species that the library has. {len(new)} are not: nobody has sequenced their "
                "species, or described it. An answer is the lowest taxon that the evidence "
                "supports: a species, or a genus, a family or more."
            ),
            Figures(
                [
                    (_percent(len(wrong), len(each)), "of the answers are wrong"),
                    (f"{100 * answers.found.alpha:g} %", "at most are to be wrong"),
                    (_percent(sum(a.ruled_wrong for a in each), sum(a.ruled for a in each)),
                     "of the names are wrong if the nearest reference gives its own at 97 %"),
                    (_percent(len(of_new), len(new)),
                     "of what the library lacks is misnamed by that rule"),
                ]
            ),
            _strata(answers),
            *_promise(answers),
            Histogram(
                "How alike a barcode and its nearest reference are",
                [
                    ("its species is known",
                     [100 * a.identity for a in each if not a.stratum and a.identity]),
                    ("its species is unknown", [100 * a.identity for a in new if a.identity]),
                ],
                [float(edge) for edge in range(76, 101)],
                "percent identity over what both have",
            ),
            Pictures(_pairs(each, pictures), "Barcodes that the 97 % rule names wrongly, the most "
                     "alike first: the specimen, and the reference whose name it would get",
                     width=180),
            *_examples(each),
            *_wrong(wrong),
            Note(
                "No threshold parts known and unknown cleanly, so an answer stops where the "
                "evidence stops. Where the library has one of two species that share a barcode, "
                "the other still gets its name: the barcode holds nothing against it. "
                "merian explain shows how an answer came about, and what would settle it."
            ),
        ],
    )  # fmt: skip


def _strata(answers: Answers) -> Table:
    """Return where answers stand, and how many are wrong, by what the library has of them."""
    groups = [(name, [a for a in answers.each if a.stratum == i]) for i, name in enumerate(STRATA)]
    return Table(
        ["the library has", "asked", "species", "genus", "family", "above", "wrong", "at 97 %",
         "of them wrong"],
        [_row(name, group) for name, group in [*groups, ("all", answers.each)]],
        "At which rank the answers stand, and how many are wrong; beside it what gets a name by "
        "the rule of 97 %",
    )  # fmt: skip


def _row(name: str, group: Sequence[Answer]) -> list[object]:
    ranks = [sum(a.rank == rank for a in group) for rank in ("species", "genus", "family")]
    return [
        name, len(group), *ranks, len(group) - sum(ranks), sum(a.wrong for a in group),
        sum(a.ruled for a in group), sum(a.ruled_wrong for a in group),
    ]  # fmt: skip


def _promise(answers: Answers) -> list[Part]:
    """Return what was promised, on what grounds, and whether it was kept."""
    lines = [f"{line[:1].upper()}{line[1:]}." for line in answers.found.promise]
    told = (
        "Records of a genus are much alike and fail together, so a genus counts as one, however "
        "many its records are. The library learnt how often it errs by holding out its own "
        "records, species, genera and families; it never saw the truth below."
    )
    learnt = {str(one["name"]): one for one in answers.found.strata}
    rows: list[list[object]] = []
    for name, figure in zip(STRATA, answers.check.strata, strict=True):
        one = learnt[figure.name]
        rows.append(
            [name, one["genera"], f"{100 * float(str(one['error'])):.1f} %",
             "yes" if one["promised"] else "no: too few genera", figure.genera,
             _share(figure.error), _range(figure.low, figure.high), figure.verdict or None]
        )  # fmt: skip
    overall = answers.check.overall
    rows.append(
        ["all", None, None, None, overall.genera, _share(overall.error),
         _range(overall.low, overall.high), overall.verdict or None]
    )  # fmt: skip
    return [
        Text("\n\n".join([*lines, told])),
        Table(
            ["the library has", "held out", "wrong", "promised", "asked", "wrong", "95 %",
             "the promise"],
            rows,
            "Genera that the library held out of itself and the share of wrong answers among them, "
            "then the genera that were asked",
        ),
    ]  # fmt: skip


def _examples(each: Sequence[Answer]) -> list[Part]:
    """Return two answers that are worth reading: of what is new, and of a shared barcode."""
    by_likeness = sorted((a for a in each if not a.wrong), key=lambda a: -a.identity)
    new = [a for a in by_likeness if a.stratum and a.ruled and a.rank] or [
        a for a in by_likeness if a.stratum and a.rank
    ]
    shared = [a for a in by_likeness if not a.stratum and "shared_barcode" in a.flags and a.rank]
    chosen = [("new, and not named too far", new), ("two species with one barcode", shared)]
    rows = [
        [what, found[0].id, Name(found[0].truth["species"]), found[0].explanation]
        for what, found in chosen
        if found
    ]
    if not rows:
        return []
    heads = ["", "record", "in truth", "what Merian says"]
    return [Table(heads, rows, "Two answers that stop in time" if len(rows) > 1 else "An answer")]


def _wrong(wrong: Sequence[Answer]) -> list[Part]:
    """Return the answers that are wrong, one line for each pair of a species and a name."""
    groups: dict[tuple[str, str], list[Answer]] = {}
    for answer in wrong:
        groups.setdefault((answer.truth["species"], answer.name), []).append(answer)
    order = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [
        [Name(species), Name(name), found[0].rank, len(found), f"{100 * found[0].identity:.1f} %",
         _once(a.reason for a in found)]
        for (species, name), found in order[:_WRONG]
    ]  # fmt: skip
    heads = ["in truth", "what Merian says", "rank", "records", "nearest reference alike", "why"]
    caption = "The answers that are wrong"
    return [Table(heads, rows, caption, more=len(order) - len(rows))] if rows else []


def _once(texts: Iterable[str]) -> str | None:
    return ", ".join(sorted({text for text in texts if text})) or None


def _pairs(each: Sequence[Answer], pictures: Mapping[str, Path]) -> list[Picture]:
    """Return wrongly named queries beside the references that they would be named after."""
    shown: list[Picture] = []
    seen: set[str] = set()
    for answer in sorted((a for a in each if a.ruled_wrong), key=lambda a: -a.identity):
        species = answer.truth["species"]
        query, reference = pictures.get(answer.id), pictures.get(answer.reference)
        if species in seen or query is None or reference is None:
            continue
        seen.add(species)
        truth = f"in truth {species}"
        if answer.stratum:
            truth += ", which the library lacks"
        if answer.reason:
            truth += f"; {answer.reason}"
        stands = f"{answer.rank} {answer.name}" if answer.rank else "no name"
        truth += f". Merian says {stands}"
        alike = f"{100 * answer.identity:.1f} % alike"
        shown += [
            Picture(thumb(query), answer.id, truth, f"photograph of {answer.id}"),
            Picture(thumb(reference), Name(answer.nearest), alike),
        ]
        if len(seen) == _PAIRS:
            break
    return shown


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _share(error: float | None) -> str | None:
    return None if error is None else f"{100 * error:.1f} %"


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"
