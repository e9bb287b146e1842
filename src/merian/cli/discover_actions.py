"""``merian discover merge``, ``promote``, ``undo`` and ``list``: what people decide of clusters."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.discover.registry import Registry

__all__ = ["add_actions"]


def add_actions(app: App) -> None:
    """Add these commands to `merian discover`."""
    app.command(merge, sort_key=1)
    app.command(promote, sort_key=2)
    app.command(undo, sort_key=3)
    app.command(list_clusters, name="list", sort_key=4)


def merge(
    kept: Path,
    /,
    *clusters: str,
    who: str,
    why: str = "",
    date: str | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Say that clusters are the same; the first gives its code, the others become aliases.

    It holds in later runs too, and can be undone.

    Args:
        kept: The catalogue, or the folder that `merian discover` wrote.
        clusters: Their codes or names, two or more.
        who: Who says so.
        why: For what reason.
        date: When, as 2026-05-01; today if not given.
        quiet: Print the answer and nothing else.
    """
    from merian.discover.merging import merge as merged

    at = _date(date)
    told = {"do": "merge", "clusters": clusters, "who": who, "why": why, "date": at}
    _change(kept, lambda r: merged(r, clusters, by=_who(who), at=at, why=why), told, quiet)


def promote(
    kept: Path,
    cluster: str,
    /,
    *,
    name: str,
    who: str,
    why: str = "",
    date: str | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Give a cluster a name: a published one, or another provisional one.

    In a catalogue its members are identified by that name, as by a person; one that a person has
    named to a species before keeps that name. It can be undone.

    Args:
        kept: The catalogue, or the folder that `merian discover` wrote.
        cluster: Its code or name.
        name: The name, as in "Carabus granulatus" or "Carabus sp. 3".
        who: Who says so.
        why: For what reason: a paper, a comparison with the type.
        date: When, as 2026-05-01; today if not given.
        quiet: Print the answer and nothing else.
    """
    from merian.discover.merging import promote as promoted

    at = _date(date)
    told = {"do": "promote", "cluster": cluster, "name": name, "who": who, "why": why, "date": at}
    _change(kept, lambda r: promoted(r, cluster, name, by=_who(who), at=at, why=why), told, quiet)


def undo(
    kept: Path,
    entry: int,
    /,
    *,
    who: str,
    why: str = "",
    date: str | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Undo a merge or a promotion, by a further entry of the history.

    Args:
        kept: The catalogue, or the folder that `merian discover` wrote.
        entry: The number of the entry, as `merian discover list --history` shows it.
        who: Who says so.
        why: For what reason.
        date: When, as 2026-05-01; today if not given.
        quiet: Print the answer and nothing else.
    """
    from merian.discover.merging import undo as undone

    at = _date(date)
    told = {"do": "undo", "entry": entry, "who": who, "why": why, "date": at}
    _change(kept, lambda r: undone(r, entry, by=_who(who), at=at, why=why), told, quiet)


def list_clusters(kept: Path, /, *, history: bool = False, json: bool = False) -> None:
    """Show the clusters that are known, or what became of them.

    Args:
        kept: The catalogue, or the folder that `merian discover` wrote.
        history: Show the history.
        json: Print JSON.
    """
    from merian.discover.kept import read_kept
    from merian.discover.tables import CLUSTERS, HISTORY, rows_of

    found = read_kept(kept)
    rows = rows_of(found)["clusterHistory" if history else "cluster"]
    columns = HISTORY if history else CLUSTERS
    if json:
        screen.print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    if history:
        shown = ("entryNumber", "action", "clusterCode", "otherCodes", "name", "agent", "date",
                 "reason")  # fmt: skip
        at = [columns.index(name) for name in shown]
        heads = ("entry", "what", "cluster", "others", "name", "by", "date", "why")
        screen.print_table(heads, [[_cell(row[i]) for i in at] for row in rows])
        return
    screen.print_table(
        ("code", "name", "specimens", "under", "also"),
        [
            (one.code, one.name, one.specimens, f"{one.parent_rank} {one.parent}".strip() or None,
             ", ".join(found.aliases(one.code)) or None)
            for one in found.standing()
        ],
    )  # fmt: skip


def _cell(value: object) -> object:
    return str(value) if isinstance(value, int) else value


def _who(who: str) -> str:
    if not who.strip():
        raise InputError("--who: say who decides this; it stands in the history")
    return " ".join(who.split())


def _date(date: str | None) -> str:
    """Return a date, or today's."""
    from datetime import UTC, datetime

    if date is None:
        return datetime.now(UTC).date().isoformat()
    try:
        return datetime.fromisoformat(date).date().isoformat()
    except ValueError:
        raise InputError(f"--date {date}: expected a date such as 2026-05-01") from None


def _change(
    kept: Path,
    change: Callable[[Registry], Registry],
    told: Mapping[str, object],
    quiet: bool,
) -> None:
    """Read clusters, change them, write them, and say what was done."""
    from merian.discover.kept import read_kept, write_kept

    after = change(read_kept(kept))
    appended = write_kept(kept, after, told)
    entry = after.history[-1]
    others = f" ({', '.join(entry.others)})" if entry.others else ""
    print(screen.printable(
        f"entry {entry.number}: {entry.code}{others} {entry.action}; it is now called {entry.name}"
    ))  # fmt: skip
    if appended is not None:
        print(screen.printable(f"{kept}: {screen.counted(appended, 'identification')} appended"))
    screen.say(
        f"undo it with: merian discover undo {shlex.quote(str(kept))} {entry.number} --who NAME; "
        "the next `merian discover` draws the pages anew",
        quiet or entry.action == "undone",
    )
