"""What a value must be to be believed, in SQL.

Every value arrives as text. Each column's check turns it into its type, or into nothing when it
cannot be right; the text then goes to the rejects with the reason, and the row is kept. All of
it is SQL over whole columns, so that a million rows are checked in a second or two.

Reference: https://dwc.tdwg.org/terms/ (the terms), ISO 8601 (dates), IUPAC 1985 (nucleotides).
"""

from __future__ import annotations

from merian.catalogue.schema import TABLES

__all__ = ["MACROS", "checked_terms", "literal", "problem", "typed"]

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
_ROMAN = r"[0-9]{1,2}[.][ ]?(?i:i{1,3}|iv|vi{0,3}|ix|xi{0,2})[.][ ]?(1[5-9]|20)[0-9]{2}"

# One part of a date: returns ISO 8601, or NULL where it would have to be guessed. 3/4/2012 is
# the third of April to some and the fourth of March to others, so it is never read.
_DATE_PART = rf"""
CREATE MACRO date_part_iso(x) AS CASE
    WHEN regexp_full_match(x, '{_DAY}') THEN if(try_cast(x AS DATE) IS NULL, NULL, x)
    WHEN regexp_full_match(x, '{_DAY}[T ]{_CLOCK}')
        THEN if(
            try_cast(left(x, 10) AS DATE) IS NULL
            OR try_cast(substr(x, 12, 5) || ':00' AS TIME) IS NULL,
            NULL, left(x, 10) || 'T' || substr(x, 12))
    WHEN regexp_full_match(x, '[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}')
        THEN CAST(try_cast(replace(x, '/', '-') AS DATE) AS VARCHAR)
    WHEN regexp_full_match(x, '[0-9]{{8}}')
        THEN CAST(CAST(try_strptime(x, '%Y%m%d') AS DATE) AS VARCHAR)
    WHEN regexp_full_match(x, '[0-9]{{1,2}}[- ][A-Za-z]{{3}}[- ][0-9]{{4}}')
        THEN CAST(CAST(try_strptime(replace(x, ' ', '-'), '%d-%b-%Y') AS DATE) AS VARCHAR)
    WHEN regexp_full_match(x, '[0-9]{{1,2}}[- ][A-Za-z]{{4,9}}[- ][0-9]{{4}}')
        THEN CAST(CAST(try_strptime(replace(x, ' ', '-'), '%d-%B-%Y') AS DATE) AS VARCHAR)
    WHEN regexp_full_match(x, '[0-9]{{1,2}}[.][0-9]{{1,2}}[.][0-9]{{4}}')
        THEN CAST(CAST(try_strptime(x, '%d.%m.%Y') AS DATE) AS VARCHAR)
    WHEN regexp_full_match(x, '{_ROMAN}') -- 11.iv.1931, as labels of collections have it
        THEN CAST(try_cast(
            right(x, 4) || '-' || lpad(CAST(list_position(
                ['i', 'ii', 'iii', 'iv', 'v', 'vi', 'vii', 'viii', 'ix', 'x', 'xi', 'xii'],
                lower(regexp_extract(x, '[IVXivx]+'))) AS VARCHAR), 2, '0')
            || '-' || lpad(regexp_extract(x, '^[0-9]+'), 2, '0') AS DATE) AS VARCHAR)
    WHEN regexp_full_match(x, '(1[5-9]|20)[0-9]{{2}}-(0[1-9]|1[0-2])') THEN x
    WHEN regexp_full_match(x, '(1[5-9]|20)[0-9]{{2}}') THEN x
END
"""

# Two such parts may have one stroke between them; no part has a stroke, or it has two. What stands
# in a macro is planned anew wherever it is written out, so the parts are bound to names.
_DATE = r"""
CREATE MACRO date_iso(x) AS CASE
    WHEN regexp_full_match(x, '[^/]+/[^/]+') THEN list_transform(
        [list_transform(split(x, '/'), lambda part: date_part_iso(trim(part)))],
        lambda ends: if(left(ends[1], 4) <= left(ends[2], 4), ends[1] || '/' || ends[2], NULL)
    )[1]
    ELSE date_part_iso(x)
END
"""

# A decimal comma is read where it can be nothing else: 9,748 may be nine and a bit or thousands.
_NUMBER = r"""
CREATE MACRO number(x) AS CASE
    WHEN contains(x, 'n') OR contains(x, 'N') THEN NULL -- nan and inf are no numbers
    WHEN contains(x, 'e') OR contains(x, 'E')
        THEN if(isfinite(try_cast(x AS DOUBLE)), try_cast(x AS DOUBLE), NULL)
    WHEN NOT contains(x, ',') THEN try_cast(x AS DOUBLE)
    WHEN regexp_full_match(x, '[+-]?[0-9]+,([0-9]{1,2}|[0-9]{4,})')
        THEN try_cast(replace(x, ',', '.') AS DOUBLE)
END
"""

_WHOLE = """
CREATE MACRO whole(x) AS CASE
    WHEN number(x) = floor(number(x)) AND abs(number(x)) < 9e15 THEN CAST(number(x) AS BIGINT)
END
"""

# Only what is not plain ACGT comes here.
_CLEANED = r"""
CREATE MACRO nucleotides(x) AS
    replace(upper(regexp_replace(x, '[-. \t\r\n]+', '', 'g')), 'U', 'T')
"""

