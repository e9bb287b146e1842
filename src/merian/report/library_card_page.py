"""The card of a library as a page, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian.files import write_json, write_text
from merian.identify.clades import HOLDS, TOO_FEW
from merian.identify.promise import ENOUGH
from merian.library.placing import IMPLIED
from merian.report.markdown import in_markdown
from merian.report.page import Bars, Figures, Name, Note, Part, Section, Table, Text, page

__all__ = ["markdown_of", "page_of", "sections_of", "write_card"]

_SHOWN = 40
_ITALIC = {"genus", "species"}
_STRATA = {
    "species present": "species known",
    "species absent": "species new",
    "genus absent": "genus new",
    "family absent": "family new",
}

Card = Mapping[str, Any]


def write_card(card: Card, path: Path) -> None:
    """Write a card as what its name ends with: a page, Markdown or JSON."""
    if path.suffix.lower() == ".json":
        write_json(path, card)
    elif path.suffix.lower() == ".md":
        write_text(path, markdown_of(card))
    else:
        write_text(path, page_of(card))


def page_of(card: Card) -> str:
    """Return the page."""
    return page(
        f"The library {card['library']['name']}",
        sections_of(card),
        subtitle="What it covers, what it was made of, and where a promise can be given"
        if card["promise"]
        else "What it covers, and what it was made of",
        stamp=card["merian"],
    )


def markdown_of(card: Card) -> str:
    """Return the same in Markdown."""
    lines = [f"# The library {card['library']['name']}", ""]
    for section in sections_of(card):
        lines += [f"## {section.title}", ""]
        for part in section.parts:
            lines += [*in_markdown(part), ""]
    foot = card["merian"]
    lines.append(f"Written by Merian {foot['merian']}, run {foot['run']}.")
    return "\n".join(lines) + "\n"


# -- the sections ---------------------------------------------------------------------------------


def sections_of(card: Card) -> list[Section]:
    """Return what stands on the page."""
    promised = [_promise(card)] if card["promise"] else []
    return [_covers(card), *promised, _made_of(card), _aside(card)]


def _covers(card: Card) -> Section:
    counts, rank, kind = card["counts"], card["rank"], card.get("kind", "barcode")
    taxa = counts["taxa"]
    named = counts["named_to"].get("species", 0)
    figures: list[tuple[object, str]] = [
        (counts["records"], "references"),
        (f"{100 * named / max(counts['records'], 1):.0f} %", "of them named to a species"),
        (taxa.get("species", 0), "species"),
        (taxa.get("genus", 0), "genus" if taxa.get("genus") == 1 else "genera"),
        (card[f"shared_{kind}s"], f"species that share a {kind} with another"),
    ]
    if kind == "picture":  # many are classes of a lab and no species
        figures.append((counts["unnamed_groups"], "unnamed groups"))
    rows = card["clades"][rank]
    parts: list[Part] = [] if kind == "picture" and not taxa.get("species") else [_records(card)]
    return Section(
        "What it covers",
        [
            Figures(figures),
            Text(_pictures(card) if kind == "picture" else _sequences(card)),
            Table(
                (rank, "in", "references", "to species", "species", "one record", "share",
                 "genera", "unnamed"),
                [_clade(row, rank, kind) for row in rows[:_SHOWN]],
                "References; how many are named to a species; species, those with one record, "
                f"those that share a {kind} with another; genera; unnamed groups",
                max(0, len(rows) - _SHOWN),
            ),
            *parts,
        ],
    )  # fmt: skip


def _records(card: Card) -> Bars:
    return Bars(
        "Species by how many records each has",
        [(f"{k} record{'' if k == '1' else 's'}", float(n))
         for k, n in card["records_per_species"].items()],
    )  # fmt: skip


def _pictures(card: Card) -> str:
    """Say how many pictures there are, and whose vectors are kept."""
    counts, made = card["counts"], card["encoder"]
    pictures, specimens = counts["pictures"], counts["individuals"]
    told = (
        f"{pictures:,} different picture{'' if pictures == 1 else 's'} of {specimens:,} "
        f"specimen{'' if specimens == 1 else 's'}. Each is kept as {made['dim']:,} numbers by the "
        f"encoder {made['name']} ({made['id']}); its pixels stay where they are."
    )
    if "from" in made:
        came = made["from"]
        told += (
            f" The encoder's weights are those of the package {came['package']} ("
            f"{came['training']}; {came['licence']})."
        )
    return told


def _sequences(card: Card) -> str:
    """Say of which marker the sequences are, and how long."""
    counts, lengths = card["counts"], card["lengths"]
    markers = [f"{name} ({n:,})" for name, n in counts["markers"].items()]
    unsaid = counts["records"] - sum(counts["markers"].values())
    if markers and unsaid:
        markers.append(f"not said ({unsaid:,})")
    told = f"Markers: {', '.join(markers)}. " if markers else "The sources do not name the marker. "
    return (
        f"{told}Half of the sequences are {lengths['median']:,} bases or longer, nine in "
        f"ten from {lengths['p05']:,} to {lengths['p95']:,}.{_cut(card)}"
    )


def _clade(row: Mapping[str, Any], rank: str, kind: str) -> tuple[object, ...]:
    name = row["name"] or "(not said)"
    return (
        Name(name) if rank in _ITALIC and row["name"] else name,
        row["above"],
        row["references"],
        row["named_to_species"],
        row["species"],
        row["species_with_one_record"],
        row[f"species_that_share_a_{kind}"],
        row["genera"],
        row["unnamed_groups"],
    )


def _cut(card: Card) -> str:
    primers = card["settings"].get("primers")
    if not primers:
        return ""
    return (
        f" They are what lies between the primers {primers['forward']} and {primers['reverse']}, "
        "or as much of it as a reference has."
    )


def _promise(card: Card) -> Section:
    promise = card["promise"]
    share = f"{100 * promise['alpha']:g} %"
    parts: list[Part] = [Text("\n\n".join(_sentence(line) for line in promise["lines"]))]
    if not promise["holds"]:
        return Section("Where a promise can be given", parts)
    rows = [
        (
            _STRATA[row["name"]],
            row["genera"],
            row["records"],
            f"{100 * row['error']:.1f} %",
            "yes" if row["promised"] else f"no: {ENOUGH} genera are needed",
        )
        for row in promise["strata"]
    ]
    parts.append(
        Table(
            ("what is asked", "genera", "records asked", "wrong", "promised"),
            rows,
            "In the whole library, of whole barcodes: its own records were asked as if they, their "
            "species, genus or family were not in it",
        )
    )
    told = {row["name"]: row["strata"] for row in promise["clades"]}
    named = [row["name"] for row in card["clades"][card["rank"]] if row["name"] in told]
    parts.append(
        Table(
            (card["rank"], *_STRATA.values()),
            [(name, *(_fared(told[name][s]) for s in _STRATA)) for name in named[:_SHOWN]],
            f"In each {card['rank']}, of the same answers: the share that is wrong, or how many "
            "genera there are where they are too few",
            max(0, len(named) - _SHOWN),
        )
    )
    parts.append(
        Note(
            f"A promise is one over many genera. Where a clade has {ENOUGH} of them, its own share "
            f"of wrong answers is held against {share}: it holds, or it is not shown to. Where it "
            "has fewer, the promise of the whole library is all there is: on average over its "
            "genera, and not for this clade by itself."
        )
    )
    return Section("Where a promise can be given", parts)


def _fared(told: Mapping[str, Any]) -> str:
    if told["verdict"] == TOO_FEW:
        return {0: "none", 1: "1 genus"}.get(told["genera"], f"{told['genera']} genera")
    return f"{'holds' if told['verdict'] == HOLDS else 'not shown'}: {100 * told['error']:.1f} %"


def _sentence(line: str) -> str:
    return line[:1].upper() + line[1:] + "."


def _made_of(card: Card) -> Section:
    sources = card["sources"]
    titled = any("title" in row for row in sources)
    columns = ("file", "references", *(("what it is",) if titled else ()), "licence", "hash")
    rows = [
        (
            row["file"],
            row["references"],
            *((_title(row),) if titled else ()),
            row.get("licence", "not said"),
            row["hash"][:12],
        )
        for row in sources
    ]
    lock = card["taxonomy"]
    named = f"{lock['checklist']} {lock['version']} ({lock['hash']})".replace("  ", " ")
    told = [
        "The names, and the tree, are those of the references themselves."
        if lock["checklist"] == IMPLIED
        else f"The names are those of {named}."
    ]
    parts: list[Part] = [Table(columns, rows[:_SHOWN], more=max(0, len(rows) - _SHOWN))]
    if any("licence" not in row for row in sources):
        told.append(
            "A licence that is not said is not a free one: ask where the file comes from before "
            "you pass the library on."
        )
    screened = card["settings"].get("screening")
    if screened is not None:
        code = screened.get("code")
        told.append(
            "Suspects were looked for: stop codons and shifts in the reading frame"
            + (f" (genetic code {code})" if code else "")
            + ", chimeras, and what is far from all else."
        )
    return Section("What it was made of", [*parts, Text("\n\n".join(told))])


def _title(row: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (row.get("title"), row.get("version"))))


def _aside(card: Card) -> Section:
    aside, conflicts = card["set_aside"], card["conflicts"]
    parts: list[Part] = []
    if aside:
        parts.append(Table(("references", "reason"), [(n, why) for why, n in aside.items()]))
    else:
        parts.append(Text("Nothing was set aside."))
    if conflicts:
        parts.append(
            Table(
                ("conflicts", "of what"),
                [(n, kind) for kind, n in conflicts.items()],
                "Where two sources contradict each other; each stands in conflicts.tsv",
            )
        )
    return Section("What was set aside", parts)
