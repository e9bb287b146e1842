"""The audit of pictures: which are there twice, and which cannot tell what they show.

Sources are whatever `merian import` reads, or a catalogue. Each picture is looked at once
(`merian.audit.picture_looks`); what is held per picture lies in a database on the disk. A score
says how far a picture is from what is asked, and a limit from where on it is told; both are in the
table of all pictures, so that another limit needs no second look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np

from merian.audit.findings import Audit, Finding, set_aside
from merian.audit.picture_faults import FAULTS, fault
from merian.audit.picture_looks import look_at_all
from merian.audit.picture_pairs import ALIKE, Pairs, alike_pairs
from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.schema import quoted
from merian.database import connect
from merian.errors import InputError
from merian.files import existing
from merian.image.likeness import TURNS
from merian.learn.pack_gather import (
    MEMORY,
    Asked,
    Gathered,
    NothingThereError,
    gather,
    is_catalogue,
    items_sql,
    run_of,
)
from merian.library.reading import Progress, Reject

__all__ = ["Limits", "PictureAudit", "audit_pictures"]

_PLACE = ("picture", "record", "file", "label")
_FILE = (
    "address || if(x IS NULL OR (x, y, w, h) = (0, 0, 1, 1), '', '#xywh=percent:' || "
    "concat_ws(',', x * 100, y * 100, w * 100, h * 100))"
)
_BETWEEN = " | "  # of several labels of one record
_SAID = f"""
SELECT occurrenceID AS record, string_agg(DISTINCT label, '{_BETWEEN}' ORDER BY label) AS labels
FROM (SELECT *, coalesce(verbatimIdentification, scientificName) AS label FROM identification)
WHERE occurrenceID IS NOT NULL AND label IS NOT NULL AND agentType IS DISTINCT FROM 'machine'
    AND replacesIdentificationID IS NULL
GROUP BY occurrenceID HAVING count(DISTINCT lower(trim(label))) > 1
    AND count(DISTINCT runID) = 1 AND count(DISTINCT coalesce(dateIdentified, '')) = 1
