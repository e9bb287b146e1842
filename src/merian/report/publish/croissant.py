"""Croissant 1.1: a data set as those who train models find and load it, in JSON-LD.

Every file of the package stands in it with its hash, and every table with its columns, their types
and what they point to.

Reference: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merian.formats.about import About
from merian.report.publish.licences import Licence

__all__ = ["croissant"]

_TERMS = (
    "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty",
    "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key",
    "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
    "samplingRate", "separator", "source", "subField", "transform", "arrayShape",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{term: f"cr:{term}" for term in sorted(_TERMS)},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "sc": "https://schema.org/",
}
_TYPES = {
    "string": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean",
}  # fmt: skip
_MEDIA = {".csv": "text/csv", ".zip": "application/zip", ".json": "application/json",
          ".parquet": "application/x-parquet", ".md": "text/markdown"}  # fmt: skip


def croissant(folder: Path, about: About, licence: Licence, pictures: int) -> dict[str, Any]:
    """Describe a package.

    Args:
        folder: Where its files are.
        about: What is said of it.
        licence: Of its tables.
        pictures: How many pictures lie in it.
    """
    said = json.loads((folder / "dwc-dp" / "datapackage.json").read_text(encoding="utf-8"))
    files = [
        file for file in sorted(folder.rglob("*"))
        if file.suffix in _MEDIA and file.is_file() and "images" not in file.parts
    ]  # fmt: skip
    made = [_file(file, folder) for file in files]
    sets = [_table(resource) for resource in said["resources"]]
    tables = sorted((folder / "huggingface" / "data").glob("*.parquet"))
    sets += [_pictures(table, folder) for table in tables]
    if pictures:
        made.append({
            "@type": "cr:FileSet", "@id": "pictures", "name": "pictures",
            "description": "The pictures that may be given on.",
            "encodingFormat": "image/*", "includes": "huggingface/images/**",
        })  # fmt: skip
    whole: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": about.title or "Records of a Merian catalogue",
        "description": about.description or about.title or "Records of a Merian catalogue",
        "license": licence.url or about.license,
        "url": about.identifier,
        "citeAs": _citation(about),
        "creator": [_person(agent.name, agent.mail, agent.identifier) for agent in about.creators],
        "datePublished": about.date[:10],
        "version": about.version or "1.0",
        "keywords": list(about.keywords),
        "distribution": made,
        "recordSet": sets,
    }
    return {key: value for key, value in whole.items() if value}


def _citation(about: About) -> str:
    people = " and ".join(agent.name for agent in about.creators)
    parts = [people, f"({about.date[:4]})" if about.date else "", about.title, about.identifier]
    return " ".join(part for part in parts if part) if people and about.title else ""


def _person(name: str, mail: str, identifier: str) -> dict[str, str]:
    told = {"@type": "sc:Person", "name": name, "email": mail, "url": identifier}
    return {key: value for key, value in told.items() if value}


def _file(file: Path, folder: Path) -> dict[str, Any]:
    where = file.relative_to(folder).as_posix()
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return {
        "@type": "cr:FileObject", "@id": where, "name": where, "contentUrl": where,
        "contentSize": f"{file.stat().st_size} B", "encodingFormat": _MEDIA[file.suffix],
        "sha256": digest.hexdigest(),
    }  # fmt: skip


def _table(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record set of a table of the data package."""
    name, schema = resource["name"], resource["schema"]
    to = {relation["fields"]: relation["reference"] for relation in schema.get("foreignKeys", ())}
    listed = []
    for told in schema["fields"]:
        term = told["name"]
        field = _field(
            f"{name}/{term}", f"dwc-dp/{resource['path']}", term, _TYPES[told["type"]],
            told["description"], told["dcterms:isVersionOf"],
        )  # fmt: skip
        if term in to:
            other = to[term]["resource"] or name
            field["references"] = {"field": {"@id": f"{other}/{to[term]['fields']}"}}
        listed.append(field)
    made = {"@type": "cr:RecordSet", "@id": name, "name": name,
            "description": f"{resource['title']}.", "field": listed}  # fmt: skip
    if schema.get("primaryKey"):
        made["key"] = {"@id": f"{name}/{schema['primaryKey']}"}
    return made


def _field(
    key: str, file: str, column: str, kind: str, description: str, term: str = ""
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "@type": "cr:Field", "@id": key, "name": key, "description": description, "dataType": kind,
        "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
    }  # fmt: skip
    if term.startswith("http"):
        made["equivalentProperty"] = term
    return made


def _pictures(table: Path, folder: Path) -> dict[str, Any]:
    """Return the record set of a table of pictures with their names."""
    # Loaded here: whoever only reads licences needs no database.
    from merian.database import connect  # noqa: PLC0415
    from merian.formats.delimited import literal  # noqa: PLC0415

    with connect() as con:
        columns: Sequence[tuple[str, str]] = con.execute(
            f"SELECT column_name, column_type FROM (DESCRIBE FROM {literal(str(table))})"
        ).fetchall()
    kinds = {"BIGINT": "sc:Integer", "DOUBLE": "sc:Float", "BOOLEAN": "sc:Boolean"}
    name, where = f"pictures-{table.stem}", table.relative_to(folder).as_posix()
    return {
        "@type": "cr:RecordSet", "@id": name, "name": name,
        "description": "Pictures with the names that stand, their places and their licences.",
        "field": [
            _field(f"{name}/{column}", where, column,
                   "sc:URL" if column == "accessURI" else kinds.get(kind, "sc:Text"),
                   f"The column {column}.")
            for column, kind in columns
        ],
    }  # fmt: skip
