"""MassID45: bulk samples of insects, their replicates and runs, as a TSV of ENA's accessions.

One row a run: ``study_accession sample_id sample_accession replicate_id run_accession
experiment_accession ftp_R1 ftp_R2``. A sample of six characters (G1P4N6) was photographed in trays
and read in three PCR replicates. Each sample is a thing in a collection (bulk sample), each
replicate one that was taken from it (PCR replicate), and each run a sequence without nucleotides:
its accession, and where its reads lie as a remark. The gene is COI-5P, or what the user names.

Pictures of the trays begin with the sample's id. Where a folder of pictures is given, each picture
in it that does is a row of media of its sample. The outlines of the insects are in the data set's
COCO file; read it too (`coco`), and join by the beginning of its pictures' names.

Reference: https://github.com/uoguelph-mlrg/MassID45; doi:10.48550/arXiv.2507.06972; PRJEB86111
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue.sources import Columns, Reading, Rows, Source
from merian.errors import FormatError
from merian.files import existing, open_text
from merian.formats.delimited import (
    Head,
    column,
    delimited,
    lacking_columns,
    literal,
    peek_columns,
    read_head,
    rows_behind,
    write_delimited,
)
from merian.formats.image_folder import SUFFIXES
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows

__all__ = ["COLUMNS", "FORMAT"]

COLUMNS = (
    "study_accession", "sample_id", "sample_accession", "replicate_id", "run_accession",
    "experiment_accession", "ftp_R1", "ftp_R2",
)  # fmt: skip
_SURE = frozenset(COLUMNS[1:5])
_REMARKS = ("study_accession", "experiment_accession", "ftp_R1", "ftp_R2")


def _sniff(path: Path) -> int:
    return 3 if path.is_file() and peek_columns(path, "\t") >= _SURE else 0


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "table of accessions")
    head = read_head(path, "\t", "")
    missing = sorted(_SURE - set(head.columns))
    if missing:
        raise FormatError(
            f"has no column {', '.join(missing)}, which MassID45's table of accessions has",
            path=path, line=1,
        )  # fmt: skip
    sources: list[Source] = [delimited(head, _feeds(head, options.marker or "COI-5P"))]
    unknown = [name for name in head.columns if name not in COLUMNS]
    notes = [*head.notes]
    if unknown:
        notes.append(f"columns that the table does not have are ignored: {', '.join(unknown)}")
    if options.images:
        folder = existing(options.images, "folder of pictures").absolute()
        samples = _samples(head)
        sources.append(Rows(folder, "media", _Trays(folder, samples)))
        notes.append(f"pictures of trays are looked for in {folder}, by their samples' ids")
    return Reading("massid45", sources, (path,), tuple(notes))


def _feeds(head: Head, marker: str) -> tuple[Columns, ...]:
    told = [name for name in _REMARKS if name in head.columns]
    remarks = ", ".join(f"{literal(name + ' ')} || {column(name)}" for name in told)
    sample = {
        "materialEntityID": column("sample_id"),
        "materialEntityType": f"if({column('sample_id')} IS NULL, NULL, 'bulk sample')",
        "otherCatalogNumbers": column("sample_accession"),
    }
    replicate = {
        "materialEntityID": column("replicate_id"),
        "materialEntityType": "'PCR replicate'",
        "derivedFromMaterialEntityID": column("sample_id"),
    }
    run = {
        "nucleotideSequenceID": column("run_accession"),
        "materialEntityID": column("replicate_id"),
        "targetGene": literal(marker),
        "associatedSequences": column("run_accession"),
        **({"sequenceRemarks": f"concat_ws('; ', {remarks})"} if told else {}),
    }
    return (
        Columns("material", sample, where=f"{column('sample_id')} IS NOT NULL"),
        Columns("material", replicate, where=f"{column('replicate_id')} IS NOT NULL"),
        Columns("sequence", run, where=f"{column('run_accession')} IS NOT NULL"),
    )


def _samples(head: Head) -> frozenset[str]:
    """Return the ids of the samples, of which there are a few dozen."""
    at = head.columns.index("sample_id")
    with open_text(head.path, head.encoding) as stream:
        rows = rows_behind(stream, head)
        try:
            return frozenset(row[at].strip() for row in rows if len(row) > at) - {""}
        except csv.Error as error:
            raise FormatError(f"a row cannot be read ({error})", path=head.path) from None


@dataclass(frozen=True)
class _Trays(ChunkedRows):
    """The pictures of trays in a folder."""

    folder: Path
    samples: frozenset[str]

    def _rows(self) -> Iterator[dict[str, object]]:
        found = sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        for number, picture in enumerate(found, 1):
            sample = next((s for s in sorted(self.samples) if picture.name.startswith(s)), None)
            if sample:
                yield {
                    "line": number,
                    "mediaID": f"{sample}/{picture.relative_to(self.folder).as_posix()}",
                    "materialEntityID": sample,
                    "accessURI": picture.as_posix(),
                }


def _fake(folder: Path, seed: int) -> Path:
    """Write three samples with three runs each; one has no accession yet."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    rows = []
    for sample in range(3):
        name = "G" + "".join(chance.choices("ABCDEFGHJKLMNP23456789", k=5))
        for replicate in range(1, 4):
            run = "" if (sample, replicate) == (2, 3) else f"ERR{seed:04d}{sample}{replicate}"
            ftp = f"ftp.sra.ebi.ac.uk/vol1/run/{run}/{name}_Rep{replicate}"
            rows.append((
                "PRJEB00000", name, f"SAMEA{seed:04d}{sample}", f"{name}_Rep{replicate}", run,
                f"ERX{seed:04d}{sample}{replicate}", f"{ftp}.R1.fastq.gz", f"{ftp}.R2.fastq.gz",
            ))  # fmt: skip
    path = folder / "MassID45_ENA_accnos.tsv"
    write_delimited(path, COLUMNS, rows, "\t")
    return path


FORMAT = Format(
    name="massid45",
    title="MassID45: bulk samples and the accessions of their reads",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=lambda path: lacking_columns(path, "\t", _SURE),
    tested_on="MassID45's 135 runs of 45 samples",
)
