"""The audit of a reference: a library, or the files that one would be built of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from merian.audit.bins import contradicted
from merian.audit.clusters import DISTANCE, clusters_of
from merian.audit.doubted import doubted, foreign
from merian.audit.findings import Audit, set_aside
from merian.audit.grades import graded, read_bins
from merian.audit.mislabels import doubt
from merian.audit.misread import misread
from merian.audit.near import near_all
from merian.audit.parents import misplaced
from merian.audit.placeholders import placeholders
from merian.audit.records import Records
from merian.audit.shared import shared
from merian.errors import InputError
from merian.files import content_hash, existing, open_text
from merian.library import Library, Settings, build_library
from merian.library.index import write_index
from merian.library.reading import Progress, Reject
from merian.library.segment import REJECTS
from merian.library.store import HEADER
from merian.taxonomy import Taxonomy

__all__ = ["audit_reference"]


def audit_reference(
    sources: Sequence[Path | str],
    *,
    distance: float = DISTANCE,
    bins: Path | str | None = None,
    checklist: Taxonomy | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for all that may be wrong in a reference.

    Args:
        sources: The folder of a library, or files with sequences and names.
        distance: Below which two sequences are of one cluster, where the records have no BINs.
        bins: A table of how many species each BIN holds in all of BOLD, as BAGS has it.
        checklist: What the names of files are matched to.
        settings: What is said about the files.
        progress: Is told how far it is.
    """
    elsewhere = read_bins(bins) if bins is not None else {}
    if not 0 < distance <= 0.2:
        raise InputError(f"the distance is {distance}; a share between 0 and 0.2 is expected")
    tell = progress or (lambda _what, _count: None)
    with _opened(sources, checklist, settings, tell) as (library, remarks):
        records = Records(library)
        near = near_all(library, tell)
        tell("comparing", len(library))
        clusters = clusters_of(records, near, distance)
        doubts = doubt(records, near)
        read_badly, of_other_genes = misread(records, near)
        other, remark = foreign(records, near, doubts, of_other_genes)
        findings = [
            doubted(records, near, doubts),
            other,
            read_badly,
            *shared(records),
            *graded(records, clusters, elsewhere),
            contradicted(records, near),
            misplaced(records),
            *placeholders(records),
            set_aside(_rejects(library)),
        ]
        notes = [remark] if remark else []
        if clusters.kind == "cluster":
            notes.append(
                "fewer than half of the records named to a species have a BIN; clusters of "
                f"sequences within {100 * distance:g} % took their place"
            )
        counts = library.header["counts"]
        return Audit(
            verb="audit reference",
            title="The reference, audited",
            subtitle=", ".join(str(source) for source in sources),
            looked_at=[
                (library.records, "records"),
                (counts["sequences"], "different sequences"),
                (counts["taxa"].get("species", 0), "species"),
                (len(set(clusters.of_record.tolist()) - {-1}), clusters.many),
            ],
            findings=findings,
            settings={
                "library": library.hash,
                "distance": distance,
                "bins": content_hash(bins) if bins is not None else None,
            },
            notes=notes,
            remarks=remarks,
        )


@contextmanager
def _opened(
    sources: Sequence[Path | str],
    checklist: Taxonomy | None,
    settings: Settings | None,
    progress: Progress,
) -> Iterator[tuple[Library, Sequence[str]]]:
    """Open a library, or build one of files for as long as it is looked at."""
    if not sources:
        raise InputError("give a library or reference files: merian audit reference SOURCE...")
    paths = [existing(source, "reference") for source in sources]
    libraries = [path for path in paths if (path / HEADER).is_file()]
    if libraries:
        if len(paths) > 1:
            raise InputError(
                f"{libraries[0]}: is a library, and is audited by itself; give one library, or "
                "the files of several references"
            )
        yield Library.open(libraries[0]).of_kind("barcode"), ()
        return
    with TemporaryDirectory(prefix="merian-audit-") as made:
        done = build_library(
            paths,
            Path(made) / "library",
            checklist=checklist,
            settings=settings,
            parts=[write_index],
            progress=progress,
        )
        yield done.library, done.notes


def _rejects(library: Library) -> list[Reject]:
    """Return what was set aside when a library was built, and by every addition."""
    found = []
    for folder in library.segment_folders:
        with open_text(folder / REJECTS, "utf-8") as stream:
            rows = [line.rstrip("\n").split("\t") for line in stream][1:]
        found += [
            Reject(file, int(line) if line else None, key, reason)
            for file, line, key, reason in rows
        ]
    return found
