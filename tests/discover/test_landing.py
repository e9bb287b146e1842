"""Where clusters stand: under what their members support together, and nothing below."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.discover.landing import land
from merian.discover.standing import RANKS, of_rows


def row(record: str, path: dict[str, tuple[str, float]], rank: str) -> dict[str, object]:
    said: dict[str, object] = {"id": record, "rank": rank}
    for name, (taxon, p) in path.items():
        said |= {name: taxon, f"p_{name}": p}
    return said


def standing(rows):
    return of_rows([one["id"] for one in rows], rows)


ALL = {"order": ("Coleoptera", 0.99), "family": ("Carabidae", 0.9), "genus": ("Carabus", 0.8)}


def test_it_stands_where_more_than_half_of_the_members_stand():
    rows = [row(str(n), ALL, "genus" if n < 3 else "family") for n in range(5)]
    found = land(standing(rows), np.arange(5))
    assert (found.parent.rank, found.parent.name) == ("genus", "Carabus")
    assert found.parent.standing == 3 / 5
    rows = [row(str(n), ALL, "genus" if n < 2 else "family") for n in range(4)]
    found = land(standing(rows), np.arange(4))
    assert found.parent.name == "Carabidae"
    assert found.path[-1].name == "Carabus"  # a guess, which is not stood by
    assert found.lineage == {"order": "Coleoptera", "family": "Carabidae"}


def test_the_probability_is_that_of_a_member_drawn_at_random():
    other = {**ALL, "genus": ("Nebria", 0.6)}
    rows = [row("a", ALL, "genus"), row("b", ALL, "genus"), row("c", other, "family")]
    found = land(standing(rows), np.arange(3))
    assert found.parent.name == "Carabus"
    assert np.isclose(found.parent.probability, (0.8 + 0.8 + 0) / 3)


def test_members_that_nobody_named_count_against_it():
    rows = [row("a", ALL, "genus"), row("b", {}, ""), row("c", {}, "")]
    assert land(standing(rows), np.arange(3)).parent is None
    assert land(standing(rows), np.arange(1)).parent.name == "Carabus"


def test_a_rank_that_a_lineage_lacks_is_passed_over():
    path = {name: told for name, told in ALL.items() if name != "family"}
    found = land(standing([row("a", path, "genus"), row("b", ALL, "genus")]), np.arange(2))
    assert found.parent.name == "Carabus"


def test_a_genus_of_another_family_with_the_same_name_does_not_count():
    other = {**ALL, "family": ("Aphididae", 0.9)}
    rows = [row("a", ALL, "genus"), row("b", ALL, "genus"), row("c", other, "genus")]
    found = land(standing(rows), np.arange(3))
    assert found.parent.standing == 2 / 3


members = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 2), st.integers(-1, 2),
        st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 1),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(members)
def test_it_never_grows_more_sure_on_the_way_down_nor_hangs_on_the_order(drawn):
    rows = []
    for number, (family, genus, depth, *shares) in enumerate(drawn):
        p = sorted(shares, reverse=True)
        path = {"order": ("O", p[0]), "family": (f"F{family}", p[1]),
                "genus": (f"G{family}{genus}", p[2])}  # fmt: skip
        rank = ("order", "family", "genus")[depth] if depth >= 0 else ""
        rows.append(row(str(number), path, rank))
    found = land(standing(rows), np.arange(len(rows)))
    again = land(standing(rows[::-1]), np.arange(len(rows)))
    assert found.lineage == again.lineage
    shares = [guess.probability for guess in found.path]
    assert shares == sorted(shares, reverse=True)
    ranks = [RANKS.index(guess.rank) for guess in found.path]
    assert ranks == sorted(ranks)
    if found.parent is not None:
        stood = sum(
            one.get(found.parent.rank) == found.parent.name
            and RANKS.index(one["rank"]) >= RANKS.index(found.parent.rank)
            for one in rows if one["rank"]
        )  # fmt: skip
        assert stood > len(rows) / 2
        most = max(one.get(f"p_{found.parent.rank}", 0) for one in rows)
        assert found.parent.probability <= most + 1e-6


def test_a_cluster_of_two_among_a_million_names_is_as_small_as_among_two():
    said = standing([row("a", ALL, "genus"), row("b", ALL, "genus")])
    many = replace(said, names=[*said.names, *map(str, range(1_000_000))])
    tracemalloc.start()
    found = land(many, np.arange(2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == land(said, np.arange(2))
    assert peak < 1_000_000
