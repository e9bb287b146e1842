"""``merian library``: build a reference library, add to it, see what it holds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from merian.cli import screen as printed
from merian.cli.choosing import options_of
from merian.cli.library_card import card
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.library import Each, Library, Primers, Screening, Settings, Summary
    from merian.taxonomy import Taxonomy

__all__ = ["app"]

app = App(name="library", help="Build a reference library, add to it, see what it holds.")
app.command(card, sort_key=4)


@app.command(sort_key=1)
def build(
    *references: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    taxonomy: Path | None = None,
    format: str | None = None,
    map: tuple[str, ...] = (),
    marker: str | None = None,
    names: Path | None = None,
    primers: tuple[str, str] | None = None,
    primer_mismatches: int | None = None,
    keep_trimmed: bool = False,
    screen: bool = False,
    genetic_code: int | None = None,
    each_marker: bool = False,
    encoder: str | None = None,
    pictures: bool = False,
    images: Path | None = None,
    processes: int | None = None,
    set: tuple[str, ...] = (),
    split: str | None = None,
    quiet: printed.Quiet = False,
) -> None:
    """Make a library of sequences, or of pictures, whose names you trust.

    A reference is a sequence with a name. "Aus cf. bus", "Aus sp. 3" and "Aus sp." are not names
    of a species: such references count as unnamed ones of their genus. What cannot be taken in
    (fewer than 50 called bases, protein, a damaged picture, no name) is set aside with its line and
    the reason.

    Args:
        references: Files with sequences and their lineages: FASTA for SINTAX, UNITE, MIDORI2,
            coidb, QIIME or DADA2, tables of BOLD, or whatever else `merian import` reads; and
            folders of catalogues. With --pictures, folders of pictures with a folder for each
            species, tables that name pictures, and catalogues.
        out: The folder to make.
        taxonomy: A taxonomy that `merian taxonomy build` made: the names are matched to it.
            Without it the lineages imply the tree, and where they disagree the majority decides.
        format: The format of the files; found from their content if not given.
        map: What a column means, as column=term: --map Art=species. Once or more often.
        marker: Take only this gene, such as COI-5P; sequences of which the file does not say the
            gene are taken too.
        names: A table with the names of the sequences of FASTA files: id and ranks, id and lineage,
            or id and NCBI taxid (with --taxonomy built from the NCBI's taxdump).
        primers: A forward and a reverse primer, 5' to 3', in the IUPAC code: keep what lies between
            them, and drop references without them. One is enough where the sequence ends before
            the other could be.
        primer_mismatches: How many letters of each primer may not match; 15 % if not given.
        keep_trimmed: With --primers, keep references that have neither, where they lie beside an
            amplicon that was found.
        screen: Set suspects aside: stop codons and shifts in the reading frame, chimeras, and what
            is far from all else.
        genetic_code: For --screen, the number of the genetic code at the NCBI; found from the
            sequences if not given.
        each_marker: Build a library for each marker, in a folder of its own under --out.
        encoder: Keep vectors of the references too, as one more evidence: barcode-spectrum, which
            is fitted to the references themselves, a run of `merian train`, or the folder of a
            model. None if not given; of pictures efficientnet-lite0, trained on ImageNet. One that
            aligns pictures and barcodes lets a library of barcodes answer pictures too, if pictures
            of named records are among what is given.
        pictures: Take in the pictures and not the sequences.
        images: The folder with the pictures that a table names.
        processes: How many embed pictures; as many as there are cores if not given.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        split: Take of catalogues only these parts of a split: NAME:train, NAME:PART+PART.
        quiet: Print the answer and nothing else.
    """
    from merian.identify import PARTS, PICTURE_PARTS
    from merian.library import build_each, build_library

    if not references:
        raise InputError("give the references: merian library build REFERENCE... -o LIBRARY")
    checklist = _checklist(taxonomy)
    settings = replace(
        _settings(format, map, marker, names, set, images, processes),
        primers=_primers(primers, primer_mismatches, keep_trimmed),
        screening=_screening(screen, genetic_code),
        encoder=encoder,
        pictures=pictures,
        split=split,
    )
    if each_marker:
        if marker is not None:
            raise InputError("--each-marker takes all markers; leave --marker out")
        with printed.working(f"Building {out}", quiet) as job:
            each = build_each(
                references,
                out,
                checklist=checklist,
                settings=settings,
                parts=PARTS,
                progress=job.step,
            )
        _print_each(each, out, quiet)
        return
    with printed.working(f"Building {out}", quiet) as job:
        done = build_library(
            references,
            out,
            checklist=checklist,
            settings=settings,
            parts=PICTURE_PARTS if pictures else PARTS,
            progress=job.step,
        )
    _print_summary(done, out, quiet)


@app.command(sort_key=2)
def add(
    library: Path,
    /,
    *references: Path,
    taxonomy: Path | None = None,
    format: str | None = None,
    map: tuple[str, ...] = (),
    marker: str | None = None,
    names: Path | None = None,
    encoder: str | None = None,
    images: Path | None = None,
    processes: int | None = None,
    set: tuple[str, ...] = (),
    split: str | None = None,
    quiet: printed.Quiet = False,
) -> None:
    """Add references to a library.

    The library can be used meanwhile; it changes at once at the end, or not at all. A file that
    it has already is passed over. Primers, screening and encoder are those of the build.

    Args:
        library: The folder of the library.
        references: Files with sequences or pictures, as the library is, and their lineages.
        taxonomy: The taxonomy that the library was built with, if it was built with one.
        format: The format of the files; found from their content if not given.
        map: What a column means, as column=term: --map Art=species. Once or more often.
        marker: Take only this gene, such as COI-5P.
        names: A table with the names of the sequences of FASTA files.
        encoder: To make sure that the library has this one; it takes its own in any case.
        images: The folder with the pictures that a table names.
        processes: How many embed pictures; as many as there are cores if not given.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        split: Take of catalogues only these parts of a split: NAME:train, NAME:PART+PART.
        quiet: Print the answer and nothing else.
    """
    from merian.identify import PARTS, PICTURE_PARTS
    from merian.library import Library, add_to_library

    if not references:
        raise InputError("give the references: merian library add LIBRARY REFERENCE...")
    checklist = _checklist(taxonomy)
    said = _settings(format, map, marker, names, set, images, processes)
    settings = replace(said, encoder=encoder, split=split)
    pictures = Library.open(library).kind == "picture"
    with printed.working(f"Adding to {library}", quiet) as job:
        done = add_to_library(
            library,
            references,
            checklist=checklist,
            settings=settings,
            parts=PICTURE_PARTS if pictures else PARTS,
            progress=job.step,
        )
    _print_summary(done, library, quiet)


@app.command(sort_key=3)
def info(library: Path, /, *, json: bool = False) -> None:
    """Show what a library holds, and what was set aside.

    Args:
        library: The folder of the library.
        json: Print JSON.
    """
    from collections import Counter

    from merian.library import Library

    opened = Library.open(library)
    if json:
        printed.print_json(opened.header)
        return
    counts = opened.header["counts"]
    print(f"{printed.printable(library)}\n")
    printed.print_table(("what it holds", ""), _held(opened))
    print()
    # The species first, since most references should be named to one.
    printed.print_table(("named to", "references"), [*counts["named_to"].items()][::-1])
    if counts["markers"]:
        print()
        printed.print_table(("marker", "references"), [*counts["markers"].items()])
    print()
    set_aside: Counter[str] = Counter()
    rows = []
    for part in opened.header["segments"]:
        set_aside.update(part["set_aside"])
        files = ", ".join(part["inputs"])
        aside = sum(part["set_aside"].values())
        rows.append((part["folder"], files, part["records"], part["entries"], aside))
    printed.print_table(("part", "files", "references", "new entries", "set aside"), rows)
    if set_aside:
        print()
        printed.print_table(("set aside", "references"), set_aside.most_common())


def _held(library: Library) -> list[tuple[str, object]]:
    """Return what a library holds, in words."""
    counts, lock = library.header["counts"], library.taxonomy.lock
    checklist = library.header["checklist"]
    lines: list[tuple[str, object]] = [
        ("references", f"{counts['records']:,}"),
        (f"entries (a {library.holds} under a name)", f"{counts['entries']:,}"),
        (f"different {library.holds}s", f"{counts[library.holds + 's']:,}"),
    ]
    if "individuals" in counts:
        lines.append(("specimens", f"{counts['individuals']:,}"))
    lines += [(f"taxa, {rank}", f"{count:,}") for rank, count in counts["taxa"].items()]
    lines.append(("unnamed groups", f"{counts['unnamed_groups']:,}"))
    lines.append(("taxonomy", str(lock)))
    if checklist:
        lines.append(("which is a part of", f"{checklist['checklist']} ({checklist['hash']})"))
    settings = library.header["segments"][0]["settings"]
    if "primers" in settings:
        made = settings["primers"]
        lines.append(("cut with the primers", f"{made['forward']} {made['reverse']}"))
    if "screening" in settings:
        code = settings["screening"]["code"]
        lines.append(("suspects set aside", f"genetic code {code}" if code else "yes"))
    if "encoder" in library.header:
        made = library.header["encoder"]
        lines.append(("vectors of", f"{made['name']} ({made['id']}), {made['dim']} numbers"))
        if "from" in made:
            lines.append(("weights of", f"{made['from']['package']} ({made['from']['licence']})"))
        if "across" in library.header:
            lines.append(("answers pictures", _across(library.header["across"])))
        learned = made["learned_names"]
        lines += [(f"names that it learned, {rank}", f"{n:,}") for rank, n in learned.items()]
    conflicts = library.header.get("conflicts", {})
    lines += [(f"conflicts of sources: {kind}", f"{n:,}") for kind, n in conflicts.items()]
    lines.append(("hash", library.hash))
    return lines


def _across(said: Mapping[str, Any]) -> str:
    """Return whether a library of barcodes answers pictures, in words."""
    if not said["answers"]:
        return f"no: {said['why']}"
    return f"yes, as learnt from {said['asked']:,} pictures of {said['genera']:,} genera"


def _checklist(folder: Path | None) -> Taxonomy | None:
    if folder is None:
        return None
    from merian.taxonomy import Taxonomy

    return Taxonomy.open(folder)


def _settings(
    format: str | None,
    map: tuple[str, ...],
    marker: str | None,
    names: Path | None,
    extra: tuple[str, ...],
    images: Path | None,
    processes: int | None,
) -> Settings:
    from merian.files import existing
    from merian.library import Settings

    if names is not None:
        existing(names, "table of names")
    if processes is not None and processes < 1:
        raise InputError(f"--processes {processes}: expected 1 or more")
    options = replace(options_of(format, map, extra), images=images)
    return Settings(format, options, marker, names, processes=processes)


def _primers(
    given: tuple[str, str] | None, mismatches: int | None, keep_trimmed: bool
) -> Primers | None:
    from merian.library import Primers

    if given is None:
        if mismatches is not None or keep_trimmed:
            raise InputError(
                "--primer-mismatches and --keep-trimmed need --primers FORWARD REVERSE"
            )
        return None
    return Primers.of(*given, mismatches, keep_trimmed)


def _screening(asked: bool, code: int | None) -> Screening | None:
    from merian.library import Screening

    if not asked and code is not None:
        raise InputError("--genetic-code is for --screen, which looks for stop codons; give both")
    return Screening.of(code) if asked else None


def _print_summary(done: Summary, folder: Path, quiet: bool) -> None:
    """Print what a build or an addition did."""
    for path in done.known:
        printed.say(f"{path}: is in the library already; passed over", quiet)
    for note in done.notes:
        printed.say(f"note: {note}", quiet)
    if done.rejects is None:
        print(printed.printable(f"{folder}: nothing new"))
        return
    counts = done.library.header["counts"]
    taken = printed.counted(done.records, "reference")
    entries = "1 new entry" if done.entries == 1 else f"{done.entries:,} new entries"
    held = {**dict(reversed(counts["taxa"].items())), "unnamed groups": counts["unnamed_groups"]}
    print(printed.printable(f"{folder}: {taken} taken in as {entries}"))
    print("the library now holds: " + ", ".join(f"{n} {count:,}" for n, count in held.items()))
    _say_conflicts(done.library, folder, quiet)
    if done.set_aside:
        listed = f"set aside; those with a {done.library.holds} are listed in {done.rejects}:"
        print(printed.printable(listed))
        printed.print_table(("references", "reason"), [(n, r) for r, n in done.set_aside.items()])


def _print_each(done: Each, folder: Path, quiet: bool) -> None:
    """Print what a build of one library for each marker did."""
    for note in done.notes:
        printed.say(f"note: {note}", quiet)
    for name, summary in done.libraries.items():
        _print_summary(summary, folder / name, quiet)
        print()
    for name, why in done.empty.items():
        print(printed.printable(f"{folder / name}: not built. {why}"))
    if done.set_aside:
        print(printed.printable(f"in no library; those with a sequence are in {done.rejects}:"))
        printed.print_table(("references", "reason"), [(n, r) for r, n in done.set_aside.items()])


def _say_conflicts(library: Library, folder: Path, quiet: bool) -> None:
    """Say on how many names the lineages disagree, and where it is written down."""
    problems = folder / library.header["edition"] / "taxonomy" / "problems.tsv"
    if problems.exists():
        with problems.open("rb") as stream:
            count = sum(1 for _ in stream) - 1
        listed = shlex.quote(str(problems))
        printed.say(
            f"note: on {printed.counted(count, 'name')} the lineages disagree; how it was decided "
            f"stands in {listed}",
            quiet,
        )
    found = library.header.get("conflicts")
    if found:
        listed = shlex.quote(str(folder / library.header["edition"] / "conflicts.tsv"))
        told = ", ".join(f"{kind} {count:,}" for kind, count in found.items())
        printed.say(f"note: the sources contradict each other ({told}); see {listed}", quiet)
