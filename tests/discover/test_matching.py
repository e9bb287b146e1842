"""Codes that stay: more data, other orders, splits, joins, and what people have decided."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.discover.matching import match
from merian.discover.merging import grown, merge, promote, undo
from merian.discover.names import name_of
from merian.discover.registry import Cluster, Registry
from merian.discover.tables import rows_of
from merian.errors import InputError, NotFoundError

WHO = {"by": "A. Person", "at": "2026-05-01"}


def describe(code, members):
    return Cluster(code, 0, name_of("Aus", "genus", code), "Aus", "genus",
                   (("family", "Aidae"), ("genus", "Aus")), 0.9, 1.0, len(members))  # fmt: skip


def run(former: Registry, groups: list[str], alone: str = "", name: str = "run") -> Registry:
    """Cluster letters: each text is a group of records."""
    records = [*"".join(groups), *alone]
    label = [n for n, group in enumerate(groups) for _ in group] + [-1] * len(alone)
    found = match(records, np.array(label, np.int32), former)
    return grown(former, found, set(records), describe, name)


def groups_of(registry: Registry) -> dict[str, str]:
    return {code: "".join(members) for code, members in registry.members().items()}


def test_a_second_run_changes_nothing():
    first = run(Registry(), ["abc", "de"])
    assert run(first, ["ed", "cab"]) == first
    assert [entry.action for entry in first.history] == ["founded", "founded"]


def test_codes_stay_when_more_data_come():
    first = run(Registry(), ["abc", "de"])
    after = run(first, ["abcxyz", "dew", "uv"])
    assert set(first.clusters) < set(after.clusters)
    by_old = {members: code for code, members in groups_of(first).items()}
    by_new = {members: code for code, members in groups_of(after).items()}
    assert by_old["abc"] == by_new["abcxyz"]
    assert by_old["de"] == by_new["dew"]


def test_a_split_leaves_the_code_with_most_of_its_members():
    first = run(Registry(), ["abcde"])
    (code,) = first.clusters
    after = run(first, ["ab", "cde"])
    assert groups_of(after)[code] == "cde"
    (new,) = set(after.clusters) - {code}
    assert after.history[-1].action == "split"
    assert after.history[-1].others == (code,)
    assert groups_of(after)[new] == "ab"


def test_a_join_leaves_an_alias_and_the_way_back_splits_again():
    first = run(Registry(), ["abc", "de"])
    large, small = (one.code for one in first.standing())
    after = run(first, ["abcde"])
    assert after.current(small) == large
    assert after.aliases(large) == [small]
    assert after.history[-1].action == "joined"
    assert after.find(small).code == small
    again = run(after, ["abc", "de"])
    assert groups_of(again)[large] == "abc"
    assert again.current(small) == large  # it is never given to something else
    assert len(again.clusters) == 3


def test_records_that_were_not_looked_at_stay_and_those_left_alone_leave():
    first = run(Registry(), ["abc", "de"])
    after = run(first, ["ab"], alone="c")
    assert sorted(groups_of(after).values()) == ["ab", "de"]
    # A cluster of which nothing was found this time stays as it was.
    assert sorted(groups_of(run(first, ["xy"], alone="de")).values()) == ["abc", "de", "xy"]


def test_a_merge_by_a_person_holds_in_later_runs_and_can_be_undone():
    first = run(Registry(), ["abc", "de", "fg"])
    by_members = {members: code for code, members in groups_of(first).items()}
    merged = merge(first, [by_members["abc"], by_members["de"]], **WHO, why="same genitalia")
    assert groups_of(merged)[by_members["abc"]] == "abcde"
    assert merged.whole(by_members["abc"]).specimens == 5
    after = run(merged, ["abcx", "de", "fg"])
    assert groups_of(after)[by_members["abc"]] == "abcdex"
    back = undo(after, merged.history[-1].number, **WHO)
    assert sorted(groups_of(back).values()) == ["abcx", "de", "fg"]
    assert [entry.action for entry in back.history[-2:]] == ["merged", "undone"]
    assert back.history[:-1] == after.history


def test_a_merger_that_a_run_finds_too_is_counted_once_and_can_still_be_undone():
    first = run(Registry(), ["abcd", "ef", "gh"])
    one, two, three = (one.code for one in first.standing())
    merged = merge(first, [one, two], **WHO)
    after = run(merged, ["abcdefx", "gh"])
    assert groups_of(after) == {one: "abcdefx", three: "gh"}
    assert after.whole(one).specimens == 7
    assert run(after, ["abcdefx", "gh"]) == after
    back = undo(after, merged.history[-1].number, **WHO)
    assert groups_of(back) == {one: "abcdx", two: "ef", three: "gh"}
    # The code that others were merged into is held too: no run puts it under another one.
    named = promote(merged, three, "Aus bus", **WHO)
    assert groups_of(run(named, ["abcdgh", "ef"])) == {one: "abcdef", three: "gh"}
    assert groups_of(run(named, ["abghcd", "ef"])) == {one: "abcdef", three: "gh"}


def test_clusters_that_people_have_named_are_never_joined_by_a_run():
    first = run(Registry(), ["abc", "de"])
    large, small = (one.code for one in first.standing())
    named = promote(promote(first, large, "Aus bus", **WHO), small, "Aus cus", **WHO)
    after = run(named, ["abcdex"])
    assert groups_of(after) == {large: "abcx", small: "de"}
    assert [one.name for one in after.standing()] == ["Aus bus", "Aus cus"]
    # One of them alone stands before a larger one that nobody has named.
    one = promote(first, small, "Aus cus", **WHO)
    assert groups_of(run(one, ["abcde"])) == {small: "abcde"}


def test_a_promotion_is_undone_to_the_name_before():
    first = run(Registry(), ["abc"])
    (code,) = first.clusters
    once = promote(first, code, "Aus sp. 3", **WHO)
    twice = promote(once, "Aus sp. 3", "Aus bus", **WHO, why="described")
    assert twice.find("Aus bus").code == code
    with pytest.raises(InputError, match="promoted again since"):
        undo(twice, once.history[-1].number, **WHO)
    back = undo(twice, twice.history[-1].number, **WHO)
    assert back.whole(code).name == "Aus sp. 3"
    last = undo(back, once.history[-1].number, **WHO)
    assert last.whole(code).name == first.whole(code).name
    with pytest.raises(InputError, match="undone already"):
        undo(last, once.history[-1].number, **WHO)


def test_what_cannot_be_done_is_said():
    first = run(Registry(), ["abc", "de"])
    large, small = (one.code for one in first.standing())
    with pytest.raises(InputError, match="one cluster alone"):
        merge(first, [large, large], **WHO)
    with pytest.raises(NotFoundError, match="no such cluster"):
        merge(first, [large, "MRN-999999"], **WHO)
    with pytest.raises(InputError, match="add an epithet"):
        promote(first, large, "Aus", **WHO)
    with pytest.raises(InputError, match="no name of a taxon"):
        promote(first, large, "unidentified", **WHO)
    with pytest.raises(InputError, match="is the name of"):
        promote(promote(first, large, "Aus bus", **WHO), small, "Aus bus", **WHO)
    with pytest.raises(InputError, match="by a run"):
        undo(first, 1, **WHO)
    with pytest.raises(InputError, match="no such entry"):
        undo(first, 99, **WHO)


def test_a_merger_stands_under_what_its_parts_share():
    def under(code, members):
        genus = "Aus" if "a" in members else "Bus"
        return Cluster(code, 0, name_of(genus, "genus", code), genus, "genus",
                       (("family", "Aidae"), ("genus", genus)), 0.8, 1.0, len(members))  # fmt: skip

    found = match([*"abcde"], np.array([0, 0, 0, 1, 1], np.int32), Registry())
    first = grown(Registry(), found, set("abcde"), under, "run")
    large, small = (one.code for one in first.standing())
    whole = merge(first, [large, small], **WHO).whole(large)
    assert (whole.parent, whole.parent_rank) == ("Aidae", "family")
    assert whole.name == f"Aidae gen. sp. {large}"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.integers(-1, 3), min_size=12, max_size=12), min_size=1, max_size=4
    )
)  # fmt: skip
def test_over_many_runs_no_code_is_lost_or_given_twice_and_rows_do_not_matter(labels):
    records = [f"r{n}" for n in range(12)]
    turned = list(range(11, -1, -1))
    straight = backwards = Registry()
    for number, row in enumerate(labels):
        label = np.array(row, np.int32)
        before = straight
        found = match(records, label, straight)
        straight = grown(straight, found, set(records), describe, str(number))
        again = match([records[n] for n in turned], label[turned], backwards)
        backwards = grown(backwards, again, set(records), describe, str(number))
        assert straight == backwards
        assert set(before.clusters) <= set(straight.clusters)
        assert straight.history[: len(before.history)] == before.history
        # A new cluster is one cluster, and two are two.
        groups = {}
        for record, place in zip(records, row, strict=True):
            if place >= 0:
                groups.setdefault(place, set()).add(straight.current(straight.code[record]))
        assert all(len(codes) == 1 for codes in groups.values())
        assert len({code for codes in groups.values() for code in codes}) == len(groups)


def _seconds(count: int) -> float:
    """Return how long two runs with so many clusters take, and what is then asked of each."""
    records = [f"r{n:06}" for n in range(2 * count)]
    label = (np.arange(2 * count) // 2).astype(np.int32)
    began = process_time()
    registry = Registry()
    for name in ("first", "second"):
        found = match(records, label, registry)
        registry = grown(registry, found, frozenset(records), describe, name)
        assert len(rows_of(registry)["cluster"]) == len(registry.standing()) == count
    return process_time() - began


def test_ten_times_as_many_clusters_take_about_ten_times_as_long():
    few = min(_seconds(800) for _ in range(2))
    assert _seconds(8000) < 35 * few  # where each cluster looks at each, some eighty times
