"""A training run as a page with its curves, and as the card that goes with the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from merian.errors import InputError
from merian.files import write_text
from merian.learn.recipe import ALONE, WORDS, read_recipe
from merian.learn.recipe_keys import INSTANCES, LANDMARKS
from merian.learn.run_log import read_log
from merian.report.markdown import in_markdown
from merian.report.page import Figures, Lines, Note, Part, Section, Table, Text, page
from merian.stamp import check_stamp

__all__ = ["Run", "read_run", "run_card", "run_page", "run_sections", "write_run"]

_LINES = 500  # points of a curve that a page needs
_NOT_FIGURES = {"step", "epoch", "seconds", "learning_rate", "gradient", "loss"}

_READER = (
    "An encoder: it turns a barcode into a vector. Vectors of barcodes that are alike lie near "
    "each other, and a classifier or a search can be built on them. It was trained without "
    "names, and by itself gives none."
)
_LOOKER = (
    "An encoder: it gives every picture a vector, so that like lies near like. It has learned from "
    "pictures alone and knows no names; a recipe for names can begin with its weights."
)
_USES = {
    "masked-tokens": _READER,
    "masked-autoencoder": _READER,
    "next-words": _READER,
    "masked-patches": _LOOKER,
    "self-distillation": _LOOKER,
    "ranks": (
        "An encoder, and heads that give a probability to each class at each rank. The classes are "
        "those of its data: what belongs to none of them gets one of them all the same. To name "
        "what may be new, use `merian identify`, which has an answer for that."
    ),
    "instances": (
        "It finds the bodies in a picture, each with its outline and a score, and names none. Give "
        "it to `merian tray` or `merian measure`."
    ),
    "landmarks": (
        "It outlines the specimen in a picture of one and places its landmarks. Give it to `merian "
        "measure --landmarks`."
    ),
    "contrastive": (
        "There are several encoders, one for each modality, and all give vectors in one space: "
        "what belongs to one taxon lies near, whether it is a picture, a barcode, words or a place."
    ),
}


class Run:
    """What the files of a run say.

    Attributes:
        folder: The run.
        asked: Its `run.json`.
        result: Its `result.json`.
        log: The lines of its log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = check_stamp(folder / "run.json", "merian-run", 1)
        if not (folder / "result.json").exists():
            raise InputError(f"{folder}: is not done; start it again with the same command")
        self.result = check_stamp(folder / "result.json", "merian-run-result", 1)
        self.log = read_log(folder)
        self.recipe = read_recipe(folder / "recipe.toml")


def read_run(folder: Path) -> Run:
    """Read a run that is done."""
    return Run(folder)


def write_run(folder: Path) -> None:
    """Write the page and the card of a run into its folder."""
    run = read_run(folder)
    write_text(folder / "report.html", run_page(run))
    write_text(folder / "card.md", run_card(run))


def run_page(run: Run) -> str:
    """Return the page."""
    return page(
        f"The run {run.folder.name}",
        run_sections(run),
        subtitle=run.recipe.about,
        stamp=run.result["merian"],
    )


def run_sections(run: Run) -> list[Section]:
    """Return what stands on the page."""
    return [_came(run), _curves(run), _data(run), _model(run), _use(run)]


def run_card(run: Run) -> str:
    """Return the model's card, as Markdown."""
    lines = [f"# {run.recipe.name}", "", run.recipe.about, ""]
    for section in (_use(run), _came(run), _data(run), _model(run)):
        lines += [f"## {section.title}", ""]
        for part in section.parts:
            lines += [*in_markdown(part), ""]
    foot = run.result["merian"]
    lines.append(f"Written by Merian {foot['merian']}, run {foot['run']}.")
    return "\n".join(lines) + "\n"


def _came(run: Run) -> Section:
    """Tell what came of it."""
    result = run.result
    figures: list[tuple[object, str]] = [
        (result["step"], "steps"),
        (round(result["epochs"], 2), "times each example was seen"),
        (run.asked["model"]["parameters"], "weights"),
    ]
    ended = {
        "steps": "All steps were done.",
        "patience": f"It stopped early: {run.recipe.training.metric} became no better. The weights "
        f"are those of step {result['weights_of_step']:,}.",
    }
    told = ended[result["ended"]]
    if result["ended"] == "steps" and result["weights_of_step"] != result["step"]:
        told += (
            f" The weights are those of step {result['weights_of_step']:,}, where "
            f"{run.recipe.training.metric} was best."
        )
    if result["averaged"]:
        told += " The weights are averages over the last steps."
    parts: list[Part] = [Figures(figures), Text(told)]
    if not result["figures"]:
        return Section("What came of it", [*parts, Note("No example was held out to look at.")])
    rows = [
        (name, f["value"], f["low"], f["high"], round(f["n"]))
        for name, f in sorted(result["figures"].items())
    ]
    parts.append(
        Table(
            ("figure", "value", "from", "to", "of"),
            rows,
            "Of the examples held out, with the 95 % interval of a bootstrap over groups of them "
            "(none where they are too few), and of how many examples or words it is a mean",
        )
    )
    return Section("What came of it", parts)


