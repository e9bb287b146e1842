"""What each row of a table is held against: rules in SQL, as GBIF's own validator has them.

A rule looks at one term, or at several together, and tells which of the possible causes it is: zero
coordinates are not swapped ones. Whether a place lies in the country that is named needs a map:
see `check_places`.

Reference: https://techdocs.gbif.org/en/data-processing/ (occurrence issues and flags)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from merian.catalogue.schema import quoted
from merian.formats.delimited import literal
from merian.report.publish.darwin_terms import BASES
from merian.taxonomy import read_rank

__all__ = ["DATES", "READ", "RULES", "Rule", "rank_rule"]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: What kind of thing it finds.
        severity: How grave it is.
        term: The term whose value is shown.
        where: SQL that is true of a row that breaks it; ``{term}`` stands for a term's text.
        message: What is wrong and what to do.
        needs: Terms that the table must have for the rule to make sense; those in ``where``
            that it lacks count as empty.
    """

    code: str
    severity: str
    term: str
    where: str
    message: str
    needs: tuple[str, ...] = ()


READ = " as read"
"""Behind the name of a date: what it is as ISO 8601, empty where it cannot be read."""

DATES = ("eventDate", "dateIdentified")
"""The terms that are read as dates."""

_LAT, _LON = "try_cast({decimalLatitude} AS DOUBLE)", "try_cast({decimalLongitude} AS DOUBLE)"
_BOTH = f"{_LAT} IS NOT NULL AND {_LON} IS NOT NULL"
_OUTSIDE = f"(abs({_LAT}) > 90 OR abs({_LON}) > 180)"
_SWAPPED = f"abs({_LAT}) > 90 AND abs({_LAT}) <= 180 AND abs({_LON}) <= 90"
_FIRST = f"{{eventDate{READ}}}"
_LAST = f"split_part({_FIRST}, '/', -1)"
_YEAR = f"try_cast(left({_FIRST}, 4) AS INTEGER)"
_COUNT = "try_cast({individualCount} AS BIGINT)"
_QUALIFIER = r"(^|\s)(cf|aff|nr|sp|spp|ssp|gr|indet|agg|nov|confer)\.?(\s|$)|\?|\bsp\.? ?[0-9]+\b"
_BASES = ", ".join(literal(name.lower()) for name in sorted(BASES))


def _date(term: str, code: str, what: str) -> Iterator[Rule]:
    """Return the rules of a date: whether it is one, and whether it can be true."""
    value = f"{{{term}{READ}}}"
    last = f"split_part({value}, '/', -1)"
    yield Rule(
        f"{code}_INVALID", "error" if term == "eventDate" else "warning", term,
        f"{{{term}}} IS NOT NULL AND {value} IS NULL",
        f"{what} cannot be read without guessing; write it as ISO 8601: 2021-06-30",
    )  # fmt: skip
    yield Rule(
        f"{code}_UNLIKELY", "warning", term,
        f"{value} IS NOT NULL AND left({last}, 10) > left('TODAY', length(left({last}, 10)))",
        f"{what} lies in the future",
    )  # fmt: skip
    yield Rule(
        f"{code}_UNLIKELY", "warning", term, f"left({value}, 4) < '1600'",
        f"{what} lies before 1600",
    )  # fmt: skip


def _range(of: str, code: str, low: int, high: int) -> Iterator[Rule]:
    """Return the rules of depth or elevation: numbers, in order, and such as there are."""
    least, most = f"minimum{of}InMeters", f"maximum{of}InMeters"
    for term in (least, most):
        yield Rule(
            f"{code}_NON_NUMERIC", "error", term,
            f"{{{term}}} IS NOT NULL AND try_cast({{{term}}} AS DOUBLE) IS NULL",
            f"is no number of metres; the unit belongs to verbatim{of}",
        )  # fmt: skip
        yield Rule(
            f"{code}_UNLIKELY", "warning", term,
            f"try_cast({{{term}}} AS DOUBLE) < {low} OR try_cast({{{term}}} AS DOUBLE) > {high}",
            f"is not between {low:,} and {high:,} m; there is no such place",
        )  # fmt: skip
    yield Rule(
        f"{code}_MIN_MAX_SWAPPED", "warning", least,
        f"try_cast({{{least}}} AS DOUBLE) > try_cast({{{most}}} AS DOUBLE)",
        f"is greater than {most}: the two are swapped", (least, most),
    )  # fmt: skip


