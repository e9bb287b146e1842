"""What several people, or several methods, measured on the same things.

A table has a row for each measurement (*long*: a column of the trait, one of the value) or for each
thing and person (*wide*: a column a trait, its unit behind its name, as ``elytraLength_cm``, and if
there are pixels, these in a column of the same name, as ``elytraLength_pix``). A catalogue has its
measurements. Both become the same: for each trait, a value of every thing by everyone who measured
it, with the pixels that it was made of and the picture it was measured on.

A thing that the same person measured more than once cannot be compared: its id may stand for
several things (in a published table 43 do, whose counter wrapped at 99). It is set aside.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.schema import quoted
from merian.database import connect
from merian.errors import InputError
from merian.files import existing
from merian.measure.units import MILLIMETRES
from merian.taxonomy.name_table import read_name_table

__all__ = ["Columns", "Ratings", "SetAside", "read_ratings"]

Floats = NDArray[np.float64]

_MEMORY = "1GB"
_SUBJECT = ("subject", "specimen", "specimenid", "occurrenceid", "combinedid", "individualid",
            "beetleid", "id")  # fmt: skip
_RATER = ("rater", "annotator", "observer", "measurementdeterminedby", "user_name", "user", "who")
_METHOD = ("method", "measurementmethod")
_TRAIT = ("trait", "measurementtype", "structure")
_VALUE = ("value", "measurementvaluenumeric", "measurementvalue")
_UNIT = ("unit", "measurementunit")
_PIXELS = ("pixels", "px", "dist_pix")
_IMAGE = ("image", "picture", "pictureid", "groupimagefilepath", "mediaid", "file_name", "filename")
_WIDE = re.compile(r"(?P<trait>.+)_(?P<unit>mm|cm|um|µm|m|in|px|pix|pixels)", re.IGNORECASE)
_IN_PIXELS = ("px", "pix", "pixels")
_MEASURED = """
    SELECT m.occurrenceID AS subject,
           coalesce(m.measurementDeterminedBy, '') AS rater,
           coalesce(m.measurementMethod, '') AS method,
           m.measurementType AS trait,
           m.measurementValueNumeric AS value,
           m.measurementUnit AS unit,
           coalesce(p.derivedFromMediaID, m.mediaID) AS image
    FROM measurement m LEFT JOIN media p ON p.mediaID = m.mediaID
    WHERE m.occurrenceID IS NOT NULL AND m.measurementValueNumeric IS NOT NULL
