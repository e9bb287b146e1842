"""Small taxonomies for tests."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from merian.taxonomy import BuildReport, Taxonomy, build

COLUMNS = ("id", "parentID", "acceptedID", "name", "authorship", "rank", "status", "code")


def make(rows: Sequence[Sequence[str | None]]) -> tuple[Taxonomy, BuildReport]:
    """Build a taxonomy from rows of `COLUMNS`; shorter rows are filled up."""
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE usage(ordinal BIGINT, id VARCHAR, parentID VARCHAR, acceptedID VARCHAR, "
        "name VARCHAR, authorship VARCHAR, rank VARCHAR, status VARCHAR, code VARCHAR, "
        "file VARCHAR, line BIGINT)"
    ).fetchall()
    for number, row in enumerate(rows, start=1):
        values = [*row, *[None] * (len(COLUMNS) - len(row))]
        con.execute(
            f"INSERT INTO usage VALUES ({', '.join('?' * 11)})", [number, *values, "t", number + 1]
        ).fetchall()
    try:
        return build(con, "Test", "1")
    finally:
        con.close()


ANIMALS_AND_DIATOMS = [
    ("k1", None, None, "Animalia", "", "kingdom", "accepted", "zoological"),
    ("p1", "k1", None, "Ctenophora", "Eschscholtz, 1829", "phylum", "accepted", "zoological"),
    ("p2", "k1", None, "Arthropoda", "", "phylum", "accepted", "zoological"),
    ("c1", "p2", None, "Copepoda", "Milne Edwards, 1840", "class", "accepted", "zoological"),
    ("f1", "c1", None, "Calanidae", "Dana, 1849", "family", "accepted", "zoological"),
    ("g1", "f1", None, "Calanus", "Leach, 1816", "genus", "accepted", "zoological"),
    ("s1", "g1", None, "Calanus finmarchicus", "(Gunnerus, 1770)", "species", "accepted"),
    ("s2", "g1", None, "Calanus glacialis", "Jaschnov, 1955", "species", "accepted"),
    ("y1", None, "s1", "Monoculus finmarchicus", "Gunnerus, 1770", "species", "synonym"),
    ("y2", None, "s1", "Calanus borealis", "Lubbock, 1854", "species", "synonym"),
    ("y3", None, "s2", "Calanus helgolandicus", "auct.", "species", "misapplied"),
    ("g2", "f1", None, "Neocalanus", "Sars, 1925", "genus", "accepted"),
    ("s3", "g2", None, "Neocalanus cristatus", "(Krøyer, 1848)", "species", "accepted"),
    ("k2", None, None, "Chromista", "", "kingdom", "accepted", "botanical"),
    ("p3", "k2", None, "Ochrophyta", "", "phylum", "accepted", "botanical"),
    ("f2", "p3", None, "Ctenophoraceae", "", "family", "accepted", "botanical"),
    ("g3", "f2", None, "Ctenophora", "(Grunow) Williams & Round, 1986", "genus", "accepted"),
    ("s4", "g3", None, "Ctenophora pulchella", "(Ralfs ex Kütz.) Round", "species", "accepted"),
    ("g4", "p2", None, "Morphia", "Smith, 1900", "genus", "accepted", "zoological"),
    ("g5", "p3", None, "Morphia", "Brown, 1901", "genus", "accepted", "botanical"),
]


def checklist() -> Taxonomy:
    """The taxonomy of `ANIMALS_AND_DIATOMS`."""
    return make(ANIMALS_AND_DIATOMS)[0]
