"""What is given to be identified: what there is to read, whether it holds pictures, and its hash.

A look at the heads of files and at catalogues, before anything is taken in. Pictures on the web do
not count, since nothing is fetched.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from merian.catalogue import Catalogue, Columns, Delimited, Reading
from merian.catalogue.staging import Staging
from merian.containers import BadAddressError, container_of, is_there, read_address
from merian.database import connect
from merian.errors import FormatError
from merian.files import content_hash, existing
from merian.formats import Options, read_path, sniff
from merian.formats.delimited import read_head
from merian.formats.image_folder import SUFFIXES, read_pictures
from merian.identify.taking_in import pictures_in
from merian.library.from_catalogue import is_catalogue

__all__ = ["has_pictures", "hash_of_catalogue", "hashes_of", "notes_of", "readings_of"]

_MEMORY = "400MB"
_FEEDS = ("record", "media", "sequence")
_LOCAL = "(accessURI NOT LIKE '%://%' OR accessURI LIKE 'file://%')"

# The path of a picture whose content is known does not matter: a file that was moved is the same.
_HASHES = (
    "SELECT count(*), bit_xor(md5_number_lower(concat_ws(chr(31), nucleotideSequenceID, "
    "occurrenceID, materialEntityID, targetGene, sequence))) FROM sequence "
    "WHERE sequence IS NOT NULL",
    "SELECT count(*), bit_xor(md5_number_lower(concat_ws(chr(31), mediaID, occurrenceID, "
    "materialEntityID, derivedFromMediaID, coalesce(contentHash, accessURI), xFrac, yFrac, "
    "widthFrac, heightFrac, pixelsPerMillimetre))) FROM media",
    "SELECT count(*), bit_xor(md5_number_lower(concat_ws(chr(31), materialEntityID, occurrenceID, "
    "catalogNumber))) FROM material",
    "SELECT count(*), bit_xor(md5_number_lower(occurrenceID)) FROM occurrence",
)
_UNHASHED = f"""
SELECT DISTINCT accessURI FROM media
WHERE contentHash IS NULL AND accessURI IS NOT NULL AND {_LOCAL} ORDER BY accessURI
"""


def has_pictures(
    paths: Sequence[Path | str], options: Options | None = None, format: str | None = None
) -> bool:
    """Return whether there is any picture to be looked at, by a look at what is given.

    Pictures on the web do not count, since nothing is fetched; nor do those of a table if none of
    its first rows leads to a file and no folder of pictures was named.
    """
    for path in map(Path, paths):
        existing(path, "file or folder to identify")
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            return True
        if is_catalogue(path):
            with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
                if opened.query(f"SELECT 1 FROM media WHERE {_LOCAL} LIMIT 1").fetch():
                    return True
        elif path.is_dir() or path.stat().st_size:
            reading = _reading(path, options, format)
            told = options is not None and options.images is not None
            if pictures_in(reading) or any(
                _names_files(t, f, told) for t, f in _addresses(reading)
            ):
                return True
    return False


def readings_of(
    paths: Sequence[Path], options: Options | None, format: str | None
) -> dict[int, Reading]:
    """Return what there is to read by the place of its path; single pictures at their first."""
    found: dict[int, Reading] = {}
    single: dict[int, Path] = {}
    for n, path in enumerate(paths):
        if is_catalogue(path):
            continue
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            single[n] = path
        elif path.is_dir() or path.stat().st_size:
            found[n] = _reading(path, options, format)
    if single:
        found[min(single)] = read_pictures([*single.values()])
    return dict(sorted(found.items()))


def _reading(path: Path, options: Options | None, format: str | None) -> Reading:
    """Return what there is to read; a folder of pictures is one, whatever the files are."""
    plain = path.is_dir() and sniff(path).name == "image-folder"
    return read_path(path, options, None if plain else format)


def _addresses(reading: Reading) -> list[tuple[Delimited, Columns]]:
    """Return the tables of a reading that name pictures, with what names them."""
    tables = [source for source in reading.sources if isinstance(source, Delimited)]
    return [(t, f) for t in tables for f in t.feeds if "accessURI" in f.terms]


def notes_of(reading: Reading) -> list[str]:
    """Return what a format says of a reading, and if its tables hold nothing to be asked about."""
    tables = [source for source in reading.sources if isinstance(source, Delimited)]
    fed = {term for t in tables for f in t.feeds if f.table in _FEEDS for term in f.terms}
    if len(tables) < len(reading.sources) or fed & {"sequence", "accessURI"}:
        return [*reading.notes]
    how = "say which one does with --map column=sequence or column=accessURI"
    return [*reading.notes, f"no column holds sequences or names pictures; {how}"]


def _names_files(table: Delimited, feed: Columns, told: bool) -> bool:
    """Return whether the first rows of a table name a picture that is there.

    Where the user has told the folder of pictures they need not be: what is missing is an error.
    """
    head = read_head(table.path, table.delimiter, table.quote)
    rows = [row for row in head.rows if len(row) == len(table.columns)]
    con = duckdb.connect()
    try:
        columns = ", ".join(f'"{c.replace(chr(34), chr(34) * 2)}" VARCHAR' for c in table.columns)
        con.execute(f"CREATE TABLE given ({columns}, line__ BIGINT)")
        marks = ", ".join("?" for _ in (*table.columns, 0))
        for line, row in enumerate(rows, head.header_lines + 1):
            cells = [None if text in ("", *table.nulls) else text for text in row]
            con.execute(f"INSERT INTO given VALUES ({marks})", [*cells, line])
        origin = f"(SELECT *, unnest({feed.each}) AS item FROM given)" if feed.each else "given"
        sql = f"SELECT ({feed.terms['accessURI']}) AS accessURI FROM {origin}"
        sql += f" WHERE {feed.where}" if feed.where else ""
        named = con.execute(f"SELECT accessURI FROM ({sql}) WHERE {_LOCAL}").fetchall()
        return any(told or is_there(uri) for (uri,) in named)
    finally:
        con.close()


def _named_in(reading: Reading) -> Iterator[str]:
    """Return the files of pictures that the tables of a reading name, in the order of the names."""
    with tempfile.TemporaryDirectory() as folder:
        con = connect(memory=_MEMORY, spill=Path(folder) / "spill")
        try:
            staging = Staging(con, Path(folder), lambda _what, _rows: None)
            try:
                staging.load(reading)
            except FormatError:
                if staging.rows_read:
                    raise
                return
            views = [staging.view(t) for t in _FEEDS[:2] if "accessURI" in staging.terms(t)]
            sql = " UNION ".join(f"SELECT accessURI FROM {view}" for view in views)
            found = con.execute(f"SELECT * FROM ({sql}) WHERE {_LOCAL} ORDER BY accessURI")
            while rows := found.fetchmany(1_000):
                yield from (str(uri) for (uri,) in rows)
        finally:
            con.close()


def _hash_of(addresses: Iterator[str], root: Path | None = None) -> str:
    """Return the hash of pictures, by their names and contents, in the order given."""
    digest = hashlib.blake2b(digest_size=16)
    for address in addresses:
        path = Path(address.removeprefix("file://"))
        name = path.relative_to(root).as_posix() if root else path.name
        digest.update(f"{name}\0{_content_hash(address)}\0".encode())
    return digest.hexdigest()


def _content_hash(address: str) -> str:
    """Return the hash of a file, or of what lies within one; "" where there is none."""
    file, member = container_of(address)
    if not member:
        return content_hash(Path(file)) if Path(file).is_file() else ""
    try:
        return hashlib.blake2b(read_address(address), digest_size=16).hexdigest()
    except BadAddressError:
        return ""


def hash_of_catalogue(path: Path) -> tuple[str, str]:
    """Return the name and a hash of the evidence of a catalogue."""
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        held = ["-".join(map(str, opened.query(sql).fetch()[0])) for sql in _HASHES]
        held.append(_hash_of(str(uri) for (uri,) in opened.query(_UNHASHED)))
    return path.name, " ".join(held)


def hashes_of(reading: Reading) -> list[tuple[str, str]]:
    """Return names and hashes of the files of a reading and of the pictures that they name."""
    folders = pictures_in(reading)
    if folders:
        return [
            (p.root.name, _hash_of((file.as_posix() for file in p.files), p.root)) for p in folders
        ]
    found = [(Path(file).name, content_hash(file)) for file in reading.inputs]
    if _addresses(reading):
        found.append(("pictures", _hash_of(_named_in(reading))))
    return found
