"""The page of a run of ``merian identify``: how far down the answers stand, and which need a look.

It is made from the table of answers, whatever its format and however long it is: DuckDB counts, and
only what is shown comes into memory. Where records of pictures were asked about, see `recorded` for
what their page has besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from merian.database import connect
from merian.files import existing, write_text
from merian.identify.wording import FLAGS
from merian.report.answer_table import named, open_answers, rows_of, scale_of, told_beside
from merian.report.page import (
    Bars,
    Figures,
    Histogram,
    Note,
    Part,
    Section,
    Table,
    Text,
    page,
)
from merian.report.recorded import contradictions, gallery, of_records
from merian.taxonomy import MAIN_RANKS

__all__ = ["identified_sections", "write_identified"]

_SHOWN = 40  # answers that need a look
_NAMES = 20
_VERDICTS = 12
_PROMISED = "What is promised"
_UNLIKELY = 0.5  # a best guess at the species that is more probably wrong

# What to do about each flag of `merian.identify.wording`, the most urgent first.
_ADVICE = {
    "equal": "merian explain shows them; mend the library where a label is wrong.",
    "out_of_place": "Check its place and date first, then look at the specimen again.",
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
    told = told_beside(answers)
    with connect() as con:
        open_answers(con, answers)
        sections = identified_sections(con, answers, told)
    write_text(page, _page(answers, sections, told))


def identified_sections(
    con: duckdb.DuckDBPyConnection, answers: Path, told: Mapping[str, Any]
) -> list[Section]:
    """Return what stands on the page.

    Args:
        con: With the view ``answer``; see `merian.report.answer_table.open_answers`.
        answers: The table.
        told: What stands beside it about its run.
    """
    _open_look(con)
    records = [gallery(con, answers), contradictions(answers, told)] if of_records(told) else []
    sections = [
        _standing(con, told),
        *records,
        _promise(told),
        _names(con, told),
        _novelty(con),
        _flags(con),
        _alike(con),
        _look(con, told),
    ]
    return [section for section in sections if section.parts]


def _page(answers: Path, sections: Sequence[Section], told: Mapping[str, Any]) -> str:
    stamp = told.get("merian")
    return page(
        "What the records are" if of_records(told) else "What the barcodes are",
        sections,
        subtitle=f"The answers in {answers.name}, and how far down each of them holds",
        stamp=stamp if isinstance(stamp, Mapping) else None,
    )


def _standing(con: duckdb.DuckDBPyConnection, told: Mapping[str, Any]) -> Section:
    counted = dict(rows_of(con, "SELECT rank, count(*) FROM answer GROUP BY 1"))
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


def _names(con: duckdb.DuckDBPyConnection, told: Mapping[str, Any]) -> Section:
    found = rows_of(
        con,
        "SELECT name, rank, count(*), median(identity) FROM answer WHERE name != '' "
        f"GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT {_NAMES}",
    )
    ((names,),) = rows_of(con, "SELECT count(DISTINCT (name, rank)) FROM answer WHERE name != ''")
    columns, rows = _with_identity(
        con,
        told,
        ["name", "rank", "answers", "median identity, %"],
        [
            [named(name, rank), rank, count, _rounded(identity, 1, scale_of(con))]
            for name, rank, count, identity in found
        ],
    )
    table = Table(columns, rows, "The names that were met most often", more=names - len(rows))
    return Section("Who was found", [table] if rows else [])


def _with_identity(
    con: duckdb.DuckDBPyConnection,
    told: Mapping[str, Any],
    columns: list[str],
    rows: list[list[object]],
) -> tuple[list[str], list[list[object]]]:
    """Return a table without its identities where pictures alone were asked about."""
    ((some,),) = rows_of(con, "SELECT count(identity) FROM answer")
    if some or not of_records(told):
        return columns, rows
    kept = [place for place, column in enumerate(columns) if "identity" not in column]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _novelty(con: duckdb.DuckDBPyConnection) -> Section:
    # What stands in brackets and behind a semicolon is of one record alone.
    rows = rows_of(
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
    rows = rows_of(
        con,
        "SELECT trim(flag), count(*) FROM (SELECT unnest(string_split(flags, ';')) AS flag "
        "FROM answer WHERE flags != '') WHERE trim(flag) != '' GROUP BY 1 ORDER BY 2 DESC, 1",
    )
    table = [[flag, count, FLAGS.get(flag), _ADVICE.get(flag)] for flag, count in rows]
    columns = ["flag", "answers", "what it means", "what to do"]
    return Section("Flags", [Table(columns, table)] if table else [])


def _open_look(con: duckdb.DuckDBPyConnection) -> None:
    """Make the view ``look``: answers with flags, and those of what the library hardly has."""
    order = ", ".join(f"'{flag}'" for flag in _ADVICE)
    con.execute(
        "CREATE VIEW look AS SELECT *, list_min([coalesce(list_position("
        f"[{order}], trim(flag)), 0) FOR flag IN string_split(flags, ';')]) AS urgency "
        f"FROM answer WHERE flags NOT IN ('', '{_HARMLESS}') "
        f"OR (p_species < {_UNLIKELY} AND rank != 'species')"
    )


def _look(con: duckdb.DuckDBPyConnection, told: Mapping[str, Any]) -> Section:
    """Return the answers that need a look."""
    ((count,),) = rows_of(con, "SELECT count(*) FROM look")
    found = rows_of(
        con,
        "SELECT id, name, rank, p, identity, flags, explanation FROM look "
        "ORDER BY CASE flags WHEN '' THEN 99 ELSE urgency END, p_species NULLS FIRST, id "
        f"LIMIT {_SHOWN}",
    )
    if not found:
        return Section("Answers that need a look", [Text("There are none.")])
    scale = scale_of(con)
    columns, rows = _with_identity(
        con,
        told,
        ["record", "stands at", "p", "identity, %", "flags", "why"],
        [
            [id, named(name, rank) or None, _rounded(p, 3), _rounded(identity, 1, scale),
             flags.replace(";", ", ") or None, explanation]
            for id, name, rank, p, identity, flags, explanation in found
        ],
    )  # fmt: skip
    which = (
        "Those with flags, the most urgent first, and those whose best guess at the "
        "species is more probably wrong. "
    )
    return Section(
        "Answers that need a look",
        [Text(which + _how(told)), Table(columns, rows, more=count - len(rows))],
    )


def _how(told: Mapping[str, Any]) -> str:
    """Return where it stands how an answer came about."""
    if of_records(told):
        return (
            "What each picture and each barcode of a record says stands in the table of evidence."
        )
    return "merian explain ID shows how one of them came about, and what would settle it."


def _rounded(value: float | None, digits: int, scale: float = 1.0) -> float | None:
    return None if value is None else round(scale * value, digits)


def _alike(con: duckdb.DuckDBPyConnection) -> Section:
    """Return how alike records and their nearest references are, by the rank stood by."""
    rows = rows_of(
        con,
        f"SELECT CASE WHEN rank IN ('species', 'genus') THEN rank ELSE '' END, "
        f"floor({scale_of(con)} * identity), count(*) FROM answer "
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
