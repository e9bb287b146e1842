"""What a picture is told for: empty, blurred, in pieces, cut by its edge, cut off, unreadable.

Each fault is a condition on what was seen, with the score that decides it, the limit, and a reason
in words. Where no object stands out, nothing is said of its blur or its pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from merian.audit.findings import Finding

__all__ = ["FAULTS", "PictureFault", "fault"]


@dataclass(frozen=True)
class PictureFault:
    """One fault of pictures.

    Attributes:
        name: Of its table, and what a picture is told for.
        title: What was found.
        advice: What it means, and what to do.
        holds: SQL of whether it holds; names of limits stand in braces.
        score: The column that decides.
        limit: The limit's name; none where nothing is measured.
        reason: SQL of the reason in words.
        falling: Whether the smallest score is the worst.
        is_fault: Whether ``--strict`` asks for it.
    """

    name: str
    title: str
    advice: str
    holds: str
    score: str
    limit: str
    reason: str
    falling: bool = False
    is_fault: bool = True


_THERE = "stands_out >= {empty} AND "

FAULTS = (
    PictureFault(
        "empty",
        "Empty pictures",
        "Nothing stands out from the ground. Leave the picture out, or note that the specimen is "
        "lost; a pale or transparent one may be missed by the camera and by this score alike.",
        "stands_out < {empty}",
        "stands_out",
        "empty",
        "printf('the darkest spot stands out by %.1f times the ground''s own reflections, "
        "%.1f are expected of an object', stands_out, {empty})",
        falling=True,
    ),
    PictureFault(
        "blurred",
        "Blurred pictures",
        "The edges of the object are wide: it is out of focus, moved, or was enlarged. Take the "
        "picture again, or do not train on it.",
        _THERE + "blur > {blur}",
        "blur",
        "blur",
        "printf('the object''s edges are as wide as a blur of %.1f pixels of 512 leaves them, "
        "more than %.1f', blur, {blur})",
    ),
    PictureFault(
        "fragmented",
        "Objects in pieces",
        "Most of what stands out lies apart from the largest piece: a broken specimen, loose wings "
        "and legs, debris, or several specimens. The name may be right, the picture shows a part.",
        _THERE + "scattered > {scattered}",
        "scattered",
        "scattered",
        "printf('%.0f %% of what stands out lies apart from the largest piece, more than %.0f %%', "
        "100 * scattered, 100 * {scattered})",
    ),
    PictureFault(
        "cut_by_edge",
        "Objects that the edge of the picture cuts",
        "The object goes on beyond the picture. Nothing is wrong with the file; sizes measured on "
        "it are too small, and what lies outside cannot be seen.",
        _THERE + "cut > {cut}",
        "cut",
        "cut",
        "printf('the picture''s edge cuts the object: %.2f of the root of its area lie at the "
        "edge, more than %.2f', cut, {cut})",
        is_fault=False,
    ),
    PictureFault(
        "file_cut_off",
        "Files that were cut off",
        "The file begins like a picture and ends too early: a copy that broke off, a full disk. "
        "Bring it anew from where it came from.",
        "trouble = 'cut off'",
        "reason",
        "",
        "reason",
    ),
    PictureFault(
        "unreadable",
        "Files that cannot be read",
        "No picture, damaged, too large, or not there. Mend it or take it out of the list.",
        "trouble = 'unreadable'",
        "reason",
        "",
        "reason",
    ),
)


def fault(
    con: duckdb.DuckDBPyConnection,
    one: PictureFault,
    where: str,
    place: Sequence[str],
    limits: Mapping[str, float],
) -> Finding:
    """Return all pictures with a fault, worst first."""
    measured = f"round({one.score}, 4), {limits[one.limit]}, " if one.limit else ""
    order = f"{one.score} {'' if one.falling else 'DESC'}, id, n"
    rows = con.execute(
        f"SELECT {where}, {measured}{one.reason.format(**limits)} "
        f"FROM item JOIN seen USING (n) WHERE {one.holds.format(**limits)} ORDER BY {order}"
    ).fetchall()
    columns = ("score", "limit", "reason") if one.limit else ("reason",)
    return Finding(
        name=one.name,
        title=one.title,
        advice=one.advice,
        noun="picture",
        count=len(rows),
        columns=(*place, *columns),
        rows=rows,
        fault=one.is_fault,
        shown=("picture", "label", *columns),
    )
