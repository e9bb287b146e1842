"""``merian taxonomy``: build a checklist, match names to it, move names to a newer version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from merian.cli import screen
from merian.cli.taxonomy_migrate import migrate
from merian.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from merian.taxonomy import Match, Taxonomy

__all__ = ["app"]

app = App(
    name="taxonomy", help="Build a checklist, match names to it, move names to a newer version."
)

app.command(migrate, sort_key=4)

_LISTED = 20  # children and synonyms shown before the rest is only counted


@app.command(sort_key=1)
def build(
    path: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    kind: str | None = None,
    title: str | None = None,
    version: str | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Make a taxonomy from a checklist.

    Args:
        path: The checklist: a file, or a folder with its files.
        out: The folder to write.
        kind: What kind of checklist it is; found from its content if not given.
        title: What to call it; else what it calls itself.
        version: Its version; else what it says.
        quiet: Print the answer and nothing else.
    """
    from merian.taxonomy import read_checklist, save_taxonomy

    with screen.working(f"Reading {path}", quiet):
        taxonomy, report = read_checklist(path, kind=kind, title=title, version=version)
        save_taxonomy(taxonomy, out, report)
    for note in report.notes:
        screen.say(f"note: {note}", quiet)
    print(
        f"{taxonomy.lock}: {report.taxa:,} taxa and "
        f"{screen.counted(report.synonyms, 'synonym')} in {out}"
    )
    if report.problems:
        problems = screen.counted(len(report.problems), "problem")
        print(f"{problems}, each with its line in {out / 'problems.tsv'}:")
        screen.print_table(("times", "problem"), [(n, r) for r, n in report.by_reason().items()])