# Two texts have a Jaccard index of 1 if they are made of the same letters. It is a third faster
# than a regular expression; a barcode that lacks one of the four goes the longer way.
_SEQUENCE = r"""
CREATE MACRO sequence_of(x) AS CASE
    WHEN jaccard(nullif(x, ''), 'ACGT') = 1 THEN x
    WHEN regexp_full_match(nucleotides(x), '[ACGTRYSWKMBDHVN]+')
        AND 2 * length(regexp_replace(nucleotides(x), '[^ACGT]', '', 'g')) >= length(nucleotides(x))
        THEN nucleotides(x)
END
"""

_NOT_A_SEQUENCE = r"""
CREATE MACRO not_a_sequence(x) AS CASE
    WHEN nucleotides(x) = '' THEN 'no nucleotides: only gaps'
    WHEN regexp_full_match(nucleotides(x), '[ACGTRYSWKMBDHVN]+')
        THEN 'too few of A, C, G and T: '
            || length(regexp_replace(nucleotides(x), '[^ACGT]', '', 'g'))
            || ' of ' || length(nucleotides(x))
    WHEN regexp_full_match(nucleotides(x), '[A-Z*]+')
        AND regexp_matches(nucleotides(x), '[EFILPQ*]')
        THEN 'looks like protein: found ' || list_aggregate(list_sort(list_distinct(
            regexp_extract_all(nucleotides(x), '[EFILPQ*]'))), 'string_agg', ', ')
    ELSE 'not nucleotides: found ' || list_aggregate(list_slice(list_sort(list_distinct(
        regexp_extract_all(nucleotides(x), '[^ACGTRYSWKMBDHVN]'))), 1, 10), 'string_agg', ', ')
END
"""

MACROS = (_DATE_PART, _DATE, _NUMBER, _WHOLE, _CLEANED, _SEQUENCE, _NOT_A_SEQUENCE)

# The least and the greatest value that can be true; None is no bound.
_BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "decimalLatitude": (-90, 90),
    "decimalLongitude": (-180, 180),
    "coordinateUncertaintyInMeters": (0, None),
    "minimumElevationInMeters": (-11_000, 9_000),
    "maximumElevationInMeters": (-11_000, 9_000),
    "minimumDepthInMeters": (-100, 11_100),
    "maximumDepthInMeters": (-100, 11_100),
    "individualCount": (0, None),
    "pixelXDimension": (1, None),
    "pixelYDimension": (1, None),
    "xFrac": (0, 1),
    "yFrac": (0, 1),
    "widthFrac": (0, 1),
    "heightFrac": (0, 1),
    "pixelsPerMillimetre": (1e-9, None),
    "pixelsPerMillimetreUncertainty": (0, None),
    "readCount": (0, None),
    "probability": (0, 1),
}

_SEXES = {
    "female": ("f", "female", "females", "♀"),
    "male": ("m", "male", "males", "♂"),
    "hermaphrodite": ("hermaphrodite", "hermaphroditic", "⚥"),
}
_SEX = (
    "CASE "
    + " ".join(
        f"WHEN lower({{x}}) IN ({', '.join(repr(w) for w in words)}) THEN '{sex}'"
        for sex, words in _SEXES.items()
    )
    + " ELSE {x} END"
)

_TYPES = {field.name: field.type for table in TABLES.values() for field in table.fields}


def literal(text: object) -> str:
    """Return a text as SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def typed(term: str, x: str) -> str:
    """Return the SQL of a term's value in its type; NULL where the text ``x`` cannot be it."""
    if term == "sequence":
        return f"sequence_of({x})"
    if term == "eventDate":
        return f"date_iso({x})"
    if term == "dateIdentified":  # nothing rests on it being a date, so the text may stay
        return f"coalesce(date_iso({x}), {x})"
    if term == "sex":
        return _SEX.format(x=x)
    if term in {"agentType", "taxonRank"}:
        return f"lower({x})"
    kind = _TYPES[term]
    if kind == "VARCHAR":
        return x
    value = f"{'number' if kind == 'DOUBLE' else 'whole'}({x})"
    low, high = _BOUNDS.get(term, (None, None))
    tests = [
        f"{value} {sign} {bound}"
        for sign, bound in ((">=", low), ("<=", high))
        if bound is not None
    ]
    return f"if({' AND '.join(tests)}, {value}, NULL)" if tests else value


def checked_terms(terms: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the terms whose text may be refused."""
    return tuple(t for t in terms if t in {"sequence", "eventDate"} or _TYPES[t] != "VARCHAR")


def problem(term: str, x: str) -> str:
    """Return the SQL of the reason why the text ``x`` was refused."""
    if term == "sequence":
        return f"not_a_sequence({x})"
    if term == "eventDate":
        return "'not a date that can be read without guessing'"
    whole = _TYPES[term] == "BIGINT"
    value = "whole" if whole else "number"
    low, high = _BOUNDS.get(term, (None, None))
    bounds = " and ".join(
        f"{word} {bound:g}"
        for word, bound in (("at least", low), ("at most", high))
        if bound is not None
    )
    kind = "a whole number" if whole else "a number"
    comma = (
        f"WHEN regexp_full_match({x}, '[+-]?[0-9]+,[0-9]{{3}}') "
        "THEN 'a comma that may be decimal or of thousands' "
    )
    outside = f"WHEN {value}({x}) IS NOT NULL THEN {literal(f'out of range, expected {bounds}')} "
    return f"CASE {comma}{outside if bounds else ''}ELSE 'not {kind}' END"
