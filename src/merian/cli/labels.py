"""``merian labels``: what labels of image collections are put under."""

from __future__ import annotations

from cyclopts import App

from merian.cli import labels_lint

__all__ = ["app"]

app = App(name="labels", help="Check and compare maps from labels to taxa.")
app.command(labels_lint.lint, sort_key=3)
app.command(labels_lint.diff, sort_key=4)
