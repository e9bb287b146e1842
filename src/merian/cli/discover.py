"""``merian discover``: group what has no name yet, and give the groups names that stay."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from merian.cli import screen
from merian.cli.choosing import options_of
from merian.cli.discover_actions import add_actions
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.discover.registry import Registry
    from merian.discover.run import Discovered

__all__ = ["app"]

app = App(
    name="discover",
    help="Group what has no name yet, and give the groups names that stay.",
)

add_actions(app)

Out = Annotated[Path | None, Parameter(name=("--out", "-o"))]
_SHOWN = 20  # clusters that are printed


@app.default
def discover(
    source: Path,
    /,
    *,
    answers: Path | None = None,
    library: Annotated[tuple[Path, ...], Parameter(name=("--library", "-l"))] = (),
    out: Out = None,
    all: bool = False,
    method: Literal["identity", "ward", "hdbscan", "k-means"] | None = None,
    clusters: int | None = None,
    reduce: Literal["none", "pca", "umap"] = "none",
    distance: float = 0.022,
    least: int = 2,
    agree: float = 0.5,
    by: Literal["barcodes", "pictures", "both"] | None = None,
    embeddings: Path | None = None,
    encoder: str | None = None,
    cards: int = 200,
    points: bool = False,
    seed: int = 0,
    format: str | None = None,
    map: tuple[str, ...] = (),
    set: tuple[str, ...] = (),
    processes: int = 1,
    quiet: screen.Quiet = False,
) -> None:
    """Group records that stand by no species, and name the groups provisionally.

    Each cluster stands under the lowest taxon that its members support together, gets a name such
    as "Carabus sp. MRN-3f9a2k" that stays when more data come, and a page of its own. Run again, it
    knows the clusters of before by their members: in the catalogue, or in the folder -o.

    Args:
        source: A catalogue; embeddings that `merian embed` made; or a file with sequences.
        answers: A table of `merian identify` about these records. Without it a catalogue says what
            has a name; of other records nothing is known.
        library: A library that the nearest species with a name is looked up in. Once or more often.
        out: A folder for tables and pages. Of a catalogue runs/discover in it, if not given.
        all: Group records that stand by a species too.
        method: identity joins sequences that are nearly alike; the others group vectors. What suits
            the source, if not given.
        clusters: How many there are; found, if not given.
        reduce: Make vectors shorter before: umap needs the extra "map".
        distance: Of identity, the share of differing bases up to which sequences hang together.
        least: A cluster has so many specimens at least; the others are left alone.
        agree: A parent is stood by where more than this share of the members stand by it.
        by: Of a catalogue, barcodes, pictures, or both: then groups of barcodes are parted where
            their pictures differ, and records without a barcode go where their pictures belong.
        embeddings: Vectors of a catalogue's records, so that they need not be made.
        encoder: What makes them: as `merian embed` takes it.
        cards: Pages for so many clusters, the largest first.
        points: Write points.html too: all vectors as points to move in, with their pictures.
        seed: Of what is drawn.
        format: The format of a file; found from its content if not given.
        map: What a column means, as column=term. Once or more often.
        set: A setting of one format alone, as name=value; see `merian formats NAME`.
        processes: How many make vectors.
        quiet: Print the answer and nothing else.
    """
    from functools import partial

    from merian.discover.job import Asked, run_discover
    from merian.discover.run import Method
    from merian.discover.source import Source
    from merian.report.clustered import write_pages

    _check(least, agree, clusters, cards)
    asked = Asked(
        Source(source, answers, embeddings, encoder, by, method in (None, "identity"),
               options_of(format, map, set), format, processes),
        Method(method or "", clusters, reduce, seed, distance, least, agree),
        library, out, all,
    )  # fmt: skip
    with screen.working("Discovering", quiet) as job:
        done = run_discover(asked, partial(write_pages, points=points), cards, job.step)
    for note in done.notes:
        screen.say(f"note: {note}", quiet)
    _print_run(done.found, done.out, quiet)
    if points and done.found.subjects.vector is None:
        screen.say("no points.html: sequences have no places; give --embeddings or --by", quiet)
    if done.appended is not None:
        appended = screen.counted(done.appended, "identification")
        print(screen.printable(f"{source}: {appended} appended"))


def _check(least: int, agree: float, clusters: int | None, cards: int) -> None:
    """Say what is wrong with numbers before anything is read."""
    if least < 1:
        raise InputError(f"--least {least}: expected 1 or more")
    if not 0.5 <= agree < 1:
        raise InputError(
            f"--agree {agree:g}: expected a share from 0.5 to below 1; with less than half, "
            "members could stand by two taxa at once"
        )
    if clusters is not None and clusters < 1:
        raise InputError(
            f"--clusters {clusters}: expected 1 or more; leave it out to have it found"
        )
    if cards < 0:
        raise InputError(f"--cards {cards}: expected 0 or more")


def _print_run(found: Discovered, out: Path, quiet: bool) -> None:
    """Print what a run has found."""
    codes = {found.registry.current(code) for code in found.code.values()}
    new = len(codes - {*found.before.clusters})
    grouped, alone = len(found.code), len(found.alone)
    clusters = screen.counted(len(codes), "cluster")
    print(
        screen.printable(
            f"{grouped:,} records in {clusters}, {new:,} of them new; {alone:,} left alone"
        )
    )
    aside = [(found.named, "stand by a species"), (found.bare, "have nothing to be grouped by"),
             (len(found.subjects.aside), "set aside; see set_aside.tsv")]  # fmt: skip
    for count, why in aside:
        if count:
            print(f"  {count:,} {why}")
    _print_clusters(found.registry, codes)
    page = shlex.quote(str(out / "clusters.html"))
    screen.say(f"\nThe page is {page}; tables and a page for each cluster lie beside it.", quiet)


def _print_clusters(registry: Registry, codes: set[str] | None = None) -> None:
    """Print clusters as a table, the largest first."""
    shown = [one for one in registry.standing() if codes is None or one.code in codes]
    if not shown:
        return
    print()
    screen.print_table(
        ("cluster", "specimens", "under", "p", "nearest", "distance"),
        [
            (
                one.name + (f" ({one.code})" if one.promoted else ""), one.specimens,
                f"{one.parent_rank} {one.parent}".strip() or None,
                None if one.probability is None else round(one.probability, 3),
                one.nearest or one.nearest_reference or None,
                None if one.distance is None else round(one.distance, 4),
            )
            for one in shown[:_SHOWN]
        ],
    )  # fmt: skip
    if len(shown) > _SHOWN:
        print(f"and {len(shown) - _SHOWN:,} more")
