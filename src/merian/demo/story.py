"""The page of the demonstration: what was found, what it was called, and what is so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from merian.catalogue import Catalogue, Summary
from merian.demo.answers import Answers
from merian.demo.checked import Checked, tell_checked
from merian.demo.grouped import Grouped, tell_grouped
from merian.demo.named import tell_barcodes
from merian.demo.poured import Poured, tell_poured
from merian.demo.seen import Seen, tell_seen
from merian.demo.sized import Sized, tell_sized
from merian.demo.tables import rows_of
from merian.demo.thumbs import jpeg, thumb
from merian.report import (
    Bars,
    Figures,
    Name,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    page,
)
from merian.stamp import run_id, stamp
from merian.taxonomy import Taxonomy
from merian.taxonomy.match_table import MatchSummary
from merian.world.environment import read_environment

__all__ = ["Found", "asked_pictures", "tell_story"]

_GALLERY = 30

_SPECIMENS = """
SELECT o.occurrenceID, p.accessURI, i.scientificName, i.taxonRank, i."order", i.family,
    e.country, e.eventDate, p.pixelsPerMillimetre
FROM occurrence o
JOIN media p USING (occurrenceID)
LEFT JOIN determination i USING (occurrenceID)
LEFT JOIN event e USING (eventID)
ORDER BY o.occurrenceID
"""
_ASKED = """
SELECT o.occurrenceID, p.accessURI FROM occurrence o JOIN media p USING (occurrenceID)
WHERE o.split LIKE 'test%' ORDER BY ALL
"""
_PLACES = """
SELECT decimalLatitude, decimalLongitude, count(*) FROM event
WHERE decimalLatitude IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_HELD = """
SELECT (SELECT count(*) FROM occurrence), (SELECT count(*) FROM media),
    (SELECT count(*) FROM sequence), (SELECT count(DISTINCT family) FROM determination),
    (SELECT count(DISTINCT species) FROM determination)
"""


@dataclass(frozen=True)
class Found:
    """What the steps have found, in their order.

    Attributes:
        summary: What was imported.
        matches: What the labels match.
        checked: What the references and splits are worth.
        answers: What the barcodes say.
        seen: What pictures say, and both together; None where pictures cannot be looked at.
        grouped: What has no name yet.
        sized: What was measured; None where there is nothing to measure.
        poured: What lies in the tray; None without one.
    """

    summary: Summary
    matches: MatchSummary
    checked: Checked
    answers: Answers
    seen: Seen | None
    grouped: Grouped
    sized: Sized | None
    poured: Poured | None


def tell_story(folder: Path, catalogue: Catalogue, taxonomy: Taxonomy, found: Found) -> str:
    """Return the page."""
    run = run_id("demo", {"run": found.summary.run, "taxonomy": taxonomy.lock.as_dict()})
    pictures = _pictures(catalogue)
    sections = [
        _found(catalogue),
        _where(folder, catalogue),
        _names(found.matches, taxonomy),
        tell_checked(found.checked),
        tell_barcodes(found.answers, pictures),
        tell_seen(found.seen, pictures) if found.seen else _unseen(),
        tell_grouped(found.grouped, pictures),
        *([tell_sized(found.sized)] if found.sized else []),
        *([tell_poured(found.poured)] if found.poured else []),
        _next(),
    ]
    return page(
        "A small world",
        sections,
        subtitle="An invented biota whose truth is known, and what Merian makes of it today",
        stamp=stamp("merian-page", "1.0", run),
    )


def asked_pictures(folder: Path) -> dict[str, Path]:
    """Return where the pictures of the records lie that came for testing."""
    with Catalogue.open(folder / "catalogue", read_only=True) as catalogue:
        rows = catalogue.query(_ASKED).fetch()
    return {str(key): Path(str(path)) for key, path in rows}


def _found(catalogue: Catalogue) -> Section:
    (records, pictures, barcodes, families, species), *_ = catalogue.query(_HELD)
    return Section(
        "What was found",
        [
            Figures(
                [
                    (records, "records in one catalogue"),
                    (pictures, "pictures with a scale"),
                    (barcodes, "DNA barcodes"),
                    (families, "families"),
                    (species, "species on the labels"),
                ]
            ),
            Text(
                "None of these species exists. A tree of life was grown, and barcodes, bodies, "
                "ranges and seasons evolved along it; then specimens were collected, photographed, "
                "sequenced and labelled with the errors of real collections. So for every answer "
                "it is known whether it is right."
            ),
            Pictures(
                _gallery(catalogue), "One specimen of each family; below it the name on its label"
            ),
        ],
    )


