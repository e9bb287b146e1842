"""``merian adopt``: make a model of weights that others have published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import MissingExtraError


def adopt(
    checkpoint: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    layout: str | None = None,
    name: str | None = None,
    licence: str | None = None,
    source: str | None = None,
    heads: int | None = None,
    stride: int | None = None,
    bases: int | None = None,
    size: int | None = None,
    pool: str | None = None,
    activation: str | None = None,
    pixels: str | None = None,
) -> None:
    """Make a model of weights that others have published, for barcodes or for pictures.

    BarcodeBERT, BarcodeMAE and BarcodeMamba; vision transformers of timm, DINOv2, DINOv3, CLIP,
    open_clip, BioCLIP and Hugging Face, and EfficientNet-Lite.

    Its states are those of the published network. The file is read as data, and one that would run
    something when it is opened is refused. The model is for `merian embed --encoder`, and for
    `encoder.from` of a recipe.

    Args:
        checkpoint: A file of torch (.pt, .pth, .bin, .ckpt) or safetensors, or a folder with one,
            and with its config.json.
        out: The folder to make.
        layout: barcodebert, barcodemae, barcodemamba, vit, hf-vit, dinov2, dinov3, clip, hf-clip or
            lite; found from the names of the tensors if not given.
        name: What to call it.
        licence: Of the weights, as their authors say it: --licence MIT.
        source: Where you have it from, an address or a citation.
        heads: Of the attention, where the file does not say.
        stride: Bases from word to word, where words overlap and the file does not say.
        bases: How many bases are read: 660, if the file does not say either.
        size: Of pictures: their height and width, if not those that it was trained on.
        pool: Of pictures: cls or mean, what stands for all of a picture.
        activation: Of pictures: gelu or quick-gelu, where the file does not say.
        pixels: Of pictures: imagenet, half or clip, the mean and spread that they were brought to,
            where the file does not say.
    """
    try:
        from merian.learn.published import adopt as make
        from merian.learn.published_pictures import Said
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("merian adopt", "models") from None

    made = make(
        checkpoint,
        out,
        layout=layout,
        name=name,
        licence=licence,
        source=source,
        heads=heads,
        stride=stride,
        bases=bases,
        pictures=Said(None, size, pool, activation, pixels),
    )
    told = made.encoder
    layers = screen.counted(told["layers"], "layer") + " of width" if "layers" in told else "width"
    lines = [
        f"{out}: {made.layout} as {told['kind']}, {layers} {told['width']}, "
        f"{made.numbers:,} numbers ({made.id})",
        f"{'reads' if made.words.startswith('pictures') else 'words'}: {made.words}",
    ]
    if made.left_out:
        parts = sorted({each.rpartition(".")[0] or each for each in made.left_out})
        more = len(parts) - 3
        lines.append(
            "left out, as no encoder needs it: " + ", ".join(parts[:3])
            + (f" and {more} more" if more > 0 else "")
        )  # fmt: skip
    lines += [f"note: {note}" for note in made.notes]
    if licence is None:
        lines.append("note: the licence of the weights is not said; --licence writes it down")
    for line in lines:
        print(screen.printable(line))
