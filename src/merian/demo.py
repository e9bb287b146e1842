"""The demonstration: a toy collection, from its files to a page about it, in a few seconds.

It writes a small checklist and a few files in the formats that collections meet, with the faults
that real ones have: slips of the pen, synonyms, a homonym, a placeholder, a latitude of 95. Then
it does what a user would do: builds the taxonomy, imports the files, matches the names and writes
a page. Everything is made here and nothing is fetched, so it works without a network.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue import Catalogue, Summary
from merian.errors import InputError
from merian.files import write_text
from merian.formats import Options, find_format, read_path
from merian.report import Bars, Figures, Name, Note, Section, Table, Text, page
from merian.stamp import run_id, stamp
from merian.taxonomy import Taxonomy, match_table, read_checklist, save_taxonomy
from merian.taxonomy.match_table import MatchSummary

__all__ = ["Demo", "make_demo"]

# Formats whose fakers write a part of the collection.
_FAKED = ("bioscan-5m", "bold-bcdm", "fasta", "dwc-a", "image-folder")
# What the columns of our own table mean; the other formats need no telling.
_TOLD = {
    "table": Options(
        {"Nr": "occurrenceID", "Label": "verbatimIdentification", "Familie": "family",
         "collected": "eventDate"}
    )
}  # fmt: skip
_UNFINISHED = ".unfinished"

# Two blanks a level; "=" is a synonym of the taxon above it; the author follows "|".
_CHECKLIST = """
kingdom Animalia
  phylum Arthropoda | von Siebold, 1848
    class Insecta | Linnaeus, 1758
      order Diptera | Linnaeus, 1758
        family Chironomidae | Newman, 1834
          genus Chironomus | Meigen, 1803
            species Chironomus plumosus | (Linnaeus, 1758)
        family Culicidae | Meigen, 1818
          genus Aedes | Meigen, 1818
            species Aedes aegypti | (Linnaeus, 1762)
              = Stegomyia aegypti | (Linnaeus, 1762)
            species Aedes albopictus | (Skuse, 1895)
        family Tipulidae | Latreille, 1802
          genus Ctenophora | Meigen, 1803
            species Ctenophora pectinicornis | (Linnaeus, 1758)
      order Hymenoptera | Linnaeus, 1758
        family Apidae | Latreille, 1802
          genus Apis | Linnaeus, 1758
            species Apis cerana | Fabricius, 1793
            species Apis mellifera | Linnaeus, 1758
              = Apis mellifica | Linnaeus, 1761
          genus Bombus | Latreille, 1802
            species Bombus lapidarius | (Linnaeus, 1758)
            species Bombus terrestris | (Linnaeus, 1758)
        family Megachilidae | Latreille, 1802
          genus Osmia | Panzer, 1806
            species Osmia bicornis | (Linnaeus, 1758)
              = Osmia rufa | (Linnaeus, 1758)
            species Osmia cornuta | (Latreille, 1805)
        family Vespidae | Latreille, 1802
          genus Vespa | Linnaeus, 1758
            species Vespa crabro | Linnaeus, 1758
            species Vespa velutina | Lepeletier, 1836
      order Lepidoptera | Linnaeus, 1758
        family Nymphalidae | Rafinesque, 1815
          genus Vanessa | Fabricius, 1807
            species Vanessa atalanta | (Linnaeus, 1758)
            species Vanessa cardui | (Linnaeus, 1758)
    class Copepoda | Milne Edwards, 1840
      order Calanoida | Sars, 1903
        family Calanidae | Dana, 1849
          genus Calanus | Leach, 1816
            species Calanus finmarchicus | (Gunnerus, 1770)
  phylum Ctenophora | Eschscholtz, 1829
    class Tentaculata | Eschscholtz, 1825
      order Cydippida | Gegenbaur, 1856
        family Pleurobrachiidae | Chun, 1880
          genus Pleurobrachia | Fleming, 1822
            species Pleurobrachia pileus | (O. F. Müller, 1776)
