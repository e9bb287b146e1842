"""Catalogue of Life Data Package: tables of names, taxa and synonyms, in a folder or a zip.

Two layouts. ``NameUsage`` holds all in one table, where a synonym's ``parentID`` is its accepted
name; ``Name``, ``Taxon`` and ``Synonym`` hold them apart. Files and columns are spelled in many
ways in the wild (``name-usage.tsv``, ``taxa.tsv``, ``col:parentID``, ``taxonId``), all of which
are read. TSV has no quoting, CSV has. Higher taxa may stand in columns instead of rows.

Reference: https://catalogueoflife.github.io/coldp/
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import duckdb

from merian.errors import FormatError
from merian.taxonomy.checklists import Source
from merian.taxonomy.checklists.classification import hang, rank_columns
from merian.taxonomy.checklists.tables import Table, check, count, describe, load
from merian.unpacking import UNREADABLE_ZIP, Scratch, unzip

__all__ = ["read", "sniff"]

_ENTITIES = {
    "nameusage": "nameusage", "nameusages": "nameusage", "name": "name", "names": "name",
    "taxon": "taxon", "taxa": "taxon", "taxons": "taxon", "synonym": "synonym",
    "synonyms": "synonym",
}  # fmt: skip
_TABLES = {".csv", ".tsv", ".txt", ".tab"}
_METADATA = {"metadata.yaml", "metadata.yml", "metadata.json"}
_NAME_PARTS = (
    "scientificname", "authorship", "rank", "code", "uninomial", "genericname", "genus",
    "infragenericepithet", "specificepithet", "infraspecificepithet", "cultivarepithet",
)  # fmt: skip
_SYNONYM = "synonym|misappl|unaccepted|not accepted|invalid"


def sniff(path: Path) -> bool:
    """Return whether there is a NameUsage or Name table with columns of the package."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                names = [PurePosixPath(name) for name in packed.namelist()]
            return any(_entity(name) in {"nameusage", "name"} for name in names)
        files = _find(path)
        main = files.get("nameusage") or files.get("name")
        return main is not None and "id" in _columns(describe(main))
    except (FormatError, *UNREADABLE_ZIP):
        return False


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read the package into ``usage``."""
    scratch = Scratch("coldp")
    try:
        folder = path
        if path.is_file() and zipfile.is_zipfile(path):
            unzip(path, scratch.folder, _is_wanted)
            folder = scratch.folder
        files = _find(folder)
        if "nameusage" in files:
            notes = _read_usages(con, describe(files["nameusage"]))
            main = files["nameusage"]
        elif "name" in files:
            notes = _read_names(con, {name: describe(file) for name, file in files.items()})
            main = files["name"]
        else:
            raise FormatError(
                "holds no NameUsage and no Name table (.csv, .tsv, .txt), one of which every "
                "Catalogue of Life Data Package has",
                path=path,
            )
        title, version = _metadata(main.parent, folder)
    finally:
        scratch.close()
    return Source("coldp", title or path.stem, version, notes, count(con, "problem"))


def _entity(name: PurePosixPath) -> str | None:
    if name.suffix.lower() not in _TABLES or "__MACOSX" in name.parts:
        return None
    return _ENTITIES.get(re.sub("[-_ ]", "", name.stem.lower()))


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return _entity(path) is not None or path.name.lower() in _METADATA


def _find(path: Path) -> dict[str, Path]:
    """Return the tables of the one folder, at or below the path, that is nearest and has any."""
    if path.is_file():
        kind = _entity(PurePosixPath(path.name))
        return {} if kind is None else _find(path.parent)
    level = [path]
    for _ in range(3):
        holders = []
        for folder in level:
            found = {
                kind: file
                for file in sorted(folder.iterdir(), reverse=True)
                if file.is_file() and (kind := _entity(PurePosixPath(file.name)))
            }
            if "nameusage" in found or "name" in found:
                holders.append((folder, found))
        if len(holders) > 1:
            several = ", ".join(folder.name for folder, _ in holders[:5])
            raise FormatError(f"holds several packages ({several} ...); give one", path=path)
        if holders:
            return holders[0][1]
        level = [f for folder in level for f in sorted(folder.iterdir()) if f.is_dir()]
    return {}


def _columns(table: Table) -> dict[str, int]:
    """Return the columns without ``col:`` and in lower case; the first of a name counts."""
    found: dict[str, int] = {}
    for place, name in enumerate(table.columns):
        plain = re.sub("[^a-z0-9]", "", name.lower().removeprefix("col:"))
        found.setdefault(plain.replace("infraspeciesepithet", "infraspecificepithet"), place)
    return found


def _load(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    name: str,
    wanted: Iterable[str],
    needed: tuple[str, ...],
) -> list[str]:
    """Load the wanted columns, all NULL where the file has none; return its rank columns."""
    there = _columns(table)
    check(table, needed, there)
    picked = {column: there[column] for column in wanted if column in there}
    ranks = rank_columns(there)
    # A row that does not reach its name is the rest of a field with line breaks in it.
    reached = (*needed, "scientificname") if "scientificname" in picked else needed
    load(con, table, name, picked | {f"in_{r}": p for r, p in ranks.items()}, needed=reached)
    for column in wanted:
        if column not in there:
            con.execute(f'ALTER TABLE {name} ADD COLUMN "{column}" VARCHAR').fetchall()
    return list(ranks)


def _name(alias: str, genus: str) -> str:
    """Return the SQL of a name without its authorship, from the whole or from its parts."""
    n = alias
    parts = (
        f"concat_ws(' ', coalesce({n}.uninomial, {n}.{genus}), CASE WHEN {n}.uninomial IS NULL "
        f"AND {n}.specificepithet IS NULL THEN '(' || {n}.infragenericepithet || ')' END, "
        f"{n}.specificepithet, {n}.infraspecificepithet, '''' || {n}.cultivarepithet || '''')"
    )
    whole, author = f"{n}.scientificname", f"{n}.authorship"
    bare = (
        f"CASE WHEN ends_with({whole}, ' ' || {author}) "
        f"THEN rtrim(left({whole}, length({whole}) - length({author}))) ELSE {whole} END"
    )
    return f"coalesce({bare}, nullif({parts}, ''))"


def _read_usages(con: duckdb.DuckDBPyConnection, table: Table) -> tuple[str, ...]:
    """Read the layout with all in one table."""
    wanted = ("id", "parentid", "status", *_NAME_PARTS)
    ranks = _load(con, table, "raw", wanted, ("id",))
    synonym = f"regexp_matches(lower(coalesce(r.status, '')), '{_SYNONYM}')"
    # NameUsage has the genus of the name in genericName; genus is that of the classification,
    # which for names without the former is the same.
    name = _name("r", "genericname").replace("r.genericname", "coalesce(r.genericname, r.genus)")
    con.execute(
        f"""
        INSERT INTO usage SELECT r.line, r.id,
            CASE WHEN NOT {synonym} THEN r.parentid END, CASE WHEN {synonym} THEN r.parentid END,
            {name}, r.authorship, lower(r.rank), lower(r.status), lower(r.code), r.file, r.line
        FROM raw r WHERE lower(coalesce(r.status, '')) <> 'bare name'
        """
    ).fetchall()
    con.execute(
        f"""
        INSERT INTO problem SELECT r.file, r.line, r.id,
            'bare name: used for no taxon and no synonym; left out', {name}
        FROM raw r WHERE lower(r.status) = 'bare name' ORDER BY r.line
        """
    ).fetchall()
    _classified(con, ranks, "FROM usage u JOIN raw r USING (line)")
    return _finish(con, ranks)


def _read_names(con: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Read the layout with names, taxa and synonyms apart."""
    _load(con, tables["name"], "raw_name", ("id", *_NAME_PARTS), ("id",))
    if "taxon" not in tables:
        con.execute(
            f"INSERT INTO usage SELECT n.line, n.id, NULL, NULL, "
            f"{_name('n', 'genus')}, n.authorship, lower(n.rank), NULL, lower(n.code), n.file, "
            "n.line FROM raw_name n"
        ).fetchall()
        con.execute("DROP TABLE raw_name").fetchall()
        return ("a list of names without taxa: every name stands by itself, under no parent",)
    taxon = ("id", "parentid", "nameid", "status", "provisional")
    ranks = _load(con, tables["taxon"], "raw", taxon, ("id", "nameid"))
    wanted = ("id", "taxonid", "nameid", "status")
    if "synonym" in tables:
        _load(con, tables["synonym"], "raw_synonym", wanted, ("taxonid", "nameid"))
    else:
        listed = ", ".join(f"{column} VARCHAR" for column in ("file", *wanted))
        con.execute(f"CREATE OR REPLACE TEMP TABLE raw_synonym({listed}, line BIGINT)").fetchall()
    _join_names(con)
    _classified(con, ranks, "FROM usage u JOIN raw r ON r.file = u.file AND r.line = u.line")
    notes = _finish(con, ranks)
    for table in ("raw_name", "raw_synonym"):
        con.execute(f"DROP TABLE {table}").fetchall()
    return notes