def _curves(run: Run) -> Section:
    """Draw the loss and the other figures."""
    steps = [line for line in run.log if "valid" not in line]
    looks = [line for line in run.log if "valid" in line]
    names = [k for k in dict.fromkeys(k for line in steps for k in line) if k not in _NOT_FIGURES]
    parts: list[Part] = [_lines("The loss", ["loss"], steps, looks, "loss")]
    alone = [name for name in names if not name.startswith("loss ")]
    if alone:
        parts.append(_lines("Other figures", alone[:3], steps, looks, "figure"))
    rates = [_curve("learning rate", steps, "learning_rate")]
    parts.append(Lines("The learning rate", rates, x="step", y="learning rate"))
    lengths = [_curve("length of the gradient", steps, "gradient")]
    parts.append(Lines("The length of the gradient", lengths, x="step", y="length"))
    seconds = steps[-1]["seconds"] if steps else 0.0
    parts.append(Text(f"It took {_time(seconds)} of training."))
    return Section("How it went", parts)


Series = tuple[str, list[float], list[float]]


def _lines(
    title: str, names: Sequence[str], steps: Any, looks: Sequence[Mapping[str, Any]], y: str
) -> Lines:
    series: list[Series] = []
    for name in names:
        series.append(_curve(f"{name}, learned from", steps, name))
        seen = [
            {"step": line["step"], name: line["valid"][name]["value"]}
            for line in looks
            if name in line["valid"]
        ]
        if seen:
            series.append(_curve(f"{name}, held out", seen, name))
    return Lines(title, series, x="step", y=y)


def _curve(title: str, rows: Sequence[Mapping[str, Any]], name: str) -> Series:
    """Return a curve, thinned to what can be seen."""
    told = [(float(row["step"]), row[name]) for row in rows if row.get(name) is not None]
    every = max(1, -(-len(told) // _LINES))
    kept = told[::every]
    if told and kept[-1] != told[-1]:
        kept.append(told[-1])
    return title, [step for step, _ in kept], [float(value) for _, value in kept]


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"


def _data(run: Run) -> Section:
    """Tell what it learned from."""
    data, examples = run.asked["data"], run.asked["examples"]
    figures: list[tuple[object, str]] = [
        (sum(examples["train"]), "examples to learn from"),
        (sum(examples["valid"]), "held out"),
    ]
    parts: list[Part] = [Figures(figures)]
    classes = data.get("pack", {}).get("classes") or {}
    if classes:
        labelled = data["pack"]["labelled"]
        rows = [(rank, n, labelled.get(rank)) for rank, n in classes.items()]
        parts.append(
            Table(
                ("rank", "names", "examples named"),
                rows,
                "In the whole pack, with what is held out and tests",
            )
        )
    sources = [(Path(str(s["path"])).name,) for s in data.get("sources", []) if "path" in s]
    if sources:
        parts.append(Table(("source",), sources))
    lock = data.get("taxonomy")
    if lock:
        version = f" {lock['version']}" if lock.get("version") else ""
        named = f"The names are those of {lock['checklist']}{version} ({lock['hash']})."
    else:
        named = "The names are those of the sources themselves, matched to no checklist."
    told = [named]
    licences = data.get("licences") or {}
    if licences:
        parts.append(Table(("licence", "examples"), [*licences.items()], "In the whole pack"))
    if "not said" in licences or not licences:
        told.append(
            "A licence that is not said is not a free one: ask where the data come from before you "
            "pass the model on."
        )
    start = data.get("starts_from")
    if start:
        told.append(f"Its weights began as those of {start['name']} ({start['id']}).")
    return Section("What it learned from", [*parts, Text("\n\n".join(told))])


def _model(run: Run) -> Section:
    """Tell how it was trained."""
    rows = [*_rows("encoder", run.asked["model"]["encoder"])]
    for table, values in run.recipe.tables().items():
        if isinstance(values, dict) and table != "encoder":
            rows += _rows(table, values)
    kept = Table(("table", "key", "value"), rows, "The recipe as it ran")
    return Section("How it was trained", [kept])


def _rows(table: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield table, key and value, also of tables within it."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _rows(f"{table}.{name}", value)
        else:
            yield table, name, _told(value)


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _use(run: Run) -> Section:
    """Tell what it is for, and what it is not."""
    use = _USES.get(run.recipe.objective.kind, "")
    limits = (
        "The examples held out come from the same sources as those learned from; no sequence or "
        "picture is in both, but places, collectors and taxa are. Of other places, markers or "
        "cameras the figures say nothing."
    )
    if run.recipe.objective.kind in (INSTANCES, LANDMARKS):
        limits = (
            "Whole pictures are held out, so no body is in both; but trays, light and camera may "
            "be the same. Of others the figures say nothing."
        )
    parts: list[Part] = [Text(f"{use}\n\n{limits}")]
    if run.recipe.objective.kind in WORDS:
        parts.append(Note("The loss is that of guessing words, and no measure of naming."))
    if run.recipe.objective.kind in ALONE:
        parts.append(Note("The loss says how well its task is done, and is no measure of naming."))
    return Section("What it is for", parts)
