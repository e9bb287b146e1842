"""The taxa that DNA lists have, sample by sample, and what earlier samples tell of such lists.

A list is a table with a row for each taxon of a sample (`taxa.tsv` of a metabarcoding run, or any
other): a kind is listed where a row names it, or anything below it by the row's lineage. One name
may be that of two taxa, as Ctenophora is of a phylum and of crane flies: where ranks are told, or
what stands above, these must agree. The same rows tell what stands above a kind. A sample that no
row is of has no list, which is another thing than one on whose list nothing is.

What is known of samples is kept as rows of sample, taxon, lineage, whether it is there and whether
it is listed; with these, later samples are weighed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.database import connect
from merian.errors import FormatError, InputError
from merian.files import existing, write_json
from merian.formats.delimited import write_delimited
from merian.identify.detectability import Detectability, Listings, Steps
from merian.metabarcoding.joined_samples import JoinedSamples, column_of
from merian.stamp import check_stamp
from merian.taxonomy.name_table import read_name_table

__all__ = [
    "LISTINGS",
    "DnaLists",
    "read_detectability",
    "read_dna_lists",
    "read_earlier",
    "read_listings",
    "write_detectability",
    "write_listings",
]

Floats = NDArray[np.float64]

LISTINGS = ("sample", "taxon", "lineage", "present", "listed")
_RANKS = tuple(
    "kingdom phylum subphylum superclass class subclass superorder order suborder infraorder "
    "superfamily family subfamily tribe genus species".split()
)
_NAMES = ("taxon", "name", "scientific_name", "scientificname")
_READS = ("reads", "read_count", "n_reads", "abundance")
_NOT_NAMES = "('', 'null', 'na', 'nan', 'indet.', 'none', 'unclassified')"
_YES, _NO = frozenset(("1", "yes", "true", "y", "t")), frozenset(("0", "no", "false", "n", "f"))
_FORMAT, _VERSION = "merian-detectability", "1.0"


@dataclass(frozen=True, eq=False)
class DnaLists:
    """What the lists have.

    Attributes:
        listed: float64[samples, kinds]; 1, 0, or NaN for a sample without a list.
        paths: The taxa above each kind, from the top; empty where no list has it.
        others: Sample, taxon and lineage of what is listed and is none of the kinds, nor above or
            below one.
        strangers: Codes in the table that are no sample's, and how many rows they have.
    """

    listed: Floats
    paths: Sequence[tuple[str, ...]]
    others: Sequence[tuple[str, str, str]]
    strangers: Sequence[tuple[str, int]]


def read_dna_lists(
    joined: JoinedSamples,
    path: Path,
    columns: Mapping[str, str],
    kinds: Sequence[str],
    ranks: Mapping[str, str] | None = None,
    above: Mapping[str, Sequence[str]] | None = None,
) -> DnaLists:
    """Read the lists of joined samples.

    Args:
        joined: The samples.
        path: The table: a column of the sample or of the replicate, and of the taxon, its lineage
            (names with semicolons between), or its ranks.
        columns: Column -> what it holds, where its name does not tell.
        kinds: Taxa that are asked for.
        ranks: Of what rank kinds are, as far as that is known.
        above: The taxa above kinds, from the top, as far as they are known.
    """
    path = existing(path, "table of taxa")
    con = joined.con
    names = read_name_table(con, path, joined.work)
    con.execute(f"CREATE TABLE dna AS {_lists(path, names, columns)}")
    strangers = con.execute(
        "SELECT sample, count(*) FROM dna WHERE told AND sample NOT IN "
        "(SELECT sample FROM sample_row) GROUP BY sample ORDER BY sample"
    ).fetchall()
    con.execute("DELETE FROM dna WHERE sample NOT IN (SELECT sample FROM sample_row)")
    _find_kinds(con, kinds, ranks or {}, above or {})
    samples = joined.samples()
    at = {sample: number for number, sample in enumerate(samples)}
    listed = np.full((len(samples), len(kinds)), np.nan)
    for (sample,) in joined.rows("SELECT DISTINCT sample FROM dna"):
        listed[at[str(sample)]] = 0.0
    for sample, place in con.execute("SELECT DISTINCT sample, place FROM hit").fetchall():
        listed[at[sample], place] = 1.0
    paths: list[tuple[str, ...]] = [() for _ in kinds]
    most = con.execute(
        "SELECT place, above FROM hit GROUP BY place, above "
        "QUALIFY row_number() OVER (PARTITION BY place ORDER BY count(*) DESC, above) = 1"
    ).fetchall()
    for place, line in most:
        paths[place] = tuple(line)
    others = con.execute(
        "SELECT DISTINCT sample, names[-1], array_to_string(names[:-2], ';') FROM dna "
        "WHERE told AND rowid NOT IN (SELECT row FROM hit) "
        "AND lower(names[-1]) NOT IN (SELECT lower(unnest(above)) FROM hit) ORDER BY ALL"
    ).fetchall()
    return DnaLists(listed, paths, others, strangers)


def _find_kinds(
    con: duckdb.DuckDBPyConnection,
    kinds: Sequence[str],
    ranks: Mapping[str, str],
    above: Mapping[str, Sequence[str]],
) -> None:
    """Make the table ``hit``: which rows of ``dna`` are of which kind or of anything below it."""
    con.execute("CREATE TABLE kind (name VARCHAR, place BIGINT, rank VARCHAR, above VARCHAR[])")
    rows = [
        [kind.lower(), n, ranks.get(kind, "").lower(), [x.lower() for x in above.get(kind, ())]]
        for n, kind in enumerate(kinds)
    ]
    if rows:
        con.executemany("INSERT INTO kind VALUES (?, ?, ?, ?)", rows)
        con.execute(f"UPDATE kind SET rank = '' WHERE rank NOT IN {_RANKS}")
    # A list may leave out ranks: only where those of both are told must the next one above agree.
    con.execute(
        "CREATE TABLE hit AS SELECT row, sample, place, above FROM (SELECT d.rowid AS row, "
        "d.sample, k.place, d.names[:p - 1] AS above, [lower(x) FOR x IN d.names[:p - 1]] AS line, "
        "k.above AS own, k.rank, d.ranks[p] AS here, k.rank <> '' AND d.ranks[p] <> '' AS ranked "
        "FROM (SELECT *, rowid, unnest(range(1, len(names) + 1)) AS p FROM dna WHERE told) d "
        "JOIN kind k ON k.name = lower(names[p])) WHERE CASE WHEN ranked AND rank = here THEN true "
        "WHEN len(own) = 0 OR len(line) = 0 THEN NOT ranked "
        "ELSE list_contains(line, own[-1]) OR NOT ranked AND list_contains(own, line[-1]) END"
    )


def _lists(path: Path, names: Sequence[str], columns: Mapping[str, str]) -> str:
    """Return the SQL of each row of a table of taxa: its sample, and its names from the top.

    With them their ranks, "" where that is not told, and whether the row says that anything is
    there: a sample has a list even where all that its rows have is unclassified.
    """
    known = {name.strip().lower(): name for name in names}

    def text(column: str) -> str:
        cell = '"' + column.replace('"', '""') + '"'
        return f"coalesce(trim(CAST(a.{cell} AS VARCHAR)), '')"

    sample, run = column_of(names, "sample", columns), column_of(names, "replicate", columns)
    if not sample and not run:
        raise InputError(
            f"{path}: none of its columns ({', '.join(names)}) is called as one of samples usually "
            "is; say which it is, with --map COLUMN=sample"
        )
    cells = [(text(known[rank]), rank) for rank in _RANKS if rank in known]
    lineage = text(known["lineage"]) if "lineage" in known else ""
    told = [name for name, use in columns.items() if use == "taxon"]
    own = next((known[n.lower()] for n in (*told, *_NAMES) if n.lower() in known), "")
    if not cells and not own and not lineage:
        raise InputError(
            f"{path}: none of its columns ({', '.join(names)}) is one of taxa, of lineages or of a "
            "rank; say which it is, with --map COLUMN=taxon"
        )
    rank = f"lower({text(known['rank'])})" if "rank" in known else "''"
    rank = f"CASE WHEN {rank} IN {_RANKS} THEN {rank} ELSE '' END"

    def named(cells: Sequence[tuple[str, str]]) -> str:
        every = ", ".join(f"{{'name': {cell}, 'rank': {rank}}}" for cell, rank in cells)
        none = "[]::STRUCT(name VARCHAR, rank VARCHAR)[]"
        return f"[x FOR x IN [{every}] IF lower(x.name) NOT IN {_NOT_NAMES}]" if cells else none

    by_rank = named([(cell, f"'{rank}'") for cell, rank in cells])
    by_name = named([(text(own), rank)] if own else [])
    by_line = f"string_split({lineage}, ';')" if lineage else "[]::VARCHAR[]"
    by_line = f"[trim(x) FOR x IN {by_line} IF lower(trim(x)) NOT IN {_NOT_NAMES}]"
    reads = next((known[name] for name in _READS if name in known), "")
    there = f"coalesce(TRY_CAST({text(reads)} AS DOUBLE), 1) > 0" if reads else "true"
    code = f"{text(sample)}" if sample else "coalesce(r.sample, '')"
    join = "" if sample else f" LEFT JOIN kept_replicate r ON r.replicate = {text(run)}"
    # A lineage stands before ranks, which may leave some out: of these only what is below what
    # both have is added. A name counts where it stands first.
    deepest = "list_max([i FOR i IN range(1, len(r) + 1) IF list_contains(l, r[i].name)])"
    below = f"[x.name FOR x IN r[coalesce({deepest}, len(r)) + 1:]]"
    every = f"CASE WHEN len(l) = 0 THEN [x.name FOR x IN r] ELSE list_concat(l, {below}) END"
    once = "[n[i] FOR i IN range(1, len(n) + 1) IF list_position(n, n[i]) = i]"
    ranks = "[coalesce([x.rank FOR x IN k IF x.name = y AND x.rank <> ''][1], '') FOR y IN names]"
    return (
        f"SELECT sample, names, {ranks} AS ranks, t AND len(names) > 0 AS told FROM (SELECT *, "
        f"{once} AS names FROM (SELECT *, list_concat({every}, [x.name FOR x IN o]) AS n, "
        f"list_concat(r, o) AS k FROM (SELECT {code} AS sample, {by_rank} AS r, {by_line} AS l, "
        f"{by_name} AS o, {there} AS t FROM asked a{join})))"
    )


def read_earlier(path: Path) -> tuple[Detectability | None, Listings | None]:
    """Read what was learnt before, if it is a JSON file; or what is known of earlier samples."""
    if path.suffix.lower() == ".json":
        return read_detectability(path), None
    return None, read_listings(path)


def read_listings(path: Path) -> Listings:
    """Read what is known of earlier samples: rows of sample, taxon, present and listed.

    What is present may be a probability or a number of things; empty is what nobody knows.
    """
    path = existing(path, "table of earlier samples")
    with tempfile.TemporaryDirectory(prefix="merian-sample-") as work, connect() as con:
        names = read_name_table(con, path, Path(work))
        known = {name.strip().lower(): name for name in names}
        lacking = [name for name in LISTINGS if name not in known and name != "lineage"]
        if lacking:
            raise InputError(
                f"{path}: has no column {lacking[0]}; expected sample, taxon, present and listed, "
                "and lineage if it is known, as in listings.tsv"
            )
        cells = ", ".join(
            f"coalesce(trim(CAST(\"{known[name]}\" AS VARCHAR)), '')" if name in known else "''"
            for name in LISTINGS
        )
        rows = con.execute(f"SELECT {cells} FROM asked").fetchall()
    samples = sorted({row[0] for row in rows if row[0]})
    kinds = sorted({row[1] for row in rows if row[1]})
    at = {name: number for number, name in enumerate(samples)}
    place = {name: number for number, name in enumerate(kinds)}
    present = np.full((len(samples), len(kinds)), np.nan)
    listed, paths = present.copy(), [()] * len(kinds)
    for line, (sample, kind, lineage, there, has) in enumerate(rows, start=2):
        if not sample or not kind:
            raise FormatError("a row names no sample or no taxon", path=path, line=line)
        where = at[sample], place[kind]
        present[where] = np.minimum(1.0, _number(there, path, line, "present"))
        listed[where] = float(_number(has, path, line, "listed") > 0) if has else np.nan
        paths[place[kind]] = tuple(filter(None, lineage.split(";"))) or paths[place[kind]]
    if not rows:
        raise InputError(f"{path}: holds no row; expected one for each sample and taxon")
    return Listings(samples, kinds, paths, present, listed)


def _number(cell: str, path: Path, line: int, what: str) -> float:
    """Read a number, yes or no; NaN where nothing is said."""
    if not cell:
        return np.nan
    word = cell.lower()
    if word in _YES or word in _NO:
        return float(word in _YES)
    try:
        found = float(cell)
    except ValueError:
        found = -1.0
    if not 0 <= found < np.inf:
        raise FormatError(
            f"{what} is {cell!r}; expected yes, no, a number of 0 or more, or nothing",
            path=path, line=line,
        )  # fmt: skip
    return found


def write_listings(path: Path, known: Listings) -> None:
    """Write what is known of samples, so that it can be read again."""
    rows = (
        (sample, kind, ";".join(known.paths[k]), _shown(known.present[s, k]),
         _shown(known.listed[s, k]))
        for s, sample in enumerate(known.samples)
        for k, kind in enumerate(known.kinds)
    )  # fmt: skip
    write_delimited(path, LISTINGS, rows, "\t", str)


def _shown(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}"


def write_detectability(path: Path, told: Detectability, stamp: Mapping[str, object]) -> None:
    """Write what was learnt of lists, so that later samples can be weighed with it."""
    kinds = [
        {
            "taxon": kind, "above": list(told.paths[n]),
            "prevalence": float(told.prevalence[n]), "found": float(told.found[n]),
            "false": float(told.false[n]), "there": float(told.samples[n, 0]),
            "not_there": float(told.samples[n, 1]),
        }
        for n, kind in enumerate(told.kinds)
    ]  # fmt: skip
    own = {**stamp, "format": _FORMAT, "format_version": _VERSION}
    write_json(path, {"merian": own, "steps": vars(told.steps), "taxa": kinds})


def read_detectability(path: Path) -> Detectability:
    """Read what was learnt of lists."""
    content = check_stamp(path, _FORMAT, 1)
    try:
        rows = content["taxa"]
        numbers = {
            name: np.array([float(row[name]) for row in rows])
            for name in ("prevalence", "found", "false", "there", "not_there")
        }
        paths = [tuple(map(str, row["above"])) for row in rows]
        kinds = [str(row["taxon"]) for row in rows]
        steps = Steps(**content["steps"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"cannot be read as {_FORMAT} ({error!r})", path=path) from None
    shares = tuple(numbers[name] for name in ("prevalence", "found", "false"))
    if not kinds or not all(((share > 0) & (share < 1)).all() for share in shares):
        raise FormatError("a probability is not between 0 and 1", path=path)
    counted = np.stack([numbers["there"], numbers["not_there"]], axis=1)
    prevalence, found, false = shares
    return Detectability(kinds, paths, prevalence, found, false, counted, steps)