"""
_ASIDE = "was measured more than once by the same; it may be several under one id"


@dataclass(frozen=True)
class Columns:
    """Which column holds what; those that are not told are found by their names.

    Attributes:
        subject: What was measured.
        rater: Who measured.
        method: How; who measured in two ways counts as two.
        trait: What of it was measured, where a row is one measurement.
        value: The values: one column where a row is one measurement, else one a trait.
        pixels: The same in pixels, in the same order.
        unit: A column of units, or a unit.
        image: The picture.
        image_pattern: A regular expression whose first group is the picture, in ``image`` or, if
            that is not told, in the subject.
    """

    subject: str = ""
    rater: str = ""
    method: str = ""
    trait: str = ""
    value: tuple[str, ...] = ()
    pixels: tuple[str, ...] = ()
    unit: str = ""
    image: str = ""
    image_pattern: str = ""


@dataclass(frozen=True)
class SetAside:
    """A measurement that is not compared, and why."""

    trait: str
    subject: str
    rater: str
    reason: str


@dataclass(frozen=True, eq=False)
class Ratings:
    """One trait of many things by everyone who measured it.

    Attributes:
        trait: What was measured.
        unit: Of the values.
        subjects: What was measured, sorted.
        raters: Who measured, sorted.
        images: The pictures, sorted; none if no picture is known.
        image: int64[subjects]; the picture of each, or its own number where none is known.
        value: float64[subjects, raters]; NaN where one did not measure.
        pixels: float64[subjects, raters]; NaN where no pixels are known.
        aside: What is not compared.
    """

    trait: str
    unit: str
    subjects: tuple[str, ...]
    raters: tuple[str, ...]
    images: tuple[str, ...]
    image: NDArray[np.int64]
    value: Floats
    pixels: Floats
    aside: tuple[SetAside, ...] = ()


def read_ratings(path: Path | str, columns: Columns | None = None) -> list[Ratings]:
    """Return the traits of a table or a catalogue that two or more have measured.

    Args:
        path: A CSV, TSV or Parquet file, or the folder of a catalogue.
        columns: Which column holds what.
    """
    path = existing(Path(path), "table of measurements, or catalogue")
    columns = columns or Columns()
    _check_pattern(columns.image_pattern)
    with tempfile.TemporaryDirectory(prefix="merian-agreement-") as work:
        con = connect(memory=_MEMORY, spill=Path(work) / "spill")
        try:
            if path.is_dir():
                _of_catalogue(con, path, Path(work))
            else:
                _of_table(con, path, Path(work), columns)
            found = _traits(con)
        finally:
            con.close()
    if not found:
        raise InputError(
            f"{path}: nothing in it was measured by two people or methods; expected the same thing "
            "in two rows or more that differ in who measured it"
        )
    return found


def _check_pattern(pattern: str) -> None:
    """Make sure that a pattern can be read, and has a group that is the picture."""
    if not pattern:
        return
    try:
        with connect(threads=1) as con:  # whose patterns know less than Python's
            con.execute("SELECT regexp_extract('', ?, 1)", [pattern]).fetchall()
        groups = re.compile(pattern).groups
    except (duckdb.Error, re.error) as error:
        why = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
        raise InputError(f"--image-pattern {pattern!r}: cannot be read: {why}") from None
    if not groups:
        raise InputError(
            f"--image-pattern {pattern!r}: has no group; put what is the picture in brackets, as "
            "in '(.+)_[0-9]+'"
        )


def _of_catalogue(con: duckdb.DuckDBPyConnection, path: Path, work: Path) -> None:
    """Make the table of ratings from the measurements of a catalogue."""
    table = work / "measured.parquet"
    with Catalogue.open(path, read_only=True) as catalogue:
        catalogue.write_table(_MEASURED, table)
    con.execute(f"CREATE VIEW measured AS SELECT * FROM read_parquet({literal(str(table))})")
    con.execute(f"""
        CREATE TABLE rating AS
        SELECT v.subject, {_named("v.rater", "v.method")} AS rater, v.trait, v.value,
               coalesce(v.unit, '') AS unit, p.value AS pixels, v.image
        FROM measured v LEFT JOIN measured p
          ON p.unit = 'px' AND (p.subject, p.rater, p.method, p.trait)
           = (v.subject, v.rater, v.method, v.trait)
        WHERE v.unit IS DISTINCT FROM 'px'
    """)


def _named(rater: str, method: str) -> str:
    """Return the SQL of what one measurer is called: who, how, or both."""
    return f"concat_ws(', ', nullif({rater}, ''), nullif({method}, ''))"


def _of_table(con: duckdb.DuckDBPyConnection, path: Path, work: Path, told: Columns) -> None:
    """Make the table of ratings from a table of either shape."""
    names = read_name_table(con, path, work)
    known = {name.strip().lstrip("\ufeff").lower(): name for name in names}

    def found(asked: str, usual: Sequence[str], option: str) -> str:
        if asked:
            if asked.lower() not in known:
                raise InputError(
                    f"{path}: has no column {asked} for {option}; it has {', '.join(names)}"
                )
            return known[asked.lower()]
        return next((known[name] for name in usual if name in known), "")

    columns = Columns(
        subject=found(told.subject, _SUBJECT, "--subject"),
        rater=found(told.rater, _RATER, "--rater"),
        method=found(told.method, _METHOD, "--method"),
        trait=found(told.trait, _TRAIT, "--trait"),
        value=tuple(found(name, (), "--value") for name in told.value),
        pixels=tuple(found(name, (), "--pixels") for name in told.pixels),
        unit=told.unit,
        image=found(told.image, _IMAGE, "--image"),
        image_pattern=told.image_pattern,
    )
    for what, column in (("what was measured", columns.subject), ("who measured", columns.rater)):
        if not column and not (what == "who measured" and columns.method):
            option = "--subject" if what == "what was measured" else "--rater"
            raise InputError(
                f"{path}: none of its columns ({', '.join(names)}) is called as one of {what} "
                f"usually is; say which it is, with {option} COLUMN"
            )
    columns = _with_values(path, names, known, columns)
    parts = [
        _part(known, columns, value, columns.pixels[at] if at < len(columns.pixels) else "")
        for at, value in enumerate(columns.value)
    ]
    con.execute(f"CREATE TABLE rating AS {' UNION ALL '.join(parts)}")


def _with_values(
    path: Path, names: Sequence[str], known: Mapping[str, str], columns: Columns
) -> Columns:
    """Return the columns with those of values and pixels."""
    if columns.value:
        return columns
    single = next((known[name] for name in _VALUE if name in known), "")
    if single:
        pixels = next((known[name] for name in _PIXELS if name in known), "")
        return replace(columns, value=(single,), pixels=(pixels,) if pixels else columns.pixels)
    wide = [(found, name) for name in names if (found := _WIDE.fullmatch(name))]
    pixels_of = {
        found["trait"]: name for found, name in wide if found["unit"].lower() in _IN_PIXELS
    }
    values = [
        (found["trait"], name) for found, name in wide if found["unit"].lower() not in _IN_PIXELS
    ]
    if not values:
        raise InputError(
            f"{path}: none of its columns ({', '.join(names)}) is one of values; expected value, "
            "or columns that end in a unit, as length_mm; say which they are, with --value COLUMN"
        )
    return replace(
        columns,
        value=tuple(name for _, name in values),
        pixels=tuple(pixels_of.get(trait, "") for trait, _ in values),
    )


def _part(known: Mapping[str, str], columns: Columns, value: str, pixels: str) -> str:
    """Return the SQL of the ratings in one column of values."""

    def text(name: str) -> str:
        return f"coalesce(trim(CAST({quoted(name)} AS VARCHAR)), '')" if name else "''"

    def number(name: str) -> str:
        return f"try_cast({quoted(name)} AS DOUBLE)" if name else "CAST(NULL AS DOUBLE)"

    wide = _WIDE.fullmatch(value)
    if columns.unit:
        of = known.get(columns.unit.lower())
        unit = text(of) if of else literal(columns.unit)
    elif usual := next((known[name] for name in _UNIT if name in known), ""):
        unit = text(usual)
    else:
        unit = literal(wide["unit"]) if wide else "''"
    trait = text(columns.trait) if columns.trait else literal(wide["trait"] if wide else value)
    image = text(columns.image or (columns.subject if columns.image_pattern else ""))
    if columns.image_pattern:
        image = f"regexp_extract({image}, {literal(columns.image_pattern)}, 1)"
    return (
        f"SELECT {text(columns.subject)} AS subject, "
        f"{_named(text(columns.rater), text(columns.method))} AS rater, {trait} AS trait, "
        f"{number(value)} AS value, {unit} AS unit, {number(pixels)} AS pixels, "
        f"{image} AS image FROM asked"
    )


def _traits(con: duckdb.DuckDBPyConnection) -> list[Ratings]:
    """Return the traits that two or more measured, those with the most values first."""
    scale = " ".join(f"WHEN {literal(unit)} THEN {value!r}" for unit, value in MILLIMETRES.items())
    con.execute(f"""
        CREATE TABLE good AS
        SELECT trait, subject, rater, nullif(image, '') AS image, pixels,
               value * coalesce(CASE lower(unit) {scale} END, 1) AS value,
               CASE WHEN CASE lower(unit) {scale} END IS NULL THEN unit ELSE 'mm' END AS unit
        FROM rating
        WHERE subject <> '' AND rater <> '' AND isfinite(value)
    """)
    kinds = con.execute("""
        SELECT trait, unit FROM good GROUP BY ALL HAVING count(DISTINCT rater) > 1
        ORDER BY count(*) DESC, trait, unit
    """).fetchall()
    found = [_one(con, trait, unit) for trait, unit in kinds]
    return [one for one in found if (np.isfinite(one.value).sum(axis=1) > 1).any()]


def _one(con: duckdb.DuckDBPyConnection, trait: str, unit: str) -> Ratings:
    rows = con.execute(
        """
        SELECT subject, rater, count(*), any_value(value), any_value(pixels), min(image)
        FROM good WHERE trait = ? AND unit = ? GROUP BY ALL ORDER BY ALL
        """,
        [trait, unit],
    ).fetchall()
    aside = tuple(SetAside(trait, row[0], row[1], _ASIDE) for row in rows if row[2] > 1)
    rows = [row for row in rows if row[2] == 1]
    subjects = tuple(sorted({row[0] for row in rows}))
    raters = tuple(sorted({row[1] for row in rows}))
    row_of = {name: at for at, name in enumerate(subjects)}
    column_of = {name: at for at, name in enumerate(raters)}
    value = np.full((len(subjects), len(raters)), np.nan)
    pixels = np.full_like(value, np.nan)
    image_of: dict[str, str] = {}
    for subject, rater, _, measured, length, image in rows:
        at = row_of[subject], column_of[rater]
        value[at] = measured
        if length is not None and length > 0:
            pixels[at] = length
        if image:
            image_of.setdefault(subject, image)
    images = tuple(sorted(set(image_of.values())))
    number = {name: at for at, name in enumerate(images)}
    image_number = np.array(
        [number.get(image_of.get(name, ""), len(images) + at) for at, name in enumerate(subjects)],
        np.int64,
    )
    return Ratings(trait, unit, subjects, raters, images, image_number, value, pixels, aside)