ORDER BY record
"""
_WHERE = f"id, record, {_FILE} AS file, label"


@dataclass(frozen=True)
class Limits:
    """From where on a picture is told.

    Attributes:
        empty: Nothing stands out by so many times as much as the ground's own reflections.
        blur: The object's edges are as wide as those that a Gaussian of so many pixels leaves in a
            picture of 512.
        scattered: So much of the object lies apart from its largest piece, as a share.
        cut: So long is the edge of the picture where it cuts the object, by the root of its area.
        alike: The cosine of two looks from which on they are one picture.
    """

    empty: float = 7.0
    blur: float = 1.8
    scattered: float = 0.5
    cut: float = 0.5
    alike: float = ALIKE


@dataclass(frozen=True)
class PictureAudit:
    """What was found, and the table that it was found in.

    Attributes:
        audit: What was found.
        con: Holds ``item`` and ``seen``, and ``flag`` with the faults of each picture.
    """

    audit: Audit
    con: duckdb.DuckDBPyConnection

    def write_scores(self, path: Path) -> None:
        """Write the scores of all pictures."""
        self.con.execute(
            f"COPY (SELECT id AS picture, record, {_FILE} AS file, label, trouble, "
            "width, height, contrast, stands_out, blur, scattered, cut, covers, flags "
            "FROM item JOIN seen USING (n) LEFT JOIN flag USING (n) ORDER BY id, record, n) "
            f"TO {literal(path)} (HEADER, DELIMITER '\t')"
        )


@contextmanager
def audit_pictures(
    sources: Sequence[Path | str],
    *,
    turned: bool = False,
    limits: Limits | None = None,
    asked: Asked | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Iterator[PictureAudit]:
    """Look for all that may be wrong with pictures.

    Args:
        sources: Catalogues, or what can be imported.
        turned: Whether a picture that was turned or mirrored is the same.
        limits: From where on a picture is told.
        asked: What is said about the files.
        processes: How many look at pictures; as many as there are cores if None.
        progress: Is told how far it is.
    """
    limits = limits or Limits()
    if not 0.8 <= limits.alike <= 1:
        raise InputError(f"alike is {limits.alike}; a cosine between 0.8 and 1 is expected")
    if processes is not None and processes < 1:
        raise InputError(f"{processes} processes; 1 or more are needed")
    if not sources:
        raise InputError("give a catalogue or pictures: merian audit pictures SOURCE...")
    paths = [existing(source, "source of pictures") for source in sources]
    asked = Asked("pictures", format=asked.format, options=asked.options) if asked else None
    asked = asked or Asked("pictures")
    tell = progress or (lambda _what, _count: None)
    with TemporaryDirectory(prefix="merian-audit-") as made:
        work = Path(made)
        found = _gathered(paths, asked, work, tell)
        con = connect(work / "pictures.duckdb", memory=MEMORY, spill=work / "spill")
        try:
            _items(con, found)
            _several_labels(con, paths, work)
            looks = look_at_all(con, work, processes, tell)
            tell("comparing pictures", len(looks))
            pairs = alike_pairs(con, looks, limits.alike, turned)
            _register(con, pairs)
            _flags(con, limits)
            audit = _audit(con, paths, found, limits, turned, run_of(paths, asked))
            yield PictureAudit(audit, con)
        finally:
            con.close()


def _gathered(paths: Sequence[Path], asked: Asked, work: Path, tell: Progress) -> Gathered:
    """Return what the sources hold; files of which none is a picture are told one by one too."""
    try:
        return gather(paths, asked, work, tell)
    except NothingThereError as error:
        if error.found is None or not _whole(error.found):
            raise
        return error.found


def _whole(found: Gathered) -> list[tuple[str, str, str, str]]:
    """Return the files that an import could not take for a picture."""
    return [row for row in found.rejects if Path(row[0]).is_file() and not row[1]]


def _items(con: duckdb.DuckDBPyConnection, found: Gathered) -> None:
    """Make the table of pictures, and of files that an import could not take for one."""
    label = f"coalesce(verbatimIdentification, {quoted('scientificName')}, '')"
    con.execute(
        "CREATE TABLE item AS SELECT row_number() OVER (ORDER BY address, id, record) - 1 AS n, "
        f"id, record, address, x, y, w, h, {label} AS label "
        f"FROM ({items_sql(found.tables)}) ORDER BY n"
    )
    first = con.execute("SELECT count(*) FROM item").fetchall()[0][0]
    whole = _whole(found)
    for number, (file, _, content, _) in enumerate(whole):
        con.execute(
            "INSERT INTO item VALUES (?, ?, ?, ?, NULL, NULL, NULL, NULL, '')",
            [first + number, content or file, content or file, file],
        )
    found.rejects[:] = [row for row in found.rejects if row not in whole]


def _several_labels(con: duckdb.DuckDBPyConnection, paths: Sequence[Path], work: Path) -> None:
    """Give pictures of a record that one source names in several ways all of its labels.

    A picture that lies in two classes under one number is one record with two labels, of which one
    stands. What was named anew later, or by a machine, is no contradiction.
    """
    made = 0
    for path in paths:
        place = path
        if not is_catalogue(path):
            place, made = work / f"catalogue{made}", made + 1
        file = work / "said.parquet"
        with Catalogue.open(place, read_only=True, memory=MEMORY) as opened:
            opened.write_table(_SAID, file)
        con.execute(
            "UPDATE item SET label = said.labels "
            f"FROM read_parquet({literal(file)}) said WHERE item.record = said.record"
        )


def _flags(con: duckdb.DuckDBPyConnection, limits: Limits) -> None:
    """Make the table of what each picture is told for."""
    told = asdict(limits)
    cases = ", ".join(
        f"if(coalesce({one.holds.format(**told)}, false), '{one.name}', NULL)" for one in FAULTS
    )
    con.execute(f"CREATE TABLE flag AS SELECT n, concat_ws(';', {cases}) AS flags FROM seen")


def _audit(
    con: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    found: Gathered,
    limits: Limits,
    turned: bool,
    run: str,
) -> Audit:
    """Return all that was found."""
    pictures, files = con.execute(
        "SELECT count(*), count(DISTINCT address) FROM item JOIN seen USING (n)"
    ).fetchall()[0]
    rejects = [
        Reject(file, int(line) if line else None, content, reason)
        for file, line, content, reason in found.rejects
    ]
    return Audit(
        verb="audit pictures",
        title="The pictures, audited",
        subtitle=", ".join(str(path) for path in paths),
        looked_at=[(pictures, "pictures"), (files, "files")],
        findings=[
            _conflicts(con),
            _same(con, "bytes", "same_bytes", "The same file, byte by byte", ""),
            _same(con, "pixels", "same_pixels", "The same pixels in files that differ",
                  "HAVING count(DISTINCT bytes) > 1"),
            _alike(con),
            *(fault(con, one, _WHERE, _PLACE, asdict(limits)) for one in FAULTS),
            set_aside(rejects),
        ],
        settings={
            "sources": run, "turned": turned, "limits": asdict(limits),
        },
    )  # fmt: skip


def _register(con: duckdb.DuckDBPyConnection, pairs: Pairs) -> None:
    """Make the table of pairs that look alike, numbered from the most alike on."""
    con.register("pairs_found", {
        "a": pairs.one, "b": pairs.other, "cosine": pairs.cosine,
        "turn": np.array(TURNS, object)[pairs.turn],
    })  # fmt: skip
    con.execute(
        "CREATE TABLE pair AS SELECT row_number() OVER (ORDER BY cosine DESC, a, b) AS p, * "
        "FROM pairs_found"
    )
    con.unregister("pairs_found")


def _conflicts(con: duckdb.DuckDBPyConnection) -> Finding:
    """Return what is one picture and has several labels: by its pixels, or pairs by their look."""
    rows = con.execute(
        f"""
        WITH named AS (SELECT n, bytes, pixels, lower(trim(label)) AS called
                       FROM seen JOIN item USING (n) WHERE label <> '' AND pixels IS NOT NULL),
        each AS (SELECT * REPLACE (unnest(string_split(called, '{_BETWEEN}')) AS called)
                 FROM named),
        same AS (
            SELECT pixels, count(DISTINCT bytes) > 1 AS differ, min(n) AS first FROM each
            GROUP BY pixels HAVING count(DISTINCT called) > 1
        ), torn AS (
            SELECT if(differ, 1, 0) AS how, first AS which, n FROM same JOIN named USING (pixels)
            UNION ALL
            SELECT 2, p, unnest([a, b]) FROM pair JOIN named x ON x.n = a JOIN named y ON y.n = b
            WHERE x.called <> y.called
        )
        SELECT dense_rank() OVER (ORDER BY how, which),
            ['the same bytes', 'the same pixels', 'looks the same'][how + 1], {_WHERE}
        FROM torn JOIN item USING (n) ORDER BY 1, label, id, n
        """
    ).fetchall()
    return Finding(
        name="conflicts",
        title="One picture under several labels",
        advice=(
            "The same picture, or one that looks the same, has several labels: no more than one "
            "of them is right. Decide for each group, and leave out the others before a model is "
            "trained or tested. Of those that only look alike, look at both first."
        ),
        noun="group",
        count=len({row[0] for row in rows}),
        columns=("group", "how", *_PLACE),
        rows=rows,
        shown=("group", "how", "picture", "label"),
    )


def _same(
    con: duckdb.DuckDBPyConnection, column: str, name: str, title: str, having: str
) -> Finding:
    """Return the groups of pictures with the same hash of their bytes or pixels."""
    having = having or "HAVING count(*) > 1"
    rows = con.execute(
        f"""
        WITH several AS (
            SELECT {column}, min(n) AS first, count(*) AS pictures FROM seen
            WHERE {column} IS NOT NULL GROUP BY {column} {having}
        )
        SELECT dense_rank() OVER (ORDER BY first), pictures, {_WHERE}
        FROM several JOIN seen USING ({column}) JOIN item USING (n) ORDER BY 1, id, n
        """
    ).fetchall()
    return Finding(
        name=name,
        title=title,
        advice=(
            "Keep one of each group. On both sides of a split the others make a test easier than "
            "it is; within one they count a specimen twice."
        ),
        noun="group",
        count=len({row[0] for row in rows}),
        columns=("group", "pictures", *_PLACE),
        rows=rows,
        shown=("group", "pictures", "picture", "label"),
    )


def _alike(con: duckdb.DuckDBPyConnection) -> Finding:
    """Return the pairs of pictures that look alike though their pixels differ."""
    other = _WHERE.replace("id,", "").replace("record,", "")
    rows = con.execute(
        f"""
        WITH told AS (SELECT n, {_WHERE} FROM item),
             others AS (SELECT n, id AS other, {other} FROM item)
        SELECT round(cosine, 4), turn, told.id, told.record, told.file, told.label,
            others.other, others.file, others.label
        FROM pair JOIN told ON told.n = a JOIN others ON others.n = b
        ORDER BY p
        """
    ).fetchall()
    return Finding(
        name="alike",
        title="Pictures that look the same",
        advice=(
            "Saved anew, made smaller, or pictures of one thing taken one after the other. Small "
            "round things before a plain ground look alike without being one: look at both. Of "
            "pictures with the same pixels only the first is listed."
        ),
        noun="pair",
        count=len(rows),
        columns=("likeness", "turned", *_PLACE, "other", "other_file", "other_label"),
        rows=rows,
        shown=("likeness", "turned", "picture", "label", "other", "other_label"),
    )