@app.command(sort_key=2)
def match(
    folder: Path,
    /,
    *names: str,
    file: Path | None = None,
    column: str = "scientificName",
    hint: tuple[str, ...] = (),
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    rank: str | None = None,
    authorship: str | None = None,
    code: str | None = None,
    kingdom: str | None = None,
    phylum: str | None = None,
    class_: Annotated[str | None, Parameter(name="--class")] = None,
    order: str | None = None,
    family: str | None = None,
    genus: str | None = None,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Find names in a taxonomy, and say why where none is found.

    Give names, or a table with --file and --out.

    Args:
        folder: A taxonomy that `merian taxonomy build` made.
        names: The names, each in quotes.
        file: A table of names, CSV or TSV.
        column: The column of the table that holds the names.
        hint: A column that tells homonyms apart, as what=column: family=Familie. Without it,
            columns called like ranks, taxonRank and scientificNameAuthorship are used.
        out: Where to write the table with its answers: .tsv, .csv or .parquet.
        rank: The rank of the names.
        authorship: Who published them.
        code: The code that they were made under: zoological, botanical, bacterial, virus.
        kingdom: The kingdom that they are in.
        phylum: The phylum that they are in.
        class_: The class that they are in.
        order: The order that they are in.
        family: The family that they are in.
        genus: The genus that they are in.
        json: Print JSON, shaped like the answers of GBIF's match service.
        quiet: Print the answer and nothing else.
    """
    from merian.taxonomy import Taxonomy, match_name

    if bool(names) == (file is not None):
        raise InputError("give names, or a table of names with --file and --out; one of the two")
    taxonomy = Taxonomy.open(folder)
    if file is not None:
        _match_file(taxonomy, file, column, hint, out, quiet)
        return
    given = {"kingdom": kingdom, "phylum": phylum, "class": class_, "order": order,
             "family": family, "genus": genus}  # fmt: skip
    higher = {name: value for name, value in given.items() if value}
    found = [
        match_name(taxonomy, n, rank=rank, authorship=authorship, code=code, higher=higher)
        for n in names
    ]
    if json:
        answers = [m.as_dict() for m in found]
        screen.print_json(answers[0] if len(answers) == 1 else answers)
        return
    _print_matches(found)


@app.command(sort_key=3)
def show(folder: Path, name: str | None = None, /, *, json: bool = False) -> None:
    """Show what a taxonomy holds, or the place of one name in it.

    Args:
        folder: A taxonomy that `merian taxonomy build` made.
        name: A name, or an id of the checklist. Without it, counts by rank and status.
        json: Print JSON.
    """
    from merian.taxonomy import Taxonomy

    taxonomy = Taxonomy.open(folder)
    if name is None:
        counts = _counts(taxonomy)
        if json:
            screen.print_json(counts)
            return
        print(f"{taxonomy.lock}\n")
        screen.print_table(("rank", "taxa"), list(counts["ranks"].items()))
        print()
        screen.print_table(("status", "names"), list(counts["statuses"].items()))
        return
    places = [_place(taxonomy, node) for node in _find(taxonomy, name)]
    if json:
        screen.print_json(places)
        return
    for number, place in enumerate(places):
        if number:
            print()
        _print_place(place)


def _match_file(
    taxonomy: Taxonomy,
    file: Path,
    column: str,
    hint: tuple[str, ...],
    out: Path | None,
    quiet: bool,
) -> None:
    """Match a table, and count the answers."""
    from merian.taxonomy import match_table

    if out is None:
        raise InputError(f"{file}: say where to write the answers, with --out answers.tsv")
    hints = screen.pairs("--hint", hint)
    with screen.working(f"Matching {file}", quiet) as job:
        found = match_table(
            taxonomy, file, out, column=column, hints=hints or None, progress=job.tell
        )
    print(f"{found.rows:,} rows with {found.distinct:,} distinct names; the answers are in {out}")
    screen.print_table(("answer", "rows"), list(found.match_types.items()))
    if found.causes:
        print()
        screen.print_table(("cause of NONE", "rows"), list(found.causes.items()))


def _print_matches(found: list[Match]) -> None:
    """Print answers as a table, with the candidates where nothing was chosen."""
    rows = []
    for answer in found:
        taxonomy = answer.taxonomy
        matched = answer.node >= 0
        accepted = taxonomy.name_of(answer.accepted) if matched else None
        rows.append((
            answer.verbatim,
            answer.match_type,
            accepted,
            taxonomy.rank_of(answer.accepted) if matched else None,
            answer.confidence if matched else None,
            _why(answer),
        ))  # fmt: skip
    screen.print_table(("name", "answer", "accepted name", "rank", "confidence", "why"), rows)
    for answer in found:
        if answer.node < 0 and answer.alternatives:
            print(f"\n{screen.printable(answer.verbatim)} could be:")
            columns = ("id", "name", "rank", "under")
            screen.print_table(columns, [_candidate(answer, n) for n in answer.alternatives])


def _why(answer: Match) -> str:
    """Return what decided, in words."""
    notes = [answer.cause or "", answer.note]
    taxonomy = answer.taxonomy
    if answer.node >= 0 and taxonomy.is_synonym(answer.node):
        notes.insert(0, f"synonym {taxonomy.name_of(answer.node)}")
    return "; ".join(note for note in notes if note)


def _candidate(answer: Match, node: int) -> tuple[str, str, str, str]:
    """Return one of several names that could be meant."""
    taxonomy = answer.taxonomy
    full = f"{taxonomy.name_of(node)} {taxonomy.authorship[node]}".strip()
    above = " > ".join(taxonomy.name_of(n) for n in taxonomy.path(node) if n != node)
    return taxonomy.ids[node], full, taxonomy.rank_of(node), above


def _counts(taxonomy: Taxonomy) -> dict[str, Any]:
    """Count taxa by rank and names by status."""
    from collections import Counter

    from merian.taxonomy import RANKS, STATUSES

    ranks = Counter(taxonomy.rank[: taxonomy.taxa].tolist())
    statuses = Counter(taxonomy.status.tolist())
    return {
        "taxonomy": taxonomy.lock.as_dict(),
        "ranks": {RANKS[number]: ranks[number] for number in sorted(ranks)},
        "statuses": {STATUSES[number]: statuses[number] for number in sorted(statuses)},
    }


def _find(taxonomy: Taxonomy, name: str) -> list[int]:
    """Return the nodes of an id or of a name, and say what is near where there is none."""
    from merian.taxonomy import match_name

    node = taxonomy.find_id(name)
    nodes = [node] if node >= 0 else [int(n) for n in taxonomy.find(name)]
    if not nodes:
        near = match_name(taxonomy, name)
        hint = f" Did you mean {taxonomy.name_of(near.node)}?" if near.node >= 0 else ""
        raise NotFoundError(f"{taxonomy.lock} has no id and no name {name!r}.{hint}")
    return nodes


def _place(taxonomy: Taxonomy, node: int) -> dict[str, Any]:
    """Return one node with its lineage, children and synonyms."""
    from merian.taxonomy import STATUSES

    def brief(n: int) -> dict[str, str]:
        full = f"{taxonomy.name_of(n)} {taxonomy.authorship[n]}".strip()
        return {"id": taxonomy.ids[n], "name": full, "rank": taxonomy.rank_of(n)}

    accepted = int(taxonomy.accepted[node])
    return {
        **brief(node),
        "status": STATUSES[taxonomy.status[node]],
        "accepted": brief(accepted),
        "lineage": [brief(n) for n in taxonomy.path(node)],
        "children": [brief(int(n)) for n in taxonomy.children(accepted)],
        "synonyms": [brief(int(n)) for n in taxonomy.synonyms(accepted)],
        "below": len(taxonomy.descendants(accepted)),
    }


def _print_place(place: dict[str, Any]) -> None:
    """Print one node for the eye."""
    print(screen.printable(f"{place['name']} ({place['rank']}, {place['status']})"))
    if place["accepted"]["id"] != place["id"] or place["accepted"]["name"] != place["name"]:
        print(screen.printable(f"a name of {place['accepted']['name']}"))
    for depth, above in enumerate(place["lineage"]):
        print(screen.printable(f"{'  ' * depth}{above['name']} ({above['rank']})"))
    for what in ("children", "synonyms"):
        listed = place[what]
        if listed:
            more = len(listed) - _LISTED
            text = ", ".join(e["name"] for e in listed[:_LISTED])
            print(screen.printable(f"{what}: {text}{f' and {more:,} more' if more > 0 else ''}"))
    if place["below"]:
        print(f"taxa below: {place['below']:,}")
