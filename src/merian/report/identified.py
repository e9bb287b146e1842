"""The page of a run of ``merian identify``: how far down the answers stand, and which need a look.

It is made from the table of answers alone, whatever its format and however long it is: DuckDB
counts, and only what is shown comes into memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from merian.database import connect
from merian.errors import FormatError
from merian.files import existing, write_text
from merian.identify.wording import FLAGS
from merian.report.page import (
    Bars,
    Figures,
    Histogram,
    Name,
    Note,
    Part,
    Section,
    Table,
    Text,
    page,
)
from merian.taxonomy import MAIN_RANKS

__all__ = ["write_identified"]

_SHOWN = 40  # answers that need a look
_NAMES = 20
_VERDICTS = 12
_PROMISED = "What is promised"
_UNLIKELY = 0.5  # a best guess at the species that is more probably wrong

_READERS = {
    ".tsv": "read_csv({}, delim='\t', quote='', header=true, all_varchar=true)",
    ".txt": "read_csv({}, delim='\t', quote='', header=true, all_varchar=true)",
    ".parquet": "read_parquet({})",
    ".jsonl": "read_json({}, format='newline_delimited')",
    ".ndjson": "read_json({}, format='newline_delimited')",
    ".json": "read_json({})",
}
_TEXTS = ("id", "rank", "name", "runner_up", "group", "verdict", "explanation", "species")
_NUMBERS = ("p", "p_species", "identity", "overlap")
_ITALIC = {"genus", "species"}

# What to do about each flag of `merian.identify.wording`, the most urgent first.
_ADVICE = {
    "equal": "merian explain shows them; mend the library where a label is wrong.",
    "no_match": "Is it the same gene, and free of vector and contamination?",
    "distant": "Is it the same gene? Else add references of its family.",
    "shared_barcode": "Sequence another marker, or have a specialist look.",
    "short": "Sequence more of the barcode.",
    "unnamed": "Whoever names these references names this record.",
    "novel": "Add references of the taxon at which it stands, or sequence some.",
    "single_reference": "Look at the specimen: one record may be mislabelled. Add more of it.",
    "other_strand": "Nothing: both strands are compared.",
}
_HARMLESS = "other_strand"


def write_identified(answers: Path, page: Path) -> None:
    """Write the page of a table of answers.

    Args:
        answers: The table that ``merian identify`` wrote: TSV, Parquet or JSON lines. What is
            told of the run is read from the file beside it, if there is one.
        page: The page to write.
    """
    answers = existing(answers, "table of answers")
    told = _told_beside(answers)
    with connect() as con:
        _open(con, answers)
        sections = [
            _standing(con, told),
            _promise(told),
            _names(con),
            _novelty(con),
            _flags(con),
            _alike(con),
            _look(con),
        ]
    text = _page(answers, [section for section in sections if section.parts], told)
    write_text(page, text)


def _page(answers: Path, sections: Sequence[Section], told: Mapping[str, Any]) -> str:
    stamp = told.get("merian")
    return page(
        "What the barcodes are",
        sections,
        subtitle=f"The answers in {answers.name}, and how far down each of them holds",
        stamp=stamp if isinstance(stamp, Mapping) else None,
    )


# -- reading --------------------------------------------------------------------------------------


def _told_beside(answers: Path) -> dict[str, Any]:
    """Return what stands beside the table about its run; nothing if nothing does."""
    beside = Path(f"{answers}.merian.json")
    if not beside.is_file():
        return {}
    try:
        told = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"not a JSON file ({error})", path=beside) from None
    return told if isinstance(told, dict) else {}


def _open(con: duckdb.DuckDBPyConnection, answers: Path) -> None:
    """Make the view ``answer``: the columns that the page needs, as texts and numbers."""
    suffixes = [suffix for suffix in answers.suffixes if suffix in _READERS]
    if not suffixes:
        raise FormatError(
            f"expected a table of answers that ends with {', '.join(_READERS)}", path=answers
        )
    place = "'" + str(answers).replace("'", "''") + "'"
    source = _READERS[suffixes[-1]].format(place)
    try:
        types = {str(n): str(t) for n, t, *_ in con.sql(f"DESCRIBE FROM {source}").fetchall()}
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise FormatError(f"cannot be read as a table ({reason})", path=answers) from None
    missing = [name for name in ("id", "rank", "name", "p") if name not in types]
    if missing:
        raise FormatError(
            f"has no column {missing[0]}; expected a table that `merian identify` wrote",
            path=answers,
        )
    columns = [f"{_text(name, types)} AS {_quoted(name)}" for name in (*_TEXTS, "flags")]
    columns += [
        f"TRY_CAST({_quoted(name)} AS DOUBLE) AS {_quoted(name)}" if name in types
        else f"NULL::DOUBLE AS {_quoted(name)}"
        for name in _NUMBERS
    ]  # fmt: skip
    con.execute(f"CREATE VIEW answer AS SELECT {', '.join(columns)} FROM {source}")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _text(name: str, types: Mapping[str, str]) -> str:
    """Return a column as a text that is never null; several words have ";" between them."""
    if name not in types:
        return "''"
    listed = types[name].endswith("[]")
    column = f"array_to_string({_quoted(name)}, ';')" if listed else _quoted(name)
    return f"coalesce(CAST({column} AS VARCHAR), '')"


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


def _named(name: str, rank: str) -> str:
    return Name(name) if rank in _ITALIC else name


# -- the sections ---------------------------------------------------------------------------------


def _standing(con: duckdb.DuckDBPyConnection, told: Mapping[str, Any]) -> Section:
    counted = dict(_rows(con, "SELECT rank, count(*) FROM answer GROUP BY 1"))
    aside = _set_aside(told)
    above = sum(n for rank, n in counted.items() if rank not in ("species", "genus", "family"))
    figures: list[tuple[object, str]] = [
        (sum(counted.values()), "answers"),
        (counted.get("species", 0), "named to a species"),
        (counted.get("genus", 0), "named to a genus"),
        (counted.get("family", 0), "named to a family"),
        (above, "named higher up, or not at all"),
    ]
    if aside:
        figures.append((sum(told["set_aside"].values()), "set aside"))
    order = [*reversed(MAIN_RANKS), *sorted(set(counted) - {*MAIN_RANKS, ""}), ""]
    bars = [(rank or "no name", float(counted[rank])) for rank in order if rank in counted]
    return Section(
        "How far down they stand",
        [
            Figures(figures),
            Text(
                "Each record is named as far down the tree as the promise allows, and no farther. "
                "Below that stand best guesses with their probabilities, which promise nothing."
            ),
            *([Bars("Answers by the rank at which they stand", bars)] if bars else []),
            *([aside] if aside else []),
        ],
    )


def _set_aside(told: Mapping[str, Any]) -> Part | None:
    """Return what was set aside, by reason."""
    reasons = told.get("set_aside")
    if not isinstance(reasons, Mapping) or not reasons:
        return None
    rows = [[str(reason), count] for reason, count in reasons.items()]
    return Table(["set aside because", "records"], rows)


def _promise(told: Mapping[str, Any]) -> Section:
    """Return what is promised, as the run wrote it down."""
    lines = told.get("promise")
    if isinstance(lines, str):
        lines = [lines]
    if not isinstance(lines, Sequence) or not lines:
        return Section(_PROMISED, [])
    parts: list[Part] = [Text("\n\n".join(_sentence(str(line)) for line in lines))]
    shares = told.get("novelty")
    if isinstance(shares, Sequence) and len(shares) == 4:
        known, species, genus, family = (100 * float(share) for share in shares)
        whence = "was estimated from these records" if told.get("estimated") else "was given"
        parts.append(
            Note(
                f"The mix {whence}: {known:.1f} % are of a species that the library has, "
                f"{species:.1f} % of a species that it lacks, {genus:.1f} % of a genus and "
                f"{family:.1f} % of a family that it lacks."
            )
        )
    return Section(_PROMISED, [*parts, *_strata(told)])


def _strata(told: Mapping[str, Any]) -> list[Part]:
    """Return how answers fared where it was known what the library lacks."""
    strata = told.get("strata")
    if not isinstance(strata, Sequence):
        return []
    several = any(isinstance(one, Mapping) and "library" in one for one in strata)
    rows = [
        [
            *([one.get("library")] if several else []),
            one.get("name"), one.get("genera"), one.get("records"),
            None if one.get("error") is None else f"{100 * one['error']:.1f} %",
            "yes" if one.get("promised") else "no: too few genera",
        ]
        for one in strata
        if isinstance(one, Mapping)
    ]  # fmt: skip
    caption = "How often simulated answers were wrong; each genus counts as one"
    columns = ["library"] if several else []
    columns += ["records", "genera", "simulated", "wrong", "promised"]
    return [Table(columns, rows, caption)] if rows else []


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:].rstrip('.')}."


def _names(con: duckdb.DuckDBPyConnection) -> Section:
    rows = _rows(
        con,
        "SELECT name, rank, count(*), median(identity) FROM answer WHERE name != '' "
        f"GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT {_NAMES}",
    )
    ((names,),) = _rows(con, "SELECT count(DISTINCT (name, rank)) FROM answer WHERE name != ''")
    scale = _scale(con)
    return Section(
        "Who was found",
        [
            Table(
                ["name", "rank", "answers", "median identity, %"],
                [
                    [_named(name, rank), rank, count,
                     None if identity is None else round(scale * identity, 1)]
                    for name, rank, count, identity in rows
                ],
                "The names that were met most often",
                more=names - len(rows),
            )
        ]
        if rows
        else [],
    )  # fmt: skip


def _scale(con: duckdb.DuckDBPyConnection) -> float:
    """Return what makes an identity a percentage."""
    ((largest,),) = _rows(con, "SELECT max(identity) FROM answer")
    return 100.0 if largest is None or largest <= 1 else 1.0


def _novelty(con: duckdb.DuckDBPyConnection) -> Section:
    # What stands in brackets and behind a semicolon is of one record alone.
    rows = _rows(
        con,
        "SELECT trim(regexp_replace(string_split(verdict, ';')[1], '\\([^)]*\\)', '')), count(*) "
        "FROM answer WHERE verdict != '' GROUP BY 1 ORDER BY 2 DESC, 1",
    )
    table = Table(
        ["verdict", "answers"],
        [[*row] for row in rows[:_VERDICTS]],
        "What the library lacks need not be new to science",
        more=max(0, len(rows) - _VERDICTS),
    )
    return Section("What the library lacks", [table] if rows else [])


def _flags(con: duckdb.DuckDBPyConnection) -> Section:
    rows = _rows(
        con,
        "SELECT trim(flag), count(*) FROM (SELECT unnest(string_split(flags, ';')) AS flag "
        "FROM answer WHERE flags != '') WHERE trim(flag) != '' GROUP BY 1 ORDER BY 2 DESC, 1",
    )
    table = [[flag, count, FLAGS.get(flag), _ADVICE.get(flag)] for flag, count in rows]
    columns = ["flag", "answers", "what it means", "what to do"]
    return Section("Flags", [Table(columns, table)] if table else [])


def _look(con: duckdb.DuckDBPyConnection) -> Section:
    """Return the answers with flags, and those of what the library hardly has."""
    order = ", ".join(f"'{flag}'" for flag in _ADVICE)
    con.execute(
        "CREATE VIEW look AS SELECT *, list_min([coalesce(list_position("
        f"[{order}], trim(flag)), 0) FOR flag IN string_split(flags, ';')]) AS urgency "
        f"FROM answer WHERE flags NOT IN ('', '{_HARMLESS}') "
        f"OR (p_species < {_UNLIKELY} AND rank != 'species')"
    )
    ((count,),) = _rows(con, "SELECT count(*) FROM look")
    rows = _rows(
        con,
        "SELECT id, name, rank, p, identity, flags, explanation FROM look "
        "ORDER BY CASE flags WHEN '' THEN 99 ELSE urgency END, p_species NULLS FIRST, id "
        f"LIMIT {_SHOWN}",
    )
    scale = _scale(con)
    if not rows:
        return Section("Answers that need a look", [Text("There are none.")])
    return Section(
        "Answers that need a look",
        [
            Text(
                "Those with flags, the most urgent first, and those whose best guess at the "
                "species is more probably wrong. "
                "merian explain ID shows how one of them came about, and what would settle it."
            ),
            Table(
                ["record", "stands at", "p", "identity, %", "flags", "why"],
                [
                    [id, _named(name, rank) or None, _rounded(p, 3), _rounded(identity, 1, scale),
                     flags.replace(";", ", ") or None, explanation]
                    for id, name, rank, p, identity, flags, explanation in rows
                ],
                more=count - len(rows),
            ),
        ],
    )  # fmt: skip


def _rounded(value: float | None, digits: int, scale: float = 1.0) -> float | None:
    return None if value is None else round(scale * value, digits)


def _alike(con: duckdb.DuckDBPyConnection) -> Section:
    """Return how alike records and their nearest references are, by the rank stood by."""
    rows = _rows(
        con,
        f"SELECT CASE WHEN rank IN ('species', 'genus') THEN rank ELSE '' END, "
        f"floor({_scale(con)} * identity), count(*) FROM answer "
        "WHERE identity > 0 GROUP BY ALL ORDER BY ALL",
    )
    titles = {"species": "named to a species", "genus": "to a genus", "": "above, or not at all"}
    # As many times the same number: a histogram wants values, and this is a list of pointers.
    series = [
        (title, [bin + 0.5 for kind, bin, count in rows if kind == key for _ in range(count)])
        for key, title in titles.items()
    ]
    series = [(title, values) for title, values in series if values]
    if not series:
        return Section("How alike they are", [])
    lowest = min(70.0, *(bin for _, bin, _ in rows)) if rows[0][1] >= 50 else 70.0
    return Section(
        "How alike they are",
        [
            Histogram(
                "How alike a record and its nearest reference are",
                series,
                [float(edge) for edge in range(int(lowest), 102)],
                "percent identity over what both have; the last bin is 100",
            )
        ],
    )
