"""``merian embed``: turn sequences or pictures into vectors."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import MissingExtraError


def embed(
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    encoder: str | None = None,
    kind: str | None = None,
    part: str | None = None,
    format: str | None = None,
    map: tuple[str, ...] = (),
    images: Path | None = None,
    processes: int = 1,
    shard_size: int = 10_000,
    device: str | None = None,
    precision: str = "auto",
    quiet: screen.Quiet = False,
) -> None:
    """Turn sequences or pictures into vectors, so that what is alike lies close.

    Pictures may be in a folder, or be named by a column of a table. What was killed goes on where
    it was, given the same command. What cannot be read has a row without a vector, and stands in
    rejects.tsv with its file and the reason.

    Args:
        source: A pack, the folder of a catalogue, or whatever `merian import` reads.
        out: The folder to make; or a file, VECTORS.parquet, with a row for each.
        encoder: A run of `merian train`, the folder of a model, or the name of an encoder that
            ships; if not given, efficientnet-lite0 for pictures and barcode-small for barcodes.
        kind: barcodes or pictures, where the source holds both.
        part: Of a pack, only this part: train, valid or test.
        format: The format of a file; found from its content if not given.
        map: What a column means, as column=term: --map Foto=accessURI. Once or more often.
        images: The folder with the pictures that a table names.
        processes: How many work at a time; each takes a shard.
        shard_size: Vectors of a file.
        device: cpu or cuda; where there is a GPU that, if not given.
        precision: float32, bfloat16, int8 (CPUs alone), or auto: bfloat16 where the processor is
            fast with it, and pictures by onnxruntime where that is installed (the extra fast). One
            that is given is refused if it changes the vectors of a sample.
        quiet: Print the answer and nothing else.
    """
    from merian.formats import Options
    from merian.learn.pack_gather import Asked

    try:
        from merian.learn.embedding import embed as embed_all
        from merian.learn.embedding_table import embed_table, rejects_of
        from merian.learn.nearness import LEAST
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("merian embed", "models") from None

    options = Options(screen.pairs("--map", map), images)
    with screen.working(f"Embedding {source}", quiet) as job:
        to_table = out.suffix.lower() == ".parquet"
        done = (embed_table if to_table else embed_all)(
            source,
            out,
            encoder,
            asked=Asked(kind, format=format, options=options),
            part=part,
            shard_size=shard_size,
            processes=processes,
            device=device,
            precision=precision,
            progress=lambda what, count, whole: job.step(what, count, whole or None),
        )
    header = done if isinstance(done, Mapping) else done.header
    made = header["encoder"]
    vectors = screen.counted(header["items"] - header["without_vector"], "vector")
    print(screen.printable(
        f"{out}: {vectors} of {made['dim']} numbers, by {made['name']} ({made['id']})"
    ))  # fmt: skip
    near = header["cosine_to_float32"]
    if near and near["lowest"] is not None and near["lowest"] < LEAST:
        screen.say(f"note: in {made['precision']} a vector of a sample of {near['sample']} has a "
                   f"cosine of {near['lowest']:.4f} to the one in float32; --precision float32 "
                   "is exact")  # fmt: skip
    aside = header["set_aside"]
    if aside:
        listed = shlex.quote(str(rejects_of(out) if to_table else out / "rejects.tsv"))
        print(screen.printable(f"set aside; they are listed in {listed}:"))
        screen.print_table(("items", "reason"), [(n, r) for r, n in aside.items()])
