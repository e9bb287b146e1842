"""``merian pack``: put records into shards that training reads fast."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.learn.packing import Packed


def pack(
    *sources: Path,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
    kind: str | None = None,
    valid: float = 0.05,
    shard_size: int | None = None,
    format: str | None = None,
    map: tuple[str, ...] = (),
    images: Path | None = None,
    marker: str | None = None,
    taxonomy: Path | None = None,
    set: tuple[str, ...] = (),
    split: str | None = None,
    check: bool = False,
    quiet: screen.Quiet = False,
) -> None:
    """Put barcodes, pictures or whole records into shards that training reads fast.

    A published split is kept. Without one, a share is held out by the hash of the sequence or the
    picture, so that no duplicate of what is held out is learned. What cannot be packed is listed in
    rejects.tsv with the reason.

    Args:
        sources: Folders of catalogues, and whatever `merian import` reads.
        out: The folder to make.
        kind: barcodes or pictures, where the sources hold both; or records: each picture with the
            barcode, the place, the date and the names of its record, whatever of them is there.
        valid: The share that is held out, where no published split says.
        shard_size: Examples of a shard: 16,384 barcodes or 4,096 pictures or records if not given.
        format: The format of the files; found from their content if not given.
        map: What a column means, as column=term: --map Art=species. Once or more often.
        images: The folder with the pictures that a table names.
        marker: The gene of the sequences, where the files do not say: COI-5P, ITS.
        taxonomy: A taxonomy that `merian taxonomy build` made: the names of files are matched to
            it.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        split: A split that `merian split` made: NAME puts what learns into train, what tunes into
            valid and what tests into test, and leaves out what is set aside; NAME:PART+PART packs
            the records of these parts alone, and holds a share of them out.
        check: Make nothing: read the packs given and say whether they are as they were written.
        quiet: Print the answer and nothing else.
    """
    from merian.formats import Options
    from merian.learn.pack import check_pack
    from merian.learn.pack_gather import Asked
    from merian.learn.packing import make_pack

    if check:
        for source in sources:
            files = check_pack(source)
            print(screen.printable(f"{source}: all {files} files are as they were written"))
        return
    if not sources or out is None:
        raise InputError("say what to pack and where to: merian pack SOURCE... --out PACK")
    checklist = None
    if taxonomy is not None:
        from merian.taxonomy import Taxonomy

        checklist = Taxonomy.open(taxonomy)
    extra = screen.pairs("--set", set)
    options = Options(screen.pairs("--map", map), images, marker, extra)
    asked = Asked(kind, shard_size, valid, format, options, checklist, split)
    with screen.working(f"Packing {out}", quiet) as job:
        done = make_pack(sources, out, asked, job.step)
    if done.done_before and done.pack.before_sizes:
        raise InputError(
            f"{out}: was packed when packs did not hold the sizes of pictures in life; give --out "
            "a new folder, or remove that one, and it is packed anew. Training can still use it, "
            "without sizes"
        )
    _print(done, out, quiet)


def _print(done: Packed, out: Path, quiet: bool) -> None:
    """Print what a packing did."""
    if done.done_before:
        screen.say(f"{out}: was packed before, of the same and in the same way", quiet)
    made = done.pack
    parts = ", ".join(f"{part} {count:,}" for part, count in made.parts.items())
    shards = screen.counted(len(made.shards), "shard")
    print(screen.printable(f"{out}: {made.size:,} {made.kind} in {shards} ({parts})"))
    if made.modalities:
        some = made.modalities
        print(
            f"of them with a picture {some['image']:,}, with a barcode {some['barcode']:,}, with "
            f"a place {some['place']:,}"
        )
    header = made.header
    rows = [(c, header["labelled"][c], header["classes"][c]) for c in header["classes"]]
    screen.print_table(("named at", made.kind, "classes"), rows)
    if done.set_aside:
        listed = shlex.quote(str(out / "rejects.tsv"))
        print(screen.printable(f"set aside; they are listed in {listed}:"))
        screen.print_table((made.kind, "reason"), [(n, r) for r, n in done.set_aside.items()])
