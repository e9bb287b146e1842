"""The demonstration: a small world, from its files to a page about it, in less than five minutes.

It makes a world whose truth is known and then does what a user would do: builds the taxonomy,
imports the records with the split that they come in, matches their names, audits the references,
builds libraries of those that came for training, names the others by barcode, by picture and by
both with a promise, groups what was left without a name, measures, looks at a tray, and writes a
page that holds all this against the truth. Everything is made here and nothing is fetched, so it
works without a network. What needs an extra that is not installed is left out, and the page says
so. Each step leaves what a user's command would leave.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue import Catalogue
from merian.demo.answers import name_barcodes, true_records, write_tables
from merian.demo.checked import check_records
from merian.demo.grouped import group_unnamed
from merian.demo.poured import find_bodies
from merian.demo.seen import see_records
from merian.demo.sized import measure_some
from merian.demo.story import Found, asked_pictures, tell_story
from merian.errors import InputError, MissingExtraError
from merian.files import check_outside, write_text
from merian.formats import read_path
from merian.report.overview import report_on
from merian.taxonomy import Taxonomy, match_table, read_checklist, save_taxonomy
from merian.world import Settings, make_world

__all__ = ["WORLD", "Demo", "make_demo"]

# 1679: the year in which Merian's first book on caterpillars came out.
# So many species that there are 40 genera to learn from, whatever of a record is held out.
WORLD = Settings(species=500, specimens=1400, seed=1679, level=2, size=160, trays=1, quadrats=1)

_UNFINISHED = ".unfinished"
_NAMES_SQL = """
SELECT verbatimIdentification AS scientificName, phylum, class, "order", family, count(*) AS records
FROM identification
WHERE verbatimIdentification IS NOT NULL
GROUP BY ALL
ORDER BY ALL
"""

Tell = Callable[[str, float, float | None], None]


@dataclass(frozen=True)
class Demo:
    """What was made.

    Attributes:
        folder: Where.
        records: Occurrences in the catalogue.
        names: Distinct labels.
        matched: Those that the checklist knows, in whatever spelling.
        answers: Barcodes that were identified.
        wrong: Those that stand by a taxon which is not theirs.
        ruled: Those that get the name of their nearest neighbour if the two are 97 % alike.
        ruled_wrong: Those whose name is wrong so.
        pictured: Records that were named by picture and barcode together; 0 if pictures could not
            be looked at.
        pictured_wrong: Those whose answer is wrong.
        groups: Of what was left without a species.
        measured: Specimens that were measured.
        bodies: What was found in the tray, and what is there in truth; None without a tray.
    """

    folder: Path
    records: int
    names: int
    matched: int
    answers: int
    wrong: int
    ruled: int
    ruled_wrong: int
    pictured: int
    pictured_wrong: int
    groups: int
    measured: int
    bodies: tuple[int, int] | None

    def as_text(self) -> str:
        """Return what was made, and what to do with it."""
        catalogue = shlex.quote(str(self.folder / "catalogue"))
        taxonomy = shlex.quote(str(self.folder / "taxonomy"))
        library = shlex.quote(str(self.folder / "library"))
        tray = (
            f", {self.bodies[0]} bodies found in a tray of {self.bodies[1]}" if self.bodies else ""
        )
        both = (
            f"{self.pictured} records by picture and barcode together: {self.pictured_wrong} wrong."
            if self.pictured else
            'Pictures were not looked at: that needs the extra "models".'
        )  # fmt: skip
        return (
            f"{self.records} records in a catalogue, {self.matched} of {self.names} labels matched "
            f"to a checklist.\n{self.answers} barcodes identified: {self.wrong} of the answers are "
            f"wrong. Names by the nearest neighbour\nat 97 %: {self.ruled}, of which "
            f"{self.ruled_wrong} are wrong.\n{both}\n"
            f"{self.groups} groups of what has no name yet, {self.measured} specimens measured"
            f"{tray}.\n"
            f"The page about it: {(self.folder / 'report.html').resolve()}\n"
            f"The report of the catalogue: {(self.folder / 'catalogue.html').resolve()}\n\n"
            "Look at the pictures, correct what is wrong:\n"
            f"  merian review {catalogue}\n\n"
            "Look around:\n"
            f"  merian info {catalogue}\n"
            f'  merian query {catalogue} "SELECT country, count(*) FROM event GROUP BY ALL"\n'
            f"  merian taxonomy show {taxonomy}\n"
            f"  merian library info {library}"
        )


def make_demo(
    out: Path | str,
    *,
    world: Settings | None = None,
    force: bool = False,
    progress: Tell | None = None,
) -> Demo:
    """Make the demonstration in a new folder, all of it or nothing.

    Args:
        out: The folder to make.
        world: What the world is made of; WORLD if not given.
        force: Replace what is there. It stays until the new one is complete.
        progress: Is told what is being done, how much of it is done and of how much.
    """
    tell = progress or (lambda *_: None)
    with _place(Path(out), force) as folder:
        make_world(folder / "world", world or WORLD, progress=tell)
        tell("building the taxonomy", 0, None)
        checklist, report = read_checklist(folder / "world" / "checklist")
        save_taxonomy(checklist, folder / "taxonomy", report)
        taxonomy = Taxonomy.open(folder / "taxonomy")
        tell("importing the records", 0, None)
        with Catalogue.create(folder / "catalogue") as catalogue:
            summary = catalogue.ingest(read_path(folder / "world"), taxonomy=taxonomy)
            catalogue.write_table(_NAMES_SQL, folder / "names.tsv")
            tell("matching the names", 0, None)
            matches = match_table(
                taxonomy, folder / "names.tsv", folder / "matches.tsv", column="scientificName"
            )
        tell("auditing the references", 0, None)
        write_tables(folder)
        truth = true_records(folder)
        checked = check_records(folder, truth)
        tell("identifying the barcodes", 0, None)
        answers = name_barcodes(folder, truth)
        tell("looking at the pictures", 0, None)
        try:
            seen = see_records(folder, truth)
        except MissingExtraError:
            seen = None
        tell("grouping what has no name", 0, None)
        grouped = group_unnamed(folder, truth)
        tell("measuring", 0, None)
        sized = measure_some(folder, asked_pictures(folder))
        tell("looking at the tray", 0, None)
        poured = find_bodies(folder)
        tell("writing the page", 0, None)
        found = Found(summary, matches, checked, answers, seen, grouped, sized, poured)
        with Catalogue.open(folder / "catalogue", read_only=True) as catalogue:
            write_text(folder / "report.html", tell_story(folder, catalogue, taxonomy, found))
            records = int(str(catalogue.query("SELECT count(*) FROM occurrence").value()))
        write_text(folder / "catalogue.html", report_on(folder / "catalogue").html())
    each = answers.each
    both = next((v for v in seen.voices if v.kind == "consensus"), None) if seen else None
    return Demo(
        Path(out), records, matches.distinct, matches.rows - matches.match_types["NONE"],
        len(each), sum(a.wrong for a in each), sum(a.ruled for a in each),
        sum(a.ruled_wrong for a in each), both.asked if both else 0, both.wrong if both else 0,
        len(grouped.groups), sized.done.specimens if sized else 0,
        (poured.done.bodies, poured.true) if poured else None,
    )  # fmt: skip


@contextmanager
def _place(out: Path, force: bool) -> Iterator[Path]:
    """Give a folder that is there afterwards, complete, or not at all.

    A catalogue remembers where its pictures lie, so it is made where it will stay and not
    elsewhere under another name. What a killed run left behind is marked, and is replaced.
    """
    left_behind = (out / _UNFINISHED).exists()
    taken = out.exists() and not (out.is_dir() and not any(out.iterdir()))
    if taken and not left_behind:
        # A page of that name alone may be anybody's.
        if not ((out / "report.html").is_file() and (out / "world" / "world.json").is_file()):
            raise InputError(
                f"{out}: is no demonstration, so it is not replaced; name another folder "
                "(merian demo FOLDER)"
            )
        if not force:
            raise InputError(
                f"{out}: is there already. Look at {out / 'report.html'}, name another folder "
                "(merian demo FOLDER), or replace it with --force"
            )
    check_outside(out)
    out = out.resolve()  # a link stays one
    aside = out.with_name(f".{out.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if left_behind:
        shutil.rmtree(out)
    elif taken:
        out.rename(aside)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / _UNFINISHED).touch()
        yield out
        (out / _UNFINISHED).unlink()
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        if aside.exists():
            aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)