kingdom Chromista
  phylum Bacillariophyta
    class Bacillariophyceae
      order Fragilariales
        family Ulnariaceae
          genus Ctenophora | (Grunow) D. M. Williams & Round, 1986
            species Ctenophora pulchella | (Ralfs ex Kützing) D. M. Williams & Round, 1986
"""

# What somebody typed from the labels of a drawer: name, kingdom, family, latitude, date, stage.
_DRAWER = """
Apis mellifera;Animalia;Apidae;52.52;2019-06-01;adult
Apis melifera;Animalia;Apidae;52.51;2019-06-01;adult
Apis mellifica;Animalia;;52.51;2019-06-02;adult
Apis mellifera Linnaeus, 1758;;;52.53;2019-06-02;adult
Bombus terestris;Animalia;Apidae;52.40;2019-06-03;adult
Bombus cf. lapidarius;Animalia;Apidae;52.40;2019-06-03;adult
Bombus ruderarius;Animalia;Apidae;52.41;2019-06-03;adult
Bombus sp.;Animalia;Apidae;52.41;2019-06-04;adult
Osmia rufa;Animalia;Megachilidae;48.14;2019-04-11;adult
Osmia cornuta;Animalia;Megachilidae;48.14;2019-04-11;adult
Xylocopa violacea;;;48.20;2019-05-20;adult
Vespa crabro;Animalia;Vespidae;95.2;2019-08-30;adult
Vespa velutina;Animalia;Vespidae;44.84;2019-31-08;adult
Vanessa atalanta;Animalia;Nymphalidae;50.11;2019-09-14;adult
Vanesa cardui;Animalia;Nymphalidae;50.11;2019-09-14;adult
Stegomyia aegypti;Animalia;Culicidae;-3.12;2019-11-05;larva
Chironomus plumosus;Animalia;Chironomidae;53.55;2019-03-30;larva
Calanus finmarchicus;Animalia;Calanidae;60.39;2019-05-02;copepodite
Ctenophora;;;54.18;2019-05-02;
Ctenophora;Chromista;Ulnariaceae;54.18;2019-05-02;
Ctenophora pectinicornis;Animalia;Tipulidae;51.05;2019-05-18;adult
Pleurobrachia pileus;Animalia;;54.18;2019-05-02;
unidentified;;;54.18;2019-05-02;
detritus;;;54.18;2019-05-02;
BOLD:AAA2325;Animalia;;48.14;2019-06-21;adult
Sasquatchus giganteus;;;61.21;2019-10-31;adult
"""

_NAMES_SQL = """
SELECT verbatimIdentification AS scientificName, kingdom, phylum, class, "order", family, genus,
       count(*) AS records
FROM identification
WHERE verbatimIdentification IS NOT NULL
GROUP BY ALL
ORDER BY ALL
"""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What was made.

    Attributes:
        folder: Where.
        records: Occurrences in the catalogue.
        names: Distinct labels.
        matched: Those that the checklist knows, in whatever spelling.
        set_aside: Rows and values that could not be taken in.
    """

    folder: Path
    records: int
    names: int
    matched: int
    set_aside: int

    def as_text(self) -> str:
        """Return what was made, and what to do with it."""
        catalogue, taxonomy = self.folder / "catalogue", self.folder / "taxonomy"
        return (
            f"{self.records} records in a catalogue, {self.set_aside} rows and values set aside, "
            f"{self.matched} of {self.names} labels matched to a checklist.\n"
            f"The page about it: {(self.folder / 'report.html').resolve()}\n\n"
            "Look around:\n"
            f"  merian info {catalogue}\n"
            f'  merian query {catalogue} "SELECT file, line, reason FROM rejects"\n'
            f'  merian taxonomy match {taxonomy} "Osmia rufa" Ctenophora'
        )


