"""Making a split and keeping it: name, seed, settings, and for every record its part and the rule.

A split that is there is never overwritten: the same command does nothing, and another one needs
another name. What is written is written in one transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np

from merian import __version__
from merian.catalogue.checks import literal
from merian.catalogue.splits import groups
from merian.catalogue.splits.benthicnet import benthicnet
from merian.catalogue.splits.bioscan5m import bioscan5m
from merian.catalogue.splits.clibd import clibd
from merian.catalogue.splits.given import by_dates, published
from merian.catalogue.splits.leaks import (
    Leak,
    find_leaks,
    json_of_leaks,
    leaks_of_json,
    pairs_of,
    taxa_of,
)
from merian.catalogue.splits.near_leaks import NearBarcodes, near_leaks
from merian.catalogue.splits.placing import Placing
from merian.catalogue.splits.plan import Plan, checked
from merian.catalogue.splits.records import column, drop_tables, number_records
from merian.catalogue.splits.stratify import at_random, stratified
from merian.database import transaction
from merian.errors import CatalogueError, InputError, did_you_mean
from merian.stamp import run_id

__all__ = ["Progress", "Report", "Stored", "make_split", "part_names", "report_on", "splits_of"]

Progress = Callable[[str, int], None]

_PIECES = {"bioscan-5m": ("barcode",), "clibd": ("barcode",)}


@dataclass(frozen=True)
class Stored:
    """A split that a catalogue holds.

    Attributes:
        name: Of the split.
        method: How the records were divided, in words.
        settings: What decided it.
        seed: Of what was drawn.
        parts: By part: its role, the share asked for, and how many records it has.
        leaks: What stands in several parts.
        records: How many were placed.
        digest: A hash of all placements.
        version: Of Merian.
        notes: What the reader should know; told when it is made.
        done_before: Whether it was there already.
    """

    name: str
    method: str
    settings: dict[str, Any]
    seed: int
    parts: dict[str, dict[str, Any]]
    leaks: list[Leak]
    records: int
    digest: str
    version: str
    notes: tuple[str, ...] = ()
    done_before: bool = False


@dataclass(frozen=True)
class Report:
    """A split looked at closely.

    Attributes:
        split: It.
        pairs: Kind, two parts, shared groups, records of these in the one and in the other.
        taxa: Taxon, part, records.
        reasons: Part, reason, records.
    """

    split: Stored
    pairs: list[tuple[Any, ...]]
    taxa: list[tuple[str, str, int]]
    reasons: list[tuple[str, str, int]]


def make_split(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    contained: groups.Contained | None = None,
    near: NearBarcodes | None = None,
    progress: Progress | None = None,
) -> Stored:
    """Divide the records of a catalogue and keep the split.

    Args:
        con: The catalogue, open for writing.
        plan: What is asked.
        contained: Joins barcodes that lie within others, where the plan wants it.
        near: Finds barcodes that are nearly the same; None looks for no near duplicates.
        progress: Is told what is being done.
    """
    tell = progress or (lambda _what, _done: None)
    checked(plan, list(groups.KINDS))
    asked = {"plan": plan.settings(), "runs": _runs(con)}
    run = run_id("split", {"name": plan.name, **asked})
    started = datetime.now(UTC).replace(tzinfo=None)
    before = {split.name: split for split in splits_of(con)}.get(plan.name)
    if before and con.execute("SELECT 1 FROM run WHERE runID = ?", [run]).fetchall():
        return _again(before)
    try:
        tell("numbering the records", 0)
        count = number_records(con, plan.rank)
        placing = _place(con, plan, count, contained, tell)
        _stage(con, placing)
        digest = _digest(con, placing)
        if before:
            _refuse(before, plan, count, digest)
            return _again(before)
        tell("looking for leaks", count)
        leaks = find_leaks(con, _folded(placing))
        if near is not None:
            tell("looking for near duplicates", count)
            leaks += near_leaks(con, _folded(placing), near)
        tell("writing", count)
        _write(con, plan, placing, digest, json_of_leaks(leaks), run, asked, started)
    finally:
        drop_tables(con)
    made = next(split for split in splits_of(con) if split.name == plan.name)
    return Stored(**{**vars(made), "notes": placing.notes, "leaks": leaks})


def _place(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    count: int,
    contained: groups.Contained | None,
    tell: Progress,
) -> Placing:
    """Return where every record goes."""
    if plan.preset == "random":
        return at_random(plan, count)
    if plan.preset == "published":
        return published(con, count)
    if plan.preset == "benthicnet":
        tell("measuring distances", 0)
        return benthicnet(con, plan, count)
    by = (*_PIECES.get(plan.preset, ()), *plan.by)
    tell("finding what hangs together", 0)
    piece = groups.pieces(
        con, tuple(dict.fromkeys(by)), count, contained if plan.contained else None
    )
    tell("dividing", 0)
    if plan.preset == "dates":
        return by_dates(con, plan, piece)
    if plan.preset == "groups":
        return stratified(plan, piece, column(con, "label", count)[0])
    species, names = column(con, "species", count)
    if plan.preset == "clibd":
        return clibd(plan, piece, species)
    genus, genera = column(con, "genus", count)
    return bioscan5m(plan, piece, (species, names), (genus, genera))


def _stage(con: duckdb.DuckDBPyConnection, placing: Placing) -> None:
    """Put what was decided beside the records, in temporary tables."""
    _table(con, "made", {
        "n": np.arange(len(placing.part), dtype=np.int32), "p": placing.part,
        "piece": placing.piece, "r": placing.reason,
    })  # fmt: skip
    _table(con, "made_reason", {
        "r": np.arange(len(placing.reasons), dtype=np.int32),
        "reason": np.array(placing.reasons, dtype=object),
    })  # fmt: skip
    cases = " ".join(f"WHEN {i} THEN {literal(p.name)}" for i, p in enumerate(placing.parts))
    roles = " ".join(f"WHEN {i} THEN {literal(p.role)}" for i, p in enumerate(placing.parts))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sides AS SELECT n, CASE p {cases} END AS part, "
        f"CASE p {roles} END AS role FROM made"
    ).fetchall()


def _table(con: duckdb.DuckDBPyConnection, name: str, arrays: dict[str, Any]) -> None:
    con.register("arrays__", arrays)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM arrays__").fetchall()
    con.unregister("arrays__")


def _digest(con: duckdb.DuckDBPyConnection, placing: Placing) -> str:
    """Return a hash of which record is in which part; records stand in the order of their ids."""
    ids = con.execute("SELECT count(*), bit_xor(md5_number_lower(n || recordID)) FROM rec")
    digest = hashlib.blake2b(str(ids.fetchall()[0]).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(placing.part).tobytes())
    digest.update(",".join(part.name for part in placing.parts).encode())
    return digest.hexdigest()


def _again(before: Stored) -> Stored:
    return Stored(**{**vars(before), "done_before": True})


def _refuse(before: Stored, plan: Plan, count: int, digest: str) -> None:
    """Say why a split cannot be made under a name that is taken, unless it is the same."""
    said = json.loads(json.dumps(plan.settings()))
    differs = [name for name in said if said[name] != before.settings.get(name)]
    if not differs and digest == before.digest:
        return
    if differs:
        why = "; ".join(f"{n} was {before.settings.get(n)}, now {said[n]}" for n in differs[:3])
    elif count != before.records:
        why = f"it placed {before.records:,} records, and the catalogue has {count:,} now"
    else:
        why = "names, groups or places of the records have changed since"
    raise CatalogueError(
        f"the catalogue has another split {plan.name!r}, and splits are never overwritten ({why}). "
        "Give another --name"
    )


def _write(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    placing: Placing,
    digest: str,
    leaks: str,
    run: str,
    asked: dict[str, Any],
    started: datetime,
) -> None:
    """Write the split, its placements and the run, in one transaction."""
    records = np.bincount(placing.part, minlength=len(placing.parts)).tolist()
    parts = {
        part.name: {"role": part.role, "asked": round(part.share, 6), "records": number}
        for part, number in zip(placing.parts, records, strict=True)
    }
    count = len(placing.part)
    summary = json.dumps({"split": plan.name, "records": count})
    with transaction(con):
        con.execute(
            "INSERT INTO split VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [plan.name, _method(plan), _json(plan.settings()), plan.seed, json.dumps(parts), leaks,
             count, digest, __version__, run],
        ).fetchall()  # fmt: skip
        con.execute(
            f"INSERT INTO placement SELECT {literal(plan.name)}, recordID, part, piece, reason "
            "FROM rec JOIN made USING (n) JOIN sides USING (n) JOIN made_reason USING (r) "
            "ORDER BY n"
        ).fetchall()
        con.execute(
            "INSERT INTO run (runID, verb, arguments, inputs, merianVersion, summary, startedAt, "
            "finishedAt) VALUES (?, 'split', ?, '{}', ?, ?, ?, ?)",
            [run, _json(asked["plan"]), __version__, summary, started,
             datetime.now(UTC).replace(tzinfo=None)],
        ).fetchall()  # fmt: skip


def _method(plan: Plan) -> str:
    """Return how records are divided, in words."""
    if plan.preset == "groups":
        return f"whole by {', '.join(plan.by)}"
    more = f", whole by {', '.join(plan.by)}" if plan.by else ""
    told = {
        "random": "random by record, LEAKS",
        "dates": f"by dates, cut at {', '.join(plan.cuts)}",
    }
    return told.get(plan.preset, plan.preset) + more


def _runs(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the runs that brought records or names."""
    sql = "SELECT runID FROM run WHERE verb <> 'split' ORDER BY 1"
    return [str(run) for (run,) in con.execute(sql).fetchall()]


