"""A lineage in several wordings."""

import numpy as np
import pytest

from merian.errors import InputError
from merian.text import WORDINGS, any_wording, worded

BEE = {
    "kingdom": "Animalia",
    "order": "Hymenoptera",
    "family": "Apidae",
    "genus": "Apis",
    "species": "Apis mellifera",
}


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        ("names", "Animalia Hymenoptera Apidae Apis mellifera"),
        (
            "ranks",
            "kingdom Animalia, order Hymenoptera, family Apidae, genus Apis, "
            "species Apis mellifera",
        ),
        ("lowest", "Apis mellifera"),
        ("family", "Apis mellifera, family Apidae, order Hymenoptera"),
        ("photo", "a photo of Apis mellifera"),
        ("account", "Animalia Hymenoptera Apidae Apis mellifera"),
    ],
)
def test_a_lineage_is_worded(wording, text):
    assert worded(BEE, wording) == text


def test_there_is_no_wording_without_a_test():
    assert set(WORDINGS) == {"names", "ranks", "lowest", "family", "photo", "account"}
    with pytest.raises(InputError, match=r"'phto'.*Did you mean photo"):
        worded(BEE, "phto")


@pytest.mark.parametrize("nothing", ["", None, "not_classified", "  ", "NA", "Unknown", "unk"])
@pytest.mark.parametrize("wording", WORDINGS)
def test_what_is_not_known_is_not_said(wording, nothing):
    known = {"kingdom": "Animalia", "order": "Diptera"}
    more = {**known, "family": nothing, "genus": nothing, "species": nothing}
    assert worded(more, wording, account="") == worded(known, wording)
    assert worded(dict.fromkeys(BEE, nothing), wording, "a fly", "An account.") == ""


def test_the_lowest_name_is_said_once_where_it_is_a_family():
    fly = {"order": "Diptera", "family": "Sciaridae", "species": ""}
    assert worded(fly, "family") == "Sciaridae, order Diptera"
    # A genus is left out where the name of the species begins with it, not where a word is alike.
    other = {"genus": "Apis", "species": "Apisa canescens"}
    assert worded(other, "names") == "Apis Apisa canescens"


def test_a_vernacular_name_stands_behind_the_lowest():
    assert worded(BEE, "photo", "honey bee") == "a photo of Apis mellifera (honey bee)"
    assert worded(BEE, "names", "honey bee").endswith("Apis mellifera, honey bee")


def test_an_account_is_told_by_its_first_sentences():
    account = "Brown, 12 mm long. Wings clear.\n" + "Found in hives and in old trees. " * 20
    told = worded(BEE, "account", account=account)
    assert told.startswith("Animalia Hymenoptera Apidae Apis mellifera. Brown, 12 mm long. Wings")
    assert told.endswith("trees.") and len(told) < 300
    endless = worded(BEE, "account", account="word " * 200)
    assert endless.endswith("word") and len(endless) < 300


def test_every_wording_is_drawn_and_an_account_only_where_there_is_one():
    random = np.random.default_rng(0)
    account = "Brown."
    drawn = {any_wording(BEE, random, account) for _ in range(200)}
    assert drawn == {worded(BEE, wording, account=account) for wording in WORDINGS}
    without = {any_wording(BEE, random) for _ in range(200)}
    assert without == {worded(BEE, wording) for wording in WORDINGS}
    few = {any_wording(BEE, random, wordings=("lowest", "photo")) for _ in range(50)}
    assert few == {"Apis mellifera", "a photo of Apis mellifera"}
    called = {any_wording(BEE, random, vernacular="bee", wordings=("lowest",)) for _ in range(50)}
    assert called == {"Apis mellifera", "Apis mellifera (bee)"}


def test_the_same_chance_draws_the_same_wording():
    one, other = ([any_wording(BEE, np.random.default_rng(s)) for s in range(20)] for _ in range(2))
    assert one == other
