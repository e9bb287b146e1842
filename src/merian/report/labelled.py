"""The page of a map of labels: where the labels of each source go, and what is still undecided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from merian.report.page import Figures, Flow, Name, Note, Part, Section, Table, Text, page
from merian.stamp import run_id, stamp
from merian.taxonomy.label_map import LabelMap, LabelTarget

__all__ = ["labelled_page"]

_SHOWN = 100  # rows of a table; all are in the map
_RANKS = ("kingdom", "phylum", "class", "order")
_OTHER = {"detritus": "detritus", "artefact": "artefacts", "inert": "inert things",
          "placeholder": "says nothing", "unsure": "undecided"}  # fmt: skip
_SLANTED = ("genus", "subgenus", "species", "subspecies", "variety", "form")


def labelled_page(labels: LabelMap) -> str:
    """Return the page of a map."""
    targets = [*labels.targets.values()]
    run = run_id("labels", {"map": labels.path.name, "labels": len(targets)})
    return page(
        "Where the labels go",
        [
            _whole(targets),
            _undecided(targets),
            _doubtful(targets),
            _kinds(targets),
            _faults(labels),
        ],
        subtitle=f"{labels.path.name}, {labels.lock or 'of no checklist'}",
        stamp=stamp("labels-page", "1.0", run, labels.lock.as_dict() if labels.lock else None),
    )


def _counts(targets: Iterable[LabelTarget]) -> bool:
    """Return whether records are counted; else each label counts once."""
    return any(target.count for target in targets)


def _weight(target: LabelTarget, counted: bool) -> int:
    return (target.count or 0) if counted else 1


def _whole(targets: Sequence[LabelTarget]) -> Section:
    counted = _counts(targets)
    unit = "records" if counted else "labels"
    taxa = {(t.name, t.rank, t.taxon_id) for t in targets if t.name}
    open_ = [t for t in targets if t.kind == "unsure"]
    figures: list[tuple[object, str]] = [
        (len(targets), "labels"),
        (len({t.source for t in targets}), "sources"),
        (len(taxa), "taxa"),
        (len(open_), "labels undecided"),
    ]
    if counted:
        figures.insert(1, (_short(sum(t.count or 0 for t in targets)), "records"))
    rows = [
        (_path(target), _weight(target, counted), target.label)
        for target in targets
        if _weight(target, counted)
    ]
    parts: list[Part] = [Figures(figures)]
    if counted and open_:
        share = sum(t.count or 0 for t in open_) / max(sum(t.count or 0 for t in targets), 1)
        parts.append(Note(f"The undecided labels are those of {100 * share:.1f} % of the records."))
    parts += [
        Flow(
            "From the sources of the labels to taxa; point at a box or a ribbon for its numbers",
            ("source", "kingdom or kind", *_RANKS[1:]), rows, unit,
        ),
        Table(
            ("kingdom or kind", "phylum", *dict.fromkeys(("labels", unit))),
            [row if counted else row[:3] for row in _phyla(targets, counted)],
            "The same in numbers",
        ),
    ]  # fmt: skip
    return Section("From labels to taxa", parts)


def _short(number: int) -> str:
    """Return a number that fits into its box."""
    return f"{number / 1e6:,.1f} M" if number >= 1e6 else f"{number:,}"


def _path(target: LabelTarget) -> list[str]:
    """Return the boxes of a label; a rank that its lineage leaves out is passed through."""
    source = target.source or "(any source)"
    if target.kind != "living":
        return [source, _OTHER.get(target.kind, target.kind)]
    names = [target.lineage.get(rank, "") for rank in _RANKS]
    last = max((place for place, name in enumerate(names) if name), default=-1)
    filled = [name or f"no {rank}" for name, rank in zip(names, _RANKS, strict=True)]
    return [source, *(filled[: last + 1] or [target.name or target.called or "a taxon"])]


def _phyla(targets: Sequence[LabelTarget], counted: bool) -> list[tuple[str, str, int, int]]:
    labels: Counter[tuple[str, str]] = Counter()
    records: Counter[tuple[str, str]] = Counter()
    for target in targets:
        key = (*_path(target)[1:3], "")[:2]
        labels[key[0], key[1]] += 1
        records[key[0], key[1]] += _weight(target, counted)
    order = sorted(labels, key=lambda key: (-records[key], key))
    return [(*key, labels[key], records[key]) for key in order]


def _undecided(targets: Sequence[LabelTarget]) -> Section:
    """Return what a person has to decide, the most records first."""
    rows = _most([t for t in targets if t.kind == "unsure"])
    if not rows:
        return Section("Undecided", [Text("Every label is decided.")])
    cells = [
        (t.source, t.label, t.count, t.reason, t.candidates.replace(" | ", "; ") or None)
        for t in rows[:_SHOWN]
    ]
    return Section(
        "Undecided",
        [
            Text(
                "Write what they are into the map (kind, scientificName, taxonRank) or into a "
                "table of errata. Until then nothing is said of their records."
            ),
            Table(("source", "label", "records", "why", "could be"), cells,
                  more=len(rows) - len(cells)),
        ],
    )  # fmt: skip


def _doubtful(targets: Sequence[LabelTarget]) -> Section:
    """Return proposals that are worth a look: decided by something else than the name alone."""
    plain = ("the name, to the letter", "its words say", "no word of it")
    rows = _most(
        [
            t for t in targets
            if t.status == "proposed" and t.kind != "unsure"
            and (t.candidates or "look at it" in t.remarks or not t.reason.startswith(plain))
        ]
    )  # fmt: skip
    if not rows:
        return Section("Worth a look", [Text("No proposal hangs on more than its name.")])
    cells = [
        (
            t.source, t.label, t.count, Name(t.name) if t.rank in _SLANTED else t.name or t.called,
            t.rank, "; ".join(filter(None, [t.reason, t.remarks])),
        )
        for t in rows[:_SHOWN]
    ]  # fmt: skip
    heads = ("source", "label", "records", "taxon", "rank", "why")
    return Section("Worth a look", [Table(heads, cells, more=len(rows) - len(cells))])


def _kinds(targets: Sequence[LabelTarget]) -> Section:
    labels: Counter[tuple[str, str]] = Counter()
    records: Counter[tuple[str, str]] = Counter()
    for t in targets:
        key = (t.source or "(any source)", "taxon" if t.kind == "living" else t.kind)
        labels[key] += 1
        records[key] += t.count or 0
    rows = [(*key, labels[key], records[key]) for key in sorted(labels)]
    return Section("By source", [Table(("source", "kind", "labels", "records"), rows)])


def _faults(labels: LabelMap) -> Section:
    if not labels.faults:
        return Section("Rows set aside", [Text("Every row of the map could be read.")])
    rows = [(str(f.line), f.reason, f.content) for f in labels.faults[:_SHOWN]]
    return Section(
        "Rows set aside",
        [
            Note("These rows were not used."),
            Table(("line", "why", "what it holds"), rows, more=len(labels.faults) - len(rows)),
        ],
    )


def _most(targets: list[LabelTarget]) -> list[LabelTarget]:
    return sorted(targets, key=lambda t: (-(t.count or 0), t.source, t.label))
