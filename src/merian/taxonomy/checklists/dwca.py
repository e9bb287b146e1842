"""Darwin Core Archives whose core is ``Taxon``, as WoRMS, GBIF and many national lists give out.

A row whose ``acceptedNameUsageID`` is another row is a synonym. Extracts often leave out the rows
that ``parentNameUsageID`` and ``acceptedNameUsageID`` point to, but name them beside
(``parentNameUsage``): these become unranked taxa under the ids that were asked for. Where a name
stands alone without an id, the one row of that name is meant. Where a row names no parent, its
columns kingdom, phylum ... do.

Reference: https://dwc.tdwg.org/terms/#taxon
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import duckdb

from merian.dwc_archive import Archive, unpack
from merian.errors import FormatError
from merian.taxonomy.checklists import Source
from merian.taxonomy.checklists.classification import hang, rank_columns, rank_numbers
from merian.taxonomy.checklists.tables import Table, check, count, load, text
from merian.unpacking import UNREADABLE_ZIP

__all__ = ["read", "sniff"]

_TERMS = {
    "taxonID": "id", "parentNameUsageID": "parent", "acceptedNameUsageID": "accepted",
    "parentNameUsage": "parent_name", "acceptedNameUsage": "accepted_name",
    "scientificName": "whole", "scientificNameAuthorship": "author", "taxonRank": "rank",
    "taxonomicStatus": "status", "nomenclaturalCode": "code", "genericName": "generic",
    "specificEpithet": "epithet", "infraspecificEpithet": "infra",
}  # fmt: skip
_RANKS = {
    "kingdom", "phylum", "class", "order", "superfamily", "family", "subfamily", "tribe",
    "subtribe", "genus", "subgenus",
}  # fmt: skip
_NOT_ACCEPTED = "synonym|unaccepted|not accepted|misappl|invalid"


def sniff(path: Path) -> bool:
    """Return whether this is an archive, or a table with a Darwin Core header, about taxa."""
    try:
        if path.is_file() and path.name.lower() != "meta.xml" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                names = {Path(name).name.lower() for name in packed.namelist()}
            if not names & {"meta.xml", "taxon.txt", "taxon.tsv", "taxon.csv"}:
                return False
        with unpack(path) as archive:
            return archive.core.row_type == "Taxon" and "scientificName" in archive.core.columns
    except (FormatError, *UNREADABLE_ZIP):
        return False


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read the archive into ``usage``."""
    with unpack(path) as archive:
        if archive.core.row_type != "Taxon":
            raise FormatError(
                f"its core is {archive.core.row_type}; a checklist's is Taxon. Read it as records",
                path=path,
            )
        ranks = _load(con, archive)
        title, version = _metadata(archive.folder)
    notes = _usages(con, ranks)
    con.execute("DROP TABLE raw").fetchall()
    return Source("dwca", title or path.stem, version, notes, count(con, "problem"))


def _load(con: duckdb.DuckDBPyConnection, archive: Archive) -> list[str]:
    """Load what is needed of the core into ``raw`` and return its rank columns."""
    core = archive.core
    places = {name: place for place, name in enumerate(core.columns) if name}
    places |= {copy: places[name] for copy, name in core.copies.items()}
    if core.id_column >= 0:
        places.setdefault("taxonID", core.id_column)
    ranks = rank_columns({name: place for name, place in places.items() if name in _RANKS})
    wanted = {short: places[term] for term, short in _TERMS.items() if term in places}
    first = Table(
        core.paths[0], core.delimiter, core.quote, core.encoding, core.header_lines, core.columns
    )
    check(first, ["taxonID", "scientificName"], places)
    columns = wanted | {f"in_{rank}": place for rank, place in ranks.items()}
    for number, path in enumerate(core.paths):
        table = Table(
            path, core.delimiter, core.quote, core.encoding, core.header_lines, core.columns
        )
        load(con, table, "raw", columns, needed=("id", "whole"), append=number > 0)
    for term, short in _TERMS.items():
        if short not in wanted:
            value = text(core.defaults[term]) if term in core.defaults else "NULL"
            con.execute(f"ALTER TABLE raw ADD COLUMN {short} VARCHAR DEFAULT {value}").fetchall()
        elif term in core.defaults:
            con.execute(
                f"UPDATE raw SET {short} = {text(core.defaults[term])} WHERE {short} IS NULL"
            ).fetchall()
    return list(ranks)


