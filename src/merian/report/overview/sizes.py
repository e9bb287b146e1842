"""How large things are: the spectrum of what was measured, of all and of the largest groups.

Sizes of organisms spread over powers of ten, so the bins are equal steps of the logarithm. Values
of one kind and unit go together; what is not above nothing has no place on such a scale and is left
out.
"""

from __future__ import annotations

import math
from functools import partial

import duckdb

from merian.report.columns import columns
from merian.report.overview.parts import Absent
from merian.report.overview.records import rows_of
from merian.report.page import Part, Plot, Section, Table, Text

__all__ = ["sizes"]

_BINS, _GROUPS, _KINDS = 24, 4, 3
_LEAST = 10  # values
_LISTED = 20
_SIZES = "area|feret|length|width|height|major|minor|diam|esd|volume|size|perim"
_LENGTHS = ("mm", "µm", "um", "cm", "m")  # what is shown first


def sizes(con: duckdb.DuckDBPyConnection) -> Section | Absent:
    """Return size spectra.

    Args:
        con: With a table ``size``: kind (of measurement), unit, value, and grp, a taxon or NULL.
    """
    title = "How large they are"
    kinds = rows_of(con, f"""
        SELECT kind, unit, count(*) AS n, min(value), max(value), median(value),
            quantile_disc(value, 0.05), quantile_disc(value, 0.95),
            coalesce(any_value(unit IN {_LENGTHS}), false) AS long,
            any_value(regexp_matches(lower(kind), '{_SIZES}')) AS size
        FROM size WHERE value > 0 AND isfinite(value) GROUP BY kind, unit HAVING n >= {_LEAST}
        ORDER BY long DESC, size DESC, n DESC, kind, unit
    """)  # fmt: skip
    if not kinds:
        return Absent(title, "nothing was measured; `merian measure --write` measures pictures")
    table = Table(
        ("what", "unit", "values", "median", "5 %", "95 %"),
        [(str(kind).replace("_", " "), unit, n, middle, low, high)
         for kind, unit, n, _, _, middle, low, high, *_ in kinds[:_LISTED]],
        "What was measured", max(0, len(kinds) - _LISTED),
    )  # fmt: skip
    drawn = [
        _spectrum(con, kind, unit, low, high)
        for kind, unit, _, low, high, *_, long, size in kinds
        if (long or size) and high > low
    ][:_KINDS]  # fmt: skip
    parts: list[Part] = [*drawn]
    if drawn:
        parts.insert(0, Text(
            "Bins are equal steps of the logarithm, and each group is drawn to its own height."
        ))  # fmt: skip
    return Section(title, [*parts, table])


def _spectrum(
    con: duckdb.DuckDBPyConnection, kind: str, unit: object, low: float, high: float
) -> Plot:
    """Return the spectrum of one kind, of all values and of the groups with the most."""
    begin = math.log10(low)
    step = max((math.log10(high) - begin) / _BINS, 1e-6)
    bins = f"least(greatest(floor((log10(value) - {begin!r}) / {step!r}), 0), {_BINS - 1})::INTEGER"
    these = "kind = ? AND unit IS NOT DISTINCT FROM ? AND value > 0 AND isfinite(value)"
    whole = [0] * _BINS
    groups: dict[str, list[int]] = {}
    for grp, place, n in rows_of(
        con, f"SELECT grp, {bins}, count(*) FROM size WHERE {these} GROUP BY ALL", [kind, unit]
    ):
        whole[place] += n
        if grp is not None:
            groups.setdefault(str(grp), [0] * _BINS)[place] += n
    largest = sorted(groups, key=lambda name: (-sum(groups[name]), name))
    sets = [("all", whole)]
    if len(largest) > 1:
        sets += [(name, groups[name]) for name in largest[:_GROUPS]]
    edges = [f"{10 ** (begin + step * place):.3g}" for place in range(_BINS + 1)]
    what = kind.replace("_", " ")
    name = f"{what[:1].upper()}{what[1:]}" + (f", {unit}" if unit else "")
    return Plot(
        name, partial(columns, name, sets, edges, axis=str(unit or ""), edges=True),
        Table(("from", "to", *(label for label, _ in sets)),
              [(edges[i], edges[i + 1], *(counts[i] for _, counts in sets))
               for i in range(_BINS)]),
    )  # fmt: skip