def make_demo(out: Path | str, *, force: bool = False, progress: Tell | None = None) -> Demo:
    """Make the demonstration in a new folder, all of it or nothing.

    Args:
        out: The folder to make.
        force: Replace what is there. It stays until the new one is complete.
        progress: Is told what is being done.
    """
    tell = progress or (lambda _: None)
    with _place(Path(out), force) as folder:
        tell("writing the toy files")
        files = _write_files(folder / "files")
        tell("building the taxonomy")
        taxonomy, report = read_checklist(files.pop("checklist"))
        save_taxonomy(taxonomy, folder / "taxonomy", report)
        taxonomy = Taxonomy.open(folder / "taxonomy")
        tell("importing the files")
        with Catalogue.create(folder / "catalogue") as catalogue:
            imports = [
                catalogue.ingest(read_path(file, _TOLD.get(name))) for name, file in files.items()
            ]
            catalogue.write_table(_NAMES_SQL, folder / "names.tsv")
            tell("matching the names")
            matches = match_table(
                taxonomy, folder / "names.tsv", folder / "matches.tsv", column="scientificName"
            )
            tell("writing the page")
            made = _measure(Path(out), catalogue, matches)
            write_text(folder / "report.html", _page(catalogue, imports, taxonomy, matches, made))
    return made


