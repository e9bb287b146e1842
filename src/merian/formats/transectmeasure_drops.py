"""The tables that GlobalArchive keeps beside dot points: drops of a camera, and counts of points.

They are read by `merian.formats.transectmeasure`, whose docstring says what they look like. Missing
values are empty or ``NA``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from merian.catalogue.sources import Columns, Delimited, Source
from merian.files import existing
from merian.formats.delimited import (
    Head,
    column,
    delimited,
    first_given,
    lacking_columns,
    literal,
    peek_columns,
    read_head,
    terms_of,
)

__all__ = ["BEFORE", "NULLS", "drops", "drops_beside", "kind_of", "label_path", "lacking",
           "table_of"]  # fmt: skip

BEFORE = "transectmeasure:"
"""Stands before all identifiers, so that they are not those of another program."""

NULLS = ("NA",)

_COUNTS = frozenset({"campaignid", "opcode", "count", "caab_code"})
_DROPS = frozenset({"latitude_dd", "longitude_dd", "date_time"})
_IDS = ("opcode", "sample")
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/\d{4}\b.*")
_TAKEN = frozenset({*_DROPS, *_IDS, "campaignid", "depth", "depth_m", "location", "site"})
_UNITS = {"visibility_m": "m"}
_RANKS = ("family", "genus", "species")


def kind_of(path: Path) -> str:
    """Return "counts" or "drops" for a table of GlobalArchive, "" for anything else."""
    here = peek_columns(path, ",")
    here = frozenset(name.strip('"') for name in here)
    if here >= _COUNTS:
        return "counts"
    return "drops" if here >= _DROPS and here & {*_IDS} else ""


def lacking(path: Path) -> str:
    """Return what a table lacks that looks like one of GlobalArchive."""
    return lacking_columns(path, ",", {*_COUNTS, "level_1", "level_2"}) or (
        lacking_columns(path, ",", _DROPS) if peek_columns(path, ",") & {*_IDS} else ""
    )


def label_path(levels: Sequence[str], name: str = "") -> str:
    """Return SQL of the path of a label: the levels that are given, from the widest down.

    Args:
        levels: The columns.
        name: SQL of what stands below them all.
    """
    parts = [*map(column, levels), *([name] if name else [])]
    return f"nullif(concat_ws(' > ', {', '.join(parts) or 'NULL'}), '')"


def drops_beside(path: Path, campaign: str, said: str | None) -> Path | None:
    """Return the table of the drops of a campaign: as the user says, or beside a file."""
    if said is not None:
        return existing(Path(said), "table of drops") if said else None
    if not campaign:
        return None
    wanted = f"{campaign}_metadata.csv".casefold()
    found = [p for p in sorted(path.absolute().parent.iterdir()) if p.name.casefold() == wanted]
    return next((p for p in found if kind_of(p) == "drops"), None)


def table_of(path: Path, said: str | None) -> tuple[list[Source], list[Path], list[str]]:
    """Return the sources of a table of GlobalArchive, the files that they are of, and notes."""
    if kind_of(path) == "drops":
        source, notes = drops(path, "")
        return [source], [path], notes
    head = read_head(path, ",", '"')
    place = head.columns.index("campaignid")
    campaign = next((row[place] for row in head.rows if len(row) > place and row[place]), "")
    sources: list[Source] = [delimited(head, _counts(head), NULLS)]
    inputs, notes = [path], [*head.notes]
    beside = drops_beside(path, campaign, said)
    if beside is not None:
        source, told = drops(beside, campaign)
        sources.append(source)
        inputs.append(beside)
        notes += [f"drops are read from {beside}", *told]
    return sources, inputs, notes


def _counts(head: Head) -> list[Columns]:
    """Feed the classes that were found at a drop, each with the number of its points."""
    levels = [name for name in head.columns if re.fullmatch(r"level_\d+", name)]
    levels.sort(key=lambda name: int(name[6:]))
    named = {"genus", "species"} <= {*head.columns}
    label = label_path(levels, "nullif(concat_ws(' ', genus, species), '')" if named else "")
    event = f"{literal(BEFORE)} || coalesce(campaignid || ':', '') || opcode"
    terms = terms_of(
        head,
        {"campaignid": "datasetName", "family": "family", "genus": "genus"},
        {
            "occurrenceID": f"{event} || ':' || coalesce(caab_code, {label})",
            "basisOfRecord": "'MachineObservation'",
            "eventID": event,
            "organismQuantity": column("count"),
            "organismQuantityType": "'points'",
            "verbatimIdentification": label,
            "taxonConceptID": "'CAAB:' || caab_code",
            "species": "CASE WHEN species NOT IN ('spp', 'sp') THEN genus || ' ' || species END"
            if named else None,
        },
    )  # fmt: skip
    taken = {*_COUNTS, *levels, *_RANKS}
    others = [other for other in head.columns if other not in taken]
    return [Columns("record", terms), *_measured(others, "occurrenceID", terms)]


def drops(path: Path, campaign: str) -> tuple[Delimited, list[str]]:
    """Return the source of a table of drops, and notes.

    Args:
        path: The table.
        campaign: What they are a part of, where the table does not say so.
    """
    head = read_head(path, ",", '"')
    if not campaign and "campaignid" not in head.columns:
        campaign = re.sub(r"(?i)_metadata(\.csv|\.gz)*$", "", path.name)
    within = "campaignid" if "campaignid" in head.columns else literal(campaign)
    event = f"{literal(BEFORE)} || {within} || ':' || {first_given(_IDS, head.columns)}"
    when, notes = _when(head)
    depth = first_given(("depth_m", "depth"), head.columns)
    places = [column(name) for name in ("location", "site") if name in head.columns]
    terms = terms_of(
        head,
        {"latitude_dd": "decimalLatitude", "longitude_dd": "decimalLongitude"},
        {
            "eventID": event,
            "eventType": "'drop'",
            **when,
            "minimumDepthInMeters": depth,
            "maximumDepthInMeters": depth,
            "locality": f"nullif(concat_ws(', ', {', '.join(places)}), '')" if places else None,
        },
    )
    others = [name for name in head.columns if name not in _TAKEN]
    feeds = [Columns("event", terms), *_measured(others, "eventID", terms)]
    return delimited(head, feeds, NULLS), [*head.notes, *notes]


def _measured(names: Sequence[str], subject: str, terms: dict[str, str]) -> list[Columns]:
    return [
        Columns(
            "measurement",
            {
                subject: terms[subject],
                "measurementType": literal(name),
                "measurementValue": column(name),
                **({"measurementUnit": literal(_UNITS[name])} if name in _UNITS else {}),
            },
            where=f"{column(name)} IS NOT NULL",
        )
        for name in names
    ]


def _when(head: Head) -> tuple[dict[str, str | None], list[str]]:
    """Return SQL of the date of a drop, and what had to be worked out to read it.

    14/03/2023 can only be the fourteenth of March; so no row that is written like it is open, as
    long as none has a month beyond twelve.
    """
    raw = column("date_time")
    iso = f"CASE WHEN regexp_matches({raw}, '^[0-9]{{4}}-') THEN {raw} END"
    place = head.columns.index("date_time")
    told = [_DAY_FIRST.fullmatch(row[place]) for row in head.rows if len(row) > place]
    pairs = [(int(one[1]), int(one[2])) for one in told if one]
    verbatim: str | None = f"CASE WHEN NOT regexp_matches({raw}, '^[0-9]{{4}}-') THEN {raw} END"
    if not pairs:
        return {"eventDate": iso, "verbatimEventDate": verbatim}, []
    if max(first for first, _ in pairs) <= 12 or max(second for _, second in pairs) > 12:
        note = "dates such as {}/{}/... may begin with the day or the month; kept as they are"
        return {"eventDate": iso, "verbatimEventDate": verbatim}, [note.format(*pairs[0])]
    shapes = (("%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M"), ("%d/%m/%Y", "%Y-%m-%d"))
    read = [f"strftime(try_strptime({raw}, '{old}'), '{new}')" for old, new in shapes]
    date = f"coalesce({', '.join(read)}, {iso})"
    return {"eventDate": date, "verbatimEventDate": verbatim}, ["dates begin with the day"]