def _usages(con: duckdb.DuckDBPyConnection, ranks: list[str]) -> tuple[str, ...]:
    """Turn rows into usages, name what is missing, and hang what has no parent."""
    for link in ("accepted", "parent"):
        _find_by_name(con, link)
    synonym = "accepted IS NOT NULL AND accepted <> id"
    bare = (
        f"accepted IS NULL AND accepted_name IS NULL "
        f"AND regexp_matches(lower(coalesce(status, '')), '{_NOT_ACCEPTED}')"
    )
    con.execute(
        f"""
        INSERT INTO usage
        SELECT rowid, id,
               CASE WHEN NOT ({synonym}) AND parent <> id THEN parent END,
               CASE WHEN {synonym} THEN accepted END,
               CASE WHEN ends_with(whole, ' ' || author)
                    THEN rtrim(left(whole, length(whole) - length(author))) ELSE whole END,
               author, lower(rank), lower(status), lower(code), file, line
        FROM raw WHERE NOT coalesce({bare}, false)
        """
    ).fetchall()
    con.execute(
        f"""
        INSERT INTO problem SELECT file, line, id,
            'not accepted, and no accepted name is given; set aside', whole
        FROM raw WHERE {bare} ORDER BY file, line
        """
    ).fetchall()
    _classify(con, ranks)
    named = _name_missing(con, ranks)
    notes: tuple[str, ...] = ()
    if named:
        notes += (f"taxa that are named and not listed, added unranked: {named}",)
    notes += hang(con, [rank for rank in (*ranks, "species") if rank in _columns(con)])
    con.execute("DROP TABLE classified").fetchall()
    return notes


def _find_by_name(con: duckdb.DuckDBPyConnection, link: str) -> None:
    """Fill in the id of a parent or accepted name that is given by its name alone."""
    if count(con, f"(SELECT 1 FROM raw WHERE {link} IS NULL AND {link}_name <> whole LIMIT 1)"):
        con.execute(
            f"""
            UPDATE raw SET {link} = n.id FROM (
                SELECT whole, min(id) AS id FROM raw GROUP BY whole HAVING count(*) = 1) n
            WHERE raw.{link} IS NULL AND raw.{link}_name = n.whole AND n.whole <> raw.whole
            """
        ).fetchall()


def _columns(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {row[0] for row in con.execute("DESCRIBE classified").fetchall()}


def _classify(con: duckdb.DuckDBPyConnection, ranks: list[str]) -> None:
    """Make ``classified``. The species of a subspecies is told by its epithets."""
    cells = [f'r."in_{rank}" AS "{rank}"' for rank in ranks]
    if "genus" in ranks:
        cells.append(
            "CASE WHEN r.epithet IS NOT NULL THEN coalesce(r.generic, r.in_genus) || ' ' || "
            "r.epithet END AS species"
        )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE classified AS "
        f"SELECT u.ordinal, CAST(NULL AS INTEGER) AS cap {''.join(', ' + cell for cell in cells)} "
        f"FROM usage u JOIN raw r ON r.rowid = u.ordinal"
    ).fetchall()


def _name_missing(con: duckdb.DuckDBPyConnection, ranks: list[str]) -> int:
    """Add the taxa that rows point to and name, but that are not in the file.

    Such a taxon stands above the rank of the row that names it, where that is its parent.
    """
    rank_numbers(con, "SELECT DISTINCT rank FROM usage")
    cells = [f'r."in_{rank}" AS "{rank}"' for rank in ranks]
    cells += ["NULL AS species"] if "species" in _columns(con) else []
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE missing AS
        WITH wanted AS (
            SELECT u.ordinal, u.parentID AS id, r.parent_name AS name, p.number AS cap, r.*
                   EXCLUDE (id, line, file)
            FROM usage u JOIN raw r ON r.rowid = u.ordinal
            LEFT JOIN rank_place p ON p.word = u.rank
            WHERE u.acceptedID IS NULL AND u.parentID IS NOT NULL AND r.parent_name IS NOT NULL
            UNION ALL
            SELECT u.ordinal, u.acceptedID, r.accepted_name, p.number, r.* EXCLUDE (id, line, file)
            FROM usage u JOIN raw r ON r.rowid = u.ordinal
            LEFT JOIN rank_place p ON p.word = u.rank
            WHERE u.acceptedID IS NOT NULL AND r.accepted_name IS NOT NULL)
        SELECT (SELECT max(ordinal) FROM usage) + row_number() OVER (ORDER BY r.ordinal) AS place,
               r.id, r.name, r.cap {"".join(", " + cell for cell in cells)}
        FROM (SELECT DISTINCT ON (w.id) w.* FROM wanted w
              ANTI JOIN usage u ON u.id = w.id ORDER BY w.id, w.ordinal) r
        """
    ).fetchall()
    con.execute(
        """
        INSERT INTO usage SELECT place, id, NULL, NULL, name, NULL, NULL, 'accepted', NULL, NULL,
            NULL FROM missing ORDER BY place
        """
    ).fetchall()
    con.execute(
        "INSERT INTO classified BY NAME "
        "SELECT place AS ordinal, * EXCLUDE (place, id, name) FROM missing ORDER BY place"
    ).fetchall()
    added = count(con, "missing")
    con.execute("DROP TABLE missing").fetchall()
    return added


def _metadata(folder: Path) -> tuple[str, str]:
    """Return the title and the date of publication that ``eml.xml`` gives, if there is one."""
    for file in sorted(folder.glob("*.xml")):
        content = file.read_text(encoding="utf-8", errors="replace")[: 1 << 20]
        if "<dataset" in content and "eml" in content[:2000]:
            title = re.search(r"<dataset.*?<title[^>]*>\s*(.*?)\s*</title>", content, re.S)
            date = re.search(r"<pubDate>\s*(.*?)\s*</pubDate>", content, re.S)
            return title.group(1) if title else "", date.group(1) if date else ""
    return "", ""
