"""``merian publish``: write a catalogue as one checked package, or check one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.report.publish import Findings

__all__ = ["publish"]

_ERRORS = 2


def publish(
    catalogue: Path | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    check: Path | None = None,
    about: Path | None = None,
    title: str | None = None,
    description: str | None = None,
    creator: tuple[str, ...] = (),
    contact: str | None = None,
    license: str | None = None,
    doi: str | None = None,
    version: str | None = None,
    date: str | None = None,
    media: Literal["none", "copy", "link"] = "none",
    media_url: str = "",
    split: str | None = None,
    replace: bool = False,
    most: int = 3,
    json: bool = False,
    quiet: screen.Quiet = False,
) -> int:
    """Write a catalogue as one checked package, or check an archive or a package.

    The folder holds a Darwin Core Data Package, a Darwin Core Archive, Croissant, a folder for
    the Hugging Face Hub, the licences and a README. `merian export` writes one format's file.
    What is found is printed, the gravest first; with errors the exit status is 2.

    Args:
        catalogue: The folder of the catalogue.
        out: The folder to write.
        check: Check this archive, data package or table for EcoTaxa instead: a file, a folder or a
            zip, anybody's.
        about: A TOML file that says what the options below say.
        title: The title of the data set.
        description: What it is, in some sentences.
        creator: Who made it, with a mail address in angle brackets if there is one; may be given
            more than once.
        contact: Whom to ask, in the same way; the first creator if not given.
        license: The licence of the tables, such as "CC BY 4.0". Pictures keep their own.
        doi: Its DOI.
        version: Its version.
        date: When it was made; that of the newest import if not given. With --check, the day
            after which dates lie in the future; today if not given.
        media: What becomes of pictures that lie on this machine. "none": the tables name their
            files and not where those lie; "copy": those whose licence allows it are copied into the
            package, and named from there; "link": they are named where they lie here.
        media_url: Where on the web the pictures that are copied will lie; the tables then name
            them there.
        split: Publish some parts of a split alone: NAME:PART+PART, or NAME for all that is not set
            aside. In the folder for the Hub each part has a table of its own.
        replace: Replace a folder that is there.
        most: How many findings of each kind are shown one by one.
        json: Print JSON.
        quiet: Print the answer and nothing else.
    """
    from datetime import UTC, datetime

    from merian.formats.about import About
    from merian.report.publish import check as look
    from merian.report.publish import publish as write
    from merian.report.publish import read_about, with_words

    if check is not None:
        if catalogue is not None or out is not None or split is not None:
            raise InputError(
                "--check looks at what is there; give it no catalogue, no --out and no --split"
            )
        today = date or datetime.now(UTC).date().isoformat()
        with screen.working(f"Checking {check}", quiet):
            return _show(look(check, today, most), json)
    if catalogue is None or out is None:
        raise InputError(
            "expected a catalogue and --out FOLDER to write it, or --check PATH to look at what is "
            "there"
        )
    if out.exists() and not replace:
        raise InputError(f"{out}: is there already; name another folder, or say --replace")
    said = with_words(
        read_about(about) if about else About(), title=title, description=description,
        creator=creator, contact=contact, license=license, doi=doi, version=version, date=date,
    )  # fmt: skip
    from merian.catalogue import Catalogue

    with (
        screen.working(f"Publishing {catalogue}", quiet) as job,
        Catalogue.open(catalogue, read_only=True, part=split) as opened,
    ):
        made = write(opened, out, said, media=media, media_url=media_url, most=most,
                     step=job.tell)  # fmt: skip
    for note in made.notes:
        screen.say(note, quiet)
    if not json:
        rows = ", ".join(
            f"{n:,} {table}" for table, n in made.counts.items() if "merian-" not in table
        )
        print(screen.printable(f"{out}: {rows}"))
    return _show(made.findings, json)


def _show(findings: Findings, json: bool) -> int:
    """Print what was found, and return the exit status."""
    from dataclasses import asdict

    from merian.report.publish import SEVERITIES

    counted = {severity: findings.count(severity) for severity in SEVERITIES}
    if json:
        screen.print_json({
            "path": findings.path, "rows": findings.rows, "counts": counted,
            "kinds": [asdict(kind) for kind in findings.kinds],
            "findings": [asdict(finding) for finding in findings.found],
        })  # fmt: skip
        return _ERRORS if counted["error"] else 0
    looked = ", ".join(f"{screen.counted(n, 'row')} of {file}" for file, n in findings.rows.items())
    if looked:
        print(screen.printable(f"looked at {looked}"))
    print(", ".join(screen.counted(number, word) for word, number in counted.items()))
    if findings.kinds:
        screen.print_table(
            ("", "code", "file", "term", "count", "what"),
            [(k.severity, k.code, k.file, k.term, k.count, k.message) for k in findings.kinds],
        )
        print()
        screen.print_table(
            ("code", "file", "line", "term", "value"),
            [(f.code, f.file, f.line, f.term, f.value) for f in findings.found if f.line],
        )
    return _ERRORS if counted["error"] else 0
