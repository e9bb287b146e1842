"""The bench of reports: what it draws has something for every section."""

from __future__ import annotations

import json

from merian.bench import report


def test_a_small_catalogue_has_every_section(tmp_path):
    found = report.run(specimens=400, folder=tmp_path)
    assert found["report"]["value"] > 0
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["sections"]
    assert found["sections"]["value"] == len(told)
    absent = {row[0] for one in told if one["title"] == "What is not here"
              for row in one["parts"][0]["rows"]}  # fmt: skip
    assert absent <= {"Groups without a name"}
    (right,) = [one for one in told if one["title"] == "How sure, and how often right"]
    assert right["parts"][0]["figures"]["are right"].startswith(("94", "95", "96"))
