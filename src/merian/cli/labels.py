"""``merian labels``: labels of a collection beside a checklist, and what can name them."""

from __future__ import annotations

from cyclopts import App

from merian.cli import labels_coverage

__all__ = ["app"]

app = App(name="labels", help="Map raw labels to names, and see which names are covered.")
app.command(labels_coverage.coverage, name="coverage", sort_key=9)
