"""The page of an encoder's card: every source and licence, the figures, and what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from merian.cli import main  # noqa: E402
from merian.learn import shelf  # noqa: E402
from merian.report.encoder_card import cards_as_markdown  # noqa: E402
from tests.learn.test_shipping import (  # noqa: E402, F401
    SOURCES,
    shipped,
    trained,
)


def test_the_page_says_all_that_a_reader_needs(shipped: Path, capsys):  # noqa: F811
    card = json.loads((shipped / "card.json").read_text(encoding="utf-8"))
    page = cards_as_markdown(shelf.encoders_on_shelf())
    for source in SOURCES:
        assert f"| {source['name']} | {source['from']} | {source['licence']} |" in page
    assert page.index("Left out") < page.index("| b |")
    assert "| loss | 1 |  |  |" in page
    assert all(f"- {limit}" in page for limit in card["limits"])
    assert card["id"] in page
    assert main(["doctor"]) == 0
    assert shelf.BARCODES in capsys.readouterr().out


def test_the_page_tells_a_fitted_encoder_from_a_trained_one(shipped: Path):  # noqa: F811
    card = json.loads((shipped / "card.json").read_text(encoding="utf-8"))
    for frozen in (True, False):
        said = {**card, "recipe": {"encoder": {"frozen": frozen}}}
        assert ("without names; then heads" in cards_as_markdown({"x": said})) is frozen


def test_without_weights_the_page_says_so():
    assert "No encoder of barcodes is in this version yet" in cards_as_markdown({})
