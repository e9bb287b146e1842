"""Writing a Darwin Core Data Package: CSV tables by RFC 4180, and ``datapackage.json``.

A table without rows is left out, and so is a column that is empty throughout. A name that ends in
``.zip`` becomes a zip, any other a folder.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merian.files import new_file, new_folder, write_json
from merian.formats.about import About
from merian.formats.dwc_dp_tables import Resource, package_tables
from merian.formats.dwca_write import pack_folder
from merian.formats.flat import rows

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["PROFILE", "fill_package", "write_package"]

PROFILE = "http://rs.tdwg.org/dwc-dp/1.0/dwc-dp-profile.json"


def write_package(catalogue: Catalogue, path: Path) -> int:
    """Write the package, complete or not at all, and return the number of occurrences."""
    if path.suffix.lower() != ".zip":
        with new_folder(path) as folder:
            return fill_package(catalogue, folder, About()).get("occurrence", 0)
    with tempfile.TemporaryDirectory(prefix="merian-dwc-dp-") as name:
        counts = fill_package(catalogue, Path(name), About())
        pack_folder(Path(name), path)
    return counts.get("occurrence", 0)


def fill_package(catalogue: Catalogue, folder: Path, about: About) -> dict[str, int]:
    """Write the tables and their descriptor into a folder; return the rows of each table."""
    counts: dict[str, int] = {}
    written: list[tuple[Resource, list[int]]] = []
    for table in package_tables():
        kept = _filled(catalogue, table)
        if not kept:
            continue
        names = [table.fields[i].name for i in kept]
        listed = ", ".join(f'"{name}"' for name in names)
        query = f"SELECT {listed} FROM ({table.sql})"
        counts[table.name] = _write_csv(folder / f"{table.name}.csv", names, rows(catalogue, query))
        written.append((table, kept))
    write_json(folder / "datapackage.json", _descriptor(written, about))
    return counts


def _filled(catalogue: Catalogue, table: Resource) -> list[int]:
    """Return the places of the columns that hold anything, and of the key."""
    counts = ", ".join(f'count("{field.name}")' for field in table.fields)
    found = next(rows(catalogue, f"SELECT count(*), {counts} FROM ({table.sql})"))
    if not found[0]:
        return []
    return [i for i, number in enumerate(found[1:]) if number]


def _write_csv(path: Path, names: Sequence[str], found: Iterator[tuple[object, ...]]) -> int:
    """Write a table as RFC 4180 has it, and return the number of rows."""
    count = 0
    with new_file(path, text=True) as stream:
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow(names)
        for row in found:
            writer.writerow([_shown(value) for value in row])
            count += 1
    return count


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _descriptor(written: Sequence[tuple[Resource, list[int]]], about: About) -> dict[str, Any]:
    """Return what ``datapackage.json`` says; what nobody said is left out."""
    there = {table.name for table, _ in written} | {""}
    people = [
        {"title": agent.name, "email": agent.mail, "path": agent.identifier, "role": role}
        for role, agents in (
            ("author", about.creators), ("contact", (about.contact,) if about.contact else ())
        )
        for agent in agents
    ]  # fmt: skip
    licence = {"name": about.license} | ({"path": about.license_url} if about.license_url else {})
    said: dict[str, Any] = {
        "profile": PROFILE,
        "id": about.identifier,
        # The specification asks for a time of day too.
        "created": f"{about.date}T00:00:00Z" if len(about.date) == 10 else about.date,
        "version": about.version or "1.0",
        "title": about.title or "Records exported from a Merian catalogue",
        "description": about.description,
        "keywords": list(about.keywords),
        "contributors": [{k: v for k, v in person.items() if v} for person in people],
        "licenses": [licence] if about.license else [],
        "resources": [_described(table, kept, there) for table, kept in written],
    }
    return {key: value for key, value in said.items() if value}


def _described(table: Resource, kept: Sequence[int], there: set[str]) -> dict[str, Any]:
    """Return what the descriptor says of one table."""
    fields = [table.fields[i] for i in kept]
    names = {field.name for field in fields}
    schema: dict[str, Any] = {
        "fields": [
            {
                "name": field.name,
                "title": field.title,
                "description": f"{field.meaning}.",
                "type": field.type,
                "format": "default",
                "dcterms:isVersionOf": field.term,
                **_constraints(field.name),
            }
            for field in fields
        ]
    }
    if table.key:
        schema["primaryKey"] = table.key
    relations = [
        {
            "fields": relation.field,
            "predicate": relation.predicate,
            "reference": {"resource": relation.resource, "fields": relation.key},
        }
        for relation in table.relations
        if relation.field in names and relation.resource in there
    ]
    if relations:
        schema["foreignKeys"] = relations
    return {
        "name": table.name,
        "path": f"{table.name}.csv",
        "profile": "tabular-data-resource",
        "title": table.title,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": schema,
    }


def _constraints(name: str) -> dict[str, Any]:
    return {"constraints": {"required": True, "unique": True}} if name.endswith("_pk") else {}