def _gallery(catalogue: Catalogue) -> list[Picture]:
    """Return a picture of each family, as many as there is room for."""
    of_family: dict[object, Picture] = {}
    for _, address, name, rank, order, family, country, date, _ in catalogue.query(_SPECIMENS):
        if family is None or family in of_family or rank != "species":
            continue
        where = ", ".join(str(part) for part in (country, str(date or "")[:7]) if part)
        of_family[family] = Picture(
            thumb(Path(str(address))), Name(str(name)), f"{order}: {family}. {where}",
            f"photograph of {name}",
        )  # fmt: skip
    step = max(1, len(of_family) // _GALLERY)
    return list(of_family.values())[::step][:_GALLERY]


def _pictures(catalogue: Catalogue) -> dict[str, Path]:
    """Return where the picture of each record lies."""
    return {str(key): Path(str(path)) for key, path, *_ in catalogue.query(_SPECIMENS)}


def _where(folder: Path, catalogue: Catalogue) -> Section:
    countries = catalogue.query(
        "SELECT e.country, count(*) FROM occurrence JOIN event e USING (eventID) "
        "WHERE e.country IS NOT NULL GROUP BY ALL ORDER BY 2 DESC, 1"
    )
    return Section(
        "Where and when",
        [
            Text(
                "The world is an archipelago with a climate of its own. Each species has a niche, "
                "a range and a season; collectors went where the ways are good."
            ),
            Pictures([Picture(_map(folder, catalogue), alternative="map of the records")],
                     "The places of the records, on the relief", width=300),
            Bars("Records by country", [(str(c), float(str(n))) for c, n in countries]),
        ],
    )  # fmt: skip


def _map(folder: Path, catalogue: Catalogue) -> bytes:
    """Return the relief with a dot at each place."""
    environment = read_environment(folder / "world" / "environment")
    height = environment.layers["elevation"]
    land = height > 0
    up, down = np.clip(height / 2500, 0, 1), np.clip(-height / 4500, 0, 1)
    # Light from the north-west, as on a printed map.
    slope = np.clip(0.5 + (np.gradient(height)[0] + np.gradient(height)[1]) / 500, 0, 1)
    colours = np.where(
        land[..., None],
        np.stack([0.62 + 0.3 * up, 0.72 + 0.08 * up, 0.52 + 0.2 * up], axis=-1),
        np.stack([0.80 - 0.45 * down, 0.88 - 0.35 * down, 0.92 - 0.28 * down], axis=-1),
    )
    colours = colours * (0.8 + 0.4 * np.where(land, slope, 0.5))[..., None]
    scale = 2
    picture = Image.fromarray((np.clip(colours, 0, 1) * 255).astype(np.uint8)).resize(
        (height.shape[1] * scale, height.shape[0] * scale), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(picture)
    for latitude, longitude, count in catalogue.query(_PLACES):
        x = (float(str(longitude)) - environment.west) / environment.step * scale
        y = (environment.north - float(str(latitude))) / environment.step * scale
        radius = 2.5 + min(float(str(count)), 9) ** 0.5
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=(164, 72, 31), outline="white"
        )
    return jpeg(picture)


def _names(matches: MatchSummary, taxonomy: Taxonomy) -> Section:
    answers = rows_of(Path(matches.out))
    odd = [
        a for a in answers
        if a["matchType"] != "EXACT" or a["scientificName"] != a["acceptedName"]
    ]  # fmt: skip
    odd.sort(key=lambda a: (a["matchType"], a["scientificName"]))
    shown = odd[:14]
    return Section(
        "What the labels say",
        [
            Text(
                f"The {matches.distinct} different labels against the {taxonomy.lock}. Slips of "
                "the pen and synonyms lead to the accepted name; what nobody has described has no "
                "name in the checklist, and a name that two taxa share is not guessed."
            ),
            Bars(
                "Labels by answer",
                [(kind, float(count)) for kind, count in matches.match_types.items()],
                marked=frozenset({"NONE"}),
            ),
            Table(
                ["label", "answer", "accepted name", "rank", "what decided"],
                [
                    [a["scientificName"], a["matchType"], Name(a["acceptedName"]),
                     a["matchedRank"], a["cause"] or a["matchNote"] or _synonym(a)]
                    for a in shown
                ],
                caption="Labels that are not the accepted name itself",
                more=len(odd) - len(shown),
            ),
        ],
    )  # fmt: skip


def _synonym(answer: dict[str, str]) -> str:
    return "a synonym" if answer["usageKey"] != answer["acceptedKey"] else ""


def _unseen() -> Section:
    return Section(
        "What pictures say",
        [Text('Pictures were not looked at: that needs the extra "models". With '
              'pip install "merian[models]" this part is filled.')],
    )  # fmt: skip


def _next() -> Section:
    return Section(
        "Go on from here",
        [
            Text(
                "All that was made lies beside this page: the catalogue, the libraries, the "
                "answers as tables, the groups, the measures and the tray with pages of their own."
            ),
            Text(
                "merian review opens the catalogue as a desk in the browser: look at the pictures "
                "name by name, correct them by keyboard, undo. merian learn shows what a library "
                "would answer with the corrections, and takes them in."
            ),
        ],
    )