@contextmanager
def _place(out: Path, force: bool) -> Iterator[Path]:
    """Give a folder that is there afterwards, complete, or not at all.

    A catalogue remembers where its pictures lie, so it is made where it will stay and not
    elsewhere under another name. What a killed run left behind is marked, and is replaced.
    """
    left_behind = (out / _UNFINISHED).exists()
    if out.exists() and not (force or left_behind):
        raise InputError(
            f"{out}: is there already. Look at {out / 'report.html'}, name another folder "
            "(merian demo FOLDER), or replace it with --force"
        )
    if out.exists() and not (left_behind or (out / "report.html").is_file()):
        raise InputError(f"{out}: is no demonstration, so it is not replaced; name another folder")
    aside = out.with_name(f".{out.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if left_behind:
        shutil.rmtree(out)
    elif out.exists():
        out.rename(aside)
    try:
        out.mkdir(parents=True)
        (out / _UNFINISHED).touch()
        yield out
        (out / _UNFINISHED).unlink()
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        if aside.exists():
            aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _write_files(folder: Path) -> dict[str, Path]:
    """Write the checklist and the collection; return where each of them lies."""
    files = {"checklist": _write_checklist(folder / "checklist")}
    for seed, name in enumerate(_FAKED, 1):  # other seeds make other specimens
        made = folder / name
        made.mkdir(parents=True)
        files[name] = find_format(name).fake(made, seed)
    files["table"] = _write_drawer(folder / "drawer.csv")
    return files


def _write_checklist(folder: Path) -> Path:
    """Write the checklist as a Catalogue of Life Data Package."""
    lines = ["ID\tparentID\tstatus\trank\tscientificName\tauthorship"]
    above: dict[int, str] = {}
    for number, line in enumerate(_CHECKLIST.strip("\n").splitlines(), 1):
        level = (len(line) - len(line.lstrip())) // 2
        rank, _, rest = line.strip().partition(" ")
        name, _, author = rest.partition(" | ")
        synonym = rank == "="
        status = "synonym" if synonym else "accepted"
        above[level] = f"D{number}"
        fields = (above[level], above.get(level - 1, ""), status, "species" if synonym else rank)
        lines.append("\t".join((*fields, name, author)))
    write_text(folder / "NameUsage.tsv", "\n".join(lines) + "\n")
    write_text(folder / "metadata.yaml", 'title: Demonstration checklist\nversion: "1"\n')
    return folder


def _write_drawer(file: Path) -> Path:
    """Write the labels of a drawer as somebody typed them, in columns of their own naming."""
    lines = ["Nr;Label;kingdom;Familie;Lat;Lon;collected;stage"]
    for number, line in enumerate(_DRAWER.strip().splitlines(), 1):
        name, kingdom, family, latitude, date, stage = line.split(";")
        fields = (f"DEMO-{number:03d}", name, kingdom, family, latitude, "13.40", date, stage)
        lines.append(";".join(fields))
    lines.append("DEMO-099;too;many;fields;in;this;row;of;the;table")
    write_text(file, "\n".join(lines) + "\n")
    return file


def _measure(folder: Path, catalogue: Catalogue, matches: MatchSummary) -> Demo:
    """Count what was made."""

    def count(sql: str) -> int:
        return int(str(catalogue.query(sql).value()))

    return Demo(
        folder=folder,
        records=count("SELECT count(*) FROM occurrence"),
        names=matches.distinct,
        matched=matches.rows - matches.match_types["NONE"],
        set_aside=count("SELECT count(*) FROM rejects"),
    )


def _page(
    catalogue: Catalogue,
    imports: list[Summary],
    taxonomy: Taxonomy,
    matches: MatchSummary,
    made: Demo,
) -> str:
    """Return the page about the toy collection."""
    run = run_id("demo", {"runs": [s.run for s in imports], "taxonomy": taxonomy.lock.as_dict()})
    return page(
        "A toy collection",
        [
            _came_in(imports, made),
            _set_aside(catalogue),
            _names(Path(matches.out), matches, taxonomy),
        ],
        subtitle="What merian demo wrote, took into a catalogue, and matched to a checklist",
        stamp=stamp("merian-page", "1.0", run),
    )


def _came_in(imports: list[Summary], made: Demo) -> Section:
    rows = [(s.format, s.rows_read) for s in imports]
    return Section(
        "What came in",
        [
            Figures(
                [
                    (made.records, "records"),
                    (len(imports), "inputs, each in another format"),
                    (made.set_aside, "rows and values set aside"),
                    (made.matched, f"of {made.names} labels matched"),
                ]
            ),
            Text(
                "Each format was found from the content of its file. All went into one catalogue, "
                "in tables shaped like the Darwin Core Data Package. The specimens are made up."
            ),
            Bars("Rows by format", rows),
        ],
    )


def _set_aside(catalogue: Catalogue) -> Section:
    found = catalogue.query("SELECT file, line, term, reason, content FROM rejects")
    rows = sorted(([Path(str(file)).name, *rest] for file, *rest in found), key=str)
    return Section(
        "What was set aside",
        [
            Text(
                "Nothing is lost in silence. A row that cannot be read stands here with its file, "
                "its line and the reason. Where one value is wrong, the row is kept without it."
            ),
            Table(["file", "line", "term", "reason", "what it held"], rows),
        ],
    )


def _names(file: Path, matches: MatchSummary, taxonomy: Taxonomy) -> Section:
    with file.open(encoding="utf-8", newline="") as stream:
        answers = list(csv.DictReader(stream, delimiter="\t"))
    known = [a for a in answers if a["matchType"] != "NONE"]
    unknown = [a for a in answers if a["matchType"] == "NONE"]
    return Section(
        "How the names were matched",
        [
            Text(f"The labels as they were written, against the {taxonomy.lock}."),
            Bars(
                "Labels by answer",
                [(kind, float(count)) for kind, count in matches.match_types.items()],
                marked=frozenset({"NONE"}),
            ),
            Table(
                ["label", "answer", "accepted name", "rank", "confidence", "what decided"],
                [[a["scientificName"], a["matchType"], _accepted(a), a["matchedRank"],
                  int(a["confidence"]), _decided(a)] for a in known],
                caption="Labels that the checklist knows",
            ),
            Table(
                ["label", "cause", "in words"],
                [[a["scientificName"], a["cause"], a["matchNote"]] for a in unknown],
                caption="Labels that it does not know, and why",
            ),
            Note(
                "A homonym is never guessed. Three taxa of this checklist are called Ctenophora. "
                "Where the label says Chromista it is the diatom; where it says nothing, none is "
                "chosen."
            ),
        ],
    )  # fmt: skip


def _accepted(answer: dict[str, str]) -> str:
    """Return the accepted name, slanted where the codes want it so."""
    name = answer["acceptedName"]
    return Name(name) if answer["matchedRank"] in ("genus", "species", "subspecies") else name


def _decided(answer: dict[str, str]) -> str:
    """Return what decided, and whether the name was a synonym."""
    synonym = "a synonym" if answer["usageKey"] != answer["acceptedKey"] else ""
    return "; ".join(filter(None, (synonym, answer["matchNote"])))
