"""Writes the tables of docs/ that say what the code says: formats, catalogue, recipe, encoder.

Run it after a format or a column was added: ``python .ci/tables.py``. A test says when.
"""

from __future__ import annotations

import re
from pathlib import Path

from merian.catalogue import AS_WRITTEN, REJECTS, RUN, TABLES
from merian.files import write_text
from merian.formats import formats
from merian.learn.recipe import RECIPE_TABLES, TOWERS, TowerPart
from merian.learn.shelf import encoders_on_shelf
from merian.learn.tables import described
from merian.report.encoder_card import cards_as_markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"
MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def format_table() -> str:
    """Return the table of formats."""
    lines = ["| format | what it is | reads | writes | tested on |", "|---|---|---|---|---|"]
    for found in formats().values():
        writes = "yes" if found.write else ""
        proof = found.tested_on or "*nothing real yet; written from the specification only*"
        lines.append(f"| `{found.name}` | {found.title} | yes | {writes} | {proof} |")
    return "\n".join(lines) + "\n"


def catalogue_tables() -> str:
    """Return the tables of a catalogue, each with its columns."""
    parts = []
    for table in (*TABLES.values(), RUN, REJECTS, *AS_WRITTEN):
        rows = [f"| `{f.name}` | {f.type} | {f.meaning} |" for f in table.fields]
        head = (
            f"### {table.name}\n\n{table.meaning}.\n\n| column | type | meaning |\n|---|---|---|\n"
        )
        parts.append(head + "\n".join(rows) + "\n")
    return "\n" + "\n".join(parts) + "\n"


def recipe_tables() -> str:
    """Return the tables of a recipe, each with its keys."""
    parts = []
    for name, kind in {**RECIPE_TABLES, f"{TOWERS}.MODALITY": TowerPart}.items():
        head = f"### [{name}]\n\n{kind.__doc__}\n\n| key | if not given | meaning |\n|---|---|---|"
        rows = [f"| `{key}` | {given} | {about} |" for key, given, about in described(kind)]
        parts.append("\n".join([head, *rows]) + "\n")
    return "\n" + "\n".join(parts) + "\n"


def encoder_cards() -> str:
    """Return what the cards of the encoders that ship say."""
    return cards_as_markdown(encoders_on_shelf())


TEXTS = {
    "formats": format_table,
    "catalogue": catalogue_tables,
    "recipe": recipe_tables,
    "encoder": encoder_cards,
}


def filled(page: str) -> str:
    """Return a page with its tables as the code has them."""
    return MARK.sub(lambda m: m[1] + TEXTS[m[2]]() + m[3], page)


def main() -> None:
    """Write the pages anew."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if filled(text) != text:
            write_text(page, filled(text))


if __name__ == "__main__":
    main()
