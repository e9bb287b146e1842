"""The cards of the encoders that ship, as the documentation shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["cards_as_markdown"]

_NONE = "No encoder of barcodes is in this version yet; `merian train` makes one.\n"


def cards_as_markdown(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """Return all that the cards say, a section for each encoder.

    Args:
        cards: By name, as `merian.learn.shelf.encoders_on_shelf` returns them.
    """
    return "\n" + ("\n".join(_section(card) for card in cards.values()) or _NONE) + "\n"


def _section(card: Mapping[str, Any]) -> str:
    encoder = card["objective"]["encoder"]
    about = ", ".join(f"{key} {value}" for key, value in encoder.items() if key != "kind")
    training = card["training"]
    parts = [
        f"## {card['name']}",
        str(card["use"]),
        _table(("what", "value"), [
            ("network", f"`{encoder['kind']}`: {about}"),
            ("numbers", f"{card['parameters']:,}, of {card['weights']['bits']} bits"),
            ("a vector", f"{card['dim']} numbers, of unit length"),
            ("what it reads", _plain(card["preprocessing"])),
            ("licence", str(card["licence"])),
            ("id", f"`{card['id']}`"),
            ("trained by", _trained(card)),
        ]),
        "What it cannot do:",
        "\n".join(f"- {limit}" for limit in card["limits"]),
        f"### Of what it was made\n\n{card['sequences']:,} different sequences.",
        _table(("source", "from", "licence", "records", "sequences"), [
            (s["name"], s["from"], s["licence"], f"{s['records']:,}", f"{s['sequences']:,}")
            for s in card["sources"]
        ]),
    ]  # fmt: skip
    if card["left_out"]:
        parts += ["Left out, for their licences:", _table(("source", "from", "licence"), [
            (s["name"], s["from"], s["licence"]) for s in card["left_out"]])]  # fmt: skip
    if training["held_out_figures"]:
        parts += [
            "### Figures\n\nOf sequences held out of the same sources, with 95 % intervals, by the"
            " heads that were trained with it and do not ship.",
            _table(("figure", "value", "from", "to"), [
                (name, _number(f.get("value")), _number(f.get("low")), _number(f.get("high")))
                for name, f in sorted(training["held_out_figures"].items())
            ]),
        ]  # fmt: skip
    if card.get("recipe"):
        parts.append(f"### Recipe\n\n```json\n{json.dumps(card['recipe'], indent=1)}\n```")
    return "\n\n".join(parts) + "\n"


def _trained(card: Mapping[str, Any]) -> str:
    """Return how it came to its weights: fitted as it was, or moved by what it was trained for."""
    training = card["training"]
    steps = f"{training['objective']}, {training.get('step', '?')} steps"
    if ((card.get("recipe") or {}).get("encoder") or {}).get("frozen"):
        return f"fitted to the barcodes, without names; then heads on its vectors: {steps}"
    return steps


def _plain(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )
