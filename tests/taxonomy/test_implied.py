"""The taxonomy implied by labels, against an oracle that does it row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.errors import InputError
from merian.taxonomy.implied import implied_usages, place_rows

RANKS = ("kingdom", "phylum", "class", "family", "genus", "species")
CONNECTION = duckdb.connect(config={"threads": 1})  # one for all: opening costs more than work
HEADER = "kingdom, phylum, class, family, genus, species, count"


def imply(rows, header=HEADER):
    """Return the usages (id -> parent) and the conflicts."""
    con = CONNECTION
    con.execute("DROP TABLE IF EXISTS usage").fetchall()
    columns = ", ".join(
        f'"{name.strip()}" {"BIGINT" if name.strip() == "count" else "VARCHAR"}'
        for name in header.split(",")
    )
    con.execute(f"CREATE OR REPLACE TABLE lineage({columns})").fetchall()
    if rows:
        con.executemany(f"INSERT INTO lineage VALUES ({', '.join('?' * len(rows[0]))})", rows)
    implied_usages(con, "lineage")
    usages = con.execute("SELECT id, parentID FROM usage ORDER BY ordinal").fetchall()
    assert len(dict(usages)) == len(usages), "an id stands twice"
    return dict(usages), con.execute("SELECT * FROM conflict").fetchall()


# --- the oracle ---------------------------------------------------------------------------------


def contexts(rows):
    """Complete kingdom and phylum of rows from their names, high to low, until nothing changes."""
    kingdom, phylum = [r[0] for r in rows], [r[1] for r in rows]

    def agree(context, keys):
        seen = defaultdict(set)
        for value, key in zip(context, keys, strict=True):
            if key is not None and value is not None:
                seen[key].add(value)
        changed = False
        for i, key in enumerate(keys):
            if context[i] is None and key is not None and len(seen[key]) == 1:
                context[i] = next(iter(seen[key]))
                changed = True
        return changed

    while True:
        changed = agree(kingdom, list(phylum))
        for rank in range(2, len(RANKS)):
            names = [r[rank] for r in rows]
            changed |= agree(kingdom, names)
            changed |= agree(
                phylum,
                [None if n is None else (n, k) for n, k in zip(names, kingdom, strict=True)],
            )
        if not changed:
            return kingdom, phylum


def oracle(rows):
    kingdom, phylum = contexts(rows)
    chains = [
        [
            (rank, row[rank], k if rank > 0 else None, p if rank > 1 else None)
            for rank in range(len(RANKS))
            if row[rank] is not None
        ]
        for row, k, p in zip(rows, kingdom, phylum, strict=True)
    ]
    candidates = defaultdict(Counter)
    nodes = {node for chain in chains for node in chain}
    for chain, row in zip(chains, rows, strict=True):
        for above, below in pairwise(chain):
            candidates[below][above] += row[-1]
    parent = {}

    def line(node):
        while node is not None:
            yield node
            node = parent.get(node)

    def order(node):
        return (node[0], node[1], node[2] or "", node[3] or "")

    wrong = set()
    for node in sorted(nodes, key=order):
        asked = candidates[node]
        if asked:
            parent[node] = min(
                asked,
                key=lambda c: (-sum(asked[a] for a in line(c)), -c[0], -asked[c], order(c)),
            )
            if not set(asked) <= set(line(parent[node])):
                wrong.add(node)
    same = Counter((node[0], node[1]) for node in nodes)

    def label(node):
        if node is None:
            return None
        rank, name, k, p = node
        place = f"{k or '?'} > {p}" if p else k or "unplaced"
        return f"{RANKS[rank]}:{name}" + (f" ({place})" if same[rank, name] > 1 else "")

    return (
        {label(n): label(parent.get(n)) for n in nodes},
        {(RANKS[n[0]], n[1]) for n in wrong},
        {(RANKS[r], name) for (r, name), times in same.items() if times > 1},
    )


cells = st.tuples(*(st.sampled_from([None, f"{r[0].upper()}a", f"{r[0].upper()}b"]) for r in RANKS))
lineages = st.lists(st.tuples(cells, st.integers(1, 4)).map(lambda t: (*t[0], t[1])), max_size=12)


@settings(max_examples=150, deadline=None)
@given(lineages)
def test_the_tree_is_that_of_the_oracle(rows):
    usages, conflicts = imply(rows)
    expected, wrong, homonyms = oracle(rows)
    assert usages == expected
    assert {(c[0], c[1]) for c in conflicts if c[4] == "parents"} == wrong
    assert {(c[0], c[1]) for c in conflicts if c[4] == "homonym"} == homonyms


@settings(max_examples=40, deadline=None)
@given(lineages, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = imply(rows), imply(shuffled)
    assert first == second
    assert list(first[0]) == list(second[0])


@settings(max_examples=40, deadline=None)
@given(lineages)
def test_a_row_that_counts_twice_is_two_rows(rows):
    single = [(*row[:-1], 1) for row in rows for _ in range(row[-1])]
    assert imply(rows) == imply(single)


# --- cases from the field -----------------------------------------------------------------------


def test_comb_jellies_are_no_diatoms_and_no_crane_flies():
    usages, conflicts = imply(
        [
            ("Animalia", "Ctenophora", None, None, None, None, 5),
            ("Animalia", "Arthropoda", "Insecta", "Tipulidae", "Ctenophora", None, 3),
            ("Chromista", "Ochrophyta", "Bacillariophyceae", None, "Ctenophora", None, 2),
            (None, None, None, "Tipulidae", "Ctenophora", "Ctenophora ornata", 1),
            (None, None, None, None, "Ctenophora", "Ctenophora incerta", 1),
        ]
    )
    fly, diatom = (
        "genus:Ctenophora (Animalia > Arthropoda)",
        "genus:Ctenophora (Chromista > Ochrophyta)",
    )
    assert usages["phylum:Ctenophora"] == "kingdom:Animalia"
    assert usages[fly] == "family:Tipulidae"
    assert usages[diatom] == "class:Bacillariophyceae"
    # The family tells which one is meant; where nothing does, none is guessed.
    assert usages["species:Ctenophora ornata"] == fly
    assert usages["species:Ctenophora incerta"] == "genus:Ctenophora (unplaced)"
    assert usages["genus:Ctenophora (unplaced)"] is None
    assert [c for c in conflicts if c[4] == "homonym"] == [
        (
            "genus",
            "Ctenophora",
            "Animalia > Arthropoda (4), Chromista > Ochrophyta (2), unplaced (1)",
            "each",
            "homonym",
        )
    ]


def test_a_family_in_two_orders_goes_with_the_majority():
    usages, conflicts = imply(
        [("Diptera", "Culicidae", 3), ("Hemiptera", "Culicidae", 1), ("Diptera", "Culicidae", 1)],
        "order, family, count",
    )
    assert usages["family:Culicidae"] == "order:Diptera"
    assert conflicts == [
        (
            "family",
            "Culicidae",
            "order Diptera (4), order Hemiptera (1)",
            "order Diptera",
            "parents",
        )
    ]


def test_a_tie_goes_to_the_first_by_name():
    rows = [("Hemiptera", "Culicidae", 2), ("Diptera", "Culicidae", 2)]
    assert imply(rows, "order, family, count")[0]["family:Culicidae"] == "order:Diptera"


def test_a_missing_rank_between_is_no_conflict():
    usages, conflicts = imply(
        [("Diptera", "Culicidae", "Aedes", 1), ("Diptera", None, "Aedes", 50)],
        "order, family, genus, count",
    )
    assert usages["genus:Aedes"] == "family:Culicidae"
    assert conflicts == []


def test_many_rows_that_know_only_the_order_outvote_one_wrong_family():
    usages, conflicts = imply(
        [
            ("Diptera", "Culicidae", None, 9),
            ("Hemiptera", "Cicadidae", "Aedes", 1),
            ("Diptera", None, "Aedes", 50),
        ],
        "order, family, genus, count",
    )
    assert usages["genus:Aedes"] == "order:Diptera"
    assert [c[:2] for c in conflicts] == [("genus", "Aedes")]


def test_a_species_under_another_genus_than_its_name_says_is_reported():
    _, conflicts = imply(
        [("Aedes", "Culex pipiens"), ("Culex", "Culex torrentium"), ("Aus", "× Aus bus")],
        "genus, species",
    )
    assert conflicts == [("species", "Culex pipiens", "genus Aedes (1)", "genus Aedes", "binomial")]


def test_a_bare_epithet_belongs_to_its_genus():
    rows = [
        ("Abies", "alba"),
        ("Quercus", "alba"),
        ("Abies", "cf. nova"),
        ("Abies", "x Abies bornii"),
    ]
    usages, conflicts = imply(rows, "genus, species")
    assert usages["species:Abies cf. nova"] == "genus:Abies"
    assert usages["species:x Abies bornii"] == "genus:Abies"
    assert usages["species:Abies alba"] == "genus:Abies"
    assert usages["species:Quercus alba"] == "genus:Quercus"
    assert conflicts == []


def test_no_rows_imply_nothing():
    assert imply([]) == ({}, [])


def test_a_table_without_ranks_is_an_error():
    with pytest.raises(InputError, match="a column a rank"):
        imply([("x",)], "label")


def test_each_row_knows_its_lowest_node():
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE lineage AS SELECT * FROM (VALUES (7, 'Abies', 'Abies alba'), "
        "(8, 'Abies', NULL), (9, NULL, NULL)) t(\"row\", genus, species)"
    ).fetchall()
    place_rows(con, "lineage")
    found = con.execute(
        'SELECT r."row", n.id FROM implied_row r JOIN implied_node n USING (node) ORDER BY 1'
    ).fetchall()
    assert found == [(7, "species:Abies alba"), (8, "genus:Abies")]


def test_usages_that_are_there_stay():
    con = duckdb.connect()
    con.execute("CREATE TABLE lineage AS SELECT 'Abies' AS genus").fetchall()
    implied_usages(con, "lineage")
    con.execute("CREATE OR REPLACE TABLE lineage AS SELECT 'Picea' AS genus").fetchall()
    implied_usages(con, "lineage")
    found = con.execute("SELECT ordinal, id FROM usage ORDER BY ordinal").fetchall()
    assert found == [(0, "genus:Abies"), (1, "genus:Picea")]