def _join_names(con: duckdb.DuckDBPyConnection) -> None:
    """Bring names to taxa and synonyms; list those that have none, and names that none has."""
    synonym = f"regexp_matches(lower(coalesce(r.status, '')), '{_SYNONYM}')"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE placed AS
        SELECT 0 AS part, line, file, id, nameid, CASE WHEN NOT {synonym} THEN parentid END AS up,
               CASE WHEN {synonym} THEN parentid END AS accepted,
               coalesce(lower(status), CASE WHEN lower(provisional) IN ('true', '1', 't', 'yes')
                   THEN 'provisionally accepted' ELSE 'accepted' END) AS status FROM raw r
        UNION ALL
        SELECT 1, line, file, coalesce(id, taxonid || ':' || nameid), nameid, NULL, taxonid,
               coalesce(lower(status), 'synonym') FROM raw_synonym
        """
    ).fetchall()
    name = _name("n", "genus")
    con.execute(
        f"""
        INSERT INTO usage SELECT p.line + p.part * (SELECT max(line) FROM raw), p.id, p.up,
            p.accepted, {name}, n.authorship, lower(n.rank), p.status, lower(n.code), p.file, p.line
        FROM placed p JOIN (SELECT DISTINCT ON (id) * FROM raw_name ORDER BY id, line) n
          ON n.id = p.nameid
        """
    ).fetchall()
    con.execute(
        """
        INSERT INTO problem
        SELECT file, line, id, 'points to a name that is not in the table of names', nameid
        FROM placed p WHERE nameid IS NULL OR nameid NOT IN (SELECT id FROM raw_name
            WHERE id IS NOT NULL) ORDER BY file, line
        """
    ).fetchall()
    con.execute(
        f"""
        INSERT INTO problem SELECT n.file, n.line, n.id,
            'bare name: used for no taxon and no synonym; left out', {name}
        FROM raw_name n ANTI JOIN placed p ON p.nameid = n.id ORDER BY n.line
        """
    ).fetchall()
    con.execute("DROP TABLE placed").fetchall()


def _classified(con: duckdb.DuckDBPyConnection, ranks: list[str], source: str) -> None:
    if ranks:
        cells = ", ".join(f'r."in_{rank}" AS "{rank}"' for rank in ranks)
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE classified AS "
            f"SELECT u.ordinal, CAST(NULL AS INTEGER) AS cap, {cells} {source}"
        ).fetchall()
    con.execute("DROP TABLE raw").fetchall()


def _finish(con: duckdb.DuckDBPyConnection, ranks: list[str]) -> tuple[str, ...]:
    """Resolve parents that are given by name, then those that are given in columns."""
    notes: tuple[str, ...] = ()
    lost = con.execute(
        "SELECT 1 FROM usage u ANTI JOIN usage p ON p.id = u.parentID "
        "WHERE u.parentID IS NOT NULL LIMIT 1"
    ).fetchall()
    named = _parents_by_name(con) if lost else 0
    if named:
        notes += (f"{named} parents are given by name and not by id",)
    if ranks:
        notes += hang(con, ranks)
        con.execute("DROP TABLE classified").fetchall()
    return notes


def _parents_by_name(con: duckdb.DuckDBPyConnection) -> int:
    """Find the parents that are no ids but the names of just one taxon; return how many."""
    return int(
        con.execute(
            """
            UPDATE usage SET parentID = n.id FROM (
                SELECT name, min(id) AS id FROM usage WHERE acceptedID IS NULL
                GROUP BY name HAVING count(DISTINCT id) = 1) n
            WHERE n.name = usage.parentID AND usage.id <> n.id
              AND usage.parentID NOT IN (SELECT id FROM usage WHERE id IS NOT NULL)
            """
        ).fetchall()[0][0]
    )


def _metadata(inner: Path, outer: Path) -> tuple[str, str]:
    """Return the title and the version of a package, from YAML or JSON beside its tables.

    Some packages keep the tables in a folder below: all from there to the outer one are asked.
    """
    folders = [inner]
    while folders[-1] != outer and outer in folders[-1].parents:
        folders.append(folders[-1].parent)
    for folder in folders:
        for file in sorted(folder.iterdir()):
            if file.name.lower() in _METADATA:
                content = file.read_text(encoding="utf-8", errors="replace")
                said = _fields(content, file.suffix.lower() == ".json")
                version = said.get("version") or said.get("issued") or said.get("released")
                return said.get("title") or said.get("alias") or "", version or ""
    return "", ""


def _fields(content: str, is_json: bool) -> dict[str, str]:
    """Return the top-level texts of a metadata file: one line each is all that is needed."""
    if is_json:
        try:
            value = json.loads(content)
        except json.JSONDecodeError:
            return {}
        return {k: str(v) for k, v in value.items() if v} if isinstance(value, dict) else {}
    lines = re.findall(
        r"^(title|alias|version|issued|released):[ \t]*(.*?)[ \t\r]*$", content, re.M
    )
    return {key: value.strip("\"'") for key, value in lines if value.strip("\"'>|")}
