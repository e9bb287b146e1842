"""Pitfall traps with DNA lists: the published rule of refining, and the real tables."""

from __future__ import annotations

import numpy as np
import pytest

from merian.bench.pitfall_events import PitfallEvents, refine
from merian.errors import NotFoundError
from merian.metabarcoding.dna_lists import read_dna_lists
from merian.metabarcoding.joined_samples import SampleTables, join_samples

RANKS = (
    "Species Genus Subfamily Family Superfamily Infraorder Suborder Order Superorder Subclass "
    "Class Subphylum Phylum"
).split()


def detection(**names: str) -> dict[str, str]:
    return {rank: names.get(rank, "NULL") for rank in RANKS}


def test_the_rule_goes_to_the_finest_rank_that_all_detections_agree_on():
    above = {"Phylum": "Arthropoda", "Class": "Insecta", "Order": "Diptera"}
    one = detection(**above, Family="Phoridae", Genus="Megaselia", Species="Megaselia a")
    two = detection(**above, Family="Phoridae", Genus="Megaselia", Species="Megaselia b")
    other = detection(**above, Family="Sciaridae", Genus="Bradysia")
    snail = detection(Phylum="Mollusca", Class="Gastropoda", Genus="Deroceras")
    assert refine([one, snail], "Diptera") == ("Species", "Megaselia a")
    assert refine([one, two, snail], "Diptera") == ("Genus", "Megaselia")
    assert refine([one, two, other], "Diptera") == ("Order", "Diptera")
    assert refine([one, snail], "Gastropoda") == ("Genus", "Deroceras")
    assert refine([one], "Araneae") is None
    assert refine([], "Diptera") is None


def test_the_tables_are_read_as_they_are(shared):
    folder = shared / "traits" / "pitfall_crops"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    told = PitfallEvents(folder)
    assert (len(told.rows), len(np.unique(told.events)), len(told.taxa)) == (261, 5, 17)
    assert told.lists.listed.shape == (150, 17)
    # Counted from the tables by hand: events that list Diptera; pictured events with spiders.
    assert told.lists.listed[:, told.taxa.index("Diptera")].sum() == 137
    assert np.nansum(told.lists.present[:, told.taxa.index("Araneae")]) == 5
    assert np.isnan(told.lists.present).all(axis=1).sum() == 145
    assert told.lists.paths[told.taxa.index("Acari")] == ("Arthropoda", "Arachnida")
    assert told.lists.paths[told.taxa.index("Annelida")] == ()
    assert sum(map(len, told.detected.values())) == 3358
    mine = told.lists.samples.index("DELA01420160913")
    in_list = told.lists.listed[mine, told.truth[told.events == "DELA01420160913"]]
    assert len(in_list) == 46


def test_detections_give_the_published_lists(shared, tmp_path):
    """The lists of all 150 events over 17 taxa, from 3,358 detections by their lineages."""
    folder = shared / "traits" / "pitfall_crops"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    told = PitfallEvents(folder)
    runs = tmp_path / "runs.csv"
    runs.write_text(
        "sample,run\n" + "".join(f"{event},{event}_1\n" for event in told.lists.samples)
    )
    with join_samples(SampleTables(replicates=runs)) as joined:
        assert joined.samples() == list(told.lists.samples)
        found = read_dna_lists(joined, folder / "dna_df.csv", {}, told.taxa)
    np.testing.assert_array_equal(found.listed, told.lists.listed)
    assert found.paths[told.taxa.index("Acari")] == ("Arthropoda", "Chelicerata", "Arachnida")
    assert found.strangers == []


def test_a_folder_without_the_tables_is_said(tmp_path):
    with pytest.raises(NotFoundError, match=r"specimens\.csv: not there; name the folder"):
        PitfallEvents(tmp_path)
