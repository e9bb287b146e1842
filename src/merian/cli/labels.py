"""``merian labels``: what labels of collections are put under, and what can name them."""

from __future__ import annotations

from cyclopts import App

from merian.cli import labels_coverage, labels_lint

__all__ = ["app"]

app = App(name="labels", help="Map raw labels to taxa, check maps, and see what can be named.")
app.command(labels_lint.lint, sort_key=3)
app.command(labels_lint.diff, sort_key=4)
app.command(labels_coverage.coverage, sort_key=9)
