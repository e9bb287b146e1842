"""Samples with their pictures, individuals and metabarcoding replicates, joined by sample code.

A bulk sample is photographed and sequenced by different people, and what comes back are tables that
agree on a code, mostly. Here they are joined in one table with a row for each picture, individual
and replicate, and what does not fit is listed with its reason: a replicate of no sample, an
individual of two, a code that stands twice, a sample without a picture or without DNA, another
number than expected. A row that contradicts others is left out of the table and listed; nothing is
dropped in silence. Where a table names no samples, a thing is of the sample whose code its own code
begins with, as in ``GYTL2T_Rep1``.

Reference: the sample codes of MassID45 (arXiv:2507.06972); expected against detected counts before
an id is given, as the NEON beetle trays are checked (github.com/Imageomics).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.schema import TABLES, quoted
from merian.database import connect
from merian.errors import InputError
from merian.files import existing
from merian.taxonomy.name_table import read_name_table

__all__ = ["JOINED", "SAMPLES", "JoinedSamples", "SampleTables", "column_of", "join_samples"]

_MEMORY = "1GB"
JOINED = ("sample", "what", "id", "picture", "answer", "truth", "count", "probability")
SAMPLES = (
    "sample", "pictures", "individuals", "replicates",
    "expected_pictures", "expected_individuals", "expected_replicates",
)  # fmt: skip
_THINGS = ("picture", "individual", "replicate")
_SAMPLE = "sample sample_id sampleid sample_code samplecode bulk_sample event event_id eventid"
_USUAL = {
    "sample": _SAMPLE,
    "picture": "picture picture_id pictureid image image_id imageid photo tray tray_id file "
    "file_name filename media_id mediaid",
    "individual": "individual individual_id individualid specimen specimen_id specimenid "
    "occurrence_id occurrenceid instance instance_id crop id label",
    "replicate": "replicate replicate_id replicateid run run_accession pcr library",
    "answer": "answer predicted prediction name taxon class",
    "truth": "truth true validated human actual",
    "rank": "rank taxon_rank taxonrank",
    "count": "count n number",
    "probability": "probability p score confidence",
}
# These codes are of one thing wherever they stand; others count anew on each picture.
_EVERYWHERE = frozenset(
    "specimen specimen_id specimenid individual_id individualid occurrence_id occurrenceid".split()
)
_OWN = {"sample": ("sample",), "picture": ("sample", "picture"), "replicate": ("sample",
        "replicate"), "individual": ("sample", "picture", "individual", "answer", "truth", "rank",
        "count", "probability")}  # fmt: skip


@dataclass(frozen=True)
class SampleTables:
    """Where it is told what; None for what is not.

    Attributes:
        sheet: A row for each sample, and how many pictures, individuals and replicates it should
            have, in columns called so or ``expected_pictures`` and so on.
        pictures: A row for each picture.
        individuals: A row for each individual, with its answer.
        replicates: A row for each replicate of metabarcoding.
        catalogue: That pictures and individuals are in, where no table of them is given.
        columns: Column -> what it holds, where its name does not tell.
        sample: The term of a catalogue that is a sample.
    """

    sheet: Path | None = None
    pictures: Path | None = None
    individuals: Path | None = None
    replicates: Path | None = None
    catalogue: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    sample: str = "eventID"


@dataclass(frozen=True, eq=False)
class JoinedSamples:
    """What was joined: the tables ``joined``, ``sample_row``, ``finding`` and ``kept_individual``.

    Attributes:
        con: Where the tables are, until the context is left.
        work: A folder that goes with them.
        told: Which of picture, individual and replicate anything tells of.
    """

    con: duckdb.DuckDBPyConnection
    work: Path
    told: Sequence[str]

    def samples(self) -> list[str]:
        """Return the codes of the samples, in order."""
        return [str(row[0]) for row in self.rows("SELECT sample FROM sample_row ORDER BY sample")]

    def rows(self, sql: str) -> Iterator[tuple[object, ...]]:
        """Yield the rows of a query, some at a time."""
        answer = self.con.execute(sql)
        while some := answer.fetchmany(10_000):
            yield from some


@contextmanager
def join_samples(tables: SampleTables) -> Iterator[JoinedSamples]:
    """Join what the tables tell; what is joined can be asked within the context."""
    given = {
        "picture": tables.pictures, "individual": tables.individuals,
        "replicate": tables.replicates,
    }  # fmt: skip
    if tables.catalogue is None and not any(given.values()):
        raise InputError(
            "nothing is told of samples but their codes; name tables with --pictures, "
            "--individuals or --replicates, or a --catalogue"
        )
    with tempfile.TemporaryDirectory(prefix="merian-sample-") as made:
        work = Path(made)
        con = connect(memory=_MEMORY, spill=work / "spill")
        try:
            con.execute(
                "CREATE TABLE finding (reason VARCHAR, sample VARCHAR, what VARCHAR, id VARCHAR, "
                "line BIGINT, said VARCHAR, aside BOOLEAN)"
            )
            _read_sheet(con, tables, work)
            told = []
            for what in _THINGS:
                file = given[what]
                if file is not None:
                    _read_things(con, what, file, tables.columns, work)
                elif tables.catalogue is not None and what != "replicate":
                    _of_catalogue(con, what, tables.catalogue, tables.sample, work)
                else:
                    con.execute(f"CREATE TABLE raw_{what} AS {_nothing(what)}")
                    continue
                told.append(what)
            _join(con, tables.sheet is not None, told)
            yield JoinedSamples(con, work, told)
        finally:
            con.close()


def column_of(names: Sequence[str], what: str, asked: Mapping[str, str]) -> str:
    """Return the column that holds something, by what was asked or by its usual names; or ""."""
    known = {name.strip().lstrip("\ufeff").lower(): name for name in names}
    told = [known[name.lower()] for name, use in asked.items()
            if use == what and name.lower() in known]  # fmt: skip
    if told:
        return told[0]
    taken = {name.lower() for name, use in asked.items() if use != what}
    usual = _USUAL.get(what, what).split()
    return next((known[name] for name in usual if name in known and name not in taken), "")


def _text(column: str) -> str:
    """Return the SQL of a cell, trimmed, "" where there is none."""
    return f"coalesce(trim(CAST({quoted(column)} AS VARCHAR)), '')" if column else "''"


def _nothing(what: str) -> str:
    columns = ", ".join(f"'' AS {quoted(name)}" for name in (*_OWN[what], "within", "guessed"))
    return f"SELECT 0::BIGINT AS line, {columns} WHERE false"


def _read_sheet(con: duckdb.DuckDBPyConnection, tables: SampleTables, work: Path) -> None:
    """Make the table ``sheet``."""
    expected = ", ".join(f"NULL::BIGINT AS expected_{what}s" for what in _THINGS)
    if tables.sheet is None:
        con.execute(f"CREATE TABLE sheet AS SELECT 0::BIGINT AS line, '' AS sample, {expected} "
                    "WHERE false")  # fmt: skip
        return
    path = existing(tables.sheet, "sheet of samples")
    names = read_name_table(con, path, work)
    code = column_of(names, "sample", tables.columns)
    if not code:
        raise InputError(_no_column(path, names, "sample"))
    columns = []
    for what in _THINGS:
        own = next(
            (n for n in names for form in (f"expected_{what}s", f"{what}s", f"n_{what}s")
             if n.strip().lower() == form), "",
        )  # fmt: skip
        number = f"TRY_CAST({_text(own)} AS BIGINT)" if own else "NULL::BIGINT"
        columns.append(f"{number} AS expected_{what}s")
    con.execute(
        f"CREATE TABLE sheet AS SELECT row_number() OVER () + 1 AS line, {_text(code)} AS sample, "
        f"{', '.join(columns)} FROM asked"
    )
    if not con.execute("SELECT count(*) FROM sheet WHERE sample <> ''").fetchall()[0][0]:
        raise InputError(f"{path}: holds no sample; a row for each is expected")


def _no_column(path: Path, names: Sequence[str], what: str) -> str:
    return (
        f"{path}: none of its columns ({', '.join(names)}) is called as one of {what}s usually is; "
        f"say which it is, with --map COLUMN={what}"
    )


def _read_things(
    con: duckdb.DuckDBPyConnection, what: str, file: Path, asked: Mapping[str, str], work: Path
) -> None:
    """Make the table ``raw_picture``, ``raw_individual`` or ``raw_replicate``."""
    path = existing(file, f"table of {what}s")
    names = read_name_table(con, path, work)
    at = {use: column_of(names, use, asked) for use in _OWN[what]}
    if not at[what]:
        raise InputError(_no_column(path, names, what))
    cells = ", ".join(f"{_text(at[use])} AS {quoted(use)}" for use in _OWN[what])
    counted = what == "individual" and at[what].strip().lower() not in _EVERYWHERE
    within = at["picture"] if counted else ""
    con.execute(
        f"CREATE TABLE raw_{what} AS SELECT row_number() OVER () + 1 AS line, {cells}, "
        f"{_text(within)} AS within, '' AS guessed FROM asked"
    )


def _of_catalogue(
    con: duckdb.DuckDBPyConnection, what: str, path: Path, term: str, work: Path
) -> None:
    """Make ``raw_picture`` or ``raw_individual`` from a catalogue: samples are its events."""
    events = {one.name for one in TABLES["event"].fields}
    finds = {one.name for one in TABLES["occurrence"].fields}
    if term not in events | finds:
        raise InputError(f"--sample {term}: no term of an event or an occurrence")
    called = f"e.{quoted(term)}" if term in events else f"o.{quoted(term)}"
    # A region belongs to the picture that it was cut from.
    shown = (
        f"SELECT DISTINCT CAST({called} AS VARCHAR) AS sample, o.occurrenceID AS individual, "
        "coalesce(m.derivedFromMediaID, m.mediaID) AS picture FROM occurrence o "
        "LEFT JOIN event e USING (eventID) LEFT JOIN material t ON t.occurrenceID = o.occurrenceID "
        "LEFT JOIN media m ON m.occurrenceID = o.occurrenceID "
        "OR m.materialEntityID = t.materialEntityID"
    )
    if what == "picture":
        sql = f"SELECT DISTINCT sample, picture FROM ({shown}) WHERE picture IS NOT NULL"
    else:
        sql = f"SELECT sample, individual, min(picture) AS picture FROM ({shown}) GROUP BY ALL"
    table = work / f"{what}.parquet"
    with Catalogue.open(existing(path, "catalogue"), read_only=True, memory=_MEMORY) as catalogue:
        catalogue.write_table(f"{sql} ORDER BY ALL", table)
    own = {"sample", "picture", "individual"}
    cells = ", ".join(
        f"{_text(use) if use in own else literal('')} AS {quoted(use)}" for use in _OWN[what]
    )
    con.execute(
        f"CREATE TABLE raw_{what} AS SELECT NULL::BIGINT AS line, {cells}, '' AS within, "
        f"'' AS guessed FROM read_parquet({literal(str(table))})"
    )


def _join(con: duckdb.DuckDBPyConnection, with_sheet: bool, told: Sequence[str]) -> None:
    """Make the tables of `JoinedSamples` from what was read."""
    if not with_sheet:
        every = " UNION ".join(f"SELECT sample FROM raw_{what}" for what in _THINGS)
        con.execute(
            "INSERT INTO sheet BY NAME SELECT NULL::BIGINT AS line, sample FROM "
            f"({every}) WHERE sample <> '' ORDER BY sample"
        )
    con.execute(
        "INSERT INTO finding SELECT 'sample without a code', '', 'sample', '', line, "
        "'the row of the sheet names no sample', true FROM sheet WHERE sample = '' UNION ALL "
        "SELECT 'sample twice', sample, 'sample', sample, line, 'is on the sheet a second time; "
        "the first row counts', true FROM sheet WHERE sample <> '' "
        "QUALIFY row_number() OVER (PARTITION BY sample ORDER BY line) > 1"
    )
    con.execute(
        "CREATE TABLE sample_of AS SELECT * FROM sheet WHERE sample <> '' "
        "QUALIFY row_number() OVER (PARTITION BY sample ORDER BY line) = 1"
    )
    for what in told:
        _place(con, what)
        _check(con, what, "picture" in told)
    for what in _THINGS:
        kept = f"SELECT * FROM raw_{what} WHERE false" if what not in told else (
            f"SELECT r.* FROM raw_{what} r WHERE rowid NOT IN (SELECT row FROM aside_{what})"
        )  # fmt: skip
        con.execute(f"CREATE TABLE kept_{what} AS {kept}")
    _count(con, told)
    each = []
    for what in _THINGS:
        own = {name: quoted(name) if name in _OWN[what] else "''" for name in JOINED}
        own |= {"what": literal(what), "id": quoted(what), "sample": "sample"}
        each.append("SELECT " + ", ".join(f"{own[name]} AS {quoted(name)}" for name in JOINED)
                    + f" FROM kept_{what}")  # fmt: skip
    con.execute(f"CREATE TABLE joined AS {' UNION ALL '.join(each)}")


def _place(con: duckdb.DuckDBPyConnection, what: str) -> None:
    """Give a sample to what names none: that of its picture, or that its own code begins with."""
    if what == "individual":
        con.execute(
            "UPDATE raw_individual r SET sample = p.sample, guessed = 'yes' FROM (SELECT picture, "
            "min(sample) AS sample FROM raw_picture WHERE sample <> '' AND picture <> '' GROUP BY "
            "picture HAVING count(DISTINCT sample) = 1) p "
            "WHERE r.sample = '' AND r.picture = p.picture"
        )
    con.execute(
        f"UPDATE raw_{what} r SET sample = p.sample, guessed = 'yes' FROM (SELECT t.id, "
        f"arg_max(s.sample, length(s.sample)) AS sample FROM (SELECT DISTINCT {what} AS id "
        f"FROM raw_{what} WHERE sample = '') t JOIN sample_of s ON starts_with(t.id, s.sample) AND "
        "NOT regexp_matches(substr(t.id, length(s.sample) + 1, 1), '[[:alnum:]]') GROUP BY t.id) p "
        f"WHERE r.sample = '' AND r.{what} = p.id"
    )


def _check(con: duckdb.DuckDBPyConnection, what: str, pictures: bool) -> None:
    """List what does not fit of one kind of thing, and which rows are left out for it."""
    article = "an" if what == "individual" else "a"
    clash, lost = "NULL", "false"
    if what == "individual" and pictures:
        clash = "CASE WHEN p.sample <> r.sample THEN p.sample END"
        lost = "r.picture <> '' AND r.picture NOT IN (SELECT picture FROM raw_picture)"
    con.execute(f"""
        CREATE TABLE checked AS SELECT r.rowid AS row, r.line, r.sample, r.{what} AS id,
            s.sample IS NOT NULL AS known, i.sample AS alike, {clash} AS other,
            {lost} AS lost, d.many, d.named,
            row_number() OVER (PARTITION BY r.sample, r.within, r.{what}
                ORDER BY r.line, r.rowid) AS turn
        FROM raw_{what} r LEFT JOIN sample_of s ON s.sample = r.sample
        LEFT JOIN (SELECT lower(sample) AS low, min(sample) AS sample FROM sample_of GROUP BY low) i
            ON i.low = lower(r.sample)
        LEFT JOIN (SELECT within, {what} AS id, count(DISTINCT sample) AS many,
            string_agg(DISTINCT sample, ', ' ORDER BY sample) AS named FROM raw_{what}
            WHERE {what} <> '' AND sample <> '' GROUP BY within, {what}) d
            ON d.within = r.within AND d.id = r.{what}
        {
        "LEFT JOIN (SELECT picture, min(sample) AS sample FROM raw_picture WHERE sample <> '' "
        "GROUP BY picture HAVING count(DISTINCT sample) = 1) p ON p.picture = r.picture"
        if clash != "NULL"
        else ""
    }""")
    con.execute(f"""
        CREATE TABLE found AS SELECT *, CASE
            WHEN id = '' THEN '{what} without a code'
            WHEN sample = '' THEN '{what} that names no sample'
            WHEN NOT known THEN '{what} of no sample'
            WHEN many > 1 THEN '{what} of two samples'
            WHEN turn > 1 THEN '{what} twice'
            WHEN other IS NOT NULL THEN 'individual and its picture of two samples'
            WHEN lost THEN 'individual of no picture' END AS reason FROM checked""")
    con.execute(f"""
        INSERT INTO finding SELECT reason, sample, '{what}', id, line, CASE
            WHEN id = '' THEN 'the row has no code of {article} {what}'
            WHEN sample = '' THEN 'names no sample, and begins with the code of none'
            WHEN NOT known AND alike IS NOT NULL THEN 'no sample has this code; ' || alike
                || ' is the same but for capitals'
            WHEN NOT known THEN 'no sample has this code'
            WHEN many > 1 THEN 'is of ' || many || ' samples: ' || named
            WHEN turn > 1 THEN 'is there a second time; the first row counts'
            WHEN other IS NOT NULL THEN 'its picture is of the sample ' || other
            ELSE 'its picture is not in the table of pictures' END,
            reason <> 'individual of no picture'
        FROM found WHERE reason IS NOT NULL""")
    con.execute(
        f"CREATE TABLE aside_{what} AS SELECT row FROM found WHERE reason IS NOT NULL "
        "AND reason <> 'individual of no picture'"
    )
    con.execute("DROP TABLE checked; DROP TABLE found")


def _count(con: duckdb.DuckDBPyConnection, told: Sequence[str]) -> None:
    """Count what each sample has, and list where that is nothing, or is not what was expected."""
    numbers = ", ".join(
        f"(SELECT count(*) FROM kept_{what} k WHERE k.sample = s.sample) AS {what}s"
        for what in _THINGS
    )
    expected = ", ".join(f"s.expected_{what}s" for what in _THINGS)
    con.execute(f"CREATE TABLE sample_row AS SELECT s.sample, {numbers}, {expected} "
                "FROM sample_of s ORDER BY s.sample")  # fmt: skip
    for what in told:
        lacking = "DNA" if what == "replicate" else f"{'an' if what[0] == 'i' else 'a'} {what}"
        con.execute(
            f"INSERT INTO finding SELECT 'sample without {lacking}', sample, 'sample', sample, "
            f"NULL, 'no {what} of it', false FROM sample_row WHERE {what}s = 0 ORDER BY sample"
        )
        con.execute(
            f"INSERT INTO finding SELECT 'other number of {what}s', sample, 'sample', sample, NULL,"
            f" expected_{what}s || ' {what}s were expected, and there are ' || {what}s, false "
            f"FROM sample_row WHERE expected_{what}s <> {what}s ORDER BY sample"
        )
