"""The bench of maps of labels, small: both ways put every record under the same taxon."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.bench import harmonise
from merian.errors import InputError


def test_both_ways_agree_and_the_map_is_proposed_as_it_was_made(tmp_path: Path) -> None:
    map_, counts, right = harmonise._made_up(tmp_path, seed=1, names=400)
    assert right["proposed as it was made"]["value"] > 0.95
    scaled = harmonise._scaled(counts, 3_000)
    assert sum(scaled.values()) == 3_000
    assert min(scaled.values()) >= 1
    harmonise._write_records(tmp_path, scaled)
    (tmp_path / "map").write_text(str(map_))
    ours, theirs = harmonise._apply(tmp_path), harmonise._look_up(tmp_path)
    assert harmonise._same(ours["taxa"], theirs["taxa"], 3_000) > 0.9
    assert sum(n for *_, n in ours["taxa"]) == sum(n for *_, n in theirs["taxa"])
    assert ours["changed"] >= 1


def test_a_wrong_folder_and_too_few_rows_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Without it the bench runs on a made-up map"):
        harmonise._published(tmp_path)
    with pytest.raises(InputError, match="at least one record for each of 2 labels"):
        harmonise._scaled({("a", "b"): 1, ("a", "c"): 1}, 1)