def _number(term: str, code: str, low: float, high: float, message: str) -> Rule:
    value = f"try_cast({{{term}}} AS DOUBLE)"
    return Rule(
        code, "warning", term,
        f"{{{term}}} IS NOT NULL AND ({value} IS NULL OR {value} <= {low} OR {value} > {high})",
        message,
    )  # fmt: skip


def _fraction(term: str) -> Rule:
    value = f"try_cast({{{term}}} AS DOUBLE)"
    return Rule(
        "REGION_INVALID", "error", term,
        f"{{{term}}} IS NOT NULL AND ({value} IS NULL OR {value} < 0 OR {value} > 1)",
        "is no fraction between 0 and 1 of the picture; pixels must be divided by its size",
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    Rule("COORDINATE_INVALID", "error", "decimalLatitude",
         f"{{decimalLatitude}} IS NOT NULL AND {_LAT} IS NULL",
         "is no decimal number; degrees and minutes belong to verbatimLatitude"),
    Rule("COORDINATE_INVALID", "error", "decimalLongitude",
         f"{{decimalLongitude}} IS NOT NULL AND {_LON} IS NULL",
         "is no decimal number; degrees and minutes belong to verbatimLongitude"),
    Rule("COORDINATE_INVALID", "warning", "decimalLatitude",
         "{decimalLatitude} IS NOT NULL AND {decimalLongitude} IS NULL",
         "stands without a longitude, and says nothing so", ("decimalLatitude",)),
    Rule("COORDINATE_INVALID", "warning", "decimalLongitude",
         "{decimalLongitude} IS NOT NULL AND {decimalLatitude} IS NULL",
         "stands without a latitude, and says nothing so", ("decimalLongitude",)),
    Rule("ZERO_COORDINATE", "warning", "decimalLatitude", f"{_LAT} = 0 AND {_LON} = 0",
         "0, 0 lies in the Gulf of Guinea, and mostly means that nothing is known: leave both "
         "empty", ("decimalLatitude", "decimalLongitude")),
    Rule("PRESUMED_SWAPPED_COORDINATE", "error", "decimalLatitude", f"{_BOTH} AND {_SWAPPED}",
         "is greater than 90 and the longitude is not: the two are swapped",
         ("decimalLatitude", "decimalLongitude")),
    Rule("COORDINATE_OUT_OF_RANGE", "error", "decimalLatitude",
         f"{_BOTH} AND {_OUTSIDE} AND NOT ({_SWAPPED})",
         "latitude or longitude is not on the globe (at most 90 and 180 degrees)",
         ("decimalLatitude", "decimalLongitude")),
    Rule("GEODETIC_DATUM_ASSUMED_WGS84", "info", "geodeticDatum",
         f"{_BOTH} AND {{geodeticDatum}} IS NULL",
         "is empty where there are coordinates; GBIF assumes WGS84. Say EPSG:4326 if it is so",
         ("decimalLatitude", "decimalLongitude")),
    _number("coordinateUncertaintyInMeters", "COORDINATE_UNCERTAINTY_METERS_INVALID", 0, 5_000_000,
            "is no number of metres greater than 0; leave it empty if it is not known"),
    _number("coordinatePrecision", "COORDINATE_PRECISION_INVALID", 0, 10,
            "is no number of degrees greater than 0"),
    Rule("COUNTRY_INVALID", "warning", "countryCode",
         "{countryCode} IS NOT NULL AND NOT regexp_full_match({countryCode}, '[A-Z]{2}')",
         "is no code of two capital letters as ISO 3166 has them"),
    *_date("eventDate", "RECORDED_DATE", "the date"),
    Rule("RECORDED_DATE_INVALID", "error", "eventDate",
         f"contains({_FIRST}, '/') AND left({_FIRST}, 10) > left({_LAST}, 10) "
         f"AND length(split_part({_FIRST}, '/', 1)) >= 10 AND length({_LAST}) >= 10",
         "the interval ends before it begins"),
    Rule("RECORDED_DATE_MISMATCH", "warning", "eventDate",
         f"{_YEAR} IS NOT NULL AND (try_cast({{year}} AS INTEGER) NOT BETWEEN {_YEAR} AND "
         f"try_cast(left({_LAST}, 4) AS INTEGER) OR (length({_FIRST}) >= 10 AND NOT "
         f"contains({_FIRST}, '/') AND (try_cast({{month}} AS INTEGER) <> "
         f"try_cast(substr({_FIRST}, 6, 2) AS INTEGER) OR try_cast({{day}} AS INTEGER) <> "
         f"try_cast(substr({_FIRST}, 9, 2) AS INTEGER))))",
         "does not agree with year, month and day"),
    *_date("dateIdentified", "IDENTIFIED_DATE", "the date of the identification"),
    Rule("BASIS_OF_RECORD_INVALID", "error", "basisOfRecord",
         "{basisOfRecord} IS NULL OR lower(regexp_replace({basisOfRecord}, '[_ ]', '', 'g'))"
         f" NOT IN ({_BASES})",
         f"is none of {', '.join(sorted(BASES))}", ("basisOfRecord",)),
    Rule("INDIVIDUAL_COUNT_INVALID", "warning", "individualCount",
         f"{{individualCount}} IS NOT NULL AND ({_COUNT} IS NULL OR {_COUNT} < 0 OR "
         "NOT regexp_full_match({individualCount}, '[+]?[0-9]+'))",
         "is no whole number; another quantity belongs to organismQuantity"),
    Rule("INDIVIDUAL_COUNT_CONFLICTS_WITH_OCCURRENCE_STATUS", "warning", "individualCount",
         f"({_COUNT} = 0 AND lower({{occurrenceStatus}}) IN ('present', 'detected')) OR "
         f"({_COUNT} > 0 AND lower({{occurrenceStatus}}) IN ('absent', 'notdetected'))",
         "does not agree with occurrenceStatus", ("individualCount", "occurrenceStatus")),
    Rule("OCCURRENCE_STATUS_UNPARSABLE", "warning", "occurrenceStatus",
         "lower({occurrenceStatus}) NOT IN ('present', 'absent', 'detected', 'notdetected')",
         "is neither present nor absent"),
    Rule("NAME_WITH_QUALIFIER", "warning", "scientificName",
         f"regexp_matches({{scientificName}}, {literal(_QUALIFIER)}, 'i')",
         "holds more than a name (cf., sp., ?): say that in identificationQualifier, and the whole "
         "in verbatimIdentification"),
    Rule("SCIENTIFIC_NAME_MISSING", "warning", "scientificName",
         "{scientificName} IS NULL AND {taxonID} IS NULL AND {verbatimIdentification} IS NULL",
         "nothing says what it is; GBIF shows it as unknown", ("scientificName", "basisOfRecord")),
    *_range("Depth", "DEPTH", 0, 11_000),
    *_range("Elevation", "ELEVATION", -500, 9_000),
    Rule("MULTIMEDIA_URI_INVALID", "warning", "accessURI",
         "{accessURI} IS NOT NULL AND NOT regexp_matches({accessURI}, '^(https?|ftp)://')",
         "is no address on the web, so nobody else can fetch the picture"),
    Rule("LICENSE_MISSING_OR_UNKNOWN", "warning", "license", "{license} IS NULL",
         "a picture without a licence may not be republished", ("accessURI",)),
    *map(_fraction, ("xFrac", "yFrac", "widthFrac", "heightFrac")),
    Rule("MEASUREMENT_TYPE_MISSING", "error", "measurementType", "{measurementType} IS NULL",
         "a value without its type says nothing", ("measurementValue",)),
    Rule("SEQUENCE_INVALID", "error", "dna_sequence",
         "NOT regexp_full_match(upper({dna_sequence}), '[ACGTURYSWKMBDHVN.-]+')",
         "holds letters that are no nucleotides"),
    Rule("SEQUENCE_INVALID", "error", "sequence",
         "NOT regexp_full_match(upper({sequence}), '[ACGTURYSWKMBDHVN.-]+')",
         "holds letters that are no nucleotides"),
)  # fmt: skip


def rank_rule(ranks: list[str]) -> Rule:
    """Return the rule of the ranks, given those that a table holds."""
    unknown = [rank for rank in ranks if read_rank(rank) is None]
    listed = ", ".join(literal(rank) for rank in unknown) or "NULL"
    return Rule(
        "TAXON_RANK_UNKNOWN",
        "warning",
        "taxonRank",
        f"{quoted('taxonRank')} IN ({listed})",
        "is no rank that is known; use a lower-case English word such as genus",
    )
