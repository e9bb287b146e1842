"""Writing the package: everything beside everything else, complete or not at all, then checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from merian.files import new_folder, write_json, write_text
from merian.formats.about import About
from merian.formats.delimited import write_delimited
from merian.formats.dwc_dp_write import fill_package
from merian.formats.dwca_write import write_archive_about
from merian.formats.eml import eml
from merian.formats.flat import rows
from merian.report.publish.check import check
from merian.report.publish.croissant import croissant
from merian.report.publish.findings import Findings
from merian.report.publish.hub import card, write_tables
from merian.report.publish.licences import Licence, read_licence
from merian.report.publish.pictures import FOLDER, of_package
from merian.report.publish.readme import readme
from merian.report.publish.telling import data_licence, unsaid

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["Published", "publish"]

Step = Callable[[str], None]


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes:
        counts: The rows of each table of the data package.
        licences: The licences of the pictures, with how many are under each.
        findings: What the check found.
        notes: What the user should know.
    """

    counts: dict[str, int]
    licences: dict[Licence, int]
    findings: Findings
    notes: tuple[str, ...]


def publish(
    catalogue: Catalogue,
    path: Path,
    about: About,
    *,
    media: str = "none",
    media_url: str = "",
    most: int = 3,
    step: Step = lambda _what: None,
) -> Published:
    """Write a catalogue as one package and check it.

    Args:
        catalogue: The catalogue.
        path: The folder to make; one that is there is replaced.
        about: What is said of the data set. Without a date, that of the newest run is taken.
        media: What becomes of pictures on this machine: ``none``, ``copy`` or ``link``.
        media_url: Where on the web the copied pictures will lie.
        most: How many findings of each kind are told one by one.
        step: Is told what is being done.
    """
    licence = data_licence(about)
    about = replace(about, date=about.date or _newest(catalogue), license_url=licence.url)
    notes = unsaid(about)
    with new_folder(path) as folder:
        (folder / "huggingface").mkdir()
        if media == "copy":
            step("copying pictures")
        pictures = of_package(catalogue, folder, media, media_url)
        step("writing dwc-dp")
        with catalogue.instead("media", pictures.told(f"../{FOLDER}")):
            counts = fill_package(catalogue, _made(folder / "dwc-dp"), about)
        step("writing dwc-a.zip")
        named = (licence.name, licence.url) if licence.url else None
        with catalogue.instead("media", pictures.told(FOLDER)):
            archive = write_archive_about(catalogue, folder / "dwc-a.zip", eml(about, named))
        notes += [*_left_out(catalogue, archive), *pictures.notes]
        licences = _licences(catalogue, folder / "licences.csv")
        step("writing huggingface")
        with catalogue.instead("media", pictures.told(FOLDER.partition("/")[2])):
            tables = write_tables(catalogue, folder / "huggingface")
        step("checking")
        findings = check(folder, about.date[:10] or "9999-12-31", most)
        text = readme(about, licence, counts, licences, None, [], place=False)
        write_text(
            folder / "huggingface" / "README.md", card(about, licence, tables, licences, text)
        )
        write_json(folder / "croissant.json", croissant(folder, about, licence, pictures.copied))
        write_text(folder / "README.md", readme(about, licence, counts, licences, findings, notes))
    return Published(counts, licences, findings, tuple(notes))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _newest(catalogue: Catalogue) -> str:
    """Return when the newest run was complete: no clock goes into a package."""
    found = next(rows(catalogue, "SELECT strftime(max(finishedAt), '%Y-%m-%dT%H:%M:%SZ') FROM run"))
    return str(found[0] or "")


def _licences(catalogue: Catalogue, path: Path) -> dict[Licence, int]:
    """Write the licences of the pictures as they were given, and return what they are."""
    given = list(rows(
        catalogue,
        "SELECT license, rightsHolder, count(*) FROM media GROUP BY ALL ORDER BY 3 DESC, 1, 2",
    ))  # fmt: skip
    found: dict[Licence, int] = {}
    listed = []
    for text, holder, count in given:
        licence = read_licence(None if text is None else str(text))
        plain = replace(licence, given="")
        assert isinstance(count, int)
        found[plain] = found.get(plain, 0) + count
        may = "yes" if licence.may_be_republished else "no"
        listed.append((text, licence.name, licence.url, holder, count, may))
    columns = ("given", "licence", "url", "rightsHolder", "pictures", "may be republished")
    write_delimited(path, columns, listed, ",")
    return dict(sorted(found.items(), key=lambda item: (item[0].code, item[0].version)))


# What has no place in an archive whose core are occurrences, by the file that it would stand in.
_BELONG = {
    "media": "multimedia.txt", "measurement": "measurementorfact.txt",
    "sequence": "dnaderiveddata.txt", "identification": "identification.txt",
}  # fmt: skip


def _left_out(catalogue: Catalogue, archive: dict[str, int]) -> list[str]:
    """Tell what the archive does not hold, because it belongs to no occurrence."""
    told = []
    for table, file in _BELONG.items():
        whole = next(rows(catalogue, f"SELECT count(*) FROM {table}"))[0]
        assert isinstance(whole, int)
        missing = whole - archive.get(file, 0)
        if missing > 0:
            told.append(
                f"Rows of {table} that belong to no occurrence: {missing:,}. dwc-dp/ holds them, "
                "dwc-a.zip does not."
            )
    return told
