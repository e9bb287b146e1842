"""What an import did, and what a catalogue holds, in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

__all__ = ["Info", "RunInfo", "SplitInfo", "Summary"]


@dataclass(frozen=True)
class Summary:
    """What an import did.

    Attributes:
        run: The id of the run.
        format: The format of the input.
        rows_read: Rows of the input, without headers and blank lines.
        added: table -> rows written.
        already: table -> rows that the catalogue held before, by their identifier.
        rejected: ``row: reason`` or ``value TERM: reason`` -> how many were set aside.
        repeats: Rows of the input that repeat an earlier one word for word.
        rows_rejected: Rows set aside.
        values_rejected: Values set aside of rows that were kept.
        notes: What the user should know.
        seconds: How long it took.
        done_before: Whether this very import was complete already, and nothing was written.
    """

    run: str
    format: str
    rows_read: int
    added: Mapping[str, int]
    already: Mapping[str, int]
    rejected: Mapping[str, int]
    repeats: int = 0
    rows_rejected: int = 0
    values_rejected: int = 0
    notes: Sequence[str] = field(default_factory=tuple)
    seconds: float = 0.0
    done_before: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return what the catalogue keeps of it: everything but the clock."""
        kept = asdict(self)
        for name in ("seconds", "done_before"):
            del kept[name]
        return kept

    def as_text(self) -> str:
        """Return the summary in lines for people."""
        if self.done_before:
            return (
                f"already imported: the same {self.format} input is in the catalogue as "
                f"{self.run}. Nothing was written."
            )
        rate = f", {self.rows_read / self.seconds:,.0f} rows/s" if self.seconds > 0.5 else ""
        lines = [f"{_many(self.rows_read, 'row')} of {self.format} in {self.seconds:.1f} s{rate}"]
        lines += [f"  {count:>12,} {table}" for table, count in self.added.items()]
        if self.already:
            held = ", ".join(f"{count:,} {table}" for table, count in self.already.items())
            lines.append(f"already there: {held}")
        if self.repeats:
            lines.append(f"rows that repeat an earlier one word for word: {self.repeats:,}")
        if self.rejected:
            lines.append(
                f"set aside: {_many(self.rows_rejected, 'row')} and "
                f"{_many(self.values_rejected, 'value')} of rows that were kept "
                "(see the table rejects)"
            )
            most = sorted(self.rejected.items(), key=lambda item: (-item[1], item[0]))
            lines += [f"  {count:>12,} {reason}" for reason, count in most[:12]]
            if len(most) > 12:
                lines.append(f"  and {len(most) - 12} further reasons")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _many(count: int, what: str) -> str:
    """Return a count of things in words: ``1 row``, ``2 rows``."""
    return f"{count:,} {what}{'s' * (count != 1)}"


@dataclass(frozen=True)
class RunInfo:
    """One run that wrote into a catalogue."""

    id: str
    verb: str
    inputs: Sequence[str]
    version: str
    finished: str
    taxonomy: Mapping[str, str] | None


@dataclass(frozen=True)
class SplitInfo:
    """One split of the records: its name, how it was made, and the records of each part."""

    name: str
    method: str
    seed: int
    parts: Mapping[str, int]


@dataclass(frozen=True)
class Info:
    """What a catalogue holds.

    Attributes:
        path: The folder.
        tables: table -> rows.
        rejects: ``row: reason`` or ``value TERM: reason`` -> how many were set aside.
        runs: What wrote into it, oldest first.
        names: rank -> distinct names at that rank.
        identified: Occurrences that have a name.
        dates: The first and the last date, or None.
        box: West, south, east and north of all places, or None.
        markers: marker -> sequences.
        taxonomies: The locks of the checklists that its names were matched to.
        splits: The splits of its records, by name.
    """

    path: str
    tables: Mapping[str, int]
    rejects: Mapping[str, int]
    runs: Sequence[RunInfo]
    names: Mapping[str, int]
    identified: int
    dates: tuple[str, str] | None
    box: tuple[float, float, float, float] | None
    markers: Mapping[str, int]
    taxonomies: Sequence[Mapping[str, str]]
    splits: Sequence[SplitInfo] = ()