def _folded(placing: Placing) -> bool:
    return not any(part.role == "learn" for part in placing.parts)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def splits_of(con: duckdb.DuckDBPyConnection) -> list[Stored]:
    """Return the splits of a catalogue, by name."""
    rows = con.execute(
        "SELECT splitName, method, settings, seed, parts, leaks, records, digest, merianVersion "
        "FROM split ORDER BY splitName"
    ).fetchall()
    return [
        Stored(n, m, json.loads(s), seed, json.loads(p), leaks_of_json(k), r, d, v)
        for n, m, s, seed, p, k, r, d, v in rows
    ]


def part_names(splits: list[Stored], text: str) -> tuple[Stored, list[str]]:
    """Read ``NAME`` or ``NAME:PART+PART``; return the split and the parts that are meant."""
    name, colon, chosen = text.partition(":")
    found = {split.name: split for split in splits}
    if name not in found:
        there = ", ".join(found) or "none; merian split makes one"
        raise InputError(f"--split {name}: there is no such split. There are: {there}." +
                         did_you_mean(name, found))  # fmt: skip
    split = found[name]
    parts = chosen.split("+") if colon else list(split.parts)
    for part in parts:
        if part not in split.parts:
            raise InputError(
                f"--split {text}: the split has no part {part!r}. It has {', '.join(split.parts)}."
                + did_you_mean(part, split.parts)
            )
    return split, parts


def report_on(con: duckdb.DuckDBPyConnection, name: str) -> Report:
    """Look closely at a split that a catalogue holds.

    Args:
        con: The catalogue, open for writing: temporary tables are made.
        name: Of the split.
    """
    split, _ = part_names(splits_of(con), name)
    roles = " ".join(
        f"WHEN {literal(part)} THEN {literal(told['role'])}" for part, told in split.parts.items()
    )
    try:
        number_records(con, split.settings.get("rank"))
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE sides AS SELECT n, part, CASE part {roles} END AS role "
            f"FROM rec JOIN placement USING (recordID) WHERE splitName = {literal(name)}"
        ).fetchall()
        reasons = con.execute(
            "SELECT part, reason, count(*) FROM placement WHERE splitName = ? "
            "GROUP BY ALL ORDER BY part, count(*) DESC, reason", [name]
        ).fetchall()  # fmt: skip
        return Report(split, pairs_of(con), taxa_of(con), reasons)
    finally:
        drop_tables(con)
